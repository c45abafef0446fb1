"""Dialects of TS004: the two versions of the package, which differ in bytes and in parity rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DIALECTS", "dialect_number", "one_dialect"]

DIALECTS: Mapping[str, int] = {"1.0.0": 1, "2.0.0": 2}
"""Dialect → its number: the PackageVersion that a device answers, and the core's number of the parity code."""


def one_dialect(dialect: Any, version: Any, default: str | None = "1.0.0") -> str:
    """The dialect that a caller names by either keyword; None is a keyword not given. `version` is the older name.

    ParameterError for a value that is not a dialect, for two different ones, and for none if `default` is None.
    """
    if dialect is not None and version is not None:
        if dialect_number(dialect) != dialect_number(version):
            raise ParameterError(f"dialect, version: {dialect!r} and {version!r} differ, expected one dialect")
        return str(dialect)
    given = version if dialect is None else dialect
    if given is None:
        given = default
    dialect_number(given)
    return str(given)


def dialect_number(dialect: Any) -> int:
    """The number of a dialect; ParameterError for any other value."""
    try:
        return DIALECTS[dialect]
    except (KeyError, TypeError):
        known = " or ".join(map(repr, DIALECTS))
        raise ParameterError(f"dialect: {shown(dialect)} is not a TS004 dialect, expected {known}") from None
