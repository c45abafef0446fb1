"""Compression: every method unpacks to the image, and what does not pay or is damaged is refused."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import heatshrink2.core
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from releases import esp_stubs, micropython_2

from fuota_fec.devices.behaviour import Compression
from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.image.compression import METHODS, PACKAGES, WINDOWS, compress_image, decompress_image


@pytest.mark.parametrize("method", METHODS)
def test_real_firmware_becomes_smaller_and_unpacks(method: Compression):
    image = micropython_2()
    made = compress_image(image, method)
    assert len(made.data) < 0.85 * len(image)
    assert compress_image(image, method) == made
    unpacked = decompress_image(
        made.data, method, image_len=made.image_len, window=made.window, lookahead=made.lookahead
    )
    assert unpacked == image
    for stub in esp_stubs().values():
        made = compress_image(stub, method)
        assert decompress_image(made.data, method, image_len=len(stub)) == stub


@pytest.mark.parametrize("method", ["heatshrink", "zstd"])
def test_a_smaller_window_costs_bytes(method: Compression):
    image, (_, low, _) = micropython_2(), WINDOWS[method]
    small, large = (compress_image(image, method, window=window) for window in (low + 2, 13))
    assert len(large.data) < len(small.data)
    assert (small.window, large.window) == (low + 2, 13)
    assert (large.lookahead is None) == (method == "zstd")


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.integers(1, 60), st.sampled_from(METHODS))
def test_whatever_is_accepted_unpacks_to_the_image(piece: bytes, times: int, method: Compression):
    image = piece * times
    try:
        made = compress_image(image, method)
    except ParameterError:
        return
    assert len(made.data) < len(image)
    assert decompress_image(made.data, method, image_len=len(image)) == image


@pytest.mark.parametrize("method", METHODS)
def test_an_image_that_does_not_become_smaller_is_refused(method: Compression):
    image = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(100))
    with pytest.raises(ParameterError, match=f"bytes with {method} are not fewer than those of the image, 3200"):
        compress_image(image, method)


@pytest.mark.parametrize("method", METHODS)
def test_damaged_data_is_refused(method: Compression):
    image = esp_stubs()["esp32c3/2"]
    data = compress_image(image, method).data
    for damaged in (b"", data[: len(data) // 2], data[:40]):
        with pytest.raises(ParameterError, match=f"{len(damaged)} bytes (cannot be unpacked|unpack to)"):
            decompress_image(damaged, method, image_len=len(image))
    for length in (len(image) - 1, len(image) + 1):
        with pytest.raises(ParameterError, match=r"cannot be unpacked|unpack to"):
            decompress_image(data, method, image_len=length)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "lzma"}, "compress: 'lzma' is not known, expected one of heatshrink, lz4, zstd"),
        ({"method": "heatshrink", "window": 3}, "window of heatshrink: 3 is not from 4 to 14"),
        ({"method": "lz4", "window": 15}, "window of lz4: 15 is not from 16 to 16"),
        ({"method": "zstd", "window": True}, "window of zstd"),
        ({"method": "zstd", "lookahead": 4}, "lookahead: 4 is for heatshrink"),
        ({"method": "heatshrink", "window": 8, "lookahead": 8}, "lookahead: 8 is not from 3 to 7"),
        ({"method": "heatshrink", "image": b""}, "an image of 0 bytes"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str):
    with pytest.raises(ParameterError, match=message):
        compress_image(**{"image": bytes(100), **options})


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, method: Compression):
    monkeypatch.setitem(sys.modules, PACKAGES[method], None)
    package = PACKAGES[method].partition(".")[0]
    with pytest.raises(MissingExtraError, match=rf'{package}: pip install "fuota-fec\[image\]"'):
        compress_image(bytes(100), method)
    with pytest.raises(MissingExtraError):
        decompress_image(bytes(100), method, image_len=10)


def test_bytes_that_do_not_unpack_to_the_image_are_refused(monkeypatch: pytest.MonkeyPatch):
    whole = heatshrink2.core.encode
    monkeypatch.setattr("heatshrink2.core.encode", lambda data, **options: whole(data[:-1], **options))
    with pytest.raises(ParameterError, match="heatshrink with window 8 does not unpack to the image"):
        compress_image(bytes(100), "heatshrink")
