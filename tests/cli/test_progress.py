"""Progress bars on a terminal, for long operations."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from fuota_fec.cli.progress import LateProgress


def terminal() -> tuple[StringIO, Console]:
    file = StringIO()
    return file, Console(file=file, force_terminal=True, width=80, _environ={"TERM": "xterm"})


def test_a_bar_is_shown_after_its_patience() -> None:
    file, console = terminal()
    with LateProgress("simulating", patience=0, console=console) as progress:
        assert progress.timer is not None
        progress.timer.join(30)
        assert progress.shown
        progress(3, 10)
    assert "simulating" in file.getvalue()
    assert "3/10" in file.getvalue()


def test_a_bar_is_shown_without_any_progress_reported() -> None:
    file, console = terminal()
    with LateProgress("planning", patience=0, console=console) as progress:
        assert progress.timer is not None
        progress.timer.join(30)
    assert "planning" in file.getvalue()


def test_a_quick_operation_shows_no_bar_and_leaves_no_thread() -> None:
    file, console = terminal()
    with LateProgress("planning", patience=1e6, console=console) as progress:
        progress(1, 2)
        assert progress.timer is not None
    progress.timer.join(30)
    assert (file.getvalue(), progress.shown) == ("", False)
    assert not progress.timer.is_alive()


@pytest.mark.parametrize("settings", [{}, {"force_terminal": True, "_environ": {"TERM": "dumb"}}], ids=["pipe", "dumb"])
def test_a_pipe_and_a_dumb_terminal_get_no_bar(settings: dict[str, Any]) -> None:
    file = StringIO()
    with LateProgress("planning", patience=0, console=Console(file=file, **settings)) as progress:
        progress(1, 2)
    assert (file.getvalue(), progress.timer, progress.shown) == ("", None, False)
