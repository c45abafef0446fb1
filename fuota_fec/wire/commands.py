"""What the four packages have in common: the command, the check of its fields, and the reading of a payload.

A payload is a row of commands, each a CID and its fields; nothing says how long a command is but its CID, the
direction and the version of the package. So every package keeps one table per version and direction, and a CID
that is not in it makes the rest of the payload unreadable. Multi-byte integers are little-endian; reserved bits
are written 0 and ignored on reading.

A command is checked when it is made, by the same rules whether a caller or a payload makes it: what decodes can
be encoded again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self, TypeAlias, TypeVar

from fuota_fec.errors import ParameterError, WireError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Command", "FieldError", "PackageVersionAns", "PackageVersionReq", "UnknownCommand"]

U32_MAX = 0xFFFFFFFF

T = TypeVar("T")


class FieldError(ParameterError):
    """A field of a command, or an argument, has a value that cannot go on the air. `field` is its name."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class Command:
    """One request or answer of a package, without reference to the payload it came from or goes into."""

    __slots__ = ()

    CID: ClassVar[int]

    def encode(self) -> bytes:
        """The command as it goes on the air, CID first. Commands follow each other in a payload without a gap."""
        raise NotImplementedError

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of encode: `data` starts with the CID and has the command's length."""
        raise NotImplementedError


class Layout(NamedTuple):
    """How long a command is, with its CID, and what reads it.

    At least `least` bytes; where that is not the whole length, `length(data, start)` gives it: the CID is at `start`,
    and `least` bytes are there to be looked at.
    """

    command: type[Command]
    least: int
    read: Callable[[bytes], Command]
    length: Callable[[bytes, int], int] | None = None


Table: TypeAlias = dict[int, Layout]
Tables: TypeAlias = Mapping[str, Mapping[bool, Table]]
"""version → is it an uplink → CID → layout"""


def fixed(command: type[Command], size: int) -> Layout:
    """The layout of a command that always has `size` bytes, with its CID."""
    return Layout(command, size, command.from_bytes)


def table(*layouts: Layout) -> Table:
    return {layout.command.CID: layout for layout in layouts}


def decode_commands(payload: Buffer, tables: Tables, *, uplink: bool, version: str) -> list[Command]:
    """The commands of `payload`, in order; the work and the errors are linear in its length."""
    if version not in tables:
        raise FieldError(f"version is {version!r}: expected {' or '.join(tables)}", field="version")
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
            message = f"{name} at byte {start} is cut short: expected {size} bytes with its CID, there are {left}"
            raise WireError(message, offset=start, field=name, commands=commands)
        try:
            commands.append(read(data[start : start + size]))
        except FieldError as error:
            message = f"{error} (command at byte {start})"
            raise WireError(message, offset=start, field=error.field, commands=commands) from None
        start += size
    return commands


def integer(command: object, field: str, low: int, high: int) -> None:
    """Refuse a field that is not an integer of low…high; make a foreign integer (NumPy's) a plain one."""
    value = getattr(command, field)
    if type(value) is not int:
        try:
            value = int(operator.index(value))
        except TypeError:
            raise _refused(command, field, f"an integer from {low} to {high}") from None
        object.__setattr__(command, field, value)
    if not low <= value <= high:
        raise _refused(command, field, f"an integer from {low} to {high}")


def flags(command: object, *fields: str) -> None:
    """Refuse fields that are neither true nor false; 0 and 1 are taken for these."""
    for field in fields:
        value = getattr(command, field)
        if type(value) is not bool:
            if value not in (0, 1):
                raise _refused(command, field, "a bool")
            object.__setattr__(command, field, bool(value))


def octets(command: object, field: str, least: int, most: int) -> None:
    """Refuse a field that is not least…most bytes; make another kind of buffer bytes."""
    value = getattr(command, field)
    expected = f"{least} bytes" if least == most else f"{least} to {most} bytes"
    if type(value) is not bytes:
        try:
            value = octets_of(value, field)
        except FieldError:
            raise _refused(command, field, expected) from None
        object.__setattr__(command, field, value)
    if not least <= len(value) <= most:
        message = f"{type(command).__name__}.{field} has {len(value)} bytes: expected {expected}"
        raise FieldError(message, field=field)


def octets_of(value: Buffer, field: str) -> bytes:
    """The bytes of any buffer. FieldError, which names `field` and not the value, for what is none."""
    return value if type(value) is bytes else _buffer(lambda: memoryview(value).tobytes(), value, field)


def view_of(value: Buffer, field: str) -> memoryview:
    """The bytes of a C-contiguous buffer, not copied. FieldError as `octets_of`."""
    return _buffer(lambda: memoryview(value).cast("B"), value, field)


def _buffer(take: Callable[[], T], value: object, field: str) -> T:
    try:
        return take()
    except (TypeError, ValueError, BufferError):  # no buffer, a released one, one that is not contiguous
        message = f"{field} is a {type(value).__name__}: expected bytes or another C-contiguous buffer"
        raise FieldError(message, field=field) from None


def _refused(command: object, field: str, expected: str) -> FieldError:
    message = f"{type(command).__name__}.{field} is {getattr(command, field)!r}: expected {expected}"
    return FieldError(message, field=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCommand(Command):
    """A CID that the package, version and direction do not know, and all that follows it in the payload."""

    cid: int
    payload: bytes = b""

    def __post_init__(self) -> None:
        integer(self, "cid", 0, 255)
        octets(self, "payload", 0, U32_MAX)

    def encode(self) -> bytes:
        return bytes((self.cid,)) + self.payload


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageVersionReq(Command):
    """Asks which package answers on this port, and in which version (every package, PackageVersionReq; down)."""

    CID: ClassVar[int] = 0x00

    def encode(self) -> bytes:
        return b"\x00"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - it has no fields
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageVersionAns(Command):
    """The package and its version (every package, PackageVersionAns; up).

    package_identifier: 1 clock synchronisation, 2 multicast setup, 3 fragmentation, 4 firmware management.
    package_version: 1 for x-1.0.0, 2 for x-2.0.0; a package's VERSIONS gives the text for the number.
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
