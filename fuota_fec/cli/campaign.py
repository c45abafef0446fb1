"""`fuota-fec campaign`: run a campaign and watch it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fuota_fec.campaign.machine import SUCCEEDED, Campaign
from fuota_fec.campaign.messages import (
    Answered,
    Configured,
    Event,
    Finished,
    GivenUp,
    GroupDone,
    Requested,
    StageEnded,
    StageStarted,
)
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.cli.runfile import read_run_file
from fuota_fec.report.tables import DEVICE_COLUMNS, device_rows, reason_counts
from fuota_fec.simulation import SimulationResult, simulate_campaign


@click.group("campaign")
def campaign_command() -> None:
    """Run firmware-update campaigns."""


@campaign_command.command("run")
@click.argument("file", type=click.Path(dir_okay=False))
@json_option
def run_command(file: str, as_json: bool) -> None:
    """Run the campaign of FILE (TOML) over the simulated fleet that it describes.

    Exit status 0 if it succeeded and every device that passed holds exactly the image that was sent.
    """
    run = read_run_file(file)
    if as_json:
        result = simulate_campaign(
            run.config, run.image, run.simulation, observer=lambda _campaign, event: print_json(event.record())
        )
        print_json(_summary(result))
    else:
        console = _console()
        with StageReport(console) as report:
            result = simulate_campaign(run.config, run.image, run.simulation, observer=report)
        _print_outcome(console, result)
    sys.exit(0 if result.campaign.status().status == SUCCEEDED and not result.wrong else 1)


def _console() -> Console:
    """Names are printed as they are. What is not a terminal has no width: a line stays a line, for grep."""
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 100_000
    return console


class StageReport:
    """Prints a line per stage as it passes; on a terminal, a progress bar under them."""

    def __init__(self, console: Console) -> None:
        self._stage_started = 0.0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, campaign: Campaign, event: Event) -> None:
        if isinstance(event, Configured):
            config, n_groups = event.config, len(event.config.groups)
            self._print(
                f"campaign {config.id}: {event.image_len} bytes to {len(config.devices)} devices "
                f"in {n_groups} group{'s' if n_groups > 1 else ''}, threshold {config.success_threshold:g} %"
            )
            for finding in campaign.findings:
                self._print(f"  {finding}")
        elif isinstance(event, StageStarted):
            self._stage_started = event.at
            plans = list(campaign.plan.groups.values())
            sending = event.stage == "DlFragment"
            total = sum(plan.n_frames for plan in plans) if sending else event.n_devices
            self._progress.reset(self._task, description=event.stage, total=total, visible=True)
            for plan in plans if sending else ():
                self._line(
                    event.at,
                    f"group {plan.group.name}: {plan.n_frags} fragments of {plan.frag_size} bytes and {len(plan.rows)} "
                    f"coded, one every {plan.time.spacing:.2f} s ({plan.time.rule}), dialect {plan.group.version}",
                )
        elif (isinstance(event, Requested) and event.group is not None) or isinstance(event, (Answered, GivenUp)):
            self._progress.advance(self._task)
        elif isinstance(event, GroupDone) and event.reason:
            self._line(event.at, f"group {event.group}: {event.reason}")
        elif isinstance(event, StageEnded):
            n_devices = len(campaign.config.devices)
            took = _duration(event.at - self._stage_started)
            verdict = "passed" if event.ok else "FAILED"
            self._line(event.at, f"{event.stage:<23} {verdict}  {event.successes:>6} of {n_devices} devices, {took}")
        elif isinstance(event, Finished):
            self._line(event.at, f"campaign {event.status}" + (f": {event.reason}" if event.reason else ""))

    def _line(self, at: float, text: str) -> None:
        self._print(f"{_clock(at)}  {text}")

    def _print(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=True)


def _print_outcome(console: Console, result: SimulationResult) -> None:
    status = result.campaign.status()
    table = Table(*DEVICE_COLUMNS, "image", box=None, pad_edge=False, header_style="bold")
    for row in device_rows(status):
        table.add_row(*row, "sent bytes" if result.holds_image(row[0]) else "")
    console.print()
    console.print(table)
    passed = [d for d in status.devices if d.status == "passed"]
    console.print()
    for reason, count in reason_counts(status):
        console.print(f"{count} failed: {reason}", soft_wrap=True)
    n_right = len(passed) - len(result.wrong)
    console.print(
        f"{status.status}: {len(passed)} of {status.n_devices} devices passed, {n_right} of them hold exactly the "
        f"{len(result.campaign.image)} bytes that were sent (SHA-256); {_duration(result.duration)} of virtual time",
        soft_wrap=True,
    )


def _summary(result: SimulationResult) -> dict[str, object]:
    status = result.campaign.status()
    return {
        "campaign": status.id,
        "status": status.status,
        "reason": status.reason,
        "n_devices": status.n_devices,
        "n_passed": sum(d.status == "passed" for d in status.devices),
        "n_with_other_bytes": len(result.wrong),
        "duration": round(result.duration, 3),
        "devices": [
            {"dev_eui": d.dev_eui, "group": d.group, "status": d.status, "reason": d.reason, "fw_version": d.fw_version}
            for d in status.devices
        ],
    }


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
