"""`campaign verify` and `campaign export`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

Fuota = Callable[..., Result]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FUOTA_FEC_DB", raising=False)
    return tmp_path / "campaigns.db"


@pytest.fixture
def url(fuota: Fuota, campaign_file: Callable[..., Path], database: Path) -> str:
    """A journal with the finished campaign "small"."""
    url = f"sqlite:///{database}"
    assert fuota("campaign", "run", campaign_file(), "--db", url).exit_code == 0
    return url


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()


def n_events(fuota: Fuota, url: str) -> int:
    return int(json.loads(fuota("campaign", "list", "--db", url, "--json").stdout)["n_events"])


def test_verify_reports_events_chain_and_last_digest(fuota: Fuota, url: str) -> None:
    n = n_events(fuota, url)
    result = fuota("campaign", "verify", "small", "--db", url)
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first == f"campaign small: SUCCEEDED, {n} events, chained"
    facts = json.loads(fuota("campaign", "verify", "small", "--db", url, "--json").stdout)
    assert second == f"last digest: {facts.pop('digest')}"
    assert facts == {"campaign": "small", "ok": True, "status": "SUCCEEDED", "n_events": n, "chained_from": 0}


def test_verify_ends_with_1_at_a_changed_event(fuota: Fuota, url: str, database: Path) -> None:
    change(database, "UPDATE fuota_events SET data = replace(data, '.0', '.5') WHERE seq = 3")
    text = "campaign 'small': event 3 is not the one that was written"
    for command in ("verify", "show", "stop"):
        result = fuota("campaign", command, "small", "--db", url)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"error: {text}\n")
    result = fuota("campaign", "verify", "small", "--db", url, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"campaign": "small", "ok": False, "event": 3, "error": text}


def test_verify_finds_another_image(fuota: Fuota, url: str, database: Path) -> None:
    change(database, "UPDATE fuota_images SET image = x'00'")
    result = fuota("campaign", "verify", "small", "--db", url)
    assert (result.exit_code, result.stderr) == (
        1,
        "error: campaign 'small': the image is not the one that event 0 names\n",
    )


def test_verify_names_the_events_that_are_not_chained(fuota: Fuota, url: str, database: Path) -> None:
    n = n_events(fuota, url)
    change(database, "UPDATE fuota_events SET digest = NULL")
    change(database, "UPDATE fuota_campaigns SET chained_from = NULL")
    result = fuota("campaign", "verify", "small", "--db", url)
    assert (result.exit_code, result.stdout) == (
        0,
        f"campaign small: SUCCEEDED, {n} events, unchained up to event {n - 1}\n",
    )


def test_a_changed_dev_eui_without_a_chain_is_named(fuota: Fuota, url: str, database: Path) -> None:
    change(database, "UPDATE fuota_events SET digest = NULL")
    change(database, "UPDATE fuota_campaigns SET chained_from = NULL")
    change(database, "UPDATE fuota_events SET data = replace(data, 'fe5e', 'fe5f') WHERE type = 'Answered'")
    for arguments in (["verify"], ["show"], ["show", "--events", "--json"]):
        result = fuota("campaign", arguments[0], "small", *arguments[1:], "--db", url)
        assert result.exit_code == 1
        assert "(Answered) does not fit the events before it" in result.stderr


def test_an_exported_file_is_verified_without_its_journal(
    fuota: Fuota, url: str, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, n = tmp_path / "small.jsonl", n_events(fuota, url)
    result = fuota("campaign", "export", "small", "-o", path, "--db", url)
    assert (result.exit_code, result.stdout) == (0, f"campaign small: {n} events in {path}\n")
    facts = json.loads(fuota("campaign", "export", "small", "-o", path, "--db", url, "--json").stdout)
    assert facts == {"campaign": "small", "file": str(path), "n_events": n}
    printed = fuota("campaign", "export", "small", "-o", "-", "--db", url).stdout
    assert printed == path.read_text(encoding="utf-8")
    in_journal = fuota("campaign", "verify", "small", "--db", url).stdout
    monkeypatch.setenv("FUOTA_FEC_DB", url)
    assert fuota("campaign", "verify", path).stdout == in_journal
    assert fuota("campaign", "verify", "small").stdout == in_journal
    monkeypatch.delenv("FUOTA_FEC_DB")
    database.unlink()
    assert fuota("campaign", "verify", path).stdout == in_journal
    path.write_text(printed.replace("McGroupSetup", "McGroupSetap", 1), encoding="utf-8")
    changed = fuota("campaign", "verify", path)
    assert changed.exit_code == 1
    assert "is not the one that was written" in changed.stderr


def test_verify_refuses_what_is_neither_a_file_nor_a_campaign(fuota: Fuota, url: str, tmp_path: Path) -> None:
    for arguments, text in (
        (["nobody"], "there is no such file; give --db"),
        (["nobody", "--db", url], "there is no campaign 'nobody'"),
        ([tmp_path / "firmware.bin"], "no export of a campaign"),
        ([tmp_path], "it is a directory"),
    ):
        result = fuota("campaign", "verify", *arguments)
        assert (result.exit_code, text in result.stderr) == (2, True), result.stderr


def test_export_refuses_wrong_usage_and_writes_no_file(fuota: Fuota, url: str, database: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert fuota("campaign", "export", "small", "--db", url).exit_code == 2
    assert fuota("campaign", "export", "nobody", "-o", path, "--db", url).exit_code == 2
    assert fuota("campaign", "export", "small", "-o", "-", "--json", "--db", url).exit_code == 2
    change(database, "DELETE FROM fuota_events WHERE seq = 5")
    result = fuota("campaign", "export", "small", "-o", path, "--db", url)
    assert (result.exit_code, result.stderr) == (1, "error: campaign 'small': event 5 is missing\n")
    assert not path.exists()
