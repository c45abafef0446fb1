"""The console for tables: names as they are, and rows that never wrap in a pipe."""

from __future__ import annotations

import pytest
from rich.table import Table

from fuota_fec.cli.console import plain_console


@pytest.mark.parametrize("name", ["[bold]x[/bold]", ":boom:", "12 345 'quoted'"])
def test_a_console_prints_names_as_they_are(capsys: pytest.CaptureFixture[str], name: str):
    plain_console().print(name)
    assert capsys.readouterr().out == f"{name}\n"


def test_a_console_may_be_that_of_standard_error(capsys: pytest.CaptureFixture[str]):
    plain_console(stderr=True).print("name")
    assert capsys.readouterr() == ("", "name\n")


def test_a_row_in_a_pipe_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "20")
    table = Table("device", "reason", box=None)
    table.add_row("0" * 16, "no answer in CompletionVerification " * 20)
    plain_console().print(table)
    assert len(capsys.readouterr().out.splitlines()) == 2
