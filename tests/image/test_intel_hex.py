"""Intel HEX and universal HEX: the memory that a file says, or the line of its first fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from image_files import DATA, LINEAR, SEGMENT, START_LINEAR, START_SEGMENT, hex_file, hex_record

from fuota_fec.errors import ParameterError
from fuota_fec.image import FirmwareImage

Load = Callable[..., bytes]
Read = Callable[..., FirmwareImage]

BLOCK_END, CUSTOM = 0x0B, 0x0D
START_V1, START_V2 = (0x0A, 0, bytes.fromhex("9900c0de")), (0x0A, 0, bytes.fromhex("9903c0de"))
END_LINE = ":00000001FF"


def test_intel_hex_at_a_high_address(load: Load):
    records = [(LINEAR, 0, b"\x08\x00"), (DATA, 0x1000, b"abc"), (DATA, 0x1003, b"def")]
    assert load(hex_file(*records)) == b"abcdef"


def test_hex_records_are_read_in_any_order_with_any_line_endings(load: Load):
    text = hex_file((DATA, 2, b"cd"), (DATA, 0, b"ab"))
    assert load(text) == b"abcd"
    assert load(text.replace("\n", "\r\n")) == b"abcd"
    assert load(text.lower()) == b"abcd"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "  \t\n\n"),
        lambda text: "\ufeff" + text,
        lambda text: "\n\n  " + text.rstrip("\n"),
        str.lower,
    ],
    ids=["CRLF", "trailing space and blank lines", "byte order mark", "no last line end", "lower case"],
)
def test_forms_of_the_same_file_give_the_same_image(load: Load, change: Callable[[str], str]):
    text = hex_file((LINEAR, 0, b"\x08\x00"), (DATA, 0xABC0, b"\xab\xcd\xef"))
    assert load(change(text)) == load(change(text), "image.bin") == b"\xab\xcd\xef"


def test_segment_addresses_are_added_and_wrap_at_64_kb(read: Read):
    """Types 2 and 4 replace each other. Only a segment wraps, and that is a warning: programs disagree about it."""
    image = read(hex_file((SEGMENT, 0, b"\x10\x00"), (DATA, 0x10, b"ab")))
    assert image.segments == ((0x10010, 2),)
    assert image.warnings == ()
    image = read(hex_file((SEGMENT, 0, b"\x10\x00"), (DATA, 0xFFFE, b"abcd")), stop=0x20000)
    assert image.segments == ((0x10000, 2), (0x1FFFE, 2))
    assert image.warnings[0].startswith("line 2 wraps at the end of its segment: 2 bytes are at 0x10000")
    image = read(hex_file((SEGMENT, 0, b"\x10\x00"), (LINEAR, 0, b"\0\1"), (DATA, 0xFFFE, b"abcd")))
    assert (image.segments, image.warnings) == (((0x1FFFE, 4),), ())
    assert read(hex_file((DATA, 0xFFFE, b"abcd"))).segments == ((0xFFFE, 4),)


def test_a_record_at_the_end_of_the_address_space_must_fit(read: Read):
    assert read(hex_file((LINEAR, 0, b"\xff\xff"), (DATA, 0xFFFE, b"ab"))).segments == ((0xFFFFFFFE, 2),)
    with pytest.raises(ParameterError, match="line 2: 3 bytes at 0xfffffffe, expected addresses below 0x100000000"):
        read(hex_file((LINEAR, 0, b"\xff\xff"), (DATA, 0xFFFE, b"abc")))


def test_start_addresses_are_the_entry(read: Read):
    assert read(hex_file((DATA, 0, b"a"), (START_LINEAR, 0, bytes.fromhex("08000101")))).entry == 0x08000101
    assert read(hex_file((START_SEGMENT, 0, bytes.fromhex("12340005")), (DATA, 0, b"a"))).entry == 0x12345
    assert read(hex_file((DATA, 0, b"a"))).entry is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([":0400000001020304F3", END_LINE], "line 1: the checksum is 0xf3, expected 0xf2"),
        ([":0500000001020304F1", END_LINE], "line 1: 4 data bytes, expected 5 as the record says"),
        ([":0400000001020304F2"], "ends without an end record"),
        ([":0400000001020304F2", ":000"], "line 2: ':000' is not a record of this format"),
        ([":0400000001020304F2", END_LINE, ":0400100001020304E2"], "line 3: ':0400100001020304E2' is after the end"),
        ([":0400000001020304F2", END_LINE, END_LINE], "line 3: ':00000001FF' is after the end record in line 2"),
        ([":0400000001020304F2", END_LINE, "\0\0\0"], "line 3: .* is after the end"),
        ([":0400000001020304F2", ":01000001AA54"], "line 2: 1 data bytes in a record of type 0x01, expected 0"),
        ([hex_record(LINEAR, 0, b"\1"), END_LINE], "line 1: 1 data bytes in a record of type 0x04, expected 2"),
        ([hex_record(START_LINEAR, 0, b"\1"), END_LINE], "line 1: 1 data bytes in a record of type 0x05, expected 4"),
        ([hex_record(6, 0, b"\1"), END_LINE], "line 1: record type 0x06 is not one of Intel HEX, expected types"),
        ([":04 00 00 00 01 02 03 04 F2", END_LINE], "line 1: .* is not a record"),
        ([":0400000001020304F2 junk", END_LINE], "line 1: .* is not a record"),
        ([":0400000001020304F2\0", END_LINE], "line 1: .* is not a record"),
        ([":" + "0" * 2000, END_LINE], "line 1: 2002 bytes, expected at most 1024"),
    ],
)
def test_a_fault_is_named_with_its_line(load: Load, lines: list[str], expected: str):
    with pytest.raises(ParameterError, match=expected) as info:
        load("\n".join(lines) + "\n")
    assert "image.hex" in str(info.value)


@pytest.mark.parametrize("second", [b"cd", b"yz"], ids=["the same", "other"])
def test_an_address_that_is_given_twice_is_named_with_both_lines(load: Load, second: bytes):
    """Even with the same bytes: the file was merged of others that were not made for each other."""
    with pytest.raises(ParameterError) as info:
        load(hex_file((DATA, 0x7FFC, b"abcd"), (DATA, 0x7FFE, second)))
    assert ": 0x7ffe–0x7fff given twice, line 2 (first in line 1), expected each address once" in str(info.value)
    with pytest.raises(ParameterError, match="0x7fff given twice, line 3"):
        load(hex_file((DATA, 0x7FFF, b"abcd"), (LINEAR, 0, b"\0\0"), (DATA, 0x7FFE, b"ab")))


GOOD = ":0400000001020304F2"


@pytest.mark.parametrize(
    "line",
    [
        ":0400000001020304F3",
        ":0400000001020305F2",
        ":04000000010203",
        ":050000000102030405",
        ":",
        ":00",
        "0400000001020304F2",
        "hello world, this is text",
        ":04000000010203ZZF2",
        ":0400000001020304F",
        ":0400000F01020304E3",
        ":0400000001020304F2 :00000001FF",
        "S1070010010203FFE3",
        "\x00" * 20,
    ],
)
def test_a_malformed_hex_record_is_refused_with_the_file(load: Load, line: str):
    with pytest.raises(ParameterError) as info:
        load(f"{GOOD}\n{line}\n{END_LINE}\n")
    assert "image.hex" in str(info.value)
    assert "fromhex" not in str(info.value)


# ---- universal HEX -----------------------------------------------------------------------------------------

TWO_BOARDS = hex_file(
    (LINEAR, 0, b"\0\0"),
    START_V1,
    (DATA, 0x0000, b"first "),
    (DATA, 0x0006, b"board"),
    (BLOCK_END, 0, b"\xff" * 4),
    START_V2,
    (CUSTOM, 0x0000, b"second "),
    (LINEAR, 0, b"\0\1"),
    (CUSTOM, 0x0000, b"one"),
    (BLOCK_END, 0, b""),
    START_V1,
    (DATA, 0x0000, b"!"),
)


def test_each_board_of_a_universal_hex_file_is_read(load: Load):
    """An address record applies to the blocks after it, except those of other boards."""
    assert load(TWO_BOARDS, format="universal-hex", board="9900", stop=0x10000) == b"first board"
    assert load(TWO_BOARDS, format="universal-hex", board="9900", start=0x10000) == b"!"
    second = load(TWO_BOARDS, format="universal-hex", board="9903")
    assert second == b"second " + b"\xff" * (0x10000 - 7) + b"one"


@pytest.mark.parametrize("board", ["1234", None, "", "99"])
def test_an_unknown_board_is_refused_with_the_known_ones(load: Load, board: str | None):
    with pytest.raises(ParameterError) as info:
        load(TWO_BOARDS, format="universal-hex", board=board)
    for part in ("board", repr(board) if board else "", "9900", "9903"):
        assert part in str(info.value)


def test_a_board_may_be_written_in_lower_case(load: Load):
    text = hex_file((0x0A, 0, bytes.fromhex("99abc0de")), (DATA, 0, b"x"))
    assert load(text, format="universal-hex", board="99ab") == b"x"


def test_a_plain_hex_file_is_refused_as_universal_hex(load: Load):
    with pytest.raises(ParameterError, match="universal HEX"):
        load(hex_file((DATA, 0, b"x")), format="universal-hex", board="9900")


def test_a_universal_hex_file_is_recognised_and_refused_as_plain_hex(load: Load):
    assert load(TWO_BOARDS, "image.bin", board="9900", stop=0x10000) == b"first board"
    with pytest.raises(
        ParameterError, match=r"several boards in the file, expected board \(--board\), one of 9900, 9903"
    ):
        load(TWO_BOARDS)
    with pytest.raises(ParameterError, match="record type 0x0a is not one of Intel HEX, expected format universal-hex"):
        load(TWO_BOARDS, format="hex")


@pytest.mark.parametrize(
    "line",
    [
        ":0100000D55ZZ",
        ":0100000D",
        ":0000000",
        ":0100000055AB",
        ":0100000D559E",
        "0100000D559D",
        ":0000000FF1",
        ":\n:",
        "é",
    ],
)
def test_a_malformed_universal_hex_record_is_refused(load: Load, line: str):
    text = f"{hex_record(LINEAR, 0, bytes(2))}\n{hex_record(*START_V1)}\n{hex_record(DATA, 0, b'ab')}\n{line}\n"
    with pytest.raises(ParameterError) as info:
        load(text, format="universal-hex", board="9900")
    assert "image" in str(info.value)
