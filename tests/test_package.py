"""The package as users have it: found by type checkers, and imported without an installation."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fuota_fec

ROOT = Path(__file__).parents[1]
USER_FILE = """\
import fuota_fec as ff

block = ff.prepare(b"firmware", 4, code_rate="1/2")
decoder = ff.Decoder(block.n_frags, block.frag_size)
for frag_nb in range(1, block.n_frags + 1):
    done: bool = decoder.push(frag_nb, block.payload(frag_nb))
plan: ff.RedundancyPlan = ff.plan_redundancy(300, 0.1, 95, n_devices=50)
share: float = ff.simulate_fleet(300, 0.1, 1000, max_coded=plan.n_coded).completed(plan.n_coded)
text: str = f"{share:.3f} of {len(plan.rows)} rows with {ff.kernel()}"
campaign: type[ff.Campaign] = ff.Campaign
"""
WRONG = 'plan.n_coded.upper()\nblock.frame("1")\n'


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    path = tmp_path / "user.py"
    path.write_text(USER_FILE)
    return path


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    return result.stdout + result.stderr


def tool(name: str) -> Path:
    pytest.importorskip(name)
    return Path(sys.executable).with_name(name)


def test_pyright_finds_the_package_and_its_types(user_file: Path) -> None:
    command = [tool("pyright"), "--outputjson", "--pythonpath", sys.executable, user_file]
    found = json.loads(run(*command, cwd=user_file.parent))
    assert found["generalDiagnostics"] == []
    assert found["summary"]["filesAnalyzed"] == 1
    user_file.write_text(USER_FILE + WRONG)
    found = json.loads(run(*command, cwd=user_file.parent))
    assert [d["rule"] for d in found["generalDiagnostics"]] == ["reportAttributeAccessIssue", "reportArgumentType"]


def test_mypy_finds_the_package_and_its_types(user_file: Path) -> None:
    command = [tool("mypy"), "--strict", "--cache-dir", user_file.parent / "cache", user_file]
    assert "Success: no issues found" in run(*command, cwd=user_file.parent)
    user_file.write_text(USER_FILE + WRONG)
    assert "Found 2 errors" in run(*command, cwd=user_file.parent)


def test_it_is_imported_without_an_installation(tmp_path: Path) -> None:
    """From a folder on the path, as in a frozen program: there is no metadata of a distribution."""
    package = tmp_path / "fuota_fec"
    shutil.copytree(Path(fuota_fec.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    numpy = Path(__import__("numpy").__file__).parents[1]
    code = f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}]
sys.path.append({str(numpy)!r})
import importlib.metadata
importlib.metadata.version = None
import fuota_fec as ff
assert ff.__file__.startswith({str(tmp_path)!r})
print(ff.__version__, ff.encode(bytes(8), 4, 1).shape)
from fuota_fec.batch.manifest import manifest_text
from fuota_fec.report.batch import batch_page
print(manifest_text([]).splitlines()[0])
"""
    version = fuota_fec.__version__
    manifest = f'{{"fuota_fec": "{version}", "layout": 1, "items": ['
    assert run(sys.executable, "-I", "-S", "-c", code, cwd=tmp_path) == f"{version} (1, 4)\n{manifest}\n"
