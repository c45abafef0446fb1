"""Curves of completion by coded fragments sent: with rows 1, 2, 3 …, with chosen rows, with the ideal code."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fuota_fec.codec.limits import Rows
from fuota_fec.planning.confidence import Fleet
from fuota_fec.planning.losses import GilbertElliott
from fuota_fec.planning.sampling import Code
from fuota_fec.report.plots import Curve, Shares
from fuota_fec.wire.limits import MAX_FRAG_NB

TODAY, CHOSEN, IDEAL = "rows 1, 2, 3 … (today)", "chosen rows", "ideal code"
_COLOURS = {CHOSEN: "a", TODAY: "b", IDEAL: "ink"}
N_TRIALS = 1 << 16

_MOST_WORK = 1e8
"""Limit on the number of fragments in all trials of a curve."""


def completion_curves(
    fleet: Fleet,
    n_frags: int,
    *,
    dialect: str,
    chosen: Rows | None,
    max_coded: int,
    seed: int = 0,
) -> list[Curve]:
    """Curves from 0 to max_coded coded fragments: the plan's own curve first, then those to compare it with.

    The curves come from trials of devices of the fleet. `chosen`: rows of the plan; None for rows 1, 2, 3 …
    """
    max_coded = min(max_coded, MAX_FRAG_NB - n_frags)
    leading = np.arange(1, max_coded + 1, dtype=np.uint32)
    codes = {TODAY: Code.of_rows(n_frags, dialect, leading)}
    if chosen is not None and chosen.size and not np.array_equal(chosen, leading[: chosen.size]):
        codes = {CHOSEN: Code.of_rows(n_frags, dialect, chosen[:max_coded]), **codes}
    sent = [curve_of(label, _completed(fleet, code, seed)) for label, code in codes.items()]
    return [*sent, ideal_curve(fleet, n_frags, max_coded, seed=seed)]


def ideal_curve(fleet: Fleet, n_frags: int, max_coded: int, *, seed: int = 0) -> Curve:
    """Curve of the ideal (MDS) code, from trials."""
    return curve_of(IDEAL, _completed(fleet, Code(n_frags=n_frags, n_rows=max_coded, columns=None), seed))


def curve_of(label: str, shares: Shares) -> Curve:
    """Curve in the colour of its label: TODAY, CHOSEN or IDEAL."""
    return Curve(label=label, shares=shares, colour=_COLOURS[label], ideal=label == IDEAL)


def rounds_curve(fleet: Fleet, n_frags: int, n_rounds: int = 4) -> Shares | None:
    """Share of complete devices after 0, 1, 2 … fragments if uncoded fragments are repeated; None for bursts."""
    if isinstance(fleet.distribution, GilbertElliott):
        return None
    n_draws = min(4096, max(256, (1 << 22) // n_frags))
    counts = np.maximum(1, np.rint(n_draws * fleet.sizes / fleet.n_devices)).astype(np.int64)
    losses, _ = fleet.draw(counts, np.random.default_rng(0))
    assert not isinstance(losses, GilbertElliott)
    weights = np.repeat(fleet.sizes / counts / fleet.n_devices, counts)
    once_more = np.arange(n_frags + 1)
    parts = [np.zeros(n_frags)]
    for k in range(1, n_rounds):
        here, next_ = np.log1p(-(losses**k)), np.log1p(-(losses ** (k + 1)))
        done = np.exp(np.outer(here, n_frags - once_more) + np.outer(next_, once_more))
        parts.append((weights @ done)[:-1] if k < n_rounds - 1 else weights @ done)
    return np.asarray(np.concatenate(parts))


def _completed(fleet: Fleet, code: Code, seed: int) -> Shares:
    n_trials = min(N_TRIALS, max(2048, _MOST_WORK / (code.n_frags + code.n_rows)))
    counts = np.maximum(1, np.rint(n_trials * fleet.sizes / fleet.n_devices)).astype(np.int64)
    losses, limits = fleet.draw(counts, np.random.default_rng([seed, 3]))
    needed = code.needed(losses, int(counts.sum()), limits, seed=seed, first=0)
    return shares_of(needed, code.n_rows, np.repeat(fleet.sizes / counts / fleet.n_devices, counts))


def shares_of(needed: npt.NDArray[np.int32], n_coded: int, weights: npt.NDArray[np.float64] | None = None) -> Shares:
    """Share of complete devices with 0, 1 … n_coded coded fragments, from the number that each needs (-1: never)."""
    weights = np.full(needed.size, 1 / needed.size) if weights is None else weights
    done = needed >= 0
    shares = np.cumsum(np.bincount(needed[done], weights[done], minlength=n_coded + 1))
    return np.asarray(np.minimum(1.0, shares))
