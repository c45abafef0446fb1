"""`fuota-fec reproduce`: published figures beside those of this library."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fuota_fec.cli.console import plain_console
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.papers.published import NAMES
from fuota_fec.papers.reproduce import HEADER, Outcome, Reproduction, cells, reproduce, summary, tolerance_text


@click.command("reproduce")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def reproduce_command(names: tuple[str, ...], as_json: bool) -> None:
    """Compute published figures, and compare them with the published values.

    NAME is one of fuotasim, ts004-annex, stm32wl and bpatch; the default is all of them. A figure agrees within the
    tolerance of its table, or differs for the reason below its table: "product right" if this program's value is the
    right one, "source right" if the published one is. Exit status 1 if a figure is outside of its tolerance.
    """
    console = plain_console()
    outcomes: list[Outcome] = []
    facts = []
    for result in reproduce(names or NAMES):
        outcomes += result.outcomes
        if as_json:
            facts.append(_facts(result))
        else:
            _print(console, result)
    if as_json:
        print_json({"sources": facts, "outside": sum(o.verdict == "outside" for o in outcomes)})
    else:
        console.print(summary(outcomes))
    if any(outcome.verdict == "outside" for outcome in outcomes):
        sys.exit(1)


def _print(console: Console, result: Reproduction) -> None:
    found = result.source
    commit = f", commit {found.commit}" if found.commit else ""
    console.print(f"{found.name}: {found.title}", style="bold")
    console.print(f"{found.authors}, {found.where}, {found.year}{commit}")
    for table, outcomes in result.tables:
        console.print()
        tolerance = tolerance_text(table)
        console.print(table.title + (f" (tolerance {tolerance})" if tolerance else ""))
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for name in HEADER:
            shown.add_column(name, justify="left" if name in ("figure", "verdict") else "right", no_wrap=True)
        for outcome in outcomes:
            shown.add_row(*cells(outcome))
        console.print(shown)
        console.print(table.reason.strip())
    console.print()


def _facts(result: Reproduction) -> dict[str, Any]:
    found = asdict(result.source)
    del found["tables"]
    return found | {
        "tables": [
            {
                "title": table.title,
                "figure": table.figure,
                "right": table.right or None,
                "reason": table.reason.strip(),
                "rows": [_row_facts(table.parameters, outcome) for outcome in outcomes],
            }
            for table, outcomes in result.tables
        ]
    }


def _row_facts(shared: Any, outcome: Outcome) -> dict[str, Any]:
    row, computed = outcome.row, outcome.computed
    return {
        "label": row.label,
        "parameters": {**shared, **row.parameters},
        "unit": outcome.unit,
        "published": row.published,
        "expected": row.expected,
        "computed": computed.value if computed.high is None else [computed.value, computed.high],
        "difference": outcome.difference,
        "tolerance": outcome.tolerance,
        "verdict": outcome.verdict,
    }
