"""Whole campaigns over devices with a profile of one's own, which is in the journal."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.retry import retry_config
from fuota_fec.devices import profiles
from fuota_fec.devices.profiles import profile
from fuota_fec.errors import ParameterError
from fuota_fec.simulation import Simulation, simulate_campaign

IMAGE = bytes(range(250)) * 24
"""6000 bytes: 125 fragments of 48."""


def config_of(stack: str, **changes: Any) -> CampaignConfig:
    settings: dict[str, Any] = {
        "id": "own",
        "kind": "binary",
        "success_threshold": 60,
        "max_duration": 86_400,
        "uplink_period": 300,
        "stage_end": "all",
        "msg_retries": 5,
        "fsize": 48,
        "redundancy": 40,
        "groups": (Group(name="g", mc_addr="01f3a4b5", dr=5, frequency=869_525_000),),
        "devices": tuple(Device(dev_eui=f"{i + 1:016x}", group="g", profile=stack) for i in range(10)),
    }
    return CampaignConfig(**settings | changes)


def test_a_build_with_raised_limits_takes_what_its_base_refuses() -> None:
    with pytest.raises(ParameterError, match=r"125 fragments, lbm devices take at most 100.*max_frags = 125"):
        simulate_campaign(config_of("lbm"), IMAGE, Simulation(seed=3))
    meter = profile("lbm").replace(name="meter", max_frags=850, max_losses=850)
    result = simulate_campaign(config_of("meter", profiles=(meter,)), IMAGE, Simulation(seed=3, downlink_loss=0.05))
    assert {device.profile for device in result.devices.values()} == {meter}
    assert result.wrong == []
    assert sum(map(result.holds_image, result.devices)) >= 8


def test_a_replay_needs_the_journal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the base has other values: the campaign keeps those that it was started with."""
    meter = profile("lbm").replace(name="meter", max_frags=850, max_losses=850)
    result = simulate_campaign(config_of("meter", profiles=(meter,)), IMAGE, Simulation(seed=3, downlink_loss=0.2))
    other = {**profiles.PROFILES, "lbm": profile("lbm").replace(max_frag_size=20, max_frags=1)}
    monkeypatch.setattr(profiles, "PROFILES", other)
    again = Campaign.replay(result.journal.events("own"), IMAGE)
    assert again.config.profiles == (meter,)
    assert again.status() == result.campaign.status()
    left = [d.dev_eui for d in again.device_states() if not d.passed]
    if left:
        assert retry_config(again, "own-2", 2e9).profiles == (meter,)


def test_devices_of_built_in_profiles_and_of_ones_own_are_in_one_campaign() -> None:
    meter = profile("lbm").replace(name="meter", max_frags=850)
    devices = tuple(
        Device(dev_eui=f"{i + 1:016x}", group="g", profile=("meter", "lbm", "generic")[i % 3]) for i in range(9)
    )
    config = config_of("meter", profiles=(meter,), devices=devices)
    result = simulate_campaign(config, IMAGE[:2000], Simulation(seed=1, downlink_loss=0.05))
    assert sorted({device.profile.name for device in result.devices.values()}) == ["generic", "lbm", "meter"]
    assert result.wrong == []
