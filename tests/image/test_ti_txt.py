"""TI-TXT: the memory that a file says, or the line of its first fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from image_files import as_ti_txt

from fuota_fec.errors import ParameterError
from fuota_fec.image import FirmwareImage

Read = Callable[..., FirmwareImage]


@pytest.mark.parametrize("change", [str, str.lower, lambda text: text.replace("\n", " \r\n\r\n"), str.rstrip])
@pytest.mark.parametrize("name", ["image.txt", "image.bin"])
def test_sections_are_read(read: Read, name: str, change: Callable[[str], str]):
    image = read(change(as_ti_txt({0xF000: bytes(range(40)), 0xF030: b"\x31\x40"})), name)
    assert (image.format, image.segments) == ("ti-txt", ((0xF000, 40), (0xF030, 2)))
    assert image.data == bytes(range(40)) + b"\xff" * 8 + b"\x31\x40"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@F000\n31 40\n", 'ends without an end record, a line with "q" .files for Verilog have none'),
        ("@F000\n31 40\nq\n31\n", "line 4: '31' is after the end record in line 3"),
        ("@F000\n31 4\nq\n", "line 2: '31 4' is not a record"),
        ("@F000\n3140\nq\n", "line 2: '3140' is not a record"),
        ("@F000\n31 40 ;\nq\n", "line 2: .* is not a record"),
        ("31 40\nq\n", "line 1: '31 40' is not a record"),
        ("@F000\n31 40\n@F001\n00\nq\n", "0xf001 given twice, line 4 .first in line 2."),
        ("@FFFFFFFF\n31 40\nq\n", "line 2: 2 bytes at 0xffffffff, expected addresses below"),
    ],
    ids=lambda text: text[:12],
)
def test_a_fault_is_named_with_its_line(read: Read, text: str, expected: str):
    with pytest.raises(ParameterError, match=expected):
        read(text, format="ti-txt")
