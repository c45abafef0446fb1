"""Cost of a large configuration: one of 100 000 devices, from the mapping that a TOML file gives."""

from __future__ import annotations

from collections.abc import Iterator

from results import Row, best_of, show

from fuota_fec.campaign.config import CampaignConfig

N_DEVICES = 100_000


def rows() -> Iterator[Row]:
    values = {
        "id": "large",
        "kind": "binary",
        "success_threshold": 90,
        "max_duration": 86400,
        "uplink_period": 3600,
        "redundancy": "3/4",
        "fsize": 100,
        "groups": [{"name": "meters", "mc_addr": "01f3a4b5", "dr": 5}],
        "devices": [{"dev_eui": f"{i:016x}", "group": "meters"} for i in range(N_DEVICES)],
    }
    assert len(CampaignConfig.from_mapping(values).devices) == N_DEVICES
    (took,) = best_of(lambda: CampaignConfig.from_mapping(values), rounds=5)
    yield Row(
        work=f"CampaignConfig.from_mapping, {N_DEVICES:,} devices, each",
        value=took / N_DEVICES * 1e6,
        unit="µs",
        at_least=15,
        reach=8,
    )


if __name__ == "__main__":
    show(rows())
