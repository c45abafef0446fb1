"""Connecting to SQLite and PostgreSQL: URLs, and passwords that no text shows."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import closing

import pytest
import sqlalchemy

from fuota_fec.errors import JournalError
from fuota_fec.journal import open_journal


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:"])
def test_a_sqlite_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(JournalError, match='names no file, expected "sqlite:///path", or ":memory:" for none'):
        open_journal(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:s3cret@127.0.0.1:1/x",
        "postgresql+psycopg://u:s3cret@127.0.0.1:1/x?password=s3cret&sslpassword=s3cret",
        "postgresql+psycopg://127.0.0.1:1/x?password=s3cret",
        "postgresql+psycopg://u:s3cret@127.0.0.1:1/x?no_such_option=1",
        "postgresql+psycopg://u:p/s3cret@127.0.0.1:1/x",
        "postgresql+psycopg://u:s3cret@127.0.0.1:s3cret/x",
        "postgresql+psycopg://u:s3cret",
        "postgresql+psycopg://u:pass@s3cret@127.0.0.1:1/x",
    ],
)
def test_an_error_never_shows_a_password(url: str) -> None:
    with pytest.raises(JournalError) as caught:
        open_journal(url)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert "\n" not in str(caught.value)
    if "//u:s3cret@127.0.0.1:1/x" in url:
        assert "journal postgresql+psycopg://u:***@127.0.0.1:1/x" in str(caught.value)


def test_repr_of_a_journal_hides_its_password(journal_url_of: Callable[[str], str]) -> None:
    url = sqlalchemy.make_url(journal_url_of("postgresql")).set(password="s3cret", username="root")
    with closing(open_journal(url.render_as_string(hide_password=False))) as journal:
        assert "root:***@" in repr(journal)
        assert "s3cret" not in repr(journal)
        journal.create("c", b"")
