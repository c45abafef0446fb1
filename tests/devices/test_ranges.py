"""Ranges of a profile's numbers, and lists without repetition: laws over the tables."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.devices.field_kinds import kind_problems
from fuota_fec.devices.profiles import PROFILES, DeviceProfile, profile
from fuota_fec.devices.ranges import LISTS, NOT_EMPTY, RANGES, range_problems
from fuota_fec.errors import ParameterError

HINTS = get_type_hints(DeviceProfile)
NUMBERS = [
    spec.name
    for spec in fields(DeviceProfile)
    if HINTS[spec.name] in (int, float, int | None, float | None)  # bool is a type of its own
]
NUMBERS_AND_NONSENSE = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=3))


def test_every_number_and_every_list_of_a_profile_is_in_a_table() -> None:
    assert sorted(RANGES) == sorted(NUMBERS)
    assert sorted(LISTS) == sorted(spec.name for spec in fields(DeviceProfile) if "tuple" in str(HINTS[spec.name]))
    assert set(NOT_EMPTY) < set(LISTS)


def test_every_profile_is_within_the_ranges() -> None:
    for row in PROFILES.values():
        assert list(range_problems(row)) == []


@given(name=st.sampled_from(sorted(RANGES)), value=NUMBERS_AND_NONSENSE)
def test_a_profile_has_a_number_in_its_range_or_the_error_names_field_and_value(name: str, value: Any) -> None:
    low, high = RANGES[name]
    optional = type(None) in getattr(HINTS[name], "__args__", ())
    whole = HINTS[name] in (int, int | None)
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if (number and low <= value <= high) or (value is None and optional):
        try:
            mine = profile("generic").replace(**{name: value})
        except ParameterError as error:  # Another limit contradicts it.
            assert name in str(error)  # noqa: PT017
        else:
            assert getattr(mine, name) == value
            assert list(kind_problems(mine)) == []
        return
    with pytest.raises(
        ParameterError, match=rf"^profile 'generic': {name}: .* (is not from|is not allowed, expected) "
    ):
        profile("generic").replace(**{name: value})


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_no_value_twice(name: str) -> None:
    first = {"mc_group_ids": 0, "setup_checks": "max_frags", "boot_compression": "lz4"}.get(name, "1.0.0")
    assert profile("generic").replace(**{name: [first]})
    with pytest.raises(ParameterError, match=rf"^profile 'generic': {name}: .* has a value twice, expected different"):
        profile("generic").replace(**{name: [first, first]})
    if name in NOT_EMPTY:
        with pytest.raises(ParameterError, match=rf"^profile 'generic': {name}: \(\) is empty, expected one value"):
            profile("generic").replace(**{name: []})
    else:
        assert getattr(profile("generic").replace(**{name: []}), name) == ()


@pytest.mark.parametrize(("ids", "wrong"), [((0, 4), 4), ((-1, 5), -1)])
def test_mc_group_ids_are_from_0_to_3(ids: tuple[int, ...], wrong: int) -> None:
    with pytest.raises(ParameterError, match=f"mc_group_ids: {wrong} is not a McGroupID, expected 0 to 3"):
        profile("generic").replace(mc_group_ids=ids)
