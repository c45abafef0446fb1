"""Completion of devices as the core computes it: the matrix by columns, loss probabilities, loss bitmaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fuota_fec import _core
from fuota_fec.checks import shown
from fuota_fec.codec.limits import Rows
from fuota_fec.codec.parity import ParityMatrix
from fuota_fec.errors import ParameterError
from fuota_fec.planning.chunks import CALL, chunks

Columns = npt.NDArray[np.uint64]
Needed = npt.NDArray[np.int32]
"""Coded fragments sent until each device completes: 0 if it lost nothing, -1 if all are not enough."""
Lost = npt.NDArray[np.bool_]
"""(devices, M + R): true where the device loses the fragment, in the order in which fragments are sent."""


def loss_thresholds(loss: float | npt.ArrayLike, n_devices: int) -> npt.NDArray[np.uint32]:
    """Loss probabilities in units of 2^-32: one for all devices, or one for each."""
    return in_thresholds(loss_values(loss, n_devices))


def loss_values(loss: float | npt.ArrayLike, n_devices: int) -> npt.NDArray[np.float64]:
    """Array of one probability from 0 to below 1, or of one for each device. ParameterError for any other value."""
    try:
        values = np.atleast_1d(np.asarray(loss, dtype=np.float64))
    except (TypeError, ValueError):
        raise ParameterError(f"loss: {shown(loss)} is not a probability, expected one, or an array of them") from None
    if values.ndim != 1 or values.size not in (1, n_devices):
        raise ParameterError(f"loss: {values.size} values, expected one, or one for each of {n_devices} devices")
    bad = values[~((values >= 0) & (values < 1))]
    if bad.size:
        raise ParameterError(f"loss: {bad[0]} is not a probability, expected a number from 0 to below 1")
    return values


def in_thresholds(losses: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    """Probabilities in units of 2^-32, as the core takes them."""
    return np.minimum(np.rint(losses * 2**32), 2**32 - 1).astype(np.uint32)


def matrix_columns(n_frags: int, dialect: str, rows: Rows, kernel: str | None = None) -> Columns:
    """Parity matrix by columns, 64 rows to a word, as the core's elimination takes it."""
    panels = ParityMatrix(n_frags, dialect, kernel=kernel).panels(rows)
    columns = np.empty(-(-rows.size // 64) * n_frags, np.uint64)
    _core.matrix_columns(panels, rows.size, n_frags, columns)
    return columns


def simulated_needed(
    columns: Columns,
    n_frags: int,
    n_rows: int,
    thresholds: npt.NDArray[np.uint32],
    n_devices: int,
    *,
    seed: int,
    first: int,
    kernel: str | None = None,
) -> Needed:
    """Coded fragments sent until devices first, first + 1, … complete, whose losses are drawn.

    Thresholds are those of `loss_thresholds`. Can be interrupted several times a second.
    """
    needed = np.empty(n_devices, np.int32)
    for start, n in chunks(n_frags, n_rows, thresholds, n_devices, CALL, kernel):
        part = slice(start, start + n)
        limits = thresholds if thresholds.size == 1 else thresholds[part]
        _core.fleet_simulate(columns, n_frags, n_rows, seed, first + start, limits, needed[part], kernel)
    return needed


def needed_of(columns: Columns, n_frags: int, lost: Lost, kernel: str | None = None) -> Needed:
    """Coded fragments sent until each device completes, by the parity matrix."""
    n_devices, n_sent = lost.shape
    n_rows = n_sent - n_frags
    words = _core.losses_len(n_frags), _core.losses_len(n_rows)
    bits = np.zeros((n_devices, 64 * sum(words)), np.bool_)
    bits[:, :n_frags] = lost[:, :n_frags]
    bits[:, 64 * words[0] : 64 * words[0] + n_rows] = lost[:, n_frags:]
    needed = np.empty(n_devices, np.int32)
    bitmaps = np.packbits(bits, axis=1, bitorder="little")
    _core.fleet_complete(columns, n_frags, n_rows, bitmaps.view(np.uint64), needed, kernel)
    return needed


def needed_ideally(n_frags: int, lost: Lost) -> Needed:
    """Coded fragments sent until each device completes, by the ideal (MDS) code.

    A device completes once it has received as many coded fragments as it lost uncoded ones.
    """
    n_lost = np.count_nonzero(lost[:, :n_frags], axis=1)
    received = np.cumsum(~lost[:, n_frags:], axis=1, dtype=np.int32)
    needed = np.count_nonzero(received < n_lost[:, None], axis=1).astype(np.int32) + (n_lost > 0)
    needed[needed > received.shape[1]] = -1
    return np.asarray(needed, np.int32)
