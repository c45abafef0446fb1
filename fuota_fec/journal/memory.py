"""The journal in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from threading import Lock

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event, Fact, GroupFact, Known, KnownDevice, encode
from fuota_fec.journal.base import (
    MOST_TTLS,
    RUNNING,
    Append,
    CampaignRecord,
    Claim,
    Lease,
    Order,
    TimedLease,
    Verb,
    campaign_exists_error,
    campaign_finished_error,
    campaign_unfinished_error,
    claims_held_error,
    claims_of,
    fence_error,
    final_status,
    unknown_campaign_error,
)
from fuota_fec.journal.chain import StoredEvent, first_digest, next_digest
from fuota_fec.journal.packed import PackedEvents


@dataclass(slots=True)
class _Stored:
    """A campaign."""

    image: bytes
    network: str
    events: PackedEvents = field(default_factory=PackedEvents)
    created_at: float = 0.0
    changed_at: float = 0.0
    status: str = RUNNING
    archived: bool = False
    owner: str = ""
    lease_until: float = 0.0  # Time of the monotonic clock.
    lease_ttl: float = 0.0

    def lease_left(self, now: float) -> float:
        """Seconds until the lease runs out; 0 without a lease."""
        left = self.lease_until - now
        return left if self.owner and 0 < left <= MOST_TTLS * self.lease_ttl else 0.0

    def vacant(self, now: float) -> float:
        """Seconds since the last lease ended; 0 if there was none."""
        return max(0.0, now - self.lease_until) if self.lease_until and not self.lease_left(now) else 0.0


class MemoryJournal:
    """Journal that lives as long as the process. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._campaigns: dict[str, _Stored] = {}
        self._claims: dict[Claim, str] = {}
        self._next_f_cnt: dict[tuple[str, str], int] = {}
        self._devices: dict[str, KnownDevice] = {}
        """Last fact about each device, of any FragIndex: firmware version and memberships belong to the device."""
        self._sessions: dict[tuple[str, int], KnownDevice] = {}
        self._orders: list[Order] = []
        self._numbers = count(1)

    def create(
        self,
        campaign: str,
        image: bytes,
        events: Sequence[Event] = (),
        *,
        facts: Sequence[Fact] = (),
        devices: Sequence[str] = (),
        groups: Sequence[str] = (),
        network: str = "",
    ) -> None:
        claims = claims_of(devices, groups, events)
        with self._lock:
            if campaign in self._campaigns:
                raise campaign_exists_error(campaign)
            if holders := self._holders(claims):
                raise claims_held_error(holders)
            self._campaigns[campaign] = _Stored(bytes(image), network)
            self._claims.update(dict.fromkeys(claims, campaign))
            self._commit(Append(campaign=campaign, expected_seq=0, events=events, facts=facts))

    def holders(self, devices: Sequence[str], groups: Sequence[str]) -> Mapping[Claim, str]:
        with self._lock:
            return self._holders(claims_of(devices, groups, ()))

    def _holders(self, claims: Sequence[Claim]) -> Mapping[Claim, str]:
        return {claim: self._claims[claim] for claim in claims if claim in self._claims}

    def append(self, campaign: str, expected_seq: int, events: Sequence[Event], facts: Sequence[Fact] = ()) -> None:
        self.append_all([Append(campaign=campaign, expected_seq=expected_seq, events=events, facts=facts)])

    def append_all(self, appends: Sequence[Append]) -> None:
        with self._lock:
            n_events: dict[str, int] = {}
            for append in appends:
                present = n_events.get(append.campaign, len(self._get(append.campaign).events))
                if present != append.expected_seq:
                    raise fence_error(append.campaign, present, append.expected_seq)
                n_events[append.campaign] = present + len(append.events)
            for append in appends:
                self._commit(append)

    def _commit(self, append: Append) -> None:
        stored = self._campaigns[append.campaign]
        if append.events:
            stored.created_at = stored.created_at if stored.events else append.events[0].at
            stored.changed_at = append.events[-1].at
            stored.events = stored.events.extended(append.events)
        for fact in append.facts:
            if isinstance(fact, GroupFact):
                group = fact.mc_addr, fact.key
                self._next_f_cnt[group] = max(fact.next_f_cnt, self._next_f_cnt.get(group, 0))
            else:
                self._devices[fact.dev_eui] = self._sessions[fact.dev_eui, fact.frag_index] = fact.known
        if (status := final_status(append.events)) is not None:
            stored.status = status
            self._claims = {claim: name for claim, name in self._claims.items() if name != append.campaign}
        if self._orders:
            self._orders = [
                order
                for order in self._orders
                if order.campaign != append.campaign or (status is None and order.number not in append.orders)
            ]

    def events(self, campaign: str, start: int = 0) -> Sequence[Event]:
        return self._get(campaign).events.since(start)

    def stored(self, campaign: str, start: int = 0) -> Sequence[StoredEvent]:
        """The events in the form of a database. Their digests are computed here: objects need no check."""
        stored = []
        digest = first_digest(campaign, 0)
        for number, event in enumerate(self.events(campaign)):
            kind, data = type(event).__name__, encode(event).decode()
            digest = next_digest(digest, number, kind, event.VERSION, data)
            stored.append(StoredEvent(number, kind, event.VERSION, data, digest))
        return tuple(stored[start:])

    def image(self, campaign: str) -> bytes:
        return self._get(campaign).image

    def network(self, campaign: str) -> str:
        return self._get(campaign).network

    def campaigns(self) -> Sequence[str]:
        return tuple(self._campaigns)

    def list(self, *, archived: bool = False) -> Sequence[CampaignRecord]:
        now = time.monotonic()
        return tuple(
            CampaignRecord(
                id=name,
                status=stored.status,
                n_events=len(stored.events),
                created_at=stored.created_at,
                changed_at=stored.changed_at,
                owner=stored.owner if stored.lease_left(now) else "",
                lease_left=stored.lease_left(now),
                archived=stored.archived,
                vacant=stored.vacant(now),
            )
            for name, stored in tuple(self._campaigns.items())
            if archived or not stored.archived
        )

    def archive(self, campaign: str) -> None:
        stored = self._get(campaign)
        if stored.status == RUNNING:
            raise campaign_unfinished_error(campaign)
        stored.archived = True

    def known(self, config: CampaignConfig) -> Known:
        groups = {group.name: (group.mc_addr, group.key_name) for group in config.groups}
        devices = {d.dev_eui: self._devices[d.dev_eui] for d in config.devices if d.dev_eui in self._devices}
        for name, device in devices.items():
            session = self._sessions.get((name, config.frag_index), KnownDevice())
            devices[name] = replace(device, session_cnt=session.session_cnt, session_open=session.session_open)
        next_f_cnt = {name: self._next_f_cnt[group] for name, group in groups.items() if group in self._next_f_cnt}
        return Known(next_f_cnt=next_f_cnt, devices=devices)

    def order(self, campaign: str, verb: Verb) -> None:
        with self._lock:
            if (status := self._get(campaign).status) != RUNNING:
                raise campaign_finished_error(campaign, status)
            self._orders.append(Order(number=next(self._numbers), campaign=campaign, verb=verb))

    def orders(self) -> Sequence[Order]:
        return tuple(self._orders)

    def lease(self, campaign: str, owner: str, ttl: float) -> Lease | None:
        stored = self._get(campaign)
        lease = TimedLease(ttl, partial(self._hold, stored, owner, ttl), partial(self._drop, stored, owner))
        return lease if lease.renew(first=True) else None

    def _hold(self, stored: _Stored, owner: str, ttl: float, first: bool) -> bool:
        with self._lock:
            now = time.monotonic()
            if stored.owner == owner or (first and not stored.lease_left(now)):
                stored.owner, stored.lease_until, stored.lease_ttl = owner, now + ttl, ttl
            return stored.owner == owner

    def break_lease(self, campaign: str) -> None:
        stored = self._get(campaign)
        with self._lock:
            stored.owner, stored.lease_until = "", min(stored.lease_until, time.monotonic())

    def _drop(self, stored: _Stored, owner: str) -> None:
        with self._lock:
            if stored.owner == owner:
                stored.owner, stored.lease_until = "", time.monotonic()

    def close(self) -> None:
        """Does nothing: there are no files and no connections."""

    def _get(self, campaign: str) -> _Stored:
        if campaign not in self._campaigns:
            raise unknown_campaign_error(campaign)
        return self._campaigns[campaign]
