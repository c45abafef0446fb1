from __future__ import annotations

import math
from typing import Any

import pytest

from fuota_fec.devices.radios import DEFAULT_RADIO, RADIOS, Radio, radio
from fuota_fec.errors import ParameterError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import region


def test_every_radio_has_its_source_and_the_default_has_the_highest_power() -> None:
    assert all(row.source and radio(name) is row for name, row in RADIOS.items())
    assert max(RADIOS.values(), key=lambda row: row.listening).name == DEFAULT_RADIO


@pytest.mark.parametrize(
    ("dr", "session", "measured"),
    [(0, 1060, 33.3), (1, 569, 20.8), (2, 337, 14.6), (3, 151, 10.0), (4, 83, 8.5), (5, 59, 7.6)],
)
def test_the_energy_of_measured_runs_within_5_percent(dr: int, session: float, measured: float) -> None:
    """STM32WL55, 2000 bytes: length of the class C window in s, or the middle of those measured, and total energy in J
    (klementc/fuotaa-reprod). A dozen uplinks with 11 bytes of payload are taken for what a device sends."""
    sending = 12 * frame_time(11, region("EU868").data_rate(dr))
    model = EnergyModel.of(radio("sx126x"), tx_time=sending)
    assert model.energy(session, session) == pytest.approx(measured, rel=0.05)


def test_an_unknown_radio_is_refused_with_the_known_names() -> None:
    with pytest.raises(ParameterError, match="radio: 'sx128x' is not known, expected one of sx126x, sx127x"):
        radio("sx128x")


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, "1"])
@pytest.mark.parametrize(("name", "unit"), [("listening", "W"), ("sending", "W"), ("idle", "W"), ("rest", "J")])
def test_powers_that_no_device_has(name: str, unit: str, value: Any) -> None:
    powers: dict[str, Any] = {"listening": 0.02, "sending": 0.1}
    with pytest.raises(ParameterError, match=rf"{name}: .* is not a number of {unit}, expected 0 or more"):
        Radio(**powers | {name: value})
