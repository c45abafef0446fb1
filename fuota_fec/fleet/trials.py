"""Monte Carlo over a fleet: the number of coded fragments after which each device completes.

A device is a loss bitmap, and the core computes all devices at once. Losses of a device depend on the seed and its
number alone, so results do not depend on chunks, workers, kernels or machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from fuota_fec.checks import counted, integer, shown
from fuota_fec.codec.limits import MAX_FRAG_NB, Rows, check_n_frags, row_numbers
from fuota_fec.data_frames import data_frame
from fuota_fec.errors import ParameterError
from fuota_fec.planning.chunks import CHUNK, TASK, chunks
from fuota_fec.planning.erasures import loss_thresholds, matrix_columns, simulated_needed
from fuota_fec.wire.dialects import one_dialect

MAX_DEVICES = 2**31 - 1
SHOWN = (0.5, 0.9, 0.99, 0.999)
"""Quantiles that a trial shows."""

__all__ = ["CHUNK", "MAX_DEVICES", "FleetTrial", "loss_thresholds", "matrix_columns", "simulate_fleet"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class FleetTrial:
    """Coded fragments needed by each device of a simulated fleet."""

    coded_needed: npt.NDArray[np.int32]
    """Per device: coded fragments sent, in the order of `rows`, until it can rebuild the block; 0 if it lost nothing,
    -1 if all of them are not enough."""
    rows: Rows
    """Row numbers of the coded fragments, in the order in which they are sent."""

    @overload
    def completed(self, n_coded: int) -> float: ...

    @overload
    def completed(self, n_coded: Sequence[int] | npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]: ...

    def completed(self, n_coded: int | Sequence[int] | npt.NDArray[np.integer[Any]]) -> float | npt.NDArray[np.float64]:
        """Share of the fleet, 0 … 1, that completes with the first n_coded coded fragments: for one number or each of
        a list."""
        try:
            numbers = np.asarray(n_coded)
        except ValueError:  # Lists of different lengths.
            numbers = np.array(None)
        if numbers.size and numbers.dtype.kind not in "iu":
            raise ParameterError(f"n_coded: {shown(n_coded)} is not a whole number or a list of them")
        shares = np.searchsorted(self._sorted(), numbers, side="right") / self.coded_needed.size
        return float(shares) if np.ndim(n_coded) == 0 else shares

    @overload
    def quantile(self, q: float) -> int | None: ...

    @overload
    def quantile(self, q: Sequence[float] | npt.NDArray[np.floating[Any]]) -> list[int | None]: ...

    def quantile(self, q: float | Sequence[float] | npt.NDArray[np.floating[Any]]) -> int | list[int | None] | None:
        """Fewest coded fragments with which a share `q` (0 … 1) of the fleet completes; None if all `rows` are not
        enough. A list for a list."""
        needed = self._sorted()
        if np.ndim(q) == 0:
            return self._quantile(needed, q)
        return [self._quantile(needed, one) for one in np.ravel(q)]

    def _quantile(self, needed: npt.NDArray[np.int32], q: object) -> int | None:
        if isinstance(q, bool) or not isinstance(q, (int, float, np.number)) or not 0 <= q <= 1:
            raise ParameterError(f"q: {shown(q)} is not a share, expected 0 to 1")
        n_devices = self.coded_needed.size
        n_needed = max(0, int(q * n_devices) - 1)
        while n_needed / n_devices < q:
            n_needed += 1
        if n_needed > needed.size:
            return None
        return int(needed[n_needed - 1]) if n_needed else 0

    def to_frame(self) -> Any:
        """A pandas or polars DataFrame with one row per device and the column `coded_needed`, empty where all `rows`
        are not enough. ImportError without either library."""
        return data_frame({"coded_needed": [n if n >= 0 else None for n in self.coded_needed.tolist()]})

    def __repr__(self) -> str:
        n_coded = len(self.rows)
        share = 100 * self.completed(n_coded)
        return f"<FleetTrial {counted(self.coded_needed.size, 'device')}, {share:.6g} % complete with {n_coded} coded>"

    def _repr_html_(self) -> str:
        """Table for notebooks."""
        cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in self._table())
        return f"<table>{cells}</table>"

    def _table(self) -> list[tuple[str, str]]:
        n_coded = len(self.rows)
        counts = [str(n) if n is not None else f"&gt; {n_coded}" for n in self.quantile(SHOWN)]
        return [
            ("Devices", str(self.coded_needed.size)),
            (f"Complete with {counted(n_coded, 'coded fragment')}", f"{100 * self.completed(n_coded):.6g} %"),
            *((f"Coded fragments for {100 * q:g} %", n) for q, n in zip(SHOWN, counts, strict=True)),
        ]

    def _sorted(self) -> npt.NDArray[np.int32]:
        """`coded_needed` of the devices that complete, in order."""
        return np.sort(self.coded_needed[self.coded_needed >= 0])


def simulate_fleet(
    n_frags: int,
    loss: float | npt.ArrayLike,
    n_devices: int,
    *,
    max_coded: int,
    dialect: str | None = None,
    version: str | None = None,
    seed: int = 0,
    rows: Iterable[int] | None = None,
    executor: Executor | None = None,
    kernel: str | None = None,
) -> FleetTrial:
    """Simulates devices that lose each fragment, uncoded or coded, independently with probability `loss`.

    `loss` is one number from 0 to below 1, or an array of n_devices; resolved to 2^-32. At most max_coded coded
    fragments are sent, rows 1, 2, 3 … or the first max_coded of `rows`. The same seed gives the same result, whatever
    the executor (any concurrent.futures.Executor; chunks of devices are its tasks) or the kernel. Ctrl-C ends the call
    within about a second. `dialect` is "1.0.0" (the default) or "2.0.0"; `version` is another name of it.
    """
    dialect = one_dialect(dialect, version)
    n_frags = check_n_frags(n_frags)
    n_devices = integer("n_devices", n_devices, 1, MAX_DEVICES)
    max_coded = integer("max_coded", max_coded, 0, MAX_FRAG_NB - n_frags)
    seed = integer("seed", seed, 0, 2**64 - 1)
    max_row = MAX_FRAG_NB - n_frags
    numbers = row_numbers(range(1, max_coded + 1) if rows is None else rows, max_coded, max_row=max_row)
    thresholds = loss_thresholds(loss, n_devices)
    if executor is None:
        columns = matrix_columns(n_frags, dialect, numbers, kernel)
        needed = simulated_needed(
            columns, n_frags, numbers.size, thresholds, n_devices, seed=seed, first=0, kernel=kernel
        )
        return FleetTrial(coded_needed=needed, rows=numbers)
    futures = [
        executor.submit(
            _task,
            kernel,
            n_frags,
            dialect,
            numbers,
            seed,
            first,
            n,
            thresholds if thresholds.size == 1 else thresholds[first : first + n],
        )
        for first, n in chunks(n_frags, numbers.size, thresholds, n_devices, TASK, kernel)
    ]
    try:
        parts = [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return FleetTrial(coded_needed=np.concatenate(parts), rows=numbers)


def _task(
    kernel: str | None,
    n_frags: int,
    dialect: str,
    rows: Rows,
    seed: int,
    first: int,
    n: int,
    thresholds: npt.NDArray[np.uint32],
) -> npt.NDArray[np.int32]:
    """Simulates one chunk. Its arguments are all it needs, so that an executor may run it anywhere."""
    columns = _columns(n_frags, dialect, rows.astype(np.uint32).tobytes(), kernel)
    return simulated_needed(columns, n_frags, rows.size, thresholds, n, seed=seed, first=first, kernel=kernel)


@lru_cache(maxsize=1)
def _columns(n_frags: int, dialect: str, rows: bytes, kernel: str | None) -> npt.NDArray[np.uint64]:
    """Matrix of the tasks that this process had last: all of a fleet have the same, which is at most 8 MiB."""
    return matrix_columns(n_frags, dialect, np.frombuffer(rows, np.uint32), kernel)
