"""What each stage asks, and how its answers read."""

from __future__ import annotations

import pytest

from fuota_fec.campaign.config import Device
from fuota_fec.campaign.messages import Answered, GivenUp, Requested, StageStarted
from fuota_fec.campaign.plan import make_plan
from fuota_fec.campaign.questions import refusal
from fuota_fec.campaign.reasons import dotted
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire

SETUP, FRAG, CLASS_C, VERIFY = "McGroupSetup", "FragSessionSetup", "McClassCSession", "CompletionVerification"


def asked(d, i=1, module=multicast, version="1.0.0"):
    """The command of the present request to device i."""
    [command] = module.decode(d.ask(i).command, uplink=False, version=version)
    return command


def session(d, group="meters"):
    return d.of(StageStarted)[2].sessions[group]


def test_the_stages_of_a_firmware_update_come_in_order(drive):
    d = drive(2)
    d.reach("end")
    assert [e.stage for e in d.of(StageStarted)] == [SETUP, FRAG, CLASS_C, "DlFragment", VERIFY]
    assert d.campaign.status().stages == (SETUP, FRAG, CLASS_C, "DlFragment", VERIFY)
    assert d.status == "SUCCEEDED"


# ---- McGroupSetup ----------------------------------------------------------------------------------------


def test_mc_group_setup_names_the_group_and_holds_no_key(drive, group_of):
    d = drive(1, groups=(group_of(mc_group_id=2, first_f_cnt=40),), mcgroup_validity_coeff=3)
    command = asked(d)
    assert command == multicast.McGroupSetupReq(
        mc_group_id=2, mc_addr=0x01F3A4B5, mc_key_encrypted=bytes(16), min_mc_fcnt=40, max_mc_fcnt=40 + 15
    )
    assert d.requests(1)[0].f_port == 200


def test_the_counters_cover_all_planned_frames(drive, group_of):
    for coefficient in (1, 1.3, 10):
        d = drive(1, groups=(group_of(first_f_cnt=7),), mcgroup_validity_coeff=coefficient)
        assert asked(d).max_mc_fcnt >= 7 + d.campaign.plan.groups["meters"].n_frames


def test_the_last_counter_fits_into_32_bits(drive, group_of):
    d = drive(1, groups=(group_of(first_f_cnt=65_500),), mcgroup_validity_coeff=1e6)
    assert asked(d).max_mc_fcnt == min(65_500 + 5 * 10**6, 0xFFFFFFFF)


# ---- FragSessionSetup ------------------------------------------------------------------------------------


def test_frag_session_setup_describes_the_block(drive, group_of):
    d = drive(1, groups=(group_of(mc_group_id=3),), fsize=8, frag_index=2, descriptor="0a0B0c0D", stage=FRAG)
    command = asked(d, module=fragmentation)
    assert command == fragmentation.FragSessionSetupReq(
        frag_index=2,
        mc_group_bit_mask=0b1000,
        nb_frag=4,
        frag_size=8,
        block_ack_delay=0,
        padding=2,
        descriptor=b"\x0a\x0b\x0c\x0d",
    )
    assert d.requests(1)[0].f_port == 201


def test_dialect_2_has_a_session_counter_and_room_for_the_mic(drive, group_of):
    d = drive(1, groups=(group_of(version="2.0.0"),), session_cnt=77, stage=FRAG)
    command = asked(d, module=fragmentation, version="2.0.0")
    assert (command.session_cnt, command.mic, command.ack_reception) == (77, bytes(4), True)


@pytest.mark.parametrize(
    "flag", ["frag_algo_unsupported", "not_enough_memory", "frag_index_unsupported", "wrong_descriptor"]
)
def test_every_error_bit_of_frag_session_setup_is_a_reason(drive, flag):
    d = drive(1, stage=FRAG)
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0, **{flag: True}))
    assert len(d.requests(1, FRAG)) == 1
    d.clean_up()
    assert d.status == "FAILED"
    assert flag in d.device(1).reason


def test_an_answer_about_another_session_is_foreign(drive):
    d = drive(1, frag_index=1, stage=FRAG)
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0))
    assert d.stage == FRAG
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=1))
    assert d.stage == CLASS_C


def test_each_group_is_spoken_to_in_its_dialect(drive, group_of):
    groups = (group_of("old"), group_of("new", mc_addr="01f3a4b6", version="2.0.0", mc_version="2.0.0"))
    d = drive(2, groups=groups, stage=FRAG)
    assert asked(d, 1, fragmentation, "1.0.0").version == "1.0.0"
    assert asked(d, 2, fragmentation, "2.0.0").version == "2.0.0"


# ---- McClassCSession -------------------------------------------------------------------------------------


def test_the_sessions_start_leaves_time_for_all_retries(drive):
    settings = {"ucast_msg_delay": 500, "msg_retries": 3, "delivery_timeout": 20, "mcsession_delay": 45}
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters", uplink_period=60 * i) for i in (1, 2, 3))
    d = drive(3, devices=devices, stage_complete_delay=2, stage=CLASS_C, **settings)
    begun = d.of(StageStarted)[2].at
    expected = begun + 3 * 0.5 + 4 * (2 * 180 + 2 * 20) + 2 * 180 + 45
    assert expected <= session(d).start < expected + 1
    assert session(d).start == int(session(d).start)


def test_the_sessions_start_is_the_same_in_every_resend_and_for_every_device(drive):
    d = drive(3, stage=CLASS_C)
    commands = [asked(d, 1)]
    for i in (2, 3):
        d.wait(10)
        commands.append(asked(d, i))
    d.sent(d.requests(1)[-1], ok=False)
    d.wait(150)
    commands += [multicast.decode(r.command, uplink=False)[0] for r in d.requests(1)]
    assert len(commands) == 5
    assert all(command == commands[0] for command in commands)
    assert commands[0].session_time == int(gps_from_unix(session(d).start)) % 2**32


def test_a_configured_start_is_used(drive):
    d = drive(1, session_start=1_800_020_000.0, stage=CLASS_C)
    assert session(d).start == 1_800_020_000.0
    assert asked(d).session_time == int(gps_from_unix(1_800_020_000)) % 2**32


def test_a_configured_start_is_the_deadline_of_the_stages_before_it(drive):
    d = drive(1, session_start=1_800_000_500.0, msg_retries=100)
    d.ask(1)
    d.wait(600)
    assert d.status == "FAILED"


@pytest.mark.parametrize(("max_duration", "time_out"), [(1000, 8), (1815, 10), (100_000, 15)])
def test_the_time_out_reaches_to_the_maximum_duration(drive, max_duration, time_out):
    d = drive(1, max_duration=max_duration, stage=CLASS_C)
    left = d.of(StageStarted)[0].at + max_duration - session(d).start
    assert session(d).time_out == time_out
    assert 2**time_out >= min(left, 2**15)
    assert 2 ** (time_out - 1) < left


def test_the_session_names_radio_parameters(drive, group_of):
    d = drive(1, groups=(group_of(dr=3, frequency=868_100_000, mc_group_id=1),), stage=CLASS_C)
    command = asked(d)
    assert (command.mc_group_id, command.dr, command.dl_frequency_hz) == (1, 3, 868_100_000)


def test_without_a_frequency_it_is_the_regions_default(drive, group_of):
    d = drive(1, groups=(group_of(frequency=None),), stage=CLASS_C)
    assert asked(d).dl_frequency_hz == 869_525_000


@pytest.mark.parametrize(
    ("off", "ok"), [(0, True), (2, True), (11, True), (-11, True), (12, True), (13, False), (-13, False), (5000, False)]
)
def test_time_to_start_may_be_time_tolerance_and_ten_seconds_off(drive, off, ok):
    d = drive(1, stage=CLASS_C, time_tolerance=2)
    d.sent(d.ask(1))
    received_at = d.now = float(int(d.now) + 5)
    time_to_start = int(session(d).start - received_at + off)
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=time_to_start))
    if ok:
        assert d.stage == "DlFragment"
        return
    assert d.state(1).reason == f"clock off by {off} s"
    assert d.asked(1) == "ForceDeviceResync"


def test_a_clock_that_is_still_off_after_it_was_synchronised_fails_the_device(drive):
    d = drive(1, stage=CLASS_C, stage_end="all")
    for _ in range(2):
        d.sent(d.ask(1))
        d.say(1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=5))
        if d.asked(1) == "ForceDeviceResync":
            d.sent(d.ask(1))
            time = gps_to_wire(gps_from_unix(d.now)) + 700
            d.say(1, clock.AppTimeReq(device_time=time, ans_required=True, token_req=0))
            d.wait(3)
            assert clock.decode(d.replies(1)[0].command, uplink=False)[0].time_correction == -700
    assert d.asks(1, CLASS_C) == ["McSession", "ForceDeviceResync", "McSession"]
    assert "clock off by" in d.device(1).reason


def test_time_to_start_counts_from_the_reception(drive):
    d = drive(1, stage=CLASS_C)
    d.sent(d.ask(1))
    d.wait(90)
    received_at = d.now - 80
    answer = multicast.McClassCSessionAns(mc_group_id=0, time_to_start=int(session(d).start - received_at))
    d.say(1, answer, received_at=received_at)
    assert d.stage == "DlFragment"


def test_a_device_without_the_time_is_off(drive):
    d = drive(1, stage=CLASS_C)
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=multicast.TIME_TO_START_UNKNOWN))
    assert d.device(1).reason == "clock off: the device does not know the time"


@pytest.mark.parametrize("flag", ["dr_error", "freq_error", "mc_group_undefined", "start_missed"])
def test_every_error_bit_of_the_session_is_a_reason(drive, flag):
    d = drive(1, stage=CLASS_C)
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, **{flag: True}))
    assert len(d.requests(1, CLASS_C)) == 1
    d.clean_up()
    assert d.status == "FAILED"
    assert flag in d.device(1).reason


def test_errors_to_come_of_version_2_refuse_the_session(drive, group_of):
    d = drive(1, groups=(group_of(mc_version="2.0.0"),), stage=CLASS_C)
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, other_errors=2))
    assert "other_errors" in d.device(1).reason


# ---- CompletionVerification ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.0.0.0", 0x02000000])
def test_the_version_is_compared_as_a_number(drive, version):
    d = drive(1, fw_version=version, stage=VERIFY)
    d.wait(30)
    assert asked(d, module=firmware) == firmware.DevVersionReq()
    assert d.requests(1)[0].f_port == 203
    d.succeed(1)
    assert d.status == "SUCCEEDED"
    assert d.device(1).fw_version == 0x02000000


def test_dotted() -> None:
    assert dotted(0x01020304) == "1.2.3.4"
    assert dotted(0) == "0.0.0.0"
    assert dotted(0xFFFFFFFF) == "255.255.255.255"


def test_refusal_names_the_flags_that_are_set() -> None:
    assert refusal(multicast.McGroupSetupAns(mc_group_id=3)) == ""
    both = fragmentation.FragSessionSetupAns(frag_index=1, not_enough_memory=True, wrong_descriptor=True)
    assert refusal(both) == "not_enough_memory, wrong_descriptor"


def test_a_group_number_is_no_refusal() -> None:
    """mc_group_id 1 is not the flag True."""
    assert refusal(multicast.McGroupSetupAns(mc_group_id=1)) == ""
    assert refusal(fragmentation.FragSessionSetupAns(frag_index=1)) == ""


# ---- other ports -----------------------------------------------------------------------------------------


def test_commands_are_read_on_the_configured_ports_only(drive):
    from fuota_fec.campaign.config import Ports

    d = drive(1, ports=Ports(multicast=10, fragmentation=11, firmware=12))
    request = d.ask(1)
    assert request.f_port == 10
    d.sent(request)
    answer = multicast.McGroupSetupAns(mc_group_id=0).encode()
    d.up(1, 200, answer)
    assert d.stage == SETUP
    d.up(1, 10, answer)
    assert d.stage == FRAG


# ---- McGroupSetup: what the counters cover ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "n_planned"),
    [
        ({}, 5),
        ({"redundancy": 0, "datafrag_loops_max": 3, "allow_carousel": True}, 9),
        ({"kind": "binary"}, 5),
        ({"kind": "binary", "fsession_status_threshold": 0}, 6),
        ({"kind": "binary", "redundancy": 0, "datafrag_loops_max": 3, "allow_carousel": True}, 12),
    ],
)
def test_the_counters_cover_fragments_of_all_rounds_and_status_requests(drive, group_of, settings, n_planned):
    d = drive(1, groups=(group_of(first_f_cnt=100),), mcgroup_validity_coeff=1, **settings)
    assert d.campaign.plan.groups["meters"].n_planned == n_planned
    assert asked(d).max_mc_fcnt == 100 + n_planned


# ---- DevRebootTime ---------------------------------------------------------------------------------------

REBOOT = 1_800_050_000.0


@pytest.mark.parametrize(
    ("profile", "verb"), [("generic", firmware.DevRebootTimeReq), ("lbm", firmware.DevRebootTimeReq)]
)
def test_a_device_that_knows_the_reboot_time_is_told_it(drive, profile, verb):
    """A time does not age in the server's queue, so it is preferred where a stack takes either."""
    d = drive(1, reboot=REBOOT, each={"profile": profile}, stage="DevRebootTime")
    command = asked(d, module=firmware)
    assert command == verb(reboot_time=int(gps_from_unix(REBOOT)) % 2**32)
    d.say(1, firmware.DevRebootTimeAns(reboot_time=4000))
    assert d.stage == FRAG


def test_a_device_that_only_takes_a_countdown_is_given_one(drive):
    d = drive(1, reboot=REBOOT, each={"profile": "st"}, fsize=40, stage="DevRebootTime")
    command = asked(d, module=firmware)
    assert command == firmware.DevRebootCountdownReq(countdown=round(REBOOT - d.requests(1)[0].at))
    d.say(1, firmware.DevRebootTimeAns(reboot_time=4000))
    assert d.stage == "DevRebootTime", "an answer to another request"
    d.say(1, firmware.DevRebootCountdownAns(countdown=4000))
    assert d.stage == FRAG


def test_a_device_whose_stack_takes_either_is_believed_in_the_one_that_was_sent(drive):
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    d.sent(d.ask(1))
    d.say(1, firmware.DevRebootCountdownAns(countdown=4000))
    assert d.stage == "DevRebootTime"


def test_a_reboot_time_is_not_sent_without_being_configured(drive):
    d = drive(1)
    d.reach("end")
    assert "DevRebootTime" not in {e.stage for e in d.of(StageStarted)}
    assert not {e.ask for e in d.of(Requested)} & {"DevRebootTime", "DevRebootCountdown"}


# ---- FragSessionSetup: replayed counters -----------------------------------------------------------------

REPLAY = fragmentation.FragSessionSetupAns(frag_index=0, session_cnt_replay=True)


@pytest.fixture
def in_setup(drive, group_of):
    """Dialect 2.0.0, FragSessionSetup sent to device 1 with SessionCnt 7."""

    def make(**settings):
        d = drive(2, groups=(group_of(version="2.0.0"),), stage=FRAG, **{"session_cnt": 7, **settings})
        d.sent(d.ask(1))
        return d

    return make


def session_counts(d, i=1):
    return [d.command(r).session_cnt for r in d.requests(i) if r.ask == FRAG]


def test_a_session_count_that_was_too_low_is_raised_and_the_setup_sent_once_more(in_setup):
    d = in_setup()
    d.say(1, REPLAY)
    d.wait(2)
    assert session_counts(d) == [7, 7 + 256]
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0))
    assert [(e.ok, e.reason) for e in d.of(Answered)][-1] == (True, "")
    assert d.state(2).session_cnt == 7, "each device has its own"


def test_a_session_count_that_is_still_too_low_is_a_refusal(in_setup):
    d = in_setup(success_threshold=50, stage_end="all")
    for _ in range(2):
        d.say(1, REPLAY)
        d.wait(2)
        d.sent(d.ask(1))
    assert session_counts(d) == [7, 263]
    assert d.device(1).reason == "refused in FragSessionSetup: session_cnt_replay"


def test_to_raise_the_count_uses_up_no_retry(in_setup):
    d = in_setup(msg_retries=0)
    d.say(1, REPLAY)
    d.wait(2)
    assert session_counts(d) == [7, 263]
    assert d.of(GivenUp) == []


def test_a_count_that_is_raised_stays_raised_in_resends(in_setup):
    d = in_setup(msg_retries=1)
    d.say(1, REPLAY)
    d.wait(2)
    d.sent(d.ask(1), ok=False)
    d.wait(2)
    assert session_counts(d) == [7, 263, 263]


def test_the_last_session_count_cannot_be_raised(in_setup):
    d = in_setup(session_cnt=0xFFFF)
    d.say(1, REPLAY)
    d.wait(2)
    assert session_counts(d) == [0xFFFF]
    assert d.of(Answered)[-1].ok is False
    assert d.device(1).reason == "refused in FragSessionSetup: session_cnt_replay"


def test_a_replay_beside_another_error_is_a_refusal(in_setup):
    d = in_setup()
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0, session_cnt_replay=True, wrong_descriptor=True))
    d.wait(2)
    assert session_counts(d) == [7]
    assert d.of(Answered)[-1].ok is False
    assert "wrong_descriptor" in d.device(1).reason


def test_a_repeated_replay_answer_raises_the_count_once(in_setup):
    d = in_setup(ucast_msg_delay=20_000)
    d.say(1, REPLAY, REPLAY)
    d.say(1, REPLAY)
    d.wait(50)
    assert session_counts(d) == [7, 263]


@pytest.mark.parametrize(("n_devices", "delay"), [(1, 0), (240, 0), (241, 1), (497, 2)])
def test_answers_spread_over_the_number_of_devices_and_devices_are_told_so(drive, group_of, n_devices, delay):
    """N/16 + 1 s, rounded up to 2^(BlockAckDelay + 4)."""
    d = drive(n_devices, success_threshold=1, stage_end="threshold", stage=FRAG, ucast_msg_delay=0)
    member = next(i for i in range(1, n_devices + 1) if d.state(i).taking_part)
    assert asked(d, member, module=fragmentation).block_ack_delay == delay


def test_the_spread_is_cut_to_answer_spread_max(config_of):
    def delay(n_devices, most):
        config = config_of(n_devices, answer_spread_max=most)
        return make_plan(config, 30).groups["meters"].block_ack_delay

    assert [delay(4000, most) for most in (0, 16, 17, 128, 129, 2048)] == [0, 0, 1, 3, 4, 4]


@pytest.mark.parametrize(
    ("n_devices", "setting", "asks"),
    [(500, None, True), (501, None, False), (501, True, True), (1, False, False)],
)
def test_devices_acknowledge_the_block_in_groups_of_up_to_500(config_of, group_of, n_devices, setting, asks):
    config = config_of(n_devices, groups=(group_of(version="2.0.0"),), ack_reception=setting)
    assert make_plan(config, 30).groups["meters"].ack_reception is asks


def test_dialect_1_cannot_acknowledge_the_block(config_of):
    assert not make_plan(config_of(1, ack_reception=True), 30).groups["meters"].ack_reception


# ---- the session of class B ------------------------------------------------------------------------------

CLASS_B = "McClassBSession"


@pytest.mark.parametrize("beacons", [0, 1, 2, 5])
def test_a_class_b_session_starts_at_a_beacon_after_beacons_of_acquisition(drive, group_of, beacons):
    d = drive(1, groups=(group_of(device_class="B"),), classb_start_beacons_delay=beacons, stage=CLASS_B)
    c = drive(1, stage=CLASS_C)
    computed = session(c).start - c.of(StageStarted)[2].at
    earliest = gps_from_unix(d.of(StageStarted)[2].at + computed) + 128 * beacons
    start = gps_from_unix(session(d).start)
    assert start % 128 == 0
    assert earliest <= start < earliest + 128 + 1
    assert asked(d).session_time == start % 2**32


def test_a_configured_start_of_class_b_is_rounded_up_to_a_beacon(drive, group_of):
    d = drive(1, groups=(group_of(device_class="B"),), session_start=1_800_020_000.0, stage=CLASS_B)
    start = gps_from_unix(session(d).start)
    assert start % 128 == 0
    assert 0 <= start - gps_from_unix(1_800_020_000) < 128
    aligned = float(session(d).start)
    d = drive(1, groups=(group_of(device_class="B"),), session_start=aligned, stage=CLASS_B)
    assert session(d).start == aligned


@pytest.mark.parametrize(("max_duration", "time_out"), [(3000, 4), (9000, 6), (100_000, 10)])
def test_the_time_out_of_class_b_counts_beacon_periods(drive, group_of, max_duration, time_out):
    d = drive(1, groups=(group_of(device_class="B"),), max_duration=max_duration, stage=CLASS_B)
    left = d.of(StageStarted)[0].at + max_duration - session(d).start
    assert session(d).time_out == asked(d).time_out == time_out
    assert session(d).end == session(d).start + 128 * 2**time_out
    assert 128 * 2**time_out >= left > 128 * 2 ** (time_out - 1)


def test_a_class_b_request_names_ping_slots(drive, group_of):
    groups = (group_of(device_class="B", periodicity=2, mc_group_id=3, dr=4),)
    d = drive(1, groups=groups, stage=CLASS_B)
    command = asked(d)
    assert isinstance(command, multicast.McClassBSessionReq)
    assert (command.mc_group_id, command.periodicity, command.dr) == (3, 2, 4)
    assert command.dl_frequency_hz == 869_525_000


def test_class_b_hops_where_the_region_does_unless_a_frequency_is_given(drive, group_of):
    for frequency, expected in ((None, 0), (923_300_000, 923_300_000)):
        groups = (group_of(device_class="B", region="US915", dr=8, frequency=frequency),)
        assert asked(drive(1, groups=groups, stage=CLASS_B)).dl_frequency_hz == expected


def test_class_c_names_one_frequency_even_where_the_region_hops(drive, group_of):
    groups = (group_of(region="US915", dr=8, frequency=None),)
    assert asked(drive(1, groups=groups, stage=CLASS_C)).dl_frequency_hz == 923_300_000


@pytest.mark.parametrize("device_class", ["B", "C"])
@pytest.mark.parametrize(
    ("off", "note"), [(0, ""), (2, ""), (-2, ""), (3, "clock off by 3 s"), (-12, "clock off by -12 s")]
)
def test_a_start_that_is_off_is_a_warning(drive, group_of, device_class, off, note):
    d = drive(1, groups=(group_of(device_class=device_class),), stage=f"McClass{device_class}Session")
    d.sent(d.ask(1))
    d.now = float(int(d.now) + 5)
    answer = d.right_answer(1)
    d.say(1, type(answer)(mc_group_id=0, time_to_start=answer.time_to_start + off))
    [*_, answered] = d.of(Answered)
    assert (answered.ok, answered.reason, answered.note) == (True, "", note)
    assert d.device(1).note == note


def test_the_tolerance_of_the_clock_is_configured(drive):
    for tolerance, ok in ((0, False), (30, True)):
        d = drive(1, time_tolerance=tolerance, stage=CLASS_C)
        d.sent(d.ask(1))
        d.now = float(int(d.now) + 5)
        d.say(1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=int(session(d).start - d.now) + 30))
        assert (d.stage == "DlFragment") is ok


def test_the_answer_of_the_other_class_is_foreign(drive):
    d = drive(1, stage=CLASS_C)
    d.sent(d.ask(1))
    d.say(1, multicast.McClassBSessionAns(mc_group_id=0, time_to_start=int(session(d).start - d.now)))
    assert d.stage == CLASS_C
    assert d.campaign.ignored["McClassBSessionAns"] == 1


def test_nothing_is_asked_once_the_session_has_started(drive):
    d = drive(2, stage=CLASS_C, stage_end="all", success_threshold=50, msg_retries=9)
    d.succeed(1)
    d.ask(2)
    d.wait_until(session(d).start + 1)
    assert d.stage == "DlFragment"
    assert d.device(2).reason == "no answer in McClassCSession"
    assert all(r.not_after <= session(d).start for r in d.requests(2, CLASS_C))


# ---- CompletionVerification ------------------------------------------------------------------------------


@pytest.mark.parametrize(("hw_version", "says", "status"), [(None, 9, "passed"), (9, 9, "passed"), (8, 9, "failed")])
def test_the_hardware_must_be_the_configured_one(drive, hw_version, says, status):
    d = drive(2, hw_version=hw_version, success_threshold=50, stage_end="all", stage=VERIFY)
    d.wait(30)
    for i in (1, 2):
        d.sent(d.ask(i))
    d.say(2, firmware.DevVersionAns(fw_version=0x02000000, hw_version=says))
    d.say(1, firmware.DevVersionAns(fw_version=0x02000000, hw_version=hw_version or 1))
    d.wait(500)
    assert d.device(2).status == status
    assert d.device(2).reason == ("" if status == "passed" else "wrong hardware version 9, expected 8")
    assert len(d.requests(2, VERIFY)) <= 1


def test_a_third_version_is_a_verdict_and_is_not_asked_again(drive):
    d = drive(2, each={"fw_version": "1.0.0.0"}, success_threshold=50, stage_end="all", stage=VERIFY)
    d.wait(30)
    d.sent(d.ask(1))
    d.say(1, firmware.DevVersionAns(fw_version=0x01010000, hw_version=1))
    d.wait(150)
    assert len(d.requests(1)) == 1
    assert d.device(1).reason == "wrong version 1.1.0.0"
    assert d.device(1).fw_version == 0x01010000


def test_versions_are_little_endian_on_the_air(drive):
    d = drive(1, fw_version="1.2.3.4", stage=VERIFY)
    d.up(1, 203, bytes((1, 4, 3, 2, 1, 0, 0, 0, 0)))
    assert d.status == "SUCCEEDED"
    assert d.device(1).fw_version == 0x01020304


def test_verification_is_bounded_by_process_time_and_one_unicast_stage(drive):
    """Devices that speak but never answer cannot keep it."""
    d = drive(2, stage=VERIFY, success_threshold=50, stage_end="all", msg_retries=1, fuota_process_max_time=60)
    begun = d.now
    for _ in range(400):
        if d.status != "RUNNING":
            break
        d.wait(10)
        for i in (1, 2):
            if d.status == "RUNNING":
                d.up(i)
    assert d.status == "FAILED"
    asking, wait = 2 * 1.0, 2 * (2 * 100 + 2 * 10)
    assert d.now - begun <= 60 + 60 + 3 * 100 + asking + wait + 10


def test_verification_has_its_time_even_if_the_transmission_ended_long_after_its_last_frame(drive, group_of):
    """A summary that never came: the session of the other group had to end."""
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    d = drive(2, groups=groups, success_threshold=50, stage_end="all", stage="DlFragment", max_duration=34_000)
    d.wait_until(d.session("a").start + 5)
    for _ in range(5):
        d.hand_over(d.frames("b")[-1])
        d.summary(d.frames("b")[-1])
        d.wait(2)
    d.wait_until(d.session("a").end)
    assert d.stage == VERIFY
    d.wait(30)
    d.succeed(2)
    assert d.status == "SUCCEEDED"
