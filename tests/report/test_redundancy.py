"""Pages about plans and simulated fleets."""

from __future__ import annotations

import pytest

import fuota_fec as ff
from fuota_fec.planning.fragment_size import plan_transmission
from fuota_fec.planning.losses import BetaLoss, GilbertElliott, LossMix
from fuota_fec.planning.redundancy import plan_redundancy
from fuota_fec.radio.regions import region
from fuota_fec.report.curves import CHOSEN, IDEAL, TODAY
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
    rows = ff.select_rows(M, LOSS, 30, dialect="1.0.0")
    chosen = ff.simulate_fleet(M, LOSS, 20_000, max_coded=30, rows=rows, seed=1)
    first = ff.simulate_fleet(M, LOSS, 20_000, max_coded=30, seed=1)
    return study_fleet(M, LOSS, chosen, other=first, seed=1, frame_time=0.3)


def test_version_is_another_name_for_dialect_in_a_study():
    trial = ff.simulate_fleet(10, 0.1, 50, max_coded=3, version="2.0.0")
    studies = [study_fleet(10, 0.1, trial, **{name: "2.0.0"}) for name in ("dialect", "version")]
    assert [(study.dialect, study.version) for study in studies] == [("2.0.0", "2.0.0")] * 2


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


def test_lines_of_shares_are_few_and_exact(study):
    lines = share_lines(study)
    assert len(lines) <= 17
    assert lines[0][0] == 0
    assert all(values == tuple(c.shares[n] for c in study.curves) for n, values in lines)


@pytest.mark.parametrize("max_coded", [0, 1])
def test_a_study_of_hardly_any_coded_fragments(max_coded, page):
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
def test_text_of_losses(loss, text):
    assert loss_text(loss) == text
