"""Blocks of events: lines of version, type and data, compressed together. They take a tenth of the space of rows.

A block holds the events whose numbers have the same quotient by LENGTH, but for event 0, which stays by itself: it is
read alone, and holds the configuration of all devices.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

LENGTH = 256
"""Most events of a block."""
LEVEL = 3
"""Of zlib: 15 B an event in 0.8 µs; level 6 takes 13 B and 1.5 µs."""

MARK = 4
"""Digits of a digest before its line."""


def first_of(number: int) -> int:
    """Number of the first event of the block with this event."""
    return max(1, number - number % LENGTH)


def ends(first: int, end: int) -> Iterator[int]:
    """Numbers after the last events of the blocks that events from `first` to before `end` complete."""
    return iter(range(first - first % LENGTH + LENGTH, end + 1, LENGTH))


def line_of(version: int, kind: str, data: str) -> str:
    """No type of event has a space, and no JSON of an event a line break."""
    return f"{version} {kind} {data}"


def marked(line: str, digest: str) -> str:
    """A line as it stands in a block: after the beginning of its digest, by which a changed event is found."""
    return f"{digest[:MARK]} {line}"


def pack(marked_lines: Iterable[str]) -> bytes:
    return zlib.compress("\n".join(marked_lines).encode(), LEVEL)


def unpack(block: bytes) -> Sequence[tuple[str, str]]:
    """The marks and lines of a block. ValueError if it is none."""
    try:
        lines = zlib.decompress(block).decode().split("\n")
    except (zlib.error, TypeError) as error:
        raise ValueError(str(error)) from None
    return [(line[:MARK], line[MARK + 1 :]) for line in lines]
