"""Duration of a unicast stage: the time by which devices have answered, against a simulation of the tries."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import ParameterError
from fuota_fec.planning.unicast import Tries, TryLosses, answered_by, assumed_loss, unicast_stage, until_uplink


def simulated(loss: float, msg_retries: int, n: int = 10_000) -> tuple[np.ndarray, TryLosses]:
    """Times at which devices have answered, of those that do, and the losses of their tries. Each frame is lost with
    the same probability; a device sends every 300 s, and the first time at any time."""
    rng = np.random.default_rng(1)
    times, tries = [], Tries()
    for first in rng.uniform(0, 300, n):
        now = 0.0
        for _ in range(1 + msg_retries):
            end, sent = now + until_uplink(300, 60), first + 300 * max(0, math.ceil((now - first) / 300))
            while sent <= end and rng.random() < loss:
                sent += 300
            tries.n_not_sent += sent > end
            tries.n_sent += sent <= end
            if sent <= end and rng.random() < (1 - loss) ** 2:
                times.append(sent)
                break
            tries.n_unanswered += sent <= end
            now = min(sent, end) + (until_uplink(300, 60) if sent <= end else 0)
    return np.array(times), tries.losses()


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("msg_retries", [0, 2, 5])
def test_the_share_of_devices_that_have_answered_is_that_of_a_simulation(loss: float, msg_retries: int) -> None:
    """A start that is a little late costs minutes, one that is early costs devices."""
    times, losses = simulated(loss, msg_retries)
    for share in (0.9, 0.99, 0.999):
        by = answered_by({300: 1}, losses, share=share, msg_retries=msg_retries, delivery_timeout=60)
        assert np.mean(times <= by) > share - 0.004
        assert by <= np.quantile(times, share) + 450
    by = answered_by({300: 1}, losses, share=1 - 1e-7, msg_retries=msg_retries, delivery_timeout=60)
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
    begun = time.process_time()
    answered_by(periods, TryLosses(not_sent=0.5, unanswered=0.5), share=0.995, msg_retries=1000, delivery_timeout=60)
    many = time.process_time() - begun
    begun = time.process_time()
    sorted(math.log(period) for period in periods)
    assert many < 1000 * (time.process_time() - begun), "a ratio within one run"


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
    assert unicast_stage(2, 300, 60) == 3 * 2 * 420


def test_an_uplink_is_waited_for_with_its_jitter_and_the_time_of_the_report() -> None:
    assert until_uplink(300, 60) == 300 * 1.2 + 60
    assert until_uplink(300, 60, 0.5) == 300 * 1.5 + 60
