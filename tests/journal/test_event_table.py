"""Events of a campaign as rows of a database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from fuota_fec.errors import EventError, JournalError
from fuota_fec.journal.chain import first_digest, next_digest
from fuota_fec.journal.event_table import READ_LAST, last_digest, read_digest, read_head, read_rows
from fuota_fec.journal.prepared import Prepared
from fuota_fec.journal.schema import bring_up_to_date
from fuota_fec.journal.tables import CAMPAIGNS, EVENTS


def row_of(table: sa.Table, **values: object) -> dict[str, object]:
    """A row with something in each column that needs a value."""
    filler = {sa.Integer: 0, sa.BigInteger: 0, sa.Float: 0.0, sa.Boolean: False, sa.LargeBinary: b""}
    needed = [c for c in table.columns if not c.nullable and c.name not in values and c.server_default is None]
    return {c.name: next((v for kind, v in filler.items() if isinstance(c.type, kind)), "") for c in needed} | values


def prepared(connection: sa.Connection) -> Prepared:
    return Prepared(READ_LAST, connection.dialect)


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


def test_the_head_has_the_extent_of_a_campaign(connection) -> None:
    assert read_head(connection, "c") == (3, 0, False)


def test_the_head_of_an_unknown_campaign_is_an_error(connection) -> None:
    with pytest.raises(JournalError, match="'d'"):
        read_head(connection, "d")


def test_an_event_beyond_the_committed_ones_is_reported_by_its_number(connection) -> None:
    connection.execute(sa.update(CAMPAIGNS).values(n_events=2))
    with pytest.raises(EventError) as caught:
        read_head(connection, "c")
    assert (caught.value.campaign, caught.value.number) == ("c", 2)


def test_rows_come_in_order_from_a_number_on(connection) -> None:
    assert [row.seq for row in read_rows(connection, "c", 1, 3)] == [1, 2]


def test_a_missing_row_is_reported_by_its_number(connection) -> None:
    connection.execute(sa.delete(EVENTS).where(EVENTS.c.seq == 1))
    with pytest.raises(EventError) as caught:
        read_rows(connection, "c", 0, 3)
    assert caught.value.number == 1


def test_the_last_digest_is_that_of_the_last_event(connection) -> None:
    assert last_digest(connection, "c", 3, prepared(connection)) == read_digest(connection, "c", 2)


def test_a_chain_without_events_begins_with_the_campaign(connection) -> None:
    assert last_digest(connection, "c", 0, prepared(connection)) == first_digest("c", 0)


@pytest.mark.parametrize("number", [3, 7])
def test_a_digest_of_an_event_that_does_not_exist_is_an_error(connection, number) -> None:
    with pytest.raises(EventError):
        read_digest(connection, "c", number)


def test_a_chain_begins_behind_the_events_of_an_earlier_version_and_covers_them(connection) -> None:
    connection.execute(sa.update(CAMPAIGNS).values(chained_from=None))
    connection.execute(sa.update(EVENTS).values(digest=None))
    digest = last_digest(connection, "c", 3, prepared(connection))
    expected = first_digest("c", 3)
    for seq in range(3):
        expected = next_digest(expected, seq, "Paused", 1, '{"at":1.0}')
    assert digest == expected
    assert read_head(connection, "c").chained_from == 3
