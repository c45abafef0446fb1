"""Many devices at once: what is counted for them is what each would have found for itself."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.agent import Agent, run_virtual
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.devices.profiles import PROFILES, LateUncoded, profile
from fuota_fec.fleet.batched_reception import Crowd, Crowds
from fuota_fec.fleet.decoding import Reception
from fuota_fec.journal import MemoryJournal
from fuota_fec.simulation import Simulation, SimulationResult, World, simulate_campaign
from fuota_fec.wire.fragmentation import DataFragment

SIZE = 7
IMAGE = bytes(range(256)) * 8


def fragments_of(n_frags: int, n_coded: int, version: str, data: bytes = IMAGE) -> list[DataFragment]:
    block = data[: n_frags * SIZE]
    coded = [bytes(row) for row in ff.encode(block, SIZE, n_coded, version=version)]
    payloads = [block[i : i + SIZE] for i in range(0, len(block), SIZE)] + coded
    return [DataFragment(frag_index=0, n=i, payload=payload) for i, payload in enumerate(payloads, 1)]


QUIRKS = [(late, solvable) for late in LateUncoded for solvable in (None, 0, 2)]
COUNTS = ("n_received", "last_number", "n_lost", "complete", "missing", "memory_full", "n_frags", "frag_size")


def counts(reception: Any) -> list[Any]:
    return [getattr(reception, name) for name in COUNTS]


# ---- a crowd and receptions ------------------------------------------------------------------------------


@settings(max_examples=60)
@given(data=st.data())
def test_every_seat_is_as_a_reception_of_its_own(data: st.DataObject) -> None:
    """Fragments in any order, again, of two blocks under the same numbers, of the other dialect; every quirk.

    Of fragments of two blocks in no order, which a session never sends, only who completes, and when, is the same: what
    they are solved to depends on the order in which each device heard them, which bits do not tell.
    """
    n_frags = data.draw(st.sampled_from([1, 2, 3, 5, 8, 17, 63, 64, 65]))
    version = data.draw(st.sampled_from(["1.0.0", "2.0.0"]))
    in_order = data.draw(st.booleans())
    sent_as = data.draw(st.sampled_from([version, version, "1.0.0"])) if in_order else version
    n_coded = 12
    sent = fragments_of(n_frags, n_coded, sent_as)
    other = fragments_of(n_frags, n_coded, sent_as, IMAGE[100:])
    [row] = ff.encode(IMAGE[: n_frags * SIZE], SIZE, 1, version=sent_as, rows=[16383 - n_frags])
    far = DataFragment(frag_index=0, n=16383, payload=bytes(row))
    quirks = data.draw(st.lists(st.sampled_from(QUIRKS), min_size=1, max_size=6))
    crowd = Crowd(n_frags, SIZE, version)
    seats = [crowd.join(*each) for each in quirks]
    alone = [Reception(n_frags, SIZE, version, *each) for each in quirks]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    order = [*range(n_frags + n_coded)] if in_order else rng.integers(0, n_frags + n_coded, 3 * n_frags + 30).tolist()
    second_block_at = data.draw(st.none() | st.integers(0, len(order)))
    for step, nth in enumerate(order):
        fragment = sent[nth]
        if second_block_at is not None and step >= second_block_at and rng.random() < 0.3:
            fragment = other[nth]
        if not in_order and rng.random() < 0.03:
            fragment = far
        hears = [i for i in range(len(seats)) if rng.random() < 0.8 and not alone[i].complete]
        expected = [(i, alone[i].push(fragment)) for i in hears]
        together = [i for i in hears if seats[i].alone is None]
        if rng.random() < 0.8:
            done = crowd.hear(np.array([seats[i].place for i in together], np.intp), fragment) if together else []
            got = [(together[position], block) for position, block in done]
            got += [(i, block) for i in hears if i not in together and (block := seats[i].push(fragment)) is not None]
        else:
            got = [(i, block) for i in hears if (block := seats[i].push(fragment)) is not None]
        complete = [(i, block) for i, block in expected if block is not None]
        if in_order or second_block_at is None:
            assert sorted(got) == complete
        assert sorted(i for i, _ in got) == [i for i, _ in complete]
        assert [counts(seat) for seat in seats] == [counts(reception) for reception in alone]
        if rng.random() < 0.1:
            crowd, seats = pickle.loads(pickle.dumps((crowd, seats)))
        if rng.random() < 0.05:
            late, solvable = QUIRKS[int(rng.integers(len(QUIRKS)))]
            seats.append(crowd.join(late, solvable))
            alone.append(Reception(n_frags, SIZE, version, late, solvable))


def test_the_block_is_decoded_once_and_shared() -> None:
    crowd = Crowd(20, SIZE, "1.0.0")
    seats = [crowd.join(LateUncoded.DROPPED, None) for _ in range(200)]
    rng = np.random.default_rng(1)
    blocks = []
    for fragment in fragments_of(20, 40, "1.0.0"):
        hears = [seat.place for seat in seats if not seat.complete and rng.random() < 0.8]
        if hears:
            blocks += [block for _, block in crowd.hear(np.array(hears), fragment)]
    assert len(blocks) == 200
    assert {id(block) for block in blocks} == {id(blocks[0])}
    assert blocks[0] == IMAGE[: 20 * SIZE]


def test_more_rows_than_a_word_and_a_block_of_words_hold() -> None:
    """Only coded fragments, far more than are needed, of which each seat hears a few."""
    crowd = Crowd(30, SIZE, "1.0.0")
    seats = [crowd.join(LateUncoded.DROPPED, None) for _ in range(70)]
    alone = [Reception(30, SIZE, "1.0.0", LateUncoded.DROPPED) for _ in range(70)]
    rng = np.random.default_rng(2)
    for fragment in fragments_of(30, 1200, "1.0.0")[30:]:
        for i in range(70):
            if rng.random() < 0.03 and not alone[i].complete:
                assert (seats[i].push(fragment) is None) == (alone[i].push(fragment) is None)
    assert [seat.complete for seat in seats] == [reception.complete for reception in alone]
    assert 20 < sum(seat.complete for seat in seats) < 70


def test_blocks_of_another_shape_are_received_apart_and_so_is_another_block() -> None:
    crowds = Crowds()
    first = crowds.join(5, SIZE, "1.0.0", LateUncoded.ACCEPTED, None)
    assert crowds.join(5, SIZE, "1.0.0", LateUncoded.DROPPED, 3).crowd is first.crowd
    for shape in ((6, SIZE, "1.0.0"), (5, SIZE + 1, "1.0.0"), (5, SIZE, "2.0.0")):
        assert crowds.join(*shape, LateUncoded.ACCEPTED, None).crowd is not first.crowd
    first.push(DataFragment(frag_index=0, n=1, payload=bytes(SIZE)))
    first.push(DataFragment(frag_index=0, n=1, payload=b"another"))
    assert crowds.join(5, SIZE, "1.0.0", LateUncoded.ACCEPTED, None).crowd is not first.crowd


# ---- whole campaigns -------------------------------------------------------------------------------------


def make_config(n_devices: int = 24, stack: str = "generic", **changes: Any) -> CampaignConfig:
    n_groups = changes.pop("n_groups", 1)
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
    }
    devices = tuple(
        Device(dev_eui=f"{i + 1:016x}", group=groups[i % n_groups].name, profile=stack) for i in range(n_devices)
    )
    return CampaignConfig(groups=groups, devices=devices, **{**settings_, **changes})


def outcome(result: SimulationResult) -> list[Any]:
    return [
        (d.dev_eui, d.image, d.stored, d.fw_version, d.n_reboots, d.n_garbage, d._last_session_cnt)
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
def test_devices_that_decode_and_devices_that_are_counted_agree(config, simulation) -> None:
    runs = []
    for n_full in (24, 0, 5):
        settings_ = {"seed": 11, "downlink_loss": 0.1, "uplink_loss": 0.05, **simulation}
        result = simulate_campaign(make_config(**config), IMAGE[:960], Simulation(n_full=n_full, **settings_))
        assert result.wrong == []
        assert sum(device.crowds is None for device in result.devices.values()) == n_full
        runs.append((list(result.journal.events("sim")), outcome(result)))
    assert runs[0] == runs[1]
    assert runs[0] == runs[2]


def test_full_ones_are_spread_over_a_large_fleet_and_a_small_one_is_full() -> None:
    assert Simulation().full_devices(500) == frozenset(range(500))
    few = sorted(Simulation().full_devices(10_000))
    assert len(few) == 16
    assert np.diff(few).min() == np.diff(few).max() == 625
    assert Simulation(n_full=3).full_devices(2) == {0, 1}
    assert Simulation(n_full=0).full_devices(2) == frozenset()


@pytest.mark.parametrize("until", [3000, 3600, 4200])
def test_a_pickled_world_of_counted_devices_goes_on_where_it_was(until) -> None:
    """Its agent is asked to go on with the copy, at a time before, in and after the transmission."""
    ends = []
    for copies in (False, True):
        simulation = Simulation(seed=2, n_full=4, downlink_loss=0.1, uplink_loss=0.05)
        campaign = Campaign(make_config(), IMAGE[:960])
        world = World(campaign, simulation)
        journal = MemoryJournal()
        agent = Agent(journal, world.network, world.key_ring)
        agent.launch(campaign, simulation.start)
        run_virtual(agent, world.network, simulation.start, until=simulation.start + until)
        if copies:
            agent._network = world.network = pickle.loads(pickle.dumps(world.network))
        run_virtual(agent, world.network, simulation.start + until)
        ends.append((list(journal.events("sim")), [d.image for d in world.network.devices.values()]))
    assert ends[0] == ends[1]
    assert isinstance(ends[0][0][-1], m.Finished)


def test_a_group_that_is_opened_again_goes_on(monkeypatch) -> None:
    """As an agent does that takes a campaign over in the middle of its transmission."""
    simulation = Simulation(seed=2, n_full=4, downlink_loss=0.1, uplink_loss=0.05)
    ends = []
    for again in (False, True):
        campaign = Campaign(make_config(), IMAGE[:960])
        world = World(campaign, simulation)
        agent = Agent(MemoryJournal(), world.network, world.key_ring)
        agent.launch(campaign, simulation.start)
        opened: list[Any] = []
        run_virtual(agent, world.network, simulation.start, until=simulation.start + 3600)
        if again:
            opened = [agent._sealer.multicast_group(campaign, name, 0) for name in campaign.plan.groups]
            for group in opened:
                world.network.open_group(group)
        run_virtual(agent, world.network, simulation.start + 3600)
        ends.append([(d.image, d.n_reboots) for d in world.network.devices.values()])
    assert ends[0] == ends[1]
