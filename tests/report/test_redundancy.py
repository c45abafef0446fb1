"""Pages about plans and simulated fleets, and the curves on them."""

from __future__ import annotations

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.planning.confidence import make_fleet
from fuota_fec.planning.fragment_size import plan_transmission
from fuota_fec.planning.losses import BetaLoss, GilbertElliott, LossMix
from fuota_fec.planning.probability import closed_form
from fuota_fec.planning.redundancy import plan_redundancy
from fuota_fec.radio.regions import region
from fuota_fec.report.curves import CHOSEN, IDEAL, TODAY, completion_curves, ideal_curve, rounds_curve, shares_of
from fuota_fec.report.plots import Curve
from fuota_fec.report.redundancy import (
    loss_text,
    needed_for,
    needed_lines,
    plan_page,
    rows_text,
    share_lines,
    simulation_page,
    study_fleet,
    ways_of,
)

M, LOSS = 50, 0.05


@pytest.fixture(scope="module")
def plan() -> ff.RedundancyPlan:
    return plan_redundancy(M, LOSS, 98, n_devices=1000)


@pytest.fixture(scope="module")
def curves(plan) -> dict[str, Curve]:
    fleet = make_fleet(LOSS, 1000, None)
    made = completion_curves(fleet, M, version="1.0.0", chosen=plan.rows, max_coded=plan.n_coded)
    return {curve.label: curve for curve in made}


# ---- curves ----------------------------------------------------------------------------------------------


def test_the_three_curves_in_their_order(curves):
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


def test_rows_1_2_3_as_the_simulation_has_them(curves, plan):
    trial = ff.simulate_fleet(M, LOSS, 50_000, max_coded=plan.n_coded, seed=9)
    told = [trial.completed(n) for n in range(plan.n_coded + 1)]
    assert curves[TODAY].shares == pytest.approx(told, abs=0.012)


def test_the_ideal_code_as_its_closed_form_has_it():
    curve = ideal_curve(make_fleet(0.1, 10, None), 40, 12)
    told = [closed_form(40, n, 0.1, ideal=True) for n in range(13)]
    assert curve.shares == pytest.approx(told, abs=0.012)


def test_without_a_choice_there_are_two_curves():
    made = completion_curves(make_fleet(0.1, 9, None), 20, version="2.0.0", chosen=None, max_coded=4)
    assert [curve.label for curve in made] == [TODAY, IDEAL]
    leading = np.arange(1, 5, dtype=np.uint32)
    made = completion_curves(make_fleet(0.1, 9, None), 20, version="2.0.0", chosen=leading, max_coded=4)
    assert [curve.label for curve in made] == [TODAY, IDEAL]


@pytest.mark.parametrize(
    "loss", [BetaLoss(mean=0.1, spread=0.05), LossMix(shares=((0.5, 0.01), (0.5, 0.2))), list(np.linspace(0, 0.3, 40))]
)
def test_losses_that_differ(loss):
    fleet = make_fleet(loss, 40, None)
    made = completion_curves(fleet, 20, version="1.0.0", chosen=None, max_coded=30)
    for curve in made:
        assert curve.shares[0] < curve.shares[-1] <= 1
    rounds = rounds_curve(fleet, 20)
    assert rounds is not None
    assert rounds[20] == pytest.approx(made[0].shares[0], abs=0.02)


@pytest.mark.parametrize("n_rounds", [1, 2, 4])
def test_rounds_at_their_ends(n_rounds):
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
    assert completion_curves(fleet, 30, version="1.0.0", chosen=None, max_coded=5)[0].shares.size == 6


def test_shares_of_what_devices_needed():
    assert shares_of(np.array([0, 2, 2, -1], np.int32), 3).tolist() == [0.25, 0.25, 0.75, 0.75]


# ---- plans -----------------------------------------------------------------------------------------------


def test_a_plan_as_a_page(plan, page):
    made = plan_page(plan, LOSS, name="delta.bin")
    text = page(made).text
    assert f"{plan.n_coded} coded fragments complete at least 98 % of 1000 devices" in text
    assert rows_text(plan.rows) in text
    for label in ("code rate 7/8", "code rate 1/2", "4 rounds", "this plan", "delta.bin"):
        assert label in text
    assert len(page(made).all("svg")) == 3
    assert made == plan_page(plan, LOSS, name="delta.bin")


def test_a_plan_with_its_fragment_size(page):
    found = plan_transmission(3000, 0.1, 90, data_rate=region("EU868").data_rate(3), n_devices=50)
    text = page(plan_page(found.redundancy, 0.1, transmission=found)).text
    assert "Fragment sizes" in text
    assert f"{found.frag_size} bytes" in text
    assert "time on air" in text


def test_a_plan_that_cannot_be_met(page):
    plan = plan_redundancy(21, 0.3, 99, n_devices=100, max_losses=3, max_coded=20, late_uncoded=False)
    text = page(plan_page(plan, 0.3, max_losses=3)).text
    assert "cannot be met" in text
    assert f"no more than {plan.n_sure} complete" in text
    assert "uncoded fragments in rounds" not in text


def test_a_plan_of_nothing(page):
    plan = plan_redundancy(10, 0.0, 100, n_devices=3)
    assert plan.n_coded == 0
    assert "0 coded fragments" in page(plan_page(plan, 0.0)).text


def test_a_plan_without_alternatives(page):
    plan = plan_redundancy(200, 0.1, 90, n_devices=30, alternatives=False, rows="first")
    seen = page(plan_page(plan, 0.1))
    assert len(seen.all("svg")) == 2
    assert "in the order to be sent" not in seen.text


def test_ways_are_in_the_order_of_what_they_cost(plan):
    ways = ways_of(plan)
    assert [way[2] for way in ways] == sorted(way[2] for way in ways)
    assert sum(way[0] == "this plan" for way in ways) == 1
    assert len(ways) == 9


# ---- simulated fleets ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    rows = ff.select_rows(M, LOSS, 30, version="1.0.0")
    chosen = ff.simulate_fleet(M, LOSS, 20_000, max_coded=30, rows=rows, seed=1)
    first = ff.simulate_fleet(M, LOSS, 20_000, max_coded=30, seed=1)
    return study_fleet(M, LOSS, chosen, other=first, seed=1, frame_time=0.3)


def test_a_study_has_the_shares_of_its_trial(study):
    assert [curve.label for curve in study.curves] == [CHOSEN, TODAY, IDEAL]
    assert study.curve.shares.tolist() == pytest.approx([study.trial.completed(n) for n in range(31)])


def test_a_simulated_fleet_as_a_page(study, page):
    made = simulation_page(study)
    text = page(made).text
    assert "Simulated fleet of 20000 devices" in text
    assert f"99 % with {needed_for(study.curve.shares, 0.99)}" in text
    assert rows_text(study.trial.rows) in text
    assert made == simulation_page(study)


def test_a_fleet_that_does_not_complete(page):
    trial = ff.simulate_fleet(40, 0.5, 100, max_coded=3)
    made = study_fleet(40, 0.5, trial)
    assert "coded fragments complete fewer than 90 %" in page(simulation_page(made)).text
    assert needed_lines(made)[1] == (0.9, (None, None))


def test_lines_of_shares(study):
    lines = share_lines(study)
    assert len(lines) <= 17
    assert lines[0][0] == 0
    assert all(values == tuple(c.shares[n] for c in study.curves) for n, values in lines)


@pytest.mark.parametrize("max_coded", [0, 1])
def test_hardly_any_coded_fragments(max_coded, page):
    trial = ff.simulate_fleet(10, 0.1, 50, max_coded=max_coded)
    made = study_fleet(10, 0.1, trial)
    assert [n for n, _ in share_lines(made)] == list(range(max_coded + 1))
    assert page(simulation_page(made)).text


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (0.1, "10 %"),
        ([0.1, 0.25], "10 % to 25 %"),
        (BetaLoss(mean=0.1, spread=0.05), "10 % ± 5 %"),
        (LossMix(shares=((0.5, 0.01), (0.5, 0.2))), "1 % to 20 %"),
        (GilbertElliott(p_good_to_bad=0.1, p_bad_to_good=0.1, loss_good=0.0, loss_bad=0.5), "bursts, 25 % in the mean"),
    ],
)
def test_losses_in_words(loss, text):
    assert loss_text(loss) == text
