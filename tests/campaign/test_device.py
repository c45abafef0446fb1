"""Devices of a campaign: one form of the DevEUI, and the checks of their settings."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign.device import Device, DeviceCheck
from fuota_fec.campaign.group import Group

KEY = "00112233445566778899aabbccddeeff"
GROUPS = (Group(name="g", mc_addr="01f3a4b5"),)


def problems(**settings: Any) -> list[str]:
    return DeviceCheck(GROUPS, ["generic"]).problems(
        Device(**{"dev_eui": "0011223344556677", "group": "g", **settings})
    )


@pytest.mark.parametrize("written", ["00-11-22-33-44-55-66-AA", "00112233445566AA", "0x00112233445566aa"])
def test_a_device_has_one_form_of_its_dev_eui(written: str):
    device = Device(dev_eui=written, group="g")
    assert device.dev_eui == device.key_name == "00112233445566aa"
    assert device == Device(dev_eui="00112233445566aa", group="g")


def test_a_usual_device_has_no_problems():
    assert problems() == []
    assert problems(fw_version="1.2.3.4", loss=0.1, uplink_period=60, key="vault/meters/7", profile="generic") == []


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"dev_eui": "x"}, "dev_eui: 'x' is not a DevEUI, expected 16 hexadecimal digits"),
        ({"group": "h"}, "group: 'h' is not one of this campaign's"),
        ({"profile": "mine"}, "profile: 'mine' is not known, expected one of generic"),
        ({"uplink_period": 0}, "uplink_period: 0 is not from 1 to 1e+07"),
        ({"loss": 1}, "loss: 1 is not from 0 to below 1"),
        ({"lorawan": "1.2"}, "lorawan: '1.2' is not one of '1.0', '1.1'"),
        ({"key": "a\nb"}, "key: 'a\\nb' holds control characters, expected printable text"),
        ({"key": "\ud800"}, "key: '\\ud800' holds control characters, expected printable text"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], problem: str):
    assert problems(**settings) == [problem]


@pytest.mark.parametrize("key", [KEY, KEY.upper(), " ".join(KEY[i : i + 2] for i in range(0, 32, 2)), f"0x{KEY}"])
def test_a_key_in_place_of_its_name_is_refused_and_not_shown(key: str):
    [problem] = problems(key=key)
    assert problem == "key: 32 hexadecimal digits are a key, expected the name of a key in the key ring"


def test_the_name_of_a_key_may_be_a_dev_eui_or_a_uuid():
    assert problems(key="0011223344556677") == []
    assert problems(key="123e4567-e89b-12d3-a456-426614174000") == []
