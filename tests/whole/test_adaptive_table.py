"""The table of docs/adaptive.md, checked with a few of its seeds."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_adaptive", ROOT / "benchmarks" / "bench_adaptive.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("n_frags", "dialect", "seed"), [(50, "1.0.0", 3), (50, "2.0.0", 4), (300, "2.0.0", 5)])
def test_adaptive_reaches_the_threshold_with_fewer_coded_fragments(bench, n_frags, dialect, seed) -> None:
    half, adaptive = (bench.run(n_frags, dialect, strategy, seed) for strategy in ("1/2", "adaptive"))
    assert half.coded == n_frags
    assert adaptive.reached >= half.reached
    assert adaptive.reached or adaptive.exhausted
    assert adaptive.coded <= 0.65 * half.coded, "of a single campaign; 60 % is the bound of the mean"
    assert adaptive.n_wrong == half.n_wrong == 0


def test_the_table_of_adaptive_redundancy_is_complete_and_within_its_bounds() -> None:
    rows = re.findall(
        r"\| (\d+) \| ([\d.]+) \| (\S+) \| (\d+) of (\d+) \| ([\d.]+) \(\d+\) \| (\d+)% \|",
        (ROOT / "docs" / "adaptive.md").read_text(encoding="utf-8"),
    )
    found = {(int(m), dialect, strategy): rest for m, dialect, strategy, *rest in rows}
    assert set(found) == {(m, v, s) for m in (50, 300) for v in ("1.0.0", "2.0.0") for s in ("1/2", "adaptive")}
    for m in (50, 300):
        for dialect in ("1.0.0", "2.0.0"):
            reached, n_seeds, _, share = found[m, dialect, "adaptive"]
            assert int(reached) >= int(found[m, dialect, "1/2"][0])
            assert int(n_seeds) >= 100
            assert int(share) <= 60
