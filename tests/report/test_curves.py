"""Curves of completion, against simulations and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.planning.confidence import make_fleet
from fuota_fec.planning.losses import BetaLoss, GilbertElliott, LossMix
from fuota_fec.planning.probability import closed_form
from fuota_fec.planning.redundancy import plan_redundancy
from fuota_fec.report.curves import CHOSEN, IDEAL, TODAY, completion_curves, ideal_curve, rounds_curve, shares_of
from fuota_fec.report.plots import Curve

M, LOSS = 50, 0.05


@pytest.fixture(scope="module")
def plan() -> ff.RedundancyPlan:
    return plan_redundancy(M, LOSS, 98, n_devices=1000)


@pytest.fixture(scope="module")
def curves(plan) -> dict[str, Curve]:
    fleet = make_fleet(LOSS, 1000, None)
    made = completion_curves(fleet, M, dialect="1.0.0", chosen=plan.rows, max_coded=plan.n_coded)
    return {curve.label: curve for curve in made}


def test_completion_has_three_curves_in_order(curves):
    assert list(curves) == [CHOSEN, TODAY, IDEAL]
    assert [curve.ideal for curve in curves.values()] == [False, False, True]
    for curve in curves.values():
        assert np.all(np.diff(curve.shares) >= 0)
        assert np.all((curve.shares >= 0) & (curve.shares <= 1))
    # Within what 65536 trials tell: 4 standard deviations.
    slack = 4 * 0.5 / 256
    assert np.all(curves[IDEAL].shares >= curves[CHOSEN].shares - slack)
    assert np.all(curves[CHOSEN].shares[5:] >= curves[TODAY].shares[5:])


def test_a_curve_goes_through_the_plan(curves, plan):
    assert curves[CHOSEN].shares[plan.n_coded] == pytest.approx(plan.device_probability, abs=0.003)


def test_the_curve_of_leading_rows_agrees_with_a_simulation(curves, plan):
    trial = ff.simulate_fleet(M, LOSS, 50_000, max_coded=plan.n_coded, seed=9)
    told = [trial.completed(n) for n in range(plan.n_coded + 1)]
    assert curves[TODAY].shares == pytest.approx(told, abs=0.012)


def test_the_curve_of_the_ideal_code_agrees_with_its_closed_form():
    curve = ideal_curve(make_fleet(0.1, 10, None), 40, 12)
    told = [closed_form(40, n, 0.1, ideal=True) for n in range(13)]
    assert curve.shares == pytest.approx(told, abs=0.012)


def test_completion_without_chosen_rows_has_two_curves():
    made = completion_curves(make_fleet(0.1, 9, None), 20, dialect="2.0.0", chosen=None, max_coded=4)
    assert [curve.label for curve in made] == [TODAY, IDEAL]
    leading = np.arange(1, 5, dtype=np.uint32)
    made = completion_curves(make_fleet(0.1, 9, None), 20, dialect="2.0.0", chosen=leading, max_coded=4)
    assert [curve.label for curve in made] == [TODAY, IDEAL]


@pytest.mark.parametrize(
    "loss", [BetaLoss(mean=0.1, spread=0.05), LossMix(shares=((0.5, 0.01), (0.5, 0.2))), list(np.linspace(0, 0.3, 40))]
)
def test_curves_of_losses_that_differ(loss):
    fleet = make_fleet(loss, 40, None)
    made = completion_curves(fleet, 20, dialect="1.0.0", chosen=None, max_coded=30)
    for curve in made:
        assert curve.shares[0] < curve.shares[-1] <= 1
    rounds = rounds_curve(fleet, 20)
    assert rounds is not None
    assert rounds[20] == pytest.approx(made[0].shares[0], abs=0.02)


@pytest.mark.parametrize("n_rounds", [1, 2, 4])
def test_the_curve_of_rounds_agrees_with_its_formula_at_the_end_of_each(n_rounds):
    rounds = rounds_curve(make_fleet(0.1, 5, None), 30, n_rounds)
    assert rounds is not None
    assert rounds.size == n_rounds * 30 + 1 if n_rounds > 1 else 30
    ends = [(1 - 0.1**k) ** 30 for k in range(1, n_rounds + 1)]
    assert rounds[30::30] == pytest.approx(ends if n_rounds > 1 else [])
    assert np.all(np.diff(rounds) >= 0)


def test_bursts_have_no_closed_form_of_rounds():
    bursts = GilbertElliott(p_good_to_bad=0.01, p_bad_to_good=0.2, loss_good=0.0, loss_bad=1.0)
    fleet = make_fleet(bursts, 5, None)
    assert rounds_curve(fleet, 30) is None
    assert completion_curves(fleet, 30, dialect="1.0.0", chosen=None, max_coded=5)[0].shares.size == 6


def test_shares_from_the_coded_fragments_that_devices_need():
    assert shares_of(np.array([0, 2, 2, -1], np.int32), 3).tolist() == [0.25, 0.25, 0.75, 0.75]
