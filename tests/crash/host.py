"""A network that survives its agents, and agents that are killed.

This process holds the simulated network and its clock, and forks agents, so that they need not import anything. In an
agent's process the network port is a connection to this one. Tests write pickled keywords of `run` to standard input,
and read the pickled result from standard output.

An agent kills itself at a *place*: before or after a call of the journal or the network, or after a statement in the
middle of a transaction. Or this process kills it, at any time.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import MappingProxyType
from typing import Any

import numpy as np
import psycopg  # noqa: F401  (before the fork)
import sqlalchemy

from fuota_fec.agent import LEASE_TTL, Agent, outbox, run_virtual
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, KeyRing
from fuota_fec.campaign.messages import Event, Finished, HandOver, Input, NetworkCapabilities, Requested
from fuota_fec.errors import NetworkError
from fuota_fec.fleet.channel import IndependentLoss
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.device_state import MadeUpKey
from fuota_fec.journal import FenceError, Journal, Lease, open_journal
from fuota_fec.journal.base import RUNNING
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.networks.simulated import SimulatedNetwork

FORK = get_context("fork")
LONGEST_RUN = 120.0
"""s after which a run is taken to hang."""
LOST = 3
"""Exit status of an agent that lost its campaign to another."""

Trap = Callable[[str], None]


def key_of(name: str) -> MadeUpKey:
    return MadeUpKey(hashlib.sha256(name.encode()).digest()[:16])


# ---- this process: the network ---------------------------------------------------------------------------


class Air:
    """The network as agents reach it. It records the downlinks handed over, and the commits that agents report.

    `flaky`: share of hand-overs and withdrawals that fail before they are done, and again after.
    """

    def __init__(
        self,
        config: CampaignConfig,
        image: bytes,
        *,
        seed: int,
        start: float,
        loss: float = 0.0,
        flaky: float = 0.0,
        capabilities: dict[str, Any] | None = None,
        **channel: float,
    ) -> None:
        rngs = [np.random.default_rng(sequence) for sequence in np.random.SeedSequence(seed).spawn(4)]
        releases = {} if config.firmware_version is None else {hashlib.sha256(image).digest(): config.firmware_version}
        groups = {group.name: group for group in config.groups}
        self.network = SimulatedNetwork(
            [
                VirtualDevice(
                    dev_eui=device.dev_eui,
                    root_key=key_of(device.key_name),
                    releases=releases,
                    rng=rngs[0],
                    version=groups[device.group].dialect,
                    mc_version=groups[device.group].mc_version,
                    uplink_period=config.uplink_period,
                )
                for device in config.devices
            ],
            uplink_loss=IndependentLoss(loss, rngs[1]),
            downlink_loss=IndependentLoss(loss, rngs[2]),
            rng=rngs[0],
            start=start,
            own_uplinks=loss > 0,  # Without losses every frame is heard, whenever it is sent.
            capabilities=NetworkCapabilities(**capabilities or {}),
            **channel,
        )
        self.now = start
        self.handed: list[dict[str, Any]] = []
        self.commits: list[tuple[str, int, int]] = []
        """Agent, number of the first event, number of events."""
        self.leases: list[tuple[str, float, float]] = []
        """Agent, begin and end of its lease (monotonic time)."""
        self.asleep: set[str] = set()
        self.slept = False
        self.n_fenced = 0
        self.statuses: list[Any] = []
        self.places: Counter[str] = Counter()
        self._flaky, self._rng = flaky, rngs[3]
        self._on_disk: set[str] = set()
        self._n_committed = 0
        self._reader: str | None = None

    # The port. Only the agent that connected last can read.

    def open_group(self, _agent: str, group: MulticastGroup) -> int | None:
        return self.network.open_group(group)

    def submit(self, agent: str, downlink: Downlink, now: float) -> HandOver:
        self._begin(now)
        result = self.network.submit(downlink, now)
        self.handed.append(
            {
                "agent": agent,
                "downlink": downlink,
                "at": now,
                "f_cnt": result.f_cnt,
                "on_disk": downlink.id in self._on_disk,
                "n_committed": self._n_committed,
                "stale": self._reader not in (None, agent),
            }
        )
        self._end()
        return result

    def withdraw(self, _agent: str, ids: Sequence[str], now: float) -> None:
        self._begin(now)
        self.network.withdraw(ids, now)
        self._end()

    def poll(self, agent: str, now: float) -> Sequence[Input]:
        self.now = max(self.now, now)
        self._reader = self._reader or agent
        return self.network.poll(now) if agent == self._reader else ()

    def reconnect(self, agent: str) -> None:
        self._reader = agent
        self.network.reconnect()

    def deadline(self, _agent: str) -> float | None:
        return self.network.deadline()

    def connect(self, _agent: str) -> tuple[NetworkCapabilities, float]:
        return self.network.capabilities, self.now

    def _begin(self, now: float) -> None:
        self.now = max(self.now, now)
        if self._flaky and self._rng.random() < self._flaky:
            raise NetworkError("failed before it was done")

    def _end(self) -> None:
        if self._flaky and self._rng.random() < self._flaky:
            raise NetworkError("failed after it was done")

    # Reports of agents.

    def read_or_wrote(self, agent: str, first: int, events: Sequence[Event], wrote: bool) -> None:
        self._on_disk.update(event.id for event in events if isinstance(event, Requested))
        self._n_committed = max(self._n_committed, first + len(events))
        if wrote:
            self.commits.append((agent, first, len(events)))

    def leased(self, agent: str, at: float, until: float) -> None:
        self.leases.append((agent, at, until))

    def ended(self, _agent: str, status: Any) -> None:
        self.statuses.append(status)

    def passed(self, _agent: str, places: Counter[str]) -> None:
        self.places += places

    def falls_asleep(self, agent: str) -> None:
        self.asleep.add(agent)
        self.slept = True

    def fenced(self, _agent: str) -> None:
        self.n_fenced += 1

    def left(self) -> list[str]:
        """Downlinks in the server's queues. Private names: the port cannot list a queue."""
        unicast = [d.id for station in self.network._stations.values() for d in station.queue]
        multicast = [frame.downlink.id for group in self.network._groups.values() for frame in group.frames]
        return [*unicast, *multicast]


# ---- other processes: an agent ---------------------------------------------------------------------------


class Remote:
    """The port to the network in the parent process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.capabilities, self.now = self.ask("connect")

    def ask(self, name: str, *args: Any) -> Any:
        self._connection.send((True, name, args))
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tell(self, name: str, *args: Any) -> None:
        self._connection.send((False, name, args))

    def open_group(self, group: MulticastGroup) -> int | None:
        silent = {name: MadeUpKey(bytes(getattr(group, name))) for name in ("mc_app_s_key", "mc_nwk_s_key")}
        return self.ask("open_group", replace(group, **silent))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args: self.ask(name, *args)


class Near(Remote):
    """The port to the network in this process."""

    def __init__(self, world: Air) -> None:
        self._world = world
        self.capabilities, self.now = self.ask("connect")

    def ask(self, name: str, *args: Any) -> Any:
        return getattr(self._world, name)("agent", *args)

    tell = ask


class Watched:
    """A journal that reports its reads and writes to the network."""

    def __init__(self, journal: Journal, network: Remote) -> None:
        self._journal, self._network = journal, network

    def create(self, campaign: str, image: bytes, events: Sequence[Event], **options: Any) -> None:
        self._journal.create(campaign, image, events, **options)
        self._network.tell("read_or_wrote", 0, events, True)

    def append_all(self, appends: Sequence[Any]) -> None:
        self._journal.append_all(appends)
        for append in appends:
            self._network.tell("read_or_wrote", append.expected_seq, append.events, True)

    def events(self, campaign: str, start: int = 0) -> list[Event]:
        events = list(self._journal.events(campaign, start))
        self._network.tell("read_or_wrote", start, events, False)
        return events

    def lease(self, campaign: str, owner: str, ttl: float) -> WatchedLease | None:
        lease = self._journal.lease(campaign, owner, ttl)
        return WatchedLease(lease, self._network) if lease is not None else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class WatchedLease:
    def __init__(self, lease: Lease, network: Remote) -> None:
        self._lease, self._network = lease, network
        self.left, self.release = lease.left, lease.release
        self._tell()

    def renew(self) -> bool:
        return self._lease.renew() and self._tell()

    def _tell(self) -> bool:
        now = time.monotonic()
        self._network.tell("leased", now, now + self.left())
        return True


class Trapped:
    """Makes a place before and a place after each call of the target."""

    def __init__(self, target: Any, trap: Trap) -> None:
        self._target, self._trap = target, trap

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            self._trap(f"before {name}")
            result = attribute(*args, **kwargs)
            self._trap(f"after {name}")
            return result

        return call


def keys_of(config: CampaignConfig) -> KeyRing:
    return KeyRing(
        root_keys={device.key_name: key_of(device.key_name) for device in config.devices},
        mc_keys={group.key_name: key_of(group.key_name) for group in config.groups},
    )


def live(
    remote: Remote,
    name: str,
    last_places: Mapping[str, int],
    last_signal: int,
    url: str,
    config: CampaignConfig,
    image: bytes,
    *,
    launches: bool = True,
    stop_at: float = float("inf"),
    ttl: float = LEASE_TTL,
    margin: float = outbox.LEASE_MARGIN,
) -> None:
    """Launches the campaign or takes it over, and runs it until it is finished.

    At each of its last places, the n-th time it gets there, it sends itself `last_signal`; with `stop_at` only after
    that time.
    """
    outbox.LEASE_MARGIN = margin
    places: Counter[str] = Counter()
    armed = stop_at == float("inf")

    def trap(what: str) -> None:
        places[what] += armed
        if armed and last_places.get(what) == places[what]:
            if last_signal == signal.SIGSTOP:
                remote.tell("falls_asleep")
            os.kill(os.getpid(), last_signal)

    def on_statement(*_: object) -> None:
        trap("statement")

    def observer(campaign: Campaign, event: Event) -> None:
        if isinstance(event, Finished):
            remote.tell("ended", campaign.status())

    sqlalchemy.event.listen(sqlalchemy.Engine, "after_cursor_execute", on_statement)
    journal, network = Trapped(Watched(open_journal(url), remote), trap), Trapped(remote, trap)
    agent = Agent(journal, network, keys_of(config), observer=observer, name=name, lease_ttl=ttl)
    now, has_run = remote.now, False
    while True:
        [status] = [found.status for found in journal.list() if found.id == config.id] or ["new"]
        if status not in ("new", RUNNING):
            break
        if has_run:
            sys.exit(LOST)
        armed = armed or now > stop_at
        try:
            if status == RUNNING:
                has_run = bool(agent.adopt(now))
            elif launches:
                has_run = True
                agent.launch(Campaign(config, image), now)
            now = run_virtual(agent, network, now, until=stop_at)
            if not agent.idle:
                armed = True
                journal.order(config.id, "stop")
                now = run_virtual(agent, network, now)
        except FenceError:  # Another agent was faster, or a transaction of a killed one.
            has_run = True
            remote.tell("fenced")
        if not has_run:
            time.sleep(0.01)
            _, now = remote.ask("connect")
    journal.close()
    sqlalchemy.event.remove(sqlalchemy.Engine, "after_cursor_execute", on_statement)
    remote.tell("passed", places)


# ---- lives and deaths ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Life:
    """Process of an agent, and the monotonic time at which it is killed."""

    name: str
    process: BaseProcess
    at: float | None


STARTING = [
    f"{when} {what}"
    for what in ("create", "lease", "list", "events", "image", "known", "open_group", "reconnect")
    for when in ("before", "after")
]


def last_places(rng: np.random.Generator, places: Mapping[str, int], n_lives: int) -> dict[str, int]:
    """Places at which an agent dies: one that an unharmed run reaches often, and sometimes a rare one as well."""
    common = sorted(what for what, n in places.items() if n >= 10)
    what = common[rng.integers(len(common))]
    chosen = {what: 1 + int(rng.integers(1 + 2 * places[what] // n_lives))}
    for others in (STARTING, sorted(what for what, n in places.items() if n < 10)):
        if rng.random() < 0.2:
            chosen[others[rng.integers(len(others))]] = 1
    return chosen


def run(
    url: str,
    config: CampaignConfig,
    image: bytes,
    *,
    seed: int,
    start: float = 1.8e9,
    places: Mapping[str, int] = MappingProxyType({}),
    n_kills: int = 0,
    dies: Mapping[str, int] = MappingProxyType({}),
    sleeps: Mapping[str, int] = MappingProxyType({}),
    outage: float = 0.0,
    names: Sequence[str] = (),
    air: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Runs a campaign from beginning to end by agents of these names.

    They are killed at random, n_kills times at most; or the first one dies at the n-th visit of a place in `dies`, or
    sleeps at one in `sleeps`: the others begin then, and it wakes when one has taken over. After a death no agent runs
    for up to `outage` s of virtual time. `places` are those of an unharmed run. Without names the campaign runs in this
    process, unharmed.
    """
    rng = np.random.default_rng([seed, 1])
    world = Air(config, image, seed=seed, start=start, **air or {})
    job = (url, config, image)
    end = time.monotonic() + LONGEST_RUN
    alive: dict[Connection, Life] = {}
    waiting = list(names)
    n_lives = n_kills + 1
    begun: list[str] = []
    kills: list[str] = []

    def begin(name: str) -> None:
        nonlocal n_kills
        chosen: Mapping[str, int] = {}
        at: float | None = None
        if not begun:
            chosen = {**dies, **sleeps}
        if n_kills and rng.random() < 0.85:
            chosen = last_places(rng, places, n_lives)
        elif n_kills:
            at = time.monotonic() + float(rng.exponential(0.1))
        n_kills -= n_kills > 0
        ending = signal.SIGSTOP if sleeps else signal.SIGKILL
        ours, theirs = Pipe()
        options = {**settings, "launches": name.rstrip("+") == names[0]}
        process = FORK.Process(target=begin_life, args=(theirs, name, chosen, ending, *job), kwargs=options)
        process.start()
        theirs.close()
        begun.append(name)
        alive[ours] = Life(name, process, at)

    def bury(connection: Connection) -> None:
        life = alive.pop(connection)
        connection.close()
        life.process.join()
        if life.process.exitcode == -signal.SIGKILL:
            kills.append(life.name)
            waiting.append(life.name + "+" * (len(names) > 1))  # A new agent, which has to wait for the lease.
            world.now += outage * float(rng.random())
        elif life.process.exitcode == LOST:
            waiting.append(life.name)
        elif life.process.exitcode:
            raise RuntimeError(f"{life.name} ended with {life.process.exitcode}")

    try:
        if not names:
            live(Near(world), "agent", {}, 0, *job, **settings)
        while waiting or alive:
            while waiting and (not sleeps or not alive or world.slept):
                begin(waiting.pop(0))
            upcoming = min((life.at for life in alive.values() if life.at is not None), default=end)
            for connection in wait(list(alive), max(0.0, upcoming - time.monotonic())):
                try:
                    serve(world, connection, alive[connection].name)
                except (EOFError, OSError):
                    bury(connection)
            for life in alive.values():
                if life.at is not None and life.at <= time.monotonic():
                    life.process.kill()
                    life.at = None
                if life.name in world.asleep and world.commits[-1][0] != life.name:
                    world.asleep.remove(life.name)
                    os.kill(life.process.pid, signal.SIGCONT)
            if time.monotonic() > end:
                raise TimeoutError(f"the run hangs at {world.now}")
    finally:
        for life in alive.values():
            life.process.kill()
            life.process.join()
    return {
        "kills": kills,
        "handed": world.handed,
        "commits": world.commits,
        "leases": world.leases,
        "statuses": world.statuses,
        "places": world.places,
        "n_fenced": world.n_fenced,
        "left": world.left(),
        "devices": {name: (d.image, d.stored, d.fw_version) for name, d in world.network.devices.items()},
    }


def begin_life(connection: Connection, *args: Any, **settings: Any) -> None:
    live(Remote(connection), *args, **settings)


def serve(world: Air, connection: Connection, name: str) -> None:
    asked, what, args = connection.recv()
    try:
        answer = getattr(world, what)(name, *args)
    except NetworkError as error:
        answer = error
    if asked:
        connection.send(answer)


def main() -> None:
    while True:
        try:
            job = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            result: Any = run(**job)
        except Exception:
            result = traceback.format_exc()
        pickle.dump(result, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
