"""Frequencies on the air."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.wire.lorawan import MAX_FREQUENCY_HZ, fits_on_air, frequency_of, frequency_step_hz, steps_of

FREQUENCIES = json.loads((Path(__file__).parents[1] / "vectors" / "ism2400.json").read_text())["frequencies"]


@pytest.mark.parametrize("vector", FREQUENCIES)
def test_frequencies_at_2400_mhz_are_those_of_the_vectors(vector) -> None:
    n_steps = int.from_bytes(bytes.fromhex(vector["hex"]), "little")
    assert steps_of(vector["frequency_hz"]) == n_steps
    assert frequency_of(n_steps) == vector["frequency_hz"]


@given(st.integers(0, 2**24 - 1))
def test_every_number_of_steps_is_one_frequency(n_steps: int) -> None:
    frequency_hz = frequency_of(n_steps)
    assert frequency_hz % frequency_step_hz(frequency_hz) == 0
    assert frequency_hz < 1_200_000_000 or 2_400_000_000 <= frequency_hz <= MAX_FREQUENCY_HZ
    assert fits_on_air(frequency_hz)
    assert steps_of(frequency_hz) == n_steps


def test_the_step_is_100_hz_and_200_hz_from_2400_mhz_on() -> None:
    assert [frequency_step_hz(hz) for hz in (0, 869_525_000, 2_399_999_900, 2_400_000_000)] == [100, 100, 100, 200]
    assert steps_of(2_423_000_000) == 12_115_000
