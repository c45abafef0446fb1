"""The --db option, and the journal that it names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fuota_fec.errors import JournalError
from fuota_fec.journal import Journal, open_journal

MEMORY = ":memory:"
STORAGE = "Journal of campaigns: sqlite:///FILE, or postgresql+psycopg://…"
DB: dict[str, Any] = {"envvar": "FUOTA_FEC_DB", "show_envvar": True, "metavar": "URL"}
db_option = click.option("--db", "url", required=True, help=f"{STORAGE}.", **DB)


def existing_journal(url: str, *, durable: bool = True) -> Journal:
    """Opens a journal that exists: only `run` creates one. `durable` as in `open_journal`."""
    kind, _, path = url.partition(":///")
    if kind == "sqlite" and path and not Path(path.partition("?")[0]).exists():
        raise JournalError(f"journal {url!r}: there is no such file")
    return open_journal(url, durable=durable)


def journal_option() -> str | None:
    """The option --db of the command that runs, for another command line: "" if the environment names the journal,
    None if the campaign is kept in memory. A password is left out."""
    context = click.get_current_context()
    url = context.params["url"]
    if url == MEMORY:
        return None
    if context.get_parameter_source("url") is ParameterSource.ENVIRONMENT:
        return ""
    without_password = re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", url)
    return f"--db {shlex.quote(without_password)}"
