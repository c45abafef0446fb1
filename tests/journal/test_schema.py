"""Creation and upgrade of the tables of a database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from fuota_fec.errors import JournalError
from fuota_fec.journal.schema import NEW_COLUMNS, bring_up_to_date, present_version
from fuota_fec.journal.tables import SCHEMA, TABLES, VERSION


@pytest.fixture
def connection():
    with sa.create_engine("sqlite://").begin() as connection:
        yield connection


def columns_of(connection: sa.Connection) -> set[tuple[str, str]]:
    inspected = sa.inspect(connection)
    return {
        (table.name, column["name"]) for table in TABLES.sorted_tables for column in inspected.get_columns(table.name)
    }


def test_a_database_without_tables_has_version_0(connection) -> None:
    assert present_version(connection, "x") == 0


def test_tables_are_created_once_and_have_the_present_version(connection) -> None:
    for _ in range(2):
        bring_up_to_date(connection, "x")
        assert present_version(connection, "x") == VERSION
    assert columns_of(connection) == {(t.name, c.name) for t in TABLES.sorted_tables for c in t.columns}


def test_tables_of_an_earlier_version_get_the_columns_that_they_lack(connection) -> None:
    bring_up_to_date(connection, "x")
    for added in NEW_COLUMNS.values():
        for column in added:
            connection.execute(sa.text(f"ALTER TABLE {column.table.name} DROP COLUMN {column.name}"))
    connection.execute(sa.update(SCHEMA).values(version=1))
    bring_up_to_date(connection, "x")
    assert present_version(connection, "x") == VERSION
    assert columns_of(connection) == {(t.name, c.name) for t in TABLES.sorted_tables for c in t.columns}


def test_tables_of_a_later_version_are_refused_by_name(connection) -> None:
    bring_up_to_date(connection, "x")
    connection.execute(sa.update(SCHEMA).values(version=VERSION + 1))
    with pytest.raises(
        JournalError, match=f"journal x has tables of version {VERSION + 1}, expected version {VERSION}"
    ):
        bring_up_to_date(connection, "x")


def test_columns_of_an_upgrade_may_be_empty() -> None:
    assert all(column.nullable for added in NEW_COLUMNS.values() for column in added)
