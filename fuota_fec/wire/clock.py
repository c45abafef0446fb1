"""TS003, Application Layer Clock Synchronisation: commands of versions 1.0.0 and 2.0.0, and GPS time.

Both versions have the same bytes. The library counts Unix seconds and devices count GPS seconds; this module alone
converts between the two. A time on the air is a whole number of GPS seconds modulo 2^32, so two times are compared
by their signed difference.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, ClassVar, Self

from fuota_fec.checks import shown
from fuota_fec.wire.commands import (
    Command,
    PackageVersionAns,
    PackageVersionReq,
    Tables,
    UnknownCommand,
    decode_commands,
    fixed,
    table,
    two_bytes,
)
from fuota_fec.wire.fields import U32_MAX, checked_fields, integer, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

__all__ = [
    "GPS_EPOCH",
    "LEAP_SECONDS",
    "PACKAGE_IDENTIFIER",
    "PORT",
    "VERSIONS",
    "AppTimeAns",
    "AppTimeReq",
    "Command",
    "DeviceAppTimePeriodicityAns",
    "DeviceAppTimePeriodicityReq",
    "ForceDeviceResyncCmd",
    "ForceDeviceResyncReq",
    "PackageVersionAns",
    "PackageVersionReq",
    "UnknownCommand",
    "decode",
    "gps_difference",
    "gps_from_unix",
    "gps_from_wire",
    "gps_to_wire",
    "unix_from_gps",
]

PORT = 202
"""Default FPort. The specification recommends it; a deployment may use another one."""

PACKAGE_IDENTIFIER = 1

VERSIONS: Mapping[int, str] = {1: "1.0.0", 2: "2.0.0"}
"""PackageVersion in a device's answer → name of the version."""

GPS_EPOCH = 315964800
"""1980-01-06T00:00:00Z in Unix seconds."""

LEAP_SECONDS: tuple[int, ...] = (
    362793600,  # 1981-07-01
    394329600,  # 1982-07-01
    425865600,  # 1983-07-01
    489024000,  # 1985-07-01
    567993600,  # 1988-01-01
    631152000,  # 1990-01-01
    662688000,  # 1991-01-01
    709948800,  # 1992-07-01
    741484800,  # 1993-07-01
    773020800,  # 1994-07-01
    820454400,  # 1996-01-01
    867715200,  # 1997-07-01
    915148800,  # 1999-01-01
    1136073600,  # 2006-01-01
    1230768000,  # 2009-01-01
    1341100800,  # 2012-07-01
    1435708800,  # 2015-07-01
    1483228800,  # 2017-01-01
)
"""Ascending Unix times of the midnights that follow a leap second. Pass a longer table for later leap seconds."""

_APP_TIME_REQ = struct.Struct("<BIB")
_APP_TIME_ANS = struct.Struct("<BiB")
_PERIODICITY_ANS = struct.Struct("<BBI")


@checked_fields
class AppTimeReq(Command):
    """A device reports its time and asks for a correction (TS003, AppTimeReq; up, although it is a request).

    device_time: GPS seconds modulo 2^32 at transmission. ans_required: answer even if the time is right.
    token_req: 0…15, repeated in the answer.
    """

    CID: ClassVar[int] = 0x01

    device_time: int = integer(0, U32_MAX)
    ans_required: bool
    token_req: int = integer(0, 15)

    def encode(self) -> bytes:
        return _APP_TIME_REQ.pack(self.CID, self.device_time, self.ans_required << 4 | self.token_req)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, device_time, param = _APP_TIME_REQ.unpack(data)
        return cls._known(device_time=device_time, ans_required=param & 16 != 0, token_req=param & 15)


@checked_fields
class AppTimeAns(Command):
    """Correction of a device's clock (TS003, AppTimeAns; down).

    time_correction: seconds that the device adds to its clock, signed 32 bits: gps_difference(time of reception,
    device_time). token_ans: token_req of the request; the device ignores answers with another token.
    """

    CID: ClassVar[int] = 0x01

    time_correction: int = integer(-0x80000000, 0x7FFFFFFF)
    token_ans: int = integer(0, 15)

    def encode(self) -> bytes:
        return _APP_TIME_ANS.pack(self.CID, self.time_correction, self.token_ans)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, time_correction, param = _APP_TIME_ANS.unpack(data)
        return cls._known(time_correction=time_correction, token_ans=param & 15)


@checked_fields
class DeviceAppTimePeriodicityReq(Command):
    """Requests periodic AppTimeReq (TS003, DeviceAppTimePeriodicityReq; down).

    period: 0…15, every 128 × 2^period seconds, ± random 30 s.
    """

    CID: ClassVar[int] = 0x02
    _BYTES = two_bytes(CID)

    period: int = integer(0, 15)

    def encode(self) -> bytes:
        return self._BYTES[self.period]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(period=data[1] & 15)


@checked_fields
class DeviceAppTimePeriodicityAns(Command):
    """Answer to DeviceAppTimePeriodicityReq (TS003, DeviceAppTimePeriodicityAns; up).

    not_supported: the device sends no periodic AppTimeReq. time: the device's GPS seconds modulo 2^32.
    """

    CID: ClassVar[int] = 0x02

    not_supported: bool
    time: int = integer(0, U32_MAX)

    def encode(self) -> bytes:
        return _PERIODICITY_ANS.pack(self.CID, self.not_supported, self.time)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, status, time = _PERIODICITY_ANS.unpack(data)
        return cls._known(not_supported=status & 1 != 0, time=time)


@checked_fields
class ForceDeviceResyncCmd(Command):
    """Makes the device send AppTimeReq (TS003-2.0.0, ForceDeviceResyncCmd; down). The command has no answer.

    nb_transmissions: number of AppTimeReq, 0…7. Version 1.0.0 calls the command ForceDeviceResyncReq.
    """

    CID: ClassVar[int] = 0x03
    _BYTES = two_bytes(CID)

    nb_transmissions: int = integer(0, 7)

    def encode(self) -> bytes:
        return self._BYTES[self.nb_transmissions]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(nb_transmissions=data[1] & 7)


ForceDeviceResyncReq = ForceDeviceResyncCmd

_DOWN = table(
    fixed(PackageVersionReq, 1),
    fixed(AppTimeAns, 6),
    fixed(DeviceAppTimePeriodicityReq, 2),
    fixed(ForceDeviceResyncCmd, 2),
)

_UP = table(
    fixed(PackageVersionAns, 3),
    fixed(AppTimeReq, 6),
    fixed(DeviceAppTimePeriodicityAns, 6),
)

_TABLES: Tables = {"1.0.0": {False: _DOWN, True: _UP}, "2.0.0": {False: _DOWN, True: _UP}}


def decode(payload: Buffer, *, uplink: bool, version: str = "1.0.0") -> list[Command]:
    """Commands of a payload on the package's port; an empty payload gives [].

    An unknown CID ends the list as UnknownCommand. A command that is cut short or holds a value that is not allowed
    raises WireError, which carries the commands before it. An unknown version, or a payload that is not a buffer,
    raises ParameterError.
    """
    return decode_commands(payload, _TABLES, uplink, version)


def gps_from_unix(unix: float, *, leap_seconds: Sequence[int] = LEAP_SECONDS) -> float:
    """GPS seconds at a Unix time. Unix time skips leap seconds, so the GPS time jumps by 2 across each of them."""
    return unix - GPS_EPOCH + bisect_right(leap_seconds, unix)


def unix_from_gps(gps: float, *, leap_seconds: Sequence[int] = LEAP_SECONDS) -> float:
    """Unix seconds at a GPS time. During a leap second the result is the midnight that follows."""
    unix = gps + GPS_EPOCH
    passed = 0
    for midnight in leap_seconds:
        begin = midnight + passed
        if unix < begin:
            break
        if unix < begin + 1:
            return midnight
        passed += 1
    return unix - passed


def gps_to_wire(gps: float) -> int:
    """GPS time on the air: whole seconds, rounded down, modulo 2^32."""
    if not math.isfinite(gps):
        raise refused("gps", shown(gps), "a finite number of seconds")
    return math.floor(gps) & U32_MAX


def gps_difference(later: int, earlier: int) -> int:
    """later − earlier of two times on the air, in seconds, −2^31…2^31 − 1: right for times within 68 years."""
    return (later - earlier + 0x80000000 & U32_MAX) - 0x80000000


def gps_from_wire(wire: int, *, near: float) -> int:
    """GPS time of a time on the air, modulo 2^32 undone: the candidate nearest to `near` (GPS seconds)."""
    return math.floor(near) + gps_difference(wire, gps_to_wire(near))
