"""The parity code in plain Python, in the order of the specification.

The oracle of the tests and of `fuota-fec doctor`: written to be compared with TS004 line by line, not to be
fast. Names and signatures are those of the native codec; arguments are not checked. A row is an int whose bit i is
the coefficient of uncoded fragment i + 1, so that addition over GF(2) is `^`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fuota_fec.wire.dialects import one_dialect


def prbs23(x: int) -> int:
    """The next state of the generator. The feedback bit is added, not set: from row 8381 on the carry matters."""
    return (x >> 1) + (((x ^ (x >> 5)) & 1) << 22)


def parity_row(n_frags: int, n: int, dialect: str = "1.0.0") -> int:
    """Row n ≥ 1 of the parity matrix of n_frags uncoded fragments: the coefficients of coded fragment M + n."""
    power_of_two = n_frags & (n_frags - 1) == 0
    x = 1 + 1001 * n
    row = 0
    k = 0
    while k < n_frags // 2:
        r = n_frags
        while r >= n_frags:
            x = prbs23(x)
            r = x % (n_frags + power_of_two)
        if dialect == "1.0.0" or not row >> r & 1:
            k += 1
        row |= 1 << r
    return row


class ParityMatrix:
    """Rows of the parity matrix as lists of 0 and 1."""

    def __init__(self, n_frags: int, dialect: str | None = None, *, version: str | None = None) -> None:
        self.n_frags = n_frags
        self.dialect = self.version = one_dialect(dialect, version)

    def row(self, n: int) -> list[int]:
        bits = parity_row(self.n_frags, n, self.dialect)
        return [bits >> i & 1 for i in range(self.n_frags)]

    def rows(self, start: int, stop: int) -> list[list[int]]:
        return [self.row(n) for n in range(start, stop)]


def encode(
    block: bytes,
    frag_size: int,
    n_coded: int,
    *,
    dialect: str | None = None,
    version: str | None = None,
    rows: Sequence[int] | None = None,
) -> list[bytes]:
    """The coded fragments of rows 1 … n_coded, or of rows[0 … n_coded-1]. `block` is whole fragments."""
    dialect = one_dialect(dialect, version)
    n_frags = len(block) // frag_size
    fragments = [int.from_bytes(block[i * frag_size : (i + 1) * frag_size], "little") for i in range(n_frags)]
    numbers = range(1, n_coded + 1) if rows is None else rows[:n_coded]
    coded = []
    for n in numbers:
        coefficients = parity_row(n_frags, n, dialect)
        total = 0
        for i, fragment in enumerate(fragments):
            if coefficients >> i & 1:
                total ^= fragment
        coded.append(total.to_bytes(frag_size, "little"))
    return coded


class Decoder:
    """Gauss–Jordan elimination on each arrival: (row, payload) pairs in reduced echelon form, by pivot."""

    def __init__(self, n_frags: int, frag_size: int, *, dialect: str | None = None, version: str | None = None) -> None:
        self.n_frags = n_frags
        self.frag_size = frag_size
        self.dialect = self.version = one_dialect(dialect, version)
        self._solved: dict[int, tuple[int, int]] = {}

    def push(self, frag_nb: int, payload: bytes) -> bool:
        if frag_nb <= self.n_frags:
            row = 1 << (frag_nb - 1)
        else:
            row = parity_row(self.n_frags, frag_nb - self.n_frags, self.dialect)
        value = int.from_bytes(payload, "little")
        for pivot, (other, other_value) in self._solved.items():
            if row >> pivot & 1:
                row ^= other
                value ^= other_value
        if row:
            pivot = (row & -row).bit_length() - 1
            for p, (other, other_value) in self._solved.items():
                if other >> pivot & 1:
                    self._solved[p] = (other ^ row, other_value ^ value)
            self._solved[pivot] = (row, value)
        return self.complete

    @property
    def rank(self) -> int:
        return len(self._solved)

    @property
    def missing(self) -> int:
        return self.n_frags - self.rank

    @property
    def complete(self) -> bool:
        return self.rank == self.n_frags

    def block(self) -> bytes:
        return b"".join(self._solved[i][1].to_bytes(self.frag_size, "little") for i in range(self.n_frags))


def decode(
    n_frags: int,
    frag_size: int,
    frag_nbs: Iterable[int],
    payloads: Iterable[bytes],
    *,
    dialect: str | None = None,
    version: str | None = None,
) -> bytes:
    decoder = Decoder(n_frags, frag_size, dialect=dialect, version=version)
    for frag_nb, payload in zip(frag_nbs, payloads, strict=True):
        if decoder.push(frag_nb, payload):
            break
    return decoder.block()


# ---- rows to send: see fuota_select_rows of src_c/fuota.h ------------------------------------------------------

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
SELECT_DEPTH = 12


def mixed(z: int) -> int:
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def random_number(key: int, idx: int) -> int:
    """Number idx of a splitmix64 generator, 32 bits."""
    return mixed((key + GOLDEN * (idx + 1)) & MASK) >> 32


def is_odd(vector: int, row: int) -> bool:
    return (vector & row).bit_count() % 2 == 1


class LossPattern:
    """A simulated device: a basis of the vectors that its received rows cannot tell from zero, as ints like rows."""

    def __init__(self, n_frags: int, n_lost: int, weight: int, key: int) -> None:
        self.weight = weight
        self.key = key
        lost: set[int] = set()
        for j in range(n_frags - n_lost, n_frags):
            position = random_number(key, j) * (j + 1) >> 32
            lost.add(j if position in lost else position)
        self.vectors = [1 << position for position in sorted(lost)]

    def is_new(self, row: int) -> bool:
        return any(is_odd(vector, row) for vector in self.vectors)

    def receive(self, row: int) -> None:
        odd = [v for v, vector in enumerate(self.vectors) if is_odd(vector, row)]
        if not odd:
            return
        lightest = min(odd, key=lambda v: self.vectors[v].bit_count())
        removed = self.vectors[lightest]
        self.vectors[lightest] = self.vectors[-1]
        self.vectors.pop()
        self.vectors = [vector ^ removed if is_odd(vector, row) else vector for vector in self.vectors]


def highest_ones(weight: int, n: int) -> int:
    """`weight` with only its n highest one bits."""
    kept = 0
    while weight and n:
        highest = 1 << weight.bit_length() - 1
        weight, kept, n = weight ^ highest, kept | highest, n - 1
    return kept


def select_rows(
    n_frags: int,
    dialect: str,
    n_candidates: int,
    threshold: int,
    seed: int,
    n_patterns: Sequence[int],
    weights: Sequence[int],
    gains: Sequence[Sequence[int]],
    sent: Sequence[int],
    n_rows: int,
) -> list[int]:
    """Rows to send after `sent`: each is the row with the largest value to the patterns of the pool at that point."""
    numbers = [n for n in range(1, n_frags + 1) for _ in range(n_patterns[n])]
    patterns = [
        LossPattern(n_frags, n, weights[n], mixed((seed + GOLDEN * (mixed(i) | 1)) & MASK))
        for i, n in enumerate(numbers, 1)
    ]
    rows = {n: parity_row(n_frags, n, dialect) for n in range(1, n_candidates + 1)}
    sequence = list(sent)
    for i in range(len(sent) + n_rows):
        if i >= len(sent):
            counting = [
                (highest_ones(p.weight * gains[min(i, len(gains) - 1)][len(p.vectors)], 3), p)
                for p in patterns
                if len(p.vectors) <= SELECT_DEPTH
            ]
            sums = {
                n: sum(weight for weight, p in counting if p.is_new(row))
                for n, row in rows.items()
                if n not in sequence
            }
            sequence.append(min(sums, key=lambda n: (-sums[n], n)))
        for p in patterns:
            if random_number(p.key, n_frags + i) >= threshold:
                p.receive(rows[sequence[i]])
        patterns = [p for p in patterns if p.vectors]
    return sequence[len(sent) :]
