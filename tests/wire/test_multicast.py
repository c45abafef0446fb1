"""TS005: commands of the multicast package."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.errors import ParameterError, WireError
from fuota_fec.wire.multicast import (
    McGroupSetupReq,
    McGroupStatusAns,
    McGroupStatusItem,
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
        (McGroupSetupReq, SETUP, "mc_group_id", 4),
        (McGroupSetupReq, SETUP, "mc_addr", 2**32),
        (McGroupSetupReq, SETUP, "mc_addr", "01020304"),
        (McGroupSetupReq, SETUP, "mc_key_encrypted", bytes(15)),
        (McGroupSetupReq, SETUP, "mc_key_encrypted", bytes(17)),
        (McGroupSetupReq, SETUP, "min_mc_fcnt", -1),
        (McGroupSetupReq, SETUP, "max_mc_fcnt", 2**32),
        (McGroupStatusItem, {"mc_group_id": 0, "mc_addr": 0}, "mc_group_id", 4),
        (McGroupStatusItem, {"mc_group_id": 0, "mc_addr": 0}, "mc_addr", -1),
    ],
)
def test_a_multicast_command_refuses_a_field_out_of_range(
    command: Any, valid: dict[str, Any], field: str, value: Any
) -> None:
    command(**valid)
    with pytest.raises(ParameterError, match=rf"^{command.__name__}\.{field}: .* is not .*, expected "):
        command(**valid | {field: value})


@pytest.mark.parametrize(
    ("received", "plain"),
    [
        ("01ff", "010f"),
        ("02fd", "0201"),
        ("03fe", "0302"),
        ("04fd80000000f200000000", "04018000000002000000" + "00"),
        ("05fd80000000f200000000", "05018000000072000000" + "00"),
    ],
)
def test_multicast_requests_ignore_reserved_bits(received: str, plain: str) -> None:
    tail = bytes(28) if received.startswith("02") else b""
    [command] = decode(bytes.fromhex(received) + tail, uplink=False)
    assert command.encode() == bytes.fromhex(plain) + tail


@pytest.mark.parametrize(
    ("received", "plain"),
    [("01f1fc04030201", "01710004030201"), ("02fb", "0203"), ("03ff", "0307"), ("0180", "0100")],
)
def test_multicast_answers_ignore_reserved_bits(received: str, plain: str) -> None:
    [command] = decode(bytes.fromhex(received), uplink=True)
    assert command.encode().hex() == plain


@pytest.mark.parametrize("mask", range(16))
def test_group_status_answer_has_an_item_for_each_group_of_the_mask(mask: int) -> None:
    items = tuple(item for item in ITEMS if mask >> item.mc_group_id & 1)
    answer = McGroupStatusAns(nb_total_groups=4, ans_group_mask=mask, items=items)
    encoded = answer.encode()
    assert len(encoded) == 2 + 5 * len(items)
    assert decode(encoded, uplink=True) == [answer]
    if items:
        with pytest.raises(WireError, match=rf"expected {len(encoded)} bytes with its CID, there are"):
            decode(encoded[:-1], uplink=True)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"nb_total_groups": 8}, "nb_total_groups"),
        ({"ans_group_mask": 16}, "ans_group_mask"),
        ({"ans_group_mask": 1}, "items"),
        ({"items": ITEMS[:1]}, "items"),
        ({"items": ITEMS[1::-1]}, "items"),
    ],
)
def test_group_status_answer_refuses_a_field_out_of_range(fields: dict[str, Any], refused: str) -> None:
    valid = {"nb_total_groups": 2, "ans_group_mask": 3, "items": ITEMS[:2]}
    with pytest.raises(ParameterError, match=rf"^McGroupStatusAns\.{refused}: .* is not allowed, expected "):
        McGroupStatusAns(**valid | fields)


def test_decode_refuses_group_status_items_that_differ_from_the_mask() -> None:
    with pytest.raises(WireError, match=r"items: a list of groups \[2\] is not allowed, expected \[0\]") as caught:
        decode(bytes.fromhex("01110200000000"), uplink=True)
    assert caught.value.field == "items"


def test_group_status_items_become_a_tuple() -> None:
    listed: Any = list(ITEMS)
    answer = McGroupStatusAns(nb_total_groups=4, ans_group_mask=15, items=listed)
    assert answer.items == ITEMS
    assert hash(answer) == hash(McGroupStatusAns(nb_total_groups=4, ans_group_mask=15, items=ITEMS))
