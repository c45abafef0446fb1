"""Events of a verdict: answers that count, questions that are asked again, versions that are news."""

from __future__ import annotations

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.exchanges.verdicts import on_verdict
from fuota_fec.campaign.questions import MC_GROUP_SETUP, OK, REPAIR_STATUS, Verdict
from fuota_fec.campaign.turn import Phase

REFUSED = Verdict(ok=False, reason="refused in McGroupSetup: id_error")
AGAIN = Verdict(ok=False, reason="wrong version 1.0.0.0", again="later", fw_version=7)


def kinds(drive, verdict, question=MC_GROUP_SETUP, *, asked=True, phase=Phase.SENT, noted=None):
    d = drive(1)
    turn = d.turn(1)
    turn.questions, turn.phase, turn.noted, turn.request_id = (MC_GROUP_SETUP, REPAIR_STATUS), phase, noted, "c/1"
    return [type(event) for event in on_verdict(turn, question, verdict, d.now, was_asked=asked)]


@pytest.mark.parametrize("asked", [False, True])
def test_success_counts_also_unasked_and_a_refusal_only_if_asked(drive, asked) -> None:
    assert kinds(drive, OK, asked=asked) == [m.Answered]
    assert kinds(drive, REFUSED, asked=asked) == [m.Answered] * asked


@pytest.mark.parametrize("asked", [False, True])
def test_a_volunteered_verdict_on_a_later_question_counts_in_either_case(drive, asked) -> None:
    assert kinds(drive, OK, REPAIR_STATUS, asked=asked) == [m.Answered]
    assert kinds(drive, REFUSED, REPAIR_STATUS, asked=asked) == [m.Answered]


@pytest.mark.parametrize("phase", list(Phase))
def test_a_question_is_asked_again_once_while_its_answer_is_due(drive, phase) -> None:
    due = phase in (Phase.HANDED_OVER, Phase.SENT)
    assert kinds(drive, AGAIN, phase=phase) == [m.Deferred if due else m.VersionHeard]
    assert kinds(drive, AGAIN, phase=phase, noted="c/1") == [m.VersionHeard]
