"""What the documentation takes from the code is what the code says now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_states_of_a_campaign_are_those_of_the_tables() -> None:
    done = subprocess.run([sys.executable, DOCS / "generate.py", "--check"], check=False)
    assert done.returncode == 0, "run: make docs"
