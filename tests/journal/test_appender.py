"""Transactions for appends: committed, rolled back, and a connection that is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fuota_fec.journal.appender import Appender
from fuota_fec.journal.databases import engine_of


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine, _ = engine_of(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (a INTEGER)"))
    yield engine
    engine.dispose()


def values(engine: sa.Engine) -> list[int]:
    with engine.begin() as connection:
        return list(connection.scalars(sa.text("SELECT a FROM t")))


def test_a_transaction_is_committed_at_its_end_and_rolled_back_by_an_error(engine: sa.Engine) -> None:
    appender = Appender(engine, "BEGIN IMMEDIATE")
    for number in range(4):
        try:
            with appender.transaction() as cursor:
                cursor.execute("INSERT INTO t VALUES (?)", (number,))
                if number % 2:
                    raise KeyError(number)
        except KeyError:
            pass
    assert values(engine) == [0, 2]
    appender.close()


def test_a_connection_that_is_lost_is_replaced(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    appender = Appender(engine, "BEGIN IMMEDIATE")
    monkeypatch.setattr(engine.dialect, "is_disconnect", lambda *_: True)
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError), appender.transaction() as cursor:
            cursor.execute("INSERT INTO nothing VALUES (1)")
        with appender.transaction() as cursor:
            cursor.execute("INSERT INTO t VALUES (2)")
    assert values(engine) == [2, 2]
    appender.close()


def test_an_appender_that_was_closed_goes_on_with_another_connection(engine: sa.Engine) -> None:
    appender = Appender(engine, "BEGIN IMMEDIATE")
    for number in range(2):
        with appender.transaction() as cursor:
            cursor.execute("INSERT INTO t VALUES (?)", (number,))
        appender.close()
        appender.close()
    assert values(engine) == [0, 1]
