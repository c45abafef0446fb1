"""Turn of a device in an exchange, and its phases."""

from __future__ import annotations

from fuota_fec.campaign.questions import MC_GROUP_SETUP
from fuota_fec.campaign.timers import TimerKey, TimerKind
from fuota_fec.campaign.turn import OPEN, Phase, Turn


def test_a_turn_begins_absent_and_without_questions(drive) -> None:
    turn = Turn(drive(1).state(1))
    assert (turn.phase, turn.questions, turn.request_id, turn.resends, turn.noted) == (Phase.ABSENT, (), None, 0, None)


def test_a_turn_has_the_timer_of_its_device(drive) -> None:
    device = drive(1).state(1)
    assert Turn(device).timer == TimerKey(TimerKind.DEVICE, device.dev_eui)


def test_a_new_question_resets_the_request_and_its_resends(drive) -> None:
    turn = Turn(drive(1).state(1), (MC_GROUP_SETUP,), Phase.SENT, request_id="c/1", resends=2, noted="c/1")
    turn.begin_question()
    assert (turn.request_id, turn.resends) == (None, 0)
    assert (turn.questions, turn.phase, turn.noted) == ((MC_GROUP_SETUP,), Phase.SENT, "c/1")


def test_open_phases_are_those_between_the_start_and_an_outcome() -> None:
    assert set(Phase) - OPEN == {Phase.ABSENT, Phase.GIVEN_UP, Phase.SUCCEEDED, Phase.FAILED}
    assert sorted(OPEN) == list(range(min(OPEN), max(OPEN) + 1)), "Turns counts them as one slice"
