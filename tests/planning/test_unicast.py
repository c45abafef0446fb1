"""Duration of a unicast stage: the time by which devices have answered, against a simulation of the tries."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import ParameterError
from fuota_fec.planning.unicast import Tries, TryLosses, answered_by, assumed_loss, unicast_stage

LOSSES = TryLosses(not_sent=0.1, unanswered=0.2)


def simulated(period: float, losses: TryLosses, msg_retries: int, n: int = 20_000) -> np.ndarray:
    """Times at which devices have answered, of those that do: a try waits for an uplink, at any time of a period."""
    rng = np.random.default_rng(1)
    times = []
    for first in rng.uniform(0, period, n):
        now = 0.0
        for _ in range(1 + msg_retries):
            if rng.random() < losses.not_sent:
                now += period + 60
                continue
            sent = first + period * max(0, math.ceil((now - first) / period))
            if rng.random() >= losses.unanswered:
                times.append(sent)
                break
            now = sent + period + 60
    return np.array(times)


@pytest.mark.parametrize(
    "losses", [LOSSES, TryLosses(not_sent=0.2, unanswered=0.36), TryLosses(not_sent=0, unanswered=0)]
)
@pytest.mark.parametrize("msg_retries", [0, 2, 5])
def test_the_share_of_devices_that_have_answered_is_that_of_a_simulation(losses: TryLosses, msg_retries: int) -> None:
    times = simulated(300, losses, msg_retries)
    for share in (0.5, 0.9, 0.99):
        by = answered_by({300: 1}, losses, share=share, msg_retries=msg_retries, delivery_timeout=60)
        assert np.mean(times <= by) == pytest.approx(share, abs=0.06)
    by = answered_by({300: 1}, losses, share=1 - 1e-9, msg_retries=msg_retries, delivery_timeout=60)
    assert np.mean(times <= by) == 1


def test_without_losses_every_device_answers_after_its_next_uplink() -> None:
    sure = TryLosses(not_sent=0, unanswered=0)
    assert answered_by({300: 3, 600: 1}, sure, share=1, msg_retries=2, delivery_timeout=60) == pytest.approx(612, abs=1)
    later = answered_by({300: 3}, sure, share=1, msg_retries=2, delivery_timeout=60, answer_delay=100)
    assert later == pytest.approx(306 + 100, abs=6)


@given(
    st.dictionaries(st.floats(1, 1e5), st.integers(1, 1000), min_size=1, max_size=5),
    st.floats(0, 0.99),
    st.floats(0, 0.99),
    st.integers(0, 1000),
    st.floats(0.01, 1),
)
def test_a_larger_share_takes_longer_and_none_longer_than_all_resends(
    periods: dict[float, int], not_sent: float, unanswered: float, retries: int, share: float
) -> None:
    losses = TryLosses(not_sent=not_sent, unanswered=unanswered)

    def by(share: float) -> float:
        return answered_by(periods, losses, share=share, msg_retries=retries, delivery_timeout=60)

    assert 0 <= by(share / 2) <= by(share)


def test_many_devices_with_periods_of_their_own_are_taken_together() -> None:
    periods = {300 + i / 50: 1 for i in range(50_000)}
    begun = time.perf_counter()
    answered_by(periods, TryLosses(not_sent=0.5, unanswered=0.5), share=0.995, msg_retries=1000, delivery_timeout=60)
    many = time.perf_counter() - begun
    begun = time.perf_counter()
    sorted(math.log(period) for period in periods)
    assert many < 1000 * (time.perf_counter() - begun), "a ratio within one run"


def test_losses_come_from_the_tries_and_at_first_from_an_assumption() -> None:
    assert Tries().losses(0.1) == TryLosses(not_sent=0.1, unanswered=1 - 0.9**2)
    many = Tries(n_not_sent=3000, n_sent=7000, n_unanswered=1400).losses(0.1)
    assert (many.not_sent, many.unanswered) == pytest.approx((0.3, 0.2), abs=0.001)
    assert Tries(n_not_sent=10).losses(0).not_sent == pytest.approx(1 / 3)


def test_the_assumed_loss_is_the_mean_of_the_known_ones() -> None:
    assert assumed_loss([]) == assumed_loss([None]) == 0.1
    assert assumed_loss([0.2, None, 0.4]) == pytest.approx(0.3)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
@pytest.mark.parametrize("name", ["not_sent", "unanswered"])
def test_a_loss_that_is_no_probability_is_refused(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=name):
        TryLosses(**{"not_sent": 0.1, "unanswered": 0.1, name: value})


def test_the_longest_unicast_stage_uses_all_resends() -> None:
    assert unicast_stage(2, 300, 60) == 3 * 720
