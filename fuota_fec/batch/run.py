"""Preparation of a batch, on any executor: the same files and the same manifest whatever the order of the tasks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from fuota_fec.batch.config import BatchConfig
from fuota_fec.batch.deliveries import Deliveries
from fuota_fec.batch.delivery_facts import FILE as DELIVERIES
from fuota_fec.batch.delivery_facts import delivery_text
from fuota_fec.batch.manifest import FAILED, failed_entry, manifest_text
from fuota_fec.batch.output import OutputFolder
from fuota_fec.batch.pairs import Pair, pairs_of
from fuota_fec.batch.task import Done, Job, Task, reason_of, run_task
from fuota_fec.codec.frame_file import line_of
from fuota_fec.errors import FuotaError

MOST_JOBS = 8
"""Targets for which a task prepares its image."""
IN_FLIGHT = 64
"""Tasks that an executor has at most. They hold names and settings; only those that run hold images and frames."""

THREADS_PER_CORE = 2
"""Threads for each core by default: while one waits for the disk, another one computes."""
Item = TypeVar("Item")
Made = TypeVar("Made")
Progress = Callable[[int, int], None]
"""Function of the number of pairs that are done, and the number of all."""


@dataclass(frozen=True, kw_only=True)  # Not slotted: cached properties need a __dict__.
class BatchResult:
    """Outcome of a batch."""

    n_made: int
    """Outputs that were made."""
    n_kept: int
    """Outputs that were whole before."""
    lines: tuple[str, ...] = field(repr=False)
    """Entries of the manifest as JSON."""

    @cached_property
    def items(self) -> tuple[Mapping[str, Any], ...]:
        """Entries of the manifest, one for each pair, by name of the output."""
        return tuple(json.loads(line) for line in self.lines)

    @property
    def failed(self) -> tuple[Mapping[str, Any], ...]:
        """Entries of the pairs that could not be prepared; `reason` says why."""
        return tuple(entry for entry in self.items if entry["status"] == FAILED)

    @property
    def n_failed(self) -> int:
        return len(self.lines) - self.n_made - self.n_kept


def prepare_batch(
    config: BatchConfig,
    out: str | Path,
    *,
    deliveries: Deliveries | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Prepares every image for every target in the folder `out`, with a manifest. Goes on where an earlier call ended.

    `executor`: any concurrent.futures.Executor; threads, two for each core, if not given. Its workers read the images
    and write to `out`, so they need the same file system. The same inputs give the same bytes. A pair that fails has
    its reason in the manifest, and the others go on.

    `deliveries`: those of the batch to a fleet (`plan_deliveries`). Only the outputs that they need are prepared, and
    they are written to deliveries.json. Without them, that of an earlier batch is removed.

    ParameterError if `out` cannot be a folder, or another batch is being prepared in it. OSError if the manifest cannot
    be written.
    """
    pairs, text = pairs_of(config), b""
    if deliveries is not None:
        pairs = [pair for pair in pairs if pair.output in deliveries.outputs]
        text = delivery_text(deliveries).encode()
    with OutputFolder(out) as folder, workers_of(executor) as workers:
        outcome = _Outcome(folder, len(pairs), progress)
        outcome.take([_clashing(pair) for pair in pairs if pair.clash])
        run_all(run_task, _tasks(config, pairs, folder), workers, outcome.take)
        if deliveries is None:
            folder.remove(DELIVERIES)  # Those of an earlier batch, which this manifest does not go with.
        else:
            folder.put(DELIVERIES, text)
        return outcome.result()


class _Outcome:
    """Collects the outcomes of pairs, and gives whole files their names."""

    def __init__(self, folder: OutputFolder, n_pairs: int, progress: Progress | None) -> None:
        self._folder, self._n_pairs, self._progress = folder, n_pairs, progress
        self._done: list[Done] = []

    def take(self, done: list[Done]) -> None:
        self._done += self._appeared(done)
        if self._progress is not None and done:
            self._progress(len(self._done), self._n_pairs)

    def _appeared(self, done: list[Done]) -> Iterator[Done]:
        """Outcomes after their files have their names."""
        made = [one.line for one in done if one.state == "made"]
        refused = None
        try:
            if made:
                self._folder.note(made)
        except OSError as error:
            refused = error
        for one in done:
            try:
                if one.state == "made":
                    if refused is not None:
                        raise refused
                    self._folder.appear(one.aside, one.output)
                yield one
            except OSError as error:
                yield _not_appeared(one, reason_of(error))

    def result(self) -> BatchResult:
        """Writes the manifest."""
        ordered = sorted(self._done, key=lambda one: (one.output, one.line))
        lines = tuple(one.line for one in ordered)
        self._folder.finish(manifest_text(lines).encode())
        states = [one.state for one in ordered]
        return BatchResult(n_made=states.count("made"), n_kept=states.count("kept"), lines=lines)


def _clashing(pair: Pair) -> Done:
    reason = (
        f"{pair.output}: several pairs have this output, expected another output of the image or name of the target"
    )
    line = line_of(failed_entry(pair.output, pair.image.source, pair.target.name, reason))
    return Done(output=pair.output, state="failed", line=line, aside="")


def _not_appeared(one: Done, reason: str) -> Done:
    entry = json.loads(one.line)
    line = line_of(failed_entry(one.output, entry["image"]["source"], entry["target"]["name"], reason))
    return replace(one, state="failed", line=line, aside="")


def _tasks(config: BatchConfig, pairs: list[Pair], folder: OutputFolder) -> Iterator[Task]:
    images = os.path.abspath(config.folder)
    jobs = (
        (
            pair.image,
            Job(
                target=pair.target,
                profile=config.profile_of(pair.target),
                output=pair.output,
                aside=folder.aside(number),
                known=folder.known.get(pair.output),
            ),
        )
        for number, pair in enumerate(pairs)
        if not pair.clash
    )
    # The pairs of an image are together, some of them or all.
    for image, of_image in groupby(jobs, key=itemgetter(0)):
        while chosen := tuple(job for _, job in islice(of_image, MOST_JOBS)):
            yield Task(image=image, folder=images, out=folder.path, jobs=chosen)


@contextmanager
def workers_of(executor: Executor | None) -> Iterator[Executor]:
    """An executor as it is, or threads."""
    if executor is not None:
        yield executor
        return
    with ThreadPoolExecutor(THREADS_PER_CORE * len(os.sched_getaffinity(0))) as threads:
        yield threads


def run_all(
    function: Callable[[Item], Made], tasks: Iterable[Item], executor: Executor, take: Callable[[Made], None]
) -> None:
    """Takes the results of tasks as they end, with a bounded number of tasks in the executor."""
    ended: SimpleQueue[Future[Made]] = SimpleQueue()
    running: set[Future[Made]] = set()

    def take_one() -> None:
        future = ended.get()
        running.discard(future)
        take(future.result())

    try:
        for task in tasks:
            future = executor.submit(function, task)
            running.add(future)
            future.add_done_callback(ended.put)
            if len(running) >= IN_FLIGHT:
                take_one()
        while running:
            take_one()
    except BrokenExecutor as error:
        raise FuotaError(f"a worker ended before its task was done: {error}; started again, a batch goes on") from None
    finally:
        for future in running:
            future.cancel()
        while running:  # Nobody writes to the folder after this.
            running.discard(ended.get())
