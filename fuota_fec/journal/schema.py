"""Tables of a database: created where there are none, and brought up to date where an earlier version made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, func, insert, inspect, select, text, update

from fuota_fec.errors import JournalError
from fuota_fec.journal.tables import CAMPAIGNS, EVENTS, SCHEMA, TABLES, VERSION

ADVISORY_LOCK = 0x46554F5441
"""PostgreSQL lock that serializes the creation of tables."""

NEW_COLUMNS: Mapping[int, Sequence[Column[Any]]] = {
    2: (EVENTS.c.digest, CAMPAIGNS.c.chained_from, CAMPAIGNS.c.lease_ttl),
    3: (EVENTS.c.block,),
}
"""Columns by the version that added them, all of them nullable."""


def present_version(connection: Connection, name: str) -> int:
    """Version of the tables; 0 without tables. JournalError if a later version of this library made them."""
    if not inspect(connection).has_table(SCHEMA.name):
        return 0
    version: int = connection.execute(select(SCHEMA.c.version)).scalar_one()
    if version > VERSION:
        raise JournalError(
            f"journal {name} has tables of version {version}, expected version {VERSION} or earlier: a later "
            f"version of fuota_fec has written it"
        )
    return version


def bring_up_to_date(connection: Connection, name: str) -> None:
    """Creates the tables, or adds the columns that they lack. One of several processes does it."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    present = present_version(connection, name)
    if not present:
        TABLES.create_all(connection)
        connection.execute(insert(SCHEMA).values(version=VERSION))
    elif present < VERSION:
        for version in range(present + 1, VERSION + 1):
            for column in NEW_COLUMNS[version]:
                kind = column.type.compile(connection.dialect)
                connection.execute(text(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}"))
        connection.execute(update(SCHEMA).values(version=VERSION))
