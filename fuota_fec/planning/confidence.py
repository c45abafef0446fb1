"""Probability that enough devices of a fleet complete, estimated from trials of its devices, and its bounds.

The number of devices that complete is a sum of independent trials whose probabilities differ. Devices are put into at
most 256 classes of about equal losses; each class has one probability, and the fleet is a sum of binomials. The bounds
vary the expected number of failures, which decides almost alone whether a fleet meets its threshold: N trials of a
class of m devices with F failures give that number with a variance of m² f (1 - f) / N, f = F / N.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fuota_fec.checks import integer, shown
from fuota_fec.errors import ParameterError
from fuota_fec.planning.convolution import Probabilities, at_most, fewest
from fuota_fec.planning.erasures import Needed, loss_values
from fuota_fec.planning.losses import BetaLoss, Distribution, GilbertElliott, Loss, Losses, LossMix
from fuota_fec.planning.sampling import Code, Limits

MAX_CLASSES = 256
MAX_DEVICES = 10_000_000

N_WAYS = 5
"""Steps by which losses are raised in trials of rare failures; see FleetSample._raised."""
_EVERYWHERE = 0.1
"""Share of the trials that is spread over all classes, whatever is known of them."""
_CLOSE = 64
"""Number of classes from which neighbouring classes are taken to be alike."""
_MEAN_EXTRA = 1.6
"""Mean number of rows that a random matrix needs beyond the number of losses."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fleet:
    """Devices in classes. An array with an entry for each device has one entry if all devices are alike."""

    n_devices: int
    starts: Counts
    """First device of each class."""
    sizes: Counts
    losses: Losses | None
    """Loss of each device; None if losses are drawn from `distribution`."""
    distribution: Distribution | None
    limits: Limits | None
    """Uncoded fragments that each device may lose; None without a limit."""

    def hardest_loss(self, share: float) -> float:
        """Loss that this share of the devices does not exceed; the mean loss if losses come in bursts."""
        if isinstance(self.distribution, GilbertElliott):
            return self.distribution.mean
        losses = self.losses
        if losses is None:
            assert self.distribution is not None
            losses = self.distribution.draw(np.random.default_rng(0), 4096)
        return float(np.quantile(losses, share, method="higher"))

    def expected_failures(self, n_frags: int, n_coded: int) -> Probabilities:
        """Approximate probability, for each class, that a device does not complete; 0.5 if its loss is not known."""
        if self.losses is None:
            return np.full(self.sizes.size, 0.5)
        middle = self.starts + self.sizes // 2
        loss = self.losses[middle] if self.losses.size > 1 else np.broadcast_to(self.losses, self.sizes.size)
        spread = np.sqrt(loss * (1 - loss)) + 1e-9
        spare = n_coded * (1 - loss) - n_frags * loss - _MEAN_EXTRA
        failing = _normal_tail(spare / (spread * (n_frags + n_coded) ** 0.5))
        if self.limits is not None:
            limit = self.limits[middle] if self.limits.size > 1 else self.limits
            failing = np.maximum(failing, _normal_tail((limit + 0.5 - n_frags * loss) / (spread * n_frags**0.5)))
        return np.asarray(failing)

    def draw(self, counts: Counts, rng: np.random.Generator) -> tuple[Losses | GilbertElliott, Limits | None]:
        """Losses and limits of counts[c] trials of each class, class by class, spread evenly over its devices."""
        n = int(counts.sum())
        device = np.zeros(0, np.int64)
        if any(values is not None and values.size > 1 for values in (self.losses, self.limits)):
            nth = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
            place = (nth + np.repeat(rng.random(counts.size), counts)) / np.repeat(counts, counts)
            size = np.repeat(self.sizes, counts)
            device = np.repeat(self.starts, counts) + np.minimum((place * size).astype(np.int64), size - 1)

        def of_trials(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            return values[device] if values.size > 1 else np.broadcast_to(values, n)

        limits = None if self.limits is None else np.asarray(of_trials(self.limits), np.int32)
        if self.losses is not None:
            return np.asarray(of_trials(self.losses), np.float64), limits
        assert self.distribution is not None
        if isinstance(self.distribution, GilbertElliott):
            return self.distribution, limits
        return self.distribution.draw(rng, n), limits


def make_fleet(loss: Loss, n_devices: int | None, max_losses: int | npt.ArrayLike | None) -> Fleet:
    """Fleet with these losses and limits. ParameterError for losses outside [0, 1) and lengths that do not agree."""
    distribution = loss if isinstance(loss, (BetaLoss, LossMix, GilbertElliott)) else None
    if n_devices is None:
        if distribution is not None or np.ndim(loss) == 0:  # type: ignore[arg-type]
            raise ParameterError("n_devices: not given, expected the number of devices, or a loss for each device")
        n_devices = np.size(loss)  # type: ignore[arg-type]
    n_devices = integer("n_devices", n_devices, 1, MAX_DEVICES)
    losses = None if distribution else loss_values(loss, n_devices)  # type: ignore[arg-type]
    limits = None if max_losses is None else _limits(max_losses, n_devices)
    by_device = [values for values in (losses, limits) if values is not None and values.size > 1]
    if not by_device:
        one = np.array([n_devices], np.int64)
        return Fleet(
            n_devices=n_devices, starts=one * 0, sizes=one, losses=losses, distribution=distribution, limits=limits
        )
    order = np.lexsort(
        [losses if losses is not None and losses.size > 1 else np.zeros(n_devices)]
        + [-values for values in (limits,) if values is not None and values.size > 1]
    )
    if losses is not None and losses.size > 1:
        losses = losses[order]
    if limits is not None and limits.size > 1:
        limits = limits[order]
    starts = _class_starts(losses, limits, n_devices)
    sizes = np.diff(starts, append=n_devices)
    return Fleet(
        n_devices=n_devices, starts=starts, sizes=sizes, losses=losses, distribution=distribution, limits=limits
    )


def _class_starts(losses: Losses | None, limits: Limits | None, n_devices: int) -> Counts:
    """First device of each class, for devices in order of their losses: every change, or at most MAX_CLASSES places.

    The error of one probability for a whole class grows with its size and with the spread of its losses. Sizes in
    proportion to 1 / √gap keep that product about the same for all classes. The few devices with the highest losses,
    which decide whether 99.9 % complete, then have classes nearly of their own.
    """
    gaps = np.zeros(n_devices)
    changes = np.zeros(n_devices, np.bool_)
    if losses is not None and losses.size > 1:
        gaps[1:] = np.sqrt(np.abs(np.diff(np.log1p(-losses))))
        changes[1:] |= losses[1:] != losses[:-1]
    if limits is not None and limits.size > 1:
        others = np.flatnonzero(np.diff(limits)) + 1
        changes[others] = True
        gaps[others] += max(float(gaps.sum()), 1.0) * 2 / MAX_CLASSES  # At least one class each, whatever the rounding.
    changes[0] = True
    starts = np.flatnonzero(changes)
    if starts.size <= MAX_CLASSES:
        return starts
    reached = np.cumsum(gaps)
    return np.unique(np.searchsorted(reached, np.arange(MAX_CLASSES) * (float(reached[-1]) / MAX_CLASSES)))


def _limits(max_losses: int | npt.ArrayLike, n_devices: int) -> Limits:
    values = np.atleast_1d(np.asarray(max_losses))
    if values.ndim != 1 or values.dtype.kind not in "iu" or values.size not in (1, n_devices):
        raise ParameterError(
            f"max_losses: {shown(max_losses)} is not a number of fragments, expected one, or one for each of "
            f"{n_devices} devices"
        )
    if values.min() < 0:
        raise ParameterError(f"max_losses: {values.min()} is not a number of fragments, expected 0 or more")
    return np.asarray(np.minimum(values, 2**31 - 1), np.int32)


class Chance(NamedTuple):
    """Probability that enough devices of a fleet complete, with its lower and upper bound."""

    probability: float
    low: float
    high: float


class FleetSample:
    """Trials of a fleet's devices with one code, and the estimates from them. `z`: standard deviations of the bounds.

    Where failures are rare, most trials are made with higher losses than the device has, and each failure is weighted
    by the ratio of the two probabilities (importance sampling). The weight depends on the number of fragments lost
    until the trial was decided, not on which fragments these were.
    """

    def __init__(self, fleet: Fleet, code: Code, *, seed: int, z: float) -> None:
        self.fleet = fleet
        self.code = code
        self.n_trials = 0
        self.work = 0.0
        """Approximate cost of the trials, in nanoseconds of one core."""
        self._seed = seed
        self.z = z
        shape = fleet.sizes.size, code.n_rows + 1
        self._n = np.zeros(shape[0])
        self._weights, self._squares = np.zeros((2, *shape))
        """Sum of the weights, and of the squared weights, of the failures so far: (classes, coded fragments sent)."""

    def add(self, n_trials: int, n_coded: int, *, rare: bool = False) -> None:
        """Makes about n_trials more, in the classes that matter most for n_coded coded fragments.

        `rare`: failures are rare with that many.
        """
        smooth = self._smoothed(n_coded)
        share = self.fleet.sizes * np.sqrt(smooth * (1 - smooth))
        share = share / share.sum() + _EVERYWHERE * self.fleet.sizes / self.fleet.n_devices
        ways = N_WAYS if rare else 1  # Each has as many trials; see _raised.
        counts = ways * np.maximum(1, np.rint(n_trials / ways * share / share.sum())).astype(np.int64)
        n = int(counts.sum())
        losses, limits = self.fleet.draw(counts, np.random.default_rng([self._seed, self.n_trials, 1]))
        weights = np.ones(n)
        if rare and not isinstance(losses, GilbertElliott):
            needed, weights = self._raised(losses, limits, n_coded)
        else:
            needed = self.code.needed(losses, n, limits, seed=self._seed, first=self.n_trials)
        # A trial fails with 0 … needed - 1 coded fragments, or with any number.
        width = self.code.n_rows + 1
        last = np.where(needed < 0, width, needed) - 1
        seen = last >= 0
        cells = (np.repeat(np.arange(counts.size), counts) * width + last)[seen]

        def failures(values: Probabilities) -> Probabilities:
            ends = np.bincount(cells, values[seen], minlength=counts.size * width).reshape(-1, width)
            return np.asarray(np.cumsum(ends[:, ::-1], axis=1)[:, ::-1])

        self._weights += failures(weights)
        self._squares += failures(weights**2)
        self._n += counts
        self.n_trials += n
        per_trial = self.trial_cost(losses.mean if isinstance(losses, GilbertElliott) else losses, rare=rare)
        self.work += float(np.sum(np.broadcast_to(per_trial, n)))

    def trial_cost(self, loss: float | Losses, *, rare: bool = False) -> Losses:
        """Approximate cost of a trial, in nanoseconds of one core."""
        n_frags, n_rows = self.code.n_frags, self.code.n_rows
        drawn_singly = rare or self.fleet.limits is not None or isinstance(self.fleet.distribution, GilbertElliott)
        return np.asarray(100.0 + (6 if drawn_singly else 1) * (n_frags + n_rows) + loss * n_frags * n_rows / 2)

    def _raised(self, losses: Losses, limits: Limits | None, n_coded: int) -> tuple[Needed, Probabilities]:
        """Trials with losses raised in N_WAYS steps, and the weight of each.

        Steps go from the device's own loss to the loss with which n_coded coded fragments just suffice. The weight of
        a trial is its probability with the device's own loss, divided by the mean of its probabilities in all steps.
        High steps find devices that lose too much, low steps the few fragments that the rows determine badly.
        """
        just = np.maximum(losses, max(0, n_coded - 1) / (self.code.n_frags + n_coded))
        base = np.maximum(losses, 1e-300)  # A loss of 0 is not raised.
        factor = np.where(losses > 0, just / base, 1.0)
        way = np.arange(losses.size) % N_WAYS
        drawn = losses * factor ** (way / (N_WAYS - 1))
        needed, n_seen, n_lost = self.code.trials(drawn, losses.size, limits, seed=self._seed, first=self.n_trials)
        kept = n_seen - n_lost
        ratios = np.zeros(losses.size)
        for step in range(N_WAYS):
            raised = factor ** (step / (N_WAYS - 1))
            log_ratio = n_lost * np.log(raised) + kept * (np.log1p(-losses * raised) - np.log1p(-losses))
            ratios += np.exp(np.minimum(log_ratio, 700))
        return needed, N_WAYS / ratios

    def completion(self, n_coded: int) -> float:
        """Mean probability that a device completes."""
        return 1 - float(self.fleet.sizes @ self._failing(n_coded)) / self.fleet.n_devices

    def chance(self, n_coded: int, n_needed: int) -> Chance:
        """Probability that at least n_needed devices complete with n_coded coded fragments."""
        n_failing = self.fleet.n_devices - n_needed
        return Chance(*(at_most(n_failing, self.fleet.sizes, f) for f in self._bounds(n_coded)))

    def sure(self, n_coded: int, confidence: float) -> int:
        """Number of devices that complete at least, with this confidence, by the lower bound of the estimate."""
        return self.fleet.n_devices - fewest(confidence, self.fleet.sizes, self._bounds(n_coded)[1])

    def _failing(self, n_coded: int) -> Probabilities:
        return np.minimum(1.0, self._weights[:, n_coded] / self._n)

    def _smoothed(self, n_coded: int) -> Probabilities:
        """Rough share of failures in each class: with its neighbours, and one trial as a random matrix expects it."""
        expected = self.fleet.expected_failures(self.code.n_frags, n_coded)
        seen = _with_neighbours(self._squares[:, n_coded])
        return np.clip((seen + expected) / (_with_neighbours(self._n) + 1), 1e-300, 1 - 1e-12)

    def _bounds(self, n_coded: int) -> tuple[Probabilities, Probabilities, Probabilities]:
        """Probability of failure of each class: the estimate, its upper bound, its lower bound."""
        sizes, n = self.fleet.sizes, self._n
        weights, squares = self._weights[:, n_coded], self._squares[:, n_coded]
        failing, smooth = self._failing(n_coded), self._smoothed(n_coded)
        variance = float(np.sum(sizes**2 * np.maximum(0.0, squares / n - failing**2) / n))
        # One further failure in the trials would add this much. Without it, no failures would mean no uncertainty.
        one = float(np.sum(sizes * smooth * (sizes / n)) / np.sum(sizes * smooth))
        one *= float(squares.sum() / weights.sum()) if weights.any() else 1.0
        up = self.z * ((variance + one**2) ** 0.5 + one)
        down = self.z * variance**0.5
        shape = smooth * (1 - smooth)
        shape /= float(sizes @ shape)
        return failing, np.minimum(1.0, failing + up * shape), np.clip(failing - down * shape, 0.0, 1.0)


def _normal_tail(z: Probabilities) -> Probabilities:
    """Share of the normal distribution beyond z standard deviations."""
    return np.array([math.erfc(x / math.sqrt(2)) / 2 for x in z])


def _with_neighbours(values: Probabilities) -> Probabilities:
    if values.size < _CLOSE:
        return values
    padded = np.pad(values, 1)
    return padded[:-2] + padded[1:-1] + padded[2:]
