"""The statements of a commit, on SQLite; the journal's own tests run them on every database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from fuota_fec.journal.schema import bring_up_to_date
from fuota_fec.journal.tables import CAMPAIGNS, DEVICES, GROUPS
from fuota_fec.journal.write_statements import WriteStatements

NEW = {"campaign": "c", "status": "RUNNING", "n_events": 0, "archived": False, "owner": "", "lease_until": 0.0}
NO_EVENTS: dict[str, Any] = {"name": "c", "more": 0, "first_at": None, "last_at": None, "final": None}


@pytest.fixture
def connection():
    with sa.create_engine("sqlite://").begin() as connection:
        bring_up_to_date(connection, "x")
        connection.execute(sa.insert(CAMPAIGNS).values(NEW))
        yield connection


def test_the_count_rises_only_from_the_expected_one(connection) -> None:
    write = WriteStatements(connection.dialect, sqlite.insert)

    def count_up(expected: int, **values: Any) -> int:
        return write.count_up(connection, {**NO_EVENTS, "expected": expected, **values}).rowcount

    def row() -> tuple[Any, ...]:
        return tuple(
            connection.execute(sa.text("select n_events, created_at, changed_at, status from fuota_campaigns")).one()
        )

    assert count_up(1, more=1) == 0
    assert count_up(0, more=2, first_at=5.0, last_at=6.0) == 1
    assert row() == (2, 5.0, 6.0, "RUNNING")
    assert count_up(2) == 1
    assert row() == (2, 5.0, 6.0, "RUNNING"), "orders alone change nothing else"
    assert count_up(2, more=1, first_at=7.0, last_at=7.0, final="FAILED") == 1
    assert row() == (3, 5.0, 7.0, "FAILED")


def test_a_counter_only_rises_and_a_device_is_replaced(connection) -> None:
    write = WriteStatements(connection.dialect, sqlite.insert)
    for n in (5, 9, 7):
        write.upserts[GROUPS].many(connection, [{"mc_addr": "a", "key": "k", "next_f_cnt": n}])
        write.upserts[DEVICES].many(connection, [{"dev_eui": "d", "fw_version": n, "memberships": "[]"}])
    assert connection.scalar(sa.select(GROUPS.c.next_f_cnt)) == 9
    assert connection.scalar(sa.select(DEVICES.c.fw_version)) == 7
