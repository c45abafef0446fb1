"""Campaigns over devices whose second session since a reset fails: the registry knows of the first one."""

from __future__ import annotations

from typing import Any

from campaign_driver import own, updatable

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.journal import open_journal
from fuota_fec.simulation import Simulation, simulate_campaign

MBED = updatable("mbed")
IMAGE = bytes(range(250)) * 6


def config_of(name: str, first_f_cnt: int = 0, **changes: Any) -> CampaignConfig:
    settings: dict[str, Any] = {
        "id": name,
        "kind": "firmware",
        "fw_version": "2.0.0.0",
        "success_threshold": 60,
        "max_duration": 86_400,
        "uplink_period": 300,
        "stage_end": "all",
        "fsize": 48,
        "redundancy": 30,
        "groups": (Group(name="g", mc_addr="01f3a4b5", dr=5, frequency=869_525_000, first_f_cnt=first_f_cnt),),
        "devices": tuple(Device(dev_eui=f"{i + 1:016x}", group="g", profile=MBED.name) for i in range(12)),
    }
    return CampaignConfig(profiles=own(MBED), **settings | changes)


def of_second_session(findings: Any) -> list[str]:
    return [finding.severity for finding in findings if finding.rule == "second_session"]


def test_a_second_campaign_without_a_reset_is_warned_of_and_passes_no_device_with_wrong_bytes() -> None:
    """Their application resets no device between the campaigns."""
    journal = open_journal(":memory:")
    fleet = Simulation(seed=4, downlink_loss=0.1, process_time=1e7)
    first = simulate_campaign(config_of("one", clean_up=False), IMAGE, fleet, journal=journal)
    assert of_second_session(first.campaign.findings) == ["info"]
    n_first = sum(device.stored == IMAGE for device in first.devices.values())
    assert n_first >= 10
    again = config_of("two", first.campaign.next_f_cnt("g"), clean_up=False)
    second = simulate_campaign(again, IMAGE[::-1], fleet, journal=journal, after=("one",))
    assert of_second_session(second.campaign.findings) == ["warn"]
    right = [device for device in second.devices.values() if device.stored == IMAGE[::-1]]
    assert len(right) < n_first / 2
    assert second.wrong == []
