"""Configuration files: tables of TOML or JSON into frozen dataclasses, with every problem reported at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from fuota_fec.errors import MissingExtraError, ParameterError

T = TypeVar("T")


def read_table(path: str | Path) -> dict[str, Any]:
    """The contents of a .toml or .json file. ParameterError if it is not there, or is neither."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ParameterError(f"{path}: cannot be read: {reason}") from None
    try:
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise ParameterError(f"{path}: {error}") from None
    if not isinstance(table, dict):
        raise ParameterError(f"{path}: expected tables, got {type(table).__name__}")
    return table


def from_table(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """A dataclass from a table of a file: unknown keys, wrong types and missing keys are all reported at once."""
    try:
        import msgspec
    except ImportError:
        raise MissingExtraError(
            'reading a configuration file needs the extra "campaign": pip install "fuota-fec[campaign]"',
            extra="campaign",
        ) from None

    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    problems = [
        f"{where}: unknown key {name!r}, expected one of {', '.join(known)}" for name in table if name not in known
    ]
    values: dict[str, Any] = {}
    for name, spec in known.items():
        if name not in table:
            if spec.default is MISSING and spec.default_factory is MISSING:
                problems.append(f"{where}: {name} is missing")
            continue
        try:
            values[name] = _value(hints[name], table[name], f"{where}.{name}")
        except msgspec.ValidationError as error:
            problems.append(f"{where}.{name}: {table[name]!r}: {error}")
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(problems))
    try:
        return cls(**values)
    except ParameterError as error:
        raise ParameterError("\n".join(f"{where}: {line}" for line in str(error).splitlines())) from None


def _value(hint: Any, value: Any, where: str) -> Any:
    """Tables of our own dataclasses are read by from_table, so that their problems are listed too."""
    import msgspec

    nested = hint.__args__[0] if getattr(hint, "__origin__", None) is tuple else None
    if nested is not None and hasattr(nested, "__dataclass_fields__"):
        if not isinstance(value, (list, tuple)):
            raise ParameterError(f"{where}: expected a list of tables, got {type(value).__name__}")
        return tuple(_collect(nested, value, where))
    if hasattr(hint, "__dataclass_fields__"):
        if not isinstance(value, Mapping):
            raise ParameterError(f"{where}: expected a table, got {type(value).__name__}")
        return from_table(hint, value, where)
    return msgspec.convert(value, hint)


def _collect(cls: type[T], tables: Any, where: str) -> list[T]:
    made, problems = [], []
    for i, table in enumerate(tables):
        try:
            if not isinstance(table, Mapping):
                raise ParameterError(f"{where}[{i}]: expected a table, got {type(table).__name__}")
            made.append(from_table(cls, table, f"{where}[{i}]"))
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(problems))
    return made
