"""Tables for pandas, or polars, or neither."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from fuota_fec import data_frames
from fuota_fec.data_frames import data_frame


def test_pandas_has_missing_values_in_columns_of_whole_numbers():
    pytest.importorskip("pandas")
    frame = data_frame({"n": [1, None, 3], "name": ["a", "b", "c"]})
    assert str(frame.dtypes["n"]) == "Int64"
    assert frame["n"].isna().tolist() == [False, True, False]


def test_polars_is_taken_without_pandas(monkeypatch):
    monkeypatch.setattr(data_frames, "find_spec", lambda name: None if name == "pandas" else object())
    monkeypatch.setitem(sys.modules, "polars", SimpleNamespace(DataFrame=lambda columns: ("polars", columns)))
    assert data_frame({"n": [1, None]}) == ("polars", {"n": [1, None]})


def test_without_either_the_error_names_both(monkeypatch):
    monkeypatch.setattr(data_frames, "find_spec", lambda _name: None)
    with pytest.raises(ImportError, match="need pandas or polars, and neither is installed"):
        data_frame({})
