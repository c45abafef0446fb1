"""The journal in memory, beyond the contract that `test_base.py` asks of every journal."""

from __future__ import annotations

from fuota_fec.campaign.messages import DeviceHeard
from fuota_fec.journal import MemoryJournal


def test_an_image_is_kept_when_the_callers_buffer_changes() -> None:
    journal, image = MemoryJournal(), bytearray(b"image")
    journal.create("c", image)
    image[:] = b"other"
    assert journal.image("c") == b"image"


def test_events_are_a_snapshot() -> None:
    journal, first = MemoryJournal(), DeviceHeard(at=1.0, dev_eui="01")
    journal.create("c", b"", [first])
    events = journal.events("c")
    journal.append("c", 1, [DeviceHeard(at=2.0, dev_eui="01")])
    assert events == (first,)


def test_two_journals_share_nothing() -> None:
    one, other = MemoryJournal(), MemoryJournal()
    one.create("c", b"", devices=["01"])
    other.create("c", b"", devices=["01"])
    one.order("c", "pause")
    assert other.orders() == ()


def test_a_closed_journal_stays_readable() -> None:
    journal = MemoryJournal()
    journal.create("c", b"image")
    journal.close()
    assert journal.image("c") == b"image"
