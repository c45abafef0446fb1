"""TS005: commands that schedule sessions."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.errors import ParameterError, WireError
from fuota_fec.wire.multicast import (
    TIME_TO_START_UNKNOWN,
    McClassBSessionAns,
    McClassBSessionReq,
    McClassCSessionAns,
    McClassCSessionReq,
    McGroupStatusItem,
    UnknownCommand,
    decode,
)

SETUP: dict[str, Any] = {
    "mc_group_id": 0,
    "mc_addr": 0x01020304,
    "mc_key_encrypted": bytes(range(16)),
    "min_mc_fcnt": 0,
    "max_mc_fcnt": 0xFFFFFFFF,
}
CLASS_C: dict[str, Any] = {"mc_group_id": 0, "session_time": 128, "time_out": 1, "dl_frequency_hz": 869525000, "dr": 0}
CLASS_B = CLASS_C | {"periodicity": 0}
ITEMS = tuple(McGroupStatusItem(mc_group_id=group, mc_addr=group) for group in range(4))


@pytest.mark.parametrize(
    ("command", "valid", "field", "value"),
    [
        (McClassCSessionReq, CLASS_C, "mc_group_id", -1),
        (McClassCSessionReq, CLASS_C, "session_time", 2**32),
        (McClassCSessionReq, CLASS_C, "session_time", 1.5),
        (McClassCSessionReq, CLASS_C, "time_out", 16),
        (McClassCSessionReq, CLASS_C, "dl_frequency_hz", 869525050),
        (McClassCSessionReq, CLASS_C, "dl_frequency_hz", 2**24 * 100),
        (McClassCSessionReq, CLASS_C, "dl_frequency_hz", 1_200_000_000),
        (McClassCSessionReq, CLASS_C, "dl_frequency_hz", 2_423_000_100),
        (McClassCSessionReq, CLASS_C, "dl_frequency_hz", 2**24 * 200),
        (McClassCSessionReq, CLASS_C, "dl_frequency_hz", -100),
        (McClassCSessionReq, CLASS_C, "dr", 256),
        (McClassBSessionReq, CLASS_B, "periodicity", 8),
        (McClassBSessionReq, CLASS_B, "session_time", 129),
        (McClassBSessionReq, CLASS_B, "dl_frequency_hz", 1),
    ],
)
def test_a_session_refuses_a_field_out_of_range(command: Any, valid: dict[str, Any], field: str, value: Any) -> None:
    command(**valid)
    with pytest.raises(ParameterError, match=rf"^{command.__name__}\.{field}: .* is not .*, expected "):
        command(**valid | {field: value})


def test_decode_refuses_a_class_b_start_between_beacons() -> None:
    payload = bytearray(McClassBSessionReq(**CLASS_B).encode())
    payload[2] |= 1
    with pytest.raises(WireError, match="is not the start of a beacon period, expected a multiple of 128") as caught:
        decode(payload, uplink=False)
    assert caught.value.field == "session_time"


def test_a_session_at_2400_mhz_has_its_frequency_in_steps_of_200_hz() -> None:
    request = McClassCSessionReq(**CLASS_C | {"dl_frequency_hz": 2_410_000_000})
    assert request.encode()[7:10].hex() == "50deb7"
    assert decode(request.encode(), uplink=False) == [request]


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_class_b_session_keeps_frequency_0(version: str) -> None:
    request = McClassBSessionReq(**CLASS_B | {"dl_frequency_hz": 0})
    assert decode(request.encode(), uplink=False, version=version) == [request]


@pytest.mark.parametrize(("cid", "command"), [("04", McClassCSessionAns), ("05", McClassBSessionAns)])
class TestSessionAnswers:
    @pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
    def test_session_answer_without_error_has_a_time_to_start(self, cid: str, command: Any, version: str) -> None:
        expected = command(mc_group_id=1, time_to_start=100)
        assert expected.encode().hex() == cid + "01640000"
        assert decode(expected.encode(), uplink=True, version=version) == [expected]

    @pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
    @pytest.mark.parametrize(
        ("status", "flags"),
        [
            ("05", {"dr_error": True}),
            ("09", {"freq_error": True}),
            ("0d", {"dr_error": True, "freq_error": True}),
            ("11", {"mc_group_undefined": True}),
            ("21", {"start_missed": True}),
            ("3d", dict.fromkeys(("dr_error", "freq_error", "mc_group_undefined", "start_missed"), True)),
        ],
    )
    def test_session_answer_with_an_error_has_no_time_to_start(
        self, cid: str, command: Any, version: str, status: str, flags: dict[str, bool]
    ) -> None:
        expected = command(mc_group_id=1, **flags)
        assert expected.time_to_start is None
        assert expected.encode().hex() == cid + status
        assert decode(expected.encode(), uplink=True, version=version) == [expected]

    def test_reserved_error_bits_are_errors_in_version_2_only(self, cid: str, command: Any) -> None:
        payload = bytes.fromhex(cid + "c1640000")
        assert decode(payload, uplink=True) == [command(mc_group_id=1, time_to_start=100)]
        assert decode(payload, uplink=True, version="2.0.0") == [
            command(mc_group_id=1, other_errors=3),
            UnknownCommand(cid=0x64, payload=b"\x00\x00"),
        ]
        with pytest.raises(WireError, match="expected 5 bytes"):
            decode(payload[:2], uplink=True)
        assert decode(payload[:2], uplink=True, version="2.0.0") == [command(mc_group_id=1, other_errors=3)]

    @pytest.mark.parametrize(
        ("fields", "refused"),
        [
            ({}, "time_to_start"),
            ({"time_to_start": 2**24}, "time_to_start"),
            ({"time_to_start": -1}, "time_to_start"),
            ({"time_to_start": 0, "dr_error": True}, "time_to_start"),
            ({"time_to_start": 0, "other_errors": 1}, "time_to_start"),
            ({"other_errors": 4}, "other_errors"),
            ({"mc_group_id": 4, "time_to_start": 0}, "mc_group_id"),
        ],
    )
    def test_session_answer_refuses_a_field_out_of_range(
        self, cid: str, command: Any, fields: dict[str, Any], refused: str
    ) -> None:
        assert int(cid, 16) == command.CID
        with pytest.raises(ParameterError, match=rf"^{command.__name__}\.{refused}: .* is not allowed, expected "):
            command(**{"mc_group_id": 0} | fields)

    def test_session_answer_of_a_device_without_clock(self, cid: str, command: Any) -> None:
        [answer] = decode(bytes.fromhex(cid + "00ffffff"), uplink=True)
        assert answer == command(mc_group_id=0, time_to_start=TIME_TO_START_UNKNOWN)


def test_session_answers_of_class_b_and_c_differ() -> None:
    assert McClassCSessionAns(mc_group_id=0, time_to_start=1) != McClassBSessionAns(mc_group_id=0, time_to_start=1)
