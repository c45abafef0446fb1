"""`campaign report`: page of a campaign from its journal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Fuota = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def db(fuota: Fuota, campaign_file: Callable[..., Path], tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    assert fuota("campaign", "run", campaign_file(), "--db", url).exit_code == 0
    return url


def test_report_writes_the_same_page_every_time(fuota: Fuota, db: str, tmp_path: Path):
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    result = fuota("campaign", "report", "small", "--db", db, "-o", first)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"campaign small: report in {first}\n"
    assert "3 of 3 devices passed" in first.read_text(encoding="utf-8")
    fuota("campaign", "report", "small", "--db", db, "-o", second)
    assert first.read_bytes() == second.read_bytes()


def test_report_writes_to_standard_output(fuota: Fuota, db: str):
    result = fuota("campaign", "report", "small", "--db", db, "-o", "-")
    assert result.exit_code == 0
    assert result.stdout.startswith("<!doctype html>")
    assert result.stdout.rstrip().endswith("</html>")


def test_report_prints_facts_as_json(fuota: Fuota, db: str, tmp_path: Path):
    facts = json.loads(fuota("campaign", "report", "small", "--db", db, "--json").stdout)
    assert (facts["campaign"], facts["status"], facts["n_passed"]) == ("small", "SUCCEEDED", 3)
    both = fuota("campaign", "report", "small", "--db", db, "--json", "-o", tmp_path / "a.html")
    assert json.loads(both.stdout) == facts
    assert (tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["small"], "give -o FILE"),
        (["other", "-o", "a.html"], "there is no campaign 'other'"),
        (["small", "-o", "-", "--json"], "give -o a file"),
    ],
)
def test_wrong_usage_of_report(fuota: Fuota, db: str, args: list[str], expected: str, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    result = fuota("campaign", "report", *args, "--db", db)
    assert result.exit_code == 2
    assert expected in result.output
    assert not Path("a.html").exists()


def test_report_without_a_journal_is_refused(fuota: Fuota, tmp_path: Path):
    result = fuota("campaign", "report", "small", "--db", f"sqlite:///{tmp_path / 'none.db'}", "-o", "-")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no such file" in result.stderr
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_report_without_its_packages_names_the_extra(process: Process, db: str, package: str, tmp_path: Path):
    done = process("campaign", "report", "small", "--db", db, "-o", tmp_path / "a.html", missing=package)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pip install "fuota-fec[report]"' in done.stderr
    assert process("campaign", "report", "small", "--db", db, "--json", missing=package).returncode == 0
