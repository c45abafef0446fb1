"""Console for tables."""

from __future__ import annotations

from rich.console import Console


def plain_console(*, stderr: bool = False) -> Console:
    """Console that prints names as they are. Output that is not a terminal has unlimited width, so rows never wrap."""
    console = Console(markup=False, emoji=False, highlight=False, stderr=stderr)
    if not console.is_terminal:
        console.width = 100_000
    return console
