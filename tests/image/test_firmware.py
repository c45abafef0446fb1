"""The image that was read: its bytes, segments, filler and warnings in one value."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest
from image_files import as_hex

from fuota_fec.image import FirmwareImage

Read = Callable[..., FirmwareImage]


def test_an_image_says_what_was_read(read: Read):
    image = read(as_hex({0x1000: bytes(range(100)), 0x1080: b"end"}), fill=0)
    assert image.segments == ((0x1000, 100), (0x1080, 3))
    assert (len(image.data), image.filler_len, image.fill) == (131, 28, 0)
    assert image.sha256 == hashlib.sha256(bytes(range(100)) + bytes(28) + b"end").hexdigest()
    assert image.warnings == ("28 of 131 bytes (21%) are filler 0x00: no data between 0x1063 and 0x1080",)
    assert image.where == "image image.bin"


def test_a_binary_image_has_neither_segments_nor_filler(read: Read):
    image = read(bytes(range(100)))
    assert (image.segments, image.filler_len, image.warnings) == ((), 0, ())


def test_an_image_cannot_be_changed_and_its_bytes_are_not_shown(read: Read):
    image = read(bytes(range(100)))
    with pytest.raises(FrozenInstanceError):
        image.data = b""  # type: ignore[misc]
    assert "data=" not in repr(image)
