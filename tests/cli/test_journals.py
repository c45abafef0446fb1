"""The journal that --db names."""

from __future__ import annotations

from contextlib import closing

import click
import pytest
from click.testing import CliRunner

from fuota_fec.cli.journals import DB, MEMORY, existing_journal, journal_option
from fuota_fec.errors import JournalError
from fuota_fec.journal import open_journal


def test_a_journal_that_does_not_exist_is_not_created(tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(JournalError, match=r"none\.db': there is no such file"):
        existing_journal(f"sqlite:///{path}")
    assert not path.exists()


def test_a_journal_that_exists_is_opened(tmp_path):
    url = f"sqlite:///{tmp_path / 'campaigns.db'}"
    open_journal(url).close()
    with closing(existing_journal(url)) as journal:
        assert list(journal.list()) == []


def test_a_journal_in_memory_needs_no_file():
    with closing(existing_journal(":memory:")) as journal:
        assert list(journal.list()) == []


@pytest.mark.parametrize(
    ("args", "environ", "expected"),
    [
        (["--db", "sqlite:///a b.db"], "", "--db 'sqlite:///a b.db'"),
        (["--db", "postgresql+psycopg://me:secret@host/x"], "", "--db postgresql+psycopg://me@host/x"),
        (["--db", "postgresql+psycopg://me@host/x"], "", "--db postgresql+psycopg://me@host/x"),
        ([], "sqlite:///c.db", ""),
        ([], "", None),
    ],
)
def test_the_option_for_another_command_line(args: list[str], environ: str, expected: str | None):
    """Nothing where the environment names the journal, and never a password."""
    found = []

    @click.command()
    @click.option("--db", "url", default=MEMORY, **DB)
    def command(url: str) -> None:
        found.append(journal_option())

    CliRunner().invoke(command, args, env={"FUOTA_FEC_DB": environ or None})
    assert found == [expected]
