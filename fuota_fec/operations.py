"""An operator's work with the campaigns of a journal: list, show, order, resume, retry, archive, verify, export.

The command line and a service call these functions. They print nothing and run no campaign: an order is carried out by
the agent that runs the campaign, now or later. An unknown campaign is a JournalError in each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count, islice
from typing import Any, Literal, TypeVar

from fuota_fec.campaign.campaign import STOPPED, Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Configured, Event, Suspended, Wait
from fuota_fec.campaign.retry import retry_config
from fuota_fec.campaign.stated_waits import stated_wait
from fuota_fec.campaign.status import CampaignStatus
from fuota_fec.campaign.waits import held_up
from fuota_fec.errors import CampaignError, EventError, ParameterError
from fuota_fec.journal import chain
from fuota_fec.journal.base import RUNNING, CampaignRecord, Journal, Verb, campaign_exists_error, unknown_campaign_error
from fuota_fec.journal.chain import StoredEvent
from fuota_fec.journal.export import read_export, write_export

T = TypeVar("T")

Progress = Callable[[float, float], None]
"""Called now and then with how much is done, and of how much."""

NUMBER = "{n}"
"""Place in an id for the first number that makes it a new one."""
PROGRESS_EVERY = 1024
"""Events between two calls of a Progress."""
PORTION = 64
"""Events of the first portion that is read backwards; each further one is twice as long."""


# ---- list and show ---------------------------------------------------------------------------------------


def list_campaigns(journal: Journal, *, archived: bool = False) -> Sequence[CampaignRecord]:
    """Campaigns in the order of creation; archived ones only on request."""
    return journal.list(archived=archived)


def suspension(journal: Journal, record: CampaignRecord) -> str:
    """Error that keeps the agent from running a campaign; "" if there is none. It is the campaign's last event."""
    if record.status != RUNNING or not record.n_events:
        return ""
    try:
        last = next(iter(journal.events(record.id, record.n_events - 1)))
    except EventError as error:
        return str(error)
    return last.reason if isinstance(last, Suspended) else ""


def last_wait(journal: Journal, record: CampaignRecord) -> Wait | None:
    """Wait of a campaign as its latest events state it, without a replay; None if it waits for nothing that was stated.

    `show_campaign` knows it more exactly: from the tries that are left.
    """
    if record.status != RUNNING:
        return None
    try:
        return stated_wait(_newest_first(journal, record))
    except EventError as error:
        return held_up(str(error))


def _newest_first(journal: Journal, record: CampaignRecord) -> Iterator[Event]:
    """Events of a campaign up to those of its record, the last one first, read in portions."""
    stop, size = record.n_events, PORTION
    while stop:
        start = max(0, stop - size)
        yield from reversed(list(islice(journal.events(record.id, start), stop - start)))
        stop, size = start, 2 * size


def find_campaign(journal: Journal, campaign: str) -> CampaignRecord:
    """The record of a campaign, archived or not."""
    for record in journal.list(archived=True):
        if record.id == campaign:
            return record
    raise unknown_campaign_error(campaign)


def free_id(journal: Journal, wanted: str) -> str:
    """An id with {n} in it made one that no campaign has, archived or not, with the first free number from 1.

    An id without {n} is returned as it is. CampaignExistsError if that one is in use.
    """
    taken = set(journal.campaigns())
    names = (wanted.replace(NUMBER, str(n)) for n in count(1)) if NUMBER in wanted else iter([wanted])
    name = next((name for name in names if name not in taken), None)
    if name is None:
        raise campaign_exists_error(wanted)
    return name


def read_events(journal: Journal, campaign: str, progress: Progress | None = None) -> Iterator[Event]:
    """Events of a campaign, in order."""
    n_events, events = find_campaign(journal, campaign).n_events, journal.events(campaign)
    return iter(events) if progress is None else _counted(events, n_events, progress)


def _counted(events: Iterable[T], n_events: int, progress: Progress) -> Iterator[T]:
    for n, event in enumerate(events):
        if n % PROGRESS_EVERY == 0:
            progress(n, n_events)
        yield event


def replay_campaign(journal: Journal, campaign: str, image: bytes = b"", progress: Progress | None = None) -> Campaign:
    """A copy of a campaign to read its state from, or to try a verb on; it is not the one that an agent runs."""
    return Campaign.replay(read_events(journal, campaign, progress), image)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCampaign:
    """State of a campaign, device by device, and the agent that runs it (or empty)."""

    status: CampaignStatus
    owner: str


def show_campaign(journal: Journal, campaign: str, progress: Progress | None = None) -> ShownCampaign:
    """Progress of a campaign, and each device with its reason."""
    status = replay_campaign(journal, campaign, progress=progress).status()
    return ShownCampaign(status=status, owner=find_campaign(journal, campaign).owner)


# ---- orders ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Result of an order."""

    owner: str
    """Agent that will carry it out; empty: the next one that takes the campaign over."""
    lease_left: float = field(default=0.0, compare=False)
    """Seconds until that agent's lease runs out, unless it is alive and renews it."""
    already_stopped: bool = False
    """The campaign is stopped already: no order was left."""


def order_verb(journal: Journal, campaign: str, verb: Verb, progress: Progress | None = None) -> Ordered:
    """Leaves an order to pause, unpause or stop a campaign. CampaignError if its present state does not allow it."""
    record = find_campaign(journal, campaign)
    copy = replay_campaign(journal, campaign, journal.image(campaign), progress)
    # Tried on the copy: the agent that carries it out later could report a refusal only in its log.
    {"pause": copy.pause, "unpause": copy.unpause, "stop": copy.stop}[verb](float("-inf"))
    if record.status == STOPPED:
        return Ordered(owner=record.owner, already_stopped=True)
    journal.order(campaign, verb)
    return Ordered(owner=record.owner, lease_left=record.lease_left)


def order_resume(journal: Journal, campaign: str, progress: Progress | None = None) -> Ordered:
    """Leaves an order to unpause a campaign that is paused or about to be. CampaignError if it is finished."""
    record = find_campaign(journal, campaign)
    copy = replay_campaign(journal, campaign, progress=progress)
    if copy.finished:
        raise CampaignError(f"campaign {campaign!r} cannot be resumed: it is {copy.progress().status}")
    if copy.paused or any(order.campaign == campaign and order.verb == "pause" for order in journal.orders()):
        journal.order(campaign, "unpause")
    return Ordered(owner=record.owner, lease_left=record.lease_left)


OwnerState = Literal["obeyed", "alive", "gone"]
"""The agent carried out all orders; its lease is still valid at the timeout; its lease expired."""


def await_owner(journal: Journal, campaign: str, timeout: float, poll_interval: float = 0.2) -> OwnerState:
    """Waits up to `timeout` seconds for the agent that runs a campaign to carry out its orders, or for its lease to
    expire. An agent that was killed renews no lease and obeys no order."""

    def n_orders() -> int:
        return sum(order.campaign == campaign for order in journal.orders())

    ordered = n_orders() > 0
    end = time.monotonic() + timeout
    while find_campaign(journal, campaign).owner:
        if ordered and not n_orders():
            return "obeyed"
        if time.monotonic() > end:
            return "alive"
        time.sleep(poll_interval)
    return "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLease:
    """A lease that an operator has broken."""

    owner: str
    """Agent that held it; empty if there was no valid lease."""
    lease_left: float
    """Seconds that it would have lasted."""


def break_lease(journal: Journal, campaign: str) -> BrokenLease:
    """Ends the lease of a campaign, so that another agent may take it over at once.

    For an agent that is certain to be gone: one that is alive goes on until it renews its lease or commits, and two
    agents may send meanwhile.
    """
    record = find_campaign(journal, campaign)
    journal.break_lease(campaign)
    return BrokenLease(owner=record.owner, lease_left=record.lease_left)


# ---- afterwards ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A new campaign for the devices that an earlier one left behind."""

    config: CampaignConfig
    image: bytes


def retry_campaign(
    journal: Journal, campaign: str, new_id: str | None = None, progress: Progress | None = None, **changes: Any
) -> Retry:
    """The retry of a finished campaign. `new_id` is CAMPAIGN-retry, CAMPAIGN-retry-2, … by default, and may have {n};
    `changes` are parameters of the new campaign. CampaignError if there is nothing to retry."""
    records = {record.id: record for record in journal.list(archived=True)}
    if campaign not in records:
        raise unknown_campaign_error(campaign)
    if new_id is None:
        names = (f"{campaign}-retry" + (f"-{n}" if n > 1 else "") for n in count(1))
        new_id = next(name for name in names if name not in records)
    new_id = free_id(journal, new_id)
    image = journal.image(campaign)
    copy = replay_campaign(journal, campaign, image, progress)
    return Retry(config=retry_config(copy, new_id, records[campaign].changed_at, **changes), image=image)


def archive_campaign(journal: Journal, campaign: str) -> None:
    """Removes a finished campaign from the list; it stays in the journal. CampaignError unless it is finished."""
    journal.archive(campaign)


# ---- integrity -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A campaign whose events are those that were written, as far as they are chained, and which can be replayed."""

    campaign: str
    status: str
    n_events: int
    chained_from: int | None
    """Number of the first event with a digest; None without any."""
    digest: str
    """Digest of the last event; empty without any. Kept elsewhere, it shows that this end was not cut off."""


def verify_campaign(journal: Journal, campaign: str, progress: Progress | None = None) -> Verified:
    """Checks digests, image and replay of a campaign. EventError names the first event that is wrong."""
    n_events, stored = find_campaign(journal, campaign).n_events, journal.stored(campaign)
    return _verify(
        campaign, journal.image(campaign), stored if progress is None else _counted(stored, n_events, progress)
    )


def export_campaign(journal: Journal, campaign: str, progress: Progress | None = None) -> bytes:
    """A file of JSON lines with everything that a campaign is made of; `journal.export` describes it."""
    n_events, stored = find_campaign(journal, campaign).n_events, journal.stored(campaign)
    image = journal.image(campaign)
    return write_export(campaign, image, stored if progress is None else _counted(stored, n_events, progress))


def verify_export(data: bytes) -> Verified:
    """Checks the file of a campaign, as `verify_campaign` does in a journal. JournalError if it is no such file."""
    exported = read_export(data)
    return _verify(exported.campaign, exported.image, exported.events)


def _verify(campaign: str, image: bytes, stored: Iterable[StoredEvent]) -> Verified:
    first: int | None = None
    last = ""

    def noted() -> Iterator[StoredEvent]:
        nonlocal first, last
        for event in stored:
            if event.digest is not None:
                first, last = event.number if first is None else first, event.digest
            yield event

    def checked() -> Iterator[Event]:
        for event in chain.read_events(campaign, noted()):
            if isinstance(event, Configured) and sha256(image).digest() != event.image_sha256:
                raise chain.image_error(campaign)
            yield event

    try:
        copy = Campaign.replay(checked(), image)
        if copy.id != campaign:
            raise CampaignError(f"it is of campaign {copy.id!r}")
    except (CampaignError, ParameterError) as error:
        raise EventError(f"campaign {campaign!r}: event 0: {error}", campaign=campaign, number=0) from error
    status = copy.progress().status
    return Verified(campaign=campaign, status=status, n_events=copy.n_events, chained_from=first, digest=last)
