"""Commands of TS005 that schedule class C and class B sessions. Versions 1.0.0 and 2.0.0 have the same bytes.

`from_bytes` of an answer reads version 1.0.0, and `from_bytes_2` reads 2.0.0: they differ in the upper bits.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Self

from fuota_fec.wire.commands import Command, two_bytes
from fuota_fec.wire.fields import U32_MAX, Kind, check_integer, checked_fields, integer, kind, refused_field
from fuota_fec.wire.lorawan import (
    BEACON_PERIOD,
    MAX_FREQUENCY_HZ,
    fits_on_air,
    frequency_of,
    frequency_step_hz,
    steps_of,
)

__all__ = [
    "TIME_TO_START_UNKNOWN",
    "McClassBSessionAns",
    "McClassBSessionReq",
    "McClassCSessionAns",
    "McClassCSessionReq",
]

TIME_TO_START_UNKNOWN = 0xFFFFFF
"""time_to_start of a device whose clock is not set, or whose session starts more than 2^24 − 2 seconds ahead."""

_SESSION_REQ = struct.Struct("<BBIBI")
_SESSION_ANS = struct.Struct("<BI")


def _check_frequency(command: object, field: str) -> None:
    check_integer(command, field, 0, MAX_FREQUENCY_HZ)
    hz: int = getattr(command, field)
    step_hz = frequency_step_hz(hz)
    if hz % step_hz:
        raise refused_field(command, field, f"a multiple of {step_hz}")
    if not fits_on_air(hz):
        raise refused_field(command, field, "less than 1200000000, or 2400000000 or more")


_FREQUENCY = Kind("type({0}) is int and 0 <= {0} < 1_200_000_000 and {0} % 100 == 0", _check_frequency)


@checked_fields
class McClassCSessionReq(Command):
    """Schedules a class C session (TS005, McClassCSessionReq; down).

    mc_group_id: 0…3. session_time: start in GPS seconds modulo 2^32. time_out: 0…15, the session lasts at most
    2^time_out seconds. dl_frequency_hz: hertz, a multiple of 100, from 2.4 GHz on of 200. dr: the region's downlink
    data rate, 0…255.
    """

    CID: ClassVar[int] = 0x04

    mc_group_id: int = integer(0, 3)
    session_time: int = integer(0, U32_MAX)
    time_out: int = integer(0, 15)
    dl_frequency_hz: int = kind(_FREQUENCY)
    dr: int = integer(0, 255)

    def encode(self) -> bytes:
        radio = self.dr << 24 | steps_of(self.dl_frequency_hz)
        return _SESSION_REQ.pack(self.CID, self.mc_group_id, self.session_time, self.time_out, radio)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, group, session_time, time_out, radio = _SESSION_REQ.unpack(data)
        return cls._known(
            mc_group_id=group & 3,
            session_time=session_time,
            time_out=time_out & 15,
            dl_frequency_hz=frequency_of(radio & 0xFFFFFF),
            dr=radio >> 24,
        )


@checked_fields
class McClassBSessionReq(Command):
    """Schedules a class B session (TS005, McClassBSessionReq; down).

    mc_group_id: 0…3. session_time: start in GPS seconds modulo 2^32, a multiple of 128. periodicity: 0…7, the device
    opens 2^(7 − periodicity) ping slots in each beacon period of 128 seconds. time_out: 0…15, the session lasts at
    most 2^time_out beacon periods. dl_frequency_hz: hertz, as in McClassCSessionReq; in 2.0.0, 0 stands for the
    region's default channel or hopping. dr: the region's downlink data rate, 0…255.
    """

    CID: ClassVar[int] = 0x05

    mc_group_id: int = integer(0, 3)
    session_time: int = integer(0, U32_MAX)
    periodicity: int = integer(0, 7)
    time_out: int = integer(0, 15)
    dl_frequency_hz: int = kind(_FREQUENCY)
    dr: int = integer(0, 255)

    def __post_init__(self) -> None:
        if self.session_time % BEACON_PERIOD:
            raise refused_field(
                self, "session_time", f"a multiple of {BEACON_PERIOD}", what="the start of a beacon period"
            )

    def encode(self) -> bytes:
        timing = self.periodicity << 4 | self.time_out
        radio = self.dr << 24 | steps_of(self.dl_frequency_hz)
        return _SESSION_REQ.pack(self.CID, self.mc_group_id, self.session_time, timing, radio)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, group, session_time, timing, radio = _SESSION_REQ.unpack(data)
        return (cls if session_time % BEACON_PERIOD else cls._known)(
            mc_group_id=group & 3,
            session_time=session_time,
            periodicity=timing >> 4 & 7,
            time_out=timing & 15,
            dl_frequency_hz=frequency_of(radio & 0xFFFFFF),
            dr=radio >> 24,
        )


@checked_fields
class _McSessionAns(Command):
    _BYTES: ClassVar[tuple[bytes, ...]]

    mc_group_id: int = integer(0, 3)
    dr_error: bool = False
    freq_error: bool = False
    mc_group_undefined: bool = False
    start_missed: bool = False
    other_errors: int = integer(0, 3, default=0)
    time_to_start: int | None = None

    def __post_init__(self) -> None:
        refused = self.dr_error or self.freq_error or self.mc_group_undefined or self.start_missed or self.other_errors
        if refused and self.time_to_start is not None:
            raise refused_field(self, "time_to_start", "None with an error flag")
        if not refused:
            check_integer(self, "time_to_start", 0, TIME_TO_START_UNKNOWN)

    def encode(self) -> bytes:
        if self.time_to_start is not None:
            return _SESSION_ANS.pack(self.CID, self.time_to_start << 8 | self.mc_group_id)
        return self._BYTES[
            self.other_errors << 6
            | (self.start_missed and 0x20)
            | (self.mc_group_undefined and 0x10)
            | (self.freq_error and 0x08)
            | (self.dr_error and 0x04)
            | self.mc_group_id
        ]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._from_bytes(data, data[1] & 0x3F)

    @classmethod
    def from_bytes_2(cls, data: bytes) -> Self:
        return cls._from_bytes(data, data[1])

    @classmethod
    def _from_bytes(cls, data: bytes, status: int) -> Self:
        return cls._known(
            mc_group_id=status & 3,
            dr_error=status & 0x04 != 0,
            freq_error=status & 0x08 != 0,
            mc_group_undefined=status & 0x10 != 0,
            start_missed=status & 0x20 != 0,
            other_errors=status >> 6,
            time_to_start=None if status > 3 else int.from_bytes(data[2:5], "little"),
        )

    @staticmethod
    def length(data: bytes, start: int) -> int:
        return 2 if data[start + 1] & 0x3C else 5

    @staticmethod
    def length_2(data: bytes, start: int) -> int:
        return 2 if data[start + 1] & 0xFC else 5


@checked_fields
class McClassCSessionAns(_McSessionAns):
    """Outcome of a McClassCSessionReq (TS005, McClassCSessionAns; up): accepted if time_to_start is not None.

    mc_group_id: 0…3. The session is refused if any of these is set: dr_error, freq_error, mc_group_undefined,
    start_missed (session_time is in the past; a flag of 2.0.0 that devices of 1.0.0 send as well), other_errors
    (0…3, two bits that 2.0.0 reserves for later errors and 1.0.0 ignores).
    time_to_start: seconds from the transmission of this answer to the start, 24 bits, None after an error. Compare
    the value with the scheduled start: only this shows that the device's clock is right. TIME_TO_START_UNKNOWN: the
    clock is not set.
    """

    CID: ClassVar[int] = 0x04
    _BYTES = two_bytes(CID)


@checked_fields
class McClassBSessionAns(_McSessionAns):
    """Outcome of a McClassBSessionReq (TS005, McClassBSessionAns; up); fields as in McClassCSessionAns."""

    CID: ClassVar[int] = 0x05
    _BYTES = two_bytes(CID)
