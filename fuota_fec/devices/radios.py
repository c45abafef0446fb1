"""Energy profiles of radios: power of a device with this radio while it listens, sends and idles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Radio:
    """Power of a device by what its radio does, in W, and energy for the rest of an update, in J."""

    name: str = "own"
    source: str = ""
    """Board, software and measurement."""
    listening: float
    """W while the receiver is on."""
    sending: float
    """W while the device sends."""
    idle: float = 18e-6
    """W otherwise."""
    rest: float = 0.0
    """J of an update for everything else: requests and answers before the session, flash, processor."""

    def __post_init__(self) -> None:
        for name in ("listening", "sending", "idle", "rest"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (isinstance(value, (int, float)) and 0 <= value < math.inf):
                unit = "J" if name == "rest" else "W"
                raise ParameterError(f"{name}: {shown(value)} is not a number of {unit}, expected 0 or more")


RADIOS: Mapping[str, Radio] = MappingProxyType(
    {
        row.name: row
        for row in (
            Radio(
                name="sx126x",
                source="STM32WL55 Nucleo (its radio is an SX126x), class C: fitted to the 30 power logs of "
                "klementc/fuotaa-reprod, ± 1.7 mW listening, ± 101 mW sending, ± 0.07 J for the rest",
                listening=0.0196,
                sending=0.333,
                rest=6.4,
            ),
            Radio(
                name="sx127x",
                source="currents of FUOTASim at 3 V: 16 mA, 44 mA, 6 µA; overstates newer boards 1.8 to 2.9 times",
                listening=0.048,
                sending=0.132,
            ),
        )
    }
)
"""Every radio by its name."""

DEFAULT_RADIO = "sx127x"
"""Radio of a profile that names none: the one with the highest power."""


def radio(name: str) -> Radio:
    """Radio of that name. ParameterError, with the known names, if there is none."""
    found = RADIOS.get(name)
    if found is None:
        raise ParameterError(f"radio: {shown(name)} is not known, expected one of {', '.join(RADIOS)}")
    return found
