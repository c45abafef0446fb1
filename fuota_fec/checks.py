"""Checks of arguments. Each error names the value and the expected range."""

from __future__ import annotations

import math
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


def shown(value: Any) -> str:
    """The repr of any value, shortened for an error message."""
    try:
        text = repr(value)
    except Exception:  # a number too long to print, or an object whose repr fails
        return f"this {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def at_least_0(name: str, value: object) -> None:
    """ParameterError unless a value is a finite number, 0 or more."""
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
        raise ParameterError(f"{name}: {shown(value)} is not a finite number, expected 0 or more")
