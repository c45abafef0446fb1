"""Keys of multicast groups and of data blocks, and what is made with them.

AES-128 and CMAC come from the package `cryptography`, which is loaded when the first of these functions is called.
Clauses: TS005 for the multicast keys, TS004-2.0.0 for the data block MIC, LoRaWAN 1.0.x for the frame.
"""

from __future__ import annotations

import hmac
import operator
import struct
from typing import TYPE_CHECKING, NoReturn, cast

from fuota_fec.errors import MissingExtraError
from fuota_fec.wire.commands import U32_MAX, FieldError, octets_of, view_of

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
MAX_FRM_PAYLOAD_LEN = 242
MAX_BLOCK_LEN = 0x3FFF * 255
UNCONFIRMED_DATA_DOWN = 0x60

_CRYPTO_BLOCK = struct.Struct("<B4xBIIxB")
_DATA_BLOCK_B0 = struct.Struct("<BHB4s4xI")
_FRAME_HEAD = struct.Struct("<BIBHB")


class Key:
    """An AES-128 key: 16 bytes that show in no repr, format, hash or pickle.

    `bytes(key)` gives them to who asks for them by name. Two keys are compared in constant time.
    """

    __slots__ = ("_octets",)

    _octets: bytes

    def __init__(self, octets: Buffer) -> None:
        try:
            value = octets_of(octets, "key")
        except FieldError:
            raise FieldError(f"a key is 16 bytes, not {type(octets).__name__}", field="key") from None
        if len(value) != KEY_LEN:
            raise FieldError(f"a key has 16 bytes, this one has {len(value)}", field="key")
        object.__setattr__(self, "_octets", value)

    @classmethod
    def from_hex(cls, text: str) -> Key:
        """The key that 32 hexadecimal digits stand for; blanks between bytes are allowed."""
        try:
            value = bytes.fromhex(text)
        except (TypeError, ValueError):
            # What bytes.fromhex says of the text stays out of the message and of the chain.
            raise FieldError("a key is 32 hexadecimal digits, this text is not", field="key") from None
        return cls(value)

    def __bytes__(self) -> bytes:
        return self._octets

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self._octets, other._octets) if isinstance(other, Key) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Key(...)"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Key does not change: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Key does not change: {name}")

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, memo: object) -> Key:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key is not written out by itself: take bytes(key) where that is meant")


def mc_root_key(gen_app_key: Key) -> Key:
    """McRootKey of a LoRaWAN 1.0.x device."""
    return Key(_aes_encrypt(gen_app_key, bytes(16)))


def mc_root_key_from_app_key(app_key: Key) -> Key:
    """McRootKey of a LoRaWAN 1.1 device."""
    return Key(_aes_encrypt(app_key, b"\x20" + bytes(15)))


def mc_ke_key(mc_root_key: Key) -> Key:
    """McKEKey, under which a group's key travels to this device."""
    return Key(_aes_encrypt(mc_root_key, bytes(16)))


def wrap_mc_key(mc_ke_key: Key, mc_key: Key) -> bytes:
    """mc_key_encrypted of McGroupSetupReq. The server decrypts, so that a device needs to encrypt only."""
    return _aes(mc_ke_key).decryptor().update(_octets_of(mc_key))


def unwrap_mc_key(mc_ke_key: Key, mc_key_encrypted: Buffer) -> Key:
    """McKey, as the device gets it from McGroupSetupReq."""
    wrapped = octets_of(mc_key_encrypted, "mc_key_encrypted")
    if len(wrapped) != KEY_LEN:
        raise FieldError(f"mc_key_encrypted has {len(wrapped)} bytes: expected 16 bytes", field="mc_key_encrypted")
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
    """The 4-byte mic of FragSessionSetupReq (TS004-2.0.0): each device of a group has its own.

    `data` is the whole block without its padding, C-contiguous; it is not copied.
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
    _check("payload length", len(plain), 0, MAX_FRM_PAYLOAD_LEN)
    n_blocks = (len(plain) + KEY_LEN - 1) // KEY_LEN
    counters = b"".join(_CRYPTO_BLOCK.pack(0x01, 1, mc_addr, f_cnt, i) for i in range(1, n_blocks + 1))
    stream = _aes_encrypt(key, counters)[: len(plain)]
    return (int.from_bytes(plain, "little") ^ int.from_bytes(stream, "little")).to_bytes(len(plain), "little")


def frame_mic(mc_nwk_s_key: Key, mc_addr: int, f_cnt: int, message: Buffer) -> bytes:
    """The 4-byte MIC of a downlink (LoRaWAN 1.0.x, 4.4). message: MHDR to FRMPayload, encrypted. f_cnt: all 32 bits."""
    signed = octets_of(message, "message")
    _check("mc_addr", mc_addr, 0, U32_MAX)
    _check("f_cnt", f_cnt, 0, U32_MAX)
    _check("message length", len(signed), 1, 255)
    b0 = _CRYPTO_BLOCK.pack(0x49, 1, mc_addr, f_cnt, len(signed))
    return _cmac(mc_nwk_s_key, b0, signed)[:MIC_LEN]


def multicast_frame(
    mc_nwk_s_key: Key, mc_app_s_key: Key, mc_addr: int, f_cnt: int, f_port: int, payload: Buffer
) -> bytes:
    """PHYPayload of a multicast frame: unconfirmed data down, no FOpts (LoRaWAN 1.0.x, TS005).

    f_cnt: the group's counter, all 32 bits; 16 of them go on the air. f_port: 1 to 255. payload: 0 to 242 bytes.
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
        raise FieldError(f"{name} is {value!r}: expected {expected}", field=name)


def _octets_of(key: Key) -> bytes:
    """Refuses what is not a Key: bytes(5) would be a key of zeros, and bytes may be any field."""
    if not isinstance(key, Key):
        raise FieldError(f"expected a Key, not {type(key).__name__}", field="key")
    return bytes(key)


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
        # Any buffer will do, and is not copied; the type hint of the package is narrower.
        code.update(cast("bytes", part))
    return code.finalize()


def _missing() -> MissingExtraError:
    return MissingExtraError('keys need the package cryptography: pip install "fuota-fec[campaign]"', extra="campaign")
