from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fuota_fec.cli.app import app

TERMINAL_SETTINGS = {"COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}

CAMPAIGN = """
[campaign]
id = "small"
fw_version = "1.2.3.4"
success_threshold = 90
max_duration = 86400
uplink_period = 300
{campaign}

[[campaign.groups]]
name = "meters"
mc_addr = "01f3a4b5"
dr = 5
{group}

[image]
path = "firmware.bin"
{image}

[simulation]
seed = 1
n_devices = {n_devices}
{simulation}
"""


@pytest.fixture(scope="session")
def fuota() -> Callable[..., Result]:
    """Runs a command line in this process. An exception that would end in a traceback is raised."""

    def run(*args: str | Path, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(app, [str(arg) for arg in args], input=stdin, prog_name="fuota-fec")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        assert isinstance(result.exit_code, int)
        return result

    return run


@pytest.fixture(scope="session")
def clean_env() -> dict[str, str]:
    """The environment without what would change how a terminal looks or which kernel is used."""
    dropped = {*TERMINAL_SETTINGS, "FUOTA_FEC_KERNEL", "PYTHONIOENCODING"}
    return {name: value for name, value in os.environ.items() if name not in dropped}


@pytest.fixture(scope="session")
def process(clean_env: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line in a process of its own, its output in pipes."""

    def run(
        *args: str | Path, missing: str | None = None, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        start = ["-m", "fuota_fec"] if missing is None else ["-c", WITHOUT.format(missing=missing)]
        done = subprocess.run(
            [sys.executable, *start, *map(str, args)],
            env=clean_env | (env or {}),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Missing())
sys.argv[0] = "fuota-fec"

from fuota_fec.cli import main

main()
"""


@pytest.fixture(scope="session")
def firmware_bytes() -> Callable[[int], bytes]:
    """Made-up firmware of any length, the same every time; its last byte is not zero, as padding is."""

    def make(length: int) -> bytes:
        parts = (hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(-(-length // 32)))
        return b"".join(parts)[: length - 1] + b"\x5a"

    return make


@pytest.fixture
def campaign_file(tmp_path: Path, firmware_bytes: Callable[[int], bytes]) -> Callable[..., Path]:
    """A run file for a few devices and a small image, with lines added to its tables."""

    def make(
        *,
        campaign: str = "",
        group: str = "",
        image: str = "",
        simulation: str = "",
        n_devices: object = 3,
        replace: tuple[str, str] = ("", ""),
    ) -> Path:
        text = CAMPAIGN.format(campaign=campaign, group=group, image=image, simulation=simulation, n_devices=n_devices)
        assert replace[0] in text
        (tmp_path / "firmware.bin").write_bytes(firmware_bytes(2000))
        path = tmp_path / "campaign.toml"
        path.write_text(text.replace(*replace) if replace[0] else text, encoding="utf-8")
        return path

    return make
