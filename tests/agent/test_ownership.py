"""Claims, leases and take-over of campaigns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fuota_fec.agent import Agent, ownership
from fuota_fec.agent.ownership import Ownership
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import KeyRing
from fuota_fec.errors import CampaignError, JournalError, NetworkError
from fuota_fec.journal import MemoryJournal
from fuota_fec.wire import multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


def test_a_device_belongs_to_one_running_campaign(config_of, ring_of, desk_of) -> None:
    first, second = config_of("c", (1, 2)), config_of("d", (2, 3), group={"name": "h", "mc_addr": "01f3a4b6"})
    desk = desk_of(first)
    agent = Agent(desk.journal, desk.network, ring_of(first, second))
    campaign = Campaign(second, IMAGE)
    with pytest.raises(CampaignError, match=f"{2:016x} is in campaign 'c'"):
        agent.launch(campaign, T0)
    assert tuple(desk.journal.campaigns()) == ("c",)
    assert campaign.status().status == "CONFIGURED"


def test_a_group_belongs_to_one_running_campaign(config_of, ring_of, desk_of) -> None:
    first, second = config_of("c", (1,)), config_of("d", (2,), group={"name": "h"})
    desk = desk_of(first)
    agent = Agent(desk.journal, desk.network, ring_of(first, second))
    with pytest.raises(CampaignError, match="01f3a4b5 is in campaign 'c'"):
        agent.launch(Campaign(second, IMAGE), T0)
    assert tuple(desk.journal.campaigns()) == ("c",)
    assert agent.idle


def test_a_name_in_use_is_reported_before_its_devices(config_of, ring_of, desk_of) -> None:
    config = config_of("c", (1, 2))
    desk = desk_of(config)
    with pytest.raises(JournalError, match="there is a campaign 'c' already"):
        Agent(desk.journal, desk.network, ring_of(config)).launch(Campaign(config, IMAGE), T0)


def test_the_name_of_a_finished_campaign_is_refused(config_of, desk_of) -> None:
    desk = desk_of(config_of(max_duration=900))
    desk.step(901)
    campaign = Campaign(config_of(), IMAGE)
    with pytest.raises(JournalError, match="'c' already"):
        desk.agent.launch(campaign, desk.now)
    assert campaign.status().status == "CONFIGURED"
    assert desk.agent.idle


def test_a_device_is_free_after_its_campaign(config_of, desk_of) -> None:
    desk = desk_of(config_of("c", max_duration=900))
    desk.step(901)
    assert desk.agent.idle
    desk.agent.launch(Campaign(config_of("d"), IMAGE), desk.now)
    assert not desk.agent.idle


def test_a_campaign_that_an_agent_runs_is_not_adopted(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of())
    other = second_agent(desk)
    assert other.adopt(desk.now) == []
    assert other.idle


@pytest.fixture
def passes(monkeypatch) -> Callable[[float], None]:
    """Lets seconds of the monotonic clock pass."""
    clock = [time.monotonic()]
    monkeypatch.setattr(ownership, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def passes(seconds: float) -> None:
        clock[0] += seconds

    return passes


def test_a_campaign_whose_agent_is_gone_is_replayed_and_goes_on(config_of, desk_of, second_agent, passes) -> None:
    desk = desk_of(config_of())
    desk.hears(1)
    desk.journal.leases["c"].release()
    other = second_agent(desk)
    assert other.adopt(desk.now + 1) == ["c"]
    assert [e.at for e in desk.of(m.Resumed)] == [desk.now + 1]
    other.step(desk.now + 2)
    assert [d.id for d in desk.network.taken] == ["c/1"], "no request is handed over twice"
    passes(60)
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    assert desk.agent.campaign("c") is None, "an agent that was away too long notices the take-over"
    assert len(desk.of(m.Answered)) == 0


@pytest.mark.parametrize(("vacant", "later", "lost"), [(3000.0, 3600.0, 3000.0), (5000.0, 3600.0, 3600.0)])
def test_time_without_an_agent_is_lost_time(config_of, desk_of, second_agent, monkeypatch, vacant, later, lost) -> None:
    """As far as the journal's clock shows it, and not before the last event."""
    desk = desk_of(config_of())
    desk.journal.leases["c"].release()
    records = [replace(record, vacant=vacant) for record in desk.journal.list()]
    monkeypatch.setattr(desk.journal, "list", lambda **_: records)
    assert second_agent(desk).adopt(desk.now + later) == ["c"]
    assert [e.lost for e in desk.of(m.Resumed)] == [lost]


def test_the_next_agent_hands_a_pending_request_over_unchanged(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of())
    desk.network.down = True
    desk.hears(1)
    tried = desk.network.tried[0]
    desk.journal.leases["c"].release()
    desk.network.down = False
    other = second_agent(desk)
    other.adopt(desk.now + 1)
    assert desk.network.taken == [tried]


def test_adopt_takes_only_the_named_campaigns(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of("a", (1,)), config_of("b", (2,), group={"mc_addr": "01f3a4b6"}))
    for lease in desk.journal.leases.values():
        lease.release()
    assert second_agent(desk).adopt(desk.now, only=["b"]) == ["b"]


def test_a_finished_campaign_is_not_adopted(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of(max_duration=900))
    desk.step(901)
    assert second_agent(desk).adopt(desk.now) == []


def test_a_lease_is_renewed_at_half_time_and_its_loss_ends_the_work(config_of, desk_of, lease_of, passes) -> None:
    lease = lease_of(31)
    desk = desk_of(config_of(), lease=lease)
    desk.step(1)
    assert lease.n_renewed == 0
    passes(2)
    lease.seconds = 29
    desk.step(1)
    assert lease.n_renewed == 1
    lease.renews = False
    desk.hears(1)
    assert desk.agent.idle
    assert desk.network.taken == []


def test_a_replay_waits_for_a_network_that_is_down(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.journal.fails = True
    with pytest.raises(JournalError):
        desk.hears(1)
    desk.journal.fails, desk.network.down = False, True
    desk.step(1)
    assert not desk.agent.idle
    assert desk.agent.campaign("c") is None
    desk.network.down = False
    desk.step(6)
    assert [d.id for d in desk.network.taken] == ["c/1"]


def test_a_failed_adoption_releases_the_lease(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of())
    desk.agent.close()
    desk.network.down = True
    assert second_agent(desk).adopt(desk.now) == []
    with pytest.raises(NetworkError):
        second_agent(desk).adopt(desk.now, only=["c"])
    desk.network.down = False
    assert second_agent(desk, "third").adopt(desk.now) == ["c"]


def test_a_step_takes_over_campaigns_without_an_agent_every_half_lease(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of())
    other = second_agent(desk)
    other.step(desk.now)
    assert other.idle
    desk.agent.close()
    other.step(desk.now + 29)
    assert other.idle, "it does not look in every step"
    other.step(desk.now + 31)
    assert other.campaign("c") is not None


def test_a_campaign_on_another_network_is_adopted_only_by_name(config_of, ring_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.agent.close()
    other = Agent(desk.journal, desk.network, ring_of(config_of()), network_name="elsewhere")
    other.step(desk.now)
    assert other.idle
    assert other.adopt(desk.now, only=["c"]) == ["c"], "unless it is named"


def test_a_campaign_with_missing_keys_is_left_to_other_agents(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of())
    desk.agent.close()
    other = Agent(desk.journal, desk.network, KeyRing(root_keys={}, mc_keys={}))
    other.step(desk.now)
    assert other.idle
    assert second_agent(desk).adopt(desk.now) == ["c"]


def test_a_campaign_that_cannot_be_adopted_does_not_stop_other_adoptions(config_of, ring_of, desk_of) -> None:
    first, second = config_of("a", (1,), group={"name": "x"}), config_of("b", (2,), group={"mc_addr": "01f3a4b6"})
    desk = desk_of(first, second)
    desk.agent.close()
    other = Agent(desk.journal, desk.network, ring_of(second))
    assert other.adopt(desk.now) == ["b"]


# ---- the object by itself --------------------------------------------------------------------------------


def test_ownership_yields_campaigns_without_an_agent_on_its_network() -> None:
    journal = MemoryJournal()
    for name, network in (("a", "here"), ("b", "elsewhere"), ("c", "here")):
        journal.create(name, b"", network=network)
    assert journal.lease("c", "another", 100) is not None
    ownership = Ownership(journal, "me", "here", 60.0)
    assert list(ownership.without_agent()) == ["a"]
    assert list(ownership.without_agent(["b", "c"])) == ["b"]
    assert ownership.acquire("a") is not None
    assert list(ownership.without_agent()) == [], "it is held already"


def test_ownership_acquires_a_lease_that_no_agent_holds() -> None:
    journal = MemoryJournal()
    journal.create("c", b"")
    one, other = (Ownership(journal, name, "", 60.0) for name in ("one", "other"))
    assert one.acquire("c") is one.lease("c")
    assert other.acquire("c") is None
    assert (list(one.held), list(other.held)) == (["c"], [])
    one.release_all()
    assert list(one.held) == []
    assert other.acquire("c") is not None


def test_ownership_ends_when_another_agent_takes_the_campaign() -> None:
    journal = MemoryJournal()
    journal.create("c", b"")
    ownership = Ownership(journal, "me", "", 60.0)
    lease = ownership.acquire("c")
    assert lease is not None
    lease.release()
    assert journal.lease("c", "another", 60.0) is not None
    assert list(ownership.renew()) == ["c"]
    assert list(ownership.held) == []
