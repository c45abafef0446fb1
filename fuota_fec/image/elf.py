"""ELF executables (System V ABI): the loadable segments by physical address, of both classes and byte orders.

The physical address is the load address (LMA), the place in flash; initialised data are at another address at run
time. Segments without bytes in the file (.bss) are not part of an image.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fuota_fec.errors import ParameterError
from fuota_fec.image.memory import ADDRESS_END, Contents, Pieces

EXECUTABLE, PT_LOAD, SHT_NOBITS, SHF_ALLOC = 2, 1, 8, 2
TYPES = {1: "an object file, before linking", 3: "a shared library or a program for any address", 4: "a core dump"}
MACHINES = {
    3: "x86",
    8: "MIPS",
    40: "Arm",
    62: "x86-64",
    83: "AVR",
    94: "Xtensa",
    105: "MSP430",
    183: "AArch64",
    243: "RISC-V",
}
COMPUTERS = {3, 62}
"""Machines of computers: a program for these is not for a device."""


@dataclass(frozen=True, slots=True)
class Header:
    """Fields of the file header, and the layouts of the tables."""

    order: str
    wide: bool
    kind: int
    machine: int
    entry: int
    segments: tuple[int, int, int]
    """Program header table: offset, length of an entry, number of entries."""
    sections: tuple[int, int, int]
    """Section header table."""
    end: int
    """End of the file header."""


@dataclass(frozen=True, slots=True)
class LoadSegment:
    number: int
    offset: int
    virtual: int
    physical: int
    file_len: int


def read_elf(data: bytes, where: str, _board: str | None = None) -> Contents:
    """Memory contents of an ELF executable. ParameterError if it is not one, or is cut."""
    header = _header(data, where)
    if header.kind != EXECUTABLE:
        kind = TYPES.get(header.kind, f"a file of type {header.kind}")
        raise ParameterError(f"{where}: the ELF file is {kind}, expected an executable with fixed addresses")
    loaded = list(_loaded(data, header, where))
    if not loaded:
        raise ParameterError(f"{where}: the ELF file has no loadable segment with data, expected a linked program")
    # Without a physical address in any segment, linkers mean the virtual ones.
    unset = len(loaded) > 1 and not any(segment.physical for segment in loaded)
    n_bytes = sum(segment.file_len for segment in loaded)
    if n_bytes > len(data):
        raise ParameterError(f"{where}: {n_bytes} bytes in the segments, expected at most the {len(data)} of the file")
    pieces = Pieces(where, "segment", end=1 << 63 if header.wide else ADDRESS_END)
    sections = _section_offsets(data, header)
    warnings = []
    for segment in loaded:
        skipped = _headers_before(segment, header, sections)
        if skipped is None:
            warnings.append(
                f"segment {segment.number} has the headers of the ELF file, {segment.file_len} bytes in all"
            )
        address = (segment.virtual if unset else segment.physical) + (skipped or 0)
        body = data[segment.offset + (skipped or 0) : segment.offset + segment.file_len]
        pieces.add(address, body, segment.number)
    machine = MACHINES.get(header.machine, f"machine {header.machine}")
    if header.machine in COMPUTERS:
        warnings.append(f"a program for a computer ({machine}), expected one for a device")
    bits, order = 64 if header.wide else 32, "big" if header.order == ">" else "little"
    return Contents(
        memory=pieces.memory(),
        entry=header.entry,
        notes=(f"{machine}, {bits} bits, {order} endian", f"addresses are {'virtual' if unset else 'physical'} ones"),
        warnings=tuple(warnings),
    )


def _header(data: bytes, where: str) -> Header:
    wide, order = {1: False, 2: True}.get(data[4:5][0] if data[4:5] else 0), {b"\1": "<", b"\2": ">"}.get(data[5:6])
    if data[:4] != b"\x7fELF" or wide is None or order is None:
        raise ParameterError(f"{where}: not an ELF file of 32 or 64 bits, expected one")
    layout = order + ("16xHHIQQQIHHHHHH" if wide else "16xHHIIIIIHHHHHH")
    kind, machine, _, entry, segments, sections, _, _, seg_len, n_segs, sec_len, n_secs, _ = _fields(
        layout, data, 0, "the file header", where
    )
    return Header(
        order=order,
        wide=wide,
        kind=kind,
        machine=machine,
        entry=entry,
        segments=(segments, seg_len, n_segs),
        sections=(sections, sec_len, n_secs),
        end=struct.calcsize(layout),
    )


def _loaded(data: bytes, header: Header, where: str) -> Iterator[LoadSegment]:
    """Loadable segments with bytes in the file."""
    layout = header.order + ("IIQQQQQQ" if header.wide else "IIIIIIII")
    table, entry_len, n_segments = header.segments
    for number in range(n_segments):
        at = table + number * entry_len
        fields = _fields(layout, data, at, f"the header of segment {number}", where)
        if header.wide:
            kind, _, offset, virtual, physical, file_len, memory_len, _ = fields
        else:
            kind, offset, virtual, physical, file_len, memory_len, _, _ = fields
        if kind != PT_LOAD or file_len == 0:
            continue
        if file_len > memory_len:
            raise ParameterError(
                f"{where}: segment {number} has {file_len} bytes for {memory_len} bytes of memory, expected no more"
            )
        if offset + file_len > len(data):
            raise _cut(f"segment {number}", offset + file_len, data, where)
        yield LoadSegment(number, offset, virtual, physical, file_len)


def _headers_before(segment: LoadSegment, header: Header, sections: Sequence[int]) -> int | None:
    """Bytes at the start of a segment that are headers of the file, not of the program: up to its first section.

    None if the segment has such headers, and no section says where they end.
    """
    if segment.offset >= header.end:
        return 0
    i = bisect_left(sections, segment.offset)
    inside = i < len(sections) and sections[i] < segment.offset + segment.file_len
    return sections[i] - segment.offset if inside else None


def _section_offsets(data: bytes, header: Header) -> list[int]:
    """Offsets of the sections with bytes of the program, ascending."""
    layout = struct.Struct(header.order + ("IIQQQQIIQQ" if header.wide else "IIIIIIIIII"))
    table, entry_len, n_sections = header.sections
    offsets = []
    for number in range(n_sections):
        at = table + number * entry_len
        if at + layout.size > len(data):
            break
        _, kind, flags, _, offset, size, *_ = layout.unpack_from(data, at)
        if kind != SHT_NOBITS and flags & SHF_ALLOC and size:
            offsets.append(offset)
    return sorted(offsets)


def _fields(layout: str, data: bytes, at: int, what: str, where: str) -> tuple[Any, ...]:
    if at + struct.calcsize(layout) > len(data):
        raise _cut(what, at + struct.calcsize(layout), data, where)
    return struct.unpack_from(layout, data, at)


def _cut(what: str, end: int, data: bytes, where: str) -> ParameterError:
    return ParameterError(f"{where}: {what} ends at byte {end}, expected all of it within the {len(data)} of the file")
