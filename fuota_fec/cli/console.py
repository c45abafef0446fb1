"""Consoles: tables, paragraphs, colours and bars that fit a terminal. What they print is cleaned."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from fuota_fec.cli.clean import clean

NARROW = 72
"""Columns below which a row of a table is a paragraph."""

_GOOD, _BAD, _OPEN = "green", "bold red", "yellow"
TONES: Mapping[str, str] = MappingProxyType(
    {
        "passed": _GOOD,
        "SUCCEEDED": _GOOD,
        "failed": _BAD,
        "FAILED": _BAD,
        "refuse": _BAD,
        "unverified": _OPEN,
        "stopped": _OPEN,
        "STOPPED": _OPEN,
        "warn": _OPEN,
    }
)
"""Style of a verdict, by its word. Rich shows no colours in a pipe, on a dumb terminal and where NO_COLOR is set."""


class CleanConsole(Console):
    """Console that prints text as it is, cleaned, without markup. Live displays show in the foreground only."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **settings})

    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(clean(text), **settings)

    @property
    def is_interactive(self) -> bool:
        return self._may_be_live and in_foreground(self.file)

    @is_interactive.setter
    def is_interactive(self, may_be_live: bool) -> None:
        self._may_be_live = may_be_live


def plain_console(*, stderr: bool = False) -> CleanConsole:
    """Console of the command. Output that is not a terminal has unlimited width, so that rows never wrap."""
    console = CleanConsole(stderr=stderr)
    if not console.is_terminal:
        console.width = 100_000
    return console


def in_foreground(file: Any) -> bool:
    """Whether this process is in the foreground of the terminal that `file` is; true of anything that is none, unless
    FORCE_COLOR asks for the colours of a terminal in a pipe."""
    try:
        return os.tcgetpgrp(file.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return not os.environ.get("FORCE_COLOR")


def styled(word: str) -> Text:
    """A word, cleaned, in the colour of its verdict if it is one."""
    return Text(clean(word), style=TONES.get(word, ""))


def paragraph(console: Console, line: str, *, verdict: str = "", indent: int = 4) -> None:
    """Prints one line, wrapped at words with its continuations indented; `verdict` is the word to be coloured."""
    text = Text(clean(line))
    if verdict:
        text.highlight_regex(rf"\b{re.escape(verdict)}\b", TONES.get(verdict, ""))
    head = text.wrap(console, console.width)[0]
    rest = text[len(head) :]
    rest = rest[len(rest) - len(rest.plain.lstrip()) :]
    console.print(_trimmed(head), soft_wrap=True)
    for part in rest.wrap(console, max(1, console.width - indent)) if rest else ():
        console.print(Text(" " * indent).append_text(_trimmed(part)), soft_wrap=True)


def _trimmed(line: Text) -> Text:
    line.rstrip()
    return line


def print_rows(console: Console, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows of text as a table: a name, a verdict, and what there is of other columns. Names and verdicts are
    whole at any width; on a narrow terminal each row is a paragraph."""
    kept = [n for n in range(len(titles)) if n < 2 or any(row[n] for row in rows)]
    if console.width < NARROW:
        for row in rows:
            paragraph(console, "  ".join(row[n] for n in kept if row[n]), verdict=row[1], indent=2)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for n in kept:
        table.add_column(titles[n], no_wrap=n < 2)
    for row in rows:
        table.add_row(*(styled(row[n]) if n == 1 else row[n] for n in kept))
    console.print(table)


def progress_bar(console: Console) -> Progress:
    """Bar with what is done of how much, which disappears at its end."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_interactive,
    )
