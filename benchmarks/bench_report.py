"""Time and size of the page about a campaign of 100 000 devices."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.status import DeviceStatus
from fuota_fec.report.campaign import campaign_page
from fuota_fec.report.history import CampaignHistory, read_history
from fuota_fec.simulation import Simulation, simulate_campaign

N_DEVICES = 100_000
MOST_BYTES = 3 * 2**20


@pytest.fixture(scope="module")
def history() -> CampaignHistory:
    """History of a small campaign, with the outcomes of a large one: 20 groups, 42 reasons, DevEUIs of one maker."""
    fleet = Simulation(seed=3, n_devices=20, downlink_loss=0.2, uplink_loss=0.1)
    config = CampaignConfig.from_mapping(
        {
            "id": "large",
            "fw_version": "2.0.0.0",
            "success_threshold": 60,
            "max_duration": 86400,
            "uplink_period": 300,
            "fsize": 50,
            "redundancy": "adaptive",
            "groups": [{"name": "meters", "mc_addr": "01f3a4b5", "dr": 5}],
            "devices": fleet.made_up_devices(["meters"]),
        }
    )
    small = read_history(simulate_campaign(config, bytes(2000), fleet).journal.events("large"))
    rng = random.Random(1)
    reasons = [("failed", "never heard"), *(("failed", f"missing {n} fragments") for n in range(2, 42)), ("passed", "")]
    devices = tuple(
        DeviceStatus(
            dev_eui=f"{0x70B3D5 << 40 | rng.getrandbits(40):016x}",
            group=f"group {n % 20}",
            status=status,
            reason=reason,
            fw_version=0x02000000,
        )
        for n, (status, reason) in enumerate(rng.choices(reasons, [1] * 41 + [400], k=N_DEVICES))
    )
    return replace(small, status=replace(small.status, devices=devices, n_devices=N_DEVICES))


def test_page_of_100_000_devices(benchmark, history: CampaignHistory) -> None:
    page = benchmark(campaign_page, history)
    benchmark.extra_info["bytes"] = len(page.encode())
    assert len(page.encode()) <= MOST_BYTES
