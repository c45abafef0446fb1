"""TS003: commands of the clock package, and conversion between Unix, GPS and on-air time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import ParameterError
from fuota_fec.wire import clock
from fuota_fec.wire.clock import (
    GPS_EPOCH,
    LEAP_SECONDS,
    AppTimeAns,
    AppTimeReq,
    DeviceAppTimePeriodicityAns,
    DeviceAppTimePeriodicityReq,
    ForceDeviceResyncCmd,
    UnknownCommand,
    decode,
    gps_difference,
    gps_from_unix,
    gps_from_wire,
    gps_to_wire,
    unix_from_gps,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "gps_time.json").read_text())["vectors"]

u32 = st.integers(0, 2**32 - 1)
unix_times = st.integers(0, 2**33) | st.sampled_from(LEAP_SECONDS).flatmap(lambda t: st.integers(t - 2, t + 2))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["utc"])
def test_gps_time_is_that_of_the_vectors(vector: dict[str, Any]) -> None:
    assert gps_from_unix(vector["unix"]) == vector["gps"]
    assert unix_from_gps(vector["gps"]) == vector["unix"]
    assert gps_to_wire(vector["gps"]).to_bytes(4, "little").hex() == vector["wire_le_hex"]


def test_leap_seconds_are_midnights() -> None:
    assert len(LEAP_SECONDS) == 18
    assert list(LEAP_SECONDS) == sorted(set(LEAP_SECONDS))
    for midnight in LEAP_SECONDS:
        moment = datetime.fromtimestamp(midnight, UTC)
        assert (moment.month, moment.day) in ((1, 1), (7, 1))
        assert (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    assert datetime(1980, 1, 6, tzinfo=UTC).timestamp() == GPS_EPOCH


@pytest.mark.parametrize(("index", "midnight"), list(enumerate(LEAP_SECONDS)))
def test_a_leap_second_is_two_gps_seconds_and_one_unix_midnight(index: int, midnight: int) -> None:
    begin = midnight - GPS_EPOCH + index
    assert gps_from_unix(midnight - 0.5) == begin - 0.5
    assert gps_from_unix(midnight) == begin + 1
    assert unix_from_gps(begin - 0.5) == midnight - 0.5
    assert [unix_from_gps(begin + part) for part in (0, 0.25, 0.75)] == [midnight] * 3
    assert unix_from_gps(begin + 1) == midnight
    assert unix_from_gps(begin + 1.5) == midnight + 0.5


@given(unix_times)
def test_unix_time_survives_the_way_through_gps_time(unix: int) -> None:
    assert unix_from_gps(gps_from_unix(unix)) == unix


@given(unix_times, st.integers(0, 4))
def test_both_conversions_of_time_ascend(unix: int, quarters: int) -> None:
    later = unix + quarters / 4
    assert gps_from_unix(unix) <= gps_from_unix(later)
    gps = gps_from_unix(unix) - 1
    assert unix_from_gps(gps) <= unix_from_gps(gps + quarters / 4)


def test_a_longer_table_adds_a_leap_second() -> None:
    leap = 1893456000
    table = (*LEAP_SECONDS, leap)
    assert gps_from_unix(leap, leap_seconds=table) == gps_from_unix(leap) + 1
    assert gps_from_unix(leap - 1, leap_seconds=table) == gps_from_unix(leap - 1)
    assert unix_from_gps(gps_from_unix(leap, leap_seconds=table), leap_seconds=table) == leap


def test_times_before_the_gps_epoch_are_negative() -> None:
    assert gps_from_unix(0) == -GPS_EPOCH
    assert unix_from_gps(-GPS_EPOCH) == 0


@pytest.mark.parametrize(
    ("gps", "wire"), [(0, 0), (1.999, 1), (2**32 - 1, 2**32 - 1), (2**32, 0), (2**32 + 5.5, 5), (-1, 2**32 - 1)]
)
def test_gps_to_wire_rounds_down_modulo_2_to_the_32(gps: float, wire: int) -> None:
    assert gps_to_wire(gps) == wire


@pytest.mark.parametrize("gps", [float("nan"), float("inf"), -float("inf")])
def test_gps_to_wire_refuses_a_time_that_is_not_finite(gps: float) -> None:
    with pytest.raises(ParameterError, match=r"^gps: .* is not allowed, expected a finite number of seconds$"):
        gps_to_wire(gps)


@pytest.mark.parametrize(
    ("later", "earlier", "difference"),
    [(5, 3, 2), (3, 5, -2), (0, 2**32 - 1, 1), (2**32 - 1, 0, -1), (2**31, 0, -(2**31)), (2**31 - 1, 0, 2**31 - 1)],
)
def test_gps_difference_is_signed(later: int, earlier: int, difference: int) -> None:
    assert gps_difference(later, earlier) == difference


@given(u32, u32)
def test_gps_difference_as_a_correction_sets_a_clock_right(device: int, true: int) -> None:
    correction = gps_difference(true, device)
    assert AppTimeAns(time_correction=correction, token_ans=0).time_correction == correction
    assert (device + correction) % 2**32 == true


@given(st.integers(0, 2**34), st.integers(-(2**31), 2**31 - 1))
def test_gps_from_wire_gives_the_time_nearest_to_the_hint(near: int, offset: int) -> None:
    assert gps_from_wire(gps_to_wire(near + offset), near=near + 0.5) == near + offset


@pytest.mark.parametrize(
    ("command", "fields", "refused"),
    [
        (AppTimeReq, {"device_time": 2**32, "ans_required": False, "token_req": 0}, "device_time"),
        (AppTimeReq, {"device_time": 0, "ans_required": 3, "token_req": 0}, "ans_required"),
        (AppTimeReq, {"device_time": 0, "ans_required": True, "token_req": 16}, "token_req"),
        (AppTimeAns, {"time_correction": 2**31, "token_ans": 0}, "time_correction"),
        (AppTimeAns, {"time_correction": -(2**31) - 1, "token_ans": 0}, "time_correction"),
        (AppTimeAns, {"time_correction": 0, "token_ans": -1}, "token_ans"),
        (DeviceAppTimePeriodicityReq, {"period": 16}, "period"),
        (DeviceAppTimePeriodicityAns, {"not_supported": False, "time": 2**32}, "time"),
        (ForceDeviceResyncCmd, {"nb_transmissions": 8}, "nb_transmissions"),
    ],
)
def test_a_clock_command_refuses_a_field_out_of_range(command: Any, fields: dict[str, Any], refused: str) -> None:
    with pytest.raises(ParameterError, match=rf"^{command.__name__}\.{refused}: .* is not allowed, expected "):
        command(**fields)


@pytest.mark.parametrize(
    ("uplink", "received", "plain"),
    [
        (True, "0100000000ff", "01000000001f"),
        (True, "02fe01020304", "020001020304"),
        (False, "0100000000ff", "01000000000f"),
        (False, "02f5", "0205"),
        (False, "03ff", "0307"),
    ],
)
def test_clock_commands_ignore_reserved_bits(uplink: bool, received: str, plain: str) -> None:
    [command] = decode(bytes.fromhex(received), uplink=uplink)
    assert command.encode().hex() == plain


def test_app_time_req_is_an_uplink_and_app_time_ans_a_downlink() -> None:
    payload = bytes.fromhex("01ffffffff0f")
    assert decode(payload, uplink=True) == [AppTimeReq(device_time=2**32 - 1, ans_required=False, token_req=15)]
    assert decode(payload, uplink=False) == [AppTimeAns(time_correction=-1, token_ans=15)]
    assert decode(b"\x03\x01", uplink=True) == [UnknownCommand(cid=3, payload=b"\x01")]


def test_force_device_resync_req_is_the_name_of_version_1() -> None:
    assert clock.ForceDeviceResyncReq is ForceDeviceResyncCmd
