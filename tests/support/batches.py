"""Small batches for tests: images in a folder, targets, and what a folder of outputs has."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from fuota_fec.batch import BatchConfig, BatchImage, Target

SIZES = {"app-2.0.bin": 5000, "boot.bin": 1234, "data.bin": 60}
TARGETS = (
    Target(name="eu868-dr5", dr=5),
    Target(name="small", fsize=48, redundancy=7, rows="selected", dialect="2.0.0"),
    Target(name="us915", region="US915", dr=10, redundancy="1/2", frag_index=2),
)


def image_bytes(length: int, seed: int = 1) -> bytes:
    return random.Random(f"{seed} {length}").randbytes(length - 1) + b"\x5a"


def small_batch(folder: Path, sizes: dict[str, int] = SIZES, targets: Iterable[Target] = TARGETS) -> BatchConfig:
    """Batch of made-up images, which are written to the folder."""
    for name, length in sizes.items():
        (folder / name).write_bytes(image_bytes(length))
    images = tuple(BatchImage(path=name, fw_version="2.0.0.0") for name in sizes)
    return BatchConfig(images=images, targets=tuple(targets), folder=str(folder))


def contents(folder: Path) -> dict[str, bytes]:
    """Files of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Inline(Executor):
    """Executor that runs a task as it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Shuffled(Executor):
    """Executor that waits for tasks, and runs those that it has in another order."""

    def __init__(self, seed: int) -> None:
        self._rng, self._queue = random.Random(seed), SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._queue.put((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, *_: Any, **_named: Any) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        held: list[tuple[Future[Any], Callable[[], Any]]] = []
        going = True
        while going:
            try:
                item = self._queue.get(timeout=0.01)
                going = item is not None
                if item is not None:
                    held.append(item)
            except Empty:
                self._rng.shuffle(held)
                for future, call in held:
                    future.set_result(call())
                held.clear()
