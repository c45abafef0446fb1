"""Rows of downlink channels, and the bandwidth of a data rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.radio.channels import Channels, DataRate

ROW = Channels(first_hz=923_300_000, last_hz=927_500_000, step_hz=600_000)


@given(st.integers(900_000_000, 950_000_000))
def test_the_nearest_channel_is_the_one_at_the_least_distance(frequency_hz: int) -> None:
    channels = range(ROW.first_hz, ROW.last_hz + 1, ROW.step_hz)
    assert ROW.nearest(frequency_hz) == min(channels, key=lambda channel: abs(channel - frequency_hz))
    assert (frequency_hz in ROW) == (frequency_hz in channels)


def test_a_row_prints_its_ends_and_its_step() -> None:
    assert str(ROW) == "923.3 to 927.5 MHz in steps of 0.6 MHz"


@pytest.mark.parametrize(
    ("rate", "bandwidth_hz"),
    [
        (DataRate(dr=0, sf=12, bw_khz=125), 125_000),
        (DataRate(dr=0, sf=12, bw_khz=812), 812_500),
        (DataRate(dr=7, bit_rate=50_000), 125_000),
    ],
)
def test_the_bandwidth_of_a_data_rate(rate: DataRate, bandwidth_hz: int) -> None:
    assert rate.bandwidth_hz == bandwidth_hz
