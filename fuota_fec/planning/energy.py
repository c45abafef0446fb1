"""Energy of a device over an update: its receiver, its answers, and the rest.

Times are in seconds, energies in joules, currents in amperes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from fuota_fec.checks import at_least_0, shown
from fuota_fec.devices.radios import Radio
from fuota_fec.errors import ParameterError
from fuota_fec.radio.airtime import TransmissionTime, ping_spacing, session_duration
from fuota_fec.radio.regions import BEACON_PERIOD


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyModel:
    """Energy of a device: it receives for a whole session in class C, in ping slots and for beacons in class B."""

    voltage: float = 3.0
    """V of the battery."""
    rx_current: float = 0.016
    """A while the device receives."""
    idle_current: float = 6e-6
    """A while the device idles."""
    tx_current: float = 0.044
    """A while the device transmits."""
    tx_time: float = 0.0
    """Total time of a device's answers on the air, s."""
    until_time_out: bool = False
    """True if a device listens until its session times out; false if it stops after the last fragment."""
    rest: float = 0.0
    """J of an update for everything else, such as the requests before the session, and flash."""
    slot_window: float = 0.03
    """Time for which a device listens in a ping slot without a frame, s."""
    beacon_window: float = 0.16
    """Time for which a device listens for a beacon, s."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            if spec.name != "until_time_out":
                at_least_0(spec.name, getattr(self, spec.name))

    @classmethod
    def of(cls, radio: Radio, **settings: Any) -> EnergyModel:
        """Model of devices with this radio; `settings` are other fields. Currents are those of the radio's powers."""
        voltage = settings.get("voltage", cls().voltage)
        if not voltage > 0:
            raise ParameterError(f"voltage: {shown(voltage)} V is not above 0")
        currents = {
            "rx_current": radio.listening / voltage,
            "idle_current": radio.idle / voltage,
            "tx_current": radio.sending / voltage,
        }
        return cls(**{**currents, "rest": radio.rest, **settings})

    def energy(self, listening: float, duration: float) -> float:
        """Energy, J, of a device that receives for `listening` s of an update of `duration` s, and idles otherwise."""
        idle = max(0.0, duration - listening - self.tx_time)
        charge = listening * self.rx_current + self.tx_time * self.tx_current + idle * self.idle_current
        return self.voltage * charge + self.rest

    def listening(
        self, time: TransmissionTime, session_length: float, time_out: int | None, periodicity: int | None
    ) -> float:
        """Time, s, for which the receiver of a device is on during a session; without a periodicity in class C."""
        if self.until_time_out and time_out is not None:
            session_length = session_duration(time_out, device_class="C" if periodicity is None else "B")
        return self.receiving(time, session_length, periodicity)

    def receiving(self, time: TransmissionTime, session_length: float, periodicity: int | None) -> float:
        """Time, s, for which the receiver of a device is on that listens for `session_length` s."""
        if periodicity is None:
            return session_length
        n_empty = max(0, math.ceil(session_length / ping_spacing(periodicity)) - time.n_frames)
        n_beacons = math.ceil(session_length / BEACON_PERIOD)
        return time.n_frames * time.frame_time + n_empty * self.slot_window + n_beacons * self.beacon_window
