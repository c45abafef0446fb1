"""Status exchange: groups asked by multicast, devices asked by unicast, and their answers."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.state import Data
from fuota_fec.campaign.turn import Phase
from fuota_fec.wire import fragmentation

STATUS, DATA, SESSION = "FragSessionStatus", "DlFragment", "McClassCSession"
BINARY: dict[str, Any] = {"kind": "binary", "stage": STATUS}
CAROUSEL: dict[str, Any] = {"kind": "binary", "redundancy": 0, "stage": STATUS}


def ans(received: int = 3, missing: int = 0, **changes: Any) -> fragmentation.FragSessionStatusAns:
    values = {"frag_index": 0, "nb_frag_received": received, "missing_frag": missing}
    return fragmentation.FragSessionStatusAns(**values | changes)


def status_frames(d: Any, group: str | None = None) -> list[m.Requested]:
    return [frame for frame in d.frames(group) if frame.ask == STATUS]


def by_multicast(d: Any, group: str = "meters") -> m.Requested:
    """The group's status request, with the network and on the air."""
    for _ in range(200):
        if status_frames(d, group):
            break
        d.wait(1)
    request = status_frames(d, group)[-1]
    d.hand_over(request)
    d.summary(request)
    return request


def all_in_status(drive: Any, n_devices: int, **settings: Any) -> Any:
    """Everybody gets there, although the threshold is met before: they all answer at the same time."""
    d = drive(n_devices, **settings)
    everyone = range(1, n_devices + 1)
    while d.stage != STATUS:
        if d.stage == DATA:
            d.send_all()
            continue
        n_stages = len(d.of(m.StageStarted))
        for i in everyone:
            d.sent(d.ask(i))
        for i in everyone:
            d.say(i, d.right_answer(i, d.campaign.status().stages[n_stages - 1]))
    assert len(d.members()) == n_devices
    return d


def due(d: Any, group: str = "meters") -> float:
    """s for which the answers to a multicast request are waited for."""
    return d.campaign.plan.groups[group].status_wait


# ---- multicast or unicast ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_devices", "threshold", "redundancy", "together"),
    [
        (5, 5, 2, False),
        (6, 5, 2, True),
        (1, 0, 2, True),
        (3, 1000, 2, False),
        (1, 1000, 0, True),
        (6, 5, 0, True),
    ],
)
def test_a_group_above_the_threshold_or_without_coded_fragments_is_asked_by_multicast(
    drive, n_devices, threshold, redundancy, together
) -> None:
    d = drive(n_devices, redundancy=redundancy, fsession_status_threshold=threshold, kind="binary", stage=STATUS)
    d.wait(n_devices + 3)
    assert len(status_frames(d)) == together
    assert len(d.requests()) == (0 if together else n_devices)
    d.reach("end")
    assert d.status == "SUCCEEDED"
    assert (len(status_frames(d)), len(d.requests(stage=STATUS))) == ((1, 0) if together else (0, n_devices))


def test_each_group_is_asked_in_its_way(drive, group_of) -> None:
    groups = (group_of("fec"), group_of("carousel", mc_addr="01f3a4b6", redundancy=0))
    d = drive(4, groups=groups, **BINARY)
    d.wait(10)
    assert (len(status_frames(d, "fec")), len(status_frames(d, "carousel"))) == (0, 1)
    assert {r.dev_eui for r in d.requests()} == {f"{1:016x}", f"{3:016x}"}


def test_the_first_multicast_request_asks_all_participants(drive) -> None:
    d = drive(2, frag_index=2, **CAROUSEL)
    request = by_multicast(d)
    assert d.command(request) == fragmentation.FragSessionStatusReq(frag_index=2, participants=True)
    assert (request.f_port, request.frag_nb, request.dev_eui) == (201, None, None)


def test_a_unicast_request_asks_whoever_hears_it(drive) -> None:
    d = drive(1, frag_index=2, **BINARY)
    request = d.ask(1)
    assert d.command(request) == fragmentation.FragSessionStatusReq(frag_index=2, participants=True)
    assert request.f_port == 201


def test_a_multicast_request_takes_the_groups_next_counter(drive) -> None:
    d = drive(2, **CAROUSEL)
    assert by_multicast(d).f_cnt == 3
    assert d.campaign.next_f_cnt("meters") == 4


def test_a_multicast_request_keeps_the_spacing_from_the_last_fragment(drive) -> None:
    d = drive(2, **CAROUSEL)
    last = [frame for frame in d.frames() if frame.frag_nb == 3][-1]
    request = by_multicast(d)
    assert request.at - last.at == pytest.approx(d.campaign.plan.groups["meters"].time.spacing)


def test_a_multicast_request_is_sent_in_a_ping_slot_in_class_b(drive, group_of) -> None:
    d = drive(2, groups=(group_of(device_class="B", periodicity=2),), **CAROUSEL)
    d.reach("end")
    assert d.status == "SUCCEEDED"
    assert len(status_frames(d)) == 1


def test_a_request_that_no_gateway_sent_goes_out_again_at_most_twice(drive) -> None:
    d = drive(2, **CAROUSEL)
    for n in range(1, 4):
        d.wait(10)
        assert len(status_frames(d)) == n
        d.hand_over(status_frames(d)[-1])
        d.summary(status_frames(d)[-1], ok=False)
    d.wait(10)
    assert [frame.f_cnt for frame in status_frames(d)] == [3, 3, 3]


def test_devices_answer_in_the_layout_of_their_profile(drive, group_of) -> None:
    """ST's 2.0.0 build has the layout of 1.0.0. Its counts may be those of an earlier session."""
    d = drive(1, groups=(group_of(version="2.0.0", mc_version="2.0.0"),), fsize=40, each={"profile": "st-v2"}, **BINARY)
    d.sent(d.ask(1))
    d.say(1, ans(received=1))
    assert (d.status, d.device(1).status) == ("SUCCEEDED", "unverified")


# ---- answers ---------------------------------------------------------------------------------------------


def test_answers_to_a_multicast_request_count_from_its_hand_over(drive) -> None:
    d = drive(2, **CAROUSEL)
    d.wait(3)
    d.say(1, ans())
    assert d.campaign.ignored["FragSessionStatusAns"] == 1
    d.hand_over(status_frames(d)[0])
    d.say(1, ans())
    assert d.campaign.status().n_done == 1
    d.say(2, ans())
    assert d.status == "SUCCEEDED"


def test_a_device_need_not_be_heard_before_it_answers_a_multicast_request(drive) -> None:
    """A device without uplinks may hear the multicast."""
    d = drive(2, **CAROUSEL)
    for i in (1, 2):
        d.state(i).heard = False
    by_multicast(d)
    d.say(1, ans())
    d.say(2, ans())
    assert d.status == "SUCCEEDED"


def test_the_answer_of_another_session_is_foreign(drive) -> None:
    d = drive(1, frag_index=1, **BINARY)
    d.sent(d.ask(1))
    d.say(1, ans(frag_index=0))
    assert d.asked(1) == STATUS
    d.say(1, ans(frag_index=1))
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ans(received=1, missing=2), "missing 2 fragments"),
        (ans(received=1, missing=255), "missing 255 or more fragments"),
        (
            ans(received=1, missing=1, not_enough_matrix_memory=True),
            "missing 1 fragment, its memory for the matrix is full",
        ),
    ],
)
def test_a_device_that_lacks_fragments_fails_with_their_number(drive, answer, reason) -> None:
    d = drive(1, **BINARY)
    d.sent(d.ask(1))
    d.say(1, answer)
    assert (d.status, d.device(1).status, d.device(1).reason) == ("FAILED", "failed", reason)
    assert not d.device(1).data_complete


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ans(version="2.0.0", mic_error=True), "image not valid: MIC error"),
        (
            fragmentation.FragSessionStatusAns(version="2.0.0", session_does_not_exist=True),
            "missing all fragments: no such session",
        ),
        (
            ans(received=1, missing=1, version="2.0.0", memory_error=True),
            "missing 1 fragment, its memory for the matrix is full",
        ),
    ],
)
def test_errors_that_only_dialect_2_reports_fail_the_device(drive, group_of, answer, reason) -> None:
    d = drive(1, groups=(group_of(version="2.0.0"),), **BINARY)
    d.sent(d.ask(1))
    d.say(1, answer)
    assert (d.status, d.device(1).reason) == ("FAILED", reason)


def test_a_group_with_coded_fragments_has_no_further_round(drive) -> None:
    d = drive(2, datafrag_loops_max=5, **BINARY)
    for i in (1, 2):
        d.sent(d.ask(i))
        d.say(i, ans(received=4 - i, missing=i - 1))
    d.wait(200)
    assert d.status == "FAILED"
    assert d.campaign.status().reason == "1 of 2 devices succeeded in FragSessionStatus, 2 needed"
    assert (d.campaign.status().round, len(d.frames())) == (1, 5)


# ---- who is silent ---------------------------------------------------------------------------------------


def test_answers_to_a_multicast_request_are_due_after_the_spread_and_the_timeout(drive) -> None:
    d = drive(40, fsession_status_timeout=25, answer_spread_max=32, ucast_msg_delay=0, **CAROUSEL)
    command = d.command(d.requests(1, "FragSessionSetup")[0])
    assert due(d) == 2 ** (command.block_ack_delay + 4) + 25 == 41
    handed_over = by_multicast(d).id
    d.wait(40)
    assert d.of(m.Unanswered) == []
    d.wait(2)
    assert [event.id for event in d.of(m.Unanswered)] == [handed_over]


def test_a_silent_device_is_asked_by_unicast(drive) -> None:
    """Silence proves nothing: it may have missed the request, or its answer got lost."""
    d = drive(4, **CAROUSEL)
    by_multicast(d)
    d.say(1, ans())
    d.say(3, ans())
    d.wait(due(d) + 5)
    assert [r.dev_eui for r in d.requests()] == [f"{2:016x}", f"{4:016x}"]
    assert len(status_frames(d)) == 1
    d.succeed(2)
    d.succeed(4)
    assert d.status == "SUCCEEDED"


def test_a_silent_device_that_was_not_heard_is_waited_for(drive) -> None:
    d = drive(1, **CAROUSEL)
    d.state(1).heard = False
    by_multicast(d)
    d.wait(due(d) + 5)
    assert (d.requests(), d.turn(1).phase) == ([], Phase.UNHEARD)
    d.up(1)
    assert d.questions(1) == [STATUS]


def test_the_answer_to_the_multicast_request_counts_while_the_device_is_asked_by_unicast(drive) -> None:
    d = drive(2, **CAROUSEL)
    by_multicast(d)
    d.say(1, ans())
    d.wait(due(d) + 1)
    d.say(2, ans())
    assert d.status == "SUCCEEDED"


def test_a_device_that_stays_silent_has_all_its_retries(drive) -> None:
    d = drive(2, datafrag_loops_max=1, **CAROUSEL)
    by_multicast(d)
    d.say(1, ans())
    d.wait(due(d) + 1)
    for _ in range(3):
        d.sent(d.ask(2))
        d.wait(150)
    assert (d.questions(2), d.device(2).reason) == ([STATUS] * 3, "no answer in FragSessionStatus")
    d.wait(200)
    assert (d.status, d.device(1).status, d.device(2).status) == ("FAILED", "passed", "failed")


def test_the_answer_to_a_unicast_request_may_be_delayed_by_the_spread_too(drive) -> None:
    """Some stacks delay unicast answers as well. P(d) = 100 s, 20 s late at most, delivery 10 s, spread 16 s."""
    d = drive(1, **BINARY)
    d.sent(d.ask(1))
    d.wait(145)
    assert d.of(m.Unanswered) == []
    d.wait(2)
    assert len(d.of(m.Unanswered)) == 1


def test_silence_of_devices_that_were_asked_one_by_one_is_as_in_any_stage(drive) -> None:
    d = drive(1, msg_retries=1, **BINARY)
    for _ in range(2):
        d.sent(d.ask(1))
        d.wait(150)
    d.wait(200)
    assert (d.status, d.questions(1, STATUS)) == ("FAILED", [STATUS] * 2)
    assert d.device(1).reason == "no answer in FragSessionStatus"


# ---- the session -----------------------------------------------------------------------------------------


def late_status(drive: Any, left: float, **settings: Any) -> Any:
    """Two devices, a carousel whose last summary comes so many seconds before the session's end."""
    d = drive(2, **{"kind": "binary", "redundancy": 0, "stage": DATA, "summary_report_timeout": 0} | settings)
    d.wait_until(d.session().start + 5)
    for n in (1, 2, 3):
        while len(d.frames()) < n:
            d.wait(5)
        last = d.frames()[n - 1]
        d.hand_over(last)
        if n < 3:
            d.summary(last)
    d.wait_until(d.session().end - left)
    if d.stage == DATA:
        d.summary(last)
    assert d.stage == STATUS
    return d


def test_a_multicast_request_fits_into_the_session(drive) -> None:
    d = late_status(drive, 20)
    request = by_multicast(d)
    assert request.not_after < d.session().end
    d.say(1, ans())
    d.say(2, ans())
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("left", [0.01, 0.0, -1.0])
def test_a_group_whose_multicast_request_does_not_fit_is_asked_by_unicast(drive, left) -> None:
    d = late_status(drive, left)
    d.wait(5)
    assert (status_frames(d), len(d.requests())) == ([], 2)
    d.succeed(1)
    d.succeed(2)
    assert d.status == "SUCCEEDED"


def test_a_multicast_request_whose_slot_comes_too_late_is_not_waited_for(drive, group_of) -> None:
    """At this data rate and duty cycle slots are two minutes apart."""
    settings = {"kind": "binary", "redundancy": 0, "summary_report_timeout": 0}
    d = drive(2, groups=(group_of(dr=0, frequency=868_100_000),), stage=DATA, **settings)
    for n, left in ((1, 1000), (2, 110), (3, 60)):
        while len(d.frames()) < n:
            d.wait(1)
        d.hand_over(d.frames()[-1])
        d.wait_until(d.session().end - left)
        d.summary(d.frames()[-1])
    assert d.stage == STATUS
    d.wait(3)
    assert (status_frames(d), len(d.requests())) == ([], 2)


def test_a_group_whose_multicast_request_was_not_handed_over_in_time_is_asked_by_unicast(drive) -> None:
    d = late_status(drive, 20)
    d.wait(3)
    [request] = status_frames(d)
    d.wait(30)
    assert not d.campaign.awaits_hand_over(request.id)
    assert len(d.requests()) == 2
    d.succeed(1)
    d.succeed(2)
    assert d.status == "SUCCEEDED"


def test_answers_count_after_the_session_has_ended(drive) -> None:
    d = late_status(drive, 20)
    by_multicast(d)
    d.wait(30)
    assert d.now > d.session().end
    d.say(1, ans())
    d.say(2, ans())
    assert d.status == "SUCCEEDED"


def test_the_session_is_planned_with_room_for_the_multicast_request(drive) -> None:
    for settings in (CAROUSEL, BINARY | {"fsession_status_threshold": 0}):
        d = drive(2, **settings)
        plan = d.campaign.plan.groups["meters"]
        assert plan.n_status == plan.rounds
        frames = (plan.rounds - 1) * plan.n_frags + plan.n_frames
        assert plan.session_length >= plan.lead + (frames + plan.n_status - 1) * plan.time.spacing + due(d)
        assert plan.n_planned == frames + plan.n_status


# ---- what devices say of themselves (2.0.0) ----------------------------------------------------------------


def second(drive: Any, group_of: Any, **settings: Any) -> Any:
    group = group_of(version="2.0.0", mc_version="2.0.0")
    return drive(groups=(group,), ack_reception=True, **{"n_devices": 3, "kind": "binary"} | settings)


def complete(mic_error: bool = False, frag_index: int = 0) -> fragmentation.FragDataBlockReceivedReq:
    return fragmentation.FragDataBlockReceivedReq(frag_index=frag_index, mic_error=mic_error)


def answered(d: Any) -> None:
    """The device gets its answer, before which the campaign is not over."""
    d.wait(2)
    d.hand_over(d.replies()[-1])


def test_a_device_that_reported_a_complete_block_is_not_asked(drive, group_of) -> None:
    d = second(drive, group_of, stage=DATA)
    d.say(2, complete())
    d.reach(STATUS)
    d.wait(5)
    assert {r.dev_eui for r in d.requests()} == {f"{1:016x}", f"{3:016x}"}
    assert (d.device(2).data_complete, d.campaign.status().n_done) == (True, 1)


def test_no_device_is_asked_if_all_have_reported_a_complete_block(drive, group_of) -> None:
    d = second(drive, group_of, redundancy=0, stage=DATA)
    for i in (1, 2, 3):
        d.say(i, complete())
    d.reach("end")
    assert (d.status, status_frames(d), d.requests(stage=STATUS)) == ("SUCCEEDED", [], [])
    assert {x.status for x in d.campaign.status().devices} == {"passed"}


def test_a_report_of_a_complete_block_answers_the_question_for_the_status(drive, group_of) -> None:
    d = second(drive, group_of, n_devices=1, stage=STATUS)
    d.say(1, complete())
    answered(d)
    assert (d.status, d.state(1).data) == ("SUCCEEDED", Data.COMPLETE)


def test_a_block_with_a_mic_error_is_no_success(drive, group_of) -> None:
    d = second(drive, group_of, n_devices=1, stage=STATUS)
    d.sent(d.ask(1))
    d.say(1, complete(mic_error=True))
    answered(d)
    assert (d.status, d.device(1).reason, d.state(1).data) == ("FAILED", "image not valid: MIC error", Data.WRONG)


def test_a_block_with_a_mic_error_before_the_question_does_not_fail_the_device(drive, group_of) -> None:
    d = second(drive, group_of, n_devices=1, stage=DATA)
    d.say(1, complete(mic_error=True))
    d.reach(STATUS)
    assert d.asked(1) == STATUS


def test_a_report_on_a_block_of_another_session_is_foreign(drive, group_of) -> None:
    d = second(drive, group_of, n_devices=1, stage=STATUS)
    d.say(1, complete(frag_index=3))
    assert (d.asked(1), d.state(1).data, d.replies()) == (STATUS, Data.UNKNOWN, [])


# ---- when the threshold is met ---------------------------------------------------------------------------


def test_late_answers_to_the_multicast_request_count_until_their_spread_is_over(drive) -> None:
    d = all_in_status(drive, 4, success_threshold=75, stage_complete_delay=0.1, kind="binary", redundancy=0)
    by_multicast(d)
    for i in (1, 2, 3):
        d.say(i, ans())
    assert (d.stage, d.closing) == (STATUS, True)
    d.wait(due(d) - 1)
    assert d.stage == STATUS
    d.say(4, ans())
    assert (d.status, d.of(m.Finished)[0].successes) == ("SUCCEEDED", 4)


def test_a_silent_device_is_no_longer_asked_once_the_threshold_is_met(drive) -> None:
    d = all_in_status(drive, 4, success_threshold=75, kind="binary", redundancy=0)
    by_multicast(d)
    for i in (1, 2, 3):
        d.say(i, ans())
    d.wait(1000)
    assert (d.status, d.requests(stage=STATUS)) == ("SUCCEEDED", [])
    assert d.device(4).reason == "no answer in FragSessionStatus"


def test_no_group_is_asked_once_the_threshold_is_met(drive, group_of) -> None:
    """At its data rate and duty cycle the second group's slot comes two minutes later."""
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6", dr=0, frequency=868_100_000))
    d = all_in_status(
        drive, 4, groups=groups, success_threshold=50, stage_complete_delay=2, kind="binary", redundancy=0
    )
    assert 60 < d.machine.state.groups["b"].next_slot - d.now < 150
    by_multicast(d, "a")
    d.say(1, ans())
    d.say(3, ans())
    assert d.closing
    d.wait(400)
    assert (d.status, status_frames(d, "b")) == ("SUCCEEDED", [])
    assert d.device(2).reason == "not asked in FragSessionStatus: the threshold was met"


def test_a_request_that_no_gateway_sent_is_not_repeated_once_the_threshold_is_met(drive, group_of) -> None:
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    d = all_in_status(drive, 4, groups=groups, success_threshold=50, kind="binary", redundancy=0)
    d.wait(5)
    for name in ("a", "b"):
        d.hand_over(status_frames(d, name)[0])
    d.say(1, ans())
    d.say(3, ans())
    assert d.closing
    d.summary(status_frames(d, "b")[0], ok=False)
    d.wait(60)
    assert len(status_frames(d, "b")) == 1


# ---- replay ----------------------------------------------------------------------------------------------


def test_replay_in_every_moment_of_the_stage_is_the_campaign(drive, group_of) -> None:
    groups = (group_of("fec"), group_of("carousel", mc_addr="01f3a4b6", redundancy=0))
    d = drive(6, groups=groups, kind="binary", stage=STATUS)
    checked = 0
    original = d.keep

    def keep(events: list[m.Event]) -> list[m.Event]:
        nonlocal checked
        kept = original(events)
        again = Campaign.replay(d.events, d.image)
        assert (again.status(), again.deadline()) == (d.campaign.status(), d.campaign.deadline())
        checked += 1
        return kept

    d.keep = keep
    by_multicast(d, "carousel")
    d.say(2, ans())
    d.succeed(1)
    d.wait(due(d, "carousel") + 1)
    for i in (3, 4, 5, 6):
        d.succeed(i)
    assert (d.status, checked > 20) == ("SUCCEEDED", True)


def test_a_device_whose_counts_prove_nothing_is_unverified(drive) -> None:
    devices = tuple(
        Device(dev_eui=f"{i + 1:016x}", group="meters", profile=profile) for i, profile in enumerate(("lbm", "generic"))
    )
    d = drive(devices=devices, **BINARY)
    d.sent(d.ask(1))
    d.say(1, ans(received=3, missing=1))
    d.sent(d.ask(2))
    d.say(2, ans(received=3, missing=0))
    assert d.status == "SUCCEEDED"
    assert [x.status for x in d.campaign.status().devices] == ["unverified", "passed"]
    assert d.device(1).note == "complete by counts that are no proof"


def test_the_time_of_a_group_that_was_asked_stands_still_in_an_outage(drive) -> None:
    """Else its answers, which were spread over the outage, would count as silence at once."""
    d = drive(6, kind="binary", stage="FragSessionStatus")
    d.wait(max(0.0, d.campaign.deadline() - d.now))
    d.hand_over(next(e for e in d.of(m.Requested) if e.ask == "FragSessionStatus"))
    wait = d.campaign.plan.groups["meters"].status_wait
    d.now += wait - 1
    d.keep(d.campaign.resume(d.now, lost=wait - 1))
    d.wait(wait - 2)
    assert d.of(m.Unanswered) == []
    d.wait(3)
    assert len(d.of(m.Unanswered)) == 1
