"""Histogram of devices by a value."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.report.histogram import MOST_BINS, histogram_plot


def bars(figure: str) -> int:
    return len(re.findall(r"fill: var\(--a", figure))


@settings(max_examples=15)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=60))
def test_a_histogram_of_any_values_is_well_formed_and_has_few_bars(values: list[int]) -> None:
    figure = histogram_plot(values, title="Needed", label="fragments", name="x")
    ET.fromstring(figure)
    assert 1 <= bars(figure) <= MOST_BINS + 1


def test_values_in_steps_have_bars_of_their_own() -> None:
    figure, again = (
        histogram_plot([3, 3, 4, 7], title="Needed", label="coded fragments", name="x", marks=[("9 sent", 9)])
        for _ in range(2)
    )
    assert bars(figure) == 5
    assert "4 devices, coded fragments: median 3.5, 95 % up to 6.55, most 7." in figure
    assert "9 sent" in figure
    assert figure == again


@pytest.mark.parametrize("value", [0.0, 0.1, 99.9])
def test_one_value_is_one_bar(value: float) -> None:
    assert bars(histogram_plot([value], title="Losses", label="%", name="x", least=0.5)) == 1
