"""An agent in the hands of a test, which is its network, its journal and its clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from fuota_fec.agent import Agent, run_virtual
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group, KeyRing
from fuota_fec.errors import JournalError, NetworkError
from fuota_fec.fleet.channel import IndependentLoss
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.journal import Append, Lease, MemoryJournal
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.networks.simulated import SimulatedNetwork
from fuota_fec.wire import firmware, fragmentation, keys, multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


def _key_of(name: str) -> keys.Key:
    return keys.Key(hashlib.sha256(name.encode()).digest()[:16])


def make_config(
    id: str = "c",
    devices: Sequence[int] = (1, 2),
    lorawan: Any = "1.0",
    group: dict[str, Any] | None = None,
    **changes: Any,
) -> CampaignConfig:
    fields = {"name": "g", "mc_addr": "01f3a4b5", "dr": 5, "frequency": 869_525_000, **(group or {})}
    settings: dict[str, Any] = {
        "success_threshold": 100,
        "max_duration": 100_000,
        "uplink_period": 100,
        "fw_version": NEW_VERSION,
        "delivery_timeout": 10,
        "fsize": 10,
        "redundancy": 2,
    }
    return CampaignConfig(
        id=id,
        groups=(Group(**fields),),
        devices=tuple(Device(dev_eui=f"{i:016x}", group=fields["name"], lorawan=lorawan) for i in devices),
        **{**settings, **changes},
    )


def ring_for(*configs: CampaignConfig) -> KeyRing:
    return KeyRing(
        root_keys={d.key_name: _key_of(d.key_name) for c in configs for d in c.devices},
        mc_keys={g.key_name: _key_of(g.key_name) for c in configs for g in c.groups},
    )


class ScriptedNetwork:
    """A network that takes downlinks unless it is down, and returns the inputs that a test puts into it."""

    def __init__(self, **capabilities: bool) -> None:
        self.capabilities = m.NetworkCapabilities(**capabilities)
        self.groups: list[MulticastGroup] = []
        self.tried: list[Downlink] = []
        self.taken: list[Downlink] = []
        self.inbox: list[m.Input] = []
        self.given: list[m.Input] = []
        self.withdrawn: list[str] = []
        self.counters: dict[str, int] = {}
        """Next frame counter by group, for a server that assigns them."""
        self.down = False
        self.refuses: set[str] = set()
        self.deaf = False

    def open_group(self, group: MulticastGroup) -> int | None:
        if self.down:
            raise NetworkError("down")
        self.groups.append(group)
        return self.counters.get(group.name)

    def withdraw(self, downlink_ids: Sequence[str], _now: float) -> None:
        if self.down:
            raise NetworkError("down")
        self.withdrawn += downlink_ids

    def submit(self, downlink: Downlink, _now: float) -> m.HandOver:
        self.tried.append(downlink)
        if self.down or downlink.dev_eui in self.refuses:
            raise NetworkError("down")
        self.taken.append(downlink)
        return m.HandOver(id=downlink.id, reference=f"ref {downlink.id}", f_cnt=downlink.f_cnt)

    def poll(self, _now: float) -> Sequence[m.Input]:
        if self.deaf:
            raise NetworkError("no connection")
        self.given, self.inbox = self.inbox, []
        return self.given

    def reconnect(self) -> None:
        self.inbox, self.given = self.given + self.inbox, []


class ScriptedJournal(MemoryJournal):
    """A journal that can fail, alter what is read, and give out leases of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = False
        self.leases: dict[str, Lease] = {}
        """Last lease of each campaign."""
        self.next_lease: Lease | None = None
        """Lease to give out instead of a real one."""
        self.altered: dict[str, m.Requested] = {}
        """Requests to read instead of those that were written, by id."""

    def append_all(self, appends: Sequence[Append]) -> None:
        if self.fails:
            raise JournalError("disk full")
        super().append_all(appends)

    def events(self, campaign: str, start: int = 0) -> Sequence[m.Event]:
        return tuple(
            self.altered.get(getattr(e, "id", ""), e) if isinstance(e, m.Requested) else e
            for e in super().events(campaign, start)
        )

    def lease(self, campaign: str, owner: str, ttl: float) -> Lease | None:
        lease = super().lease(campaign, owner, ttl)
        if lease is not None:
            self.leases[campaign] = lease = self.next_lease or lease
        return lease


class Desk:
    """An agent with a journal and a network that the test controls."""

    def __init__(
        self, *configs: CampaignConfig, observer: Any = None, lease: Lease | None = None, **capabilities: bool
    ) -> None:
        self.now = T0
        self.journal = ScriptedJournal()
        self.journal.next_lease = lease
        self.network = ScriptedNetwork(**capabilities)
        self.agent = Agent(self.journal, self.network, ring_for(*configs), observer=observer)
        self.campaigns = [Campaign(config, IMAGE) for config in configs]
        for campaign in self.campaigns:
            self.agent.launch(campaign, self.now)

    def step(self, seconds: float = 0.0, *inputs: m.Input) -> float | None:
        self.now += seconds
        self.network.inbox += inputs
        return self.agent.step(self.now)

    def hears(self, *numbers: int) -> None:
        self.step(0, *(m.Uplink(f"{i:016x}", 2, b"", self.now) for i in numbers))

    def answers(self, number: int, port: int, command: Any) -> None:
        self.step(0, m.Uplink(f"{number:016x}", port, command.encode(), self.now))

    def of(self, kind: type, campaign: str = "c") -> list[Any]:
        return [e for e in self.journal.events(campaign) if isinstance(e, kind)]


def _virtual_network(configs: Sequence[CampaignConfig], seed: int = 1, loss: float = 0.0) -> SimulatedNetwork:
    rng = np.random.default_rng(seed)
    devices = [
        VirtualDevice(
            dev_eui=d.dev_eui,
            root_key=_key_of(d.key_name),
            releases={hashlib.sha256(IMAGE).digest(): NEW_VERSION},
            rng=rng,
            version=c.groups[0].dialect,
            mc_version=c.groups[0].mc_version,
            uplink_period=100,
        )
        for c in configs
        for d in c.devices
    ]
    return SimulatedNetwork(
        devices,
        uplink_loss=IndependentLoss(loss, np.random.default_rng(seed + 1)),
        downlink_loss=IndependentLoss(loss, np.random.default_rng(seed + 2)),
        rng=rng,
        start=T0,
    )


def _run_together(configs: Sequence[CampaignConfig]) -> tuple[list[Campaign], SimulatedNetwork]:
    network = _virtual_network(configs)
    agent = Agent(MemoryJournal(), network, ring_for(*configs))
    campaigns = [Campaign(config, IMAGE) for config in configs]
    for campaign in campaigns:
        agent.launch(campaign, T0)
    run_virtual(agent, network, T0, until=T0 + 200_000)
    return campaigns, network


def _second_agent(desk: Desk, name: str = "second") -> Agent:
    return Agent(desk.journal, desk.network, ring_for(*(c.config for c in desk.campaigns)), name=name)


class FixedLease:
    """A lease with a given time left."""

    def __init__(self, left: float, renews: bool = True) -> None:
        self.seconds, self.renews, self.n_renewed = left, renews, 0

    def left(self) -> float:
        return self.seconds

    def renew(self) -> bool:
        self.n_renewed += 1
        return self.renews

    def release(self) -> None:
        pass


def _finish(desk: Desk, name: str, devices: Sequence[int]) -> None:
    """Answers for these devices until the campaign ends."""
    served = 0
    for _ in range(10_000):
        campaign = desk.agent.campaign(name)
        if campaign is None:
            return
        new, served = desk.network.taken[served:], len(desk.network.taken)
        inputs: list[m.Input] = []
        for d in new:
            inputs.append(m.MulticastSummary(d.id) if d.group else m.DownlinkSent(d.id))
        stage = campaign.status().stage
        start = [e for e in desk.of(m.StageStarted, name) if e.sessions]
        for i in devices:
            answer: Any = None
            if stage == "McGroupSetup":
                answer = 200, multicast.McGroupSetupAns(mc_group_id=0)
            elif stage == "FragSessionSetup":
                answer = 201, fragmentation.FragSessionSetupAns(frag_index=0)
            elif stage == "McClassCSession":
                time_to_start = max(0, int(start[-1].sessions["g"].start - desk.now))
                answer = 200, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=time_to_start)
            elif stage == "CompletionVerification":
                answer = 203, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)
            inputs.append(m.Uplink(f"{i:016x}", 2, b"", desk.now))
            if answer is not None:
                inputs.append(m.Uplink(f"{i:016x}", answer[0], answer[1].encode(), desk.now))
        desk.step(0, *inputs)
        desk.now += 1
    raise AssertionError("the campaign does not end")


def _frames_in_the_air(configs: Sequence[CampaignConfig]) -> list[tuple[float, str]]:
    """Time and group of each multicast frame that one agent hands over for these campaigns."""
    network = _virtual_network(configs)
    taken: list[tuple[float, str]] = []
    submit = network.submit

    def recording(downlink: Downlink, now: float) -> m.HandOver:
        if downlink.group:
            taken.append((now, downlink.group))
        return submit(downlink, now)

    network.submit = recording  # type: ignore[method-assign]
    agent = Agent(MemoryJournal(), network, ring_for(*configs))
    for config in configs:
        agent.launch(Campaign(config, IMAGE * 10), T0)
    run_virtual(agent, network, T0, until=T0 + 200_000)
    return taken


def _run_one(journal: MemoryJournal, network: Any, config: CampaignConfig, image: bytes, now: float) -> m.Event:
    agent = Agent(journal, network, ring_for(config))
    agent.launch(Campaign(config, image), now)
    run_virtual(agent, network, now, until=now + 200_000)
    return list(journal.events(config.id))[-1]


@pytest.fixture(scope="session")
def key_of() -> Callable[..., keys.Key]:
    return _key_of


@pytest.fixture(scope="session")
def config_of() -> Callable[..., CampaignConfig]:
    return make_config


@pytest.fixture(scope="session")
def ring_of() -> Callable[..., KeyRing]:
    return ring_for


@pytest.fixture(scope="session")
def network_of() -> Callable[..., ScriptedNetwork]:
    return ScriptedNetwork


@pytest.fixture(scope="session")
def desk_of() -> Callable[..., Desk]:
    return Desk


@pytest.fixture(scope="session")
def virtual_network() -> Callable[..., SimulatedNetwork]:
    return _virtual_network


@pytest.fixture(scope="session")
def run_together() -> Callable[..., tuple[list[Campaign], SimulatedNetwork]]:
    return _run_together


@pytest.fixture(scope="session")
def second_agent() -> Callable[..., Agent]:
    return _second_agent


@pytest.fixture(scope="session")
def lease_of() -> Callable[..., FixedLease]:
    return FixedLease


@pytest.fixture(scope="session")
def finish() -> Callable[..., None]:
    return _finish


@pytest.fixture(scope="session")
def frames_in_the_air() -> Callable[..., list[tuple[float, str]]]:
    return _frames_in_the_air


@pytest.fixture(scope="session")
def run_one() -> Callable[..., m.Event]:
    return _run_one
