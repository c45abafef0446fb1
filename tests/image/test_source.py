"""Firmware images from files and packages: the right bytes, or an error with the reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from image_files import DATA, LINEAR, as_elf, as_hex, as_srec, as_uf2, hex_file, with_suffix

from fuota_fec.errors import FuotaError, ParameterError
from fuota_fec.files import LARGEST_FILE
from fuota_fec.image import LARGEST_IMAGE, LONGEST_GAP, FirmwareImage, ImageSource, load_image, parse_image, read_image

Load = Callable[..., bytes]
Read = Callable[..., FirmwareImage]

# ---- formats -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"\0", b"firmware", bytes(range(256)) * 10, b"\n", b"\xff" * 9])
@pytest.mark.parametrize("name", ["image.bin", "image", "image.img", "image.hex.gz"])
def test_binary_is_taken_as_it_is(load: Load, name: str, data: bytes):
    assert load(data, name) == data
    assert load(data, "image.hex", format="binary") == data


@pytest.mark.parametrize("name", ["image.hex", "image.ihex", "IMAGE.HEX"])
def test_intel_hex_file_is_read(load: Load, name: str):
    assert load(":0400000001020304F2\n:00000001FF\n", name) == b"\1\2\3\4"


# ---- gaps, start and stop ----------------------------------------------------------------------------------


def test_gaps_are_filled_as_erased_flash(load: Load):
    assert load(hex_file((DATA, 0, b"ab"), (DATA, 5, b"c"))) == b"ab\xff\xff\xffc"


def test_a_gap_beyond_the_longest_is_refused(load: Load):
    def text(gap: int) -> str:
        high, low = divmod(4 + gap, 0x10000)
        return hex_file((DATA, 0, b"abcd"), (LINEAR, 0, high.to_bytes(2, "big")), (DATA, low, b"e"))

    assert load(text(LONGEST_GAP)) == b"abcd" + b"\xff" * LONGEST_GAP + b"e"
    with pytest.raises(ParameterError, match="start and stop") as info:
        load(text(LONGEST_GAP + 1))
    assert "between 0x3 and 0x10005" in str(info.value)
    assert load(text(2**31), stop=100) == b"abcd"
    assert load(text(2**31), start=100) == b"e"


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (None, None, b"01234567"),
        (0x100, 0x108, b"01234567"),
        (0, 0x1000, b"01234567"),
        (0x102, None, b"234567"),
        (None, 0x102, b"01"),
        (0x103, 0x105, b"34"),
        (0x107, 0x108, b"7"),
        (0, None, b"01234567"),
    ],
)
def test_start_and_stop_choose_a_range(load: Load, start: int | None, stop: int | None, expected: bytes):
    assert load(hex_file((DATA, 0x100, b"01234567")), start=start, stop=stop) == expected


@pytest.mark.parametrize(("start", "stop"), [(0, 0x100), (0x108, None), (0x104, 0x104), (0x105, 0x102), (10**30, None)])
def test_an_empty_range_is_refused(load: Load, start: int, stop: int | None):
    with pytest.raises(ParameterError, match="empty"):
        load(hex_file((DATA, 0x100, b"01234567")), start=start, stop=stop)


def test_a_board_of_plain_hex_is_refused(load: Load):
    with pytest.raises(
        ParameterError, match="board: '9900' is not used in Intel HEX files, expected a file of universal"
    ):
        load(hex_file((DATA, 0, b"x")), board="9900")


@pytest.mark.parametrize("fill", [0, 0x5A, 255])
def test_gaps_may_be_filled_with_another_value(load: Load, fill: int):
    assert load(hex_file((DATA, 0, b"ab"), (DATA, 5, b"c")), fill=fill) == b"ab" + bytes([fill] * 3) + b"c"


@pytest.mark.parametrize("fill", [-1, 256, True])
def test_a_fill_that_is_no_byte_is_refused(fill: int):
    with pytest.raises(ParameterError, match=r"image: fill: .* (is not from 0 to 255|is not a whole number)"):
        ImageSource(path="a", fill=fill)


@pytest.mark.parametrize("start", [-1, -(10**30)])
def test_a_negative_address_is_refused(load: Load, start: int):
    with pytest.raises(ParameterError, match="start"):
        load(hex_file((DATA, 0, b"x")), start=start)


@pytest.mark.parametrize("option", [{"start": 5}, {"stop": 5}, {"fill": 0}, {"board": "9900"}])
def test_options_of_other_formats_are_refused_for_a_binary_file(load: Load, option: dict[str, Any]):
    """If the option were ignored, the whole file would be sent."""
    with pytest.raises(ParameterError, match=next(iter(option))):
        load(b"firmware", "image.bin", **option)
    with pytest.raises(ParameterError, match=next(iter(option))):
        ImageSource(path="image.bin", format="binary", **option)
    with pytest.raises(ParameterError, match=next(iter(option))):
        load(with_suffix(bytes(20)), "image.dfu", **option)


# ---- what is not an image ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["image.bin", "image.hex", "image.s19"])
@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_image_is_refused(load: Load, name: str, content: bytes):
    if name.endswith(".bin") and content:
        assert load(content, name) == content
        return
    with pytest.raises(ParameterError, match="empty") as info:
        load(content, name)
    assert name in str(info.value)


def test_a_hex_file_without_data_is_refused(load: Load):
    for options in ({}, {"start": 0}, {"stop": 10}, {"start": 1, "stop": 10}):
        with pytest.raises(ParameterError, match="empty"):
            load(hex_file(), **options)


@pytest.mark.parametrize("name", ["nothing.bin", ".", "", "x" * 300, "a\0b"])
def test_an_image_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str):
    with pytest.raises(FuotaError) as info:
        load_image(ImageSource(path=name), tmp_path)
    assert "cannot be read" in str(info.value)


@pytest.mark.parametrize("name", ["image.hex", "image.s19", "image.elf", "image.UF2", "image.dfu"])
def test_a_binary_file_with_the_suffix_of_another_format_is_refused(load: Load, name: str):
    data = bytes(range(256))
    with pytest.raises(
        ParameterError, match=r"its name says .*, its contents are binary.* format binary \(--format binary\) sends"
    ):
        load(data, name)
    assert load(data, name, format="binary") == data


MEMORY = {0x08000000: bytes(range(200))}


@pytest.mark.parametrize(
    "name", ["image.bin", "image", "image.ihx", "image.s37", "image.hex", "image.zip", "image.elf"]
)
@pytest.mark.parametrize("content", [as_hex(MEMORY), as_srec(MEMORY), as_elf(MEMORY), as_uf2(MEMORY)])
def test_a_format_is_recognised_under_any_name(load: Load, name: str, content: str | bytes):
    assert load(content, name) == MEMORY[0x08000000]


@pytest.mark.parametrize("inner", [as_hex(MEMORY).encode(), as_srec(MEMORY).encode(), b"this is text"])
def test_a_file_in_a_dfu_file_is_not_sent_as_it_is(load: Load, inner: bytes):
    with pytest.raises(ParameterError, match=r"DFU with .* in it, expected a binary image"):
        load(with_suffix(inner), "image.dfu")
    assert load(with_suffix(inner), "image.dfu", format="dfu") == inner


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK\3\4" + bytes(100), "a ZIP archive, expected firmware: give the firmware in it; format binary"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n", "a pointer of Git LFS.*git lfs pull"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page, expected firmware: download the file again"),
        (b"404: Not Found", "text, expected firmware; format binary .* sends the file as it is"),
    ],
)
def test_what_is_no_firmware_is_refused_by_name_under_any_name(load: Load, content: bytes, expected: str):
    for name in ("image.bin", "image.hex" if b"404: " not in content else "image", "image.elf"):
        with pytest.raises(ParameterError, match=expected) as info:
            load(content, name)
        assert name in str(info.value)
        assert load(content, name, format="binary") == content


def test_a_format_overrides_the_contents(load: Load):
    assert load(as_hex(MEMORY), "image.hex", format="binary") == as_hex(MEMORY).encode()
    for kind in ("srec", "elf", "uf2", "dfu", "ti-txt", "universal-hex"):
        with pytest.raises(ParameterError):
            load(as_hex(MEMORY), "image.hex", format=kind)


# ---- bounds ------------------------------------------------------------------------------------------------


def test_many_gaps_do_not_make_an_image_of_any_size(load: Load):
    """60 kB of records could fill 131 MB otherwise."""
    text = as_hex({i * 0x10000: b"x" for i in range(2000)})
    assert len(text) < 61_000
    with pytest.raises(
        ParameterError, match=f"131006465 bytes from 0x0 to 0x7cf0000, expected at most {LARGEST_IMAGE}"
    ):
        load(text)


def test_a_binary_file_beyond_the_largest_image_is_refused():
    source = ImageSource(path="image.bin")
    data = bytes([1, 2, 3, 4]) * (LARGEST_IMAGE // 4)
    assert parse_image(data, source) == data
    with pytest.raises(ParameterError, match=f"{LARGEST_IMAGE + 1} bytes, expected at most {LARGEST_IMAGE}"):
        parse_image(data + b"x", source)


class Endless(io.RawIOBase):
    """Stream that gives as many bytes as are asked for."""

    asked = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.asked = size
        return bytes(size)


def test_a_stream_is_read_up_to_the_largest_file():
    source = ImageSource(path="-")
    assert read_image(source, stream=io.BytesIO(b"firmware")).data == b"firmware"
    endless = Endless()
    with pytest.raises(ParameterError, match=f"image -: more than {LARGEST_FILE} bytes"):
        read_image(source, stream=endless)  # type: ignore[arg-type]
    assert endless.asked == LARGEST_FILE + 1


# ---- where an image comes from -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"path": "a", "package": "b", "name": "C"},
        {"path": "a", "name": "C"},
        {"package": "b"},
        {"name": "C"},
    ],
)
def test_an_image_source_is_either_a_path_or_a_constant(fields: dict[str, str]):
    with pytest.raises(ParameterError, match=r"path|package"):
        ImageSource(**fields)


def test_an_image_path_is_relative_to_the_folder(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.bin").write_bytes(b"x")
    assert load_image(ImageSource(path="images/a.bin"), tmp_path) == b"x"
    assert load_image(ImageSource(path="a.bin"), str(tmp_path / "images")) == b"x"
    assert load_image(ImageSource(path=str(tmp_path / "images" / "a.bin")), "/nowhere") == b"x"
