"""Transactions for appends, on a cursor of the driver: SQLAlchemy takes longer to begin and to end one than SQLite
takes to write one event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection


class Appender:
    """`begin`: the statement that begins a transaction; "" where the driver begins it.

    SQLite has one writer at a time: appends share one connection there, which is kept. Elsewhere each takes one from
    the pool, which finds out whether the server is still there.
    """

    def __init__(self, engine: Engine, begin: str) -> None:
        self._engine = engine
        self._begin = begin
        self._keeps = engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[Any] = Lock() if self._keeps else nullcontext()
        self._kept: PoolProxiedConnection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor. The transaction is committed at the end, rolled back by any error."""
        with self._turn:
            connection = self._kept or self._engine.raw_connection()
            if self._keeps:
                self._kept = connection
            try:
                cursor = connection.cursor()
                if self._begin:
                    cursor.execute(self._begin)
                yield cursor
                connection.commit()
            except BaseException as error:
                if self._engine.dialect.is_disconnect(error, connection.dbapi_connection, None):  # type: ignore[arg-type]
                    connection.invalidate(error)
                    self._kept = None
                else:
                    connection.rollback()
                raise
            finally:
                if connection is not self._kept:
                    connection.close()

    def close(self) -> None:
        """Returns its connection to the pool."""
        with self._turn:
            if self._kept is not None:
                self._kept.close()
                self._kept = None
