from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fuota_fec.image import FirmwareImage, ImageSource, read_image


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., FirmwareImage]:
    """The image of a file with this content, and what was found about it."""

    def make(content: str | bytes, name: str = "image.bin", **options: Any) -> FirmwareImage:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read_image(ImageSource(path=name, **options), tmp_path)

    return make


@pytest.fixture
def load(read: Callable[..., FirmwareImage]) -> Callable[..., bytes]:
    """The bytes of the image of a file with this content."""

    def make(content: str | bytes, name: str = "image.hex", **options: Any) -> bytes:
        return read(content, name, **options).data

    return make
