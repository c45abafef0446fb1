"""Opening a journal by its URL."""

from __future__ import annotations

from fuota_fec.errors import JournalError, MissingExtraError
from fuota_fec.journal.base import Journal
from fuota_fec.journal.memory import MemoryJournal


def open_journal(url: str, *, durable: bool = True) -> Journal:
    """Opens the journal at a URL: ":memory:", or a database, where missing tables are created.

    Without `durable` an SQLite file may lose its last commits when the machine fails, not when the process is killed:
    enough for a simulated world, which is made again from the journal.

    JournalError if it cannot be opened or a later version of this library has written it, MissingExtraError without
    the packages that a database needs.
    """
    if url == ":memory:":
        return MemoryJournal()
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        scheme, colon, _ = url.partition(":")  # The rest may hold a password.
        raise JournalError(
            f'journal "{scheme}{colon and ":…"}" cannot be opened, expected ":memory:", "sqlite:///path" or '
            '"postgresql+psycopg://user@host/database"'
        )
    try:
        from fuota_fec.journal.sql import SqlJournal

        return SqlJournal(url, durable=durable)
    except ImportError as error:
        raise MissingExtraError(
            'a journal in a database needs the extra "sql": pip install "fuota-fec[sql]"', extra="sql"
        ) from error
