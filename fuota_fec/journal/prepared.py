"""Statements whose SQL is written once for a database, instead of for each execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, CursorResult
from sqlalchemy.engine import Dialect


class Prepared:
    """A statement with bindparams, as SQL text for one database.

    Values go to the driver as they are, and come from it: for types that need no conversion.
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        """Names of the parameters in order; None for a driver that takes names."""
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        return connection.exec_driver_sql(self._text, self._parameters(values))

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
        """Executes the statement once for each row."""
        return connection.exec_driver_sql(self._text, [self._parameters(row) for row in rows])

    def _parameters(self, values: Mapping[str, Any]) -> Any:
        values = {**self._constants, **values}
        return values if self._order is None else tuple(values[name] for name in self._order)
