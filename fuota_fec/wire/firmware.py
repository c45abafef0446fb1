"""TS006, Firmware Management Protocol: its commands in version 1.0.0, the only one.

Firmware and hardware versions are four bytes whose meaning is the manufacturer's. They are kept as the number that
they are on the air; a server only compares them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from fuota_fec.wire.commands import (
    U32_MAX,
    Command,
    FieldError,
    Layout,
    PackageVersionAns,
    PackageVersionReq,
    Tables,
    UnknownCommand,
    decode_commands,
    fixed,
    flags,
    integer,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

__all__ = [
    "CANCEL_COUNTDOWN",
    "CANCEL_REBOOT",
    "PACKAGE_IDENTIFIER",
    "PORT",
    "REBOOT_NOW",
    "VALID_IMAGE",
    "VERSIONS",
    "Command",
    "DevDeleteImageAns",
    "DevDeleteImageReq",
    "DevRebootCountdownAns",
    "DevRebootCountdownReq",
    "DevRebootTimeAns",
    "DevRebootTimeReq",
    "DevUpgradeImageAns",
    "DevUpgradeImageReq",
    "DevVersionAns",
    "DevVersionReq",
    "PackageVersionAns",
    "PackageVersionReq",
    "UnknownCommand",
    "decode",
]

PORT = 203
"""Default FPort: a recommendation, a deployment may use another."""

PACKAGE_IDENTIFIER = 4

VERSIONS: Mapping[int, str] = {1: "1.0.0"}
"""PackageVersion, as a device answers it, to the version's name here."""

REBOOT_NOW = 0
"""As reboot_time or countdown of a request: as soon as possible. In an answer the same number means "cannot"."""

CANCEL_REBOOT = 0xFFFFFFFF
"""As reboot_time: cancels the planned reboot; in the answer, acknowledges that."""

CANCEL_COUNTDOWN = 0xFFFFFF
"""As countdown: cancels the planned reboot; in the answer, acknowledges that."""

VALID_IMAGE = 3
"""The up_image_status that comes with next_firmware_version."""

_U32 = struct.Struct("<BI")
_VERSIONS = struct.Struct("<BII")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevVersionReq(Command):
    """Asks for the running firmware's and the hardware's version (TS006, DevVersionReq; down)."""

    CID: ClassVar[int] = 0x01

    def encode(self) -> bytes:
        return bytes((self.CID,))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - it has no fields
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class DevVersionAns(Command):
    """The versions, 32 bits each (TS006, DevVersionAns; up). Some devices volunteer it after a reboot."""

    CID: ClassVar[int] = 0x01

    fw_version: int
    hw_version: int

    def __post_init__(self) -> None:
        integer(self, "fw_version", 0, U32_MAX)
        integer(self, "hw_version", 0, U32_MAX)

    def encode(self) -> bytes:
        return _VERSIONS.pack(self.CID, self.fw_version, self.hw_version)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, fw_version, hw_version = _VERSIONS.unpack(data)
        return cls(fw_version=fw_version, hw_version=hw_version)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevRebootTimeReq(Command):
    """Plans a reboot (TS006, DevRebootTimeReq; down). There is one planned reboot: the last request wins.

    reboot_time: GPS seconds modulo 2^32, or REBOOT_NOW, or CANCEL_REBOOT.
    """

    CID: ClassVar[int] = 0x02

    reboot_time: int

    def __post_init__(self) -> None:
        integer(self, "reboot_time", 0, U32_MAX)

    def encode(self) -> bytes:
        return _U32.pack(self.CID, self.reboot_time)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(reboot_time=_U32.unpack(data)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class DevRebootTimeAns(Command):
    """When the device will reboot (TS006, DevRebootTimeAns; up). None comes, as a rule, before a reboot at once.

    reboot_time: seconds from the sending of this answer, 32 bits, not the time of day; 0: it cannot (the time is
    past, the clock is not set); CANCEL_REBOOT: cancelled.
    """

    CID: ClassVar[int] = 0x02

    reboot_time: int

    def __post_init__(self) -> None:
        integer(self, "reboot_time", 0, U32_MAX)

    def encode(self) -> bytes:
        return _U32.pack(self.CID, self.reboot_time)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(reboot_time=_U32.unpack(data)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class DevRebootCountdownReq(Command):
    """Plans a reboot (TS006, DevRebootCountdownReq; down). There is one planned reboot: the last request wins.

    countdown: seconds until the reboot, 24 bits, or REBOOT_NOW, or CANCEL_COUNTDOWN.
    """

    CID: ClassVar[int] = 0x03

    countdown: int

    def __post_init__(self) -> None:
        integer(self, "countdown", 0, CANCEL_COUNTDOWN)

    def encode(self) -> bytes:
        return bytes((self.CID,)) + self.countdown.to_bytes(3, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(countdown=int.from_bytes(data[1:], "little"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DevRebootCountdownAns(Command):
    """When the device will reboot (TS006, DevRebootCountdownAns; up). None comes, as a rule, before a reboot at once.

    countdown: seconds until the reboot, 24 bits; 0: it cannot; CANCEL_COUNTDOWN: cancelled.
    """

    CID: ClassVar[int] = 0x03

    countdown: int

    def __post_init__(self) -> None:
        integer(self, "countdown", 0, CANCEL_COUNTDOWN)

    def encode(self) -> bytes:
        return bytes((self.CID,)) + self.countdown.to_bytes(3, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(countdown=int.from_bytes(data[1:], "little"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DevUpgradeImageReq(Command):
    """Asks what new image the device holds (TS006, DevUpgradeImageReq; down). It installs nothing."""

    CID: ClassVar[int] = 0x04

    def encode(self) -> bytes:
        return bytes((self.CID,))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - it has no fields
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class DevUpgradeImageAns(Command):
    """What new image the device holds (TS006, DevUpgradeImageAns; up).

    up_image_status: 0 none; 1 corrupt or wrongly signed; 2 for other hardware; 3 valid, used at the next reboot.
    next_firmware_version: 32 bits with status 3, None with any other.
    """

    CID: ClassVar[int] = 0x04

    up_image_status: int
    next_firmware_version: int | None = None

    def __post_init__(self) -> None:
        integer(self, "up_image_status", 0, 3)
        if self.up_image_status == VALID_IMAGE:
            integer(self, "next_firmware_version", 0, U32_MAX)
        elif self.next_firmware_version is not None:
            value = self.next_firmware_version
            message = f"DevUpgradeImageAns.next_firmware_version is {value}: expected None unless up_image_status is 3"
            raise FieldError(message, field="next_firmware_version")

    def encode(self) -> bytes:
        head = bytes((self.CID, self.up_image_status))
        return head if self.next_firmware_version is None else head + self.next_firmware_version.to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        status = data[1] & 3
        return cls(
            up_image_status=status,
            next_firmware_version=int.from_bytes(data[2:], "little") if status == VALID_IMAGE else None,
        )

    @staticmethod
    def length(data: bytes, start: int) -> int:
        return 6 if data[start + 1] & 3 == VALID_IMAGE else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DevDeleteImageReq(Command):
    """Deletes a stored image (TS006, DevDeleteImageReq; down). firmware_to_delete_version: its version, 32 bits."""

    CID: ClassVar[int] = 0x05

    firmware_to_delete_version: int

    def __post_init__(self) -> None:
        integer(self, "firmware_to_delete_version", 0, U32_MAX)

    def encode(self) -> bytes:
        return _U32.pack(self.CID, self.firmware_to_delete_version)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(firmware_to_delete_version=_U32.unpack(data)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class DevDeleteImageAns(Command):
    """Whether an image was deleted (TS006, DevDeleteImageAns; up): it was if no flag is set, else nothing changed.

    error_no_valid_image: there is none. error_invalid_version: the stored image has another version.
    """

    CID: ClassVar[int] = 0x05

    error_no_valid_image: bool = False
    error_invalid_version: bool = False

    def __post_init__(self) -> None:
        flags(self, "error_no_valid_image", "error_invalid_version")

    def encode(self) -> bytes:
        return bytes((self.CID, self.error_invalid_version << 1 | self.error_no_valid_image))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(error_no_valid_image=bool(data[1] & 1), error_invalid_version=bool(data[1] & 2))


_TABLES: Tables = {
    "1.0.0": {
        False: table(
            fixed(PackageVersionReq, 1),
            fixed(DevVersionReq, 1),
            fixed(DevRebootTimeReq, 5),
            fixed(DevRebootCountdownReq, 4),
            fixed(DevUpgradeImageReq, 1),
            fixed(DevDeleteImageReq, 5),
        ),
        True: table(
            fixed(PackageVersionAns, 3),
            fixed(DevVersionAns, 9),
            fixed(DevRebootTimeAns, 5),
            fixed(DevRebootCountdownAns, 4),
            Layout(DevUpgradeImageAns, 2, DevUpgradeImageAns.from_bytes, DevUpgradeImageAns.length),
            fixed(DevDeleteImageAns, 2),
        ),
    },
}


def decode(payload: Buffer, *, uplink: bool, version: str = "1.0.0") -> list[Command]:
    """The commands of a payload on the package's port; [] for an empty one.

    A CID that is not known ends the list as UnknownCommand. A command that is cut short or holds a value that is not
    allowed raises WireError, which carries the commands before it. An unknown version, or
    a payload that is no buffer, raises ParameterError.
    """
    return decode_commands(payload, _TABLES, uplink=uplink, version=version)
