"""Uncoded fragments among the coded ones of a top-up, where coded ones alone complete no device.

In dialect 2.0.0 every row has an even number of fragments if M is a multiple of 4 or one more: any number of coded
fragments leaves one of M undetermined. Now and then further fragments stay tied together for hundreds of rows: with
M = 832 rows up to 1193 have either both of the fragments 417 and 450, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fuota_fec.codec.decoder import Decoder
from fuota_fec.codec.parity import ParityMatrix
from fuota_fec.wire.limits import MAX_FRAG_NB

SPARE = 10
"""Number of fragments beyond M with which a device of a top-up is to complete."""
_CHUNK = 256
"""Number of rows that are looked at together."""
_TRIES = 16
"""Orders of the fragments that are tried."""
_STRIDE = 7919
"""A prime number: its multiples spread the other fragments over the block, each once."""


def all_even(dialect: str, n_frags: int) -> bool:
    """Whether every row has an even number of fragments: coded fragments alone then complete no device."""
    return dialect == "2.0.0" and n_frags % 4 < 2


def n_uncoded(n_frames: int, n_head: int, every: int) -> int:
    """Number of uncoded fragments among the first `n_frames` of a further round: `n_head` at its begin, then one after
    each `every` coded ones, none if that is 0."""
    return min(n_frames, n_head) + (max(0, n_frames - n_head) // (every + 1) if every else 0)


def round_frames(n_coded: int, n_head: int, every: int) -> int:
    """Number of frames of a further round with so many coded fragments."""
    return n_head + n_coded + ((n_coded - 1) // every if every else 0) if n_coded else 0


def uncoded_numbers(n_frags: int, rows: Sequence[int], n_head: int, every: int, n_numbers: int) -> tuple[int, ...]:
    """Numbers of the uncoded fragments of further rounds with these `rows`, in dialect 2.0.0.

    First come those that are tied to others, then fragments far apart from each other, such that the first M + SPARE
    fragments of the first further round complete a device.
    """
    n_enough, tied = n_frags + SPARE, _tied(n_frags)
    n_early = n_uncoded(n_enough, n_head, every)
    early_rows = rows[: n_enough - n_early]
    orders = [(*tied, *(n for n in _spread(n_frags, first) if n not in tied)) for first in range(_TRIES)]
    enough = n_early + len(early_rows) >= n_enough
    good = (order for order in orders if enough and _complete(n_frags, early_rows, order[:n_early]))
    return next(good, orders[0])[:n_numbers]


def _spread(n_frags: int, first: int) -> Iterator[int]:
    """All fragment numbers, far apart from each other."""
    return (1 + (first + n * _STRIDE) % n_frags for n in range(n_frags))


def _tied(n_frags: int) -> list[int]:
    """Numbers of fragments of which every leading row has the same ones as of another fragment."""
    rng, matrix, last = np.random.default_rng(n_frags), ParityMatrix(n_frags, "2.0.0"), MAX_FRAG_NB - n_frags
    sums, stop = np.zeros(n_frags, np.uint64), min(n_frags + n_frags // 4, last) + 1
    for start in range(1, stop, _CHUNK):
        bits = matrix.rows(start, min(start + _CHUNK, stop))
        marks = rng.integers(1, 1 << 63, bits.shape[0], np.uint64)
        sums ^= np.bitwise_xor.reduce(np.where(bits, marks[:, None], np.uint64(0)), axis=0)
    _, alike, counts = np.unique(sums, return_inverse=True, return_counts=True)
    return [int(idx) + 1 for idx in np.flatnonzero(counts[alike] > 1)]


def _complete(n_frags: int, rows: Sequence[int], uncoded: Sequence[int]) -> bool:
    """Whether a device that heard these coded and uncoded fragments is complete."""
    decoder = Decoder(n_frags, 1, dialect="2.0.0")
    numbers = np.concatenate([np.asarray(rows, np.uint32) + np.uint32(n_frags), np.asarray(uncoded, np.uint32)])
    return decoder.push_many(numbers, np.zeros((numbers.size, 1), np.uint8))
