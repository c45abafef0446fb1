"""Lines of record files, each with its number."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from io import BytesIO

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError

LONGEST_LINE = 1024
"""Longest line in bytes. The longest record, one of Intel HEX, has 521 characters."""

UTF8_MARK = b"\xef\xbb\xbf"
"""Byte order mark at the start of a file in UTF-8, as some editors write it."""


def lines(data: bytes, where: str) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers, without white space around them. ParameterError for a long line."""
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")  # Line ends of old Macs.
    for number, line in enumerate(BytesIO(data), 1):
        if len(line) > LONGEST_LINE:
            raise ParameterError(f"{where}, line {number}: {len(line)} bytes, expected at most {LONGEST_LINE}")
        text = line.removeprefix(UTF8_MARK).strip() if number == 1 else line.strip()
        if text:
            yield number, text


def unhex(digits: bytes, line: bytes, expected: str, where: str, number: int) -> bytes:
    """Bytes of hexadecimal digits without spaces. ParameterError with the whole line for anything else."""
    try:
        return binascii.unhexlify(digits)
    except binascii.Error:
        raise not_a_record(line, expected, where, number) from None


def not_a_record(line: bytes, expected: str, where: str, number: int) -> ParameterError:
    """Error for a line of another form."""
    text = shown(line.decode("ascii", "replace"))
    return ParameterError(f"{where}, line {number}: {text} is not a record of this format, expected {expected}")


def after_the_end(line: bytes, end: int, where: str, number: int) -> ParameterError:
    """Error for a line after the end record, which is in line `end`."""
    text = shown(line.decode("ascii", "replace"))
    return ParameterError(f"{where}, line {number}: {text} is after the end record in line {end}, expected nothing")


def no_end(expected: str, where: str) -> ParameterError:
    """Error for a file without an end record."""
    return ParameterError(f"{where}: the file ends without an end record, {expected}: expected a file that is not cut")
