"""CPU time and memory of whole simulated campaigns, end to end.

    python benchmarks/bench_simulation.py [--large]

A firmware update of 300 fragments over a fleet that loses 10 % in each direction, with a journal in memory. Each
campaign runs in a process of its own. `--large` adds the one of 100 000 devices, which takes minutes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from bench_campaign import config_of
from results import Row, show

from fuota_fec.simulation import Simulation, simulate_campaign

N_DEVICES, LARGE = 10_000, 100_000
N_FRAGMENTS = 300


def simulate(n_devices: int, n_fragments: int = N_FRAGMENTS) -> tuple[float, int]:
    """CPU seconds of a simulated campaign, and the largest memory of this process, bytes."""
    fleet = Simulation(seed=1, n_devices=n_devices, downlink_loss=0.1, uplink_loss=0.1)
    begun = time.process_time()
    result = simulate_campaign(config_of(fleet), bytes(range(100)) * n_fragments, fleet)
    took = time.process_time() - begun
    assert not result.wrong
    return took, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def apart(n_devices: int, n_fragments: int = N_FRAGMENTS) -> tuple[float, int]:
    """`simulate` in a process of its own."""
    command = [sys.executable, __file__, "--one", str(n_devices), str(n_fragments)]
    seconds, memory = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return float(seconds), int(memory)


def rows() -> Iterator[Row]:
    """The row of 10 000 devices."""
    seconds, _ = apart(N_DEVICES)
    work = f"simulated campaign, {N_DEVICES} devices × M {N_FRAGMENTS}, CPU"
    yield Row(work=work, value=seconds, unit="s", at_least=20, reach=12)


def large_rows() -> Iterator[Row]:
    """The rows of 100 000 devices."""
    seconds, memory = apart(LARGE)
    yield Row(work=f"{LARGE} devices end to end, CPU", value=seconds, unit="s", at_least=250, reach=150)
    yield Row(work=f"{LARGE} devices end to end, memory", value=memory / 2**20, unit="MiB", at_least=700, reach=450)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also measure 100 000 devices")
    parser.add_argument("--one", type=int, nargs=2, metavar=("DEVICES", "FRAGMENTS"), help="only simulate one campaign")
    options = parser.parse_args()
    if options.one:
        print(*simulate(*options.one))
        return
    show(rows())
    if options.large:
        show(large_rows())


if __name__ == "__main__":
    main()
