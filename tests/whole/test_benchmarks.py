"""Values beside their bounds, and the page that is made of them. Nothing is measured here."""

from __future__ import annotations

import importlib
import math
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("results")


@pytest.fixture
def run(results: ModuleType) -> ModuleType:
    return importlib.import_module("run")


@pytest.mark.parametrize(
    ("better", "value", "verdict"),
    [
        ("lower", 1, "reached"),
        ("lower", 2, "ok"),
        ("lower", 2.1, "SHORT"),
        ("higher", 1.9, "ok"),
        ("higher", 0.9, "SHORT"),
        ("higher", math.nan, "left out"),
    ],
)
def test_a_value_is_judged_by_its_bound_and_its_aim(results, better, value, verdict) -> None:
    bounds = {"lower": (2, 1), "higher": (1, 2)}[better]
    row = results.Row(work="w", value=value, unit="s", at_least=bounds[0], reach=bounds[1], better=better)
    assert row.verdict == verdict
    assert results.Row(work="w", value=1, unit="s").verdict == ""


def test_a_row_is_printed_with_bounds_in_their_direction(results) -> None:
    row = results.Row(work="uplinks", value=12_345.6, unit="/s", at_least=7000, reach=0.5, better="higher")
    assert row.cells == ("uplinks", "12,346 /s", "≥ 7,000", "≥ 0.5", "reached")
    assert str(row).split() == ["uplinks", "12,346", "/s", "≥", "7,000", "≥", "0.5", "reached"]
    assert results.Row(work="x", value=math.nan, unit="s", at_least=2).cells == ("x", "", "≤ 2", "", "left out")


def test_the_best_of_calls_that_take_turns(results) -> None:
    times = iter([0, 5, 10, 12, 20, 23, 30, 38])
    order: list[str] = []
    best = results.best_of(
        lambda: order.append("a"), lambda: order.append("b"), rounds=2, times=2, clock=lambda: next(times)
    )
    assert order == ["a", "a", "b", "b"] * 2
    assert best == [1.5, 1]


def test_every_module_with_rows_has_a_part_of_the_page(run) -> None:
    modules = {module.path.stem: module for module in run.modules()}
    assert {"bench_codec", "bench_peers", "bench_wire"} <= set(modules)
    assert "bench_adaptive" not in modules
    for module in modules.values():
        assert module.about.split("\n")[0].strip(), module.path
    module = modules["bench_wire"]
    module.rows = [run.Row(work="decode", value=1, unit="µs")]
    assert re.fullmatch(
        r"## wire\n\nCost of .*\n\n\| work .*\n\| --- .*\n\| decode \| 1 µs \|  \|  \|  \|\n",
        module.section(),
        re.DOTALL,
    )


def test_a_module_that_fails_ends_with_status_1(tmp_path: Path, results) -> None:
    for name in ("run.py", "results.py"):
        (tmp_path / name).write_text((FOLDER / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "bench_good.py").write_text(
        '"""Good."""\nfrom results import Row\n\ndef rows():\n    print("noise")\n'
        '    yield Row(work="a", value=1, unit="s", at_least=2)\n'
    )
    command = [sys.executable, str(tmp_path / "run.py"), "--only"]
    good = subprocess.run([*command, "bench_good"], capture_output=True, text=True, check=True)
    assert "1 rows in" in good.stdout
    assert "noise" not in good.stdout
    (tmp_path / "bench_bad.py").write_text('"""Bad."""\ndef rows():\n    raise ValueError("no")\n    yield\n')
    bad = subprocess.run([*command, "bench_bad"], capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "bench_bad failed" in bad.stdout
    (tmp_path / "bench_good.py").write_text(
        '"""Slow."""\nfrom results import Row\n\ndef rows():\n    yield Row(work="a", value=3, unit="s", at_least=2)\n'
    )
    short = subprocess.run([*command, "bench_good"], capture_output=True, text=True, check=False)
    assert short.returncode == 1
    assert "1 short of their bound" in short.stdout
    assert not (tmp_path / "RESULTS.md").exists()
