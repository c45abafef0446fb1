"""Whole campaigns over devices that behave as their stacks do: enough pass, and each of them holds the image."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import Answered
from fuota_fec.devices.profiles import PROFILES
from fuota_fec.simulation import Simulation, SimulationResult, simulate_campaign

IMAGE = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(30))[:800]
"""20 fragments of 40 bytes, 16 of 48."""
CASES = [(name, version) for name, profile in PROFILES.items() for version in profile.dialects]


def run(
    stack: str, version: Any, seed: int, *, image: bytes = IMAGE, n_devices: int = 12, **changes: Any
) -> SimulationResult:
    mc_versions = PROFILES[stack].mc_versions
    group = Group(
        name="g",
        mc_addr="01f3a4b0",
        dr=5,
        frequency=869_525_000,
        version=version,
        mc_version=version if version in mc_versions else mc_versions[0],
    )
    settings: dict[str, Any] = {
        "kind": "firmware",
        "success_threshold": 80,
        "max_duration": 2 * 86_400,
        "uplink_period": 300,
        "fw_version": "2.0.0.0",
        "stage_end": "all",
        "msg_retries": 8,
        "fsize": 48 if PROFILES[stack].min_frag_size > 40 else 40,
        "redundancy": "adaptive",
    }
    if settings["kind"] == "firmware" and PROFILES[stack].reboots_alone is False:
        settings["reboot"] = "after_transfer"
    config = CampaignConfig(
        id="q",
        groups=(group,),
        devices=tuple(Device(dev_eui=f"{i:016x}", group="g", profile=stack) for i in range(n_devices)),
        **settings | changes,
    )
    return simulate_campaign(config, image, Simulation(seed=seed, downlink_loss=0.08, uplink_loss=0.1, repeat=0.05))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("stack", "version"), [c for c in CASES if PROFILES[c[0]].ts006 is not False])
def test_an_adaptive_firmware_update(stack, version, seed):
    result = run(stack, version, seed)
    status = result.campaign.status()
    assert result.wrong == []
    assert status.status == "SUCCEEDED", (status.reason, [d.reason for d in status.devices])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("stack", "version"), [c for c in CASES if PROFILES[c[0]].answers_status])
def test_an_adaptive_binary_transfer_passes_nobody_who_does_not_have_the_file(stack, version, seed):
    """Devices of a stack whose counts prove nothing are "unverified" at best."""
    result = run(stack, version, seed, kind="binary", fw_version=None, redundancy="adaptive", reboot="device")
    assert result.wrong == []
    assert result.campaign.finished
    if PROFILES[stack].missing_count.value in ("needed", "needed_or_one", "unknown"):
        assert result.campaign.status().status == "SUCCEEDED"


def test_few_zephyr_devices_hear_a_setup_after_completion_before_they_are_asked() -> None:
    """Of 300 fragments 1 in 10 is lost. Surplus fragments that begin as a FragSessionSetupReq clear the counts: with
    one round that is long enough for all devices, one in 20 answers with other counts than its own."""
    n_devices = n_cleared = 0
    for seed in range(8):
        image = random.Random(seed).randbytes(300 * 48)
        result = run("zephyr", "1.0.0", seed, kind="binary", fw_version=None, image=image, n_devices=25)
        n_devices += 25
        answers = [e for e in result.journal.events("q") if isinstance(e, Answered) and e.ask == "FragSessionStatus"]
        n_cleared += len({e.dev_eui for e in answers if "unknown" in e.reason})
        assert result.wrong == []
        assert result.campaign.status().round > 2
    assert n_cleared <= 0.02 * n_devices
