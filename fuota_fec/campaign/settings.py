"""Settings: their ranges, kept in the metadata of the fields, and the checks that campaign, group and device share.

A check yields a line for each problem: `name: value is not …, expected …`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache, partial
from types import MappingProxyType
from typing import Any, TypeVar

from fuota_fec.checks import looks_like_key, printable, shown
from fuota_fec.codec.block import n_coded_of
from fuota_fec.config_files import choices
from fuota_fec.errors import ParameterError
from fuota_fec.wire.limits import MAX_FRAG_NB

T = TypeVar("T", bound=Hashable)

ADAPTIVE, PLANNED, SELECTED = "adaptive", "planned", "selected"
U32_MAX = 2**32 - 1


def between(low: float, high: float) -> Mapping[str, Any]:
    """Metadata of a field whose value, if given, is from `low` to `high`."""
    return MappingProxyType({"range": (low, high)})


LONGEST_NAME = 200
"""Longest id or name in characters."""


@cache
def ranges(cls: type) -> tuple[tuple[str, float, float], ...]:
    """Field, least and largest value, for the fields of a dataclass that have a range."""
    return tuple((spec.name, *spec.metadata["range"]) for spec in fields(cls) if "range" in spec.metadata)


def field_problems(item: Any) -> Iterator[str]:
    """Problems of a dataclass that concern one field alone: its range, its choices."""
    cls = item.__class__
    for name, low, high in ranges(cls):
        value = getattr(item, name)
        if value is not None and not low <= value <= high:
            yield f"{name}: {shown(value)} is not from {_plain(low)} to {_plain(high)}"
    for name, allowed in choices(cls).items():
        if (value := getattr(item, name)) not in allowed:
            yield f"{name}: {shown(value)} is not one of {', '.join(map(repr, allowed))}"


def name_problems(name: str, value: str) -> Iterator[str]:
    """Problem of a name that would not show, or not as one line."""
    if not printable(value):
        yield f"{name}: {shown(value)} holds control characters, expected printable text"
    elif value != value.strip() or value.startswith("-") or len(value) > LONGEST_NAME:
        yield (
            f"{name}: {shown(value)} is not a name, expected at most {LONGEST_NAME} characters, without blanks at its "
            "ends or '-' at its begin"
        )


def key_name_problems(name: str, value: str) -> Iterator[str]:
    """Problems of the name of a key. What may be the key itself is not shown."""
    if looks_like_key(value):
        yield f"{name}: 32 hexadecimal digits are a key, expected the name of a key in the key ring"
    yield from name_problems(name, value)


def loss_problems(loss: float | None) -> Iterator[str]:
    if loss is not None and not 0 <= loss < 1:
        yield f"loss: {shown(loss)} is not from 0 to below 1"


def redundancy_problems(redundancy: str | int, most: int) -> Iterator[str]:
    """Problems of a `redundancy` setting; `most` is frag_redundancy_max."""
    if isinstance(redundancy, int):
        if not 0 <= redundancy <= most:
            yield f"redundancy: {shown(redundancy)} is not from 0 to frag_redundancy_max = {most}"
    elif redundancy not in (ADAPTIVE, PLANNED):
        for problem in raised(partial(n_coded_of, redundancy, 1)):
            yield problem.replace("code_rate", "redundancy", 1)  # The name of the setting that holds it.


def n_coded_wanted(redundancy: str | int, n_frags: int) -> int:
    """R of a `redundancy` setting for n_frags uncoded fragments; the number of all rows where it is "adaptive"."""
    if redundancy == ADAPTIVE:
        return MAX_FRAG_NB - n_frags
    return redundancy if isinstance(redundancy, int) else n_coded_of(redundancy, n_frags)


def firmware_version(value: str | int, name: str = "fw_version") -> int:
    """ "1.2.3.4" = 0x01020304, or the number itself; 32 bits (TS006, DevVersionAns)."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= U32_MAX:
        return value
    if isinstance(value, str):
        parts = value.split(".")
        if len(parts) == 4 and all(len(p) <= 3 and p.isascii() and p.isdigit() and int(p) < 256 for p in parts):
            return int.from_bytes(bytes(map(int, parts)), "big")
    raise ParameterError(
        f'{name}: {shown(value)} is not a firmware version, expected four numbers below 256 such as "1.2.3.4", or a '
        "32-bit number"
    )


def raised(check: Callable[[], object]) -> Iterator[str]:
    """The message of a check that raises ParameterError."""
    try:
        check()
    except ParameterError as error:
        yield str(error)


def repeated(values: Iterable[T]) -> Iterator[T]:
    """Values that were there before."""
    seen: set[T] = set()
    for value in values:
        if value in seen:
            yield value
        seen.add(value)


def _plain(bound: float) -> str:
    """A bound as people write it: 16383, 1e+09, with no digit lost."""
    return f"{bound:g}" if float(f"{bound:g}") == bound else str(bound)
