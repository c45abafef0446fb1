"""TS004: commands that have different bytes in the two dialects."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.errors import ParameterError, WireError
from fuota_fec.wire.fragmentation import (
    FragSessionDeleteAns,
    FragSessionSetupAns,
    FragSessionSetupReq,
    FragSessionStatusAns,
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
def test_setup_refuses_a_field_out_of_range(valid: dict[str, Any], field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"^FragSessionSetupReq\.{field}: .* is not .*, expected "):
        FragSessionSetupReq(**valid | {field: value})


@pytest.mark.parametrize(("field", "value"), [("session_cnt", 0), ("mic", b"abcd"), ("ack_reception", True)])
def test_setup_of_1_0_0_refuses_fields_of_2_0_0(field: str, value: Any) -> None:
    expected = r"is not allowed, expected no value unless version is '2\.0\.0'$"
    with pytest.raises(ParameterError, match=rf"^FragSessionSetupReq\.{field}: .* {expected}"):
        FragSessionSetupReq(**SETUP | {field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("session_cnt", None), ("session_cnt", 65536), ("session_cnt", -1), ("mic", None), ("mic", b"abc")],
)
def test_setup_of_2_0_0_requires_session_cnt_and_mic(field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"^FragSessionSetupReq\.{field}: .* is not .*, expected "):
        FragSessionSetupReq(**SETUP_2 | {field: value})


def test_setup_encodes_in_either_dialect() -> None:
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
def test_decode_refuses_a_setup_without_fragments(payload: str, field: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(b"\x00" + bytes.fromhex(payload.ljust(22, "0")), uplink=False)
    assert (caught.value.field, caught.value.offset, len(caught.value.commands)) == (field, 1, 1)
    assert f"FragSessionSetupReq.{field}" in str(caught.value)


def test_session_cnt_replay_exists_in_dialect_2_0_0_only() -> None:
    replay = FragSessionSetupAns(frag_index=1, session_cnt_replay=True)
    assert decode(replay.encode(), uplink=True, version="2.0.0") == [replay]
    assert decode(replay.encode(), uplink=True, version="1.0.0") == [FragSessionSetupAns(frag_index=1)]


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
def test_status_answer_refuses_a_field_out_of_range(fields: dict[str, Any], refused: str) -> None:
    with pytest.raises(ParameterError, match=rf"^FragSessionStatusAns\.{refused}: .* is not .*, expected "):
        FragSessionStatusAns(**STATUS | fields)


def test_status_answer_encodes_in_either_dialect() -> None:
    old = FragSessionStatusAns(**STATUS, not_enough_matrix_memory=True)
    new = FragSessionStatusAns(version="2.0.0", **STATUS, memory_error=True)
    assert old.encode().hex() == "0102810301"
    assert new.encode().hex() == "0101028103"
    assert decode(old.encode(), uplink=True) == [old]
    assert decode(new.encode(), uplink=True, version="2.0.0") == [new]


class TestSessionDoesNotExist:
    def decode(self, payload: str) -> list[Any]:
        return list(decode(bytes.fromhex(payload), uplink=True, version="2.0.0"))

    def test_an_answer_of_two_bytes_decodes(self) -> None:
        assert self.decode("0104") == [NO_SESSION]
        assert NO_SESSION.encode().hex() == "0104"

    @pytest.mark.parametrize("stale", ["004000", "0b4000", "030000", "0101ff", "000200", "ffffff", "080000"])
    def test_three_stale_bytes_are_skipped(self, stale: str) -> None:
        assert self.decode("0104" + stale) == [NO_SESSION]
        assert self.decode("0301" + "0104" + stale) == [FragSessionDeleteAns(frag_index=1), NO_SESSION]

    def test_other_flags_of_the_answer_are_kept(self) -> None:
        [answer] = self.decode("0106004000")
        assert answer == FragSessionStatusAns(version="2.0.0", session_does_not_exist=True, mic_error=True)
        assert answer.encode().hex() == "0106"

    def test_an_answer_that_follows_is_not_taken_for_stale_bytes(self) -> None:
        version = PackageVersionAns(package_identifier=3, package_version=2)
        assert self.decode("0104" + "000302") == [NO_SESSION, version]
        assert self.decode("0104" + "0301") == [NO_SESSION, FragSessionDeleteAns(frag_index=1)]
        assert self.decode("0104" + "0104") == [NO_SESSION, NO_SESSION]
        assert self.decode("0104" + "0100014005")[1].nb_frag_received == 1

    def test_bytes_of_another_number_are_decoded(self) -> None:
        assert self.decode("0104" + "7f00") == [NO_SESSION, UnknownCommand(cid=0x7F, payload=b"\x00")]
        with pytest.raises(WireError) as caught:
            self.decode("0104" + "0003")
        assert caught.value.commands == (NO_SESSION,)
