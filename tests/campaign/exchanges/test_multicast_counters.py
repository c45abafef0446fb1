"""Frame counters of a group: strict rise, repeats, frames that were not sent in their session, and the last counter."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from campaign_driver import IMAGE, member
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.campaign.messages import (
    DownlinkSent,
    GroupDone,
    GroupFact,
    HandedOver,
    Known,
    KnownDevice,
    NetworkCapabilities,
    Requested,
    StageStarted,
    Withdrawn,
)
from fuota_fec.campaign.reasons import counter_seen

DATA, SESSION = "DlFragment", "McClassCSession"
OWNER = NetworkCapabilities(owns_f_cnt=True)


@pytest.fixture
def sending(drive):
    """A campaign that has just requested its first frame."""

    def make(n_devices: int = 2, **settings: Any) -> Any:
        d = drive(n_devices, stage=DATA, **settings)
        d.wait(max(0, d.campaign.deadline() - d.now))
        return d

    return make


def numbers(d: Any, group: str | None = None) -> list[tuple[int | None, int | None]]:
    return [(frame.frag_nb, frame.f_cnt) for frame in d.frames(group)]


def hand_over_next(d: Any) -> Requested:
    """Waits for the next frame and hands it over."""
    n_handed_over = sum(e.id in {f.id for f in d.frames()} for e in d.of(HandedOver))
    while len(d.frames()) == n_handed_over:
        d.wait(1)
    d.hand_over(d.frames()[-1])
    return d.frames()[-1]


def over(d: Any, group: str = "meters") -> None:
    d.wait_until(d.session(group).end + 1)


# ---- repeats ---------------------------------------------------------------------------------------------


def test_a_frame_is_repeated_with_its_counter_while_no_higher_one_was_handed_over(sending) -> None:
    d = sending(summary_window=3)
    for _ in range(3):
        last = hand_over_next(d)
    d.summary(last, ok=False)
    d.wait(3)
    assert numbers(d) == [(1, 0), (2, 1), (3, 2), (3, 2)]


def test_a_frame_is_repeated_with_a_new_counter_once_a_higher_one_was_handed_over(sending) -> None:
    d = sending(summary_window=3)
    first, _, _ = (hand_over_next(d) for _ in range(3))
    d.summary(first, ok=False)
    d.wait(3)
    assert numbers(d) == [(1, 0), (2, 1), (3, 2), (1, 3)]
    assert d.frames()[-1].digest == first.digest
    assert d.campaign.next_f_cnt("meters") == 4


def test_a_frame_whose_hand_over_failed_is_sent_with_a_new_counter_after_a_later_one(sending) -> None:
    """The key of the group could not be read for a while: the network never had frame 2."""
    d = sending(summary_window=2)
    first = hand_over_next(d)
    d.wait(2)
    second = d.frames()[-1]
    d.summary(first, ok=False)
    d.receive(DownlinkSent(second.id, False, "no key"))
    d.wait(3)
    assert numbers(d)[2] == (1, 2), "2 may have been handed over"
    d.hand_over(d.frames()[2])
    d.wait(3)
    assert numbers(d)[3] == (2, 3)


def test_a_frame_that_the_network_does_not_take_is_not_overtaken(sending) -> None:
    d = sending(summary_window=4)
    d.wait(600)
    assert numbers(d) == [(1, 0)]
    d.crash()
    assert d.campaign.awaits_hand_over(d.frames()[0].id), "it is handed over as it was"
    d.wait(600)
    assert numbers(d) == [(1, 0)]


STEPS = ("take", "take", "take", "wait", "wait", "wait", "sent", "lost", "lost", "failed", "crash", "session over")


@settings(max_examples=150, deadline=None)
@given(
    window=st.integers(1, 4),
    owns=st.booleans(),
    redundancy=st.sampled_from([0, 2]),
    steps=st.lists(st.sampled_from(STEPS), min_size=10, max_size=40),
    data=st.data(),
)
def test_counters_that_are_handed_over_rise_strictly_whatever_happens(
    drive, window, owns, redundancy, steps, data
) -> None:
    """A counter is used again only for the same payload, and while no higher one was handed over. All fragments are
    sent in the end."""
    network = NetworkCapabilities(owns_f_cnt=owns)
    more = {"redundancy": redundancy, "summary_window": window, "max_duration": 9e6, "session_length": "need"}
    d = drive(1, stage=DATA, network=network, **more)
    d.wait_until(d.session().start + 5)
    reported: set[str] = set()
    for step in steps:
        if d.stage != DATA:
            break
        waiting = [f for f in d.frames() if f.id in {e.id for e in d.of(HandedOver)} - reported]
        if step == "take":
            for frame in d.frames():
                if d.campaign.awaits_hand_over(frame.id):
                    d.hand_over(frame)
        elif step in ("sent", "lost") and waiting:
            frame = data.draw(st.sampled_from(waiting))
            reported.add(frame.id)
            d.summary(frame, step == "sent")
        elif step == "failed" and d.frames():
            d.receive(DownlinkSent(d.frames()[-1].id, False, "no key"))
        elif step == "crash":
            d.crash()
        elif step == "session over":
            over(d)
            if d.stage == SESSION:
                d.reach(DATA)
                d.wait_until(d.session().start + 5)
        else:
            d.wait(3)
    d.reach("end")
    assert (d.status, d.of(GroupDone)[-1].reason) == ("SUCCEEDED", "")
    requests = {frame.id: frame for frame in d.frames()}
    handed_over = [(e.f_cnt, requests[e.id].digest) for e in d.of(HandedOver) if e.id in requests]
    for (f_cnt, digest), (higher, other) in itertools.pairwise(handed_over):
        assert higher > f_cnt or (higher == f_cnt and digest == other and not owns)
    assert len(dict(handed_over).values()) == len({f_cnt for f_cnt, _ in handed_over})
    sent = {requests[e.id].frag_nb for e in d.of(HandedOver) if e.id in requests}
    n_lost = sum(steps.count(step) for step in ("lost", "failed"))
    assert n_lost or sent >= {1, 2, 3}


# ---- frames that were not sent in their session ----------------------------------------------------------


@pytest.mark.parametrize("n_sent", [0, 1, 4])
def test_a_frame_that_was_not_handed_over_is_sent_first_in_the_next_session(sending, n_sent) -> None:
    d = sending()
    for _ in range(n_sent):
        d.summary(hand_over_next(d))
    d.wait(3)
    lost = d.frames()[-1]
    assert lost.frag_nb == n_sent + 1
    over(d)
    assert d.of(GroupDone)[-1].again == (n_sent + 1,)
    assert d.stage == SESSION
    d.reach("end")
    assert d.status == "SUCCEEDED"
    frames = numbers(d)
    assert frames[n_sent : n_sent + 2] == [(n_sent + 1, n_sent)] * 2, "the same payload, and no higher one"
    assert [number for number, _ in frames[n_sent + 1 :]] == list(range(n_sent + 1, 6))


def test_frames_that_no_gateway_sent_go_into_the_next_session_under_new_counters(sending) -> None:
    """The network does not take frame 3, so that 1 and 2 are not repeated in this session."""
    d = sending(summary_window=3)
    first, second = hand_over_next(d), hand_over_next(d)
    d.wait(2)
    d.summary(first, ok=False)
    d.summary(second, ok=False)
    over(d)
    assert d.of(GroupDone)[-1].again == (1, 2, 3)
    d.reach("end")
    assert numbers(d) == [(1, 0), (2, 1), (3, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)]
    assert d.status == "SUCCEEDED"


def test_repeats_are_counted_over_sessions(sending) -> None:
    d = sending(summary_report_timeout=0)
    d.summary(hand_over_next(d), ok=False)
    again = hand_over_next(d)
    d.wait_until(d.session().end - 0.01)
    d.summary(again, ok=False)
    assert (d.stage, d.of(GroupDone)[-1].again) == (SESSION, (1,))
    d.reach(DATA)
    d.summary(hand_over_next(d), ok=False)
    d.reach("end")
    assert numbers(d) == [(1, 0), (1, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4)], "repeated twice in all"


def test_a_session_is_asked_for_the_last_frame_alone(sending) -> None:
    d = sending(redundancy=0, datafrag_loops_max=1)
    for _ in range(2):
        d.summary(hand_over_next(d))
    d.wait(3)
    over(d)
    assert (d.stage, d.of(GroupDone)[-1].again) == (SESSION, (3,))
    d.reach("end")
    assert [n for n, _ in numbers(d)] == [1, 2, 3, 3]


def test_a_new_round_begins_without_frames_of_the_one_before(sending) -> None:
    d = sending(redundancy=0, max_duration=9e6)
    d.wait(3)
    over(d)
    d.reach(DATA)
    state = d.machine.state.groups["meters"]
    assert (state.unsent, state.remaining) == ((), 2)
    state.unsent = ((1, 0, 0),)  # As if the round before had ended so.
    state.begin_round(2, 0)
    assert (state.unsent, state.remaining) == ((), 3)


# ---- counters of the network server ----------------------------------------------------------------------


@pytest.mark.parametrize(("counters", "seen"), [((40, 40), 40), ((40, 41, 7), 7), ((29,), 29)])
def test_a_counter_that_was_seen_before_ends_the_group_at_once(drive, counters, seen) -> None:
    """In this campaign, or before it by the registry."""
    d = drive(1, network=OWNER, known=Known(next_f_cnt={"meters": 30}), summary_window=4, stage=DATA, max_duration=9e6)
    d.wait_until(d.session().start + 5)
    for f_cnt in counters:
        d.wait(3)
        last = d.frames()[-1]
        d.hand_over(last, f_cnt=f_cnt)
        d.tick()
    highest = max(30, *(f_cnt + 1 for f_cnt in counters))
    [done] = d.of(GroupDone)
    assert (done.reason, done.barred, done.at) == (counter_seen(seen, highest), True, d.now)
    assert [e.id for e in d.of(Withdrawn)] == [last.id], "it may still be in the server's queue"
    assert (d.status, d.device(1).reason) == ("FAILED", done.reason)
    assert d.stage != SESSION
    d.reach("end")
    assert len(d.frames()) == len(counters)
    facts = [fact.next_f_cnt for fact in d.facts if isinstance(fact, GroupFact)]
    assert facts == sorted(facts), "the registry is never lowered"
    assert d.campaign.next_f_cnt("meters") == highest


def test_the_other_groups_go_on(drive, group_of) -> None:
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    d = drive(2, groups=groups, network=OWNER, success_threshold=50, stage_end="all", stage=DATA)
    d.wait_until(d.session("a").start + 5)
    d.hand_over(d.frames("a")[-1], f_cnt=3)
    d.summary(d.frames("a")[-1])
    d.wait(3)
    d.hand_over(d.frames("a")[-1], f_cnt=3)
    d.tick()
    assert (d.stage, [e.group for e in d.of(GroupDone)]) == (DATA, ["a"])
    d.reach("end")
    assert [n for n, _ in numbers(d, "b")] == [1, 2, 3, 4, 5]
    assert d.status == "SUCCEEDED"
    assert [d.device(i).status for i in (1, 2)] == ["failed", "passed"]


def test_a_status_request_with_a_counter_that_was_seen_before_bars_the_group(drive) -> None:
    """The devices are asked one by one, and no further round begins."""
    settings = {"kind": "binary", "redundancy": 0, "fsession_status_threshold": 0, "max_duration": 9e6}
    d = drive(2, network=OWNER, stage="FragSessionStatus", **settings)
    while d.frames()[-1].ask != "FragSessionStatus":
        d.wait(1)
    n_frames = len(d.frames())
    d.hand_over(d.frames()[-1], f_cnt=0)
    d.tick()
    assert d.of(GroupDone)[-1].barred
    d.wait(1000)
    assert len(d.requests()) == 2
    d.reach("end")
    assert len(d.frames()) == n_frames
    assert d.status == "SUCCEEDED"


def test_a_counter_of_ours_is_not_that_of_the_network(sending) -> None:
    """What a network reports about counters that it does not own ends no group."""
    d = sending()
    d.hand_over(d.frames()[0])
    d.summary(d.frames()[0])
    d.wait(2)
    d.hand_over(d.frames()[1], f_cnt=0)
    assert d.of(GroupDone) == []


# ---- the last counter ------------------------------------------------------------------------------------


def test_the_counters_of_a_group_have_room_for_every_repeat(sending) -> None:
    """All frames are repeated twice, each under a new counter."""
    d = sending(network=OWNER)
    while d.stage == DATA:
        d.summary(hand_over_next(d), ok=False)
        d.wait(2)
    assert len(d.frames()) == 15
    assert d.of(GroupDone)[-1].reason == ""


def test_a_repeat_takes_no_counter_that_a_later_frame_needs(sending) -> None:
    d = sending(summary_window=3, mcgroup_validity_coeff=1)
    for _ in range(3):
        hand_over_next(d)
    d.summary(d.frames()[0], ok=False)
    while d.stage == DATA:
        d.wait(2)
        for frame in d.frames():
            if d.campaign.awaits_hand_over(frame.id):
                d.hand_over(frame)
            d.summary(frame)
    assert numbers(d) == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]
    assert d.of(GroupDone)[-1].reason == "", "coded fragments repair it"


def test_a_group_whose_counters_are_used_up_ends_with_the_reason(drive) -> None:
    d = drive(1, network=OWNER, mcgroup_validity_coeff=1, stage=DATA, max_duration=9e6)
    d.wait_until(d.session().start + 5)
    d.hand_over(d.frames()[0], f_cnt=3)
    d.summary(d.frames()[0])
    d.wait(3)
    d.hand_over(d.frames()[1], f_cnt=4)
    d.summary(d.frames()[1])
    d.wait(3)
    [done] = d.of(GroupDone)
    assert (done.reason, done.barred) == ("frame counters used up after 2 of 5 fragments", True)
    assert len(d.frames()) == 2
    assert (d.status, d.device(1).reason) == ("FAILED", done.reason)


def test_the_narrowest_membership_of_the_group_counts(drive) -> None:
    """Device 1 is a member since an earlier campaign, with counters for the planned frames alone."""
    facts = Known(devices={f"{1:016x}": KnownDevice(memberships=(member(),))})
    d = drive(2, network=OWNER, known=facts, stage=DATA)
    d.wait_until(d.session().start + 5)
    d.hand_over(d.frames()[0], f_cnt=5)
    d.tick()
    assert d.of(GroupDone)[0].reason == "frame counters used up after 1 of 5 fragments"
    assert [e.id for e in d.of(Withdrawn)] == [d.frames()[0].id]


def test_a_campaign_that_is_replayed_goes_on_with_the_same_counters(sending) -> None:
    d = sending(summary_window=3)
    first, _, _ = (hand_over_next(d) for _ in range(3))
    d.summary(first, ok=False)
    over(d)
    assert d.image == IMAGE
    other = d.fork()
    d.reach("end")
    other.reach("end")
    assert numbers(d) == numbers(other)
    assert len(d.of(StageStarted)) == len(other.of(StageStarted))
