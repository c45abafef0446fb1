"""TS005, Remote Multicast Setup: commands of versions 1.0.0 and 2.0.0.

Both versions have the same bytes. They differ in the meaning of the upper bits of the session answers, and in
McClassBSessionReq with frequency 0, which in 2.0.0 stands for the region's own ping-slot channels.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Self

from fuota_fec.wire.commands import (
    Command,
    Layout,
    PackageVersionAns,
    PackageVersionReq,
    Tables,
    UnknownCommand,
    decode_commands,
    fixed,
    table,
    two_bytes,
)
from fuota_fec.wire.fields import (
    U32_MAX,
    Fields,
    Kind,
    check_integer,
    checked_fields,
    integer,
    kind,
    octets,
    refused_field,
)
from fuota_fec.wire.lorawan import (
    BEACON_PERIOD,
    MAX_FREQUENCY_HZ,
    decode_frequency,
    encode_frequency,
    fits_on_air,
    frequency_step_hz,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

__all__ = [
    "LAST_F_CNT",
    "PACKAGE_IDENTIFIER",
    "PORT",
    "TIME_TO_START_UNKNOWN",
    "VERSIONS",
    "Command",
    "McClassBSessionAns",
    "McClassBSessionReq",
    "McClassCSessionAns",
    "McClassCSessionReq",
    "McGroupDeleteAns",
    "McGroupDeleteReq",
    "McGroupSetupAns",
    "McGroupSetupReq",
    "McGroupStatusAns",
    "McGroupStatusItem",
    "McGroupStatusReq",
    "PackageVersionAns",
    "PackageVersionReq",
    "UnknownCommand",
    "decode",
]

PORT = 200
"""Default FPort. The specification recommends it; a deployment may use another one."""

PACKAGE_IDENTIFIER = 2

VERSIONS: Mapping[int, str] = {1: "1.0.0", 2: "2.0.0"}
"""PackageVersion in a device's answer → name of the version."""

LAST_F_CNT = U32_MAX
"""Largest max_mc_fcnt (McGroupSetupReq, 32 bits). No frame carries this counter: the range excludes it."""

TIME_TO_START_UNKNOWN = 0xFFFFFF
"""time_to_start of a device whose clock is not set, or whose session starts more than 2^24 − 2 seconds ahead."""

_GROUPS_OF_MASK = tuple([group for group in range(4) if mask >> group & 1] for mask in range(16))
_STATUS_ITEM = struct.Struct("<BI")
_SESSION_ANS = struct.Struct("<BI")
_SETUP_REQ = struct.Struct("<BBI16sII")
_SESSION_REQ = struct.Struct("<BBIB3sB")


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
class McGroupStatusReq(Command):
    """Asks which groups are defined (TS005, McGroupStatusReq; down). req_group_mask: bit g asks for group g."""

    CID: ClassVar[int] = 0x01
    _BYTES = two_bytes(CID)

    req_group_mask: int = integer(0, 15)

    def encode(self) -> bytes:
        return self._BYTES[self.req_group_mask]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(req_group_mask=data[1] & 15)


@checked_fields
class McGroupStatusItem(Fields):
    """One group of McGroupStatusAns. mc_group_id: 0…3. mc_addr: the group's address, 32 bits."""

    mc_group_id: int = integer(0, 3)
    mc_addr: int = integer(0, U32_MAX)


@checked_fields
class McGroupStatusAns(Command):
    """Defined groups of a device (TS005, McGroupStatusAns; up).

    nb_total_groups: number of defined groups, 0…4, although the field has room for 7. ans_group_mask: groups in this
    answer. items: one for each of these groups, in ascending order. A device leaves out the highest groups if they do
    not fit; ask for them in a request of their own.
    """

    CID: ClassVar[int] = 0x01
    _BYTES = two_bytes(CID)

    nb_total_groups: int = integer(0, 7)
    ans_group_mask: int = integer(0, 15)
    items: tuple[McGroupStatusItem, ...] = ()

    def __post_init__(self) -> None:
        if type(self.items) is not tuple:
            object.__setattr__(self, "items", tuple(self.items))
        groups, masked = [item.mc_group_id for item in self.items], _GROUPS_OF_MASK[self.ans_group_mask]
        if groups != masked:
            raise refused_field(self, "items", f"{masked}, as in ans_group_mask", text=f"a list of groups {groups}")

    def encode(self) -> bytes:
        items = [_STATUS_ITEM.pack(item.mc_group_id, item.mc_addr) for item in self.items]
        return self._BYTES[self.nb_total_groups << 4 | self.ans_group_mask] + b"".join(items)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(
            nb_total_groups=data[1] >> 4 & 7,
            ans_group_mask=data[1] & 15,
            items=tuple(
                [
                    McGroupStatusItem._known(mc_group_id=group & 3, mc_addr=mc_addr)
                    for group, mc_addr in _STATUS_ITEM.iter_unpack(data[2:])
                ]
            ),
        )

    @staticmethod
    def length(data: bytes, start: int) -> int:
        return 2 + 5 * (data[start + 1] & 15).bit_count()


@checked_fields
class McGroupSetupReq(Command):
    """Defines a group (TS005, McGroupSetupReq; down).

    mc_group_id: 0…3. mc_addr: the group's address, 32 bits. mc_key_encrypted: 16 bytes, see keys.wrap_mc_key.
    The device accepts frames with min_mc_fcnt ≤ FCnt < max_mc_fcnt, 32 bits each.
    """

    CID: ClassVar[int] = 0x02

    mc_group_id: int = integer(0, 3)
    mc_addr: int = integer(0, U32_MAX)
    mc_key_encrypted: bytes = octets(16, 16)
    min_mc_fcnt: int = integer(0, U32_MAX)
    max_mc_fcnt: int = integer(0, U32_MAX)

    def encode(self) -> bytes:
        return _SETUP_REQ.pack(
            self.CID, self.mc_group_id, self.mc_addr, self.mc_key_encrypted, self.min_mc_fcnt, self.max_mc_fcnt
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, group, mc_addr, mc_key_encrypted, min_mc_fcnt, max_mc_fcnt = _SETUP_REQ.unpack(data)
        return cls._known(
            mc_group_id=group & 3,
            mc_addr=mc_addr,
            mc_key_encrypted=mc_key_encrypted,
            min_mc_fcnt=min_mc_fcnt,
            max_mc_fcnt=max_mc_fcnt,
        )


@checked_fields
class McGroupSetupAns(Command):
    """Outcome of a McGroupSetupReq (TS005, McGroupSetupAns; up). id_error: the device does not support this group."""

    CID: ClassVar[int] = 0x02
    _BYTES = two_bytes(CID)

    mc_group_id: int = integer(0, 3)
    id_error: bool = False

    def encode(self) -> bytes:
        return self._BYTES[(self.id_error and 4) | self.mc_group_id]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(mc_group_id=data[1] & 3, id_error=data[1] & 4 != 0)


@checked_fields
class McGroupDeleteReq(Command):
    """Removes a group (TS005, McGroupDeleteReq; down). mc_group_id: 0…3."""

    CID: ClassVar[int] = 0x03
    _BYTES = two_bytes(CID)

    mc_group_id: int = integer(0, 3)

    def encode(self) -> bytes:
        return self._BYTES[self.mc_group_id]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(mc_group_id=data[1] & 3)


@checked_fields
class McGroupDeleteAns(Command):
    """Outcome of a McGroupDeleteReq (TS005, McGroupDeleteAns; up). mc_group_undefined: the group was not defined."""

    CID: ClassVar[int] = 0x03
    _BYTES = two_bytes(CID)

    mc_group_id: int = integer(0, 3)
    mc_group_undefined: bool = False

    def encode(self) -> bytes:
        return self._BYTES[(self.mc_group_undefined and 4) | self.mc_group_id]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(mc_group_id=data[1] & 3, mc_group_undefined=data[1] & 4 != 0)


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
        steps = encode_frequency(self.dl_frequency_hz)
        return _SESSION_REQ.pack(self.CID, self.mc_group_id, self.session_time, self.time_out, steps, self.dr)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, group, session_time, time_out, steps, dr = _SESSION_REQ.unpack(data)
        return cls._known(
            mc_group_id=group & 3,
            session_time=session_time,
            time_out=time_out & 15,
            dl_frequency_hz=decode_frequency(steps),
            dr=dr,
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
        steps = encode_frequency(self.dl_frequency_hz)
        return _SESSION_REQ.pack(self.CID, self.mc_group_id, self.session_time, timing, steps, self.dr)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, group, session_time, timing, steps, dr = _SESSION_REQ.unpack(data)
        return (cls if session_time % BEACON_PERIOD else cls._known)(
            mc_group_id=group & 3,
            session_time=session_time,
            periodicity=timing >> 4 & 7,
            time_out=timing & 15,
            dl_frequency_hz=decode_frequency(steps),
            dr=dr,
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
        refused = self._status() > 3
        if refused and self.time_to_start is not None:
            raise refused_field(self, "time_to_start", "None with an error flag")
        if not refused:
            check_integer(self, "time_to_start", 0, TIME_TO_START_UNKNOWN)

    def _status(self) -> int:
        return (
            self.other_errors << 6
            | (self.start_missed and 0x20)
            | (self.mc_group_undefined and 0x10)
            | (self.freq_error and 0x08)
            | (self.dr_error and 0x04)
            | self.mc_group_id
        )

    def encode(self) -> bytes:
        if self.time_to_start is None:
            return self._BYTES[self._status()]
        return _SESSION_ANS.pack(self.CID, self.time_to_start << 8 | self.mc_group_id)

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


_DOWN = table(
    fixed(PackageVersionReq, 1),
    fixed(McGroupStatusReq, 2),
    fixed(McGroupSetupReq, 30),
    fixed(McGroupDeleteReq, 2),
    fixed(McClassCSessionReq, 11),
    fixed(McClassBSessionReq, 11),
)

_UP = table(
    fixed(PackageVersionAns, 3),
    Layout(McGroupStatusAns, 2, McGroupStatusAns.from_bytes, McGroupStatusAns.length),
    fixed(McGroupSetupAns, 2),
    fixed(McGroupDeleteAns, 2),
    Layout(McClassCSessionAns, 2, McClassCSessionAns.from_bytes, McClassCSessionAns.length),
    Layout(McClassBSessionAns, 2, McClassBSessionAns.from_bytes, McClassBSessionAns.length),
)

_UP_2 = _UP | table(
    Layout(McClassCSessionAns, 2, McClassCSessionAns.from_bytes_2, McClassCSessionAns.length_2),
    Layout(McClassBSessionAns, 2, McClassBSessionAns.from_bytes_2, McClassBSessionAns.length_2),
)

_TABLES: Tables = {"1.0.0": {False: _DOWN, True: _UP}, "2.0.0": {False: _DOWN, True: _UP_2}}


def decode(payload: Buffer, *, uplink: bool, version: str = "1.0.0") -> list[Command]:
    """Commands of a payload on the package's port; an empty payload gives [].

    An unknown CID ends the list as UnknownCommand. A command that is cut short or holds a value that is not allowed
    raises WireError, which carries the commands before it. An unknown version, or a payload that is not a buffer,
    raises ParameterError.
    """
    return decode_commands(payload, _TABLES, uplink=uplink, version=version)
