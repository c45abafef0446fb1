"""Time and size of the page about a campaign of 100 000 devices: 20 groups, 42 reasons, DevEUIs of one maker."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from results import Row, best_of, show

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.status import DeviceStatus
from fuota_fec.report.campaign import campaign_page
from fuota_fec.report.history import CampaignHistory, read_history
from fuota_fec.simulation import Simulation, simulate_campaign

N_DEVICES = 100_000


def large_history() -> CampaignHistory:
    """History of a small campaign, with the outcomes of a large one."""
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


def rows() -> Iterator[Row]:
    history = large_history()
    (took,) = best_of(lambda: campaign_page(history), rounds=4)
    size = len(campaign_page(history).encode()) / 2**20
    yield Row(work=f"page of {N_DEVICES:,} devices", value=took, unit="s", at_least=3, reach=1.5)
    yield Row(work=f"size of the page of {N_DEVICES:,} devices", value=size, unit="MiB", at_least=3, reach=1.5)


if __name__ == "__main__":
    show(rows())
