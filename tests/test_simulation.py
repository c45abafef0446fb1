"""Whole campaigns over virtual devices that really decode, seeded."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fuota_fec.agent import Agent, run_virtual
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group, KeyRing, Ports
from fuota_fec.campaign.status import TRANSITIONS
from fuota_fec.errors import JournalError, ParameterError
from fuota_fec.fleet.channel import IndependentLoss
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.journal import MemoryJournal
from fuota_fec.networks.simulated import SimulatedNetwork
from fuota_fec.simulation import (
    Simulation,
    SimulationResult,
    World,
    describe_world,
    read_world,
    simulate_campaign,
)
from fuota_fec.wire.keys import Key

IMAGE = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(60))
"""1920 bytes."""
LOSSY = {"downlink_loss": 0.1, "uplink_loss": 0.1}


def make_config(n_devices: int = 20, n_groups: int = 1, **changes: Any) -> CampaignConfig:
    groups = changes.pop("groups", None) or tuple(
        Group(name=f"g{i}", mc_addr=f"01f3a4b{i}", dr=5, frequency=869_525_000, **changes.pop("group", {}))
        for i in range(n_groups)
    )
    settings: dict[str, Any] = {
        "id": "sim",
        "success_threshold": 90,
        "max_duration": 86_400,
        "uplink_period": 300,
        "fw_version": "2.0.0.0",
        "stage_end": "all",
        "msg_retries": 5,
        "fsize": 48,
        "redundancy": "1/2",
    }
    return CampaignConfig(
        groups=groups,
        devices=tuple(Device(dev_eui=f"{i + 1:016x}", group=groups[i % len(groups)].name) for i in range(n_devices)),
        **{**settings, **changes},
    )


def events_of(result: SimulationResult) -> list[m.Event]:
    return list(result.journal.events(result.campaign.id))


def reasons(result: SimulationResult) -> Counter[str]:
    return Counter(d.reason for d in result.campaign.status().devices if d.status == "failed")


def check(result: SimulationResult) -> None:
    """Checks that hold for every finished campaign."""
    status = result.campaign.status()
    assert result.campaign.finished
    assert result.wrong == []
    events = events_of(result)
    assert isinstance(events[-1], m.Finished)
    assert events[-1].successes == sum(device.status == "passed" for device in status.devices)
    passed = [d.dev_eui for d in status.devices if d.status == "passed"]
    assert all(result.devices[dev_eui].image == result.campaign.image for dev_eui in passed)
    assert (status.status == "SUCCEEDED") == (len(passed) >= result.campaign.plan.n_needed)
    again = Campaign.replay(events, result.campaign.image)
    assert again.status() == status
    f_cnts: dict[tuple[str | None, int], int | None] = {}
    for event in events:
        if isinstance(event, m.Requested) and event.f_cnt is not None:
            assert f_cnts.setdefault((event.group, event.f_cnt), event.frag_nb) == event.frag_nb


# ---- every kind of network -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("owns_f_cnt", [False, True])
@pytest.mark.parametrize("sent_reports", [False, True])
@pytest.mark.parametrize("summaries", [False, True])
def test_campaigns_succeed_over_every_kind_of_network_and_dialect(version, owns_f_cnt, sent_reports, summaries) -> None:
    simulation = Simulation(
        seed=3, repeat=0.1, owns_f_cnt=owns_f_cnt, sent_reports=sent_reports, summaries=summaries, **LOSSY
    )
    result = simulate_campaign(make_config(group={"version": version}), IMAGE, simulation)
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)


@pytest.mark.parametrize("seed", range(8))
def test_a_campaign_with_losses_in_both_directions_leaves_no_wrong_image(seed) -> None:
    simulation = Simulation(seed=seed, downlink_loss=0.2, uplink_loss=0.2, repeat=0.05, clock_error=1.5)
    result = simulate_campaign(make_config(redundancy=60, msg_retries=8), IMAGE, simulation)
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)


def test_all_devices_pass_without_a_retry_if_nothing_is_lost() -> None:
    result = simulate_campaign(make_config(success_threshold=100), IMAGE, Simulation(seed=1))
    check(result)
    events = events_of(result)
    assert not any(isinstance(e, (m.Unanswered, m.GivenUp)) for e in events)
    asked = Counter(e.f_port for e in events if isinstance(e, m.Requested) and e.dev_eui)
    assert asked == {200: 60, 201: 40, 203: 20}, "group and session set up, and deleted at the end"
    assert reasons(result) == {}


def test_two_groups_may_have_different_dialects() -> None:
    groups = (
        Group(name="old", mc_addr="01f3a4b0", dr=5, frequency=869_525_000),
        Group(
            name="new",
            mc_addr="01f3a4b1",
            dr=3,
            mc_group_id=2,
            frequency=868_100_000,
            version="2.0.0",
            mc_version="2.0.0",
            first_f_cnt=1000,
        ),
    )
    result = simulate_campaign(make_config(30, groups=groups), IMAGE, Simulation(seed=5, **LOSSY))
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)
    passed = Counter(d.group for d in result.campaign.status().devices if d.status == "passed")
    assert min(passed.values()) >= 12


@pytest.mark.parametrize("lorawan", ["1.0", "1.1"])
def test_devices_of_both_kinds_of_root_key_pass(lorawan) -> None:
    config = make_config(group={"version": "2.0.0"})
    config = dataclasses.replace(
        config, devices=tuple(dataclasses.replace(d, lorawan=lorawan, key=f"key {d.dev_eui}") for d in config.devices)
    )
    result = simulate_campaign(config, IMAGE, Simulation(seed=2))
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)


@pytest.mark.parametrize("owns_f_cnt", [False, True])
def test_a_group_that_was_used_before_goes_on_counting(owns_f_cnt) -> None:
    result = simulate_campaign(
        make_config(group={"first_f_cnt": 500}), IMAGE, Simulation(seed=2, owns_f_cnt=owns_f_cnt)
    )
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)


def test_a_campaign_may_use_other_ports() -> None:
    config = make_config(ports=Ports(multicast=10, fragmentation=11, firmware=12))
    result = simulate_campaign(config, IMAGE, Simulation(seed=2))
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)


@pytest.mark.parametrize("length", [1, 47, 48, 49, 96])
def test_images_of_every_length_arrive(length) -> None:
    result = simulate_campaign(make_config(3, redundancy=5), IMAGE[:length], Simulation(seed=1))
    check(result)
    assert result.campaign.status().status == "SUCCEEDED"


def test_chosen_rows_may_have_any_order() -> None:
    result = simulate_campaign(
        make_config(rows=tuple(range(60, 20, -1))), IMAGE, Simulation(seed=1, downlink_loss=0.15, uplink_loss=0.05)
    )
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)


def test_the_threshold_ends_stages_early() -> None:
    settings = {"success_threshold": 70, "stage_complete_delay": 0}
    every = simulate_campaign(make_config(**settings), IMAGE, Simulation(seed=1))
    some = simulate_campaign(make_config(stage_end="threshold", **settings), IMAGE, Simulation(seed=1))
    check(every)
    check(some)
    n_passed = [sum(d.status == "passed" for d in r.campaign.status().devices) for r in (every, some)]
    assert n_passed[0] == 20
    assert n_passed[1] < 20
    assert "" not in reasons(some)


# ---- what fails ------------------------------------------------------------------------------------------


def test_too_little_redundancy_fails_with_its_reason() -> None:
    result = simulate_campaign(make_config(redundancy=2), IMAGE, Simulation(seed=1, downlink_loss=0.2))
    check(result)
    status = result.campaign.status()
    assert status.status == "FAILED"
    assert "CompletionVerification" in status.reason
    assert "18 needed" in status.reason
    assert reasons(result)["wrong version 1.0.0.0"] >= 10


def test_devices_with_wrong_clocks_leave_and_pass_if_they_run_the_image() -> None:
    """A device that does not take the time leaves when its clock is off a second time."""
    config = make_config(success_threshold=1, ports=Ports(clock=90))
    world = World(Campaign(config, IMAGE), Simulation(seed=4, clock_error=30))
    for device in world.network.devices.values():
        device.ports = Ports()
    agent = Agent(MemoryJournal(), world.network, world.key_ring)
    campaign = Campaign(config, IMAGE)
    agent.launch(campaign, 1.8e9)
    run_virtual(agent, world.network, 1.8e9)
    left = [d for d in campaign.status().devices if "had left: clock off by" in d.note]
    assert {d.status for d in left} == {"passed"}, "the session was long enough for their clocks"
    assert campaign.status().status == "SUCCEEDED"


def test_wrong_clocks_are_synchronised() -> None:
    result = simulate_campaign(make_config(success_threshold=100), IMAGE, Simulation(seed=4, clock_error=30))
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)
    assert any(e.ask == "ForceDeviceResync" for e in events_of(result) if isinstance(e, m.Requested))
    assert all(abs(device.clock_error) < 13 for device in result.devices.values())


def test_devices_that_are_never_heard_are_given_up() -> None:
    result = simulate_campaign(make_config(5), IMAGE, Simulation(seed=1, uplink_loss=0.999999))
    check(result)
    assert reasons(result) == {"never heard": 5}
    assert result.campaign.status().reason == "0 of 5 devices succeeded in McGroupSetup, 5 needed"


def test_a_network_that_sends_nothing_loses_the_devices_after_their_retries() -> None:
    result = simulate_campaign(make_config(5, msg_retries=2), IMAGE, Simulation(seed=1, downlink_loss=0.999999))
    check(result)
    assert reasons(result) == {"no answer in McGroupSetup": 5}
    assert Counter(e.dev_eui for e in events_of(result) if isinstance(e, m.Requested)) == {
        f"{i:016x}": 3 for i in range(1, 6)
    }


def test_flashing_that_takes_too_long_is_asked_again_while_retries_remain() -> None:
    result = simulate_campaign(make_config(5, msg_retries=3), IMAGE, Simulation(seed=1, process_time=100_000))
    check(result)
    assert reasons(result) == {"wrong version 1.0.0.0": 5}
    asked = Counter(e.dev_eui for e in events_of(result) if isinstance(e, m.Requested) and e.f_port == 203)
    assert set(asked.values()) == {4}


# ---- seeds -----------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_events() -> None:
    runs = [simulate_campaign(make_config(), IMAGE, Simulation(seed=seed, repeat=0.1, **LOSSY)) for seed in (7, 7, 8)]
    assert events_of(runs[0]) == events_of(runs[1])
    assert [e.record() for e in events_of(runs[0])] == [e.record() for e in events_of(runs[1])]
    assert events_of(runs[0]) != events_of(runs[2])
    assert runs[0].duration == runs[1].duration


def test_the_observer_gets_the_events_of_the_journal() -> None:
    observed: list[m.Event] = []
    journal = MemoryJournal()
    result = simulate_campaign(
        make_config(5),
        IMAGE,
        Simulation(seed=1),
        observer=lambda _campaign, event: observed.append(event),
        journal=journal,
    )
    assert observed == list(journal.events("sim")) == events_of(result)
    assert journal.image("sim") == IMAGE


# ---- size ------------------------------------------------------------------------------------------------


def test_a_campaign_over_a_thousand_devices_succeeds() -> None:
    config = make_config(1000, n_groups=2, ucast_msg_delay=100)
    result = simulate_campaign(config, IMAGE, Simulation(seed=1, **LOSSY))
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)
    counts = Counter(type(event) for event in events_of(result))
    about = (m.Requested, m.HandedOver, m.Reported, m.Answered, m.Deferred, m.Unanswered)
    assert sum(counts[kind] for kind in about) <= 4 * counts[m.Requested]
    assert counts[m.DeviceHeard] <= 2 * 1000
    assert counts[m.PeriodMeasured] <= 1.5 * 1000


# ---- losses ----------------------------------------------------------------------------------------------


def test_each_device_may_have_its_own_losses() -> None:
    losses = (0.0,) * 5 + (0.99,) + (0.0,) * 4
    result = simulate_campaign(make_config(10), IMAGE, Simulation(seed=1, downlink_loss=losses))
    check(result)
    assert [d.dev_eui for d in result.campaign.status().devices if d.status != "passed"] == [f"{6:016x}"]
    deaf = simulate_campaign(make_config(10), IMAGE, Simulation(seed=1, uplink_loss=losses))
    assert [d.dev_eui for d in deaf.campaign.status().devices if d.status != "passed"] == [f"{6:016x}"]


def test_a_campaign_with_losses_in_bursts_succeeds() -> None:
    result = simulate_campaign(make_config(msg_retries=8), IMAGE, Simulation(seed=1, burst=2, **LOSSY))
    check(result)
    assert result.campaign.status().status == "SUCCEEDED", reasons(result)


def test_an_outage_hits_every_device_and_the_campaign_goes_on_after_it() -> None:
    calm = simulate_campaign(make_config(), IMAGE, Simulation(seed=1))
    down = simulate_campaign(make_config(), IMAGE, Simulation(seed=1, outages=((0, 7000),)))
    check(down)
    assert down.campaign.status().status == "FAILED"
    assert set(reasons(down)) == {"never heard"}
    early = simulate_campaign(make_config(), IMAGE, Simulation(seed=1, outages=((0, 500),)))
    check(early)
    assert early.campaign.status().status == "SUCCEEDED", reasons(early)
    assert early.duration > calm.duration


def test_a_recorded_trace_of_downlinks_is_replayed(tmp_path) -> None:
    """The first device receives nothing."""
    path = tmp_path / "trace.csv"
    lines = ["device,frame,received", *(f"{d},{f},{int(d != 'deaf')}" for d in ("deaf", "a", "b") for f in range(5))]
    path.write_text("\n".join(lines))
    result = simulate_campaign(make_config(3, success_threshold=60), IMAGE, Simulation(seed=1, trace=str(path)))
    check(result)
    assert [d.status for d in result.campaign.status().devices] == ["failed", "passed", "passed"]
    with pytest.raises(ParameterError, match=r"none\.csv: cannot be read"):
        simulate_campaign(make_config(3), IMAGE, Simulation(seed=1, trace=str(tmp_path / "none.csv")))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"downlink_loss": (0.1, 0.2)}, "downlink_loss: 2 values for 3 devices"),
        ({"uplink_loss": (0.1,) * 4}, "uplink_loss: 4 values for 3 devices"),
        ({"downlink_loss": 0.9, "burst": 2}, "burst: 2 frames are too short"),
    ],
)
def test_losses_that_do_not_fit_the_fleet_are_refused(settings, said) -> None:
    with pytest.raises(ParameterError, match=said):
        simulate_campaign(make_config(3), IMAGE, Simulation(**settings))


def test_devices_that_decode_themselves_are_all_of_a_small_fleet_and_spread_over_a_large_one() -> None:
    assert Simulation().full_devices(500) == frozenset(range(500))
    few = sorted(Simulation().full_devices(10_000))
    assert len(few) == 16
    assert np.diff(few).min() == np.diff(few).max() == 625
    assert Simulation(n_full=3).full_devices(2) == {0, 1}
    assert Simulation(n_full=0).full_devices(2) == frozenset()


# ---- garbage in the middle -------------------------------------------------------------------------------


class Garbling(VirtualDevice):
    """A device that sends garbage and truncated answers before each answer."""

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        said = []
        for port, payload in super().advance(now):
            junk = bytes(self.rng.integers(0, 256, int(self.rng.integers(1, 12)), dtype=np.uint8))
            said += [(port, payload[:-1]), (int(self.rng.integers(199, 205)), junk), (port, payload)]
        return said


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_garbage_in_the_middle_is_counted_and_the_campaign_goes_on(version) -> None:
    config = make_config(10, success_threshold=50, group={"version": version, "mc_version": version})
    campaign = Campaign(config, IMAGE)
    rng = np.random.default_rng(11)
    keys = {d.dev_eui: Key(rng.bytes(16)) for d in config.devices}
    network = SimulatedNetwork(
        [
            Garbling(
                dev_eui=dev_eui,
                root_key=key,
                releases={hashlib.sha256(IMAGE).digest(): 0x02000000},
                rng=rng,
                version=version,
                mc_version=version,
            )
            for dev_eui, key in keys.items()
        ],
        uplink_loss=IndependentLoss(0.05, rng),
        downlink_loss=IndependentLoss(0.05, rng),
        rng=rng,
        start=1.8e9,
    )
    agent = Agent(MemoryJournal(), network, KeyRing(root_keys=keys, mc_keys={"g0": Key(rng.bytes(16))}))
    agent.launch(campaign, 1.8e9)
    run_virtual(agent, network, 1.8e9)
    assert campaign.ignored["unreadable uplink"] > 10
    assert campaign.status().status == "SUCCEEDED", campaign.status()
    assert all(network.devices[d.dev_eui].image == IMAGE for d in campaign.status().devices if d.status == "passed")


# ---- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_devices": 0}, "n_devices: 0"),
        ({"downlink_loss": 1}, "downlink_loss: 1"),
        ({"uplink_loss": -0.1}, "uplink_loss: -0.1"),
        ({"repeat": 2}, "repeat: 2"),
        ({"seed": -1}, "seed: -1"),
        ({"process_time": -1}, "process_time: -1"),
        ({"clock_error": float("nan")}, "clock_error: nan"),
        ({"old_version": -1}, "old_version: -1"),
        ({"old_version": 2**32}, "old_version: 4294967296"),
        ({"downlink_loss": (0.1, 1.0)}, r"downlink_loss: 1\.0 is not a probability"),
        ({"uplink_loss": (0.1, -1)}, "uplink_loss: -1"),
        ({"downlink_loss": ()}, "downlink_loss: "),
        ({"downlink_loss": (0.1, 0.2), "n_devices": 3}, "downlink_loss: 2 values for 3 devices"),
        ({"outages": ((5, 3),)}, r"outages: \(5, 3\) is not a window"),
        ({"burst": 0.5}, r"burst: 0\.5"),
        ({"burst": float("nan")}, "burst: nan"),
        ({"trace": ""}, "trace: '' is not a file name"),
        ({"burst": float("inf")}, "burst: inf is not a mean length"),
        ({"trace": "x.csv", "downlink_loss": 0.1}, "trace, downlink_loss: both are given"),
    ],
)
def test_settings_that_cannot_be_used_are_named(changes, said) -> None:
    with pytest.raises(ParameterError, match=said):
        Simulation(**changes)


def test_all_problems_of_the_settings_are_reported_at_once() -> None:
    with pytest.raises(ParameterError) as error:
        Simulation(n_devices=0, downlink_loss=1, seed=-1)
    assert len(str(error.value).splitlines()) == 3


def test_made_up_devices_take_turns_in_the_groups() -> None:
    made = Simulation(n_devices=5).made_up_devices(["a", "b"])
    assert [d["group"] for d in made] == ["a", "b", "a", "b", "a"]
    assert len({d["dev_eui"] for d in made}) == 5
    assert all(len(d["dev_eui"]) == 16 for d in made)
    assert Simulation().made_up_devices(["a"]) == []
    assert Simulation(n_devices=5).made_up_devices([]) == []


def test_an_image_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(ParameterError, match="empty"):
        simulate_campaign(make_config(), b"", Simulation())


@pytest.mark.parametrize("ends", ["SUCCEEDED", "FAILED", "STOPPED"])
def test_the_status_changes_as_the_table_says(ends) -> None:
    start = Simulation().start
    campaign = Campaign(make_config(4, msg_retries=1), IMAGE)
    world = World(campaign, Simulation(seed=1, downlink_loss=0.9 if ends == "FAILED" else 0.0))
    journal = MemoryJournal()
    agent = Agent(journal, world.network, world.key_ring)
    agent.launch(campaign, start)
    run_virtual(agent, world.network, start, until=start + 1500)
    if ends == "STOPPED":
        agent.carry_out("sim", "stop", start + 2000)
    run_virtual(agent, world.network, start + 2000)
    first, *events = journal.events("sim")
    followed = Campaign.from_first(first)
    seen = ["CONFIGURED", followed.status().status]
    for event in events:
        followed.follow(event)
        seen.append(followed.status().status)
    assert seen[-1] == ends
    changes = {(here, there) for here, there in pairwise(seen) if here != there}
    assert changes <= {(here, there) for here, there, _ in TRANSITIONS}


# ---- adaptive redundancy, repair, reboots after the transfer ---------------------------------------------

BUSY = {"downlink_loss": 0.15, "uplink_loss": 0.15, "repeat": 0.05}
ADAPTIVE: dict[str, Any] = {"redundancy": "adaptive", "msg_retries": 8, "max_duration": 500_000}


def n_coded(result: SimulationResult) -> int:
    """Coded fragments that were sent by multicast."""
    plans = result.campaign.plan.groups
    requests = (e for e in events_of(result) if isinstance(e, m.Requested) and e.group is not None)
    return sum(e.frag_nb is not None and e.frag_nb > plans[e.group].n_frags for e in requests)


def check_rows(result: SimulationResult) -> None:
    """No fragment is sent twice, neither to a group nor to a device, but for uncoded ones among even rows."""
    seen: Counter[tuple[str | None, int]] = Counter()
    groups = {device.dev_eui: device.group for device in result.campaign.config.devices}
    failed = {e.id for e in events_of(result) if isinstance(e, m.Reported) and not e.ok}
    for e in events_of(result):
        if isinstance(e, m.Requested) and e.frag_nb is not None and e.id not in failed:
            seen[e.group or e.dev_eui, e.frag_nb] += 1
    plans = result.campaign.plan.groups
    for name, frag_nb in [key for key, n in seen.items() if n > 1]:
        plan = plans[name or ""]
        assert plan.row_plan.uncoded_every
        assert frag_nb <= plan.n_frags
        assert seen[name, frag_nb] == 2
    assert not any((groups[name], nb) in seen for name, nb in seen if name in groups)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("kind", ["firmware", "binary"])
@pytest.mark.parametrize("unicast_repair_max", [0, 3])
def test_an_adaptive_campaign_with_losses_in_both_directions_succeeds(version, kind, unicast_repair_max) -> None:
    config = make_config(kind=kind, group={"version": version}, unicast_repair_max=unicast_repair_max, **ADAPTIVE)
    result = simulate_campaign(config, IMAGE, Simulation(seed=7, **BUSY))
    fixed = simulate_campaign(
        make_config(kind=kind, group={"version": version}, msg_retries=8), IMAGE, Simulation(seed=7, **BUSY)
    )
    status = result.campaign.status()
    assert status.status == "SUCCEEDED", reasons(result)
    assert result.wrong == []
    if kind == "firmware":
        check(result)
    assert Campaign.replay(events_of(result), IMAGE).status() == status
    check_rows(result)
    assert n_coded(result) < n_coded(fixed)


# ---- the world as text ---------------------------------------------------------------------------------------


def test_a_described_world_is_read_back_from_the_journal() -> None:
    journal, simulation = MemoryJournal(), Simulation(seed=3, downlink_loss=0.25, outages=((10.0, 20.0),))
    journal.create("c", b"", network=describe_world("c", simulation, ["a", "b"]))
    assert read_world(journal, "c") == (simulation, ("a", "b"))


@pytest.mark.parametrize("network", ["", "[]", "{}", "null", '{"simulation": {}, "after": 1}'])
def test_a_campaign_of_another_network_has_no_world_to_read(network: str) -> None:
    journal = MemoryJournal()
    journal.create("c", b"", network=network)
    with pytest.raises(JournalError, match="was not run over a simulated network"):
        read_world(journal, "c")
