"""Journals of earlier releases replay to the status of their time. One of this release is among them."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fuota_fec as ff
from fuota_fec.campaign.messages import EVENTS, decode, encode
from fuota_fec.errors import JournalError

FOLDER = Path(__file__).parents[1] / "journals"
EXAMPLES = sorted(FOLDER.glob("*.events.jsonl"))
JOURNALS = sorted(set(FOLDER.glob("*.jsonl")) - set(EXAMPLES))


def recorder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_journal", FOLDER.with_name("record_journal.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_recorded_journal_replays_to_what_it_was(path: Path) -> None:
    first, *events, last = lines_of(path)
    image = base64.b64decode(first["image"])
    replayed = ff.Campaign.replay(
        [decode(line["event"], line["v"], json.dumps(line["fields"]).encode()) for line in events], image
    )
    assert replayed.n_events == len(events)
    assert json.loads(json.dumps(recorder().status_of(replayed))) == last


def test_this_release_has_recorded_one_of_each_kind() -> None:
    release = ff.__version__
    assert {path.stem for path in JOURNALS} >= {f"{release}-{kind}" for kind in recorder().KINDS}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_kind_of_event_of_a_release_is_read(path: Path) -> None:
    for line in lines_of(path):
        event = decode(line["event"], line["v"], json.dumps(line["fields"]).encode())
        assert type(event).__name__ == line["event"]
        if line["v"] == event.VERSION:
            assert json.loads(encode(event)) == line["fields"]


def test_this_release_has_recorded_every_kind_of_event() -> None:
    lines = lines_of(FOLDER / f"{ff.__version__}.events.jsonl")
    assert {line["event"] for line in lines} == set(EVENTS)


def test_a_later_release_is_refused() -> None:
    [_, configured, *_] = lines_of(FOLDER / f"{ff.__version__}-firmware.jsonl")
    with pytest.raises(JournalError, match="written by a later one"):
        decode(configured["event"], EVENTS["Configured"].VERSION + 1, json.dumps(configured["fields"]).encode())
    with pytest.raises(JournalError, match="written by a later one"):
        decode("NeverHeardOf", 1, b"{}")
