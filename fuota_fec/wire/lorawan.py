"""Sizes and times of LoRaWAN itself that packages, keys and air time have in common."""

from __future__ import annotations

__all__ = [
    "BEACON_PERIOD",
    "FRAME_OVERHEAD_LEN",
    "MAX_APP_PAYLOAD_LEN",
    "MAX_FREQUENCY_HZ",
    "MAX_PHY_PAYLOAD_LEN",
    "RX1_DELAY",
    "fits_on_air",
    "frequency_of",
    "frequency_step_hz",
    "steps_of",
]

BEACON_PERIOD = 128
"""Seconds between two class B beacons (LoRaWAN 1.0.4, class B)."""

FRAME_OVERHEAD_LEN = 13
"""Bytes of a data frame around its application payload: MHDR 1, FHDR 7, FPort 1, MIC 4 (LoRaWAN 1.0.4, chapter 4)."""

MAX_PHY_PAYLOAD_LEN = 255
"""Largest PHY payload of any region, in bytes."""

MAX_APP_PAYLOAD_LEN = MAX_PHY_PAYLOAD_LEN - FRAME_OVERHEAD_LEN
"""Largest application payload (FRMPayload) of a frame without FOpts, in bytes."""

RX1_DELAY = 1.0
"""s from the end of an uplink to the receive window RX1, as in most networks."""

_STEP_HZ, _STEP_2G4_HZ, _FROM_2G4_HZ = 100, 200, 2_400_000_000
"""A frequency on the air is a number of steps in 24 bits (LoRaWAN 1.0.4, chapter 5). From 2.4 GHz on the step is 200 Hz
(Semtech's physical layer proposal for 2.4 GHz). The number alone shows the step: those from 12 000 000 on would be
1.2 GHz and more in steps of 100 Hz, where no region is."""

MAX_FREQUENCY_HZ = 0xFFFFFF * _STEP_2G4_HZ
"""Largest frequency on the air."""

_GAP_FROM_HZ = _FROM_2G4_HZ // _STEP_2G4_HZ * _STEP_HZ
"""Frequencies from this one to 2.4 GHz have no number."""


def frequency_step_hz(frequency_hz: int) -> int:
    """Step of a frequency on the air: 100 Hz, or 200 Hz from 2.4 GHz on."""
    return _STEP_HZ if frequency_hz < _FROM_2G4_HZ else _STEP_2G4_HZ


def fits_on_air(frequency_hz: int) -> bool:
    """Whether a frequency that is a multiple of its step, and at most MAX_FREQUENCY_HZ, has a number of steps."""
    return not _GAP_FROM_HZ <= frequency_hz < _FROM_2G4_HZ


def steps_of(frequency_hz: int) -> int:
    """The number of steps, 24 bits, of a frequency that fits_on_air."""
    return frequency_hz // (_STEP_HZ if frequency_hz < _FROM_2G4_HZ else _STEP_2G4_HZ)


def frequency_of(n_steps: int) -> int:
    """The frequency in Hz of a number of steps, 24 bits: it fits_on_air."""
    return n_steps * (_STEP_HZ if n_steps * _STEP_HZ < _GAP_FROM_HZ else _STEP_2G4_HZ)
