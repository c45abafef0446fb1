"""Tables for pandas or polars, whichever is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def data_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """A DataFrame with these columns; None is a missing value. pandas if installed, else polars, else ImportError."""
    if find_spec("pandas") is not None:
        return import_module("pandas").DataFrame(columns).convert_dtypes()
    if find_spec("polars") is not None:
        return import_module("polars").DataFrame(columns)
    raise ImportError("data frames need pandas or polars, and neither is installed: pip install pandas")
