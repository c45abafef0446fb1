"""Progress bar for operations that take longer than two seconds."""

from __future__ import annotations

from threading import Lock, Timer
from types import TracebackType
from typing import Self

from rich.console import Console

from fuota_fec.cli.console import plain_console, progress_bar

PATIENCE = 2.0
"""Time before the bar is shown, s."""


class LateProgress:
    """Progress bar that appears after `patience` s, on standard error if that is a terminal, and in its foreground.

    Until progress is reported, the bar shows activity only.
    """

    def __init__(self, what: str, *, patience: float = PATIENCE, console: Console | None = None) -> None:
        console = console or plain_console(stderr=True)
        self._bar = progress_bar(console)
        self._task = self._bar.add_task(what, total=None)
        self._lock, self._ended, self.shown = Lock(), False, False
        self.timer = Timer(patience, self._show) if console.is_interactive else None

    def __enter__(self) -> Self:
        if self.timer is not None:
            self.timer.daemon = True
            self.timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.timer is not None:
            self.timer.cancel()
        with self._lock:
            self._ended = True
            if self.shown:
                self._bar.stop()

    def __call__(self, done: float, total: float) -> None:
        """Reports progress: `done` of `total`."""
        self._bar.update(self._task, completed=done, total=total)

    def _show(self) -> None:
        with self._lock:
            if not self._ended:
                self._bar.start()
                self.shown = True
