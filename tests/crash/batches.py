"""Batches that are killed at random calls of the operating system, and started again.

Run as a program: arguments are the folder of the images, a folder for outputs, a seed and a number of kills; prints the
number of kills. A batch runs in a forked process without threads, which ends before, in the middle of, or after a call.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from batches import Inline, contents, small_batch

from fuota_fec.batch import output, prepare_batch

KILLED = 137
CALLS = ("open", "writev", "write", "fsync", "replace", "unlink", "close")
LONGEST = 140
"""Calls of a whole batch, about."""


class Trap:
    """The module os, whose calls end the process at the `last` of them."""

    def __init__(self, rng: random.Random, last: int) -> None:
        self._rng, self._left = rng, last

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._trapped(name, real) if name in CALLS else real

    def _trapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self._left -= 1
            if self._left:
                return None if name == "fsync" else real(*args)  # The disk does not lose power here.
            moment = self._rng.choice(["before", "in", "after"])
            if moment == "after":
                real(*args)
            elif moment == "in" and name in ("write", "writev"):
                data = b"".join(args[1]) if name == "writev" else bytes(args[1])
                os.write(args[0], data[: self._rng.randrange(len(data))])
            os._exit(KILLED)

        return call


def run_killed(config: Any, out: Path, rng: random.Random, last: int) -> bool:
    """Runs a batch that ends at a call. Returns whether it was killed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            output.os = Trap(rng, last)  # type: ignore[attr-defined]
            prepare_batch(config, out, executor=Inline())
            status = 0
        finally:
            os._exit(status)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended in (0, KILLED), ended
    return ended == KILLED


def whole(out: Path, made: dict[str, bytes]) -> dict[str, int]:
    """Inodes of the outputs that can be seen, all of which must be whole."""
    seen = {path.name: path for path in out.iterdir() if not path.name.startswith(".")} if out.exists() else {}
    for name, path in seen.items():
        assert path.read_bytes() == made[name], name
    return {name: path.stat().st_ino for name, path in seen.items()}


def main(images: Path, out: Path, seed: int, n_kills: int) -> int:
    rng = random.Random(seed)
    config = small_batch(images)
    prepare_batch(config, out, executor=Inline())
    made, killed = contents(out), 0
    while killed < n_kills:
        shutil.rmtree(out)
        before: dict[str, int] = {}
        while run_killed(config, out, rng, rng.randrange(1, rng.choice([10, 40, LONGEST]))):
            killed += 1
            after = whole(out, made)
            assert before.items() <= after.items(), "an output that was whole was made again"
            before = after
        assert before.items() <= whole(out, made).items()
        assert contents(out) == made
    return killed


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
