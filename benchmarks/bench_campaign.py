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
from contextlib import closing
from pathlib import Path
from statistics import median
from unittest.mock import patch

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.journal import open_journal
from fuota_fec.journal.chain import Chain
from fuota_fec.simulation import Simulation, simulate_campaign
from fuota_fec.wire import multicast

MOST_PER_CALL = 25e-6
MOST_EVENTS = 4
MOST_MEMORY = 300 * 2**20
LEAST_REPLAY = 100_000
MOST_CHECK = 0.15
"""Share of a replay's time."""
REPLAYS = 9
"""Replays with the check of digests, and as many without."""
MANY = 100_000

Call = tuple[m.Input | None, float, bool]
"""An input, or None for a tick; its time; whether timers fire before it."""
Row = tuple[str, float, float, str, bool]


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

    def tick(self, now: float) -> list[m.Event]:
        due = self.deadline()
        if due is not None and due <= now:
            self.calls.append((None, now, True))
        return super().tick(now)


def feed(config: CampaignConfig, image: bytes, start: m.Configured, calls: list[Call]) -> tuple[float, list[m.Event]]:
    """Seconds that a new campaign needs for these calls, and its events."""
    campaign = Campaign(config, image)
    events = campaign.start(start.at, start.network, start.known)
    begun = time.perf_counter()
    for item, now, timers in calls:
        events += campaign.tick(now) if item is None else campaign.receive(item, now, timers=timers)
        campaign.deadline()
    return time.perf_counter() - begun, events


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
    """Events per second of a replay from an SQLite file, and the share of its CPU time that checks digests.

    Replays with and without the check take turns, so that both meet the same load of the machine.
    """

    def replay() -> tuple[float, float]:
        """Seconds and CPU seconds."""
        begun, cpu = time.perf_counter(), time.process_time()
        assert Campaign.replay(journal.events("bench"), journal.image("bench")).n_events == len(events)
        return time.perf_counter() - begun, time.process_time() - cpu

    with tempfile.TemporaryDirectory() as folder, closing(open_journal(f"sqlite:///{folder}/campaigns.db")) as journal:
        journal.create("bench", image, events)
        best, shares = float("inf"), []
        for _ in range(REPLAYS):
            took, with_check = replay()
            with (
                patch.object(Chain, "check", lambda *_: None),
                patch.object(Chain, "check_block", lambda _self, _first, lines, _digest: [None] * len(lines)),
            ):
                _, without = replay()
            best = min(best, took)
            shares.append(1 - without / with_check)
    return len(events) / best, median(shares)


def write_table(path: Path, options: argparse.Namespace, rows: list[Row]) -> None:
    """Writes the results as a Markdown page."""
    lines = [
        "# Measured: campaigns",
        "",
        "Written by `benchmarks/bench_campaign.py`. A whole firmware update over a simulated fleet that loses 10 % in "
        f"each direction ({options.devices} devices, {options.fragments} uncoded fragments): the recorded inputs and "
        "timers are repeated on a new campaign, and these calls are timed.",
        "",
        "| quantity | measured | bound |",
        "| --- | --- | --- |",
        *(f"| {what} | {measured:,.1f} {unit} | {bound:,.0f} {unit} |" for what, measured, bound, unit, _ in rows),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--fragments", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("CAMPAIGNS.md"))
    parser.add_argument("--memory", action="store_true", help="only print the memory of 100 000 devices")
    options = parser.parse_args()
    if options.memory:
        print(memory_of_many())
        return 0
    fleet = Simulation(seed=1, n_devices=options.devices, downlink_loss=0.1, uplink_loss=0.1)
    config, image = config_of(fleet), bytes(range(100)) * options.fragments
    recording = Recording(config, image)
    result = simulate_campaign(config, image, fleet, campaign=recording)
    events = list(result.journal.events("bench"))
    runs = [feed(config, image, events[0], recording.calls) for _ in range(3)]
    assert all(len(run[1]) == len(events) for run in runs), "the same inputs gave other events"
    per_call = min(run[0] for run in runs) / len(recording.calls)
    per_exchange = events_per_exchange(events)
    rate, check_share = replay_costs(events, image)
    memory = int(
        subprocess.run([sys.executable, __file__, "--memory"], capture_output=True, check=True, text=True).stdout
    )
    rows = [
        ("machine, mean per input or timer", per_call * 1e6, MOST_PER_CALL * 1e6, "µs", per_call <= MOST_PER_CALL),
        ("events per exchange", per_exchange, MOST_EVENTS, "", per_exchange <= MOST_EVENTS),
        ("100 000 devices, whole process", memory / 2**20, MOST_MEMORY / 2**20, "MiB", memory <= MOST_MEMORY),
        ("replay from SQLite", rate, LEAST_REPLAY, "events/s", rate >= LEAST_REPLAY),
        ("check of digests, of a replay", check_share * 100, MOST_CHECK * 100, "%", check_share <= MOST_CHECK),
    ]
    print(
        f"{config.id}: {options.devices} devices, {len(recording.calls)} inputs and timers, {len(events)} events, "
        f"{result.campaign.status().status}"
    )
    write_table(options.out, options, rows)
    for what, measured, bound, unit, ok in rows:
        print(f"{what:<36} {measured:>12.1f}  bound {bound:>10.1f} {unit:<9} {'' if ok else 'MISSED'}")
    return 0 if all(row[-1] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
