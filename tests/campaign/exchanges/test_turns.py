"""Turns of an exchange: counts by phase, the queue, questions and resends."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from fuota_fec.campaign.exchanges.turns import Turns
from fuota_fec.campaign.messages import (
    Answered,
    GivenUp,
    NetworkCapabilities,
    Reported,
    Requested,
    StageClosing,
    StageEnded,
    StageStarted,
    Unanswered,
)
from fuota_fec.campaign.questions import DATA_FRAGMENT, FRAG_SESSION_DELETE, FRAG_SESSION_SETUP, MC_GROUP_SETUP
from fuota_fec.campaign.state import CampaignState
from fuota_fec.campaign.turn import Phase, Turn
from fuota_fec.campaign.unicast_queue import UnicastQueue

NOW = 1_800_000_000.0


class Bench(NamedTuple):
    state: CampaignState
    queue: UnicastQueue
    turns: Turns

    def ready(self, i: int = 0, *questions: Any) -> Turn:
        """A turn that is READY."""
        device = list(self.state.devices.values())[i]
        turn = self.turns.add(device, questions or (MC_GROUP_SETUP,))
        self.turns.applying = StageStarted
        self.turns.enqueue(turn, NOW)
        return turn

    def sent(self, i: int = 0, *questions: Any) -> Turn:
        """A turn whose first question was sent."""
        turn = self.ready(i, *questions)
        self.turns.applying = Requested
        self.turns.request(turn, "c/1", NOW)
        self.turns.applying = Reported
        self.turns.move(turn, Phase.SENT)
        return turn


@pytest.fixture
def bench(drive: Any) -> Bench:
    state = drive(3, msg_retries=1).machine.state
    queue = UnicastQueue(state)
    return Bench(state, queue, Turns(state, queue))


def test_turns_are_found_by_device(bench) -> None:
    turn = bench.ready(1)
    device, other = turn.device, next(iter(bench.state.devices.values()))
    assert bench.turns[device.dev_eui] is bench.turns.get(device.dev_eui) is turn
    assert (device.dev_eui in bench.turns, other.dev_eui in bench.turns) == (True, False)
    assert (bench.turns.get(other.dev_eui), bench.turns.phase(other)) == (None, Phase.ABSENT)


def test_turns_have_the_order_of_addition_and_that_of_the_configuration(bench) -> None:
    late, early = bench.ready(2), bench.ready(0)
    assert list(bench.turns) == [late, early]
    assert list(bench.turns.in_order()) == [early, late]


def test_turns_are_counted_by_phase(bench) -> None:
    turn, _ = bench.ready(0), bench.ready(1)
    assert (bench.turns.n(Phase.READY), bench.queue.n_ready, bench.turns.n_open) == (2, 2, 2)
    bench.turns.applying = Answered
    bench.turns.move(turn, Phase.SUCCEEDED)
    assert (bench.turns.n(Phase.READY), bench.queue.n_ready, bench.turns.n_open) == (1, 1, 1)
    assert bench.turns.n(Phase.SUCCEEDED) == 1


def test_a_transition_that_is_not_in_the_table_is_refused(bench) -> None:
    turn = bench.ready()
    bench.turns.applying = Unanswered
    with pytest.raises(AssertionError):
        bench.turns.move(turn, Phase.SENT)


def test_a_move_clears_the_timer_of_the_phase_before(bench) -> None:
    turn = bench.sent()
    bench.state.timers.set(turn.timer, NOW + 5)
    bench.turns.applying = Answered
    bench.turns.move(turn, Phase.FAILED)
    assert bench.state.timers.due(turn.timer) == float("inf")


def test_a_request_is_recorded_and_changes_the_state_of_its_device(bench) -> None:
    turn = bench.ready(0, FRAG_SESSION_SETUP)
    bench.turns.applying = Requested
    bench.turns.request(turn, "c/7", NOW)
    assert (turn.phase, turn.request_id, turn.device.unreported) == (Phase.REQUESTED, "c/7", "c/7")
    assert (bench.turns.by_request, turn.device.session_set_up) == ({"c/7": turn}, True)


def test_a_resend_replaces_the_request_before_it(bench) -> None:
    turn = bench.sent()
    bench.turns.applying = Unanswered
    bench.turns.try_again(turn, NOW)
    bench.turns.applying = Requested
    bench.turns.request(turn, "c/2", NOW)
    assert (bench.turns.by_request, turn.resends) == ({"c/2": turn}, 1)


def test_a_turn_without_retries_is_stalled(bench) -> None:
    turn = bench.sent()
    turn.resends = 1
    bench.turns.applying = Unanswered
    bench.turns.try_again(turn, NOW)
    assert turn.phase is Phase.STALLED


def test_an_optional_question_is_followed_by_the_next_one_with_its_resends(bench) -> None:
    turn = bench.sent(0, FRAG_SESSION_DELETE, FRAG_SESSION_SETUP)
    turn.resends = 1
    bench.turns.applying = Unanswered
    bench.turns.try_again(turn, NOW)
    assert (turn.phase, turn.questions, turn.resends) == (Phase.READY, (FRAG_SESSION_SETUP,), 1)


def test_the_last_question_ends_the_turn_with_success(bench) -> None:
    turn = bench.sent(0, MC_GROUP_SETUP, FRAG_SESSION_SETUP)
    turn.resends = 1
    bench.turns.applying = Answered
    bench.turns.next_question(turn, NOW)
    assert (turn.phase, turn.questions, turn.resends, turn.request_id) == (
        Phase.READY,
        (FRAG_SESSION_SETUP,),
        0,
        None,
    )
    bench.turns.move(turn, Phase.SUCCEEDED)
    assert bench.turns.n_open == 0


@pytest.mark.parametrize(("instead", "left"), [(False, (DATA_FRAGMENT, MC_GROUP_SETUP)), (True, (DATA_FRAGMENT,))])
def test_a_question_goes_before_the_present_one_or_in_its_place(bench, instead, left) -> None:
    turn = bench.sent()
    turn.resends = 1
    bench.turns.ask_first(turn, (DATA_FRAGMENT,), instead=instead)
    assert (turn.questions, turn.resends) == (left, 0 if instead else 1)


def test_a_closing_stage_takes_devices_out_of_the_queue(bench) -> None:
    sent, ready = bench.sent(1), bench.ready(0)
    bench.turns.applying = StageClosing
    bench.turns.close(NOW)
    assert (bench.turns.closing, ready.phase, sent.phase, bench.queue.n_ready) == (
        True,
        Phase.UNASKED,
        Phase.SENT,
        0,
    )


@pytest.mark.parametrize(("withdraws", "phase"), [(True, Phase.READY), (False, Phase.HELD)])
def test_a_device_is_held_back_while_an_earlier_request_cannot_be_withdrawn(drive, withdraws, phase) -> None:
    state = drive(1, network=NetworkCapabilities(withdraws=withdraws)).machine.state
    bench = Bench(state, (queue := UnicastQueue(state)), Turns(state, queue))
    [device] = state.devices.values()
    device.unreported, device.queued_until = "c/1", NOW + 50
    turn = bench.ready()
    assert (turn.phase, state.timers.due(turn.timer)) == (phase, float("inf") if withdraws else NOW + 50)


def test_dropping_all_turns_leaves_none_open(bench) -> None:
    turn = bench.sent()
    bench.turns.applying = GivenUp
    bench.turns.move(turn, Phase.GIVEN_UP)
    bench.turns.applying = StageEnded
    bench.turns.drop_all()
    assert (turn.phase, bench.turns.n_open) == (Phase.ABSENT, 0)
