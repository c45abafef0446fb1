"""`fuota-fec campaign check`: the pre-flight check of a file, without a run."""

from __future__ import annotations

import sys
from collections import Counter

import click

from fuota_fec.checks import counted
from fuota_fec.cli.console import paragraph, plain_console
from fuota_fec.cli.image_options import show_warnings
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.cli.progress import LateProgress
from fuota_fec.cli.runfile import read_run_file
from fuota_fec.cli.watch import headline
from fuota_fec.simulation import check_campaign

REFUSED = 2


@click.command("check")
@click.argument("file", type=click.Path(dir_okay=False))
@json_option
def check_command(file: str, as_json: bool) -> None:
    """Check the campaign of FILE, and run nothing: what forbids a start, warnings, durations.

    Exit status 0 if it can be started, 2 if not.
    """
    run = read_run_file(file)
    show_warnings(run.firmware)
    with LateProgress("planning"):
        findings = check_campaign(run.config, run.image, run.simulation)
    counts = Counter(finding.severity for finding in findings)
    counts["warn"] += len(run.firmware.warnings)
    if as_json:
        print_json(
            {
                "campaign": run.config.id,
                "ok": not counts["refuse"],
                "image_warnings": list(run.firmware.warnings),
                "findings": [
                    {
                        "severity": finding.severity,
                        "rule": finding.rule,
                        "group": finding.group,
                        "devices": list(finding.devices),
                        "message": finding.message,
                        "remedy": finding.remedy,
                    }
                    for finding in findings
                ],
            }
        )
    else:
        console = plain_console()
        paragraph(console, headline(run.config, len(run.image)))
        for note in run.notes:
            paragraph(console, f"  {note}")
        for finding in findings:
            paragraph(console, f"  {finding}", verdict=finding.severity)
        verdict = "can be started" if not counts["refuse"] else f"refused, {counted(counts['refuse'], 'reason')}"
        paragraph(console, f"campaign {run.config.id}: {verdict}, {counted(counts['warn'], 'warning')}")
    sys.exit(REFUSED if counts["refuse"] else 0)
