"""A campaign that an agent runs, and its events that are not committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fuota_fec.agent.outbox import Outbox
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

    def receive(self, item: Input, now: float) -> None:
        self.uncommitted += self.campaign.receive(item, now)

    def tick(self, now: float) -> None:
        self.uncommitted += self.campaign.tick(now)

    def resume(self, now: float) -> None:
        self.uncommitted += self.campaign.resume(now)

    def carry_out(self, verb: Verb, now: float) -> None:
        """CampaignError if the verb is unknown, or not allowed in the campaign's present state."""
        campaign = self.campaign
        verbs: dict[str, Callable[[float], list[Event]]]
        verbs = {"pause": campaign.pause, "unpause": campaign.unpause, "stop": campaign.stop}
        if verb not in verbs:
            raise CampaignError(f"order: {verb!r} is not a verb, expected {', '.join(verbs)}")
        self.uncommitted += verbs[verb](now)

    def ready(self) -> list[Event]:
        """Events to commit now. The end of a campaign waits until its downlinks are withdrawn: no agent takes over a
        finished campaign to do that."""
        if not self.campaign.finished:
            return self.uncommitted
        withdraws = self.outbox.withdraws or any(isinstance(event, Withdrawn) for event in self.uncommitted)
        return self.uncommitted[:-1] if withdraws else self.uncommitted

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
        self.outbox.take(events)
        return events

    @property
    def over(self) -> bool:
        """Whether the campaign is finished and all of its events are in the journal."""
        return self.campaign.finished and not self.uncommitted
