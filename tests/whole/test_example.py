"""The example campaign, and the code and output in README.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fuota_fec.cli.app import COMMANDS
from fuota_fec.cli.runfile import read_run_file

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "examples" / "firmware.toml"
STAGES = ["McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "CompletionVerification"]


def run(*args: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "COLUMNS"}}
    done = subprocess.run(
        [sys.executable, *map(str, args)], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """Outputs of two runs of the example."""
    runs = [run("-m", "fuota_fec", "campaign", "run", FIRMWARE.relative_to(ROOT)) for _ in range(2)]
    assert [(done.returncode, done.stderr) for done in runs] == [(0, "")] * 2
    return [done.stdout for done in runs]


@pytest.fixture(scope="module")
def records() -> list[dict[str, object]]:
    """JSON output of the example, run from another folder."""
    done = run("-m", "fuota_fec", "campaign", "run", FIRMWARE, "--json", cwd=ROOT / "examples")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_every_example_can_be_read(path: Path):
    run_file = read_run_file(str(path))
    assert run_file.image
    assert run_file.config.devices


def test_the_example_is_a_campaign_of_100_devices_with_a_real_image():
    """100 devices, 10 % loss each way, class C, EU868 DR5, threshold 95 %, a real image for a real board."""
    run_file = read_run_file(str(FIRMWARE))
    assert len(run_file.config.devices) == 100
    assert (run_file.simulation.downlink_loss, run_file.simulation.uplink_loss) == (0.1, 0.1)
    [group] = run_file.config.groups
    assert (group.region, group.dr, group.device_class) == ("EU868", 5, "C")
    assert run_file.config.success_threshold == 95
    assert 100_000 < len(run_file.image) <= 0x40000
    # A Cortex-M image: it starts with a stack pointer into RAM, then the address of its reset handler (odd: Thumb).
    stack, reset = (int.from_bytes(run_file.image[i : i + 4], "little") for i in (0, 4))
    assert 0x20000000 <= stack <= 0x20004000
    assert reset % 2 == 1
    assert reset < len(run_file.image)


def test_the_example_prints_stages_and_the_outcome(printed: list[str]):
    text = printed[0]
    assert re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  (\w+) +passed ", text, re.MULTILINE) == STAGES
    assert "campaign SUCCEEDED" in text
    [outcome] = re.findall(r"^SUCCEEDED: (\d+) of 100 devices passed, (\d+) of them hold exactly", text, re.MULTILINE)
    assert outcome[0] == outcome[1]
    assert int(outcome[0]) >= 95
    assert len(text.partition("\n\n")[2].splitlines()) <= 24, "the end fits a screen"


def test_the_example_prints_the_same_every_time(printed: list[str]):
    assert printed[0] == printed[1]


def test_the_example_in_json_agrees_with_its_text(printed: list[str], records: list[dict[str, object]]):
    *events, summary = records
    assert [event["stage"] for event in events if event["event"] == "StageEnded"] == STAGES
    assert summary["status"] == "SUCCEEDED"
    assert summary["n_devices"] == 100
    assert summary["n_with_other_bytes"] == 0
    assert f"SUCCEEDED: {summary['n_passed']} of 100 devices passed" in printed[0]


# ---- README.md ---------------------------------------------------------------------------------------------

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_of_the_readme_runs(tmp_path: Path):
    """All Python blocks run one after the other, in one program."""
    code = [text for language, text in BLOCKS if language in {"python", "py"}]
    assert code, "README.md shows no Python"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "readme.py").write_text("\n\n".join(code), encoding="utf-8")
    done = run("-W", "error", "readme.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_commands_of_the_readme_exist():
    shown = {
        name for _, text in BLOCKS for name in re.findall(r"^(?:\$ )?\S*\bfuota-fec ([a-z]\S*)", text, re.MULTILINE)
    }
    assert shown, "README.md shows no command"
    assert shown <= set(COMMANDS)


def test_files_of_the_readme_exist():
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_output_in_the_readme_is_that_of_the_example(printed: list[str]):
    [shown] = [text for _, text in BLOCKS if text.startswith("campaign ")]
    assert printed[0].startswith(shown)
