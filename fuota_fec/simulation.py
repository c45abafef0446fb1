"""A campaign over a simulated fleet, in virtual time, run by the same agent as a real one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fuota_fec.agent import Agent, Observer, run_virtual
from fuota_fec.campaign.config import LAST_TIME, CampaignConfig, KeyRing
from fuota_fec.campaign.machine import Campaign
from fuota_fec.campaign.messages import NetworkCapabilities
from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.fleet.channel import IndependentLoss
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.journal import Journal, open_journal
from fuota_fec.networks.simulated import SimulatedNetwork
from fuota_fec.wire.keys import Key

FIRST_DEV_EUI = 0xFE5EED0000000000
"""Locally administered: no real device has such an EUI."""

_RANGES = {
    "seed": (0, 2**64 - 1),
    "n_devices": (1, 1_000_000),
    "old_version": (0, 2**32 - 1),
    "process_time": (0, 10**7),
    "clock_error": (0, 10**7),
    "start": (0, LAST_TIME),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A fleet and its radio. The same seed gives the same run."""

    seed: int = 0
    n_devices: int | None = None
    """Devices to make, spread over the groups; without it those of the configuration are simulated."""
    downlink_loss: float = 0.0
    """Probability that a device misses a downlink, 0 … below 1."""
    uplink_loss: float = 0.0
    repeat: float = 0.0
    """Share of uplinks that the server reports twice."""
    old_version: int = 0x01000000
    """What the devices run before the update."""
    process_time: float = 10.0
    """s from the complete block to running the new image."""
    clock_error: float = 0.0
    """s by which device clocks are off at most, either way."""
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
        for name in ("downlink_loss", "uplink_loss", "repeat"):
            if not 0 <= getattr(self, name) < 1:
                problems.append(f"{name}: {shown(getattr(self, name))} is not a probability from 0 to below 1")
        if problems:
            raise ParameterError("\n".join(problems))

    def made_up_devices(self, groups: Sequence[str]) -> list[dict[str, str]]:
        """n_devices tables as `devices` of a configuration has them, taking turns in these groups."""
        n_devices = self.n_devices if self.n_devices is not None and groups else 0
        return [{"dev_eui": f"{FIRST_DEV_EUI + i:016x}", "group": groups[i % len(groups)]} for i in range(n_devices)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """A finished campaign and the devices as it left them."""

    campaign: Campaign
    devices: Mapping[str, VirtualDevice]
    duration: float
    """s of virtual time."""
    journal: Journal

    def holds_image(self, dev_eui: str) -> bool:
        """Whether the device runs exactly the bytes that were sent, by their SHA-256."""
        image = self.devices[dev_eui].image
        sent = hashlib.sha256(self.campaign.image).digest()
        return image is not None and hashlib.sha256(image).digest() == sent

    @property
    def wrong(self) -> list[str]:
        """Devices that the campaign says passed, and that do not hold the image. Expected to be empty."""
        passed = [d.dev_eui for d in self.campaign.status().devices if d.status == "passed"]
        return [dev_eui for dev_eui in passed if not self.holds_image(dev_eui)]


def simulate_campaign(
    config: CampaignConfig,
    image: bytes,
    simulation: Simulation,
    *,
    observer: Observer | None = None,
    journal: Journal | None = None,
) -> SimulationResult:
    """Runs a campaign over virtual devices until it is finished. Keys are made up from the seed.

    ParameterError if the configuration cannot be used for this image.
    """
    campaign = Campaign(config, image)
    seeds = np.random.SeedSequence(simulation.seed).spawn(4)
    key_rng, radio_rng, up_rng, down_rng = (np.random.default_rng(seed) for seed in seeds)
    key_ring = KeyRing(
        root_keys={device.key_name: Key(key_rng.bytes(16)) for device in config.devices},
        mc_keys={group.key_name: Key(key_rng.bytes(16)) for group in config.groups},
    )
    devices = _virtual_devices(campaign, simulation, key_ring, radio_rng)
    network = SimulatedNetwork(
        devices,
        uplink_loss=IndependentLoss(simulation.uplink_loss, up_rng),
        downlink_loss=IndependentLoss(simulation.downlink_loss, down_rng),
        rng=radio_rng,
        start=simulation.start,
        repeat=simulation.repeat,
        capabilities=NetworkCapabilities(
            owns_f_cnt=simulation.owns_f_cnt,
            sent_reports=simulation.sent_reports,
            summaries=simulation.summaries,
        ),
    )
    journal = journal if journal is not None else open_journal(":memory:")
    agent = Agent(journal, network, key_ring, observer=observer)
    agent.launch(campaign, simulation.start)
    end = run_virtual(agent, network, simulation.start)
    return SimulationResult(
        campaign=campaign, devices=network.devices, duration=end - simulation.start, journal=journal
    )


def _virtual_devices(
    campaign: Campaign, simulation: Simulation, key_ring: KeyRing, rng: np.random.Generator
) -> list[VirtualDevice]:
    config = campaign.config
    releases = {hashlib.sha256(campaign.image).digest(): config.firmware_version}
    return [
        VirtualDevice(
            dev_eui=device.dev_eui,
            root_key=key_ring.root_key(device.key_name),
            releases=releases,
            rng=rng,
            lorawan=device.lorawan,
            version=campaign.plan.groups[device.group].group.version,
            mc_version=campaign.plan.groups[device.group].group.mc_version,
            ports=config.ports,
            fw_version=simulation.old_version,
            uplink_period=device.uplink_period or config.uplink_period,
            process_time=simulation.process_time,
            clock_error=float(rng.uniform(-1, 1)) * simulation.clock_error,
        )
        for device in config.devices
    ]
