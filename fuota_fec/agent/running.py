"""A campaign that an agent runs, and its events that are not committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fuota_fec.agent.lost_time import LONGEST_SILENCE
from fuota_fec.agent.outbox import Outbox
from fuota_fec.agent.suspended import Suspension
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.messages import Event, Input, Withdrawn
from fuota_fec.errors import CampaignError
from fuota_fec.journal.base import Append, Verb


@dataclass(slots=True)
class RunningCampaign:
    """The campaign is ahead of the journal by its uncommitted events; the outbox holds what committed ones request."""

    campaign: Campaign
    outbox: Outbox
    n_committed: int
    uncommitted: list[Event] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    """Numbers of the orders that the uncommitted events carry out."""
    inputs: list[Input] = field(default_factory=list)
    """Inputs whose events are not committed."""
    waits_since: float | None = None
    """Unix time at which the campaign's time stopped; None while it goes on."""
    waits_for: str = ""
    """Reason of the wait."""
    suspended: Suspension | None = None
    """Suspension before this run."""
    since: float = 0.0
    """Unix time at which this run began."""
    n_commits: int = 0
    """Number of commits in this run."""
    counted_until: float = float("-inf")
    """Unix time up to which lost time was counted."""

    def receive(self, item: Input, now: float) -> bool:
        """Takes an input. Timers wait for `tick`: inputs that waited come before them. Returns whether it changed
        anything."""
        events = self.campaign.receive(item, now, timers=False)
        if events:
            self.uncommitted += events
        if events or (self.uncommitted and not self.campaign.finished):
            self.inputs.append(item)  # Not if it raised: then it would raise again.
        return bool(events)

    def overhears(self, item: Input, now: float) -> bool:
        """Takes an input that changes nothing. False, with nothing done, if it may change something."""
        if self.uncommitted or self.waits_since is not None:
            return False
        try:
            return self.campaign.overhears(item, now)
        except Exception:  # The turn that takes the input has the error.
            return False

    def tick(self, now: float) -> None:
        """Fires timers. A campaign that has waited for long records why instead; the reason of a pause is known."""
        if self.waits_since is None:
            if events := self.campaign.tick(now):
                self.uncommitted += events
        elif now - self.waits_since >= LONGEST_SILENCE and not self.campaign.paused:
            self.uncommitted += self.campaign.suspend(now, self.waits_for)

    def resume(self, now: float, lost: float) -> None:
        self.counted_until = now
        self.uncommitted += self.campaign.resume(now, lost=lost)

    def wait(self, since: float, why: str) -> None:
        """Stops the campaign's time: no timer fires."""
        self.waits_for = why
        since = max(since, self.counted_until)
        self.waits_since = since if self.waits_since is None else min(self.waits_since, since)

    def go_on(self, now: float, longest: float) -> None:
        """Lets the campaign's time go on. A wait of `longest` seconds or more is lost time."""
        since, self.waits_since = self.waits_since, None
        if since is not None and now - since >= longest:
            self.resume(now, now - since)

    def deadline(self) -> float | None:
        """Unix time of the next `tick`; None while the campaign waits."""
        return self.campaign.deadline() if self.waits_since is None else None

    def due(self, now: float) -> float | None:
        """Unix time of its next timer, or of the next attempt to hand over or to withdraw something."""
        timer, attempt = self.deadline(), self.outbox.due(now)
        if timer is None or attempt is None:
            return timer if attempt is None else attempt
        return min(timer, attempt)

    def watches(self, now: float) -> bool:
        """Whether the end of what it waits for has no known time, so that every turn looks for it."""
        return self.waits_since is not None or self.outbox.watches(now)

    def carry_out(self, verb: Verb, now: float, longest: float = LONGEST_SILENCE) -> None:
        """CampaignError if the verb is unknown, or not allowed in the campaign's present state. After a pause of
        `longest` seconds or more the campaign resumes."""
        campaign = self.campaign
        paused = campaign.paused
        verbs: dict[str, Callable[[float], list[Event]]]
        verbs = {"pause": campaign.pause, "unpause": campaign.unpause, "stop": campaign.stop}
        if verb not in verbs:
            raise CampaignError(f"order: {verb!r} is not a verb, expected {', '.join(verbs)}")
        self.uncommitted += verbs[verb](now)
        if campaign.paused and not paused:
            self.wait(now, "paused")
        elif paused and not campaign.paused:
            self.go_on(now, longest)

    def ready(self) -> list[Event]:
        """Events to commit now. The end of a campaign waits until its downlinks are withdrawn: no agent takes over a
        finished campaign to do that."""
        if not self.campaign.finished:
            return self.uncommitted
        withdraws = self.outbox.withdraws or any(isinstance(event, Withdrawn) for event in self.uncommitted)
        return self.uncommitted[:-1] if withdraws else self.uncommitted

    @property
    def busy(self) -> bool:
        """Whether there may be anything to commit, to hand over or to withdraw, or to give up."""
        return bool(self.uncommitted or self.orders or self.outbox.busy or self.campaign.finished)

    @property
    def changed(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.ready() or self.orders)

    def append(self) -> Append:
        return Append(
            campaign=self.campaign.id,
            expected_seq=self.n_committed,
            events=self.ready(),
            facts=self.campaign.take_facts(),
            orders=self.orders,
        )

    def committed(self) -> list[Event]:
        """Notes that the events of `append` are in the journal, and returns them."""
        events, self.orders = self.ready(), []
        self.uncommitted = self.uncommitted[len(events) :]
        self.n_committed += len(events)
        self.n_commits += 1
        self.inputs = []
        self.outbox.take(events)
        return events

    def stopped_since(self, now: float) -> float:
        """Unix time since which the campaign's time stands still, for a suspension now. A run without a commit did not
        end the one before it."""
        times = [now] if self.waits_since is None else [self.waits_since]
        if self.suspended is not None and not self.n_commits:
            times.append(self.suspended.since)
        return min(times)

    @property
    def over(self) -> bool:
        """Whether the campaign is finished and all of its events are in the journal."""
        return self.campaign.finished and not self.uncommitted
