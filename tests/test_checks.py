"""Checks of arguments: what is a number, and how a value shows in an error message."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec import ParameterError
from fuota_fec.checks import at_least_0, expected_of, integer, looks_like_key, plainly, printable, shown, without_keys

NOT_NUMBERS = [None, "5", b"5", "", 5.0, 5.5, float("nan"), float("inf"), 5j, [5], (5,), {}, object, np.float64(5)]
BOOLS = [True, False, np.True_, np.False_]
HUGE = [2**31, 2**32, 2**63, 2**64, 10**30, -(2**31), -(2**63), -(10**30)]
BEYOND_PRINTING = [10**5000, -(10**5000)]
"""More digits than Python turns into text, by default."""


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-60, 60))
def test_integer_takes_numbers_in_range_and_no_others(low, high, value):
    if low <= value <= high:
        assert integer("x", value, low, high) == value
    else:
        with pytest.raises(ParameterError, match=rf"^x: {value} is not from {low} to {high}$"):
            integer("x", value, low, high)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_integer_takes_numpy_integers_and_gives_plain_ones(dtype):
    number = integer("x", dtype(7), 1, 9)
    assert number == 7
    assert type(number) is int


def test_integer_takes_any_object_with_an_index():
    class Seven:
        def __index__(self):
            return 7

    number = integer("x", Seven(), 1, 9)
    assert number == 7
    assert type(number) is int


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
def test_integer_refuses_what_is_not_a_number(value):
    with pytest.raises(ParameterError, match=rf"^x: {re.escape(repr(value))} .* from 1 to 9$"):
        integer("x", value, 1, 9)


@pytest.mark.parametrize("value", BOOLS, ids=repr)
def test_integer_refuses_bools(value):
    with pytest.raises(ParameterError, match=rf"^x: {re.escape(repr(value))} .* from 0 to 9$"):
        integer("x", value, 0, 9)


@pytest.mark.parametrize("value", HUGE)
def test_integer_refuses_huge_numbers(value):
    with pytest.raises(ParameterError, match=rf"^x: {value} is not from 1 to 9$"):
        integer("x", value, 1, 9)


@pytest.mark.parametrize("value", BEYOND_PRINTING, ids=["positive", "negative"])
def test_integer_refuses_numbers_too_long_to_print(value):
    with pytest.raises(ParameterError, match=r"^x: .* from 1 to 9$"):
        integer("x", value, 1, 9)


# ---- values in messages ------------------------------------------------------------------------------------


def test_a_short_value_shows_as_its_repr():
    assert shown("1.0") == "'1.0'"
    assert shown([1, None]) == "[1, None]"


def test_a_long_value_is_cut_and_stays_on_one_line():
    assert shown("x" * 500) == f"'{'x' * 96}..."
    assert "\n" not in shown(np.zeros((5, 5)))


def test_a_value_whose_repr_fails_shows_as_its_type():
    class Mute:
        def __repr__(self):
            raise RuntimeError

    assert shown(Mute()) == "this Mute"


@pytest.mark.parametrize("value", [-1, -0.1, math.nan, math.inf, "2", None])
def test_a_value_that_is_not_0_or_more_is_refused(value):
    with pytest.raises(ParameterError, match="is not a finite number, expected 0 or more"):
        at_least_0("x", value)
    at_least_0("x", 0)
    at_least_0("x", 0.5)


KEY = "00112233445566778899aabbccddeeff"
SPELLED = [
    KEY,
    KEY.upper(),
    f"0x{KEY}",
    *(s.join(KEY[i : i + n] for i in range(0, 32, n)) for n in (2, 4, 8) for s in "-: "),
]


@pytest.mark.parametrize("text", SPELLED)
def test_what_is_written_as_a_key_is_not_shown(text: str):
    assert looks_like_key(text)
    assert shown({"name": text}) == "{'name': '(32 hexadecimal digits)'}"
    assert plainly(text) == "'(32 hexadecimal digits)'"


@pytest.mark.parametrize("text", [KEY + "00", KEY[2:], KEY * 2, "123e4567-e89b-12d3-a456-426614174000", "gateway"])
def test_other_texts_are_shown(text: str):
    assert not looks_like_key(text)
    assert shown(text) == repr(text)
    assert plainly(text) == text


@pytest.mark.parametrize("text", ["a\nb", "a\0", "\x1b[2J", "\x9b", "\ud800", "\u2028", "\u202e"])
def test_control_characters_are_shown_by_their_numbers(text: str):
    assert not printable(text)
    assert plainly(text) == repr(text)


def test_names_of_people_print():
    assert all(map(printable, ["Zähler 7", "水表", "می\u200cشود", "a b", "🔥"]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sucess_threshold", "did you mean 'success_threshold'?"),
        ("GROUPS", "did you mean 'groups'?"),
        ("colour", "expected one of id, success_threshold, groups, devices, rows … (7 in all: page)"),
        ("x" * 100_000, "expected one of id, success_threshold, groups, devices, rows … (7 in all: page)"),
    ],
)
def test_a_name_that_is_not_known_gets_the_closest_or_a_handful(name: str, expected: str):
    known = ["id", "success_threshold", "groups", "devices", "rows", "ports", "loss"]
    assert expected_of(name, known, "page") == expected


def test_few_known_names_are_all_listed():
    assert expected_of("x", ["one", "two"]) == "expected one of one, two"


@pytest.mark.parametrize(
    "key",
    [
        "{0x00,0x11,0x22,0x33,0x44,0x55,0x66,0x77,0x88,0x99,0xaa,0xbb,0xcc,0xdd,0xee,0xff}",
        "[00, 11, 22, 33, 44, 55, 66, 77, 88, 99, aa, bb, cc, dd, ee, ff]",
        "ABEiM0RVZneImaq7zN3u/w==",
    ],
)
def test_keys_of_programs_are_keys_and_are_not_shown(key: str):
    assert looks_like_key(key)
    assert key not in shown(key)


@pytest.mark.parametrize("text", ["zero\u200bwidth", "right\u200fto left", "mark\ufeff"])
def test_invisible_characters_do_not_print(text: str):
    assert not printable(text)


def test_a_long_text_is_told_from_a_key_in_linear_time():
    """Blanks between bytes can be matched in one way alone: this would not end otherwise."""
    assert not looks_like_key(("00" + " " * 60) * 15 + "x")
    assert looks_like_key(("00" + " " * 60) * 16)


@pytest.mark.parametrize("n", [0, 1, 4000, 4095, 4096, 4097, 4064, 4080])
@pytest.mark.parametrize("before", [" ", "x", "\0"])
@pytest.mark.parametrize("key", [KEY, ":".join(KEY[i : i + 2] for i in range(0, 32, 2)), "0x" + KEY.upper()])
def test_the_start_of_a_long_text_has_no_part_of_a_key(n, before, key):
    text = shown(f"{before * n} {key} {'z' * 10_000}")
    assert len(text) <= 100
    assert not any(key[i : i + 9] in text for i in range(len(key) - 8))


def test_only_the_start_of_a_long_text_is_looked_at():
    class Long(str):
        def __repr__(self) -> str:
            raise AssertionError("the repr of the whole text")

    assert shown(Long("z" * 10_000)) == f"'{'z' * 96}..."


def test_names_in_an_expectation_are_shown_safely():
    """The first line of a file without names of columns may hold keys."""
    known = ["DevEUI", KEY, "a\nb"]
    assert expected_of("Grup", known) == "expected one of DevEUI, '(32 hexadecimal digits)', 'a\\nb'"
    assert expected_of(f"{KEY[:-1]}0", known) == "did you mean '(32 hexadecimal digits)'?"
    assert without_keys(f"twice: {KEY}.") == "twice: (32 hexadecimal digits)."


@pytest.mark.parametrize("text", ["-----BEGIN PRIVATE KEY-----\nMIGH", ["-----BEGIN EC PRIVATE KEY-----", "MIGH"]])
def test_a_private_key_in_pem_is_not_shown(text):
    assert shown(text) == "(what may be a key)"
