"""Waits for answers: the latest time by which every device has answered or has used up its tries."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign import waits

UPLINK = 100 * 1.2 + 10
"""s until an uplink of a device with a period of 100 s is heard, and reported on."""
TRY = 2 * UPLINK + 1
"""s of a try of the only device that is asked: a request a second, an uplink, and one for the answer."""


def until(d: Any) -> float:
    wait = d.campaign.status().wait
    assert wait is not None
    assert wait.why == "answers of 1 device"
    return float(wait.until)


def about(seconds: float) -> Any:
    return pytest.approx(T0 + seconds, abs=0.01)


def test_the_bound_counts_the_tries_that_are_left(drive) -> None:
    """A device is set aside after three periods; each of its three tries takes an uplink, and one for the answer."""
    d = drive(1)
    assert until(d) == about(300 + 3 * TRY), "not heard yet"
    d.wait(50)
    d.up(1)
    assert until(d) == about(50 + 1 + 3 * TRY), "asked, and the next request leaves a second later"
    d.wait(10)
    d.hand_over(d.ask(1))
    assert until(d) == about(60 + 3 * TRY)
    d.wait(20)
    d.sent(d.ask(1))
    assert until(d) == about(80 + UPLINK + 2 * TRY), "the answer is due, and two tries are left"
    d.wait(UPLINK + 1)
    assert until(d) == about(80 + UPLINK + 1 + 2 * TRY), "asked again"


def test_a_request_that_is_not_handed_over_does_not_move_the_bound_to_the_maximum_duration(drive) -> None:
    d = drive(1)
    d.up(1)
    [request] = d.of(m.Requested)
    assert request.not_after == T0 + 100_000
    assert until(d) == about(1 + 3 * TRY)


def test_the_bound_is_no_later_than_the_end_of_the_stage(drive) -> None:
    d = drive(1, max_duration=9000, session_start=T0 + 700)
    assert until(d) == T0 + 700
    assert d.of(m.StageStarted)[0].answers == m.Wait(until=T0 + 700, why="answers of 1 device")


def test_the_earliest_limit_counts() -> None:
    assert waits.limit(None, None) == float("inf")
    assert waits.limit(T0 + 9, None, T0 + 5) == T0 + 5


def test_nobody_is_waited_for_if_nothing_is_asked() -> None:
    assert waits.answers(0.0, 0, 5.0) is None
    assert waits.late_answers(5.0) == m.Wait(until=5.0, why="late answers")
