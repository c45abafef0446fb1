"""Chunks cover all devices in order, and none is much more work than wanted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.planning import chunks
from fuota_fec.planning.chunks import CALL, CHUNK, TASK, device_seconds

FASTEST = "avx512_gfni"


@given(
    n_frags=st.integers(1, 16383),
    n_rows=st.integers(0, 16383),
    losses=st.one_of(st.floats(0, 0.99), st.tuples(st.floats(0, 0.99), st.floats(0, 0.99))),
    n_devices=st.integers(1, 5000),
    work=st.sampled_from([CALL, TASK]),
    kernel=st.sampled_from(ff.kernels()),
)
def test_chunks_cover_all_devices_and_are_of_bounded_work(n_frags, n_rows, losses, n_devices, work, kernel):
    losses = np.linspace(*losses, n_devices) if isinstance(losses, tuple) else np.array([losses])
    thresholds = (losses * 2**32).astype(np.uint32)
    parts = chunks.chunks(n_frags, n_rows, thresholds, n_devices, work, kernel)
    assert [first for first, _ in parts] == [0, *np.cumsum([n for _, n in parts]).tolist()[:-1]]
    assert sum(n for _, n in parts) == n_devices
    each = np.broadcast_to(np.maximum(device_seconds(n_frags, n_rows, thresholds), work / CHUNK), n_devices)
    for first, n in parts:
        assert 1 <= n <= CHUNK
        assert each[first : first + n].sum() <= 1.001 * work + each[first : first + n].max()


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.7])
def test_a_large_fleet_is_shared_evenly(loss):
    parts = chunks.chunks(1000, 900, np.array([loss * 2**32], np.uint32), 10_000_000, TASK, FASTEST)
    counts = [n for _, n in parts]
    assert len(counts) % 24 == 0
    assert max(counts) - min(counts) <= 1
    assert max(counts) <= CHUNK


def test_a_little_work_is_one_chunk():
    assert chunks.chunks(100, 50, np.array([2**28], np.uint32), 1000, TASK, FASTEST) == [(0, 1000)]


def test_more_losses_are_more_work_until_no_rows_are_enough():
    seconds = device_seconds(4000, 800, (np.array([0.01, 0.05, 0.1, 0.19, 0.3]) * 2**32).astype(np.uint32))
    assert (np.diff(seconds)[:3] > 0).all()
    assert seconds[4] < seconds[0]


def test_slower_kernels_have_shorter_chunks():
    """So that a call and a task take about as long with any kernel."""
    thresholds = np.array([0.09 * 2**32], np.uint32)
    longest = [
        max(n for _, n in chunks.chunks(14745, 1638, thresholds, 100_000, TASK, kernel))
        for kernel in (FASTEST, "avx2", "portable")
    ]
    assert longest[0] > 2 * longest[1] > 4 * longest[2]
