"""A target is planned as a campaign would: the same frames, times and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fuota_fec.batch.config import Target
from fuota_fec.batch.target_plan import RULES, planner_of
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.plan import make_plan
from fuota_fec.campaign.preflight import check
from fuota_fec.devices.profiles import PROFILES
from fuota_fec.devices.radios import RADIOS
from fuota_fec.errors import ParameterError
from fuota_fec.planning.redundancy import plan_redundancy
from fuota_fec.planning.selection import select_rows


def plan_of(image_len, profile="generic", **settings):
    target = Target(name="t", profile=profile, **settings)
    return planner_of(target, PROFILES[profile]).plan(image_len)


def campaign_plan(image_len, profile="generic", **settings):
    of_group = {name: settings.pop(name) for name in ("dr", "region", "dialect") if name in settings}
    config = CampaignConfig(
        id="c",
        fw_version=1,
        success_threshold=90,
        max_duration=1e6,
        uplink_period=3600,
        groups=(Group(name="g", mc_addr="01020304", **of_group),),
        devices=(Device(dev_eui="0" * 16, group="g", profile=profile),),
        **settings,
    )
    return make_plan(config, image_len).groups["g"]


@pytest.mark.parametrize(
    "settings",
    [
        {"dr": 5},
        {"dr": 5, "fsize": 100, "redundancy": 0},
        {"dr": 3, "fsize_optimization": 16, "redundancy": "3/4"},
        {"dr": 10, "region": "US915", "dialect": "2.0.0", "repeater": True},
        {"dr": 5, "rows": "selected", "redundancy": 12, "fsize": 200},
        {"dr": 2, "duty_cycle": 1.0, "redundancy": "1/2", "frag_redundancy_max": 40},
    ],
)
def test_a_campaign_with_the_same_settings_has_the_same_frames(settings):
    mine, its = plan_of(8000, **settings), campaign_plan(8000, **settings)
    assert (mine.frag_size, mine.n_frags, tuple(mine.rows)) == (its.frag_size, its.n_frags, its.rows)
    [costs] = [costs for costs in mine.data_rates if costs["dr"] == settings["dr"]]
    assert math.isclose(costs["duration"], its.first_round, abs_tol=0.001)
    n_frames = its.n_frags + len(its.rows)
    assert math.isclose(costs["air_time"], n_frames * its.time.frame_time, abs_tol=0.001)


def test_energy_is_that_of_the_radio_of_the_profile():
    [costs] = [costs for costs in plan_of(8000, dr=5).data_rates if costs["dr"] == 5]
    radio = RADIOS["sx127x"]
    assert math.isclose(costs["energy"], radio.listening * costs["duration"] + radio.rest, rel_tol=1e-3)


def test_every_data_rate_that_takes_the_frames_has_its_costs():
    assert [costs["dr"] for costs in plan_of(2000, dr=5).data_rates] == [4, 5, 6, 7]
    costs = plan_of(2000, fsize=48).data_rates
    assert [each["dr"] for each in costs] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [each["air_time"] for each in costs] == sorted((each["air_time"] for each in costs), reverse=True)


def test_without_a_data_rate_the_slowest_that_takes_the_fragments_is_planned():
    assert planner_of(Target(name="t", fsize=48), PROFILES["generic"]).facts["dr"] == 0
    assert planner_of(Target(name="t", fsize=200), PROFILES["generic"]).facts["dr"] == 4
    with pytest.raises(ParameterError, match="fsize: 250 bytes fit no data rate of EU868"):
        planner_of(Target(name="t", fsize=250), PROFILES["generic"])


def test_planned_redundancy_is_that_of_the_fleet():
    settings = {"loss": 0.1, "success_threshold": 95, "n_devices": 300}
    mine = plan_of(8000, dr=5, redundancy="planned", **settings)
    its = plan_redundancy(mine.n_frags, np.full(300, 0.1), 95, dialect="1.0.0", max_coded=340, rows="first")
    assert np.array_equal(mine.rows, its.rows)
    assert mine.leading


def test_selected_rows_are_in_the_order_to_be_sent():
    mine = plan_of(4000, dr=5, rows="selected", redundancy=9, loss=0.2)
    assert np.array_equal(mine.rows, select_rows(mine.n_frags, 0.2, 9, dialect="1.0.0"))
    assert not mine.leading


@pytest.mark.parametrize(
    ("image_len", "settings", "message"),
    [
        (100_000, {"dr": 14}, "dr: DR14 is not defined in EU868, expected one of DR0"),
        (100_000, {"dr": 5, "region": "US915"}, "dr: DR5 is for uplinks only in US915"),
        (100_000, {"dr": 5, "profile": "lbm"}, "419 fragments, lbm devices take at most 100"),
        (8000, {"dr": 5, "profile": "zephyr", "dialect": "2.0.0"}, "zephyr devices speak 1.0.0"),
        (900_000, {"dr": 0, "fsize": 48}, "fragments of 55 bytes or more would fit"),
        (5_000_000, {"dr": 5}, "no size would fit"),
        (3_900_000, {"dr": 5}, "coded ones up to row 340"),
        (8000, {"dr": 5, "fsize": 250}, "fsize: 250"),
    ],
)
def test_a_target_that_cannot_take_an_image_is_refused_with_the_reason(image_len, settings, message):
    with pytest.raises(ParameterError, match=message) as error:
        plan_of(image_len, **settings)
    assert not str(error.value).startswith("group ")


def test_the_rules_are_of_the_preflight_check():
    assert set(check.RULES) >= RULES


def test_frames_that_need_several_sessions_are_planned_with_a_warning():
    [finding] = [finding for finding in plan_of(100_000, dr=0).findings if finding.severity == "warn"]
    assert finding.rule == "session_length"
    assert finding.message.startswith("session length: ")
    with pytest.raises(ParameterError, match="session length"):
        campaign_plan(100_000, dr=0)


def test_findings_are_those_of_the_preflight_check():
    found = {
        finding.rule for finding in plan_of(8000, dr=5, profile="zephyr", mcast_msg_delay=500, duty_cycle=1.0).findings
    }
    assert {"spacing", "solvable_losses"} <= found
