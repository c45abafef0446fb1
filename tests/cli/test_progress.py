"""A bar on a terminal, for what takes a while."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from fuota_fec.cli.progress import LateProgress


def terminal() -> tuple[StringIO, Console]:
    file = StringIO()
    return file, Console(file=file, force_terminal=True, width=80)


def test_it_is_shown_once_it_takes_a_while() -> None:
    file, console = terminal()
    with LateProgress("simulating", patience=0, console=console) as progress:
        assert progress.timer is not None
        progress.timer.join(30)
        assert progress.shown
        progress(3, 10)
    assert "simulating" in file.getvalue()
    assert "3/10" in file.getvalue()


def test_it_is_shown_although_nothing_says_how_far_it_is() -> None:
    file, console = terminal()
    with LateProgress("planning", patience=0, console=console) as progress:
        assert progress.timer is not None
        progress.timer.join(30)
    assert "planning" in file.getvalue()


def test_what_is_quick_has_none_and_leaves_no_thread() -> None:
    file, console = terminal()
    with LateProgress("planning", patience=1e6, console=console) as progress:
        progress(1, 2)
        assert progress.timer is not None
    progress.timer.join(30)
    assert (file.getvalue(), progress.shown) == ("", False)
    assert not progress.timer.is_alive()


def test_what_is_no_terminal_has_none() -> None:
    file = StringIO()
    with LateProgress("planning", patience=0, console=Console(file=file)) as progress:
        progress(1, 2)
    assert (file.getvalue(), progress.timer, progress.shown) == ("", None, False)
