"""Comparison with other codecs on the same input in the same run: ratios of times.

The bytes of each peer are compared with ours in every common dialect. M is the number of uncoded fragments, F their
size in bytes, R the number of coded fragments; *cold* includes the parity rows, *reused* takes the rows from a
`ParityMatrix`. *Plain C* is the algorithm of the specification, -O3 -march=native. One thread; a peer in another
language measures its own time. A peer that is not available (no compiler, no network, not installed) is left out.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from native import Array, LeftOut, M4ri, Plain, Program, go, rust
from results import Row, best_of, show

import fuota_fec as ff
from fuota_fec import _core, _reference
from fuota_fec.wire.dialects import DIALECTS

VERSION = {number: dialect for dialect, number in DIALECTS.items()}
KERNELS = {"avx2_gfni": (14, 18), "avx2": (9, 12), "portable": (4.5, 6.5)}
"""Bounds of a cold encode of the largest block by kernels that were not chosen."""


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


def ratio(work: str, value: float, at_least: float | None = None, reach: float | None = None) -> Row:
    return Row(work=work, value=value, unit="×", at_least=at_least, reach=reach, better="higher")


def encoders(case: Case, plain: Plain, cold: tuple[float, float], reused: tuple[float, float]) -> Iterator[Row]:
    large = case.n_frags > 4000
    expected = np.empty_like(case.coded)
    theirs = partial(plain.encode, case.block, case.n_frags, case.frag_size, case.dialect, expected)
    theirs()
    matrix = ff.ParityMatrix(case.n_frags, case.version)
    for kernel in ff.kernels():
        assert (case.encode(kernel=kernel) == expected).all(), kernel
    assert (case.encode(matrix=matrix) == expected).all()
    kernels = {kernel: KERNELS[kernel] for kernel in ff.kernels() if kernel != ff.kernel() and large}
    ours = {f"cold, vs plain C [{ff.kernel()}]": (case.encode_cold, cold)}
    ours |= {
        f"cold, vs plain C [{name}]": (partial(case.encode, kernel=name), bounds) for name, bounds in kernels.items()
    }
    ours[f"matrix reused, vs plain C [{ff.kernel()}]"] = partial(case.encode, matrix=matrix), reused
    their_time, *times = best_of(theirs, *(call for call, _ in ours.values()), rounds=9 if large else 60)
    for (how, (_, bounds)), took in zip(ours.items(), times, strict=True):
        yield ratio(f"encode {case.name}, {how}", their_time / took, *bounds)


def rows_of(case: Case, plain: Plain, *bounds: float) -> Row:
    numbers = np.arange(1, case.n_coded + 1, dtype=np.uint32)
    panels = np.empty(_core.panels_len(case.n_coded, case.n_frags), np.uint8)
    theirs, ours = best_of(
        partial(plain.rows, case.n_frags, case.dialect, case.n_coded),
        partial(_core.parity_panels, case.n_frags, case.dialect, numbers, panels),
        rounds=9,
    )
    return ratio(
        f"rows M {case.n_frags}, R {case.n_coded}, v{case.dialect}, vs plain C [{ff.kernel()}]", theirs / ours, *bounds
    )


def decoder(case: Case, plain: Plain, *bounds: float) -> Row:
    sent = np.concatenate([case.block.reshape(case.n_frags, case.frag_size), case.encode()])
    # For the largest block with 1/9 redundancy, 10 % loss leaves about as many coded fragments as are needed.
    loss = 0.096 if case.n_frags > 4000 else 0.1
    kept = np.flatnonzero(np.random.default_rng(7).random(len(sent)) >= loss)
    numbers, payloads = (kept + 1).astype(np.uint32), np.ascontiguousarray(sent[kept])
    block = np.empty_like(case.block)
    theirs = partial(plain.decode, case.n_frags, case.frag_size, case.dialect, numbers, payloads, block)
    assert theirs(), "this seed loses too many fragments to decode"
    assert (block == case.block).all()

    def ours() -> bytes:
        # Named, a kernel draws the rows anew, as the peer does.
        decoder = ff.Decoder(case.n_frags, case.frag_size, version=case.version, kernel=ff.kernel())
        decoder.push_many(numbers, payloads)
        return decoder.block()

    assert ours() == case.block.tobytes()
    their_time, our_time = best_of(theirs, ours, rounds=7)
    return ratio(f"decode {case.name}, {loss:.3g} lost, vs plain C [{ff.kernel()}]", their_time / our_time, *bounds)


def product(case: Case, m4ri: M4ri, *bounds: float) -> Row:
    matrix = ff.ParityMatrix(case.n_frags, case.version)
    other = np.empty_like(case.coded)
    m4ri_time = m4ri.product(matrix.rows(1, case.n_coded + 1), case.block, other, 5)
    assert (case.encode(matrix=matrix) == other).all()
    (ours,) = best_of(partial(case.encode, matrix=matrix), rounds=15)
    return ratio(f"product {case.name}, vs libm4ri mzd_mul [{ff.kernel()}]", m4ri_time / ours, *bounds)


def program(case: Case, name: str, peer: Program, *bounds: float) -> Iterator[Row]:
    if case.dialect not in peer.dialects:
        return
    took, coded = peer.encode(case.block, case.frag_size, case.dialect, case.n_coded, 2 if case.n_frags > 4000 else 6)
    assert coded == case.encode().tobytes(), f"{name} gives other bytes"
    (ours,) = best_of(case.encode_cold, rounds=15)
    yield ratio(f"encode {case.name}, cold, vs {name} [{ff.kernel()}]", took / ours, *bounds)


def python(case: Case) -> Iterator[Row]:
    (ours,) = best_of(case.encode_cold, rounds=40)
    matrix = ff.ParityMatrix(case.n_frags, case.version).rows(1, case.n_coded + 1)
    assert (numpy_encode(matrix, case.block, case.frag_size) == case.coded).all()
    (took,) = best_of(partial(numpy_encode, matrix, case.block, case.frag_size), rounds=3)
    yield ratio(f"encode {case.name}, vs NumPy matrix product, rows given", took / ours)
    few = 4
    encode = partial(_reference.encode, case.block.tobytes(), case.frag_size, few, version=case.version)
    assert encode() == [c.tobytes() for c in case.coded[:few]]
    (took,) = best_of(encode, rounds=1)
    yield ratio(f"encode {case.name}, vs big-integer Python", took * case.n_coded / few / ours)


def numpy_encode(rows: Array, block: Array, frag_size: int) -> Array:
    """Coded fragments by a matrix product of 32-bit floats modulo 2. Sums stay below 2^24, so the product is exact."""
    bits = np.unpackbits(block.reshape(-1, frag_size), axis=1).astype(np.float32)
    return np.packbits((rows.astype(np.float32) @ bits).astype(np.uint32).astype(np.uint8) & 1, axis=1)


def or_left_out(name: str, measured: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    """Rows, up to the one that needs what is not there."""
    try:
        yield from measured()
    except LeftOut as why:
        yield ratio(f"{name}: {why}", math.nan)


def rows() -> Iterator[Row]:
    medium = [Case(1000, 222, 320, dialect) for dialect in (1, 2)]
    large = [Case(14745, 232, 1638, dialect) for dialect in (1, 2)]

    with tempfile.TemporaryDirectory() as directory:
        build = Path(directory)

        def vs_plain() -> Iterator[Row]:
            plain = Plain(build)
            for case in medium:
                yield from encoders(case, plain, (15, 22), (35, 50))
            for case, bounds in zip(large, ((3.5, 4.6), (8.5, 11.5)), strict=True):
                yield from encoders(case, plain, (18, 25), (38, 52))
                yield rows_of(case, plain, *bounds)
            for dialect in (1, 2):
                yield decoder(Case(4000, 222, 500, dialect), plain, 14, 21)
            for case in large:
                yield decoder(case, plain, 14, 20)

        def vs_m4ri() -> Iterator[Row]:
            m4ri = M4ri(build)
            yield product(medium[0], m4ri)
            yield product(large[0], m4ri, 4.5, 5.7)

        def vs_program(name: str, make: Callable[[Path], Program], *bounds: float) -> Iterator[Row]:
            peer = make(build)
            for case in (*medium, *large):
                yield from program(case, name, peer, *bounds)

        yield from or_left_out("plain C", vs_plain)
        yield from or_left_out("libm4ri", vs_m4ri)
        yield from or_left_out("Go brocaar/lorawan", partial(vs_program, "Go brocaar/lorawan", go, 110, 160))
        yield from or_left_out("ChirpStack lrwn (Rust)", partial(vs_program, "ChirpStack lrwn (Rust)", rust))
    yield from python(medium[0])


if __name__ == "__main__":
    show(rows())
