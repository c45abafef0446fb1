"""Whole simulated campaigns over devices of every known stack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from campaign_driver import own, updatable

import fuota_fec as ff
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.devices.profiles import PROFILES, profile
from fuota_fec.simulation import Simulation, simulate_campaign
from fuota_fec.wire import fragmentation


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


@pytest.mark.parametrize("kind", ["firmware", "binary"])
@pytest.mark.parametrize("loss", [0.0, 0.1])
@pytest.mark.parametrize("stack", ["zephyr", "zephyr-lowmem"])
def test_no_device_fails_that_holds_the_image_whatever_surplus_it_has_read(stack, loss, kind) -> None:
    """One coded fragment begins as a FragSessionSetupReq: complete devices that hear it report 255 missing."""
    of_devices = updatable(stack).replace(name="own", reboots_alone=False, ts006=True, reboot_verb="countdown")
    target = {"fw_version": 2, "reboot": "after_transfer"} if kind == "firmware" else {}
    devices = tuple(replace(device, profile="own") for device in campaign_of(stack).devices)
    changes = {"kind": kind, "profiles": (of_devices,), "devices": devices, "redundancy": "1/2", **target}
    image = np.random.default_rng(0).bytes(60 * 48)
    coded = ff.prepare(image, 48, n_coded=60).frames[60:]
    assert [n for n, frame in enumerate(coded, 61) if frame[3] == fragmentation.FragSessionSetupReq.CID] == [79]
    for seed in range(2):
        simulation = Simulation(seed=seed, downlink_loss=loss, uplink_loss=loss / 2)
        result = simulate_campaign(campaign_of(stack, **changes), image, simulation)
        status = {device.dev_eui: device.status for device in result.campaign.status().devices}
        held = {dev_eui for dev_eui in status if result.holds_image(dev_eui)}
        assert result.wrong == []
        assert {status[dev_eui] for dev_eui in held} == {"passed" if kind == "firmware" else "unverified"}
        assert len(held) >= 9
