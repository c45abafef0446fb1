"""Statements as SQL text: the same rows as the statements themselves, with named and with numbered parameters."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from fuota_fec.journal.prepared import Prepared, cursor_of

TABLE = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("b", sa.Text))
RAISE = (
    sa.update(TABLE)
    .where(TABLE.c.b == sa.bindparam("name"), TABLE.c.a < 100)
    .values(a=TABLE.c.a + sa.bindparam("more", type_=sa.Integer))
)


def test_a_prepared_statement_does_what_the_statement_does() -> None:
    with sa.create_engine("sqlite://").begin() as connection:
        TABLE.create(connection)
        rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 200, "b": "x"}]
        cursor = cursor_of(connection)
        Prepared(sa.insert(TABLE), connection.dialect).many(cursor, rows)
        raised = Prepared(RAISE, connection.dialect)
        assert raised(cursor, {"name": "x", "more": 5}).rowcount == 1
        assert raised(cursor, {"name": "z", "more": 5}).rowcount == 0
        found = connection.execute(sa.select(TABLE)).all()
    assert sorted(found) == [(2, "y"), (6, "x"), (200, "x")]


def test_a_database_with_named_parameters_gets_names_and_constants() -> None:
    statement = Prepared(RAISE, postgresql.dialect(paramstyle="pyformat"))
    parameters = statement._parameters({"name": "x", "more": 5})
    assert parameters == {"name": "x", "more": 5, "a_1": 100}
    assert all(f"%({name})s" in statement._text for name in parameters)
