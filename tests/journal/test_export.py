"""Files of campaigns: what they hold, and that no change of one passes."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.campaign.messages import DeviceHeard, Event
from fuota_fec.errors import EventError, JournalError
from fuota_fec.journal import MemoryJournal, open_journal
from fuota_fec.journal.export import FORMAT, Exported, read_export, write_export

N_EVENTS = 5
IMAGE = bytes(range(10))


def heard(n: int) -> list[Event]:
    return [DeviceHeard(at=float(i), dev_eui="\u2028\x85ä") for i in range(n)]


def exported(*, unchained: int = 0) -> bytes:
    journal = MemoryJournal()
    journal.create("c", IMAGE, heard(N_EVENTS))
    events = [event._replace(digest=None) if event.number < unchained else event for event in journal.stored("c")]
    return write_export("c", IMAGE, events)


def lines_of(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.decode().split("\n") if line]


def file_of(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


FILE = exported()
WHOLE = read_export(FILE)


def test_a_file_has_a_header_and_a_line_per_event() -> None:
    header, *events = lines_of(FILE)
    assert header == {
        "format": FORMAT,
        "version": 1,
        "campaign": "c",
        "n_events": N_EVENTS,
        "chained_from": 0,
        "image_sha256": hashlib.sha256(IMAGE).hexdigest(),
        "image": base64.b64encode(IMAGE).decode(),
    }
    assert [list(event) for event in events] == [["number", "type", "version", "data", "digest"]] * N_EVENTS


def test_a_file_is_read_as_it_was_written() -> None:
    journal = MemoryJournal()
    journal.create("c", IMAGE, heard(N_EVENTS))
    assert read_export(FILE) == Exported(campaign="c", image=IMAGE, events=list(journal.stored("c")))
    assert read_export(FILE.rstrip(b"\n")) == WHOLE
    assert read_export(file_of(lines_of(FILE))) == WHOLE, "written by another program"


def test_a_file_is_the_same_from_memory_and_from_a_database(journal_url: str) -> None:
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", IMAGE, heard(2))
        journal.append("c", 2, heard(N_EVENTS)[2:])
        assert write_export("c", journal.image("c"), journal.stored("c")) == FILE


def test_events_without_digests_are_exported_without() -> None:
    data = exported(unchained=N_EVENTS)
    assert lines_of(data)[0]["chained_from"] is None
    assert [event.digest for event in read_export(data).events] == [None] * N_EVENTS


@pytest.mark.parametrize("number", range(N_EVENTS))
@pytest.mark.parametrize(
    ("field", "value"),
    [("number", 9), ("type", "X"), ("version", 1), ("version", True), ("data", "{}"), ("data", None), ("digest", None)],
)
def test_a_changed_event_of_a_file_is_named(number: int, field: str, value: Any) -> None:
    header, *events = lines_of(FILE)
    events[number][field] = value
    with pytest.raises(EventError, match=f"^campaign 'c': event {number} is not the one that was written$") as caught:
        read_export(file_of([header, *events]))
    assert (caught.value.campaign, caught.value.number) == ("c", number)


@pytest.mark.parametrize("number", range(N_EVENTS))
def test_missing_swapped_repeated_and_broken_lines_are_named(number: int) -> None:
    header, *events = lines_of(FILE)
    without = [*events[:number], *events[number + 1 :]]
    what = "is missing" if number == N_EVENTS - 1 else "is not the one"
    for wrong, where, how in (
        (without, number, what),
        ([*events[:number], events[number], *events[number:]], number + 1, "is not the one"),
        ([events[number], *without], 0, "is not the one"),
        (events[:number], number, "is missing"),
    ):
        if wrong != events:
            with pytest.raises(EventError, match=f"event {where} {how}"):
                read_export(file_of([header, *wrong]))
    cut = FILE.split(b"\n")
    for broken in (cut[number + 1][:-5], b"", b"[]", b"null", b"\xff", b"[" * 100_000):
        with pytest.raises(EventError, match=f"event {number} is not the one"):
            read_export(b"\n".join([*cut[: number + 1], broken, *cut[number + 2 :]]))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", "x", "no export of a campaign"),
        ("version", 2, "version 2 of the format, expected 1"),
        ("campaign", "d", "event 0 is not the one"),
        ("campaign", 5, "campaign is not usable: 5"),
        ("n_events", 4, "event 4 is not the one"),
        ("n_events", 6, "event 5 is missing"),
        ("n_events", 0, "event 0 is not the one"),
        ("n_events", "5", "n_events is not usable: '5'"),
        ("chained_from", None, "event 0 is not the one"),
        ("chained_from", 2, "event 0 is not the one"),
        ("image", "AAAA", "the image is not the one that event 0 names"),
        ("image", "?", "the image is not the one that event 0 names"),
        ("image_sha256", "00", "the image is not the one that event 0 names"),
    ],
)
def test_a_changed_header_is_refused(field: str, value: Any, message: str) -> None:
    header, *events = lines_of(FILE)
    with pytest.raises(JournalError, match=message):
        read_export(file_of([{**header, field: value}, *events]))
    del header[field]
    with pytest.raises(JournalError, match=r"no export|version None|lacks"):
        read_export(file_of([header, *events]))


@pytest.mark.parametrize("data", [b"", b"\n", b"{}", b"[]", b"no JSON", b"\xff", b"\x00" * 50, b"SQLite format 3\0"])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(JournalError, match="no export of a campaign"):
        read_export(data)


@settings(max_examples=300)
@given(at=st.integers(0, len(FILE) - 1), value=st.integers(0, 255))
def test_any_changed_byte_of_a_file_is_found_or_changes_nothing(at: int, value: int) -> None:
    changed = FILE[:at] + bytes([value]) + FILE[at + 1 :]
    try:
        found = read_export(changed)
    except JournalError:
        return
    assert found == WHOLE


@given(at=st.integers(0, len(FILE) - 2))
def test_a_file_that_was_cut_off_is_refused(at: int) -> None:
    with pytest.raises(JournalError):
        read_export(FILE[:at])
