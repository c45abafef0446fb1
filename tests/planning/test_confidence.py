"""Classes of devices, and estimates from their trials: unbiased where failures are common, and where they are rare."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.planning.confidence import MAX_CLASSES, FleetSample, make_fleet
from fuota_fec.planning.erasures import matrix_columns, needed_of
from fuota_fec.planning.probability import closed_form
from fuota_fec.planning.sampling import Code

ROWS = np.arange(1, 41, dtype=np.uint32)


def code(n_frags: int, n_rows: int, dialect: str = "1.0.0") -> Code:
    return Code.of_rows(n_frags, dialect, ROWS[:n_rows])


def test_equal_devices_are_one_class():
    assert make_fleet(0.1, 500, None).sizes.tolist() == [500]
    assert make_fleet([0.1] * 500, None, None).sizes.tolist() == [500]
    assert make_fleet([0.2, 0.1, 0.2], None, None).sizes.tolist() == [1, 2]
    assert make_fleet(0.1, 4, [3, 9, 3, 3]).sizes.tolist() == [1, 3]
    assert make_fleet(ff.BetaLoss(mean=0.1, spread=0.1), 7, None).sizes.tolist() == [7]


def test_many_devices_make_at_most_max_classes():
    fleet = make_fleet(np.random.default_rng(1).random(10_001) / 2, None, None)
    assert MAX_CLASSES / 2 < fleet.sizes.size <= MAX_CLASSES
    assert fleet.sizes.sum() == 10_001
    assert fleet.starts.tolist() == (np.cumsum(fleet.sizes) - fleet.sizes).tolist()
    assert np.all(np.diff(fleet.losses) >= 0)
    assert fleet.sizes.max() < 60


def test_devices_with_the_highest_losses_are_nearly_classes_of_their_own():
    """Devices with different limits are never in one class."""
    losses = np.random.default_rng(1).beta(3, 30, 10_000)
    assert make_fleet(losses, None, None).sizes[-5:].max() <= 2
    limits = np.where(np.arange(10_000) % 3, 20, 40)
    fleet = make_fleet(losses, None, limits)
    assert fleet.sizes.size <= MAX_CLASSES
    assert int(np.flatnonzero(np.diff(fleet.limits))[0]) + 1 in fleet.starts.tolist()
    many = make_fleet(0.1, 10_000, np.arange(10_000))
    assert MAX_CLASSES / 2 < many.sizes.size <= MAX_CLASSES
    assert many.sizes.max() < 100


@pytest.mark.parametrize("n_trials", [1, 7, 1000])
def test_trials_are_spread_evenly_over_a_class(n_trials):
    losses = np.random.default_rng(2).random(700) / 2
    fleet = make_fleet(losses, None, None)
    counts = np.full(fleet.sizes.size, n_trials)
    drawn, limits = fleet.draw(counts, np.random.default_rng(3))
    assert limits is None
    ends = np.cumsum(fleet.sizes)
    ordered = np.sort(losses)
    for of_class, start, end in zip(drawn.reshape(-1, n_trials), fleet.starts, ends, strict=True):
        _, times = np.unique(np.searchsorted(ordered, of_class), return_counts=True)
        assert ordered[start] <= of_class.min() <= of_class.max() <= ordered[end - 1]
        assert times.max() <= -(-n_trials // (end - start)) + 1


def failing(n_frags: int, n_rows: int, loss: float, dialect: str) -> list[float]:
    """Probability of failure with 0 … n_rows coded fragments, over every pattern of losses."""
    lost = np.array(list(itertools.product([False, True], repeat=n_frags + n_rows)))
    needed = needed_of(matrix_columns(n_frags, dialect, ROWS[:n_rows]), n_frags, lost)
    n_lost = lost.sum(axis=1)
    weights = loss**n_lost * (1 - loss) ** (n_frags + n_rows - n_lost)
    return [float(weights[(needed < 0) | (needed > r)].sum()) for r in range(n_rows + 1)]


@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(("n_frags", "n_rows", "loss"), [(8, 7, 0.01), (6, 9, 0.05), (10, 5, 0.002)])
def test_estimates_of_rare_failures_are_unbiased(n_frags, n_rows, loss, dialect):
    """Most trials have raised losses; the estimates are those of the fleet's own losses."""
    sample = FleetSample(make_fleet(loss, 1, None), code(n_frags, n_rows, dialect), seed=4, z=4.0)
    for _ in range(3):
        sample.add(40_000, n_rows - 1, rare=True)
    for r, expected in enumerate(failing(n_frags, n_rows, loss, dialect)):
        chance = sample.chance(r, 1)
        assert chance.low <= 1 - expected <= chance.high
    assert 1 - sample.completion(n_rows) == pytest.approx(failing(n_frags, n_rows, loss, dialect)[-1], rel=0.15)


def test_rare_failures_are_found_in_few_trials():
    """One failure in a million: 20 000 plain trials find none, as many trials with raised losses are enough."""
    n_coded = next(r for r in range(150, 200) if 1 - closed_form(1000, r, 0.1) < 1e-6)
    rows = np.arange(1, 221, dtype=np.uint32)
    sample = FleetSample(make_fleet(0.1, 1000, None), Code.of_rows(1000, "2.0.0", rows), seed=5, z=2.3)
    sample.add(20_000, n_coded, rare=True)
    expected = 1 - closed_form(1000, n_coded, 0.1)
    assert 1 - sample.completion(n_coded) == pytest.approx(expected, rel=0.25)


def test_losses_beyond_what_a_device_solves_count_as_rare_failures():
    fleet = make_fleet(0.02, 100, 4)
    sample = FleetSample(fleet, code(30, 40), seed=6, z=3.0)
    sample.add(60_000, 10, rare=True)
    expected = 1 - closed_form(30, 400, 0.02, max_losses=4)
    assert 1 - sample.completion(40) == pytest.approx(expected, rel=0.1)


def test_bounds_of_an_estimate_hold_as_often_as_stated():
    """Bounds at two standard deviations hold the exact value in about 95 % of the samples."""
    fleet = make_fleet(np.linspace(0.02, 0.2, 60), None, None)
    exact = FleetSample(fleet, code(40, 30, "2.0.0"), seed=99, z=1.0)
    for _ in range(4):
        exact.add(200_000, 10)
    truth = exact.chance(10, 45).probability
    inside = 0
    for seed in range(60):
        sample = FleetSample(fleet, code(40, 30, "2.0.0"), seed=seed, z=2.0)
        sample.add(2000, 10)
        chance = sample.chance(10, 45)
        assert chance.low <= chance.probability <= chance.high
        inside += chance.low <= truth <= chance.high
    assert inside >= 54  # 95 % of 60 are 57


def test_sure_is_the_number_of_devices_at_the_confidence():
    sample = FleetSample(make_fleet(0.1, 200, None), code(20, 10), seed=1, z=0.0)
    sample.add(4000, 5)
    n = sample.sure(5, 0.95)
    assert sample.chance(5, n).low >= 0.95 > sample.chance(5, n + 1).low


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0.1, None, None), "n_devices: not given"),
        ((0.1, 0, None), "n_devices"),
        (([], None, None), "n_devices"),
        (([0.1, 0.2], 3, None), "loss: 2 values"),
        (([0.1, 1.0], None, None), "loss: 1.0"),
        ((0.1, 3, [1, 2]), "max_losses"),
        ((0.1, 3, -1), "max_losses: -1"),
        ((0.1, 3, 1.5), "max_losses: 1.5"),
        ((ff.BetaLoss(mean=0.1, spread=0.1), None, None), "n_devices: not given"),
    ],
)
def test_a_fleet_refuses_bad_input(arguments, expected):
    with pytest.raises(ff.ParameterError, match=expected):
        make_fleet(*arguments)
