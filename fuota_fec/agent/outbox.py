"""The outbox of a campaign: committed requests that are not handed over, and downlinks that are not withdrawn."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.agent.duty_cycle import DutyCycle
from fuota_fec.agent.lost_time import NETWORK_RETRY, Reach
from fuota_fec.agent.ports import LeasePort, NetworkPort, NoKeyError
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.messages import DownlinkSent, Event, HandedOver, HandOver, Reported, Requested, Withdrawn
from fuota_fec.errors import FuotaError, JournalError, NetworkError
from fuota_fec.networks.base import RefusedError

log = logging.getLogger("fuota_fec.agent")

MOST_WITHDRAWALS = 720
"""Failed attempts to withdraw downlinks, an hour in which the network took others, after which they are left to expire:
the end of a campaign waits for the withdrawal."""
KEY_PATIENCE = 60.0
"""s for which the key of one device is asked for that the ring cannot read now; then the request counts as not
delivered. While those of several devices cannot be read, the campaign's time stands still."""
LEASE_MARGIN = 5.0
"""s that the lease must still last for a hand-over."""


class UnbuildableError(FuotaError):
    """The downlink of a committed request cannot be built, for another reason than a key."""


class Outbox:
    """Hands requests over in order, while the lease lasts and the sub-band is free, and tries again after a failure."""

    def __init__(
        self,
        campaign: Campaign,
        lease: LeasePort,
        network: NetworkPort,
        builder: DownlinkBuilder,
        duty_cycle: DutyCycle,
        reach: Reach,
    ) -> None:
        self._campaign = campaign
        self._lease = lease
        self._network = network
        self._builder = builder
        self._duty_cycle = duty_cycle
        self._reach = reach
        self._pending: dict[str, Requested] = {}
        self._to_withdraw: list[str] = []
        self._retry_at: dict[str, float] = {}
        """Time of the next attempt, of requests whose hand-over failed; the last one that failed at the end."""
        self._failed_as = 0
        """Number of its last failure among those of all outboxes."""
        self._without_key_since: dict[str, float] = {}
        """Time since which the key of a request cannot be read."""
        self._unsure: dict[str, tuple[str, float]] = {}
        """Request to a device whose hand-over failed, and its end: a network that withdraws nothing may have it."""
        self._key_reach = Reach()
        """Whether the keys of several devices cannot be read."""
        self._withdraw_at = float("-inf")
        self._n_withdrawals = 0
        """Number of failed withdrawals in a row while the network took downlinks."""
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
        """Takes from the next events of a campaign, which it has just replayed, what may still be left to do, and the
        time of the last unicast. Withdrawing again is harmless."""
        frames = set()
        for event in events:
            if isinstance(event, Requested):
                if event.group is not None:
                    frames.add(event.id)
                if self._campaign.awaits_hand_over(event.id):
                    self._pending[event.id] = event
            elif isinstance(event, HandedOver):
                request = self._pending.pop(event.id, None)
                if event.id not in frames and (request is None or request.group is None):
                    self._last_unicast_at = event.at
            elif isinstance(event, Withdrawn):
                self._to_withdraw.append(event.id)

    @property
    def busy(self) -> bool:
        """Whether anything is left to hand over or to withdraw."""
        return bool(self._pending or self._to_withdraw)

    @property
    def withdraws(self) -> bool:
        """Whether downlinks are still to be withdrawn."""
        return bool(self._to_withdraw)

    def withdraw(self, now: float) -> None:
        """Takes withdrawn downlinks out of the network's queues, or leaves them for the next attempt."""
        if not self._to_withdraw or _waits(self._withdraw_at, now):
            return
        try:
            self._network.withdraw(self._campaign.id, self._to_withdraw, now)
            self._reach.succeeded()
        except NetworkError as error:
            self._withdraw_at = now + NETWORK_RETRY
            self._reach.not_withdrawn(error, now)
            self._n_withdrawals += not self._reach.failing(now)
            if self._n_withdrawals < MOST_WITHDRAWALS:
                return
            n_left = len(self._to_withdraw)
            log.error(
                "campaign %s: %d downlinks are not withdrawn and left to expire: %s", self._campaign.id, n_left, error
            )
        self._to_withdraw, self._n_withdrawals = [], 0

    def hand_over(self, now: float) -> Iterator[HandOver | DownlinkSent]:
        """Hands over what may go now. The campaign must receive each result before the next one is asked for: the
        hand-over, or the report that a request cannot be delivered for want of a key.

        UnbuildableError for a request whose downlink cannot be built.
        """
        for request in self._in_order():
            if self._reach.opens_at(now) is not None:
                return
            if not self._campaign.awaits_hand_over(request.id):
                target = request.dev_eui or f"{self._campaign.id}/{request.group}"
                self._drop(request)
                self._network.drop(self._campaign.id, target)
                self._reach.dropped(target)
            elif self._may_go(request, now) and (result := self._submit(request, now)) is not None:
                yield result

    @property
    def priority(self) -> int:
        """Place among the outboxes while it is in doubt whether the network takes downlinks: those with requests that
        have not failed come first, then the one that failed longest ago."""
        return 0 if len(self._pending) > len(self._retry_at) else self._failed_as

    def _in_order(self) -> list[Requested]:
        """Requests in the order in which they are tried: a failure must not keep another request from its turn."""
        if not self._retry_at:
            return list(self._pending.values())
        fresh = [request for name, request in self._pending.items() if name not in self._retry_at]
        return [*fresh, *(self._pending[name] for name in self._retry_at)]

    def _try_later(self, request: Requested, now: float) -> None:
        self._retry_at.pop(request.id, None)
        self._retry_at[request.id] = now + NETWORK_RETRY

    def tries_again(self, now: float) -> bool:
        """Whether a request waits for a network that takes no downlinks, tried or not."""
        return any(
            now <= request.not_after
            and self._campaign.awaits_hand_over(name)
            and (name in self._retry_at or self._free_at(request, now) <= now)
            for name, request in self._pending.items()
        )

    def keys_away_since(self, now: float, longest: float) -> float | None:
        """Unix time since which no key can be read, if that is for `longest` s at least and of several devices, and a
        request still waits for one."""
        return self._key_reach.away_since(now, longest) if self._without_key_since else None

    @property
    def key_trouble(self) -> str:
        """Last error of a key that cannot be read."""
        return self._key_reach.reason

    def due(self, now: float) -> float | None:
        """Time of the next attempt, as far as it is known now."""
        if not self.busy:
            return None
        times = [self._withdraw_at if self._withdraw_at > now else now + NETWORK_RETRY] if self._to_withdraw else []
        if self._pending and (opens_at := self._reach.opens_at(now)) is not None:
            times.append(opens_at)
        elif self._pending:
            free = (self._free_at(request, now) for request in self._pending.values())
            times += [at for at in (*free, *self._retry_at.values()) if at > now]
        return min(times) if times else None

    def watches(self, now: float) -> bool:
        """Whether something waits for the network, a key or the lease, and not for a known time."""
        if not self.busy:
            return False
        if self._without_key_since or (self._to_withdraw and not _waits(self._withdraw_at, now)):
            return True
        return self._reach.opens_at(now) is None and any(
            not _waits(self._retry_at.get(request.id, now), now) and self._free_at(request, now) <= now
            for request in self._pending.values()
        )

    def _may_go(self, request: Requested, now: float) -> bool:
        if self._campaign.paused and not request.reply:
            return False
        if _waits(self._retry_at.get(request.id, now), now) or self._free_at(request, now) > now:
            return False
        return now <= request.not_after and self._lease_lasts()

    def _lease_lasts(self) -> bool:
        try:
            return self._lease.left() > LEASE_MARGIN
        except JournalError:
            return False

    def _free_at(self, request: Requested, now: float) -> float:
        """Time from which the request may be sent: a multicast frame by the duty cycle of its sub-band, a unicast by
        its distance from the campaign's last one, also when many had to wait for the network."""
        if request.group is not None:
            return self._duty_cycle.free_at(self._campaign.plan.groups[request.group].group, now)
        unsure, until = self._unsure.get(request.dev_eui or "", (request.id, 0.0))
        if unsure != request.id and now <= until:
            return until
        delay = self._campaign.config.ucast_msg_delay / 1000
        return self._last_unicast_at + delay if self._last_unicast_at <= now else float("-inf")

    def _submit(self, request: Requested, now: float) -> HandOver | DownlinkSent | None:
        try:
            downlink = self._builder.downlink(self._campaign, request)
        except NoKeyError as error:
            return self._without_key(request, error, now)
        except Exception as error:
            raise UnbuildableError(f"downlink {request.id} cannot be built: {error}") from error
        self._key_reach.succeeded()
        try:
            result = self._network.submit(self._campaign.id, downlink, now)
        except NetworkError as error:
            self._reach.failed(downlink.dev_eui or downlink.group or "", error, now)
            self._failed_as = self._reach.n_failures
            self._try_later(request, now)
            if request.dev_eui is not None and not isinstance(error, RefusedError):
                self._note_unsure(request.dev_eui, request)
            return None
        self._reach.succeeded()
        self._unsure.pop(request.dev_eui or "", None)
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

    def _note_unsure(self, dev_eui: str, request: Requested) -> None:
        if not self._network.capabilities.withdraws:
            self._unsure[dev_eui] = request.id, request.not_after

    def _without_key(self, request: Requested, error: NoKeyError, now: float) -> DownlinkSent | None:
        """Waits for a key that cannot be read now. Reports a request as not delivered whose key there is not."""
        since = min(self._without_key_since.setdefault(request.id, now), now)
        if not error.definite:
            self._key_reach.failed(request.dev_eui or request.group or "", error, now)
            if now - since < KEY_PATIENCE or self.keys_away_since(now, 0.0) is not None:
                self._try_later(request, now)
                return None
        self._drop(request)
        return DownlinkSent(request.id, False, f"no key: {error}")

    def _drop(self, request: Requested) -> None:
        del self._pending[request.id]
        self._retry_at.pop(request.id, None)
        self._without_key_since.pop(request.id, None)


def _waits(until: float, now: float) -> bool:
    """Whether an attempt is still ahead. A time that is later than the next attempt is of a clock that went back."""
    return now < until <= now + NETWORK_RETRY
