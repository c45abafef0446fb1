"""Versions that an image has inside: headers of MCUboot and of ESP-IDF, and whether the image agrees with them.

Sources: mcu-tools/mcuboot, boot/bootutil/include/bootutil/image.h; espressif/esp-idf, components/
bootloader_support/include/esp_app_format.h and esp_app_desc.h.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MCUBOOT_MAGIC = struct.pack("<I", 0x96F3B83D)
MCUBOOT_HEADER = struct.Struct("<IIHHIIBBHII")
PROTECTED_TLVS, TLVS = 0x6908, 0x6907
ENCRYPTED = 0x04 | 0x08
"""Flags of encrypted images; their digest is that of the plain text."""
TLV_NAMES = {
    0x01: "KEYHASH",
    0x02: "PUBKEY",
    0x10: "SHA256",
    0x11: "SHA384",
    0x12: "SHA512",
    0x20: "RSA2048_PSS",
    0x21: "ECDSA224",
    0x22: "ECDSA_SIG",
    0x23: "RSA3072_PSS",
    0x24: "ED25519",
    0x25: "SIG_PURE",
    0x30: "ENC_RSA2048",
    0x31: "ENC_KW",
    0x32: "ENC_EC256",
    0x33: "ENC_X25519",
    0x40: "DEPENDENCY",
    0x50: "SEC_CNT",
    0x60: "BOOT_RECORD",
}
DIGESTS = {0x10: "sha256", 0x11: "sha384", 0x12: "sha512"}
SIGNATURES = {0x20, 0x21, 0x22, 0x23, 0x24}
MOST_HEADERS = 8
"""Number of places with the magic of MCUboot that are looked at."""

ESP_MAGIC, ESP_APP_MAGIC = 0xE9, 0xABCD5432
ESP_HEADER, ESP_SEGMENT = struct.Struct("<BBBBIB3xHBHH4xB"), struct.Struct("<II")
ESP_APP = struct.Struct("<II8x32s32s16s16s32s")
ESP_CHECKSUM_SEED = 0xEF
ESP_CHIPS = {
    0: "ESP32",
    2: "ESP32-S2",
    5: "ESP32-C3",
    9: "ESP32-S3",
    12: "ESP32-C2",
    13: "ESP32-C6",
    16: "ESP32-H2",
    18: "ESP32-P4",
}


@dataclass(frozen=True, slots=True)
class Version:
    """Version in an image, at an offset."""

    kind: str
    """Header that has it: "MCUboot" or "ESP-IDF"."""
    offset: int
    version: str
    facts: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """Reasons why a boot loader will refuse the image."""


def find_versions(data: bytes) -> tuple[Version, ...]:
    """Versions in an image: the header at its start, and those of MCUboot elsewhere whose trailer is there too."""
    return (*_esp(data), *_mcuboot(data))


# ---- MCUboot -------------------------------------------------------------------------------------------------


def _mcuboot(data: bytes) -> Iterator[Version]:
    at = data.find(MCUBOOT_MAGIC)
    for _ in range(MOST_HEADERS):
        if at < 0:
            return
        if at + MCUBOOT_HEADER.size <= len(data) and (found := _mcuboot_at(data, at)) is not None:
            yield found
        at = data.find(MCUBOOT_MAGIC, at + 1)


def _mcuboot_at(data: bytes, at: int) -> Version | None:
    """Version of the header at an offset; None if it is no header but a program that looks for one."""
    _, load, header_len, protected_len, body_len, flags, major, minor, revision, build, pad = (
        MCUBOOT_HEADER.unpack_from(data, at)
    )
    end = at + header_len + body_len
    tlvs = _tlvs(data, end, protected_len)
    if header_len < MCUBOOT_HEADER.size or pad or (at > 0 and tlvs is None):
        return None
    problems = []
    if tlvs is None:
        problems.append(
            f"MCUboot: no trailer (TLVs) at {end:#x}, the end that the header says, in an image of {len(data)} bytes"
        )
        tlvs = []
    signed = memoryview(data)[at : end + protected_len]
    for kind, value in dict([] if flags & ENCRYPTED else tlvs).items():
        if kind in DIGESTS and hashlib.new(DIGESTS[kind], signed).digest() != value:
            problems.append(f"MCUboot: the {TLV_NAMES[kind]} of the trailer is not that of the image")
    facts = {
        "header_len": header_len,
        "image_len": body_len,
        "load_address": load,
        "flags": flags,
        "encrypted": bool(flags & ENCRYPTED),
        "signed": any(kind in SIGNATURES for kind, _ in tlvs),
        "tlvs": [TLV_NAMES.get(kind, f"{kind:#06x}") for kind, _ in tlvs],
    }
    return Version("MCUboot", at, f"{major}.{minor}.{revision}+{build}", facts, tuple(problems))


def _tlvs(data: bytes, at: int, protected_len: int) -> list[tuple[int, bytes]] | None:
    """Entries of the trailer, the protected ones first; None if there is no whole trailer."""
    entries: list[tuple[int, bytes]] = []
    for magic in (PROTECTED_TLVS, TLVS) if protected_len else (TLVS,):
        if at + 4 > len(data):
            return None
        found, total = struct.unpack_from("<HH", data, at)
        if found != magic or at + total > len(data):
            return None
        place, end = at + 4, at + total
        while place + 4 <= end:
            kind, length = struct.unpack_from("<HH", data, place)
            entries.append((kind, data[place + 4 : min(place + 4 + length, end)]))
            place += 4 + length
        at = end
    return entries


# ---- ESP-IDF -------------------------------------------------------------------------------------------------


def _esp(data: bytes) -> Iterator[Version]:
    if len(data) < ESP_HEADER.size + ESP_SEGMENT.size + ESP_APP.size or data[0] != ESP_MAGIC:
        return
    _, n_segments, _, _, entry, _, chip, _, _, _, hashed = ESP_HEADER.unpack_from(data)
    magic, secure, version, project, time, date, idf = ESP_APP.unpack_from(data, ESP_HEADER.size + ESP_SEGMENT.size)
    if magic != ESP_APP_MAGIC:
        return
    facts = {
        "project": _text(project),
        "chip": ESP_CHIPS.get(chip, f"chip {chip}"),
        "built": f"{_text(date)} {_text(time)}".strip(),
        "idf": _text(idf),
        "secure_version": secure,
        "entry": entry,
    }
    yield Version("ESP-IDF", 0, _text(version), facts, tuple(_esp_problems(data, n_segments, hashed)))


def _esp_problems(data: bytes, n_segments: int, hashed: int) -> Iterator[str]:
    at, checksum = ESP_HEADER.size, ESP_CHECKSUM_SEED
    for number in range(n_segments):
        length = ESP_SEGMENT.unpack_from(data, at)[1] if at + ESP_SEGMENT.size <= len(data) else 0
        start, at = at + ESP_SEGMENT.size, at + ESP_SEGMENT.size + length
        if at > len(data):
            yield f"ESP-IDF: segment {number} of {n_segments} ends at {at:#x}, in an image of {len(data)} bytes"
            return
        checksum ^= int(np.bitwise_xor.reduce(np.frombuffer(data[start:at], np.uint8), initial=0))
    end = (at // 16 + 1) * 16
    if end > len(data) or data[end - 1] != checksum:
        yield "ESP-IDF: the checksum is not that of the segments"
    elif hashed and hashlib.sha256(data[:end]).digest() != data[end : end + 32]:
        yield "ESP-IDF: the SHA-256 at the end is not that of the image"


def _text(raw: bytes) -> str:
    """Text up to the first NUL; bytes that cannot be printed are replaced."""
    text = raw.partition(b"\0")[0].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "�" for char in text)
