"""Events of a campaign as rows of a database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from fuota_fec.errors import EventError, JournalError
from fuota_fec.journal import blocks
from fuota_fec.journal.base import FenceError
from fuota_fec.journal.chain import Chain, first_digest, next_digest
from fuota_fec.journal.event_table import EventTable, checked_events
from fuota_fec.journal.prepared import cursor_of
from fuota_fec.journal.schema import bring_up_to_date
from fuota_fec.journal.tables import CAMPAIGNS, EVENTS, Row


def row_of(table: sa.Table, **values: object) -> dict[str, object]:
    """A row with something in each column that needs a value."""
    filler = {sa.Integer: 0, sa.BigInteger: 0, sa.Float: 0.0, sa.Boolean: False, sa.LargeBinary: b""}
    needed = [c for c in table.columns if not c.nullable and c.name not in values and c.server_default is None]
    return {c.name: next((v for kind, v in filler.items() if isinstance(c.type, kind)), "") for c in needed} | values


@pytest.fixture
def connection():
    """Campaign "c" with three chained events."""
    with sa.create_engine("sqlite://").begin() as connection:
        bring_up_to_date(connection, "x")
        connection.execute(sa.insert(CAMPAIGNS).values(row_of(CAMPAIGNS, campaign="c", n_events=3, chained_from=0)))
        digest = first_digest("c", 0)
        for seq in range(3):
            digest = next_digest(digest, seq, "Paused", 1, '{"at":1.0}')
            values = {
                "campaign": "c",
                "seq": seq,
                "type": "Paused",
                "version": 1,
                "data": '{"at":1.0}',
                "digest": digest,
            }
            connection.execute(sa.insert(EVENTS).values(row_of(EVENTS, **values)))
        yield connection


@pytest.fixture
def table(connection):
    return EventTable(connection.dialect)


@pytest.fixture
def cursor(connection):
    return cursor_of(connection)


def new_rows(first: int, n: int) -> list[Row]:
    fields = {"campaign": "c", "type": "Paused", "version": 1, "data": '{"at":1.0}', "block": None}
    return [{"seq": seq, **fields} for seq in range(first, first + n)]


def seqs(connection: sa.Connection) -> list[int]:
    return list(connection.scalars(sa.select(EVENTS.c.seq).order_by(EVENTS.c.seq)))


def test_the_head_has_the_extent_of_a_campaign(table, cursor) -> None:
    assert table.head(cursor, "c") == (3, 0, False)


def test_the_head_of_an_unknown_campaign_is_an_error(table, cursor) -> None:
    with pytest.raises(JournalError, match="'d'"):
        table.head(cursor, "d")


def test_an_event_beyond_the_committed_ones_is_reported_by_its_number(table, cursor, connection) -> None:
    connection.execute(sa.update(CAMPAIGNS).values(n_events=2))
    with pytest.raises(EventError) as caught:
        table.head(cursor, "c")
    assert (caught.value.campaign, caught.value.number) == ("c", 2)


def test_rows_come_in_order_from_a_number_on(table, cursor) -> None:
    assert [row[0] for row in table.rows(cursor, "c", 1)] == [1, 2]


@pytest.mark.parametrize("missing", range(3))
def test_a_missing_row_is_reported_by_its_number(table, cursor, connection, missing) -> None:
    connection.execute(sa.delete(EVENTS).where(EVENTS.c.seq == missing))
    with pytest.raises(EventError, match="is missing") as caught:
        table.rows(cursor, "c", len(checked_events(Chain("c", 0), "c", 0, table.rows(cursor, "c", 0))))
    assert caught.value.number == missing


def test_the_row_before_an_event_has_its_number_and_digest(table, cursor) -> None:
    digest = table.last_digest(cursor, "c", 3)
    assert table.before(cursor, "c", 3) == table.before(cursor, "c", 7) == (2, digest)
    assert table.before(cursor, "c", 0) is None


def test_a_chain_without_events_begins_with_the_campaign(table, cursor) -> None:
    assert table.last_digest(cursor, "c", 0) == first_digest("c", 0)


@pytest.mark.parametrize("n_events", [4, 8])
def test_a_digest_of_an_event_that_does_not_exist_is_an_error(table, cursor, n_events) -> None:
    with pytest.raises(EventError):
        table.last_digest(cursor, "c", n_events)


def test_a_chain_begins_behind_the_events_of_an_earlier_version_and_covers_them(table, cursor, connection) -> None:
    connection.execute(sa.update(CAMPAIGNS).values(chained_from=None))
    connection.execute(sa.update(EVENTS).values(digest=None))
    digest = table.last_digest(cursor, "c", 3)
    expected = first_digest("c", 3)
    for seq in range(3):
        expected = next_digest(expected, seq, "Paused", 1, '{"at":1.0}')
    assert digest == expected
    assert table.head(cursor, "c").chained_from == 3


def test_events_that_complete_a_block_become_one_row_with_those_before(
    table, cursor, connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LENGTH", 4)
    digest = table.last_digest(cursor, "c", 3)
    for first, n, kept in ((3, 1, [0, 3]), (4, 1, [0, 3, 4]), (5, 9, [0, 3, 7, 11, 12, 13])):
        digest = table.insert(cursor, "c", new_rows(first, n), digest)
        assert seqs(connection) == kept
    events = checked_events(Chain("c", 0), "c", 0, table.rows(cursor, "c", 0))
    assert [number for number, *_ in events] == list(range(14))
    assert {event[1:4] for event in map(tuple, events)} == {("Paused", 1, '{"at":1.0}')}
    assert events[-1][4] == digest == table.last_digest(cursor, "c", 14)


def test_events_with_existing_numbers_complete_no_block(
    table, cursor, connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LENGTH", 4)
    for first, n in ((2, 1), (2, 2), (1, 7)):
        with pytest.raises(FenceError, match=f"'c' already has events from number {first} on"):
            table.insert(cursor, "c", new_rows(first, n), "")
    assert seqs(connection) == [0, 1, 2]


def test_events_without_digests_are_no_part_of_a_block(
    table, cursor, connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LENGTH", 4)
    connection.execute(sa.update(CAMPAIGNS).values(chained_from=None))
    connection.execute(sa.update(EVENTS).values(digest=None))
    table.insert(cursor, "c", new_rows(3, 6), table.last_digest(cursor, "c", 3))
    assert seqs(connection) == [0, 1, 2, 3, 7, 8]
    events = checked_events(Chain("c", 3), "c", 0, table.rows(cursor, "c", 0))
    assert [digest is None for *_, digest in events] == [True] * 3 + [False] * 6


@pytest.mark.parametrize("block", [b"", b"x", 5, blocks.pack([])], ids=str)
def test_a_block_that_cannot_be_read_is_reported_by_the_number_of_its_first_event(
    table, cursor, connection, monkeypatch: pytest.MonkeyPatch, block: object
) -> None:
    monkeypatch.setattr(blocks, "LENGTH", 4)
    table.insert(cursor, "c", new_rows(3, 1), table.last_digest(cursor, "c", 3))
    cursor.execute("UPDATE fuota_events SET block = ? WHERE seq = 3", (block,))
    with pytest.raises(EventError, match=r"event 1(, or one of those up to 3,)? is not the one that was") as caught:
        checked_events(Chain("c", 0), "c", 0, table.rows(cursor, "c", 0))
    assert caught.value.number == 1


def changed(marked: list[str], n: int) -> list[str]:
    return [*marked[:n], marked[n].replace("1.0", "1.5"), *marked[n + 1 :]]


def missing(marked: list[str], n: int) -> list[str]:
    return [*marked[:n], *marked[n + 1 :]]


def swapped(marked: list[str], n: int) -> list[str]:
    other = marked[(n + 1) % 3]
    return [other if line == marked[n] else marked[n] if line == other else line for line in marked]


def of_another_kind(marked: list[str], n: int) -> list[str]:
    return [*marked[:n], marked[n].replace("Paused", "Unpaused"), *marked[n + 1 :]]


def cut_off(marked: list[str], n: int) -> list[str]:
    return [*marked[:n], marked[n][:11], *marked[n + 1 :]]


@pytest.mark.parametrize("change", [changed, missing, swapped, of_another_kind, cut_off])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_an_event_of_a_block_that_is_not_the_one_that_was_written_is_reported_by_its_number(
    table, cursor, connection, monkeypatch: pytest.MonkeyPatch, change: Any, n: int
) -> None:
    monkeypatch.setattr(blocks, "LENGTH", 4)
    table.insert(cursor, "c", new_rows(3, 1), table.last_digest(cursor, "c", 3))
    [block] = cursor.execute("SELECT block FROM fuota_events WHERE seq = 3").fetchone()
    marked = [f"{mark} {line}" for mark, line in blocks.unpack(block)]
    cursor.execute("UPDATE fuota_events SET block = ? WHERE seq = 3", (blocks.pack(change(marked, n)),))
    with pytest.raises(EventError, match="is not the one that was written") as caught:
        checked_events(Chain("c", 0), "c", 0, table.rows(cursor, "c", 0))
    first_wrong = min(n, (n + 1) % 3) if change is swapped else n - (change is missing and n == 2)
    assert caught.value.number == 1 + first_wrong


@pytest.mark.parametrize("change", ["type = 'Paused'", "version = 1", "data = '{}'", "digest = ''"])
def test_the_other_columns_of_a_block_are_checked_too(
    table, cursor, connection, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(blocks, "LENGTH", 4)
    table.insert(cursor, "c", new_rows(3, 1), table.last_digest(cursor, "c", 3))
    cursor.execute(f"UPDATE fuota_events SET {change} WHERE seq = 3")
    with pytest.raises(EventError, match=r"event (1, or one of those up to 3,|3) is not the one that was"):
        checked_events(Chain("c", 0), "c", 0, table.rows(cursor, "c", 0))
