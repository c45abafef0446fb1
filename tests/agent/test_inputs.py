"""The check of inputs: what a campaign cannot read is sorted out, counted and never raised."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.agent.inputs import valid_f_cnt, well_formed
from fuota_fec.campaign import messages as m

T0 = 1_800_000_000.0
NAN, INF = float("nan"), float("inf")


class Hostile:
    """An object whose every attribute raises."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return m.Uplink
        raise RuntimeError(name)


class HostileNumber(float):
    def __lt__(self, other: object) -> bool:
        raise RuntimeError("compared")

    __gt__ = __le__ = __ge__ = __lt__  # type: ignore[assignment]


MALFORMED: list[Any] = [
    None,
    7,
    "text",
    b"bytes",
    (),
    {"dev_eui": "00"},
    Hostile(),
    m.Uplink(None, 2, b"", T0),  # type: ignore[arg-type]
    m.Uplink(7, 2, b"", T0),  # type: ignore[arg-type]
    m.Uplink(["x"], 2, b"", T0),  # type: ignore[arg-type]
    m.Uplink("x" * 10_000, 2, b"", T0),
    m.Uplink("00", None, b"", T0),  # type: ignore[arg-type]
    m.Uplink("00", "2", b"", T0),  # type: ignore[arg-type]
    m.Uplink("00", True, b"", T0),
    m.Uplink("00", -1, b"", T0),
    m.Uplink("00", 10**30, b"", T0),
    m.Uplink("00", 2, None, T0),  # type: ignore[arg-type]
    m.Uplink("00", 2, "0102", T0),  # type: ignore[arg-type]
    m.Uplink("00", 2, 5, T0),  # type: ignore[arg-type]
    m.Uplink("00", 2, bytes(100_000), T0),
    m.Uplink("00", 2, b"", None),  # type: ignore[arg-type]
    m.Uplink("00", 2, b"", "now"),  # type: ignore[arg-type]
    m.Uplink("00", 2, b"", NAN),
    m.Uplink("00", 2, b"", INF),
    m.Uplink("00", 2, b"", -INF),
    m.Uplink("00", 2, b"", 10**400),
    m.Uplink("00", 2, b"", True),
    m.Uplink("00", 2, b"", HostileNumber(3)),
    m.DownlinkSent(None),  # type: ignore[arg-type]
    m.DownlinkSent(7),  # type: ignore[arg-type]
    m.DownlinkSent("c/1", None),  # type: ignore[arg-type]
    m.DownlinkSent("c/1", "yes"),  # type: ignore[arg-type]
    m.MulticastSummary([]),  # type: ignore[arg-type]
    m.MulticastSummary("c/1", 1.5),  # type: ignore[arg-type]
    m.HandOver(None),  # type: ignore[arg-type]
    m.HandOver("c/1", None),  # type: ignore[arg-type]
    m.HandOver("c/1", "", -1),
    m.HandOver("c/1", "", 2**32),
    m.HandOver("c/1", "", "7"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("item", MALFORMED, ids=lambda item: type(item).__name__)
def test_a_malformed_input_is_sorted_out(item: Any) -> None:
    assert well_formed(item) is None


@pytest.mark.parametrize(
    "item",
    [
        m.Uplink("00", 2, b"\x01", T0),
        m.Uplink("00", 0, b"", 5),
        m.DownlinkSent("c/1", False, "no route"),
        m.MulticastSummary("c/1"),
        m.HandOver("c/1", "ref", 7),
    ],
)
def test_a_well_formed_input_is_returned_as_it_is(item: m.Input) -> None:
    assert well_formed(item) is item


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_payload_in_a_buffer_becomes_bytes(kind: Any) -> None:
    checked = well_formed(m.Uplink("00", 2, kind(b"\x01\x02"), T0))
    assert checked == m.Uplink("00", 2, b"\x01\x02", T0)


def test_a_cause_that_is_no_text_loses_no_report() -> None:
    assert well_formed(m.DownlinkSent("c/1", False, None)) == m.DownlinkSent("c/1", False, "")  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "valid"), [(None, True), (0, True), (2**32 - 1, True), (True, False), (1.0, False)])
def test_a_frame_counter_is_an_integer_of_32_bits_or_none(value: Any, valid: bool) -> None:
    assert valid_f_cnt(value) is valid


def test_the_agent_counts_malformed_inputs_and_takes_the_others(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1,)))
    desk.step(0, *MALFORMED, m.Uplink(f"{1:016x}", 2, b"", desk.now), *MALFORMED)
    assert [d.id for d in desk.network.taken] == ["c/1"]
    assert desk.agent.health().n_errors["malformed input"] == 2 * len(MALFORMED)
    assert desk.agent.suspended == {}


@pytest.mark.parametrize("result", [None, (), []])
def test_a_poll_that_returns_nothing_is_no_error(config_of, desk_of, result: Any) -> None:
    desk = desk_of(config_of(devices=(1,)))
    desk.network.poll = lambda _now: result
    desk.step(1)
    assert desk.agent.health().ok


@pytest.mark.parametrize("result", [7, object(), "text"])
def test_a_poll_that_returns_something_else_is_counted(config_of, desk_of, result: Any) -> None:
    desk = desk_of(config_of(devices=(1,)))
    desk.network.poll = lambda _now: result
    desk.step(1)
    assert sum(desk.agent.health().n_errors.values()) > 0
    assert desk.agent.campaign("c") is not None
