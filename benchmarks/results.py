"""Measured values beside their bounds, and the one way to take a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Row", "best_of", "show"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured value. `at_least` is the bound and `reach` the aim, both in `unit`; None where there is none.

    A value that could not be measured here is NaN, and `work` says why.
    """

    work: str
    value: float
    unit: str
    at_least: float | None = None
    reach: float | None = None
    better: Literal["higher", "lower"] = "lower"

    @property
    def verdict(self) -> str:
        """ "reached", "ok", "SHORT" of the bound, "left out" without a value, or "" without a bound."""
        if math.isnan(self.value):
            return "left out"
        if self.reach is not None and self._holds(self.reach):
            return "reached"
        if self.at_least is None:
            return ""
        return "ok" if self._holds(self.at_least) else "SHORT"

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Work, value, bound, aim and verdict as people read them."""
        sign = "≥" if self.better == "higher" else "≤"
        bounds = ("" if bound is None else f"{sign} {number(bound)}" for bound in (self.at_least, self.reach))
        value = "" if math.isnan(self.value) else f"{number(self.value)} {self.unit}".rstrip()
        return (self.work, value, *bounds, self.verdict)  # type: ignore[return-value]

    def __str__(self) -> str:
        work, value, bound, reach, verdict = self.cells
        return f"{work:<82} {value:>16} {bound:>11} {reach:>11} {verdict}".rstrip()

    def _holds(self, bound: float) -> bool:
        return self.value >= bound if self.better == "higher" else self.value <= bound


def number(value: float) -> str:
    """Three significant digits, all digits of what is larger."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def best_of(
    *calls: Callable[[], object], rounds: int, times: int = 1, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Seconds of one run of each call: the least of `rounds`, in each of which it runs `times` times.

    The calls take turns, so that all of them meet the same load of the machine.
    """
    best = [math.inf] * len(calls)
    runs = range(times)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            begun = clock()
            for _ in runs:
                call()
            best[i] = min(best[i], (clock() - begun) / times)
    return best


def show(rows: Iterable[Row]) -> None:
    """Prints rows as they come."""
    for row in rows:
        print(row, flush=True)
