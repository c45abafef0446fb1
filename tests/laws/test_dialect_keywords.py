"""The keywords `dialect` and `version` mean the same, in the codec and in the reference."""

from __future__ import annotations

from typing import Any

import pytest

import fuota_fec as ff
from fuota_fec import _reference
from fuota_fec.wire.dialects import DIALECTS

BLOCK = bytes(range(120))


def coded(encode: Any, **keywords: Any) -> list[bytes]:
    return [bytes(fragment) for fragment in encode(BLOCK, 4, 6, **keywords)]


def decoded(module: Any, **keywords: Any) -> bytes:
    """Fragment 1 is lost; coded fragments of dialect 2.0.0 replace it, so that the dialect matters."""
    payloads = [BLOCK[4 * i : 4 * i + 4] for i in range(1, 30)] + coded(_reference.encode, dialect="2.0.0")
    return module.decode(30, 4, range(2, 37), payloads, **keywords)


ENTRIES = {
    "ParityMatrix": lambda **k: list(map(int, ff.ParityMatrix(30, **k).row(3))),
    "encode": lambda **k: coded(ff.encode, **k),
    "encode with rows": lambda **k: coded(ff.encode, rows=range(3, 20), **k),
    "Decoder": lambda **k: repr(ff.Decoder(30, 4, **k)),
    "decode": lambda **k: decoded(ff, **k),
    "prepare": lambda **k: ff.prepare(BLOCK, 4, n_coded=6, **k).frames.tobytes(),
    "reference.ParityMatrix": lambda **k: _reference.ParityMatrix(30, **k).row(3),
    "reference.encode": lambda **k: coded(_reference.encode, **k),
    "reference.Decoder": lambda **k: _reference.Decoder(30, 4, **k).dialect,
    "reference.decode": lambda **k: decoded(_reference, **k),
}

by_entry = pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)


@by_entry
def test_both_keywords_give_the_same_result(entry):
    first, second = (entry(dialect=dialect) for dialect in DIALECTS)
    assert first != second
    assert [entry(version=dialect) for dialect in DIALECTS] == [first, second]
    assert entry(dialect="2.0.0", version="2.0.0") == second


@by_entry
def test_the_default_dialect_is_1_0_0(entry):
    assert entry() == entry(dialect=None, version=None) == entry(dialect="1.0.0")


@by_entry
def test_an_unknown_or_a_second_dialect_is_refused(entry):
    for keywords in ({"dialect": "3.0.0"}, {"version": "3.0.0"}, {"dialect": "3.0.0", "version": "1.0.0"}):
        with pytest.raises(ff.ParameterError, match=r"^dialect: '3\.0\.0' is not a TS004 dialect"):
            entry(**keywords)
    with pytest.raises(ff.ParameterError, match=r"^dialect, version: '1\.0\.0' and '2\.0\.0' differ"):
        entry(dialect="1.0.0", version="2.0.0")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_objects_show_their_dialect_under_both_names(dialect):
    for shown in (
        ff.ParityMatrix(5, dialect),
        ff.Decoder(5, 4, version=dialect),
        ff.prepare(BLOCK, 4, dialect=dialect),
        _reference.ParityMatrix(5, dialect),
        _reference.Decoder(5, 4, version=dialect),
    ):
        assert shown.dialect == shown.version == dialect
