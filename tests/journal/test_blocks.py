"""Blocks of events: what they hold, and which events belong together."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.campaign.messages import DeviceHeard, Event
from fuota_fec.journal import MemoryJournal, blocks, open_journal
from fuota_fec.journal.export import read_export, write_export

LINES = st.lists(st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"])), min_size=1)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LENGTH", 4)


def heard(n: int, start: int = 0) -> list[Event]:
    return [DeviceHeard(at=float(i), dev_eui=f"{i:016x}") for i in range(start, start + n)]


@given(LINES)
def test_a_block_holds_its_lines_and_the_beginnings_of_their_digests(lines: list[str]) -> None:
    digests = [f"{number:064x}"[::-1] for number in range(len(lines))]
    block = blocks.pack(blocks.marked(line, digest) for line, digest in zip(lines, digests, strict=True))
    assert list(blocks.unpack(block)) == [(d[: blocks.MARK], line) for line, d in zip(lines, digests, strict=True)]


@pytest.mark.parametrize("block", [b"", b"x", blocks.pack(["x"])[:-1], None])
def test_bytes_that_are_no_block_are_an_error(block: object) -> None:
    with pytest.raises(ValueError):
        blocks.unpack(block)  # type: ignore[arg-type]


@given(st.integers(0, 2000), st.integers(1, 2000))
def test_each_event_but_the_first_belongs_to_one_block(first: int, n: int) -> None:
    end = first + n
    for block_end in blocks.ends(first, end):
        start = blocks.first_of(block_end - 1)
        assert start < block_end <= end
        assert block_end > first
        assert {blocks.first_of(number) for number in range(start, block_end)} == {start}
        assert blocks.first_of(block_end) == block_end
    assert blocks.first_of(0) == 1, "event 0 stays by itself"


@pytest.mark.parametrize("sizes", [[1] * 23, [23], [3, 1, 9, 10], [4, 4, 4], [1, 8, 3, 3]])
def test_events_are_the_same_however_they_are_appended(journal_url: str, sizes: list[int], short: None) -> None:
    plain = MemoryJournal()
    plain.create("c", b"image", heard(sum(sizes)))
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", b"image")
        n = 0
        for size in sizes:
            journal.append("c", n, heard(size, n))
            n += size
            assert list(journal.events("c")) == heard(n)
        for start in range(n + 2):
            assert list(journal.events("c", start)) == heard(n)[start:]
            assert list(journal.stored("c", start)) == list(plain.stored("c", start))
        exported = write_export("c", b"image", journal.stored("c"))
    assert list(read_export(exported).events) == list(plain.stored("c"))


def test_a_read_goes_on_while_its_rows_become_a_block(
    journal_url: str, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fuota_fec.journal.event_table.N_EVENTS", 4)
    for n in range(1, 10):
        for more in range(1, 9):
            name = f"{n} {more}"
            with closing(open_journal(journal_url)) as journal:
                journal.create(name, b"", heard(n))
                events = iter(journal.events(name))
                assert next(events) == heard(1)[0]
                journal.append(name, n, heard(more, n))
                assert list(events) == heard(n)[1:]


def test_a_file_takes_a_tenth_of_the_space(tmp_path: Path) -> None:
    """Also after appends of one event each, whose rows are written first and then gathered."""
    path = tmp_path / "journal.db"
    with closing(open_journal(f"sqlite:///{path}", durable=False)) as journal:
        journal.create("c", b"")
        for i in range(0, 20_000, 10):
            journal.append("c", i, heard(10, i))
    assert os.path.getsize(path) < 40 * 20_000
