"""Whole campaigns over devices that behave as their stacks do: enough pass, and each of them holds the image."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import StageStarted
from fuota_fec.devices.profiles import PROFILES
from fuota_fec.simulation import Simulation, SimulationResult, simulate_campaign

IMAGE = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(30))[:800]
"""20 fragments of 40 bytes, 16 of 48."""
CASES = [(name, version) for name, profile in PROFILES.items() for version in profile.dialects]


def run(
    stack: str, version: Any, seed: int, *, image: bytes = IMAGE, n_devices: int = 12, profile: str = "", **changes: Any
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
        devices=tuple(Device(dev_eui=f"{i:016x}", group="g", profile=profile or stack) for i in range(n_devices)),
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


@pytest.mark.parametrize("loss", [None, 0.1], ids=["unknown loss", "known loss"])
@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_short_rounds_to_devices_that_read_surplus_fragments_fit_into_one_session(
    kind: str, loss: float | None
) -> None:
    """300 fragments, of which devices lose 17 to 39: the status is asked between rounds of few fragments."""
    mine = PROFILES["zephyr"].replace(name="mine", ts006=True)
    settings = {"kind": kind, "fw_version": "2.0.0.0" if kind == "firmware" else None, "loss": loss}
    image = random.Random(7).randbytes(300 * 48)
    result = run("zephyr", "1.0.0", 7, image=image, n_devices=25, profiles=(mine,), profile="mine", **settings)
    begun = [event for event in result.journal.events("q") if isinstance(event, StageStarted)]
    sizes = [event.coded["g"] for event in begun if event.coded]
    assert result.wrong == []
    assert result.campaign.status().status == "SUCCEEDED"
    assert [event.stage for event in begun].count("McClassCSession") == 1
    assert len(sizes) >= 2
    assert sum(sizes) < 50
