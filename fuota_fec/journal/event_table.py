"""The events of campaigns in a database: rows of single events, which a later append gathers into blocks, and the
digest that an append goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, insert, select, update
from sqlalchemy.engine import Dialect

from fuota_fec.errors import JournalError
from fuota_fec.journal import blocks
from fuota_fec.journal.base import FenceError, unknown_campaign_error
from fuota_fec.journal.chain import Chain, changed_error, first_digest, missing_error, next_digest
from fuota_fec.journal.prepared import Prepared
from fuota_fec.journal.tables import CAMPAIGNS, EVENTS, Row

N_EVENTS = 5000
"""Events read in one transaction, or somewhat more."""

_OF_CAMPAIGN = EVENTS.c.campaign == bindparam("campaign")
_READ_EVENTS = (
    select(EVENTS.c.seq, EVENTS.c.type, EVENTS.c.version, EVENTS.c.data, EVENTS.c.digest, EVENTS.c.block)
    .where(_OF_CAMPAIGN, EVENTS.c.seq >= bindparam("start"), EVENTS.c.seq < bindparam("end"))
    .order_by(EVENTS.c.seq)
)
_READ_BEFORE = (
    select(EVENTS.c.seq, EVENTS.c.digest)
    .where(_OF_CAMPAIGN, EVENTS.c.seq < bindparam("number"))
    .order_by(EVENTS.c.seq.desc())
    .limit(1)
)
_READ_LAST = (
    select(CAMPAIGNS.c.chained_from, EVENTS.c.seq, EVENTS.c.digest)
    .outerjoin(EVENTS, and_(EVENTS.c.campaign == CAMPAIGNS.c.campaign, EVENTS.c.seq == bindparam("number")))
    .where(CAMPAIGNS.c.campaign == bindparam("campaign"))
)
# One statement, which sees all or none of another writer's commit.
_READ_HEAD = select(
    CAMPAIGNS.c.n_events,
    CAMPAIGNS.c.chained_from,
    select(EVENTS.c.seq)
    .where(EVENTS.c.campaign == CAMPAIGNS.c.campaign, EVENTS.c.seq >= CAMPAIGNS.c.n_events)
    .exists(),
).where(CAMPAIGNS.c.campaign == bindparam("campaign"))
_BEGIN_CHAIN = (
    update(CAMPAIGNS)
    .where(CAMPAIGNS.c.campaign == bindparam("name"))
    .values(chained_from=bindparam("number", type_=CAMPAIGNS.c.chained_from.type))
)
_DELETE = delete(EVENTS).where(_OF_CAMPAIGN, EVENTS.c.seq >= bindparam("start"), EVENTS.c.seq < bindparam("end"))


class Head(NamedTuple):
    """Extent of a campaign's events."""

    n_events: int
    chained_from: int | None
    more: bool
    """Whether there are events beyond n_events."""


class EventTable:
    """The events of one database. A cursor of its driver gives each call its transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._integrity_error: type[Exception] = dialect.loaded_dbapi.IntegrityError
        self._read_events = Prepared(_READ_EVENTS, dialect)
        self._read_before = Prepared(_READ_BEFORE, dialect)
        self._read_last = Prepared(_READ_LAST, dialect)
        self._read_head = Prepared(_READ_HEAD, dialect)
        self._begin = Prepared(_BEGIN_CHAIN, dialect)
        self._delete = Prepared(_DELETE, dialect)
        self._insert = Prepared(insert(EVENTS), dialect)

    # ---- reading -----------------------------------------------------------------------------------------

    def head(self, cursor: Any, campaign: str) -> Head:
        """JournalError if the campaign does not exist, EventError if it has more events than were committed."""
        row = self._read_head(cursor, {"campaign": campaign}).fetchone()
        if row is None:
            raise unknown_campaign_error(campaign)
        head = Head._make(row)
        # SQLite keeps any value in any column.
        if not isinstance(head.n_events, int) or not isinstance(head.chained_from, int | None):
            raise JournalError(f"campaign {campaign!r}: its row cannot be read")
        if head.more:
            raise changed_error(campaign, head.n_events)
        return head

    def before(self, cursor: Any, campaign: str, number: int) -> tuple[int, str] | None:
        """Number and digest of the last row before an event of a chain; None if there is none. EventError if it has no
        digest."""
        row = self._read_before(cursor, {"campaign": campaign, "number": number}).fetchone()
        return None if row is None else (row[0], _digest_of(campaign, *row))

    def rows(self, cursor: Any, campaign: str, first: int) -> Sequence[Sequence[Any]]:
        """Rows of N_EVENTS events, or of a block, from number `first` on. The first one may be a block that begins
        before it. EventError if there is none."""
        end = first + max(N_EVENTS, blocks.LENGTH)
        rows: Sequence[Sequence[Any]]
        rows = self._read_events(cursor, {"campaign": campaign, "start": first, "end": end}).fetchall()
        if not rows:
            raise missing_error(campaign, first)
        return rows

    def last_digest(self, cursor: Any, campaign: str, n_events: int) -> str:
        """Digest of the last of n_events, for an append. A chain begins here if an earlier version wrote these
        events."""
        number = n_events - 1
        chained_from, seq, digest = self._read_last(cursor, {"campaign": campaign, "number": number}).fetchone()
        if chained_from is None:
            return self._begin_chain(cursor, campaign, n_events)
        if n_events == 0:
            return first_digest(campaign, chained_from)
        if seq is None:
            raise missing_error(campaign, number)
        return _digest_of(campaign, number, digest)

    def _begin_chain(self, cursor: Any, campaign: str, n_events: int) -> str:
        self._begin(cursor, {"name": campaign, "number": n_events})
        digest = first_digest(campaign, n_events)
        first, not_chained = 0, Chain(campaign, None)
        while first < n_events:
            events = checked_events(not_chained, campaign, first, self.rows(cursor, campaign, first))
            for number, kind, version, data, _ in events[: n_events - first]:
                digest = next_digest(digest, number, kind, version, data)
            first += len(events)
        return digest

    # ---- writing -----------------------------------------------------------------------------------------

    def insert(self, cursor: Any, campaign: str, rows: Sequence[Row], digest: str) -> str:
        """Inserts events of a campaign after the one with this digest. Returns the last digest. Events that complete a
        block become one row with those before them.

        FenceError if there are events with these numbers.
        """
        for row in rows:
            digest = row["digest"] = next_digest(digest, row["seq"], row["type"], row["version"], row["data"])
        first = rows[0]["seq"]
        try:
            for end in blocks.ends(first, first + len(rows)):
                n_inside = end - rows[0]["seq"]
                self._gather(cursor, campaign, rows[:n_inside])
                rows = rows[n_inside:]
            if rows:
                self._insert.many(cursor, rows)
        except self._integrity_error:
            raise _fence_error(campaign, first) from None
        return digest

    def _gather(self, cursor: Any, campaign: str, rows: Sequence[Row]) -> None:
        """Inserts the events that complete a block as that block. Events of an earlier version, which have no digests,
        stay as they are, and so do those with them."""
        last = rows[-1]["seq"]
        start = blocks.first_of(last)
        if rows[0]["seq"] < start:  # Event 0.
            self._insert.many(cursor, rows[: start - rows[0]["seq"]])
            rows = rows[start - rows[0]["seq"] :]
        first = rows[0]["seq"]
        before = self._read_events(cursor, {"campaign": campaign, "start": start, "end": last + 1}).fetchall()
        if before and before[-1][0] >= first:
            raise _fence_error(campaign, first)
        if len(before) != first - start or any(digest is None or block is not None for *_, digest, block in before):
            self._insert.many(cursor, rows)
            return
        self._delete(cursor, {"campaign": campaign, "start": start, "end": first})
        marked = [blocks.marked(blocks.line_of(v, kind, data), digest) for _, kind, v, data, digest, _ in before]
        marked += [blocks.marked(blocks.line_of(r["version"], r["type"], r["data"]), r["digest"]) for r in rows]
        whole = {**rows[-1], "type": "", "version": 0, "data": "", "block": blocks.pack(marked)}
        self._insert(cursor, whole)


def checked_events(chain: Chain, campaign: str, first: int, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """The events of these rows from number `first` on, as fields of StoredEvents, checked.

    EventError for one that is missing, or not the one that was written.
    """
    events: list[Sequence[Any]] = []
    for single, group in groupby(rows, lambda row: row[5] is None):
        if single:
            found = [row[:5] for row in group]
            if found[-1][0] != first + len(found) - 1:
                numbers = enumerate((row[0] for row in found), first)
                raise missing_error(campaign, next((n for n, present in numbers if present != n), first))
            chain.check(first, found)
            events += found
            first += len(found)
        else:
            for row in group:
                found = _events_of(chain, campaign, first, row)
                events += found
                first += len(found)
    return events


def _events_of(chain: Chain, campaign: str, first: int, row: Sequence[Any]) -> list[Sequence[Any]]:
    """The events of a block from number `first` on."""
    last, *empty, digest, block = row
    n_events = last - first + 1
    try:
        lines = blocks.unpack(block)[-n_events:]
        digests = chain.check_block(first, lines, digest)
        fields = [line.split(" ", 2) for _, line in lines]
        found = [(kind, int(version), data) for version, kind, data in fields]
    except (ValueError, TypeError):
        raise changed_error(campaign, first, until=last) from None
    if len(lines) != n_events or empty != ["", 0, ""]:
        raise changed_error(campaign, first, until=last)
    return [(number, *event, own) for number, event, own in zip(range(first, last + 1), found, digests, strict=True)]


def _digest_of(campaign: str, number: int, digest: object) -> str:
    if not isinstance(digest, str):
        raise changed_error(campaign, number)
    return digest


def _fence_error(campaign: str, first: int) -> FenceError:
    return FenceError(f"campaign {campaign!r} already has events from number {first} on", campaign=campaign)
