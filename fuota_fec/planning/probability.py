"""Probability that a device completes: with the exact matrix, with a random matrix, with the ideal code.

A device completes when the coded rows that it received have full rank on the columns that it lost. With a random matrix
over GF(2), K received rows complete L losses with probability ∏ (1 - 2^-i), i = K-L+1 … K; with the ideal code if
K ≥ L. L is binomial in M and the loss, K in R and 1 - loss: the closed forms. The rows of TS004 are not like random
rows where few fragments are lost, M is small or the dialect is 1.0.0. Estimates are therefore made by trials of devices
with the exact matrix, in the core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from fuota_fec.checks import integer, shown
from fuota_fec.codec.limits import Rows, check_n_frags, row_numbers
from fuota_fec.errors import ParameterError
from fuota_fec.planning.convolution import binomial_pmf
from fuota_fec.planning.erasures import loss_values
from fuota_fec.planning.losses import BetaLoss, Distribution, GilbertElliott, Losses, LossMix
from fuota_fec.planning.sampling import Code
from fuota_fec.wire.dialects import one_dialect
from fuota_fec.wire.limits import MAX_FRAG_NB

Method = Literal["exact", "random", "ideal"]

N_TRIALS = 1 << 17
"""Trials of an estimate: its standard error is at most 0.0014."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Probability that a device completes, with the bounds of its confidence interval.

    The closed forms ("random", "ideal") have no trials; both bounds equal the probability.
    """

    probability: float
    low: float
    high: float
    n_trials: int
    method: Method


def decode_probability(
    n_frags: int,
    n_coded: int,
    loss: float | Distribution,
    *,
    dialect: str | None = None,
    version: str | None = None,
    rows: Iterable[int] | None = None,
    max_losses: int | None = None,
    n_trials: int = N_TRIALS,
    seed: int = 0,
) -> float:
    """Probability that a device completes a block of n_frags uncoded fragments with n_coded coded ones.

    Estimated by trials with the exact matrix. `estimate_completion` describes the arguments, and also returns the
    confidence interval.
    """
    estimate = estimate_completion(
        n_frags,
        n_coded,
        loss,
        dialect=one_dialect(dialect, version),
        rows=rows,
        max_losses=max_losses,
        n_trials=n_trials,
        seed=seed,
    )
    return estimate.probability


def estimate_completion(
    n_frags: int,
    n_coded: int,
    loss: float | Distribution,
    *,
    dialect: str | None = None,
    version: str | None = None,
    rows: Iterable[int] | None = None,
    max_losses: int | None = None,
    method: Method = "exact",
    confidence: float = 0.99,
    n_trials: int = N_TRIALS,
    seed: int = 0,
    kernel: str | None = None,
) -> Completion:
    """Probability that a device completes, with its confidence interval (Wilson).

    `loss` is a probability from 0 to below 1, the same for uncoded and coded fragments, or a distribution of it. Coded
    fragments are those of rows 1 … n_coded, or of the first n_coded of `rows`. `dialect` is "1.0.0" if not given;
    `version` is another name for it. A device that loses more than `max_losses` uncoded fragments never completes
    (`DeviceProfile.solvable_losses`). The same seed gives the same estimate.

    `method`: "exact" for trials with the exact matrix, "random" for the closed form of a random matrix, "ideal" for
    the closed form of the ideal code. The closed forms do not cover bursts. ParameterError for a value out of range.
    """
    n_frags = check_n_frags(n_frags)
    n_coded = integer("n_coded", n_coded, 0, MAX_FRAG_NB - n_frags)
    if max_losses is not None:
        max_losses = integer("max_losses", max_losses, 0, MAX_FRAG_NB)
    seed = integer("seed", seed, 0, 2**64 - 1)
    dialect = one_dialect(dialect, version)
    if method not in ("exact", "random", "ideal"):
        raise ParameterError(f"method: {shown(method)} is not a method, expected 'exact', 'random' or 'ideal'")
    z = normal_quantile("confidence", confidence, two_sided=True)
    distribution = loss if isinstance(loss, (BetaLoss, LossMix, GilbertElliott)) else None
    value = np.zeros(1) if distribution else loss_values(loss, 1)  # type: ignore[arg-type]
    if method != "exact":
        if isinstance(distribution, GilbertElliott):
            raise ParameterError(f"method: {method!r} is not for bursts, expected 'exact' for a GilbertElliott loss")
        shares, losses = _points(distribution) if distribution else (np.ones(1), value)
        known = [closed_form(n_frags, n_coded, p, max_losses=max_losses, ideal=method == "ideal") for p in losses]
        p = min(1.0, float(shares @ known))
        return Completion(probability=p, low=p, high=p, n_trials=0, method=method)
    n_trials = integer("n_trials", n_trials, 1, 2**31 - 1)
    numbers = first_rows(n_frags, n_coded, rows)
    code = Code.of_rows(n_frags, dialect, numbers, kernel)
    n_done = 0
    for first in range(0, n_trials, N_TRIALS):
        n = min(N_TRIALS, n_trials - first)
        drawn: Losses | GilbertElliott
        if isinstance(distribution, GilbertElliott):
            drawn = distribution
        elif distribution:
            drawn = distribution.draw(np.random.default_rng([seed, first, 1]), n)
        else:
            drawn = np.full(n, value[0])
        limits = None if max_losses is None else np.full(n, max_losses, np.int32)
        n_done += int(np.count_nonzero(code.needed(drawn, n, limits, seed=seed, first=first) >= 0))
    low, high = wilson(n_done, n_trials, z)
    return Completion(probability=n_done / n_trials, low=low, high=high, n_trials=n_trials, method="exact")


def closed_form(
    n_frags: int, n_coded: int, loss: float, *, max_losses: int | None = None, ideal: bool = False
) -> float:
    """Probability that a device completes with a random matrix of n_coded rows, or with the ideal code."""
    lost = binomial_pmf(n_frags, loss, n_frags if max_losses is None else max_losses)
    received = binomial_pmf(n_coded, 1 - loss)
    # Smaller probabilities change no digit of the result, and a block of 16383 would need a table of gigabytes.
    n_lost = np.flatnonzero(lost > 1e-18)
    n_received = np.flatnonzero(received > 1e-18)
    spare = n_received[:, None] - n_lost
    if ideal:
        solved = spare >= 0
    else:
        full = np.concatenate([[1.0], np.cumprod(1 - 0.5 ** np.arange(1, n_coded + 1))])
        solved = np.where(spare >= 0, full[n_received][:, None] / full[np.maximum(spare, 0)], 0.0)
    return min(1.0, float(received[n_received] @ solved @ lost[n_lost]))


def wilson(n_done: int, n: int, z: float) -> tuple[float, float]:
    """Wilson's confidence interval of a probability, from n_done successes in n trials; z standard deviations."""
    share = n_done / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return (0.0 if n_done == 0 else max(0.0, middle - half)), (1.0 if n_done == n else min(1.0, middle + half))


def normal_quantile(name: str, confidence: float, *, two_sided: bool = False) -> float:
    """Number of standard deviations for a confidence. ParameterError unless it lies between 0 and 1."""
    try:
        ok = 0 < confidence < 1
    except TypeError:
        ok = False
    if not ok:
        raise ParameterError(f"{name}: {shown(confidence)} is not a confidence, expected one above 0 and below 1")
    return NormalDist().inv_cdf((1 + confidence) / 2 if two_sided else confidence)


def first_rows(n_frags: int, n_coded: int, rows: Iterable[int] | None = None) -> Rows:
    """Rows 1 … n_coded, or the first n_coded of `rows`. ParameterError for a row that no fragment can have."""
    return row_numbers(range(1, n_coded + 1) if rows is None else rows, n_coded, max_row=MAX_FRAG_NB - n_frags)


def _points(distribution: BetaLoss | LossMix) -> tuple[Losses, Losses]:
    """Discrete shares and losses in place of a distribution."""
    if isinstance(distribution, LossMix):
        shares, losses = np.array(distribution.shares).T
        return shares, losses
    a, b = distribution.shape
    # s / (1 - s) = u^p / (1 - u)^q: the density over u vanishes at both ends, even where that over s is unbounded.
    p, q = max(2, 2 / a), max(2, 2 / b)
    u = (np.arange(1000) + 0.5) / 1000
    log_p, log_q = p * np.log(u), q * np.log1p(-u)
    log_sum = np.logaddexp(log_p, log_q)
    log_shares = a * (log_p - log_sum) + b * (log_q - log_sum) + np.log(p / u + q / (1 - u))
    shares = np.exp(log_shares - log_shares.max())
    return shares / shares.sum(), np.exp(log_p - log_sum)
