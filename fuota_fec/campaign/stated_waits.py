"""Wait of a campaign by its latest events, without a replay: for lists of many campaigns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fuota_fec.campaign.messages import (
    CleanUpStarted,
    Configured,
    Event,
    Finished,
    Paused,
    Reported,
    Requested,
    Resumed,
    StageClosing,
    StageEnded,
    StageStarted,
    Stopping,
    SummaryOverdue,
    Suspended,
    Unpaused,
    Wait,
)
from fuota_fec.campaign.waits import held_up, in_turn, late_answers


def stated_wait(newest_first: Iterable[Event]) -> Wait | None:
    """Wait that the latest events of a running campaign state, as its status has it; None if they state none.

    Reads on to the event that began the wait, and to one that shows whether the campaign is paused. Answers and reports
    that came since do not shorten the wait.
    """
    wait: Wait | None = None
    last: Event | None = None
    begun, paused, lost = False, None, 0.0
    reported: set[str] = set()
    for event in newest_first:
        if last is None and isinstance(event, Suspended):
            return held_up(event.reason)
        last = last or event
        paused = _shows_pause(event) if paused is None else paused
        if isinstance(event, Reported):
            reported.add(event.id)
        elif isinstance(event, Resumed) and not begun:
            lost += event.lost
        elif isinstance(event, SummaryOverdue) and event.id not in reported:
            wait, begun = (wait, True) if begun else (event.wait, True)
        elif isinstance(event, _BEGINNINGS) and not begun:
            wait, begun = _wait_from(event, last.at, lost), True
        if begun and paused is not None:
            break
    return held_up("") if paused and not isinstance(last, Finished) else wait


_BEGINNINGS = (Configured, StageStarted, StageClosing, StageEnded, Stopping, CleanUpStarted, Finished)
"""Events after which no earlier wait goes on."""


def _shows_pause(event: Event) -> bool | None:
    """Whether the campaign is paused after an event; None if the event does not show it. A pause allows no request."""
    if isinstance(event, Paused):
        return True
    goes_on = isinstance(event, (Configured, Unpaused, Stopping)) or (isinstance(event, Requested) and not event.reply)
    return False if goes_on else None


def _wait_from(event: Event, now: float, lost: float) -> Wait | None:
    """Wait that begins with an event, and goes on at the Unix time `now`. Answers are waited for `lost` s longer."""
    if isinstance(event, StageStarted):
        ahead = event.wait is not None and event.wait.until is not None and event.wait.until > now
        return in_turn(event.wait if ahead else None, _later(event.answers, lost))
    if isinstance(event, StageClosing):
        return _later(late_answers(event.until), lost)
    if isinstance(event, CleanUpStarted):
        return _later(event.wait, lost)
    return None


def _later(wait: Wait | None, lost: float) -> Wait | None:
    return wait if wait is None or wait.until is None else replace(wait, until=wait.until + lost)
