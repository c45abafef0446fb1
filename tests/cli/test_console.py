"""Consoles: names as they are, rows that never wrap in a pipe, paragraphs and bars that fit a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.table import Table

from fuota_fec.cli import console as module
from fuota_fec.cli.clean import UNSAFE
from fuota_fec.cli.console import (
    CleanConsole,
    in_foreground,
    paragraph,
    plain_console,
    print_rows,
    progress_bar,
    styled,
)


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


# ---- paragraphs ------------------------------------------------------------------------------------------


def terminal(width: int = 46, **environ: str) -> tuple[CleanConsole, StringIO]:
    file = StringIO()
    return CleanConsole(file=file, force_terminal=True, width=width, _environ={"TERM": "xterm", **environ}), file


WORD = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=12)


@given(st.lists(WORD, min_size=1, max_size=30), st.integers(30, 100))
def test_paragraphs_wrap_at_words_and_lose_none(words: list[str], width: int) -> None:
    console, file = terminal(width)
    paragraph(console, " ".join(words))
    first, *others = file.getvalue().splitlines()
    assert all(line.startswith("    ") for line in others)
    assert all(cell_len(line) <= width and not line.endswith(" ") for line in (first, *others))
    assert " ".join([first, *others]).split() == words


def test_a_verdict_has_a_colour_only_where_there_are_colours() -> None:
    plain = "campaign x: FAILED for a reason"
    for environ, expected in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        console, file = terminal(**environ)
        paragraph(console, plain, verdict="FAILED")
        console.print(styled("failed"))
        assert ("\x1b[1;31mFAILED\x1b[0m" in file.getvalue()) is expected
        assert ("[31m" in file.getvalue() or "[1;31m" in file.getvalue()) is expected
        console.print(styled("no verdict"))
        assert file.getvalue().endswith("\nno verdict\n")


ROWS = [
    ("a name of a campaign", "RUNNING, suspended", "302", "2027-01-15 08:00:00Z", ""),
    ("b", "SUCCEEDED", "1", "", ""),
]


@pytest.mark.parametrize("width", [46, 71, 72, 80, 200])
def test_names_and_verdicts_of_rows_are_whole_at_any_width(width: int) -> None:
    console, file = terminal(width, NO_COLOR="1")
    print_rows(console, ("campaign", "status", "events", "begun", "run by"), ROWS)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert re.search(r"^a name of a campaign  RUNNING, suspended  302", plain, re.MULTILINE)
    assert re.search(r"^b +SUCCEEDED  ", plain, re.MULTILINE)
    assert all(cell_len(line.rstrip()) <= width for line in plain.splitlines())
    assert "run by" not in plain


# ---- what a terminal obeys -------------------------------------------------------------------------------

HOSTILE = "a\x1b]0;title\x07b\x1b[2Jc\x9b31md\r\n\u202eevil\x7f"


def test_nothing_that_a_terminal_obeys_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console = plain_console()
    console.print(HOSTILE)
    console.print(styled(HOSTILE))
    paragraph(console, HOSTILE, verdict=HOSTILE)
    table = Table(HOSTILE, "x", title=HOSTILE)
    table.add_row(HOSTILE, styled(HOSTILE))
    console.print(table)
    out = capsys.readouterr().out
    assert "a\\x1b]0;title\\x07b\\x1b[2Jc\\x9b31md\\r\\n\\u202eevil\\x7f" in out
    assert UNSAFE.findall(out.replace("\n", "")) == []


# ---- the foreground --------------------------------------------------------------------------------------


def test_a_bar_is_shown_in_the_foreground_only(monkeypatch: pytest.MonkeyPatch) -> None:
    console, file = terminal()
    assert console.is_interactive
    assert not progress_bar(console).disable
    monkeypatch.setattr(module, "in_foreground", lambda _file: False)
    assert not console.is_interactive
    assert progress_bar(console).disable
    monkeypatch.undo()
    with progress_bar(console) as bar:
        bar.add_task("stage", total=3)
        bar.refresh()
        shown = file.getvalue()
        assert "0/3" in shown
        monkeypatch.setattr(module, "in_foreground", lambda _file: False)
        bar.advance(bar.task_ids[0])
        bar.refresh()
        assert "1/3" not in file.getvalue(), "sent to the background"


def test_what_is_no_terminal_has_no_background() -> None:
    assert in_foreground(StringIO())
    assert in_foreground(None)


ASKS = "from fuota_fec.cli.console import plain_console; print(plain_console().is_interactive)"
IN_TERMINAL = """
import fcntl, os, subprocess, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
for group in (None, 0):
    subprocess.run([sys.executable, "-c", sys.argv[1]], process_group=group, check=True)
"""


def test_a_process_in_the_background_of_a_terminal_knows_it(clean_env: dict[str, str]) -> None:
    master, slave = pty.openpty()
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    command = [sys.executable, "-c", IN_TERMINAL, ASKS]
    with subprocess.Popen(command, env=clean_env | {"TERM": "xterm"}, **streams) as process:
        os.close(slave)
        written = b""
        try:
            while part := os.read(master, 4096):
                written += part
        except OSError:
            pass  # The terminal is closed.
        process.wait(timeout=60)
    os.close(master)
    assert written.split() == [b"True", b"False"]


@pytest.mark.parametrize(("forced", "live"), [("1", False), ("", True)])
def test_forced_colours_make_no_live_bar_in_a_pipe(monkeypatch: pytest.MonkeyPatch, forced: str, live: bool) -> None:
    monkeypatch.setenv("FORCE_COLOR", forced)
    assert in_foreground(StringIO()) is live
