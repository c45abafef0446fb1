"""Kinds of the fields of a dataclass: values that are none of the annotated type, and enumerations by name.

A value of the wrong type would be accepted by a comparison elsewhere, and only mislead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError

_WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "text", NoneType: "None"}


def kind_problems(item: Any) -> Iterator[str]:
    """A line for each field whose value is not of its type."""
    kind: type = type(item)
    for name, hint in _hints(kind).items():
        if not _fits(value := getattr(item, name), hint):
            yield f"{name}: {shown(value)} is not allowed, expected {_expected(hint)}"


def read_enums(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of fields, with enumerations that are given as text. ParameterError for a text that is none of them."""
    read = dict(values)
    for name, value in values.items():
        hint = _hints(cls).get(name)
        if isinstance(hint, type) and issubclass(hint, StrEnum) and not isinstance(value, hint):
            if value not in list(hint):
                raise ParameterError(f"{name}: {shown(value)} is not allowed, expected {_expected(hint)}")
            read[name] = hint(value)
        elif get_origin(hint) is tuple and isinstance(value, list):
            read[name] = tuple(value)
    return read


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return {name: hint for name, hint in get_type_hints(cls).items() if get_origin(hint) is not ClassVar}


def _fits(value: Any, hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, arg) for arg in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, args[0]) for item in value)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _expected(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_expected(arg) for arg in args)
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}"
    if origin is tuple:
        return f"a list, each {_expected(args[0])}"
    if issubclass(hint, StrEnum):
        return f"one of {', '.join(repr(member.value) for member in hint)}"
    return _WORDS.get(hint, f"a {hint.__name__}")
