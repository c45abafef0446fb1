"""What each stage asks, and how its answers read."""

from __future__ import annotations

import pytest

from fuota_fec.campaign.config import Device
from fuota_fec.campaign.messages import Answered, StageStarted
from fuota_fec.campaign.stages import FIRMWARE_UPDATE, dotted, refusal
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix

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
    assert d.campaign.status().stages == tuple(stage.name for stage in FIRMWARE_UPDATE)
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
    assert (command.session_cnt, command.mic, command.ack_reception) == (77, bytes(4), False)


@pytest.mark.parametrize(
    "flag", ["frag_algo_unsupported", "not_enough_memory", "frag_index_unsupported", "wrong_descriptor"]
)
def test_every_error_bit_of_frag_session_setup_is_a_reason(drive, flag):
    d = drive(1, stage=FRAG)
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0, **{flag: True}))
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
    [*_, answer] = d.of(Answered)
    assert answer.ok is ok
    assert answer.reason == ("" if ok else f"clock off by {off} s")


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
