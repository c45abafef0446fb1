"""What is taken where bytes are taken: anything C-contiguous, in place, and nothing else."""

from __future__ import annotations

from array import array
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest

from fuota_fec.buffers import byte_length
from fuota_fec.errors import ParameterError


@pytest.mark.parametrize(
    ("buffer", "length"),
    [
        (b"", 0),
        (b"abc", 3),
        (bytearray(5), 5),
        (memoryview(b"abcd")[1:3], 2),
        (memoryview(array("H", [1, 2, 3])), 6),
        (array("I", [1, 2]), 8),
        (np.zeros(7, np.uint8), 7),
        (np.zeros((3, 4), np.uint8), 12),
        (np.zeros((3, 4), np.uint8)[1:], 8),
        (np.zeros(3, np.float64), 24),
        (np.zeros((0, 5), np.uint8), 0),
        (np.zeros((), np.uint16), 2),
        (np.frombuffer(b"read-only", np.uint8), 9),
    ],
)
def test_byte_length_counts_bytes_not_items(buffer, length: int):
    assert byte_length("image", buffer) == length


def test_byte_length_takes_a_mapped_file(tmp_path: Path):
    path = tmp_path / "image.bin"
    path.write_bytes(bytes(5000))
    with path.open("r+b") as file, mmap(file.fileno(), 0) as mapped:
        assert byte_length("image", mapped) == 5000


@pytest.mark.parametrize("value", ["text", None, 5, 1.5, [1, 2], (b"a",), {b"a": 1}, object(), range(3)])
def test_byte_length_refuses_what_is_not_a_buffer(value):
    with pytest.raises(ParameterError) as info:
        byte_length("image", value)
    assert str(info.value).startswith("image: ")
    assert type(value).__name__ in str(info.value)


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((3, 4), np.uint8)[:, :2],
        np.zeros(8, np.uint8)[::2],
        np.zeros(8, np.uint8)[::-1],
        np.zeros((3, 4), np.uint8, order="F"),
        memoryview(b"abcdef")[::2],
    ],
)
def test_byte_length_refuses_a_buffer_with_gaps(value):
    with pytest.raises(ParameterError, match=r"image.*C-contiguous"):
        byte_length("image", value)


def test_byte_length_refuses_buffers_without_bytes():
    """Closed, released, or not plain values: an error of this library, never of another."""
    released, closed = memoryview(b"abc"), mmap(-1, 10)
    released.release()
    closed.close()
    for value in (released, closed, np.array(["2020-01-01"], "M8[D]")):
        with pytest.raises(ParameterError, match="image"):
            byte_length("image", value)


def test_byte_length_refuses_arrays_of_objects():
    """Their memory holds addresses, which would go on the air."""
    with pytest.raises(ParameterError, match="image"):
        byte_length("image", np.array([b"a", b"b"], object))
