"""TS005, Remote Multicast Setup: commands of versions 1.0.0 and 2.0.0.

Both versions have the same bytes. They differ in the meaning of the upper bits of the session answers, and in
McClassBSessionReq with frequency 0, which in 2.0.0 stands for the region's own ping-slot channels.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Self

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
from fuota_fec.wire.fields import U32_MAX, Fields, checked_fields, integer, octets, refused_field
from fuota_fec.wire.multicast_sessions import (
    TIME_TO_START_UNKNOWN,
    McClassBSessionAns,
    McClassBSessionReq,
    McClassCSessionAns,
    McClassCSessionReq,
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

_GROUPS_OF_MASK = tuple([group for group in range(4) if mask >> group & 1] for mask in range(16))
_STATUS_ITEM = struct.Struct("<BI")
_SETUP_REQ = struct.Struct("<BBI16sII")

for _command in (McClassBSessionAns, McClassBSessionReq, McClassCSessionAns, McClassCSessionReq):
    _command.__module__ = __name__  # The module of the package is where users and pickles find its commands.


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
    (McGroupStatusAns, 2, McGroupStatusAns.from_bytes, McGroupStatusAns.length),
    fixed(McGroupSetupAns, 2),
    fixed(McGroupDeleteAns, 2),
    (McClassCSessionAns, 2, McClassCSessionAns.from_bytes, McClassCSessionAns.length),
    (McClassBSessionAns, 2, McClassBSessionAns.from_bytes, McClassBSessionAns.length),
)

_UP_2 = _UP | table(
    (McClassCSessionAns, 2, McClassCSessionAns.from_bytes_2, McClassCSessionAns.length_2),
    (McClassBSessionAns, 2, McClassBSessionAns.from_bytes_2, McClassBSessionAns.length_2),
)

_TABLES: Tables = {"1.0.0": {False: _DOWN, True: _UP}, "2.0.0": {False: _DOWN, True: _UP_2}}


def decode(payload: Buffer, *, uplink: bool, version: str = "1.0.0") -> list[Command]:
    """Commands of a payload on the package's port; an empty payload gives [].

    An unknown CID ends the list as UnknownCommand. A command that is cut short or holds a value that is not allowed
    raises WireError, which carries the commands before it. An unknown version, or a payload that is not a buffer,
    raises ParameterError.
    """
    return decode_commands(payload, _TABLES, uplink, version)
