"""Whole simulated campaigns over devices of every known stack."""

from __future__ import annotations

from typing import Any

import pytest

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
    return CampaignConfig(groups=(group,), devices=devices, **{**settings, **changes})


@pytest.mark.parametrize("stack", PROFILES)
def test_a_campaign_over_every_stack_leaves_no_wrong_image(stack) -> None:
    asked = {} if profile(stack).answers_status else {"kind": "firmware", "fw_version": 2}
    config = campaign_of(stack, **asked)
    result = simulate_campaign(config, bytes(range(240)) * 4, Simulation(seed=3, downlink_loss=0.05))
    assert {device.profile for device in result.devices.values()} == {profile(stack)}
    assert result.wrong == []
    assert sum(map(result.holds_image, result.devices)) >= 8
