"""Strategies side by side: each runs over the same fleets, and their table, frame and picture agree with the runs."""

from __future__ import annotations

import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any
from xml.etree import ElementTree

import pytest

import fuota_fec as ff
from fuota_fec.report.strategies import StrategyComparison, Trial, compare

FLEET = ff.Simulation(n_devices=6, downlink_loss=0.05, uplink_loss=0.05)
IMAGE = bytes(range(250)) * 4
CONFIG = ff.CampaignConfig(
    id="a",
    kind="binary",
    success_threshold=50,
    max_duration=86_400,
    uplink_period=300,
    msg_retries=5,
    fsize=50,
    redundancy=12,
    groups=(ff.Group(name="g", mc_addr="01f3a4b0", dr=5, frequency=869_525_000),),
    devices=tuple(ff.Device(**device) for device in FLEET.made_up_devices(["g"])),
)


@pytest.fixture(scope="module")
def compared() -> StrategyComparison:
    return compare(CONFIG, IMAGE, FLEET, grid={"redundancy": [12, 16], "downlink_loss": [0.0, 0.05]}, seeds=2)


def test_every_combination_runs_once_for_each_seed(compared):
    settings = [dict(strategy.settings) for strategy in compared.strategies]
    assert settings == [{"redundancy": n, "downlink_loss": loss} for n in (12, 16) for loss in (0.0, 0.05)]
    assert [[trial.seed for trial in strategy.trials] for strategy in compared.strategies] == [[0, 1]] * 4


def test_a_trial_is_the_simulated_campaign(compared):
    strategy = compared.strategies[3]
    fleet = replace(FLEET, seed=1)
    config = replace(CONFIG, redundancy=16)
    status = ff.simulate_campaign(config, IMAGE, fleet).campaign.status()
    trial = strategy.trials[1]
    assert (trial.status, trial.n_passed) == (status.status, sum(d.status == "passed" for d in status.devices))
    assert trial.n_frames >= 20 + 16
    assert trial.energy > 0
    assert trial.duration > trial.air_time > 0


def test_the_frame_has_a_row_for_each_campaign(compared):
    pytest.importorskip("pandas")
    frame = compared.to_frame()
    assert len(frame) == 8
    assert list(frame.columns) == ["redundancy", "downlink_loss", *Trial.__dataclass_fields__]
    assert frame["n_passed"].sum() == sum(t.n_passed for s in compared.strategies for t in s.trials)


def test_the_comparison_prints_as_a_table(compared):
    head, *lines = str(compared).splitlines()
    assert len(lines) == 4
    assert head.split()[:2] == ["strategy", "succeeded"]
    assert lines[0].startswith("redundancy 12, downlink_loss 0.0 ")
    assert "2 of 2" in lines[0]
    assert len({len(line) for line in (head, *lines)}) == 1
    assert compared._repr_html_().count("<tr>") == 5


def test_the_picture_names_every_strategy(compared):
    picture = compared.plot()
    ElementTree.fromstring(picture)
    assert picture._repr_svg_() == picture
    for strategy in compared.strategies:
        assert strategy.name in picture


def test_failed_campaigns_are_a_warning():
    with pytest.warns(RuntimeWarning, match="downlink_loss 0.9: 2 of 2 campaigns failed: . of 6 devices succeeded in"):
        found = compare(CONFIG, IMAGE, FLEET, grid={"downlink_loss": [0.9]}, seeds=2)
    assert found.strategies[0].n_failed == 2


def test_a_refused_combination_does_not_stop_the_others():
    with pytest.warns(RuntimeWarning, match="fsize 300: refused: ") as seen:
        found = compare(CONFIG, IMAGE, FLEET, grid={"fsize": [300, 50]}, seeds=[4])
    assert len(seen) == 1
    assert [bool(strategy.trials) for strategy in found.strategies] == [False, True]
    assert "fsize 300: refused: " in str(found)


def test_the_name_of_a_strategy_is_text_on_a_terminal_and_on_a_page(compared):
    [settings, *_] = compared.strategies
    named = replace(settings, settings={"trace": "<b>\x1b[2J", "loss": 0.5})
    assert named.name == "trace '<b>\\x1b[2J', loss 0.5"
    table = StrategyComparison((named,))._repr_html_()
    assert "trace &#x27;&lt;b&gt;\\x1b[2J" in table


def test_processes_give_the_same_result(compared):
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as executor, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # A fork of a process with threads.
        found = compare(CONFIG, IMAGE, FLEET, grid={"redundancy": [12]}, seeds=2, executor=executor)
    assert found.strategies[0].mean("n_frames") > 0
    again = compare(CONFIG, IMAGE, FLEET, grid={"redundancy": [12]}, seeds=2)
    assert found == again


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"redundncy": [1]}, r"grid: 'redundncy' is no setting of CampaignConfig or Simulation"),
        ({"id": ["a"]}, r"grid: 'id' is no setting of CampaignConfig or Simulation, expected one of "),
        ({"\x1b]0;t\x07": ["a"]}, r"grid: '\\x1b\]0;t\\x07' is no setting"),
        ({"redundancy": "5/6"}, r"grid: redundancy: '5/6' is not a list of values"),
        ({"redundancy": []}, r"grid: redundancy: \[\] is not a list of values"),
    ],
)
def test_a_wrong_grid_is_refused(grid: dict[str, Any], said: str):
    with pytest.raises(ff.ParameterError, match=said):
        compare(CONFIG, IMAGE, FLEET, grid=grid)


def test_without_a_grid_the_campaign_itself_is_measured():
    [strategy] = compare(CONFIG, IMAGE, FLEET, grid={}, seeds=1).strategies
    assert strategy.name == "as configured"


def test_no_seeds_are_refused():
    with pytest.raises(ff.ParameterError, match="seeds: there are none"):
        compare(CONFIG, IMAGE, FLEET, grid={}, seeds=[])
