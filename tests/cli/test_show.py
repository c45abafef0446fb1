"""`campaign show`: state, the devices that did not pass, and what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from fuota_fec.campaign import messages as m
from fuota_fec.cli.clean import UNSAFE
from fuota_fec.journal import open_journal

Fuota = Callable[..., Result]


@pytest.fixture
def db(fuota: Fuota, campaign_file: Callable[..., Path], tmp_path: Path) -> str:
    """A journal with a campaign of 14 devices, none of which has the image."""
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    path = campaign_file(campaign="redundancy = 0\nfsize = 20", simulation="downlink_loss = 0.4", n_devices=14)
    assert fuota("campaign", "run", path, "--db", url).exit_code == 1
    return url


def dev_euis(result: Result) -> list[str]:
    assert result.exit_code == 0
    return re.findall(r"^[0-9a-f]{16}(?=  failed|  unverified|  passed)", result.stdout, re.MULTILINE)


def test_show_lists_devices_that_did_not_pass_and_what_to_do(fuota: Fuota, db: str) -> None:
    shown = fuota("campaign", "show", "small", "--db", db)
    assert len(dev_euis(shown)) == 10
    assert "4 more: --all, --status and --limit list others" in shown.stdout
    assert re.search(r"^ +\d+ failed: ", shown.stdout, re.MULTILINE)
    assert re.search(rf"\d+ devices: .*fuota-fec campaign retry small --db {db}$", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "n"), [(["--all"], 14), (["--limit", "3"], 3), (["--status", "passed"], 0), (["--limit", "0"], 0)]
)
def test_show_lists_as_many_devices_as_are_asked_for(fuota: Fuota, db: str, options: list[str], n: int) -> None:
    assert len(dev_euis(fuota("campaign", "show", "small", "--db", db, *options))) == n


def test_json_has_all_devices(fuota: Fuota, db: str) -> None:
    shown = json.loads(fuota("campaign", "show", "small", "--db", db, "--limit", "1", "--json").stdout)
    assert len(shown["devices"]) == 14


def test_times_of_events_have_date_and_zone(fuota: Fuota, db: str) -> None:
    lines = fuota("campaign", "show", "small", "--events", "--db", db).stdout.splitlines()
    assert all(re.match(r"2027-01-\d\d \d\d:\d\d:\d\dZ  [A-Z]", line) for line in lines)


def test_what_a_network_server_wrote_is_not_obeyed(fuota: Fuota, db: str) -> None:
    """Causes, references and errors come from outside, in journals of any version."""
    hostile = "\x1b]0;title\x07\x9b2J\u202e"
    with closing(open_journal(db)) as journal:
        first, *events = journal.events("small")
        begun = next(n for n, event in enumerate(events) if isinstance(event, m.HandedOver))
        handed_over = replace(events[begun], reference=hostile)
        reported = m.Reported(at=handed_over.at, id=handed_over.id, ok=False, cause=hostile)
        suspended = m.Suspended(at=handed_over.at, reason=hostile)
        odd = replace(first, config=replace(first.config, id="odd"))
        journal.archive("small")
        journal.create("odd", b"", [odd, *events[:begun], handed_over, reported, suspended])
    for command in (["show", "odd"], ["show", "odd", "--events"], ["list"], ["show", "odd", "--json"]):
        result = fuota("campaign", *command, "--db", db)
        assert result.exit_code == 0, result.stderr
        printed = result.stdout
        assert not UNSAFE.search(printed.replace("\n", ""))
        assert "title" in printed or command == ["list"]
