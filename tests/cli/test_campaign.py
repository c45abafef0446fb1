"""`campaign run`: stages, the table of devices, JSON, and the exit status."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from image_files import as_hex

from fuota_fec.fleet.device import VirtualDevice

Fuota = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]
CampaignFile = Callable[..., Path]

STAGES = ["McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "CompletionVerification"]
BAR = "━"
MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"


@pytest.fixture
def terminal(clean_env: dict[str, str]) -> Callable[..., tuple[int, str]]:
    """Runs a command line on a pseudo-terminal; returns its exit status and output."""

    def run(*args: str | Path) -> tuple[int, str]:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "fuota_fec", *map(str, args)],
            env=clean_env | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        written = b""
        try:
            while part := os.read(master, 65536):
                written += part
        except OSError:
            pass  # The last process that had the terminal open is gone.
        os.close(master)
        return process.wait(timeout=60), written.decode().replace("\r\n", "\n")

    return run


def stages_passed(text: str) -> list[str]:
    return re.findall(rf"^{MOMENT}  (\w+) +passed ", text, re.MULTILINE)


# ---- a campaign that succeeds ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_run_says_once_what_was_read_and_warns_of_filler(
    fuota: Fuota, campaign_file: CampaignFile, firmware_bytes: Callable[[int], bytes], options: list[str]
):
    path = campaign_file(image="stop = 0x2000\nfill = 0")
    memory = {0x1000: firmware_bytes(500), 0x1400: firmware_bytes(200), 0x3000: b"elsewhere"}
    (path.parent / "firmware.bin").write_text(as_hex(memory))
    result = fuota("campaign", "run", path, *options)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        "warning: image firmware.bin: 524 of 1224 bytes (43%) are filler 0x00: no data between 0x11f3 and 0x1400"
    ]
    said = (
        "info: image firmware.bin: Intel HEX, 1224 bytes from 0x1000 to 0x14c7 in 2 segments, 524 bytes of filler 0x00"
    )
    assert result.stdout.count(said) == (0 if options else 1)


def test_run_prints_stages_then_all_devices_if_asked_to_then_the_outcome(fuota: Fuota, campaign_file: CampaignFile):
    result = fuota("campaign", "run", campaign_file(), "--all")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert stages_passed(result.stdout) == STAGES
    assert result.stdout.index("campaign SUCCEEDED") > result.stdout.index(STAGES[-1])
    rows = re.findall(r"^([0-9a-f]{16}) +(\w+) +([\d.]+) .*sent bytes", result.stdout, re.MULTILINE)
    assert [row[1:] for row in rows] == [("passed", "1.2.3.4")] * 3
    assert result.stdout.splitlines()[-1].startswith(
        "SUCCEEDED: 3 of 3 devices passed, 3 of them hold exactly the 2000 "
    )


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_run_succeeds_in_both_dialects_with_losses(fuota: Fuota, campaign_file: CampaignFile, version: str):
    path = campaign_file(
        campaign='msg_retries = 8\nredundancy = "1/2"\nstage_end = "all"',
        group=f'version = "{version}"\nmc_version = "{version}"',
        simulation="downlink_loss = 0.1\nuplink_loss = 0.1\nrepeat = 0.1",
    )
    result = fuota("campaign", "run", path)
    assert result.exit_code == 0, result.output
    assert "3 of 3 devices passed, 3 of them hold exactly" in result.stdout
    assert f"dialect {version}" in result.stdout


def test_run_reports_each_of_two_groups(fuota: Fuota, campaign_file: CampaignFile):
    second = '[[campaign.groups]]\nname = "valves"\nmc_addr = "01f3a4b6"\ndr = 4\n'
    result = fuota("campaign", "run", campaign_file(group=second, n_devices=4))
    assert result.exit_code == 0, result.output
    assert "4 devices in 2 groups" in result.stdout
    assert re.search(r"group meters: \d+ fragments", result.stdout)
    assert re.search(r"group valves: \d+ fragments", result.stdout)


def test_run_json_is_an_event_per_line_and_then_the_summary(fuota: Fuota, campaign_file: CampaignFile):
    result = fuota("campaign", "run", campaign_file(), "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    *events, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(event["event"] and event["v"] >= 1 and event["at"] >= 1.8e9 for event in events)
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert events[0]["event"] == "Configured"
    assert events[-1]["event"] == "Finished"
    assert [event["stage"] for event in events if event["event"] == "StageEnded"] == STAGES
    assert "event" not in summary
    assert (summary["campaign"], summary["status"]) == ("small", "SUCCEEDED")
    assert (summary["n_devices"], summary["n_passed"], summary["n_with_other_bytes"]) == (3, 3, 0)
    assert [device["status"] for device in summary["devices"]] == ["passed"] * 3
    assert {device["fw_version"] for device in summary["devices"]} == {0x01020304}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_run_of_the_same_file_gives_the_same_output(fuota: Fuota, campaign_file: CampaignFile, options: list[str]):
    path = campaign_file(simulation="downlink_loss = 0.2\nuplink_loss = 0.2")
    first, second = (fuota("campaign", "run", path, *options) for _ in range(2))
    assert first.stdout == second.stdout
    other = campaign_file(simulation="downlink_loss = 0.2\nuplink_loss = 0.2", replace=("seed = 1", "seed = 2"))
    assert fuota("campaign", "run", other, *options).stdout != first.stdout


# ---- campaigns that fail ---------------------------------------------------------------------------------


def test_run_of_a_failing_campaign_shows_each_reason(fuota: Fuota, campaign_file: CampaignFile):
    """Too few coded fragments for the losses."""
    path = campaign_file(
        campaign="redundancy = 1\nmsg_retries = 30\nstage_end = 'all'\nfsize = 20", simulation="downlink_loss = 0.5"
    )
    result = fuota("campaign", "run", path)
    assert result.exit_code == 1
    assert stages_passed(result.stdout) == STAGES[:4]
    assert "campaign FAILED: " in result.stdout
    assert re.search(rf"{STAGES[4]} +FAILED +0 of 3, ", result.stdout)
    assert "sent bytes" not in result.stdout
    outcome, step = result.stdout.splitlines()[-2:]
    assert outcome.startswith("FAILED: 0 of 3 devices passed")
    assert step == "3 devices: a retry of a campaign kept with --db"
    *_events, summary = map(json.loads, fuota("campaign", "run", path, "--json").stdout.splitlines())
    assert (summary["status"], summary["n_passed"]) == ("FAILED", 0)
    assert summary["reason"]
    for device in summary["devices"]:
        assert device["status"] == "failed"
        assert device["reason"]
        row = next(line for line in result.stdout.splitlines() if line.startswith(device["dev_eui"]))
        assert device["reason"] in row
    assert fuota("campaign", "run", path, "--json").exit_code == 1


def test_run_fails_if_a_passed_device_holds_other_bytes(
    fuota: Fuota, campaign_file: CampaignFile, monkeypatch: pytest.MonkeyPatch
):
    """A device that reports the new version and holds other bytes: only this command can compare them."""
    honest = VirtualDevice.advance

    def advance(self: VirtualDevice, now: float) -> list[tuple[int, bytes]]:
        uplinks = honest(self, now)
        if self.image is not None and self.dev_eui.endswith("1"):
            self.image = bytes(len(self.image))
        return uplinks

    monkeypatch.setattr(VirtualDevice, "advance", advance)
    result = fuota("campaign", "run", campaign_file())
    assert result.exit_code == 1
    assert "campaign SUCCEEDED" in result.stdout
    assert len(re.findall(r"^[0-9a-f]{15}1 +passed +1.2.3.4 +other bytes", result.stdout, re.MULTILINE)) == 1
    assert "sent bytes" not in result.stdout
    assert "3 of 3 devices passed, 2 of them hold exactly" in result.stdout
    in_json = fuota("campaign", "run", campaign_file(), "--json")
    assert in_json.exit_code == 1
    assert json.loads(in_json.stdout.splitlines()[-1])["n_with_other_bytes"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"campaign": "fsize = 255"}, ["fsize", "255", "239"]),
        ({"replace": ("max_duration = 86400", "max_duration = 10")}, ["max_duration", "10 s"]),
        ({"campaign": "mcast_msg_delay = 1e8"}, ["session", "32768 s"]),
    ],
    ids=str,
)
def test_run_refuses_a_campaign_that_cannot_work(
    fuota: Fuota, campaign_file: CampaignFile, change: dict[str, object], said: list[str]
):
    """Refused before the first stage: standard output stays empty."""
    for options in ([], ["--json"]):
        result = fuota("campaign", "run", campaign_file(**change), *options)
        assert result.exit_code == 2
        for part in said:
            assert part in result.stderr
        assert result.stdout == ""


@pytest.mark.parametrize("start", ["1e13", "1e18"])
def test_run_refuses_a_start_beyond_the_largest_time(fuota: Fuota, campaign_file: CampaignFile, start: str):
    result = fuota("campaign", "run", campaign_file(simulation=f"start = {start}"))
    assert result.exit_code == 2
    assert "start" in result.stderr


def test_run_prints_each_problem_of_the_file_on_its_own_line(fuota: Fuota, campaign_file: CampaignFile):
    path = campaign_file(campaign="speed = 1", n_devices=0)
    result = fuota("campaign", "run", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) >= 2
    assert all(line.startswith(f"error: {path}: ") for line in result.stderr.splitlines())


@pytest.mark.parametrize("name", ["nothing.toml", "."])
def test_run_names_a_missing_file(fuota: Fuota, tmp_path: Path, name: str):
    result = fuota("campaign", "run", tmp_path / name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert str(tmp_path) in result.stderr


# ---- in a pipe, on a terminal ----------------------------------------------------------------------------


def test_run_in_a_pipe_prints_plain_text(process: Process, campaign_file: CampaignFile):
    done = process("campaign", "run", campaign_file())
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert BAR not in done.stdout


@pytest.mark.parametrize("columns", ["20", "80", "1000"])
def test_run_in_a_pipe_prints_one_whole_line_per_device(process: Process, campaign_file: CampaignFile, columns: str):
    """Lines are whole for grep, at any width of a terminal."""
    path = campaign_file(campaign="redundancy = 0\nfsize = 20", simulation="downlink_loss = 0.5")
    *_events, summary = map(json.loads, process("campaign", "run", path, "--json").stdout.splitlines())
    done = process("campaign", "run", path, env={"COLUMNS": columns})
    assert done.returncode == 1
    for device in summary["devices"]:
        lines = [line for line in done.stdout.splitlines() if "did not confirm" not in line]
        [row] = [line for line in lines if line.startswith(device["dev_eui"])]
        assert device["reason"] in row


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("", "there is no column device, frame, received"),
        ("device,frame,received\n", "there is no frame in it"),
        ("device,frame\n0,0\n", "there is no column received"),
        ("device,frame,received\n0,0,1\n0,2,1\n", "line 3: device 0: frame 2 follows 0: frame 1 is missing"),
        ("device,frame,received\n0,0,maybe\n", "line 2: received: 'maybe' is not 1 or 0"),
    ],
)
def test_run_refuses_an_unreadable_trace(
    fuota: Fuota, campaign_file: CampaignFile, tmp_path: Path, content: str | None, said: str
):
    if content is not None:
        (tmp_path / "trace.csv").write_text(content, encoding="utf-8")
    path, url = campaign_file(simulation='trace = "trace.csv"'), f"sqlite:///{tmp_path / 'c.db'}"
    result = fuota("campaign", "run", path, "--db", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "trace.csv" in result.stderr
    assert said in result.stderr
    assert fuota("campaign", "list", "--db", url, "--json").stdout == ""


def test_run_refuses_a_speed_that_is_no_positive_number(fuota: Fuota, campaign_file: CampaignFile):
    for speed in ("0", "-1", "nan", "inf", "fast"):
        result = fuota("campaign", "run", campaign_file(), "--speed", speed)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"'--speed': {speed} is not a number, expected one above 0" in result.stderr


@pytest.mark.parametrize("name", ["[bold]", "[/x]", "[red]meters[/red]", ":boom:", "zähler"])
def test_run_prints_group_names_without_markup(fuota: Fuota, campaign_file: CampaignFile, name: str):
    result = fuota("campaign", "run", campaign_file(replace=('name = "meters"', f'name = "{name}"')))
    assert result.exit_code == 0
    assert f"group {name}: " in result.stdout


def test_run_prints_an_id_without_markup(fuota: Fuota, campaign_file: CampaignFile):
    result = fuota("campaign", "run", campaign_file(replace=('id = "small"', 'id = "[bold]v2 :boom:"')))
    assert result.stdout.startswith("campaign [bold]v2 :boom:: ")


def test_run_on_a_terminal_shows_a_progress_bar(terminal: Callable[..., tuple[int, str]], campaign_file: CampaignFile):
    file = campaign_file(campaign='stage_end = "all"', n_devices=40, simulation="own_uplinks = false")
    status, written = terminal("campaign", "run", file)
    assert status == 0
    assert BAR in written
    assert "/40" in written
    assert "\x1b[" in written
    assert "Traceback" not in written
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    for stage in STAGES:
        assert re.search(rf"{MOMENT}  {stage} +passed", plain)
    assert "40 of 40 devices passed" in plain
    assert all(int(done) <= int(total) for done, total in re.findall(r"(\d+)/(\d+)", plain))
    assert BAR not in plain[plain.index("SUCCEEDED: ") :]


def test_run_on_a_terminal_restores_the_cursor(terminal: Callable[..., tuple[int, str]], campaign_file: CampaignFile):
    _, written = terminal("campaign", "run", campaign_file())
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_run_json_on_a_terminal_is_json_alone(terminal: Callable[..., tuple[int, str]], campaign_file: CampaignFile):
    status, written = terminal("campaign", "run", campaign_file(), "--json")
    assert status == 0
    assert "\x1b" not in written
    assert all(isinstance(json.loads(line), dict) for line in written.splitlines())


def test_devices_without_proof_are_in_the_outcome(fuota: Fuota, campaign_file: CampaignFile) -> None:
    path = campaign_file(campaign='kind = "binary"', simulation="profile = 'zephyr'")
    text = path.read_text().replace('fw_version = "1.2.3.4"\n', "")
    path.write_text(text)
    outcome = fuota("campaign", "run", path).stdout
    assert ": 0 of 3 devices passed, 3 unverified (the data is or may be complete, without proof), " in outcome
