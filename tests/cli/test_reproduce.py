"""`reproduce`: tables, JSON, names, and the exit status."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result

from fuota_fec.papers import reproduce
from fuota_fec.papers.published import NAMES, source

Fuota = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]


def test_every_figure_is_computed_within_a_minute_and_its_table_fits_80_columns(fuota: Fuota) -> None:
    start = time.monotonic()
    result = fuota("reproduce")
    assert time.monotonic() - start < 60
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith(tuple(f"{name}: " for name in NAMES))] == list(
        NAMES
    )
    rows = [line for line in lines if line.rstrip().endswith((" agrees", " product right", " source right"))]
    n_rows = sum(len(table.rows) for name in NAMES for table in source(name).tables)
    assert len(rows) == n_rows
    assert max(map(len, rows)) <= 80
    assert lines[-1].startswith(f"{n_rows} figures: ")
    assert lines[-1].endswith(" 0 outside of the tolerance")


def test_a_table_has_published_and_computed_values_and_the_reason(fuota: Fuota) -> None:
    text = fuota("reproduce", "stm32wl").stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "DR0 1055.9 s 1257.6 s +19.1 % product right" in lines
    assert "DR5 37.2 s 30.74 to 40.00 s inside agrees" in lines
    assert "DR0: 1060.4 and 18.33 s 33.29 J 53.32 J +60.2 % source right" in lines
    assert "The runs break the duty cycle of 10 % (next table). Within it, an update takes 19 % longer." in lines
    assert "fuotasim: " not in text


def test_the_json_has_parameters_tolerance_and_verdict_of_each_figure(fuota: Fuota) -> None:
    facts = json.loads(fuota("reproduce", "stm32wl", "bpatch", "--json").stdout)
    assert facts["outside"] == 0
    assert [found["name"] for found in facts["sources"]] == ["stm32wl", "bpatch"]
    [measured, _] = facts["sources"]
    assert measured["commit"] == "8d486dd"
    rows = [row for table in measured["tables"] for row in table["rows"]]
    assert {row["verdict"] for row in rows} == {"agrees", "product right", "source right"}
    assert measured["tables"][2]["rows"][0]["parameters"] == {
        "quantity": "gaps",
        "image_len": 2000,
        "dr": 0,
        "frag_size": 39,
    }
    [wide] = [t for t in measured["tables"] if t["figure"] == "whole_seconds"]
    assert [len(row["computed"]) for row in wide["rows"]] == [2] * 4
    assert all(row["tolerance"] >= 0 and abs(row["difference"]) < 2 for row in rows)


def test_a_figure_outside_of_its_tolerance_is_exit_status_1(fuota: Fuota, monkeypatch: pytest.MonkeyPatch) -> None:
    found = source("bpatch")
    [table] = found.tables
    wrong = replace(table, rows=(replace(table.rows[0], published=8.0), table.rows[1]))
    monkeypatch.setattr(reproduce, "source", lambda _name: replace(found, tables=(wrong,)))
    for args in (["reproduce", "bpatch"], ["reproduce", "bpatch", "--json"]):
        result = fuota(*args)
        assert (result.exit_code, result.stderr) == (1, "")
        assert "outside" in result.stdout
    assert json.loads(result.stdout)["outside"] == 1


def test_an_unknown_name_is_refused_before_anything_is_computed(fuota: Fuota) -> None:
    result = fuota("reproduce", "bpatch", "bpotch")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'bpotch' is not a source, expected one of fuotasim, ts004-annex, stm32wl, bpatch" in result.stderr


@pytest.mark.parametrize("package", ["msgspec", "cryptography", "matplotlib"])
def test_figures_need_no_extra_package(process: Process, package: str) -> None:
    done = process("reproduce", "fuotasim", "stm32wl", missing=package)
    assert (done.returncode, done.stderr) == (0, "")
