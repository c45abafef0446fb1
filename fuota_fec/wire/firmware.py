"""TS006, Firmware Management Protocol: commands of version 1.0.0, the only version.

Firmware and hardware versions are 32-bit numbers. The manufacturer defines their meaning; a server only compares
them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from fuota_fec.wire.commands import (
    U32_MAX,
    Command,
    Layout,
    PackageVersionAns,
    PackageVersionReq,
    Tables,
    UnknownCommand,
    decode_commands,
    fixed,
    flags,
    integer,
    refused_field,
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
"""Default FPort. The specification recommends it; a deployment may use another one."""

PACKAGE_IDENTIFIER = 4

VERSIONS: Mapping[int, str] = {1: "1.0.0"}
"""PackageVersion in a device's answer → name of the version."""

REBOOT_NOW = 0
"""reboot_time or countdown of a request: as soon as possible. In an answer the same number means "cannot reboot"."""

CANCEL_REBOOT = 0xFFFFFFFF
"""reboot_time that cancels the planned reboot; in the answer, it acknowledges the cancellation."""

CANCEL_COUNTDOWN = 0xFFFFFF
"""countdown that cancels the planned reboot; in the answer, it acknowledges the cancellation."""

VALID_IMAGE = 3
"""The one up_image_status with a next_firmware_version."""

_U32 = struct.Struct("<BI")
_VERSIONS = struct.Struct("<BII")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevVersionReq(Command):
    """Asks for the versions of the running firmware and of the hardware (TS006, DevVersionReq; down)."""

    CID: ClassVar[int] = 0x01

    def encode(self) -> bytes:
        return bytes((self.CID,))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - the command has no fields
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class DevVersionAns(Command):
    """Versions of firmware and hardware, 32 bits each (TS006, DevVersionAns; up).

    Some devices send it unasked after a reboot.
    """

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
    """Schedules a reboot (TS006, DevRebootTimeReq; down). A device keeps one reboot: the last request replaces it.

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
    """Time to the scheduled reboot (TS006, DevRebootTimeAns; up). Most devices do not answer REBOOT_NOW.

    reboot_time: seconds from the transmission of this answer to the reboot, 32 bits, not the time of day; 0: the
    device cannot reboot (the time is past, the clock is not set); CANCEL_REBOOT: cancelled.
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
    """Schedules a reboot (TS006, DevRebootCountdownReq; down). A device keeps one reboot: the last request replaces it.

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
    """Time to the scheduled reboot (TS006, DevRebootCountdownAns; up). Most devices do not answer REBOOT_NOW.

    countdown: seconds until the reboot, 24 bits; 0: the device cannot reboot; CANCEL_COUNTDOWN: cancelled.
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
    """Asks for the state of the stored image (TS006, DevUpgradeImageReq; down). The request installs nothing."""

    CID: ClassVar[int] = 0x04

    def encode(self) -> bytes:
        return bytes((self.CID,))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - the command has no fields
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class DevUpgradeImageAns(Command):
    """State of the stored image (TS006, DevUpgradeImageAns; up).

    up_image_status: 0 none; 1 corrupt or wrongly signed; 2 for other hardware; 3 valid, used at the next reboot.
    next_firmware_version: 32 bits with status 3, None otherwise.
    """

    CID: ClassVar[int] = 0x04

    up_image_status: int
    next_firmware_version: int | None = None

    def __post_init__(self) -> None:
        integer(self, "up_image_status", 0, 3)
        if self.up_image_status == VALID_IMAGE:
            integer(self, "next_firmware_version", 0, U32_MAX)
        elif self.next_firmware_version is not None:
            raise refused_field(self, "next_firmware_version", f"None unless up_image_status is {VALID_IMAGE}")

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
    """Deletes the stored image (TS006, DevDeleteImageReq; down).

    firmware_to_delete_version: version of the stored image, 32 bits.
    """

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
    """Outcome of a DevDeleteImageReq (TS006, DevDeleteImageAns; up): deleted if no flag is set, else nothing changed.

    error_no_valid_image: no image is stored. error_invalid_version: the stored image has another version.
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
    """Commands of a payload on the package's port; an empty payload gives [].

    An unknown CID ends the list as UnknownCommand. A command that is cut short or holds a value that is not allowed
    raises WireError, which carries the commands before it. An unknown version, or a payload that is not a buffer,
    raises ParameterError.
    """
    return decode_commands(payload, _TABLES, uplink=uplink, version=version)
