"""`fuota-fec campaign show`: state of a campaign and its devices, or its events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from fuota_fec import operations
from fuota_fec.agent.suspended import LONGEST_PAUSE
from fuota_fec.campaign.messages import Wait
from fuota_fec.campaign.status import CampaignStatus
from fuota_fec.campaign.waits import held_up
from fuota_fec.checks import counted
from fuota_fec.cli.clean import say
from fuota_fec.cli.console import paragraph, plain_console
from fuota_fec.cli.journals import db_option, existing_journal, journal_option
from fuota_fec.cli.outcome import (
    Wanted,
    devices_options,
    print_devices,
    print_fitting,
    print_next_steps,
    print_reasons,
)
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.cli.progress import LateProgress
from fuota_fec.cli.watch import JsonReport
from fuota_fec.journal import Journal
from fuota_fec.report.formatting import moment
from fuota_fec.report.tables import reason_counts


@click.command("show")
@click.argument("name", metavar="ID")
@click.option("--events", "with_events", is_flag=True, help="Show every event instead of the state.")
@devices_options
@db_option
@json_option
def show_command(name: str, with_events: bool, url: str, as_json: bool, **wanted: Any) -> None:
    """Show the state of a campaign, and the devices that did not pass, with their reasons.

    JSON has all devices.
    """
    with closing(existing_journal(url)) as journal:
        if with_events:
            _print_events(journal, name, as_json)
            return
        with LateProgress("reading") as progress:
            shown = operations.show_campaign(journal, name, progress)
    if as_json:
        print_json({**asdict(shown.status), "owner": shown.owner})
    else:
        _print_status(plain_console(), shown.status, shown.owner, Wanted(**wanted))


def _print_events(journal: Journal, name: str, as_json: bool) -> None:
    report = JsonReport()
    for event in operations.read_events(journal, name):
        if as_json:
            report(None, event)
        else:
            record = event.record()
            kind, at = record.pop("event"), record.pop("at")
            left_out = ("v", "config", "known")
            shown = {key: value for key, value in record.items() if key not in left_out and value not in (None, "")}
            say(f"{moment(at)}  {kind:<15} " + " ".join(f"{key}={value}" for key, value in shown.items()))


def _print_status(console: Console, status: CampaignStatus, owner: str, wanted: Wanted) -> None:
    reasons = reason_counts(status)

    def show(wanted: Wanted, most_reasons: int) -> None:
        for line in _state(status, owner):
            paragraph(console, line, verdict=status.status)
        print_devices(console, status, wanted)
        if reasons:
            console.print()
        print_reasons(console, reasons, most_reasons)
        print_next_steps(console, status, journal_option())

    print_fitting(console, wanted, show)


def _state(status: CampaignStatus, owner: str) -> Iterator[str]:
    """Lines about the campaign as a whole."""
    held_up = ", suspended" if status.suspended else ", paused" if status.paused else ""
    where = f" in {status.stage} ({status.stage_status})" if status.stage and status.stage_status else ""
    yield f"campaign {status.id}: {status.status}{held_up}{where}"
    if where:
        done = f"{status.n_done} of {counted(status.n_devices, 'device')} done"
        yield f"stage {status.n_stages_completed + 1} of {len(status.stages)}, {done}"
    if status.wait is not None:
        yield wait_text(status.wait)
    for name, (sent, planned) in status.fragments.items():
        yield f"group {name}: {sent} of {counted(planned, 'frame')}"
    for name, f_cnt in status.next_f_cnt.items():
        spacing, rule = status.spacing[name]
        yield f"group {name}: next frame counter {f_cnt}, one frame every {spacing:.2f} s ({rule})"
    if owner:
        yield f"run by {owner}"
    if status.reason:
        yield status.reason


def wait_text(wait: Wait) -> str:
    """A wait in words. A pause ends with an order, a suspension once the agent tries again without an error."""
    if wait.until is not None:
        return f"waits until {moment(wait.until)}: {wait.why}"
    ends = "`resume`" if wait == held_up("") else f"a try succeeds, the next in {LONGEST_PAUSE:g} s at most"
    return f"waits until {ends}: {wait.why}"
