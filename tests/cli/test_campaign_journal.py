"""Campaign commands on a journal: run --db, list, show, pause, stop, resume and archive."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import Result

from fuota_fec.campaign import messages as m
from fuota_fec.cli import campaign as commands
from fuota_fec.journal import open_journal
from fuota_fec.journal.sql import SqlJournal

Fuota = Callable[..., Result]
CampaignFile = Callable[..., Path]

SLOW = 'msg_retries = 5\nstage_end = "all"'
LOSSY = "downlink_loss = 0.1\nuplink_loss = 0.1"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("FUOTA_FEC_DB", raising=False)
    return f"sqlite:///{tmp_path / 'campaigns.db'}"


def lines_of(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def interrupted(fuota: Fuota, path: Path, url: str, n_events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a campaign until the journal has n_events, then raises as Ctrl-C does."""
    append_all = SqlJournal.append_all

    class Interrupted(BaseException):
        pass

    def counting(self, appends):
        append_all(self, appends)
        if appends[0].expected_seq + len(appends[0].events) >= n_events:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(SqlJournal, "append_all", counting)
        with pytest.raises(Interrupted):
            fuota("campaign", "run", path, "--db", url)


# ---- a campaign that is kept -----------------------------------------------------------------------------


def test_a_finished_campaign_can_be_listed_and_shown(fuota: Fuota, campaign_file: CampaignFile, url: str):
    ran = fuota("campaign", "run", campaign_file(campaign=SLOW), "--db", url)
    assert ran.exit_code == 0, ran.output
    listed = fuota("campaign", "list", "--db", url)
    assert "small" in listed.stdout
    assert "SUCCEEDED" in listed.stdout
    shown = fuota("campaign", "show", "small", "--all", "--db", url)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("campaign small: SUCCEEDED\n")
    assert shown.stdout.count("passed") == 3
    [status] = lines_of(fuota("campaign", "show", "small", "--db", url, "--json"))
    assert (status["status"], status["n_stages_completed"]) == ("SUCCEEDED", 5)
    assert [device["status"] for device in status["devices"]] == ["passed"] * 3


def test_a_suspended_campaign_is_listed_as_such(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    interrupted(fuota, campaign_file(campaign=SLOW), url, 5, monkeypatch)
    with closing(open_journal(url)) as journal:
        [record] = journal.list()
        [*_, last] = journal.events("small")
        journal.append("small", record.n_events, [m.Suspended(at=last.at, reason="no keys")])
    table = fuota("campaign", "list", "--db", url).stdout
    assert "RUNNING, suspended" in table
    why = "waits until a try succeeds, the next in 300 s at most: suspended: no keys"
    assert table.splitlines()[-1] == f"small {why}"
    [listed] = lines_of(fuota("campaign", "list", "--db", url, "--json"))
    assert (listed["suspended"], listed["wait"]) == ("no keys", {"until": None, "why": "suspended: no keys"})
    header, _, reason, *rest = fuota("campaign", "show", "small", "--db", url).stdout.splitlines()
    assert header.startswith("campaign small: RUNNING, suspended in ")
    assert reason == why
    assert not any(line.startswith("waits until") for line in rest)
    [shown] = lines_of(fuota("campaign", "show", "small", "--db", url, "--json"))
    assert shown["wait"] == {"until": None, "why": "suspended: no keys"}


def test_a_paused_campaign_is_shown_without_an_end_of_its_wait(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    interrupted(fuota, campaign_file(campaign=SLOW), url, 5, monkeypatch)
    with closing(open_journal(url)) as journal:
        [record] = journal.list()
        [*_, last] = journal.events("small")
        journal.append("small", record.n_events, [m.Paused(at=last.at)])
    lines = fuota("campaign", "show", "small", "--db", url).stdout.splitlines()
    assert lines[0].startswith("campaign small: RUNNING, paused in ")
    assert [line for line in lines if line.startswith("waits")] == ["waits until `resume`: paused"]
    assert fuota("campaign", "list", "--db", url).stdout.splitlines()[-1] == "small waits until `resume`: paused"


def test_a_campaign_is_listed_with_what_it_waits_for(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    interrupted(fuota, campaign_file(campaign=SLOW), url, 5, monkeypatch)
    header, row, wait = fuota("campaign", "list", "--db", url).stdout.splitlines()
    assert max(map(len, (header.rstrip(), row.rstrip(), wait))) <= 80
    shown = fuota("campaign", "show", "small", "--db", url).stdout.splitlines()
    assert wait.removeprefix("small ") in shown
    assert re.fullmatch(r"small waits until \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ: answers of 3 devices", wait)
    [listed] = lines_of(fuota("campaign", "list", "--db", url, "--json"))
    assert listed["wait"]["why"] == "answers of 3 devices"


def test_run_prints_the_same_with_and_without_a_database(fuota: Fuota, campaign_file: CampaignFile, url: str):
    path = campaign_file(simulation=LOSSY, campaign=SLOW)
    kept, free = (fuota("campaign", "run", path, *options, "--json").stdout for options in (["--db", url], []))
    assert kept == free


def test_show_events_prints_the_events_that_run_printed(fuota: Fuota, campaign_file: CampaignFile, url: str):
    ran = lines_of(fuota("campaign", "run", campaign_file(), "--db", url, "--json"))
    assert lines_of(fuota("campaign", "show", "small", "--events", "--db", url, "--json")) == ran[:-1]
    text = fuota("campaign", "show", "small", "--events", "--db", url).stdout
    assert len(text.splitlines()) == len(ran) - 1
    assert "StageEnded" in text


def test_each_json_event_has_the_progress_of_the_campaign(fuota: Fuota, campaign_file: CampaignFile):
    *events, _ = lines_of(fuota("campaign", "run", campaign_file(), "--json"))
    for event in events:
        assert event["campaign"] == "small"
        assert event["stages"] == 5
        assert 0 <= event["stages_completed"] <= 5
        assert 0 <= event["devices_done"] <= event["devices"] == 3
    answered = [event for event in events if event["event"] == "Answered"]
    assert answered[-1]["device"] == {
        "dev_eui": answered[-1]["dev_eui"],
        "status": "passed",
        "reason": "",
        "fw_version": 0x01020304,
    }
    frames = [event for event in events if event["event"] == "Requested" and event["group"]]
    assert [event["group_progress"]["next_f_cnt"] for event in frames] == list(range(1, len(frames) + 1))
    assert {event["group_progress"]["spacing_rule"] for event in frames} <= {"duty_cycle", "mcast_msg_delay"}
    done = [event["devices_done"] for event in events if event["stage_name"] == "McGroupSetup"]
    assert done == sorted(done)
    assert done[-1] == 3 or 3 in done


def test_run_refuses_an_id_in_use(fuota: Fuota, campaign_file: CampaignFile, url: str):
    path = campaign_file()
    assert fuota("campaign", "run", path, "--db", url).exit_code == 0
    again = fuota("campaign", "run", path, "--db", url)
    assert again.exit_code == 2
    assert "there is a campaign 'small' already" in again.stderr
    assert "`--id 'small-{n}'` takes the first free number" in again.stderr
    assert "`campaign retry` is for its devices that did not pass" in again.stderr
    for expected in ("small-1", "small-2"):
        numbered = fuota("campaign", "run", path, "--db", url, "--id", "small-{n}", "--json")
        assert lines_of(numbered)[-1]["campaign"] == expected


def test_an_id_of_a_campaign_that_is_not_finished_leads_to_resume(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    interrupted(fuota, campaign_file(), url, 10, monkeypatch)
    again = fuota("campaign", "run", campaign_file(), "--db", url)
    assert again.exit_code == 2
    assert "`campaign resume` goes on with it" in again.stderr


def test_an_id_in_the_file_may_have_the_first_free_number(fuota: Fuota, campaign_file: CampaignFile, url: str):
    path = campaign_file(replace=('id = "small"', 'id = "v2-{n}"'))
    assert lines_of(fuota("campaign", "run", path, "--db", url, "--json"))[-1]["campaign"] == "v2-1"
    assert lines_of(fuota("campaign", "run", path, "--json"))[-1]["campaign"] == "v2-1"


def test_the_journal_may_be_named_by_the_environment(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FUOTA_FEC_DB", url)
    assert fuota("campaign", "run", campaign_file()).exit_code == 0
    assert [row["id"] for row in lines_of(fuota("campaign", "list", "--json"))] == ["small"]


@pytest.mark.parametrize("verb", ["resume", "pause", "stop", "show", "archive", "release"])
def test_commands_refuse_an_unknown_campaign(fuota: Fuota, url: str, verb: str):
    open_journal(url).close()
    result = fuota("campaign", verb, "nobody", "--db", url)
    assert result.exit_code == 2
    assert "there is no campaign 'nobody'" in result.stderr


@pytest.mark.parametrize("command", [["list"], ["show", "x"], ["resume", "x"], ["stop", "x"], ["archive", "x"]])
def test_only_run_creates_a_journal(fuota: Fuota, url: str, tmp_path: Path, command: list[str]):
    result = fuota("campaign", *command, "--db", url)
    assert result.exit_code == 2
    assert "there is no such file" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["resume", "pause", "stop"])
def test_orders_to_a_finished_campaign_are_refused(fuota: Fuota, campaign_file: CampaignFile, url: str, verb: str):
    fuota("campaign", "run", campaign_file(), "--db", url)
    result = fuota("campaign", verb, "small", "--db", url)
    assert result.exit_code == 2
    assert "SUCCEEDED" in result.stderr


def test_resume_requires_a_journal(fuota: Fuota, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("FUOTA_FEC_DB", raising=False)
    result = fuota("campaign", "resume", "small")
    assert result.exit_code == 2
    assert "--db" in result.stderr


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite:////nowhere/at/all.db"])
def test_run_refuses_a_bad_journal_url_with_one_sentence(fuota: Fuota, campaign_file: CampaignFile, url: str):
    result = fuota("campaign", "run", campaign_file(), "--db", url)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stdout == ""


# ---- archive ---------------------------------------------------------------------------------------------


def test_an_archived_campaign_is_shown_but_not_listed(fuota: Fuota, campaign_file: CampaignFile, url: str):
    fuota("campaign", "run", campaign_file(), "--db", url)
    assert fuota("campaign", "archive", "small", "--db", url).exit_code == 0
    assert lines_of(fuota("campaign", "list", "--db", url, "--json")) == []
    [row] = lines_of(fuota("campaign", "list", "--archived", "--db", url, "--json"))
    assert (row["id"], row["archived"]) == ("small", True)
    assert fuota("campaign", "show", "small", "--db", url).exit_code == 0


# ---- interrupted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_events", [10, 35, 60])
def test_resume_finishes_an_interrupted_campaign(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch, n_events: int
):
    interrupted(fuota, campaign_file(campaign=SLOW), url, n_events, monkeypatch)
    assert "RUNNING" in fuota("campaign", "list", "--db", url).stdout
    archived = fuota("campaign", "archive", "small", "--db", url)
    assert archived.exit_code == 2
    result = fuota("campaign", "resume", "small", "--db", url)
    assert result.exit_code == 0, result.output
    assert "resumed" in result.stdout
    assert "3 of 3 devices passed, 3 of them hold exactly" in result.stdout
    with closing(open_journal(url)) as journal:
        events = list(journal.events("small"))
    frames = [e for e in events if isinstance(e, m.Requested) and e.group]
    assert len({e.f_cnt for e in frames}) == len({e.frag_nb for e in frames})


def test_resume_json_continues_after_the_earlier_events(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    interrupted(fuota, campaign_file(campaign=SLOW), url, 40, monkeypatch)
    *events, summary = lines_of(fuota("campaign", "resume", "small", "--db", url, "--json"))
    assert events[0]["event"] == "Resumed"
    assert summary["status"] == "SUCCEEDED"
    everything = lines_of(fuota("campaign", "show", "small", "--events", "--db", url, "--json"))
    assert everything[-len(events) :] == events


def test_resume_carries_out_orders_to_an_interrupted_campaign(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    interrupted(fuota, campaign_file(campaign=SLOW), url, 40, monkeypatch)
    ordered = fuota("campaign", "stop", "small", "--db", url)
    assert "no process runs it" in ordered.stdout
    [order] = lines_of(fuota("campaign", "stop", "small", "--db", url, "--json"))
    assert order == {"campaign": "small", "order": "stop", "owner": ""}
    result = fuota("campaign", "resume", "small", "--db", url)
    assert result.exit_code == 1
    assert "campaign STOPPED" in result.stdout
    assert fuota("campaign", "stop", "small", "--db", url).exit_code == 0, "a second stop is harmless"


# ---- a process that runs ---------------------------------------------------------------------------------


@contextmanager
def running(path: Path, url: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`campaign run` in a process of its own, slow enough to receive orders."""
    command = [sys.executable, "-m", "fuota_fec", "campaign", "run", str(path), "--db", url, "--speed", "400"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(check: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_another_process_pauses_resumes_and_stops_a_running_campaign(
    fuota: Fuota, campaign_file: CampaignFile, url: str, clean_env: dict[str, str]
):
    def status() -> dict[str, object]:
        [shown] = lines_of(fuota("campaign", "show", "small", "--db", url, "--json"))
        return shown

    def kept() -> list[m.Event]:
        with closing(open_journal(url)) as journal:
            return list(journal.events("small")) if "small" in journal.campaigns() else []

    def has(kind: type[m.Event]) -> Callable[[], bool]:
        return lambda: any(isinstance(event, kind) for event in kept())

    with running(campaign_file(campaign=SLOW), url, clean_env) as process:
        wait_for(has(m.Answered), "the campaign does not begin")
        assert status()["owner"]
        assert "pauses it" in fuota("campaign", "pause", "small", "--db", url).stdout
        wait_for(has(m.Paused), "the campaign is not paused")
        assert status()["paused"] is True
        assert "goes on, run by" in fuota("campaign", "resume", "small", "--db", url).stdout
        wait_for(has(m.Unpaused), "the campaign does not go on")
        assert "stops it" in fuota("campaign", "stop", "small", "--db", url).stdout
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "campaign STOPPED" in output
    assert status()["status"] == "STOPPED"


def test_resume_waits_for_the_lease_of_a_killed_process(
    fuota: Fuota, campaign_file: CampaignFile, url: str, clean_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    def begun() -> bool:
        with closing(open_journal(url)) as journal:
            names = journal.campaigns()
            return "small" in names and any(isinstance(event, m.Answered) for event in journal.events("small"))

    with running(campaign_file(campaign=SLOW), url, clean_env) as process:
        wait_for(begun, "the campaign does not begin")
        monkeypatch.setattr(commands, "LEASE_MARGIN", -1000.0)
        alive = fuota("campaign", "resume", "small", "--db", url)
        assert "is run by" in alive.stdout, "the process is alive"
        assert re.search(r"if it is gone, at most \d+ s, until its lease runs out", alive.stderr)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    monkeypatch.undo()
    with closing(open_journal(url)) as journal:
        [row] = journal.list()
        assert journal.lease("small", row.owner, 1.0), "the owner's lease is shortened"
    result = fuota("campaign", "resume", "small", "--db", url)
    assert result.exit_code == 0, result.output
    assert "resumed" in result.stdout


def test_release_breaks_a_lease_and_names_its_owner(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    interrupted(fuota, campaign_file(campaign=SLOW), url, 40, monkeypatch)
    with closing(open_journal(url)) as journal:
        assert journal.lease("small", "agent-1", 1000.0) is not None
    released = fuota("campaign", "release", "small", "--db", url)
    assert released.exit_code == 0
    assert released.stdout == "campaign small: free to be resumed\n"
    assert re.search(r"^warning: campaign small: the lease of agent-1 is broken, \d+ s before its end", released.stderr)
    again = fuota("campaign", "release", "small", "--db", url)
    assert (again.exit_code, again.stdout, again.stderr) == (0, "campaign small: no agent held a lease\n", "")
    [facts] = lines_of(fuota("campaign", "release", "small", "--db", url, "--json"))
    assert facts == {"campaign": "small", "owner": "", "lease_left": 0.0}
    resumed = fuota("campaign", "resume", "small", "--db", url)
    assert resumed.exit_code == 0
    assert "waiting" not in resumed.stderr


def test_resume_cancels_a_pause_that_was_not_carried_out(
    fuota: Fuota, campaign_file: CampaignFile, url: str, monkeypatch: pytest.MonkeyPatch
):
    interrupted(fuota, campaign_file(campaign=SLOW), url, 40, monkeypatch)
    assert fuota("campaign", "pause", "small", "--db", url).exit_code == 0
    result = fuota("campaign", "resume", "small", "--db", url)
    assert result.exit_code == 0, result.output
    assert "campaign SUCCEEDED" in result.stdout


def test_sigterm_releases_the_lease_of_the_campaign(
    fuota: Fuota, campaign_file: CampaignFile, url: str, clean_env: dict[str, str]
):
    def owner() -> str:
        with closing(open_journal(url)) as journal:
            rows = journal.list()
            return rows[0].owner if rows else ""

    with running(campaign_file(campaign=SLOW), url, clean_env) as process:
        wait_for(lambda: bool(owner()), "the campaign does not begin")
        process.terminate()
        process.wait(timeout=20)
        assert owner() == ""
    assert fuota("campaign", "resume", "small", "--db", url).exit_code == 0
