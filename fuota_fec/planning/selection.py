"""Selection of the coded fragments to send: rows of the parity matrix, chosen for the expected loss.

A device accepts coded fragments with any row numbers, and a row depends on its number alone. A sender may therefore
choose from the 16383 - M rows, one after the other, the row that helps the unfinished devices most. The core chooses
with a pool of loss patterns; this module computes the pool. All computations are in integers, so that every machine
chooses the same rows.
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
from fuota_fec.codec.limits import Rows, check_n_frags, row_numbers
from fuota_fec.errors import ParameterError
from fuota_fec.wire.dialects import dialect_number, one_dialect
from fuota_fec.wire.limits import MAX_FRAG_NB

MOST_FRAGS = 1024
MOST_LOST = 32
MOST_LOSS = 0.5
"""Number of fragments, expected number of lost fragments, and loss above which rows 1, 2, 3 … are returned.

They are as good there, since nearly every row is new to a device that lost many fragments, and choosing takes long."""

PATTERNS = 100_000
VECTORS = 400_000
"""Approximate limits on the patterns of a pool, and on the lost fragments of all its patterns together."""

UNIT = 30
PRECISION = 128
"""Binary digits: probabilities are in units of 2^-30; likelihoods, which may be small, in units of 2^-128."""

UNFINISHED_FROM = 2**UNIT // 2
UNFINISHED_TO = 2**UNIT // 5000
ROWS_AHEAD = 8
"""Horizon of a choice: a row is judged by its effect on the share of unfinished devices while that share is between 0.5
and 0.0002, and at least by its effect over the next eight rows."""


class Pool(NamedTuple):
    """Input from which the core draws its pool: see fuota_loss_pool of src_c/fuota.h."""

    n_patterns: Rows
    weights: Rows
    gains: Rows


def select_rows(
    n_frags: int,
    loss: float,
    n_coded: int,
    *,
    dialect: str | None = None,
    version: str | None = None,
    seed: int = 0,
    after: Iterable[int] = (),
    kernel: str | None = None,
) -> Rows:
    """Numbers of n_coded rows of the parity matrix, in the order in which to send them (uint32, read-only).

    The rows are chosen for devices that lose each uncoded and coded fragment with probability `loss`, 0 … below 1. Such
    devices complete after fewer of these rows than of rows 1, 2, 3 …; the gain is largest with low losses, and remains
    if devices lose somewhat more or less. Every prefix is a good choice for its length. The lowest numbers are returned
    where a choice gains nothing: without loss, with more than 32 expected lost fragments, with a loss above one half,
    or with more than 1024 fragments.

    `after`: rows that were sent before, in this order and at the same loss; none of them is returned again. A sequence
    can be continued with it: select_rows(m, p, a + b) equals select_rows(m, p, a) followed by
    select_rows(m, p, b, after=select_rows(m, p, a)).

    `dialect`: "1.0.0" if not given; `version` is another name for it. The same arguments give the same rows, on every
    kernel and machine; each is from 1 to 16383 - n_frags. ParameterError if there are fewer than n_coded rows, or a
    value is out of range. A call takes up to a second; the last 256 results are cached.
    """
    n_frags = check_n_frags(n_frags)
    threshold = loss_threshold(loss)
    sent = row_numbers(after, max_row=MAX_FRAG_NB - n_frags)
    most = MAX_FRAG_NB - n_frags - sent.size
    n_coded = integer("n_coded", n_coded, 0, most)
    seed = integer("seed", seed, 0, 2**64 - 1)
    dialect = one_dialect(dialect, version)
    return _selected(n_frags, threshold, n_coded, dialect, seed, tuple(sent.tolist()), kernel)


def loss_threshold(loss: Any) -> int:
    """Loss probability, 0 … below 1, in units of 2^-32. ParameterError for any other value."""
    try:
        value = float(loss)
    except (TypeError, ValueError, OverflowError):
        value = -1.0
    if not 0 <= value < 1:
        raise ParameterError(f"loss: {shown(loss)} is not a probability, expected a number from 0 to below 1")
    return min(round(value * 2**32), 2**32 - 1)


@lru_cache(maxsize=256)
def _selected(
    n_frags: int, threshold: int, n_coded: int, dialect: str, seed: int, sent: tuple[int, ...], kernel: str | None
) -> Rows:
    if not is_worth_choosing(n_frags, threshold):
        taken = frozenset(sent)
        free = (n for n in range(1, MAX_FRAG_NB - n_frags + 1) if n not in taken)
        rows = np.fromiter(free, np.uint32, n_coded)
    else:
        rows = np.empty(n_coded, np.uint32)
        _core.select_rows(
            n_frags,
            dialect_number(dialect),
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
    """True if chosen rows are better than rows 1, 2, 3 … for a loss of threshold / 2^32."""
    return 0 < threshold <= MOST_LOSS * 2**32 and n_frags <= MOST_FRAGS and n_frags * threshold <= MOST_LOST * 2**32


# ---- the pool ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def pool_of(n_frags: int, threshold: int) -> Pool:
    """Input of the pool for a loss of threshold / 2^32, threshold > 0."""
    likelihoods = losses_of(n_frags, threshold)
    n_patterns, weights = shares_of(likelihoods)
    return Pool(n_patterns, weights, gains_of(likelihoods, threshold))


def losses_of(n_frags: int, threshold: int) -> list[int]:
    """Probabilities to lose n = 0 … n_frags fragments, in units of 2^-128: the binomial law, rounded down."""
    kept = 2**32 - threshold
    exact = kept**n_frags
    likelihoods = []
    for n in range(n_frags + 1):
        likelihoods.append(exact << PRECISION >> 32 * n_frags)
        # comb(M, n) · threshold^n · kept^(M - n), so that the division leaves no remainder.
        exact = exact * ((n_frags - n) * threshold) // ((n + 1) * kept)
    return likelihoods


def shares_of(likelihoods: list[int]) -> tuple[Rows, Rows]:
    """Number of patterns, and weight of one pattern, for each number of losses.

    Patterns with many losses decide whether 99.9 % complete, and are rare. A pool with the true distribution of losses
    would consist mostly of patterns that are complete at once. Numbers of losses therefore share the pool by the square
    roots of their likelihoods, and each pattern is weighted by the devices that it stands for. No losses, and the last
    10^-7 of the others, have no patterns.
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
    """Value of bringing a device from d missing rows to d - 1, by the number of rows sent: (stages, depth + 1).

    If all further rows were random, a device that misses d rows would be unfinished after r more with probability
    Q(d, r). The value is the decrease of Q when one row less is missing, summed over the following r, each term divided
    by the share of devices that is unfinished then: a device counts more when most others are complete. All integers
    have 64 bits.
    """
    lost = np.array([likelihood >> PRECISION - UNIT for likelihood in likelihoods], np.int64)
    missing = np.arange(lost.size, dtype=np.int64)
    received = (2**32 - threshold) >> 32 - UNIT
    is_new = received - (received >> np.minimum(missing, 62))  # One of 2^d random rows is not new.
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
