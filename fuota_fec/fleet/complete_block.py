"""A decoder that completed its block, and takes further fragments of another session that shares it.

Each coded fragment with a part in the losses makes it solve its matrix once more, although the rows are solved by then:
after two losses or more the block has wrong bytes, and others after each further one. Without a loss the last uncoded
fragment is written once more, unless a coded one came before, and some decoders end at each coded one.
"""

from __future__ import annotations

from collections.abc import Iterable

from fuota_fec.fleet.elimination import row_of
from fuota_fec.wire.fragmentation import DataFragment


class CompleteBlock:
    """A complete block: `lost` are the numbers of the uncoded fragments that coded ones solved, `coded` the numbers of
    those that the decoder received, in their order."""

    def __init__(
        self,
        n_frags: int,
        frag_size: int,
        dialect: str,
        lost: Iterable[int],
        coded: Iterable[int],
        block: bytes,
        *,
        coded_ends: bool = False,
    ) -> None:
        self.n_frags, self.frag_size, self.dialect = n_frags, frag_size, dialect
        self._block = bytearray(block)
        self._lost = sorted(lost)
        self._coded_ends = coded_ends and not self._lost
        """Every coded fragment passes the block on."""
        self._passed_last = False
        """A coded fragment was received, or the last uncoded one once more."""
        self._triangle: list[int] = [0] * len(self._lost)
        """Row of each lost fragment, whose lowest bit it is; bit k stands for the k-th lost one."""
        for n in coded:
            row = self._part_of(n)
            while row:
                lowest = (row & -row).bit_length() - 1
                if not self._triangle[lowest]:
                    self._triangle[lowest] = row
                    break
                row ^= self._triangle[lowest]

    def _part_of(self, n: int) -> int:
        """The lost fragments in a coded one."""
        row = row_of(self.n_frags, self.dialect, n - self.n_frags)
        return sum((row >> (number - 1) & 1) << k for k, number in enumerate(self._lost))

    def push(self, fragment: DataFragment) -> bytes | None:
        """The block that the decoder passes on with this fragment; None if it goes on."""
        if fragment.n > self.n_frags:
            self._passed_last = True
            if self._coded_ends:
                return bytes(self._block)
            return self._solved_again() if self._part_of(fragment.n) else None
        if self._lost or self._passed_last or fragment.n < self.n_frags:
            return None
        self._passed_last = True
        self._block[-self.frag_size :] = fragment.payload
        return bytes(self._block)

    def _solved_again(self) -> bytes:
        for k in reversed(range(len(self._lost) - 1)):
            data = self._bytes_of(k)
            for other in range(k + 1, len(self._lost)):
                if self._triangle[k] >> other & 1:
                    data ^= self._bytes_of(other)
            self._block[self._slice(k)] = data.to_bytes(self.frag_size, "big")
        return bytes(self._block)

    def _slice(self, k: int) -> slice:
        number = self._lost[k]
        return slice((number - 1) * self.frag_size, number * self.frag_size)

    def _bytes_of(self, k: int) -> int:
        return int.from_bytes(self._block[self._slice(k)], "big")
