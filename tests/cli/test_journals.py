"""The journal that --db names."""

from __future__ import annotations

from contextlib import closing

import pytest

from fuota_fec.cli.journals import existing_journal
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
