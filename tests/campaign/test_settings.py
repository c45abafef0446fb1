"""Ranges in the metadata of fields, and the checks that campaign, group and device share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from fuota_fec.campaign.settings import (
    between,
    field_problems,
    firmware_version,
    loss_problems,
    n_coded_wanted,
    name_problems,
    raised,
    ranges,
    redundancy_problems,
    repeated,
)
from fuota_fec.errors import ParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    number: float = field(metadata=between(1, 1e7))
    perhaps: int | None = field(default=None, metadata=between(0, 16382))
    kind: Literal["a", "b"] = "a"
    free: int = 5


def test_the_ranges_of_a_dataclass_are_those_of_its_fields() -> None:
    assert ranges(Settings) == (("number", 1, 1e7), ("perhaps", 0, 16382))


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"number": 1}, []),
        ({"number": 1e7, "perhaps": 0, "kind": "b", "free": -1}, []),
        ({"number": 0.5}, ["number: 0.5 is not from 1 to 1e+07"]),
        ({"number": float("nan")}, ["number: nan is not from 1 to 1e+07"]),
        ({"number": 5, "perhaps": 16383}, ["perhaps: 16383 is not from 0 to 16382"]),
        ({"number": 0, "kind": "c"}, ["number: 0 is not from 1 to 1e+07", "kind: 'c' is not one of 'a', 'b'"]),
    ],
)
def test_a_field_out_of_its_range_or_choices_is_a_problem(values: dict[str, Any], problems: list[str]) -> None:
    assert list(field_problems(Settings(**values))) == problems


def test_metadata_with_a_range_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        between(1, 2)["range"] = (0, 3)


@pytest.mark.parametrize(("loss", "wrong"), [(None, False), (0, False), (0.99, False), (1, True), (-0.1, True)])
def test_a_loss_is_a_share_below_1(loss: float | None, wrong: bool) -> None:
    assert list(loss_problems(loss)) == ([f"loss: {loss} is not from 0 to below 1"] if wrong else [])


@pytest.mark.parametrize("redundancy", ["adaptive", "planned", "5/6", 0, 340])
def test_a_redundancy_that_can_be_used_is_no_problem(redundancy: str | int) -> None:
    assert list(redundancy_problems(redundancy, 340)) == []


@pytest.mark.parametrize("redundancy", ["6/5", "nonsense", -1, 341])
def test_a_redundancy_that_cannot_be_used_is_a_problem_under_its_name(redundancy: str | int) -> None:
    [problem] = redundancy_problems(redundancy, 340)
    assert problem.startswith(f"redundancy: {redundancy!r}")


@pytest.mark.parametrize(
    ("value", "number"),
    [("1.2.3.4", 0x01020304), ("0.0.0.0", 0), ("255.255.255.255", 2**32 - 1), (7, 7), (2**32 - 1,) * 2],
)
def test_a_firmware_version_is_four_numbers_or_one(value, number) -> None:
    assert firmware_version(value) == number


@pytest.mark.parametrize(
    "value", ["1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-4", "a.b.c.d", "", "1.2.3.²", -1, 2**32, True]
)
def test_a_value_that_is_no_firmware_version_is_refused(value) -> None:
    with pytest.raises(ParameterError, match="fw_version"):
        firmware_version(value)


@pytest.mark.parametrize(
    ("redundancy", "n_coded"), [("5/6", 20), ("1/2", 100), ("3/4", 34), ("1", 0), (17, 17), (0, 0)]
)
def test_the_number_of_coded_fragments_that_a_redundancy_asks_for(redundancy, n_coded) -> None:
    assert n_coded_wanted(redundancy, 100) == n_coded


def test_the_message_of_a_failed_check_is_its_problem() -> None:
    assert list(raised(lambda: firmware_version(7))) == []
    [problem] = raised(lambda: firmware_version("7"))
    assert problem.startswith("fw_version: '7' is not a firmware version, expected")


def test_repeated_values_are_listed_where_they_come_again() -> None:
    assert list(repeated("abcabb")) == ["a", "b", "b"]


@pytest.mark.parametrize("name", ["--help", "-x", " a", "a ", "x" * 201])
def test_a_name_that_cannot_be_written_on_a_command_line_is_refused(name: str):
    [problem] = name_problems("id", name)
    assert "is not a name, expected at most 200 characters" in problem
    assert not list(name_problems("id", "x" * 200))
