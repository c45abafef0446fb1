"""The journal in a database: SQLite, or PostgreSQL by psycopg. Any number of processes may share it.

A commit is one transaction that begins by counting up the campaign's events, if there are as many as its writer
thinks: whoever comes second finds other numbers, and has written nothing. In SQLite it is BEGIN IMMEDIATE, so that
writers take turns; in PostgreSQL rows are locked in the same order everywhere (campaigns, events, registry, each
sorted), so that writers do not wait for each other in a circle. Reading takes short transactions that hold up nobody.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    create_engine,
    delete,
    func,
    insert,
    inspect,
    literal,
    literal_column,
    make_url,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.event import listen
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event, Fact, GroupFact, Known, KnownDevice, Membership, decode, encode
from fuota_fec.errors import JournalError
from fuota_fec.journal import base as journal
from fuota_fec.journal.base import RUNNING, Append, Claim, FenceError, Lease, Order, Overview, TimedLease, Verb

VERSION = 1
"""Of the tables."""
WAIT = 5.0
"""s to wait for another's transaction before giving up."""
N_EVENTS = 5000
"""Events that are read at a time."""
N_TRIES = 5
"""Times that a campaign is created anew after somebody else was just faster with its name, a device or a group."""
UNCONVERTIBLE = (ValueError, OverflowError, msgspec.MsgspecError)
"""What drivers raise for values that no column takes, and decoders for what no value is made of."""
ADVISORY_LOCK = 0x46554F5441
"""What those who make tables in PostgreSQL take turns by."""

Row = dict[str, Any]

# ---- tables ----------------------------------------------------------------------------------------------

TABLES = MetaData()


def _table(name: str, *columns: Column[Any], **options: Any) -> Table:
    return Table(f"fuota_{name}", TABLES, *columns, **options)


def _key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _number() -> Column[Any]:
    """A number that the database counts up and never gives twice."""
    return Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _value(name: str, kind: Any = Text, **options: Any) -> Column[Any]:
    return Column(name, kind, **{"nullable": False, **options})


SCHEMA = _table("schema", _value("version", Integer))
CAMPAIGNS = _table(
    "campaigns",
    _number(),
    _value("campaign", unique=True),
    _value("status"),
    _value("n_events", BigInteger),
    _value("created_at", Double, nullable=True),
    _value("changed_at", Double, nullable=True),
    _value("archived", Boolean),
    _value("owner"),
    _value("lease_until", Double),
    sqlite_autoincrement=True,
)
# Not beside n_events: SQLite would write the image again with every commit.
IMAGES = _table("images", _key("campaign"), _value("image", LargeBinary), _value("network"))
EVENTS = _table(
    "events",
    _key("campaign"),
    _key("seq", BigInteger),
    _value("type"),
    _value("version", Integer),
    _value("data"),
    sqlite_with_rowid=False,
)
GROUPS = _table("groups", _key("mc_addr"), _key("key"), _value("next_f_cnt", BigInteger), sqlite_with_rowid=False)
DEVICES = _table(
    "devices",
    _key("dev_eui"),
    _value("fw_version", BigInteger, nullable=True),
    _value("memberships"),
    sqlite_with_rowid=False,
)
SESSIONS = _table(
    "sessions",
    _key("dev_eui"),
    _key("frag_index", Integer),
    _value("session_cnt", BigInteger, nullable=True),
    _value("session_open", Boolean),
    sqlite_with_rowid=False,
)
CLAIMS = _table("claims", _key("kind"), _key("name"), _value("campaign"), sqlite_with_rowid=False)
ORDERS = _table(
    "orders", _number(), _value("campaign"), _value("verb"), _value("ordered_at", Double), sqlite_autoincrement=True
)

READ_EVENTS = (
    select(EVENTS.c.type, EVENTS.c.version, EVENTS.c.data)
    .where(EVENTS.c.campaign == bindparam("campaign"))
    .where(EVENTS.c.seq >= bindparam("start"), EVENTS.c.seq < bindparam("end"))
    .order_by(EVENTS.c.seq)
)


class _Dialect(NamedTuple):
    """What the databases call differently."""

    now: ColumnElement[float]
    """Unix time by the database's clock."""
    insert: Any
    """INSERT that knows ON CONFLICT."""
    items: Any
    """The texts of a JSON array as a table. One parameter for 100 000 names, which no IN (…) takes."""

    def among(self, names: Sequence[str]) -> Select[str]:
        """The names as rows of one column."""
        array = literal(_json(names).decode(), Text)
        return select(self.items(array).table_valued(column("value", Text)).c.value)


DIALECTS = {
    "sqlite": _Dialect(
        now=literal_column("(julianday('now') - 2440587.5) * 86400.0", Double),
        insert=sqlite.insert,
        items=func.json_each,
    ),
    "postgresql": _Dialect(
        now=literal_column("CAST(extract(epoch FROM clock_timestamp()) AS double precision)", Double),
        insert=postgresql.insert,
        items=lambda array: func.json_array_elements_text(cast(array, postgresql.JSON)),
    ),
}

# ---- rows ------------------------------------------------------------------------------------------------

_json = msgspec.json.Encoder().encode
_read_memberships = msgspec.json.Decoder(tuple[Membership, ...]).decode


class _Commit(NamedTuple):
    """An Append, and its events as rows: they are made before a transaction begins, as others wait for its end."""

    append: Append
    rows: list[Row]

    @classmethod
    def of(cls, append: Append) -> _Commit:
        rows = [
            {
                "campaign": append.campaign,
                "seq": seq,
                "type": type(event).__name__,
                "version": event.VERSION,
                "data": encode(event).decode(),
            }
            for seq, event in enumerate(append.events, append.expected_seq)
        ]
        return cls(append, rows)


def _registry(facts: Iterable[Fact]) -> list[tuple[Table, list[Row]]]:
    """What facts say, each key once and in order: the last one that was told, of counters the highest."""
    counters: dict[tuple[str, str], int] = {}
    devices: dict[str, KnownDevice] = {}
    sessions: dict[tuple[str, int], KnownDevice] = {}
    for fact in facts:
        if isinstance(fact, GroupFact):
            group = fact.mc_addr, fact.key
            counters[group] = max(fact.next_f_cnt, counters.get(group, 0))
        else:
            devices[fact.dev_eui] = sessions[fact.dev_eui, fact.frag_index] = fact.known
    return [
        (GROUPS, [{"mc_addr": mc_addr, "key": key, "next_f_cnt": n} for (mc_addr, key), n in sorted(counters.items())]),
        (
            DEVICES,
            [
                {
                    "dev_eui": name,
                    "fw_version": devices[name].fw_version,
                    "memberships": _json(devices[name].memberships).decode(),
                }
                for name in sorted(devices)
            ],
        ),
        (
            SESSIONS,
            [
                {
                    "dev_eui": key[0],
                    "frag_index": key[1],
                    "session_cnt": sessions[key].session_cnt,
                    "session_open": sessions[key].session_open,
                }
                for key in sorted(sessions)
            ],
        ),
    ]


# ---- connections -----------------------------------------------------------------------------------------


def _engine_of(url: str) -> tuple[Engine, str]:
    """The engine for a URL, and the URL without what is secret in it."""
    try:
        parsed = make_url(url)
        if "@" in (parsed.host or ""):
            raise ValueError("the rest of a password")
    except (ArgumentError, ValueError):  # Their words may be those of a password.
        raise JournalError(
            'the URL of the journal cannot be read, expected "sqlite:///path" or '
            '"postgresql+psycopg://user:password@host:port/database" with %40 for an @ of the password'
        ) from None
    name = parsed.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)
    if parsed.drivername == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise JournalError(f'journal {name} names no file, expected "sqlite:///path"; ":memory:" is one in memory')
        engine = create_engine(parsed, connect_args={"timeout": WAIT})
        listen(engine, "connect", _set_up_sqlite)
        listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(parsed, isolation_level="READ COMMITTED", pool_pre_ping=True)
        listen(engine, "connect", _set_up_postgresql)
    return engine, name


@contextmanager
def _closed_on_error(connection: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _set_up_sqlite(connection: Any, _record: object) -> None:
    with _closed_on_error(connection):
        connection.isolation_level = None  # Transactions begin as _begin_sqlite says, not as the driver guesses.
        connection.execute("PRAGMA synchronous=FULL")
        end = time.monotonic() + WAIT
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                # Where two do this to a new file SQLite does not wait for the other by itself.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _set_up_postgresql(connection: Any, _record: object) -> None:
    with _closed_on_error(connection):
        connection.execute(f"SET lock_timeout = {round(WAIT * 1000)}")
        connection.commit()


class _RaceError(JournalError):
    """Somebody else has just written what was not there before."""


class SqlJournal:
    """The journal in the database that a URL names. Threads may share it; each process opens its own."""

    def __init__(self, url: str) -> None:
        self._engine, self._name = _engine_of(url)
        self._writer = self._engine.execution_options(writes=True)
        self._dialect = DIALECTS[self._engine.dialect.name]
        self._closed = False
        try:
            self._make_tables()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<SqlJournal {self._name}>"

    def close(self) -> None:
        self._closed = True
        self._engine.dispose()

    # ---- transactions ------------------------------------------------------------------------------------

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._transaction(self._engine, "read")

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._transaction(self._writer, "written")

    @contextmanager
    def _transaction(self, engine: Engine, what: str) -> Iterator[Connection]:
        """Committed at its end, rolled back by any error; those of the database become JournalErrors."""
        if self._closed:
            raise JournalError(f"journal {self._name} is closed")
        try:
            with engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, *UNCONVERTIBLE) as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            kind = _RaceError if isinstance(error, IntegrityError) else JournalError
            raise kind(f"journal {self._name} cannot be {what}: {cause}") from error

    def _make_tables(self) -> None:
        with self._reading() as connection:
            if self._has_tables(connection):
                return
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            if not self._has_tables(connection):
                TABLES.create_all(connection)
                connection.execute(insert(SCHEMA).values(version=VERSION))

    def _has_tables(self, connection: Connection) -> bool:
        """JournalError if they are of a later version."""
        if not inspect(connection).has_table(SCHEMA.name):
            return False
        version = connection.execute(select(SCHEMA.c.version)).scalar_one()
        if version > VERSION:
            raise JournalError(
                f"journal {self._name} has tables of version {version}, this version of fuota_fec knows version "
                f"{VERSION}: it was written by a later one"
            )
        return True

    # ---- writing -----------------------------------------------------------------------------------------

    def create(
        self,
        campaign: str,
        image: bytes,
        events: Sequence[Event] = (),
        *,
        facts: Sequence[Fact] = (),
        devices: Sequence[str] = (),
        groups: Sequence[str] = (),
        network: str = "",
    ) -> None:
        commit = _Commit.of(Append(campaign=campaign, expected_seq=0, events=events, facts=facts))
        claims = journal.claims_of(devices, groups, events)
        for tries_left in reversed(range(N_TRIES)):
            try:
                with self._writing() as connection:
                    self._claim(connection, campaign, claims)
                    connection.execute(insert(IMAGES).values(campaign=campaign, image=bytes(image), network=network))
                    self._commit(connection, [commit])
                return
            except _RaceError:
                if not tries_left:
                    raise

    def _claim(self, connection: Connection, campaign: str, claims: Sequence[Claim]) -> None:
        """A campaign without events that holds its name and what it claims."""
        if connection.scalar(select(CAMPAIGNS.c.number).where(CAMPAIGNS.c.campaign == campaign)) is not None:
            raise journal.exists(campaign)
        wanted = self._names(claims)
        if holders := self._holders(connection, wanted):
            raise journal.taken(holders)
        values = {"campaign": campaign, "status": RUNNING, "n_events": 0, "archived": False}
        connection.execute(insert(CAMPAIGNS).values(**values, owner="", lease_until=0.0))
        for kind, names in wanted.items():
            rows = names.add_columns(literal(kind), literal(campaign))
            connection.execute(insert(CLAIMS).from_select(["name", "kind", "campaign"], rows))

    def _names(self, claims: Sequence[Claim]) -> dict[str, Select[Any]]:
        """The names of each kind, as something to select from."""
        return {
            kind: self._dialect.among([name for of_kind, name in claims if of_kind == kind])
            for kind in ("device", "group")
        }

    def _holders(self, connection: Connection, wanted: Mapping[str, Select[Any]]) -> dict[Claim, str]:
        """In one query: what another holds is seen as a whole."""
        held = or_(*(and_(CLAIMS.c.kind == kind, CLAIMS.c.name.in_(names)) for kind, names in wanted.items()))
        query = select(CLAIMS).where(held).order_by(CLAIMS.c.kind, CLAIMS.c.name)
        return {(kind, name): holder for kind, name, holder in connection.execute(query)}

    def holders(self, devices: Sequence[str], groups: Sequence[str]) -> Mapping[Claim, str]:
        wanted = self._names(journal.claims_of(devices, groups, ()))
        with self._reading() as connection:
            return self._holders(connection, wanted)

    def append(self, campaign: str, expected_seq: int, events: Sequence[Event], facts: Sequence[Fact] = ()) -> None:
        self.append_all([Append(campaign=campaign, expected_seq=expected_seq, events=events, facts=facts)])

    def append_all(self, appends: Sequence[Append]) -> None:
        if not appends:
            return
        commits = [_Commit.of(append) for append in appends]
        with self._writing() as connection:
            self._commit(connection, commits)

    def _commit(self, connection: Connection, commits: Sequence[_Commit]) -> None:
        in_order = sorted(commits, key=lambda commit: commit.append.campaign)
        for append, _ in in_order:
            self._count_up(connection, append)
        for append, rows in in_order:
            self._insert_events(connection, append, rows)
        for table, rows in _registry(fact for append, _ in commits for fact in append.facts):
            if rows:
                connection.execute(self._upsert(table), rows)
        for append, _ in in_order:
            ordered = ORDERS.c.campaign == append.campaign
            if append.orders:
                connection.execute(delete(ORDERS).where(ordered, ORDERS.c.number.in_(append.orders)))
            if journal.outcome(append.events) is not None:
                connection.execute(delete(ORDERS).where(ordered))
                connection.execute(delete(CLAIMS).where(CLAIMS.c.campaign == append.campaign))

    def _count_up(self, connection: Connection, append: Append) -> None:
        """The fence: it locks the campaign, and nobody else has counted meanwhile."""
        values: Row = {"n_events": CAMPAIGNS.c.n_events + len(append.events)}
        if append.events:
            values["created_at"] = func.coalesce(CAMPAIGNS.c.created_at, append.events[0].at)
            values["changed_at"] = append.events[-1].at
        if (status := journal.outcome(append.events)) is not None:
            values["status"] = status
        expected = and_(CAMPAIGNS.c.campaign == append.campaign, CAMPAIGNS.c.n_events == append.expected_seq)
        if connection.execute(update(CAMPAIGNS).where(expected).values(values)).rowcount != 1:
            n_events = self._get(connection, CAMPAIGNS.c.n_events, append.campaign)
            raise journal.fenced(append.campaign, n_events, append.expected_seq)

    def _insert_events(self, connection: Connection, append: Append, rows: Sequence[Row]) -> None:
        """The second fence: there is no event of these numbers."""
        try:
            if rows:
                connection.execute(insert(EVENTS), rows)
        except IntegrityError:
            text = f"campaign {append.campaign!r} already has events from number {append.expected_seq} on"
            raise FenceError(text, campaign=append.campaign) from None

    def _upsert(self, table: Table) -> Any:
        statement = self._dialect.insert(table)
        new = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
        higher = table.c.next_f_cnt < statement.excluded.next_f_cnt if table is GROUPS else None
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=new, where=higher)

    def archive(self, campaign: str) -> None:
        done = and_(CAMPAIGNS.c.campaign == campaign, CAMPAIGNS.c.status != RUNNING)
        with self._writing() as connection:
            if not connection.execute(update(CAMPAIGNS).where(done).values(archived=True)).rowcount:
                self._get(connection, CAMPAIGNS.c.number, campaign)
                raise journal.unfinished(campaign)

    def order(self, campaign: str, verb: Verb) -> None:
        # Locked, so that it cannot be finished meanwhile.
        query = select(CAMPAIGNS.c.status).where(CAMPAIGNS.c.campaign == campaign).with_for_update()
        with self._writing() as connection:
            status = connection.scalar(query)
            if status is None:
                raise journal.unknown(campaign)
            if status != RUNNING:
                raise journal.finished(campaign, status)
            connection.execute(insert(ORDERS).values(campaign=campaign, verb=verb, ordered_at=self._dialect.now))

    # ---- reading -----------------------------------------------------------------------------------------

    def _get(self, connection: Connection, column: Column[Any], campaign: str) -> Any:
        """The value in a campaign's row. JournalError if there is none."""
        row = connection.execute(select(column).where(column.table.c.campaign == campaign)).first()
        if row is None:
            raise journal.unknown(campaign)
        return row[0]

    def _read(self, column: Column[Any], campaign: str) -> Any:
        with self._reading() as connection:
            return self._get(connection, column, campaign)

    def events(self, campaign: str, start: int = 0) -> Iterator[Event]:
        """Those that there are now. They are read in portions: no transaction stays open in between."""
        return self._decoded(campaign, start, self._read(CAMPAIGNS.c.n_events, campaign))

    def _decoded(self, campaign: str, start: int, n_events: int) -> Iterator[Event]:
        for first in range(start, n_events, N_EVENTS):
            end = min(first + N_EVENTS, n_events)
            with self._reading() as connection:
                rows = connection.execute(READ_EVENTS, {"campaign": campaign, "start": first, "end": end}).all()
            if len(rows) != end - first:
                raise JournalError(f"journal {self._name} lacks events of campaign {campaign!r} after number {first}")
            for kind, version, data in rows:
                yield decode(kind, version, data)

    def image(self, campaign: str) -> bytes:
        return bytes(self._read(IMAGES.c.image, campaign))

    def network(self, campaign: str) -> str:
        return str(self._read(IMAGES.c.network, campaign))

    def campaigns(self) -> Sequence[str]:
        with self._reading() as connection:
            return tuple(connection.scalars(select(CAMPAIGNS.c.campaign).order_by(CAMPAIGNS.c.number)))

    def overview(self, *, archived: bool = False) -> Sequence[Overview]:
        query = select(
            CAMPAIGNS.c.campaign.label("id"),
            CAMPAIGNS.c.status,
            CAMPAIGNS.c.n_events,
            func.coalesce(CAMPAIGNS.c.created_at, 0.0).label("created_at"),
            func.coalesce(CAMPAIGNS.c.changed_at, 0.0).label("changed_at"),
            case((CAMPAIGNS.c.lease_until >= self._dialect.now, CAMPAIGNS.c.owner), else_="").label("owner"),
            CAMPAIGNS.c.archived,
        ).order_by(CAMPAIGNS.c.number)
        if not archived:
            query = query.where(~CAMPAIGNS.c.archived)
        with self._reading() as connection:
            return tuple(Overview(**row) for row in connection.execute(query).mappings())

    def known(self, config: CampaignConfig) -> Known:
        groups = {(group.mc_addr, group.key_name): group.name for group in config.groups}
        mc_addrs = self._dialect.among([group.mc_addr for group in config.groups])
        counters = select(GROUPS.c.mc_addr, GROUPS.c.key, GROUPS.c.next_f_cnt).where(GROUPS.c.mc_addr.in_(mc_addrs))
        session = and_(SESSIONS.c.dev_eui == DEVICES.c.dev_eui, SESSIONS.c.frag_index == config.frag_index)
        dev_euis = self._dialect.among([device.dev_eui for device in config.devices])
        devices = (
            select(DEVICES, SESSIONS.c.session_cnt, SESSIONS.c.session_open)
            .outerjoin(SESSIONS, session)
            .where(DEVICES.c.dev_eui.in_(dev_euis))
        )
        next_f_cnt, known = {}, {}
        with self._reading() as connection:
            for mc_addr, key, counter in connection.execute(counters):
                if (mc_addr, key) in groups:
                    next_f_cnt[groups[mc_addr, key]] = counter
            for row in connection.execute(devices):
                known[row.dev_eui] = KnownDevice(
                    session_cnt=row.session_cnt,
                    session_open=bool(row.session_open),
                    fw_version=row.fw_version,
                    memberships=_read_memberships(row.memberships),
                )
        return Known(next_f_cnt=next_f_cnt, devices=known)

    def orders(self) -> Sequence[Order]:
        query = select(ORDERS.c.number, ORDERS.c.campaign, ORDERS.c.verb).order_by(ORDERS.c.number)
        with self._reading() as connection:
            return tuple(Order(**row) for row in connection.execute(query).mappings())

    # ---- leases ------------------------------------------------------------------------------------------

    def lease(self, campaign: str, owner: str, ttl: float) -> Lease | None:
        lease = TimedLease(ttl, partial(self._hold, campaign, owner, ttl), partial(self._drop, campaign, owner))
        if lease.renew(first=True):
            return lease
        self._read(CAMPAIGNS.c.number, campaign)
        return None

    def _hold(self, campaign: str, owner: str, ttl: float, first: bool) -> bool:
        now = self._dialect.now
        ours = CAMPAIGNS.c.owner == owner
        if first:
            ours = or_(ours, CAMPAIGNS.c.owner == "", CAMPAIGNS.c.lease_until < now)
        statement = update(CAMPAIGNS).where(CAMPAIGNS.c.campaign == campaign, ours)
        with self._writing() as connection:
            return connection.execute(statement.values(owner=owner, lease_until=now + ttl)).rowcount == 1

    def _drop(self, campaign: str, owner: str) -> None:
        ours = and_(CAMPAIGNS.c.campaign == campaign, CAMPAIGNS.c.owner == owner)
        with self._writing() as connection:
            connection.execute(update(CAMPAIGNS).where(ours).values(owner=""))
