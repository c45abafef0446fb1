"""Elimination over rows that the parity matrix does not have.

One stack takes late uncoded fragments for rows of its own, see `late_row`. Its block is the solution of the rows that
it kept, right or wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from fuota_fec.codec.parity import ParityMatrix
from fuota_fec.wire.fragmentation import DataFragment


class RowSpace:
    """Independent rows of a block of n_frags fragments, and their payloads as integers.

    A row is an integer; bit i stands for uncoded fragment i + 1. The first of several dependent rows is kept.
    """

    def __init__(self, n_frags: int, dialect: str, fragments: Iterable[DataFragment]) -> None:
        self.n_frags = n_frags
        self._dialect = dialect
        self._rows: dict[int, tuple[int, int]] = {}
        """Highest bit of a row → row and payload."""
        for fragment in fragments:
            self.push(fragment.n, fragment.payload)

    @property
    def missing(self) -> int:
        return self.n_frags - len(self._rows)

    def push(self, number: int, payload: bytes) -> bool:
        """Adds the row of a fragment, of `late_row` for numbers below 1. Returns whether the block is determined."""
        row, data = self._row_of(number), int.from_bytes(payload, "big")
        while row:
            highest = row.bit_length() - 1
            known = self._rows.get(highest)
            if known is None:
                self._rows[highest] = row, data
                break
            row, data = row ^ known[0], data ^ known[1]
        return not self.missing

    def _row_of(self, number: int) -> int:
        if 1 <= number <= self.n_frags:
            return 1 << (number - 1)
        if number < 1:
            return late_row(self.n_frags, number)
        return row_of(self.n_frags, self._dialect, number - self.n_frags)

    def block(self, frag_size: int) -> bytes:
        """The block that a determined set of rows has."""
        solved: list[int] = []
        for highest in range(self.n_frags):
            row, data = self._rows[highest]
            row ^= 1 << highest
            while row:
                lowest = (row & -row).bit_length() - 1
                data ^= solved[lowest]
                row &= row - 1
            solved.append(data)
        return b"".join(data.to_bytes(frag_size, "big") for data in solved)


@lru_cache(maxsize=4096)
def row_of(n_frags: int, dialect: str, n: int) -> int:
    """Row n ≥ 1 of the parity matrix; bit i stands for uncoded fragment i + 1."""
    return _of_bits(ParityMatrix(n_frags, dialect).row(n).nonzero()[0].tolist())


@lru_cache(maxsize=4096)
def late_row(n_frags: int, n: int) -> int:
    """Row n ≤ 0 of dialect 1.0.0, as a decoder with signed 32-bit arithmetic draws it: the division by 2 rounds towards
    0, and the remainder is that of the number without its sign."""
    modulus = n_frags + (n_frags & (n_frags - 1) == 0)
    x = _signed(1 + 1001 * n)
    drawn: list[int] = []
    while len(drawn) < n_frags // 2:
        feedback = (x & 1) ^ (x >> 5 & 1)
        x = _signed((x // 2 if x >= 0 else -(-x // 2)) + (feedback << 22))
        r = (x & 0xFFFFFFFF) % modulus
        if r < n_frags:
            drawn.append(r)
    return _of_bits(drawn)


def _signed(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


def _of_bits(positions: list[int]) -> int:
    row = 0
    for position in positions:
        row |= 1 << position
    return row
