"""SQLite and PostgreSQL: how each is connected to, and the SQL that differs between them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Engine,
    Select,
    Text,
    cast,
    column,
    create_engine,
    func,
    literal,
    literal_column,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.event import listen
from sqlalchemy.exc import ArgumentError

from fuota_fec.errors import JournalError
from fuota_fec.journal.tables import json_text

WAIT = 5.0
"""s to wait for a lock before giving up."""


class Dialect(NamedTuple):
    """SQL that differs between the databases."""

    now: ColumnElement[float]
    """Unix time by the database's clock."""
    insert: Any
    """INSERT with ON CONFLICT."""
    items: Any
    """Table of the texts of a JSON array: one parameter for 100 000 names, too many for IN (…)."""
    begin_to_write: str = ""
    """Statement with which a writer begins a transaction; "" where the driver begins it."""

    def among(self, names: Sequence[str]) -> Select[str]:
        """The names as rows of one column."""
        array = literal(json_text(names), Text)
        return select(self.items(array).table_valued(column("value", Text)).c.value)


DIALECTS = {
    "sqlite": Dialect(
        now=literal_column("(julianday('now') - 2440587.5) * 86400.0", Double),
        insert=sqlite.insert,
        items=func.json_each,
        begin_to_write="BEGIN IMMEDIATE",
    ),
    "postgresql": Dialect(
        now=literal_column("CAST(extract(epoch FROM clock_timestamp()) AS double precision)", Double),
        insert=postgresql.insert,
        items=lambda array: func.json_array_elements_text(cast(array, postgresql.JSON)),
    ),
}


def engine_of(url: str, *, durable: bool = True) -> tuple[Engine, str]:
    """The engine for a URL, and the URL without its secrets. `durable`: SQLite commits wait for the disk."""
    try:
        parsed = make_url(url)
        if "@" in (parsed.host or ""):
            raise ValueError("the rest of a password")
    except (ArgumentError, ValueError):  # The error's text may hold parts of a password.
        raise JournalError(
            'the URL of the journal cannot be read, expected "sqlite:///path" or '
            '"postgresql+psycopg://user:password@host:port/database" with %40 for an @ of the password'
        ) from None
    name = parsed.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)
    if parsed.drivername == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise JournalError(f'journal {name} names no file, expected "sqlite:///path", or ":memory:" for none')
        engine = create_engine(parsed, connect_args={"timeout": WAIT})
        listen(engine, "connect", partial(_set_up_sqlite, "FULL" if durable else "NORMAL"))
        listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(parsed, isolation_level="READ COMMITTED", pool_pre_ping=True)
        listen(engine, "connect", _set_up_postgresql)
    return engine, name


@contextmanager
def _closed_on_error(connection: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _set_up_sqlite(synchronous: str, connection: Any, _record: object) -> None:
    with _closed_on_error(connection):
        connection.isolation_level = None  # _begin_sqlite begins transactions, not the driver.
        connection.execute(f"PRAGMA synchronous={synchronous}")
        end = time.monotonic() + WAIT
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                # SQLite's own timeout does not cover two connections that do this to a new file.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql(DIALECTS["sqlite"].begin_to_write if writes else "BEGIN")


def _set_up_postgresql(connection: Any, _record: object) -> None:
    with _closed_on_error(connection):
        connection.execute(f"SET lock_timeout = {round(WAIT * 1000)}")
        connection.commit()
