"""Encoding: coded fragments from a block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fuota_fec import _core
from fuota_fec.buffers import Buffer, Bytes, byte_length
from fuota_fec.checks import integer
from fuota_fec.codec.limits import MAX_ROW, check_frag_size, check_n_frags, row_numbers
from fuota_fec.codec.parity import ParityMatrix, check_matrix, make_panels
from fuota_fec.errors import ParameterError
from fuota_fec.wire.dialects import DEFAULT_DIALECT, DIALECTS, one_dialect


def encode(
    block: Buffer,
    frag_size: int,
    n_coded: int,
    *,
    dialect: str | None = None,
    version: str | None = None,
    rows: Iterable[int] | None = None,
    matrix: ParityMatrix | None = None,
    out: Bytes | None = None,
    kernel: str | None = None,
) -> Bytes:
    """The coded fragments of rows 1 … n_coded, or of rows[0 … n_coded-1] in that order.

    `block` is whole fragments of `frag_size` bytes (1 … 255), any C-contiguous buffer, not copied; `prepare` pads.
    `rows` are row numbers from 1 on, without duplicates, in any order. `matrix` is a ParityMatrix for the same
    number of fragments and dialect, whose rows are then reused. `out` receives the result, a C-contiguous
    (n_coded, frag_size) uint8 array; a new one is made without it. Returns that array.
    `dialect` is "1.0.0" (the default) or "2.0.0"; `version` is another name of it. `kernel` forces one of
    `kernels()`; all give the same bytes. The GIL is released.

    Without `rows`, `matrix` and `kernel`, the rows are kept for the next blocks with as many fragments: the matrices
    used last, 16 MiB of them in all, for all threads.

    ParameterError if a value is out of range or the shapes do not fit. TS004, Encoding.
    """
    dialect = DEFAULT_DIALECT if dialect is None and version is None else one_dialect(dialect, version)
    coded = None
    if matrix is None:
        coded = _core.encode_at_once(block, frag_size, n_coded, DIALECTS[dialect], rows, 0, None, out, kernel)
    elif type(matrix) is ParityMatrix:
        n_frags, its_dialect, leading = matrix.made
        if its_dialect == dialect:
            coded = _core.encode_at_once(
                block, frag_size, n_coded, DIALECTS[dialect], rows, n_frags, leading, out, kernel
            )
    if coded is not None:
        return coded
    frag_size = check_frag_size(frag_size)
    n_coded = integer("n_coded", n_coded, 0, MAX_ROW)
    length = byte_length("block", block)
    if length == 0 or length % frag_size:
        raise ParameterError(
            f"block: {length} bytes are not whole fragments of frag_size = {frag_size}; `prepare` pads"
        )
    n_frags = check_n_frags(length // frag_size)
    numbers = None if rows is None else row_numbers(rows, n_coded)
    if matrix is not None:
        check_matrix(matrix, n_frags, dialect)
    if out is None:
        out = np.empty((n_coded, frag_size), np.uint8)
    elif not isinstance(out, np.ndarray) or out.dtype != np.uint8 or out.shape != (n_coded, frag_size):
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ParameterError(
            f"out: {found} is not the result, expected a uint8 array of shape ({n_coded}, {frag_size})"
        )
    if matrix is not None:
        panels = matrix.leading_panels(n_coded) if numbers is None else matrix.panels(numbers)
    else:
        if numbers is None:
            numbers = np.arange(1, n_coded + 1, dtype=np.uint32)
        panels = make_panels(n_frags, DIALECTS[dialect], numbers, kernel)
    _core.encode_into(block, frag_size, panels, n_coded, out, 0, frag_size, kernel)
    return out
