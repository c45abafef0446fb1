"""Ticks of an axis of time: round times with their dates."""

from __future__ import annotations

import math

from fuota_fec.report.formatting import when

_DAY = 86400
_STEPS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, _DAY)
"""Times between two ticks, s."""


def clock_ticks(start: float, end: float, most: int = 6) -> list[tuple[float, str]]:
    """Round times from the Unix time `start` to `end`, about `most` at most, with their text in UTC: the time, and the
    date where it is a new one; the date alone if they are days apart."""
    step = next((step for step in _STEPS if (end - start) / step <= most), None)
    step = step or _DAY * math.ceil((end - start) / _DAY / most)
    ticks, date = [], ""
    for n in range(math.ceil(start / step), math.floor(end / step) + 1):
        day, _, clock = when(n * step).partition(" ")
        shown = clock if step < 60 else clock[:5]
        ticks.append((float(n * step), _text(day, shown, day != date, step)))
        date = day
    return ticks


def _text(day: str, clock: str, new: bool, step: int) -> str:
    if step >= _DAY:
        return day
    return f"{clock}\n{day}" if new else clock
