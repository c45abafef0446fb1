"""`fuota-fec simulate`: number of devices of a fleet that complete, by coded fragments sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import click
import numpy as np
from rich.table import Table

from fuota_fec.checks import counted, integer
from fuota_fec.cli.clean import say
from fuota_fec.cli.console import plain_console
from fuota_fec.cli.losses import read_loss
from fuota_fec.cli.options import NamedOptions
from fuota_fec.cli.output import (
    check_output,
    dialect_option,
    json_option,
    print_json,
    rows_choice,
    write_whole,
)
from fuota_fec.cli.progress import LateProgress
from fuota_fec.fleet.trials import FleetTrial, simulate_fleet
from fuota_fec.planning.chunks import TASK, chunks
from fuota_fec.planning.confidence import MAX_DEVICES, Fleet, make_fleet
from fuota_fec.planning.erasures import loss_thresholds
from fuota_fec.planning.losses import BetaLoss, Losses
from fuota_fec.planning.redundancy import expected_coded
from fuota_fec.planning.selection import select_rows
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import REGIONS, region
from fuota_fec.report.formatting import percent
from fuota_fec.report.page import need_extra
from fuota_fec.report.redundancy import FleetStudy, needed_lines, share_lines, simulation_page, study_fleet
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_NB

_SPARE = 24
"""Coded fragments beyond the number that a random matrix takes."""
_DESIGN_SHARE = 0.95
"""Share of the devices whose losses do not exceed the loss that rows are selected for."""


@click.command("simulate", cls=NamedOptions)
@click.option("-M", "--n-frags", type=int, required=True, help="Number of uncoded fragments.")
@click.option("--loss", type=float, help="Share of the fragments that a device loses, such as 0.1.")
@click.option("--spread", type=float, help="Standard deviation of the losses of devices around --loss.")
@click.option("--loss-file", type=click.Path(dir_okay=False), help="File with a loss per device, instead of --loss.")
@click.option(
    "--devices", "n_devices", type=int, help="Number of devices. Default with --loss-file: those in the file."
)
@click.option("--max-coded", type=int, help="Number of coded fragments sent. Default: about as many as can help.")
@click.option("--rows", **rows_choice)
@click.option(
    "--region", "region_name", default="EU868", show_default=True, help=f"Region of --dr: {', '.join(REGIONS)}."
)
@click.option("--dr", type=int, help="Data rate, for the time on the air in the report.")
@click.option("-F", "--frag-size", type=int, help="Bytes of a fragment, with --dr. Default: the largest.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed; the same seed gives the same fleet.")
@click.option("--workers", type=int, help="Number of threads; the result does not depend on it. Default: one per core.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), help="Write an HTML page with the curves."
)
@dialect_option
@json_option
def simulate_command(as_json: bool, **given: Any) -> None:
    """Simulate how many devices of a fleet complete, by the number of coded fragments sent.

    Losses are drawn for every device, and completion is computed with the exact matrix. The result is shown beside rows
    1, 2, 3 …, as servers send them, and the ideal code, which no rows reach.
    """
    output, dialect, seed = given["output"], given["dialect"], given["seed"]
    if output is not None:
        check_output(output, as_json)
        need_extra()
    n_frags = integer("--n-frags", given["n_frags"], 1, MAX_FRAG_NB)
    loss, n_devices = _losses(given)
    fleet = make_fleet(loss, n_devices, None)
    max_coded = _max_coded(fleet, n_frags, given["max_coded"])
    on_air = _frame_time(given)
    workers = integer("--workers", os.cpu_count() or 1 if given["workers"] is None else given["workers"], 1, 1024)
    with LateProgress("simulating") as progress, ThreadPoolExecutor(workers) as pool:
        chosen = None
        if given["rows"] == "selected" and max_coded:
            chosen = select_rows(n_frags, fleet.hardest_loss(_DESIGN_SHARE), max_coded, dialect=dialect, seed=seed)
        choices = [chosen] if chosen is None else [chosen, None]
        n_tasks = len(choices) * len(chunks(n_frags, max_coded, loss_thresholds(loss, n_devices), n_devices, TASK))
        executor = _Watched(pool, lambda done: progress(done, n_tasks))
        arguments: dict[str, Any] = {"max_coded": max_coded, "dialect": dialect, "seed": seed, "executor": executor}
        trials = [simulate_fleet(n_frags, loss, n_devices, rows=rows, **arguments) for rows in choices]
    study = study_fleet(
        n_frags,
        loss,
        trials[0],
        dialect=dialect,
        other=trials[-1] if len(trials) > 1 else None,
        frame_time=on_air,
        seed=seed,
    )
    if output is not None:
        write_whole(output, simulation_page(study).encode())
    if as_json:
        print_json(_facts(study, trials[0]))
    elif output != "-":
        _print(study)
        if output is not None:
            say()
            say(f"report in {output}")


class _Watched(Executor):
    """Executor that reports the number of tasks done."""

    def __init__(self, executor: Executor, report: Callable[[int], None]) -> None:
        self._executor, self._report, self._n_done = executor, report, 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = self._executor.submit(fn, *args, **kwargs)
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: Future[Any]) -> None:
        self._n_done += 1
        self._report(self._n_done)


def _losses(given: dict[str, Any]) -> tuple[float | Losses, int]:
    """One loss for all devices, or one for each, and the number of devices."""
    loss = read_loss(given)
    n_devices = integer("--devices", given["n_devices"], 1, MAX_DEVICES)
    if isinstance(loss, BetaLoss):
        return loss.draw(np.random.default_rng([given["seed"], 4]), n_devices), n_devices
    values = np.asarray(loss, dtype=np.float64)
    return values if values.ndim else float(values), n_devices


def _max_coded(fleet: Fleet, n_frags: int, wanted: int | None) -> int:
    if wanted is not None:
        return integer("--max-coded", wanted, 0, MAX_FRAG_NB - n_frags)
    return min(MAX_FRAG_NB - n_frags, 2 * n_frags + 100, expected_coded(fleet, n_frags, 0.9999)[0] + _SPARE)


def _frame_time(given: dict[str, Any]) -> float | None:
    place = region(given["region_name"])
    if given["dr"] is None:
        if given["frag_size"] is not None:
            raise click.UsageError("--frag-size goes with --dr")
        return None
    largest = place.max_app_payload(given["dr"]) - DATA_FRAGMENT_HEADER_LEN
    size = largest if given["frag_size"] is None else integer("--frag-size", given["frag_size"], 1, largest)
    return frame_time(DATA_FRAGMENT_HEADER_LEN + size, place.data_rate(given["dr"]))


def _facts(study: FleetStudy, trial: FleetTrial) -> dict[str, Any]:
    return {
        "n_frags": study.n_frags,
        "n_devices": trial.coded_needed.size,
        "max_coded": trial.rows.size,
        "version": study.dialect,
        "seed": study.seed,
        "rows": trial.rows.tolist(),
        "frame_time": study.frame_time,
        "curves": {curve.label: curve.shares.tolist() for curve in study.curves},
        "needed": {
            curve.label: {f"{100 * share:g}": line[i] for share, line in needed_lines(study)}
            for i, curve in enumerate(study.curves)
        },
    }


def _print(study: FleetStudy) -> None:
    console = plain_console()
    n_devices, curves = study.trial.coded_needed.size, study.curves
    labels = [curve.label for curve in curves]
    console.print(
        f"{study.n_frags} uncoded fragments, {counted(n_devices, 'device')}, dialect {study.dialect}, {curves[0].label}"
    )
    shares = _table("coded", labels)
    for n, values in share_lines(study):
        shares.add_row(str(n), *map(percent, values))
    needed = _table("devices", labels)
    for share, numbers in needed_lines(study):
        needed.add_row(f"{100 * share:g} %", *("-" if n is None else str(n) for n in numbers))
    for title, table in (("devices that complete", shares), ("coded fragments needed", needed)):
        console.print(f"\n{title}")
        console.print(table)
    unfinished = int(np.count_nonzero(study.trial.coded_needed < 0))
    if unfinished:
        console.print(f"\n{unfinished} devices do not complete with all {study.trial.rows.size} coded fragments")


def _table(first: str, labels: list[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for title in (first, *labels):
        table.add_column(title, justify="right")
    return table
