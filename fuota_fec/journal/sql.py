"""The journal in a database: SQLite, or PostgreSQL by psycopg. Any number of processes may share it.

A commit is one transaction. It begins by raising the campaign's event count, if that count is the one the writer
expects: a second writer finds another count and writes nothing. In SQLite it is BEGIN IMMEDIATE, so that writers take
turns; in PostgreSQL rows are locked in the same order everywhere (campaigns, events, registry, each sorted), so that
writers cannot deadlock. Reading takes short transactions and blocks no writer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain, islice
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event, Fact, Known, KnownDevice
from fuota_fec.errors import JournalError
from fuota_fec.journal import base, schema
from fuota_fec.journal.appender import Appender
from fuota_fec.journal.base import RUNNING, Append, CampaignRecord, Claim, Lease, Order, TimedLease, Verb
from fuota_fec.journal.chain import Chain, StoredEvent, read_events
from fuota_fec.journal.commits import Commit, Commits
from fuota_fec.journal.databases import DIALECTS, engine_of
from fuota_fec.journal.event_table import EventTable, checked_events
from fuota_fec.journal.prepared import cursor_of
from fuota_fec.journal.tables import (
    CAMPAIGNS,
    CLAIMS,
    DEVICES,
    GROUPS,
    IMAGES,
    ORDERS,
    SESSIONS,
    VERSION,
    read_memberships,
)

N_TRIES = 5
"""Attempts to create a campaign when other writers take its name, a device or a group at the same moment."""
UNCONVERTIBLE = (ValueError, OverflowError, msgspec.MsgspecError)
"""Errors of drivers and decoders for values that a column cannot hold or that cannot be read."""


class _RaceError(JournalError):
    """Another writer has just inserted the same row."""


class SqlJournal:
    """Journal in the database at a URL. Threads may share it; each process opens its own."""

    def __init__(self, url: str, *, durable: bool = True) -> None:
        self._engine, self._name = engine_of(url, durable=durable)
        self._writer = self._engine.execution_options(writes=True)
        self._dialect = DIALECTS[self._engine.dialect.name]
        self._events = EventTable(self._engine.dialect)
        self._commits = Commits(self._engine.dialect, self._dialect.insert, self._events)
        self._appender = Appender(self._engine, self._dialect.begin_to_write)
        self._driver: Any = self._engine.dialect.loaded_dbapi
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
        self._appender.close()
        self._engine.dispose()

    # ---- transactions ------------------------------------------------------------------------------------

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._transaction(self._engine, "read")

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._transaction(self._writer, "written")

    @contextmanager
    def _transaction(self, engine: Engine, what: str) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back by any error."""
        with self._translated(what), engine.begin() as connection:
            yield connection

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Database errors become JournalErrors."""
        if self._closed:
            raise JournalError(f"journal {self._name} is closed")
        try:
            yield
        except (SQLAlchemyError, self._driver.Error, *UNCONVERTIBLE) as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            kind = _RaceError if isinstance(error, (IntegrityError, self._driver.IntegrityError)) else JournalError
            raise kind(f"journal {self._name} cannot be {what}: {cause}") from error

    def _make_tables(self) -> None:
        with self._reading() as connection:
            if schema.present_version(connection, self._name) == VERSION:
                return
        with self._writing() as connection:
            schema.bring_up_to_date(connection, self._name)

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
        commit = Commit.of(Append(campaign=campaign, expected_seq=0, events=events, facts=facts))
        claims = base.claims_of(devices, groups, events)
        for tries_left in reversed(range(N_TRIES)):
            try:
                with self._writing() as connection:
                    self._claim(connection, campaign, claims)
                    connection.execute(insert(IMAGES).values(campaign=campaign, image=bytes(image), network=network))
                    digests = self._commits.write(cursor_of(connection), [commit])
                self._commits.committed(digests, [commit])
                return
            except _RaceError:
                if not tries_left:
                    raise

    def _claim(self, connection: Connection, campaign: str, claims: Sequence[Claim]) -> None:
        """Inserts a campaign without events, and its claims."""
        if connection.scalar(select(CAMPAIGNS.c.number).where(CAMPAIGNS.c.campaign == campaign)) is not None:
            raise base.campaign_exists_error(campaign)
        wanted = self._names(claims)
        if holders := self._holders(connection, wanted):
            raise base.claims_held_error(holders)
        values = {"campaign": campaign, "status": RUNNING, "n_events": 0, "archived": False}
        connection.execute(insert(CAMPAIGNS).values(**values, owner="", lease_until=0.0, chained_from=0))
        for kind, names in wanted.items():
            rows = names.add_columns(literal(kind), literal(campaign))
            connection.execute(insert(CLAIMS).from_select(["name", "kind", "campaign"], rows))

    def _names(self, claims: Sequence[Claim]) -> dict[str, Select[Any]]:
        """The names of each kind, as a subquery."""
        return {
            kind: self._dialect.among([name for of_kind, name in claims if of_kind == kind])
            for kind in ("device", "group")
        }

    def _holders(self, connection: Connection, wanted: Mapping[str, Select[Any]]) -> dict[Claim, str]:
        """Holders of these names, in one query: all or none of another campaign's claims are seen."""
        held = or_(*(and_(CLAIMS.c.kind == kind, CLAIMS.c.name.in_(names)) for kind, names in wanted.items()))
        query = select(CLAIMS).where(held).order_by(CLAIMS.c.kind, CLAIMS.c.name)
        return {(kind, name): holder for kind, name, holder in connection.execute(query)}

    def holders(self, devices: Sequence[str], groups: Sequence[str]) -> Mapping[Claim, str]:
        wanted = self._names(base.claims_of(devices, groups, ()))
        with self._reading() as connection:
            return self._holders(connection, wanted)

    def append(self, campaign: str, expected_seq: int, events: Sequence[Event], facts: Sequence[Fact] = ()) -> None:
        self.append_all([Append(campaign=campaign, expected_seq=expected_seq, events=events, facts=facts)])

    def append_all(self, appends: Sequence[Append]) -> None:
        if not appends:
            return
        commits = [Commit.of(append) for append in appends]
        with self._translated("written"), self._appender.transaction() as cursor:
            digests = self._commits.write(cursor, commits)
        self._commits.committed(digests, commits)

    def archive(self, campaign: str) -> None:
        done = and_(CAMPAIGNS.c.campaign == campaign, CAMPAIGNS.c.status != RUNNING)
        with self._writing() as connection:
            if not connection.execute(update(CAMPAIGNS).where(done).values(archived=True)).rowcount:
                self._get(connection, CAMPAIGNS.c.number, campaign)
                raise base.campaign_unfinished_error(campaign)

    def order(self, campaign: str, verb: Verb) -> None:
        # The lock keeps the campaign from finishing meanwhile.
        query = select(CAMPAIGNS.c.status).where(CAMPAIGNS.c.campaign == campaign).with_for_update()
        with self._writing() as connection:
            status = connection.scalar(query)
            if status is None:
                raise base.unknown_campaign_error(campaign)
            if status != RUNNING:
                raise base.campaign_finished_error(campaign, status)
            connection.execute(insert(ORDERS).values(campaign=campaign, verb=verb, ordered_at=self._dialect.now))

    # ---- reading -----------------------------------------------------------------------------------------

    def _get(self, connection: Connection, column: Column[Any], campaign: str) -> Any:
        """Value in a campaign's row. JournalError if the campaign does not exist."""
        row = connection.execute(select(column).where(column.table.c.campaign == campaign)).first()
        if row is None:
            raise base.unknown_campaign_error(campaign)
        return row[0]

    def _read(self, column: Column[Any], campaign: str) -> Any:
        with self._reading() as connection:
            return self._get(connection, column, campaign)

    def events(self, campaign: str, start: int = 0) -> Iterator[Event]:
        return read_events(campaign, self._checked(campaign, start))

    def stored(self, campaign: str, start: int = 0) -> Iterator[StoredEvent]:
        return map(StoredEvent._make, self._checked(campaign, start))

    def _checked(self, campaign: str, start: int) -> Iterator[Sequence[Any]]:
        """Rows of the events committed up to now, read in portions: no transaction stays open in between."""
        previous = None
        with self._reading() as connection:
            cursor = cursor_of(connection)
            head = self._events.head(cursor, campaign)
            if head.chained_from is not None and head.chained_from < start < head.n_events:
                previous = self._events.before(cursor, campaign, start)
        first = start
        if head.chained_from is not None:  # The first digest of a chain covers all events before it.
            if previous is not None and previous[0] < head.chained_from:
                previous = None
            first = previous[0] + 1 if previous is not None else 0
        check = Chain(campaign, head.chained_from, previous[1] if previous is not None else None)
        events = chain.from_iterable(self._portions(check, campaign, first, head.n_events))
        return islice(events, start - first, max(0, head.n_events - first))

    def _portions(self, check: Chain, campaign: str, first: int, n_events: int) -> Iterator[Sequence[Sequence[Any]]]:
        while first < n_events:
            with self._reading() as connection:
                rows = self._events.rows(cursor_of(connection), campaign, first)
            events = checked_events(check, campaign, first, rows)
            first += len(events)
            yield events

    def image(self, campaign: str) -> bytes:
        return bytes(self._read(IMAGES.c.image, campaign))

    def network(self, campaign: str) -> str:
        return str(self._read(IMAGES.c.network, campaign))

    def campaigns(self) -> Sequence[str]:
        with self._reading() as connection:
            return tuple(connection.scalars(select(CAMPAIGNS.c.campaign).order_by(CAMPAIGNS.c.number)))

    def list(self, *, archived: bool = False) -> Sequence[CampaignRecord]:
        query = select(
            CAMPAIGNS.c.campaign.label("id"),
            CAMPAIGNS.c.status,
            CAMPAIGNS.c.n_events,
            func.coalesce(CAMPAIGNS.c.created_at, 0.0).label("created_at"),
            func.coalesce(CAMPAIGNS.c.changed_at, 0.0).label("changed_at"),
            CAMPAIGNS.c.owner,
            self._lease_left.label("lease_left"),
            case((CAMPAIGNS.c.lease_until > 0, self._dialect.now - CAMPAIGNS.c.lease_until), else_=0.0).label("vacant"),
            CAMPAIGNS.c.archived,
        ).order_by(CAMPAIGNS.c.number)
        if not archived:
            query = query.where(~CAMPAIGNS.c.archived)
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in rows:
            if row["lease_left"] <= 0 or not row["owner"]:
                row |= {"owner": "", "lease_left": 0.0, "vacant": max(0.0, row["vacant"])}
            else:
                row["vacant"] = 0.0
        return tuple(CampaignRecord(**row) for row in rows)

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
                    memberships=read_memberships(row.memberships),
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

    @property
    def _lease_left(self) -> ColumnElement[float]:
        """Seconds until a lease runs out; 0 or less if it has, or if it is dated too far ahead."""
        left = CAMPAIGNS.c.lease_until - self._dialect.now
        return case((left <= base.MOST_TTLS * func.coalesce(CAMPAIGNS.c.lease_ttl, base.UNKNOWN_TTL), left), else_=0.0)

    def _hold(self, campaign: str, owner: str, ttl: float, first: bool) -> bool:
        now = self._dialect.now
        ours = CAMPAIGNS.c.owner == owner
        if first:
            ours = or_(ours, CAMPAIGNS.c.owner == "", self._lease_left <= 0)
        statement = update(CAMPAIGNS).where(CAMPAIGNS.c.campaign == campaign, ours)
        with self._writing() as connection:
            return connection.execute(statement.values(owner=owner, lease_until=now + ttl, lease_ttl=ttl)).rowcount == 1

    def break_lease(self, campaign: str) -> None:
        with self._writing() as connection:
            broken = update(CAMPAIGNS).where(CAMPAIGNS.c.campaign == campaign).values(self._no_owner)
            if not connection.execute(broken).rowcount:
                raise base.unknown_campaign_error(campaign)

    def _drop(self, campaign: str, owner: str) -> None:
        ours = and_(CAMPAIGNS.c.campaign == campaign, CAMPAIGNS.c.owner == owner)
        with self._writing() as connection:
            connection.execute(update(CAMPAIGNS).where(ours).values(self._no_owner))

    @property
    def _no_owner(self) -> dict[str, Any]:
        """Columns of a campaign whose lease ends now, or has ended."""
        ends = case((CAMPAIGNS.c.lease_until > self._dialect.now, self._dialect.now), else_=CAMPAIGNS.c.lease_until)
        return {"owner": "", "lease_until": ends}
