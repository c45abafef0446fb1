"""Agents killed at any point: rules that the journal and the network must satisfy at the end.

`crash/host.py` holds the network, which survives, and forks the agents that are killed. FUOTA_FEC_KILLS is the number
of kills on each database (200), FUOTA_FEC_SEED the first seed (0).
"""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.journal import open_journal

pytest.importorskip("psycopg")
sqlalchemy = pytest.importorskip("sqlalchemy")

KILLS = int(os.environ.get("FUOTA_FEC_KILLS", "200"))
SEED = int(os.environ.get("FUOTA_FEC_SEED", "0"))
HOST = Path(__file__).parents[1] / "crash" / "host.py"

T0 = 1.8e9
IMAGE = bytes(range(7, 67))
"""6 fragments."""
OLD = {"name": "old", "mc_addr": "01f3a4b0", "dr": 5, "frequency": 869_525_000}
NEW = {
    **{"name": "new", "mc_addr": "01f3a4b1", "dr": 5, "frequency": 868_100_000, "mc_group_id": 2},
    **{"version": "2.0.0", "mc_version": "2.0.0", "first_f_cnt": 1000},
}


def make_config(groups: Sequence[dict[str, Any]] = (OLD, NEW), probe: bool = False, **changes: Any) -> CampaignConfig:
    settings: dict[str, Any] = {
        "success_threshold": 100,
        "max_duration": 100_000,
        "uplink_period": 100,
        "delivery_timeout": 10,
        "fsize": 10,
        "redundancy": 4,
        "stage_end": "all",
        **changes,
    }
    if settings.get("kind", "firmware") == "firmware":
        settings["fw_version"] = "2.0.0.0"
    return CampaignConfig(
        id="c",
        groups=tuple(Group(**group) for group in groups),
        devices=tuple(
            Device(dev_eui=f"{i:016x}", group=groups[i % len(groups)]["name"], probe=probe) for i in range(6)
        ),
        **settings,
    )


class Run(NamedTuple):
    """A finished campaign: its events, and what the network saw of it."""

    config: CampaignConfig
    image: bytes
    events: list[m.Event]
    next_f_cnt: dict[str, int]
    world: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Run of {len(self.events)} events>"

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def campaign(self) -> Campaign:
        return Campaign.replay(self.events, self.image)


class World:
    def __init__(self) -> None:
        self._unbroken: dict[str, Run] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(HOST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, url: str, config: CampaignConfig, **settings: Any) -> Run:
        """Empties the tables, then runs the campaign."""
        open_journal(url).close()
        from fuota_fec.journal.tables import SCHEMA, TABLES

        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            for table in TABLES.sorted_tables:
                if table is not SCHEMA:
                    connection.execute(sqlalchemy.delete(table))
        image = IMAGE if config.kind != "multicast" else b""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump({"url": url, "config": config, "image": image, "start": T0, **settings}, self.process.stdin)
        self.process.stdin.flush()
        world = pickle.load(self.process.stdout)
        assert isinstance(world, dict), world
        with closing(open_journal(url)) as journal:
            assert not journal.orders()
            return Run(config, image, list(journal.events("c")), dict(journal.known(config).next_f_cnt), world)

    def unbroken(self, url: str, config: CampaignConfig, **settings: Any) -> Run:
        """The run without kills, which is the same on every database."""
        key = repr((config, settings))
        if key not in self._unbroken:
            self._unbroken[key] = self.run(url, config, **settings)
            check(self._unbroken[key])
        return self._unbroken[key]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.process.communicate()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory if possible: files outlive a killed process there too."""
    with tempfile.TemporaryDirectory(
        prefix="fuota_", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    ) as name:
        yield Path(name)


# ---- rules of every run ----------------------------------------------------------------------------------


def ends(event: m.Event, request: m.Requested) -> bool:
    """Whether an event ends a request: it is not handed over afterwards."""
    match event:
        case m.Reported() | m.Unanswered() | m.Withdrawn():
            return event.id == request.id
        case m.Requested():
            return event.replaces == request.id
        case m.Answered() | m.Deferred() | m.GivenUp():
            return event.dev_eui == request.dev_eui and not request.reply
        case m.GroupDone():
            return event.group == request.group
        case m.StageEnded():
            return event.stage == request.ask == "FragSessionStatus" and request.group is not None
        case m.HandedOver():
            return event.id == request.id and request.reply
        case _:
            return isinstance(event, m.Finished) and request.reply


def check(run: Run) -> None:
    events, seqs = run.events, {e.id: seq for seq, e in enumerate(run.events) if isinstance(e, m.Requested)}
    requests = {e.id: e for e in run.of(m.Requested)}
    handed_over = {e.id: e for e in run.of(m.HandedOver)}
    owns_f_cnt = events[0].network.owns_f_cnt

    # The journal is the campaign.
    campaign = run.campaign
    assert campaign.finished
    assert [type(e) for e in events].index(m.Finished) == len(events) - 1
    assert all(status == campaign.status() for status in run.world["statuses"])
    assert all(a.at <= b.at for a, b in pairwise(events))

    # Each request was on disk before it was on the air, was handed over unchanged, and never after its end.
    assert len(handed_over) == len(run.of(m.HandedOver))
    first: dict[str, Any] = {}
    payloads: dict[tuple[str, int], bytes] = {}
    for handed in run.world["handed"]:
        downlink = handed["downlink"]
        assert handed["on_disk"], downlink
        assert not handed["stale"], downlink
        request = requests[downlink.id]
        assert first.setdefault(downlink.id, downlink) == downlink
        since = events[seqs[downlink.id] + 1 : handed["n_committed"]]
        assert not [e for e in since if ends(e, request) or (isinstance(e, m.HandedOver) and e.id == request.id)]
        assert handed["at"] <= downlink.not_after == request.not_after
        if request.group is not None:
            assert request.digest == hashlib.sha256(downlink.payload).digest()[:8]
            assert downlink.f_cnt == request.f_cnt
            assert (handed["f_cnt"] == request.f_cnt) != owns_f_cnt
            assert payloads.setdefault((request.group, handed["f_cnt"]), downlink.payload) == downlink.payload
    assert set(handed_over) <= set(first)

    # A counter belongs to one payload, and is never used again.
    numbers: dict[tuple[str, int], Any] = {}
    for e in handed_over.values():
        request = requests[e.id]
        if request.group is not None:
            assert e.f_cnt in {h["f_cnt"] for h in run.world["handed"] if h["downlink"].id == e.id}
            assert numbers.setdefault((request.group, e.f_cnt), request.frag_nb) == request.frag_nb
    used = {(e.group, e.f_cnt) for e in requests.values() if e.f_cnt is not None} | set(numbers)
    used |= set() if owns_f_cnt else set(payloads)
    assert all(f_cnt < run.next_f_cnt[group] for group, f_cnt in used)

    # Every request has ended.
    for request in requests.values():
        later = events[seqs[request.id] + 1 :]
        without = request.group is not None and not events[0].network.summaries
        assert any(ends(e, request) for e in later) or (without and request.id in handed_over), request
    withdrawn = {e.id for e in run.of(m.Withdrawn)}
    assert not withdrawn & set(run.world["left"])

    # Unicasts are paced.
    asked = [e for e in requests.values() if e.dev_eui is not None]
    assert all(b.at - a.at >= run.config.ucast_msg_delay / 1000 - 1e-6 for a, b in pairwise(asked))

    # No device twice in a stage, unless it is heard after it was given up. Its version is then another question.
    in_stage: Counter[tuple[Any, ...]] = Counter()
    for e in events:
        if isinstance(e, m.Returned) or (isinstance(e, m.DeviceHeard) and e.set_aside):
            in_stage[m.GivenUp, e.dev_eui] = 0
            in_stage[m.Requested, e.dev_eui, "DevVersion at the end", None] = 0
        if isinstance(e, m.StageStarted | m.Stopping):
            in_stage.clear()
        elif isinstance(e, m.GivenUp | m.DeviceHeard):
            in_stage[type(e), e.dev_eui] += 1
            assert in_stage[type(e), e.dev_eui] == 1, e
        elif isinstance(e, m.Answered) and e.ask not in ("FragSessionDelete", "ForceDeviceResync"):
            in_stage[m.Answered, e.dev_eui, e.ask] += 1
            assert in_stage[m.Answered, e.dev_eui, e.ask] == 1, e
        elif isinstance(e, m.Deferred):
            in_stage[m.Requested, e.dev_eui, e.ask, None] -= 1
        elif isinstance(e, m.Requested) and e.dev_eui is not None and not e.reply:
            in_stage[m.Requested, e.dev_eui, e.ask, e.frag_nb] += e.id in handed_over
            assert in_stage[m.Requested, e.dev_eui, e.ask, e.frag_nb] <= 1 + run.config.msg_retries, e
            assert not in_stage[m.Answered, e.dev_eui, e.ask], e

    # Devices that passed hold the image.
    for device in campaign.status().devices:
        image, stored, fw_version = run.world["devices"][device.dev_eui]
        if device.status == "passed" and run.config.kind == "firmware":
            assert (image, fw_version) == (run.image, run.config.firmware_version)
        elif device.status == "passed" and run.config.kind == "binary":
            assert stored == run.image


def final(run: Run) -> dict[str, Any]:
    """Result of a run without losses, the same for any number of kills. Coded fragments of adaptive groups are left
    out: their number depends on when devices report that they are complete. A frame was sent if the network took it,
    or if its report came before a new agent repeated the hand-over."""
    status, plans = run.campaign.status(), run.campaign.plan.groups
    requests = {e.id: e for e in run.of(m.Requested)}
    counted = not run.events[0].network.owns_f_cnt
    frames: dict[str, dict[Any, int]] = {}
    for e in run.of(m.HandedOver, m.Reported):
        request = requests[e.id]
        if request.group is None or request.frag_nb is None or not getattr(e, "ok", True):
            continue
        f_cnt = e.f_cnt if isinstance(e, m.HandedOver) else request.f_cnt
        if not plans[request.group].adaptive or request.frag_nb <= plans[request.group].n_frags:
            key = (f_cnt, request.frag_nb) if counted else request.id
            frames.setdefault(request.group, {}).setdefault(key, request.frag_nb)
    return {
        "status": (status.status, status.reason, status.round, status.unconfirmed),
        "devices": status.devices,
        "frames": {group: sorted(sent) if counted else list(sent.values()) for group, sent in frames.items()},
    }


# ---- killed ----------------------------------------------------------------------------------------------

LOSSY = {"loss": 0.15, "repeat": 0.1, "reorder": 0.1, "report_loss": 0.05, "flaky": 0.03}
PATIENT = {"msg_retries": 4, "success_threshold": 30, "summary_report_timeout": 30}
CLASS_B = {"device_class": "B", "dr": 3}
SCENARIOS: dict[str, dict[str, Any]] = {
    "firmware": {},
    "counter of the server": {"capabilities": {"owns_f_cnt": True}},
    "no reports": {"capabilities": {"sent_reports": False, "summaries": False}},
    "no withdrawals": {"capabilities": {"withdraws": False}},
    "binary": {"kind": "binary"},
    "binary in rounds": {"kind": "binary", "redundancy": 0, "allow_carousel": True},
    "firmware in rounds": {"redundancy": 0, "allow_carousel": True},
    "multicast setup": {"kind": "multicast"},
    "class B": {"groups": (OLD | CLASS_B, NEW | CLASS_B)},
    "both classes": {"groups": (OLD, NEW | CLASS_B)},
    "reboot time": {"reboot": T0 + 20_000},
    "asked together": {"kind": "binary", "fsession_status_threshold": 1},
    "adaptive": {"redundancy": "adaptive", "fsession_status_threshold": 1, "reboot": "after_transfer"},
    "adaptive, asked alone": {"redundancy": "adaptive", "unicast_repair_max": 4, "mcgroup_validity_coeff": 2},
    "adaptive binary": {"kind": "binary", "redundancy": "adaptive", "fsession_status_threshold": 1}
    | {"unicast_repair_max": 2},
    "repaired": {"kind": "binary", "redundancy": 1, "unicast_repair_max": 6},
}


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(SCENARIOS[request.param])


SHARE = 2 * len(SCENARIOS) + 8
"""Number of tests that share the kills."""


def kill(world: World, url: str, config: CampaignConfig, **settings: Any) -> Iterator[tuple[Run, Run]]:
    """Runs with at least this test's share of all kills, each with its unbroken run."""
    left, seed = KILLS / SHARE, SEED
    while left > 0:
        unbroken = world.unbroken(url, config, seed=seed, **settings)
        more = {"seed": seed, "names": ["agent"], "n_kills": 10 if left < 10 else 1 + seed % 10}
        run = world.run(url, config, places=unbroken.world["places"], **more, **settings)
        print(f"FUOTA_FEC_SEED={seed}: {len(run.world['kills'])} kills")
        check(run)
        yield unbroken, run
        left -= len(run.world["kills"])
        seed += 1


def test_killed_agents_without_losses_reach_the_result_of_an_unbroken_run(
    world: World, journal_url: str, scenario: dict[str, Any]
) -> None:
    """Also when no agent runs for a while after a kill."""
    air = {"capabilities": scenario.pop("capabilities", {})}
    config = make_config(mcsession_delay=3000, **scenario)
    for unbroken, run in kill(world, journal_url, config, air=air, outage=200.0):
        assert final(run) == final(unbroken)
        assert not run.of(m.GivenUp, m.Unanswered)


def test_killed_agents_with_losses_and_outages_keep_every_rule(
    world: World, journal_url: str, scenario: dict[str, Any]
) -> None:
    air = {"capabilities": scenario.pop("capabilities", {}), **LOSSY}
    config = make_config(**{**PATIENT, **scenario})
    for _, run in kill(world, journal_url, config, air=air, outage=100.0):
        assert run.campaign.status().status in ("SUCCEEDED", "FAILED")


# ---- killed while it is stopped --------------------------------------------------------------------------


def middle_of(run: Run, stage: str) -> float:
    [began] = [e.at for e in run.of(m.StageStarted) if e.stage == stage]
    [ended] = [e.at for e in run.of(m.StageEnded) if e.stage == stage]
    return (began + ended) / 2


@pytest.mark.parametrize("stage", ["McGroupSetup", "McClassCSession", "DlFragment", "CompletionVerification"])
@pytest.mark.parametrize("air", [{}, LOSSY], ids=["without losses", "with losses"])
def test_a_campaign_stopped_by_killed_agents_is_cleaned_up(
    world: World, journal_url: str, stage: str, air: dict[str, Any]
) -> None:
    config = make_config(**PATIENT, reboot=T0 + 20_000)
    stop_at = middle_of(world.unbroken(journal_url, config, seed=SEED), stage)
    for unbroken, run in kill(world, journal_url, config, air=air, stop_at=stop_at):
        assert run.campaign.status().status == "STOPPED"
        assert all(fw_version == 0x01000000 for _, _, fw_version in run.world["devices"].values())
        if not air:
            assert final(run) == final(unbroken)
            assert run.of(m.Finished)[0].unconfirmed == ()
            assert all(stored is None for _, stored, _ in run.world["devices"].values())


def test_a_stop_with_nothing_to_clean_up_survives_a_kill_at_every_place(
    world: World, journal_url_of: Callable[[str], str]
) -> None:
    """The campaign ends at once, and its downlinks are still withdrawn from the server's queues."""
    url, config = journal_url_of("sqlite"), make_config(probe=True, ucast_msg_delay=30_000)
    waiting = world.unbroken(url, config, seed=SEED).of(m.HandedOver)[1]
    settings: dict[str, Any] = {"seed": SEED, "stop_at": waiting.at}
    unbroken = world.unbroken(url, config, **settings)
    assert [e.id for e in unbroken.of(m.Withdrawn)] == [waiting.id]
    for place, n_times in unbroken.world["places"].items():
        wanted = place.endswith(("statement", "append_all", "withdraw", "order"))
        for n in range(1, 1 + n_times * wanted):
            run = world.run(url, config, names=["agent"], dies={place: n}, **settings)
            print(place, n)
            assert run.world["kills"]
            check(run)
            assert final(run) == final(unbroken)


# ---- two agents ------------------------------------------------------------------------------------------

TWO = {"names": ["one", "two"], "ttl": 1.0, "margin": 0.2}


def take_overs(run: Run) -> int:
    """Number of take-overs. Each waits for the lease and begins with Resumed; the former agent appends nothing more."""
    for (agent, _, until), (other, at, _) in pairwise(run.world["leases"]):
        assert agent == other or at > until - 0.01
    changes = []
    for (agent, first, n_events), (other, begin, _) in pairwise(run.world["commits"]):
        assert first + n_events <= begin
        if agent != other:
            changes.append(run.events[begin])
    assert all(isinstance(event, m.Resumed) for event in changes)
    return len(changes)


@pytest.mark.parametrize("place", ["before append_all", "after append_all", "after submit"])
def test_an_agent_that_sleeps_past_its_lease_writes_nothing(world: World, journal_url: str, place: str) -> None:
    """It sleeps after it decided on a frame, committed it or handed it over; its lease expires, and another agent takes
    the campaign over."""
    config = make_config()
    unbroken = world.unbroken(journal_url, config, seed=SEED)
    frame = next(e for e in unbroken.of(m.Requested) if e.frag_nb == 3)
    appends = [frame in unbroken.events[first : first + n] for _, first, n in unbroken.world["commits"][1:]]
    submits = [handed["downlink"].id == frame.id for handed in unbroken.world["handed"]]
    n = 1 + (submits if place == "after submit" else appends).index(True)
    run = world.run(journal_url, config, seed=SEED, sleeps={place: n}, **TWO)
    check(run)
    assert final(run) == final(unbroken)
    assert take_overs(run) > 0
    assert run.world["n_fenced"] or place == "after append_all", "its late append is refused"
    assert [handed["downlink"].id for handed in run.world["handed"]].count(frame.id) == 1 + (place == "after submit")


def test_another_agent_takes_over_from_killed_ones(world: World, journal_url: str) -> None:
    config = make_config()
    unbroken = world.unbroken(journal_url, config, seed=SEED)
    run = world.run(journal_url, config, seed=SEED, n_kills=5, places=unbroken.world["places"], **TWO)
    check(run)
    assert final(run) == final(unbroken)
    assert take_overs(run) > 0
