from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.errors import ParameterError, WireError
from fuota_fec.wire.fragmentation import (
    DataFragment,
    FragDataBlockReceivedAns,
    FragDataBlockReceivedReq,
    FragSessionDeleteAns,
    FragSessionSetupAns,
    FragSessionSetupReq,
    FragSessionStatusAns,
    FragSessionStatusReq,
    PackageVersionAns,
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
    ("field", "value"),
    [
        ("frag_index", 4),
        ("frag_index", -1),
        ("mc_group_bit_mask", 16),
        ("nb_frag", 0),
        ("nb_frag", 16384),
        ("frag_size", 0),
        ("frag_size", 256),
        ("block_ack_delay", 8),
        ("frag_algo", 8),
        ("padding", 256),
        ("padding", -1),
        ("descriptor", b"abc"),
        ("descriptor", b"abcde"),
        ("version", "1.1.0"),
        ("version", None),
        ("ack_reception", 2),
    ],
)
@pytest.mark.parametrize("valid", [SETUP, SETUP_2], ids=["1.0.0", "2.0.0"])
def test_setup_out_of_range(valid: dict[str, Any], field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"FragSessionSetupReq\.{field} .*expected"):
        FragSessionSetupReq(**valid | {field: value})


@pytest.mark.parametrize(("field", "value"), [("session_cnt", 0), ("mic", b"abcd"), ("ack_reception", True)])
def test_setup_1_has_no_field_of_2(field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"FragSessionSetupReq\.{field} is given: it exists in 2\.0\.0 only"):
        FragSessionSetupReq(**SETUP | {field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("session_cnt", None), ("session_cnt", 65536), ("session_cnt", -1), ("mic", None), ("mic", b"abc")],
)
def test_setup_2_needs_its_fields(field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"FragSessionSetupReq\.{field} .*expected"):
        FragSessionSetupReq(**SETUP_2 | {field: value})


def test_setup_of_either_version() -> None:
    assert FragSessionSetupReq(**SETUP).encode().hex() == "02115401a00507aabbccdd"
    assert FragSessionSetupReq(**SETUP_2).encode().hex() == "02115401a00507aabbccdd02010b2d13a9"
    assert FragSessionSetupReq(**SETUP_2, ack_reception=True).encode().hex() == "02115401a04507aabbccdd02010b2d13a9"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ("0200000001000000000000", "nb_frag"),
        ("02000040010000000000", "nb_frag"),
        ("02000100000000000000", "frag_size"),
    ],
)
def test_setup_that_cannot_be_meant(payload: str, field: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(b"\x00" + bytes.fromhex(payload.ljust(22, "0")), uplink=False)
    assert (caught.value.field, caught.value.offset, len(caught.value.commands)) == (field, 1, 1)
    assert f"FragSessionSetupReq.{field}" in str(caught.value)


@pytest.mark.parametrize(
    ("version", "received", "plain"),
    [
        ("1.0.0", "02ff5401a0c507aabbccdd", "023f5401a00507aabbccdd"),
        ("2.0.0", "02d15401a08507aabbccdd02010b2d13a9", "02115401a00507aabbccdd02010b2d13a9"),
        ("1.0.0", "01f8", "0100"),
        ("1.0.0", "03fc", "0300"),
    ],
)
def test_reserved_bits_of_requests(version: str, received: str, plain: str) -> None:
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
def test_reserved_bits_of_answers(version: str, received: str, plain: str) -> None:
    [command] = decode(bytes.fromhex(received), uplink=True, version=version)
    assert command.encode().hex() == plain


def test_session_cnt_replay_is_of_version_2() -> None:
    replay = FragSessionSetupAns(frag_index=1, session_cnt_replay=True)
    assert decode(replay.encode(), uplink=True, version="2.0.0") == [replay]
    assert decode(replay.encode(), uplink=True, version="1.0.0") == [FragSessionSetupAns(frag_index=1)]


@pytest.mark.parametrize(
    ("field", "value"),
    [("frag_index", 4), ("n", 0), ("n", 16384), ("payload", b""), ("payload", bytes(256))],
)
def test_fragment_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"DataFragment\.{field} .*expected"):
        DataFragment(**FRAGMENT | {field: value})


@pytest.mark.parametrize("frag_index", range(4))
def test_fragment_0_is_refused(frag_index: int) -> None:
    with pytest.raises(WireError, match=r"DataFragment\.n is 0: expected an integer from 1 to 16383") as caught:
        decode(bytes((8, 0, frag_index << 6, 1)), uplink=False)
    assert caught.value.field == "n"


def test_fragment_without_payload_is_refused() -> None:
    with pytest.raises(WireError, match="expected 4 bytes with its CID, there are 3"):
        decode(b"\x08\x01\x00", uplink=False)


def test_fragment_longer_than_a_fragment_can_be() -> None:
    with pytest.raises(WireError, match="has 256 bytes: expected 1 to 255 bytes") as caught:
        decode(b"\x08\x01\x00" + bytes(256), uplink=False)
    assert caught.value.field == "payload"


def test_fragment_takes_the_rest_of_the_frame() -> None:
    fragment = DataFragment(frag_index=3, n=16383, payload=bytes(range(255)))
    assert decode(fragment.encode(), uplink=False) == [fragment]
    # It should have been alone, but it can be read.
    request = FragSessionStatusReq(frag_index=0, participants=True)
    assert decode(request.encode() + fragment.encode(), uplink=False) == [request, fragment]


def test_commands_of_version_2_are_unknown_to_1() -> None:
    assert decode(b"\x04\x01", uplink=True) == [UnknownCommand(cid=4, payload=b"\x01")]
    assert decode(b"\x04\x01", uplink=False) == [UnknownCommand(cid=4, payload=b"\x01")]
    assert decode(b"\x04\x05", uplink=True, version="2.0.0") == [FragDataBlockReceivedReq(frag_index=1, mic_error=True)]
    assert decode(b"\x04\x01", uplink=False, version="2.0.0") == [FragDataBlockReceivedAns(frag_index=1)]


def test_a_fragment_never_comes_up() -> None:
    assert decode(b"\x08\x01\x00\x00", uplink=True) == [UnknownCommand(cid=8, payload=b"\x01\x00\x00")]


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"frag_index": 4}, "frag_index"),
        ({"frag_index": None}, "frag_index"),
        ({"nb_frag_received": 16384}, "nb_frag_received"),
        ({"missing_frag": 256}, "missing_frag"),
        ({"missing_frag": None}, "missing_frag"),
        ({"memory_error": True}, "memory_error"),
        ({"mic_error": True}, "mic_error"),
        ({"session_does_not_exist": True}, "session_does_not_exist"),
        ({"version": "2.0.0", "not_enough_matrix_memory": True}, "not_enough_matrix_memory"),
        ({"version": "2.0.0", "session_does_not_exist": True}, "frag_index"),
        ({"version": "2"}, "version"),
    ],
)
def test_status_out_of_range(fields: dict[str, Any], refused: str) -> None:
    with pytest.raises(ParameterError, match=rf"FragSessionStatusAns\.{refused} is "):
        FragSessionStatusAns(**STATUS | fields)


def test_status_of_either_version() -> None:
    old = FragSessionStatusAns(**STATUS, not_enough_matrix_memory=True)
    new = FragSessionStatusAns(version="2.0.0", **STATUS, memory_error=True)
    assert old.encode().hex() == "0102810301"
    assert new.encode().hex() == "0101028103"
    assert decode(old.encode(), uplink=True) == [old]
    assert decode(new.encode(), uplink=True, version="2.0.0") == [new]


class TestSessionDoesNotExist:
    def decode(self, payload: str) -> list[Any]:
        return list(decode(bytes.fromhex(payload), uplink=True, version="2.0.0"))

    def test_alone(self) -> None:
        assert self.decode("0104") == [NO_SESSION]
        assert NO_SESSION.encode().hex() == "0104"

    @pytest.mark.parametrize("stale", ["004000", "0b4000", "030000", "0101ff", "000200", "ffffff", "080000"])
    def test_stale_tail(self, stale: str) -> None:
        assert self.decode("0104" + stale) == [NO_SESSION]
        assert self.decode("0301" + "0104" + stale) == [FragSessionDeleteAns(frag_index=1), NO_SESSION]

    def test_other_flags_are_kept(self) -> None:
        [answer] = self.decode("0106004000")
        assert answer == FragSessionStatusAns(version="2.0.0", session_does_not_exist=True, mic_error=True)
        assert answer.encode().hex() == "0106"

    def test_another_answer_is_no_tail(self) -> None:
        version = PackageVersionAns(package_identifier=3, package_version=2)
        assert self.decode("0104" + "000302") == [NO_SESSION, version]
        assert self.decode("0104" + "0301") == [NO_SESSION, FragSessionDeleteAns(frag_index=1)]
        assert self.decode("0104" + "0104") == [NO_SESSION, NO_SESSION]
        assert self.decode("0104" + "0100014005")[1].nb_frag_received == 1

    def test_a_tail_of_another_length_is_read(self) -> None:
        assert self.decode("0104" + "7f00") == [NO_SESSION, UnknownCommand(cid=0x7F, payload=b"\x00")]
        with pytest.raises(WireError) as caught:
            self.decode("0104" + "0003")
        assert caught.value.commands == (NO_SESSION,)
