"""Measured values beside their bounds: what every benchmark yields, and the table that `make bench` makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured value. `at_least` is the bound and `reach` the aim, both in `unit`; None where there is none."""

    work: str
    value: float
    unit: str
    at_least: float | None = None
    reach: float | None = None
    better: Literal["higher", "lower"] = "lower"

    @property
    def verdict(self) -> str:
        """ "reached", "ok", "SHORT" of the bound, or "" without a bound."""
        if self.reach is not None and self._holds(self.reach):
            return "reached"
        if self.at_least is None:
            return ""
        return "ok" if self._holds(self.at_least) else "SHORT"

    def _holds(self, bound: float) -> bool:
        return self.value >= bound if self.better == "higher" else self.value <= bound
