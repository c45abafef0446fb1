"""Growth of costs: an uplink by the number of campaigns and of devices, a simulated campaign by the number of devices.

    python benchmarks/bench_growth.py [--picture]

Each series is measured in one run, its points in turn, as CPU time. `--picture` draws the curves into docs/growth.png.
"""

from __future__ import annotations

import argparse
import gc
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench_agent import Run
from bench_simulation import apart
from results import Row, show

from fuota_fec.journal import open_journal

CAMPAIGNS = (1, 10, 100, 1000)
DEVICES = (1, 100, 10_000, 100_000)
SIMULATED = (250, 750, 2250)
N_FRAGMENTS = 100
N_UPLINKS = 1000
ROUNDS = 3
MOST_GROWTH = 1.3
MOST_EXPONENT = 1.05
MOST_MEMORY = 4096
"""Bytes for each device."""
PICTURE = Path(__file__).parent.parent / "docs" / "growth.png"

Series = Mapping[int, float]
"""A cost by the number of campaigns or devices."""


class Idle:
    """CPU time of uplinks of devices that were heard before, over all campaigns in turn."""

    def __init__(self, n_campaigns: int, n_devices: int) -> None:
        self._run = Run(open_journal(":memory:"), n_campaigns, n_devices)
        for _ in range(min(n_campaigns * n_devices, max(n_campaigns, 100))):
            self._run.uplink(new=True)
        gc.collect()

    def microseconds(self, n_uplinks: int = N_UPLINKS) -> float:
        return 1e6 * sum(self._run.uplink(new=False) for _ in range(n_uplinks)) / n_uplinks


def uplinks(sizes: Mapping[int, tuple[int, int]], rounds: int = ROUNDS) -> Series:
    """Microseconds for each uplink, by size: numbers of campaigns, and of devices in each."""
    runs = {size: Idle(*numbers) for size, numbers in sizes.items()}
    return {size: min(run.microseconds() for _ in range(rounds)) for size, run in runs.items()}


def simulations(sizes: tuple[int, ...] = SIMULATED) -> tuple[Series, Series]:
    """CPU seconds of whole simulated campaigns, and the memory of their processes, bytes, by number of devices."""
    found = {n_devices: apart(n_devices, N_FRAGMENTS) for n_devices in sizes}
    return {n: seconds for n, (seconds, _) in found.items()}, {n: float(memory) for n, (_, memory) in found.items()}


def exponent(series: Series) -> float:
    """Exponent of the growth from the first point to the last."""
    (first, low), *_, (last, high) = series.items()
    return math.log(high / low) / math.log(last / first)


def curves() -> dict[str, Series]:
    """All series."""
    seconds, memory = simulations()
    return {
        "campaigns": uplinks({n: (n, 1000 // n or 1) for n in CAMPAIGNS}),
        "devices": uplinks({n: (1, n) for n in DEVICES}),
        "simulation": seconds,
        "memory": memory,
    }


def rows_of(found: Mapping[str, Series]) -> Iterator[Row]:
    for name in ("campaigns", "devices"):
        costs, sizes = found[name].values(), list(found[name])
        work = f"cost of an uplink by the number of {name}, {sizes[0]} to {sizes[-1]}: largest beside least"
        yield Row(work=work, value=max(costs) / min(costs), unit="×", at_least=MOST_GROWTH)
    sizes = list(found["simulation"])
    work = f"simulated campaign, {sizes[0]} to {sizes[-1]} devices: exponent of its CPU time"
    yield Row(work=work, value=exponent(found["simulation"]), unit="", at_least=MOST_EXPONENT)
    grown = (found["memory"][sizes[-1]] - found["memory"][sizes[0]]) / (sizes[-1] - sizes[0])
    work = "simulated campaign: memory for each further device"
    yield Row(work=work, value=grown, unit="B", at_least=MOST_MEMORY)


def rows() -> Iterator[Row]:
    """The rows of growth."""
    yield from rows_of(curves())


def draw(found: Mapping[str, Series], path: Path = PICTURE) -> None:
    """Draws the curves."""
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for name, marker in (("campaigns", "o"), ("devices", "s")):
        left.plot(list(found[name]), list(found[name].values()), marker=marker, label=f"by {name}")
    left.set(xscale="log", ylim=(0, None), xlabel="campaigns, devices", ylabel="CPU time, µs", title="An idle uplink")
    left.legend()
    sizes, seconds = list(found["simulation"]), list(found["simulation"].values())
    middle.plot(sizes, seconds, marker="o", label="measured")
    middle.plot(sizes, [seconds[0] * n / sizes[0] for n in sizes], linestyle="--", label="linear")
    middle.set(xscale="log", yscale="log", xlabel="devices", ylabel="CPU time, s", title="A simulated campaign")
    middle.set_xticks(sizes, map(str, sizes))
    middle.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    middle.legend()
    memory = [found["memory"][n] / 2**20 for n in sizes]
    right.plot(sizes, memory, marker="o", label="measured")
    right.plot(
        sizes, [memory[0] + MOST_MEMORY * (n - sizes[0]) / 2**20 for n in sizes], linestyle="--", label="4 kB each"
    )
    right.set(ylim=(0, None), xlabel="devices", ylabel="memory of the process, MiB", title="Its memory")
    right.legend()
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", action="store_true", help=f"draw the curves into {PICTURE.name}")
    options = parser.parse_args()
    found = curves()
    show(rows_of(found))
    if options.picture:
        draw(found)


if __name__ == "__main__":
    main()
