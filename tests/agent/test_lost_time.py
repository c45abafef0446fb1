"""Time that does not count: without turns, without the network, without the journal, and in a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fuota_fec.agent import Agent, run_virtual
from fuota_fec.agent.lost_time import LONGEST_AWAY, LONGEST_DELAY, LONGEST_SILENCE, Reach, Turns
from fuota_fec.agent.ports import BrokenAdapterError
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.errors import JournalError, NetworkError
from fuota_fec.journal import MemoryJournal
from fuota_fec.networks.base import RefusedError
from fuota_fec.wire import multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
HOURS = 3 * 3600.0


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Lost time of each resumption, by campaign."""
    times: list[tuple[str, float]] = []
    resume = Campaign.resume

    def recording(self: Campaign, now: float, *, lost: float = 0.0) -> list[m.Event]:
        times.append((self.id, lost))
        return resume(self, now, lost=lost)

    monkeypatch.setattr(Campaign, "resume", recording)
    return times


def uplink(number: int, at: float) -> m.Uplink:
    return m.Uplink(f"{number:016x}", 2, b"", at)


def asked(desk: Any, campaign: str = "c") -> list[str]:
    return [event.dev_eui for event in desk.of(m.Requested, campaign)]


def test_devices_are_not_given_up_after_a_suspension_before_their_uplinks_are_read(config_of, desk_of, lost) -> None:
    desk = desk_of(config_of(devices=(1, 2, 3)))
    desk.hears(1)
    desk.step(10)
    began = desk.now
    desk.step(HOURS, uplink(2, began + 100), uplink(3, began + 200))
    desk.step(1)
    desk.step(1)
    assert desk.of(m.GivenUp) == []
    assert desk.of(m.Unanswered) == []
    assert [name[-1] for name in asked(desk)] == ["1", "2", "3"]
    assert lost == [("c", HOURS)]


def test_the_time_of_a_silent_device_stands_still_in_a_suspension(config_of, desk_of, lost) -> None:
    desk = desk_of(config_of(devices=(1, 2), success_threshold=50, stage_end="all"))
    desk.hears(1)
    desk.step(10)
    desk.step(HOURS)
    for _ in range(28):
        desk.step(10)
    assert desk.of(m.GivenUp) == [], "290 of 300 s in which it could be heard"
    desk.step(20)
    assert [event.dev_eui[-1] for event in desk.of(m.GivenUp)] == ["2"]


def run_for(agent: Agent, times: list[float]) -> None:
    """Runs the agent by a clock that shows these times, one for each turn."""

    class Enough(Exception):
        pass

    shown = iter(times)

    def clock() -> float:
        try:
            return next(shown)
        except StopIteration:
            raise Enough from None

    with pytest.raises(Enough):
        asyncio.run(agent.run(poll_interval=0, clock=clock, forever=True))


def test_run_notices_a_suspension_in_which_nothing_was_due(config_of, desk_of, lost) -> None:
    desk = desk_of(config_of(devices=(1,), uplink_period=10_000))
    run_for(desk.agent, [T0 + 1, T0 + 2, T0 + 2 + HOURS, T0 + 3 + HOURS])
    assert lost == [("c", HOURS)]


def test_turns_that_are_a_little_late_count_as_time(config_of, desk_of, lost) -> None:
    desk = desk_of(config_of(devices=(1,)))
    run_for(desk.agent, [T0 + n * LONGEST_SILENCE for n in range(1, 12)])
    assert lost == []
    assert len(desk.of(m.GivenUp)) == 1


def test_the_threshold_is_a_parameter(config_of, desk_of, ring_of, lost) -> None:
    config = config_of(devices=(1,))
    desk = desk_of(config)
    desk.agent.close()
    agent = Agent(desk.journal, desk.network, ring_of(config), longest_silence=5)
    run_for(agent, [T0 + 1, T0 + 7])
    assert lost == [("c", 0.0), ("c", 6.0)]


@pytest.mark.parametrize("seconds", [1.0, 60.0])
def test_a_broker_that_is_away_stops_the_time(config_of, desk_of, lost, seconds: float) -> None:
    desk = desk_of(config_of(devices=(1, 2, 3)))
    desk.hears(1)
    desk.step(10)
    heard_at = desk.now
    desk.network.deaf = True
    for _ in range(int(HOURS / seconds) if seconds > 1 else 1000):
        desk.step(seconds)
    assert "no connection" in desk.agent.health().waits["c"]
    desk.network.deaf = False
    desk.step(seconds, uplink(2, heard_at + 100), uplink(3, heard_at + 200))
    desk.step(1)
    desk.step(1)
    assert desk.of(m.GivenUp, "c") == []
    assert len(asked(desk)) == 3
    assert lost == [("c", desk.now - 2 - heard_at)]
    assert desk.agent.health().waits == {}


def test_a_resumption_comes_before_the_inputs_that_waited(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1, 2)))
    desk.hears(1)
    desk.network.deaf = True
    desk.step(400)
    desk.network.deaf = False
    desk.step(1, uplink(2, desk.now))
    kinds = [type(event) for event in desk.journal.events("c")]
    assert kinds.index(m.Resumed) < len(kinds) - 1 - kinds[::-1].index(m.DeviceHeard)


def test_a_short_silence_of_the_broker_adds_no_event(config_of, desk_of, lost) -> None:
    desk = desk_of(config_of(devices=(1, 2)))
    for _ in range(50):
        desk.network.deaf = True
        desk.step(2)
        desk.network.deaf = False
        desk.step(2)
    assert lost == []


@pytest.mark.parametrize("numbers", [(1,), (1, 2, 3, 4)])
@pytest.mark.parametrize("away", ["deaf", "down"])
def test_a_stop_waits_for_a_network_that_is_away(config_of, desk_of, lost, away: str, numbers: tuple[int, ...]) -> None:
    """Nobody was asked, and all were unconfirmed, when the time of the clean-up went on without the network."""
    desk = desk_of(config_of(devices=numbers, reboot=T0 + 90_000, ucast_msg_delay=0))
    desk.hears(*numbers)
    for i in numbers:
        desk.answers(i, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.step(1)
    assert {e.ask for e in desk.of(m.Requested)} == {"McGroupSetup", "DevRebootTime"}
    desk.network.deaf = desk.network.down = True
    desk.network.deaf = away == "deaf"
    desk.agent.carry_out("c", "stop", desk.now)
    for _ in range(4 * 360):
        desk.step(10)
    assert desk.of(m.Finished) == []
    assert desk.of(m.GivenUp) == []
    desk.network.deaf = desk.network.down = False
    desk.network.taken.clear()
    for _ in range(12):
        desk.step(5)
    assert {d.dev_eui for d in desk.network.taken} == {f"{i:016x}" for i in numbers}
    assert desk.of(m.Finished) == []


def test_an_order_is_carried_out_while_the_network_cannot_be_read(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.network.deaf = True
    desk.step(1)
    desk.journal.order("c", "stop")
    desk.step(2)
    assert [e.status for e in desk.of(m.Finished)] == ["STOPPED"]


def test_hand_overs_that_fail_use_no_retry(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1, 2, 3), msg_retries=0, ucast_msg_delay=0))
    desk.network.down = True
    desk.hears(1, 2, 3)
    for _ in range(1000):
        desk.step(30)
    assert desk.of(m.GivenUp) == []
    desk.network.down = False
    desk.step(30)
    assert len(desk.network.taken) == 3


def test_devices_that_are_refused_for_good_do_not_keep_their_campaign(config_of, desk_of) -> None:
    """The network can be read, and takes the downlinks of no device."""
    desk = desk_of(config_of(devices=(1, 2), msg_retries=0, ucast_msg_delay=0))
    desk.network.down = True
    desk.hears(1, 2)
    for _ in range(4000):
        desk.step(60)
    assert [event.status for event in desk.of(m.Finished)] == ["FAILED"]


def test_a_journal_that_fails_for_hours_stops_the_time(config_of, desk_of, lost) -> None:
    desk = desk_of(config_of(devices=(1, 2)))
    desk.step(1)
    desk.journal.fails = True
    failed_at = desk.now
    with pytest.raises(JournalError):
        desk.hears(1)
    for _ in range(100):
        with pytest.raises(JournalError):
            desk.step(100)
    desk.journal.fails = False
    desk.step(5, uplink(2, desk.now))
    desk.step(1)
    assert desk.of(m.GivenUp) == []
    assert sorted(name[-1] for name in asked(desk)) == ["1", "2"], "the input of the turn that failed was kept"
    assert lost[-1] == ("c", desk.now - 1 - failed_at)


def test_time_stands_still_in_a_pause(config_of, desk_of, lost) -> None:
    desk = desk_of(config_of(devices=(1, 2)))
    desk.hears(1)
    desk.agent.carry_out("c", "pause", desk.now)
    for _ in range(100):
        due = desk.step(100, uplink(1, desk.now))
        assert due is None or due > desk.now
    assert desk.agent.health().waits == {"c": "paused"}
    desk.agent.carry_out("c", "unpause", desk.now)
    desk.step(1, uplink(2, desk.now))
    desk.step(1)
    assert desk.of(m.GivenUp) == []
    assert len(asked(desk)) == 2
    assert lost == [("c", 10_000.0)]


def test_a_pause_goes_on_in_the_next_agent(config_of, desk_of, second_agent, lost) -> None:
    desk = desk_of(config_of(devices=(1, 2)))
    desk.agent.carry_out("c", "pause", desk.now)
    desk.agent.close()
    desk.agent = second_agent(desk)
    desk.now += 1000
    desk.agent.adopt(desk.now)
    desk.step(1000)
    desk.agent.carry_out("c", "unpause", desk.now)
    assert lost == [("c", 0.0), ("c", 1000.0)]
    assert desk.of(m.GivenUp) == []


def test_lost_time_is_counted_once(config_of, desk_of, lost) -> None:
    """A suspension of the process while the network is away, and a pause that begins meanwhile."""
    desk = desk_of(config_of(devices=(1, 2)))
    desk.step(1)
    desk.network.deaf = True
    desk.step(100)
    desk.step(HOURS)
    desk.agent.carry_out("c", "pause", desk.now)
    desk.network.deaf = False
    desk.step(100)
    desk.step(100)
    desk.agent.carry_out("c", "unpause", desk.now)
    desk.step(1)
    assert sum(seconds for _, seconds in lost) == 300 + HOURS


def test_jumps_of_virtual_time_are_not_lost_time(config_of, ring_of, virtual_network, lost) -> None:
    config = config_of(uplink_period=10_000, max_duration=1_000_000)
    network = virtual_network([config])
    agent = Agent(MemoryJournal(), network, ring_of(config))
    agent.launch(Campaign(config, IMAGE), T0)
    run_virtual(agent, network, T0)
    assert agent.idle
    assert lost == []


def test_a_clock_that_goes_back_loses_no_time(config_of, desk_of, lost) -> None:
    desk = desk_of(config_of())
    desk.step(1)
    desk.step(-86_400)
    desk.network.deaf = True
    desk.step(-86_400)
    desk.network.deaf = False
    desk.step(1)
    assert all(0 <= seconds < LONGEST_SILENCE for _, seconds in lost)


# ---- the objects by themselves ---------------------------------------------------------------------------


def test_turns_report_a_suspension_by_its_begin() -> None:
    turns = Turns(30.0)
    assert turns.begin(100.0) is None
    turns.expect(500.0, promised=101.0)
    assert turns.begin(131.0) is None, "30 s late"
    turns.expect(500.0, promised=132.0)
    assert turns.begin(162.1) == 131.0


def test_turns_that_nobody_promised_may_be_an_hour_late() -> None:
    turns = Turns(30.0)
    turns.begin(100.0)
    turns.expect(200.0, promised=float("inf"))
    assert turns.begin(200.0 + LONGEST_DELAY) is None
    turns.expect(4000.0, promised=float("inf"))
    assert turns.begin(4001.0 + LONGEST_DELAY) == 200.0 + LONGEST_DELAY


def test_turns_without_an_expected_time_are_never_late() -> None:
    turns = Turns(30.0)
    turns.begin(100.0)
    assert turns.begin(1e9) is None


@pytest.mark.parametrize(
    ("targets", "error", "away"),
    [
        ("ab", NetworkError, True),
        ("aa", NetworkError, False),
        ("a", NetworkError, False),
        ("ab", BrokenAdapterError, False),
        ("ab", RefusedError, False),
    ],
)
def test_the_network_is_away_when_it_refuses_two_targets(
    targets: str, error: Callable[[str], NetworkError], away: bool
) -> None:
    reach = Reach()
    for n, target in enumerate(targets):
        reach.failed(target, error("no connection"), 100.0 + n)
    assert reach.away_since(129.0, 30.0) is None
    assert (reach.away_since(130.0, 30.0) == 100.0) is away
    assert reach.away_since(101.0 + LONGEST_AWAY, 30.0) is None, "not for good"
    reach.succeeded()
    assert reach.away_since(200.0, 30.0) is None


def test_a_withdrawal_that_fails_as_well_shows_that_the_network_is_away() -> None:
    reach = Reach()
    reach.not_withdrawn(NetworkError("x"), 100.0)
    assert not reach.failing(100.0)
    reach.failed("device", NetworkError("x"), 110.0)
    assert (reach.failing(110.0), reach.away_since(140.0, 30.0)) == (True, 100.0)


def test_a_failed_hand_over_that_is_not_wanted_any_more_is_no_failure_of_the_present() -> None:
    reach = Reach()
    reach.failed("device", NetworkError("x"), 100.0)
    reach.failed("other", NetworkError("x"), 101.0)
    reach.dropped("device")
    assert reach.failing(110.0)
    reach.dropped("other")
    assert not reach.failing(110.0)
    assert reach.away_since(140.0, 30.0) == 100.0, "nothing has succeeded since"
    reach.failed("device", NetworkError("x"), 120.0)
    assert (reach.failing(130.0), reach.failing(100.0 + LONGEST_AWAY + 1)) == (True, False)
