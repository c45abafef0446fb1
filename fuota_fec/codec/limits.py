"""What TS004 allows: the numbers, and the checks that name the value and what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fuota_fec.checks import integer, shown
from fuota_fec.errors import ParameterError

MAX_FRAG_NB = 16383
"""Largest fragment number on the air: N of DataFragment has 14 bits."""
MAX_FRAGS = 16383
"""Largest number of uncoded fragments, M (NbFrag)."""
MAX_FRAG_SIZE = 255
"""Largest fragment, F (FragSize is one byte)."""
MAX_ROW = 2**32 - 1
"""Largest row number that the core generates; far beyond the 16383 - M that can be sent."""

VERSIONS = {"1.0.0": 1, "2.0.0": 2}
"""The dialects of TS004, and their package versions."""

Rows = npt.NDArray[np.uint32]


def check_n_frags(n_frags: Any) -> int:
    return integer("n_frags", n_frags, 1, MAX_FRAGS)


def check_frag_size(frag_size: Any) -> int:
    return integer("frag_size", frag_size, 1, MAX_FRAG_SIZE)


def dialect_of(version: Any) -> int:
    """The core's number of a dialect."""
    try:
        return VERSIONS[version]
    except (KeyError, TypeError):
        known = " or ".join(map(repr, VERSIONS))
        raise ParameterError(f"version: {shown(version)} is not a TS004 dialect, expected {known}") from None


def row_numbers(rows: Iterable[int], n_coded: int | None = None, *, max_row: int = MAX_ROW) -> Rows:
    """The first n_coded of `rows` (all if None) as an array: each from 1 to max_row, no duplicates."""
    try:
        numbers = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows))
    except (TypeError, ValueError):
        raise ParameterError(f"rows: {shown(rows)} is not a sequence of row numbers") from None
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ParameterError(
            f"rows: expected a sequence of whole numbers, got {numbers.dtype} of shape {numbers.shape}"
        )
    if n_coded is not None:
        if n_coded > numbers.size:
            raise ParameterError(f"n_coded: {n_coded} coded fragments asked for, but only {numbers.size} rows given")
        numbers = numbers[:n_coded]
    if numbers.size:
        low, high = int(numbers.min()), int(numbers.max())
        if low < 1 or high > max_row:
            raise ParameterError(f"rows: {low if low < 1 else high} is not a row number from 1 to {max_row}")
        if np.unique(numbers).size != numbers.size:
            values, counts = np.unique(numbers, return_counts=True)
            raise ParameterError(f"rows: {int(values[counts > 1][0])} is given twice")
    return np.ascontiguousarray(numbers, dtype=np.uint32)
