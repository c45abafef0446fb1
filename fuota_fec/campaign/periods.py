"""Uplink period of a device, estimated from the times of its uplinks with missed ones in mind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

LEAST_INTERVALS, MOST_INTERVALS = 3, 9
"""Numbers of intervals between uplinks: the fewest from which a period is estimated, and the most, the last ones, that
enter the estimate."""
LEAST_MULTIPLES = 6
"""Number of intervals, all multiples of the known period, that disprove it: fewer may be runs of missed uplinks."""
MOST_PERIODS = 5
"""Periods that an interval may count as: four uplinks missed in a row."""
TOLERANCE = 0.2
"""Relative difference from the period up to which an interval, divided by its number of periods, agrees with it."""


def uplink_period(times: Sequence[float], known: float) -> float:
    """Uplink period P(d), s, from increasing times of uplinks, s, with LEAST_INTERVALS between them or more. `known` is
    the period that the device is believed to have.

    An interval with missed uplinks counts as that many periods, up to MOST_PERIODS: of the known period, or of the
    longest interval of which the others are multiples. Without such a period it is the median of the intervals.
    """
    intervals = [later - earlier for earlier, later in pairwise(times)]
    disproved = len(intervals) >= LEAST_MULTIPLES and min(intervals) > (1 + TOLERANCE) * known
    for candidate in (*([] if disproved else [known]), *sorted(intervals, reverse=True)):
        if (periods := _periods(intervals, candidate)) is not None:
            return max(1.0, median(periods))
    return max(1.0, median(intervals))


def _periods(intervals: Sequence[float], period: float) -> list[float] | None:
    """Intervals divided by the number of periods in each; None unless all of them agree with the period."""
    numbers = [max(1, round(interval / period)) for interval in intervals]
    parts = [interval / n for interval, n in zip(intervals, numbers, strict=True)]
    agree = max(numbers) <= MOST_PERIODS and all(abs(part - period) <= TOLERANCE * period for part in parts)
    return parts if agree else None


def lateness(times: Sequence[float], period: float) -> float:
    """Largest share of the period by which an uplink was late after the one before it, with missed uplinks in mind."""
    periods = [(later - earlier) / period for earlier, later in pairwise(times)]
    return max(n - max(1, round(n)) for n in periods)
