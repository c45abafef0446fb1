"""Batches: encode with the matrix reused, a batch beside its encode and write parts alone, two workers, memory.

`python benchmarks/bench_batch.py` prints the rows. Times of the ratios are of one run, in turns: the least of several.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import fuota_fec as ff
from fuota_fec.batch import BatchConfig, BatchImage, Target, prepare_batch
from fuota_fec.batch.output import write_aside
from fuota_fec.codec.frame_file import frames_header

if __name__ == "__main__":
    from results import Row
else:
    from benchmarks.results import Row

N_FRAGS, FRAG_SIZE, N_CODED = 1000, 222, 320
N_IMAGES = 200
"""A fifth of the images of the bound, so that a run takes seconds."""
SMALLEST, LARGEST = 50_000, 400_000
TARGETS = (
    Target(name="eu868-dr5", dr=5),
    Target(name="eu868-dr3", dr=3, redundancy=100),
    Target(name="us915-dr12", region="US915", dr=12, dialect="2.0.0"),
)
ROUNDS = 3


def encode_rate() -> float:
    """Bytes of image per second of CPU time, in memory."""
    block = np.random.default_rng(1).integers(0, 256, N_FRAGS * FRAG_SIZE, np.uint8)
    matrix, out = ff.ParityMatrix(N_FRAGS), np.empty((N_CODED, FRAG_SIZE), np.uint8)
    assert np.array_equal(
        ff.encode(block, FRAG_SIZE, N_CODED, matrix=matrix, out=out), ff.encode(block, FRAG_SIZE, 320)
    )
    best = float("inf")
    for _ in range(20):
        begin = time.process_time()
        for _ in range(200):
            ff.encode(block, FRAG_SIZE, N_CODED, matrix=matrix, out=out)
        best = min(best, (time.process_time() - begin) / 200)
    return block.size / best


def batch_of(folder: Path, n_images: int, smallest: int = SMALLEST) -> BatchConfig:
    rng = np.random.default_rng(2)
    for number, size in enumerate(rng.integers(smallest, LARGEST, n_images, endpoint=True).tolist()):
        (folder / f"{number}.bin").write_bytes(rng.integers(1, 255, size, np.uint8).tobytes())
    images = tuple(BatchImage(path=f"{number}.bin") for number in range(n_images))
    return BatchConfig(images=images, targets=TARGETS, folder=str(folder))


class Runs:
    """A batch, and its encode and write parts alone; each run writes to a new folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._n = folder, 0
        self.config = batch_of(folder, N_IMAGES)
        result = prepare_batch(self.config, self._new())
        assert not result.failed, result.failed[0]
        data = {image.source: (folder / image.source).read_bytes() for image in self.config.images}
        self._parts = [
            (data[e["image"]["source"]], e["frag_size"], e["n_coded"], e["dialect"], e["output"]) for e in result.items
        ]

    def whole(self) -> None:
        prepare_batch(self.config, self._new())

    def parts(self) -> None:
        out = self._new()
        out.mkdir()
        for data, frag_size, n_coded, dialect, name in self._parts:
            frames = ff.prepare(data, frag_size, n_coded=n_coded, dialect=dialect).frames
            write_aside(str(out / f"{name}.part"), [frames_header(*frames.shape), frames.data])
            os.replace(out / f"{name}.part", out / name)

    def _new(self) -> Path:
        self._n += 1
        return self._folder / f"out-{self._n}"


def on_cores(n: int, run: Callable[[], None]) -> Callable[[], None]:
    """A run on so many of the cores."""
    cores = os.sched_getaffinity(0)

    def pinned() -> None:
        os.sched_setaffinity(0, sorted(cores)[:n])
        try:
            run()
        finally:
            os.sched_setaffinity(0, cores)

    return pinned


def least(*runs: Callable[[], None]) -> list[tuple[float, float]]:
    """Least CPU time and least time of each run, in turns."""
    best = [(float("inf"), float("inf"))] * len(runs)
    for _ in range(ROUNDS):
        for number, run in enumerate(runs):
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            took = time.process_time() - cpu, time.perf_counter() - wall
            best[number] = min(best[number][0], took[0]), min(best[number][1], took[1])
    return best


def peak(n_images: int) -> int:
    """Most bytes that a batch of so many images of the largest size holds at once, on two workers."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(2) as threads:
        config = batch_of(Path(folder), n_images, LARGEST - 20_000)
        prepare_batch(config, Path(folder) / "warm", executor=threads)
        tracemalloc.start()
        prepare_batch(config, Path(folder) / "out", executor=threads)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most


def rows() -> Iterator[Row]:
    yield Row(
        work=f"encode, M = {N_FRAGS}, R = {N_CODED}, matrix reused, in memory, one core",
        value=encode_rate() / 1e9,
        unit="GB/s",
        at_least=1.0,
        better="higher",
    )
    with TemporaryDirectory() as folder:
        runs = Runs(Path(folder))
        (alone_cpu, alone), (one_cpu, one), (_, two) = least(
            on_cores(1, runs.parts), on_cores(1, runs.whole), on_cores(2, runs.whole)
        )
    what = f"{N_IMAGES} images × {len(TARGETS)} targets"
    yield Row(work=f"{what}, one core, beside encode and write alone", value=one / alone, unit="×", at_least=1.5)
    yield Row(work=f"{what}, the same in CPU time, disk waits left out", value=one_cpu / alone_cpu, unit="×")
    yield Row(work=f"{what}, two cores beside one", value=one / two, unit="×", at_least=1.8, better="higher")
    few, many = peak(20), peak(80)
    further = (many - few) / (60 * len(TARGETS))
    yield Row(work="memory of a further output, two workers: its entry", value=further / 1e3, unit="kB", at_least=8.0)


if __name__ == "__main__":
    for row in rows():
        print(f"{row.work:<70} {row.value:8.2f} {row.unit:<5} {row.verdict}")
