"""The same fleet on threads, on processes and on a Dask cluster: bit for bit what one thread makes of it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batches import contents, small_batch

import fuota_fec as ff
from fuota_fec.batch import prepare_batch
from fuota_fec.fleet.trials import CHUNK

N_FRAGS = 24


class Backwards(Executor):
    """Runs its tasks when a result is asked for, the last one first."""

    def __init__(self) -> None:
        self.tasks: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        executor = self

        class Lazy(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                while executor.tasks:
                    executor.tasks.pop()()
                return super().result(timeout)

        future = Lazy()
        self.tasks.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future


@pytest.fixture(scope="module")
def dask_executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """Two worker processes behind a scheduler on the loopback, reached by its URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASK_CONFIG", str(tmp_path_factory.mktemp("config")))  # not the user's
        from distributed import Client, LocalCluster

        cluster = LocalCluster(
            host="127.0.0.1",
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # its HTTP server: on any free port, not on 8787
            worker_dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("workers")),
        )
        with cluster, Client(cluster.scheduler_address) as client, client.get_executor() as executor:
            yield executor
    gc.collect()  # what the cluster left open is said here, not in another test


@pytest.fixture(scope="module", params=["backwards", "threads", "spawn", "forkserver", "dask"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    match request.param:
        case "backwards":
            yield Backwards()
        case "threads":
            with ThreadPoolExecutor(3) as threads:
                yield threads
        case "dask":
            yield request.getfixturevalue("dask_executor")
        case method:
            with ProcessPoolExecutor(2, mp_context=get_context(method)) as processes:
                yield processes


@pytest.mark.parametrize("losses", ["one", "per device"])
@pytest.mark.parametrize("n_devices", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1])
def test_bit_for_bit_the_same(executor: Executor, n_devices: int, losses: str) -> None:
    loss = 0.1 if losses == "one" else np.linspace(0, 0.4, n_devices)
    arguments = {"max_coded": 20, "version": "2.0.0", "seed": n_devices}
    alone = ff.simulate_fleet(N_FRAGS, loss, n_devices, **arguments)
    together = ff.simulate_fleet(N_FRAGS, loss, n_devices, executor=executor, **arguments)
    assert together.coded_needed.dtype == np.int32
    assert np.array_equal(together.coded_needed, alone.coded_needed)
    if n_devices > 1:
        assert np.unique(alone.coded_needed).size > 10  # it did not all come out the same


def test_with_rows_in_an_order_of_their_own(executor: Executor) -> None:
    rows = np.random.default_rng(3).permutation(np.arange(1, 400))[:90]
    loss = np.random.default_rng(4).random(CHUNK + 1) * 0.6
    alone = ff.simulate_fleet(N_FRAGS, loss, loss.size, max_coded=80, seed=7, rows=rows)
    together = ff.simulate_fleet(N_FRAGS, loss, loss.size, max_coded=80, seed=7, rows=rows, executor=executor)
    assert np.array_equal(together.coded_needed, alone.coded_needed)
    assert together.rows.tolist() == alone.rows.tolist() == rows[:80].tolist()
    first = ff.simulate_fleet(N_FRAGS, loss, loss.size, max_coded=80, seed=7)
    assert not np.array_equal(first.coded_needed, alone.coded_needed)


def test_a_device_does_not_depend_on_how_many_there_are(executor: Executor) -> None:
    few = ff.simulate_fleet(N_FRAGS, 0.2, CHUNK - 1, max_coded=20, seed=5).coded_needed
    many = ff.simulate_fleet(N_FRAGS, 0.2, CHUNK + 1, max_coded=20, seed=5, executor=executor).coded_needed
    assert np.array_equal(many[: few.size], few)


def test_what_is_wrong_is_said_before_anything_is_submitted(executor: Executor) -> None:
    with pytest.raises(ff.ParameterError, match="loss: 2"):
        ff.simulate_fleet(N_FRAGS, 2.0, 10, max_coded=20, executor=executor)


def test_an_error_of_a_task_comes_back(executor: Executor) -> None:
    with pytest.raises(ff.ParameterError, match="kernel"):
        ff.simulate_fleet(N_FRAGS, 0.1, CHUNK + 1, max_coded=20, kernel="none such", executor=executor)


def test_a_cluster_prepares_a_batch_with_the_same_bytes(tmp_path: Path, dask_executor: Executor) -> None:
    config = small_batch(tmp_path)
    prepare_batch(config, tmp_path / "threads")
    prepare_batch(config, tmp_path / "cluster", executor=dask_executor)
    assert contents(tmp_path / "cluster") == contents(tmp_path / "threads")
