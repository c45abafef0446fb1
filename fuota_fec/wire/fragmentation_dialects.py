"""Commands of TS004 that have different bytes in the two dialects: status and setup of a session.

FragSessionStatusAns and FragSessionSetupReq have a field `version`, the dialect. `from_bytes` reads dialect 1.0.0, and
`from_bytes_2` reads 2.0.0.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Self

from fuota_fec.errors import ParameterError
from fuota_fec.wire.commands import Command, two_bytes
from fuota_fec.wire.dialects import DIALECTS, dialect_number
from fuota_fec.wire.fields import (
    Kind,
    check_integer,
    check_octets,
    checked_fields,
    integer,
    kind,
    octets,
    refused_field,
)
from fuota_fec.wire.limits import MAX_FRAG_NB, MAX_FRAG_SIZE

__all__ = [
    "MAX_MISSING_FRAG",
    "PACKAGE_IDENTIFIER",
    "FragSessionSetupAns",
    "FragSessionSetupReq",
    "FragSessionStatusAns",
]

PACKAGE_IDENTIFIER = 3

MAX_MISSING_FRAG = 255
"""Largest missing_frag of FragSessionStatusAns; it stands for 255 or more."""

_SETUP_REQ = struct.Struct("<BBHBBB4s")
_SETUP_REQ_END_2 = struct.Struct("<H4s")
_STATUS_ANS_1 = struct.Struct("<BHBB")
_STATUS_ANS_2 = struct.Struct("<BBHB")

_MEMORY_ERROR = 0x01
_MIC_ERROR = 0x02
_SESSION_DOES_NOT_EXIST = 0x04


def _check_dialect(command: object, field: str) -> None:
    try:
        dialect_number(getattr(command, field))
    except ParameterError:
        raise refused_field(command, field, " or ".join(map(repr, DIALECTS)), what="a TS004 dialect") from None


def _only_in(command: Command, dialect: str, *fields: str) -> None:
    """Refuses a value in fields of the other dialect."""
    for field in fields:
        value = getattr(command, field)
        if value is not None and value is not False:
            raise refused_field(command, field, f"no value unless version is {dialect!r}")


_DIALECT = Kind("type({0}) is str and {0} in ('1.0.0', '2.0.0')", _check_dialect)


@checked_fields
class FragSessionStatusAns(Command):
    """Status of a session (TS004, FragSessionStatusAns; up).

    version: the dialect. nb_frag_received: received fragments, 0…16383; uncoded, coded and repeated ones count.
    missing_frag: independent fragments still needed, 0…255; 255 stands for 255 or more.
    not_enough_matrix_memory (1.0.0) and memory_error (2.0.0): the device lost more fragments than it can solve for,
    and coded fragments do not help. mic_error (2.0.0): the block has another MIC; meaningful only when missing_frag
    is 0. session_does_not_exist (2.0.0): the three numbers are None. A flag of the other dialect is False.
    """

    CID: ClassVar[int] = 0x01
    _BYTES = two_bytes(CID)

    version: str = kind(_DIALECT, default="1.0.0")
    frag_index: int | None = None
    nb_frag_received: int | None = None
    missing_frag: int | None = None
    not_enough_matrix_memory: bool = False
    memory_error: bool = False
    mic_error: bool = False
    session_does_not_exist: bool = False

    def __post_init__(self) -> None:
        if self.version == "1.0.0":
            if self.memory_error or self.mic_error or self.session_does_not_exist:
                _only_in(self, "2.0.0", "memory_error", "mic_error", "session_does_not_exist")
        elif self.not_enough_matrix_memory:
            _only_in(self, "1.0.0", "not_enough_matrix_memory")
        if self.session_does_not_exist:
            for field in ("frag_index", "nb_frag_received", "missing_frag"):
                if getattr(self, field) is not None:
                    raise refused_field(self, field, "None with session_does_not_exist")
        else:
            check_integer(self, "frag_index", 0, 3)
            check_integer(self, "nb_frag_received", 0, MAX_FRAG_NB)
            check_integer(self, "missing_frag", 0, MAX_MISSING_FRAG)

    def encode(self) -> bytes:
        if self.frag_index is None or self.nb_frag_received is None or self.missing_frag is None:
            return self._BYTES[_SESSION_DOES_NOT_EXIST | (self.mic_error and _MIC_ERROR) | self.memory_error]
        received = self.frag_index << 14 | self.nb_frag_received
        if self.version == "1.0.0":
            return _STATUS_ANS_1.pack(self.CID, received, self.missing_frag, self.not_enough_matrix_memory)
        status = (self.mic_error and _MIC_ERROR) | self.memory_error
        return _STATUS_ANS_2.pack(self.CID, status, received, self.missing_frag)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        _, received, missing, status = _STATUS_ANS_1.unpack(data)
        return cls._known(
            frag_index=received >> 14,
            nb_frag_received=received & MAX_FRAG_NB,
            missing_frag=missing,
            not_enough_matrix_memory=status & 1 != 0,
        )

    @classmethod
    def from_bytes_2(cls, data: bytes) -> Self:
        status = data[1]
        memory_error = status & _MEMORY_ERROR != 0
        mic_error = status & _MIC_ERROR != 0
        if status & _SESSION_DOES_NOT_EXIST:
            return cls._known(
                version="2.0.0", memory_error=memory_error, mic_error=mic_error, session_does_not_exist=True
            )
        _, _, received, missing = _STATUS_ANS_2.unpack(data)
        return cls._known(
            version="2.0.0",
            frag_index=received >> 14,
            nb_frag_received=received & MAX_FRAG_NB,
            missing_frag=missing,
            memory_error=memory_error,
            mic_error=mic_error,
        )

    @staticmethod
    def length_2(data: bytes, start: int) -> int:
        """Length: 2 bytes with SessionDoesNotExist, otherwise 5.

        One device stack sends three stale bytes after SessionDoesNotExist. Three bytes at the end of a payload can be
        another answer only if they are this package's PackageVersionAns; otherwise they are skipped.
        """
        if not data[start + 1] & _SESSION_DOES_NOT_EXIST:
            return 5
        stale = len(data) - start == 5 and data[start + 2 : start + 4] != bytes((0, PACKAGE_IDENTIFIER))
        return 5 if stale else 2


@checked_fields
class FragSessionSetupReq(Command):
    """Opens a session (TS004, FragSessionSetupReq; down).

    version: the dialect. frag_index: session 0…3. mc_group_bit_mask: bit g allows fragments by multicast group g as
    well; 0 allows unicast only. nb_frag: uncoded fragments, 1…16383. frag_size: bytes of a fragment, 1…255. padding:
    zero bytes at the end of the last uncoded fragment. block_ack_delay: 0…7, answers are spread over
    2^(block_ack_delay + 4) seconds. frag_algo: only 0 is defined (1.0.0 calls the field FragmentationMatrix).
    descriptor: 4 bytes for the application, in the order on the air.
    Dialect 2.0.0 requires session_cnt and mic, which 1.0.0 does not have. session_cnt: 0…65535, larger for each new
    session of a device and frag_index. mic: 4 bytes, see keys.data_block_mic. ack_reception, 2.0.0 only: the device
    reports the complete block unasked.
    """

    CID: ClassVar[int] = 0x02

    version: str = kind(_DIALECT, default="1.0.0")
    frag_index: int = integer(0, 3)
    mc_group_bit_mask: int = integer(0, 15)
    nb_frag: int = integer(1, MAX_FRAG_NB)
    frag_size: int = integer(1, MAX_FRAG_SIZE)
    block_ack_delay: int = integer(0, 7)
    padding: int = integer(0, 255)
    descriptor: bytes = octets(4, 4)
    frag_algo: int = integer(0, 7, default=0)
    ack_reception: bool = False
    session_cnt: int | None = None
    mic: bytes | None = None

    def __post_init__(self) -> None:
        if self.version == "1.0.0":
            if self.ack_reception or self.session_cnt is not None or self.mic is not None:
                _only_in(self, "2.0.0", "ack_reception", "session_cnt", "mic")
        else:
            check_integer(self, "session_cnt", 0, 0xFFFF)
            check_octets(self, "mic", 4, 4)

    def encode(self) -> bytes:
        head = _SETUP_REQ.pack(
            self.CID,
            self.frag_index << 4 | self.mc_group_bit_mask,
            self.nb_frag,
            self.frag_size,
            (self.ack_reception and 0x40) | self.frag_algo << 3 | self.block_ack_delay,
            self.padding,
            self.descriptor,
        )
        return head if self.version == "1.0.0" else head + _SETUP_REQ_END_2.pack(self.session_cnt, self.mic)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._from_bytes("1.0.0", data, None, None)

    @classmethod
    def from_bytes_2(cls, data: bytes) -> Self:
        return cls._from_bytes("2.0.0", data[:11], *_SETUP_REQ_END_2.unpack_from(data, 11))

    @classmethod
    def _from_bytes(cls, version: str, data: bytes, session_cnt: int | None, mic: bytes | None) -> Self:
        _, session, nb_frag, frag_size, control, padding, descriptor = _SETUP_REQ.unpack(data)
        return (cls._known if 0 < nb_frag <= MAX_FRAG_NB and frag_size else cls)(
            version=version,
            frag_index=session >> 4 & 3,
            mc_group_bit_mask=session & 15,
            nb_frag=nb_frag,
            frag_size=frag_size,
            block_ack_delay=control & 7,
            padding=padding,
            descriptor=descriptor,
            frag_algo=control >> 3 & 7,
            ack_reception=control & 0x40 != 0 and mic is not None,
            session_cnt=session_cnt,
            mic=mic,
        )


@checked_fields
class FragSessionSetupAns(Command):
    """Outcome of a FragSessionSetupReq (TS004, FragSessionSetupAns; up): the session is open if no flag is set.

    frag_index: session 0…3. frag_algo_unsupported: 1.0.0 calls it EncodingUnsupported. session_cnt_replay, 2.0.0
    only: session_cnt is not larger than in the last session. After a repeated setup, session_cnt_replay means that
    the session is already open.
    """

    CID: ClassVar[int] = 0x02
    _BYTES = two_bytes(CID)

    frag_index: int = integer(0, 3)
    frag_algo_unsupported: bool = False
    not_enough_memory: bool = False
    frag_index_unsupported: bool = False
    wrong_descriptor: bool = False
    session_cnt_replay: bool = False

    def encode(self) -> bytes:
        return self._BYTES[
            self.frag_index << 6
            | (self.session_cnt_replay and 16)
            | (self.wrong_descriptor and 8)
            | (self.frag_index_unsupported and 4)
            | (self.not_enough_memory and 2)
            | self.frag_algo_unsupported
        ]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls._from_status(data[1] & 0xCF)

    @classmethod
    def from_bytes_2(cls, data: bytes) -> Self:
        return cls._from_status(data[1])

    @classmethod
    def _from_status(cls, status: int) -> Self:
        return cls._known(
            frag_index=status >> 6,
            frag_algo_unsupported=status & 1 != 0,
            not_enough_memory=status & 2 != 0,
            frag_index_unsupported=status & 4 != 0,
            wrong_descriptor=status & 8 != 0,
            session_cnt_replay=status & 16 != 0,
        )
