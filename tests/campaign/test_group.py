"""A multicast group: its names, its frequency, its checks."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from dataclasses import FrozenInstanceError, asdict, fields, replace
from typing import Any

import msgspec
import pytest

from fuota_fec.campaign.group import Group, group_problems
from fuota_fec.config_files import from_table
from fuota_fec.errors import ParameterError


def group(**changes: Any) -> Group:
    return Group(**{"name": "g", "mc_addr": "01f3a4b5", "dr": 5, **changes})


# ---- dialect and version ---------------------------------------------------------------------------------


def test_the_dialect_of_a_group_may_be_given_as_its_version() -> None:
    assert group(version="2.0.0") == group(dialect="2.0.0") == group(dialect="2.0.0", version="2.0.0")
    assert hash(group(version="2.0.0")) == hash(group(dialect="2.0.0"))
    assert (group().dialect, group().version, group(version="2.0.0").version) == ("1.0.0", "1.0.0", "2.0.0")


def test_two_different_dialects_of_a_group_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"^dialect, version: '1\.0\.0' and '2\.0\.0' differ, expected one value$"):
        group(dialect="1.0.0", version="2.0.0")


def test_the_dialect_of_a_group_can_be_replaced() -> None:
    assert replace(group(), dialect="2.0.0") == group(dialect="2.0.0")
    assert replace(group(version="2.0.0"), dr=3) == group(dialect="2.0.0", dr=3)


def test_a_table_may_give_the_dialect_as_the_version() -> None:
    table = {"name": "g", "mc_addr": "01f3a4b5", "dr": 5}
    assert from_table(Group, {**table, "version": "2.0.0"}, "top") == group(dialect="2.0.0")
    assert from_table(Group, {**table, "dialect": "2.0.0", "version": "2.0.0"}, "top") == group(dialect="2.0.0")
    with pytest.raises(
        ParameterError, match=r"^top: dialect, version: '2\.0\.0' and '1\.0\.0' differ, expected one value$"
    ):
        from_table(Group, {**table, "dialect": "2.0.0", "version": "1.0.0"}, "top")


def test_an_unknown_keyword_of_a_group_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        group(colour="red")
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'mc_addr'"):
        Group(name="g")


def test_a_group_is_a_frozen_value_that_can_be_copied_pickled_and_written() -> None:
    made = group(version="2.0.0", gateways=("a",))
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    assert msgspec.json.decode(msgspec.json.encode(made), type=Group) == made
    assert "version" not in asdict(made)
    assert json.loads(msgspec.json.encode(made))["dialect"] == "2.0.0"
    with pytest.raises(FrozenInstanceError):
        made.dialect = "1.0.0"


def test_the_signature_of_a_group_has_the_current_names() -> None:
    assert list(inspect.signature(Group).parameters) == [spec.name for spec in fields(Group)]
    assert repr(group()).startswith("Group(name='g', mc_addr='01f3a4b5'")


# ---- frequency -------------------------------------------------------------------------------------------


def test_the_frequency_of_a_group_is_its_own_or_the_regions() -> None:
    assert group().frequency_hz == 869_525_000
    assert group(frequency=868_100_000).frequency_hz == 868_100_000
    assert (group(region="US915", device_class="B", dr=8).dl_frequency_hz, group().dl_frequency_hz) == (0, 869_525_000)


@pytest.mark.parametrize(("area", "dr"), [("EU868", 0), ("US915", 8), ("AU915", 8), ("IN865", 2), ("AS923", 2)])
def test_a_data_rate_left_out_is_that_of_rx2(area: str, dr: int) -> None:
    assert group(region=area, dr=None).downlink_dr == dr
    assert group(region=area, dr=13).downlink_dr == 13


def test_a_region_without_a_default_needs_a_frequency() -> None:
    with pytest.raises(ParameterError, match=r"^frequency is missing, expected a number of Hz: CN470 has no default$"):
        _ = group(region="CN470").frequency_hz


# ---- checks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "name: '' is empty"),
        ({"mc_addr": "x"}, "mc_addr: 'x' is not a McAddr, expected 8 hexadecimal digits"),
        ({"mc_group_id": 4}, "mc_group_id: 4 is not from 0 to 3"),
        ({"periodicity": 8}, "periodicity: 8 is not from 0 to 7"),
        ({"first_f_cnt": 2**32}, "first_f_cnt: 4294967296 is not from 0 to 4294967295"),
        ({"dialect": "3"}, "dialect: '3' is not one of '1.0.0', '2.0.0'"),
        ({"gateways": ("a", "a")}, "gateways: a is given twice"),
        ({"redundancy": 341}, "redundancy: 341 is not from 0 to frag_redundancy_max = 340"),
        ({"frequency": 869_525_050}, "frequency: 869525050 Hz is not a multiple of 100 Hz, as it goes on the air"),
    ],
)
def test_each_setting_of_a_group_is_checked(changes: dict[str, Any], problem: str) -> None:
    assert list(group_problems(group(**changes), 340)) == [problem]


def test_an_unknown_region_is_refused_with_the_known_ones() -> None:
    [problem] = group_problems(group(region="MARS"), 340)
    assert problem.startswith("region: 'MARS' is not known, expected one of EU868, ")
