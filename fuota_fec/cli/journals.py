"""The --db option, and the journal that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fuota_fec.errors import JournalError
from fuota_fec.journal import Journal, open_journal

STORAGE = "Journal of campaigns: sqlite:///FILE, or postgresql+psycopg://…"
DB: dict[str, Any] = {"envvar": "FUOTA_FEC_DB", "show_envvar": True, "metavar": "URL"}
db_option = click.option("--db", "url", required=True, help=f"{STORAGE}.", **DB)


def existing_journal(url: str) -> Journal:
    """Opens a journal that exists: only `run` creates one."""
    kind, _, path = url.partition(":///")
    if kind == "sqlite" and path and not Path(path.partition("?")[0]).exists():
        raise JournalError(f"journal {url!r}: there is no such file")
    return open_journal(url)
