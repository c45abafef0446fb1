"""Suspended campaigns: back-off, kept inputs, and campaigns left to other agents."""

from __future__ import annotations

from fuota_fec.agent.faults import Faults
from fuota_fec.agent.suspended import FIRST_PAUSE, LONGEST_PAUSE, MOST_ATTEMPTS, MOST_INPUTS, Suspension, Suspensions
from fuota_fec.campaign.messages import Uplink

T0 = 1_800_000_000.0
UPLINK = Uplink("00", 2, b"", T0)


def test_the_pause_doubles_with_each_failure_up_to_the_longest() -> None:
    suspensions = Suspensions(Faults())
    now, before, pauses = T0, None, []
    while suspensions.hold("c", ValueError("x"), now, T0, before, ()):
        before = suspensions.held["c"]
        pauses.append(before.retry_at - now)
        now = before.retry_at
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert len(pauses) == MOST_ATTEMPTS - 1
    assert (suspensions.held, list(suspensions.left)) == ({}, ["c"])


def test_a_suspension_is_due_at_its_time_or_after_the_clock_went_back() -> None:
    suspension = Suspension(reason="x", since=T0, retry_at=T0 + 5)
    assert not suspension.due(T0)
    assert suspension.due(T0 + 5)
    assert suspension.due(T0 - 86_400)


def test_inputs_are_kept_up_to_a_bound() -> None:
    faults = Faults()
    suspensions = Suspensions(faults)
    suspensions.hold("c", ValueError("x"), T0, T0, None, [UPLINK] * (MOST_INPUTS - 1))
    for _ in range(3):
        suspensions.keep("c", UPLINK)
        suspensions.keep("another", UPLINK)
    assert len(suspensions.held["c"].inputs) == MOST_INPUTS
    assert faults.n == {"input dropped": 2}


def test_campaigns_that_failed_a_short_while_ago_are_not_taken_over() -> None:
    suspensions = Suspensions(Faults())
    suspensions.leave("a", ValueError("x"), T0)
    assert suspensions.to_take_over(["a", "b"], T0 + 1) == ["b"]
    assert suspensions.to_take_over(["a", "b"], T0 + FIRST_PAUSE) == ["a", "b"]
    assert suspensions.reasons() == {"a": "ValueError: x"}
    assert suspensions.to_take_over(["b"], T0) == ["b"]
    assert suspensions.reasons() == {}, "another agent runs it"


def test_the_same_reason_is_logged_once(caplog) -> None:
    suspensions = Suspensions(Faults())
    for text in ("x", "x", "y"):
        suspensions.hold("c", ValueError(text), T0, T0, suspensions.held.get("c"), ())
    assert [record.message.splitlines()[0] for record in caplog.records] == [
        "campaign c suspended: ValueError: x",
        "campaign c suspended: ValueError: y",
    ]
