"""The journal port, and the rules that all journals share.

A journal is append-only. Beside the events of campaigns it keeps their images, the registry of what outlives a
campaign, the devices and groups that unfinished campaigns claim, operators' orders, and leases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event, Fact, Finished, Known
from fuota_fec.errors import CampaignError, CampaignExistsError, DeviceBusyError, JournalError, listed
from fuota_fec.journal.chain import StoredEvent

Verb: TypeAlias = Literal["pause", "unpause", "stop"]

RUNNING = "RUNNING"

MOST_TTLS = 10
"""A lease that lasts longer than this many times its ttl was dated by a clock that was wrong: it has run out."""
UNKNOWN_TTL = 60.0
"""s taken for the ttl of leases that earlier versions left without it."""

Claim: TypeAlias = tuple[str, str]
"""Device or group that an unfinished campaign holds: ("device", DevEUI) or ("group", McAddr)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Events of one campaign, to be committed with the numbers expected_seq, expected_seq + 1, …

    The same transaction applies `facts` to the registry and removes `orders` (numbers of the orders carried out).
    """

    campaign: str
    expected_seq: int
    events: Sequence[Event]
    facts: Sequence[Fact] = ()
    orders: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operator's order, carried out by the agent that runs the campaign."""

    number: int
    campaign: str
    verb: Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """A campaign as the journal lists it."""

    id: str
    status: str
    """RUNNING, SUCCEEDED, FAILED or STOPPED."""
    n_events: int
    created_at: float
    """Unix time of the first event; 0 without events."""
    changed_at: float
    """Unix time of the last event; 0 without events."""
    owner: str = ""
    """Agent that holds a valid lease, or empty."""
    lease_left: float = field(default=0.0, compare=False)
    """Seconds until the lease of that agent runs out, by the journal's clock; 0 without an owner."""
    archived: bool = False
    vacant: float = field(default=0.0, compare=False)
    """Seconds since the last lease ended, by the journal's clock; 0 with an owner, or without a lease before."""


class FenceError(JournalError):
    """Another agent has written to `campaign`: this agent must stop running it."""

    def __init__(self, message: str, *, campaign: str) -> None:
        super().__init__(message)
        self.campaign = campaign


class Lease(Protocol):
    """Permission to run one campaign, for a limited time. A lease that is renewed shows that its agent is alive."""

    def left(self) -> float:
        """Seconds until it expires, by this process's monotonic clock, counted from before the journal was asked."""

    def renew(self) -> bool:
        """Extends it to its full time; False if another agent has taken the campaign meanwhile."""

    def release(self) -> None:
        """Ends it now, unless another agent holds the campaign."""


class Journal(Protocol):
    """Storage for campaigns. Any call may raise JournalError; a call that raises has changed nothing."""

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
        """Stores a new campaign with its first events.

        It claims these devices (DevEUIs) and groups (McAddrs) until it is finished. `network` is text that tells a
        later agent how to reach the network. CampaignExistsError if the name is in use; DeviceBusyError, a line each,
        for devices and groups that another unfinished campaign claims.
        """

    def holders(self, devices: Sequence[str], groups: Sequence[str]) -> Mapping[Claim, str]:
        """Unfinished campaigns that hold any of these devices and groups."""

    def append(self, campaign: str, expected_seq: int, events: Sequence[Event], facts: Sequence[Fact] = ()) -> None:
        """Commits events of one campaign, as append_all."""

    def append_all(self, appends: Sequence[Append]) -> None:
        """Commits all appends together, or none.

        FenceError if a campaign does not have exactly expected_seq events, JournalError if a campaign does not exist
        or the commit fails.
        """

    def events(self, campaign: str, start: int = 0) -> Iterable[Event]:
        """Events of a campaign in order, from number `start`, checked against their digests.

        JournalError if the campaign does not exist, EventError at an event that is not the one that was written.
        """

    def stored(self, campaign: str, start: int = 0) -> Iterable[StoredEvent]:
        """The events as `events`, in the form that is stored."""

    def image(self, campaign: str) -> bytes:
        """Image that the campaign was created with."""

    def network(self, campaign: str) -> str:
        """Network text that the campaign was created with."""

    def campaigns(self) -> Sequence[str]:
        """Names of all campaigns, in the order of creation."""

    def list(self, *, archived: bool = False) -> Sequence[CampaignRecord]:
        """Campaigns in the order of creation; archived ones only on request."""

    def archive(self, campaign: str) -> None:
        """Removes a campaign from the list, not from the journal. CampaignError unless it is finished."""

    def known(self, config: CampaignConfig) -> Known:
        """Registry entries for the groups and devices of a campaign."""

    def order(self, campaign: str, verb: Verb) -> None:
        """Leaves an order for the agent that runs the campaign, now or later. CampaignError if it is finished.

        The end of a campaign removes its open orders.
        """

    def orders(self) -> Sequence[Order]:
        """Open orders, oldest first."""

    def lease(self, campaign: str, owner: str, ttl: float) -> Lease | None:
        """Lease of `ttl` seconds by the journal's own clock; None while another owner holds one.

        A lease that is dated further ahead than MOST_TTLS times its ttl has run out.
        """

    def break_lease(self, campaign: str) -> None:
        """Ends the lease of a campaign, whoever holds it. JournalError if the campaign does not exist.

        An agent that holds it notices at its next renewal, or at its next commit after another agent's.
        """

    def close(self) -> None:
        """Closes files and connections."""


# ---- rules of all journals -------------------------------------------------------------------------------


def final_status(events: Sequence[Event]) -> str | None:
    """Status with which these events end a campaign; None if they do not end it."""
    return next((event.status for event in reversed(events) if isinstance(event, Finished)), None)


def claims_of(devices: Sequence[str], groups: Sequence[str], events: Sequence[Event]) -> list[Claim]:
    """Claims of a campaign with these first events, sorted; none if the events end it."""
    claims = {("device", name) for name in devices} | {("group", name) for name in groups}
    return sorted(claims) if final_status(events) is None else []


_MOST_NAMED = 5
"""Most devices or groups of one campaign that get a line each."""


def describe_holders(holders: Mapping[Claim, str]) -> list[str]:
    """A line for each device and group in use; one line per kind for a campaign that holds many."""
    names_of: dict[tuple[str, str], list[str]] = {}
    for (kind, name), holder in holders.items():
        names_of.setdefault((kind, holder), []).append(name)
    lines = []
    for (kind, holder), names in names_of.items():
        many = len(names) > _MOST_NAMED
        for name in names[: 1 if many else None]:
            others = f" and {len(names) - 1} more {kind}s are" if many else " is"
            lines.append(f"{kind} {name}{others} in campaign {holder!r}, which is not finished")
    return lines


def claims_held_error(holders: Mapping[Claim, str], others: Sequence[str] = ()) -> DeviceBusyError:
    """Error that names the devices and groups in use; `others` are further lines of its message."""
    return DeviceBusyError(
        listed([*describe_holders(holders), *others]),
        devices=[name for kind, name in holders if kind == "device"],
        groups=[name for kind, name in holders if kind == "group"],
    )


def unknown_campaign_error(campaign: str) -> JournalError:
    return JournalError(f"there is no campaign {campaign!r}")


def campaign_exists_error(campaign: str) -> CampaignExistsError:
    return CampaignExistsError(f"there is a campaign {campaign!r} already", campaign=campaign)


def campaign_finished_error(campaign: str, status: str) -> CampaignError:
    return CampaignError(f"campaign {campaign!r} is finished: {status}")


def campaign_unfinished_error(campaign: str) -> CampaignError:
    return CampaignError(f"campaign {campaign!r} is not finished, expected a finished one to archive")


def fence_error(campaign: str, n_events: int, expected: int) -> FenceError:
    text = f"campaign {campaign!r} has {n_events} events, expected {expected}: another agent has written to it"
    return FenceError(text, campaign=campaign)


@dataclass(slots=True)
class TimedLease:
    """A lease that measures its own time.

    `hold(first)` asks the journal for `ttl` seconds from now and returns whether it granted them; with `first` also
    if no owner holds the campaign. `drop()` returns the lease to the journal.
    """

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
