"""The events of campaigns in a database: rows in portions, and the digest that an append goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, select, update

from fuota_fec.errors import JournalError
from fuota_fec.journal.base import unknown_campaign_error
from fuota_fec.journal.chain import changed_error, first_digest, missing_error, next_digest
from fuota_fec.journal.prepared import Prepared
from fuota_fec.journal.tables import CAMPAIGNS, EVENTS

N_EVENTS = 5000
"""Events read in one transaction."""

READ_EVENTS = (
    select(EVENTS.c.seq, EVENTS.c.type, EVENTS.c.version, EVENTS.c.data, EVENTS.c.digest)
    .where(EVENTS.c.campaign == bindparam("campaign"))
    .where(EVENTS.c.seq >= bindparam("start"), EVENTS.c.seq < bindparam("end"))
    .order_by(EVENTS.c.seq)
)
READ_LAST = (
    select(CAMPAIGNS.c.chained_from, EVENTS.c.seq, EVENTS.c.digest)
    .outerjoin(EVENTS, and_(EVENTS.c.campaign == CAMPAIGNS.c.campaign, EVENTS.c.seq == bindparam("number")))
    .where(CAMPAIGNS.c.campaign == bindparam("campaign"))
)
# One statement, which sees all or none of another writer's commit.
READ_HEAD = select(
    CAMPAIGNS.c.n_events,
    CAMPAIGNS.c.chained_from,
    select(EVENTS.c.seq)
    .where(EVENTS.c.campaign == CAMPAIGNS.c.campaign, EVENTS.c.seq >= CAMPAIGNS.c.n_events)
    .exists(),
).where(CAMPAIGNS.c.campaign == bindparam("campaign"))


class Head(NamedTuple):
    """Extent of a campaign's events."""

    n_events: int
    chained_from: int | None
    more: bool
    """Whether there are events beyond n_events."""


def read_head(connection: Connection, campaign: str) -> Head:
    """JournalError if the campaign does not exist, EventError if it has more events than were committed."""
    row = connection.execute(READ_HEAD, {"campaign": campaign}).first()
    if row is None:
        raise unknown_campaign_error(campaign)
    head = Head._make(row)
    if not isinstance(head.n_events, int) or not isinstance(head.chained_from, int | None):
        raise JournalError(f"campaign {campaign!r}: its row cannot be read")  # SQLite keeps any value in any column.
    if head.more:
        raise changed_error(campaign, head.n_events)
    return head


def read_rows(connection: Connection, campaign: str, first: int, n_events: int) -> Sequence[Any]:
    """Rows of the events from `first` on, N_EVENTS at most. EventError if one is missing."""
    end = min(first + N_EVENTS, n_events)
    rows = connection.execute(READ_EVENTS, {"campaign": campaign, "start": first, "end": end}).all()
    if len(rows) != end - first:
        present = {row.seq for row in rows}
        raise missing_error(campaign, next(number for number in range(first, end) if number not in present))
    return rows


def read_digest(connection: Connection, campaign: str, number: int) -> str:
    """Digest of an event of a chain. EventError if it has none."""
    row = connection.execute(READ_LAST, {"campaign": campaign, "number": number}).one()
    return _digest_of(row, campaign, number)


def _digest_of(row: Any, campaign: str, number: int) -> str:
    if row.seq is None:
        raise missing_error(campaign, number)
    if not isinstance(row.digest, str):
        raise changed_error(campaign, number)
    return row.digest


def last_digest(connection: Connection, campaign: str, n_events: int, read_last: Prepared) -> str:
    """Digest of the last of n_events, for an append. A chain begins here if an earlier version wrote these events."""
    row = read_last(connection, {"campaign": campaign, "number": n_events - 1}).one()
    if row.chained_from is None:
        return _begin_chain(connection, campaign, n_events)
    if n_events == 0:
        return first_digest(campaign, row.chained_from)
    return _digest_of(row, campaign, n_events - 1)


def _begin_chain(connection: Connection, campaign: str, n_events: int) -> str:
    connection.execute(update(CAMPAIGNS).where(CAMPAIGNS.c.campaign == campaign).values(chained_from=n_events))
    digest = first_digest(campaign, n_events)
    for first in range(0, n_events, N_EVENTS):
        for number, kind, version, data, _ in read_rows(connection, campaign, first, n_events):
            digest = next_digest(digest, number, kind, version, data)
    return digest
