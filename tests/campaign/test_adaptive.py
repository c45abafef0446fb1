"""Adaptive redundancy: coded fragments in rounds, with the status of the devices between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from campaign_driver import NEW_VERSION, OLD_VERSION, T0, make_group, replayed, same

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.state import Data
from fuota_fec.campaign.turn import Phase
from fuota_fec.wire import firmware, fragmentation, multicast

SESSION, DATA, STATUS, VERIFY = "McClassCSession", "DlFragment", "FragSessionStatus", "CompletionVerification"
N_FRAGS = 30
"""Number of fragments of one byte."""
FIRST, LEAST = 2, 2
"""Coded fragments of the first round, and of a further one at least."""
ADAPTIVE: dict[str, Any] = {"redundancy": "adaptive", "fsession_status_threshold": 0, "fsize": 1, "stage_end": "all"}
BINARY = {**ADAPTIVE, "kind": "binary"}
ALONE = {**ADAPTIVE, "fsession_status_threshold": 1000}
"""Each device is asked by unicast."""


def lacks(n: int, received: int = 20, **changes: Any) -> fragmentation.FragSessionStatusAns:
    values = {"frag_index": 0, "nb_frag_received": received, "missing_frag": n}
    return fragmentation.FragSessionStatusAns(**values | changes)


COMPLETE = lacks(0, 30)
RECEIVED = fragmentation.FragDataBlockReceivedReq(frag_index=0)
OLD = firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1)
NEW = firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)


def fragments(d: Any, group: str | None = None) -> list[int]:
    return [frame.frag_nb for frame in d.frames(group) if frame.frag_nb is not None]


def status_frames(d: Any, group: str | None = None) -> list[m.Requested]:
    return [frame for frame in d.frames(group) if frame.ask == STATUS]


def status(d: Any, group: str = "meters", within: float = 300) -> m.Requested:
    """The next status request of a group, now with the network and on the air."""
    handed_over = {event.id for event in d.of(m.HandedOver)}
    for _ in range(round(within)):
        new = [frame for frame in status_frames(d, group) if frame.id not in handed_over]
        if new:
            d.hand_over(new[-1])
            d.summary(new[-1])
            return new[-1]
        d.wait(1)
    raise AssertionError(f"{group} is not asked")


def say(d: Any, answers: dict[int, Any]) -> None:
    for i, answer in answers.items():
        d.say(i, answer)


def silence(d: Any, group: str = "meters") -> None:
    """Nobody says anything until the answers were due."""
    d.wait(d.campaign.plan.groups[group].status_wait + 1)


def carry(d: Any, seconds: float) -> None:
    """The network takes all unicasts to where they belong, and nobody answers, until the stage ends."""
    end, stage = d.now + seconds, d.last_stage
    while d.now < end and not d.campaign.finished and d.last_stage == stage:
        for request in d.of(m.Requested):
            if request.dev_eui is not None and d.campaign.awaits_hand_over(request.id):
                d.hand_over(request)
                d.sent(request)
        due = d.campaign.deadline()
        d.wait_until(end if due is None else min(due, end))


def sizes(d: Any) -> list[int]:
    """Coded fragments of each round."""
    begun = [event.coded.get("meters", 0) for event in d.of(m.StageStarted)]
    return [n for n in begun if n]


def unicast_status(d: Any, answers: dict[int, Any]) -> None:
    """Each device is asked, and says this; None: nothing."""
    for i, answer in answers.items():
        if answer is not None:
            d.sent(d.ask(i))
            d.say(i, answer)


def participants(d: Any, group: str | None = None) -> list[bool]:
    return [d.command(frame).participants for frame in status_frames(d, group)]


def verify(d: Any, answers: dict[int, Any]) -> None:
    """Each is asked for its version as often as may be, and says this; None: nothing."""
    d.wait_until(d.campaign.progress().asks_from + 10)
    for i in answers:
        d.up(i)
    for _ in range(200):
        for i, answer in answers.items():
            if d.stage != VERIFY:
                return
            phase = d.turn(i).phase
            request = d.present_request(i) if phase in (Phase.REQUESTED, Phase.HANDED_OVER) else None
            if request is not None:
                d.hand_over(request)
                d.sent(request)
                if answer is not None and d.stage == VERIFY:
                    d.say(i, answer)
        if d.stage == VERIFY and d.status == "RUNNING":
            d.wait(20)


# ---- rounds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({}, 2),
        ({"loss": 0.0}, 0),
        ({"loss": 0.3}, 9),
        ({"each": {"loss": 0.1}}, 3),
        ({"loss": 0.5, "each": {"loss": 0.1}}, 3),
        ({"loss": 0.99, "frag_redundancy_max": 7}, 7),
        ({"frag_redundancy_max": 1}, 1),
    ],
)
def test_the_first_round_has_what_is_expected_to_be_lost_by_who_loses_least(drive, settings, first) -> None:
    d = drive(2, stage=STATUS, **ADAPTIVE, **settings)
    assert fragments(d) == list(range(1, 31 + first))


@pytest.mark.parametrize("base", [ADAPTIVE, BINARY, ALONE])
@pytest.mark.parametrize(
    ("needed", "received", "size"),
    [(1, 32, 3), (4, 32, 6), (4, 16, 12), (1, 0, 60)],
    ids=["without losses", "more", "half is lost", "nothing was heard"],
)
def test_a_round_is_as_long_as_its_device_is_expected_to_need(drive, base, needed, received, size) -> None:
    """(lacks + 2) / (1 - losses). What it heard are 32 of 32, or 16 of 32."""
    d = drive(1, stage=STATUS, **base)
    if base is ALONE:
        unicast_status(d, {1: lacks(needed, received)})
    else:
        status(d)
        say(d, {1: lacks(needed, received)})
    assert (d.stage, sizes(d)) == (DATA, [size])
    d.send_all()
    assert fragments(d) == list(range(1, 33 + size))


def test_a_round_has_at_least_a_share_of_the_block(drive) -> None:
    d = drive(1, stage=STATUS, **{**ADAPTIVE, "fsize": 1}, loss=0.0)
    plan = d.campaign.plan.groups["meters"]
    assert (plan.row_plan.n_first, plan.row_plan.n_least) == (0, LEAST)


def test_a_round_is_for_the_quickest_that_the_threshold_needs(drive) -> None:
    """Three of five: two say that they have it, so that the quickest of the others is enough."""
    d = drive(5, stage=STATUS, success_threshold=60, **ALONE)
    unicast_status(d, {1: COMPLETE, 2: COMPLETE, 3: lacks(9, 32), 4: lacks(4, 32), 5: lacks(6, 32)})
    assert sizes(d) == [6]
    assert d.members() == [1, 2, 3, 4, 5]


def test_a_round_is_for_the_quickest_and_hardly_more_where_surplus_fragments_are_read_as_commands(drive) -> None:
    """One lacks 4 and one 5, with losses of 4 and 5 of 64: 7 and 8 coded fragments. The third one needs 32."""
    settings = {**BINARY, "fsession_status_threshold": 1000, "fsize": 48, "image": bytes(64 * 48), "loss": 0.0}
    d = drive(3, stage=STATUS, **settings, each={"profile": "zephyr"})
    plan = d.campaign.plan.groups["meters"]
    assert (plan.n_frags, plan.row_plan.n_first, plan.row_plan.n_least) == (64, 0, 2)
    unicast_status(d, {1: lacks(4, 60), 2: lacks(5, 59), 3: lacks(20, 44)})
    assert sizes(d) == [8], "the one that lacks 20 waits for a later round"


def test_devices_that_told_of_their_losses_are_reckoned_with_them(drive) -> None:
    """A device that lacks more but hears better may be the quicker one."""
    d = drive(2, stage=STATUS, success_threshold=50, **ALONE)
    unicast_status(d, {1: lacks(4, 8), 2: lacks(8, 32)})
    assert sizes(d) == [10]


def test_no_fragment_is_sent_twice_whatever_the_rounds(drive) -> None:
    d = drive(2, stage=STATUS, **BINARY)
    for n in (5, 1, 2):
        status(d)
        say(d, {1: lacks(n, 30)})
        if d.stage == STATUS:
            silence(d)
        assert d.stage == DATA
        d.send_all()
    assert fragments(d) == list(range(1, len(fragments(d)) + 1))
    assert [e.round for e in d.of(m.StageStarted) if e.stage == DATA] == [1, 2, 3, 4]


def test_chosen_rows_are_sent_in_their_order(drive) -> None:
    """Row numbers that are configured are a fixed redundancy."""
    d = drive(1, stage=STATUS, **{**BINARY, "redundancy": 3, "rows": (9, 4, 7)})
    assert fragments(d)[-3:] == [39, 34, 37]


# ---- asked together --------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [ADAPTIVE, BINARY])
def test_devices_that_lack_fragments_are_asked_for_their_status(drive, base) -> None:
    d = drive(3, stage=STATUS, **base)
    status(d)
    say(d, {1: lacks(2)})
    silence(d)
    d.send_all()
    status(d)
    assert participants(d) == [False, False]


def test_all_devices_are_asked_at_the_end_of_a_binary_transfer(drive) -> None:
    """Silence proves nothing: who lacks nothing is asked to say so, and who is silent then by unicast."""
    d = drive(3, stage=STATUS, **BINARY)
    status(d)
    silence(d)
    assert d.stage == STATUS
    status(d)
    assert participants(d) == [False, True]
    say(d, {1: COMPLETE, 2: COMPLETE})
    silence(d)
    assert d.stage == STATUS
    status(d)
    assert participants(d) == [False, True, True], "the last one brought news"
    silence(d)
    assert len(status_frames(d)) == 3
    unicast_status(d, {3: COMPLETE})
    assert (d.status, [x.status for x in d.campaign.status().devices]) == ("SUCCEEDED", ["passed"] * 3)


def test_silence_is_presumed_to_be_completeness_in_a_firmware_update(drive) -> None:
    d = drive(3, stage=STATUS, **ADAPTIVE)
    status(d)
    silence(d)
    assert len(d.of(m.SilencePresumed)) == 1
    assert d.stage == VERIFY
    assert [d.state(i).data for i in (1, 2, 3)] == [Data.UNKNOWN] * 3
    verify(d, {1: NEW, 2: NEW, 3: NEW})
    assert d.status == "SUCCEEDED"
    assert not d.requests(stage=STATUS)


@pytest.mark.parametrize("msg_retries", [0, 1, 3])
@pytest.mark.parametrize("base", [ADAPTIVE, BINARY])
def test_a_group_is_asked_again_while_that_brings_news_but_not_for_ever(drive, base, msg_retries) -> None:
    """Only half of them must succeed, so that no round is due."""
    d = drive(10, stage=STATUS, success_threshold=50, msg_retries=msg_retries, **base)
    for i in range(1, 8):
        if not d.of(m.SilencePresumed) and True not in participants(d):
            status(d)
            if True in participants(d):
                break
            say(d, {i: lacks(1)})
            silence(d)
    assert len([p for p in participants(d) if not p]) == min(1 + msg_retries, 6)


def test_a_group_without_new_answers_is_not_asked_again(drive) -> None:
    d = drive(10, stage=STATUS, success_threshold=50, msg_retries=5, **ADAPTIVE)
    status(d)
    say(d, {1: lacks(1)})
    silence(d)
    status(d)
    silence(d)
    assert d.stage == VERIFY
    assert len(status_frames(d)) == 2


def test_a_round_that_is_due_anyway_does_not_wait_for_more_news(drive) -> None:
    d = drive(10, stage=STATUS, success_threshold=90, msg_retries=5, **ADAPTIVE)
    status(d)
    say(d, {1: lacks(1), 2: lacks(2)})
    assert d.stage == STATUS
    silence(d)
    assert (d.stage, len(status_frames(d))) == (DATA, 1)


def test_a_device_that_lacks_fragments_stays_in_a_firmware_update_when_enough_are_complete(drive) -> None:
    d = drive(4, stage=STATUS, success_threshold=75, **ADAPTIVE)
    status(d)
    say(d, {1: lacks(9)})
    silence(d)
    status(d)
    silence(d)
    assert (d.stage, d.members()) == (VERIFY, [1, 2, 3, 4])


def test_no_group_is_asked_once_the_threshold_is_met(drive, group_of) -> None:
    """The time for late answers is longer than that for those to the last request, which brought news."""
    d = drive(4, stage=DATA, **{**BINARY, "success_threshold": 50, "stage_complete_delay": 10})
    d = closing_on_news(d)
    n = len(d.of(m.Requested))
    d.wait(10_000)
    assert len(d.of(m.Requested)) == n
    assert d.status == "SUCCEEDED"


def closing_on_news(d: Any) -> Any:
    """The stage closes while its group was asked, and two have answered."""
    d.campaign = Campaign.replay(
        [replace(d.events[0], config=replace(d.campaign.config, stage_end="threshold")), *d.events[1:]], d.image
    )
    d.reach(STATUS)
    status(d)
    silence(d)
    status(d)
    say(d, {1: COMPLETE, 2: COMPLETE})
    assert d.closing
    return d


# ---- said of themselves ----------------------------------------------------------------------------------

NEW_DIALECT = {"version": "2.0.0", "mc_version": "2.0.0"}


@pytest.mark.parametrize("base", [ADAPTIVE, BINARY])
@pytest.mark.parametrize("window", [1, 3])
def test_a_group_ends_early_when_enough_say_that_they_are_complete(drive, group_of, base, window) -> None:
    """Not before the uncoded fragments were sent. What of the round was not sent comes first in the next one."""
    d = drive(2, stage=DATA, groups=(group_of(**NEW_DIALECT),), summary_window=window, loss=0.9, **base)
    d.wait_until(d.campaign.deadline())
    served = 0
    while d.stage == DATA and served < 300:
        new = d.frames()[served:]
        for frame in new:
            d.hand_over(frame)
            if window == 1:
                d.summary(frame)
        if window > 1 and served >= 2:
            d.summary(d.frames()[served - 2])
        served += len(new)
        if fragments(d)[-1] == 20 and new:
            d.say(1, RECEIVED)
        if fragments(d)[-1] == 25 and new:
            d.say(2, RECEIVED)
        d.wait_until(d.campaign.deadline())
    assert fragments(d)[-1] in (30, 31)
    assert d.campaign.plan.groups["meters"].row_plan.n_first == 27
    d.wait(400)
    assert all(d.state(i).data is Data.COMPLETE for i in (1, 2))
    assert d.stage == VERIFY if base is ADAPTIVE else d.status == "SUCCEEDED"
    assert status_frames(d) == []


def test_the_rows_of_a_round_that_ended_early_are_still_there(drive, group_of) -> None:
    """Only one of two says so, and that is enough for now; later it turns out that it does not run the new version."""
    d = drive(2, stage=DATA, groups=(group_of(**NEW_DIALECT),), success_threshold=50, loss=0.5, **ADAPTIVE)
    d.wait_until(d.campaign.deadline())
    served = 0
    while d.stage == DATA:
        for frame in d.frames()[served:]:
            served += 1
            d.hand_over(frame)
            d.summary(frame)
            if frame.frag_nb == 35:
                d.say(1, RECEIVED)
        d.wait_until(d.campaign.deadline())
    assert fragments(d)[-1] == 35
    status(d)
    say(d, {2: lacks(3, 20, version="2.0.0")})
    assert d.stage == VERIFY
    verify(d, {1: firmware.DevVersionAns(fw_version=7, hw_version=1), 2: OLD})
    assert d.stage in (DATA, SESSION)
    d.reach(STATUS)
    d.send_all()
    sent = fragments(d)
    assert sent == list(range(1, len(sent) + 1))
    assert len(sent) > 36


def test_a_wrong_block_is_not_complete(drive, group_of) -> None:
    d = drive(1, stage=STATUS, groups=(group_of(**NEW_DIALECT),), **BINARY)
    status(d)
    d.say(1, fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=True))
    d.wait(1)
    d.hand_over(d.replies(1)[0])
    d.wait(1)
    assert (d.status, d.device(1).reason) == ("FAILED", "image not valid: MIC error")


# ---- bounds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [ADAPTIVE, BINARY, ALONE])
def test_no_more_coded_fragments_are_sent_than_frag_redundancy_max(drive, base) -> None:
    d = drive(1, stage=STATUS, frag_redundancy_max=10, **base)
    for _ in range(10):
        if d.stage != STATUS or d.status != "RUNNING":
            break
        if base is ALONE:
            unicast_status(d, {1: lacks(3, 30)})
        else:
            status(d)
            say(d, {1: lacks(3, 30)})
        if d.stage == DATA:
            d.send_all()
    assert fragments(d) == list(range(1, 41))
    if base is BINARY:
        assert (d.status, d.device(1).reason) == ("FAILED", "missing 3 fragments")
    else:
        assert d.stage == VERIFY, "the version that runs will tell"


def test_no_fragment_number_is_beyond_16383(config_of) -> None:
    campaign = Campaign(
        config_of(1, redundancy="adaptive", fsize=1, frag_redundancy_max=16382, mcast_msg_delay=0, max_duration=1e6),
        bytes(16380),
    )
    assert campaign.plan.groups["meters"].rows == (1, 2, 3)
    assert campaign.plan.groups["meters"].row_plan.n_first == 3


def test_a_single_fragment_has_no_coded_ones(drive) -> None:
    d = drive(1, stage=STATUS, **{**BINARY, "fsize": 40}, allow_carousel=True)
    assert not d.campaign.plan.groups["meters"].adaptive
    status(d)
    say(d, {1: lacks(1, 0)})
    d.send_all()
    assert fragments(d) == [1, 1]


def test_a_device_cannot_lack_more_than_all(drive) -> None:
    """255 is what it can say at most; there are 30."""
    d = drive(1, stage=STATUS, frag_redundancy_max=300, **BINARY)
    status(d)
    say(d, {1: lacks(255, 32)})
    assert sizes(d) == [32]


# ---- sessions and time -----------------------------------------------------------------------------------


def short_session(drive: Any, n_devices: int, **settings: Any) -> Any:
    """The session is over in the second half of the coded fragments of round 1."""
    d = drive(n_devices, stage=DATA, loss=0.5, **settings)
    served = 0
    d.wait_until(d.campaign.deadline())
    while fragments(d)[-1] < 40:
        for frame in d.frames()[served:]:
            served += 1
            d.hand_over(frame)
            d.summary(frame)
        d.wait_until(d.campaign.deadline())
    d.wait_until(d.session().end + 1)
    return d


@pytest.mark.parametrize("base", [ADAPTIVE, BINARY])
def test_a_session_that_is_over_in_a_round_cuts_it_short(drive, base) -> None:
    """The frames that were sent may be enough: devices are asked by unicast."""
    d = short_session(drive, 2, **base, max_duration=100_000)
    assert d.stage == STATUS
    n_sent = len(fragments(d))
    unicast_status(d, {1: lacks(1, 30), 2: COMPLETE})
    assert d.stage == SESSION
    d.succeed(1)
    if d.asked(2):
        d.succeed(2)
    d.reach(STATUS)
    assert fragments(d) == list(range(1, len(fragments(d)) + 1))
    assert len(fragments(d)) >= n_sent + LEAST
    assert participants(d)[-1:] in ([], [False])


def test_a_device_that_has_the_data_is_not_asked_into_another_session(drive) -> None:
    d = short_session(drive, 2, **BINARY)
    unicast_status(d, {1: lacks(1, 30), 2: COMPLETE})
    assert d.stage == SESSION
    d.succeed(1)
    assert d.questions(2) == []
    assert d.stage == DATA


def test_a_device_that_is_presumed_complete_need_not_join_another_session(drive) -> None:
    """The device may have rebooted and lost its group: its version decides."""
    d = drive(2, stage=STATUS, **ADAPTIVE)
    status(d)
    say(d, {1: lacks(5, 30)})
    d.wait_until(d.session().end + 1)
    assert d.stage == STATUS, "nothing of the round was sent"
    d.sent(d.ask(1))
    d.say(1, lacks(5, 30))
    carry(d, 2000)
    assert d.stage == SESSION
    d.succeed(1)
    carry(d, 2000)
    assert d.stage == DATA
    d.send_all()
    status(d)
    silence(d)
    assert d.members() == [1, 2]
    verify(d, {1: NEW, 2: NEW})
    assert d.status == "SUCCEEDED"


def test_a_device_that_is_presumed_complete_and_reports_no_group_need_not_join_another_session(drive) -> None:
    d = drive(2, stage=STATUS, **ADAPTIVE)
    status(d)
    say(d, {1: lacks(5, 30)})
    d.wait_until(d.session().end + 1)
    d.sent(d.ask(1))
    d.say(1, lacks(5, 30))
    carry(d, 2000)
    d.sent(d.ask(2))
    d.say(2, multicast.McClassCSessionAns(mc_group_id=0, mc_group_undefined=True))
    d.succeed(1)
    d.reach(VERIFY)
    verify(d, {1: NEW, 2: NEW})
    assert d.status == "SUCCEEDED"


def test_a_binary_transfer_needs_every_device_in_another_session(drive) -> None:
    d = drive(2, stage=STATUS, **BINARY)
    status(d)
    say(d, {1: lacks(5, 30)})
    d.wait_until(d.session().end + 1)
    d.sent(d.ask(1))
    d.say(1, lacks(5, 30))
    carry(d, 2000)
    assert d.stage == SESSION
    d.succeed(1)
    carry(d, 2000)
    assert d.status in ("FAILED", "stopping")
    assert d.device(2).reason == "no answer in McClassCSession"


def test_the_maximum_duration_does_not_end_a_firmware_update_while_a_group_is_asked_again(drive) -> None:
    """There is no time left for another round of questions: the version that runs will tell."""
    d = drive(10, stage=STATUS, success_threshold=50, **ADAPTIVE)
    status(d)
    d = with_duration(d, d.now + due(d) + 50 - T0)
    say(d, {1: lacks(1)})
    d.wait(due(d) + 200)
    assert d.stage == VERIFY


@pytest.mark.parametrize("n_answers", [0, 1, 2])
def test_the_maximum_duration_ends_status_requests_not_the_firmware_update(drive, n_answers) -> None:
    """Silent devices may be complete, and all of them stay: their version decides."""
    d = drive(3, stage=STATUS, **ALONE)
    d = with_duration(d, d.now + 300 - T0)
    unicast_status(d, dict.fromkeys(range(1, 1 + n_answers), COMPLETE))
    d.wait(301)
    assert (d.stage, d.members()) == (VERIFY, [1, 2, 3])
    verify(d, {1: NEW, 2: NEW, 3: NEW})
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("n_answers", [0, 1, 2, 3])
@pytest.mark.parametrize("left", [1, 300, 700])
def test_a_binary_transfer_is_proved_beyond_the_maximum_duration(drive, left, n_answers) -> None:
    """Its last question has its own time, in which every device has its tries; no round follows."""
    settings = {**ALONE, "kind": "binary"}
    begins = drive(3, stage=STATUS, **settings).of(m.StageStarted)[-1].at
    d = drive(3, stage=STATUS, **settings, max_duration=begins + left - T0)
    started = d.of(m.StageStarted)[-1]
    assert started.answers.until == pytest.approx(d.machine.state.deadline + started.overtime)
    d.wait_until(begins + left + 1)
    assert (d.stage, d.campaign.status().wait.until) == (STATUS, pytest.approx(started.answers.until, abs=900))
    unicast_status(d, {i: COMPLETE if i < 3 else lacks(2) for i in range(1, 1 + n_answers)})
    d.wait_until(started.answers.until + 1)
    d.clean_up()
    assert d.status == "FAILED"
    assert [d.device(i).status for i in range(1, 4)] == [
        "passed" if i <= min(n_answers, 2) else "failed" for i in (1, 2, 3)
    ]
    assert d.campaign.progress().round == 1
    assert same(replayed(d), d.campaign)


def with_duration(d: Any, max_duration: float) -> Any:
    """The same campaign, had it been configured with that maximum duration."""
    config = replace(d.campaign.config, max_duration=max_duration)
    d.events[0] = replace(d.events[0], config=config)
    d.campaign = Campaign.replay(d.events, d.image)
    return d


def due(d: Any, group: str = "meters") -> float:
    """s for which the answers to a multicast request are waited for."""
    return d.campaign.plan.groups[group].status_wait


# ---- a further round that is cut short -------------------------------------------------------------------


def in_further(drive: Any, stage: str, **settings: Any) -> Any:
    """Device 1 of 3 has the data, device 2 lacks fragments, device 3 was silent; two must pass. A further round is in
    this stage, and the maximum duration ends in 200 s, before the next session starts."""
    d = drive(3, stage=STATUS, success_threshold=60, **{**ALONE, "msg_retries": 0, **settings})
    if stage == SESSION:
        d.wait_until(d.session().end - 200)
    d.up(3)
    dialect = d.campaign.config.groups[0].dialect
    unicast_status(d, {1: lacks(0, 30, version=dialect), 2: lacks(5, 30, version=dialect)})
    carry(d, 2000)
    assert (d.stage, d.campaign.progress().round) == (stage, 2)
    d = with_duration(d, d.now + 200 - T0)
    assert stage != SESSION or d.session().start > d.machine.state.deadline
    return d


@pytest.mark.parametrize("mic_error", [False, True])
def test_a_device_that_reports_its_block_needs_no_further_session(drive, mic_error) -> None:
    settings = {**ALONE, "msg_retries": 0, "groups": (make_group(dialect="2.0.0", mc_version="2.0.0"),)}
    d = drive(3, stage=STATUS, kind="binary", success_threshold=60, **settings)
    d.wait_until(d.session().end - 200)
    d.up(3)
    unicast_status(d, {1: lacks(0, 30, version="2.0.0"), 2: lacks(5, 30, version="2.0.0")})
    carry(d, 2000)
    assert (d.stage, d.asked(2)) == (SESSION, "McSession")
    d.say(2, fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=mic_error))
    answered = [(e.ask, e.ok) for e in d.of(m.Answered) if e.dev_eui == f"{2:016x}" and e.ask == "McSession"]
    assert answered[-1:] == [("McSession", True)]
    assert (len(answered) == 2) is not mic_error


@pytest.mark.parametrize("stage", [SESSION, DATA])
@pytest.mark.parametrize(("version", "passed"), [(NEW, True), (OLD, False)])
def test_what_devices_have_is_verified_when_time_is_over_in_a_further_round(drive, stage, version, passed) -> None:
    d = in_further(drive, stage)
    d.wait(301)
    assert d.stage == VERIFY
    assert (2 in d.members()) is (stage == DATA), (
        "nothing was sent to device 2 since it reported that it lacks fragments"
    )
    verify(d, {1: NEW, 3: version})
    d.wait(2000)
    assert (d.status, d.device(3).status) == (("SUCCEEDED", "passed") if passed else ("FAILED", "failed"))
    assert same(replayed(d), d.campaign)


def test_without_enough_devices_that_may_have_the_data_nothing_is_verified(drive) -> None:
    d = in_further(drive, SESSION)
    d.state(3).needed = 1
    d.wait(301)
    assert (d.last_stage, d.campaign.status().reason) == ("clean-up", f"maximum duration reached in {SESSION}")


@pytest.mark.parametrize("stage", [SESSION, DATA])
@pytest.mark.parametrize(
    ("answer", "passed"),
    [(lacks(0, 30, version="2.0.0"), True), (lacks(3, version="2.0.0"), False), (None, False)],
)
def test_a_file_is_proved_when_time_is_over_in_a_further_round(drive, stage, answer, passed) -> None:
    """Device 1 has proved it; device 3 may have it, and device 2 once it was sent something. One more is needed."""
    d = in_further(drive, stage, kind="binary", groups=(make_group(dialect="2.0.0"),))
    d.wait(201)
    started = d.of(m.StageStarted)[-1]
    assert (d.stage, started.overtime > 0, 2 in d.members()) == (STATUS, True, stage == DATA)
    unicast_status(d, {3: answer})
    d.wait_until(d.machine.state.deadline + started.overtime + 200)
    d.clean_up()
    assert (d.status, d.device(3).status) == (("SUCCEEDED", "passed") if passed else ("FAILED", "failed"))
    assert d.of(m.Stopping)[0].at <= T0 + d.campaign.config.max_duration + started.overtime + 200
    assert same(replayed(d), d.campaign)


def test_a_file_that_enough_devices_have_proved_is_delivered_when_time_is_over_in_a_further_round(drive) -> None:
    d = in_further(drive, SESSION, kind="binary", groups=(make_group(dialect="2.0.0"),))
    d.say(2, RECEIVED)
    d.wait(3000)
    assert (d.status, d.device(2).status) == ("SUCCEEDED", "passed")


def test_the_first_round_still_fails_when_time_is_over(drive) -> None:
    d = drive(2, stage=DATA, **ADAPTIVE)
    d = with_duration(d, d.now + 300 - T0)
    d.wait(301)
    assert (d.status, d.campaign.status().reason) == ("FAILED", f"maximum duration reached in {DATA}")


@pytest.mark.parametrize("stage", [DATA, "UpgradeImage"])
def test_a_further_round_without_coded_fragments_is_verified_too(drive, stage) -> None:
    settings = {"redundancy": 0, "allow_carousel": True, "stage_end": "all", "msg_retries": 0}
    d = drive(2, stage="UpgradeImage", **settings)
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, firmware.DevUpgradeImageAns(up_image_status=1))
    assert (d.stage, d.campaign.progress().round) == (DATA, 2)
    if stage != DATA:
        d.send_all()
        assert d.stage == stage
    d = with_duration(d, d.now + 300 - T0)
    d.wait(301)
    assert (d.stage, d.members()) == (VERIFY, [1, 2])
    verify(d, {1: NEW, 2: NEW})
    assert d.status == "SUCCEEDED"


# ---- what turns out later --------------------------------------------------------------------------------


def test_a_verification_that_finds_the_old_version_leads_to_another_round(drive) -> None:
    """Both were silent; device 2 had missed the request, and lacks something."""
    d = drive(2, stage=STATUS, **ADAPTIVE)
    status(d)
    silence(d)
    verify(d, {1: NEW, 2: OLD})
    assert (d.stage, sizes(d)) == (DATA, [4])
    d.send_all()
    status(d)
    silence(d)
    verify(d, {2: NEW})
    assert (d.status, d.questions(1)) == ("SUCCEEDED", [])
    assert fragments(d) == list(range(1, 37))


def test_a_verification_that_finds_a_third_version_leads_to_no_round(drive) -> None:
    d = drive(2, stage=STATUS, **ADAPTIVE, each={"fw_version": "1.0.0.0"})
    status(d)
    silence(d)
    verify(d, {1: NEW, 2: firmware.DevVersionAns(fw_version=7, hw_version=1)})
    assert (d.status, d.device(2).reason) == ("FAILED", "wrong version 0.0.0.7")


@pytest.mark.parametrize("base", [ADAPTIVE, ALONE])
def test_three_presumptions_are_enough(drive, base) -> None:
    """The fault of the device is not missing fragments."""
    d = drive(2, stage=STATUS, **base)
    for _ in range(6):
        if d.status != "RUNNING":
            break
        if base is ADAPTIVE:
            status(d)
            silence(d)
        else:
            if d.asked(1) == STATUS:
                d.sent(d.ask(1))
                d.say(1, COMPLETE)
            carry(d, 20_000)  # Its uplinks are rare.
        assert d.stage == VERIFY
        verify(d, {1: NEW, 2: OLD})
        if d.stage == DATA:
            d.send_all()
    assert (d.status, d.device(2).reason) == ("FAILED", "wrong version 1.0.0.0")
    assert d.campaign.status().round == 4


def test_only_presumptions_that_a_verification_tried_count(drive) -> None:
    """Device 2 is silent for five rounds that device 1 needs: of what it lacks nobody could know."""
    d = drive(2, stage=STATUS, **ADAPTIVE)
    for n in range(5):
        status(d)
        say(d, {1: lacks(1, 31 + n)})
        silence(d)
        assert d.stage == DATA
        d.send_all()
    status(d)
    silence(d)
    verify(d, {1: NEW, 2: OLD})
    assert d.stage == DATA
    d.send_all()
    status(d)
    silence(d)
    verify(d, {2: NEW})
    assert d.status == "SUCCEEDED"


# ---- two groups ------------------------------------------------------------------------------------------


def two_groups(group_of: Any, **other: Any) -> dict[str, Any]:
    return {"groups": (group_of("meters"), group_of("other", mc_addr="01f3a4b6", **other))}


def test_only_the_group_that_lacks_something_has_another_round(drive, group_of) -> None:
    d = drive(4, stage=STATUS, **ADAPTIVE, **two_groups(group_of))
    status(d)
    status(d, "other")
    say(d, {1: lacks(3)})
    silence(d)
    d.send_all()
    assert (len(fragments(d, "meters")) > 32, len(fragments(d, "other"))) == (True, 32)
    d.reach("end")
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("redundancy", [0, 2, "1/2"])
@pytest.mark.parametrize("base", [ADAPTIVE, BINARY])
def test_one_group_of_two_is_adaptive(drive, group_of, base, redundancy) -> None:
    settings = {**base, "allow_carousel": True, **two_groups(group_of, redundancy=redundancy)}
    d = drive(4, stage=STATUS, **settings)
    n_other = len(fragments(d, "other"))
    status(d)
    say(d, {1: lacks(3)})
    if base is BINARY:
        status(d, "other")
        say(d, {2: COMPLETE, 4: COMPLETE})
    silence(d)
    assert d.stage == DATA
    d.send_all()
    assert len(fragments(d, "meters")) > 32
    assert len(fragments(d, "other")) == n_other, "nobody said that it lacks anything"
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_binary_transfer_does_not_succeed_by_silence(drive, group_of) -> None:
    """A presumption about one group, made while the other was asked, is still to be proved."""
    groups = tuple(group_of(name, mc_addr=f"01f3a4b{i}", **NEW_DIALECT) for i, name in enumerate(("meters", "other")))
    d = drive(4, stage=STATUS, **BINARY, groups=groups)
    status(d)
    say(d, {1: lacks(3, version="2.0.0")})
    d.wait(due(d) - 10)
    status(d, "other")
    d.wait(20)
    assert [e.group for e in d.of(m.SilencePresumed)] == ["meters"]
    d.say(1, RECEIVED)
    complete = lacks(0, 32, version="2.0.0")
    say(d, {2: complete, 4: complete})
    for reply in d.replies():
        d.hand_over(reply)
    assert d.stage == STATUS, "device 3 has said nothing yet"
    status(d)
    silence(d)
    status(d)
    assert participants(d, "meters") == [False, False, True]
    d.say(3, complete)
    d.wait(120)
    assert (d.status, {x.status for x in d.campaign.status().devices}) == ("SUCCEEDED", {"passed"})
