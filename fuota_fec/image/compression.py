"""Compression of whole images, for boot loaders that unpack them.

    heatshrink   a stream without a header: the boot loader knows window and lookahead
    lz4          one frame with the size of the image; its window is 64 KiB
    zstd         one frame with the size of the image

The compressed bytes depend on the version of the package that makes them (heatshrink2, lz4, zstandard) and on nothing
else.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any, get_args

from fuota_fec.checks import expected_of, integer, shown
from fuota_fec.devices.behaviour import Compression
from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.image.memory import LARGEST_IMAGE

METHODS: tuple[Compression, ...] = get_args(Compression)
WINDOWS: dict[str, tuple[int, int, int]] = {"heatshrink": (8, 4, 14), "lz4": (16, 16, 16), "zstd": (14, 10, 24)}
"""Method → usual, smallest and largest window, as exponents of 2. A device needs as much memory, in bytes. heatshrink2
does not unpack what it makes with the window 15 of the format."""
LOOKAHEAD = 4
"""Usual lookahead of heatshrink, an exponent of 2, as that of its C library is."""
LZ4_LEVEL, ZSTD_LEVEL = 12, 19
PACKAGES = {"heatshrink": "heatshrink2.core", "lz4": "lz4.frame", "zstd": "zstandard"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedImage:
    """A compressed image, and what a boot loader must know to unpack it."""

    data: bytes = field(repr=False)
    """What is sent to the devices."""
    method: Compression
    window: int
    """Exponent of 2 of the window: bytes of the image that the boot loader keeps."""
    lookahead: int | None
    """heatshrink: exponent of 2 of the lookahead."""
    image_len: int


def compress_image(
    image: bytes, method: Compression, *, window: int | None = None, lookahead: int | None = None
) -> CompressedImage:
    """The image, compressed, after it was unpacked again and compared.

    ParameterError for an unknown method, a window or lookahead that the method does not have, and for an image that
    does not become smaller.
    """
    window, lookahead = settings_of(method, window, lookahead)
    if not 0 < len(image) <= LARGEST_IMAGE:
        raise ParameterError(f"compress: an image of {len(image)} bytes, expected 1 to {LARGEST_IMAGE}")
    data = _compressed(image, method, window, lookahead)
    if _unpacked(data, method, window, lookahead, len(image)) != image:
        raise ParameterError(f"compress: {method} with window {window} does not unpack to the image, expected another")
    if len(data) >= len(image):
        raise ParameterError(
            f"compress: {len(data)} bytes with {method} are not fewer than those of the image, {len(image)}: send it "
            "as it is"
        )
    return CompressedImage(data=data, method=method, window=window, lookahead=lookahead, image_len=len(image))


def decompress_image(
    data: bytes, method: Compression, *, image_len: int, window: int | None = None, lookahead: int | None = None
) -> bytes:
    """The image of compressed bytes. ParameterError if they do not unpack to an image of this length."""
    window, lookahead = settings_of(method, window, lookahead)
    integer("image_len", image_len, 1, LARGEST_IMAGE)
    problem = ""
    try:
        image = _unpacked(data, method, window, lookahead, image_len)
    except MissingExtraError:
        raise
    except Exception as error:  # Each package has errors of its own for damaged data.
        problem = str(error) or type(error).__name__
    if problem:
        raise ParameterError(f"compress: {len(data)} bytes cannot be unpacked with {method}: {problem}")
    if len(image) != image_len:
        raise ParameterError(f"compress: {len(data)} bytes unpack to {len(image)} bytes, expected {image_len}")
    return image


def settings_of(method: str, window: int | None, lookahead: int | None) -> tuple[int, int | None]:
    """Window and lookahead of a method. ParameterError if it does not have them."""
    if method not in METHODS:
        raise ParameterError(f"compress: {shown(method)} is not known, {expected_of(str(method), METHODS)}")
    usual, low, high = WINDOWS[method]
    window = usual if window is None else integer(f"window of {method}", window, low, high)
    if method != "heatshrink":
        if lookahead is not None:
            raise ParameterError(f"lookahead: {shown(lookahead)} is for heatshrink, expected none with {method}")
        return window, None
    return window, integer("lookahead", min(LOOKAHEAD, window - 1) if lookahead is None else lookahead, 3, window - 1)


def _compressed(image: bytes, method: str, window: int, lookahead: int | None) -> bytes:
    package = _package(method)
    if method == "heatshrink":
        return bytes(package.encode(image, window_sz2=window, lookahead_sz2=lookahead))
    if method == "lz4":
        return bytes(package.compress(image, compression_level=LZ4_LEVEL, block_size=package.BLOCKSIZE_MAX64KB))
    parameters = package.ZstdCompressionParameters.from_level(ZSTD_LEVEL, source_size=len(image), window_log=window)
    return bytes(package.ZstdCompressor(compression_params=parameters).compress(image))


def _unpacked(data: bytes, method: str, window: int, lookahead: int | None, image_len: int) -> bytes:
    """At most one byte more than an image has, or the error of the package."""
    package = _package(method)
    if method == "heatshrink":
        return bytes(package.decode(data, window_sz2=window, lookahead_sz2=lookahead))
    if method == "lz4":
        unpacker = package.LZ4FrameDecompressor()
        image = bytes(unpacker.decompress(data, max_length=image_len + 1))
        if len(image) <= image_len and not unpacker.eof:
            raise ValueError("the end of the frame is missing")
        return image
    stated = package.get_frame_parameters(data).content_size
    if stated != image_len:
        raise ValueError(f"the frame states {stated} bytes, expected {image_len}")
    return bytes(package.ZstdDecompressor().decompress(data))


def _package(method: str) -> Any:
    name = PACKAGES[method]
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise MissingExtraError(
            f'compression with {method} needs the package {package}: pip install "fuota-fec[image]"',
            extra="image",
        ) from None
