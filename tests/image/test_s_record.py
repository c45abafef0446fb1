"""S-records: the memory that a file says, or the line of its first fault."""

from __future__ import annotations

from collections.abc import Callable

import bincopy
import pytest
from image_files import as_srec, s_record

from fuota_fec.errors import ParameterError
from fuota_fec.image import FirmwareImage

Load = Callable[..., bytes]
Read = Callable[..., FirmwareImage]

HEADER, DATA, COUNT, END = s_record(0, 0, b"fw"), s_record(1, 0x10, b"abc"), s_record(5, 1), s_record(9, 0)
GOOD = ":0400000001020304F2"


@pytest.mark.parametrize(("name", "address_len"), [("image.s19", 16), ("image.srec", 24), ("image.mot", 32)])
def test_s_records_with_any_address_length_are_read(load: Load, name: str, address_len: int):
    file = bincopy.BinFile()
    file.add_binary(bytes(range(200)), address=0x1000)
    assert load(file.as_srec(address_length_bits=address_len), name) == bytes(range(200))


def test_s_record_written_by_hand_is_read(load: Load):
    assert load("S1070010010203FFE3\nS9030000FC\n", "image.s19") == b"\1\2\3\xff"


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_header_entry_and_any_line_ends_are_read(read: Read, kind: int):
    text = as_srec({0x1000: b"abc"}, kind).replace(s_record(10 - kind, 0), s_record(10 - kind, 0x1234))
    for changed in (text, text.lower(), text.replace("\n", "\r\n"), "\n" + text.replace("\n", " \n\n")):
        image = read(changed)
        assert (image.format, image.data, image.segments) == ("srec", b"abc", ((0x1000, 3),))
        assert (image.entry, image.notes) == (0x1234, ("header 'fw'",))


@pytest.mark.parametrize("lines", [[DATA, COUNT], [HEADER, DATA, COUNT], [DATA, END], [DATA, COUNT, END]])
def test_a_count_or_an_end_record_ends_a_file(load: Load, lines: list[str]):
    assert load("\n".join(lines), "image.s19") == b"abc"


def test_each_address_may_have_its_shortest_length(load: Load):
    """As SRecord writes them, with an end record of the shortest length too."""
    lines = [s_record(1, 0xFFFE, b"ab"), s_record(2, 0x10000, b"cd"), s_record(9, 0)]
    assert load("\n".join(lines), "image.s28") == b"abcd"
    assert load("\n".join([s_record(3, 0x08000000, b"ab"), s_record(9, 0)]), "image.s37") == b"ab"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([DATA], "ends without an end record, S7, S8 or S9"),
        ([HEADER], "ends without an end record"),
        ([HEADER, DATA, END, DATA], "line 4: .* is after the end record in line 3"),
        ([HEADER, DATA, END, "garbage"], "line 4: 'garbage' is after the end"),
        ([HEADER, DATA, s_record(5, 2), END], "line 3: the count is 2, expected 1, the number of data records"),
        ([HEADER, DATA, s_record(6, 0), END], "line 3: the count is 0, expected 1"),
        ([HEADER, DATA, COUNT, DATA, END], "line 4: S1 after the count, expected the end record"),
        ([HEADER, DATA, HEADER, END], "line 3: S0 is not the first record"),
        ([s_record(0, 5, b"fw"), DATA, END], "line 1: the header S0 has address 0x5, expected 0"),
        ([DATA, s_record(7, 0)], "addresses of several lengths, S1 in line 1 and S7 in line 2, expected the same"),
        ([s_record(3, 0x10, b"a"), END], "addresses of several lengths, S3 in line 1 and S9 in line 2"),
        ([DATA, s_record(3, 0x20, b"a"), END], "addresses of several lengths, S1 in line 1 and S3 in line 2"),
        ([DATA, "S5040001AA50", END], "line 2: 1 data bytes in a record S5, expected none"),
        ([DATA, "S9040001AA50"], "line 2: 1 data bytes in a record S9, expected none"),
        ([DATA, s_record(1, 0x20), END], "line 2: no data in a record S1, expected at least one byte"),
        ([DATA, "S4030000FC", END], "line 2: 'S4030000FC' is not a record"),
        ([DATA[:-2] + "00", END], "line 1: the checksum is 0x00, expected 0xc3"),
        ([DATA[:-4] + DATA[-2:], END], "line 1: 5 bytes, expected 6 as the record says"),
        ([DATA, s_record(1, 0x12, b"c"), END], "0x12 given twice, line 2 \\(first in line 1\\)"),
        ([s_record(3, 0xFFFFFFFF, b"ab"), s_record(7, 0)], "line 1: 2 bytes at .*, expected addresses below"),
        ([DATA, "S1" + "0" * 2000, END], "line 2: 2003 bytes, expected at most 1024"),
    ],
)
def test_a_fault_is_named_with_its_line(load: Load, lines: list[str], expected: str):
    with pytest.raises(ParameterError, match=expected) as info:
        load("\n".join(lines) + "\n", "image.s19")
    assert "image.s19" in str(info.value)


@pytest.mark.parametrize(
    "line", ["S1070010010203FFE4", "S10700100102", "S1", "S", "T1070010010203FFE3", "S107001001ZZ03FFE3", GOOD]
)
def test_a_malformed_s_record_is_refused_with_the_file(load: Load, line: str):
    with pytest.raises(ParameterError) as info:
        load(f"S1070010010203FFE3\n{line}\nS9030000FC\n", "image.s19")
    assert "image.s19" in str(info.value)
    assert "fromhex" not in str(info.value)
