"""Where tables are printed."""

from __future__ import annotations

from rich.console import Console


def plain_console() -> Console:
    """Names are printed as they are. What is not a terminal has no width: a line stays a line, for grep."""
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 100_000
    return console
