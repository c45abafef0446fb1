"""Speed of the codec by kernel: `pytest benchmarks/bench_codec.py`.

`python benchmarks/peers/run.py` measures ratios to other codecs. Every benchmark checks its result before the timed
calls and reports the kernel. Compare the minimum within a group.
"""

from __future__ import annotations

import timeit
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec import _core, _reference
from fuota_fec.planning import selection
from fuota_fec.wire.dialects import DIALECTS

SIZES = [(1000, 222, 320), (4000, 222, 400), (14745, 232, 1638)]
VERSIONS = list(DIALECTS)

by_size = pytest.mark.parametrize(("n_frags", "frag_size", "n_coded"), SIZES, ids=str)
by_version = pytest.mark.parametrize("version", VERSIONS)
by_kernel = pytest.mark.parametrize("kernel", ff.kernels())


@lru_cache
def block_of(n_frags: int, frag_size: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, n_frags * frag_size, np.uint8)


@lru_cache
def coded_of(n_frags: int, frag_size: int, n_coded: int, version: str) -> np.ndarray:
    """Expected coded fragments: by the portable kernel, a few of them checked with the plain Python algorithm."""
    block = block_of(n_frags, frag_size)
    coded = ff.encode(block, frag_size, n_coded, version=version, kernel="portable")
    few = _reference.encode(block.tobytes(), frag_size, 2, version=version)
    assert [c.tobytes() for c in coded[:2]] == few
    return coded


def describe(benchmark: Any, kernel: str, group: str, n_bytes: int) -> None:
    benchmark.group = group
    benchmark.extra_info["kernel"] = kernel
    benchmark.extra_info["bytes"] = n_bytes


def with_rate(benchmark: Any, n_bytes: int) -> None:
    if benchmark.stats is not None:
        benchmark.extra_info["bytes_per_second"] = round(n_bytes / benchmark.stats.stats.min)


@by_kernel
@by_version
@by_size
def test_encode_cold(benchmark, n_frags, frag_size, n_coded, version, kernel):
    block, out = block_of(n_frags, frag_size), np.empty((n_coded, frag_size), np.uint8)
    describe(benchmark, kernel, f"encode {n_frags} × {frag_size}, R {n_coded}, {version}: cold", block.size)
    ff.encode(block, frag_size, n_coded, version=version, kernel=kernel, out=out)
    assert (out == coded_of(n_frags, frag_size, n_coded, version)).all()
    benchmark(ff.encode, block, frag_size, n_coded, version=version, kernel=kernel, out=out)
    with_rate(benchmark, block.size)


@by_kernel
@by_size
def test_encode_matrix_reused(benchmark, n_frags, frag_size, n_coded, kernel):
    block, out = block_of(n_frags, frag_size), np.empty((n_coded, frag_size), np.uint8)
    matrix = ff.ParityMatrix(n_frags, kernel=kernel)
    describe(benchmark, kernel, f"encode {n_frags} × {frag_size}, R {n_coded}: matrix reused", block.size)
    ff.encode(block, frag_size, n_coded, matrix=matrix, kernel=kernel, out=out)
    assert (out == coded_of(n_frags, frag_size, n_coded, "1.0.0")).all()
    benchmark(ff.encode, block, frag_size, n_coded, matrix=matrix, kernel=kernel, out=out)
    with_rate(benchmark, block.size)


@by_size
@pytest.mark.parametrize("kept", [False, True])
def test_encode_again(benchmark, n_frags, frag_size, n_coded, kept):
    """Without a matrix, after another block with as many fragments; beside a matrix that is given."""
    block, out = block_of(n_frags, frag_size), np.empty((n_coded, frag_size), np.uint8)
    given = {} if kept else {"matrix": ff.ParityMatrix(n_frags)}
    describe(benchmark, ff.kernel(), f"encode {n_frags} × {frag_size}, R {n_coded}: again", block.size)
    ff.encode(block, frag_size, n_coded, out=out, **given)
    assert (out == coded_of(n_frags, frag_size, n_coded, "1.0.0")).all()
    benchmark(ff.encode, block, frag_size, n_coded, out=out, **given)
    with_rate(benchmark, block.size)


@by_kernel
@by_version
@pytest.mark.parametrize(("n_frags", "n_coded"), [(m, r) for m, _, r in SIZES])
def test_rows(benchmark, n_frags, n_coded, version, kernel):
    rows = np.arange(1, n_coded + 1, dtype=np.uint32)
    panels, expected = (np.empty(_core.panels_len(n_coded, n_frags), np.uint8) for _ in range(2))
    describe(benchmark, kernel, f"rows M {n_frags}, R {n_coded}, {version}", panels.size)
    _core.parity_panels(n_frags, DIALECTS[version], rows, panels, kernel)
    _core.parity_panels(n_frags, DIALECTS[version], rows, expected, "portable")
    assert (panels == expected).all()
    benchmark(_core.parity_panels, n_frags, DIALECTS[version], rows, panels, kernel)


@by_kernel
@by_version
@pytest.mark.parametrize(
    ("n_frags", "frag_size", "n_coded", "loss"),
    [(1000, 222, 320, 0.1), (4000, 222, 500, 0.1), (14745, 232, 1638, 0.096)],
)
def test_decode(benchmark, n_frags, frag_size, n_coded, loss, version, kernel):
    block = block_of(n_frags, frag_size)
    sent = np.concatenate([block.reshape(n_frags, frag_size), coded_of(n_frags, frag_size, n_coded, version)])
    kept = np.flatnonzero(np.random.default_rng(7).random(len(sent)) >= loss)
    numbers, payloads = (kept + 1).astype(np.uint32), np.ascontiguousarray(sent[kept])
    describe(benchmark, kernel, f"decode {n_frags} × {frag_size}, {loss:.0%} lost, {version}", block.size)

    def decode():
        decoder = ff.Decoder(n_frags, frag_size, version=version, kernel=kernel)
        decoder.push_many(numbers, payloads)
        return decoder.block()

    assert decode() == block.tobytes()
    benchmark(decode)
    with_rate(benchmark, block.size)


@pytest.mark.parametrize(("n_frags", "frag_size", "n_coded", "loss"), [(14745, 232, 1638, 0.096)])
def test_decode_again(benchmark, n_frags, frag_size, n_coded, loss):
    """Rows kept from another block with as many fragments. `product_of_time` is the part that the product alone
    takes, by an encode with as many rows as fragments are lost and a given matrix."""
    block = block_of(n_frags, frag_size)
    sent = np.concatenate([block.reshape(n_frags, frag_size), coded_of(n_frags, frag_size, n_coded, "1.0.0")])
    kept = np.flatnonzero(np.random.default_rng(7).random(len(sent)) >= loss)
    numbers, payloads = (kept + 1).astype(np.uint32), np.ascontiguousarray(sent[kept])
    n_lost = n_frags - int((kept < n_frags).sum())
    matrix, out = ff.ParityMatrix(n_frags), np.empty((n_lost, frag_size), np.uint8)
    describe(benchmark, ff.kernel(), f"decode {n_frags} × {frag_size}, {loss:.0%} lost: again", block.size)
    assert ff.decode(n_frags, frag_size, numbers, payloads) == block.tobytes()
    product = min(
        timeit.repeat(lambda: ff.encode(block, frag_size, n_lost, matrix=matrix, out=out), number=1, repeat=20)
    )
    benchmark(ff.decode, n_frags, frag_size, numbers, payloads)
    if benchmark.stats is not None:
        benchmark.extra_info["product_of_time"] = round(product / benchmark.stats.stats.min, 3)
    with_rate(benchmark, block.size)


# ---- small calls: overhead of a call --------------------------------------------------------------------------------


def test_push_of_an_uncoded_fragment(benchmark):
    """A round has 1000 calls: divide by 1000."""
    payloads = [bytes([i % 256]) * 222 for i in range(1000)]
    numbered = list(enumerate(payloads, 1))
    describe(benchmark, ff.kernel(), "small calls", 222_000)

    def fresh():
        return (ff.Decoder(16000, 222).push,), {}

    def push_all(push):
        for number, payload in numbered:
            push(number, payload)

    decoder = ff.Decoder(1000, 222)
    push_all(decoder.push)
    assert decoder.block() == b"".join(payloads)
    benchmark.pedantic(push_all, setup=fresh, rounds=300)


@by_kernel
@by_version
def test_encode_small(benchmark, version, kernel):
    block = bytes(range(250)) * 4
    describe(benchmark, kernel, f"small calls: encode 20 × 50, R 5, {version}", len(block))
    coded = ff.encode(block, 50, 5, version=version, kernel=kernel)
    assert [c.tobytes() for c in coded] == _reference.encode(block, 50, 5, version=version)
    forced = {} if kernel == ff.kernel() else {"kernel": kernel}  # leaves the lookup by name out of the measurement
    benchmark(ff.encode, block, 50, 5, version=version, **forced)


SMALL = bytes(range(250)) * 4


@pytest.mark.parametrize(
    "given", [{}, {"matrix": ff.ParityMatrix(20)}, {"rows": [7, 9, 2, 30, 4]}], ids=["plain", "matrix", "rows"]
)
def test_encode_small_arguments(benchmark, given):
    describe(benchmark, ff.kernel(), "small calls: encode 20 × 50, R 5, by arguments", len(SMALL))
    coded = ff.encode(SMALL, 50, 5, **given)
    assert [c.tobytes() for c in coded] == _reference.encode(SMALL, 50, 5, rows=given.get("rows"))
    benchmark(ff.encode, SMALL, 50, 5, **given)


def test_prepare_small(benchmark):
    describe(benchmark, ff.kernel(), "small calls: prepare 1 kB", len(SMALL))
    block = ff.prepare(SMALL, 50, n_coded=5)
    assert block.image() == SMALL
    assert block.payload(25) == _reference.encode(SMALL, 50, 5)[4]
    benchmark(ff.prepare, SMALL, 50, n_coded=5)


def test_frame(benchmark):
    describe(benchmark, ff.kernel(), "small calls: frame", 53)
    block = ff.prepare(SMALL, 50, n_coded=5)
    assert block.frame(20) == bytes([8, 20, 0]) + SMALL[-50:]
    benchmark(block.frame, 20)


def test_decode_small(benchmark):
    describe(benchmark, ff.kernel(), "small calls: decode 20 × 50 from lists", len(SMALL))
    coded = _reference.encode(SMALL, 50, 4)
    numbers = [*range(3, 21), 21, 22, 23, 24]
    payloads = [*(SMALL[50 * (n - 1) : 50 * n] for n in range(3, 21)), *coded]
    assert ff.decode(20, 50, numbers, payloads) == SMALL
    benchmark(ff.decode, 20, 50, numbers, payloads)


@by_kernel
def test_fleet(benchmark, kernel):
    n_devices = 5000
    expected = ff.simulate_fleet(1000, 0.1, n_devices, max_coded=320, kernel="portable").coded_needed
    describe(benchmark, kernel, "fleet M 1000, R 320, 10 % lost", 0)
    assert (ff.simulate_fleet(1000, 0.1, n_devices, max_coded=320, kernel=kernel).coded_needed == expected).all()
    benchmark(ff.simulate_fleet, 1000, 0.1, n_devices, max_coded=320, kernel=kernel)
    if benchmark.stats is not None:
        benchmark.extra_info["devices_per_second"] = round(n_devices / benchmark.stats.stats.min)


@by_kernel
@pytest.mark.parametrize(("n_frags", "loss"), [(50, 0.05), (100, 0.05)])
def test_select_rows(benchmark, n_frags, loss, kernel):
    expected = ff.select_rows(n_frags, loss, 50, kernel="portable")
    describe(benchmark, kernel, f"select_rows M {n_frags}, R 50, {loss:.0%} lost", 0)
    assert (ff.select_rows(n_frags, loss, 50, kernel=kernel) == expected).all()
    chosen = ff.simulate_fleet(n_frags, loss, 100_000, max_coded=50, rows=expected).coded_needed
    first = ff.simulate_fleet(n_frags, loss, 100_000, max_coded=50).coded_needed
    assert np.quantile(chosen, 0.99) <= np.quantile(first, 0.99)

    def forget():
        selection._selected.cache_clear()
        selection.pool_of.cache_clear()

    benchmark.pedantic(ff.select_rows, (n_frags, loss, 50), {"kernel": kernel}, setup=forget, rounds=5)
