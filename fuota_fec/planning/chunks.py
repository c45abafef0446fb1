"""Division of simulated devices into chunks of about equal work.

A call of the core cannot be interrupted. A task of an executor should be neither so short that its overhead counts nor
so long that workers wait for the last one, or an interrupted process for the tasks that run.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fuota_fec import _core

CHUNK = 65536
"""Most devices in a chunk."""
CALL = 0.05
"""Expected time of a call of the core, in seconds."""
TASK = 0.25
"""The same for a task of an executor."""
_SLOWNESS = {"avx512_gfni": 1.0, "avx2_gfni": 2.5, "avx2": 2.5}
"""Time of a device with many losses, beside that with the fastest kernel."""
_SLOWNESS_OF_OTHERS = 14.0
_LEAST_TASK = 0.02
"""Work for which a task is worth it."""
_EVEN = 24
"""Wanted number of chunks, and its multiples: most numbers of workers share them evenly."""


def device_seconds(n_frags: int, n_rows: int, thresholds: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Expected time of one device with each of these loss probabilities (in units of 2^-32) with the fastest kernel."""
    lost = thresholds * (n_frags / 2**32)
    lost[lost > n_rows] = 0  # no rows can be enough, which is seen at once
    drawn = 0.1 + (n_frags + n_rows) / 8192
    return np.asarray(1e-6 * (drawn + lost * (1e-2 + lost * (3e-5 + lost * 4.5e-8))))


def chunks(
    n_frags: int,
    n_rows: int,
    thresholds: npt.NDArray[np.uint32],
    n_devices: int,
    work: float,
    kernel: str | None = None,
) -> list[tuple[int, int]]:
    """First device and number of devices of each chunk; `work` is CALL or TASK. One threshold for all devices, or one
    for each. Kernel None is the one in use."""
    slowness = _SLOWNESS.get(kernel or _core.kernel(), _SLOWNESS_OF_OTHERS)
    seconds = np.maximum(slowness * device_seconds(n_frags, n_rows, thresholds), work / CHUNK)
    total = float(seconds.sum()) * (n_devices // seconds.size)
    n_chunks = max(-(-total // work), min(_EVEN, total // _LEAST_TASK), 1)
    if n_chunks > _EVEN:
        n_chunks = -(-n_chunks // _EVEN) * _EVEN
    ends = np.arange(1, n_chunks) / n_chunks
    if seconds.size == n_devices:
        done = np.cumsum(seconds)
        bounds = np.searchsorted(done, ends * done[-1])
    else:
        bounds = (ends * n_devices).astype(np.int64)
    edges = np.unique(np.concatenate([[0], bounds, [n_devices]])).tolist()
    return [(first, end - first) for first, end in pairwise(edges)]
