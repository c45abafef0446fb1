"""Journals in databases: several writers, full disks, locks and later schema versions."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import (
    DeviceFact,
    DeviceHeard,
    Event,
    Finished,
    GroupFact,
    KnownDevice,
    Membership,
    PeriodMeasured,
    Withdrawn,
)
from fuota_fec.errors import CampaignError, FuotaError, JournalError
from fuota_fec.journal import Append, FenceError, Journal, MemoryJournal, databases, event_table, open_journal
from fuota_fec.journal.tables import VERSION

DEVICES = [f"fe5e00000000000{i}" for i in range(3)]
MC_ADDR = "01f3a4b5"
CONFIG = CampaignConfig(
    id="c",
    success_threshold=100,
    max_duration=100_000,
    uplink_period=100,
    fw_version=1,
    groups=(Group(name="meters", mc_addr=MC_ADDR),),
    devices=tuple(Device(dev_eui=dev_eui, group="meters") for dev_eui in DEVICES),
)


def heard(n: int, start: int = 0, dev_eui: str = "01") -> list[Event]:
    return [DeviceHeard(at=float(i), dev_eui=dev_eui) for i in range(start, start + n)]


def finished() -> Finished:
    return Finished(at=99.5, status="STOPPED", successes=1)


def everything(journal: Journal) -> dict[str, Any]:
    """Everything that the port can read."""
    return {
        "list": journal.list(archived=True),
        "events": {name: list(journal.events(name)) for name in journal.campaigns()},
        "beside": {name: (journal.image(name), journal.network(name)) for name in journal.campaigns()},
        "known": journal.known(CONFIG),
        "orders": journal.orders(),
    }


@contextmanager
def raw(url: str) -> Iterator[sqlalchemy.Connection]:
    """A connection that bypasses the journal; commits at the end."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        yield connection


def execute(url: str, statement: str, **values: Any) -> None:
    with raw(url) as connection:
        connection.execute(sqlalchemy.text(statement), values)


def tables(url: str) -> set[str]:
    with raw(url) as connection:
        return set(sqlalchemy.inspect(connection).get_table_names())


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    """A journal with a campaign c of three events."""
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", b"image", heard(3), devices=DEVICES[:1], groups=[MC_ADDR])
        yield journal


# ---- storage ---------------------------------------------------------------------------------------------


def test_everything_in_a_database_survives_reopening(journal_url: str) -> None:
    memberships = tuple(
        Membership(mc_group_id=i, mc_addr=MC_ADDR, key="Zähler", min_mc_f_cnt=i, max_mc_f_cnt=2**32 - 1)
        for i in range(4)
    )
    known = KnownDevice(session_cnt=7, session_open=True, fw_version=2**32 - 1, memberships=memberships)
    facts = [
        GroupFact(mc_addr=MC_ADDR, key="meters", next_f_cnt=2**32),
        *(DeviceFact(dev_eui=dev_eui, frag_index=0, known=known) for dev_eui in DEVICES),
    ]
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", bytes(range(256)), heard(3), facts=facts, devices=DEVICES, network="Ä")
        journal.create("d", b"", [finished()])
        journal.order("c", "pause")
        journal.archive("d")
        assert journal.lease("c", "me", 100) is not None
        before = everything(journal)
    assert before["known"].devices == dict.fromkeys(DEVICES, known)
    for _ in range(2):
        with closing(open_journal(journal_url)) as journal:
            assert everything(journal) == before
            assert journal.lease("c", "you", 100) is None
            with pytest.raises(CampaignError, match="is in campaign 'c'"):
                journal.create("e", b"", devices=DEVICES[:1])


def test_two_journals_on_one_database_see_each_others_writes(journal_url: str) -> None:
    with closing(open_journal(journal_url)) as one, closing(open_journal(journal_url)) as other:
        one.create("c", b"image", heard(1), devices=DEVICES)
        other.append("c", 1, heard(1, 1))
        with pytest.raises(FenceError):
            one.append("c", 1, heard(1, 1))
        one.append("c", 2, heard(1, 2))
        assert list(other.events("c")) == heard(3)
        with pytest.raises(JournalError, match="'c' already"):
            other.create("c", b"")
        with pytest.raises(CampaignError, match="is in campaign 'c'"):
            other.create("d", b"", devices=DEVICES)
        one.append("c", 3, [finished()])
        other.create("d", b"", devices=DEVICES)
        assert everything(one) == everything(other)


@pytest.mark.parametrize("n_events", range(8))
def test_events_are_read_in_portions(journal_url: str, n_events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_table, "N_EVENTS", 3)
    with closing(open_journal(journal_url)) as journal:
        journal.create("b", b"", heard(9))
        journal.create("c", b"", heard(n_events))
        for start in range(n_events + 2):
            assert list(journal.events("c", start)) == heard(n_events)[start:]


def test_an_unfinished_read_blocks_no_writer(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that stops halfway keeps no transaction open."""
    monkeypatch.setattr(event_table, "N_EVENTS", 2)
    events = iter(journal.events("c"))
    assert next(events) == heard(1)[0]
    journal.append("c", 3, [finished()])
    assert list(events) == heard(3)[1:]


def test_an_image_is_not_written_again_with_every_commit(journal_url_of: Callable[[str], str], tmp_path: Path) -> None:
    with closing(open_journal(journal_url_of("sqlite"))) as journal:
        journal.create("c", bytes(1_000_000))
        before = (tmp_path / "journal.db-wal").stat().st_size
        for i in range(20):
            journal.append("c", i, heard(1, i))
        assert (tmp_path / "journal.db-wal").stat().st_size - before < 1_000_000


def test_seventy_thousand_devices_are_claimed_at_once(journal_url: str) -> None:
    """More than any database takes as parameters of one statement."""
    dev_euis = [f"{i:016x}" for i in range(70_000)]
    config = CampaignConfig(
        id="c",
        success_threshold=100,
        max_duration=100_000,
        uplink_period=100,
        fw_version=1,
        groups=CONFIG.groups,
        devices=tuple(Device(dev_eui=dev_eui, group="meters") for dev_eui in dev_euis),
    )
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", b"", devices=dev_euis)
        assert journal.known(config).devices == {}
        with pytest.raises(CampaignError) as caught:
            journal.create("d", b"", devices=dev_euis)
    assert f"{dev_euis[0]} and {len(dev_euis) - 1} more devices are in campaign 'c'" in str(caught.value)


# ---- several writers -------------------------------------------------------------------------------------

WORKER = """
import json, sys
import fuota_fec.journal.sql
from fuota_fec.campaign.messages import DeviceHeard
from fuota_fec.errors import FuotaError
from fuota_fec.journal import FenceError, open_journal

url, me = sys.argv[1:]

def open_():
    global journal
    journal = open_journal(url)

def create_one_name():
    journal.create("name", me.encode())

def create_one_device():
    journal.create("device " + me, b"", devices=["01", "02"], groups=["03"])

def append():
    for n in range(15):
        while True:
            at = sum(1 for _ in journal.events("name"))
            try:
                journal.append("name", at, [DeviceHeard(at=float(n), dev_eui=me)])
                break
            except FenceError:
                pass

def lease():
    if journal.lease("name", me, 100) is None:
        raise FuotaError("another owner")

for verb in sys.stdin:
    try:
        globals()[verb.strip()]()
        answer = ""
    except FuotaError as error:
        answer = f"{type(error).__name__}: {error}"
    print(json.dumps(answer), flush=True)
journal.close()
"""


def test_one_of_several_processes_wins_each_race(journal_url: str) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORKER, journal_url, str(i)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(3)
    ]

    def race(verb: str) -> list[str]:
        for worker in workers:
            worker.stdin.write(verb + "\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        return [json.loads(worker.stdout.readline() or '"it died"') for worker in workers]  # type: ignore[union-attr]

    try:
        assert race("open_") == [""] * 3
        names = race("create_one_name")
        devices = race("create_one_device")
        assert race("append") == [""] * 3
        leases = race("lease")
    finally:
        for worker in workers:
            worker.communicate()
    assert [worker.returncode for worker in workers] == [0] * 3

    with closing(open_journal(journal_url)) as journal:
        assert names.count("") == 1
        assert journal.image("name") == str(names.index("")).encode()
        assert sorted(names)[1:] == ["CampaignExistsError: there is a campaign 'name' already"] * 2

        winner = f"device {devices.index('')}"
        assert journal.campaigns() == ("name", winner)
        held = [
            f"{what} is in campaign {winner!r}, which is not finished"
            for what in ("device 01", "device 02", "group 03")
        ]
        assert sorted(devices) == ["", *["DeviceBusyError: " + "\n".join(held)] * 2]

        events = list(journal.events("name"))
        assert len(events) == 45
        for i in range(3):
            mine = [event.at for event in events if event.dev_eui == str(i)]  # type: ignore[attr-defined]
            assert mine == [float(n) for n in range(15)]

        assert journal.list()[0].owner == str(leases.index(""))
        assert sorted(leases) == ["", *["FuotaError: another owner"] * 2]


def in_threads(n: int, work: Callable[[int], object]) -> list[Exception | None]:
    """Runs work(0) … work(n - 1) at the same time; returns the error of each, or None."""
    barrier = threading.Barrier(n)
    results: list[Exception | None] = [None] * n

    def run(i: int) -> None:
        barrier.wait()
        try:
            work(i)
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=[i]) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("attempt", range(3))
def test_a_new_database_is_opened_by_many_at_once(journal_url: str, attempt: int) -> None:
    assert in_threads(8, lambda _: open_journal(journal_url).close()) == [None] * 8
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", b"")


def test_writers_that_commit_the_same_campaigns_do_not_deadlock(journal_url: str) -> None:
    with closing(open_journal(journal_url)) as one, closing(open_journal(journal_url)) as other:
        for name in "ab":
            one.create(name, b"")
        facts = [DeviceFact(dev_eui=dev_eui, frag_index=0, known=KnownDevice(session_cnt=1)) for dev_eui in DEVICES]

        for n in range(25):

            def work(i: int, n: int = n) -> None:
                names, given = (("ab", facts), ("ba", facts[::-1]))[i]
                appends = [Append(campaign=name, expected_seq=n, events=heard(1), facts=given) for name in names]
                (one, other)[i].append_all(appends)

            winner, loser = sorted(in_threads(2, work), key=lambda error: error is not None)
            assert winner is None
            assert isinstance(loser, FenceError)
        assert [len(list(one.events(name))) for name in "ab"] == [25, 25]


def test_one_sql_journal_serves_many_threads(journal: Journal) -> None:
    def work(i: int) -> None:
        journal.create(f"t{i}", b"", devices=[f"{i}"])
        for n in range(5):
            journal.append(f"t{i}", n, heard(1, n))
            assert list(journal.events(f"t{i}")) == heard(n + 1)

    assert in_threads(6, work) == [None] * 6


def test_events_with_existing_numbers_raise_fence_error(journal: Journal, journal_url: str) -> None:
    execute(journal_url, "UPDATE fuota_campaigns SET n_events = 2")
    with pytest.raises(FenceError, match="'c' already has events from number 2 on") as caught:
        journal.append("c", 2, heard(2))
    assert caught.value.campaign == "c"
    assert journal.list()[0].n_events == 2
    execute(journal_url, "UPDATE fuota_campaigns SET n_events = 3")
    assert list(journal.events("c")) == heard(3)


def test_leases_use_the_clock_of_the_database(journal: Journal, journal_url: str) -> None:
    """Unix time, to the second at least; here the clock of this machine."""
    before = time.time()
    assert journal.lease("c", "me", 50) is not None
    with raw(journal_url) as connection:
        [until] = connection.execute(sqlalchemy.text("SELECT lease_until FROM fuota_campaigns")).one()
    assert before + 49 < until < time.time() + 51
    execute(journal_url, "UPDATE fuota_campaigns SET lease_until = lease_until - 60")
    assert journal.list()[0].owner == ""
    assert journal.lease("c", "you", 50) is not None


# ---- failures --------------------------------------------------------------------------------------------


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another writer holds the lock."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    else:
        with raw(url) as connection:
            connection.execute(sqlalchemy.text("LOCK TABLE fuota_campaigns IN EXCLUSIVE MODE"))
            yield


def test_a_locked_database_raises_an_error_after_the_wait(journal_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "WAIT", 0.05)
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", b"image", heard(3))
        lease = journal.lease("c", "me", 100)
        assert lease is not None
        before = everything(journal)
        with locked(journal_url):
            for verb in (
                lambda: journal.create("d", b""),
                lambda: journal.append("c", 3, heard(1), [GroupFact(mc_addr=MC_ADDR, key="meters", next_f_cnt=1)]),
                lambda: journal.order("c", "stop"),
                lambda: journal.lease("c", "me", 100),
                lease.renew,
            ):
                with pytest.raises(JournalError, match=r"cannot be written: .*lock") as caught:
                    verb()
                assert journal_url.partition("?")[0] in str(caught.value)
            assert everything(journal) == before
            assert lease.left() > 90, "a failed renewal does not end the lease"
        assert everything(journal) == before
        assert lease.renew()
        journal.append("c", 3, heard(1, 3))
        assert list(journal.events("c")) == heard(4)


def test_opening_a_new_locked_file_raises_an_error_after_the_wait(
    journal_url_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "WAIT", 0.05)
    url = journal_url_of("sqlite")
    with locked(url), pytest.raises(JournalError, match="database is locked"):
        open_journal(url)
    open_journal(url).close()


def test_a_full_disk_leaves_nothing_half_written(journal_url_of: Callable[[str], str]) -> None:
    url = journal_url_of("sqlite")
    connections: list[sqlite3.Connection] = []

    def fill(connection: sqlite3.Connection, _record: object) -> None:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {max(pages, 50)}")
        connections.append(connection)

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", fill)
    try:
        with closing(open_journal(url)) as journal:
            journal.create("c", b"image", heard(3), devices=DEVICES[:1])
            before = everything(journal)
            fact = GroupFact(mc_addr=MC_ADDR, key="meters", next_f_cnt=1)
            many = [DeviceHeard(at=0.0, dev_eui=sha256(bytes([i >> 8, i & 255])).hexdigest()) for i in range(10_000)]
            for verb in (
                lambda: journal.append("c", 3, many, [fact]),
                lambda: journal.create("d", bytes(1_000_000), facts=[fact], devices=DEVICES[1:]),
                lambda: journal.create("d", b"", many, facts=[fact], devices=DEVICES[1:]),
            ):
                with pytest.raises(JournalError, match=r"journal sqlite:///.* cannot be written: .*full"):
                    verb()
                assert everything(journal) == before
            for connection in connections:
                connection.execute("PRAGMA max_page_count = 1000000")
            journal.append("c", 3, many)
            journal.create("d", bytes(1_000_000), devices=DEVICES[1:])
            assert list(journal.events("c")) == heard(3) + many
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", fill)


@pytest.mark.parametrize(
    "event",
    [
        PeriodMeasured(at=1.0, dev_eui="01", period=float("inf")),
        DeviceHeard(at=float("nan"), dev_eui="01"),
        DeviceHeard(at=1.0, dev_eui="\udc80"),
        DeviceHeard(at=1.0, dev_eui=5),  # type: ignore[arg-type]
    ],
)
def test_an_event_that_could_not_be_read_again_is_not_written(journal: Journal, event: Event) -> None:
    before = everything(journal)
    with pytest.raises(JournalError, match=f"a {type(event).__name__} cannot be written to a journal"):
        journal.append("c", 3, [*heard(1), event], [GroupFact(mc_addr=MC_ADDR, key="meters", next_f_cnt=1)])
    with pytest.raises(JournalError, match="cannot be written"):
        journal.create("d", b"", [*heard(1), event], devices=DEVICES)
    assert everything(journal) == before
    journal.append("c", 3, heard(1))


@pytest.mark.parametrize("name", ["\udc80", "\udc80" * 2])
def test_names_that_a_database_cannot_hold_are_refused(journal: Journal, name: str) -> None:
    for verb in (
        lambda: journal.create(name, b""),
        lambda: journal.create("d", b"", devices=[name]),
        lambda: journal.create("d", b"", network=name),
        lambda: journal.events(name),
        lambda: journal.append(name, 0, []),
        lambda: journal.lease("c", name, 10),
    ):
        with pytest.raises(JournalError):
            verb()
    assert journal.campaigns() == ("c",)


def test_counters_that_a_database_cannot_hold_are_refused(journal: Journal) -> None:
    with pytest.raises(JournalError, match="cannot be written"):
        journal.append("c", 3, heard(1), [GroupFact(mc_addr=MC_ADDR, key="meters", next_f_cnt=2**63)])
    assert list(journal.events("c")) == heard(3)


def test_tables_of_a_later_version_are_refused_and_unchanged(journal_url: str) -> None:
    open_journal(journal_url).close()
    execute(journal_url, f"UPDATE fuota_schema SET version = {VERSION + 1}")
    with pytest.raises(
        JournalError,
        match=f"tables of version {VERSION + 1}, expected version {VERSION} or earlier: a later version",
    ):
        open_journal(journal_url)
    for table in tables(journal_url) - {"fuota_schema"}:
        execute(journal_url, f"DROP TABLE {table}")
    with pytest.raises(JournalError, match="later version"):
        open_journal(journal_url)
    assert tables(journal_url) == {"fuota_schema"}


def test_tables_without_a_version_are_refused(journal_url: str) -> None:
    open_journal(journal_url).close()
    execute(journal_url, "DELETE FROM fuota_schema")
    with pytest.raises(JournalError, match="cannot be read"):
        open_journal(journal_url)


def unchain(url: str) -> None:
    """Makes the events those of an earlier version of this library."""
    execute(url, "UPDATE fuota_campaigns SET chained_from = NULL")
    execute(url, "UPDATE fuota_events SET digest = NULL")


def test_a_later_version_of_an_event_is_refused(journal: Journal, journal_url: str) -> None:
    unchain(journal_url)
    execute(journal_url, "UPDATE fuota_events SET version = 9 WHERE seq = 1")
    with pytest.raises(JournalError, match=r"'c': event 1: .*DeviceHeard of version 9, .* knows version 2"):
        list(journal.events("c"))
    execute(journal_url, "UPDATE fuota_events SET type = 'Levitated' WHERE seq = 2")
    with pytest.raises(JournalError, match=r"'c': event 2: .*Levitated of version 2, .* knows no such event"):
        list(journal.events("c", 2))
    events = iter(journal.events("c"))
    assert next(events) == heard(1)[0]


def test_an_event_with_unreadable_data_is_refused(journal: Journal, journal_url: str) -> None:
    unchain(journal_url)
    execute(journal_url, "UPDATE fuota_events SET data = '{}' WHERE seq = 1")
    with pytest.raises(JournalError, match=r"'c': event 1: .*a DeviceHeard that cannot be read"):
        list(journal.events("c"))


@pytest.mark.parametrize("seq", range(3))
def test_a_gap_in_the_events_is_noticed(journal: Journal, journal_url: str, seq: int) -> None:
    unchain(journal_url)
    execute(journal_url, "DELETE FROM fuota_events WHERE seq = :seq", seq=seq)
    with pytest.raises(JournalError, match=f"campaign 'c': event {seq} is missing"):
        list(journal.events("c"))


def test_an_unreadable_registry_raises_journal_error(journal: Journal, journal_url: str) -> None:
    journal.append("c", 3, [], [DeviceFact(dev_eui=DEVICES[0], frag_index=0, known=KnownDevice())])
    execute(journal_url, "UPDATE fuota_devices SET memberships = '[{}]'")
    with pytest.raises(JournalError, match="cannot be read"):
        journal.known(CONFIG)


def test_a_closed_sql_journal_refuses_every_call(journal: Journal) -> None:
    journal.close()
    journal.close()
    for verb in (journal.campaigns, lambda: journal.append("c", 3, heard(1)), lambda: journal.events("c")):
        with pytest.raises(JournalError, match="is closed"):
            verb()


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database\n" * 100)
    with pytest.raises(JournalError, match=r"journal sqlite:///.*notes\.txt cannot be read: file is not a database"):
        open_journal(f"sqlite:///{path}")
    assert path.read_text() == "no database\n" * 100
    with pytest.raises(JournalError, match="unable to open database file"):
        open_journal(f"sqlite:///{tmp_path / 'none' / 'journal.db'}")
    with pytest.raises(JournalError, match="unable to open database file"):
        open_journal(f"sqlite:///{tmp_path}")


def test_a_read_only_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(open_journal(f"sqlite:///{path}")) as journal:
        journal.create("c", b"image", heard(3))
    with closing(open_journal(f"sqlite:///file:{path}?mode=ro&uri=true")) as journal:
        assert list(journal.events("c")) == heard(3)
        with pytest.raises(JournalError, match="cannot be written: attempt to write a readonly database"):
            journal.append("c", 3, heard(1))


def test_a_connection_that_was_cut_is_replaced(journal_url_of: Callable[[str], str]) -> None:
    url = journal_url_of("postgresql")
    with closing(open_journal(url)) as journal:
        journal.create("c", b"", heard(1))
        with raw(url) as connection:
            others = "application_name = :name AND pid <> pg_backend_pid()"
            connection.execute(
                sqlalchemy.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"), {"name": ""}
            )
        journal.append("c", 1, heard(1, 1))
        assert list(journal.events("c")) == heard(2)


# ---- the same as in memory -------------------------------------------------------------------------------

NAMES = st.sampled_from("abc")
MEMBERSHIPS = st.sampled_from(
    [(), (Membership(mc_group_id=0, mc_addr=MC_ADDR, key="meters", min_mc_f_cnt=0, max_mc_f_cnt=9),)]
)
FACTS = st.lists(
    st.builds(GroupFact, mc_addr=st.just(MC_ADDR), key=st.sampled_from(["meters", "x"]), next_f_cnt=st.integers(0, 9))
    | st.builds(
        DeviceFact,
        dev_eui=st.sampled_from(DEVICES),
        frag_index=st.integers(0, 1),
        known=st.builds(
            KnownDevice,
            session_cnt=st.none() | st.integers(0, 9),
            fw_version=st.none() | st.integers(0, 9),
            memberships=MEMBERSHIPS,
        ),
    ),
    max_size=3,
)
SOME_EVENTS = st.lists(
    st.sampled_from([heard(1)[0], Withdrawn(at=2.0, id="c/1"), Withdrawn(at=3.0, id="c/2"), finished()]), max_size=2
)
APPENDS = st.lists(
    st.fixed_dictionaries(
        {
            "campaign": NAMES,
            "ahead": st.sampled_from([0, 0, 0, 0, 1, -1]),
            "events": SOME_EVENTS,
            "facts": FACTS,
            "orders": st.lists(st.integers(0, 4), max_size=2),
        }
    ),
    max_size=2,
)
VERBS = st.lists(
    st.tuples(
        st.just("create"),
        NAMES,
        st.binary(max_size=2),
        SOME_EVENTS,
        st.fixed_dictionaries(
            {
                "facts": FACTS,
                "devices": st.lists(st.sampled_from(DEVICES), max_size=2),
                "groups": st.lists(st.sampled_from(["01", "02"]), max_size=1),
            }
        ),
    )
    | st.tuples(st.just("append_all"), APPENDS)
    | st.tuples(st.just("order"), NAMES, st.sampled_from(["pause", "stop"]))
    | st.tuples(st.just("archive"), NAMES)
    | st.tuples(st.just("lease"), NAMES, st.sampled_from(["me", "you"]), st.sampled_from([-1.0, 1000.0])),
    min_size=1,
    max_size=15,
)


def outcome(journal: Journal, verb: str, *arguments: Any) -> Any:
    keywords = arguments[-1] if isinstance(arguments[-1], dict) else {}
    if verb == "append_all":
        n_events = {record.id: record.n_events for record in journal.list(archived=True)}
        appends = [dict(append) for append in arguments[0]]
        for append in appends:
            append["expected_seq"] = n_events.get(append["campaign"], 0) + append.pop("ahead")
        # Memory checks appends in the given order, a database in the order of their names.
        arguments = ([Append(**append) for append in sorted(appends, key=lambda append: append["campaign"])],)
    try:
        result = getattr(journal, verb)(*(a for a in arguments if a is not keywords), **keywords)
    except FuotaError as error:
        return type(error), str(error)
    return result is None


@settings(max_examples=25)
@given(VERBS)
def test_a_database_and_memory_give_the_same_results(verbs: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as path, closing(open_journal(f"sqlite:///{path}/journal.db")) as database:
        memory = MemoryJournal()
        for verb in verbs:
            assert outcome(database, *verb) == outcome(memory, *verb)
            assert everything(database) == everything(memory)
