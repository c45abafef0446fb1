"""The outbox of a campaign: committed requests that are not handed over, and downlinks that are not withdrawn."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.agent.duty_cycle import DutyCycle
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.messages import Event, HandOver, Reported, Requested, Withdrawn
from fuota_fec.errors import CampaignError, FuotaError, NetworkError, ParameterError
from fuota_fec.journal.base import Lease
from fuota_fec.networks.base import Network

log = logging.getLogger("fuota_fec.agent")

NETWORK_RETRY = 5.0
"""s between two attempts to hand over a request or to withdraw downlinks."""
LEASE_MARGIN = 5.0
"""s that the lease must still last for a hand-over."""


class UnbuildableError(FuotaError):
    """The downlink of a committed request cannot be built."""


class Outbox:
    """Hands requests over in order, while the lease lasts and the sub-band is free, and tries again after a failure."""

    def __init__(
        self, campaign: Campaign, lease: Lease, network: Network, builder: DownlinkBuilder, duty_cycle: DutyCycle
    ) -> None:
        self._campaign = campaign
        self._lease = lease
        self._network = network
        self._builder = builder
        self._duty_cycle = duty_cycle
        self._pending: dict[str, Requested] = {}
        self._to_withdraw: list[str] = []
        self._retry_at: dict[str, float] = {}
        """Time of the next attempt, of requests whose hand-over failed."""
        self._last_unicast_at = float("-inf")

    def take(self, events: Iterable[Event]) -> None:
        """Takes requests and withdrawals from events that were just committed."""
        for event in events:
            if isinstance(event, Requested):
                self._pending[event.id] = event
            elif isinstance(event, Withdrawn):
                self._to_withdraw.append(event.id)
            elif isinstance(event, Reported) and not event.ok:
                self._duty_cycle.refund(event.id)

    def restore(self, events: Iterable[Event]) -> None:
        """Takes from all events of a replayed campaign what may still be left to do. Withdrawing again is harmless."""
        for event in events:
            if isinstance(event, Requested) and self._campaign.awaits_hand_over(event.id):
                self._pending[event.id] = event
            elif isinstance(event, Withdrawn):
                self._to_withdraw.append(event.id)

    @property
    def withdraws(self) -> bool:
        """Whether downlinks are still to be withdrawn."""
        return bool(self._to_withdraw)

    def withdraw(self, now: float) -> None:
        """Takes withdrawn downlinks out of the network's queues, or leaves them for the next attempt."""
        if not self._to_withdraw:
            return
        try:
            self._network.withdraw(self._to_withdraw, now)
            self._to_withdraw = []
        except NetworkError as error:
            log.warning("campaign %s: withdrawal failed, to be tried again: %s", self._campaign.id, error)

    def hand_over(self, now: float) -> Iterator[HandOver]:
        """Hands over what may go now. The campaign must receive each hand-over before the next one is asked for.

        UnbuildableError for a request whose downlink cannot be built.
        """
        for request in tuple(self._pending.values()):
            if not self._campaign.awaits_hand_over(request.id):
                self._drop(request)
            elif self._may_go(request, now) and (handed_over := self._submit(request, now)) is not None:
                yield handed_over

    def due(self, now: float) -> float | None:
        """Time of the next attempt, as far as it is known now."""
        times = [now + NETWORK_RETRY] if self._to_withdraw else []
        if self._pending:
            free = (self._free_at(request, now) for request in self._pending.values())
            times += [at for at in (*free, *self._retry_at.values()) if at > now]
        return min(times) if times else None

    def _may_go(self, request: Requested, now: float) -> bool:
        if self._campaign.paused and not request.reply:
            return False
        retry_at = self._retry_at.get(request.id, now)
        waits = now < retry_at <= now + NETWORK_RETRY  # A later time is of a clock that went back.
        if waits or self._free_at(request, now) > now:
            return False
        return now <= request.not_after and self._lease.left() > LEASE_MARGIN

    def _free_at(self, request: Requested, now: float) -> float:
        """Time from which the request may be sent: a multicast frame by the duty cycle of its sub-band, a unicast by
        its distance from the campaign's last one, also when many had to wait for the network."""
        if request.group is not None:
            return self._duty_cycle.free_at(self._campaign.plan.groups[request.group].group, now)
        delay = self._campaign.config.ucast_msg_delay / 1000
        return self._last_unicast_at + delay if self._last_unicast_at <= now else float("-inf")

    def _submit(self, request: Requested, now: float) -> HandOver | None:
        try:
            downlink = self._builder.downlink(self._campaign, request)
        except (ParameterError, CampaignError) as error:
            raise UnbuildableError(f"downlink {request.id} cannot be built: {error}") from error
        try:
            result = self._network.submit(downlink, now)
        except NetworkError as error:
            log.warning("downlink %s: hand-over failed, to be tried again: %s", request.id, error)
            self._retry_at[request.id] = now + NETWORK_RETRY
            return None
        self._drop(request)
        if request.group is None:
            self._last_unicast_at = now
        else:
            plan = self._campaign.plan.groups[request.group]
            if plan.duty_cycle < 1:
                pause = plan.air_time(len(downlink.payload)) / plan.duty_cycle
                self._duty_cycle.spend(plan.group, now, pause, request.id)
        f_cnt = result.f_cnt if result.f_cnt is not None else request.f_cnt
        return HandOver(id=request.id, reference=result.reference, f_cnt=f_cnt)

    def _drop(self, request: Requested) -> None:
        del self._pending[request.id]
        self._retry_at.pop(request.id, None)
