"""Opening a journal by its URL."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fuota_fec.errors import JournalError, MissingExtraError
from fuota_fec.journal import MemoryJournal, open_journal


def test_the_memory_url_opens_a_memory_journal() -> None:
    assert isinstance(open_journal(":memory:"), MemoryJournal)
    assert open_journal(":memory:").campaigns() == ()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("campaigns.db", '"campaigns.db"'),
        ("", '""'),
        ("sqlite://campaigns.db", '"sqlite:…"'),
        ("mysql://root:s3cret@db/x", '"mysql:…"'),
        ("postgresql://root:s3cret@db/x", '"postgresql:…"'),
    ],
)
def test_an_unknown_url_is_refused_with_the_expected_ones(url: str, shown: str) -> None:
    with pytest.raises(JournalError) as caught:
        open_journal(url)
    assert str(caught.value).startswith(f"journal {shown} cannot be opened, expected")
    for expected in (":memory:", "sqlite:///path", "postgresql+psycopg://"):
        assert expected in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "url"),
    [
        ("sqlalchemy", "sqlite:///x.db"),
        ("msgspec", "sqlite:///x.db"),
        ("psycopg", "postgresql+psycopg://127.0.0.1:1/x"),
    ],
)
def test_a_missing_package_names_the_extra(missing: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fuota_fec.journal.sql", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r'pip install "fuota-fec\[sql\]"') as caught:
        open_journal(url)
    assert caught.value.extra == "sql"
    assert open_journal(":memory:").campaigns() == ()


def test_the_package_opens_journals_without_loading_sqlalchemy() -> None:
    code = "import sys; from fuota_fec.journal import open_journal; open_journal(':memory:'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "sqlalchemy" not in done.stdout.split()
