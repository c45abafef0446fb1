"""Completion from loss bitmaps, compared with the reference decoder and with counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _reference
from fuota_fec.fleet import trials
from fuota_fec.planning import erasures


def test_fleet_trials_use_the_functions_of_erasures():
    assert trials.matrix_columns is erasures.matrix_columns
    assert trials.loss_thresholds is erasures.loss_thresholds


def completes_at(n_frags: int, dialect: str, rows: list[int], lost: np.ndarray) -> int:
    decoder = _reference.Decoder(n_frags, 1, dialect=dialect)
    block = bytes(range(n_frags))
    coded = [_reference.parity_row(n_frags, row, dialect) for row in rows]
    for i in np.flatnonzero(~lost[:n_frags]):
        decoder.push(int(i) + 1, block[i : i + 1])
    if decoder.complete:
        return 0
    for i, (row, bits) in enumerate(zip(rows, coded, strict=True)):
        if not lost[n_frags + i]:
            total = 0
            for c in range(n_frags):
                total ^= block[c] * (bits >> c & 1)
            decoder.push(n_frags + row, bytes([total]))
            if decoder.complete:
                return i + 1
    return -1


@settings(max_examples=40)
@given(
    n_frags=st.sampled_from([1, 2, 7, 33, 64]),
    n_rows=st.sampled_from([0, 1, 20, 65]),
    loss=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    dialect=st.sampled_from(["1.0.0", "2.0.0"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_device_completes_where_a_decoder_does(n_frags, n_rows, loss, dialect, seed):
    lost = np.random.default_rng(seed).random((3, n_frags + n_rows)) < loss
    rows = list(range(1, n_rows + 1))
    columns = erasures.matrix_columns(n_frags, dialect, np.array(rows, np.uint32))
    expected = [completes_at(n_frags, dialect, rows, device) for device in lost]
    assert erasures.needed_of(columns, n_frags, lost).tolist() == expected


def completes_by_rank(rows: np.ndarray, lost: np.ndarray) -> int:
    """Plain elimination of the rows received, in order, over the columns lost."""
    n_frags = rows.shape[1]
    missing = np.flatnonzero(lost[:n_frags])
    basis: dict[int, int] = {}
    for i, row in enumerate(rows):
        if len(basis) == missing.size:
            break
        bits = 0 if lost[n_frags + i] else int("".join(map(str, row[missing])) or "0", 2)
        while bits and (top := bits.bit_length()) in basis:
            bits ^= basis[top]
        if bits:
            basis[bits.bit_length()] = bits
            if len(basis) == missing.size:
                return i + 1
    return 0 if missing.size == 0 else -1


@settings(max_examples=60, deadline=None)
@given(
    n_frags=st.sampled_from([1, 5, 63, 64, 65, 130, 200, 320]),
    n_rows=st.sampled_from([1, 64, 200, 447, 600]),
    rank=st.sampled_from([1, 7, 8, 9, 63, 65, 128, 190, 320]),
    sparse=st.booleans(),
    loss=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_dependent_rows_of_any_matrix_give_no_rank(n_frags, n_rows, rank, sparse, loss, seed):
    """Rows that repeat, are zero, or are sums of a few others for a long time: pivots come in any number at a time."""
    rng = np.random.default_rng(seed)
    few = rng.integers(0, 2, (rank, n_frags), dtype=np.uint8)
    mix = rng.random((n_rows, rank)) < (1.5 / rank if sparse else 0.5)
    rows = (mix.astype(np.int64) @ few % 2).astype(np.uint8)
    late = rng.integers(0, 2, n_rows // 3)
    rows[n_rows - late.size :] ^= (late[:, None] * rng.integers(0, 2, (late.size, n_frags))).astype(np.uint8)
    bits = np.zeros((-(-n_rows // 64) * 64, n_frags), np.uint8)
    bits[:n_rows] = rows
    windows = np.packbits(bits.reshape(-1, 64, n_frags), axis=1, bitorder="little")
    columns = np.ascontiguousarray(windows.transpose(0, 2, 1)).view(np.uint64).reshape(-1)
    lost = np.concatenate([rng.random((9, n_frags)) < loss, rng.random((9, n_rows)) < loss / 3], axis=1)
    expected = [completes_by_rank(rows, device) for device in lost]
    for kernel in ff.kernels():
        assert erasures.needed_of(columns, n_frags, lost, kernel).tolist() == expected


@settings(max_examples=40)
@given(
    n_frags=st.integers(1, 40),
    n_rows=st.integers(0, 40),
    loss=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_ideal_code_takes_as_many_as_were_lost(n_frags, n_rows, loss, seed):
    lost = np.random.default_rng(seed).random((5, n_frags + n_rows)) < loss
    for device, needed in zip(lost, erasures.needed_ideally(n_frags, lost).tolist(), strict=True):
        n_lost = int(device[:n_frags].sum())
        received = np.flatnonzero(~device[n_frags:])
        expected = 0 if n_lost == 0 else int(received[n_lost - 1]) + 1 if received.size >= n_lost else -1
        assert needed == expected


def test_no_code_does_better_than_the_ideal_one():
    lost = np.random.default_rng(3).random((2000, 80)) < 0.15
    columns = erasures.matrix_columns(40, "2.0.0", np.arange(1, 41, dtype=np.uint32))
    exact, ideal = erasures.needed_of(columns, 40, lost), erasures.needed_ideally(40, lost)
    assert np.all((exact < 0) | ((ideal >= 0) & (ideal <= exact)))


@pytest.mark.parametrize("loss", [1.0, -0.1, float("nan"), "much", [0.1, 0.2], [[0.1]]])
def test_a_value_that_is_not_a_loss_is_refused(loss):
    with pytest.raises(ff.ParameterError, match="loss"):
        erasures.loss_values(loss, 3)
