"""DFU files: the CRC of the suffix, and the targets and elements of DfuSe."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from image_files import as_dfuse, dfuse_body, with_suffix

from fuota_fec.errors import ParameterError
from fuota_fec.image import FirmwareImage

Read = Callable[..., FirmwareImage]

IMAGE = bytes(range(256))
MEMORY = {0x08000000: IMAGE, 0x08000200: b"more"}


@pytest.mark.parametrize("name", ["image.dfu", "image.bin"])
def test_a_binary_image_with_a_suffix_is_read_without_it(read: Read, name: str):
    image = read(with_suffix(IMAGE), name)
    assert (image.format, image.data, image.segments) == ("dfu", IMAGE, ())
    assert image.notes == ("USB 0483:df11, device 0x0001",)


def test_elements_of_dfuse_are_read_by_address(read: Read):
    image = read(as_dfuse(MEMORY), "image.bin")
    assert image.segments == ((0x08000000, 256), (0x08000200, 4))
    assert image.data == IMAGE + b"\xff" * 256 + b"more"
    assert image.notes[1] == "DfuSe, alternate setting 0"


def test_one_of_several_targets_is_chosen(read: Read):
    file = with_suffix(dfuse_body({0: MEMORY, 1: {0: b"option bytes"}}))
    assert read(file, board="1").data == b"option bytes"
    with pytest.raises(ParameterError, match="DfuSe with targets 0, 1, expected board"):
        read(file)
    for board in ("2", "x", ""):
        with pytest.raises(ParameterError, match=r"board: .* is no alternate setting of the file, expected 0, 1"):
            read(file, board=board)
    with pytest.raises(ParameterError, match="board: '1' is not used in a DFU file without targets"):
        read(with_suffix(IMAGE), board="1")


@pytest.mark.parametrize("file", [with_suffix(IMAGE), as_dfuse(MEMORY)], ids=["DFU", "DfuSe"])
def test_a_changed_or_cut_file_is_refused(read: Read, file: bytes):
    for at in range(0, len(file) - 8, 7):
        with pytest.raises(ParameterError, match="the CRC of the DFU suffix is"):
            read(file[:at] + bytes([file[at] ^ 0x10]) + file[at + 1 :], "image.dfu")
        with pytest.raises(ParameterError, match="no DFU suffix at the end"):
            read(file[: at + 1], "image.dfu", format="dfu")


BODY = dfuse_body({0: MEMORY})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BODY + b"x", "DfuSe version 1 with 561 bytes, expected version 1 with the 562 of the file"),
        (BODY[:5] + b"\2" + BODY[6:], "DfuSe version 2"),
        (b"DfuSe\1\x0b\0\0\0\1", "cut at byte 11, expected 285 bytes or more"),
        (BODY[:11] + b"tegraT" + BODY[17:], "no DfuSe target with a setting of its own at byte 11"),
        (dfuse_body({0: {0: b"abcd", 2: b"e"}}), "0x2 given twice, element 2 .first in element 1."),
        (
            BODY[:290] + b"\x7f" + BODY[291:],
            "element 1 ends at byte 32805, expected all of it within its target, 561 bytes",
        ),
        (BODY[:281] + b"\1" + BODY[282:], "the target 0 ends at byte 549, expected 561 as it says"),
        (BODY[:10] + b"\0" + BODY[11:], "550 bytes after the last target, expected none"),
    ],
    ids=range(8),
)
def test_what_does_not_add_up_is_refused(read: Read, body: bytes, expected: str):
    with pytest.raises(ParameterError, match=expected):
        read(with_suffix(body))


def test_the_crc_is_that_of_the_specification():
    """USB DFU 1.1, appendix B: the CRC of IEEE 802.3, not inverted at the end."""
    assert with_suffix(b"")[-4:] == (~zlib.crc32(with_suffix(b"")[:-4]) & 0xFFFFFFFF).to_bytes(4, "little")
