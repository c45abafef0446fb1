"""`campaign retry`: a campaign for the devices that did not pass an earlier one."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from fuota_fec.campaign import messages as m
from fuota_fec.journal import open_journal
from fuota_fec.journal.sql import SqlJournal

Fuota = Callable[..., Result]
LOSSY = "downlink_loss = 0.3"
FAILS = 'msg_retries = 9\nstage_end = "all"\nredundancy = 1\nfsize = 200'


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("FUOTA_FEC_DB", raising=False)
    return f"sqlite:///{tmp_path / 'campaigns.db'}"


@pytest.fixture
def failed(fuota: Fuota, campaign_file: Callable[..., Path], url: str) -> None:
    """A campaign with too few coded fragments, which some devices do not pass."""
    path = campaign_file(campaign=FAILS, simulation=LOSSY, n_devices=3)
    result = fuota("campaign", "run", path, "--db", url)
    assert result.exit_code == 1, result.output


def events(url: str, name: str) -> list[m.Event]:
    with closing(open_journal(url)) as journal:
        return list(journal.events(name))


def test_retry_takes_only_devices_that_did_not_pass(fuota: Fuota, failed: None, url: str) -> None:
    fuota("campaign", "retry", "small", "--db", url)
    first, again = events(url, "small"), events(url, "small-retry")
    assert isinstance(first[-1], m.Finished)
    assert isinstance(again[-1], m.Finished)
    assert len(again[0].config.devices) == 3 - first[-1].successes
    assert again[0].at == first[-1].at
    assert again[0].config.groups[0].first_f_cnt > first[0].config.groups[0].first_f_cnt


def test_retry_gives_the_new_campaign_a_free_id(fuota: Fuota, failed: None, url: str) -> None:
    fuota("campaign", "retry", "small", "--db", url)
    fuota("campaign", "retry", "small", "--db", url)
    listed = fuota("campaign", "list", "--db", url).stdout
    assert all(name in listed for name in ("small-retry", "small-retry-2"))
    assert fuota("campaign", "retry", "small", "--db", url, "--id", "small").exit_code == 2


def test_retry_refuses_a_bad_reboot(fuota: Fuota, failed: None, url: str) -> None:
    for reboot in ("soon", "12:00", "", "nan", "inf", "-5", "5", "after-transfer"):
        result = fuota("campaign", "retry", "small", "--db", url, "--reboot", reboot)
        assert (result.exit_code, "reboot" in result.output) == (2, True), reboot
    assert fuota("campaign", "retry", "large", "--db", url).output == "error: there is no campaign 'large'\n"


def test_retry_takes_another_redundancy(fuota: Fuota, failed: None, url: str) -> None:
    """The redundancy of the first campaign is too small."""
    again = fuota("campaign", "retry", "small", "--db", url, "--redundancy", "adaptive", "--json")
    assert again.exit_code == 0, again.output
    assert events(url, "small-retry")[0].config.redundancy == "adaptive"
    fuota("campaign", "retry", "small", "--db", url, "--redundancy", "12")
    assert events(url, "small-retry-2")[0].config.redundancy == 12
    for wrong in ("much", "-1", "", "1.5", "5/0"):
        result = fuota("campaign", "retry", "small", "--db", url, "--redundancy", wrong)
        assert (result.exit_code, "redundancy" in result.output) == (2, True), wrong


def test_retry_refuses_an_empty_id(fuota: Fuota, failed: None, url: str) -> None:
    result = fuota("campaign", "retry", "small", "--db", url, "--id", "")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "id" in result.stderr


def test_a_retry_asks_devices_that_run_the_image_and_sends_them_nothing_more(
    fuota: Fuota, campaign_file: Callable[..., Path], url: str
) -> None:
    """Three of four devices install the image while no gateway hears them."""
    lines = map(json.loads, fuota("campaign", "run", campaign_file(n_devices=4), "--json").stdout.splitlines())
    sent = next(e["at"] for e in lines if e["event"] == "StageEnded" and e["stage"] == "DlFragment") - 1.8e9
    path = campaign_file(simulation=f"outages = [[{sent + 1}, {sent + 2100}]]", n_devices=4)
    assert fuota("campaign", "run", path, "--db", url).exit_code == 1
    retried = fuota("campaign", "retry", "small", "--db", url)
    assert retried.exit_code == 0, retried.output
    assert "SUCCEEDED: runs it already: 3 of 3 devices" in retried.output
    requests = [e for e in events(url, "small-retry") if isinstance(e, m.Requested)]
    assert [e.ask for e in requests] == ["DevVersion"] * 3
    assert fuota("campaign", "show", "small-retry", "--all", "--db", url).output.count("1.2.3.4   runs it already") == 3


def test_a_fleet_that_runs_the_image_is_sent_nothing(
    fuota: Fuota, campaign_file: Callable[..., Path], url: str
) -> None:
    path = campaign_file(simulation="old_version = 0x01020304", n_devices=3)
    devices = "".join(
        f'[[campaign.devices]]\ndev_eui = "{i:016x}"\ngroup = "meters"\nfw_version = "1.2.3.4"\n' for i in (1, 2, 3)
    )
    path.write_text(path.read_text().replace("n_devices = 3", "").replace("[image]", f"{devices}[image]"))
    result = fuota("campaign", "run", path, "--db", url)
    assert result.exit_code == 0, result.output
    assert "SUCCEEDED: 3 of 3 devices passed, 3 of them ran it already; " in result.output
    assert not [e for e in events(url, "small") if isinstance(e, m.Requested) and e.ask != "DevVersion"]


def test_an_interrupted_retry_is_resumed(fuota: Fuota, failed: None, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its devices are in the state that the first campaign left them in."""
    append_all = SqlJournal.append_all

    class Interrupted(BaseException):
        pass

    def counting(self: Any, appends: Any) -> None:
        append_all(self, appends)
        if appends[0].expected_seq + len(appends[0].events) >= 40:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(SqlJournal, "append_all", counting)
        with pytest.raises(Interrupted):
            fuota("campaign", "retry", "small", "--db", url)
    result = fuota("campaign", "resume", "small-retry", "--db", url)
    assert result.exit_code in (0, 1)
    [*_, last] = events(url, "small-retry")
    assert isinstance(last, m.Finished)
    assert not [e for e in events(url, "small-retry") if isinstance(e, m.Answered) and "session_cnt_replay" in e.reason]
    again = fuota("campaign", "retry", "small-retry", "--db", url)
    assert again.exit_code in (0, 1, 2)
    assert "Traceback" not in again.output
