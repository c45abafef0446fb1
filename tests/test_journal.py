"""The journal in memory: append-only, fenced by the sequence number."""

from __future__ import annotations

import pytest

from fuota_fec.campaign.messages import DeviceHeard
from fuota_fec.errors import JournalError
from fuota_fec.journal import MemoryJournal, open_journal


def events(n: int) -> list[DeviceHeard]:
    return [DeviceHeard(at=float(i), dev_eui=f"{i:016x}") for i in range(n)]


@pytest.fixture
def journal() -> MemoryJournal:
    made = MemoryJournal()
    made.create("c", b"image")
    return made


def test_a_new_campaign_has_its_image_and_no_events(journal) -> None:
    assert (journal.campaigns(), journal.image("c"), journal.events("c")) == (("c",), b"image", ())


def test_events_come_back_in_order(journal) -> None:
    journal.append("c", 0, events(3))
    journal.append("c", 3, events(5)[3:])
    journal.append("c", 5, [])
    assert list(journal.events("c")) == events(5)


@pytest.mark.parametrize("seq", [0, 1, 2, 4, -1])
def test_another_writer_is_noticed_and_nothing_written(journal, seq) -> None:
    journal.append("c", 0, events(3))
    with pytest.raises(JournalError, match=f"3 events, expected {seq}"):
        journal.append("c", seq, events(2))
    assert list(journal.events("c")) == events(3)


def test_what_was_read_does_not_grow(journal) -> None:
    before = journal.events("c")
    mine = events(2)
    journal.append("c", 0, mine)
    mine.clear()
    assert before == ()
    assert len(journal.events("c")) == 2


def test_campaigns_are_apart_and_in_order(journal) -> None:
    journal.create("b", b"other")
    journal.append("b", 0, events(1))
    assert journal.campaigns() == ("c", "b")
    assert journal.events("c") == ()
    assert journal.image("b") == b"other"


def test_a_name_is_used_once(journal) -> None:
    journal.append("c", 0, events(1))
    with pytest.raises(JournalError, match="'c' already"):
        journal.create("c", b"")
    assert (journal.image("c"), len(journal.events("c"))) == (b"image", 1)


def test_what_is_not_there_is_named(journal) -> None:
    for verb in (lambda: journal.events("x"), lambda: journal.image("x"), lambda: journal.append("x", 0, [])):
        with pytest.raises(JournalError, match="no campaign 'x'"):
            verb()


def test_journals_open_by_url() -> None:
    assert open_journal(":memory:").campaigns() == ()
    with pytest.raises(JournalError, match="sqlite:///x"):
        open_journal("sqlite:///x")
