"""Campaign commands on journals that earlier releases have written."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from fuota_fec.campaign.messages import decode
from fuota_fec.journal import open_journal

Fuota = Callable[..., Result]
FOLDER = Path(__file__).parents[1] / "journals"
JOURNALS = sorted(path for path in FOLDER.glob("*.jsonl") if not path.name.endswith((".events.jsonl", ".export.jsonl")))


def kept(path: Path, tmp_path: Path) -> tuple[str, str, str]:
    """Copies the journal of a release into a database; returns its URL, the campaign and its status."""
    first, *lines, last = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    events = [decode(line["event"], line["v"], json.dumps(line["fields"]).encode()) for line in lines]
    url = f"sqlite:///{tmp_path / 'campaigns.db'}"
    with closing(open_journal(url)) as journal:
        journal.create(events[0].config.id, base64.b64decode(first["image"]), events)
    return url, events[0].config.id, last["status"]


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_recorded_campaign_is_shown_and_reported(fuota: Fuota, path: Path, tmp_path: Path) -> None:
    url, name, status = kept(path, tmp_path)

    def run(*args: str | Path) -> str:
        result = fuota("campaign", *args, "--db", url)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    assert json.loads(run("list", "--json"))["status"] == status
    assert json.loads(run("show", name, "--json"))["status"] == status
    assert f"campaign {name}: {status}" in run("show", name)
    n_events = json.loads(run("list", "--json"))["n_events"]
    assert len(run("show", name, "--events").splitlines()) == n_events
    assert [json.loads(line)["campaign"] for line in run("show", name, "--events", "--json").splitlines()] == (
        [name] * n_events
    )
    assert json.loads(run("report", name, "--json"))["status"] == status
    run("report", name, "-o", tmp_path / "report.html")
    assert status in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_recorded_campaign_without_its_network_is_not_run(fuota: Fuota, path: Path, tmp_path: Path) -> None:
    url, name, _status = kept(path, tmp_path)
    for verb in ("retry", "resume"):
        result = fuota("campaign", verb, name, "--db", url)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1
