"""The journal that a command looks into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fuota_fec.errors import JournalError
from fuota_fec.journal import CampaignRecord, Journal, open_journal

KEPT = "Where campaigns are kept: sqlite:///FILE, or postgresql+psycopg://…"
DB: dict[str, Any] = {"envvar": "FUOTA_FEC_DB", "show_envvar": True, "metavar": "URL"}
db_option = click.option("--db", "url", required=True, help=f"{KEPT}.", **DB)


def existing_journal(url: str) -> Journal:
    """A journal that is there: only `run` makes a new one."""
    kind, _, path = url.partition(":///")
    if kind == "sqlite" and path and not Path(path.partition("?")[0]).exists():
        raise JournalError(f"journal {url!r}: there is no such file")
    return open_journal(url)


def campaign_overview(journal: Journal, name: str) -> CampaignRecord:
    """What it holds of a campaign, archived or not; JournalError if there is none of that name."""
    found = next((row for row in journal.list(archived=True) if row.id == name), None)
    if found is None:
        raise JournalError(f"there is no campaign {name!r}")
    return found
