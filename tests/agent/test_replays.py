"""Replay of campaigns over several turns."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.agent import replays
from fuota_fec.campaign import messages as m
from fuota_fec.errors import EventError
from fuota_fec.journal import MemoryJournal

DEV_EUI = f"{1:016x}"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "N_EVENTS", 3)


@pytest.fixture
def left(config_of, desk_of):
    """A desk whose agent is gone, with a campaign a of many events."""
    desk = desk_of(config_of("a", (1, 2)), config_of("b", (3,), group={"mc_addr": "01f3a4b6"}))
    desk.hears(2, 3)
    desk.agent.close()
    return desk


def test_a_campaign_is_taken_over_in_several_turns(left, second_agent, few: None) -> None:
    n_events = len(left.journal.events("a"))
    assert n_events > 3
    agent = second_agent(left)
    n_turns = 0
    while agent.campaign("a") is None or agent.campaign("b") is None:
        due = agent.step(left.now)
        assert due == left.now or (agent.campaign("a") and agent.campaign("b")), "the next turn is due at once"
        assert set(agent._ownership.held) == {"a", "b"}
        n_turns += 1
    assert n_turns > 2
    assert agent.campaign("a").n_events == len(left.journal.events("a")) == n_events + 1
    assert isinstance(left.journal.events("a")[-1], m.Resumed)


def test_the_number_of_turns_changes_no_event(config_of, desk_of, second_agent, monkeypatch) -> None:
    written: list[Any] = []
    for n_events in (1, 2, 5, 4000):
        monkeypatch.setattr(replays, "N_EVENTS", n_events)
        desk = desk_of(config_of("a", (1, 2)))
        desk.hears(1, 2)
        desk.agent.close()
        agent = second_agent(desk)
        while agent.campaign("a") is None:
            agent.step(desk.now)
        written.append(list(desk.journal.events("a")))
    assert all(events == written[0] for events in written)


def test_uplinks_wait_for_the_campaign_that_is_taken_over(left, second_agent, few: None) -> None:
    """Also while another campaign runs, for which the network is read."""
    agent = second_agent(left)
    assert agent.adopt(left.now, only=["b"]) == ["b"]
    agent.step(left.now)
    assert agent.campaign("a") is None
    before, n_lost = len(left.journal.events("a")), agent.health().n_errors["uplink of no device"]
    left.network.inbox.append(m.Uplink(DEV_EUI, 2, b"", left.now))
    while agent.campaign("a") is None:
        agent.step(left.now)
    assert agent.health().n_errors["uplink of no device"] == n_lost
    after = left.journal.events("a")[before:]
    assert isinstance(after[0], m.Resumed)
    assert m.DeviceHeard(at=left.now, dev_eui=DEV_EUI) in after


def test_leases_are_renewed_during_a_replay(left, second_agent, few: None, monkeypatch) -> None:
    agent = second_agent(left)
    renewed: list[str] = []
    agent.step(left.now)
    keep = agent._ownership.renew
    monkeypatch.setattr(agent._ownership, "renew", lambda: (renewed.append("all"), keep())[1])
    while agent.campaign("a") is None:
        before = len(renewed)
        agent.step(left.now)
        assert len(renewed) > before


def test_a_campaign_that_another_agent_takes_meanwhile_is_let_go(left, second_agent, few: None) -> None:
    agent = second_agent(left)
    agent.step(left.now)
    assert agent.campaign("a") is None
    for name in "ab":
        left.journal.break_lease(name)
        assert left.journal.lease(name, "another", 60) is not None
    agent._ownership._renew_at = float("-inf")
    for lease in agent._ownership._leases.values():
        lease._lease.end = 0.0
    agent.step(left.now)
    assert agent.idle
    assert agent.campaign("a") is agent.campaign("b") is None


def test_an_event_that_does_not_fit_leaves_the_campaign_to_others(left, second_agent, few: None, monkeypatch) -> None:
    agent = second_agent(left)
    events = MemoryJournal.events

    def changed(self: MemoryJournal, campaign: str, start: int = 0) -> Any:
        found = list(events(self, campaign, start))
        return [*found[:5], m.DeviceHeard(at=found[4].at, dev_eui="ff" * 8), *found[5:]] if campaign == "a" else found

    monkeypatch.setattr(MemoryJournal, "events", changed)
    for _ in range(8):
        agent.step(left.now)
    assert agent.campaign("a") is None
    assert agent.campaign("b") is not None
    assert "event 5 (DeviceHeard) does not fit" in agent.suspended["a"]
    assert set(agent._ownership.held) == {"b"}
    assert agent._agenda.owner(DEV_EUI) is None
    with pytest.raises(EventError, match="event 5"):
        agent.adopt(left.now, only=["a"])
