"""TS004: commands of the fragmentation package in both dialects."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.errors import ParameterError, WireError
from fuota_fec.wire.fragmentation import (
    DataFragment,
    FragDataBlockReceivedAns,
    FragDataBlockReceivedReq,
    FragSessionSetupReq,
    FragSessionStatusAns,
    FragSessionStatusReq,
    UnknownCommand,
    decode,
)

SETUP: dict[str, Any] = {
    "frag_index": 1,
    "mc_group_bit_mask": 1,
    "nb_frag": 340,
    "frag_size": 160,
    "block_ack_delay": 5,
    "padding": 7,
    "descriptor": bytes.fromhex("aabbccdd"),
}
SETUP_2 = SETUP | {"version": "2.0.0", "session_cnt": 258, "mic": b"\x0b\x2d\x13\xa9"}
STATUS: dict[str, Any] = {"frag_index": 2, "nb_frag_received": 258, "missing_frag": 3}
FRAGMENT: dict[str, Any] = {"frag_index": 0, "n": 1, "payload": b"\x00"}

NO_SESSION = FragSessionStatusAns(version="2.0.0", session_does_not_exist=True)


@pytest.mark.parametrize(
    ("version", "received", "plain"),
    [
        ("1.0.0", "02ff5401a0c507aabbccdd", "023f5401a00507aabbccdd"),
        ("2.0.0", "02d15401a08507aabbccdd02010b2d13a9", "02115401a00507aabbccdd02010b2d13a9"),
        ("1.0.0", "01f8", "0100"),
        ("1.0.0", "03fc", "0300"),
    ],
)
def test_fragmentation_requests_ignore_reserved_bits(version: str, received: str, plain: str) -> None:
    [command] = decode(bytes.fromhex(received), uplink=False, version=version)
    assert command.encode().hex() == plain


@pytest.mark.parametrize(
    ("version", "received", "plain"),
    [
        ("1.0.0", "01014005fe", "0101400500"),
        ("2.0.0", "01f8014005", "0100014005"),
        ("1.0.0", "0270", "0240"),
        ("2.0.0", "0270", "0250"),
        ("1.0.0", "03f9", "0301"),
        ("2.0.0", "04f9", "0401"),
    ],
)
def test_fragmentation_answers_ignore_reserved_bits(version: str, received: str, plain: str) -> None:
    [command] = decode(bytes.fromhex(received), uplink=True, version=version)
    assert command.encode().hex() == plain


@pytest.mark.parametrize(
    ("field", "value"),
    [("frag_index", 4), ("n", 0), ("n", 16384), ("payload", b""), ("payload", bytes(256))],
)
def test_fragment_refuses_a_field_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"^DataFragment\.{field}: .* is not allowed, expected "):
        DataFragment(**FRAGMENT | {field: value})


@pytest.mark.parametrize("frag_index", range(4))
def test_decode_refuses_fragment_number_0(frag_index: int) -> None:
    with pytest.raises(
        WireError, match=r"^DataFragment\.n: 0 is not allowed, expected an integer from 1 to 16383"
    ) as caught:
        decode(bytes((8, 0, frag_index << 6, 1)), uplink=False)
    assert caught.value.field == "n"


def test_decode_refuses_a_fragment_without_payload() -> None:
    with pytest.raises(WireError, match="expected 4 bytes with its CID, there are 3"):
        decode(b"\x08\x01\x00", uplink=False)


def test_decode_refuses_a_fragment_of_256_bytes() -> None:
    with pytest.raises(WireError, match="payload: a length of 256 is not allowed, expected 1 to 255 bytes") as caught:
        decode(b"\x08\x01\x00" + bytes(256), uplink=False)
    assert caught.value.field == "payload"


def test_fragment_extends_to_the_end_of_the_frame() -> None:
    fragment = DataFragment(frag_index=3, n=16383, payload=bytes(range(255)))
    assert decode(fragment.encode(), uplink=False) == [fragment]
    # A fragment should be alone in its frame; after another command it still decodes.
    request = FragSessionStatusReq(frag_index=0, participants=True)
    assert decode(request.encode() + fragment.encode(), uplink=False) == [request, fragment]


def test_commands_of_dialect_2_0_0_are_unknown_to_1_0_0() -> None:
    assert decode(b"\x04\x01", uplink=True) == [UnknownCommand(cid=4, payload=b"\x01")]
    assert decode(b"\x04\x01", uplink=False) == [UnknownCommand(cid=4, payload=b"\x01")]
    assert decode(b"\x04\x05", uplink=True, version="2.0.0") == [FragDataBlockReceivedReq(frag_index=1, mic_error=True)]
    assert decode(b"\x04\x01", uplink=False, version="2.0.0") == [FragDataBlockReceivedAns(frag_index=1)]


def test_a_fragment_in_an_uplink_is_unknown() -> None:
    assert decode(b"\x08\x01\x00\x00", uplink=True) == [UnknownCommand(cid=8, payload=b"\x01\x00\x00")]


@pytest.mark.parametrize("uplink", [False, True])
def test_decode_takes_the_dialect_by_either_keyword(uplink: bool) -> None:
    payload = NO_SESSION.encode() if uplink else FragSessionSetupReq(**SETUP_2).encode()
    [command] = decode(payload, uplink=uplink, dialect="2.0.0")
    assert command.encode() == payload
    assert decode(payload, uplink=uplink, version="2.0.0") == [command]
    assert decode(payload, uplink=uplink, dialect="2.0.0", version="2.0.0") == [command]
    short = payload[:2]
    for keywords in ({}, {"dialect": "1.0.0"}, {"version": "1.0.0"}):
        with pytest.raises(WireError, match="cut short"):
            decode(short, uplink=uplink, **keywords)


def test_decode_refuses_two_different_dialects() -> None:
    with pytest.raises(ParameterError, match=r"^dialect, version: '1\.0\.0' and '2\.0\.0' differ") as caught:
        decode(b"", uplink=True, dialect="1.0.0", version="2.0.0")
    assert caught.value.field == "dialect"
