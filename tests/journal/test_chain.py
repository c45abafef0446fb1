"""Chained digests: any change of what a journal stores is found, and named by its number."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.messages import Answered, Configured, DeviceHeard, Event, Finished
from fuota_fec.errors import EventError, JournalError
from fuota_fec.journal import Append, StoredEvent, event_table, open_journal
from fuota_fec.journal.chain import Chain, chained_from, first_digest, next_digest, read_events

RECORDED = Path(__file__).parents[1] / "journals" / "0.2.0-multicast.sql"
RECORDED_ID = "recorded-multicast"
N_EVENTS = 8
COVERING = "or one of those before it, which have no digest, is not the one that was written"


def heard(n: int, start: int = 0) -> list[Event]:
    return [DeviceHeard(at=float(i), dev_eui=f"{i:016x}") for i in range(start, start + n)]


@contextmanager
def raw(url: str) -> Iterator[sqlalchemy.Connection]:
    """A connection that bypasses the journal; commits at the end."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        yield connection


def execute(url: str, *statements: str, **values: Any) -> None:
    with raw(url) as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement), values)


def forget_chain(url: str) -> None:
    """Makes the database one of an earlier version of the tables."""
    execute(
        url,
        "ALTER TABLE fuota_events DROP COLUMN digest",
        "ALTER TABLE fuota_events DROP COLUMN block",
        "ALTER TABLE fuota_campaigns DROP COLUMN chained_from",
        "ALTER TABLE fuota_campaigns DROP COLUMN lease_ttl",
        "UPDATE fuota_schema SET version = 1",
    )


@pytest.fixture
def url(journal_url: str) -> str:
    """A database with a campaign c of eight events, committed in threes, and a campaign d."""
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", b"image", heard(3))
        journal.append("c", 3, heard(3, 3))
        journal.append("c", 6, heard(2, 6))
        journal.create("d", b"", heard(3))
    return journal_url


def refused(url: str, number: int, what: str = "is not the one that was written") -> None:
    """Every way to the events of campaign c ends at an error with this number."""
    with closing(open_journal(url)) as journal:
        for read in (journal.events, journal.stored):
            with pytest.raises(EventError, match=f"^campaign 'c': event {number},? {what}$") as caught:
                list(read("c"))
            assert (caught.value.campaign, caught.value.number) == ("c", number)
        assert list(journal.events("d")) == heard(3)


# ---- digests ---------------------------------------------------------------------------------------------


def test_a_digest_is_the_sha_256_that_the_format_states() -> None:
    """Other programs compute it too: this test changes with the format alone."""
    assert first_digest("c", 0) == "edc88b07ee8e0b7e3a34bcc0d080b1c8223e56b21dc59e514315580afa7e8531"
    assert next_digest("00", 7, "DeviceHeard", 1, '{"at":1.0}') == (
        "8cf47b0f1108f32885a7ad8cd9b1b4c860cf068604a438b04ff3308e4b55188b"
    )


def test_fields_do_not_run_into_each_other() -> None:
    made = {
        next_digest("00", 1, "A", 1, "b"),
        next_digest("00", 1, "Ab", 1, ""),
        next_digest("00", 1, "", 1, "Ab"),
        next_digest("00", 1, "A", 11, "b"),
        next_digest("00", 11, "A", 1, "b"),
        next_digest("0", 11, "A", 1, "b"),
    }
    assert len(made) == 6
    assert len({first_digest("c", 0), first_digest("c", 1), first_digest("1 c", 0), first_digest("d", 0)}) == 4


def test_every_event_of_a_new_campaign_has_the_digest_of_the_chain(url: str) -> None:
    with closing(open_journal(url)) as journal:
        stored = list(journal.stored("c"))
        assert list(read_events("c", stored)) == list(journal.events("c")) == heard(N_EVENTS)
    digest = first_digest("c", 0)
    for number, event in enumerate(stored):
        digest = next_digest(digest, number, "DeviceHeard", DeviceHeard.VERSION, event.data)
        assert event == StoredEvent(number, "DeviceHeard", DeviceHeard.VERSION, event.data, digest)
    assert chained_from(stored) == 0


def test_memory_gives_the_digests_of_a_database(url: str) -> None:
    memory = open_journal(":memory:")
    memory.create("c", b"image", heard(N_EVENTS))
    with closing(open_journal(url)) as journal:
        for start in range(N_EVENTS + 2):
            assert list(memory.stored("c", start)) == list(journal.stored("c", start))


def test_an_event_that_cannot_be_read_is_named_by_its_number() -> None:
    stored = [
        StoredEvent(0, "DeviceHeard", DeviceHeard.VERSION, '{"at":1.0,"dev_eui":"01"}', None),
        StoredEvent(1, "DeviceHeard", DeviceHeard.VERSION, "{}", None),
    ]
    with pytest.raises(EventError, match=r"^campaign 'c': event 1: .*a DeviceHeard that cannot be read") as caught:
        list(read_events("c", stored))
    assert caught.value.number == 1
    for kind, data in (("Configured", "{}"), ("Configured", "[]"), ("Configured", "x"), ("Answered", "[]"), ("X", "")):
        with pytest.raises(EventError, match=r"^campaign 'c': event 5: "):
            list(read_events("c", [StoredEvent(5, kind, 1, data, None)]))


# ---- changes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", range(N_EVENTS))
@pytest.mark.parametrize(
    "change",
    [
        "data = replace(data, 'dev_eui\":\"0', 'dev_eui\":\"1')",
        "type = 'DeviceRemoved'",
        "version = 1",
        "digest = (SELECT digest FROM fuota_events WHERE campaign = 'd' AND seq = 0)",
    ],
)
def test_a_changed_event_is_named(url: str, change: str, seq: int) -> None:
    execute(url, f"UPDATE fuota_events SET {change} WHERE campaign = 'c' AND seq = :seq", seq=seq)
    refused(url, seq)


@pytest.mark.parametrize("seq", range(N_EVENTS))
def test_an_event_without_its_digest_is_named(url: str, seq: int) -> None:
    execute(url, "UPDATE fuota_events SET digest = NULL WHERE campaign = 'c' AND seq = :seq", seq=seq)
    refused(url, seq)


@pytest.mark.parametrize("seq", range(N_EVENTS))
def test_a_missing_event_is_named(url: str, seq: int) -> None:
    execute(url, "DELETE FROM fuota_events WHERE campaign = 'c' AND seq = :seq", seq=seq)
    refused(url, seq, "is missing")


def test_a_cut_in_the_middle_is_named(url: str) -> None:
    execute(url, "DELETE FROM fuota_events WHERE campaign = 'c' AND seq BETWEEN 2 AND 4")
    refused(url, 2, "is missing")
    execute(url, "UPDATE fuota_events SET seq = seq - 3 WHERE campaign = 'c' AND seq > 4")
    refused(url, 2)
    execute(url, "UPDATE fuota_campaigns SET n_events = 5 WHERE campaign = 'c'")
    refused(url, 2)


@pytest.mark.parametrize("seq", range(N_EVENTS - 1))
def test_swapped_events_are_named(url: str, seq: int) -> None:
    for before, after in ((seq, -1), (seq + 1, seq), (-1, seq + 1)):
        execute(url, f"UPDATE fuota_events SET seq = {after} WHERE campaign = 'c' AND seq = {before}")
    refused(url, seq)


@pytest.mark.parametrize("seq", range(N_EVENTS))
def test_a_repeated_event_is_named(url: str, seq: int) -> None:
    columns = "type, version, data, digest"
    execute(
        url,
        f"INSERT INTO fuota_events (campaign, seq, {columns})"
        f"SELECT campaign, {N_EVENTS}, {columns} FROM fuota_events WHERE campaign = 'c' AND seq = {seq}",
    )
    refused(url, N_EVENTS)
    execute(url, f"UPDATE fuota_campaigns SET n_events = {N_EVENTS + 1} WHERE campaign = 'c'")
    refused(url, N_EVENTS)


def test_events_of_another_campaign_are_named(url: str) -> None:
    execute(
        url,
        "DELETE FROM fuota_events WHERE campaign = 'c'",
        "UPDATE fuota_campaigns SET n_events = 3 WHERE campaign = 'c'",
        "INSERT INTO fuota_events (campaign, seq, type, version, data, digest)"
        "SELECT 'c', seq, type, version, data, digest FROM fuota_events WHERE campaign = 'd'",
    )
    refused(url, 0)


def test_a_chain_cannot_be_dropped_from_the_events_or_from_the_campaign_alone(url: str) -> None:
    execute(url, "UPDATE fuota_campaigns SET chained_from = NULL WHERE campaign = 'c'")
    refused(url, 0)
    execute(url, "UPDATE fuota_campaigns SET chained_from = 4 WHERE campaign = 'c'")
    refused(url, 0)
    execute(url, "UPDATE fuota_events SET digest = NULL WHERE campaign = 'c' AND seq < 4")
    refused(url, 4, COVERING)
    execute(url, "UPDATE fuota_campaigns SET chained_from = 0 WHERE campaign = 'c'")
    execute(url, "UPDATE fuota_events SET digest = NULL WHERE campaign = 'c'")
    refused(url, 0)


@pytest.mark.parametrize("n_events", [N_EVENTS - 1, N_EVENTS + 1])
def test_another_number_of_events_is_named(url: str, n_events: int) -> None:
    execute(url, "UPDATE fuota_campaigns SET n_events = :n WHERE campaign = 'c'", n=n_events)
    refused(url, min(n_events, N_EVENTS), "is missing" if n_events > N_EVENTS else "is not the one that was written")


@pytest.mark.parametrize("start", range(1, N_EVENTS))
def test_events_from_a_number_on_are_checked_against_the_one_before(
    url: str, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_table, "N_EVENTS", 3)
    with closing(open_journal(url)) as journal:
        assert list(journal.events("c", start)) == heard(N_EVENTS - start, start)
        execute(url, "UPDATE fuota_events SET version = 1 WHERE campaign = 'c' AND seq = :seq", seq=start)
        with pytest.raises(EventError, match=f"event {start} is not the one"):
            list(journal.events("c", start))


def test_an_append_to_a_chain_without_its_last_digest_writes_nothing(url: str) -> None:
    statement = "UPDATE fuota_events SET digest = NULL WHERE campaign = 'c' AND seq = 7"
    for changed, what in ((statement, "is not the one"), ("DELETE FROM fuota_events WHERE seq = 7", "is missing")):
        execute(url, changed)
        with closing(open_journal(url)) as journal:
            with pytest.raises(EventError, match=f"event 7 {what}"):
                journal.append("c", N_EVENTS, heard(1))
            assert journal.list()[0].n_events == N_EVENTS


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chain") / "template.db"
    with closing(open_journal(f"sqlite:///{path}")) as journal:
        journal.create("c", b"image", heard(N_EVENTS))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return path


VALUES = st.none() | st.integers(-(2**40), 2**40) | st.text(max_size=5) | st.binary(max_size=5) | st.floats()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    field=st.sampled_from(["seq", "type", "version", "data", "digest", "block"]),
    number=st.integers(0, N_EVENTS - 1),
    value=VALUES | st.tuples(st.integers(0, 80), st.characters()),
)
def test_any_single_change_of_a_stored_field_is_found(template: Path, field: str, number: int, value: Any) -> None:
    path = template.with_name("changed.db")
    shutil.copy(template, path)
    where = f"WHERE seq = {number}"
    with closing(sqlite3.connect(path)) as connection:
        [before] = connection.execute(f"SELECT {field} FROM fuota_events {where}").fetchone()
        if isinstance(value, tuple):  # One character of a text.
            at, character = value
            value = str(before)[: at % len(str(before))] + character + str(before)[at % len(str(before)) + 1 :]
        try:
            connection.execute(f"UPDATE fuota_events SET {field} = ? {where}", (value,))
            connection.commit()
        except (sqlite3.IntegrityError, UnicodeEncodeError):
            return
        unchanged = connection.execute(f"SELECT 1 FROM fuota_events {where} AND {field} IS ?", (before,)).fetchone()
    with closing(open_journal(f"sqlite:///{path}")) as journal:
        if unchanged:
            assert list(journal.events("c")) == heard(N_EVENTS)
            return
        with pytest.raises(JournalError) as caught:
            list(journal.events("c"))
    if isinstance(caught.value, EventError) and field != "seq":  # SQLite itself cannot read text that is no UTF-8.
        assert caught.value.number == number


@given(st.permutations(range(N_EVENTS)), st.integers(0, N_EVENTS - 1), st.booleans())
def test_events_in_another_order_or_number_are_found(order: list[int], repeated: int, more: bool) -> None:
    memory = open_journal(":memory:")
    memory.create("c", b"", heard(N_EVENTS))
    stored = list(memory.stored("c"))
    given_events = [stored[i] for i in order] + [stored[repeated]] * more
    renumbered = [event._replace(number=number) for number, event in enumerate(given_events)]
    chain = Chain("c", 0)
    differ = [event.number for event in renumbered if event not in stored]
    wrong = differ[0] if differ else None
    if wrong is None:
        chain.check(0, renumbered)
        assert chain.last == stored[-1].digest
    else:
        chain.check(0, renumbered[:wrong])
        with pytest.raises(EventError, match=f"event {wrong} is not"):
            chain.check(wrong, renumbered[wrong:])


# ---- journals of earlier versions ------------------------------------------------------------------------


@pytest.fixture
def old_url(url: str) -> str:
    """The database as an earlier version leaves it."""
    forget_chain(url)
    return url


def test_events_of_an_earlier_version_are_not_chained(old_url: str) -> None:
    with closing(open_journal(old_url)) as journal:
        assert [event.digest for event in journal.stored("c")] == [None] * N_EVENTS
        for start in range(N_EVENTS + 1):
            assert list(journal.events("c", start)) == heard(N_EVENTS - start, start)
        assert chained_from(journal.stored("c")) is None
        journal.append("c", N_EVENTS, [])
        assert chained_from(journal.stored("c")) is None, "without a new event"


def test_a_chain_begins_at_the_first_new_event_and_covers_the_old_ones(
    old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_table, "N_EVENTS", 3)
    with closing(open_journal(old_url)) as journal:
        journal.append_all(
            [
                Append(campaign="c", expected_seq=N_EVENTS, events=heard(2, N_EVENTS)),
                Append(campaign="c", expected_seq=N_EVENTS + 2, events=heard(1, N_EVENTS + 2)),
            ]
        )
    with closing(open_journal(old_url)) as journal:
        journal.append("c", N_EVENTS + 3, heard(1, N_EVENTS + 3))
        stored = list(journal.stored("c"))
        assert [event.digest is None for event in stored] == [True] * N_EVENTS + [False] * 4
        assert chained_from(stored) == N_EVENTS
        for start in range(N_EVENTS + 5):
            assert list(journal.events("c", start)) == heard(N_EVENTS + 4 - start, start)
        assert next(iter(journal.stored("d"))).digest is None
    execute(old_url, "UPDATE fuota_events SET data = replace(data, '3.0', '3.5') WHERE campaign = 'c' AND seq = 3")
    refused(old_url, N_EVENTS, COVERING)


@pytest.mark.parametrize("seq", range(N_EVENTS, N_EVENTS + 3))
def test_a_chain_once_begun_is_not_dropped(old_url: str, seq: int) -> None:
    with closing(open_journal(old_url)) as journal:
        journal.append("c", N_EVENTS, heard(3, N_EVENTS))
    execute(old_url, "UPDATE fuota_events SET digest = NULL WHERE campaign = 'c' AND seq = :seq", seq=seq)
    refused(old_url, seq, COVERING if seq == N_EVENTS else "is not the one that was written")


def test_a_digest_among_events_that_are_not_chained_is_named(old_url: str) -> None:
    open_journal(old_url).close()
    execute(old_url, "UPDATE fuota_events SET digest = 'x' WHERE campaign = 'c' AND seq = 3")
    refused(old_url, 3)


def test_an_old_campaign_without_events_is_chained_from_its_first_one(journal_url: str) -> None:
    with closing(open_journal(journal_url)) as journal:
        journal.create("c", b"")
    forget_chain(journal_url)
    with closing(open_journal(journal_url)) as journal:
        journal.append("c", 0, heard(2))
        assert chained_from(journal.stored("c")) == 0


def test_a_file_of_release_0_2_0_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(RECORDED.read_text(encoding="utf-8"))
    with closing(open_journal(f"sqlite:///{path}")) as journal:
        [record] = journal.list()
        events = list(journal.events(RECORDED_ID))
        assert (record.id, record.status, record.n_events) == (RECORDED_ID, "RUNNING", len(events))
        assert chained_from(journal.stored(RECORDED_ID)) is None
        assert Campaign.replay(events, journal.image(RECORDED_ID)).progress().status == "stopping"
        assert journal.lease(RECORDED_ID, "me", 60) is not None
        new: list[Event] = [Finished(at=events[-1].at, status="SUCCEEDED", successes=6)]
        journal.append(RECORDED_ID, len(events), new)
        assert chained_from(journal.stored(RECORDED_ID)) == len(events)
        assert Campaign.replay(journal.events(RECORDED_ID)).status().status == "SUCCEEDED"
    with closing(open_journal(f"sqlite:///{path}")) as journal:
        assert list(journal.events(RECORDED_ID)) == events + new


def test_an_event_that_does_not_fit_its_campaign_is_named(tmp_path: Path) -> None:
    """Also without a chain: a changed DevEUI is no traceback."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(RECORDED.read_text(encoding="utf-8"))
    with closing(open_journal(f"sqlite:///{path}")) as journal:
        events = list(journal.events(RECORDED_ID))
        number, answered = next((n, event) for n, event in enumerate(events) if isinstance(event, Answered))
        assert isinstance(events[0], Configured)
        with closing(sqlite3.connect(path)) as connection:
            statement = "UPDATE fuota_events SET data = replace(data, ?, 'ffffffffffffffff') WHERE seq = ?"
            connection.execute(statement, (answered.dev_eui, number))
            connection.commit()
        with pytest.raises(
            EventError, match=f"^campaign '{RECORDED_ID}': event {number} \\(Answered\\) does not fit"
        ) as caught:
            Campaign.replay(journal.events(RECORDED_ID))
    assert (caught.value.campaign, caught.value.number) == (RECORDED_ID, number)


@pytest.mark.parametrize("attempt", range(3))
def test_a_database_of_an_earlier_version_is_opened_by_many_at_once(old_url: str, attempt: int) -> None:
    def work(_: int) -> list[Event]:
        with closing(open_journal(old_url)) as journal:
            return list(journal.events("c"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [heard(N_EVENTS)] * 8
    with closing(open_journal(old_url)) as journal:
        journal.append("c", N_EVENTS, heard(1, N_EVENTS))


def test_threads_that_read_and_write_see_one_chain(url: str) -> None:
    with closing(open_journal(url)) as journal:

        def work(i: int) -> None:
            name = f"t{i // 2}"
            if i % 2 == 0:
                for number in range(1, 12):
                    journal.append(name, number, heard(1, number))
            for _ in range(10):
                events = list(journal.events(name))
                assert events == heard(len(events))

        for name in ("t0", "t1", "t2"):
            journal.create(name, b"", heard(1))
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        for name in ("t0", "t1", "t2"):
            assert chained_from(journal.stored(name)) == 0
            assert len(list(journal.stored(name))) == 12
