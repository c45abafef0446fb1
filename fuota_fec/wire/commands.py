"""Basis of the four packages: the command, checks of its fields, and decoding of a payload.

A payload is a sequence of commands, each a CID and its fields. Only the CID, the direction and the package version
determine the length of a command. Every package therefore has one table per version and direction, and a CID that
is not in the table makes the rest of the payload unreadable. Multi-byte integers are little-endian; reserved bits
are written as 0 and ignored on reading.

The values of a command are checked when it is created, except for bits of a payload that cannot be out of range. The
rules are the same for a caller and for a payload, so every decoded command can be encoded again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

from fuota_fec.checks import shown
from fuota_fec.errors import WireError
from fuota_fec.wire.fields import U32_MAX, FieldError, Fields, checked_fields, integer, octets, octets_of, refused

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Command", "FieldError", "PackageVersionAns", "PackageVersionReq", "UnknownCommand"]


_VERSION_ANS = struct.Struct("<BBB")


class Command(Fields):
    """One request or answer of a package, independent of any payload."""

    __slots__ = ()

    CID: ClassVar[int]

    def encode(self) -> bytes:
        """Bytes of the command on the air, CID first. Commands follow each other in a payload without a gap."""
        raise NotImplementedError

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Inverse of encode: `data` starts with the CID and has the command's length."""
        raise NotImplementedError


Layout: TypeAlias = tuple[type[Command], int, Callable[[bytes], Command], Callable[[bytes, int], int] | None]
"""Command, its length in bytes with its CID, and the function that reads it. Where the length varies, it is the least
one, and the last item, `length(data, start)`, returns it: `start` is that of the CID, and the least length follows."""
Table: TypeAlias = dict[int, Layout]
Tables: TypeAlias = Mapping[str, Mapping[bool, Table]]
"""version → is it an uplink → CID → layout"""


def fixed(command: type[Command], size: int) -> Layout:
    """Layout of a command that always has `size` bytes, CID included."""
    return command, size, command.from_bytes, None


def table(*layouts: Layout) -> Table:
    """Layouts by their CID."""
    return {layout[0].CID: layout for layout in layouts}


@cache
def two_bytes(cid: int) -> tuple[bytes, ...]:
    """Bytes of the commands that have one byte after their CID, by that byte."""
    return tuple(bytes((cid, value)) for value in range(256))


def decode_commands(payload: Buffer, tables: Tables, uplink: bool, version: str) -> list[Command]:
    """Commands of `payload`, in order. Time and memory are linear in its length."""
    try:
        layouts = tables[version][bool(uplink)]
    except KeyError:
        raise refused("version", shown(version), " or ".join(tables), what="a version of this package") from None
    data = payload if type(payload) is bytes else octets_of(payload, "payload")
    commands: list[Command] = []
    start = 0
    end = len(data)
    while start < end:
        layout = layouts.get(data[start])
        if layout is None:
            commands.append(UnknownCommand._known(cid=data[start], payload=data[start + 1 :]))
            break
        command, size, read, length = layout
        left = end - start
        if length is not None and left >= size:
            size = length(data, start)
        if left < size:
            name = command.__name__
            found = f"the command at byte {start} is cut short"
            message = f"{name}: {found}, expected {size} bytes with its CID, there are {left}"
            raise WireError(message, offset=start, field=name, commands=commands)
        try:
            commands.append(read(data if size == end else data[start : start + size]))
        except FieldError as error:
            message = f"{error} (command at byte {start})"
            raise WireError(message, offset=start, field=error.field, commands=commands) from None
        start += size
    return commands


@checked_fields
class UnknownCommand(Command):
    """A CID that is not in the table of the package, version and direction, and the rest of the payload."""

    cid: int = integer(0, 255)
    payload: bytes = octets(0, U32_MAX, default=b"")

    def encode(self) -> bytes:
        return bytes((self.cid,)) + self.payload


@checked_fields
class PackageVersionReq(Command):
    """Asks for the package on this port and its version (every package, PackageVersionReq; down)."""

    CID: ClassVar[int] = 0x00

    def encode(self) -> bytes:
        return b"\x00"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - the command has no fields
        return cls()


@checked_fields
class PackageVersionAns(Command):
    """The package and its version (every package, PackageVersionAns; up).

    package_identifier: 1 clock synchronisation, 2 multicast setup, 3 fragmentation, 4 firmware management.
    package_version: 1 for x-1.0.0, 2 for x-2.0.0; VERSIONS of each package maps the number to the text.
    """

    CID: ClassVar[int] = 0x00

    package_identifier: int = integer(0, 255)
    package_version: int = integer(0, 255)

    def encode(self) -> bytes:
        return _VERSION_ANS.pack(self.CID, self.package_identifier, self.package_version)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(package_identifier=data[1], package_version=data[2])
