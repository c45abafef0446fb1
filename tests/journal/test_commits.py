"""The commit of events, on SQLite; the journal's own tests run it on every database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from fuota_fec.campaign.messages import DeviceFact, Event, Finished, GroupFact, KnownDevice, Paused
from fuota_fec.errors import JournalError
from fuota_fec.journal.base import Append, FenceError
from fuota_fec.journal.commits import Commit, Commits
from fuota_fec.journal.event_table import EventTable
from fuota_fec.journal.prepared import cursor_of
from fuota_fec.journal.schema import bring_up_to_date
from fuota_fec.journal.tables import CAMPAIGNS, CLAIMS, DEVICES, GROUPS, ORDERS

NEW = {"status": "RUNNING", "n_events": 0, "archived": False, "owner": "", "lease_until": 0.0, "chained_from": 0}


@pytest.fixture
def connection():
    with sa.create_engine("sqlite://").begin() as connection:
        bring_up_to_date(connection, "x")
        for name in "cd":
            connection.execute(sa.insert(CAMPAIGNS).values(campaign=name, **NEW))
            connection.execute(sa.insert(CLAIMS).values(kind="device", name=name, campaign=name))
            for _ in range(2):
                connection.execute(sa.insert(ORDERS).values(campaign=name, verb="pause", ordered_at=0.0))
        yield connection


@pytest.fixture
def commits(connection):
    return Commits(connection.dialect, sqlite.insert, EventTable(connection.dialect))


def paused(*times: float) -> list[Event]:
    return [Paused(at=at) for at in times]


def write(connection: sa.Connection, commits: Commits, *appends: Append) -> None:
    written = [Commit.of(append) for append in appends]
    commits.committed(commits.write(cursor_of(connection), written), written)


def row(connection: sa.Connection) -> tuple[Any, ...]:
    query = sa.text("select n_events, created_at, changed_at, status from fuota_campaigns where campaign = 'c'")
    return tuple(connection.execute(query).one())


def test_the_count_rises_only_from_the_expected_one(connection, commits) -> None:
    def append(expected: int, events: list[Event]) -> None:
        write(connection, commits, Append(campaign="c", expected_seq=expected, events=events))

    with pytest.raises(FenceError, match="'c' has 0 events, expected 1"):
        append(1, paused(1.0))
    append(0, paused(5.0, 6.0))
    assert row(connection) == (2, 5.0, 6.0, "RUNNING")
    append(2, [])
    assert row(connection) == (2, 5.0, 6.0, "RUNNING"), "orders alone change nothing else"
    append(2, [Finished(at=7.0, status="FAILED", successes=0)])
    assert row(connection) == (3, 5.0, 7.0, "FAILED")


def test_a_campaign_that_does_not_exist_is_an_error(connection, commits) -> None:
    with pytest.raises(JournalError, match="no campaign 'x'"):
        write(connection, commits, Append(campaign="x", expected_seq=0, events=()))


def test_a_chain_goes_on_where_another_writer_left_it(connection, commits) -> None:
    """A writer knows the last digest of its own commits only."""
    other = Commits(connection.dialect, sqlite.insert, EventTable(connection.dialect))
    for number in range(6):
        writer = (commits, other)[number // 2 % 2]
        write(connection, writer, Append(campaign="c", expected_seq=number, events=paused(float(number))))
    digests = list(connection.execute(sa.text("select digest from fuota_events order by seq")).scalars())
    write(connection, commits, Append(campaign="d", expected_seq=0, events=paused(*map(float, range(6)))))
    assert len(set(digests)) == 6
    table, cursor = EventTable(connection.dialect), cursor_of(connection)
    assert table.last_digest(cursor, "c", 6) == digests[-1] != table.last_digest(cursor, "d", 6)


def test_the_end_of_a_campaign_removes_its_orders_and_claims(connection, commits) -> None:
    write(connection, commits, Append(campaign="c", expected_seq=0, events=paused(1.0), orders=[1, 3]))
    assert list(connection.scalars(sa.select(ORDERS.c.number))) == [2, 3, 4], "another campaign's order stays"
    end = Finished(at=7.0, status="FAILED", successes=0)
    write(connection, commits, Append(campaign="c", expected_seq=1, events=[end]))
    assert list(connection.scalars(sa.select(ORDERS.c.number))) == [3, 4]
    assert list(connection.scalars(sa.select(CLAIMS.c.campaign))) == ["d"]


def test_a_counter_only_rises_and_a_device_is_replaced(connection, commits) -> None:
    for n in (5, 9, 7):
        facts = [
            GroupFact(mc_addr="a", key="k", next_f_cnt=n),
            DeviceFact(dev_eui="d", frag_index=0, known=KnownDevice(fw_version=n)),
        ]
        write(connection, commits, Append(campaign="c", expected_seq=0, events=(), facts=facts))
    assert connection.scalar(sa.select(GROUPS.c.next_f_cnt)) == 9
    assert connection.scalar(sa.select(DEVICES.c.fw_version)) == 7
