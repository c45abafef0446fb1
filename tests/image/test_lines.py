"""Lines of record files: numbered, without white space around them, of a bounded length."""

from __future__ import annotations

import pytest

from fuota_fec.errors import ParameterError
from fuota_fec.image.lines import LONGEST_LINE, lines, unhex


def test_lines_are_numbered_and_blank_ones_are_left_out():
    assert list(lines(b"\xef\xbb\xbf a \r\n\n\t\nb\x0c\n\xef\xbb\xbfc", "x")) == [
        (1, b"a"),
        (4, b"b"),
        (5, b"\xef\xbb\xbfc"),
    ]
    assert list(lines(b"", "x")) == []


@pytest.mark.parametrize("text", [b"x" * (LONGEST_LINE + 1), b" " * 10**6, bytes(10**6)])
def test_a_long_line_is_refused(text: bytes):
    assert list(lines(b"x" * LONGEST_LINE, "x")) == [(1, b"x" * LONGEST_LINE)]
    with pytest.raises(ParameterError, match=f"image a, line 2: {len(text)} bytes, expected at most {LONGEST_LINE}"):
        list(lines(b"\n" + text, "image a"))


@pytest.mark.parametrize("digits", [b"0", b"0 1", b"0x", b"\xc3\xa9", b"+1", b"1_1"])
def test_only_pairs_of_hexadecimal_digits_are_bytes(digits: bytes):
    assert unhex(b"0aF0", b"", "bytes", "x", 1) == b"\x0a\xf0"
    with pytest.raises(ParameterError, match=r"x, line 7: .* is not a record of this format, expected bytes"):
        unhex(digits, digits, "bytes", "x", 7)


def test_line_ends_of_old_macs_are_line_ends():
    assert list(lines(b":00\r\r:01\r", "x")) == [(1, b":00"), (3, b":01")]
