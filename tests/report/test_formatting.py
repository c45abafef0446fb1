"""Text of durations, times, probabilities and counts."""

from __future__ import annotations

import pytest

from fuota_fec.report.formatting import count, duration, moment, percent, size, when


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (9.96, "10.0 s"),
        (20.4, "20 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (320, "5 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (360000, "100 h 00 min"),
    ],
)
def test_text_of_durations(seconds: float, text: str):
    assert duration(seconds) == text


def test_text_of_times_is_utc():
    assert when(1.8e9) == "2027-01-15 08:00:00"


@pytest.mark.parametrize(("n", "text"), [(0, "0 devices"), (1, "1 device"), (2, "2 devices")])
def test_text_of_counts(n: int, text: str):
    assert count(n, "device") == text


@pytest.mark.parametrize("probability", [0.99, 0.999, 0.9999, 0.99999, 1e-3, 1e-6, 0.5])
def test_percent_shows_only_0_and_1_as_certain(probability: float):
    assert percent(probability) not in ("0 %", "0.0 %", "100 %", "100.0 %")


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50.0 %"),
        (0.9994, "99.9 %"),
        (0.9996, "99.96 %"),
        (0.999996, "99.9996 %"),
        (0.99999999, "> 99.9999 %"),
        (1e-9, "< 0.01 %"),
        (0.001, "0.1 %"),
    ],
)
def test_text_of_probabilities(probability, text):
    assert percent(probability) == text


def test_moments_have_date_and_zone_or_the_time_alone_on_the_same_day():
    assert moment(1.8e9) == "2027-01-15 08:00:00Z"
    assert moment(1.8e9, 1.8e9 + 8 * 3600) == "08:00:00Z"
    assert moment(1.8e9, 1.8e9 + 16 * 3600) == "2027-01-15 08:00:00Z"


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (231_608, "231.6 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.00 MB"),
        (4_000_000, "4.00 MB"),
    ],
)
def test_text_of_sizes(n_bytes: int, text: str):
    assert size(n_bytes) == text
