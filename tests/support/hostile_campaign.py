"""A campaign among hostile devices, on a hostile network, by an agent that dies: drawn and driven by a seed.

Everything follows from the seed and from the traits that are left out, so that a run can be repeated, and reduced: a
trait that is left out changes as little else as possible, for each trait draws from a generator of its own.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from campaign_laws import LawBrokenError, Laws, true_time
from hostile_devices import HABITS, NEW_VERSION, HostileDevice
from hostile_network import NETWORK_TRAITS, HostileJournal, HostileKeys, HostileNetwork, KilledError

from fuota_fec.agent import Agent
from fuota_fec.agent.lost_time import LONGEST_AWAY
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group, KeyRing
from fuota_fec.campaign.preflight.check import find, refusals
from fuota_fec.errors import CampaignError, JournalError, NetworkError, ParameterError, WireError
from fuota_fec.networks.base import Downlink
from fuota_fec.wire import clock
from fuota_fec.wire.keys import Key

T0 = 1_800_000_000.0
AGENT_TRAITS = (
    "sleeps",  # hours in which the agent takes no turn
    "journal fails",
    "journal fails after a commit",
    "keys cannot be read",
    "observer raises",
    "dies",
    "is stopped",
    "is paused",
    "has a driver",  # that promises its turns
)
LONGEST_TURN = 60.0
"""s between two turns of the agent, at most, while it is awake."""
MOST_STEPS = 30_000


@dataclass
class Scenario:
    """What a seed says: configuration, image, capabilities of the network, traits."""

    seed: int
    without: frozenset[str] = frozenset()
    config: CampaignConfig = field(init=False)
    image: bytes = field(init=False)
    capabilities: m.NetworkCapabilities = field(init=False)
    traits: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        rng = random.Random(f"{self.seed}/configuration")
        self.capabilities = m.NetworkCapabilities(
            owns_f_cnt=rng.random() < 0.3,
            sent_reports=rng.random() < 0.7,
            summaries=rng.random() < 0.7,
            summary_cadence=rng.choice((2.0, 10.0, 30.0)),
            withdraws=rng.random() < 0.7,
            clock_sync=rng.random() < 0.1,
        )
        while True:
            self.config, self.image = _draw_config(rng)
            try:
                campaign = Campaign(self.config, self.image)
            except ParameterError:
                continue
            if not refusals(find(self.config, campaign.plan, len(self.image), now=T0, network=self.capabilities)):
                break
        rng = random.Random(f"{self.seed}/traits")
        mood = rng.choice((0.0, 0.1, 0.1, 0.3, 0.6))
        drawn = {t for t in (*NETWORK_TRAITS, *AGENT_TRAITS) if rng.random() < max(0.1, mood)}
        for device in self.config.devices:
            share = rng.choice((0.0, 0.0, 0.1, 0.3))
            drawn |= {f"{device.dev_eui} {habit}" for habit in HABITS if rng.random() < share}
        if rng.random() < 0.7:
            drawn.discard("is stopped")
        self.traits = frozenset(drawn) - self.without


def _draw_config(rng: random.Random) -> tuple[CampaignConfig, bytes]:
    kind = rng.choice(("firmware", "firmware", "firmware", "binary", "multicast"))
    dialect = rng.choice(("1.0.0", "2.0.0"))
    group: dict[str, Any] = {
        "dr": 5,
        "frequency": 869_525_000,
        "device_class": rng.choice("CCB"),
        "dialect": dialect,
        "mc_version": rng.choice(("1.0.0", "2.0.0")),
        "periodicity": rng.choice((0, 4)),
    }
    n_groups = rng.choice((1, 1, 2))
    groups = tuple(Group(name=f"g{i}", mc_addr=f"01f3a4b{i}", **group) for i in range(n_groups))
    profiles = ("generic", "generic", "generic", "st", "loramac-node", "lbm") if rng.random() < 0.4 else ("generic",)
    devices = tuple(
        Device(
            dev_eui=f"{i + 1:016x}",
            group=groups[i % n_groups].name,
            profile=rng.choice(profiles),
            uplink_period=rng.choice((None, 30, 100, 300)),
            probe=rng.random() < 0.1,
        )
        for i in range(rng.randrange(2, 7))
    )
    reboot = rng.choice(("device", "device", "after_transfer", T0 + rng.uniform(4000, 60_000)))
    values: dict[str, Any] = {
        "id": "c",
        "kind": kind,
        "groups": groups,
        "devices": devices,
        "success_threshold": rng.choice((1, 40, 80, 100)),
        "stage_end": rng.choice(("threshold", "all")),
        "max_duration": rng.choice((3000, 8000, 20_000, 50_000)),
        "session_length": rng.choice(("need", "duration")),
        "uplink_period": rng.choice((30, 100)),
        "fw_version": NEW_VERSION if kind == "firmware" else None,
        "requires_fw_version": 0x01000000 if kind == "firmware" and rng.random() < 0.1 else None,
        "hw_version": rng.choice((None, None, 1)),
        "msg_retries": rng.choice((0, 1, 2, 5)),
        "ucast_msg_delay": rng.choice((0, 1000, 1000, 3000)),
        "mcast_msg_delay": rng.choice((2000, 5000)),
        "delivery_timeout": rng.choice((10, 60)),
        "fsize": 10,
        "redundancy": rng.choice((2, "1/2", "adaptive", "1")),
        "allow_carousel": True,
        "datafrag_loops_max": rng.choice((1, 2)),
        "reboot": reboot if kind == "firmware" else "device",
        "reboot_spread": rng.choice((0, 600)),
        "summary_reports_disabled": rng.random() < 0.2,
        "summary_window": rng.choice((1, 1, 3)),
        "summary_report_timeout": rng.choice((0, 20)),
        "unicast_repair_max": rng.choice((0, 0, 3)),
        "fsession_status_threshold": rng.choice((1, 5)),
        "answer_spread_max": rng.choice((0, 128)),
        "ack_reception": rng.choice((None, False, True)) if dialect == "2.0.0" else None,
        "clean_up": rng.random() < 0.8,
    }
    return CampaignConfig(**values), (b"" if kind == "multicast" else rng.randbytes(rng.choice((10, 30, 75, 150))))


class HostileCampaign:
    """One run. Time goes from event to event: of the agent, of the devices, of the network."""

    def __init__(self, scenario: Scenario, off: frozenset[str] = frozenset()) -> None:
        self.scenario, self.config, self.traits = scenario, scenario.config, scenario.traits
        self.now = T0
        self._generators: dict[str, random.Random] = {}
        self._numbers = count()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self.trace: deque[tuple[float, str, Any]] = deque(maxlen=60)
        self.laws = Laws(self.config, scenario.capabilities, off)
        self.journal = HostileJournal()
        self.keys = HostileKeys(_ring(self.config))
        self.network = HostileNetwork(
            scenario.capabilities, self.traits, self.rng, lambda delay, do: self.at(self.now + delay, do)
        )
        self.network.taken, self.network.polled, self.network.on_air = self._taken, self._polled, self._on_air
        self.network.dies = self.journal.dies = self._dies
        self.journal.fails = lambda: self._journal_away() or self._happens("journal fails", 0.02)
        self.journal.fails_after = lambda: self._happens("journal fails after a commit", 0.02)
        self.keys.fails = lambda: self._happens("keys cannot be read", 0.1)
        self.journal_away_until = 0.0
        self.asleep = self.is_stopped = False
        self.paused_until = 0.0
        self.failing_time = 0.0
        """Time since a hand-over that failed and before the next one that did not, s."""
        self.alive = False
        self.n_deaths = 0
        self.asked: dict[tuple[str, int], tuple[float, int]] = {}
        self.live = False
        groups = {group.name: group for group in self.config.groups}
        self.devices = {
            d.dev_eui: HostileDevice(
                self,
                d,
                groups[d.group],
                frozenset(h for h in HABITS if f"{d.dev_eui} {h}" in self.traits),
                self.rng(d.dev_eui),
            )
            for d in self.config.devices
        }
        if "refuses one device" in self.traits:
            self.network.refused_device = self.rng("refuses one device").choice(list(self.devices))
        self._plan_trouble()

    # ---- chance and time ---------------------------------------------------------------------------------

    def rng(self, name: str) -> random.Random:
        """Generator of one purpose."""
        if name not in self._generators:
            self._generators[name] = random.Random(f"{self.scenario.seed}/{name}")
        return self._generators[name]

    def has(self, trait: str) -> bool:
        return trait in self.traits

    def _happens(self, trait: str, share: float) -> bool:
        return self.live and trait in self.traits and self.rng(trait).random() < share

    def at(self, when: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._numbers), do))

    def _plan_trouble(self) -> None:
        """Plans outages, sleeps, pauses and the stop. They are few, so that the campaign goes on between them."""
        planned: dict[str, Callable[[float], None]] = {
            "sleeps": self._sleep,
            "cannot be read": lambda s: setattr(self.network.deaf, "until", self.now + s),
            "is away": lambda s: setattr(self.network.away, "until", self.now + s),
            "journal fails": lambda s: setattr(self, "journal_away_until", self.now + s / 20),
            "is paused": self._pause,
        }
        for trait, do in planned.items():
            if self.has(trait):
                rng = self.rng(f"plan of {trait}")
                for _ in range(rng.randrange(1, 4)):
                    length = rng.choice((rng.uniform(5, 100), rng.uniform(100, 2000), rng.uniform(2000, 15_000)))
                    self.at(T0 + rng.uniform(0, 1.2) * rng.uniform(0, self.config.max_duration), self._do(do, length))
        if self.has("is stopped"):
            rng = self.rng("plan of the stop")
            self.at(T0 + rng.uniform(0, 1.0) * rng.uniform(0, self.config.max_duration), self._stop)
        self.at(T0 + 20, self._mischief)
        self.at(T0 + 60, self._insist)

    def _do(self, do: Callable[[float], None], length: float) -> Callable[[], None]:
        return lambda: do(length)

    def _sleep(self, seconds: float) -> None:
        self.trace.append((self.now, "sleeps", seconds))
        self.asleep = True
        self.at(self.now + seconds, lambda: setattr(self, "asleep", False))

    def _journal_away(self) -> bool:
        return self.now < self.journal_away_until

    def _mischief(self) -> None:
        self.network.mischief("c", list(self.laws.requests))
        self.at(self.now + self.rng("mischief").uniform(5, 200), self._mischief)

    def _pause(self, seconds: float) -> None:
        self.paused_until = self.now + seconds
        self._order("pause")
        self.at(self.paused_until, lambda: self._order("unpause"))

    def _stop(self) -> None:
        self.is_stopped = True
        self._order("stop")

    def _order(self, verb: Any) -> None:
        self.trace.append((self.now, "order", verb))
        try:
            if self.alive and self.rng("orders").random() < 0.5:
                self._turn(lambda: self.agent.carry_out("c", verb, self.now))
            elif self.laws.finished is None:
                self.journal.order("c", verb)
        except CampaignError as error:
            self.trace.append((self.now, "refused", str(error)))

    def _insist(self) -> None:
        """Gives an order again that was lost with a commit, or refused as the campaign was suspended."""
        follower = self.laws.follower
        if self.laws.finished is None and follower is not None and follower.status().status != "stopping":
            if follower.paused and self.now > self.paused_until:
                self._order("unpause")
            if self.is_stopped:
                self._order("stop")
        self.at(self.now + 60, self._insist)

    def _dies(self, where: str) -> None:
        if self.n_deaths < 40 and self._happens("dies", 0.01):
            self.trace.append((self.now, "dies", where))
            raise KilledError(where)

    # ---- the world of the devices ------------------------------------------------------------------------

    def uplink(self, dev_eui: str, f_port: int, payload: bytes, received_at: float) -> None:
        self.trace.append((self.now, "uplink", (dev_eui[-2:], f_port, payload.hex(), received_at - self.now)))
        self.laws.sent(dev_eui, f_port, self.now)
        if f_port == 202:
            self._note_question(dev_eui, payload)
        self.network.inbox.append(m.Uplink(dev_eui, f_port, payload, received_at))

    def _note_question(self, dev_eui: str, payload: bytes) -> None:
        try:
            commands = clock.decode(payload, uplink=True)
        except WireError as error:
            commands = list(error.commands)
        except ValueError:
            return
        for command in commands:
            if isinstance(command, clock.AppTimeReq):
                self.asked[dev_eui, command.token_req] = (self.now, command.device_time)

    def receive_window(self, dev_eui: str) -> tuple[int, bytes] | None:
        downlink = self.network.window(dev_eui, self.now)
        return None if downlink is None else (downlink.f_port, downlink.payload)

    def _on_air(self, downlink: Downlink) -> None:
        name = (downlink.group or "").partition("/")[2]
        for device in self.devices.values():
            if device.group.name == name:
                self.at(self.now + 0.5, lambda d=device: d.on_multicast(downlink.f_port, downlink.payload))

    def _taken(self, downlink: Downlink, f_cnt: int | None, now: float, told: bool) -> None:
        self.trace.append((now, "hand-over", (downlink, f_cnt)))
        queue = self.network.queues.get(downlink.dev_eui or "", [])
        self._follow()
        self.laws.taken(downlink, f_cnt, now, queue, self.network.lied_about, told)
        if downlink.f_port == 202:
            true_time(self.laws, downlink, self.asked)

    def _polled(self, inputs: Sequence[Any], now: float) -> None:
        self.laws.polled(inputs, now)

    def _observe(self, _campaign: Campaign, event: m.Event) -> None:
        self.trace.append((self.now, "event", event))
        if self._happens("observer raises", 0.1):
            raise RuntimeError("an observer that fails")

    # ---- the agent ---------------------------------------------------------------------------------------

    def _new_agent(self) -> Agent:
        agent = Agent(self.journal, self.network, self.keys, observer=self._observe, name="agent")
        if self.has("has a driver"):
            agent._poll_interval = LONGEST_TURN  # As `Agent.run` does for its own time.
        return agent

    def _turn(self, turn: Callable[[], Any]) -> Any:
        """Does something with the agent. It may die of it, and the journal may fail."""
        self.laws.now = self.network.now = self.now
        self.journal.failed = False
        try:
            return turn()
        except KilledError:
            self._die()
        except JournalError as error:
            self.trace.append((self.now, "journal", str(error)))
            if not self.journal.failed:
                self.laws.broken("no exception", repr(error))
        except (LawBrokenError, CampaignError):
            raise
        except Exception as error:
            self.laws.broken("no exception", repr(error))
            raise
        finally:
            if self.laws.violation is not None:
                raise self.laws.violation
            self._follow()
        return None

    def _die(self) -> None:
        self.alive = False
        self.n_deaths += 1
        self.laws.last_unicast_at = float("-inf")  # The next process may not know of it.
        self.laws.unread |= {item.dev_eui for item in self.network.given if isinstance(item, m.Uplink)}
        self.at(self.now + self.rng("dies").choice((0.0, 1.0, 40.0, 4000.0)), self._start_again)

    def _start_again(self) -> None:
        self.agent = self._new_agent()
        self.alive = True

    def _follow(self) -> None:
        if "c" in self.journal.campaigns():
            self.laws.follow(self.journal.events("c"), self.scenario.image)

    def _bad(self) -> bool:
        """Whether time does not count now."""
        network, follower = self.network, self.laws.follower
        paused = follower is not None and follower.paused
        away = network.away.on(self.now) or network.deaf.on(self.now)
        suspended = self.alive and bool(self.agent.suspended)
        return paused or away or suspended or not self.alive or self._journal_away() or self.asleep

    # ---- the run -----------------------------------------------------------------------------------------

    def run(self) -> Laws:
        """Runs the campaign to its end."""
        self._start_again()
        campaign = Campaign(self.config, self.scenario.image)
        try:
            self.agent.launch(campaign, self.now)
        except (NetworkError, ParameterError, JournalError) as error:  # Before the start nothing is hostile.
            raise AssertionError(f"not launched: {error}") from error
        self.live = True
        self._follow()
        n_idle = 0
        while not self._is_over():
            due = self._step()
            before = self.now, self.laws.n_events
            self._wait(due)
            n_idle = n_idle + 1 if before == (self.now, self.laws.n_events) else 0
            if n_idle > 50:
                self.laws.broken("due", f"50 turns at {self.now} without an event")
            if self.laws.n_steps > MOST_STEPS:
                raise AssertionError(f"more than {MOST_STEPS} turns")
        self._check_end()
        return self.laws

    def _is_over(self) -> bool:
        return self.laws.finished is not None and self.alive and self.agent.idle

    def _step(self) -> float | None:
        if not self.alive or self.asleep:
            return None
        due = self._turn(lambda: self.agent.step(self.now))
        if self.alive and not self.journal.failed:
            self.laws.turn_over(self.agent.campaign("c"), due, self.now)
        elif self.alive:
            due = self.now + 5  # As the driver does.
        return due

    def _wait(self, due: float | None) -> None:
        """Goes to the next event, and lets it happen."""
        bad, before, network_fails = self._bad(), self.now, self.network.failing
        upcoming = self._heap[0][0] if self._heap else None
        known = [
            at for at in (due, upcoming, self.now + 60 if self.alive and not self.asleep else None) if at is not None
        ]
        self.now = max(self.now, min(known))
        while self._heap and self._heap[0][0] <= self.now:
            heapq.heappop(self._heap)[2]()
        if network_fails and self.failing_time < LONGEST_AWAY:
            self.failing_time += self.now - before
            bad = True
        if bad or self._bad():
            self.laws.bad_time += self.now - before
            self.laws.bad_time += 35 if not bad else 0  # What goes on when it ends: tries, replays.
        self._follow()

    def _check_end(self) -> None:
        """The verdicts, and that nothing happens any more."""
        events = self.journal.events("c")
        replayed = Campaign.replay(events, self.scenario.image)
        assert self.laws.follower is not None
        self.laws.same(replayed, self.laws.follower)
        self.laws.over(replayed)
        for seconds in (0, 1, 1000, 100_000):
            self.now += seconds
            self._turn(lambda: self.agent.step(self.now))
            if not self.alive:
                self._start_again()

    def story(self, n: int = 40) -> str:
        """The last things that happened."""
        return "\n".join(f"{at - T0:12.3f}  {what:10} {_short(about)}" for at, what, about in list(self.trace)[-n:])


def _short(about: Any) -> str:
    return repr(about)[:260]


def _ring(config: CampaignConfig) -> KeyRing:
    def key(name: str) -> Key:
        return Key(hashlib.sha256(name.encode()).digest()[:16])

    return KeyRing(
        root_keys={d.key_name: key(d.key_name) for d in config.devices},
        mc_keys={g.key_name: key(g.key_name) for g in config.groups},
    )


def reduced(seed: int, law: str, off: frozenset[str] = frozenset(), n_runs: int = 200) -> Scenario:
    """The scenario of a seed without each trait that the violation does not need."""
    without: frozenset[str] = frozenset()
    for trait in sorted(Scenario(seed).traits):
        n_runs -= 1
        if n_runs < 0:
            break
        try:
            HostileCampaign(Scenario(seed, without | {trait}), off).run()
        except LawBrokenError as error:
            if error.law == law:
                without |= {trait}
        except Exception:
            continue
    return Scenario(seed, without)
