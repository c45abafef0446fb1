"""Executors of commands: threads, processes, or a Dask cluster, by options."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import click

from fuota_fec.batch.run import THREADS_PER_CORE
from fuota_fec.errors import MissingExtraError, NetworkError

KINDS = ("threads", "processes")


def executor_options(function: Any) -> Any:
    """Adds the options that say where tasks run."""
    for option in reversed(
        (
            click.option(
                "--executor",
                "kind",
                type=click.Choice(KINDS),
                default="threads",
                show_default=True,
                help="Where tasks run.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(1, 4096),
                help="Number of threads, by default two for each core, or of processes, one for each.",
            ),
            click.option(
                "--dask",
                "dask_url",
                metavar="URL",
                help="Scheduler of a Dask cluster instead, such as tcp://scheduler:8786; workers need the same files.",
            ),
        )
    ):
        function = option(function)
    return function


@contextmanager
def executor_given(kind: str, workers: int | None, dask_url: str | None) -> Iterator[Executor]:
    """Executor of these options. NetworkError if the cluster cannot be reached."""
    if dask_url is not None:
        with _dask_client(dask_url) as client, client.get_executor() as cluster:
            yield cluster
        return
    n_cores = len(os.sched_getaffinity(0))
    if kind == "processes":
        with ProcessPoolExecutor(workers or n_cores, mp_context=get_context("forkserver")) as processes:
            yield processes
        return
    with ThreadPoolExecutor(workers or THREADS_PER_CORE * n_cores) as threads:
        yield threads


def _dask_client(url: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError('--dask needs the extra "dask": pip install "fuota-fec[dask]"', extra="dask") from None
    try:
        return Client(url)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise NetworkError(f"--dask: {url}: cannot be reached: {error}") from None
