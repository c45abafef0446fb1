"""Keys of multicast groups and of data blocks; encryption and MICs with them.

AES-128 and CMAC come from the package `cryptography`, which is loaded by the first call of one of these functions.
Clauses: TS005 for the multicast keys, TS004-2.0.0 for the data block MIC, LoRaWAN 1.0.x for the frame.
"""

from __future__ import annotations

import hmac
import operator
import struct
from typing import TYPE_CHECKING, NoReturn, cast

from fuota_fec.checks import shown
from fuota_fec.errors import MissingExtraError
from fuota_fec.wire.fields import U32_MAX, FieldError, octets_of, refused, view_of
from fuota_fec.wire.limits import MAX_FRAG_SIZE, MAX_FRAGS
from fuota_fec.wire.lorawan import MAX_APP_PAYLOAD_LEN, MAX_PHY_PAYLOAD_LEN

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB
    from typing_extensions import Buffer

__all__ = [
    "Key",
    "data_block_int_key",
    "data_block_mic",
    "encrypt_frm_payload",
    "frame_mic",
    "mc_app_s_key",
    "mc_ke_key",
    "mc_nwk_s_key",
    "mc_root_key",
    "mc_root_key_from_app_key",
    "multicast_frame",
    "unwrap_mc_key",
    "wrap_mc_key",
]

KEY_LEN = 16
MIC_LEN = 4
MAX_BLOCK_LEN = MAX_FRAGS * MAX_FRAG_SIZE
UNCONFIRMED_DATA_DOWN = 0x60

_CRYPTO_BLOCK = struct.Struct("<B4xBIIxB")
_DATA_BLOCK_B0 = struct.Struct("<BHB4s4xI")
_FRAME_HEAD = struct.Struct("<BIBHB")


class Key:
    """An AES-128 key: 16 bytes that never show in a repr, a format, a hash or a pickle.

    `bytes(key)` exports the bytes. Keys are compared in constant time.
    """

    __slots__ = ("_octets",)

    _octets: bytes

    def __init__(self, octets: Buffer) -> None:
        found = _checked(octets)
        del octets  # A key, or nearly one, is no local variable of a function that raises: crash reports show these.
        if isinstance(found, str):
            raise _not_a_key(found)
        object.__setattr__(self, "_octets", found)

    @classmethod
    def from_hex(cls, text: str) -> Key:
        """Key from 32 hexadecimal digits; blanks between bytes are allowed."""
        octets = _from_digits(text)
        del text
        if octets is None:
            raise refused("key", "the text", "32 hexadecimal digits", what="a key")
        length = len(octets)
        if length == KEY_LEN:
            return cls(octets)
        del octets
        raise _not_a_key(f"a value of {length} bytes")

    @classmethod
    def parsed(cls, text: object) -> Key | None:
        """Key from 32 hexadecimal digits; None for anything else. Nothing is raised, so that no traceback has the
        text."""
        octets = _from_digits(text)
        return cls(octets) if octets is not None and len(octets) == KEY_LEN else None

    def __bytes__(self) -> bytes:
        return self._octets

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self._octets, other._octets) if isinstance(other, Key) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Key(...)"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Key is immutable; cannot set {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"Key is immutable; cannot delete {name}")

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, memo: object) -> Key:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("Key cannot be pickled; use bytes(key) to export it")


def mc_root_key(gen_app_key: Key) -> Key:
    """McRootKey of a LoRaWAN 1.0.x device."""
    return Key(_aes_encrypt(gen_app_key, bytes(16)))


def mc_root_key_from_app_key(app_key: Key) -> Key:
    """McRootKey of a LoRaWAN 1.1 device."""
    return Key(_aes_encrypt(app_key, b"\x20" + bytes(15)))


def mc_ke_key(mc_root_key: Key) -> Key:
    """McKEKey of a device, which encrypts the keys of groups for this device."""
    return Key(_aes_encrypt(mc_root_key, bytes(16)))


def wrap_mc_key(mc_ke_key: Key, mc_key: Key) -> bytes:
    """mc_key_encrypted of McGroupSetupReq. The server applies AES decryption, so that devices need only encryption."""
    return _aes(mc_ke_key).decryptor().update(_octets_of(mc_key))


def unwrap_mc_key(mc_ke_key: Key, mc_key_encrypted: Buffer) -> Key:
    """McKey from the mc_key_encrypted of McGroupSetupReq; the inverse of wrap_mc_key."""
    wrapped = octets_of(mc_key_encrypted, "mc_key_encrypted")
    if len(wrapped) != KEY_LEN:
        raise refused("mc_key_encrypted", f"a length of {len(wrapped)}", f"{KEY_LEN} bytes")
    return Key(_aes_encrypt(mc_ke_key, wrapped))


def mc_app_s_key(mc_key: Key, mc_addr: int) -> Key:
    """McAppSKey, which encrypts the group's payloads."""
    return _session_key(mc_key, 0x01, mc_addr)


def mc_nwk_s_key(mc_key: Key, mc_addr: int) -> Key:
    """McNwkSKey, which signs the group's frames."""
    return _session_key(mc_key, 0x02, mc_addr)


def data_block_int_key(root_key: Key) -> Key:
    """DataBlockIntKey of a device (TS004-2.0.0): root_key is GenAppKey for LoRaWAN 1.0.x, AppKey for 1.1."""
    return Key(_aes_encrypt(root_key, b"\x30" + bytes(15)))


def data_block_mic(
    data_block_int_key: Key, *, session_cnt: int, frag_index: int, descriptor: Buffer, data: Buffer
) -> bytes:
    """The 4-byte mic of FragSessionSetupReq (TS004-2.0.0), different for each device of a group.

    `data` is the whole block without padding, C-contiguous; it is not copied.
    """
    block = view_of(data, "data")
    described = octets_of(descriptor, "descriptor")
    _check("session_cnt", session_cnt, 0, 0xFFFF)
    _check("frag_index", frag_index, 0, 3)
    _check("descriptor length", len(described), 4, 4)
    _check("data length", len(block), 1, MAX_BLOCK_LEN)
    b0 = _DATA_BLOCK_B0.pack(0x49, session_cnt, frag_index, described, len(block))
    return _cmac(data_block_int_key, b0, block)[:MIC_LEN]


def encrypt_frm_payload(key: Key, mc_addr: int, f_cnt: int, payload: Buffer) -> bytes:
    """FRMPayload of a downlink, encrypted; the same call decrypts it (LoRaWAN 1.0.x, 4.3.3).

    key: McAppSKey. f_cnt: all 32 bits. payload: 0 to 242 bytes.
    """
    plain = octets_of(payload, "payload")
    _check("mc_addr", mc_addr, 0, U32_MAX)
    _check("f_cnt", f_cnt, 0, U32_MAX)
    _check("payload length", len(plain), 0, MAX_APP_PAYLOAD_LEN)
    n_blocks = (len(plain) + KEY_LEN - 1) // KEY_LEN
    counters = b"".join(_CRYPTO_BLOCK.pack(0x01, 1, mc_addr, f_cnt, i) for i in range(1, n_blocks + 1))
    stream = _aes_encrypt(key, counters)[: len(plain)]
    return (int.from_bytes(plain, "little") ^ int.from_bytes(stream, "little")).to_bytes(len(plain), "little")


def frame_mic(mc_nwk_s_key: Key, mc_addr: int, f_cnt: int, message: Buffer) -> bytes:
    """The 4-byte MIC of a downlink (LoRaWAN 1.0.x, 4.4). message: MHDR to FRMPayload, encrypted. f_cnt: all 32 bits."""
    signed = octets_of(message, "message")
    _check("mc_addr", mc_addr, 0, U32_MAX)
    _check("f_cnt", f_cnt, 0, U32_MAX)
    _check("message length", len(signed), 1, MAX_PHY_PAYLOAD_LEN)
    b0 = _CRYPTO_BLOCK.pack(0x49, 1, mc_addr, f_cnt, len(signed))
    return _cmac(mc_nwk_s_key, b0, signed)[:MIC_LEN]


def multicast_frame(
    mc_nwk_s_key: Key, mc_app_s_key: Key, mc_addr: int, f_cnt: int, f_port: int, payload: Buffer
) -> bytes:
    """PHYPayload of a multicast frame: unconfirmed data down, no FOpts (LoRaWAN 1.0.x, TS005).

    f_cnt: the group's counter, all 32 bits; the lower 16 bits go on the air. f_port: 1 to 255. payload: 0 to 242 bytes.
    """
    _check("f_port", f_port, 1, 255)
    encrypted = encrypt_frm_payload(mc_app_s_key, mc_addr, f_cnt, payload)
    message = _FRAME_HEAD.pack(UNCONFIRMED_DATA_DOWN, mc_addr, 0, f_cnt & 0xFFFF, f_port) + encrypted
    return message + frame_mic(mc_nwk_s_key, mc_addr, f_cnt, message)


def _check(name: str, value: int, low: int, high: int) -> None:
    try:
        allowed = low <= operator.index(value) <= high
    except TypeError:
        allowed = False
    if not allowed:
        expected = str(low) if low == high else f"an integer from {low} to {high}"
        raise refused(name, shown(value), expected)


def _octets_of(key: Key) -> bytes:
    """Bytes of a Key. Refuses other types: bytes(5) would be a key of zeros, and bytes could be any field."""
    if not isinstance(key, Key):
        raise refused("key", f"a value of type {type(key).__name__}", "a Key", what="a key")
    return bytes(key)


def _from_digits(text: object) -> bytes | None:
    """Bytes of a text in hexadecimal. None for another value: the error of bytes.fromhex shows part of a key."""
    try:
        return bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _checked(octets: Buffer) -> bytes | str:
    """The bytes of a key, or what the value is instead."""
    try:
        value = octets_of(octets, "key")
    except FieldError:
        return f"a value of type {type(octets).__name__}"
    return value if len(value) == KEY_LEN else f"a value of {len(value)} bytes"


def _not_a_key(text: str) -> FieldError:
    return refused("key", text, f"{KEY_LEN} bytes", what="a key")


def _session_key(mc_key: Key, kind: int, mc_addr: int) -> Key:
    _check("mc_addr", mc_addr, 0, U32_MAX)
    return Key(_aes_encrypt(mc_key, struct.pack("<BI11x", kind, mc_addr)))


def _aes(key: Key) -> Cipher[ECB]:
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError as error:
        raise _missing() from error
    return Cipher(algorithms.AES(_octets_of(key)), modes.ECB())


def _aes_encrypt(key: Key, blocks: bytes) -> bytes:
    return _aes(key).encryptor().update(blocks)


def _cmac(key: Key, *parts: Buffer) -> bytes:
    try:
        from cryptography.hazmat.primitives.ciphers import algorithms
        from cryptography.hazmat.primitives.cmac import CMAC
    except ImportError as error:
        raise _missing() from error
    code = CMAC(algorithms.AES(_octets_of(key)))
    for part in parts:
        # update() accepts any buffer without a copy; its type hint is narrower.
        code.update(cast("bytes", part))
    return code.finalize()


def _missing() -> MissingExtraError:
    return MissingExtraError('keys need the package cryptography: pip install "fuota-fec[campaign]"', extra="campaign")
