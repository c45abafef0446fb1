"""Dialects of TS004: their numbers, and the two keywords that name one."""

from __future__ import annotations

import re

import pytest

from fuota_fec import ParameterError
from fuota_fec.wire.dialects import DIALECTS, dialect_number, one_dialect

NOT_DIALECTS = [
    *("", "1", "2", "1.0", "1.0.0 ", "v1.0.0", "3.0.0", b"1.0.0"),
    *(1, 2, 1.0, True, [], {}, ["1.0.0"], object),
]


def test_dialects_have_the_numbers_of_package_version_ans():
    assert DIALECTS == {"1.0.0": 1, "2.0.0": 2}
    assert [dialect_number(dialect) for dialect in DIALECTS] == [1, 2]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_both_keywords_name_a_dialect(dialect):
    assert one_dialect(dialect, None) == dialect
    assert one_dialect(None, dialect) == dialect
    assert one_dialect(dialect, dialect) == dialect
    assert one_dialect("".join(list(dialect)), dialect, None) == dialect


def test_the_default_dialect_is_the_first_one_unless_the_caller_says_another():
    assert one_dialect(None, None) == "1.0.0"
    assert one_dialect(None, None, "2.0.0") == "2.0.0"
    assert one_dialect("1.0.0", None, "2.0.0") == "1.0.0"


def test_a_required_dialect_that_is_not_given_is_refused():
    with pytest.raises(
        ParameterError, match=r"^dialect: None is not a TS004 dialect, expected '1\.0\.0' or '2\.0\.0'$"
    ):
        one_dialect(None, None, None)


def test_two_different_dialects_are_refused_with_both_names():
    with pytest.raises(
        ParameterError, match=r"^dialect, version: '1\.0\.0' and '2\.0\.0' differ, expected one dialect$"
    ):
        one_dialect("1.0.0", "2.0.0")


@pytest.mark.parametrize("value", NOT_DIALECTS, ids=repr)
def test_a_value_that_is_no_dialect_is_refused_under_either_keyword(value):
    expected = rf"^dialect: {re.escape(repr(value))} is not a TS004 dialect, expected '1\.0\.0' or '2\.0\.0'$"
    for call in (
        lambda: dialect_number(value),
        lambda: one_dialect(value, None),
        lambda: one_dialect(None, value),
        lambda: one_dialect("1.0.0", value),
        lambda: one_dialect(value, "1.0.0"),
    ):
        with pytest.raises(ParameterError, match=expected):
            call()
