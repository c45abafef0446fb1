"""Costs of a journal: appends beside plain SQLite, size on disk, replay, take-over, a simulated campaign in a file.

    python benchmarks/bench_journal.py [--devices 1000]

A firmware update of a simulated fleet that loses 10 % in each direction runs in memory and in a file; its events are
then appended, read and replayed.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench_agent import Counting
from bench_campaign import config_of
from results import Row, show

from fuota_fec.agent import Agent
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, KeyRing
from fuota_fec.journal import open_journal
from fuota_fec.simulation import Simulation, simulate_campaign
from fuota_fec.wire.keys import Key

N_DEVICES = 1000
N_FRAGMENTS = 300
N_ROUNDS, N_APPENDS = 40, 25
"""Appends are timed in rounds, one with and one without the journal in turn."""
N_REPLAYS = 5
PER_COMMIT = 3
"""Events of one append, as an agent makes them."""


def rows(n_devices: int = N_DEVICES) -> Iterator[Row]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        yield from append_rows(folder)
        events, image, file_beside_memory = simulated(folder, n_devices)
        yield from stored_rows(folder, events, image, n_devices)
        yield Row(
            work="simulated campaign in a file beside memory, CPU",
            value=file_beside_memory,
            unit="×",
            at_least=3,
            reach=1.5,
        )


# ---- appends ---------------------------------------------------------------------------------------------


def append_rows(folder: Path) -> Iterator[Row]:
    """Medians of the ratios of rounds that follow each other: the disk of a shared machine is not always as fast."""
    with closing(open_journal(f"sqlite:///{folder}/appends.db")) as journal, closing(plain(folder / "p.db")) as peer:
        journal.create("bench", b"")
        numbers = {True: iter(range(10**9)), False: iter(range(10**9))}

        def append(ours: bool) -> None:
            number = next(numbers[ours])
            event = requested(number)
            if ours:
                journal.append("bench", number, [event])
            else:
                row = ("bench", number, "Requested", event.VERSION, m.encode(event).decode(), "0" * 64)
                peer.execute("BEGIN IMMEDIATE")
                peer.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)
                peer.execute("COMMIT")

        wall, cpu = [], []
        for _ in range(N_ROUNDS):
            theirs, own = timed(append, False), timed(append, True)
            wall.append(own[0] / theirs[0])
            cpu.append(own[1] / theirs[1])
        assert len(list(journal.events("bench"))) == N_ROUNDS * N_APPENDS
    what = "SQLite append of one event, synced, beside plain sqlite3"
    yield Row(work=what, value=median(wall), unit="×", at_least=1.4, reach=1.2)
    yield Row(work=f"{what}, CPU alone", value=median(cpu), unit="×")


def timed(append: Callable[[bool], None], ours: bool) -> tuple[float, float]:
    """Seconds and CPU seconds of a round."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(N_APPENDS):
        append(ours)
    return time.perf_counter() - wall, time.process_time() - cpu


def plain(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE events (campaign TEXT, seq INTEGER, type TEXT, version INTEGER, data TEXT, digest TEXT, "
        "PRIMARY KEY (campaign, seq)) WITHOUT ROWID"
    )
    return connection


def requested(number: int) -> m.Requested:
    at = 1.8e9 + 0.37 * number
    return m.Requested(
        at=at,
        id=f"bench/{number}",
        ask="FragSessionSetup",
        f_port=201,
        not_after=at + 3600,
        digest=(number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big"),
        dev_eui=f"{number % 1000:016x}",
        command=bytes(12),
    )


# ---- a campaign ------------------------------------------------------------------------------------------


def simulated(folder: Path, n_devices: int) -> tuple[Sequence[m.Event], bytes, float]:
    """Events and image of a simulated campaign, and its CPU time in a file beside that in memory."""
    fleet = Simulation(seed=1, n_devices=n_devices, downlink_loss=0.1, uplink_loss=0.1)
    config, image = config_of(fleet), bytes(range(100)) * N_FRAGMENTS
    took = []
    for url in (f"sqlite:///{folder}/simulated.db", ":memory:"):
        with closing(open_journal(url, durable=False)) as journal:
            begun = time.process_time()
            simulate_campaign(config, image, fleet, journal=journal)
            took.append(time.process_time() - begun)
            events = tuple(journal.events("bench"))
    return events, image, took[0] / took[1]


def stored_rows(folder: Path, events: Sequence[m.Event], image: bytes, n_devices: int) -> Iterator[Row]:
    path = folder / "stored.db"
    config = Campaign.from_first(events[0]).config
    with closing(open_journal(f"sqlite:///{path}", durable=False)) as journal:
        journal.create("bench", image, events[:1], devices=[device.dev_eui for device in config.devices])
        for first in range(1, len(events), PER_COMMIT):
            journal.append("bench", first, events[first : first + PER_COMMIT])
    size = path.stat().st_size
    yield Row(work="journal size, an event", value=size / len(events), unit="B", at_least=90, reach=40)
    yield Row(work="journal size, a device", value=size / n_devices, unit="B")

    memory = open_journal(":memory:")
    memory.create("bench", image, events)
    with closing(open_journal(f"sqlite:///{path}")) as journal:
        sources: tuple[tuple[str, Callable[[], Iterable[m.Event]], int | None], ...] = (
            ("replay of events that are there", lambda: events, 250_000),
            ("replay from a journal in memory, packed", lambda: memory.events("bench"), None),
            ("replay from SQLite", lambda: journal.events("bench"), 100_000),
        )
        for work, source, bound in sources:
            rate = replay_rate(source, image, len(events))
            yield Row(work=work, value=rate, unit="events/s", at_least=bound, better="higher")
    yield from take_over_rows(folder, config, events, image)


def replay_rate(source: Callable[[], Iterable[m.Event]], image: bytes, n_events: int) -> float:
    """Events per CPU second, at best."""

    def once() -> float:
        begun = time.process_time()
        assert Campaign.replay(source(), image).n_events == n_events
        return time.process_time() - begun

    return n_events / min(once() for _ in range(N_REPLAYS))


def take_over_rows(folder: Path, config: CampaignConfig, events: Sequence[m.Event], image: bytes) -> Iterator[Row]:
    """Take-over of the campaign near its end, by the turns of an agent."""
    events = events[: len(events) * 9 // 10]
    key = Key(bytes(16))
    keys = KeyRing(
        root_keys={device.key_name: key for device in config.devices},
        mc_keys={group.key_name: key for group in config.groups},
    )
    with closing(open_journal(f"sqlite:///{folder}/taken_over.db")) as journal:
        journal.create("bench", image, events)
        agent = Agent(journal, Counting(), keys)
        now, turns = events[-1].at, []
        while agent.campaign("bench") is None:
            since = time.process_time()
            agent.step(now)
            turns.append(time.process_time() - since)
        agent.close()
    took = sum(turns)
    yield Row(work="take-over, for 3 million events", value=took / len(events) * 3e6, unit="s", reach=2)
    yield Row(work="take-over, longest turn", value=1e3 * max(turns), unit="ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=N_DEVICES)
    show(rows(parser.parse_args().devices))


if __name__ == "__main__":
    main()
