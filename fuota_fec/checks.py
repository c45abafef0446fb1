"""Checks of arguments. Each error names the value and the expected range."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache
from operator import index
from typing import Any

import numpy as np

from fuota_fec.errors import ParameterError


def integer(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int from low to high. True and False are refused."""
    if type(value) is int and low <= value <= high:
        return value
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{name}: {shown(value)} is not a whole number from {low} to {high}")
    if not low <= number <= high:
        raise ParameterError(f"{name}: {shown(number)} is not from {low} to {high}")
    return number


def counted(n: int, noun: str) -> str:
    """A number and its noun: "1 device", "2 devices"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


_KEY = re.compile(
    "(?<![0-9A-F])(?:0X)?(?:HH(?P<a>[-: ]?)HH(?:(?P=a)HH){14}|HHHH(?P<b>[-: ])HHHH(?:(?P=b)HHHH){6}"
    "|HHHHHHHH(?P<c>[-: ])HHHHHHHH(?:(?P=c)HHHHHHHH){2})(?![0-9A-F])".replace("H", "[0-9A-F]"),
    re.IGNORECASE,
)
"""32 hexadecimal digits, as one word or in groups of 2, 4 or 8."""
_KEY_BYTES = re.compile(r"[{\[(]?\s*(?:(?:0X)?[0-9A-F]{2}[\s,]*){16}[}\])]?;?", re.IGNORECASE)
"""16 bytes as programs write them: {0x00, 0x11, …}."""
_KEY_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{22}==")
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Characters that do not print, or change how others do."""
_HEAD_LEN, _KEY_LEN = 4096, 128
"""Characters of a long text that are looked at for a message, and more than a key is written with."""
MOST_NAMED = 5
"""Known names that a message has, if they are many."""
ALIKE = 0.7
"""Share of common letters from which on a name may be meant by another one."""


def looks_like_key(text: str) -> bool:
    """Whether a text is an AES-128 key as people write one: 32 hexadecimal digits, also in groups, 16 bytes of code, or
    base64."""
    text = text.strip()
    return any(pattern.fullmatch(text) for pattern in (_KEY, _KEY_BYTES, _KEY_BASE64))


def printable(text: str) -> bool:
    """Whether a text has no control characters, line ends, directions of writing or lone surrogates."""
    return _CONTROL.search(text) is None


def expected_of(name: str, known: Collection[str], where: str = "") -> str:
    """Expected name in place of one that is not known: the closest known one, or the known ones; if they are many, the
    first, and `where` they are listed."""
    names = tuple(known)
    if close := _closest(name[:64].lower(), names):
        return f"did you mean {shown(close)}?"
    if len(names) <= MOST_NAMED + 1:
        return f"expected one of {', '.join(map(plainly, names))}"
    first = ", ".join(map(plainly, names[:MOST_NAMED]))
    return f"expected one of {first} … ({len(names)} in all{where and f': {where}'})"


@lru_cache(maxsize=256)
def _closest(name: str, known: tuple[str, ...]) -> str | None:
    """The known name that is closest, if one is close; a file may have the same mistake in each of its tables."""
    spelled = {one.lower(): one for one in known}
    close = get_close_matches(name, spelled, 1, ALIKE)
    return spelled[close[0]] if close else None


def shown(value: Any) -> str:
    """The repr of any value, shortened for an error message. What is written as a key is left out."""
    try:
        text = repr(_head(value) if isinstance(value, str) else value)
    except Exception:  # a number too long to print, or an object whose repr fails
        return f"this {type(value).__name__}"
    text = without_keys(" ".join(text.split()))
    if "PRIVATE KEY-----" in text:
        return "(what may be a key)"
    if isinstance(value, str) and len(value) <= _HEAD_LEN and looks_like_key(value):
        return "(what may be a key)" if "(32 hex" not in text else text
    return text if len(text) <= 100 else f"{text[:97]}..."


def without_keys(text: str) -> str:
    """A text in which what is written as a key is left out."""
    return _KEY.sub("(32 hexadecimal digits)", text)


def _head(text: str) -> str:
    """Start of a long text, which is shown quickly. What may be the first part of a key at its end is left out."""
    if len(text) <= _HEAD_LEN:
        return text
    head = text[:_HEAD_LEN]
    return head[:-_KEY_LEN] + head[-_KEY_LEN:].rstrip("0123456789ABCDEFXabcdefx-: ") + "..."


def at_least_0(name: str, value: object) -> None:
    """ParameterError unless a value is a finite number, 0 or more."""
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
        raise ParameterError(f"{name}: {shown(value)} is not a finite number, expected 0 or more")


def plainly(name: str) -> str:
    """A name as it is, for the start of an error message; as `shown` has it if it would not print, or may be a key."""
    return name if printable(name) and len(name) <= 100 and not looks_like_key(name) else shown(name)
