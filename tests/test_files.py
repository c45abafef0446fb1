"""Files of a bounded size; pipes, devices and directories are refused without waiting for them."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import pytest

from fuota_fec.errors import ParameterError
from fuota_fec.files import LARGEST_FILE, map_file, read_file, read_stream, read_text


def test_a_file_is_read_whole(tmp_path: Path):
    (tmp_path / "a").write_bytes(bytes(100_000))
    (tmp_path / "link").symlink_to("a")
    assert read_file(tmp_path / "a", "x") == read_file(tmp_path / "link", "x") == bytes(100_000)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pipe", "it is a pipe, expected a regular file"),
        ("folder", "it is a directory, expected a regular file"),
        ("/dev/zero", "it is a device, expected a regular file"),
        ("nothing", "No such file or directory"),
        ("a\0b", "embedded null"),
        ("locked", "Permission denied"),
        ("socket", "No such device or address"),
    ],
)
def test_anything_else_is_refused_at_once(tmp_path: Path, name: str, expected: str):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "locked").write_bytes(b"x")
    (tmp_path / "locked").chmod(0)
    if name == "locked" and os.access(tmp_path / "locked", os.R_OK):
        pytest.skip("this user may read any file")
    with socket.socket(socket.AF_UNIX) as other:
        if name == "socket":
            os.chdir(tmp_path)
            other.bind("socket")
        with pytest.raises(ParameterError, match=f"image x: cannot be read: .*{expected}"):
            read_file(tmp_path / name, "image x")


def test_a_file_beyond_the_largest_is_refused_without_reading_it(tmp_path: Path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ParameterError, match=f"image x: more than {LARGEST_FILE} bytes, expected at most"):
        read_file(tmp_path / "large", "image x")


def test_a_stream_is_read_up_to_the_largest():
    assert read_stream(io.BytesIO(b"abc"), "x") == b"abc"


def test_a_file_that_has_grown_is_read_whole_up_to_the_largest():
    assert read_stream(io.BytesIO(b"abcdef"), "x", size=3) == b"abcdef"
    assert read_stream(io.BytesIO(b"ab"), "x", size=3) == b"ab"
    assert read_stream(io.BytesIO(b"abcdef"), "x", size=3, most=float("inf")) == b"abcdef"
    with pytest.raises(ParameterError, match="more than 5 bytes"):
        read_stream(io.BytesIO(b"abcdef"), "x", size=3, most=5)


def test_text_is_utf_8_with_or_without_a_mark(tmp_path: Path):
    path = tmp_path / "a.txt"
    for data in ("Zähler".encode(), "Zähler".encode("utf-8-sig")):
        path.write_bytes(data)
        assert read_text(path) == "Zähler"
    path.write_bytes(b"\xff")
    with pytest.raises(ParameterError, match="cannot be read: not UTF-8 text"):
        read_text(path)


def test_a_file_is_mapped_read_only(tmp_path):
    path = tmp_path / "a.bin"
    for data in (b"", b"abc"):
        path.write_bytes(data)
        mapped = map_file(path)
        assert mapped.tobytes() == data
    assert not mapped.flags.writeable


def test_a_file_that_cannot_be_mapped_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ParameterError, match=str(path)):
            map_file(path)
