"""Published figures as data: sources, tables of figures, and who is right where this library has another value.

Each source is a TOML file of this folder. A row is one published figure; `figure` of its table names the function of
`figures.py` that computes it, and the parameters of table and row are the arguments of that function.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError

NAMES = ("fuotasim", "ts004-annex", "stm32wl", "bpatch")
"""Every source by its name, in the order in which they are shown."""

Right = Literal["", "product", "source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published figure."""

    label: str
    published: float
    unit: str = ""
    """Unit instead of that of the table."""
    expected: float | None = None
    """Value of this library where it differs from the published one; the published one if not given."""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> float:
        """Value that this library should compute."""
        return self.published if self.expected is None else self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Figures that one function computes, with one tolerance and one explanation."""

    title: str
    figure: str
    """Function of `figures.py`."""
    unit: str = ""
    tolerance: float = 0.0
    """Relative tolerance of the value."""
    margin: float = 0.0
    """Tolerance in the unit of the value; the larger of both counts."""
    right: Right = ""
    """Side whose value is right in rows with `expected`."""
    reason: str
    """Explanation of agreement or difference."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        if (self.right != "") != any(row.expected is not None for row in self.rows):
            raise ParameterError(f"{self.title}: right: {shown(self.right)} does not fit the rows with expected values")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A paper, a specification or a set of measurements, with its figures."""

    name: str
    title: str
    authors: str
    year: int
    where: str
    link: str
    commit: str = ""
    """Commit of the published software or data."""
    method: str
    """Origin of the figures, and conditions that they share."""
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A source without a figure that this library computes."""

    title: str
    where: str
    link: str
    remark: str


@cache
def source(name: str) -> Source:
    """Source of that name. ParameterError, with the known names, if there is none."""
    if name not in NAMES:
        raise ParameterError(f"name: {shown(name)} is not a source, expected one of {', '.join(NAMES)}")
    table = _read(name)
    tables = tuple(Table(**{**part, "rows": tuple(Row(**row) for row in part["rows"])}) for part in table.pop("tables"))
    return Source(name=name, tables=tables, **table)


def others() -> tuple[Other, ...]:
    """Sources without a figure that this library computes."""
    return tuple(Other(**table) for table in _read("others")["sources"])


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("fuota_fec.papers") / f"{name}.toml").read_text(encoding="utf-8"))
