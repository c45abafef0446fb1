"""Checks of the numbers that TS004 allows: each error names the value and the range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fuota_fec import _core
from fuota_fec.checks import integer, shown
from fuota_fec.errors import ParameterError
from fuota_fec.wire.limits import MAX_FRAG_NB, MAX_FRAG_SIZE, MAX_FRAGS

__all__ = [
    "MAX_FRAGS",
    "MAX_FRAG_NB",
    "MAX_FRAG_SIZE",
    "MAX_ROW",
    "Rows",
    "check_frag_nbs",
    "check_frag_size",
    "check_n_frags",
    "row_numbers",
]

MAX_ROW = 2**32 - 1
"""Largest row number that the core generates; far beyond the 16383 - M that can be sent."""

Rows = npt.NDArray[np.uint32]


def check_n_frags(n_frags: Any) -> int:
    return integer("n_frags", n_frags, 1, MAX_FRAGS)


def check_frag_size(frag_size: Any) -> int:
    return integer("frag_size", frag_size, 1, MAX_FRAG_SIZE)


def check_frag_nbs(image_len: int, frag_size: int, last_row: int = 0) -> None:
    """ParameterError, with the fragment size that would fit, for fragment numbers beyond the last one of TS004."""
    n_frags, most = -(-image_len // frag_size), MAX_FRAG_NB - last_row
    if n_frags <= most:
        return
    coded = f" and coded ones up to row {last_row}" if last_row else ""
    size = -(-image_len // most) if most > 0 else MAX_FRAG_SIZE + 1
    fits = f"{size} bytes or more would fit" if size <= MAX_FRAG_SIZE else "no size would fit"
    raise ParameterError(
        f"image: {image_len} bytes are {n_frags} fragments of {frag_size} bytes{coded}, expected fragment numbers up "
        f"to {MAX_FRAG_NB}: fragments of {fits}"
    )


def row_numbers(rows: Iterable[int], n_coded: int | None = None, *, max_row: int = MAX_ROW) -> Rows:
    """The first n_coded of `rows` (all if None) as an array: each from 1 to max_row, no duplicates."""
    if (quick := _core.packed(rows, 1, max_row)) is not None:
        numbers = np.frombuffer(quick, np.uint32)[:n_coded]
        if (n_coded is None or n_coded == numbers.size) and len(set(numbers.tolist())) == numbers.size:
            return numbers
    try:
        numbers = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows))
    except (TypeError, ValueError):
        raise ParameterError(f"rows: {shown(rows)} is not a sequence of row numbers") from None
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ParameterError(
            f"rows: {numbers.dtype} of shape {numbers.shape} is not row numbers, expected a sequence of whole numbers"
        )
    if n_coded is not None:
        if n_coded > numbers.size:
            raise ParameterError(
                f"n_coded: {n_coded} coded fragments need as many rows, but only {numbers.size} rows given"
            )
        numbers = numbers[:n_coded]
    if numbers.size:
        low, high = int(numbers.min()), int(numbers.max())
        if low < 1 or high > max_row:
            raise ParameterError(f"rows: {low if low < 1 else high} is not a row number from 1 to {max_row}")
        ascending = np.sort(numbers)
        if (ascending[1:] == ascending[:-1]).any():
            values, counts = np.unique(numbers, return_counts=True)
            raise ParameterError(f"rows: {int(values[counts > 1][0])} is given twice")
    return np.ascontiguousarray(numbers, dtype=np.uint32)
