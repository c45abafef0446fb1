"""Costs of a campaign: time per input or timer, events per exchange, memory, replay from SQLite.

    python benchmarks/bench_campaign.py [--devices 2000] [--fragments 300]

A whole firmware update over a lossy simulated fleet runs once, and all inputs and timers of its campaign are recorded.
The recorded calls are then repeated on new campaigns, and only these calls are timed: no network, no fleet, no journal.
The memory for 100 000 devices is measured in a separate process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from statistics import median
from unittest.mock import patch

from results import Row, show

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.journal import open_journal
from fuota_fec.journal.chain import Chain
from fuota_fec.simulation import Simulation, simulate_campaign
from fuota_fec.wire import multicast

REPLAYS = 9
"""Replays with the check of digests, and as many without."""
MANY = 100_000

Call = tuple[m.Input | None, float, bool]
"""An input, or None for a tick; its time; whether timers fire before it."""


def config_of(fleet: Simulation, **changes: object) -> CampaignConfig:
    return CampaignConfig.from_mapping(
        {
            "id": "bench",
            "fw_version": "2.0.0.0",
            "success_threshold": 90,
            "max_duration": 30 * 86400,
            "uplink_period": 600,
            "redundancy": "3/4",
            "stage_end": "all",
            "msg_retries": 5,
            "ucast_msg_delay": 100,
            "fsize": 100,
            "groups": [{"name": "meters", "mc_addr": "01f3a4b5", "dr": 5}],
            "devices": fleet.made_up_devices(["meters"]),
            **changes,
        }
    )


class Recording(Campaign):
    """Campaign that records its inputs and timers."""

    def __init__(self, config: CampaignConfig, image: bytes) -> None:
        super().__init__(config, image)
        self.calls: list[Call] = []

    def receive(self, item: m.Input, now: float, *, timers: bool = True) -> list[m.Event]:
        self.calls.append((item, now, timers))
        return super().receive(item, now, timers=timers)

    def overhears(self, _item: m.Input, _now: float) -> bool:
        return False

    def tick(self, now: float) -> list[m.Event]:
        due = self.deadline()
        if due is not None and due <= now:
            self.calls.append((None, now, True))
        return super().tick(now)


def feed(config: CampaignConfig, image: bytes, start: m.Configured, calls: list[Call]) -> tuple[float, list[m.Event]]:
    """CPU seconds that a new campaign needs for these calls, and its events."""
    campaign = Campaign(config, image)
    events = campaign.start(start.at, start.network, start.known)
    begun = time.process_time()
    for item, now, timers in calls:
        events += campaign.tick(now) if item is None else campaign.receive(item, now, timers=timers)
        campaign.deadline()
    return time.process_time() - begun, events


def events_per_exchange(events: list[m.Event]) -> float:
    """Number of events about requests and answers per unicast request and multicast frame."""
    counts = Counter(type(event) for event in events)
    kinds = (m.Requested, m.HandedOver, m.Reported, m.Answered, m.Deferred, m.Unanswered)
    return sum(counts[kind] for kind in kinds) / counts[m.Requested]


def memory_of_many() -> int:
    """Peak memory in bytes of a process with a campaign of 100 000 devices, from its start to the second stage."""
    fleet = Simulation(seed=1, n_devices=MANY)
    config = config_of(fleet, uplink_period=86400, ucast_msg_delay=0)
    campaign = Campaign(config, bytes(100_000))
    now = fleet.start
    campaign.start(now)
    for device in config.devices:
        campaign.receive(m.Uplink(device.dev_eui, 2, b"", now), now)
    while (due := campaign.deadline()) is not None and due <= now:
        for event in campaign.tick(now):
            if isinstance(event, m.Requested):
                campaign.receive(m.HandOver(id=event.id), now)
    answer = multicast.McGroupSetupAns(mc_group_id=0).encode()
    for device in config.devices:
        campaign.receive(m.Uplink(device.dev_eui, 200, answer, now), now)
    assert campaign.status().n_stages_completed == 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def replay_costs(events: list[m.Event], image: bytes) -> tuple[float, float]:
    """Events per CPU second of a replay from an SQLite file, and the share of its CPU time that checks digests.

    Replays with and without the check take turns, so that both meet the same load of the machine.
    """

    def replay() -> float:
        begun = time.process_time()
        assert Campaign.replay(journal.events("bench"), journal.image("bench")).n_events == len(events)
        return time.process_time() - begun

    with tempfile.TemporaryDirectory() as folder, closing(open_journal(f"sqlite:///{folder}/campaigns.db")) as journal:
        journal.create("bench", image, events)
        best, shares = float("inf"), []
        for _ in range(REPLAYS):
            with_check = replay()
            with (
                patch.object(Chain, "check", lambda *_: None),
                patch.object(Chain, "check_block", lambda _self, _first, lines, _digest: [None] * len(lines)),
            ):
                without = replay()
            best = min(best, with_check)
            shares.append(1 - without / with_check)
    return len(events) / best, median(shares)


def rows(n_devices: int = 2000, n_fragments: int = 300) -> Iterator[Row]:
    """Costs of one campaign, and of its replay."""
    fleet = Simulation(seed=1, n_devices=n_devices, downlink_loss=0.1, uplink_loss=0.1)
    config, image = config_of(fleet), bytes(range(100)) * n_fragments
    recording = Recording(config, image)
    result = simulate_campaign(config, image, fleet, campaign=recording)
    events = list(result.journal.events("bench"))
    runs = [feed(config, image, events[0], recording.calls) for _ in range(3)]
    assert all(len(run[1]) == len(events) for run in runs), "the same inputs gave other events"
    per_call = min(run[0] for run in runs) / len(recording.calls)
    yield Row(work="machine, mean of an input or timer", value=1e6 * per_call, unit="µs", at_least=25)
    yield Row(work="events of an exchange", value=events_per_exchange(events), unit="", at_least=4)
    rate, check_share = replay_costs(events, image)
    yield Row(work="replay from SQLite", value=rate, unit="events/s", at_least=100_000, better="higher")
    yield Row(work="check of digests, of a replay", value=100 * check_share, unit="%", at_least=15)
    command = [sys.executable, __file__, "--memory"]
    memory = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    yield Row(work=f"{MANY} devices, whole process in setup", value=memory / 2**20, unit="MiB", at_least=300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--fragments", type=int, default=300)
    parser.add_argument("--memory", action="store_true", help=f"only print the memory of {MANY} devices")
    options = parser.parse_args()
    if options.memory:
        print(memory_of_many())
    else:
        show(rows(options.devices, options.fragments))


if __name__ == "__main__":
    main()
