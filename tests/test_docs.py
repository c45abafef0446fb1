"""Documentation is up to date with the code: generated pages, links, commands and Python of the README, the map."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fuota_fec.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("  #")[0].split(maxsplit=1)[1]
    for line in README.splitlines()
    if line.startswith("fuota-fec ") and "campaign" not in line
]


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, DOCS / "generate.py", "--check"], check=False)
    assert done.returncode == 0, "run: make docs"


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda path: path.name)
def test_links_of_the_documentation_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run in their order, in one folder."""
    monkeypatch.chdir(tmp_path)
    content = bytes(range(1, 251)) * 80
    Path("firmware.bin").write_bytes(content)
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        result = CliRunner().invoke(app, shlex.split(command), prog_name="fuota-fec")
        assert result.exit_code == 0, (command, result.output)
    assert Path("firmware.bin").read_bytes() == content
    assert {path.name for path in tmp_path.glob("*.html")} == {"plan.html", "fleet.html"}


def test_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("<FragmentedBlock 10240 bytes = 214 × 48 - 32, 43 coded, ")
    assert printed[-1] == "SUCCEEDED []"


def test_the_map_of_the_project_has_every_folder() -> None:
    text = (DOCS / "start.md").read_text(encoding="utf-8")
    package = ROOT / "fuota_fec"
    folders = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    files = {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert sorted(name for name in folders if f"`{name}/" not in text) == []
    assert sorted(name for name in files if f"{name}`" not in text) == []
