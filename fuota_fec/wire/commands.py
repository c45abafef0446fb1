"""Basis of the four packages: the command, checks of its fields, and decoding of a payload.

A payload is a sequence of commands, each a CID and its fields. Only the CID, the direction and the package version
determine the length of a command. Every package therefore has one table per version and direction, and a CID that
is not in the table makes the rest of the payload unreadable. Multi-byte integers are little-endian; reserved bits
are written as 0 and ignored on reading.

A command is checked when it is created. The rules are the same for a caller and for a payload, so every decoded
command can be encoded again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self, TypeAlias, TypeVar

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError, WireError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Command", "FieldError", "PackageVersionAns", "PackageVersionReq", "UnknownCommand"]

U32_MAX = 0xFFFFFFFF

T = TypeVar("T")


class FieldError(ParameterError):
    """The value of a command's field, or of an argument, cannot go on the air. `field` is the name of either."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class Command:
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


class Layout(NamedTuple):
    """Length of a command in bytes, CID included, and the function that reads it.

    `least` is the smallest length. Where the length varies, `length(data, start)` returns it: the CID is at `start`,
    and at least `least` bytes follow from there.
    """

    command: type[Command]
    least: int
    read: Callable[[bytes], Command]
    length: Callable[[bytes, int], int] | None = None


Table: TypeAlias = dict[int, Layout]
Tables: TypeAlias = Mapping[str, Mapping[bool, Table]]
"""version → is it an uplink → CID → layout"""


def fixed(command: type[Command], size: int) -> Layout:
    """Layout of a command that always has `size` bytes, CID included."""
    return Layout(command, size, command.from_bytes)


def table(*layouts: Layout) -> Table:
    """Layouts by their CID."""
    return {layout.command.CID: layout for layout in layouts}


def decode_commands(payload: Buffer, tables: Tables, *, uplink: bool, version: str) -> list[Command]:
    """Commands of `payload`, in order. Time and memory are linear in its length."""
    if version not in tables:
        raise refused("version", shown(version), " or ".join(tables), what="a version of this package")
    layouts = tables[version][bool(uplink)]
    data = octets_of(payload, "payload")
    commands: list[Command] = []
    start = 0
    end = len(data)
    while start < end:
        layout = layouts.get(data[start])
        if layout is None:
            commands.append(UnknownCommand(cid=data[start], payload=data[start + 1 :]))
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
            commands.append(read(data[start : start + size]))
        except FieldError as error:
            message = f"{error} (command at byte {start})"
            raise WireError(message, offset=start, field=error.field, commands=commands) from None
        start += size
    return commands


def integer(command: object, field: str, low: int, high: int) -> None:
    """Refuses a field that is not an integer from low to high. Replaces an integer of another type by an int."""
    value = getattr(command, field)
    if type(value) is not int:
        try:
            value = int(operator.index(value))
        except TypeError:
            raise refused_field(command, field, f"an integer from {low} to {high}") from None
        object.__setattr__(command, field, value)
    if not low <= value <= high:
        raise refused_field(command, field, f"an integer from {low} to {high}")


def flags(command: object, *fields: str) -> None:
    """Refuses fields that are not bools. Replaces 0 and 1 by False and True."""
    for field in fields:
        value = getattr(command, field)
        if type(value) is not bool:
            if value not in (0, 1):
                raise refused_field(command, field, "a bool")
            object.__setattr__(command, field, bool(value))


def octets(command: object, field: str, least: int, most: int) -> None:
    """Refuses a field that is not a buffer of least to most bytes. Replaces another kind of buffer by bytes."""
    value = getattr(command, field)
    expected = f"{least} bytes" if least == most else f"{least} to {most} bytes"
    if type(value) is not bytes:
        try:
            value = octets_of(value, field)
        except FieldError:
            raise refused_field(command, field, expected) from None
        object.__setattr__(command, field, value)
    if not least <= len(value) <= most:
        raise refused_field(command, field, expected, text=f"a length of {len(value)}")


def octets_of(value: Buffer, field: str) -> bytes:
    """Bytes of any buffer. FieldError for another type; its message names `field` and the type, never the value."""
    return value if type(value) is bytes else _buffer(lambda: memoryview(value).tobytes(), value, field)


def view_of(value: Buffer, field: str) -> memoryview:
    """Bytes of a C-contiguous buffer, not copied. FieldError as in `octets_of`."""
    return _buffer(lambda: memoryview(value).cast("B"), value, field)


def _buffer(take: Callable[[], T], value: object, field: str) -> T:
    try:
        return take()
    except (TypeError, ValueError, BufferError):  # no buffer, a released one, one that is not contiguous
        kind = f"a value of type {type(value).__name__}"
        raise refused(field, kind, "bytes or another C-contiguous buffer") from None


def refused(name: str, text: str, expected: str, *, what: str = "allowed", field: str | None = None) -> FieldError:
    """FieldError for `text`, a value as it may be shown; `name` is also the error's `field` unless that is given."""
    return FieldError(f"{name}: {text} is not {what}, expected {expected}", field=name if field is None else field)


def refused_field(
    command: object, field: str, expected: str, *, what: str = "allowed", text: str | None = None
) -> FieldError:
    """FieldError for a field of a command. The message shows the field's value, or `text` instead of it."""
    value = shown(getattr(command, field)) if text is None else text
    return refused(f"{type(command).__name__}.{field}", value, expected, what=what, field=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCommand(Command):
    """A CID that is not in the table of the package, version and direction, and the rest of the payload."""

    cid: int
    payload: bytes = b""

    def __post_init__(self) -> None:
        integer(self, "cid", 0, 255)
        octets(self, "payload", 0, U32_MAX)

    def encode(self) -> bytes:
        return bytes((self.cid,)) + self.payload


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageVersionReq(Command):
    """Asks for the package on this port and its version (every package, PackageVersionReq; down)."""

    CID: ClassVar[int] = 0x00

    def encode(self) -> bytes:
        return b"\x00"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - the command has no fields
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageVersionAns(Command):
    """The package and its version (every package, PackageVersionAns; up).

    package_identifier: 1 clock synchronisation, 2 multicast setup, 3 fragmentation, 4 firmware management.
    package_version: 1 for x-1.0.0, 2 for x-2.0.0; VERSIONS of each package maps the number to the text.
    """

    CID: ClassVar[int] = 0x00

    package_identifier: int
    package_version: int

    def __post_init__(self) -> None:
        integer(self, "package_identifier", 0, 255)
        integer(self, "package_version", 0, 255)

    def encode(self) -> bytes:
        return bytes((self.CID, self.package_identifier, self.package_version))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(package_identifier=data[1], package_version=data[2])
