"""Losses that a planner can be given: one number, one for each device, a distribution over devices, or bursts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.planning.erasures import Lost

Losses = npt.NDArray[np.float64]

_HIGHEST = 1 - 2**-32
"""Largest loss that the core can represent; a loss of 1 is not possible."""


def _probability(name: str, value: float, *, up_to_one: bool = False) -> None:
    try:
        ok = 0 <= value < 1 or (up_to_one and value == 1)
    except TypeError:
        ok = False
    if not ok:
        expected = "a number from 0 to 1" if up_to_one else "a number from 0 to below 1"
        raise ParameterError(f"{name}: {shown(value)} is not a probability, expected {expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaLoss:
    """Every device has a loss of its own, drawn from a beta distribution with this mean and standard deviation.

    ParameterError unless 0 < mean < 1 and 0 < spread² < mean (1 - mean).
    """

    mean: float
    spread: float

    def __post_init__(self) -> None:
        _probability("mean", self.mean)
        if not (self.mean > 0 and 0 < self.spread**2 < self.mean * (1 - self.mean)):
            most = (self.mean * (1 - self.mean)) ** 0.5
            raise ParameterError(
                f"mean, spread: {self.mean} and {shown(self.spread)} are not values of a beta distribution, "
                f"expected a mean above 0 and a spread above 0 and below {most:.4g}"
            )

    @property
    def shape(self) -> tuple[float, float]:
        """Parameters α and β of the distribution."""
        total = self.mean * (1 - self.mean) / self.spread**2 - 1
        return self.mean * total, (1 - self.mean) * total

    def draw(self, rng: np.random.Generator, n: int) -> Losses:
        """Losses of n devices."""
        return np.minimum(rng.beta(*self.shape, size=n), _HIGHEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossMix:
    """Every device has one of a few losses: `shares` are pairs (share of the devices, loss).

    Shares are positive and their sum is 1. ParameterError otherwise.
    """

    shares: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        for share, loss in self.shares:
            _probability("shares", share, up_to_one=True)
            _probability("loss", loss)
        total = sum(share for share, _ in self.shares)
        if abs(total - 1) > 1e-9:
            raise ParameterError(f"shares: their sum is {total:.6g}, expected 1")

    @property
    def mean(self) -> float:
        """Mean loss over the devices."""
        return sum(share * loss for share, loss in self.shares)

    def draw(self, rng: np.random.Generator, n: int) -> Losses:
        """Losses of n devices."""
        share, loss = np.array(self.shares).T
        return np.asarray(loss[np.searchsorted(np.cumsum(share)[:-1], rng.random(n), side="right")])


@dataclass(frozen=True, slots=True, kw_only=True)
class GilbertElliott:
    """Losses in bursts: a channel with a good and a bad state, each with a loss of its own.

    `p_good_to_bad` and `p_bad_to_good` are the probabilities that the state changes before the next fragment,
    `loss_good` and `loss_bad` the probabilities of a loss in each state. Every device has a channel of its own; its
    state at the first fragment is drawn from the long-term distribution. ParameterError for a value that is not a
    probability, for a channel that never changes, and for a channel that loses everything.
    """

    p_good_to_bad: float
    p_bad_to_good: float
    loss_good: float = 0.0
    loss_bad: float = 1.0

    def __post_init__(self) -> None:
        for name in ("p_good_to_bad", "p_bad_to_good", "loss_good", "loss_bad"):
            _probability(name, getattr(self, name), up_to_one=True)
        if self.p_good_to_bad + self.p_bad_to_good == 0:
            raise ParameterError("p_good_to_bad, p_bad_to_good: both are 0, expected a channel that changes")
        if self.mean >= 1:
            raise ParameterError(
                "loss_good, loss_bad: a channel on which everything is lost, expected a mean loss below 1"
            )

    @property
    def mean(self) -> float:
        """Share of the fragments that is lost in the long run."""
        bad = self.p_good_to_bad / (self.p_good_to_bad + self.p_bad_to_good)
        return (1 - bad) * self.loss_good + bad * self.loss_bad

    def draw_lost(self, rng: np.random.Generator, n_devices: int, n_sent: int) -> Lost:
        """Losses of n_sent consecutive fragments at each of n_devices: (n_devices, n_sent), true if lost."""
        bad = rng.random(n_devices) < self.p_good_to_bad / (self.p_good_to_bad + self.p_bad_to_good)
        lost = np.empty((n_sent, n_devices), np.bool_)
        for i in range(n_sent):
            chance, change = rng.random((2, n_devices), dtype=np.float32)
            lost[i] = chance < np.where(bad, np.float32(self.loss_bad), np.float32(self.loss_good))
            bad ^= change < np.where(bad, np.float32(self.p_bad_to_good), np.float32(self.p_good_to_bad))
        return np.ascontiguousarray(lost.T)


Distribution: TypeAlias = BetaLoss | LossMix | GilbertElliott
"""Distribution from which the losses of every device are drawn."""

Loss: TypeAlias = float | npt.ArrayLike | Distribution
"""A probability from 0 to below 1, one for each device, or a distribution."""


def with_more(loss: Loss, share: float) -> Loss:
    """Losses of devices that miss a further `share`, 0 … below 1, of what reaches them."""
    _probability("share", share)
    kept = 1 - share
    if isinstance(loss, BetaLoss):
        return BetaLoss(mean=1 - (1 - loss.mean) * kept, spread=loss.spread * kept)
    if isinstance(loss, LossMix):
        return LossMix(shares=tuple((part, 1 - (1 - value) * kept) for part, value in loss.shares))
    if isinstance(loss, GilbertElliott):
        good, bad = (1 - (1 - value) * kept for value in (loss.loss_good, loss.loss_bad))
        return replace(loss, loss_good=good, loss_bad=bad)
    return 1 - (1 - np.asarray(loss, np.float64)) * kept


def draw_lost(rng: np.random.Generator, losses: Losses, n_sent: int) -> Lost:
    """Independent losses of n_sent fragments at each device, with its own probability: (devices, n_sent), true if lost.

    Probabilities are resolved to 2^-32: one random byte decides, and a float decides where the byte ties.
    """
    scaled = losses * 256
    whole = scaled.astype(np.uint8)
    words = rng.integers(0, 2**64, (losses.size, -(-n_sent // 8)), dtype=np.uint64)
    byte = words.view(np.uint8)[:, :n_sent]
    lost: Lost = byte < whole[:, None]
    ties = np.flatnonzero(byte == whole[:, None])
    rest = (scaled - whole)[ties // n_sent] if n_sent else scaled[:0]
    lost.reshape(-1)[ties] = rng.random(ties.size, dtype=np.float32) < rest
    return lost
