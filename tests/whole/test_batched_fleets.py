"""Whole simulated campaigns over batched devices: the same events and images as over devices that decode themselves."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from campaign_driver import own, updatable

from fuota_fec.agent import Agent, run_virtual
from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.devices.profiles import PROFILES, profile
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.journal import MemoryJournal
from fuota_fec.networks.simulated import SimulatedNetwork
from fuota_fec.simulation import Simulation, SimulationResult, World, simulate_campaign

IMAGE = bytes(range(256)) * 8


def make_config(n_devices: int = 24, stack: str = "generic", **changes: Any) -> CampaignConfig:
    n_groups = changes.pop("n_groups", 1)
    of_devices = updatable(stack)
    version = changes.pop("version", profile(stack).dialects[0])
    group = {"dr": 5, "frequency": 869_525_000, "version": version, "mc_version": profile(stack).mc_versions[0]}
    groups = tuple(Group(name=f"g{i}", mc_addr=f"01f3a4b{i}", **group) for i in range(n_groups))
    settings_: dict[str, Any] = {
        "id": "sim",
        "success_threshold": 50,
        "max_duration": 86_400,
        "uplink_period": 300,
        "fw_version": "2.0.0.0",
        "stage_end": "all",
        "msg_retries": 5,
        "fsize": 48,
        "redundancy": 14,
        "profiles": own(of_devices),
    }
    devices = tuple(
        Device(dev_eui=f"{i + 1:016x}", group=groups[i % n_groups].name, profile=of_devices.name)
        for i in range(n_devices)
    )
    return CampaignConfig(groups=groups, devices=devices, **{**settings_, **changes})


def outcome(result: SimulationResult) -> list[Any]:
    return [
        (d.dev_eui, d.image, d.stored, d.fw_version, d.n_reboots, d.n_garbage, d.last_session_cnt)
        for d in result.devices.values()
    ]


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "1.0.0": ({}, {}),
    "2.0.0": ({"version": "2.0.0"}, {}),
    "2.0.0, reports": ({"version": "2.0.0", "ack_reception": True}, {"repeat": 0.1}),
    "no losses": ({}, {"downlink_loss": 0.0, "uplink_loss": 0.0}),
    "bursts": ({"redundancy": 40}, {"burst": 3}),
    "an outage in the middle": ({"redundancy": 30}, {"outages": ((4000, 4100),)}),
    "binary, asked by multicast": ({"kind": "binary", "fw_version": None}, {}),
    "binary, asked by unicast": ({"kind": "binary", "fw_version": None, "fsession_status_threshold": 1000}, {}),
    "rounds": ({"redundancy": 0, "datafrag_loops_max": 5}, {}),
    "rounds that help nobody": ({"stack": "lbm", "redundancy": 0, "allow_carousel": True}, {}),
    "rounds, binary": ({"kind": "binary", "fw_version": None, "redundancy": 0, "datafrag_loops_max": 5}, {}),
    "two groups": ({"n_groups": 2}, {}),
    "wrong clocks": ({}, {"clock_error": 12.0}),
    "too little": ({"redundancy": 2}, {"downlink_loss": 0.2}),
    "rows in any order": ({"rows": tuple(range(40, 10, -1)), "redundancy": 30}, {}),
    "adaptive": ({"redundancy": "adaptive"}, {"downlink_loss": 0.15}),
    "adaptive, binary, 2.0.0": (
        {"redundancy": "adaptive", "kind": "binary", "fw_version": None, "version": "2.0.0"},
        {"downlink_loss": 0.15},
    ),
    "repair by unicast": (
        {"redundancy": 8, "unicast_repair_max": 10, "success_threshold": 100, "kind": "binary", "fw_version": None},
        {},
    ),
    "reboots after the transfer": ({"reboot": "after_transfer"}, {}),
    **{f"{name} devices": ({"stack": name}, {"downlink_loss": 0.05}) for name in PROFILES},
}


@pytest.mark.parametrize(("config", "simulation"), CASES.values(), ids=CASES)
def test_batched_devices_and_devices_that_decode_themselves_agree(config, simulation) -> None:
    runs = []
    for n_full in (24, 0, 5):
        settings_ = {"seed": 11, "downlink_loss": 0.1, "uplink_loss": 0.05, **simulation}
        result = simulate_campaign(make_config(**config), IMAGE[:960], Simulation(n_full=n_full, **settings_))
        assert result.wrong == []
        assert sum(device.batch is None for device in result.devices.values()) == n_full
        runs.append((list(result.journal.events("sim")), outcome(result)))
    assert runs[0] == runs[1]
    assert runs[0] == runs[2]


class Replaceable:
    """A network that can be replaced under its agent."""

    def __init__(self, network: SimulatedNetwork) -> None:
        self.present = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self.present, name)


@pytest.mark.parametrize("until", [3000, 3600, 4200])
def test_a_pickled_world_of_batched_devices_continues(until) -> None:
    """The agent continues with the copy from a time before, in or after the transmission."""
    ends = []
    for copies in (False, True):
        simulation = Simulation(seed=2, n_full=4, downlink_loss=0.1, uplink_loss=0.05)
        campaign = Campaign(make_config(), IMAGE[:960])
        world = World(campaign, simulation)
        journal = MemoryJournal()
        network = Replaceable(world.network)
        agent = Agent(journal, network, world.key_ring)
        agent.launch(campaign, simulation.start)
        run_virtual(agent, network, simulation.start, until=simulation.start + until)
        if copies:
            network.present = pickle.loads(pickle.dumps(network.present))
        run_virtual(agent, network, simulation.start + until)
        ends.append((list(journal.events("sim")), [d.image for d in network.devices.values()]))
    assert ends[0] == ends[1]
    assert isinstance(ends[0][0][-1], m.Finished)


def test_a_group_that_is_opened_again_in_its_transmission_continues() -> None:
    """An agent that takes a campaign over opens its groups again."""
    simulation = Simulation(seed=2, n_full=4, downlink_loss=0.1, uplink_loss=0.05)
    ends = []
    for again in (False, True):
        campaign = Campaign(make_config(), IMAGE[:960])
        world = World(campaign, simulation)
        agent = Agent(MemoryJournal(), world.network, world.key_ring)
        agent.launch(campaign, simulation.start)
        run_virtual(agent, world.network, simulation.start, until=simulation.start + 3600)
        if again:
            sealer = DownlinkBuilder(world.key_ring)
            for name in campaign.plan.groups:
                world.network.open_group(sealer.multicast_group(campaign, name, 0))
        run_virtual(agent, world.network, simulation.start + 3600)
        ends.append([(d.image, d.n_reboots) for d in world.network.devices.values()])
    assert ends[0] == ends[1]


def test_a_batched_device_receives_no_fragment_singly(monkeypatch) -> None:
    """Speed of large fleets depends on it: 10 000 devices × 1000 fragments."""
    called: list[bool] = []
    receive = VirtualDevice.receive_multicast

    def counting(self: VirtualDevice, *args: Any) -> bool:
        called.append(self.batch is not None)
        return receive(self, *args)

    monkeypatch.setattr(VirtualDevice, "receive_multicast", counting)
    config = CampaignConfig(
        id="sim",
        success_threshold=90,
        max_duration=86_400,
        uplink_period=300,
        fw_version="2.0.0.0",
        stage_end="all",
        fsize=48,
        redundancy=10,
        groups=(Group(name="g", mc_addr="01f3a4b5", dr=5),),
        devices=tuple(Device(dev_eui=f"{i + 1:016x}", group="g") for i in range(40)),
    )
    result = simulate_campaign(config, bytes(960), Simulation(n_full=2, downlink_loss=0.02))
    assert sum(device.image is not None for device in result.devices.values()) == 40
    assert 40 < called.count(False) <= 2 * 30
    assert not any(called)
