"""Ticks of an axis of time."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.report.clock_axis import clock_ticks
from fuota_fec.report.formatting import when


@given(st.floats(1, 4e9), st.floats(6, 1e8))
def test_ticks_are_round_few_and_say_when_a_day_begins(start: float, length: float) -> None:
    ticks = clock_ticks(start, start + length)
    assert 1 <= len(ticks) <= 7
    assert all(start <= at <= start + length for at, _ in ticks)
    gaps = {later - at for (at, _), (later, _) in pairwise(ticks)}
    assert len(gaps) <= 1
    date = ""
    for at, text in ticks:
        day = when(at)[:10]
        assert (day in text) is (day != date)
        date = day


def test_text_of_ticks() -> None:
    assert [text for _, text in clock_ticks(1.8e9, 1.8e9 + 5 * 3600)] == [
        *("08:00\n2027-01-15", "09:00", "10:00", "11:00", "12:00", "13:00")
    ]
    assert [text for _, text in clock_ticks(1.8e9, 1.8e9 + 20 * 3600)][-2:] == ["00:00\n2027-01-16", "04:00"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", text) for _, text in clock_ticks(1.8e9, 1.8e9 + 10 * 86400))
    assert [text for _, text in clock_ticks(1.8e9, 1.8e9 + 4)][1] == "08:00:01"
