"""Cost of an uplink to an agent, by the number of campaigns that it runs.

    python benchmarks/bench_agent.py [--campaigns 200] [--devices 500] [--journal sqlite]

Each turn brings one uplink. Devices send in turn, over all campaigns, while the campaigns set their groups up: an
uplink brings a request, which is committed and handed over in the same turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import closing
from statistics import quantiles
from tempfile import TemporaryDirectory

from fuota_fec.agent import Agent
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, KeyRing
from fuota_fec.journal import Journal, open_journal
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.wire.keys import Key

START = 1.8e9


class Counting:
    """A network that takes everything at once, and brings one uplink in each poll."""

    capabilities = m.NetworkCapabilities(owns_f_cnt=False, summaries=False)

    def __init__(self) -> None:
        self.inputs: list[m.Input] = []
        self.n_submitted = 0

    def open_group(self, _group: MulticastGroup) -> int | None:
        return None

    def submit(self, downlink: Downlink, _now: float) -> m.HandOver:
        self.n_submitted += 1
        self.inputs.append(m.DownlinkSent(downlink.id, True))
        return m.HandOver(id=downlink.id)

    def withdraw(self, _ids: Sequence[str], _now: float) -> None:
        pass

    def poll(self, _now: float) -> Sequence[m.Input]:
        inputs, self.inputs = self.inputs, []
        return inputs

    def reconnect(self) -> None:
        pass


def config_of(number: int, n_devices: int) -> CampaignConfig:
    first = number * n_devices
    return CampaignConfig.from_mapping(
        {
            "id": f"c{number}",
            "kind": "binary",
            "success_threshold": 90,
            "max_duration": 30 * 86400,
            "uplink_period": 3600,
            "redundancy": "3/4",
            "ucast_msg_delay": 0,
            "fsize": 100,
            "groups": [{"name": "meters", "mc_addr": f"{number + 1:08x}", "dr": 5}],
            "devices": [{"dev_eui": f"{first + i:016x}", "group": "meters"} for i in range(n_devices)],
        }
    )


def measure(journal: Journal, n_campaigns: int, n_devices: int, n_uplinks: int) -> tuple[float, list[float], int]:
    """CPU seconds for each uplink in all, wall seconds of each turn, and number of requests handed over."""
    configs = [config_of(number, n_devices) for number in range(n_campaigns)]
    key = Key(bytes(16))
    keys = KeyRing(
        root_keys={device.key_name: key for config in configs for device in config.devices},
        mc_keys={group.key_name: key for config in configs for group in config.groups},
    )
    network = Counting()
    agent = Agent(journal, network, keys)
    now = START
    for config in configs:
        agent.launch(Campaign(config, bytes(10_000)), now)
    agent.step(now)
    turns = []
    begun = time.process_time()
    for i in range(n_uplinks):
        now += 0.001
        config = configs[i % n_campaigns]
        device = config.devices[i // n_campaigns % n_devices]
        network.inputs.append(m.Uplink(device.dev_eui, 2, b"", now))
        since = time.perf_counter()
        agent.step(now)
        turns.append(time.perf_counter() - since)
    took = time.process_time() - begun
    agent.close()
    return took / n_uplinks, turns, network.n_submitted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--uplinks", type=int, default=4000)
    parser.add_argument("--journal", choices=["memory", "sqlite"], default="memory")
    options = parser.parse_args()
    for n_campaigns in (1, options.campaigns):
        with TemporaryDirectory() as folder:
            url = ":memory:" if options.journal == "memory" else f"sqlite:///{folder}/journal.db"
            with closing(open_journal(url)) as journal:
                n_devices = options.devices * options.campaigns // n_campaigns if n_campaigns == 1 else options.devices
                each, turns, n_submitted = measure(journal, n_campaigns, n_devices, options.uplinks)
        p99 = quantiles(turns, n=100)[98]
        print(
            f"{n_campaigns} campaigns × {n_devices} devices: {1 / each:.0f} uplinks/s, "
            f"p99 of a turn {1e3 * p99:.2f} ms, {n_submitted} requests"
        )


if __name__ == "__main__":
    main()
