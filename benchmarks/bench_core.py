"""Speed of simulated fleets: devices with many losses, losses that differ, calls that can be interrupted, two workers.

    python benchmarks/bench_core.py

Processor time, least of several; ratios are taken in turns. Two workers are compared with one by real time, which needs
two cores that nobody else uses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing import get_context

import numpy as np
from results import Row, best_of, show

import fuota_fec as ff
from fuota_fec import _core
from fuota_fec.planning.chunks import CALL, chunks, device_seconds
from fuota_fec.planning.erasures import loss_thresholds, matrix_columns

MANY_LOSSES = [(4000, 800, 400, 30.0, 18.0), (14000, 2383, 40, 600.0, 200.0)]
"""M, R, devices; bound and aim in µs a device. A tenth of the fragments is lost."""
ROUNDS = 7


def fleet(n_frags: int, n_rows: int, loss: float | np.ndarray, n: int) -> Callable[[], None]:
    """A call that simulates n devices; its results are checked before."""
    columns = matrix_columns(n_frags, "1.0.0", np.arange(1, n_rows + 1, dtype=np.uint32))
    thresholds, needed, few = loss_thresholds(loss, n), np.empty(n, np.int32), np.empty(8, np.int32)

    def simulate() -> None:
        _core.fleet_simulate(columns, n_frags, n_rows, 1, 0, thresholds, needed)

    simulate()
    _core.fleet_simulate(columns, n_frags, n_rows, 1, 0, thresholds[:8], few, "portable")
    assert (needed[:8] == few).all()
    return simulate


def many_losses() -> Iterator[Row]:
    for n_frags, n_rows, n, at_least, reach in MANY_LOSSES:
        (took,) = best_of(fleet(n_frags, n_rows, 0.1, n), rounds=ROUNDS)
        work = f"simulated fleet, M {n_frags}, {n_frags // 10} lost, a device"
        yield Row(work=work, value=took / n * 1e6, unit="µs", at_least=at_least, reach=reach)


def losses_that_differ() -> Iterator[Row]:
    n = 16384
    spread = np.random.default_rng(1).beta(2, 18, n)
    one, differing = best_of(fleet(1000, 320, float(spread.mean()), n), fleet(1000, 320, spread, n), rounds=ROUNDS)
    work = "simulated fleet, M 1000, losses of Beta(2, 18) beside their mean, speed"
    yield Row(work=work, value=100 * one / differing, unit="%", at_least=70, reach=85, better="higher")


def calls() -> Iterator[Row]:
    """The longest time without a look at Ctrl-C, by the slowest kernel."""
    n_frags, n_rows, thresholds = 14000, 2383, loss_thresholds(0.1, 1)
    n = max(n for _, n in chunks(n_frags, n_rows, thresholds, 100_000, CALL))
    columns = matrix_columns(n_frags, "1.0.0", np.arange(1, n_rows + 1, dtype=np.uint32))
    needed = np.empty(n, np.int32)
    begun = time.process_time()
    _core.fleet_simulate(columns, n_frags, n_rows, 1, 0, thresholds, needed, "portable")
    took = time.process_time() - begun
    yield Row(work="call of the core, M 14000, 1400 lost, portable kernel", value=took, unit="s", at_least=1, reach=0.5)


def executors(n_workers: int) -> Iterator[tuple[str, AbstractContextManager[Executor]]]:
    yield "threads", ThreadPoolExecutor(n_workers)
    yield "processes", ProcessPoolExecutor(n_workers, mp_context=get_context("forkserver"))
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        return
    where = {"host": "127.0.0.1", "dashboard_address": None, "n_workers": n_workers, "threads_per_worker": 1}
    with LocalCluster(**where) as cluster, Client(cluster) as client:
        yield "Dask", client.get_executor()


def two_workers() -> Iterator[Row]:
    """A fleet of about two seconds of work, beside one worker of the same kind."""
    n_frags, n_rows = 1000, 320
    n = int(2 / float(device_seconds(n_frags, n_rows, loss_thresholds(0.1, 1))[0]))
    times: dict[str, list[float]] = {}
    for n_workers in (1, 2):
        for name, made in executors(n_workers):
            with made as executor:
                ff.simulate_fleet(n_frags, 0.1, n // 4, max_coded=n_rows, executor=executor)  # workers start
                took = []
                for seed in range(2):
                    begun = time.perf_counter()
                    ff.simulate_fleet(n_frags, 0.1, n, max_coded=n_rows, seed=seed, executor=executor)
                    took.append(time.perf_counter() - begun)
            times.setdefault(name, []).append(min(took))
    for name, (one, two) in times.items():
        work = f"simulated fleet, two workers beside one: {name}"
        yield Row(work=work, value=one / two, unit="×", at_least=1.8, reach=1.95, better="higher")


def rows() -> Iterator[Row]:
    """Measured values of simulated fleets, with their bounds."""
    yield from many_losses()
    yield from losses_that_differ()
    yield from calls()
    yield from two_workers()


if __name__ == "__main__":
    show(rows())
