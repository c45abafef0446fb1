"""`simulate`: tables, JSON and a page, the same with any number of workers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import fuota_fec as ff
from fuota_fec.report.curves import CHOSEN, IDEAL, TODAY

Fuota = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]
FLEET = ("-M", 50, "--loss", 0.05, "--devices", 70_000, "--max-coded", 30)


def facts_of(result: Result) -> dict:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_simulate_prints_a_table(fuota: Fuota):
    result = fuota("simulate", *FLEET)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    for text in ("devices that complete", "coded fragments needed", "99.9 %", CHOSEN, TODAY, IDEAL):
        assert text in result.stdout


def test_json_of_a_simulation_is_that_of_the_library(fuota: Fuota):
    facts = facts_of(fuota("simulate", *FLEET, "--rows", "first", "--seed", 5, "--json"))
    trial = ff.simulate_fleet(50, 0.05, 70_000, max_coded=30, seed=5)
    assert facts["curves"][TODAY] == pytest.approx([trial.completed(n) for n in range(31)])
    assert facts["rows"] == list(range(1, 31))
    assert set(facts["curves"]) == {TODAY, IDEAL}


def test_selected_rows_take_fewer_coded_fragments(fuota: Fuota):
    facts = facts_of(fuota("simulate", *FLEET, "--json"))
    assert facts["rows"] == ff.select_rows(50, 0.05, 30, version="1.0.0").tolist()
    needed = facts["needed"]
    assert needed[IDEAL]["99"] < needed[CHOSEN]["99"] < needed[TODAY]["99"]


def test_the_number_of_workers_changes_nothing(fuota: Fuota):
    one, three = (facts_of(fuota("simulate", *FLEET, "--workers", n, "--json")) for n in (1, 3))
    assert one == three


def test_simulate_takes_losses_that_differ(fuota: Fuota, tmp_path: Path):
    path = tmp_path / "losses.txt"
    path.write_text("0.1 0.2\n0.05,0.01\n" * 25)
    facts = facts_of(fuota("simulate", "-M", 20, "--loss-file", path, "--json"))
    assert facts["n_devices"] == 100
    spread = ("simulate", "-M", 20, "--loss", 0.1, "--spread", 0.05, "--devices", 500, "--json")
    assert facts_of(fuota(*spread)) == facts_of(fuota(*spread))


def test_simulate_sends_as_many_coded_fragments_as_help(fuota: Fuota):
    facts = facts_of(fuota("simulate", "-M", 100, "--loss", 0.1, "--devices", 1000, "--json"))
    assert facts["curves"][CHOSEN][-1] == 1
    assert facts["max_coded"] < 80


def test_simulate_writes_a_page(fuota: Fuota, tmp_path: Path):
    page = tmp_path / "fleet.html"
    result = fuota("simulate", *FLEET, "--dr", 3, "-o", page)
    assert f"report in {page}" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert "Simulated fleet of 70000 devices" in text
    assert "time on air" in text
    assert fuota("simulate", *FLEET, "-o", "-").stdout.startswith("<!doctype html>")


def test_devices_that_never_complete_are_counted(fuota: Fuota):
    result = fuota("simulate", "-M", 50, "--loss", 0.5, "--devices", 100, "--max-coded", 5)
    assert "100 devices do not complete with all 5 coded fragments" in result.stdout


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), "--n-frags"),
        (("-M", 20), "give one of --loss and --loss-file"),
        (("-M", 20, "--loss", 0.1), "--devices is missing"),
        (("-M", 20, "--loss", 1.0, "--devices", 5), "--loss: 1.0 is not a probability"),
        (("-M", 20, "--loss", 0.1, "--devices", 0), "--devices: 0 is not from 1"),
        (("-M", 0, "--loss", 0.1, "--devices", 5), "--n-frags: 0 is not from 1"),
        (("-M", 16000, "--loss", 0.1, "--devices", 5, "--max-coded", 500), "--max-coded: 500 is not from 0 to 383"),
        (("-M", 20, "--loss", 0.1, "--devices", 5, "--workers", 0), "--workers: 0"),
        (("-M", 20, "--loss", 0.1, "--devices", 5, "-F", 40), "--frag-size goes with --dr"),
        (("-M", 20, "--loss", 0.1, "--devices", 5, "--dr", 3, "-F", 500), "--frag-size: 500"),
        (("-M", 20, "--loss", 0.1, "--devices", 5, "--region", "moon"), "region: 'moon' is not a region"),
        (("-M", 20, "--loss", 0.1, "--devices", 5, "--dr", 3, "--region", "moon"), "region: 'moon' is not a region"),
        (("-M", 20, "--loss-file", "none.txt"), "none.txt: cannot be read: No such file"),
        (("-M", 20, "--loss", 0.1, "--devices", 5, "-o", "-", "--json"), "give -o a file"),
    ],
)
def test_wrong_usage_of_simulate(fuota: Fuota, args, expected):
    result = fuota("simulate", *args)
    assert result.exit_code == 2
    assert expected in result.output


def test_simulate_without_the_packages_of_reports_names_the_extra(process: Process, tmp_path: Path):
    few = ("simulate", "-M", 20, "--loss", 0.1, "--devices", 50)
    done = process(*few, "-o", tmp_path / "a.html", missing="matplotlib")
    assert (done.returncode, done.stdout) == (2, "")
    assert "fuota-fec[report]" in done.stderr
    assert process(*few, missing="matplotlib").returncode == 0
