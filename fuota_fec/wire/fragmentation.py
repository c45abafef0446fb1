"""TS004, Fragmented Data Block Transport: commands of both dialects, 1.0.0 and 2.0.0.

Status and setup of a session have different bytes in the two dialects (`fragmentation_dialects`). The commands here are
the same in both, or exist in 2.0.0 only. The dialects also have different parity rows. PackageVersionReq asks a
device for its dialect; the dialect is never guessed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Self

from fuota_fec.errors import ParameterError
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
from fuota_fec.wire.dialects import DIALECTS, one_dialect
from fuota_fec.wire.fields import FieldError, checked_fields, integer, octets
from fuota_fec.wire.fragmentation_dialects import (
    MAX_MISSING_FRAG,
    PACKAGE_IDENTIFIER,
    FragSessionSetupAns,
    FragSessionSetupReq,
    FragSessionStatusAns,
)
from fuota_fec.wire.limits import DATA_FRAGMENT_CID, DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_NB, MAX_FRAG_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

__all__ = [
    "MAX_FRAG_NB",
    "MAX_FRAG_SIZE",
    "MAX_MISSING_FRAG",
    "PACKAGE_IDENTIFIER",
    "PORT",
    "VERSIONS",
    "Command",
    "DataFragment",
    "FragDataBlockReceivedAns",
    "FragDataBlockReceivedReq",
    "FragSessionDeleteAns",
    "FragSessionDeleteReq",
    "FragSessionSetupAns",
    "FragSessionSetupReq",
    "FragSessionStatusAns",
    "FragSessionStatusReq",
    "PackageVersionAns",
    "PackageVersionReq",
    "UnknownCommand",
    "decode",
]

PORT = 201
"""Default FPort. The specification recommends it; a deployment may use another one."""

VERSIONS: Mapping[int, str] = {number: dialect for dialect, number in DIALECTS.items()}
"""PackageVersion in a device's answer → dialect."""

_DATA_FRAGMENT_HEADER = struct.Struct("<BH")

for _command in (FragSessionSetupAns, FragSessionSetupReq, FragSessionStatusAns):
    _command.__module__ = __name__  # The module of the package is where users and pickles find its commands.


@checked_fields
class FragSessionStatusReq(Command):
    """Asks for the status of a session (TS004, FragSessionStatusReq; down, may be multicast).

    frag_index: session 0…3. participants: True, every device of the session answers; False, only devices without the
    complete block answer. Answers are spread over 2^(block_ack_delay + 4) seconds.
    """

    CID: ClassVar[int] = 0x01
    _BYTES = two_bytes(CID)

    frag_index: int = integer(0, 3)
    participants: bool

    def encode(self) -> bytes:
        return self._BYTES[self.frag_index << 1 | self.participants]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(frag_index=data[1] >> 1 & 3, participants=data[1] & 1 != 0)


@checked_fields
class FragSessionDeleteReq(Command):
    """Closes a session (TS004, FragSessionDeleteReq; down). frag_index: session 0…3."""

    CID: ClassVar[int] = 0x03
    _BYTES = two_bytes(CID)

    frag_index: int = integer(0, 3)

    def encode(self) -> bytes:
        return self._BYTES[self.frag_index]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(frag_index=data[1] & 3)


@checked_fields
class FragSessionDeleteAns(Command):
    """Outcome of a FragSessionDeleteReq (TS004, FragSessionDeleteAns; up). frag_index: session 0…3."""

    CID: ClassVar[int] = 0x03
    _BYTES = two_bytes(CID)

    frag_index: int = integer(0, 3)
    session_does_not_exist: bool = False

    def encode(self) -> bytes:
        return self._BYTES[(self.session_does_not_exist and 4) | self.frag_index]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(frag_index=data[1] & 3, session_does_not_exist=data[1] & 4 != 0)


@checked_fields
class FragDataBlockReceivedReq(Command):
    """A device reports the complete block (TS004-2.0.0, FragDataBlockReceivedReq; up, although it is a request).

    Sent after a setup with ack_reception, and repeated until the answer arrives. frag_index: session 0…3.
    mic_error: the MIC of the block differs from the MIC in the setup.
    """

    CID: ClassVar[int] = 0x04
    _BYTES = two_bytes(CID)

    frag_index: int = integer(0, 3)
    mic_error: bool = False

    def encode(self) -> bytes:
        return self._BYTES[(self.mic_error and 4) | self.frag_index]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(frag_index=data[1] & 3, mic_error=data[1] & 4 != 0)


@checked_fields
class FragDataBlockReceivedAns(Command):
    """Acknowledges FragDataBlockReceivedReq (TS004-2.0.0, FragDataBlockReceivedAns; down). frag_index: session 0…3."""

    CID: ClassVar[int] = 0x04
    _BYTES = two_bytes(CID)

    frag_index: int = integer(0, 3)

    def encode(self) -> bytes:
        return self._BYTES[self.frag_index]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._known(frag_index=data[1] & 3)


@checked_fields
class DataFragment(Command):
    """One fragment (TS004, DataFragment; down, may be multicast), alone in its frame. Devices do not answer.

    frag_index: session 0…3. n: fragment number, uncoded from 1 to nb_frag, coded from there to 16383; 0 is never sent.
    payload: the fragment, frag_size bytes; on the air it extends to the end of the frame.
    """

    CID: ClassVar[int] = DATA_FRAGMENT_CID

    frag_index: int = integer(0, 3)
    n: int = integer(1, MAX_FRAG_NB)
    payload: bytes = octets(1, MAX_FRAG_SIZE)

    def encode(self) -> bytes:
        return _DATA_FRAGMENT_HEADER.pack(self.CID, self.frag_index << 14 | self.n) + self.payload

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        index_and_n = data[1] | data[2] << 8
        payload = data[DATA_FRAGMENT_HEADER_LEN:]
        known = index_and_n & MAX_FRAG_NB and 0 < len(payload) <= MAX_FRAG_SIZE
        return (cls._known if known else cls)(
            frag_index=index_and_n >> 14, n=index_and_n & MAX_FRAG_NB, payload=payload
        )

    @staticmethod
    def length(data: bytes, start: int) -> int:
        return len(data) - start


_DATA_FRAGMENT_LAYOUT = (DataFragment, DATA_FRAGMENT_HEADER_LEN + 1, DataFragment.from_bytes, DataFragment.length)

_TABLES: Tables = {
    "1.0.0": {
        False: table(
            fixed(PackageVersionReq, 1),
            fixed(FragSessionStatusReq, 2),
            fixed(FragSessionSetupReq, 11),
            fixed(FragSessionDeleteReq, 2),
            _DATA_FRAGMENT_LAYOUT,
        ),
        True: table(
            fixed(PackageVersionAns, 3),
            fixed(FragSessionStatusAns, 5),
            fixed(FragSessionSetupAns, 2),
            fixed(FragSessionDeleteAns, 2),
        ),
    },
    "2.0.0": {
        False: table(
            fixed(PackageVersionReq, 1),
            fixed(FragSessionStatusReq, 2),
            (FragSessionSetupReq, 17, FragSessionSetupReq.from_bytes_2, None),
            fixed(FragSessionDeleteReq, 2),
            fixed(FragDataBlockReceivedAns, 2),
            _DATA_FRAGMENT_LAYOUT,
        ),
        True: table(
            fixed(PackageVersionAns, 3),
            (FragSessionStatusAns, 2, FragSessionStatusAns.from_bytes_2, FragSessionStatusAns.length_2),
            (FragSessionSetupAns, 2, FragSessionSetupAns.from_bytes_2, None),
            fixed(FragSessionDeleteAns, 2),
            fixed(FragDataBlockReceivedReq, 2),
        ),
    },
}


def decode(payload: Buffer, *, uplink: bool, dialect: str | None = None, version: str | None = None) -> list[Command]:
    """Commands of a payload on the package's port; an empty payload gives [].

    `dialect` is "1.0.0", the default, or "2.0.0"; `version` is another name for it. An unknown CID ends the list as
    UnknownCommand. A command that is cut short or holds a value that is not allowed raises WireError, which carries
    the commands before it. An unknown dialect, or a payload that is not a buffer, raises ParameterError.
    """
    try:
        spoken = one_dialect(dialect, version)
    except ParameterError as error:
        raise FieldError(str(error), field="dialect") from None
    return decode_commands(payload, _TABLES, uplink, spoken)
