"""ELF: the loadable segments by physical address, as `objcopy -O binary` has them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from image_files import as_elf

from fuota_fec.errors import ParameterError
from fuota_fec.image import FirmwareImage

Read = Callable[..., FirmwareImage]

CODE, DATA = bytes(range(100)), b"initialised data"
MEMORY = {0x08000000: CODE, 0x08000064: DATA}
LOAD, NOTE = 1, 4


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_classes_and_byte_orders_are_read(read: Read, bits: int, order: str):
    image = read(as_elf(MEMORY, bits=bits, order=order))
    assert (image.format, image.data, image.segments) == ("elf", CODE + DATA, ((0x08000000, 116),))
    assert image.entry == 0x08000000
    assert image.notes[0] == f"Arm, {bits} bits, {'little' if order == '<' else 'big'} endian"
    assert image.warnings == ()


@pytest.mark.parametrize("bits", [32, 64])
def test_only_loadable_segments_with_bytes_are_part_of_the_image(read: Read, bits: int):
    """Notes and memory that is cleared at the start are not."""
    others = [(NOTE, 52, 0, 0, 20, 20), (LOAD, 52, 0x20001000, 0x20001000, 0, 4096)]
    assert read(as_elf(MEMORY, bits=bits, others=others)).data == CODE + DATA


def test_without_physical_addresses_the_virtual_ones_count(read: Read):
    """Some linkers leave them 0."""
    elf = bytearray(as_elf({0: b"ab"}, others=[(LOAD, 52, 0x1000, 0, 4, 4), (LOAD, 56, 0x1004, 0, 4, 4)]))
    elf[52 + 2 * 32 + 8 : 52 + 2 * 32 + 12] = struct.pack("<I", 0x1008)
    image = read(bytes(elf))
    assert image.segments == ((0x1000, 10),)
    assert "addresses are virtual ones" in image.notes


def with_sections(elf: bytes, *sections: tuple[int, int, int, int]) -> bytes:
    """ELF file of 32 bits with a section table: type, flags, offset and size of each."""
    table = b"".join(struct.pack("<10I", 0, kind, flags, 0, at, size, 0, 0, 1, 0) for kind, flags, at, size in sections)
    head = bytearray(elf)
    head[32:36] = struct.pack("<I", len(elf))
    head[46:50] = struct.pack("<HH", 40, len(sections))
    return bytes(head) + table


def test_headers_of_the_file_at_the_start_of_a_segment_are_not_sent(read: Read):
    """Linkers put the headers in the first segment unless told otherwise; objcopy leaves them out."""
    elf = as_elf({0x1000: b"xyz"}, others=[(LOAD, 0, 0x0F00, 0x0F00, 118, 118)])
    assert elf[116:] == b"xyz"
    elf += bytes(100)
    image = read(with_sections(elf, (1, 2, 116, 1), (1, 0, 0, 52), (8, 2, 52, 4)), stop=0x1000)
    assert (image.segments, image.data) == (((0x0F00 + 116, 2),), b"xy")
    assert image.warnings == ()
    image = read(with_sections(elf), stop=0x1000)
    assert len(image.data) == 118
    assert image.warnings == ("segment 0 has the headers of the ELF file, 118 bytes in all",)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": 1}, "an object file, before linking, expected an executable"),
        ({"kind": 3}, "a shared library or a program for any address"),
        ({"kind": 4}, "a core dump"),
        ({"kind": 99}, "a file of type 99"),
        ({"memory": {}}, "no loadable segment with data, expected a linked program"),
        ({"others": [(LOAD, 0, 0, 0, 1000, 1000)]}, "segment 0 ends at byte 1000, expected all of it within the 264"),
        ({"others": [(LOAD, 0, 0, 0, 10, 5)]}, "segment 0 has 10 bytes for 5 bytes of memory"),
        ({"others": [(LOAD, 100, 0, 0, 100, 100)] * 200}, "bytes in the segments, expected at most the"),
        (
            {"others": [(LOAD, 100, 0, 0x08000060, 8, 8)]},
            "0x8000060–0x8000063 given twice, segment 1 .first in segment",
        ),
        ({"others": [(LOAD, 100, 0, 0xFFFFFFFF, 8, 8)]}, "segment 0: 8 bytes at 0xffffffff, expected addresses below"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_is_no_whole_program_is_refused(read: Read, options: dict[str, Any], expected: str):
    with pytest.raises(ParameterError, match=expected):
        read(as_elf(**({"memory": MEMORY} | options)))


def test_an_elf_file_that_is_cut_is_refused_at_any_length(read: Read):
    elf = as_elf(MEMORY)
    for length in range(9, len(elf)):
        with pytest.raises(ParameterError, match=r"image image\.bin: "):
            read(elf[:length])


def test_a_program_for_a_computer_is_a_warning(read: Read):
    assert read(as_elf(MEMORY, machine=62)).warnings == (
        "a program for a computer (x86-64), expected one for a device",
    )


def test_addresses_of_64_bits_are_read(read: Read):
    assert read(as_elf({1 << 40: CODE}, bits=64)).segments == ((1 << 40, 100),)
