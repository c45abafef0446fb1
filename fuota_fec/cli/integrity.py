"""`fuota-fec campaign verify` and `export`: the events of one campaign, checked or written to a file."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click
from click.core import ParameterSource

from fuota_fec import operations
from fuota_fec.checks import counted
from fuota_fec.cli.clean import say
from fuota_fec.cli.journals import DB, STORAGE, db_option, existing_journal
from fuota_fec.cli.output import check_output, json_option, print_json, write_whole
from fuota_fec.cli.progress import LateProgress
from fuota_fec.errors import EventError
from fuota_fec.files import read_file


@click.command("verify")
@click.argument("name", metavar="ID|FILE")
@click.option("--db", "url", help=f"{STORAGE}. Not used for a FILE.", **DB)
@json_option
@click.pass_context
def verify_command(ctx: click.Context, name: str, url: str | None, as_json: bool) -> None:
    """Check a campaign in a journal, or in a FILE that `export` wrote: digests, image, replay.

    The argument is an ID if --db is given, else a FILE if there is one of that name. Exit status 1 if an event is not
    the one that was written.
    """
    given = ctx.get_parameter_source("url") is ParameterSource.COMMANDLINE
    if url is None and not Path(name).exists():
        raise click.UsageError(f"{name}: there is no such file; give --db for a campaign in a journal")
    try:
        if url is None or (not given and Path(name).is_file()):
            verified = operations.verify_export(read_file(Path(name), name, most=float("inf")))
        else:
            with closing(existing_journal(url)) as journal, LateProgress("checking") as progress:
                verified = operations.verify_campaign(journal, name, progress)
    except EventError as error:
        if not as_json:
            raise
        print_json({"campaign": error.campaign, "ok": False, "event": error.number, "error": str(error)})
        sys.exit(1)
    if as_json:
        print_json(
            {
                "campaign": verified.campaign,
                "ok": True,
                "status": verified.status,
                "n_events": verified.n_events,
                "chained_from": verified.chained_from,
                "digest": verified.digest,
            }
        )
        return
    n_events = counted(verified.n_events, "event")
    say(f"campaign {verified.campaign}: {verified.status}, {n_events}, {_chained(verified)}")
    if verified.digest:
        say(f"last digest: {verified.digest}")


def _chained(verified: operations.Verified) -> str:
    if verified.chained_from == 0:
        return "chained"
    last = (verified.n_events if verified.chained_from is None else verified.chained_from) - 1
    return f"unchained up to event {last}"


@click.command("export")
@click.argument("name", metavar="ID")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, allow_dash=True),
    help='File to write; "-" for standard output.',
)
@db_option
@json_option
def export_command(name: str, output: str, url: str, as_json: bool) -> None:
    """Write a campaign, events and image, to one file of JSON lines, which `verify` checks anywhere.

    The file holds no keys, but the image and the DevEUIs.
    """
    check_output(output, as_json)
    with closing(existing_journal(url)) as journal, LateProgress("reading") as progress:
        data = operations.export_campaign(journal, name, progress)
    write_whole(output, data)
    n_events = data.count(b"\n") - 1
    if as_json:
        print_json({"campaign": name, "file": output, "n_events": n_events})
    elif output != "-":
        say(f"campaign {name}: {counted(n_events, 'event')} in {output}")
