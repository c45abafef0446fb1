"""Questions of TS005: multicast group, session, and clock synchronisation."""

from __future__ import annotations

import pytest
from campaign_driver import dev, known, member, replayed

from fuota_fec.campaign import messages as m
from fuota_fec.campaign import questions
from fuota_fec.campaign.messages import Answered, StageStarted
from fuota_fec.wire import clock, multicast
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire

FRAG, CLASS_C, GROUP = "FragSessionSetup", "McClassCSession", "McGroupSetup"


def asked(d, i=1, module=multicast, version="1.0.0"):
    """The command of the present request to device i."""
    [command] = module.decode(d.ask(i).command, uplink=False, version=version)
    return command


def session(d, group="meters"):
    return d.of(StageStarted)[2].sessions[group]


CLASS_B = "McClassBSession"


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
    assert d.questions(1, CLASS_C) == ["McSession", "ForceDeviceResync", "McSession"]
    assert "clock off by" in d.device(1).reason


def test_time_to_start_counts_from_the_reception(drive):
    d = drive(1, stage=CLASS_C)
    d.sent(d.ask(1))
    d.wait(90)
    received_at = d.now - 9
    answer = multicast.McClassCSessionAns(mc_group_id=0, time_to_start=int(session(d).start - received_at))
    d.say(1, answer, received_at=received_at)
    assert d.stage == "DlFragment"


def test_a_device_that_does_not_know_the_time_has_its_clock_off(drive):
    d = drive(1, stage=CLASS_C)
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=multicast.TIME_TO_START_UNKNOWN))
    assert d.device(1).reason == "clock off: the device does not know the time"


@pytest.mark.parametrize("flag", ["dr_error", "freq_error"])
def test_an_error_bit_of_the_session_that_no_remedy_helps_is_a_reason(drive, flag):
    d = drive(1, stage=CLASS_C)
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, **{flag: True}))
    assert len(d.requests(1, CLASS_C)) == 1
    d.clean_up()
    assert d.device(1).reason == f"refused in McClassCSession: {flag}"


REFUSED = {
    flag: multicast.McClassCSessionAns(mc_group_id=0, **{flag: True}) for flag in ("mc_group_undefined", "start_missed")
}


def refuse(d, flag, *, times=1):
    """Device 1 refuses the session, and succeeds with whatever it is asked before the session again."""
    for n in range(times):
        d.sent(d.ask(1))
        d.say(1, REFUSED[flag])
        while n + 1 < times and d.asked(1) not in ("McSession", ""):
            d.sent(d.ask(1))
            d.say(1, d.right_answer(1))


def test_a_missed_start_that_lies_ahead_is_a_wrong_clock_and_synchronised_once(drive):
    d = drive(1, stage=CLASS_C)
    refuse(d, "start_missed", times=2)
    assert d.questions(1, CLASS_C) == ["McSession", "ForceDeviceResync", "McSession"]
    assert d.device(1).reason == "clock off: the device reports a missed start"


def test_a_device_that_is_synchronised_after_a_missed_start_succeeds(drive):
    d = drive(1, stage=CLASS_C)
    refuse(d, "start_missed")
    d.succeed(1)
    assert d.stage == "DlFragment"


def test_a_missed_start_that_has_passed_is_a_refusal(drive):
    d = drive(2, stage=CLASS_C)
    d.sent(d.ask(1))
    session_start = d.session().start
    d.receive(m.Uplink(dev(1), 200, REFUSED["start_missed"].encode(), session_start + 1))
    assert d.questions(1, CLASS_C) == ["McSession"]


def test_a_group_that_a_known_member_lost_is_set_up_again_and_the_registry_corrected(drive):
    d = drive(1, known=known(memberships=(member(),)), stage=CLASS_C)
    assert d.questions(1, GROUP) == []
    refuse(d, "mc_group_undefined")
    assert d.state(1).memberships == ()
    d.succeed(1)
    assert d.questions(1, CLASS_C) == ["McSession", "McGroupSetup", "McSession"]
    assert (d.stage, len(d.state(1).memberships)) == ("DlFragment", 1)


def test_an_undefined_group_that_was_set_up_in_this_campaign_may_be_a_wrong_clock(drive):
    """LoRaMac-node and ST report a start that has passed by their clock as an undefined group."""
    d = drive(1, stage=CLASS_C)
    refuse(d, "mc_group_undefined", times=3)
    assert d.questions(1, CLASS_C) == ["McSession", "ForceDeviceResync", "McSession", "McGroupSetup", "McSession"]
    assert d.device(1).reason == "refused in McClassCSession: mc_group_undefined"
    assert d.state(1).memberships == ()


def test_a_group_delete_that_was_not_confirmed_leaves_the_membership_unknown(drive):
    d = drive(1, stage=CLASS_C)
    d.stop()
    for _ in range(3):
        assert d.sent(d.ask(1)) is not None
        d.wait(1000)
    assert (d.status, d.questions(1, "clean-up")) == ("STOPPED", ["McGroupDelete"] * 3)
    assert d.state(1).memberships == ()


def test_errors_to_come_of_version_2_refuse_the_session(drive, group_of):
    d = drive(1, groups=(group_of(mc_version="2.0.0"),), stage=CLASS_C)
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, other_errors=2))
    assert "other_errors" in d.device(1).reason


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


def test_a_class_b_request_names_ping_slots(drive, group_of):
    groups = (group_of(device_class="B", periodicity=2, mc_group_id=3, dr=4),)
    d = drive(1, groups=groups, stage=CLASS_B)
    command = asked(d)
    assert isinstance(command, multicast.McClassBSessionReq)
    assert (command.mc_group_id, command.periodicity, command.dr) == (3, 2, 4)
    assert command.dl_frequency_hz == 869_525_000


def test_class_b_hops_where_the_region_does_unless_a_frequency_is_given(drive, group_of):
    for frequency, expected in ((None, 0), (923_300_000, 923_300_000)):
        groups = (group_of(device_class="B", region="US915", mc_version="2.0.0", dr=8, frequency=frequency),)
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


@pytest.mark.parametrize("kind", ["firmware", "binary", "multicast"])
def test_the_warning_about_a_clock_is_in_the_last_status(drive, kind):
    d = drive(2, kind=kind, stage=CLASS_C, stage_end="all")
    d.sent(d.ask(1))
    d.now = float(int(d.now) + 5)
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=int(d.session().start - d.now) + 5))
    d.succeed(2)
    d.reach("the end")
    assert d.status == "SUCCEEDED"
    assert (d.device(1).note, d.device(2).note) == ("clock off by 5 s", "")
    assert replayed(d).status() == d.campaign.status()


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


def test_a_multicast_setup_lets_the_group_count_as_far_as_it_can(drive) -> None:
    d = drive(1, kind="multicast")
    command = d.command(d.ask(1))
    assert (command.min_mc_fcnt, command.max_mc_fcnt) == (0, 0xFFFFFFFF)


def test_a_device_that_already_belongs_to_the_group_is_not_asked(drive) -> None:
    d = drive(2, known=known(memberships=(member(mc_group_id=1), member())))
    assert (d.asked(1), d.asked(2)) == ("", GROUP)
    d.succeed(2)
    assert d.stage == FRAG
    assert d.requests(1, GROUP) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"mc_addr": "01f3a4b6"},
        {"key": "another"},
        {"mc_group_id": 1},
        {"max_mc_f_cnt": 4},
    ],
)
def test_a_member_is_set_up_again_unless_its_membership_is_the_same(drive, changes) -> None:
    d = drive(1, known=known(memberships=(member(**changes),)))
    assert d.asked(1) == GROUP


def test_a_member_is_set_up_again_unless_its_counters_cover_the_planned_frames(drive) -> None:
    counters = {"meters": 100}
    for last, asked in ((104, GROUP), (105, "")):
        said = m.Known(next_f_cnt=counters, devices={dev(1): m.KnownDevice(memberships=(member(max_mc_f_cnt=last),))})
        d = drive(2, known=said)
        assert d.asked(1) == asked


# ---- changes of the device's state -----------------------------------------------------------------------


def test_a_group_setup_that_is_requested_makes_the_membership_unknown(drive) -> None:
    d = drive(1)
    device, other = d.state(1), member(mc_group_id=2)
    device.memberships = (member(), other)
    questions.MC_GROUP_SETUP.sent(d.machine.state, device, d.now)
    assert device.memberships == (other,)
    assert device.dev_eui in d.machine.state.changed_devices


def test_a_group_setup_that_succeeds_records_the_membership(drive) -> None:
    d = drive(1)
    device = d.state(1)
    questions.MC_GROUP_SETUP.done(d.machine.state, device)
    assert device.group_set_up
    assert [(m.mc_group_id, m.mc_addr, m.key) for m in device.memberships] == [(0, "01f3a4b5", "meters")]
    assert questions.is_member(d.machine.state, device)


def test_a_group_delete_that_succeeds_ends_the_membership(drive) -> None:
    d = drive(1)
    device = d.state(1)
    questions.MC_GROUP_SETUP.done(d.machine.state, device)
    questions.MC_GROUP_DELETE.done(d.machine.state, device)
    assert (device.group_set_up, device.memberships) == (False, ())


@pytest.mark.parametrize("undefined", [False, True])
def test_a_group_delete_succeeds_whether_the_group_existed_or_not(drive, undefined) -> None:
    d = drive(1)
    answer = multicast.McGroupDeleteAns(mc_group_id=0, mc_group_undefined=undefined)
    assert questions.MC_GROUP_DELETE.read(d.machine.state, d.state(1), answer, d.now) is questions.OK


def test_a_session_is_asked_again_after_one_synchronisation_only(drive) -> None:
    d = drive(1, stage=CLASS_C)
    state, device = d.machine.state, d.state(1)
    answer = multicast.McClassCSessionAns(mc_group_id=0, time_to_start=5)
    first = questions.SESSION.read(state, device, answer, d.now)
    questions.FORCE_DEVICE_RESYNC.sent(state, device, d.now)
    second = questions.SESSION.read(state, device, answer, d.now)
    assert (first.ok, first.again, first.first) == (False, "now", ("ForceDeviceResync",))
    assert (second.ok, second.again, second.reason) == (False, "", first.reason)
    assert device.synchronised


def test_a_synchronisation_is_asked_once(drive) -> None:
    assert questions.FORCE_DEVICE_RESYNC.optional
    assert [name for name, q in vars(questions).items() if isinstance(q, questions.Question) and q.optional] == [
        "FRAG_SESSION_DELETE",
        "FORCE_DEVICE_RESYNC",
        "RUNNING_VERSION_ONCE",
    ]
