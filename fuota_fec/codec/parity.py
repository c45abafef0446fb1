"""The parity matrix of TS004: the uncoded fragments that add up to each coded fragment."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np

from fuota_fec import _core
from fuota_fec.buffers import Bytes
from fuota_fec.checks import integer, shown
from fuota_fec.codec.limits import MAX_ROW, Rows, check_n_frags
from fuota_fec.errors import ParameterError
from fuota_fec.wire.dialects import DIALECTS, one_dialect


def make_panels(n_frags: int, dialect: int, rows: Rows, kernel: str | None = None) -> Bytes:
    """The coefficient matrix of these rows in the core's panel layout."""
    panels = np.empty(_core.panels_len(rows.size, n_frags), np.uint8)
    _core.parity_panels(n_frags, dialect, rows, panels, kernel)
    return panels


_NO_ROWS = np.empty(0, np.uint8)


class ParityMatrix:
    """The parity matrix of `n_frags` uncoded fragments (1 … 16383) in one dialect of TS004, "1.0.0" by default.

    It depends on nothing else, so one matrix serves every image with that many fragments: pass it to `encode` and
    `prepare`, also from several threads at once. Rows are made when first needed, and the leading ones kept.
    `version` is another name of `dialect`. `kernel` forces one of `kernels()`; all give the same rows.
    """

    def __init__(
        self, n_frags: int, dialect: str | None = None, *, version: str | None = None, kernel: str | None = None
    ) -> None:
        self._n_frags = check_n_frags(n_frags)
        self._dialect = one_dialect(dialect, version)
        self._kernel = kernel
        self._lock = threading.Lock()
        # Each tuple is replaced as a whole, never changed in place: a thread that reads one holds a consistent tuple.
        self._leading: tuple[int, Bytes] = (0, _NO_ROWS)
        self._selected: tuple[bytes, Bytes] = (b"", _NO_ROWS)
        # A memoryview: the core reaches its bytes in less time than those of an array.
        self.made = (self._n_frags, self._dialect, _NO_ROWS.data)

    @property
    def n_frags(self) -> int:
        return self._n_frags

    @property
    def dialect(self) -> str:
        return self._dialect

    @property
    def version(self) -> str:
        """Another name of `dialect`."""
        return self._dialect

    def __repr__(self) -> str:
        return f"ParityMatrix({self._n_frags}, dialect={self._dialect!r})"

    def __copy__(self) -> ParityMatrix:
        return self  # What it keeps may be shared.

    def __deepcopy__(self, _memo: object) -> ParityMatrix:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return partial(ParityMatrix, kernel=self._kernel), (self._n_frags, self._dialect)

    def row(self, n: int) -> Bytes:
        """Row n ≥ 1, the coefficients of coded fragment M + n: n_frags values 0 or 1 (uint8)."""
        n = integer("n", n, 1, MAX_ROW)
        row: Bytes = self.rows(n, n + 1)[0]
        return row

    def rows(self, start: int, stop: int) -> Bytes:
        """Rows start … stop - 1 as a (stop - start, n_frags) array of 0 and 1 (uint8); start ≥ 1."""
        start = integer("start", start, 1, MAX_ROW)
        stop = integer("stop", stop, start, MAX_ROW + 1)
        panels = self._make(np.arange(start, stop, dtype=np.uint32))
        bits = np.empty((stop - start, self._n_frags), np.uint8)
        _core.panels_unpack(panels, self._n_frags, 0, stop - start, bits)
        return bits

    def _make(self, rows: Rows) -> Bytes:
        return make_panels(self._n_frags, DIALECTS[self._dialect], rows, self._kernel)

    def leading_panels(self, n_rows: int) -> Bytes:
        """Panels of rows 1 … n_rows at least, kept for the next call."""
        have, panels = self._leading
        if have >= n_rows:
            return panels
        with self._lock:
            have, panels = self._leading
            if have < n_rows:
                # Whole panels of eight rows, and at least half as many again: few growths, each of which copies.
                want = -(-max(n_rows, have + have // 2) // 8) * 8
                more = self._make(np.arange(have + 1, want + 1, dtype=np.uint32))
                panels = np.concatenate([panels, more]) if have else more
                self._leading = (want, panels)
                self.made = (self._n_frags, self._dialect, panels.data)
            return panels

    def panels(self, rows: Rows) -> Bytes:
        """Panels of these rows, in this order. The leading rows 1, 2, 3 … and the last other selection are kept."""
        if np.array_equal(rows, np.arange(1, rows.size + 1, dtype=np.uint32)):
            return self.leading_panels(rows.size)
        key = rows.tobytes()
        last, panels = self._selected
        if key != last:
            panels = self._make(rows)
            self._selected = (key, panels)
        return panels


def check_matrix(matrix: object, n_frags: int, dialect: str) -> None:
    """ParameterError unless this is the matrix of a block of n_frags fragments in that dialect."""
    if not isinstance(matrix, ParityMatrix) or (matrix.n_frags, matrix.dialect) != (n_frags, dialect):
        expected = f"ParityMatrix({n_frags}, dialect={dialect!r})"
        raise ParameterError(f"matrix: {shown(matrix)} is not the matrix of this block, expected {expected}")
