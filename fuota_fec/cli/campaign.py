"""`fuota-fec campaign`: run campaigns over a simulated fleet; list, show, pause, stop, resume and retry them."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fuota_fec import operations
from fuota_fec.agent import Observer
from fuota_fec.agent.suspended import LONGEST_PAUSE
from fuota_fec.campaign.campaign import STOPPED, SUCCEEDED, Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event, Wait
from fuota_fec.campaign.status import CampaignStatus
from fuota_fec.campaign.waits import held_up
from fuota_fec.cli.console import plain_console
from fuota_fec.cli.image_options import show_warnings
from fuota_fec.cli.integrity import export_command, verify_command
from fuota_fec.cli.journals import DB, STORAGE, db_option, existing_journal
from fuota_fec.cli.options import Number
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.cli.progress import LateProgress
from fuota_fec.cli.report import report_command
from fuota_fec.cli.runfile import read_run_file
from fuota_fec.cli.watch import JsonReport, StageReport
from fuota_fec.journal import Journal, Verb, open_journal
from fuota_fec.report.formatting import duration
from fuota_fec.report.tables import DEVICE_COLUMNS, device_rows, reason_counts
from fuota_fec.simulation import (
    SimulationResult,
    describe_world,
    read_world,
    resume_simulation,
    simulate_campaign,
)

LEASE_MARGIN = 2.0
"""s to wait longer than a lease lasts. If it is still valid then, its owner has renewed it."""

_db_or_memory_option = click.option("--db", "url", default=":memory:", help=f"{STORAGE}; in memory if not given.", **DB)
_speed_option = click.option(
    "--speed",
    type=Number(above=True),
    help="Seconds of virtual time per second; as fast as possible if not given.",
)


class _InOrder(click.Group):
    """A group that lists its commands in the order of definition, each with its whole first sentence."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, c.get_short_help_str(100)) for name, c in self.commands.items()])


@click.group("campaign", cls=_InOrder)
def campaign_command() -> None:
    """Run firmware-update campaigns over a simulated fleet; show, pause, resume and report on them."""


# ---- running ---------------------------------------------------------------------------------------------


@campaign_command.command("run")
@click.argument("file", type=click.Path(dir_okay=False))
@_db_or_memory_option
@_speed_option
@json_option
def run_command(file: str, url: str, speed: float | None, as_json: bool) -> None:
    """Run the campaign of FILE (TOML) over the simulated fleet that it describes.

    With --db the campaign can be paused, stopped and resumed by its id, also after a crash. Exit status 0 if it
    succeeded and every device that passed holds exactly the image that was sent.
    """
    run = read_run_file(file)
    world = describe_world(run.config.id, run.simulation)

    def go(observer: Observer) -> SimulationResult:
        return simulate_campaign(
            run.config,
            run.image,
            run.simulation,
            observer=observer,
            journal=journal,
            campaign=_planned(run.config, run.image),
            network=world,
            attended=True,
            speed=speed,
        )

    show_warnings(run.firmware)
    notes = [f"info: {run.firmware.where}: {run.firmware.summary}"] if run.firmware.segments else []
    with closing(open_journal(url)) as journal:
        _watch(go, (), as_json, notes)


@campaign_command.command("resume")
@click.argument("name", metavar="ID")
@db_option
@_speed_option
@json_option
def resume_command(name: str, url: str, speed: float | None, as_json: bool) -> None:
    """Resume a campaign that was paused, or whose process has ended.

    If a process runs the campaign, it gets an order to go on. Exit status as of `run`.
    """

    def go(observer: Observer) -> SimulationResult:
        return resume_simulation(journal, name, simulation, observer=observer, after=after, attended=True, speed=speed)

    with closing(existing_journal(url)) as journal:
        with LateProgress("reading") as progress:
            ordered = operations.order_resume(journal, name, progress)
        if owner := ordered.owner:
            wait = f"{math.ceil(ordered.lease_left)} s, until its lease runs out"
            click.echo(f"waiting for {owner}, which has campaign {name}: if it is gone, at most {wait}", err=True)
            click.echo(f"if it is certain to be gone, `campaign release {name}` ends the wait", err=True)
            state = operations.await_owner(journal, name, ordered.lease_left + LEASE_MARGIN)
            if state != "gone":
                verb = "goes on, run" if state == "obeyed" else "is run"
                _print_result(f"campaign {name} {verb} by {owner}", as_json, campaign=name, owner=owner)
                return
        simulation, after = read_world(journal, name)
        _watch(go, list(journal.events(name)), as_json)


@campaign_command.command("retry")
@click.argument("name", metavar="ID")
@click.option("--id", "new_id", help="Id of the new campaign; ID-retry if not given, then ID-retry-2 and so on.")
@click.option(
    "--redundancy",
    help='Redundancy of the new campaign: "adaptive", "planned", a code rate or a number; unchanged if not given.',
)
@click.option(
    "--reboot", help='Reboot of the new campaign: "device", "after_transfer" or a Unix time; unchanged if not given.'
)
@db_option
@_speed_option
@json_option
def retry_command(
    name: str,
    new_id: str | None,
    redundancy: str | None,
    reboot: str | None,
    url: str,
    speed: float | None,
    as_json: bool,
) -> None:
    """Run a campaign for the devices of a finished one that did not pass.

    It uses what is known of them: versions, uplink periods, losses. Exit status as of `run`.
    """
    changes: dict[str, Any] = {}
    if reboot is not None:
        changes["reboot"] = _number_or_word(reboot)
    if redundancy is not None:
        changes["redundancy"] = int(redundancy) if redundancy.isdecimal() else redundancy

    def go(observer: Observer) -> SimulationResult:
        return simulate_campaign(
            retry.config,
            retry.image,
            simulation,
            observer=observer,
            journal=journal,
            campaign=_planned(retry.config, retry.image),
            network=describe_world(retry.config.id, simulation, earlier),
            after=earlier,
            attended=True,
            speed=speed,
        )

    with closing(existing_journal(url)) as journal:
        simulation, after = read_world(journal, name)
        earlier = (*after, name)
        with LateProgress("reading") as progress:
            retry = operations.retry_campaign(journal, name, new_id, progress, **changes)
        _watch(go, (), as_json)


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _planned(config: CampaignConfig, image: bytes) -> Campaign:
    """A campaign that is not started. Choosing its coded fragments can take a while."""
    with LateProgress("planning"):
        return Campaign(config, image)


def _watch(
    go: Callable[[Observer], SimulationResult], events: Sequence[Event], as_json: bool, notes: Sequence[str] = ()
) -> None:
    """Runs a campaign, shows its progress, and exits with the status of its outcome. `events` are its earlier ones.

    `notes` are shown as the pre-flight findings are. SIGTERM gives the campaign back to the journal, as Ctrl-C does.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if as_json:
            result = go(JsonReport(events))
            print_json(_summary(result))
        else:
            console = plain_console()
            with StageReport(console, notes) as report:
                if events:
                    report.resume(Campaign.replay(events))
                result = go(report)
            _print_outcome(console, result)
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(0 if result.campaign.status().status == SUCCEEDED and not result.wrong else 1)


# ---- orders ----------------------------------------------------------------------------------------------


def _order(name: str, url: str, as_json: bool, verb: Verb, doing: str) -> None:
    """Leaves an order for the process that runs the campaign, or for the next one that resumes it."""
    with closing(existing_journal(url)) as journal, LateProgress("reading") as progress:
        ordered = operations.order_verb(journal, name, verb, progress)
    if ordered.already_stopped:
        _print_result(f"campaign {name} is stopped", as_json, campaign=name, status=STOPPED)
        return
    who = f"{ordered.owner} {doing} it" if ordered.owner else f"no process runs it: `resume` {doing} it"
    _print_result(f"campaign {name}: {who}", as_json, campaign=name, order=verb, owner=ordered.owner)


@campaign_command.command("pause")
@click.argument("name", metavar="ID")
@db_option
@json_option
def pause_command(name: str, url: str, as_json: bool) -> None:
    """Pause a campaign: nothing is sent until `resume`; answers count, and time passes."""
    _order(name, url, as_json, "pause", "pauses")


@campaign_command.command("stop")
@click.argument("name", metavar="ID")
@db_option
@json_option
def stop_command(name: str, url: str, as_json: bool) -> None:
    """Stop a campaign for good, and clean up on its devices."""
    _order(name, url, as_json, "stop", "stops")


@campaign_command.command("release")
@click.argument("name", metavar="ID")
@db_option
@json_option
def release_command(name: str, url: str, as_json: bool) -> None:
    """Break the lease of an agent that is gone: another one may take the campaign over at once."""
    with closing(existing_journal(url)) as journal:
        broken = operations.break_lease(journal, name)
    if broken.owner:
        click.echo(
            f"warning: campaign {name}: the lease of {broken.owner} is broken, {broken.lease_left:.0f} s before its "
            "end; if that agent is alive, it may still send",
            err=True,
        )
    text = f"campaign {name}: " + ("free to be resumed" if broken.owner else "no agent held a lease")
    _print_result(text, as_json, campaign=name, owner=broken.owner, lease_left=round(broken.lease_left, 3))


@campaign_command.command("archive")
@click.argument("name", metavar="ID")
@db_option
@json_option
def archive_command(name: str, url: str, as_json: bool) -> None:
    """Remove a finished campaign from the list; it stays in the journal."""
    with closing(existing_journal(url)) as journal:
        operations.archive_campaign(journal, name)
    _print_result(f"campaign {name}: archived", as_json, campaign=name, archived=True)


# ---- list and show ---------------------------------------------------------------------------------------


@campaign_command.command("list")
@click.option("--archived", is_flag=True, help="Include archived campaigns.")
@db_option
@json_option
def list_command(archived: bool, url: str, as_json: bool) -> None:
    """List the campaigns of a journal, and what each one waits for."""
    with closing(existing_journal(url)) as journal:
        records = operations.list_campaigns(journal, archived=archived)
        suspended = {row.id: operations.suspension(journal, row) for row in records}
        waits = {row.id: operations.last_wait(journal, row) for row in records}
    if as_json:
        for row in records:
            wait = waits[row.id]
            print_json({**asdict(row), "suspended": suspended[row.id], "wait": asdict(wait) if wait else None})
        return
    table = Table("campaign", "status", "events", "begun", "last event", "run by", box=None, pad_edge=False)
    for row in records:
        status = row.status + (", suspended" if suspended[row.id] else "") + (", archived" if row.archived else "")
        table.add_row(row.id, status, str(row.n_events), _when(row.created_at), _when(row.changed_at), row.owner)
    console = plain_console()
    console.print(table)
    for name, wait in waits.items():
        if wait is not None:
            console.print(f"{name} {_waits(wait)}", soft_wrap=True)


@campaign_command.command("show")
@click.argument("name", metavar="ID")
@click.option("--events", "with_events", is_flag=True, help="Show every event instead of the state.")
@db_option
@json_option
def show_command(name: str, with_events: bool, url: str, as_json: bool) -> None:
    """Show the state of a campaign, and each device with its reason."""
    with closing(existing_journal(url)) as journal:
        if with_events:
            _print_events(journal, name, as_json)
            return
        with LateProgress("reading") as progress:
            shown = operations.show_campaign(journal, name, progress)
    if as_json:
        print_json({**asdict(shown.status), "owner": shown.owner})
    else:
        _print_status(plain_console(), shown.status, shown.owner)


campaign_command.add_command(report_command)
campaign_command.add_command(verify_command)
campaign_command.add_command(export_command)


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
            click.echo(f"{_when(at)}  {kind:<15} " + " ".join(f"{key}={value}" for key, value in shown.items()))


def _print_status(console: Console, status: CampaignStatus, owner: str) -> None:
    held_up = ", suspended" if status.suspended else ", paused" if status.paused else ""
    where = f" in {status.stage} ({status.stage_status})" if status.stage and status.stage_status else ""
    done = f"{status.n_done} of {status.n_devices} devices done"
    console.print(f"campaign {status.id}: {status.status}{held_up}{where}", soft_wrap=True)
    if where:
        console.print(f"stage {status.n_stages_completed + 1} of {len(status.stages)}, {done}", soft_wrap=True)
    if status.wait is not None:
        console.print(_waits(status.wait), soft_wrap=True)
    for name, (sent, planned) in status.fragments.items():
        console.print(f"group {name}: {sent} of {planned} frames", soft_wrap=True)
    for name, f_cnt in status.next_f_cnt.items():
        spacing, rule = status.spacing[name]
        text = f"group {name}: next frame counter {f_cnt}, one frame every {spacing:.2f} s ({rule})"
        console.print(text, soft_wrap=True)
    if owner:
        console.print(f"run by {owner}", soft_wrap=True)
    if status.reason:
        console.print(status.reason, soft_wrap=True)
    _print_devices(console, status)
    _print_unconfirmed(console, status)


def _print_unconfirmed(console: Console, status: CampaignStatus) -> None:
    for device in status.devices:
        if device.unconfirmed:
            console.print(f"{device.dev_eui} did not confirm the clean-up: {device.unconfirmed}", soft_wrap=True)


# ---- printing --------------------------------------------------------------------------------------------


def _print_result(text: str, as_json: bool, **facts: object) -> None:
    if as_json:
        print_json(facts)
    else:
        click.echo(text)


def _print_devices(console: Console, status: CampaignStatus, *more: tuple[str, dict[str, str]]) -> None:
    table = Table(*DEVICE_COLUMNS, *(title for title, _ in more), box=None, pad_edge=False, header_style="bold")
    for row in device_rows(status):
        table.add_row(*row, *(column.get(row[0], "") for _, column in more))
    console.print()
    console.print(table)


def _print_outcome(console: Console, result: SimulationResult) -> None:
    status = result.campaign.status()
    images = {d.dev_eui: "sent bytes" for d in status.devices if result.holds_image(d.dev_eui)}
    _print_devices(console, status, ("image", images))
    passed = [d for d in status.devices if d.status == "passed"]
    console.print()
    _print_unconfirmed(console, status)
    for reason, n_devices in reason_counts(status):
        console.print(f"{n_devices} {reason}", soft_wrap=True)
    n_bytes = len(result.campaign.image)
    n_already = sum(result.ran_already(d.dev_eui) for d in passed)
    n_held = len(passed) - len(result.wrong) - n_already
    held = f"{n_held} of them hold exactly the {n_bytes} bytes that were sent (SHA-256); "
    if n_already:
        held = f"{n_already} of them ran it already; {held if n_held else ''}"
    console.print(
        f"{status.status}: {len(passed)} of {status.n_devices} devices passed, {held if n_bytes else ''}"
        f"{duration(result.duration)} of virtual time",
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
        "unconfirmed": list(status.unconfirmed),
        "duration": round(result.duration, 3),
        "devices": [
            {"dev_eui": d.dev_eui, "group": d.group, "status": d.status, "reason": d.reason, "fw_version": d.fw_version}
            for d in status.devices
        ],
    }


def _waits(wait: Wait) -> str:
    """A wait in words. A pause ends with an order, a suspension once the agent tries again without an error."""
    if wait.until is not None:
        return f"waits until {_when(wait.until)}: {wait.why}"
    ends = "`resume`" if wait == held_up("") else f"a try succeeds, the next in {LONGEST_PAUSE:g} s at most"
    return f"waits until {ends}: {wait.why}"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
