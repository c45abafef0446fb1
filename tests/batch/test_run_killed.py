"""A batch that is killed anywhere, and started again: the same files, nothing partial, nothing whole made again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "crash" / "batches.py"
N_KILLS = 60


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_batch_goes_on(tmp_path, seed):
    (tmp_path / "images").mkdir()
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path / "images", tmp_path / "out", str(seed), str(N_KILLS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= N_KILLS
