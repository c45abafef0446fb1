"""Comparison of adaptive redundancy with a fixed code rate: whole campaigns over simulated fleets.

    python benchmarks/bench_adaptive.py                  writes docs/adaptive.md
    python benchmarks/bench_adaptive.py --seeds 10       prints a table of fewer seeds and writes nothing

Both strategies run the same fleets with the same seeds in the same engine. Each device loses 5 to 30 % of its
downlinks, and the same share of its uplinks.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import Requested, StageEnded
from fuota_fec.simulation import Simulation, simulate_campaign

N_DEVICES, THRESHOLD = 200, 90
SIZES, DIALECTS = (50, 300), ("1.0.0", "2.0.0")
STRATEGIES = ("1/2", "adaptive")
FRAG_SIZE = 20
DOCS = Path(__file__).parent.parent / "docs" / "adaptive.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome of one campaign."""

    reached: bool
    coded: int
    """Coded fragments on the air."""
    status: int
    """Multicast status requests on the air."""
    rounds: int
    duration: float
    """Seconds from the start of the campaign to its end."""
    n_wrong: int
    exhausted: bool
    """Whether the campaign sent the largest allowed number of coded fragments."""


def run(n_frags: int, version: Literal["1.0.0", "2.0.0"], strategy: str, seed: int) -> Outcome:
    losses = tuple(np.random.default_rng(seed).uniform(0.05, 0.30, N_DEVICES).tolist())
    config = CampaignConfig(
        id="a",
        success_threshold=THRESHOLD,
        stage_end="all",
        max_duration=2 * 86_400,
        uplink_period=300,
        msg_retries=8,
        fw_version="2.0.0.0",
        fsize=FRAG_SIZE,
        redundancy=strategy,
        groups=(Group(name="g", mc_addr="01f3a4b0", dr=5, frequency=869_525_000, version=version, mc_version=version),),
        devices=tuple(Device(dev_eui=f"{i:016x}", group="g") for i in range(N_DEVICES)),
    )
    image = np.random.default_rng(seed).bytes(n_frags * FRAG_SIZE)
    simulation = Simulation(seed=seed, downlink_loss=losses, uplink_loss=losses)
    result = simulate_campaign(config, image, simulation)
    events = list(result.journal.events("a"))
    frames = [event for event in events if isinstance(event, Requested) and event.group is not None]
    coded = sum(event.frag_nb is not None and event.frag_nb > n_frags for event in frames)
    verified = [e for e in events if isinstance(e, StageEnded) and e.stage == "CompletionVerification"]
    return Outcome(
        reached=bool(verified) and verified[-1].ok,
        coded=coded,
        status=sum(event.frag_nb is None for event in frames),
        rounds=result.campaign.progress().round,
        duration=events[-1].at - simulation.start,
        n_wrong=len(result.wrong),
        exhausted=coded >= config.frag_redundancy_max,
    )


def outcomes(seeds: Iterable[int], executor: Executor) -> dict[tuple[int, str, str], list[Outcome]]:
    jobs = list(product(SIZES, DIALECTS, STRATEGIES, seeds))
    found: dict[tuple[int, str, str], list[Outcome]] = {}
    for job, outcome in zip(jobs, executor.map(run, *zip(*jobs, strict=True)), strict=True):
        found.setdefault(job[:3], []).append(outcome)
    return found


def table(found: dict[tuple[int, str, str], list[Outcome]]) -> Iterator[str]:
    yield "| M | dialect | redundancy | threshold reached | coded fragments, mean (most) | share of 1/2 "
    yield "| status requests | rounds | duration, mean |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    for (n_frags, version, strategy), runs in found.items():
        mean = np.mean([run.coded for run in runs])
        half = np.mean([run.coded for run in found[n_frags, version, "1/2"]])
        yield (
            f"| {n_frags} | {version} | {strategy} | {sum(run.reached for run in runs)} of {len(runs)} | {mean:.1f} "
            f"({max(run.coded for run in runs)}) | {mean / half:.0%} | {np.mean([run.status for run in runs]):.1f} | "
            f"{np.mean([run.rounds for run in runs]):.1f} | {np.mean([run.duration for run in runs]) / 3600:.1f} h |\n"
        )


def text(found: dict[tuple[int, str, str], list[Outcome]]) -> str:
    n_seeds = len(next(iter(found.values())))
    return f"""# Adaptive redundancy

Written by `python benchmarks/bench_adaptive.py`. Firmware updates of {N_DEVICES} simulated devices, each with its own
loss between 5 and 30 % in both directions, success threshold {THRESHOLD} %, {n_seeds} seeds; EU868 DR5, fragments of
{FRAG_SIZE} bytes, `stage_end = "all"`, `msg_retries = 8`, all other settings at their defaults. *Threshold reached*
counts at the end of CompletionVerification. Status requests are multicast frames of two bytes.

{"".join(table(found))}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args()
    with ProcessPoolExecutor(args.workers) as executor:
        page = text(outcomes(range(args.seeds), executor))
    print(page)
    if args.seeds >= 100:
        DOCS.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
