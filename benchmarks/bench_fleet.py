"""What a whole campaign over a large simulated fleet costs: real time on one core, and memory.

    python benchmarks/bench_fleet.py [--devices 10000] [--fragments 1000] [--full N]

A firmware update with coded fragments, every stage of it, run by the same agent as a real one; 5 % of what is sent is
lost, either way. In a process of its own, so that the memory is that of the simulation.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter

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
    parser.add_argument("--profile", metavar="FILE", help="write what cProfile saw")
    options = parser.parse_args()
    fleet = Simulation(seed=1, n_devices=options.devices, downlink_loss=0.05, uplink_loss=0.05)
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
    print(
        f"{options.devices} devices, M = {options.fragments}: {status.status}, {n_passed} passed, "
        f"{result.campaign.n_events} events, {counts[m.Requested.__name__]} requests, "
        f"{result.duration / 3600:.1f} h of virtual time"
    )
    print(f"real time {took:8.1f} s    bound {MOST_TIME:.0f} s")
    print(f"memory    {memory / 2**20:8.0f} MiB  bound {MOST_MEMORY / 2**20:.0f} MiB")
    return 0 if took <= MOST_TIME and memory <= MOST_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
