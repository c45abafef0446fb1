"""Versions in images: headers of MCUboot and ESP-IDF, and what a boot loader would refuse."""

from __future__ import annotations

import hashlib
import struct
from functools import reduce
from operator import xor
from typing import Any

import pytest

from fuota_fec.image import ImageSource, image_of
from fuota_fec.image.versions import find_versions

BODY = bytes(range(256)) * 8


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, len(value)) + value


def area(magic: int, *entries: bytes) -> bytes:
    body = b"".join(entries)
    return struct.pack("<HH", magic, 4 + len(body)) + body


def mcuboot(*, protected: bytes = b"", flags: int = 0, header_len: int = 32, digest: bytes | None = None) -> bytes:
    header = struct.pack(
        "<IIHHIIBBHII", 0x96F3B83D, 0, header_len, len(protected), len(BODY), flags, 1, 2, 345, 6789, 0
    )
    signed = header.ljust(header_len, b"\0") + BODY + protected
    digest = hashlib.sha256(signed).digest() if digest is None else digest
    return signed + area(0x6907, tlv(0x10, digest), tlv(0x01, bytes(32)), tlv(0x22, bytes(71)))


@pytest.mark.parametrize("options", [{}, {"header_len": 512}, {"protected": area(0x6908, tlv(0x50, b"\7\0\0\0"))}])
def test_a_header_of_mcuboot_and_its_trailer_are_read(options: dict[str, Any]):
    [found] = find_versions(mcuboot(**options))
    assert (found.kind, found.offset, found.version, found.problems) == ("MCUboot", 0, "1.2.345+6789", ())
    counter = ["SEC_CNT"] if "protected" in options else []
    assert found.facts["tlvs"] == [*counter, "SHA256", "KEYHASH", "ECDSA_SIG"]
    assert found.facts["signed"]
    assert not found.facts["encrypted"]
    assert found.facts["image_len"] == len(BODY)


def test_a_changed_or_cut_image_of_mcuboot_is_a_problem():
    whole = mcuboot()
    [found] = find_versions(whole[:100] + b"!" + whole[101:])
    assert found.problems == ("MCUboot: the SHA256 of the trailer is not that of the image",)
    for cut in (whole[:1000], whole[:-1], whole[: 32 + len(BODY)]):
        [found] = find_versions(cut)
        assert found.problems == (
            f"MCUboot: no trailer (TLVs) at 0x820, the end that the header says, in an image of {len(cut)} bytes",
        )
    image = image_of(whole[:1000], ImageSource(path="a.bin"))
    assert image.warnings == image.versions[0].problems == found.problems[:0] + image.versions[0].problems


def test_the_digest_of_an_encrypted_image_is_not_checked():
    [found] = find_versions(mcuboot(flags=4, digest=bytes(32)))
    assert (found.facts["encrypted"], found.problems) == (True, ())


def test_an_image_behind_a_boot_loader_is_found_and_the_boot_loader_is_none():
    """The magic is in the code of MCUboot too."""
    loader = bytes(100) + struct.pack("<I", 0x96F3B83D) + bytes(396)
    [found] = find_versions(loader + mcuboot())
    assert (found.offset, found.version) == (500, "1.2.345+6789")
    assert find_versions(loader) == ()
    assert find_versions(struct.pack("<I", 0x96F3B83D) * 1000) == ()


def esp(*, hashed: bool = True, version: bytes = b"v1.4-dirty") -> bytes:
    app = struct.pack("<II8x32s32s16s16s32s", 0xABCD5432, 3, version, b"meter", b"12:00:00", b"Jan  1 2025", b"v5.1")
    segments = [app.ljust(256, b"\0"), BODY]
    head = struct.pack("<BBBBIB3xHBHH4xB", 0xE9, len(segments), 2, 0x20, 0x40080400, 0xEE, 5, 0, 0, 99, hashed)
    body = head + b"".join(struct.pack("<II", 0x3C000020, len(data)) + data for data in segments)
    end = (len(body) // 16 + 1) * 16
    checksum = reduce(xor, b"".join(segments), 0xEF)
    whole = body.ljust(end - 1, b"\0") + bytes([checksum])
    return whole + (hashlib.sha256(whole).digest() if hashed else b"")


@pytest.mark.parametrize("hashed", [True, False])
def test_a_header_of_esp_idf_is_read(hashed: bool):
    [found] = find_versions(esp(hashed=hashed))
    assert (found.kind, found.version, found.problems) == ("ESP-IDF", "v1.4-dirty", ())
    assert found.facts == {
        "project": "meter",
        "chip": "ESP32-C3",
        "built": "Jan  1 2025 12:00:00",
        "idf": "v5.1",
        "secure_version": 3,
        "entry": 0x40080400,
    }


def test_a_changed_or_cut_image_of_esp_idf_is_a_problem():
    whole = esp()
    at = whole.index(BODY) + 5
    for data, expected in (
        (whole[:at] + b"!" + whole[at + 1 :], "ESP-IDF: the checksum is not that of the segments"),
        (whole[:1] + whole[1:25].replace(b"\xee", b"\xef") + whole[25:], "ESP-IDF: the SHA-256 at the end is not that"),
        (whole[:1000], "ESP-IDF: segment 1 of 2 ends at 0x928, in an image of 1000 bytes"),
        (whole[: len(whole) - 33], "ESP-IDF: the checksum"),
        (whole[:-1], "ESP-IDF: the SHA-256"),
    ):
        [found] = find_versions(data)
        assert [text for text in found.problems if text.startswith(expected)], expected


def test_a_version_never_has_characters_that_change_a_terminal():
    [found] = find_versions(esp(version=b"\x1b[31m\xff\n1"))
    assert found.version == "�[31m��1"


@pytest.mark.parametrize("data", [b"", b"\xe9", b"\xe9" * 1000, struct.pack("<I", 0x96F3B83D), BODY])
def test_other_bytes_have_no_version(data: bytes):
    assert [found for found in find_versions(data) if not found.problems] == []
