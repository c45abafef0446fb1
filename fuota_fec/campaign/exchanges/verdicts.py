"""Events of a verdict: the answer counts, or the device is asked again, or its version is news."""

from __future__ import annotations

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.exchanges.base import Decisions
from fuota_fec.campaign.questions import Question, Verdict
from fuota_fec.campaign.turn import Phase, Turn


def on_verdict(turn: Turn, question: Question, verdict: Verdict, now: float, *, was_asked: bool) -> Decisions:
    """Decides about the verdict on an answer to the present question, or on a command that was volunteered for a later
    one: such a command makes the questions before it useless, even if it reports a failure."""
    device, version = turn.device, verdict.fw_version
    repeated = turn.noted is not None and turn.noted == turn.request_id
    expected = turn.phase in (Phase.HANDED_OVER, Phase.SENT) and not repeated
    counts = question is not turn.questions[0] or (was_asked and not repeated)
    if verdict.ok or (not verdict.again and counts):
        yield m.Answered(
            at=now,
            dev_eui=device.dev_eui,
            ask=question.name,
            ok=verdict.ok,
            reason=verdict.reason,
            note=verdict.note,
            fw_version=version,
            needed=verdict.needed,
            loss=verdict.loss,
        )
    elif verdict.again and expected:
        yield m.Deferred(
            at=now,
            dev_eui=device.dev_eui,
            ask=question.name,
            reason=verdict.reason,
            first=verdict.first,
            instead=verdict.again == "instead",
            later=verdict.again == "later",
            fw_version=version,
        )
    elif version is not None and version != device.fw_version and device.may_volunteer:
        yield m.VersionHeard(at=now, dev_eui=device.dev_eui, fw_version=version)
