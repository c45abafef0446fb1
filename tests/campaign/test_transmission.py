"""The multicast exchange, rule by rule."""

from __future__ import annotations

import itertools

import pytest

from fuota_fec.campaign.messages import (
    DownlinkSent,
    Finished,
    GroupDone,
    NetworkCapabilities,
    Reported,
    Requested,
    StageEnded,
    StageStarted,
)
from fuota_fec.wire import fragmentation

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


# ---- what is sent ----------------------------------------------------------------------------------------


def test_uncoded_fragments_in_order_then_coded_ones(drive):
    d = drive(1, stage="DlFragment")
    d.send_all()
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3, 4, 5]


def test_chosen_rows_are_sent_in_their_order(drive):
    d = drive(1, stage="DlFragment", rows=(9, 2, 16000))
    d.send_all()
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3, 12, 5, 16003]


def test_without_redundancy_the_uncoded_fragments_are_all(drive):
    d = drive(1, stage="DlFragment", redundancy=0)
    d.send_all()
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3]
    assert d.stage == "CompletionVerification"


def test_frames_go_to_the_fragmentation_port_until_the_sessions_end(sending):
    d = sending()
    [frame] = d.frames()
    session = d.of(StageStarted)[2].sessions["meters"]
    assert (frame.f_port, frame.dev_eui, frame.command) == (201, None, None)
    assert frame.not_after == session.end == session.start + 2**session.time_out


def test_the_first_frame_goes_out_first_fragment_delay_and_tolerance_after_the_start(drive):
    d = drive(1, stage="DlFragment", first_fragment_delay=7, time_tolerance=4)
    d.send_all()
    assert d.frames()[0].at == start_of(d) + 11


def test_groups_without_devices_are_not_sent_to(drive, group_of):
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    d = drive(4, groups=groups, success_threshold=50, stage_end="all")
    for i in (1, 3):
        d.succeed(i)
    for i in (2, 4):
        d.sent(d.ask(i))
        d.say(i, type(d.right_answer(i))(mc_group_id=0, id_error=True))
    d.reach("CompletionVerification")
    assert {f.group for f in d.frames()} == {"a"}


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
    d = sending(summary_window=window)
    for _ in range(10):
        for frame in d.frames():
            d.hand_over(frame)
        d.wait(60)
    assert len(d.frames()) == window
    d.summary(d.frames()[0])
    d.wait(60)
    assert len(d.frames()) == min(window + 1, 5)


def test_summaries_may_come_in_any_order(sending):
    d = sending(summary_window=5)
    d.wait(60)
    assert len(d.frames()) == 5
    for frame in d.frames():
        d.hand_over(frame)
    for frame in reversed(d.frames()):
        assert d.stage == "DlFragment"
        d.summary(frame)
    assert d.stage == "CompletionVerification"


def test_without_a_timeout_a_summary_is_waited_for_for_ever(sending):
    d = sending(max_duration=1_000_000)
    d.hand_over(d.frames()[0])
    d.wait(20_000)
    assert len(d.frames()) == 1
    assert d.stage == "DlFragment"


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
    d.summary(Requested(at=0, id="c/999", f_port=201, not_after=0, digest=b""))
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
    d.wait(10)
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3]
    for frame in d.frames():
        d.hand_over(frame)
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
    assert d.stage == "CompletionVerification"


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
    d = drive(1, max_duration=100_000, stage="DlFragment")
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


def test_a_group_whose_session_is_over_does_not_stop_the_others(drive, group_of):
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    d = drive(2, groups=groups, success_threshold=50, stage_end="all", stage="DlFragment")
    session = d.of(StageStarted)[2].sessions["a"]
    d.wait(d.campaign.deadline() - d.now)
    for _ in range(5):
        frame = d.frames("b")[-1]
        d.hand_over(frame)
        d.summary(frame)
        d.wait(2)
    d.hand_over(d.frames("a")[0])
    d.wait(session.end - d.now)
    d.summary(d.frames("a")[0])
    assert d.stage == "CompletionVerification"
    assert d.device(1).reason == "session over after 1 of 5 fragments"
    assert d.device(2).status == "running"


def test_the_maximum_duration_ends_the_transmission(drive):
    d = drive(2, max_duration=3000, stage="DlFragment")
    d.wait(d.campaign.deadline() - d.now)
    d.wait(3001)
    [finished] = d.of(Finished)
    assert finished.reason == "maximum duration reached in DlFragment"
    assert d.of(GroupDone)[0].reason == "maximum duration reached after 1 of 5 fragments"
    assert {x.reason for x in d.campaign.status().devices} == {"maximum duration reached after 1 of 5 fragments"}


# ---- uplinks meanwhile -----------------------------------------------------------------------------------


def test_uplinks_while_fragments_are_sent_are_foreign(sending):
    d = sending()
    d.up(1)
    answer = fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=1, missing_frag=2)
    d.say(1, answer)
    d.up(1, 201, b"\xff\x00")
    assert d.new == []
    assert d.campaign.ignored["FragSessionStatusAns"] == 1


def test_progress_shows_frames_requested_and_planned(sending):
    d = sending()
    assert d.campaign.status().fragments == {"meters": (1, 5)}
