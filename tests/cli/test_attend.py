"""A campaign that a process runs: its page at the end, and what an interrupted one leaves behind."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from fuota_fec.agent import Agent

Fuota = Callable[..., Result]
CampaignFile = Callable[..., Path]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'campaigns.db'}"


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ctrl-C in one of the agent's turns."""
    step = Agent.step

    def after(n_turns: int) -> None:
        left = iter(range(n_turns))

        def counting(self: Agent, now: float, **settings: bool) -> object:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return step(self, now, **settings)

        monkeypatch.setattr(Agent, "step", counting)

    return after


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_interrupted_campaign_says_how_to_resume_it(
    fuota: Fuota, campaign_file: CampaignFile, url: str, interrupt, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    with monkeypatch.context():
        interrupt(30)
        result = fuota("campaign", "run", campaign_file(), "--db", url, *options)
    assert result.exit_code == 130
    said = json.loads(result.stderr)["problems"] if options else result.stderr.splitlines()
    first, second = said
    told, command = first.split(", to go on: ")
    assert (told, second) == ("campaign small is kept", "interrupted")
    monkeypatch.undo()
    resumed = fuota(*shlex.split(command)[1:])
    assert resumed.exit_code == 0, resumed.output
    assert "campaign SUCCEEDED" in resumed.stdout


def test_the_environment_names_the_journal_for_the_next_command_too(
    fuota: Fuota, campaign_file: CampaignFile, url: str, interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUOTA_FEC_DB", url)
    interrupt(30)
    result = fuota("campaign", "run", campaign_file())
    assert result.stderr.splitlines()[0] == "campaign small is kept, to go on: fuota-fec campaign resume small"


def test_an_interrupted_campaign_in_memory_is_gone(fuota: Fuota, campaign_file: CampaignFile, interrupt) -> None:
    interrupt(30)
    result = fuota("campaign", "run", campaign_file())
    assert result.exit_code == 130
    assert result.stderr.splitlines()[0] == "campaign small is not kept: with --db it could be resumed"


def test_an_interruption_before_the_start_leaves_nothing(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Agent, "launch", launch)
    result = fuota("campaign", "run", campaign_file(), "--db", url)
    assert result.exit_code == 130
    assert result.stderr.splitlines()[0] == "campaign small had not begun: nothing is kept"


def test_any_command_that_is_interrupted_exits_with_130(fuota: Fuota, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fuota_fec.cli.doctor._is_installed", interrupted)
    result = fuota("doctor")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")
    in_json = fuota("doctor", "--json")
    assert (in_json.exit_code, json.loads(in_json.stderr)["error"]) == (130, "interrupted")


@pytest.mark.parametrize("args", [(), ("campaign", "run")])
def test_help_has_the_exit_statuses(fuota: Fuota, args: tuple[str, ...]) -> None:
    text = " ".join(fuota(*args, "--help").stdout.split()).lower()
    assert "exit status" in text
    assert all(status in text for status in ("0", "1", "2", "130"))


def test_run_writes_the_page_at_its_end(fuota: Fuota, campaign_file: CampaignFile, url: str, tmp_path: Path) -> None:
    for name, options in (("text", []), ("json", ["--json"])):
        page = tmp_path / f"{name}.html"
        result = fuota("campaign", "run", campaign_file(), "--report", page, *options)
        assert result.exit_code == 0
        assert "3 of 3 devices passed" in page.read_text(encoding="utf-8")
    assert [isinstance(json.loads(line), dict) for line in result.stdout.splitlines()]
    assert (tmp_path / "text.html").read_bytes() == (tmp_path / "json.html").read_bytes()
    failed = campaign_file(campaign="redundancy = 0\nfsize = 20", simulation="downlink_loss = 0.5")
    result = fuota("campaign", "run", failed, "--db", url, "--report", tmp_path / "failed.html")
    assert result.exit_code == 1
    assert result.stdout.endswith(f"report in {tmp_path / 'failed.html'}\n")
    fuota("campaign", "report", "small", "--db", url, "-o", tmp_path / "later.html")
    assert (tmp_path / "failed.html").read_bytes() == (tmp_path / "later.html").read_bytes()


@pytest.mark.parametrize("name", ["-", "none/report.html"])
def test_a_page_that_cannot_be_written_is_refused_before_the_run(
    fuota: Fuota, campaign_file: CampaignFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = campaign_file()
    monkeypatch.chdir(tmp_path)
    result = fuota("campaign", "run", path, "--report", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--report" in result.stderr
