from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, Literal

import pytest

from fuota_fec.devices.field_kinds import kind_problems, read_enums
from fuota_fec.errors import ParameterError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Thing:
    KIND: ClassVar[str] = "thing"

    number: int = 1
    share: float | None = None
    flag: bool = True
    colour: Colour = Colour.RED
    versions: tuple[Literal["1", "2"], ...] = ()


def test_values_of_the_annotated_types_have_no_problems() -> None:
    assert list(kind_problems(Thing(share=1, colour=Colour.BLUE, versions=("1", "2")))) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"number": True}, "number: True is not allowed, expected a whole number"),
        ({"number": 1.0}, "number: 1.0 is not allowed, expected a whole number"),
        ({"share": "1"}, "share: '1' is not allowed, expected a number or None"),
        ({"share": True}, "share: True is not allowed, expected a number or None"),
        ({"flag": 1}, "flag: 1 is not allowed, expected True or False"),
        ({"colour": "red"}, "colour: 'red' is not allowed, expected one of 'red', 'blue'"),
        ({"versions": ["1"]}, "versions: ['1'] is not allowed, expected a list, each one of '1', '2'"),
        ({"versions": ("3",)}, "versions: ('3',) is not allowed, expected a list, each one of '1', '2'"),
    ],
)
def test_values_of_another_type_are_named(changes: dict[str, Any], problem: str) -> None:
    assert list(kind_problems(replace(Thing(), **changes))) == [problem]


def test_enumerations_are_read_by_name_and_lists_as_tuples() -> None:
    read = read_enums(Thing, {"colour": "blue", "versions": ["1"], "number": 3})
    assert read == {"colour": Colour.BLUE, "versions": ("1",), "number": 3}
    assert isinstance(read["colour"], Colour)
    with pytest.raises(ParameterError, match="colour: 'green' is not allowed, expected one of 'red', 'blue'"):
        read_enums(Thing, {"colour": "green"})
