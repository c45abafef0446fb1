"""Cost of the codec's calls: small ones, where a call costs more than its work, and large ones beside a limit.

M is the number of uncoded fragments, R that of coded ones. The limit of a product is one `vgf2p8affineqb` of 512 bits a
cycle; the length of a cycle is measured in the same run. A small call is measured beyond an empty one. Results are
compared with the plain algorithm first.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from native import N_CYCLES, LeftOut, cycles
from results import Row, best_of, show

import fuota_fec as ff
from fuota_fec import _core, _reference

SMALL = bytes(range(250)) * 4
LARGE = 14745, 232, 1638


def block_of(n_frags: int, frag_size: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, n_frags * frag_size, np.uint8)


def small_calls() -> Iterator[Row]:
    matrix, some_rows = ff.ParityMatrix(20), [7, 9, 2, 30, 4]
    first = [*_reference.encode(SMALL, 50, 5)]
    assert [bytes(c) for c in ff.encode(SMALL, 50, 5)] == first
    assert [bytes(c) for c in ff.encode(SMALL, 50, 5, matrix=matrix)] == first
    assert [bytes(c) for c in ff.encode(SMALL, 50, 5, rows=some_rows)] == _reference.encode(
        SMALL, 50, 5, rows=some_rows
    )
    prepared = ff.prepare(SMALL, 50, n_coded=5)
    assert prepared.image() == SMALL
    assert prepared.frame(20) == bytes([8, 20, 0]) + SMALL[-50:]
    assert prepared.payload(25) == first[4]
    numbers = [*range(3, 25)]
    payloads = [*(SMALL[50 * (n - 1) : 50 * n] for n in range(3, 21)), *first[:4]]
    assert ff.decode(20, 50, numbers, payloads) == SMALL
    calls = {
        "encode 20 × 50, R 5": (lambda: ff.encode(SMALL, 50, 5), 0.6, 0.4),
        "encode 20 × 50, R 5, matrix=": (lambda: ff.encode(SMALL, 50, 5, matrix=matrix), 0.8, 0.45),
        "encode 20 × 50, R 5, rows=": (lambda: ff.encode(SMALL, 50, 5, rows=some_rows), 1.5, 1.0),
        "prepare 1 kB": (lambda: ff.prepare(SMALL, 50, n_coded=5), 8.0, 4.0),
        "block.frame()": (lambda: prepared.frame(20), 0.25, 0.15),
        "decode 20 × 50 from lists": (lambda: ff.decode(20, 50, numbers, payloads), 5.0, 4.0),
    }
    empty, *found = best_of(lambda: None, *(call for call, _, _ in calls.values()), rounds=200, times=200)
    for (work, (_, at_least, reach)), took in zip(calls.items(), found, strict=True):
        yield Row(work=work, value=(took - empty) * 1e6, unit="µs", at_least=at_least, reach=reach)


def push() -> Iterator[Row]:
    numbered = [(number, bytes(222)) for number in range(1, 10001)]

    def push_all() -> None:
        push = ff.Decoder(16000, 222).push
        for number, payload in numbered:
            push(number, payload)

    (took,) = best_of(push_all, rounds=60)
    value = took / len(numbered) * 1e9
    yield Row(work="Decoder.push of an uncoded fragment", value=value, unit="ns", at_least=150, reach=75)


def repeated_encode() -> Iterator[Row]:
    """Rows that are kept for the next block, beside those of a matrix that is given."""
    for n_frags, frag_size, n_coded, rounds in ((20, 50, 5, 20_000), (1000, 222, 320, 5000), (*LARGE, 100)):
        block, out = block_of(n_frags, frag_size), np.empty((n_coded, frag_size), np.uint8)
        matrix = ff.ParityMatrix(n_frags)
        again, reused = best_of(
            partial(ff.encode, block, frag_size, n_coded, out=out),
            partial(ff.encode, block, frag_size, n_coded, out=out, matrix=matrix),
            rounds=rounds,
        )
        work = f"encode {n_frags} × {frag_size}, R {n_coded}, again, beside a given matrix"
        yield Row(work=work, value=again / reused, unit="×", at_least=1.3, reach=1.1)


def cycles_of(call: Callable[[], object], clock: Callable[[], object], rounds: int) -> float:
    """Clock cycles that a call takes."""
    cycles, took = best_of(clock, call, rounds=rounds)
    return took / cycles * N_CYCLES


def beside_the_limit() -> Iterator[Row]:
    try:
        if ff.kernel() != "avx512_gfni":
            raise LeftOut("it has no vgf2p8affineqb of 512 bits")
        with TemporaryDirectory() as folder:
            clock = cycles(Path(folder))
    except LeftOut as why:
        yield Row(work=f"limit of this processor: {why}", value=math.nan, unit="%")
        return
    yield product(clock, 1000, 222, 320, 72, 85)
    yield product(clock, *LARGE, 85, 94)
    yield repeated_decode(clock)
    yield drawing(clock)


def limit(n_frags: int, frag_size: int, n_rows: int) -> float:
    """Cycles of a product at the limit: 8 rows and 8 fragments in each 64 bits."""
    return -(-n_rows // 8) * -(-n_frags // 8) * frag_size / 8


def product(
    clock: Callable[[], object], n_frags: int, frag_size: int, n_coded: int, at_least: float, reach: float
) -> Row:
    block, out = block_of(n_frags, frag_size), np.empty((n_coded, frag_size), np.uint8)
    call = partial(ff.encode, block, frag_size, n_coded, out=out, matrix=ff.ParityMatrix(n_frags))
    took = cycles_of(call, clock, rounds=400 if n_frags > 4000 else 10_000)
    return Row(
        work=f"product {n_frags} × {frag_size}, R {n_coded}, of the limit",
        value=limit(n_frags, frag_size, n_coded) / took * 100,
        unit="%",
        at_least=at_least,
        reach=reach,
        better="higher",
    )


def repeated_decode(clock: Callable[[], object]) -> Row:
    """Time of a decode after another one of the same size, beside the product of as many rows as are lost."""
    n_frags, frag_size, n_coded = LARGE
    block = block_of(n_frags, frag_size)
    sent = np.concatenate([block.reshape(n_frags, frag_size), ff.encode(block, frag_size, n_coded)])
    kept = np.flatnonzero(np.random.default_rng(7).random(len(sent)) >= 0.096)
    numbers, payloads = (kept + 1).astype(np.uint32), np.ascontiguousarray(sent[kept])
    n_lost = n_frags - int((kept < n_frags).sum())
    assert ff.decode(n_frags, frag_size, numbers, payloads) == block.tobytes()
    took = cycles_of(partial(ff.decode, n_frags, frag_size, numbers, payloads), clock, rounds=200)
    return Row(
        work=f"decode {n_frags} × {frag_size}, 9.6 % lost, again, of the limit",
        value=limit(n_frags, frag_size, n_lost) / took * 100,
        unit="%",
        at_least=45,
        reach=55,
        better="higher",
    )


def drawing(clock: Callable[[], object]) -> Row:
    n_frags, _, n_coded = LARGE
    numbers = np.arange(1, n_coded + 1, dtype=np.uint32)
    panels = np.empty(_core.panels_len(n_coded, n_frags), np.uint8)
    took = cycles_of(partial(_core.parity_panels, n_frags, 2, numbers, panels), clock, rounds=60)
    # A row has M / 2 different columns: the k-th of them takes M / (M - k) draws in the mean.
    n_draws = n_coded * sum(n_frags / (n_frags - k) for k in range(n_frags // 2))
    work = f"rows M {n_frags}, R {n_coded}, dialect 2.0.0, a draw"
    return Row(work=work, value=took / n_draws, unit="cycles", at_least=1.6, reach=1.35)


def two_threads() -> Iterator[Row]:
    """In real time: both threads compute at once."""
    n_frags, frag_size, n_coded = LARGE
    blocks = [block_of(n_frags, frag_size) for _ in range(2)]
    outs = [np.empty((n_coded, frag_size), np.uint8) for _ in range(2)]
    expected = ff.encode(blocks[0], frag_size, n_coded)

    def work(i: int) -> None:
        for _ in range(4):
            ff.encode(blocks[i], frag_size, n_coded, kernel=ff.kernel(), out=outs[i])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
        one, two = best_of(lambda: work(0), lambda: list(pool.map(work, range(2))), rounds=30, clock=time.perf_counter)
    assert all((out == expected).all() for out in outs)
    yield Row(
        work=f"two threads over two images, {n_frags} × {frag_size}, R {n_coded}, beside one",
        value=2 * one / two,
        unit="×",
        at_least=1.7,
        reach=1.95,
        better="higher",
    )


# VmHWM instead of ru_maxrss, which a child process inherits from its parent.
MEMORY_PROBE = """
import re
import numpy as np
import fuota_fec as ff
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
block = np.ones(14745 * 232, np.uint8)
ff.encode(bytes(1000), 50, 5)
ballast = np.ones(64 << 20, np.uint8)  # more than the peak of the imports
before = peak()
ff.encode(block, 232, 1638)
print(peak() - before)
"""


def memory() -> Iterator[Row]:
    n_frags, frag_size, n_coded = LARGE
    most = n_coded * frag_size + n_frags * 64 + n_coded * n_frags / 8 + (4 << 20)
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run([sys.executable, "-c", MEMORY_PROBE], capture_output=True, text=True, check=True, env=env)
    assert re.fullmatch(r"\d+\n", done.stdout)
    work = f"memory of an encode, {n_frags} × {frag_size}, R {n_coded}, beyond the block"
    yield Row(work=work, value=int(done.stdout) / 1024, unit="MiB", at_least=round(most / 2**20, 2))


def rows() -> Iterator[Row]:
    yield from small_calls()
    yield from push()
    yield from repeated_encode()
    yield from beside_the_limit()
    yield from two_threads()
    yield from memory()


if __name__ == "__main__":
    show(rows())
