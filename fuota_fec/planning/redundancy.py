"""Number of coded fragments to send, and their rows, so that enough devices of a fleet complete.

A plan is made by trials with the exact matrix. It is the fewest coded fragments with which the required share of the
devices completes with the required confidence, judged by the lower 95 % bound of the trials. Trials are added until the
lower and the upper bound lead to plans that differ by at most one fragment, or until the work limit is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from fuota_fec.checks import integer, shown
from fuota_fec.codec.limits import Rows, check_n_frags, row_numbers
from fuota_fec.errors import ParameterError
from fuota_fec.planning.comparison import Alternative, compare
from fuota_fec.planning.confidence import Fleet, FleetSample, make_fleet
from fuota_fec.planning.convolution import devices_needed
from fuota_fec.planning.losses import Loss
from fuota_fec.planning.probability import normal_quantile
from fuota_fec.planning.sampling import Code
from fuota_fec.planning.selection import select_rows
from fuota_fec.wire.dialects import one_dialect
from fuota_fec.wire.limits import MAX_FRAG_NB

RowChoice: TypeAlias = Literal["selected", "first", "ideal"]

TRIALS_CONFIDENCE = 0.95
"""Confidence of the bounds that the trials give."""
SELECTED_UP_TO = 128
"""Largest M whose rows are chosen; with larger M the gain over rows 1, 2, 3 … is negligible."""

_FIRST_TRIALS = 1 << 14
_ENOUGH_WORK = 1e9
"""Nanoseconds of trials after which a plan may have a fragment too many."""
_MOST_WORK = 1e10
"""Nanoseconds of trials after which an unproven plan is reported as not meeting the threshold."""
_RARE = 0.01
"""Share of devices that may fail, below which trials are made with raised losses."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RedundancyPlan:
    """Coded fragments that a fleet needs, and the completions that they lead to."""

    n_frags: int
    dialect: str
    n_devices: int
    success_threshold: float
    confidence: float
    n_needed: int
    """Number of devices that the threshold requires."""
    meets: bool
    """True if n_needed devices complete with the required confidence. If false, the plan is the best possible one: more
    coded fragments, up to max_coded, complete no more devices."""
    n_coded: int
    rows: Rows
    """Row numbers in the order to be sent; empty for the ideal code, which has no rows."""
    probability: float
    """Probability that at least n_needed devices complete, estimated by trials."""
    probability_low: float
    """Lower bound of `probability`, with a confidence of 95 %."""
    device_probability: float
    """Mean probability that a device of the fleet completes."""
    n_sure: int
    """Number of devices that complete at least, with the required confidence."""
    max_coded: int
    n_trials: int
    alternatives: tuple[Alternative, ...]
    """Fixed code rates, and rounds without coded fragments, for the same fleet; empty if not requested."""

    @property
    def n_sent(self) -> int:
        """Number of uncoded and coded fragments."""
        return self.n_frags + self.n_coded

    @property
    def version(self) -> str:
        """Another name for `dialect`."""
        return self.dialect


def plan_redundancy(
    n_frags: int,
    loss: Loss,
    success_threshold: float,
    *,
    confidence: float = 0.99,
    n_devices: int | None = None,
    dialect: str | None = None,
    version: str | None = None,
    max_coded: int | None = None,
    rows: RowChoice | Iterable[int] = "selected",
    max_losses: int | npt.ArrayLike | None = None,
    late_uncoded: bool = True,
    alternatives: bool = True,
    seed: int = 0,
    kernel: str | None = None,
) -> RedundancyPlan:
    """Fewest coded fragments with which success_threshold % of the devices complete, with this confidence.

    `loss`: a probability from 0 to below 1, one for each device (n_devices may then be left out), or a distribution:
    `BetaLoss`, `LossMix`, or bursts, `GilbertElliott`. `max_losses`: a device that loses more uncoded fragments never
    completes; a number, or one for each device (`DeviceProfile.solvable_losses`). `dialect`: "1.0.0" if not given;
    `version` is another name for it.

    `rows`: "selected" for the most effective rows (up to 128 uncoded fragments; with more, rows 1, 2, 3 … are as good),
    "first" for rows 1, 2, 3 …, a sequence of row numbers in the order to be sent, or "ideal" for the ideal (MDS) code,
    which no rows reach. `max_coded`: limit on coded fragments; if not given, a number beyond which more do not help.
    Fragment numbers limit it too: M + R ≤ 16383.

    The plan comes with fixed code rates and rounds of uncoded fragments to compare it with, unless `alternatives` is
    false. `late_uncoded`: false if devices drop the fragments of a second round (`DeviceProfile.late_uncoded`).

    A threshold that cannot be met is not an error: `meets` is then false, and the plan is the best possible one.
    ParameterError for losses outside [0, 1), an empty fleet, a threshold outside (0, 100] and arguments that contradict
    each other. The same seed gives the same plan.
    """
    n_frags = check_n_frags(n_frags)
    dialect = one_dialect(dialect, version)
    threshold = check_threshold(success_threshold)
    normal_quantile("confidence", confidence)
    seed = integer("seed", seed, 0, 2**64 - 1)
    fleet = make_fleet(loss, n_devices, max_losses)
    n_needed = devices_needed(fleet.n_devices, threshold)
    if not isinstance(rows, str):
        given = row_numbers(rows, max_row=MAX_FRAG_NB - n_frags)
        max_coded = given.size if max_coded is None else max_coded
        if max_coded > given.size:
            raise ParameterError(
                f"max_coded: {shown(max_coded)} is more than the rows given, expected at most {given.size}"
            )
    elif rows not in ("selected", "first", "ideal"):
        raise ParameterError(
            f"rows: {shown(rows)} is not a choice of rows, expected 'selected', 'first', 'ideal' or row numbers"
        )
    design_loss = fleet.hardest_loss(n_needed / fleet.n_devices)
    guess = _guess(n_frags, design_loss)
    if max_coded is None:
        max_coded = min(MAX_FRAG_NB - n_frags, max(340, 2 * guess))
    max_coded = integer("max_coded", max_coded, 0, MAX_FRAG_NB - n_frags)
    leading = np.arange(1, max_coded + 1, dtype=np.uint32)

    def search(code_of: Callable[[int], Code], n_rows: int, max_rows: int) -> _Found:
        return _search(fleet, code_of, n_needed, confidence, n_rows=n_rows, max_rows=max_rows, seed=seed)

    def of_rows(numbers: Rows) -> Callable[[int], Code]:
        return lambda n: Code.of_rows(n_frags, dialect, numbers[:n], kernel)

    if not isinstance(rows, str):
        numbers = given[:max_coded]
        found = search(of_rows(numbers), min(guess, max_coded), max_coded)
    elif rows == "ideal":
        numbers = leading[:0]
        found = search(partial(_ideal, n_frags), min(guess, max_coded), max_coded)
    else:
        numbers = leading
        found = search(of_rows(leading), min(guess, max_coded), max_coded)
        if rows == "selected" and n_frags <= SELECTED_UP_TO and found.n_coded and design_loss > 0:
            chosen = select_rows(n_frags, design_loss, found.n_coded, dialect=dialect, seed=seed)
            if not np.array_equal(chosen, leading[: found.n_coded]):
                numbers, found = _selected(search, of_rows, chosen, leading, found, confidence)
    sample, n_coded = found.sample, found.n_coded
    chance = sample.chance(n_coded, n_needed)
    return RedundancyPlan(
        n_frags=n_frags,
        dialect=dialect,
        n_devices=fleet.n_devices,
        success_threshold=threshold,
        confidence=confidence,
        n_needed=n_needed,
        meets=found.meets,
        n_coded=n_coded,
        rows=numbers[:n_coded],
        probability=chance.probability,
        probability_low=chance.low,
        device_probability=sample.completion(n_coded),
        n_sure=sample.sure(n_coded, confidence),
        max_coded=max_coded,
        n_trials=sample.n_trials,
        alternatives=compare(fleet, n_frags, dialect, n_needed, late_uncoded=late_uncoded, seed=seed, kernel=kernel)
        if alternatives
        else (),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    sample: FleetSample
    n_coded: int
    meets: bool


def _selected(
    search: Callable[[Callable[[int], Code], int, int], _Found],
    of_rows: Callable[[Rows], Callable[[int], Code]],
    chosen: Rows,
    leading: Rows,
    first: _Found,
    confidence: float,
) -> tuple[Rows, _Found]:
    """Better of two choices of rows: the chosen rows, as many as rows 1, 2, 3 … took, or rows 1, 2, 3 …"""
    found = search(of_rows(chosen), chosen.size, chosen.size)

    def merit(it: _Found) -> tuple[bool, int, int]:
        return it.meets, 0 if it.meets else it.sample.sure(it.n_coded, confidence), -it.n_coded

    return (chosen, found) if merit(found) >= merit(first) else (leading, first)


def _search(
    fleet: Fleet,
    code_of: Callable[[int], Code],
    n_needed: int,
    confidence: float,
    *,
    n_rows: int,
    max_rows: int,
    seed: int,
) -> _Found:
    """Fewest coded fragments that meet the threshold; the number of rows grows from n_rows while they are too few."""
    n_failing = fleet.n_devices - n_needed
    rare = n_failing < _RARE * fleet.n_devices
    while True:
        code = code_of(n_rows)
        sample = FleetSample(fleet, code, seed=seed, z=normal_quantile("confidence", TRIALS_CONFIDENCE))
        n_coded = min(n_rows, _expected(fleet, code.n_frags, max(n_failing / 2, 1 - confidence)))
        cost = float(sample.trial_cost(fleet.hardest_loss(n_needed / fleet.n_devices), rare=rare))
        # Rare failures have several causes, and the trials must find each of them.
        most = _FIRST_TRIALS * 16 if rare else _FIRST_TRIALS
        n_trials = int(min(most, max(_FIRST_TRIALS // 8, _ENOUGH_WORK / (2 if rare else 4) / cost)))
        while True:
            sample.add(n_trials, n_coded, rare=rare)
            low = _first(n_rows, lambda r: sample.chance(r, n_needed).low >= confidence)  # noqa: B023
            high = _first(n_rows, lambda r: sample.chance(r, n_needed).high >= confidence)  # noqa: B023
            enough = sample.work >= _ENOUGH_WORK
            if low is not None and (enough or high is None or low - high <= 1):
                return _Found(sample, low, True)
            hopeless = low is None and high is None and (n_rows < max_rows or sample.work >= _ENOUGH_WORK / 4)
            if hopeless or sample.work >= _MOST_WORK or (low is None and n_rows < max_rows and enough):
                break
            n_coded = n_rows if low is None or high is None else (low + high) // 2
            left = (_MOST_WORK if enough else _ENOUGH_WORK) - sample.work
            n_trials = int(min(sample.n_trials, 1 << 20, left / sample.work * sample.n_trials)) + 1
        if n_rows == max_rows:
            if rare:  # The threshold cannot be met, so failures are not rare.
                sample = FleetSample(fleet, code, seed=seed, z=sample.z)
                sample.add(int(max(_FIRST_TRIALS, _ENOUGH_WORK / 4 / cost)), n_rows)
            most = sample.sure(n_rows, confidence)
            best = _first(n_rows, lambda r: sample.sure(r, confidence) >= most)  # noqa: B023
            return _Found(sample, n_rows if best is None else best, False)
        n_rows = min(max_rows, 2 * n_rows + 64)


def expected_coded(fleet: Fleet, n_frags: int, share: float) -> tuple[int, float]:
    """Approximate number of coded fragments with which this share of the devices completes, by a random matrix.

    The second value is the number of devices that fail with any number of coded fragments, beyond those that may fail.
    """
    if fleet.losses is None:
        fleet = make_fleet(fleet.hardest_loss(share), fleet.n_devices, None)
    n_failing = max((1 - share) * fleet.n_devices, 0.01)
    most = MAX_FRAG_NB - n_frags
    always = float(fleet.sizes @ fleet.expected_failures(n_frags, most))
    return _expected(fleet, n_frags, n_failing), max(0.0, always - n_failing)


def _expected(fleet: Fleet, n_frags: int, n_failing: float) -> int:
    """Approximate number of coded fragments that leave at most n_failing failures; the largest number if none does."""

    def holds(n_coded: int) -> bool:
        return float(fleet.sizes @ fleet.expected_failures(n_frags, n_coded)) <= n_failing

    most = MAX_FRAG_NB - n_frags
    found = _first(most, holds)
    return most if found is None else found


def _first(n_rows: int, holds: Callable[[int], bool]) -> int | None:
    """Smallest number from 0 to n_rows for which `holds` is true; None if it is false for n_rows. Monotonic."""
    if not holds(n_rows):
        return None
    low, high = 0, n_rows
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _ideal(n_frags: int, n_rows: int) -> Code:
    """Ideal code: any n_frags fragments complete a device."""
    return Code(n_frags=n_frags, n_rows=n_rows, columns=None)


def _guess(n_frags: int, loss: float) -> int:
    """Number of coded fragments that is rarely too small for a device with this loss."""
    return int((n_frags * loss + 6 * (n_frags * loss) ** 0.5) / (1 - loss)) + 24


def check_threshold(success_threshold: float) -> float:
    """Success threshold as a float. ParameterError unless it is above 0 and at most 100."""
    try:
        ok = 0 < success_threshold <= 100
    except TypeError:
        ok = False
    if not ok:
        raise ParameterError(
            f"success_threshold: {shown(success_threshold)} is not a percentage, expected one above 0, at most 100"
        )
    return float(success_threshold)
