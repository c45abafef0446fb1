"""Alternatives to a plan, against independent estimates of the same ways to send a block."""

from __future__ import annotations

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.planning.comparison import compare
from fuota_fec.planning.confidence import make_fleet
from fuota_fec.planning.convolution import at_most

SPREAD = np.random.default_rng(5).uniform(0.01, 0.2, 200)


def test_alternatives_are_code_rates_and_rounds():
    plan = ff.plan_redundancy(100, 0.05, 90, n_devices=200)
    others = {other.name: other for other in plan.alternatives}
    assert list(others) == ["7/8", "5/6", "3/4", "1/2", "1 round", "2 rounds", "3 rounds", "4 rounds"]
    assert [others[rate].n_coded for rate in ("7/8", "5/6", "3/4", "1/2")] == [15, 20, 34, 100]
    for name, other in others.items():
        assert other.n_sent == 100 * other.n_rounds + other.n_coded
        if other.n_coded:
            exact = ff.estimate_completion(100, other.n_coded, 0.05, seed=9)
            assert other.device_probability == pytest.approx(exact.probability, abs=0.01), name
        else:
            assert other.device_probability == pytest.approx((1 - 0.05**other.n_rounds) ** 100)
        failing = np.array([1 - other.device_probability])
        assert other.probability == pytest.approx(at_most(20, np.array([200]), failing), abs=1e-9)


def test_rounds_agree_with_a_simulation():
    for loss in (ff.GilbertElliott(p_good_to_bad=0.01, p_bad_to_good=0.3), ff.BetaLoss(mean=0.03, spread=0.02)):
        plan = ff.plan_redundancy(20, loss, 90, n_devices=50)
        shares = [other.device_probability for other in plan.alternatives if other.n_coded == 0]
        assert shares == sorted(shares)
        assert shares[0] == pytest.approx(ff.decode_probability(20, 0, loss, seed=8), abs=0.02)


def test_further_rounds_complete_no_device_that_drops_late_fragments():
    plan = ff.plan_redundancy(50, SPREAD, 90, late_uncoded=False)
    [share] = {other.device_probability for other in plan.alternatives if other.n_coded == 0}
    assert share == pytest.approx(float(np.mean((1 - SPREAD) ** 50)))


def test_code_rates_beyond_the_largest_fragment_number_are_left_out():
    plan = ff.plan_redundancy(12_000, 0.001, 90, n_devices=10)
    assert [other.name for other in plan.alternatives if other.n_coded] == ["7/8", "5/6", "3/4"]


def test_a_comparison_gives_the_same_result_for_the_same_seed():
    fleet = make_fleet(SPREAD, None, None)
    assert compare(fleet, 30, "2.0.0", 180, seed=2) == compare(fleet, 30, "2.0.0", 180, seed=2)
    assert compare(fleet, 30, "2.0.0", 180, seed=2) != compare(fleet, 30, "2.0.0", 180, seed=3)
