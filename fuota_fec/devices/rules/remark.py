"""What a rule finds, and which campaigns it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

Severity: TypeAlias = Literal["refuse", "warn", "info"]
"""refuse: it cannot work, and nothing should go on the air. warn: it may fail, or end without a proof. info: what will
happen."""


class Remark(NamedTuple):
    """`message`: the values and what was expected; `remedy`: what would help, empty for an info."""

    severity: Severity
    message: str
    remedy: str = ""


Remarks: TypeAlias = Iterator[Remark]

ANY = frozenset({"firmware", "binary", "multicast"})
TRANSFER = frozenset({"firmware", "binary"})
FIRMWARE = frozenset({"firmware"})
