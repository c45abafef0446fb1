"""TS006, Firmware Management Protocol: commands of version 1.0.0, the only version.

Firmware and hardware versions are 32-bit numbers. The manufacturer defines their meaning; a server only compares
them.
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
from fuota_fec.wire.fields import U32_MAX, check_integer, checked_fields, integer, refused_field

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
_IMAGE_ANS = struct.Struct("<BBI")
_VERSIONS = struct.Struct("<BII")


@checked_fields
class DevVersionReq(Command):
    """Asks for the versions of the running firmware and of the hardware (TS006, DevVersionReq; down)."""

    CID: ClassVar[int] = 0x01

    def encode(self) -> bytes:
        return b"\x01"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - the command has no fields
        return cls()


@checked_fields
class DevVersionAns(Command):
    """Versions of firmware and hardware, 32 bits each (TS006, DevVersionAns; up).

    Some devices send it unasked after a reboot.
    """

    CID: ClassVar[int] = 0x01

    fw_version: int = integer(0, U32_MAX)
    hw_version: int = integer(0, U32_MAX)

    def encode(self) -> bytes:
        return _VERSIONS.pack(self.CID, self.fw_version, self.hw_version)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, fw_version, hw_version = _VERSIONS.unpack(data)
        return cls._known(fw_version=fw_version, hw_version=hw_version)


@checked_fields
class DevRebootTimeReq(Command):
    """Schedules a reboot (TS006, DevRebootTimeReq; down). A device keeps one reboot: the last request replaces it.

    reboot_time: GPS seconds modulo 2^32, or REBOOT_NOW, or CANCEL_REBOOT.
    """

    CID: ClassVar[int] = 0x02

    reboot_time: int = integer(0, U32_MAX)

    def encode(self) -> bytes:
        return _U32.pack(self.CID, self.reboot_time)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(reboot_time=_U32.unpack(data)[1])


@checked_fields
class DevRebootTimeAns(Command):
    """Time to the scheduled reboot (TS006, DevRebootTimeAns; up). Most devices do not answer REBOOT_NOW.

    reboot_time: seconds from the transmission of this answer to the reboot, 32 bits, not the time of day; 0: the
    device cannot reboot (the time is past, the clock is not set); CANCEL_REBOOT: cancelled.
    """

    CID: ClassVar[int] = 0x02

    reboot_time: int = integer(0, U32_MAX)

    def encode(self) -> bytes:
        return _U32.pack(self.CID, self.reboot_time)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(reboot_time=_U32.unpack(data)[1])


@checked_fields
class DevRebootCountdownReq(Command):
    """Schedules a reboot (TS006, DevRebootCountdownReq; down). A device keeps one reboot: the last request replaces it.

    countdown: seconds until the reboot, 24 bits, or REBOOT_NOW, or CANCEL_COUNTDOWN.
    """

    CID: ClassVar[int] = 0x03

    countdown: int = integer(0, CANCEL_COUNTDOWN)

    def encode(self) -> bytes:
        return _U32.pack(self.CID, self.countdown)[:4]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(countdown=int.from_bytes(data[1:4], "little"))


@checked_fields
class DevRebootCountdownAns(Command):
    """Time to the scheduled reboot (TS006, DevRebootCountdownAns; up). Most devices do not answer REBOOT_NOW.

    countdown: seconds until the reboot, 24 bits; 0: the device cannot reboot; CANCEL_COUNTDOWN: cancelled.
    """

    CID: ClassVar[int] = 0x03

    countdown: int = integer(0, CANCEL_COUNTDOWN)

    def encode(self) -> bytes:
        return _U32.pack(self.CID, self.countdown)[:4]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(countdown=int.from_bytes(data[1:4], "little"))


@checked_fields
class DevUpgradeImageReq(Command):
    """Asks for the state of the stored image (TS006, DevUpgradeImageReq; down). The request installs nothing."""

    CID: ClassVar[int] = 0x04

    def encode(self) -> bytes:
        return b"\x04"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:  # noqa: ARG003 - the command has no fields
        return cls()


@checked_fields
class DevUpgradeImageAns(Command):
    """State of the stored image (TS006, DevUpgradeImageAns; up).

    up_image_status: 0 none; 1 corrupt or wrongly signed; 2 for other hardware; 3 valid, used at the next reboot.
    next_firmware_version: 32 bits with status 3, None otherwise.
    """

    CID: ClassVar[int] = 0x04
    _BYTES = two_bytes(CID)

    up_image_status: int = integer(0, 3)
    next_firmware_version: int | None = None

    def __post_init__(self) -> None:
        if self.up_image_status == VALID_IMAGE:
            check_integer(self, "next_firmware_version", 0, U32_MAX)
        elif self.next_firmware_version is not None:
            raise refused_field(self, "next_firmware_version", f"None unless up_image_status is {VALID_IMAGE}")

    def encode(self) -> bytes:
        if self.next_firmware_version is None:
            return self._BYTES[self.up_image_status]
        return _IMAGE_ANS.pack(self.CID, self.up_image_status, self.next_firmware_version)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        status = data[1] & 3
        return cls._known(
            up_image_status=status,
            next_firmware_version=int.from_bytes(data[2:6], "little") if status == VALID_IMAGE else None,
        )

    @staticmethod
    def length(data: bytes, start: int) -> int:
        return 6 if data[start + 1] & 3 == VALID_IMAGE else 2


@checked_fields
class DevDeleteImageReq(Command):
    """Deletes the stored image (TS006, DevDeleteImageReq; down).

    firmware_to_delete_version: version of the stored image, 32 bits.
    """

    CID: ClassVar[int] = 0x05

    firmware_to_delete_version: int = integer(0, U32_MAX)

    def encode(self) -> bytes:
        return _U32.pack(self.CID, self.firmware_to_delete_version)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(firmware_to_delete_version=_U32.unpack(data)[1])


@checked_fields
class DevDeleteImageAns(Command):
    """Outcome of a DevDeleteImageReq (TS006, DevDeleteImageAns; up): deleted if no flag is set, else nothing changed.

    error_no_valid_image: no image is stored. error_invalid_version: the stored image has another version.
    """

    CID: ClassVar[int] = 0x05
    _BYTES = two_bytes(CID)

    error_no_valid_image: bool = False
    error_invalid_version: bool = False

    def encode(self) -> bytes:
        return self._BYTES[(self.error_invalid_version and 2) | self.error_no_valid_image]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(error_no_valid_image=data[1] & 1 != 0, error_invalid_version=data[1] & 2 != 0)


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
            (DevUpgradeImageAns, 2, DevUpgradeImageAns.from_bytes, DevUpgradeImageAns.length),
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
    return decode_commands(payload, _TABLES, uplink, version)
