"""Multicast of a group: spacing, summaries, repeats, counters, and the end of the session."""

from __future__ import annotations

import itertools

import pytest

from fuota_fec.campaign.messages import (
    DownlinkSent,
    GroupDone,
    Known,
    NetworkCapabilities,
    Reported,
    Requested,
    StageEnded,
    StageStarted,
    SummaryOverdue,
    Wait,
)
from fuota_fec.campaign.plan import make_plan

NO_SUMMARIES = NetworkCapabilities(summaries=False)


@pytest.fixture
def sending(drive):
    """A campaign that has just sent its first frame."""

    def make(n_devices=2, **settings):
        d = drive(n_devices, stage="DlFragment", **settings)
        d.wait(max(0, d.campaign.deadline() - d.now))
        return d

    return make


def start_of(d, group="meters"):
    return d.of(StageStarted)[2].sessions[group].start


def hand_over_all(d, n_frames):
    """Frames 1 … n, each as soon as it is requested."""
    for n in range(1, n_frames + 1):
        d.wait(2)
        assert len(d.frames()) == n
        d.hand_over(d.frames()[-1])
    d.wait(2)


# ---- what is sent ----------------------------------------------------------------------------------------


def test_frames_go_to_the_fragmentation_port_until_they_would_end_after_the_session(sending):
    d = sending()
    [frame] = d.frames()
    session = d.of(StageStarted)[2].sessions["meters"]
    assert (frame.f_port, frame.dev_eui, frame.command) == (201, None, None)
    assert session.end == session.start + 2**session.time_out
    assert frame.not_after == session.end - d.campaign.plan.groups["meters"].time.frame_time


def test_the_first_frame_goes_out_first_fragment_delay_and_tolerance_after_the_start(drive):
    d = drive(1, stage="DlFragment", first_fragment_delay=7, time_tolerance=4)
    d.send_all()
    assert d.frames()[0].at == start_of(d) + 11


# ---- spacing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("delay", "duty_cycle", "rule"), [(2000, 1, "mcast_msg_delay"), (0, 0.001, "duty_cycle")])
def test_spacing_is_the_largest_of_its_rules(drive, delay, duty_cycle, rule):
    d = drive(1, stage="DlFragment", mcast_msg_delay=delay, duty_cycle=duty_cycle)
    time = d.campaign.plan.groups["meters"].time
    assert time.rule == rule
    d.send_all()
    times = [f.at for f in d.frames()]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == [pytest.approx(time.spacing)] * 4
    assert time.spacing == (2 if delay else pytest.approx(time.frame_time / 0.001))


def test_the_frame_after_a_coded_fragment_waits_for_the_spacing_of_coded_ones(drive):
    d = drive(1, stage="DlFragment", coded_msg_delay=7000)
    d.send_all()
    gaps = [after.at - before.at for before, after in itertools.pairwise(d.frames())]
    assert gaps == [pytest.approx(gap) for gap in (2, 2, 2, 7)]


def test_a_late_summary_does_not_shorten_the_spacing_after_it(sending):
    d = sending(mcast_msg_delay=10_000)
    d.hand_over(d.frames()[0])
    d.wait(25)
    d.summary(d.frames()[0])
    assert len(d.frames()) == 2
    d.hand_over(d.frames()[1])
    d.summary(d.frames()[1])
    assert len(d.frames()) == 2
    d.wait(10)
    assert len(d.frames()) == 3


# ---- summaries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 2, 4])
def test_at_most_summary_window_frames_are_without_their_summary(sending, window):
    d = sending(summary_window=window, summary_report_timeout=0)
    for _ in range(10):
        d.hand_over(d.frames()[-1])
        d.wait(60)
    assert len(d.frames()) == window
    d.summary(d.frames()[0])
    d.wait(60)
    assert len(d.frames()) == min(window + 1, 5)


def test_summaries_may_come_in_any_order(sending):
    d = sending(summary_window=5)
    hand_over_all(d, 5)
    for frame in reversed(d.frames()):
        assert d.stage == "DlFragment"
        d.summary(frame)
    assert d.stage == "CompletionVerification"


def test_with_a_timeout_of_0_a_summary_is_waited_for_for_ever(sending):
    d = sending(max_duration=1_000_000, summary_report_timeout=0)
    d.hand_over(d.frames()[0])
    d.wait(20_000)
    assert len(d.frames()) == 1
    assert d.stage == "DlFragment"


@pytest.mark.parametrize("cadence", [1, 60])
def test_by_default_a_summary_is_waited_for_five_times_as_long_as_usual(sending, cadence):
    """The event that names the frame comes first; then sending goes on."""
    d = sending(network=NetworkCapabilities(summary_cadence=cadence))
    first = d.frames()[0]
    d.hand_over(first)
    since = d.now
    d.wait(10 * cadence)
    [overdue], [report] = d.of(SummaryOverdue), [e for e in d.of(Reported) if e.id == first.id]
    assert (overdue.id, overdue.frag_nb, overdue.at) == (first.id, 1, since + 5 * cadence)
    assert (report.ok, report.cause) == (True, "no summary report in time")
    assert report.at == pytest.approx(since + 5 * cadence * 1.002)
    assert [frame.frag_nb for frame in d.frames()] == [1, 2]


def test_the_summary_timeout_grows_with_the_group(drive):
    d = drive(50, success_threshold=1, stage="DlFragment", summary_report_timeout=10, ucast_msg_delay=0)
    d.wait(d.campaign.deadline() - d.now)
    d.hand_over(d.frames()[0])
    d.wait(10.4)
    assert d.of(Reported)[-1].id != d.frames()[0].id
    d.wait(0.2)
    report = d.of(Reported)[-1]
    assert (report.id, report.ok, report.cause) == (d.frames()[0].id, True, "no summary report in time")


def test_a_frame_without_summary_in_time_is_not_repeated(sending):
    d = sending(summary_report_timeout=10)
    for _ in range(5):
        d.hand_over(d.frames()[-1])
        d.wait(30)
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3, 4, 5]
    assert d.stage == "CompletionVerification"


@pytest.mark.parametrize("off", [{"network": NO_SUMMARIES}, {"summary_reports_disabled": True}])
def test_where_there_are_no_summaries_the_hand_over_is_enough(sending, off):
    d = sending(**off)
    for n in range(1, 5):
        d.wait(10)
        assert len(d.frames()) == n, "not before the hand-over of the one before"
        d.hand_over(d.frames()[-1])
        d.wait(2)
    d.hand_over(d.frames()[-1])
    d.wait(10)
    assert len(d.frames()) == 5
    assert d.stage == "CompletionVerification"


def test_an_unknown_summary_is_counted(sending):
    d = sending()
    d.summary(Requested(at=0, id="c/999", ask="DataFragment", group="meters", f_port=201, not_after=0, digest=b""))
    assert d.campaign.ignored["MulticastSummary"] == 1


def test_a_repeated_summary_changes_nothing(sending):
    d = sending()
    [frame] = d.frames()
    d.hand_over(frame)
    d.summary(frame)
    n_events = len(d.events)
    for ok in (True, False):
        d.receive(DownlinkSent(frame.id, ok))
        d.summary(frame, ok)
    assert [e for e in d.events[n_events:] if isinstance(e, Reported)] == []


# ---- repeats ---------------------------------------------------------------------------------------------


def test_a_frame_that_no_gateway_sent_goes_out_again_before_the_next_one(sending):
    d = sending()
    d.hand_over(d.frames()[0])
    d.summary(d.frames()[0], ok=False)
    d.wait(2)
    first, second = d.frames()
    assert (first.frag_nb, first.f_cnt, first.digest) == (second.frag_nb, second.f_cnt, second.digest)
    assert first.id != second.id
    d.hand_over(second)
    d.summary(second)
    d.wait(2)
    assert d.frames()[2].frag_nb == 2


def test_a_frame_is_repeated_at_most_twice(sending):
    d = sending()
    for _ in range(15):
        if d.stage == "DlFragment":
            d.hand_over(d.frames()[-1])
            d.summary(d.frames()[-1], ok=False)
            d.wait(2)
    assert [f.frag_nb for f in d.frames()] == [n for n in range(1, 6) for _ in range(3)]
    assert d.stage == "CompletionVerification"


def test_repeats_come_first_in_a_window_of_several(sending):
    d = sending(summary_window=3)
    hand_over_all(d, 3)
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3]
    d.summary(d.frames()[1], ok=False)
    d.wait(10)
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3, 2]


def test_the_last_frame_too_is_repeated(sending):
    d = sending(redundancy=0)
    for ok in (True, True, False, True):
        d.hand_over(d.frames()[-1])
        d.summary(d.frames()[-1], ok)
        d.wait(2)
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3, 3]
    assert d.stage == "UpgradeImage"


# ---- counters --------------------------------------------------------------------------------------------


def test_each_frame_has_the_groups_next_counter(drive, group_of):
    d = drive(1, groups=(group_of(first_f_cnt=65_500),), stage="DlFragment")
    d.send_all()
    assert [f.f_cnt for f in d.frames()] == [65_500 + i for i in range(5)]


def test_groups_count_for_themselves(drive, group_of):
    groups = (group_of("a", first_f_cnt=5), group_of("b", mc_addr="01f3a4b6", first_f_cnt=900))
    d = drive(2, groups=groups, stage="DlFragment")
    d.send_all()
    assert [f.f_cnt for f in d.frames("a")] == [5, 6, 7, 8, 9]
    assert [f.f_cnt for f in d.frames("b")] == [900, 901, 902, 903, 904]


def test_no_counter_is_used_for_two_payloads(sending):
    d = sending(summary_window=2)
    answers = iter([False, True, False, False, True, False, True, True, False, False, False] * 3)
    seen = set()
    while d.stage == "DlFragment":
        for frame in d.frames():
            if frame.id not in seen:
                seen.add(frame.id)
                d.hand_over(frame)
                d.summary(frame, next(answers))
        d.wait(1)
    payload_of = {}
    for frame in d.frames():
        assert payload_of.setdefault(frame.f_cnt, frame.digest) == frame.digest
    assert len(payload_of) == 5


def test_where_the_network_owns_the_counter_none_is_asked_for(sending):
    d = sending(network=NetworkCapabilities(owns_f_cnt=True))
    assert d.frames()[0].f_cnt is None
    d.hand_over(d.frames()[0], f_cnt=1234)
    assert d.new[0].f_cnt == 1234


# ---- the session's end -----------------------------------------------------------------------------------


def test_no_frame_is_requested_that_would_end_after_the_session(drive):
    """The campaign's duration is used up by the setup, so the session is short; the summary of frame 1 comes late."""
    d = drive(1, max_duration=900, stage="DlFragment")
    session = d.of(StageStarted)[2].sessions["meters"]
    d.wait(d.campaign.deadline() - d.now)
    d.hand_over(d.frames()[0])
    d.wait(session.end - d.now - 0.01)
    if d.status == "RUNNING":
        d.summary(d.frames()[0])
        d.wait(5)
    assert all(f.at + d.campaign.plan.groups["meters"].time.frame_time <= session.end for f in d.frames())
    assert d.status == "FAILED"


def test_session_over_fails_the_group_and_says_after_how_many(drive):
    """The maximum duration leaves no time to ask for another session."""
    d = drive(1, max_duration=33_500, stage="DlFragment", summary_report_timeout=0)
    session = d.of(StageStarted)[2].sessions["meters"]
    assert session.time_out == 15
    d.wait(d.campaign.deadline() - d.now)
    d.hand_over(d.frames()[0])
    d.wait(session.end - d.now + 1)
    d.summary(d.frames()[0])
    [done] = d.of(GroupDone)
    assert (done.n_sent, done.reason) == (1, "session over after 1 of 5 fragments")
    assert d.of(StageEnded)[-1].successes == 0
    assert d.status == "FAILED"
    assert d.device(1).reason == "session over after 1 of 5 fragments"


# ---- spacing: which rule ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "network", "rule"),
    [
        ({"mcast_msg_delay": 5000}, {}, "mcast_msg_delay"),
        ({"mcast_msg_delay": 0, "duty_cycle": 0.01}, {}, "duty_cycle"),
        ({"mcast_msg_delay": 100}, {"pacing": 4.0}, "network_pacing"),
        ({"mcast_msg_delay": 0, "periodicity": 6}, {}, "ping_slot"),
    ],
)
def test_the_largest_of_four_rules_spaces_the_frames_and_is_shown(drive, group_of, settings, network, rule):
    periodicity = settings.get("periodicity")
    changes = {} if periodicity is None else {"device_class": "B", "periodicity": periodicity}
    others = {name: value for name, value in settings.items() if name != "periodicity"}
    d = drive(1, groups=(group_of(**changes),), network=NetworkCapabilities(**network), stage="DlFragment", **others)
    plan = d.campaign.plan.groups["meters"]
    spacing = {"mcast_msg_delay": 5, "network_pacing": 4, "ping_slot": 64, "duty_cycle": plan.time.frame_time * 100}
    assert plan.time.spacing == pytest.approx(spacing[rule])
    assert d.campaign.status().spacing == {"meters": (plan.time.spacing, rule)}
    assert d.campaign.progress().spacing == d.campaign.status().spacing
    d.send_all()
    gaps = [b - a for a, b in itertools.pairwise(f.at for f in d.frames())]
    assert gaps == [pytest.approx(spacing[rule])] * 4


def test_in_class_b_a_spacing_is_a_whole_number_of_ping_slots(drive, group_of):
    d = drive(1, groups=(group_of(device_class="B", periodicity=4),), mcast_msg_delay=20_000)
    assert d.campaign.status().spacing == {"meters": (32.0, "mcast_msg_delay")}


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({}, {}, True),
        ({"gateways": ("a", "b")}, {"gateways": ("b", "c")}, True),
        ({"gateways": ("a", "b")}, {"gateways": ("c",)}, False),
        ({"gateways": ("a",)}, {}, True),  # whose gateways are not declared may use any
        ({"frequency": 869_525_000}, {"frequency": 869_525_000}, True),
        ({"frequency": 868_100_000}, {"frequency": 868_500_000}, True),  # one sub-band, two channels
        ({"frequency": 868_100_000}, {"frequency": 869_525_000}, False),
        ({"region": "EU868"}, {"region": "RU864", "frequency": 869_100_000}, False),
    ],
)
def test_groups_in_one_sub_band_share_its_duty_cycle_unless_their_gateways_are_disjoint(
    config_of, group_of, one, other, shared
):
    groups = (group_of("a", **one), group_of("b", **{"mc_addr": "01f3a4b6", **other}))
    settings = {"mcast_msg_delay": 0, "fsize": None}
    image = bytes(3000)
    together = make_plan(config_of(2, groups=groups, **settings), len(image)).groups
    for group in groups:
        alone = make_plan(config_of(1, groups=(group,), **settings), len(image)).groups[group.name]
        assert together[group.name].time.spacing == pytest.approx((1 + shared) * alone.time.spacing)
        assert together[group.name].time.rule == "duty_cycle"


def test_a_group_shares_with_each_that_it_may_meet(config_of, group_of):
    groups = (
        group_of("a", gateways=("x",)),
        group_of("b", mc_addr="01f3a4b6", gateways=("y",)),
        group_of("c", mc_addr="01f3a4b7", gateways=("x", "y")),
    )
    plan = make_plan(config_of(3, groups=groups, mcast_msg_delay=0, fsize=None), 3000).groups
    spacing = {name: group.time.spacing / group.time.frame_time for name, group in plan.items()}
    assert spacing == {"a": pytest.approx(20), "b": pytest.approx(20), "c": pytest.approx(30)}


# ---- spacing: of what is on the air ----------------------------------------------------------------------


def test_frames_are_spaced_from_hand_over_to_hand_over(sending):
    """The network could not be reached for a while."""
    d = sending(network=NO_SUMMARIES, mcast_msg_delay=10_000)
    d.wait(8)
    d.hand_over(d.frames()[0])
    d.wait(9.9)
    assert len(d.frames()) == 1
    d.wait(0.2)
    assert len(d.frames()) == 2


def test_a_frame_is_not_requested_before_the_network_has_the_one_before_it(sending):
    d = sending(summary_window=3, mcast_msg_delay=10_000)
    d.wait(300)
    assert len(d.frames()) == 1
    d.hand_over(d.frames()[0])
    d.wait(11)
    assert len(d.frames()) == 2


def test_a_repeat_keeps_its_distance_from_frames_that_were_sent(sending):
    d = sending(summary_window=2, mcast_msg_delay=10_000)
    d.hand_over(d.frames()[0])
    d.wait(10)
    d.hand_over(d.frames()[1])
    d.wait(3)
    d.summary(d.frames()[0], ok=False)
    assert len(d.frames()) == 2
    d.wait(7.1)
    assert [f.frag_nb for f in d.frames()] == [1, 2, 1]
    assert d.frames()[2].at == pytest.approx(d.frames()[1].at + 10)


def test_a_repeat_goes_out_at_once_where_nothing_else_was_sent(sending):
    d = sending(mcast_msg_delay=10_000)
    d.hand_over(d.frames()[0])
    d.wait(1)
    d.summary(d.frames()[0], ok=False)
    assert [f.frag_nb for f in d.frames()] == [1, 1]
    assert d.frames()[1].at == d.frames()[0].at + 1
    d.hand_over(d.frames()[1])
    d.summary(d.frames()[1])
    d.wait(9.9)
    assert len(d.frames()) == 2
    d.wait(0.2)
    assert d.frames()[2].frag_nb == 2


# ---- summaries that are late -----------------------------------------------------------------------------


def test_a_summary_that_takes_five_times_as_long_as_usual_is_an_event_that_names_the_frame(sending):
    d = sending(network=NetworkCapabilities(summary_cadence=12), summary_report_timeout=0)
    d.hand_over(d.frames()[0])
    d.summary(d.frames()[0])
    d.wait(2)
    second = d.frames()[1]
    d.hand_over(second)
    handed_over_at = d.now
    d.wait(59.9)
    assert d.of(SummaryOverdue) == []
    d.wait(300)
    wait = Wait(until=d.session().end, why="the summary of fragment 2 of group meters")
    overdue = SummaryOverdue(at=handed_over_at + 60, id=second.id, group="meters", frag_nb=2, wait=wait)
    assert d.of(SummaryOverdue) == [overdue]
    assert len(d.frames()) == 2, "it is waited for all the same"


def test_a_summary_in_time_is_no_event(sending):
    d = sending(network=NetworkCapabilities(summary_cadence=12))
    d.hand_over(d.frames()[0])
    d.wait(59)
    d.summary(d.frames()[0])
    d.wait(500)
    assert d.of(SummaryOverdue) == []


def test_without_summaries_none_is_late(sending):
    for off in ({"network": NO_SUMMARIES}, {"summary_reports_disabled": True}):
        d = sending(**off)
        for _ in range(4):
            d.hand_over(d.frames()[-1])
            d.wait(400)
        assert d.of(SummaryOverdue) == []


def test_the_frame_that_is_repeated_is_waited_for_anew(sending):
    d = sending(network=NetworkCapabilities(summary_cadence=12))
    d.hand_over(d.frames()[0])
    d.wait(50)
    d.summary(d.frames()[0], ok=False)
    d.hand_over(d.frames()[1])
    repeated_at = d.now
    d.wait(400)
    assert [(e.id, e.at) for e in d.of(SummaryOverdue)] == [(d.frames()[1].id, repeated_at + 60)]


# ---- counters of the network -----------------------------------------------------------------------------


def test_where_the_network_owns_the_counter_it_is_read_before_the_group_is_set_up(drive):
    owner = NetworkCapabilities(owns_f_cnt=True)
    d = drive(1, network=owner, known=Known(next_f_cnt={"meters": 700}))
    assert d.command(d.ask(1)).min_mc_fcnt == 700
    d.reach("DlFragment")
    d.send_all()
    assert d.campaign.next_f_cnt("meters") == 705


def test_where_the_network_owns_the_counter_a_repeat_has_a_new_one(sending):
    d = sending(network=NetworkCapabilities(owns_f_cnt=True))
    d.hand_over(d.frames()[0], f_cnt=40)
    d.summary(d.frames()[0], ok=False)
    again = d.frames()[1]
    assert (again.frag_nb, again.f_cnt, again.digest) == (1, None, d.frames()[0].digest)
    d.hand_over(again, f_cnt=41)
    assert d.campaign.next_f_cnt("meters") == 42


def test_a_counter_is_taken_before_the_frame_is_handed_over(sending):
    d = sending()
    assert d.frames()[0].f_cnt == 0
    assert d.campaign.next_f_cnt("meters") == 1


# ---- class B ---------------------------------------------------------------------------------------------


def test_in_class_b_the_first_frame_is_requested_at_the_sessions_start(drive, group_of):
    """The network sends it in the first ping slot after that."""
    d = drive(1, groups=(group_of(device_class="B"),), stage="DlFragment", first_fragment_delay=9)
    d.send_all()
    assert d.frames()[0].at == d.session().start


def test_in_class_b_a_frame_has_its_slot_before_the_session_ends(drive, group_of):
    d = drive(1, groups=(group_of(device_class="B", periodicity=6),), stage="DlFragment")
    d.wait_until(d.session().start)
    time = d.campaign.plan.groups["meters"].time
    assert d.frames()[0].not_after == d.session().end - time.frame_time - 64
