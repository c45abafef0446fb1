"""`fuota-fec campaign report`: HTML page about a campaign."""

from __future__ import annotations

from contextlib import closing

import click

from fuota_fec import operations
from fuota_fec.cli.clean import say
from fuota_fec.cli.journals import db_option, existing_journal
from fuota_fec.cli.output import check_output, json_option, print_json, write_whole
from fuota_fec.cli.progress import LateProgress
from fuota_fec.report.campaign import campaign_facts, campaign_page
from fuota_fec.report.history import CampaignHistory, read_history
from fuota_fec.report.page import need_extra


@click.command("report")
@click.argument("name", metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help='HTML file to write; "-" for standard output.',
)
@db_option
@json_option
def report_command(name: str, output: str | None, url: str, as_json: bool) -> None:
    """Write an HTML page about a campaign: stages, devices with their reasons, groups, parameters.

    The page is a single file and loads nothing from a network. With --json the facts are printed, and the page is
    written only if -o is given.
    """
    if output is None and not as_json:
        raise click.UsageError("give -o FILE for the page, or --json")
    if output is not None:
        check_output(output, as_json)
        need_extra()
    history = _history(name, url)
    if output is not None:
        write_whole(output, campaign_page(history).encode())
    if as_json:
        print_json(campaign_facts(history))
    elif output != "-":
        say(f"campaign {name}: report in {output}")


def _history(name: str, url: str) -> CampaignHistory:
    with closing(existing_journal(url)) as journal, LateProgress("reading") as progress:
        return read_history(operations.read_events(journal, name, progress))
