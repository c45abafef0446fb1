"""Whole simulated campaigns over devices of every known stack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from campaign_driver import own, updatable

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.devices.profiles import PROFILES, profile
from fuota_fec.simulation import Simulation, simulate_campaign


def campaign_of(stack: str, **changes: Any) -> CampaignConfig:
    settings: dict[str, Any] = {
        "id": "quirks",
        "kind": "binary",
        "success_threshold": 60,
        "max_duration": 86_400,
        "uplink_period": 300,
        "stage_end": "all",
        "msg_retries": 5,
        "fsize": 48,
        "redundancy": 12,
    }
    version = profile(stack).dialects[0]
    group = Group(name="g", mc_addr="01f3a4b5", dr=5, frequency=869_525_000, version=version, mc_version=version)
    devices = tuple(Device(dev_eui=f"{i + 1:016x}", group="g", profile=stack) for i in range(10))
    return CampaignConfig(**{"groups": (group,), "devices": devices, **settings, **changes})


@pytest.mark.parametrize("stack", PROFILES)
def test_a_campaign_over_every_stack_leaves_no_wrong_image(stack) -> None:
    asked: dict[str, Any] = {}
    if not profile(stack).answers_status:
        of_devices = updatable(stack)
        devices = tuple(replace(device, profile=of_devices.name) for device in campaign_of(stack).devices)
        asked = {"kind": "firmware", "fw_version": 2, "profiles": own(of_devices), "devices": devices}
    config = campaign_of(stack, **asked)
    result = simulate_campaign(config, bytes(range(240)) * 4, Simulation(seed=3, downlink_loss=0.05))
    assert {device.profile for device in result.devices.values()} == set(map(config.profile_of, config.devices))
    assert result.wrong == []
    assert sum(map(result.holds_image, result.devices)) >= 8
