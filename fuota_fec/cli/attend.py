"""A campaign that this process runs: watched to its end, or given back to the journal when it is interrupted."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from fuota_fec.agent import Observer
from fuota_fec.campaign.campaign import SUCCEEDED, Campaign
from fuota_fec.campaign.messages import Event
from fuota_fec.cli.clean import say
from fuota_fec.cli.console import plain_console
from fuota_fec.cli.journals import journal_option
from fuota_fec.cli.outcome import Wanted, devices_options, print_outcome, summary
from fuota_fec.cli.output import json_option, print_json, write_whole
from fuota_fec.cli.watch import JsonReport, StageReport
from fuota_fec.journal import Journal
from fuota_fec.report.campaign import campaign_page
from fuota_fec.report.history import read_history
from fuota_fec.report.next_steps import command_line
from fuota_fec.report.page import need_extra
from fuota_fec.simulation import SimulationResult


class Ending(NamedTuple):
    """Devices, page and form that are wanted at the end of a run."""

    wanted: Wanted
    report: str | None
    """File for the HTML page, if one is wanted."""
    as_json: bool


def ending_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of the end of a run to a command; its function gets `ending`."""

    @wraps(command)
    def collected(report: str | None, as_json: bool, everything: bool, statuses: Any, limit: Any, **rest: Any) -> None:
        if report is not None:
            need_extra()
            if report == "-" or not Path(report).parent.is_dir():
                raise click.BadParameter(f"{report!r} is not in a folder that exists", param_hint="'--report'")
        command(ending=Ending(Wanted(everything, statuses, limit), report, as_json), **rest)

    page = click.option("--report", type=click.Path(dir_okay=False), help="HTML page to write at the end of the run.")
    options: Any = page(devices_options(json_option(collected)))
    return options  # type: ignore[no-any-return]


def attend(
    name: str,
    journal: Journal,
    go: Callable[[Observer], SimulationResult],
    ending: Ending,
    events: Sequence[Event] = (),
    notes: Sequence[str] = (),
) -> None:
    """Runs a campaign, shows its progress, and exits with the status of its outcome. `events` are its earlier ones.

    `notes` are shown as the pre-flight findings are. SIGTERM gives the campaign back to the journal, as Ctrl-C does.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if ending.as_json:
            result = go(JsonReport(events))
            print_json(summary(result))
        else:
            console = plain_console()
            with StageReport(console, notes) as report:
                if events:
                    report.resume(Campaign.replay(events))
                result = go(report)
            print_outcome(console, result, ending.wanted, journal_option())
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_resume(name, journal, journal_option())) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    if ending.report is not None:
        write_whole(ending.report, campaign_page(read_history(journal.events(name))).encode())
        if not ending.as_json:
            say(f"report in {ending.report}")
    sys.exit(0 if result.campaign.status().status == SUCCEEDED and not result.wrong else 1)


def _how_to_resume(name: str, journal: Journal, option: str | None) -> str:
    if option is None:
        return f"campaign {name} is not kept: with --db it could be resumed"
    if name not in journal.campaigns():
        return f"campaign {name} had not begun: nothing is kept"
    return f"campaign {name} is kept, to go on: {command_line('resume', name, option)}"
