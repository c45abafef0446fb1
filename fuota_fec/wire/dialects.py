"""Dialects of TS004: the two versions of the package, which differ in bytes and in parity rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_DIALECT", "DIALECTS", "dialect_number", "one_dialect"]

DIALECTS: Mapping[str, int] = {"1.0.0": 1, "2.0.0": 2}
"""Dialect → its number: the PackageVersion that a device answers, and the core's number of the parity code."""

DEFAULT_DIALECT = "1.0.0"
"""The dialect where none is named."""


def one_dialect(dialect: Any, version: Any, default: str | None = DEFAULT_DIALECT) -> str:
    """The dialect that a caller names by either keyword; None is a keyword not given. `version` is the older name.

    ParameterError for a value that is not a dialect, for two different ones, and for none if `default` is None.
    """
    if version is None and dialect is None and default is not None and default in DIALECTS:
        return default
    if version is None:
        given = default if dialect is None else dialect
    elif dialect is None or dialect_number(dialect) == dialect_number(version):
        given = version
    else:
        raise ParameterError(f"dialect, version: {dialect!r} and {version!r} differ, expected one dialect")
    if type(given) is not str or given not in DIALECTS:
        dialect_number(given)
        given = str(given)
    return given


def dialect_number(dialect: Any) -> int:
    """The number of a dialect; ParameterError for any other value."""
    try:
        return DIALECTS[dialect]
    except (KeyError, TypeError):
        known = " or ".join(map(repr, DIALECTS))
        raise ParameterError(f"dialect: {shown(dialect)} is not a TS004 dialect, expected {known}") from None
