"""Tables of a journal in a database, and the rows that events and facts become."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, MetaData, Table, Text

from fuota_fec.campaign.messages import Fact, GroupFact, KnownDevice, Membership, encode
from fuota_fec.journal.base import Append

VERSION = 3
"""Version of the table schema. A journal of a later version is not opened."""

Row = dict[str, Any]

TABLES = MetaData()


def _table(name: str, *columns: Column[Any], **options: Any) -> Table:
    return Table(f"fuota_{name}", TABLES, *columns, **options)


def _key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _number() -> Column[Any]:
    """Number that the database assigns and never reuses."""
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
    _value("lease_ttl", Double, nullable=True),
    _value("chained_from", BigInteger, nullable=True),
    sqlite_autoincrement=True,
)
# Apart from CAMPAIGNS: every commit changes n_events, and SQLite would write the image again with it.
IMAGES = _table("images", _key("campaign"), _value("image", LargeBinary), _value("network"))
# A row is an event, or a block of events up to the number `seq`, whose other columns but `digest` are empty.
EVENTS = _table(
    "events",
    _key("campaign"),
    _key("seq", BigInteger),
    _value("type"),
    _value("version", Integer),
    _value("data"),
    _value("digest", nullable=True),
    _value("block", LargeBinary, nullable=True),
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

# ---- rows ------------------------------------------------------------------------------------------------

_json = msgspec.json.Encoder().encode
read_memberships = msgspec.json.Decoder(tuple[Membership, ...]).decode


def json_text(value: Any) -> str:
    return _json(value).decode()


def event_rows(append: Append) -> list[Row]:
    """Rows of the events, without their digests."""
    return [
        {
            "campaign": append.campaign,
            "seq": seq,
            "type": type(event).__name__,
            "version": event.VERSION,
            "data": encode(event).decode(),
            "block": None,
        }
        for seq, event in enumerate(append.events, append.expected_seq)
    ]


def registry_rows(facts: Iterable[Fact]) -> list[tuple[Table, list[Row]]]:
    """Rows of the registry tables, each key once and sorted: the last fact about a device, the highest counter."""
    counters: dict[tuple[str, str], int] = {}
    devices: dict[str, KnownDevice] = {}
    sessions: dict[tuple[str, int], KnownDevice] = {}
    for fact in facts:
        if isinstance(fact, GroupFact):
            group = fact.mc_addr, fact.key
            counters[group] = max(fact.next_f_cnt, counters.get(group, 0))
        else:
            devices[fact.dev_eui] = sessions[fact.dev_eui, fact.frag_index] = fact.known
    group_rows = [{"mc_addr": mc_addr, "key": key, "next_f_cnt": n} for (mc_addr, key), n in sorted(counters.items())]
    device_rows = [
        {"dev_eui": name, "fw_version": devices[name].fw_version, "memberships": json_text(devices[name].memberships)}
        for name in sorted(devices)
    ]
    session_rows = [
        {
            "dev_eui": key[0],
            "frag_index": key[1],
            "session_cnt": sessions[key].session_cnt,
            "session_open": sessions[key].session_open,
        }
        for key in sorted(sessions)
    ]
    return [(GROUPS, group_rows), (DEVICES, device_rows), (SESSIONS, session_rows)]
