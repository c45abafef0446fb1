"""Fragment size, answer spread, session start and length."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import ParameterError
from fuota_fec.planning.schedule import SessionStart, block_ack_delay, fragment_size, session_start, session_time_out
from fuota_fec.planning.unicast import TryLosses


@given(st.integers(4, 300), st.integers(0, 255))
def test_the_fragment_is_the_largest_multiple_that_fits(max_app_payload: int, multiple_of: int) -> None:
    most = min(max_app_payload - 3, 255)
    try:
        size = fragment_size(max_app_payload, multiple_of=multiple_of)
    except ParameterError:
        assert multiple_of > most
        return
    step = max(multiple_of, 1)
    assert size % step == 0
    assert 1 <= size <= most < size + step


@pytest.mark.parametrize(("payload", "fsize"), [(242, 239), (242, 1), (51, 48), (255, 252), (300, 255)])
def test_a_given_fragment_size_that_fits_is_used(payload: int, fsize: int) -> None:
    assert fragment_size(payload, fsize=fsize) == fsize


def test_a_given_fragment_size_is_not_rounded() -> None:
    assert fragment_size(242, fsize=100, multiple_of=16) == 100


@pytest.mark.parametrize(("payload", "fsize"), [(242, 240), (51, 49), (11, 9)])
def test_a_given_fragment_size_that_does_not_fit_is_refused(payload: int, fsize: int) -> None:
    with pytest.raises(ParameterError, match=f"{fsize} bytes do not fit.*{payload - 3}"):
        fragment_size(payload, fsize=fsize)


def test_no_fragment_fits_into_the_header_alone() -> None:
    for payload in (0, 3):
        with pytest.raises(ParameterError):
            fragment_size(payload)


@given(st.integers(1, 100_000), st.floats(0, 2048))
def test_the_answer_spread_is_the_smallest_that_holds_all_answers(n_devices: int, most: float) -> None:
    delay = block_ack_delay(n_devices, most)
    wanted = min(n_devices / 16 + 1, most)
    assert 0 <= delay <= 7
    assert 2 ** (delay + 4) >= wanted
    assert delay == 0 or 2 ** (delay + 3) < wanted


@pytest.mark.parametrize(
    ("n_devices", "most", "delay"),
    [(1, 128, 0), (240, 128, 0), (241, 128, 1), (1000, 128, 2), (10**6, 128, 3), (10**6, 2048, 7)],
)
def test_the_answer_spread_of_some_fleets(n_devices: int, most: float, delay: int) -> None:
    assert block_ack_delay(n_devices, most) == delay


WORST = TryLosses(not_sent=0.45, unanswered=0.45)


def start_of(periods: dict[float, int], losses: TryLosses = WORST, **settings: Any) -> SessionStart:
    common: dict[str, Any] = {
        "ucast_msg_delay": 1.0,
        "msg_retries": 2,
        "delivery_timeout": 60,
        "late_answer_time": 300,
        "margin": 30,
    }
    return session_start(1000.25, periods=periods, losses=losses, **(common | settings))


@given(
    st.dictionaries(st.floats(1, 1e5), st.integers(1, 1000), min_size=1, max_size=5),
    st.floats(0, 0.9),
    st.floats(0, 0.9),
    st.integers(0, 8),
)
def test_a_session_starts_after_an_uplink_of_each_device_and_not_after_the_last_resend(
    periods: dict[float, int], not_sent: float, unanswered: float, retries: int
) -> None:
    start = start_of(periods, TryLosses(not_sent=not_sent, unanswered=unanswered), msg_retries=retries)
    slowest, n_devices = max(periods), sum(periods.values())
    assert start.at == int(start.at)
    assert 1000.25 + n_devices + min(slowest, (1 + retries) * (2 * slowest + 120) + 300) + 30 <= start.at
    assert start.at <= 1000.25 + n_devices + (1 + retries) * (2 * slowest + 120) + 300 + 30 + 1


def test_fewer_losses_and_faster_devices_start_a_session_earlier() -> None:
    few, some = TryLosses(not_sent=0.01, unanswered=0.02), TryLosses(not_sent=0.1, unanswered=0.2)
    starts = [
        start_of({300.0: 100}, few).at,
        start_of({300.0: 100}, some).at,
        start_of({600.0: 100}, some).at,
    ]
    assert starts == sorted(set(starts))


def test_the_start_of_a_session_names_what_it_waits_for() -> None:
    start = start_of({300.0: 90, 900.0: 10}, TryLosses(not_sent=0.1, unanswered=0.2))
    assert start.reason == (
        "time for 100 devices to confirm, with an uplink every 900 s or less and 28 % of tries lost"
    )


@given(st.floats(0, 32768), st.floats(0, 1e6))
def test_the_time_out_is_the_smallest_that_is_long_enough(needed: float, wanted: float) -> None:
    wanted = max(needed, wanted)
    time_out = session_time_out(needed, wanted)
    assert 0 <= time_out <= 15
    assert 2**time_out >= needed
    assert 2**time_out >= wanted or time_out == 15
    assert time_out == 0 or 2 ** (time_out - 1) < wanted


def test_a_transmission_longer_than_any_session_is_refused() -> None:
    assert session_time_out(32768, 32768) == 15
    with pytest.raises(ParameterError, match="32768"):
        session_time_out(32768.5, 40000)
