"""Statements whose SQL is written once for a database, instead of for each execution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.engine import Dialect


def cursor_of(connection: Connection) -> Any:
    """A cursor of the driver in the transaction of a connection."""
    return connection.connection.cursor()


class Prepared:
    """A statement with bindparams, as SQL text for one database. It is executed by a cursor of the driver.

    Values go to the driver as they are, and come from it: for types that need no conversion.
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        """Names of the parameters in order; None for a driver that takes names."""
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def __call__(self, cursor: Any, values: Mapping[str, Any]) -> Any:
        """Executes the statement; the cursor has its result."""
        cursor.execute(self._text, self._parameters(values))
        return cursor

    def many(self, cursor: Any, rows: Iterable[Mapping[str, Any]]) -> None:
        """Executes the statement once for each row."""
        cursor.executemany(self._text, [self._parameters(row) for row in rows])

    def _parameters(self, values: Mapping[str, Any]) -> Any:
        if self._constants:
            values = {**self._constants, **values}
        return values if self._order is None else [values[name] for name in self._order]
