"""Cost of a whole campaign over a large simulated fleet: real time on one core, and memory.

    python benchmarks/bench_fleet.py [--devices 10000] [--fragments 1000] [--dialect 1.0.0] [--full N]

A firmware update with coded fragments and all stages, run by the same agent as a real campaign; 5 % of the frames in
either direction are lost. A few devices decode their blocks themselves, the others are batched.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from pathlib import Path

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.simulation import Simulation, simulate_campaign

MOST_TIME = 60.0
MOST_MEMORY = 2**30


def config_of(fleet: Simulation, **changes: object) -> CampaignConfig:
    return CampaignConfig.from_mapping(
        {
            "id": "fleet",
            "fw_version": "2.0.0.0",
            "success_threshold": 90,
            "max_duration": 30 * 86400,
            "uplink_period": 3600,
            "redundancy": "7/8",
            "stage_end": "all",
            "msg_retries": 5,
            "ucast_msg_delay": 100,
            "fsize": 48,
            "groups": [{"name": "meters", "mc_addr": "01f3a4b5", "dr": 5}],
            "devices": fleet.made_up_devices(["meters"]),
            **changes,
        }
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--fragments", type=int, default=1000)
    parser.add_argument("--dialect", default="1.0.0")
    parser.add_argument("--full", type=int, help="devices that decode their blocks themselves")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("FLEET.md"))
    parser.add_argument("--profile", metavar="FILE", help="write a cProfile profile")
    options = parser.parse_args()
    fleet = Simulation(seed=1, n_devices=options.devices, n_full=options.full, downlink_loss=0.05, uplink_loss=0.05)
    group = {"name": "meters", "mc_addr": "01f3a4b5", "dr": 5, "version": options.dialect}
    config, image = config_of(fleet, groups=[group]), bytes(range(48)) * options.fragments
    begun = time.perf_counter()
    if options.profile:
        import cProfile

        profiler = cProfile.Profile()
        result = profiler.runcall(simulate_campaign, config, image, fleet)
        profiler.dump_stats(options.profile)
    else:
        result = simulate_campaign(config, image, fleet)
    took = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    status = result.campaign.status()
    assert not result.wrong
    counts = Counter(type(event).__name__ for event in result.journal.events("fleet"))
    n_passed = sum(device.status == "passed" for device in status.devices)
    what = (
        f"{options.devices} devices, M = {options.fragments}, dialect {options.dialect}: {status.status}, {n_passed} "
        f"passed, {result.campaign.n_events} events, {counts[m.Requested.__name__]} requests, "
        f"{result.duration / 3600:.1f} h of virtual time"
    )
    print(what)
    rows = [("real time", took, MOST_TIME, "s"), ("memory", memory / 2**20, MOST_MEMORY / 2**20, "MiB")]
    for name, measured, bound, unit in rows:
        print(f"{name:<10}{measured:10.1f}  bound {bound:7.1f} {unit:<4}{'' if measured <= bound else ' MISSED'}")
    if not options.profile:
        lines = [
            *("# Measured: a large simulated fleet", ""),
            "Written by `benchmarks/bench_fleet.py`. A whole firmware update; 5 % of the frames either way are lost.",
            *("", what + ".", "", "| what | measured | bound |", "| --- | --- | --- |"),
            *(f"| {name} | {measured:,.1f} {unit} | {bound:,.0f} {unit} |" for name, measured, bound, unit in rows),
        ]
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0 if took <= MOST_TIME and memory <= MOST_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
