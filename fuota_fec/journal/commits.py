"""The commit of events of several campaigns, in one transaction: fences, events, registry, and what the end of a
campaign removes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Table, bindparam, delete, func, select, update
from sqlalchemy.engine import Dialect

from fuota_fec.journal import base
from fuota_fec.journal.base import Append
from fuota_fec.journal.event_table import EventTable
from fuota_fec.journal.prepared import Prepared
from fuota_fec.journal.tables import (
    CAMPAIGNS,
    CLAIMS,
    DEVICES,
    GROUPS,
    ORDERS,
    SESSIONS,
    Row,
    event_rows,
    registry_rows,
)

_COUNT_UP = (
    update(CAMPAIGNS)
    .where(CAMPAIGNS.c.campaign == bindparam("name"), CAMPAIGNS.c.n_events == bindparam("expected"))
    .values(
        n_events=CAMPAIGNS.c.n_events + bindparam("more", type_=CAMPAIGNS.c.n_events.type),
        created_at=func.coalesce(CAMPAIGNS.c.created_at, bindparam("first_at", type_=CAMPAIGNS.c.created_at.type)),
        changed_at=func.coalesce(bindparam("last_at", type_=CAMPAIGNS.c.changed_at.type), CAMPAIGNS.c.changed_at),
        status=func.coalesce(bindparam("final", type_=CAMPAIGNS.c.status.type), CAMPAIGNS.c.status),
    )
)
"""Raises the event count of the campaign `name` by `more`, if it is `expected`."""
_READ_COUNT = select(CAMPAIGNS.c.n_events).where(CAMPAIGNS.c.campaign == bindparam("name"))
_DELETE_ORDER = delete(ORDERS).where(ORDERS.c.campaign == bindparam("name"), ORDERS.c.number == bindparam("order"))
_DELETE_ORDERS = delete(ORDERS).where(ORDERS.c.campaign == bindparam("name"))
_DELETE_CLAIMS = delete(CLAIMS).where(CLAIMS.c.campaign == bindparam("name"))


Digests = Mapping[str, tuple[int, str]]
"""Number of events and last digest, by campaign."""


class Commit(NamedTuple):
    """An Append and its events as rows, made before the transaction begins, which other writers wait for."""

    append: Append
    rows: Sequence[Row]

    @classmethod
    def of(cls, append: Append) -> Commit:
        return cls(append, event_rows(append))


class Commits:
    """Commits to one database. `insert_into`: its INSERT with ON CONFLICT."""

    def __init__(self, dialect: Dialect, insert_into: Any, events: EventTable) -> None:
        self._events = events
        self._last: dict[str, tuple[int, str]] = {}
        """As Digests, after the last commit of each unfinished campaign by this process."""
        self._count_up = Prepared(_COUNT_UP, dialect)
        self._read_count = Prepared(_READ_COUNT, dialect)
        self._upserts = {table: Prepared(_upsert(table, insert_into), dialect) for table in (GROUPS, DEVICES, SESSIONS)}
        self._delete_order = Prepared(_DELETE_ORDER, dialect)
        self._delete_orders = Prepared(_DELETE_ORDERS, dialect)
        self._delete_claims = Prepared(_DELETE_CLAIMS, dialect)

    def write(self, cursor: Any, commits: Sequence[Commit]) -> Digests:
        """Writes in the transaction of this cursor. FenceError if a campaign does not have the expected events."""
        in_order = sorted(commits, key=lambda commit: commit.append.campaign)
        for append, _ in in_order:
            self._raise_count(cursor, append)
        digests = self._insert_events(cursor, in_order)
        for table, rows in registry_rows(fact for append, _ in commits for fact in append.facts):
            if rows:
                self._upserts[table].many(cursor, rows)
        for append, _ in in_order:
            for number in append.orders:
                self._delete_order(cursor, {"name": append.campaign, "order": number})
            if base.final_status(append.events) is not None:
                self._delete_orders(cursor, {"name": append.campaign})
                self._delete_claims(cursor, {"name": append.campaign})
        return digests

    def committed(self, digests: Digests, commits: Sequence[Commit]) -> None:
        """Keeps what `write` returned, once it is committed."""
        self._last.update(digests)
        for append, _ in commits:
            if base.final_status(append.events) is not None:
                self._last.pop(append.campaign, None)

    def _raise_count(self, cursor: Any, append: Append) -> None:
        """The fence: locks the campaign's row, and raises its event count if that is the expected one."""
        events = append.events
        values = {
            "name": append.campaign,
            "expected": append.expected_seq,
            "more": len(events),
            "first_at": events[0].at if events else None,
            "last_at": events[-1].at if events else None,
            "final": base.final_status(events),
        }
        if self._count_up(cursor, values).rowcount != 1:
            row = self._read_count(cursor, {"name": append.campaign}).fetchone()
            if row is None:
                raise base.unknown_campaign_error(append.campaign)
            raise base.fence_error(append.campaign, row[0], append.expected_seq)

    def _insert_events(self, cursor: Any, commits: Sequence[Commit]) -> Digests:
        """The second fence: events with these numbers must not exist."""
        digests: dict[str, tuple[int, str]] = {}
        for append, rows in commits:
            if not rows:
                continue
            name, first = append.campaign, append.expected_seq
            n_events, digest = digests.get(name) or self._last.get(name, (-1, ""))
            if n_events != first:  # Another process has written the last event, or this one has just begun.
                digest = self._events.last_digest(cursor, name, first)
            digests[name] = first + len(rows), self._events.insert(cursor, name, rows, digest)
        return digests


def _upsert(table: Table, insert_into: Any) -> Any:
    """Inserts or replaces rows of the registry. The counter of a group only rises."""
    statement = insert_into(table)
    new = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    higher = table.c.next_f_cnt < statement.excluded.next_f_cnt if table is GROUPS else None
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=new, where=higher)
