"""Journals of earlier releases replay to the status of their time. One of this release is among them."""

from __future__ import annotations

import base64
import importlib.util
import json
import random
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fuota_fec as ff
from fuota_fec import operations
from fuota_fec.campaign.messages import EVENTS, Event, decode, encode
from fuota_fec.errors import JournalError

FOLDER = Path(__file__).parents[1] / "journals"
EXAMPLES = sorted(FOLDER.glob("*.events.jsonl"))
EXPORTS = sorted(FOLDER.glob("*.export.jsonl"))
JOURNALS = sorted(set(FOLDER.glob("*.jsonl")) - set(EXAMPLES) - set(EXPORTS))


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


def test_an_exported_campaign_of_a_release_is_verified() -> None:
    for path in EXPORTS:
        verified = operations.verify_export(path.read_bytes())
        assert (verified.chained_from, len(verified.digest)) == (0, 64)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_kind_of_event_of_a_release_is_read(path: Path) -> None:
    for line in lines_of(path):
        event = decode(line["event"], line["v"], json.dumps(line["fields"]).encode())
        assert type(event).__name__ == line["event"]
        if line["v"] == event.VERSION:
            assert json.loads(encode(event)) == line["fields"]


def wrong_event(events: list[Event], image: bytes) -> float:
    """Number of the event that ends a replay; infinite if all of them fit."""
    try:
        ff.Campaign.replay(events, image).status()
    except ff.EventError as error:
        return error.number
    return float("inf")


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_changed_event_of_a_recorded_journal_is_replayed_or_named(path: Path) -> None:
    """Without digests, some changes fit; none ends in an error without the number of an event."""
    first, *lines, _ = lines_of(path)
    image = base64.b64decode(first["image"])
    events = [decode(line["event"], line["v"], json.dumps(line["fields"]).encode()) for line in lines]
    rng = random.Random(path.stem)
    for number in range(1, len(events), 1 + len(events) // 60):
        event = events[number]
        names = [name for name in ("dev_eui", "group", "id", "ask", "stage") if getattr(event, name, None)]
        others = {name: rng.choice(["ffffffffffffffff", "x/1"]) for name in names[: rng.randint(1, 3)]}
        changed = [*events[:number], replace(event, **others), *events[number + 1 :]]
        swapped = [*events[:number], *events[number : number + 2][::-1], *events[number + 2 :]]
        dropped = [*events[:number], *events[number + 1 :]]
        for wrong in (changed, swapped, dropped):
            assert wrong_event(wrong, image) >= number


def test_this_release_has_recorded_every_kind_of_event() -> None:
    lines = lines_of(FOLDER / f"{ff.__version__}.events.jsonl")
    assert {line["event"] for line in lines} == set(EVENTS)


def test_a_later_release_is_refused() -> None:
    [_, configured, *_] = lines_of(FOLDER / f"{ff.__version__}-firmware.jsonl")
    with pytest.raises(JournalError, match="written by a later one"):
        decode(configured["event"], EVENTS["Configured"].VERSION + 1, json.dumps(configured["fields"]).encode())
    with pytest.raises(JournalError, match="written by a later one"):
        decode("NeverHeardOf", 1, b"{}")
