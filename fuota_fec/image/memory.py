"""Memory contents by address: the pieces that a file gives, and the map of segments that they make.

Nothing here fills a gap before the extent of the map is known to be that of an image.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fuota_fec.checks import counted
from fuota_fec.errors import ParameterError

ADDRESS_END = 1 << 32
"""Address after the last one of the formats with addresses of 32 bits."""
LONGEST_GAP = 0x10000
"""Largest gap in bytes between two segments of one image."""
LARGEST_IMAGE = 16 << 20
"""Largest image in bytes, with its filler: four times the largest block of TS004."""
MOST_SEGMENTS = 0x10000
"""Largest number of segments of one file."""
MOST_PIECES = 4 << 20
"""Largest number of pieces of one file: the largest image with four bytes in each."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes at consecutive addresses."""

    address: int
    data: bytes = field(repr=False)

    @property
    def end(self) -> int:
        """Address after the last byte."""
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """Segments in the order of their addresses. They neither overlap nor touch."""

    segments: tuple[Segment, ...] = ()

    @property
    def extent(self) -> int:
        """Bytes from the lowest to the highest address, gaps included."""
        return self.segments[-1].end - self.segments[0].address if self.segments else 0

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Gaps between the segments: first address, and address after the last one."""
        return tuple((before.end, after.address) for before, after in pairwise(self.segments))

    def cropped(self, start: int | None, stop: int | None) -> MemoryMap:
        """Contents from the address `start` to the one before `stop`."""
        if start is None and stop is None:
            return self
        low = 0 if start is None else start
        kept = []
        for segment in self.segments:
            high = segment.end if stop is None else min(stop, segment.end)
            first = max(low, segment.address)
            if first < high:
                kept.append(Segment(first, segment.data[first - segment.address : high - segment.address]))
        return MemoryMap(tuple(kept))

    def at(self, address: int, size: int) -> bytes | None:
        """`size` bytes from an address; None if one of them is not given."""
        i = bisect_right(self.segments, address, key=lambda segment: segment.address) - 1
        if i < 0 or size == 0 or address + size > self.segments[i].end:
            return None
        return self.segments[i].data[address - self.segments[i].address :][:size]

    def filled(self, fill: int, where: str) -> bytes:
        """Bytes from the lowest to the highest address, gaps filled. ParameterError if that is not one image."""
        for low, high in self.gaps:
            if high - low > LONGEST_GAP:
                raise ParameterError(
                    f"{where}: no data between {low - 1:#x} and {high:#x}, a gap of {high - low} bytes, expected at "
                    f"most {LONGEST_GAP} in one image: choose it with start and stop (--start, --stop)"
                )
        if self.extent > LARGEST_IMAGE:
            raise ParameterError(
                f"{where}: {self.extent} bytes from {self.segments[0].address:#x} to {self.segments[-1].end - 1:#x}, "
                f"expected at most {LARGEST_IMAGE}: choose an image with start and stop (--start, --stop)"
            )
        return b"".join(self._parts(bytes([fill])))

    def _parts(self, filler: bytes) -> Iterator[bytes]:
        end = self.segments[0].address if self.segments else 0
        for segment in self.segments:
            yield filler * (segment.address - end)
            yield segment.data
            end = segment.end


class Pieces:
    """Pieces of memory in the order of a file. Each has the number of its line, block or segment for messages."""

    def __init__(self, where: str, noun: str = "line", *, end: int = ADDRESS_END) -> None:
        self._where, self._noun, self._end = where, noun, end
        self._addresses, self._lens, self._numbers = array("q"), array("q"), array("q")
        self._data = bytearray()

    def add(self, address: int, data: bytes, number: int) -> None:
        """Adds a piece. ParameterError if it goes beyond the address space."""
        if address + len(data) > self._end:
            raise ParameterError(
                f"{self._where}, {self._noun} {number}: {len(data)} bytes at {address:#x}, expected addresses below "
                f"{self._end:#x}"
            )
        if data:
            if len(self._addresses) == MOST_PIECES:
                raise ParameterError(
                    f"{self._where}, {self._noun} {number}: more than {MOST_PIECES} pieces, expected at most that"
                )
            self._addresses.append(address)
            self._lens.append(len(data))
            self._numbers.append(number)
            self._data += data

    def memory(self) -> MemoryMap:
        """Map of all pieces. ParameterError for an address that is given twice, even with the same value."""
        if not self._addresses:
            return MemoryMap()
        given: NDArray[np.int64] = np.frombuffer(self._addresses, np.int64)
        lens: NDArray[np.int64] = np.frombuffer(self._lens, np.int64)
        order = np.argsort(given, kind="stable")
        starts, ends = given[order], (given + lens)[order]
        if (overlaps := np.flatnonzero(starts[1:] < ends[:-1])).size:
            raise self._twice(overlaps, order, starts, ends)
        firsts = [0, *(np.flatnonzero(starts[1:] != ends[:-1]) + 1).tolist(), len(starts)]
        if len(firsts) - 1 > MOST_SEGMENTS:
            raise ParameterError(
                f"{self._where}: {len(firsts) - 1} segments with gaps between them, expected at most {MOST_SEGMENTS}"
            )
        data = memoryview(self._in_order(order, lens))
        places = np.append(0, np.cumsum(lens[order]))[firsts].tolist()
        return MemoryMap(
            tuple(
                Segment(int(starts[first]), bytes(data[low:high]))
                for first, (low, high) in zip(firsts, pairwise(places), strict=False)
            )
        )

    def _in_order(self, order: NDArray[np.int64], lens: NDArray[np.int64]) -> bytearray:
        """All data in the order of their addresses. Pieces that follow each other in the file are moved at once."""
        ends = np.cumsum(lens)
        breaks = np.flatnonzero(np.diff(order) != 1)
        lows = (ends - lens)[order[np.append(0, breaks + 1)]]
        highs = ends[order[np.append(breaks, len(order) - 1)]]
        data, at = bytearray(len(self._data)), 0
        for low, high in zip(memoryview(lows), memoryview(highs), strict=True):
            data[at : at + high - low] = self._data[low:high]
            at += high - low
        return data

    def _twice(
        self, overlaps: NDArray[np.int64], order: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> ParameterError:
        i = int(overlaps[0])
        low, high = int(starts[i + 1]), int(min(ends[i], ends[i + 1])) - 1
        span = f"{low:#x}–{high:#x}" if low < high else f"{low:#x}"
        first, again = sorted((self._numbers[int(order[i])], self._numbers[int(order[i + 1])]))
        more = "" if len(overlaps) == 1 else f", and {counted(len(overlaps) - 1, 'more piece')}"
        return ParameterError(
            f"{self._where}: {span} given twice, {self._noun} {again} (first in {self._noun} {first}){more}, "
            "expected each address once"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Contents of a file, as the reader of its format gives them."""

    memory: MemoryMap | None = None
    """Memory contents by address; None for a format without addresses."""
    data: bytes = field(default=b"", repr=False)
    """Contents of a format without addresses."""
    entry: int | None = None
    """Address at which the program begins, if the file has one."""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
