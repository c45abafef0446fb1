"""Configuration files: converts tables of TOML or JSON into frozen dataclasses and reports all problems at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import Enum
from functools import cache, wraps
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fuota_fec.checks import expected_of, plainly, shown
from fuota_fec.csv_table import Row
from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.files import read_text

T = TypeVar("T")

PARAMETERS = "docs/parameters.md"
"""Page that lists the keys of all tables."""

_NO_NAMES: Mapping[str, str] = MappingProxyType({})


def read_table(path: str | Path) -> dict[str, Any]:
    """Contents of a .toml or .json file. ParameterError if the file cannot be read or is in another format."""
    text = read_text(path)
    table = parse_table(text, json_text=Path(path).suffix == ".json")
    del text  # It may hold keys, which do not belong in a traceback.
    if isinstance(table, str):
        raise ParameterError(f"{path}: {table}")
    return table


def parse_table(text: str, *, json_text: bool) -> dict[str, Any] | str:
    """Tables in a text of TOML or JSON, or the reason why there are none. Nothing is raised: the text may hold keys."""
    try:
        table = json.loads(text) if json_text else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        return str(error)
    except ValueError:  # The interpreter's limit on the digits of an integer.
        return "cannot be read: an integer has thousands of digits"
    except RecursionError:
        return "cannot be read: tables and lists are nested too deeply"
    return table if isinstance(table, dict) else _refused(table, "tables")


def from_table(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Dataclass from a table of a file. The ParameterError lists all unknown keys, wrong types and missing keys.

    A dataclass with the class method `of_base` has the fields that the table leaves out from its `base`.
    """
    try:
        import msgspec
    except ImportError:
        raise MissingExtraError(
            'reading a configuration file needs the extra "campaign": pip install "fuota-fec[campaign]"',
            extra="campaign",
        ) from None

    # Values are checked even if there are unknown keys, but the dataclass is only built if every value could be read.
    kind: type = cls
    known = {f.name: f for f in fields(kind)}
    hints = _hints(kind)
    written = {
        name: older for older, name in _older_names(cls).items() if older in table
    }  # Name of the setting in the file.
    problems: list[str] = []
    row = table if isinstance(table, Row) else None
    try:
        table = with_current_names(cls, table)
    except ParameterError as error:
        problems.append(f"{where}: {error}")
    base: Any = None
    if (of_base := getattr(kind, "of_base", None)) is not None:
        try:
            base = of_base(table.get("base", ""))
        except ParameterError as error:
            problems.append(f"{where}: {error}")
    names = (*known, *_older_names(cls))
    unknown = [
        f"{where}: unknown key {shown(name)}, {expected_of(str(name), names, PARAMETERS)}"
        for name in table
        if name not in names
    ]
    values: dict[str, Any] = {}
    for name, spec in known.items():
        if name not in table:
            if spec.default is MISSING and spec.default_factory is MISSING:
                problems.append(f"{row.place(name) if row is not None else where}: {name} is missing")
            continue
        key = row.place(name) if row is not None else f"{where}.{written.get(name, name)}"
        try:
            values[name] = _value(hints[name], table[name], key, strict=row is None)
        except msgspec.ValidationError as error:
            reason = str(error)
            problems.append(f"{key}: {shown(table[name])} is not allowed, {reason[:1].lower()}{reason[1:]}")
        except ParameterError as error:
            problems += error.problems
    made: T | None = None
    if not problems:
        try:
            made = cls(**values) if base is None else replace(base, **{"base": base.name, **values})
        except ParameterError as error:
            problems = [f"{where}: {line}" for line in error.problems]
    if unknown or problems or made is None:
        raise ParameterError.of(unknown + problems)
    return made


def with_current_names(cls: type, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values of a dataclass under the names of its fields: a key of its OLDER_NAMES stands for the current name.

    ParameterError for a value that is given under both names, and differs.
    """
    for older, name in _older_names(cls).items():
        if older in values:
            if name in values and values[name] != values[older]:
                both = f"{shown(values[name])} and {shown(values[older])}"
                raise ParameterError(f"{name}, {older}: {both} differ, expected one value")
            values = {name: values[older], **{key: value for key, value in values.items() if key != older}}
    return values


def accepts_older_names(cls: type[T]) -> type[T]:
    """Class decorator: the constructor of a dataclass takes the keywords of its OLDER_NAMES too.

    Type checkers see the current names alone.
    """
    changed: Any = cls
    init = changed.__init__

    @wraps(init)
    def __init__(self: T, **values: Any) -> None:
        init(self, **with_current_names(cls, values))

    changed.__init__ = __init__
    return cls


@cache
def choices(cls: type) -> Mapping[str, tuple[Any, ...]]:
    """Fields of a dataclass with a fixed set of values → these values."""
    return {name: get_args(hint) for name, hint in _hints(cls).items() if get_origin(hint) is Literal}


def _older_names(cls: type) -> Mapping[str, str]:
    """Older name of a field → its current name."""
    return getattr(cls, "OLDER_NAMES", _NO_NAMES)


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls)


def _value(hint: Any, value: Any, where: str, *, strict: bool = True) -> Any:
    """Value of a field. Tables of dataclasses go through from_table, which lists their problems as well. Without
    `strict`, numbers and truth values may be texts."""
    import msgspec

    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType) and NoneType in args and len(args) == 2:
        if value is None:
            return None
        [hint] = set(args) - {NoneType}
        return _value(hint, value, where, strict=strict)
    if origin in (Union, UnionType) and isinstance(value, Mapping):
        tables = [arg for arg in args if isinstance(arg, type) and is_dataclass(arg)]
        return _value(tables[0], value, where) if len(tables) == 1 else msgspec.convert(value, hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        allowed = [member.value for member in hint]
        if value not in allowed:
            raise ParameterError(f"{where}: {shown(value)} is not one of {', '.join(map(repr, allowed))}")
        return hint(value)
    if origin is Literal:
        if value not in args:
            raise ParameterError(f"{where}: {shown(value)} is not one of {', '.join(map(repr, args))}")
        return value
    if origin is tuple and is_dataclass(args[0]):
        if isinstance(value, Mapping) and (named_by := getattr(args[0], "NAMED_BY", None)) is not None:
            return tuple(_collect_named(args[0], named_by, value, where))
        if not isinstance(value, (list, tuple)):
            raise ParameterError(f"{where}: {_refused(value, 'a list of tables')}")
        return tuple(_collect(args[0], value, where))
    if isinstance(hint, type) and is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ParameterError(f"{where}: {_refused(value, 'a table')}")
        return from_table(hint, value, where)
    return msgspec.convert(value, hint, strict=strict)


def _refused(value: Any, expected: str) -> str:
    return f"{shown(value)} is not allowed, expected {expected}, got {type(value).__name__}"


def _collect(cls: Any, tables: Any, where: str) -> list[Any]:
    if (made := _at_once(cls, tables)) is not None:
        return made
    rows = (getattr(table, "where", f"{where}[{i}]") for i, table in enumerate(tables))
    return _collect_labelled(cls, list(zip(rows, tables, strict=True)))


def _at_once(cls: Any, tables: Sequence[Any]) -> list[Any] | None:
    """Dataclasses of many tables, in a tenth of the time; None if there is a problem, which from_table names, or if
    their fields need more than a conversion of types."""
    import msgspec

    if not _is_flat(cls):
        return None
    known = {f.name for f in fields(cls)}
    try:
        if all(map(known.issuperset, tables)):
            return msgspec.convert(tables, list[cls], strict=not any(isinstance(table, Row) for table in tables))
    except (msgspec.ValidationError, TypeError):
        return None
    return None


@cache
def _is_flat(cls: type) -> bool:
    """Whether a dataclass has only fields that msgspec converts as `_value` does."""
    nested = any(_is_nested(hint) for hint in _hints(cls).values())
    return not (nested or hasattr(cls, "of_base") or _older_names(cls))


def _is_nested(hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return False
    if is_dataclass(hint) or (isinstance(hint, type) and issubclass(hint, Enum)):
        return True
    return any(map(_is_nested, get_args(hint)))


def _collect_named(cls: Any, named_by: str, tables: Mapping[str, Any], where: str) -> list[Any]:
    """Dataclasses of a table of tables: the name of a table is the value of the field `named_by`."""
    named = [
        (f"{where}.{plainly(name)}", {named_by: name, **table} if isinstance(table, Mapping) else table)
        for name, table in tables.items()
    ]
    return _collect_labelled(cls, named)


def _collect_labelled(cls: Any, tables: list[tuple[str, Any]]) -> list[Any]:
    made: list[Any] = []
    problems: list[str] = []
    for where, table in tables:
        try:
            if not isinstance(table, Mapping):
                raise ParameterError(f"{where}: {_refused(table, 'a table')}")
            made.append(from_table(cls, table, where))
        except ParameterError as error:
            problems += error.problems
    if problems:
        raise ParameterError.of(problems)
    return made
