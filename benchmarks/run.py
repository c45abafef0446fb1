"""All benchmarks: prints each value beside its bound, and writes them to RESULTS.md.

    python benchmarks/run.py                     ends with status 1 if a value is short of its bound
    python benchmarks/run.py --only bench_wire   prints the values of one module and writes nothing

A module `bench_*.py` takes part if it has a function `rows`, and has a process of its own, so that neither memory nor
caches of one reach another. Modules run one after another.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from results import Row

HERE = Path(__file__).parent
PAGE = HERE / "RESULTS.md"

HEAD = """# Measured

Written by `make bench`. *At least* is a bound, *reach for* an aim. Times are processor time, the least of several
rounds, unless a row says otherwise; only ratios hold on other machines. docs/start.md says how it is done.
"""


@dataclass
class Module:
    """One module of benchmarks, and what it measured."""

    path: Path
    about: str
    rows: list[Row] = field(default_factory=list)
    failed: bool = False

    def run(self) -> Iterator[Row]:
        """Rows as the module's process yields them."""
        command = [sys.executable, __file__, "--rows", self.path.stem]
        env = dict(os.environ, OPENBLAS_NUM_THREADS="1")  # Processor time is that of all threads.
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=env) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self.rows.append(Row(**json.loads(line)))
                yield self.rows[-1]
        self.failed = process.returncode != 0

    def section(self) -> str:
        """Part of the page: what the module's docstring says, without the commands in it, and a table."""
        paragraphs = [part for part in self.about.split("\n\n") if not part.startswith("    ")]
        lines = ["| work | measured | at least | reach for | |", "| --- | --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(row.cells) + " |" for row in self.rows]
        return "\n\n".join([f"## {self.path.stem.removeprefix('bench_')}", *paragraphs, "\n".join(lines)]) + "\n"


def modules() -> Iterator[Module]:
    """The modules with a function `rows`, by name."""
    for path in sorted(HERE.glob("bench_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(part, ast.FunctionDef) and part.name == "rows" for part in tree.body):
            yield Module(path, ast.get_docstring(tree) or "")


def machine() -> str:
    """Machine and versions behind the values, as a list. Imports the library, which the processes measure anew."""
    import numpy as np

    import fuota_fec as ff
    from fuota_fec import _core

    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":")[1].strip() for line in info if "model name" in line)
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return f"""
* {datetime.now(UTC):%Y-%m-%d}, {cpu}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}
* CPU features: {", ".join(_core.cpu_features())}
* kernels: {", ".join(ff.kernels())}; chosen: {ff.kernel()}
* Python {platform.python_version()}, NumPy {np.__version__}, {compiler}

"""


def print_json(name: str) -> None:
    """One line for each row of a module. What the module prints itself goes to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    for row in importlib.import_module(name).rows():
        print(json.dumps(asdict(row)), file=out, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="one module, such as bench_wire")
    parser.add_argument("--rows", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rows:
        print_json(options.rows)
        return 0
    found = [module for module in modules() if options.only in (None, module.path.stem)]
    if not found:
        parser.error(f"--only: {options.only} is no module with a function rows")
    begun = time.monotonic()
    for module in found:
        since = time.monotonic()
        print(f"-- {module.path.stem}", flush=True)
        for row in module.run():
            print(row, flush=True)
        print(f"   {time.monotonic() - since:.0f} s", flush=True)
    if not options.only:
        PAGE.write_text(HEAD + machine() + "\n".join(module.section() for module in found), encoding="utf-8")
    short = [row for module in found for row in module.rows if row.verdict == "SHORT"]
    failed = [module.path.stem for module in found if module.failed]
    n_rows = sum(len(module.rows) for module in found)
    print(f"{n_rows} rows in {time.monotonic() - begun:.0f} s, {len(short)} short of their bound", flush=True)
    for row in short:
        print(row)
    for name in failed:
        print(f"{name} failed")
    return 1 if short or failed else 0


if __name__ == "__main__":
    sys.exit(main())
