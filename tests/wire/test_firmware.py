"""TS006: commands of the firmware management package."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.errors import ParameterError, WireError
from fuota_fec.wire.firmware import (
    CANCEL_COUNTDOWN,
    CANCEL_REBOOT,
    REBOOT_NOW,
    DevDeleteImageAns,
    DevDeleteImageReq,
    DevRebootCountdownAns,
    DevRebootCountdownReq,
    DevRebootTimeAns,
    DevRebootTimeReq,
    DevUpgradeImageAns,
    DevVersionAns,
    UnknownCommand,
    decode,
)


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        (DevRebootTimeReq, "reboot_time", 2**32),
        (DevRebootTimeReq, "reboot_time", 1.0),
        (DevRebootTimeAns, "reboot_time", -1),
        (DevRebootCountdownReq, "countdown", 2**24),
        (DevRebootCountdownAns, "countdown", -1),
        (DevDeleteImageReq, "firmware_to_delete_version", 2**32),
        (DevUpgradeImageAns, "up_image_status", 4),
        (DevDeleteImageAns, "error_no_valid_image", 2),
        (DevDeleteImageAns, "error_invalid_version", None),
    ],
)
def test_a_firmware_command_refuses_a_field_out_of_range(command: Any, field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"^{command.__name__}\.{field}: .* is not allowed, expected "):
        command(**{field: value})


@pytest.mark.parametrize("field", ["fw_version", "hw_version"])
def test_dev_version_ans_refuses_a_version_out_of_range(field: str) -> None:
    with pytest.raises(ParameterError, match=field):
        DevVersionAns(**{"fw_version": 0, "hw_version": 0, field: 2**32})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"up_image_status": 3}, "next_firmware_version: None is not allowed, expected an integer from 0"),
        ({"up_image_status": 3, "next_firmware_version": 2**32}, "expected an integer from 0"),
        (
            {"up_image_status": 0, "next_firmware_version": 1},
            "next_firmware_version: 1 is not allowed, expected None unless up_image_status is 3",
        ),
    ],
)
def test_next_version_comes_with_a_valid_image_only(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        DevUpgradeImageAns(**fields)


@pytest.mark.parametrize("status", [0, 1, 2])
def test_bytes_after_a_status_without_image_are_the_next_command(status: int) -> None:
    assert decode(bytes((4, status, 0x11, 0x22)), uplink=True) == [
        DevUpgradeImageAns(up_image_status=status),
        UnknownCommand(cid=0x11, payload=b"\x22"),
    ]


def test_a_valid_image_without_its_version_is_cut_short() -> None:
    with pytest.raises(WireError, match="expected 6 bytes with its CID, there are 5") as caught:
        decode(bytes.fromhex("0403112233"), uplink=True)
    assert caught.value.field == "DevUpgradeImageAns"


@pytest.mark.parametrize(
    ("received", "plain"),
    [("04fc", "0400"), ("04ff44332211", "040344332211"), ("05fe", "0502"), ("05fd", "0501")],
)
def test_firmware_answers_ignore_reserved_bits(received: str, plain: str) -> None:
    [command] = decode(bytes.fromhex(received), uplink=True)
    assert command.encode().hex() == plain


def test_reboot_now_and_cancel_are_the_ends_of_the_range() -> None:
    assert DevRebootTimeReq(reboot_time=REBOOT_NOW).encode().hex() == "0200000000"
    assert DevRebootTimeReq(reboot_time=CANCEL_REBOOT).encode().hex() == "02ffffffff"
    assert DevRebootCountdownReq(countdown=REBOOT_NOW).encode().hex() == "03000000"
    assert DevRebootCountdownReq(countdown=CANCEL_COUNTDOWN).encode().hex() == "03ffffff"


def test_version_2_of_the_firmware_package_is_refused() -> None:
    with pytest.raises(
        ParameterError, match=r"^version: '2\.0\.0' is not a version of this package, expected 1\.0\.0$"
    ):
        decode(b"", uplink=True, version="2.0.0")
