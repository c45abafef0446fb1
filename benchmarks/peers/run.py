"""Comparison with other codecs on the same input in the same run: one table of ratios, written to RESULTS.md.

    python benchmarks/peers/run.py [--quick] [--out FILE]

The bytes of each peer are compared with ours in every common dialect. A peer that is not available (no compiler, no
network, not installed) is listed as left out. Times are the best of several rounds; only ratios within one run are
comparable. Everything is built in a temporary directory.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import fuota_fec as ff
from fuota_fec import _core, _reference
from fuota_fec.wire.dialects import DIALECTS

HERE = Path(__file__).parent
VERSION = {number: dialect for dialect, number in DIALECTS.items()}
Array = np.ndarray


def best_of(call: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest of `rounds` calls."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return best


def pointer(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


# ---- peers -----------------------------------------------------------------------------------------------------


class LeftOut(Exception):
    """A peer is not available on this machine."""


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise LeftOut(f"{name} is not installed")
    return path


def checked(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LeftOut((done.stderr.strip().splitlines() or ["the build failed without a message"])[-1])


class Plain:
    """Algorithm of the specification in C, -O3 -march=native."""

    def __init__(self, build: Path) -> None:
        library = build / "plain.so"
        checked(tool("gcc"), "-O3", "-march=native", "-shared", "-fPIC", str(HERE / "plain.c"), "-o", str(library))
        self.lib = ctypes.CDLL(str(library))
        self.lib.plain_rows.restype = ctypes.c_uint64
        self.lib.plain_decode.restype = ctypes.c_uint32

    def rows(self, n_frags: int, dialect: int, n_coded: int) -> None:
        self.lib.plain_rows(n_frags, dialect, n_coded)

    def encode(self, block: Array, n_frags: int, frag_size: int, dialect: int, coded: Array) -> None:
        self.lib.plain_encode(pointer(block), n_frags, frag_size, dialect, len(coded), pointer(coded))

    def decode(self, n_frags: int, frag_size: int, dialect: int, numbers: Array, payloads: Array, block: Array) -> int:
        return int(
            self.lib.plain_decode(
                n_frags, frag_size, dialect, pointer(numbers), pointer(payloads), len(numbers), pointer(block)
            )
        )


class M4ri:
    """Matrix product alone, by mzd_mul of libm4ri."""

    def __init__(self, build: Path) -> None:
        library = build / "m4ri.so"
        source = str(HERE / "m4ri.c")
        checked(tool("gcc"), "-O3", "-march=native", "-shared", "-fPIC", source, "-lm4ri", "-o", str(library))
        self.lib = ctypes.CDLL(str(library))
        self.lib.m4ri_product.restype = ctypes.c_double
        self.lib.m4ri_product.argtypes = [
            *[ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t],
            *[ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int],
        ]

    def product(self, rows: Array, block: Array, coded: Array, rounds: int) -> float:
        n_rows, n_frags = rows.shape
        return float(
            self.lib.m4ri_product(
                pointer(rows), n_rows, n_frags, pointer(block), coded.shape[1], pointer(coded), rounds
            )
        )


class Program:
    """Peer in another language: reads the block, writes the coded fragments and its best time."""

    def __init__(self, path: Path, dialects: tuple[int, ...], with_dialect: bool) -> None:
        self.path, self.dialects, self.with_dialect = path, dialects, with_dialect

    def encode(self, block: Array, frag_size: int, dialect: int, n_coded: int, rounds: int) -> tuple[float, bytes]:
        numbers = [*([dialect] if self.with_dialect else []), frag_size, n_coded, rounds]
        done = subprocess.run([self.path, *map(str, numbers)], input=block.tobytes(), capture_output=True, check=True)
        return int(done.stderr) * 1e-9, done.stdout


def go(build: Path) -> Program:
    """brocaar/lorawan, in Go: dialect 1.0.0."""
    checked(tool("go"), "build", "-o", str(build / "go_peer"), ".", cwd=HERE / "go")
    return Program(build / "go_peer", (1,), False)


def rust(build: Path) -> Program:
    """ChirpStack's lrwn, in Rust: both dialects."""
    env = dict(os.environ, CARGO_TARGET_DIR=str(build / "rust"))
    checked(tool("cargo"), "build", "--release", "--locked", cwd=HERE / "rust", env=env)
    return Program(build / "rust" / "release" / "peer", (1, 2), True)


def numpy_encode(rows: Array, block: Array, frag_size: int) -> Array:
    """Coded fragments by a matrix product of 32-bit floats modulo 2. Sums stay below 2^24, so the product is exact."""
    bits = np.unpackbits(block.reshape(-1, frag_size), axis=1).astype(np.float32)
    return np.packbits((rows.astype(np.float32) @ bits).astype(np.uint32).astype(np.uint8) & 1, axis=1)


# ---- the table --------------------------------------------------------------------------------------------------


@dataclass
class Results:
    quick: bool
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def ratio(self, work: str, measured: float, least: float | None = None, goal: float | None = None) -> None:
        verdict = (
            "" if least is None else "reached" if goal and measured >= goal else "ok" if measured >= least else "MISSED"
        )
        self._add(work, f"{measured:.1f} ×", least and f"{least:g} ×", goal and f"{goal:g} ×", verdict)

    def rate(self, work: str, measured: float, least: float, goal: float) -> None:
        verdict = "reached" if measured >= goal else "ok" if measured >= least else "MISSED"
        self._add(work, f"{measured:,.0f} /s", f"{least:,.0f}", f"{goal:,.0f}", verdict)

    def limit(self, work: str, measured: float, unit: str, most: float, goal: float | None = None) -> None:
        verdict = "reached" if goal and measured <= goal else "ok" if measured <= most else "MISSED"
        self._add(work, f"{measured:.3g} {unit}", f"≤ {most:g} {unit}", goal and f"{goal:g} {unit}", verdict)

    def _add(self, work: str, measured: str, least: str | None, goal: str | None, verdict: str) -> None:
        self.rows.append((work, measured, least or "", goal or "", verdict))
        print(f"{work:78} {measured:>12} {least or '':>9} {goal or '':>9} {verdict}", flush=True)

    def skip(self, peer: str, why: object) -> None:
        self.left_out.append(f"{peer}: {why}")
        print(f"left out: {peer}: {why}", flush=True)

    def markdown(self) -> str:
        lines = [
            "# Measured",
            "",
            "Written by `benchmarks/peers/run.py`. Ratios of times taken in one run, best of several rounds, one",
            "thread unless stated otherwise, every result checked for equal bytes first. M is the number of uncoded",
            "fragments, F their size in bytes, R the number of coded fragments; *cold* includes the parity rows,",
            "*reused* takes the rows from a `ParityMatrix`. *Plain C* is the algorithm of the specification,",
            "-O3 -march=native.",
            "",
            *machine(),
            "",
            "| work | measured | at least | reach for | |",
            "| --- | --- | --- | --- | --- |",
            *("| " + " | ".join(row) + " |" for row in self.rows),
            "",
        ]
        if self.left_out:
            lines += ["Left out:", "", *(f"* {peer}" for peer in self.left_out), ""]
        return "\n".join(lines)


def machine() -> list[str]:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), cpu)
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return [
        f"* {datetime.now(UTC):%Y-%m-%d}, {cpu}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}",
        f"* CPU features: {', '.join(_core.cpu_features())}",
        f"* kernels: {', '.join(ff.kernels())}; chosen: {ff.kernel()}",
        f"* Python {platform.python_version()}, NumPy {np.__version__}, {compiler}",
    ]


@dataclass
class Case:
    n_frags: int
    frag_size: int
    n_coded: int
    dialect: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng(1)
        self.version = VERSION[self.dialect]
        self.block = rng.integers(0, 256, self.n_frags * self.frag_size, np.uint8)
        self.coded = np.empty((self.n_coded, self.frag_size), np.uint8)
        self.name = f"{self.n_frags} × {self.frag_size}, R {self.n_coded}, v{self.dialect}"

    def encode(self, **more: object) -> Array:
        return ff.encode(
            self.block,
            self.frag_size,
            self.n_coded,
            version=self.version,
            out=self.coded,
            **more,  # type: ignore[arg-type]
        )

    def encode_cold(self) -> Array:
        """With rows drawn anew, as the peers do: calls that name a kernel keep none."""
        return self.encode(kernel=ff.kernel())


def compare_encoders(case: Case, results: Results, plain: Plain, bounds: dict[str, tuple[float, float]]) -> None:
    large = case.n_frags > 4000
    rounds, plain_rounds = (9, 2) if large else (60, 8)
    expected = np.empty_like(case.coded)
    plain_time = best_of(
        lambda: plain.encode(case.block, case.n_frags, case.frag_size, case.dialect, expected), plain_rounds
    )
    matrix = ff.ParityMatrix(case.n_frags, case.version)
    for kernel in ff.kernels():
        assert (case.encode(kernel=kernel) == expected).all(), kernel
        cold = best_of(lambda kernel=kernel: case.encode(kernel=kernel), rounds)  # type: ignore[misc]
        chosen = kernel == ff.kernel()
        if chosen or large:
            bound = bounds.get("cold" if chosen else kernel, (None, None))
            results.ratio(f"encode {case.name}, cold, vs plain C [{kernel}]", plain_time / cold, *bound)
    assert (case.encode(matrix=matrix) == expected).all()
    reused = best_of(lambda: case.encode(matrix=matrix), rounds)
    results.ratio(
        f"encode {case.name}, matrix reused, vs plain C [{ff.kernel()}]",
        plain_time / reused,
        *bounds.get("reused", (None, None)),
    )
    if large:
        plain_time = best_of(lambda: plain.rows(case.n_frags, case.dialect, case.n_coded), 2)
        numbers = np.arange(1, case.n_coded + 1, dtype=np.uint32)
        panels = np.empty(_core.panels_len(case.n_coded, case.n_frags), np.uint8)
        rows = best_of(lambda: _core.parity_panels(case.n_frags, case.dialect, numbers, panels), rounds)
        results.ratio(
            f"rows M {case.n_frags}, R {case.n_coded}, v{case.dialect}, vs plain C [{ff.kernel()}]",
            plain_time / rows,
            *bounds["rows"],
        )


def compare_decoders(case: Case, results: Results, plain: Plain, least: float, goal: float) -> None:
    rng = np.random.default_rng(7)
    sent = np.concatenate([case.block.reshape(case.n_frags, case.frag_size), case.encode()])
    # For the largest block with 1/9 redundancy, 10 % loss leaves about as many coded fragments as are needed.
    loss = 0.096 if case.n_frags > 4000 else 0.1
    kept = np.flatnonzero(rng.random(len(sent)) >= loss)
    numbers, payloads = (kept + 1).astype(np.uint32), np.ascontiguousarray(sent[kept])
    block = np.empty_like(case.block)
    used = plain.decode(case.n_frags, case.frag_size, case.dialect, numbers, payloads, block)
    assert used, "this seed loses too many fragments to decode"
    assert (block == case.block).all()

    def decode() -> bytes:
        # Named, a kernel draws the rows anew, as the peer does.
        decoder = ff.Decoder(case.n_frags, case.frag_size, version=case.version, kernel=ff.kernel())
        decoder.push_many(numbers, payloads)
        return decoder.block()

    assert decode() == case.block.tobytes()
    ours = best_of(decode, 9 if case.n_frags > 4000 else 40)
    plain_time = best_of(lambda: plain.decode(case.n_frags, case.frag_size, case.dialect, numbers, payloads, block), 3)
    results.ratio(f"decode {case.name}, {loss:.3g} lost, vs plain C [{ff.kernel()}]", plain_time / ours, least, goal)


def compare_products(case: Case, results: Results, m4ri: M4ri) -> None:
    matrix = ff.ParityMatrix(case.n_frags, case.version)
    rows = matrix.rows(1, case.n_coded + 1)
    other = np.empty_like(case.coded)
    m4ri_time = m4ri.product(rows, case.block, other, 5)
    assert (case.encode(matrix=matrix) == other).all()
    ours = best_of(lambda: case.encode(matrix=matrix), 15)
    large = case.n_frags > 4000
    results.ratio(
        f"product {case.name}, vs libm4ri mzd_mul [{ff.kernel()}]", m4ri_time / ours, *((4.5, 5.7) if large else ())
    )


def compare_program(case: Case, results: Results, name: str, peer: Program, *bounds: float) -> None:
    if case.dialect not in peer.dialects:
        return
    took, coded = peer.encode(case.block, case.frag_size, case.dialect, case.n_coded, 2 if case.n_frags > 4000 else 6)
    assert coded == case.encode().tobytes(), f"{name} gives other bytes"
    ours = best_of(case.encode_cold, 15)
    results.ratio(f"encode {case.name}, cold, vs {name} [{ff.kernel()}]", took / ours, *bounds)


def compare_python(case: Case, results: Results) -> None:
    ours = best_of(case.encode_cold, 40)
    rows = ff.ParityMatrix(case.n_frags, case.version).rows(1, case.n_coded + 1)
    assert (numpy_encode(rows, case.block, case.frag_size) == case.coded).all()
    took = best_of(lambda: numpy_encode(rows, case.block, case.frag_size), 3)
    results.ratio(f"encode {case.name}, vs NumPy matrix product, rows given", took / ours)
    data = case.block.tobytes()
    few = 4
    begin = time.perf_counter()
    coded = _reference.encode(data, case.frag_size, few, version=case.version)
    took = (time.perf_counter() - begin) * case.n_coded / few
    assert coded == [c.tobytes() for c in case.coded[:few]]
    results.ratio(f"encode {case.name}, vs big-integer Python", took / ours)


# ---- latency, threads, memory --------------------------------------------------------------------------------------


def small_calls(results: Results) -> None:
    def per_push() -> float:
        push = ff.Decoder(16000, 222).push
        payload = bytes(222)
        numbers = list(range(1, 10001))
        begin = time.perf_counter()
        for number in numbers:
            push(number, payload)
        return (time.perf_counter() - begin) / len(numbers)

    results.limit(
        "Decoder.push of an uncoded fragment, loop included", min(per_push() for _ in range(30)) * 1e9, "ns", 150, 75
    )
    block, encode = bytes(1000), ff.encode
    assert [bytes(c) for c in encode(block, 50, 5)] == _reference.encode(block, 50, 5)

    def per_encode() -> float:
        begin = time.perf_counter()
        for _ in range(2000):
            encode(block, 50, 5)
        return (time.perf_counter() - begin) / 2000

    results.limit("encode 20 × 50, R 5, loop included", min(per_encode() for _ in range(40)) * 1e6, "µs", 2, 0.6)


def two_threads(results: Results) -> None:
    cases = [Case(14745, 232, 1638, 1), Case(14745, 232, 1638, 1)]
    expected = cases[0].encode().copy()

    def work(case: Case) -> None:
        for _ in range(4):
            case.encode_cold()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, cases))
        one = best_of(lambda: work(cases[0]), 7)
        two = best_of(lambda: list(pool.map(work, cases)), 9)
    assert all((case.coded == expected).all() for case in cases)
    results.ratio("two threads over two images (14745 × 232, R 1638), vs one", 2 * one / two, 1.7, 1.95)


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


def peak_memory(results: Results) -> None:
    parts = 1638 * 232, 14745 * 64, 1638 * 14745 / 8, 4 << 20
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run([sys.executable, "-c", MEMORY_PROBE], capture_output=True, text=True, check=True, env=env)
    results.limit(
        "memory of an encode, 14745 × 232, R 1638, beyond the block",
        int(done.stdout) / 1024,
        "MiB",
        round(sum(parts) / 2**20, 2),
    )


def fleets(results: Results) -> None:
    """Devices per second on one core, in processor time. All kernels must agree with the portable one."""
    n_devices = 100_000
    expected = ff.simulate_fleet(1000, 0.1, 20_000, max_coded=320, kernel="portable").coded_needed
    for kernel, least, goal in ((ff.kernel(), 350e3, 850e3), ("portable", 120e3, 180e3)):
        found = ff.simulate_fleet(1000, 0.1, 20_000, max_coded=320, kernel=kernel).coded_needed
        assert (found == expected).all(), kernel
        times = []
        for _ in range(7):
            started = time.process_time()
            ff.simulate_fleet(1000, 0.1, n_devices, max_coded=320, kernel=kernel)
            times.append(time.process_time() - started)
        results.rate(f"fleet M 1000, R 320, 10 % lost, devices [{kernel}]", n_devices / min(times), least, goal)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the large peers in other languages")
    parser.add_argument("--out", type=Path, default=HERE.parent / "RESULTS.md")
    options = parser.parse_args()
    results = Results(options.quick)
    medium = [Case(1000, 222, 320, dialect) for dialect in (1, 2)]
    large = [Case(14745, 232, 1638, dialect) for dialect in (1, 2)]

    with tempfile.TemporaryDirectory() as directory:
        build = Path(directory)
        small_calls(results)
        peak_memory(results)
        try:
            plain = Plain(build)
            kernels = {"avx2_gfni": (14.0, 18.0), "avx2": (9.0, 12.0), "portable": (4.5, 6.5)}
            for case in medium:
                compare_encoders(case, results, plain, {"cold": (15, 22), "reused": (35, 50)})
            for case, rows in zip(large, ((3.5, 4.6), (8.5, 11.5)), strict=True):
                bounds = {"cold": (18, 25), "reused": (38, 52), "rows": rows, **kernels}
                compare_encoders(case, results, plain, bounds)
            for dialect in (1, 2):
                compare_decoders(Case(4000, 222, 500, dialect), results, plain, 14, 21)
            for case in large:
                compare_decoders(case, results, plain, 14, 20)
        except LeftOut as why:
            results.skip("plain C", why)
        try:
            m4ri = M4ri(build)
            compare_products(medium[0], results, m4ri)
            compare_products(large[0], results, m4ri)
        except LeftOut as why:
            results.skip("libm4ri", why)
        for name, make, bounds_of in (("Go brocaar/lorawan", go, (110.0, 160.0)), ("ChirpStack lrwn (Rust)", rust, ())):
            try:
                peer = make(build)
                for case in medium if options.quick else [*medium, *large]:
                    compare_program(case, results, name, peer, *bounds_of)
            except LeftOut as why:
                results.skip(name, why)
    compare_python(medium[0], results)
    fleets(results)
    two_threads(results)
    options.out.write_text(results.markdown())
    missed = [row for row in results.rows if row[4] == "MISSED"]
    print(f"{len(results.rows)} rows, {len(missed)} missed, written to {options.out}")


if __name__ == "__main__":
    main()
