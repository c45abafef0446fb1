"""The statements of a commit, prepared for one database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, bindparam, func, insert, update
from sqlalchemy.engine import Dialect

from fuota_fec.journal.event_table import READ_LAST
from fuota_fec.journal.prepared import Prepared
from fuota_fec.journal.tables import CAMPAIGNS, DEVICES, EVENTS, GROUPS, SESSIONS

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


class WriteStatements:
    """`insert_into`: the database's INSERT with ON CONFLICT."""

    def __init__(self, dialect: Dialect, insert_into: Any) -> None:
        self.count_up = Prepared(_COUNT_UP, dialect)
        self.read_last = Prepared(READ_LAST, dialect)
        self.insert_events = Prepared(insert(EVENTS), dialect)
        self.upserts = {table: Prepared(_upsert(table, insert_into), dialect) for table in (GROUPS, DEVICES, SESSIONS)}


def _upsert(table: Table, insert_into: Any) -> Any:
    """Inserts or replaces rows of the registry. The counter of a group only rises."""
    statement = insert_into(table)
    new = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    higher = table.c.next_f_cnt < statement.excluded.next_f_cnt if table is GROUPS else None
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=new, where=higher)
