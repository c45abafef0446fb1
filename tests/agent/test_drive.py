"""Driving an agent by the wall clock and in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fuota_fec.agent import Agent, drive, run_virtual
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import KeyRing
from fuota_fec.errors import JournalError, NetworkError, ParameterError
from fuota_fec.journal import FenceError, MemoryJournal
from fuota_fec.networks.simulated import SimulatedNetwork
from fuota_fec.simulation import Simulation, World

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


def test_an_idle_agent_ends_every_driver_at_once(network_of, virtual_network) -> None:
    agent = Agent(MemoryJournal(), network_of(), KeyRing(root_keys={}, mc_keys={}))
    assert agent.idle
    assert agent.step(T0) is None
    asyncio.run(agent.run())
    assert run_virtual(agent, virtual_network([]), T0) == T0


def test_run_steps_until_no_campaign_runs(config_of, desk_of) -> None:
    desk = desk_of(config_of(max_duration=900))
    clock = iter(range(1, 100_000))
    asyncio.run(desk.agent.run(poll_interval=0, clock=lambda: T0 + 10 * next(clock)))
    assert desk.agent.idle
    assert desk.campaigns[0].status().reason == "0 of 2 devices succeeded in McGroupSetup, 2 needed"


def test_run_begins_with_campaigns_without_an_agent(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of(max_duration=900))
    desk.agent.close()
    other = second_agent(desk)
    clock = iter(range(1, 100_000))
    asyncio.run(other.run(poll_interval=0, clock=lambda: T0 + 10 * next(clock)))
    assert [e.status for e in desk.of(m.Finished)] == ["FAILED"]


def test_run_forever_takes_over_when_another_agent_ends(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of(max_duration=900))
    other = second_agent(desk)
    ticks = 0

    class Enough(Exception):
        pass

    def clock() -> float:
        nonlocal ticks
        ticks += 1
        if ticks == 3:
            desk.agent.close()
        if ticks == 300:
            raise Enough
        return T0 + 10 * ticks

    with pytest.raises(Enough):
        asyncio.run(other.run(poll_interval=0, clock=clock, forever=True))
    assert [e.status for e in desk.of(m.Finished)] == ["FAILED"]


def test_run_virtual_stops_at_until(config_of, ring_of, virtual_network) -> None:
    config = config_of()
    network = virtual_network([config])
    agent = Agent(MemoryJournal(), network, ring_of(config))
    campaign = Campaign(config, IMAGE)
    agent.launch(campaign, T0)
    reached = run_virtual(agent, network, T0, until=T0 + 200)
    assert T0 + 100 < reached < T0 + 300
    assert not agent.idle
    assert run_virtual(agent, network, reached) > reached
    assert campaign.status().status == "SUCCEEDED"


class Counting(Agent):
    """An agent that counts its turns."""

    n_turns = 0

    def step(self, now: float, *, looks: bool = True) -> float | None:
        self.n_turns += 1
        return super().step(now, looks=looks)


class FailingStepper:
    """An agent that is never idle, and whose journal fails in its first steps."""

    idle = paused = False

    def __init__(self, n_failures: int) -> None:
        self.n_left = n_failures

    def step(self, _now: float, **_looks: bool) -> float | None:
        if self.n_left:
            self.n_left -= 1
            raise JournalError("disk full")
        self.idle = True
        return None

    def tend(self, _now: float) -> None:
        pass


def test_run_tries_a_failing_journal_again(monkeypatch, caplog) -> None:
    monkeypatch.setattr(drive, "JOURNAL_RETRY", 0.0)
    agent = FailingStepper(drive.MOST_JOURNAL_FAILURES)
    asyncio.run(drive.run(agent, poll_interval=0, clock=lambda: T0, forever=False))
    assert agent.idle
    assert "journal unavailable, no downlinks are sent until it recovers: disk full" in caplog.text


def test_run_goes_on_at_once_after_a_fence() -> None:
    """A campaign that another agent runs is no failure of the journal: there is no pause, and no last try."""

    class Fenced(FailingStepper):
        def step(self, _now: float, **_looks: bool) -> float | None:
            if self.n_left:
                self.n_left -= 1
                raise FenceError("another agent", campaign="c")
            self.idle = True
            return None

    agent = Fenced(drive.MOST_JOURNAL_FAILURES + 5)
    asyncio.run(drive.run(agent, poll_interval=0, clock=lambda: T0, forever=False))
    assert agent.idle


def test_run_virtual_ends_when_the_network_cannot_be_read(config_of, ring_of, virtual_network) -> None:
    """Its next event stays in the past; time goes on from one attempt to the next."""
    config = config_of()
    network = virtual_network([config])

    def away(_now: float) -> None:
        raise NetworkError("away")

    network.poll = away
    agent = Agent(MemoryJournal(), network, ring_of(config))
    agent.launch(Campaign(config, IMAGE), T0)
    assert run_virtual(agent, network, T0, until=T0 + 1000) > T0 + 1000


@pytest.mark.parametrize("uplink_loss", [0.0, 0.3])
def test_a_network_that_foresees_its_inputs_changes_nothing_but_the_number_of_turns(config_of, uplink_loss) -> None:
    events, n_turns = [], []
    for foresees in (True, False):
        config = config_of(success_threshold=50)
        campaign = Campaign(config, IMAGE)
        world = World(campaign, Simulation(seed=3, start=T0, uplink_loss=uplink_loss, downlink_loss=0.1))
        if not foresees:
            world.network.poll = world.network.poll  # As one that shows each input to others.
        journal = MemoryJournal()
        agent = Counting(journal, world.network, world.key_ring)
        agent.launch(campaign, T0)
        run_virtual(agent, world.network, T0, until=T0 + 200_000)
        events.append(list(journal.events(config.id)))
        n_turns.append(agent.n_turns)
    assert events[0] == events[1]
    assert isinstance(events[0][-1], m.Finished)
    assert n_turns[0] < 0.8 * n_turns[1]


class Watched(SimulatedNetwork):
    """A network that counts the uplinks that are polled."""

    n_uplinks = 0

    def poll(self, now: float) -> Sequence[m.Input]:
        inputs = super().poll(now)
        self.n_uplinks += sum(isinstance(item, m.Uplink) for item in inputs)
        return inputs


def test_a_network_with_a_poll_of_its_own_is_asked_for_every_input(config_of) -> None:
    turns = []
    for kind in (SimulatedNetwork, Watched):
        campaign = Campaign(config_of(), IMAGE)
        world = World(campaign, Simulation(seed=3, start=T0))
        world.network.__class__ = kind
        agent = Counting(MemoryJournal(), world.network, world.key_ring)
        agent.launch(campaign, T0)
        run_virtual(agent, world.network, T0, until=T0 + 50_000)
        turns.append(agent.n_turns)
    assert turns[0] < turns[1]
    assert world.network.n_uplinks > turns[1] / 4


def test_an_agent_overhears_only_what_brings_nothing(config_of, ring_of, virtual_network) -> None:
    config = config_of()
    campaign = Campaign(config, IMAGE)
    agent = Agent(MemoryJournal(), virtual_network([config]), ring_of(config))
    agent.launch(campaign, T0)
    agent.step(T0)
    uplink = m.Uplink(config.devices[0].dev_eui, 2, b"", T0 + 1)
    assert not agent.overhears(uplink, T0 + 1), "it is the first one of the device"
    agent.carry_out(config.id, "pause", T0 + 1)
    assert not agent.overhears(uplink, T0 + 1)
    assert not agent.overhears(m.Uplink("f" * 16, 2, b"", T0 + 1), T0 + 1), "no campaign has this device"
    assert not agent.overhears(m.DownlinkSent(f"{config.id}/0"), T0 + 1)


def test_run_raises_the_error_of_a_journal_that_keeps_failing(monkeypatch) -> None:
    monkeypatch.setattr(drive, "JOURNAL_RETRY", 0.0)
    agent = FailingStepper(drive.MOST_JOURNAL_FAILURES + 1)
    with pytest.raises(JournalError, match="disk full"):
        asyncio.run(drive.run(agent, poll_interval=0, clock=lambda: T0, forever=False))


def test_run_virtual_refuses_a_due_time_in_the_past(virtual_network) -> None:
    class Early(FailingStepper):
        def step(self, now: float, **_looks: bool) -> float | None:
            return now - 1

    with pytest.raises(ParameterError, match="is in the past"):
        run_virtual(Early(0), virtual_network([]), T0)
