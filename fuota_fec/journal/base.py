"""Where a campaign's events are kept: the port, the journal in memory, and which journal a URL names.

A journal is append-only. Beside the events it keeps the image, the registry of what outlives a campaign, which
devices and groups unfinished campaigns hold, what operators ordered, and leases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from threading import Lock
from typing import Literal, Protocol, TypeAlias

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event, Fact, Finished, GroupFact, Known, KnownDevice
from fuota_fec.errors import CampaignError, JournalError, MissingExtraError

Verb: TypeAlias = Literal["pause", "unpause", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Events of one campaign to be committed as number expected_seq, expected_seq + 1, …

    `facts` change the registry, `orders` (their numbers) are done; all in the same transaction.
    """

    campaign: str
    expected_seq: int
    events: Sequence[Event]
    facts: Sequence[Fact] = ()
    orders: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an operator asked for, to be carried out by the agent that runs the campaign."""

    number: int
    campaign: str
    verb: Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A campaign as the journal lists it. `owner` is the agent whose lease has not run out, or empty."""

    id: str
    status: str
    """RUNNING, SUCCEEDED, FAILED or STOPPED."""
    n_events: int
    created_at: float
    """Unix time, of its first event; 0 while there is none."""
    changed_at: float
    """Unix time, of its last event; 0 while there is none."""
    owner: str = ""
    archived: bool = False


class FenceError(JournalError):
    """Somebody else has written to `campaign`: this is no longer our campaign to run."""

    def __init__(self, message: str, *, campaign: str) -> None:
        super().__init__(message)
        self.campaign = campaign


class Lease(Protocol):
    """Says that an agent is alive and runs a campaign, until it runs out."""

    def left(self) -> float:
        """Seconds until it runs out, by this process's monotonic clock, counted from before it was asked for."""

    def renew(self) -> bool:
        """Another whole time to live; False if another agent has taken it meanwhile."""

    def release(self) -> None:
        """Gives it up, if it is still held."""


class Journal(Protocol):
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
        """A new campaign with its first events: all or nothing.

        It holds these devices (DevEUIs) and groups (McAddrs) until it is finished. `network` is how its network is
        reached, as text for whoever resumes it. JournalError if there is a campaign of that name; CampaignError, a line
        each, for devices and groups that another unfinished campaign holds.
        """

    def holders(self, devices: Sequence[str], groups: Sequence[str]) -> Mapping[Claim, str]:
        """Which unfinished campaigns hold some of these devices and groups."""

    def append(self, campaign: str, expected_seq: int, events: Sequence[Event], facts: Sequence[Fact] = ()) -> None:
        """append_all of one campaign."""

    def append_all(self, appends: Sequence[Append]) -> None:
        """Commits all of these together, or nothing.

        FenceError if a campaign does not have exactly expected_seq events, JournalError if there is none of the name,
        or if it cannot be written.
        """

    def events(self, campaign: str, start: int = 0) -> Iterable[Event]:
        """Events of a campaign from number `start`, in order. JournalError if there is no such campaign."""

    def image(self, campaign: str) -> bytes:
        """The image that the campaign was created with."""

    def network(self, campaign: str) -> str:
        """How its network is reached, as it was created with."""

    def campaigns(self) -> Sequence[str]:
        """Names of all campaigns, in the order of their creation."""

    def overview(self, *, archived: bool = False) -> Sequence[Overview]:
        """The campaigns in the order of their creation; archived ones only on request."""

    def archive(self, campaign: str) -> None:
        """Lists it no longer. CampaignError unless it is finished."""

    def known(self, config: CampaignConfig) -> Known:
        """What the registry says of a campaign's groups and devices."""

    def order(self, campaign: str, verb: Verb) -> None:
        """Asks the agent that runs the campaign, or the next that does, for something.

        CampaignError if it is finished; what was ordered before and is not done then is nobody's any more.
        """

    def orders(self) -> Sequence[Order]:
        """Orders that are not done, oldest first."""

    def lease(self, campaign: str, owner: str, ttl: float) -> Lease | None:
        """A lease of `ttl` seconds by the journal's own clock; None while another owner has one."""

    def close(self) -> None:
        """Lets go of files and connections."""


# ---- what all journals have in common ----------------------------------------------------------------------

RUNNING = "RUNNING"

Claim: TypeAlias = tuple[str, str]
"""What an unfinished campaign holds: ("device", its DevEUI) or ("group", its McAddr)."""


def outcome(events: Sequence[Event]) -> str | None:
    """The status that these events end a campaign with; None if they do not."""
    return next((event.status for event in reversed(events) if isinstance(event, Finished)), None)


def claims_of(devices: Sequence[str], groups: Sequence[str], events: Sequence[Event]) -> list[Claim]:
    """What a campaign with these first events is to hold, in order: none if it is finished already."""
    claims = {("device", name) for name in devices} | {("group", name) for name in groups}
    return sorted(claims) if outcome(events) is None else []


_MOST_TOLD = 5
"""Devices of one campaign that are named each."""


def told(holders: Mapping[Claim, str]) -> list[str]:
    """A line for each device and group that a campaign holds; where a campaign holds many, one line for them."""
    lines: dict[tuple[str, str], list[str]] = {}
    for (kind, name), held in holders.items():
        lines.setdefault((kind, held), []).append(name)
    told = []
    for (kind, held), names in lines.items():
        many = len(names) > _MOST_TOLD
        for name in names[: 1 if many else None]:
            others = f" and {len(names) - 1} more {kind}s are" if many else " is"
            told.append(f"{kind} {name}{others} in campaign {held!r}, which is not finished")
    return told


def taken(holders: Mapping[Claim, str]) -> CampaignError:
    return CampaignError("\n".join(told(holders)))


def unknown(campaign: str) -> JournalError:
    return JournalError(f"there is no campaign {campaign!r}")


def exists(campaign: str) -> JournalError:
    return JournalError(f"there is a campaign {campaign!r} already")


def finished(campaign: str, status: str) -> CampaignError:
    return CampaignError(f"campaign {campaign!r} is finished: {status}")


def unfinished(campaign: str) -> CampaignError:
    return CampaignError(f"campaign {campaign!r} is not finished, only then can it be archived")


def fenced(campaign: str, n_events: int, expected: int) -> FenceError:
    text = f"campaign {campaign!r} has {n_events} events, expected {expected}: somebody else has written to it"
    return FenceError(text, campaign=campaign)


@dataclass(slots=True)
class TimedLease:
    """A lease that counts its own time. `hold` has the journal give it `ttl` seconds from now, at `first` also if
    nobody has them, and says whether it did; `drop` has the journal take them back."""

    ttl: float
    hold: Callable[[bool], bool]
    drop: Callable[[], None]
    end: float = 0.0

    def left(self) -> float:
        return max(0.0, self.end - time.monotonic())

    def renew(self, *, first: bool = False) -> bool:
        asked = time.monotonic()
        held = self.hold(first)
        self.end = asked + self.ttl if held else 0.0
        return held

    def release(self) -> None:
        self.end = 0.0
        self.drop()


# ---- the journal in memory ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Kept:
    image: bytes
    network: str
    events: list[Event]
    status: str = RUNNING
    archived: bool = False
    owner: str = ""
    lease_until: float = 0.0  # By the monotonic clock.


class MemoryJournal:
    """Keeps everything for as long as the process lives. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._campaigns: dict[str, _Kept] = {}
        self._claims: dict[Claim, str] = {}
        self._next_f_cnt: dict[tuple[str, str], int] = {}
        self._devices: dict[str, KnownDevice] = {}
        """As last told, of whatever FragIndex: firmware version and memberships are the device's."""
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
                raise exists(campaign)
            if holders := self._holders(claims):
                raise taken(holders)
            self._campaigns[campaign] = _Kept(bytes(image), network, [])
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
                present = n_events.get(append.campaign, len(self._of(append.campaign).events))
                if present != append.expected_seq:
                    raise fenced(append.campaign, present, append.expected_seq)
                n_events[append.campaign] = present + len(append.events)
            for append in appends:
                self._commit(append)

    def _commit(self, append: Append) -> None:
        kept = self._campaigns[append.campaign]
        kept.events.extend(append.events)
        for fact in append.facts:
            if isinstance(fact, GroupFact):
                group = fact.mc_addr, fact.key
                self._next_f_cnt[group] = max(fact.next_f_cnt, self._next_f_cnt.get(group, 0))
            else:
                self._devices[fact.dev_eui] = self._sessions[fact.dev_eui, fact.frag_index] = fact.known
        if (status := outcome(append.events)) is not None:
            kept.status = status
            self._claims = {claim: name for claim, name in self._claims.items() if name != append.campaign}
        self._orders = [
            order
            for order in self._orders
            if order.campaign != append.campaign or (status is None and order.number not in append.orders)
        ]

    def events(self, campaign: str, start: int = 0) -> Sequence[Event]:
        return tuple(self._of(campaign).events[start:])

    def image(self, campaign: str) -> bytes:
        return self._of(campaign).image

    def network(self, campaign: str) -> str:
        return self._of(campaign).network

    def campaigns(self) -> Sequence[str]:
        return tuple(self._campaigns)

    def overview(self, *, archived: bool = False) -> Sequence[Overview]:
        now = time.monotonic()
        return tuple(
            Overview(
                id=name,
                status=kept.status,
                n_events=len(kept.events),
                created_at=kept.events[0].at if kept.events else 0.0,
                changed_at=kept.events[-1].at if kept.events else 0.0,
                owner=kept.owner if now < kept.lease_until else "",
                archived=kept.archived,
            )
            for name, kept in list(self._campaigns.items())
            if archived or not kept.archived
        )

    def archive(self, campaign: str) -> None:
        kept = self._of(campaign)
        if kept.status == RUNNING:
            raise unfinished(campaign)
        kept.archived = True

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
            if (status := self._of(campaign).status) != RUNNING:
                raise finished(campaign, status)
            self._orders.append(Order(number=next(self._numbers), campaign=campaign, verb=verb))

    def orders(self) -> Sequence[Order]:
        return tuple(self._orders)

    def lease(self, campaign: str, owner: str, ttl: float) -> Lease | None:
        kept = self._of(campaign)
        lease = TimedLease(ttl, partial(self._hold, kept, owner, ttl), partial(self._drop, kept, owner))
        return lease if lease.renew(first=True) else None

    def _hold(self, kept: _Kept, owner: str, ttl: float, first: bool) -> bool:
        with self._lock:
            now = time.monotonic()
            if kept.owner == owner or (first and (not kept.owner or kept.lease_until < now)):
                kept.owner, kept.lease_until = owner, now + ttl
            return kept.owner == owner

    def _drop(self, kept: _Kept, owner: str) -> None:
        with self._lock:
            if kept.owner == owner:
                kept.owner = ""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _of(self, campaign: str) -> _Kept:
        if campaign not in self._campaigns:
            raise unknown(campaign)
        return self._campaigns[campaign]


def open_journal(url: str) -> Journal:
    """The journal that a URL names: ":memory:", or a database, where its tables are made if they are not there.

    JournalError if it cannot be opened or a later version of this library has written it, MissingExtraError without
    the packages that it needs.
    """
    if url == ":memory:":
        return MemoryJournal()
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        scheme, colon, _ = url.partition(":")  # What follows may hold a password.
        raise JournalError(
            f'journal "{scheme}{colon and ":…"}" cannot be opened, expected ":memory:", "sqlite:///path" or '
            '"postgresql+psycopg://user@host/database"'
        )
    try:
        from fuota_fec.journal.sql import SqlJournal

        return SqlJournal(url)
    except ImportError as error:
        raise MissingExtraError(
            'a journal in a database needs the extra "sql": pip install "fuota-fec[sql]"', extra="sql"
        ) from error
