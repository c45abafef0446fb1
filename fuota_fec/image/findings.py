"""Warnings about bytes that are sent without need: filler of gaps, and runs of erased flash."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from heapq import nlargest
from typing import NamedTuple

from fuota_fec.checks import counted

NOTABLE_LEN, NOTABLE_SHARE = 1024, 0.05
"""Filler of more bytes than this, or of a larger share of the image, is a warning."""
TRAILER_LEN = 256
"""Bytes after the padding of a slot that are a boot loader's trailer."""
GAPS_SHOWN = 3

ERASED = {value: re.compile(re.escape(bytes([value])) + b"*") for value in (0x00, 0xFF)}
"""Value of erased or unused flash → pattern of a run of it."""


class Run(NamedTuple):
    """Bytes of one value: their offsets in the image."""

    start: int
    end: int
    value: int

    @property
    def length(self) -> int:
        return self.end - self.start


def filler_warnings(gaps: Sequence[tuple[int, int]], image_len: int, fill: int) -> Iterator[str]:
    """Warning about the filler of an image, with the addresses around the largest gaps."""
    n_filler = sum(high - low for low, high in gaps)
    if n_filler > NOTABLE_LEN or n_filler > NOTABLE_SHARE * image_len:
        largest = sorted(nlargest(GAPS_SHOWN, gaps, key=lambda gap: gap[1] - gap[0]))
        places = ", ".join(f"{low - 1:#x} and {high:#x}" for low, high in largest)
        rest = f" and in {counted(len(gaps) - len(largest), 'smaller gap')}" if len(gaps) > len(largest) else ""
        yield (
            f"{n_filler} of {image_len} bytes ({n_filler / image_len:.0%}) are filler {fill:#04x}: no data between "
            f"{places}{rest}"
        )


def erased_runs(data: bytes) -> list[Run]:
    """Long runs of 0xFF or 0x00."""
    return sorted(run for value in ERASED for run in _runs(data, value))


def _runs(data: bytes, value: int) -> Iterator[Run]:
    shortest = bytes([value]) * NOTABLE_LEN
    start = data.find(shortest)
    while start >= 0:
        found = ERASED[value].match(data, start)
        assert found is not None
        yield Run(start, found.end(), value)
        start = data.find(shortest, found.end())


def run_warnings(data: bytes, filler: Sequence[tuple[int, int]] = ()) -> Iterator[str]:
    """Warnings about erased flash: padding at the end, with the size without it, and long runs before.

    `filler` are the offsets of filled gaps, which `filler_warnings` has.
    """
    runs = [run for run in erased_runs(data) if not any(low < run.end and run.start < high for low, high in filler)]
    if runs and len(data) - runs[-1].end <= TRAILER_LEN:
        start, end, value = runs.pop()
        if start == 0:
            yield f"{end} of {len(data)} bytes are {value:#04x}: an empty image, erased flash"
            return
        trailer = f" before a trailer of {counted(len(data) - end, 'byte')}" if end < len(data) else ""
        yield (
            f"padded: from offset {start:#x} on, {end - start} bytes are {value:#04x}{trailer}; unpadded the image has "
            f"{start} bytes, with the padding {len(data) / start:.1f} times the air time"
        )
    for run in runs:
        if run.length > NOTABLE_SHARE * len(data):
            yield (
                f"{run.length} bytes from offset {run.start:#x} to {run.end - 1:#x} are {run.value:#04x}, erased or "
                f"unused flash; without them the image has {len(data) - run.length} bytes"
            )
