"""CSV files as tables: rows of text that know their line, from exports of spreadsheets and network servers."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from fuota_fec.checks import expected_of, shown
from fuota_fec.errors import ParameterError
from fuota_fec.files import read_text

SEPARATORS = ",;\t"
"""Characters between the cells. The one that the first line has most often is that of the file."""


class Row(dict[str, Any]):
    """A row of a CSV file: its cells by the names of fields, without the empty ones."""

    __slots__ = ("columns", "where")

    def __init__(self, cells: Mapping[str, str], where: str, columns: Mapping[str, str]) -> None:
        super().__init__(cells)
        self.where = where
        """File and line, for error messages."""
        self.columns = columns
        """Field → its column in the file."""

    def place(self, field: str) -> str:
        """File, line and column of a field, for error messages."""
        return f"{self.where}, column {shown(self.columns[field])}" if field in self.columns else self.where


def read_rows(path: str | Path, columns: Mapping[str, str] | None, fields: Sequence[str]) -> list[Row]:
    """Rows of a CSV file whose first line has the names of the columns. UTF-8, with or without a byte order mark; cells
    are separated by commas, semicolons or tabs, and may be quoted. Empty lines are left out.

    `columns` has the column of each of the `fields` that the file has; None: those of the same name, whatever its
    capitals, blanks, "-" and "_". Other columns are left out. ParameterError with file and line.
    """
    text = read_text(path)
    lines = StringIO(text, newline="")  # Ends of lines are CR and LF, not all that Unicode has.
    first = next((line for line in lines if line.strip()), "")
    lines.seek(0)
    reader = csv.reader(lines, delimiter=max(SEPARATORS, key=first.count), strict=True)
    rows: list[Row] = []
    problems: list[str] = []
    head: list[str] | None = None
    found: dict[str, int] = {}
    before = 0
    try:
        for line in reader:
            where, before = f"{path}, line {before + 1}", reader.line_num
            cells = [cell.strip() for cell in line]
            if not any(cells):
                continue
            if head is None:
                head = cells
                found = _found(head, columns, fields, where)
                columns = {field: head[idx] for field, idx in found.items()}
            elif len(cells) != len(head):
                problems.append(f"{where}: has {len(cells)} cells, expected {len(head)}, as the first line has")
            else:
                rows.append(Row({f: cells[idx] for f, idx in found.items() if cells[idx]}, where, columns or {}))
    except csv.Error as error:
        problems.append(f"{path}, line {reader.line_num}: {error}")
    if head is None:
        problems.append(f"{path}: is empty, expected a line with the names of the columns")
    if problems:
        raise ParameterError.of(problems)
    return rows


def _found(head: Sequence[str], columns: Mapping[str, str] | None, fields: Sequence[str], where: str) -> dict[str, int]:
    """Field → position of its column."""
    if columns is None:
        by_name = {_plain(field): field for field in fields}
        named = [(by_name[_plain(name)], name) for name in head if _plain(name) in by_name]
    else:
        named = list(columns.items())
    problems = []
    for field, name in named:
        if field not in fields:
            problems.append(f"columns: {shown(field)} is not a field, {expected_of(field, fields)}")
        elif (n := head.count(name)) != 1:
            reason = "is there twice, expected once" if n else f"is not there, {expected_of(name, head)}"
            problems.append(f"{where}: column {shown(name)} {reason}")
    if problems:
        raise ParameterError.of(dict.fromkeys(problems))
    return {field: head.index(name) for field, name in named}


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c not in " -_")
