"""A campaign over a simulated fleet, in virtual time, run by the same agent as a real campaign.

All randomness of the simulated world is drawn from one seed, in the order of its inputs. The world of an interrupted
campaign can therefore be made again: a new world gets the inputs that the journal recorded.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from fuota_fec.agent import Agent, Observer, run_virtual
from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.belief import devices_to_ask
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import LAST_TIME, CampaignConfig, KeyRing
from fuota_fec.campaign.plan import make_plan
from fuota_fec.campaign.preflight.check import find
from fuota_fec.campaign.preflight.finding import Finding
from fuota_fec.checks import shown
from fuota_fec.config_files import from_table
from fuota_fec.errors import JournalError, ParameterError
from fuota_fec.fleet.batched_reception import BatchedBlocks
from fuota_fec.fleet.channel import (
    AnyLoss,
    BurstLoss,
    IndependentLoss,
    LossModel,
    Outages,
    RecordedLoss,
    checked_windows,
    probabilities,
    read_trace,
)
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.quirks import nearest_version
from fuota_fec.journal import Journal, open_journal
from fuota_fec.networks.simulated import SUMMARY_CADENCE, SimulatedNetwork
from fuota_fec.wire.keys import Key

ALL_FULL = 500
N_FULL = 16
"""Devices that decode their blocks themselves: all of a fleet of at most ALL_FULL, N_FULL of a larger one."""

LEASE_TTL = 20.0
"""s after which another process may take over a campaign whose process was killed."""

FIRST_DEV_EUI = 0xFE5EED0000000000
"""DevEUI of the first simulated device: locally administered, and so of no real device."""

_RANGES = {
    "seed": (0, 2**64 - 1),
    "n_devices": (1, 1_000_000),
    "n_full": (0, 1_000_000),
    "old_version": (0, 2**32 - 1),
    "process_time": (0, 10**7),
    "clock_error": (0, 10**7),
    "start": (0, LAST_TIME),
}
_LOSSES = ("downlink_loss", "uplink_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A fleet and its radio. The same seed gives the same run."""

    seed: int = 0
    n_devices: int | None = None
    """Devices to make, spread over the groups; without it those of the configuration are simulated."""
    profile: str = "generic"
    """Name of the device profile of these made-up devices."""
    n_full: int | None = None
    """Devices that decode their blocks themselves. The others are computed together, as loss bitmaps, with the same
    outcome: a transmission to 10 000 devices takes seconds. By default all devices of a fleet of up to 500, and 16,
    spread over it, of a larger one."""
    downlink_loss: float | tuple[float, ...] = 0.0
    """Probability that a device misses a downlink, 0 … below 1: one for all, or a list with one for each device in the
    order of the configuration."""
    uplink_loss: float | tuple[float, ...] = 0.0
    """Probability that the server misses an uplink, as downlink_loss."""
    burst: float | None = None
    """Mean length, in frames, of runs of lost frames in either direction; without it losses are independent."""
    outages: tuple[tuple[float, float], ...] = ()
    """[start, end] in s from the beginning of the campaign: the gateways are down and every frame is lost."""
    trace: str | None = None
    """CSV file of recorded downlink losses to replay, with columns device, frame and received; instead of
    downlink_loss. In a run file relative to its folder."""
    repeat: float = 0.0
    """Share of uplinks that the server reports twice."""
    own_uplinks: bool = True
    """True if class C devices miss the multicast frames that overlap with their own uplinks."""
    old_version: int = 0x01000000
    """Firmware version of the devices before the update."""
    process_time: float = 10.0
    """s from the complete block to the device's own reboot."""
    clock_error: float = 0.0
    """Largest error of a device's clock, s, ahead or behind."""
    start: float = 1.8e9
    """Unix time at which the simulated campaign begins, until February 2106."""
    owns_f_cnt: bool = False
    sent_reports: bool = True
    summaries: bool = True
    """Kind of network server, as NetworkCapabilities."""

    def __post_init__(self) -> None:
        problems = []
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                problems.append(f"{name}: {shown(value)} is not from {low} to {high}")
        if not 0 <= self.repeat < 1:
            problems.append(f"repeat: {shown(self.repeat)} is not a probability, expected 0 to below 1")
        for name in _LOSSES:
            loss = getattr(self, name)
            problems += _problems(name, partial(probabilities, loss))
            if isinstance(loss, Sequence) and self.n_devices not in (None, len(loss)):
                problems.append(f"{name}: {len(loss)} values for {self.n_devices} devices")
        problems += _problems("outages", lambda: list(checked_windows(self.outages)))
        if self.burst is not None and not 1 <= self.burst < math.inf:
            problems.append(f"burst: {shown(self.burst)} is not a mean length, expected 1 frame or more, and finite")
        if self.trace == "":
            problems.append("trace: '' is not a file name, expected that of a CSV file")
        if self.trace is not None and self.downlink_loss != 0:
            problems.append("trace, downlink_loss: both are given, expected one")
        if problems:
            raise ParameterError.of(problems)

    @property
    def capabilities(self) -> m.NetworkCapabilities:
        """Capabilities of its network server."""
        return m.NetworkCapabilities(
            owns_f_cnt=self.owns_f_cnt,
            summary_cadence=SUMMARY_CADENCE,
            sent_reports=self.sent_reports,
            summaries=self.summaries,
        )

    def made_up_devices(self, groups: Sequence[str]) -> list[dict[str, str]]:
        """Tables of n_devices made-up devices, as in `devices` of a configuration, assigned to these groups in turn."""
        n_devices = self.n_devices if self.n_devices is not None and groups else 0
        stack = {} if self.profile == "generic" else {"profile": self.profile}
        dev_euis = (f"{FIRST_DEV_EUI + i:016x}" for i in range(n_devices))
        return [{"dev_eui": eui, "group": groups[i % len(groups)], **stack} for i, eui in enumerate(dev_euis)]

    def full_devices(self, n_devices: int) -> frozenset[int]:
        """Numbers of the devices that decode their blocks themselves, spread over the fleet."""
        n_full = self.n_full if self.n_full is not None else n_devices if n_devices <= ALL_FULL else N_FULL
        n_full = min(n_full, n_devices)
        return frozenset(i * n_devices // n_full for i in range(n_full))

    def loss_models(
        self, n_devices: int, downlink_rng: np.random.Generator, uplink_rng: np.random.Generator
    ) -> tuple[LossModel, LossModel]:
        """Loss models of downlinks and uplinks. ParameterError for lists of another length, a trace that cannot be
        used, and bursts too short for the losses."""
        down: LossModel
        if self.trace is not None:
            down = RecordedLoss(read_trace(self.trace), n_devices, downlink_rng)
        else:
            down = self._losses("downlink_loss", n_devices, downlink_rng)
        up = self._losses("uplink_loss", n_devices, uplink_rng)
        if not self.outages:
            return down, up
        outages = Outages((self.start + start, self.start + end) for start, end in self.outages)
        return AnyLoss((down, outages)), AnyLoss((up, outages))

    def _losses(self, name: str, n_devices: int, rng: np.random.Generator) -> LossModel:
        loss = getattr(self, name)
        if isinstance(loss, Sequence) and len(loss) != n_devices:
            raise ParameterError(f"{name}: {len(loss)} values for {n_devices} devices")
        if self.burst is None:
            return IndependentLoss(loss, rng)
        return BurstLoss.of_bursts(loss, self.burst, n_devices, rng)


def _problems(name: str, check: Callable[[], object]) -> list[str]:
    try:
        check()
    except ParameterError as error:
        return [f"{name}: {line.partition(': ')[2]}" for line in error.problems]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """A finished campaign and the state of its devices."""

    campaign: Campaign
    devices: Mapping[str, VirtualDevice]
    duration: float
    """s of virtual time."""
    journal: Journal

    def holds_image(self, dev_eui: str) -> bool:
        """Whether the device holds exactly the bytes sent, by SHA-256: installed if firmware, else stored."""
        device = self.devices[dev_eui]
        image = device.image if self.campaign.config.kind == "firmware" else device.stored
        sent = hashlib.sha256(self.campaign.image).digest()
        return image is not None and hashlib.sha256(image).digest() == sent

    def ran_already(self, dev_eui: str) -> bool:
        """Whether the device runs the target version of a firmware update, and has received no image."""
        device, version = self.devices[dev_eui], self.campaign.config.firmware_version
        return self.campaign.config.kind == "firmware" and device.image is None and device.fw_version == version

    @property
    def wrong(self) -> list[str]:
        """Devices reported as passed that do not hold the image, and did not run it before. Expected to be empty."""
        if self.campaign.config.kind == "multicast":
            return []
        passed = [d.dev_eui for d in self.campaign.status().devices if d.status == "passed"]
        return [dev_eui for dev_eui in passed if not self.holds_image(dev_eui) and not self.ran_already(dev_eui)]


class World:
    """The network, the devices and the keys of a simulation, made from its seed."""

    def __init__(self, campaign: Campaign, simulation: Simulation) -> None:
        config = campaign.config
        seeds = np.random.SeedSequence(simulation.seed).spawn(4)
        key_rng, radio_rng, up_rng, down_rng = (np.random.default_rng(seed) for seed in seeds)
        self.key_ring = KeyRing(
            root_keys={device.key_name: Key(key_rng.bytes(16)) for device in config.devices},
            mc_keys={group.key_name: Key(key_rng.bytes(16)) for group in config.groups},
        )
        down, up = simulation.loss_models(len(config.devices), down_rng, up_rng)
        self.network = SimulatedNetwork(
            _virtual_devices(campaign, simulation, self.key_ring, radio_rng),
            uplink_loss=up,
            downlink_loss=down,
            rng=radio_rng,
            start=simulation.start,
            repeat=simulation.repeat,
            own_uplinks=simulation.own_uplinks,
            capabilities=simulation.capabilities,
        )

    @classmethod
    def after(cls, journal: Journal, names: Sequence[str], simulation: Simulation) -> tuple[World, float]:
        """The world after these campaigns of a journal, run one after the other, and its time."""
        world, now = None, simulation.start
        for name in names:
            events, image = list(journal.events(name)), journal.image(name)
            world = world or cls(Campaign.from_first(events[0], image), simulation)
            now = world.replay(events, image)
        assert world is not None
        return world, now

    def replay(self, events: Sequence[m.Event], image: bytes) -> float:
        """Repeats the inputs of the world up to the last of these events and returns that event's time.

        Uplinks and reports until then are dropped: the campaign received them already.
        """
        campaign = Campaign.from_first(events[0], image)
        builder, requests = DownlinkBuilder(self.key_ring), {}
        for name in campaign.plan.groups:
            self.network.open_group(builder.multicast_group(campaign, name, campaign.next_f_cnt(name)))
        for event in events:
            if isinstance(event, m.Requested):
                requests[event.id] = event
            elif isinstance(event, m.HandedOver):
                self.network.submit(builder.downlink(campaign, requests[event.id]), event.at)
            elif isinstance(event, m.Withdrawn):
                self.network.withdraw([event.id], event.at)
        self.network.poll(events[-1].at)
        self.network.poll(events[-1].at)  # Acknowledges the first poll.
        return events[-1].at


def describe_world(campaign: str, simulation: Simulation, after: Sequence[str] = ()) -> str:
    """The simulated network of a campaign as text for the journal, from which `read_world` makes it again."""
    return json.dumps({"campaign": campaign, "simulation": asdict(simulation), "after": list(after)})


def read_world(journal: Journal, campaign: str) -> tuple[Simulation, tuple[str, ...]]:
    """The simulation that a campaign was run over, and the campaigns that its devices had before.

    JournalError if it was not run over a simulated network.
    """
    try:
        world = json.loads(journal.network(campaign))
        # Devices of earlier versions heard everything, and their world is to be the same again.
        table, after = {"own_uplinks": False, **world["simulation"]}, tuple(world.get("after", ()))
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"campaign {campaign!r} was not run over a simulated network, its own agent resumes it"
        raise JournalError(message) from None
    return from_table(Simulation, table, "simulation"), after


def check_campaign(config: CampaignConfig, image: bytes, simulation: Simulation) -> list[Finding]:
    """Findings of the pre-flight check of a campaign over a simulated fleet, without a run, refusals first.

    ParameterError if there is no plan for the configuration and the image, or the losses cannot be used.
    """
    rng = np.random.default_rng(simulation.seed)
    simulation.loss_models(len(config.devices), rng, rng)
    network, asked = simulation.capabilities, devices_to_ask(config)
    rows = {name: group.row_plan for name, group in make_plan(config, len(image), asked_first=asked).groups.items()}
    plan = make_plan(config, len(image), network=network, row_plans=rows, asked_first=asked)
    return find(config, plan, len(image), now=simulation.start, network=network)


def simulate_campaign(
    config: CampaignConfig,
    image: bytes,
    simulation: Simulation,
    *,
    observer: Observer | None = None,
    journal: Journal | None = None,
    campaign: Campaign | None = None,
    network: str = "",
    after: Sequence[str] = (),
    attended: bool = False,
    speed: float | None = None,
) -> SimulationResult:
    """Runs a campaign over virtual devices until it is finished. Keys are made up from the seed.

    `campaign`, if given, has that configuration and image and was not started; `network` is the name recorded in the
    journal. `after` names earlier campaigns of the journal over the same devices, which go on from their final state.
    `attended` and `speed` as in run_virtual. ParameterError if the configuration does not fit the image, JournalError
    if another agent took the campaign over.
    """
    campaign = campaign if campaign is not None else Campaign(config, image)
    journal = journal if journal is not None else open_journal(":memory:")
    world, start = World.after(journal, after, simulation) if after else (World(campaign, simulation), simulation.start)
    network = network or f"world of {config.id}"
    agent = Agent(journal, world.network, world.key_ring, observer=observer, network_name=network, lease_ttl=LEASE_TTL)
    try:
        agent.launch(campaign, start)
        end = run_virtual(agent, world.network, start, attended=attended, speed=speed)
    finally:
        agent.close()
    if not campaign.finished:  # An error suspended it, and another object went on.
        campaign = Campaign.replay(journal.events(config.id), campaign.image)
    return _result(campaign, world, journal, end - start)


def resume_simulation(
    journal: Journal,
    name: str,
    simulation: Simulation,
    *,
    observer: Observer | None = None,
    after: Sequence[str] = (),
    attended: bool = False,
    speed: float | None = None,
) -> SimulationResult:
    """Continues an interrupted simulated campaign, with the `simulation` and `after` that it was started with.

    JournalError if another agent runs the campaign.
    """
    campaign = Campaign.replay(journal.events(name), journal.image(name))
    world, now = World.after(journal, (*after, name), simulation)
    agent = Agent(
        journal, world.network, world.key_ring, observer=observer, network_name=f"world of {name}", lease_ttl=LEASE_TTL
    )
    try:
        if not campaign.finished and not agent.adopt(now, only=[name]):
            raise JournalError(f"campaign {name!r} is run by another agent")
        now = run_virtual(agent, world.network, now, attended=attended, speed=speed)
    finally:
        agent.close()
    campaign = Campaign.replay(journal.events(name), journal.image(name))
    return _result(campaign, world, journal, now - next(iter(journal.events(name))).at)


def _result(campaign: Campaign, world: World, journal: Journal, duration: float) -> SimulationResult:
    if not campaign.finished:
        why = campaign.progress().suspended
        gone = f"is suspended: {why}" if why else "was taken over by another agent"
        raise JournalError(f"campaign {campaign.id!r} {gone}")
    return SimulationResult(campaign=campaign, devices=world.network.devices, duration=duration, journal=journal)


def _virtual_devices(
    campaign: Campaign, simulation: Simulation, key_ring: KeyRing, rng: np.random.Generator
) -> list[VirtualDevice]:
    config = campaign.config
    version = config.firmware_version if config.kind == "firmware" else None
    releases = {} if version is None else {hashlib.sha256(campaign.image).digest(): version}
    full = simulation.full_devices(len(config.devices))
    batch = BatchedBlocks()
    stacks = {name: config.profile_named(name) for name in {device.profile for device in config.devices}}
    groups = {name: planned.group for name, planned in campaign.plan.groups.items()}
    return [
        VirtualDevice(
            dev_eui=device.dev_eui,
            root_key=key_ring.root_key(device.key_name),
            releases=releases,
            rng=rng,
            profile=stacks[device.profile],
            batch=None if number in full else batch,
            region=groups[device.group].region,
            lorawan=device.lorawan,
            dialect=nearest_version(groups[device.group].dialect, stacks[device.profile].dialects),
            mc_version=nearest_version(groups[device.group].mc_version, stacks[device.profile].mc_versions),
            ports=config.ports,
            fw_version=simulation.old_version,
            uplink_period=config.uplink_period_of(device),
            process_time=simulation.process_time,
            clock_error=float(rng.uniform(-1, 1)) * simulation.clock_error,
        )
        for number, device in enumerate(config.devices)
    ]
