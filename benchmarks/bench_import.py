"""Cost of `import fuota_fec` beyond that of NumPy: processor time of new processes that take turns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from resource import RUSAGE_CHILDREN, getrusage

from results import Row, best_of, show


def cpu_of_children() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def importing(name: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True)


def rows() -> Iterator[Row]:
    with_it, without = best_of(
        lambda: importing("fuota_fec"), lambda: importing("numpy"), rounds=25, clock=cpu_of_children
    )
    value = (with_it - without) * 1e3
    yield Row(work="import fuota_fec, beyond NumPy", value=value, unit="ms", at_least=30, reach=20)


if __name__ == "__main__":
    show(rows())
