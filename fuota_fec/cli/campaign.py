"""`fuota-fec campaign`: run campaigns over a simulated fleet; list, show, pause, stop, resume and retry them."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import click

from fuota_fec import operations
from fuota_fec.agent import Observer
from fuota_fec.campaign.campaign import RUNNING, STOPPED, Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.cli.attend import Ending, attend, ending_options
from fuota_fec.cli.check import check_command
from fuota_fec.cli.clean import say
from fuota_fec.cli.console import paragraph, plain_console, print_rows
from fuota_fec.cli.image_options import show_warnings
from fuota_fec.cli.integrity import export_command, verify_command
from fuota_fec.cli.journals import DB, MEMORY, STORAGE, db_option, existing_journal
from fuota_fec.cli.options import Number
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.cli.progress import LateProgress
from fuota_fec.cli.report import report_command
from fuota_fec.cli.runfile import read_run_file
from fuota_fec.cli.show import show_command, wait_text
from fuota_fec.errors import CampaignExistsError
from fuota_fec.journal import Journal, Verb, open_journal
from fuota_fec.report.formatting import moment
from fuota_fec.simulation import SimulationResult, describe_world, read_world, resume_simulation, simulate_campaign

LEASE_MARGIN = 2.0
"""s to wait longer than a lease lasts. If it is still valid then, its owner has renewed it."""

_db_or_memory_option = click.option("--db", "url", default=MEMORY, help=f"{STORAGE}; in memory if not given.", **DB)
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
@click.option(
    "--id", "new_id", help="Id of the campaign, in place of that in FILE; {n} in an id is the first free number."
)
@_db_or_memory_option
@_speed_option
@ending_options
def run_command(file: str, new_id: str | None, url: str, speed: float | None, ending: Ending) -> None:
    """Run the campaign of FILE (TOML) over the simulated fleet that it describes.

    With --db the campaign can be paused, stopped and resumed by its id, also after a crash. Exit status 0 if it
    succeeded and every device that passed holds exactly the image that was sent, 1 if not, 2 if it was refused, 130
    if it was interrupted.
    """
    run = read_run_file(file)
    show_warnings(run.firmware)
    with closing(open_journal(url, durable=False)) as journal:
        config = replace(run.config, id=_new_id(journal, new_id or run.config.id))

        def go(observer: Observer) -> SimulationResult:
            return simulate_campaign(
                config,
                run.image,
                run.simulation,
                observer=observer,
                journal=journal,
                campaign=_planned(config, run.image),
                network=describe_world(config.id, run.simulation),
                attended=True,
                speed=speed,
            )

        attend(config.id, journal, go, ending, notes=run.notes)


def _new_id(journal: Journal, wanted: str) -> str:
    """Id of a new campaign. CampaignExistsError says how to go on if it is taken."""
    try:
        return operations.free_id(journal, wanted)
    except CampaignExistsError as error:
        verb = "resume" if operations.find_campaign(journal, wanted).status == RUNNING else "retry"
        doing = {"resume": "goes on with it", "retry": "is for its devices that did not pass"}[verb]
        ways = f"`--id '{wanted}-{operations.NUMBER}'` takes the first free number, `campaign {verb}` {doing}"
        raise CampaignExistsError(f"{error}; {ways}", campaign=wanted) from None


@campaign_command.command("resume")
@click.argument("name", metavar="ID")
@db_option
@_speed_option
@ending_options
def resume_command(name: str, url: str, speed: float | None, ending: Ending) -> None:
    """Resume a campaign that was paused, or whose process has ended.

    If a process runs the campaign, it gets an order to go on. Exit status as of `run`.
    """

    def go(observer: Observer) -> SimulationResult:
        return resume_simulation(journal, name, simulation, observer=observer, after=after, attended=True, speed=speed)

    with closing(existing_journal(url, durable=False)) as journal:
        with LateProgress("reading") as progress:
            ordered = operations.order_resume(journal, name, progress)
        if owner := ordered.owner:
            wait = f"{math.ceil(ordered.lease_left)} s, until its lease runs out"
            say(f"waiting for {owner}, which has campaign {name}: if it is gone, at most {wait}", err=True)
            say(f"if it is certain to be gone, `campaign release {name}` ends the wait", err=True)
            state = operations.await_owner(journal, name, ordered.lease_left + LEASE_MARGIN)
            if state != "gone":
                verb = "goes on, run" if state == "obeyed" else "is run"
                _print_result(f"campaign {name} {verb} by {owner}", ending.as_json, campaign=name, owner=owner)
                return
        simulation, after = read_world(journal, name)
        attend(name, journal, go, ending, list(journal.events(name)))


@campaign_command.command("retry")
@click.argument("name", metavar="ID")
@click.option(
    "--id", "new_id", help="Id of the new campaign, as of `run`; ID-retry if not given, then ID-retry-2 and so on."
)
@click.option(
    "--redundancy",
    help='Redundancy of the new campaign: "adaptive", "planned", a code rate or a number; unchanged if not given.',
)
@click.option(
    "--reboot", help='Reboot of the new campaign: "device", "after_transfer" or a Unix time; unchanged if not given.'
)
@db_option
@_speed_option
@ending_options
def retry_command(
    name: str,
    new_id: str | None,
    redundancy: str | None,
    reboot: str | None,
    url: str,
    speed: float | None,
    ending: Ending,
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

    with closing(existing_journal(url, durable=False)) as journal:
        simulation, after = read_world(journal, name)
        earlier = (*after, name)
        new_id = new_id and _new_id(journal, new_id)
        with LateProgress("reading") as progress:
            retry = operations.retry_campaign(journal, name, new_id, progress, **changes)
        attend(retry.config.id, journal, go, ending)


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _planned(config: CampaignConfig, image: bytes) -> Campaign:
    """A campaign that is not started. Choosing its coded fragments can take a while."""
    with LateProgress("planning"):
        return Campaign(config, image)


campaign_command.add_command(check_command)


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
        say(
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
    rows = []
    for row in records:
        status = row.status + (", suspended" if suspended[row.id] else "") + (", archived" if row.archived else "")
        rows.append((row.id, status, str(row.n_events), moment(row.created_at), moment(row.changed_at), row.owner))
    console = plain_console()
    print_rows(console, ("campaign", "status", "events", "begun", "last event", "run by"), rows)
    for name, wait in waits.items():
        if wait is not None:
            paragraph(console, f"{name} {wait_text(wait)}")


campaign_command.add_command(show_command)
campaign_command.add_command(report_command)
campaign_command.add_command(verify_command)
campaign_command.add_command(export_command)


# ---- printing --------------------------------------------------------------------------------------------


def _print_result(text: str, as_json: bool, **facts: object) -> None:
    if as_json:
        print_json(facts)
    else:
        say(text)
