"""A progress bar for what takes longer than two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PATIENCE = 2.0
"""s before there is a bar."""


class LateProgress:
    """Shows how far it is, on standard error if that is a terminal, once it has taken a while."""

    def __init__(self, what: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=None)
        self._clock, self._begun, self.shown = clock, clock(), False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown:
            self._bar.stop()

    def __call__(self, done: float, total: float) -> None:
        """So much of so much is done."""
        self._bar.update(self._task, completed=done, total=total)
        if not self.shown and self._clock() - self._begun >= PATIENCE:
            self.shown = True
            self._bar.start()
