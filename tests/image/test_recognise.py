"""Kinds of files by their contents, whatever their names."""

from __future__ import annotations

import random

import pytest
from image_files import as_elf, as_hex, as_srec, as_ti_txt, as_uf2, dfuse_body, with_suffix

from fuota_fec.image.recognise import HEAD_LEN, claim, recognise

IMAGE = bytes(range(256)) * 20
MEMORY = {0x8000: IMAGE}
UNIVERSAL = ":020000040000FA\n:0400000A9900C0DEBB\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (as_hex(MEMORY).encode(), "hex"),
        (b"\xef\xbb\xbf\r\n\r\n" + as_hex(MEMORY).lower().encode(), "hex"),
        (b"junk before\n" + as_hex(MEMORY).encode(), "hex"),
        (b"\xba" + as_hex({0: b"\1\2\3\4"}).encode()[1:], "hex"),
        (as_hex({0: b"x"}).encode() + bytes(5000), "hex"),
        (UNIVERSAL.encode(), "universal-hex"),
        (as_srec(MEMORY).encode(), "srec"),
        (b"S9030000FC", "srec"),
        (as_ti_txt(MEMORY).encode(), "ti-txt"),
        (as_elf(MEMORY), "elf"),
        (as_uf2(MEMORY), "uf2"),
        (with_suffix(IMAGE), "dfu"),
        (dfuse_body({0: MEMORY}), "dfu"),
        (IMAGE, "binary"),
        (b"firmware", "binary"),
        (b"", "binary"),
        (b"\xff" * 100, "binary"),
        (bytes(100), "binary"),
        (b"MZ" + bytes(100), "binary"),
        (b"\xff\xfe" + bytes(range(100)), "binary"),
    ],
)
def test_formats_are_recognised_by_their_contents(data: bytes, expected: str):
    assert recognise(data).format == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"PK\3\4" + bytes(26), "a ZIP archive"),
        (bytes(257) + b"ustar\x0000", "a tar archive"),
        (b"\x1f\x8b\x08" + bytes(20), "a gzip file"),
        (b"\xfd7zXZ\0", "an xz file"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
        (b"BZh91AY&SY", "a bzip2 file"),
        (b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0", "a PE file, a program for Windows"),
        (b"\xcf\xfa\xed\xfe" + bytes(20), "a Mach-O file"),
        (b"!<arch>\n", "a static library or a package (ar)"),
        (b"\n<!doctype HTML>\n<p>404", "an HTML page"),
        (b"<html>404</html>", "an HTML page"),
        (b'<?xml version="1.0"?>', "an XML file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b'{"message": "Not Found"}', "a JSON file"),
        (b'[\n {"a": 1}]', "a JSON file"),
        (b"[campaign]\nid = 1\n", "text"),
        (b"# DataFragment frames (TS004)\n# dialect 1.0.0\n", "a file of frames, of fuota-fec encode"),
        (b"-----BEGIN PRIVATE KEY-----", "a PEM file, of a key or a certificate"),
        (b"404: Not Found", "text"),
        ("прошивка не найдена".encode(), "text"),
        (":0400000001020304F2\n".encode("utf-16"), "text"),
        (":0400000001020304F2\n".encode("utf-16-le"), "text"),
        ("a" + "ö" * HEAD_LEN, "text"),
    ],
)
def test_what_is_no_firmware_is_named(data: bytes | str, expected: str):
    kind = recognise(data.encode() if isinstance(data, str) else data)
    assert (kind.format, kind.name) == (None, expected)


def test_random_bytes_are_binary():
    rng = random.Random(1)
    for length in range(1, 400):
        assert recognise(rng.randbytes(length)).format == "binary", length


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.HEX", "hex"), ("b/c.ihx", "hex"), ("a.h86", "hex"), ("a.s37", "srec"), ("a.axf", "elf"), ("a.b.dfu", "dfu")],
)
def test_a_name_may_claim_a_format(name: str, expected: str):
    assert claim(name) == expected
    for other in (f"{name}.bin", "hex", ".hex", "a.img", "a.hex.gz", ""):
        assert claim(other) is None


def test_an_old_tar_archive_is_recognised_by_its_checksum():
    header = bytearray(512)
    header[:8], header[100:107], header[124:135] = b"firmware", b"0000644", b"00000000005"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive = bytes(header) + b"hello".ljust(1024, b"\0")
    assert recognise(archive).name == "a tar archive"
    assert recognise(b"g" + archive[1:]).format == "binary"


def test_records_after_a_long_comment_are_recognised():
    assert recognise(b"; a comment\n" * 1000 + as_hex({0: bytes(32)}).encode()).format == "hex"
    assert recognise(b"a word of text\n" * 1000).name == "text"
