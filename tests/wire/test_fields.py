"""Classes whose fields are checked: what `checked_fields` makes of a class."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

from fuota_fec.wire.fields import FieldError, Fields, checked_fields, integer, octets
from fuota_fec.wire.fragmentation import DataFragment, FragSessionDeleteAns, FragSessionStatusReq


@checked_fields
class Sample(Fields):
    """A class with a field of each kind, and one that is checked by nothing."""

    number: int = integer(1, 9)
    few: bytes = octets(1, 2, default=b"x")
    yes: bool = False
    other: Any = None

    def __post_init__(self) -> None:
        if self.yes and self.number == 1:
            raise FieldError("number: 1 is not allowed, expected more", field="number")


class OfAUser(Sample):
    """A subclass that is not made by `checked_fields`, and has other slots."""


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"number": 0}, "number: 0 is not allowed, expected an integer from 1 to 9"),
        ({"number": 10}, "number: 10 is not allowed, expected an integer from 1 to 9"),
        ({"number": None}, "number: None is not allowed, expected an integer from 1 to 9"),
        ({"number": 1, "few": b""}, "few: a length of 0 is not allowed, expected 1 to 2 bytes"),
        ({"number": 1, "few": "x"}, "few: 'x' is not allowed, expected 1 to 2 bytes"),
        ({"number": 1, "yes": 2}, "yes: 2 is not allowed, expected a bool"),
        ({"number": 0, "few": b"", "yes": 2}, "number: 0 is not allowed, expected an integer from 1 to 9"),
    ],
    ids=str,
)
def test_the_first_field_that_is_not_of_its_kind_is_refused(values: dict[str, Any], refused: str) -> None:
    with pytest.raises(FieldError) as caught:
        Sample(**values)
    assert str(caught.value) == f"Sample.{refused}"
    assert caught.value.field == refused.partition(":")[0]


def test_what_fields_have_in_common_is_checked_last() -> None:
    assert Sample(number=2, yes=True).yes
    with pytest.raises(FieldError, match="expected more"):
        Sample(number=1, yes=True)
    with pytest.raises(FieldError, match="expected a bool"):
        Sample(number=1, yes=3)


def test_values_of_other_types_are_converted() -> None:
    sample = Sample(number=np.uint8(3), few=bytearray(b"ab"), yes=np.True_)
    assert sample == Sample(number=3, few=b"ab", yes=True)
    assert (type(sample.number), type(sample.few), type(sample.yes)) == (int, bytes, bool)


def test_a_value_in_range_by_construction_is_not_checked() -> None:
    known = Sample._known(number=2, few=b"ab")
    assert known == Sample(number=2, few=b"ab")
    assert type(known) is Sample
    assert Sample._known(number=77).number == 77


@pytest.mark.parametrize("make", [Sample, Sample._known])
def test_an_instance_is_an_immutable_value_without_a_dictionary(make: Any) -> None:
    sample = make(number=2, other=[1])
    assert repr(sample) == "Sample(number=2, few=b'x', yes=False, other=[1])"
    assert not hasattr(sample, "__dict__")
    for change in (lambda: setattr(sample, "number", 3), lambda: delattr(sample, "number")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert len({make(number=2), Sample(number=2)}) == 1
    assert dataclasses.replace(sample, number=4) == Sample(number=4, other=[1])
    for copied in (copy.copy(sample), copy.deepcopy(sample), pickle.loads(pickle.dumps(sample))):
        assert copied == sample
        assert type(copied) is Sample


def test_fields_are_keywords_with_their_defaults() -> None:
    assert str(inspect.signature(FragSessionStatusReq)) == "(*, frag_index: 'int', participants: 'bool') -> None"
    assert str(inspect.signature(FragSessionDeleteAns)) == (
        "(*, frag_index: 'int', session_does_not_exist: 'bool' = False) -> None"
    )
    for arguments in ({}, {"few": b"x"}, {"number": 1, "unknown": 2}):
        with pytest.raises(TypeError, match=r"^Sample.__init__\(\)"):
            Sample(**arguments)
    with pytest.raises(TypeError, match=r"^Sample.__init__\(\) takes 1 positional argument"):
        Sample(1)  # type: ignore[misc]


@pytest.mark.parametrize("make", [OfAUser, OfAUser._known])
def test_a_subclass_of_a_user_is_checked(make: Any) -> None:
    made = make(number=2)
    made.__dict__["more"] = 1
    assert (type(made), made.number) == (OfAUser, 2)
    with pytest.raises(FieldError):
        make(number=0)


def test_commands_of_a_payload_are_of_the_class_itself() -> None:
    fragment = DataFragment.from_bytes(b"\x08\x01\x00ab")
    assert type(fragment) is DataFragment
    assert fragment == DataFragment(frag_index=0, n=1, payload=b"ab")
    with pytest.raises(dataclasses.FrozenInstanceError):
        fragment.n = 2  # type: ignore[misc]
