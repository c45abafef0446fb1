"""Energy of a device over an update, and of the devices of a schedule."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest

from fuota_fec.devices.radios import radio
from fuota_fec.errors import ParameterError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.planning.fleet_schedule import Sending, fleet_schedule

FLEET = {0: 60, 1: 80, 2: 80, 3: 110, 4: 220, 5: 450}


def test_published_energy_is_linear_in_the_window() -> None:
    """Measured on class C devices, 2 kB at DR0 to DR5: windows 1060, 569, 322, 131, 70, 40 s and 33.3, 20.8, 14.6,
    10.0, 8.5, 7.6 J. What a device spends beside its window is the same for all; the slope is what it draws in it."""
    model = EnergyModel(voltage=3.3, rx_current=0.0078, idle_current=0.0)
    beside = 6.6
    for window, energy in [(1060, 33.3), (569, 20.8), (322, 14.6), (131, 10.0), (70, 8.5), (40, 7.6)]:
        assert beside + model.energy(window, window) == pytest.approx(energy, rel=0.05)


def test_energy_counts_the_session_the_answers_and_the_idle_time() -> None:
    model = EnergyModel(voltage=3.0, rx_current=0.016, idle_current=6e-6, tx_current=0.04, tx_time=2.0)
    fleet = fleet_schedule(20_000, FLEET, [(0, 1, 2), (3, 4, 5)], n_coded=30, energy=model)
    for group in fleet.groups:
        idle = fleet.duration - group.session_length - 2.0
        assert group.listening == group.session_length
        assert group.energy == pytest.approx(3.0 * (0.016 * group.session_length + 0.04 * 2 + 6e-6 * idle))


def test_a_device_may_listen_until_the_time_out() -> None:
    model = EnergyModel(until_time_out=True)
    [group] = fleet_schedule(20_000, FLEET, [(3, 4, 5)], n_coded=30, energy=model).groups
    assert group.listening == 2**group.time_out
    assert 1 <= group.listening / group.session_length < 2


def test_a_class_b_device_listens_only_in_slots() -> None:
    sending = Sending(periodicity=3)
    [group] = fleet_schedule(20_000, FLEET, [(3, 4, 5)], n_coded=30, sending=sending).groups
    n_slots = math.ceil(group.session_length / 8)
    n_beacons = math.ceil(group.session_length / 128)
    frames = group.time.n_frames * group.time.frame_time
    assert group.listening == pytest.approx(frames + (n_slots - group.time.n_frames) * 0.03 + n_beacons * 0.16)
    [class_c] = fleet_schedule(20_000, FLEET, [(3, 4, 5)], n_coded=30).groups
    assert group.energy < class_c.energy / 4


@pytest.mark.parametrize("name", ["voltage", "rx_current", "tx_time"])
def test_an_energy_model_refuses_negative_values(name: str) -> None:
    with pytest.raises(ParameterError, match=f"{name}: -1"):
        EnergyModel(**{name: -1})


def test_the_energy_model_of_a_radio_has_its_powers_and_the_rest() -> None:
    assert asdict(EnergyModel.of(radio("sx127x"))) == pytest.approx(asdict(EnergyModel()))
    model = EnergyModel.of(radio("sx126x"), tx_time=10.0, until_time_out=True)
    assert (model.tx_time, model.until_time_out) == (10.0, True)
    assert model.energy(100, 110) == pytest.approx(100 * 0.0196 + 10 * 0.333 + 6.4)
    assert EnergyModel.of(radio("sx126x"), voltage=3.6).energy(100, 100) == pytest.approx(100 * 0.0196 + 6.4)
    with pytest.raises(ParameterError, match="voltage: 0 V is not above 0"):
        EnergyModel.of(radio("sx126x"), voltage=0)
