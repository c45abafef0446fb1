"""Uplink period of a device from the times of its uplinks."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.campaign.periods import uplink_period


def period(intervals: list[float], known: float = 300.0) -> float:
    return uplink_period([0.0, *accumulate(intervals)], known)


@given(st.floats(10, 1e5), st.lists(st.tuples(st.integers(1, 4), st.floats(-0.1, 0.1)), min_size=3, max_size=9))
def test_missed_uplinks_and_jitter_leave_the_period(true: float, missed: list[tuple[int, float]]) -> None:
    """Each interval is a number of periods, and the uplinks at its ends are up to 5 % early or late."""
    if all(n > 1 for n, _ in missed):
        missed = [(1, 0.0), *missed]
    estimate = period([true * (n + jitter) for n, jitter in missed], known=true)
    assert estimate == pytest.approx(true, rel=0.1 + 1e-9)  # With room for the rounding of the bound itself.


@pytest.mark.parametrize(
    ("intervals", "known", "expected"),
    [
        pytest.param([600, 600, 600], 300, 300, id="a run of missed uplinks"),
        pytest.param([600] * 6, 300, 600, id="too long a run"),
        pytest.param([900, 600, 900], 300, 300, id="two and three periods"),
        pytest.param([100, 100, 100], 300, 100, id="a shorter period"),
        pytest.param([3600, 3600, 3600], 300, 3600, id="a much longer period"),
        pytest.param([3600, 7200, 3600], 300, 3600, id="a much longer period and a missed uplink"),
        pytest.param([10, 890, 10, 890], 300, 450, id="bursts have no period: the median"),
    ],
)
def test_the_period_of(intervals: list[float], known: float, expected: float) -> None:
    assert period(intervals, known) == expected


@given(st.lists(st.floats(1e-3, 1e7), min_size=3, max_size=9), st.floats(1, 1e7))
def test_any_intervals_give_a_period_of_a_second_or_more(intervals: list[float], known: float) -> None:
    estimate = period(intervals, known)
    assert 1 <= estimate <= max(1.0, *intervals) * 1.001
