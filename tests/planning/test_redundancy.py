"""Plans meet their thresholds in fleets that are simulated independently of them."""

from __future__ import annotations

import time

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.planning.convolution import at_most, binomial_pmf
from fuota_fec.planning.probability import closed_form

N_FLEETS = 1000
SPREAD = np.random.default_rng(5).uniform(0.01, 0.2, 200)
SKEWED = np.minimum(np.random.default_rng(6).beta(1, 12, 150), 0.6)


def simulated(plan: ff.RedundancyPlan, loss, n_coded: int, *, n_fleets: int = N_FLEETS) -> float:
    """Share of the fleets that meet the threshold with the first n_coded rows."""
    losses = np.tile(np.broadcast_to(loss, plan.n_devices), n_fleets)
    trial = ff.simulate_fleet(
        plan.n_frags,
        losses,
        losses.size,
        max_coded=n_coded,
        rows=plan.rows[:n_coded],
        version=plan.dialect,
        seed=987_654_321,
    )
    completed = np.count_nonzero(trial.coded_needed.reshape(n_fleets, -1) >= 0, axis=1)
    return float(np.mean(completed >= plan.n_needed))


@pytest.mark.parametrize("rows", ["first", "selected"])
@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(
    ("n_frags", "loss", "n_devices", "threshold", "confidence", "fewer"),
    [
        (21, 0.1, 200, 95, 0.99, 3),
        (64, SPREAD, 200, 90, 0.99, 3),
        (100, SPREAD, 200, 98, 0.9, 3),
        (43, SKEWED, 150, 96, 0.95, 3),
        # One device in a hundred thousand: three fragments fewer still do, or nearly, with some matrices.
        (50, 0.05, 1000, 100, 0.99, 6),
    ],
)
def test_a_plan_meets_its_threshold_with_no_fragment_to_spare(
    n_frags, loss, n_devices, threshold, confidence, fewer, dialect, rows
):
    plan = ff.plan_redundancy(
        n_frags,
        loss,
        threshold,
        n_devices=n_devices,
        confidence=confidence,
        dialect=dialect,
        rows=rows,
        alternatives=False,
    )
    assert plan.meets
    assert plan.rows.size == plan.n_coded
    assert plan.probability_low >= confidence
    sigma = (confidence * (1 - confidence) / N_FLEETS) ** 0.5
    assert simulated(plan, loss, plan.n_coded) >= confidence - 3 * sigma
    assert simulated(plan, loss, plan.n_coded - fewer) < confidence - 3 * sigma


def test_a_plan_is_the_smallest_or_next_to_it_for_every_seed():
    """Plans of five seeds have at most two fragments more than 2000 simulated fleets need."""
    plans = [
        ff.plan_redundancy(80, SPREAD, 95, dialect="2.0.0", rows="first", alternatives=False, seed=seed)
        for seed in range(5)
    ]
    longest = max(plans, key=lambda plan: plan.n_coded)
    met = {r: simulated(longest, SPREAD, r, n_fleets=2000) for r in range(longest.n_coded - 3, longest.n_coded + 1)}
    best = min(r for r, share in met.items() if share >= 0.99)
    assert all(best - 1 <= plan.n_coded <= best + 2 for plan in plans)


def test_a_plan_for_ten_thousand_devices_takes_few_trials():
    """A plan with M = 1000 takes a small multiple of the time of simulating the fleet once."""
    losses = np.random.default_rng(1).uniform(0.01, 0.3, 10_000)
    start = time.process_time()
    plan = ff.plan_redundancy(1000, losses, 90)
    planned = time.process_time() - start
    start = time.process_time()
    for n_coded in (plan.n_coded, plan.n_coded - 3):
        simulated(plan, losses, n_coded, n_fleets=1)
    once = (time.process_time() - start) / 2
    assert plan.meets
    assert plan.n_trials < 40_000
    assert planned < 40 * once
    # Independent of the trials: the number of completions is nearly normal, its mean and variance by the closed form.
    grid = np.linspace(0.01, 0.3, 400)
    for n_coded, low, high in ((plan.n_coded, 0.98, 1.0), (plan.n_coded - 3, 0.0, 0.98)):
        p = np.interp(losses, grid, [closed_form(1000, n_coded, q) for q in grid])
        spare = (p.sum() - plan.n_needed + 0.5) / np.sum(p * (1 - p)) ** 0.5
        met = 0.5 * (1 + np.tanh(spare * 0.7978845608 * (1 + 0.044715 * spare**2)))  # Φ, to 0.0002
        assert low <= met <= high


def test_a_plan_distinguishes_the_few_devices_with_the_highest_losses():
    """Ten of 10 000 devices may fail, and the plan knows which ten: it need not use the mean loss of a larger class."""
    losses = np.sort(np.random.default_rng(9).beta(3.5, 31.5, 10_000))
    plan = ff.plan_redundancy(1000, losses, 99.9, alternatives=False)
    trial = ff.simulate_fleet(
        1000, np.repeat(losses[-60:], 400), 24_000, max_coded=plan.n_coded, rows=plan.rows, seed=31
    )
    needed = trial.coded_needed.reshape(60, 400)

    def chance(n_coded: int) -> float:
        n_failing = np.ones(1)
        for failing in np.mean((needed < 0) | (needed > n_coded), axis=1):
            n_failing = np.convolve(n_failing, [1 - failing, failing])
        return float(n_failing[:11].sum())

    assert plan.meets
    assert chance(plan.n_coded) > 0.988
    assert chance(plan.n_coded - 8) < 0.97


def test_a_plan_with_the_ideal_code_follows_the_formula():
    for n_frags, loss, n_devices, threshold in ((50, 0.05, 100, 90), (21, 0.1, 300, 99), (200, 0.02, 1000, 99.9)):
        plan = ff.plan_redundancy(n_frags, loss, threshold, n_devices=n_devices, rows="ideal", alternatives=False)
        n_failing = n_devices - plan.n_needed
        exact = next(
            r
            for r in range(200)
            if at_most(n_failing, np.array([n_devices]), np.array([1 - closed_form(n_frags, r, loss, ideal=True)]))
            >= 0.99
        )
        assert exact <= plan.n_coded <= exact + 1
        assert plan.rows.size == 0


@pytest.mark.parametrize(
    ("n_frags", "loss", "shares"),
    [
        (10, 0.10, (3, 4, 6)),
        (17, 0.08, (3, 5, 7)),
        (21, 0.05, (3, 4, 6)),
        (21, 0.10, (4, 7, 9)),
        (50, 0.05, (5, 7, 9)),
        (50, 0.10, (9, 12, 15)),
        (100, 0.02, (4, 6, 8)),
        (100, 0.10, (16, 20, 24)),
    ],
)
def test_published_ideal_redundancy(n_frags, loss, shares):
    for share, published in zip((0.9, 0.99, 0.999), shares, strict=True):
        assert closed_form(n_frags, published, loss, ideal=True) >= share
        assert closed_form(n_frags, published - 1, loss, ideal=True) < share


# ---- what a plan depends on ----------------------------------------------------------------------------------


def facts(plan: ff.RedundancyPlan) -> tuple:
    return plan.n_coded, plan.probability, plan.n_trials, plan.rows.tolist(), plan.alternatives


def test_the_same_seed_gives_the_same_plan_on_every_kernel():
    plans = [ff.plan_redundancy(40, SPREAD, 90, kernel=kernel, seed=3) for kernel in ff.kernels()]
    assert all(facts(plan) == facts(plans[0]) for plan in plans)
    assert facts(ff.plan_redundancy(40, SPREAD[::-1], 90, seed=3)) == facts(plans[0])
    assert facts(ff.plan_redundancy(40, SPREAD, 90, seed=4)) != facts(plans[0])


def test_one_loss_for_all_equals_an_array_of_it():
    one = ff.plan_redundancy(30, 0.1, 90, n_devices=100, alternatives=False)
    each = ff.plan_redundancy(30, [0.1] * 100, 90, alternatives=False)
    assert facts(one) == facts(each)
    assert one.n_sent == 30 + one.n_coded


def test_harder_requirements_take_more_coded_fragments():
    def coded(threshold=90.0, confidence=0.99, loss=0.1, **more):
        plan = ff.plan_redundancy(
            60, loss, threshold, confidence=confidence, n_devices=50, alternatives=False, dialect="2.0.0", **more
        )
        return plan.n_coded

    assert coded(50) < coded(90) < coded(100)
    assert coded(confidence=0.5) < coded(confidence=0.999)
    assert coded(loss=0.02) < coded(loss=0.1) < coded(loss=ff.BetaLoss(mean=0.1, spread=0.08))
    assert coded() < coded(loss=ff.GilbertElliott(p_good_to_bad=0.02, p_bad_to_good=0.18))
    assert coded(rows="ideal") < coded()
    mix = ff.LossMix(shares=((0.5, 0.05), (0.5, 0.15)))
    assert coded(loss=0.05) < coded(loss=mix) <= coded(loss=0.15)


def test_a_plan_for_bursts_meets_its_threshold():
    channel = ff.GilbertElliott(p_good_to_bad=0.02, p_bad_to_good=0.2, loss_good=0.01, loss_bad=0.8)
    plan = ff.plan_redundancy(50, channel, 90, n_devices=100, rows="first", alternatives=False)

    def met(n_coded: int) -> float:
        """Probability of meeting the threshold, from an estimate with another seed and the binomial distribution."""
        estimate = ff.estimate_completion(50, n_coded, channel, seed=77, n_trials=60_000)
        return at_most(10, np.array([100]), np.array([1 - estimate.probability]))

    assert met(plan.n_coded) >= 0.98
    assert met(plan.n_coded - 3) < 0.97


def test_a_plan_uses_the_rows_of_the_caller():
    rows = [700, 3, 91, 12, 5000, 44, 45, 46, 47, 48, 49, 50, 2, 7]
    plan = ff.plan_redundancy(30, 0.05, 90, n_devices=100, rows=rows)
    assert plan.meets
    assert plan.max_coded == len(rows)
    assert plan.rows.tolist() == rows[: plan.n_coded]


def test_a_plan_without_losses_has_no_coded_fragments():
    plan = ff.plan_redundancy(100, 0.0, 100, n_devices=1000)
    assert (plan.meets, plan.n_coded, plan.probability, plan.n_sure) == (True, 0, 1.0, 1000)


# ---- thresholds that cannot be met ---------------------------------------------------------------------------


def test_a_device_that_cannot_solve_its_losses_never_completes():
    """Devices solve at most five lost fragments of 21: completions are binomial with any number of coded fragments."""
    plan = ff.plan_redundancy(21, 0.1, 99, n_devices=1000, max_losses=5)
    p = float(binomial_pmf(21, 0.1, 5).sum())
    best = next(n for n in range(1000, 0, -1) if at_most(1000 - n, np.array([1000]), np.array([1 - p])) >= 0.99)
    assert not plan.meets
    assert plan.n_needed == 990
    assert best - 4 <= plan.n_sure <= best + 1
    assert plan.probability < 0.5
    assert plan.n_coded < 60  # and no more than helps
    met = ff.plan_redundancy(21, 0.1, 90, n_devices=1000, max_losses=5, alternatives=False)
    assert met.meets
    assert met.n_coded >= ff.plan_redundancy(21, 0.1, 90, n_devices=1000, alternatives=False).n_coded


def test_limits_of_each_device_bound_the_plan():
    limits = [5] * 30 + [21] * 70
    given = {"n_devices": 100, "max_coded": 50, "alternatives": False}
    plan = ff.plan_redundancy(21, 0.2, 100, max_losses=limits, **given)
    free = ff.plan_redundancy(21, 0.2, 100, **given)
    assert free.meets
    assert not plan.meets
    assert 70 <= plan.n_sure < 100
    shuffled = np.random.default_rng(1).permutation(limits)
    again = ff.plan_redundancy(21, 0.2, 100, max_losses=shuffled, **given)
    assert again.n_coded == plan.n_coded


def test_a_plan_with_too_small_a_max_coded_does_not_meet_its_threshold():
    plan = ff.plan_redundancy(100, 0.1, 99, n_devices=500, max_coded=12, alternatives=False)
    assert not plan.meets
    assert plan.n_coded == plan.max_coded == 12
    assert 0 < plan.n_sure < plan.n_needed
    assert simulated(plan, 0.1, 12, n_fleets=50) == 0


def test_one_fragment_has_no_code():
    """Rows of a block of one fragment are empty: coded fragments do not help."""
    plan = ff.plan_redundancy(1, 0.1, 99, n_devices=200, alternatives=False)
    assert not plan.meets
    assert plan.n_coded == 0
    assert plan.device_probability == pytest.approx(0.9, abs=0.02)
    assert ff.plan_redundancy(1, 0.1, 80, n_devices=200, alternatives=False).meets


def test_version_is_another_name_for_dialect_in_a_plan():
    plan, same = (
        ff.plan_redundancy(30, 0.1, 90, n_devices=20, alternatives=False, **{name: "2.0.0"})
        for name in ("dialect", "version")
    )
    assert facts(plan) == facts(same)
    assert plan.dialect == plan.version == same.dialect == "2.0.0"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"n_frags": 0}, "n_frags"),
        ({"loss": 1.0}, "loss: 1.0"),
        ({"loss": -0.1}, "loss: -0.1"),
        ({"loss": [0.1, 0.2]}, "loss: 2 values"),
        ({"loss": [], "n_devices": None}, "n_devices"),
        ({"n_devices": 0}, "n_devices"),
        ({"n_devices": None}, "n_devices: not given"),
        ({"success_threshold": 0}, "success_threshold: 0"),
        ({"success_threshold": 101}, "success_threshold: 101"),
        ({"success_threshold": "most"}, "success_threshold: 'most'"),
        ({"confidence": 1.0}, "confidence: 1.0"),
        ({"confidence": 0}, "confidence: 0"),
        ({"dialect": "3"}, "dialect: '3'"),
        ({"version": "3"}, "dialect: '3'"),
        ({"dialect": "1.0.0", "version": "2.0.0"}, "dialect, version: "),
        ({"max_coded": -1}, "max_coded"),
        ({"max_coded": 16370}, "max_coded"),
        ({"rows": "best"}, "rows: 'best'"),
        ({"rows": [1, 1]}, "rows: 1"),
        ({"rows": [1, 2], "max_coded": 3}, "max_coded: 3 is more than the rows given, expected at most 2"),
        ({"max_losses": [1, 2, 3]}, "max_losses"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_plan_refuses_bad_input(changes, expected):
    arguments = {"n_frags": 20, "loss": 0.1, "success_threshold": 90, "n_devices": 10, **changes}
    positional = [arguments.pop(name) for name in ("n_frags", "loss", "success_threshold")]
    with pytest.raises(ff.ParameterError, match=expected):
        ff.plan_redundancy(*positional, **arguments)
