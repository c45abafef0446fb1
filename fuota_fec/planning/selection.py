"""Which coded fragments to send: rows of the parity matrix, chosen against the losses that are expected.

A device takes coded fragments of any row numbers, and a row depends on its number alone. So a sender need not send rows
1, 2, 3 …: of the 16383 - M that there are it may choose, one after the other, those that bring most to the devices that
are not done. The core does so by a pool of loss patterns; here is what the pool is made of. All of it is computed in
integers, so that every machine chooses the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fuota_fec import _core
from fuota_fec.checks import integer, shown
from fuota_fec.codec.limits import MAX_FRAG_NB, Rows, check_n_frags, dialect_of, row_numbers
from fuota_fec.errors import ParameterError

MOST_FRAGS = 1024
MOST_LOST = 32
MOST_LOSS = 0.5
"""Beyond one of these (fragments, lost fragments to be expected, loss) rows 1, 2, 3 … are taken. They do as well there:
to who misses many rows nearly every row is new. And choosing takes long."""

PATTERNS = 100_000
VECTORS = 400_000
"""Patterns of a pool, and lost fragments of all of them together: about that many, or fewer."""

UNIT = 30
PRECISION = 128
"""Probabilities are in units of 2^-30; likelihoods, which may be small, of 2^-128."""

UNFINISHED_FROM = 2**UNIT // 2
UNFINISHED_TO = 2**UNIT // 5000
ROWS_AHEAD = 8
"""A row is chosen for what it does to the share of unfinished devices while that is between 0.5 and 0.0002, and at
least for what it does until eight rows later."""


class Pool(NamedTuple):
    """What the core draws its pool from: see fuota_loss_pool of src_c/fuota.h."""

    n_patterns: Rows
    weights: Rows
    gains: Rows


def select_rows(
    n_frags: int,
    loss: float,
    n_coded: int,
    *,
    version: str = "1.0.0",
    seed: int = 0,
    after: Iterable[int] = (),
    kernel: str | None = None,
) -> Rows:
    """The numbers of n_coded rows of the parity matrix, in the order in which to send them (uint32, read-only).

    Devices that lose each uncoded and coded fragment with probability `loss`, 0 … below 1, complete after fewer of
    these than of rows 1, 2, 3 …, and the more so the fewer they lose; it does little harm if they lose more or less
    than that. Every prefix is as good as its length allows. Where any rows do as well the lowest numbers are returned:
    without loss, with more than 32 lost fragments to be expected, more than half lost, or more than 1024 fragments.

    `after` are rows that were sent before: they are taken to have been sent in that order at the same loss, and are
    not returned again. So a sequence can be continued, and is the one that would have been chosen at once:
    select_rows(m, p, a + b) is select_rows(m, p, a) and then select_rows(m, p, b, after=select_rows(m, p, a)).

    The same arguments give the same rows, on every kernel and machine; each is from 1 to 16383 - n_frags.
    ParameterError if there are not so many. Up to a second of work; the last 256 results are kept.
    """
    n_frags = check_n_frags(n_frags)
    threshold = loss_threshold(loss)
    sent = row_numbers(after, max_row=MAX_FRAG_NB - n_frags)
    most = MAX_FRAG_NB - n_frags - sent.size
    n_coded = integer("n_coded", n_coded, 0, most)
    seed = integer("seed", seed, 0, 2**64 - 1)
    dialect_of(version)
    return _selected(n_frags, threshold, n_coded, version, seed, tuple(sent.tolist()), kernel)


def loss_threshold(loss: Any) -> int:
    """A loss probability, 0 … below 1, in units of 2^-32."""
    try:
        value = float(loss)
    except (TypeError, ValueError, OverflowError):
        value = -1.0
    if not 0 <= value < 1:
        raise ParameterError(f"loss: {shown(loss)} is not a probability from 0 to below 1")
    return min(round(value * 2**32), 2**32 - 1)


@lru_cache(maxsize=256)
def _selected(
    n_frags: int, threshold: int, n_coded: int, version: str, seed: int, sent: tuple[int, ...], kernel: str | None
) -> Rows:
    if not is_worth_choosing(n_frags, threshold):
        taken = frozenset(sent)
        free = (n for n in range(1, MAX_FRAG_NB - n_frags + 1) if n not in taken)
        rows = np.fromiter(free, np.uint32, n_coded)
    else:
        rows = np.empty(n_coded, np.uint32)
        _core.select_rows(
            n_frags,
            dialect_of(version),
            MAX_FRAG_NB - n_frags,
            threshold,
            seed,
            *pool_of(n_frags, threshold),
            np.array(sent, np.uint32),
            rows,
            kernel,
        )
    rows.flags.writeable = False
    return rows


def is_worth_choosing(n_frags: int, threshold: int) -> bool:
    return 0 < threshold <= MOST_LOSS * 2**32 and n_frags <= MOST_FRAGS and n_frags * threshold <= MOST_LOST * 2**32


# ---- the pool ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def pool_of(n_frags: int, threshold: int) -> Pool:
    """The pool for a loss of threshold / 2^32, threshold > 0."""
    likelihoods = losses_of(n_frags, threshold)
    n_patterns, weights = shares_of(likelihoods)
    return Pool(n_patterns, weights, gains_of(likelihoods, threshold))


def losses_of(n_frags: int, threshold: int) -> list[int]:
    """How likely it is to lose n = 0 … n_frags fragments, in units of 2^-128: the binomial law, rounded down."""
    kept = 2**32 - threshold
    exact = kept**n_frags
    likelihoods = []
    for n in range(n_frags + 1):
        likelihoods.append(exact << PRECISION >> 32 * n_frags)
        # comb(M, n) · threshold^n · kept^(M - n), so that the division leaves no remainder.
        exact = exact * ((n_frags - n) * threshold) // ((n + 1) * kept)
    return likelihoods


def shares_of(likelihoods: list[int]) -> tuple[Rows, Rows]:
    """Of each number of losses so many patterns, and what one of them counts.

    Patterns with many losses decide whether 99.9 % complete, and are rare. So a pool drawn as losses are would be
    mostly of patterns that are done at once. Numbers of losses share the pool by the square roots of their likelihoods,
    those without losses and the last 10^-7 of the others apart, and each pattern counts for the devices it stands for.
    """
    n_frags = len(likelihoods) - 1
    roots = [0] * (n_frags + 1)
    tail, losing = 0, sum(likelihoods[1:])
    for n in range(n_frags, 0, -1):
        tail += likelihoods[n]
        if tail * 10**7 >= losing:
            roots[n] = isqrt(likelihoods[n] << PRECISION)
    total = sum(roots)
    pool_size = min(PATTERNS, VECTORS * total // sum(n * root for n, root in enumerate(roots)))
    n_patterns = [(2 * pool_size * root + total) // (2 * total) for root in roots]
    each = [likelihood // n if n else 0 for likelihood, n in zip(likelihoods, n_patterns, strict=True)]
    most = max(each)
    weights = [max(1, (one << 20) // most) if one else 0 for one in each]
    return np.array(n_patterns, np.uint32), np.array(weights, np.uint32)


def gains_of(likelihoods: list[int], threshold: int) -> Rows:
    """What it is worth to bring a device from d missing rows to d - 1, by the number of rows sent; (stages, depth + 1).

    Were all further rows random, a device that misses d would be unfinished after r more with a probability Q(d, r). It
    is worth what Q loses by one row less missing, summed over the r to come, each divided by the share of devices that
    is unfinished then: a device counts more when most others are done. Integers of 64 bits throughout.
    """
    lost = np.array([likelihood >> PRECISION - UNIT for likelihood in likelihoods], np.int64)
    missing = np.arange(lost.size, dtype=np.int64)
    received = (2**32 - threshold) >> 32 - UNIT
    is_new = received - (received >> np.minimum(missing, 62))  # Of 2^d random rows one is not new.
    unfinished = np.where(missing > 0, np.int64(2**UNIT), np.int64(0))  # Q(·, r)
    shares: list[int] = []
    steps: list[npt.NDArray[np.int64]] = []
    while len(steps) <= ROWS_AHEAD or shares[-1] > UNFINISHED_TO:
        shares.append(max(int(unfinished @ lost) >> UNIT, UNFINISHED_TO))
        steps.append(np.diff(unfinished, prepend=0))
        unfinished = unfinished - (steps[-1] * is_new >> UNIT)
    first = next(r for r, share in enumerate(shares) if share <= UNFINISHED_FROM)
    last = next(r for r, share in enumerate(shares) if share <= UNFINISHED_TO)
    shares += [UNFINISHED_TO] * ROWS_AHEAD
    worth = np.array([2**36 // share for share in shares], np.int64)
    depth = min(_core.SELECT_DEPTH, lost.size - 1)
    less = np.array([step[: depth + 1] for step in steps])
    gains = np.ones((last + 1, _core.SELECT_DEPTH + 1), np.int64)
    for n_sent in range(last + 1):
        begin, end = max(first, n_sent + 1), max(last, n_sent + ROWS_AHEAD) + 1
        gain = worth[begin:end] @ less[begin - n_sent : end - n_sent]
        gains[n_sent, 1 : depth + 1] = np.maximum(gain[1:] >> max(0, int(gain.max()).bit_length() - 16), 1)
    return gains.astype(np.uint32)
