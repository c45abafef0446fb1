"""Tables of TOML and JSON into dataclasses: valid values are converted, all problems are reported at once."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from fuota_fec.config_files import accepts_older_names, from_table, parse_table, read_table, with_current_names
from fuota_fec.errors import FuotaError, ParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    a: int
    b: str = "b"

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ParameterError(f"a: {self.a} is negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    one: Inner
    many: tuple[Inner, ...] = ()
    perhaps: Inner | None = None
    numbers: tuple[int, ...] | None = None
    pair: tuple[int, str] = (0, "")
    either: str | int = 0
    share: float = 0.5
    flag: bool = False
    kind: Literal["red", "green"] = "red"
    made: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ParameterError(f"share: {self.share} is above 1\nshare: that cannot be")


def problems_of(table: dict[str, Any]) -> list[str]:
    with pytest.raises(ParameterError) as info:
        from_table(Outer, table, "top")
    return str(info.value).splitlines()


ONE: dict[str, Any] = {"one": {"a": 1}}


def test_missing_keys_take_the_defaults():
    assert from_table(Outer, ONE, "top") == Outer(one=Inner(a=1))


def test_every_kind_of_field_is_read():
    table = {
        "one": {"a": 1, "b": "x"},
        "many": [{"a": 2}, {"a": 3, "b": "y"}],
        "perhaps": {"a": 4},
        "numbers": [3, 1, 2],
        "pair": [1, "p"],
        "either": "1/2",
        "share": 0.25,
        "flag": True,
        "kind": "green",
        "made": [1],
    }
    assert from_table(Outer, table, "top") == Outer(
        one=Inner(a=1, b="x"),
        many=(Inner(a=2), Inner(a=3, b="y")),
        perhaps=Inner(a=4),
        numbers=(3, 1, 2),
        pair=(1, "p"),
        either="1/2",
        share=0.25,
        flag=True,
        kind="green",
        made=[1],
    )


def test_a_whole_number_is_read_as_a_float():
    share = from_table(Outer, ONE | {"share": 1}, "top").share
    assert (share, type(share)) == (1.0, float)


@pytest.mark.parametrize("value", ["5/6", 17, 10**30])
def test_a_union_field_takes_either_type(value: object):
    assert from_table(Outer, ONE | {"either": value}, "top").either == value


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ({"one": {}}, ["top.one", "a is missing"]),
        ({"one": 3}, ["top.one: 3 is not allowed, expected a table, got int"]),
        ({"one": []}, ["top.one", "table", "list"]),
        ({"one": {"a": "x"}}, ["top.one.a: 'x' is not allowed, expected `int`, got `str`"]),
        ({"one": {"a": 1.0}}, ["top.one.a", "1.0", "int"]),
        ({"one": {"a": True}}, ["top.one.a", "True", "int"]),
        ({"one": {"a": -1}}, ["top.one", "a: -1 is negative"]),
        ({"one": {"a": 1, "c": 2}}, ["top.one", "'c'", "a, b"]),
        (ONE | {"many": {}}, ["top.many", "list of tables", "dict"]),
        (ONE | {"many": "ab"}, ["top.many", "list of tables", "str"]),
        (ONE | {"many": [{"a": 1}, 7]}, ["top.many[1]", "table", "int"]),
        (ONE | {"many": [{"a": 1}, {"b": "x"}]}, ["top.many[1]", "a is missing"]),
        (ONE | {"many": [{"a": 1}, {"a": -2}]}, ["top.many[1]", "-2 is negative"]),
        (ONE | {"perhaps": {"a": "x"}}, ["top.perhaps", "int"]),
        (ONE | {"perhaps": {"a": 1, "c": 2}}, ["top.perhaps", "'c'"]),
        (ONE | {"numbers": [1, "x"]}, ["top.numbers", "'x'", "int"]),
        (ONE | {"numbers": 3}, ["top.numbers", "3", "array"]),
        (ONE | {"pair": [1]}, ["top.pair", "[1]"]),
        (ONE | {"either": 0.5}, ["top.either", "0.5", "int | str"]),
        (ONE | {"share": "x"}, ["top.share", "'x'", "float"]),
        (ONE | {"share": True}, ["top.share", "True", "float"]),
        (ONE | {"share": 10**400}, ["top.share"]),
        (ONE | {"flag": 1}, ["top.flag", "1", "bool"]),
        (ONE | {"kind": "blue"}, ["top.kind", "'blue'", "red", "green"]),
        (
            ONE | {"new": 1},
            ["top", "'new'", "one, many, perhaps, numbers, pair … (10 in all: docs/parameters.md)"],
        ),
        (ONE | {"Shares": 1}, ["top", "unknown key 'Shares', did you mean 'share'?"]),
    ],
    ids=str,
)
def test_a_problem_is_reported_with_place_value_and_expectation(table: dict[str, Any], parts: list[str]):
    [problem] = problems_of(table)
    for part in parts:
        assert part in problem


def test_all_problems_of_a_table_are_reported_at_once():
    problems = problems_of(
        {
            "new": 1,
            "newer": 2,
            "one": {"a": "x", "c": 1},
            "many": [{"a": 1}, 5, {"a": -1}, {"q": 1}],
            "share": "x",
        }
    )
    for part in ("'new'", "'newer'", "top.one.a", "'c'", "many[1]", "many[2]", "many[3]: a is", "'q'", "top.share"):
        assert sum(part in problem for problem in problems) == 1, part
    assert len(problems) == 9


def test_each_line_of_a_failed_check_names_the_table():
    assert problems_of(ONE | {"share": 2}) == ["top: share: 2.0 is above 1", "top: share: that cannot be"]


def test_from_table_leaves_the_table_unchanged():
    table = {"one": {"a": 1}, "many": [{"a": 2}]}
    before = json.dumps(table)
    from_table(Outer, table, "top")
    assert json.dumps(table) == before


# ---- files -------------------------------------------------------------------------------------------------


def test_toml_and_json_files_give_the_same_tables(tmp_path: Path):
    (tmp_path / "a.toml").write_text("[t]\nx = 1\nname = 'µ'\n", encoding="utf-8")
    (tmp_path / "a.json").write_text('{"t": {"x": 1, "name": "µ"}}', encoding="utf-8")
    (tmp_path / "other").write_text("[t]\nx = 1\nname = 'µ'\n", encoding="utf-8")
    tables = [read_table(tmp_path / name) for name in ("a.toml", "a.json", "other")]
    assert tables == [{"t": {"x": 1, "name": "µ"}}] * 3
    assert read_table(str(tmp_path / "a.toml")) == tables[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.toml", b"x"),
        ("a.toml", b"x = 1\nx = 2"),
        ("a.toml", b"\xff"),
        ("a.toml", b"x = \x00"),
        ("a.toml", b"x = " + b"[" * 50_000),
        ("a.json", b""),
        ("a.json", b"[]"),
        ("a.json", b"3"),
        ("a.json", b'{"x": 1'),
        ("a.json", b"[" * 50_000),
        ("a.json", b"x = 1"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_file_in_another_format_than_its_suffix_is_refused(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ParameterError) as info:
        read_table(tmp_path / name)
    assert str(info.value).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize("name", ["nothing.toml", ".", "x" * 300, "a\0b"])
def test_a_configuration_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str):
    with pytest.raises(FuotaError) as info:
        read_table(tmp_path / name)
    assert "cannot be read" in str(info.value)


# ---- older names -----------------------------------------------------------------------------------------


@accepts_older_names
@dataclass(frozen=True, kw_only=True)
class Renamed:
    OLDER_NAMES: ClassVar[dict[str, str]] = {"old": "new"}

    new: int
    other: int = 0


def test_an_older_name_stands_for_the_current_one_in_table_and_constructor():
    assert from_table(Renamed, {"old": 3}, "top") == Renamed(old=3) == Renamed(new=3)


def test_values_under_both_names_that_differ_are_reported_with_the_other_problems():
    with pytest.raises(ParameterError) as error:
        from_table(Renamed, {"old": 3, "new": 4, "other": "x"}, "top")
    lines = str(error.value).splitlines()
    assert lines[0].startswith("top: new, old: 4 and 3 differ, expected one value")
    assert any(line.startswith("top.other: 'x'") for line in lines)


def test_a_wrong_value_is_reported_under_the_name_in_the_table():
    for name in ("old", "new"):
        with pytest.raises(ParameterError, match=f"^top.{name}: 'x' is not allowed, expected `int`"):
            from_table(Renamed, {name: "x"}, "top")


def test_values_without_older_names_are_left_as_they_are():
    values = {"new": 1}
    assert with_current_names(Renamed, values) is values
    assert with_current_names(Inner, values) is values


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(ParameterError, match="it is a pipe, expected a regular file"):
        read_table(tmp_path / "a.toml")


@pytest.mark.parametrize("json_text", [False, True])
def test_a_number_of_thousands_of_digits_is_refused_in_our_words(json_text: bool) -> None:
    text = '{"a": %s}' if json_text else "a = %s"
    assert parse_table(text % ("9" * 6000), json_text=json_text) == "cannot be read: an integer has thousands of digits"
