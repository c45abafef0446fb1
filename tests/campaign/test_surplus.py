"""Coded fragments that devices hear after their block is complete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fuota_fec.campaign.plan import make_plan
from fuota_fec.campaign.surplus import Risk, heard_in_surplus, risk

IMAGE_LEN = 400 * 48


def risk_of(config_of: Any, n_devices: int = 100, **changes: Any) -> Risk:
    """Of 400 fragments, to devices that send so rarely that they miss nothing because of it."""
    settings = {"fsize": 48, "each": {"profile": "zephyr"}, "kind": "binary", "fw_version": None, "uplink_period": 1e6}
    config = config_of(n_devices, **settings | {"max_duration": 1e7} | changes)
    return risk(config, make_plan(config, IMAGE_LEN).groups["meters"], config.devices)


@pytest.mark.parametrize(
    ("n_coded", "loss", "surplus"), [(100, 0.0, 100), (100, 0.1, 90 - 42), (46, 0.1, 0), (60, 0.1, 12), (0, 0.1, 0)]
)
def test_a_device_hears_what_exceeds_its_losses(n_coded: int, loss: float, surplus: float) -> None:
    assert heard_in_surplus(400, n_coded, loss) == pytest.approx(surplus)


def test_each_surplus_fragment_is_a_setup_with_one_in_256(config_of: Any) -> None:
    found = risk_of(config_of, redundancy=100, loss=0.0)
    assert found == (100, pytest.approx(100, abs=0.1), pytest.approx(100 * (1 - (255 / 256) ** 100), abs=0.1))
    assert 32 < found.n_expected < 33, "a third of the devices"


def test_an_unknown_loss_is_the_usual_one(config_of: Any) -> None:
    assert risk_of(config_of, redundancy=100) == risk_of(config_of, redundancy=100, loss=0.1)


def test_devices_are_counted_with_their_own_losses(config_of: Any) -> None:
    settings = {"fsize": 48, "kind": "binary", "fw_version": None, "redundancy": 50, "max_duration": 1e7}
    config = config_of(2, each={"profile": "zephyr"}, uplink_period=1e6, **settings)
    config = replace(config, devices=tuple(replace(d, loss=p) for d, p in zip(config.devices, (0.0, 0.5), strict=True)))
    found = risk(config, make_plan(config, IMAGE_LEN).groups["meters"], config.devices)
    assert found == (2, pytest.approx(25, abs=0.1), pytest.approx(1 - (255 / 256) ** 50, abs=0.01))


def test_own_uplinks_count_as_losses(config_of: Any) -> None:
    assert (
        risk_of(config_of, redundancy=100, uplink_period=20).n_expected < risk_of(config_of, redundancy=100).n_expected
    )


def test_other_stacks_read_nothing(config_of: Any) -> None:
    assert risk_of(config_of, redundancy=100, each={"profile": "generic"}) == (0, 0, 0)


def test_an_adaptive_group_has_no_surplus_before_its_first_status(config_of: Any) -> None:
    for loss in (None, 0.0, 0.1):
        assert risk_of(config_of, redundancy="adaptive", loss=loss).n_expected == 0
