"""However the work is split, the bytes are the same: by rows, by byte columns, in two calls into one buffer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _core
from fuota_fec.codec.parity import make_panels

KERNELS = ff.kernels()
SIZES = [1, 2, 3, 7, 8, 9, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025]


def random_block(n_frags: int, frag_size: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n_frags, frag_size), np.uint8)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("n_frags", SIZES)
def test_every_kernel_gives_the_portable_bytes(n_frags, dialect, kernel):
    for frag_size, n_coded in ((1, 1), (5, 40), (64, 9), (242, 17), (255, 300)):
        block = random_block(n_frags, frag_size)
        expected = ff.encode(block, frag_size, n_coded, dialect=dialect, kernel="portable")
        assert np.array_equal(ff.encode(block, frag_size, n_coded, dialect=dialect, kernel=kernel), expected)


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=40)
@given(
    n_frags=st.sampled_from(SIZES[:15]),
    frag_size=st.integers(1, 255),
    n_coded=st.integers(1, 120),
    at=st.integers(0, 120),
    gap=st.integers(0, 9),
)
def test_two_calls_write_their_rows_into_one_buffer(kernel, n_frags, frag_size, n_coded, at, gap):
    """The second call leaves what the first wrote, and neither touches what lies between."""
    at = min(at, n_coded)
    block = random_block(n_frags, frag_size)
    rows = np.arange(1, n_coded + 1, dtype=np.uint32)
    whole = ff.encode(block, frag_size, n_coded, kernel="portable")
    stride = frag_size + gap
    out = np.full((n_coded, stride), 0xA5, np.uint8)
    for first, last in ((at, n_coded), (0, at)):
        panels = make_panels(n_frags, 1, rows[first:last], kernel)
        _core.encode_into(block, frag_size, panels, last - first, out, first * stride, stride, kernel)
    assert np.array_equal(out[:, :frag_size], whole)
    assert (out[:, frag_size:] == 0xA5).all()


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=40)
@given(n_frags=st.sampled_from(SIZES[:15]), frag_size=st.integers(2, 255), data=st.data())
def test_byte_columns_encoded_apart_give_the_whole(kernel, n_frags, frag_size, data):
    at = data.draw(st.integers(1, frag_size - 1))
    block = random_block(n_frags, frag_size)
    left = ff.encode(np.ascontiguousarray(block[:, :at]), at, 20, kernel=kernel)
    right = ff.encode(np.ascontiguousarray(block[:, at:]), frag_size - at, 20, kernel=kernel)
    assert np.array_equal(np.hstack([left, right]), ff.encode(block, frag_size, 20, kernel="portable"))
