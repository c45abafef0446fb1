"""Suspended campaigns: their reasons, when they are tried again, and the inputs that they have not taken."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from fuota_fec.agent.faults import Faults, describe, stack
from fuota_fec.agent.ports import JournalPort
from fuota_fec.campaign.messages import Input, Suspended
from fuota_fec.errors import FuotaError, JournalError
from fuota_fec.journal.base import Append

log = logging.getLogger("fuota_fec.agent")

FIRST_PAUSE = 5.0
"""s until a suspended campaign is tried again; twice as long after each failure."""
LONGEST_PAUSE = 300.0
MOST_ATTEMPTS = 10
"""Failures in a row after which the campaign is left to other agents: after about half an hour."""
MOST_INPUTS = 10_000
"""Most inputs that are kept for one campaign."""


@dataclass(slots=True, kw_only=True)
class Suspension:
    """A campaign that is not run now, and is to be replayed."""

    reason: str
    since: float
    """Unix time since which the campaign's time stands still."""
    retry_at: float
    n: int = 0
    """Number of failures in a row."""
    n_events: int = 0
    """Number of events in the journal."""
    recorded: str = ""
    """Reason that the journal holds, in its last Suspended; "" if the campaign has resumed since."""
    inputs: list[Input] = field(default_factory=list)
    """Inputs to be given to the campaign once it is replayed."""

    def due(self, now: float) -> bool:
        """Whether it is to be tried again. A later time than the longest pause is of a clock that went back."""
        return not now < self.retry_at <= now + LONGEST_PAUSE


class Suspensions:
    """Campaigns that an agent does not run, though they are not finished."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.held: dict[str, Suspension] = {}
        """Campaigns whose lease is held, to be replayed."""
        self.left: dict[str, Suspension] = {}
        """Campaigns that could not be taken over, or were left to other agents."""

    def reasons(self) -> dict[str, str]:
        """Reason by the name of each campaign."""
        return {name: suspension.reason for name, suspension in (*self.left.items(), *self.held.items())}

    def hold(
        self, name: str, error: Exception, now: float, since: float, before: Suspension | None, inputs: Sequence[Input]
    ) -> bool:
        """Suspends a campaign, perhaps again. False after many failures in a row: then it is left to other agents."""
        self.held.pop(name, None)
        suspension = _again(name, error, now, since, before, inputs)
        if suspension.n < MOST_ATTEMPTS:
            self.held[name] = suspension
            return True
        log.error("campaign %s is left to other agents: %s", name, suspension.reason)
        self.left[name] = suspension
        return False

    def record(
        self, journal: JournalPort, name: str, n_events: int, last: Suspension | None, error: Exception, now: float
    ) -> Suspended | None:
        """Writes the reason of a suspension into the journal, unless the journal itself fails, or holds it since the
        `last` suspension. Returns the event. A campaign that another agent has written to is left as it is."""
        reason, held = describe(error), self.held.get(name) or self.left.get(name)
        recorded = last.recorded if last is not None else ""
        event = None
        if not isinstance(error, JournalError) and recorded != reason:
            event = Suspended(at=now, reason=reason)
            try:
                journal.append_all([Append(campaign=name, expected_seq=n_events, events=[event])])
                recorded, n_events = reason, n_events + 1
            except JournalError:
                event = None
        if held is not None:
            held.recorded, held.n_events = recorded, n_events
        return event

    def leave(self, name: str, error: Exception, now: float) -> None:
        """Records that a campaign could not be taken over."""
        self.left[name] = _again(name, error, now, now, self.left.get(name), what="was not taken over")

    @property
    def awaited(self) -> bool:
        """Whether a campaign that is not run is tried again soon, and the network must keep its inputs until then."""
        return bool(self.held) or any(suspension.n < MOST_ATTEMPTS for suspension in self.left.values())

    def to_take_over(self, names: Collection[str], now: float) -> list[str]:
        """Campaigns without an agent that are to be taken over now: not those that failed a short while
        ago. Other campaigns are forgotten."""
        self.left = {name: left for name, left in self.left.items() if name in names}
        return [name for name in names if name not in self.left or self.left[name].due(now)]

    def keep(self, name: str, item: Input) -> None:
        """Keeps an input for a campaign that is to be replayed."""
        suspension = self.held.get(name)
        if suspension is None:
            return
        if len(suspension.inputs) < MOST_INPUTS:
            suspension.inputs.append(item)
        else:
            self._faults.n["input dropped"] += 1

    def forget(self, name: str) -> None:
        self.held.pop(name, None)
        self.left.pop(name, None)


def _again(
    name: str,
    error: Exception,
    now: float,
    since: float,
    before: Suspension | None,
    inputs: Sequence[Input] = (),
    what: str = "suspended",
) -> Suspension:
    """Suspension for an error. A reason that is still the same is not logged again."""
    reason = describe(error)
    if before is None or before.reason != reason:
        trace = "" if isinstance(error, FuotaError) else f"\n{stack(error)}"
        log.error("campaign %s %s: %s%s", name, what, reason, trace)
    n = before.n if before is not None else 0
    pause = min(FIRST_PAUSE * 2 ** min(n, MOST_ATTEMPTS), LONGEST_PAUSE)
    kept = list(inputs[:MOST_INPUTS])
    recorded = before.recorded if before is not None else ""
    return Suspension(reason=reason, since=since, retry_at=now + pause, n=n + 1, recorded=recorded, inputs=kept)
