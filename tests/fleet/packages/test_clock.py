"""TS003 of a virtual device: clock synchronisation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.wire import clock
from fuota_fec.wire.clock import gps_from_unix


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("error", [0.0, 1234.0, -50_000_000.0])
def test_a_forced_resync_sends_the_time_of_the_device(bench, version, error) -> None:
    b = bench(clock_version=version, clock_error=error)
    [asked] = b.ask(clock.ForceDeviceResyncReq(nb_transmissions=1))
    assert (asked.ans_required, asked.token_req) == (True, 0)
    assert asked.device_time == int(gps_from_unix(b.now) + error)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_a_forced_resync_is_sent_nb_transmissions_times(bench, n) -> None:
    asked = bench().ask(clock.ForceDeviceResyncReq(nb_transmissions=n))
    assert [a.token_req for a in asked] == [0] * n
    assert len({a.device_time for a in asked}) == n


@given(error=st.floats(-1e9, 1e9), clock_set=st.booleans())
def test_a_correction_leaves_a_clock_error_below_a_second(bench, error: float, clock_set: bool) -> None:
    b = bench(clock_error=error, clock_set=clock_set)
    b.synchronise()
    assert abs(b.device.clock_error) < 1
    assert b.device.clock_set


def test_only_the_answer_with_the_token_corrects_and_only_once(bench) -> None:
    b = bench(clock_set=False)
    for n in range(20):
        for token in range(16):
            if token != n % 16:
                b.send(clock.AppTimeAns(time_correction=7, token_ans=token))
        assert (b.device.clock_error, b.device.clock_set) == (n, n > 0)
        [asked] = b.ask(clock.ForceDeviceResyncReq(nb_transmissions=1))
        assert asked.token_req == n % 16
        b.send(clock.AppTimeAns(time_correction=1, token_ans=asked.token_req))
        b.send(clock.AppTimeAns(time_correction=1, token_ans=asked.token_req))
