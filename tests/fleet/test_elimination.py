"""Elimination over rows outside the parity matrix."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.fleet.elimination import RowSpace, late_row
from fuota_fec.wire.fragmentation import DataFragment

SIZE = 5


@given(n_frags=st.integers(1, 40), version=st.sampled_from(["1.0.0", "2.0.0"]), seed=st.integers(0, 2**32))
def test_rows_of_the_matrix_give_what_the_decoder_gives(n_frags: int, version: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rng.bytes(n_frags * SIZE)
    frames = [bytes(f)[3:] for f in ff.prepare(data, SIZE, n_coded=2 * n_frags + 5, version=version).frames]
    decoder = ff.Decoder(n_frags, SIZE, version=version)
    first = [DataFragment(frag_index=0, n=1, payload=frames[0])]
    rows = RowSpace(n_frags, version, first)
    decoder.push(1, frames[0])
    for n in rng.integers(1, len(frames) + 1, 4 * n_frags).tolist():
        assert rows.push(n, frames[n - 1]) == decoder.push(n, frames[n - 1])
        assert rows.missing == decoder.missing
        if not rows.missing:
            assert rows.block(SIZE) == data
            assert pickle.loads(pickle.dumps(rows)).block(SIZE) == data
            return


@pytest.mark.parametrize("n_frags", [1, 2, 3, 60, 64])
def test_a_late_row_is_drawn_with_signed_numbers(n_frags: int) -> None:
    """An independent generator on the wrapped arithmetic of numpy."""
    for n in range(1 - n_frags, 1):
        x = np.int32(1 + 1001 * n)
        drawn, modulus = [], n_frags + (1 if n_frags & (n_frags - 1) == 0 else 0)
        while len(drawn) < n_frags // 2:
            bits = (int(x) & 1) ^ ((int(x) & 32) // 32)
            x = np.int32(int(np.fix(int(x) / 2)) + (bits << 22))
            r = int(x.astype(np.uint32)) % modulus
            if r < n_frags:
                drawn.append(r)
        assert late_row(n_frags, n) == sum(1 << i for i in set(drawn))


def test_the_first_of_two_contradictory_rows_is_kept() -> None:
    rows = RowSpace(2, "1.0.0", [])
    assert not rows.push(1, b"right")
    assert not rows.push(1, b"wrong")
    assert rows.push(2, b"other")
    assert rows.block(SIZE) == b"rightother"
