"""Launching a campaign: keys, claims and frame counters."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from fuota_fec.agent import Agent
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import KeyRing
from fuota_fec.errors import CampaignError, JournalError, NetworkError, ParameterError
from fuota_fec.journal import MemoryJournal
from fuota_fec.wire import keys, multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


@pytest.mark.parametrize("missing", ["root", "mc"])
def test_a_missing_key_is_refused_before_the_launch_changes_anything(config_of, ring_of, network_of, missing) -> None:
    config = config_of()
    full = ring_of(config)
    root_keys = {d.key_name: full.root_key(d.key_name) for d in config.devices}
    mc_keys = {"g": full.mc_key("g")}
    ring = KeyRing(root_keys=root_keys if missing != "root" else {}, mc_keys=mc_keys if missing != "mc" else {})
    journal, network = MemoryJournal(), network_of()
    campaign = Campaign(config, IMAGE)
    with pytest.raises(ParameterError, match="key ring"):
        Agent(journal, network, ring).launch(campaign, T0)
    assert (journal.campaigns(), network.groups, campaign.status().status) == ((), [], "CONFIGURED")


def test_all_missing_keys_are_named_at_once(config_of, network_of) -> None:
    config = config_of(devices=(1, 2))
    agent = Agent(MemoryJournal(), network_of(), KeyRing(root_keys={}, mc_keys={}))
    with pytest.raises(ParameterError) as error:
        agent.launch(Campaign(config, IMAGE), T0)
    assert len(str(error.value).splitlines()) >= 2


def test_claims_of_others_and_refusals_are_reported_together(config_of, desk_of) -> None:
    desk = desk_of(config_of("c", (1, 2)))
    campaign = Campaign(config_of("d", (2, 3)), IMAGE)
    agent = Agent(desk.journal, desk.network, KeyRing(root_keys={}, mc_keys={}))
    with pytest.raises(CampaignError) as error:
        agent.launch(campaign, T0)
    text = str(error.value)
    assert f"device {2:016x} is in campaign 'c'" in text
    assert "group 01f3a4b5 is in campaign 'c'" in text
    assert "McKey is not in the key ring" in text
    assert "no GenAppKey in the key ring" in text
    assert campaign.status().status == "CONFIGURED"


def test_a_launch_that_failed_can_be_repeated(config_of, ring_of, network_of) -> None:
    config = config_of()
    journal, network = MemoryJournal(), network_of()
    agent = Agent(journal, network, ring_of(config))
    campaign = Campaign(config, IMAGE)
    network.down = True
    with pytest.raises(NetworkError):
        agent.launch(campaign, T0)
    assert agent.idle
    network.down = False
    agent.launch(campaign, T0)
    assert campaign.status().status == "RUNNING"


def test_a_refused_launch_leaves_no_campaign_in_the_journal(config_of, ring_of, network_of) -> None:
    config = config_of(session_start=T0 - 5)
    journal = MemoryJournal()
    agent = Agent(journal, network_of(), ring_of(config))
    with pytest.raises((CampaignError, ParameterError)):
        agent.launch(Campaign(config, IMAGE), T0)
    assert journal.campaigns() == ()
    agent.launch(Campaign(config_of(), IMAGE), T0)


def test_a_launch_succeeds_once_the_campaign_is_in_the_journal(config_of, ring_of, network_of) -> None:
    """Whatever fails after that: the campaign goes on, here or in another agent."""
    config = config_of()
    journal = MemoryJournal()
    agent = Agent(journal, network_of(), ring_of(config))
    lease = journal.lease

    def failing(*_args: Any) -> Any:
        raise JournalError("disk full")

    journal.lease = failing  # type: ignore[method-assign]
    agent.launch(Campaign(config, IMAGE), T0)
    assert list(journal.campaigns()) == ["c"]
    journal.lease = lease  # type: ignore[method-assign]
    agent.step(T0 + 1)
    assert agent.campaign("c") is not None


def test_a_launch_opens_groups_with_their_session_keys(config_of, desk_of, key_of) -> None:
    desk = desk_of(config_of(group={"key": "the key"}))
    [group] = desk.network.groups
    assert (group.name, group.mc_addr, group.dr, group.frequency_hz) == ("c/g", 0x01F3A4B5, 5, 869_525_000)
    assert group.dev_euis == (f"{1:016x}", f"{2:016x}")
    assert group.mc_app_s_key == keys.mc_app_s_key(key_of("the key"), 0x01F3A4B5)
    assert group.mc_nwk_s_key == keys.mc_nwk_s_key(key_of("the key"), 0x01F3A4B5)


def test_a_launch_reads_the_network_servers_counter_before_the_group_setup(config_of, ring_of, network_of) -> None:
    config = config_of("c", (1,))
    journal, network = MemoryJournal(), network_of(owns_f_cnt=True)
    network.counters = {"c/g": 4711}
    agent = Agent(journal, network, ring_of(config))
    agent.launch(Campaign(config, IMAGE), T0)
    network.inbox.append(m.Uplink(f"{1:016x}", 2, b"", T0))
    agent.step(T0)
    [command] = multicast.decode(network.taken[0].payload, uplink=False)
    assert command.min_mc_fcnt == 4711


def test_a_server_that_counts_continues_after_the_last_campaign_of_a_group(config_of, virtual_network, run_one) -> None:
    """Its groups are new to it in every campaign, the McKey and its counters are not."""
    first, second = config_of("c", (1,)), config_of("d", (1,), fw_version=NEW_VERSION + 1)
    network = virtual_network([first])
    network.capabilities = m.NetworkCapabilities(owns_f_cnt=True)
    [device] = network.devices.values()
    other = bytes(reversed(IMAGE))
    device.releases = {**device.releases, hashlib.sha256(other).digest(): NEW_VERSION + 1}
    journal = MemoryJournal()
    assert run_one(journal, network, first, IMAGE, T0).status == "SUCCEEDED"
    assert run_one(journal, network, second, other, T0 + 300_000).status == "SUCCEEDED"
    used = [[e.f_cnt for e in journal.events(c) if isinstance(e, m.HandedOver) and e.f_cnt is not None] for c in "cd"]
    assert used == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_a_launch_refuses_a_server_that_counts_below_the_configured_counter(config_of, ring_of, network_of) -> None:
    config = config_of("c", (1,), group={"first_f_cnt": 500})
    network = network_of(owns_f_cnt=True)
    network.counters = {"c/g": 499}
    with pytest.raises(CampaignError, match="counts from 499, this McKey was used up to 500"):
        Agent(MemoryJournal(), network, ring_of(config)).launch(Campaign(config, IMAGE), T0)
    network.counters = {"c/g": 500}
    Agent(MemoryJournal(), network, ring_of(config)).launch(Campaign(config, IMAGE), T0)


def test_a_launch_refuses_a_server_that_would_repeat_counters(config_of, ring_of, network_of) -> None:
    config = config_of("c", (1,))
    journal, network = MemoryJournal(), network_of(owns_f_cnt=True)
    journal.create("x", b"", facts=[m.GroupFact(mc_addr="01f3a4b5", key="g", next_f_cnt=40)])
    network.counters = {"c/g": 7}
    with pytest.raises(CampaignError, match="counts from 7, this McKey was used up to 40"):
        Agent(journal, network, ring_of(config)).launch(Campaign(config, IMAGE), T0)
