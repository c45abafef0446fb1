"""Cost of a launch by the number of groups.

    python benchmarks/bench_launch.py [--devices 10000] [--groups 100] [--rounds 5]

One campaign with all devices in one group, and one with the devices in many groups, launched in turn: CPU time, minima.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import closing

from bench_agent import START, Counting
from results import Row, show

from fuota_fec.agent import Agent
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, KeyRing
from fuota_fec.journal import open_journal
from fuota_fec.wire.keys import Key


def config_of(n_groups: int, n_devices: int) -> CampaignConfig:
    return CampaignConfig.from_mapping(
        {
            "id": "c",
            "kind": "binary",
            "success_threshold": 90,
            "max_duration": 30 * 86400,
            "uplink_period": 3600,
            "redundancy": "3/4",
            "ucast_msg_delay": 0,
            "fsize": 100,
            "groups": [{"name": f"g{i}", "mc_addr": f"{i + 1:08x}", "dr": 5} for i in range(n_groups)],
            "devices": [{"dev_eui": f"{i:016x}", "group": f"g{i % n_groups}"} for i in range(n_devices)],
        }
    )


def launch(config: CampaignConfig) -> float:
    """CPU seconds of the launch of a new campaign."""
    key = Key(bytes(16))
    keys = KeyRing(
        root_keys={device.key_name: key for device in config.devices},
        mc_keys={group.key_name: key for group in config.groups},
    )
    with closing(open_journal(":memory:")) as journal:
        agent = Agent(journal, Counting(), keys)
        begun = time.process_time()
        agent.launch(Campaign(config, bytes(10_000)), START)
        took = time.process_time() - begun
        agent.close()
    return took


def rows(n_devices: int = 10_000, n_groups: int = 100, rounds: int = 5) -> Iterator[Row]:
    """The row of the launch."""
    took = {1: float("inf"), n_groups: float("inf")}
    for _ in range(rounds):
        for n, best in took.items():
            took[n] = min(best, launch(config_of(n, n_devices)))
    work = f"launch of {n_devices} devices in {n_groups} groups beside 1"
    yield Row(work=work, value=took[n_groups] / took[1], unit="×", at_least=1.3, reach=1.1)
    yield Row(work=f"launch of {n_devices} devices in 1 group", value=took[1], unit="s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    show(rows(options.devices, options.groups, options.rounds))


if __name__ == "__main__":
    main()
