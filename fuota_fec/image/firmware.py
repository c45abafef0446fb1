"""The firmware image that was read: its bytes, and what is known of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from fuota_fec.checks import counted
from fuota_fec.errors import ParameterError
from fuota_fec.image.findings import filler_warnings, run_warnings
from fuota_fec.image.memory import LARGEST_IMAGE, Contents
from fuota_fec.image.recognise import NAMES, Format
from fuota_fec.image.versions import Version, find_versions

ERASED = 0xFF
"""Value of erased flash, which fills gaps unless another one is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareImage:
    """A firmware image, as it is sent, and what was found about it while it was read."""

    where: str
    """Name of the image in messages."""
    data: bytes = field(repr=False)
    format: Format
    segments: tuple[tuple[int, int], ...] = ()
    """Segments of the file: first address, and number of bytes. Empty for a format without addresses."""
    fill: int = ERASED
    """Value of the bytes between the segments."""
    entry: int | None = None
    """Address at which the program begins, if the file has one."""
    notes: tuple[str, ...] = ()
    """Facts of the file: machine, family, header."""
    versions: tuple[Version, ...] = ()
    warnings: tuple[str, ...] = ()
    """Reasons to look at the image again before it is sent."""

    @property
    def filler_len(self) -> int:
        """Number of bytes between the segments."""
        return len(self.data) - sum(length for _, length in self.segments) if self.segments else 0

    @property
    def summary(self) -> str:
        """Format, size, segments and filler, in one line."""
        text = f"{NAMES[self.format]}, {counted(len(self.data), 'byte')}"
        if self.segments:
            first, (last, length) = self.segments[0][0], self.segments[-1]
            n_segments = counted(len(self.segments), "segment")
            text += f" from {first:#x} to {last + length - 1:#x} in {n_segments}"
        filler = f", {counted(self.filler_len, 'byte')} of filler {self.fill:#04x}" if self.filler_len else ""
        return text + filler

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def firmware_image(
    contents: Contents, where: str, kind: Format, *, start: int | None, stop: int | None, fill: int
) -> FirmwareImage:
    """Image from the contents of a file. ParameterError if it is empty, too large, or not one image."""
    gaps: tuple[tuple[int, int], ...] = ()
    segments: tuple[tuple[int, int], ...] = ()
    data = contents.data
    if contents.memory is not None:
        memory = contents.memory.cropped(start, stop)
        data, gaps = memory.filled(fill, where), memory.gaps
        segments = tuple((segment.address, len(segment.data)) for segment in memory.segments)
    if not data:
        chosen = contents.memory is not None and contents.memory.segments
        of = (
            f", as there are no data from {start or 0:#x} to {'the end' if stop is None else f'{stop:#x}'}"
            if chosen
            else ""
        )
        raise ParameterError(f"{where}: the image is empty{of}, expected at least one byte")
    if len(data) > LARGEST_IMAGE:
        raise ParameterError(f"{where}: {len(data)} bytes, expected at most {LARGEST_IMAGE}")
    versions = find_versions(data)
    base = segments[0][0] if segments else 0
    filler = [(low - base, high - base) for low, high in gaps]
    return FirmwareImage(
        where=where,
        data=data,
        format=kind,
        segments=segments,
        fill=fill,
        entry=contents.entry,
        notes=contents.notes,
        versions=versions,
        warnings=(
            *contents.warnings,
            *filler_warnings(gaps, len(data), fill),
            *run_warnings(data, filler),
            *(problem for version in versions for problem in version.problems),
        ),
    )
