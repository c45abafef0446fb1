"""The agent: on disk before on the air, keys where they belong, several campaigns at once."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fuota_fec.agent.agent import Agent, run_virtual
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group, KeyRing
from fuota_fec.errors import CampaignError, JournalError, NetworkError, ParameterError
from fuota_fec.fleet.channel import IndependentLoss
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.journal import Append, MemoryJournal
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.networks.simulated import SimulatedNetwork
from fuota_fec.wire import firmware, fragmentation, keys, multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


def key_of(name: str) -> keys.Key:
    return keys.Key(hashlib.sha256(name.encode()).digest()[:16])


def make_config(
    id: str = "c",
    devices: Sequence[int] = (1, 2),
    lorawan: Any = "1.0",
    group: dict[str, Any] | None = None,
    **changes: Any,
) -> CampaignConfig:
    fields = {"name": "g", "mc_addr": "01f3a4b5", "dr": 5, "frequency": 869_525_000, **(group or {})}
    settings: dict[str, Any] = {
        "success_threshold": 100,
        "max_duration": 100_000,
        "uplink_period": 100,
        "fw_version": NEW_VERSION,
        "delivery_timeout": 10,
        "fsize": 10,
        "redundancy": 2,
    }
    return CampaignConfig(
        id=id,
        groups=(Group(**fields),),
        devices=tuple(Device(dev_eui=f"{i:016x}", group=fields["name"], lorawan=lorawan) for i in devices),
        **{**settings, **changes},
    )


def ring_for(*configs: CampaignConfig) -> KeyRing:
    return KeyRing(
        root_keys={d.key_name: key_of(d.key_name) for c in configs for d in c.devices},
        mc_keys={g.key_name: key_of(g.key_name) for c in configs for g in c.groups},
    )


class ScriptedNetwork:
    """Takes what it is told to take, and says what the test puts into it."""

    def __init__(self, **capabilities: bool) -> None:
        self.capabilities = m.NetworkCapabilities(**capabilities)
        self.groups: list[MulticastGroup] = []
        self.tried: list[Downlink] = []
        self.taken: list[Downlink] = []
        self.inbox: list[m.Input] = []
        self.given: list[m.Input] = []
        self.withdrawn: list[str] = []
        self.counters: dict[str, int] = {}
        """By group, of a server that counts itself."""
        self.down = False
        self.refuses: set[str] = set()
        self.deaf = False

    def open_group(self, group: MulticastGroup) -> int | None:
        if self.down:
            raise NetworkError("down")
        self.groups.append(group)
        return self.counters.get(group.name)

    def withdraw(self, downlink_ids: Sequence[str], _now: float) -> None:
        if self.down:
            raise NetworkError("down")
        self.withdrawn += downlink_ids

    def submit(self, downlink: Downlink, _now: float) -> m.HandOver:
        self.tried.append(downlink)
        if self.down or downlink.dev_eui in self.refuses:
            raise NetworkError("down")
        self.taken.append(downlink)
        return m.HandOver(id=downlink.id, reference=f"ref {downlink.id}", f_cnt=downlink.f_cnt)

    def poll(self, _now: float) -> Sequence[m.Input]:
        if self.deaf:
            raise NetworkError("no connection")
        self.given, self.inbox = self.inbox, []
        return self.given

    def reconnect(self) -> None:
        self.inbox, self.given = self.given + self.inbox, []


class FailingJournal(MemoryJournal):
    fails = False

    def append_all(self, appends: Sequence[Append]) -> None:
        if self.fails:
            raise JournalError("disk full")
        super().append_all(appends)


class Desk:
    """An agent with a journal and a network in the hands of the test."""

    def __init__(self, *configs: CampaignConfig, observer: Any = None, **capabilities: bool) -> None:
        self.now = T0
        self.journal = FailingJournal()
        self.network = ScriptedNetwork(**capabilities)
        self.agent = Agent(self.journal, self.network, ring_for(*configs), observer=observer)
        self.campaigns = [Campaign(config, IMAGE) for config in configs]
        for campaign in self.campaigns:
            self.agent.launch(campaign, self.now)

    def step(self, seconds: float = 0.0, *inputs: m.Input) -> float | None:
        self.now += seconds
        self.network.inbox += inputs
        return self.agent.step(self.now)

    def hears(self, *numbers: int) -> None:
        self.step(0, *(m.Uplink(f"{i:016x}", 2, b"", self.now) for i in numbers))

    def answers(self, number: int, port: int, command: Any) -> None:
        self.step(0, m.Uplink(f"{number:016x}", port, command.encode(), self.now))

    def of(self, kind: type, campaign: str = "c") -> list[Any]:
        return [e for e in self.journal.events(campaign) if isinstance(e, kind)]


# ---- commit before hand-over -----------------------------------------------------------------------------


def test_every_downlink_was_committed_before_it_was_submitted() -> None:
    desk = Desk(make_config())
    committed_at_submit = []
    original = desk.network.submit

    def submit(downlink: Downlink, now: float) -> m.HandOver:
        committed_at_submit.append(downlink.id in [e.id for e in desk.of(m.Requested)])
        return original(downlink, now)

    desk.network.submit = submit  # type: ignore[method-assign]
    desk.hears(1, 2)
    desk.step(5)
    assert committed_at_submit == [True, True]


def test_a_journal_that_fails_lets_nothing_out() -> None:
    desk = Desk(make_config())
    desk.journal.fails = True
    with pytest.raises(JournalError):
        desk.hears(1)
    with pytest.raises(JournalError):
        desk.step(1)
    assert desk.network.tried == []
    assert desk.of(m.Requested) == []


def test_after_a_journal_that_failed_the_campaign_is_replayed_and_loses_no_input() -> None:
    """The object that was ahead of the journal is thrown away; what the network gave is given again."""
    desk = Desk(make_config())
    desk.journal.fails = True
    with pytest.raises(JournalError):
        desk.hears(1)
    desk.journal.fails = False
    desk.step(1)
    assert [d.id for d in desk.network.taken] == ["c/1"]
    campaign = desk.agent.campaign("c")
    assert campaign is not None
    assert campaign is not desk.campaigns[0]
    assert len(desk.of(m.Resumed)) == 1
    assert Campaign.replay(desk.journal.events("c"), IMAGE).status() == campaign.status()


def test_one_campaign_that_cannot_be_committed_takes_none_of_the_others_along() -> None:
    desk = Desk(make_config("a", (1,)), make_config("b", (2,), group={"mc_addr": "01f3a4b6"}))
    desk.journal.append("a", len(list(desk.journal.events("a"))), [m.DeviceHeard(at=T0, dev_eui=f"{1:016x}")])
    with pytest.raises(JournalError):
        desk.hears(1, 2)
    desk.step(1)
    assert [d.id for d in desk.network.taken] == ["b/1"]
    assert desk.agent.campaign("a") is None


def test_a_foreign_writer_stops_the_campaign_before_anything_goes_out() -> None:
    desk = Desk(make_config())
    desk.journal.append("c", len(desk.journal.events("c")), [m.DeviceHeard(at=T0, dev_eui=f"{2:016x}")])
    with pytest.raises(JournalError, match="expected"):
        desk.hears(1)
    assert desk.network.tried == []


def test_the_hand_over_is_journalled_with_the_networks_name() -> None:
    desk = Desk(make_config())
    desk.hears(1)
    [handed_over] = desk.of(m.HandedOver)
    assert (handed_over.id, handed_over.reference) == ("c/1", "ref c/1")


def test_the_journal_is_the_campaign() -> None:
    desk = Desk(make_config())
    desk.hears(1, 2)
    desk.step(3)
    events = desk.journal.events("c")
    assert desk.journal.image("c") == IMAGE
    assert len(events) == desk.campaigns[0].n_events
    assert Campaign.replay(events, desk.journal.image("c")).status() == desk.campaigns[0].status()


def test_the_observer_is_told_every_event_once_in_order_after_its_commit() -> None:
    told: list[m.Event] = []
    desk_of: list[Desk] = []

    def observer(campaign: Campaign, event: m.Event) -> None:
        told.append(event)
        if desk_of:
            assert event in desk_of[0].journal.events("c")

    desk = Desk(make_config(), observer=observer)
    desk_of.append(desk)
    desk.hears(1, 2)
    desk.step(5)
    assert told == list(desk.journal.events("c"))


# ---- a network that fails --------------------------------------------------------------------------------


def test_a_request_that_the_network_refused_is_handed_over_later_as_it_was() -> None:
    desk = Desk(make_config())
    desk.network.down = True
    desk.hears(1)
    due = desk.agent.step(desk.now)
    assert due is not None
    assert desk.now < due <= desk.now + 5
    assert desk.of(m.HandedOver) == []
    desk.network.down = False
    desk.step(due - desk.now)
    [taken] = desk.network.taken
    assert all(tried == taken for tried in desk.network.tried)
    assert (taken.id, taken.not_after) == ("c/1", desk.of(m.Requested)[0].not_after)
    assert len(desk.of(m.Requested)) == 1
    assert len(desk.of(m.HandedOver)) == 1


def test_an_outage_uses_no_retry() -> None:
    desk = Desk(make_config(devices=(1,), msg_retries=0))
    desk.network.down = True
    desk.hears(1)
    for _ in range(100):
        desk.step(30)
    desk.network.down = False
    desk.step(30)
    assert len(desk.network.taken) == 1
    assert desk.of(m.GivenUp) == []


def test_a_network_that_is_down_is_not_tried_in_every_step() -> None:
    """The agent polls five times a second; the network is tried again when NETWORK_RETRY is over."""
    desk = Desk(make_config())
    desk.network.down = True
    desk.hears(1)
    for _ in range(20):
        desk.step(0.2)
    assert len(desk.network.tried) <= 2


def test_one_device_that_is_refused_does_not_hold_up_the_others() -> None:
    desk = Desk(make_config(devices=(1, 2, 3)))
    desk.network.refuses = {f"{1:016x}"}
    desk.hears(1, 2, 3)
    for _ in range(5):
        desk.step(2)
    assert {d.dev_eui for d in desk.network.taken} == {f"{2:016x}", f"{3:016x}"}


def test_a_network_that_cannot_be_polled_does_not_stop_the_agent() -> None:
    desk = Desk(make_config())
    desk.network.deaf = True
    desk.step(1)
    desk.network.deaf = False
    desk.hears(1)
    assert len(desk.network.taken) == 1


def test_a_finished_campaign_hands_nothing_over() -> None:
    desk = Desk(make_config(max_duration=900))
    desk.network.down = True
    desk.hears(1)
    desk.step(850)
    desk.network.down = False
    desk.step(51)
    assert desk.campaigns[0].finished
    assert desk.network.taken == []


def test_a_request_of_a_stage_that_is_over_is_not_handed_over() -> None:
    """The answer to the first attempt comes while the resend cannot be handed over; then the network is back."""
    desk = Desk(make_config(devices=(1,)))
    desk.hears(1)
    desk.step(0, m.DownlinkSent("c/1"))
    desk.network.down = True
    desk.step(111)
    assert [e.id for e in desk.of(m.Requested)] == ["c/1", "c/2"]
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.step(2)
    desk.network.down = False
    desk.step(5)
    assert [d.id for d in desk.network.taken] == ["c/1", "c/3"]


def test_a_superseded_request_is_not_handed_over() -> None:
    desk = Desk(make_config(devices=(1,)))
    desk.hears(1)
    desk.network.down = True
    desk.step(0, m.DownlinkSent("c/1", False))
    desk.step(2)
    desk.step(0, m.DownlinkSent("c/2", False))
    desk.step(2)
    desk.network.down = False
    desk.step(5)
    assert [d.id for d in desk.network.taken] == ["c/1", "c/3"]


# ---- launching -------------------------------------------------------------------------------------------


def test_a_device_is_in_one_running_campaign() -> None:
    first, second = make_config("c", (1, 2)), make_config("d", (2, 3), group={"name": "h", "mc_addr": "01f3a4b6"})
    desk = Desk(first)
    agent = Agent(desk.journal, desk.network, ring_for(first, second))
    campaign = Campaign(second, IMAGE)
    with pytest.raises(CampaignError, match=f"{2:016x} is in campaign 'c'"):
        agent.launch(campaign, T0)
    assert tuple(desk.journal.campaigns()) == ("c",)
    assert campaign.status().status == "CONFIGURED"


def test_a_name_that_is_taken_is_told_before_the_devices_that_it_holds() -> None:
    config = make_config("c", (1, 2))
    desk = Desk(config)
    with pytest.raises(JournalError, match="there is a campaign 'c' already"):
        Agent(desk.journal, desk.network, ring_for(config)).launch(Campaign(config, IMAGE), T0)


def test_a_group_is_in_one_running_campaign() -> None:
    first, second = make_config("c", (1,)), make_config("d", (2,), group={"name": "h"})
    desk = Desk(first)
    agent = Agent(desk.journal, desk.network, ring_for(first, second))
    with pytest.raises(CampaignError, match="01f3a4b5 is in campaign 'c'"):
        agent.launch(Campaign(second, IMAGE), T0)
    assert tuple(desk.journal.campaigns()) == ("c",)
    assert agent.idle


def test_after_its_campaign_a_device_is_free() -> None:
    desk = Desk(make_config("c", max_duration=900))
    desk.step(901)
    assert desk.agent.idle
    desk.agent.launch(Campaign(make_config("d"), IMAGE), desk.now)
    assert not desk.agent.idle


@pytest.mark.parametrize("missing", ["root", "mc"])
def test_a_missing_key_is_noticed_before_anything_begins(missing) -> None:
    config = make_config()
    full = ring_for(config)
    root_keys = {d.key_name: full.root_key(d.key_name) for d in config.devices}
    mc_keys = {"g": full.mc_key("g")}
    ring = KeyRing(root_keys=root_keys if missing != "root" else {}, mc_keys=mc_keys if missing != "mc" else {})
    journal, network = MemoryJournal(), ScriptedNetwork()
    campaign = Campaign(config, IMAGE)
    with pytest.raises(ParameterError, match="key ring"):
        Agent(journal, network, ring).launch(campaign, T0)
    assert (journal.campaigns(), network.groups, campaign.status().status) == ((), [], "CONFIGURED")


def test_a_launch_that_fails_can_be_repeated() -> None:
    config = make_config()
    journal, network = MemoryJournal(), ScriptedNetwork()
    agent = Agent(journal, network, ring_for(config))
    campaign = Campaign(config, IMAGE)
    network.down = True
    with pytest.raises(NetworkError):
        agent.launch(campaign, T0)
    assert agent.idle
    network.down = False
    agent.launch(campaign, T0)
    assert campaign.status().status == "RUNNING"


def test_a_name_that_the_journal_knows_is_refused() -> None:
    desk = Desk(make_config(max_duration=900))
    desk.step(901)
    campaign = Campaign(make_config(), IMAGE)
    with pytest.raises(JournalError, match="'c' already"):
        desk.agent.launch(campaign, desk.now)
    assert campaign.status().status == "CONFIGURED"
    assert desk.agent.idle


def test_groups_are_opened_with_their_session_keys() -> None:
    desk = Desk(make_config(group={"key": "the key"}))
    [group] = desk.network.groups
    assert (group.name, group.mc_addr, group.dr, group.frequency_hz) == ("c/g", 0x01F3A4B5, 5, 869_525_000)
    assert group.dev_euis == (f"{1:016x}", f"{2:016x}")
    assert group.mc_app_s_key == keys.mc_app_s_key(key_of("the key"), 0x01F3A4B5)
    assert group.mc_nwk_s_key == keys.mc_nwk_s_key(key_of("the key"), 0x01F3A4B5)


# ---- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lorawan", ["1.0", "1.1"])
def test_the_group_key_on_the_air_is_wrapped_for_the_device(lorawan) -> None:
    desk = Desk(make_config(lorawan=lorawan))
    desk.hears(1, 2)
    desk.step(2)
    assert len({d.payload for d in desk.network.taken}) == 2
    derive = {"1.0": keys.mc_root_key, "1.1": keys.mc_root_key_from_app_key}[lorawan]
    for downlink in desk.network.taken:
        [command] = multicast.decode(downlink.payload, uplink=False)
        ke_key = keys.mc_ke_key(derive(key_of(downlink.dev_eui)))
        assert keys.unwrap_mc_key(ke_key, command.mc_key_encrypted) == key_of("g")
    assert [e.command[6:22] for e in desk.of(m.Requested)] == [bytes(16)] * 2


def test_each_device_gets_its_own_mic() -> None:
    desk = Desk(make_config(group={"version": "2.0.0"}, session_cnt=9, descriptor="0a0b0c0d", ucast_msg_delay=0))
    desk.hears(1, 2)
    for i in (1, 2):
        desk.answers(i, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.step(1)
    downlinks = [d for d in desk.network.taken if d.f_port == 201]
    assert len(downlinks) == 2
    for downlink in downlinks:
        [command] = fragmentation.decode(downlink.payload, uplink=False, version="2.0.0")
        assert command.session_cnt == 9
        assert command.mic == keys.data_block_mic(
            keys.data_block_int_key(key_of(downlink.dev_eui)),
            session_cnt=9,
            frag_index=0,
            descriptor=b"\x0a\x0b\x0c\x0d",
            data=IMAGE,
        )
    requests = [e for e in desk.of(m.Requested) if e.f_port == 201]
    assert all(e.command.endswith(bytes(4)) for e in requests)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_frames_go_out_as_they_were_prepared(version) -> None:
    desk = Desk(make_config(devices=(1,), group={"version": version}, ucast_msg_delay=0))
    desk.hears(1)
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.answers(1, 201, fragmentation.FragSessionSetupAns(frag_index=0))
    [started] = [e for e in desk.of(m.StageStarted) if e.sessions]
    time_to_start = int(started.sessions["g"].start - desk.now)
    desk.answers(1, 200, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=time_to_start))
    served = 0
    while len(desk.network.taken) < 8:
        new = desk.network.taken[served:]
        served += len(new)
        due = desk.step(0, *(m.MulticastSummary(d.id) for d in new if d.group))
        assert due is not None
        desk.step(max(0.0, due - desk.now))
    block = desk.campaigns[0].block("g")
    frames = [d for d in desk.network.taken if d.group]
    assert [(d.group, d.f_port, d.f_cnt, d.payload) for d in frames] == [
        ("c/g", 201, n - 1, bytes(block.frame(n))) for n in range(1, 6)
    ]


def test_no_key_is_in_the_journal_or_in_a_repr() -> None:
    told: list[str] = []
    config = make_config(devices=(1,), group={"version": "2.0.0"})
    desk = Desk(config, observer=lambda _campaign, event: told.append(repr(event) + str(event.record())))
    desk.hears(1)
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.step(2)
    secrets = [bytes(key_of(f"{1:016x}")), bytes(key_of("g"))]
    for downlink in desk.network.taken:
        if downlink.f_port == 200:
            secrets.append(multicast.decode(downlink.payload, uplink=False)[0].mc_key_encrypted)
        else:
            secrets.append(fragmentation.decode(downlink.payload, uplink=False, version="2.0.0")[0].mic)
    secrets += [bytes(keys.mc_ke_key(keys.mc_root_key(key_of(f"{1:016x}"))))]
    text = "".join([*told, repr(desk.agent), repr(desk.campaigns), repr(desk.network.groups)])
    for secret in secrets:
        assert secret.hex() not in text.lower()
        assert repr(secret)[2:-1] not in text


def test_a_payload_that_is_not_the_one_requested_does_not_go_out() -> None:
    desk = Desk(make_config())
    desk.network.down = True
    desk.hears(1)
    desk.network.down = False
    n_tried = len(desk.network.tried)
    pending = desk.agent._running["c"].pending
    pending["c/1"] = dataclasses.replace(pending["c/1"], command=b"\x01\x00")
    desk.step(10)
    assert len(desk.network.tried) == n_tried
    assert desk.agent.campaign("c") is None, "it is set aside; other campaigns go on"


# ---- several campaigns -----------------------------------------------------------------------------------


def virtual_network(configs: Sequence[CampaignConfig], seed: int = 1, loss: float = 0.0) -> SimulatedNetwork:
    rng = np.random.default_rng(seed)
    devices = [
        VirtualDevice(
            dev_eui=d.dev_eui,
            root_key=key_of(d.key_name),
            releases={hashlib.sha256(IMAGE).digest(): NEW_VERSION},
            rng=rng,
            version=c.groups[0].version,
            mc_version=c.groups[0].mc_version,
            uplink_period=100,
        )
        for c in configs
        for d in c.devices
    ]
    return SimulatedNetwork(
        devices,
        uplink_loss=IndependentLoss(loss, np.random.default_rng(seed + 1)),
        downlink_loss=IndependentLoss(loss, np.random.default_rng(seed + 2)),
        rng=rng,
        start=T0,
    )


def run_together(configs: Sequence[CampaignConfig]) -> tuple[list[Campaign], SimulatedNetwork]:
    network = virtual_network(configs)
    agent = Agent(MemoryJournal(), network, ring_for(*configs))
    campaigns = [Campaign(config, IMAGE) for config in configs]
    for campaign in campaigns:
        agent.launch(campaign, T0)
    run_virtual(agent, network, T0, until=T0 + 200_000)
    return campaigns, network


def test_several_campaigns_run_at_once() -> None:
    configs = [
        make_config("one", (1, 2), group={"name": "a"}),
        make_config("two", (3, 4), group={"name": "b", "mc_addr": "01f3a4b6", "version": "2.0.0"}),
        make_config("three", (5,), group={"name": "c", "mc_addr": "01f3a4b7", "mc_group_id": 2}, redundancy=0),
    ]
    campaigns, network = run_together(configs)
    assert [c.status().status for c in campaigns] == ["SUCCEEDED"] * 3
    assert all(device.image == IMAGE for device in network.devices.values())


def test_groups_of_two_campaigns_may_have_the_same_name() -> None:
    """A name is the campaign's own; the address tells groups apart."""
    configs = [
        make_config("one", (1, 2)),
        make_config("two", (3, 4), group={"name": "g", "mc_addr": "01f3a4b6"}),
    ]
    campaigns, network = run_together(configs)
    assert [c.status().status for c in campaigns] == ["SUCCEEDED"] * 2
    assert all(device.image == IMAGE for device in network.devices.values())


def test_what_one_campaign_is_told_is_not_anothers() -> None:
    first = make_config("c", (1,))
    second = make_config("d", (2,), group={"name": "h", "mc_addr": "01f3a4b6"})
    desk = Desk(first, second)
    desk.hears(1)
    assert [d.id for d in desk.network.taken] == ["c/1"]
    desk.hears(2)
    assert [d.id for d in desk.network.taken] == ["c/1", "d/1"]
    desk.step(0, m.DownlinkSent("d/1", False))
    assert [e.ok for e in desk.of(m.Reported, "d")] == [False]
    assert desk.of(m.Reported, "c") == []


def test_reports_of_nobody_are_harmless() -> None:
    desk = Desk(make_config())
    desk.step(1, m.DownlinkSent("x/1"), m.DownlinkSent(""), m.DownlinkSent("/"), m.MulticastSummary("c"))
    assert not desk.agent.idle


# ---- leases, take-over, operators ------------------------------------------------------------------------


def second_agent(desk: Desk, name: str = "second") -> Agent:
    return Agent(desk.journal, desk.network, ring_for(*(c.config for c in desk.campaigns)), name=name)


def test_a_campaign_that_an_agent_runs_is_not_adopted() -> None:
    desk = Desk(make_config())
    other = second_agent(desk)
    assert other.adopt(desk.now) == []
    assert other.idle


def test_a_campaign_whose_agent_is_gone_is_replayed_and_goes_on() -> None:
    desk = Desk(make_config())
    desk.hears(1)
    desk.agent._running["c"].lease.release()
    other = second_agent(desk)
    assert other.adopt(desk.now + 1) == ["c"]
    assert [e.at for e in desk.of(m.Resumed)] == [desk.now + 1]
    other.step(desk.now + 2)
    assert [d.id for d in desk.network.taken] == ["c/1"], "what was handed over is not handed over again"
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    assert desk.agent.campaign("c") is None, "who was away too long notices that it was taken over"
    assert len(desk.of(m.Answered)) == 0


def test_a_request_without_a_hand_over_is_handed_over_by_the_next_agent_as_it_was() -> None:
    desk = Desk(make_config())
    desk.network.down = True
    desk.hears(1)
    tried = desk.network.tried[0]
    desk.agent._running["c"].lease.release()
    desk.network.down = False
    other = second_agent(desk)
    other.adopt(desk.now + 1)
    assert desk.network.taken == [tried]


def test_only_what_is_named_is_adopted() -> None:
    desk = Desk(make_config("a", (1,)), make_config("b", (2,), group={"mc_addr": "01f3a4b6"}))
    for running in desk.agent._running.values():
        running.lease.release()
    assert second_agent(desk).adopt(desk.now, only=["b"]) == ["b"]


def test_a_finished_campaign_is_not_adopted() -> None:
    desk = Desk(make_config(max_duration=900))
    desk.step(901)
    assert second_agent(desk).adopt(desk.now) == []


class Fading:
    """A lease with so many seconds left."""

    def __init__(self, left: float, renews: bool = True) -> None:
        self.seconds, self.renews, self.n_renewed = left, renews, 0

    def left(self) -> float:
        return self.seconds

    def renew(self) -> bool:
        self.n_renewed += 1
        return self.renews

    def release(self) -> None:
        pass


@pytest.mark.parametrize(("left", "n_taken"), [(4.9, 0), (5.1, 1)])
def test_nothing_is_handed_over_when_the_lease_is_about_to_run_out(left, n_taken) -> None:
    desk = Desk(make_config())
    desk.agent._running["c"].lease = Fading(left)
    desk.hears(1)
    assert len(desk.network.taken) == n_taken


def test_a_lease_is_renewed_at_half_time_and_its_loss_ends_the_work() -> None:
    desk = Desk(make_config())
    lease = desk.agent._running["c"].lease = Fading(31)
    desk.step(1)
    assert lease.n_renewed == 0
    lease.seconds = 29
    desk.step(1)
    assert lease.n_renewed == 1
    lease.renews = False
    desk.hears(1)
    assert desk.agent.idle
    assert desk.network.taken == []


def test_orders_are_carried_out_by_the_agent_that_runs_the_campaign() -> None:
    desk = Desk(make_config())
    desk.journal.order("c", "pause")
    desk.step(2)
    assert len(desk.of(m.Paused)) == 1
    assert desk.journal.orders() in ((), [])
    desk.hears(1)
    assert desk.network.taken == []
    desk.journal.order("c", "unpause")
    desk.step(2)
    assert len(desk.network.taken) == 1
    desk.journal.order("c", "stop")
    desk.step(2)
    assert [e.status for e in desk.of(m.Finished)] == ["STOPPED"]
    assert desk.network.withdrawn == ["c/1"]
    assert desk.agent.idle


def test_an_order_that_makes_no_sense_any_more_is_dropped() -> None:
    desk = Desk(make_config())
    desk.journal.order("c", "stop")
    desk.journal.order("c", "pause")
    desk.step(2)
    assert list(desk.journal.orders()) == []


def test_an_operator_at_the_agent_itself() -> None:
    desk = Desk(make_config())
    desk.agent.carry_out("c", "stop", desk.now)
    assert [e.status for e in desk.of(m.Finished)] == ["STOPPED"]
    with pytest.raises(CampaignError, match="not run by this agent"):
        desk.agent.carry_out("c", "stop", desk.now)


def test_what_could_not_be_withdrawn_is_withdrawn_later() -> None:
    """By this agent or another: only then is the campaign finished."""
    desk = Desk(make_config())
    desk.hears(1)
    desk.network.down = True
    desk.agent.carry_out("c", "stop", desk.now)
    due = desk.step(1)
    assert due is not None
    assert desk.now < due <= desk.now + 5
    assert (desk.network.withdrawn, desk.of(m.Finished)) == ([], [])
    desk.network.down = False
    desk.agent.close()
    other = second_agent(desk)
    assert other.adopt(desk.now) == ["c"]
    assert desk.network.withdrawn == ["c/1"]
    assert [e.status for e in desk.of(m.Finished)] == ["STOPPED"]
    assert other.idle


# ---- what outlives a campaign ----------------------------------------------------------------------------


def finish(desk: Desk, name: str, devices: Sequence[int]) -> None:
    """Brings a campaign of these devices to its end, everything going right."""
    served = 0
    for _ in range(10_000):
        campaign = desk.agent.campaign(name)
        if campaign is None:
            return
        new, served = desk.network.taken[served:], len(desk.network.taken)
        inputs: list[m.Input] = []
        for d in new:
            inputs.append(m.MulticastSummary(d.id) if d.group else m.DownlinkSent(d.id))
        stage = campaign.status().stage
        start = [e for e in desk.of(m.StageStarted, name) if e.sessions]
        for i in devices:
            answer: Any = None
            if stage == "McGroupSetup":
                answer = 200, multicast.McGroupSetupAns(mc_group_id=0)
            elif stage == "FragSessionSetup":
                answer = 201, fragmentation.FragSessionSetupAns(frag_index=0)
            elif stage == "McClassCSession":
                time_to_start = max(0, int(start[-1].sessions["g"].start - desk.now))
                answer = 200, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=time_to_start)
            elif stage == "CompletionVerification":
                answer = 203, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)
            inputs.append(m.Uplink(f"{i:016x}", 2, b"", desk.now))
            if answer is not None:
                inputs.append(m.Uplink(f"{i:016x}", answer[0], answer[1].encode(), desk.now))
        desk.step(0, *inputs)
        desk.now += 1
    raise AssertionError("it does not end")


def test_counters_sessions_versions_and_groups_outlive_a_campaign() -> None:
    config = make_config("c", (1, 2), group={"version": "2.0.0"}, ack_reception=False)
    desk = Desk(config)
    finish(desk, "c", (1, 2))
    assert desk.of(m.Finished)[0].status == "SUCCEEDED"
    known = desk.journal.known(config)
    assert dict(known.next_f_cnt) == {"g": 5}
    device = known.devices[f"{1:016x}"]
    assert (device.session_cnt, device.fw_version) == (1, NEW_VERSION)
    again = make_config("d", (1, 2), group={"version": "2.0.0"}, ack_reception=False, fw_version=NEW_VERSION + 1)
    desk.agent.launch(Campaign(again, IMAGE), desk.now)
    desk.hears(1, 2)
    desk.step(5)
    requests = desk.of(m.Requested, "d")
    assert {e.ask for e in requests} == {"FragSessionSetup"}, "who belongs to the group is not asked again"
    [command] = fragmentation.decode(requests[0].command, uplink=False, version="2.0.0")
    assert command.session_cnt == 2


def test_a_counter_of_the_network_server_is_read_before_the_group_is_set_up() -> None:
    config = make_config("c", (1,))
    journal, network = MemoryJournal(), ScriptedNetwork(owns_f_cnt=True)
    network.counters = {"c/g": 4711}
    agent = Agent(journal, network, ring_for(config))
    agent.launch(Campaign(config, IMAGE), T0)
    network.inbox.append(m.Uplink(f"{1:016x}", 2, b"", T0))
    agent.step(T0)
    [command] = multicast.decode(network.taken[0].payload, uplink=False)
    assert command.min_mc_fcnt == 4711


# ---- the air ---------------------------------------------------------------------------------------------


def frames_in_the_air(configs: Sequence[CampaignConfig]) -> list[tuple[float, str]]:
    """Times at which multicast frames of these campaigns, run by one agent, were handed over."""
    network = virtual_network(configs)
    taken: list[tuple[float, str]] = []
    submit = network.submit

    def noting(downlink: Downlink, now: float) -> m.HandOver:
        if downlink.group:
            taken.append((now, downlink.group))
        return submit(downlink, now)

    network.submit = noting  # type: ignore[method-assign]
    agent = Agent(MemoryJournal(), network, ring_for(*configs))
    for config in configs:
        agent.launch(Campaign(config, IMAGE * 10), T0)
    run_virtual(agent, network, T0, until=T0 + 200_000)
    return taken


SLOW: dict[str, Any] = {"dr": 0, "frequency": 869_525_000}


def test_campaigns_of_an_agent_share_the_duty_cycle_of_a_sub_band() -> None:
    configs = [
        make_config(name, (i,), group={"name": "g", "mc_addr": f"01f3a4b{i}", **SLOW}, session_start=T0 + 2000)
        for i, name in enumerate(("a", "b"))
    ]
    times = frames_in_the_air(configs)
    assert {group for _, group in times} == {"a/g", "b/g"}
    on_air = Campaign(configs[0], IMAGE * 10).plan.groups["g"].time.frame_time
    starts = [at for at, _ in times]
    assert min(b - a for a, b in pairwise(starts)) >= 10 * on_air - 1e-6


def test_groups_with_other_gateways_do_not_share_it() -> None:
    configs = [
        make_config(
            name, (i,), group={"mc_addr": f"01f3a4b{i}", "gateways": (f"gw{i}",), **SLOW}, session_start=T0 + 2000
        )
        for i, name in enumerate(("a", "b"))
    ]
    starts = [at for at, _ in frames_in_the_air(configs)]
    assert sorted(starts)[1] - sorted(starts)[0] < 1


# ---- time ------------------------------------------------------------------------------------------------


def test_step_says_when_the_next_one_is_due() -> None:
    desk = Desk(make_config(devices=(1,)))
    assert desk.step() == T0 + 300
    desk.hears(1)
    assert desk.step() == T0 + 110
    desk.step(0, m.DownlinkSent("c/1"))
    assert desk.step() == T0 + 110


def test_an_idle_agent_waits_for_nothing() -> None:
    agent = Agent(MemoryJournal(), ScriptedNetwork(), KeyRing(root_keys={}, mc_keys={}))
    assert agent.idle
    assert agent.step(T0) is None
    asyncio.run(agent.run())
    assert run_virtual(agent, virtual_network([]), T0) == T0


def test_run_steps_until_no_campaign_runs() -> None:
    desk = Desk(make_config(max_duration=900))
    clock = iter(range(1, 100_000))
    asyncio.run(desk.agent.run(poll_interval=0, clock=lambda: T0 + 10 * next(clock)))
    assert desk.agent.idle
    assert desk.campaigns[0].status().reason == "0 of 2 devices succeeded in McGroupSetup, 2 needed"


def test_virtual_time_stops_where_it_is_told() -> None:
    config = make_config()
    network = virtual_network([config])
    agent = Agent(MemoryJournal(), network, ring_for(config))
    campaign = Campaign(config, IMAGE)
    agent.launch(campaign, T0)
    reached = run_virtual(agent, network, T0, until=T0 + 200)
    assert T0 + 100 < reached < T0 + 300
    assert not agent.idle
    assert run_virtual(agent, network, reached) > reached
    assert campaign.status().status == "SUCCEEDED"


def test_a_request_that_cannot_be_handed_over_does_not_hold_the_campaign_up_for_ever() -> None:
    """The stage without a maximum duration too: the request runs out, the device is given up, the campaign ends."""
    config = make_config("one", (1, 2), success_threshold=50, stage_end="all", msg_retries=1)
    network = virtual_network([config])
    submit = network.submit

    def refuse(downlink, now):
        if downlink.f_port == 203 and downlink.dev_eui == f"{1:016x}":
            raise NetworkError("not this one")
        return submit(downlink, now)

    network.submit = refuse
    agent = Agent(MemoryJournal(), network, ring_for(config))
    campaign = Campaign(config, IMAGE)
    agent.launch(campaign, T0)
    run_virtual(agent, network, T0, until=T0 + 300_000)
    assert agent.idle
    status = campaign.status()
    assert status.status == "SUCCEEDED"
    assert [(d.status, d.reason) for d in status.devices] == [
        ("failed", "no answer in CompletionVerification"),
        ("passed", ""),
    ]


def test_a_launch_that_is_refused_leaves_no_name_behind() -> None:
    config = make_config(session_start=T0 - 5)
    journal = MemoryJournal()
    agent = Agent(journal, ScriptedNetwork(), ring_for(config))
    with pytest.raises((CampaignError, ParameterError)):
        agent.launch(Campaign(config, IMAGE), T0)
    assert journal.campaigns() == ()
    agent.launch(Campaign(make_config(), IMAGE), T0)


def test_all_missing_keys_are_named_at_once() -> None:
    config = make_config(devices=(1, 2))
    agent = Agent(MemoryJournal(), ScriptedNetwork(), KeyRing(root_keys={}, mc_keys={}))
    with pytest.raises(ParameterError) as error:
        agent.launch(Campaign(config, IMAGE), T0)
    assert len(str(error.value).splitlines()) >= 2


def test_what_is_taken_and_what_is_refused_are_told_at_once() -> None:
    desk = Desk(make_config("c", (1, 2)))
    campaign = Campaign(make_config("d", (2, 3)), IMAGE)
    agent = Agent(desk.journal, desk.network, KeyRing(root_keys={}, mc_keys={}))
    with pytest.raises(CampaignError) as error:
        agent.launch(campaign, T0)
    text = str(error.value)
    assert f"device {2:016x} is in campaign 'c'" in text
    assert "group 01f3a4b5 is in campaign 'c'" in text
    assert "McKey is not in the key ring" in text
    assert "no GenAppKey in the key ring" in text
    assert campaign.status().status == "CONFIGURED"


def test_a_retry_that_is_held_back_by_a_pause_wakes_nobody() -> None:
    """The agent must not say that something is due in the past."""
    desk = Desk(make_config())
    desk.network.down = True
    desk.hears(1)
    desk.agent.carry_out("c", "pause", desk.now)
    for _ in range(5):
        due = desk.step(7)
        assert due is None or due > desk.now


def test_a_network_that_is_away_when_a_campaign_is_replayed_is_waited_for() -> None:
    desk = Desk(make_config())
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


def test_an_adoption_that_fails_gives_the_lease_back() -> None:
    desk = Desk(make_config())
    desk.agent.close()
    desk.network.down = True
    assert second_agent(desk).adopt(desk.now) == []
    with pytest.raises(NetworkError):
        second_agent(desk).adopt(desk.now, only=["c"])
    desk.network.down = False
    assert second_agent(desk, "third").adopt(desk.now) == ["c"]


def test_a_step_takes_over_what_no_agent_runs_any_more() -> None:
    desk = Desk(make_config())
    other = second_agent(desk)
    other.step(desk.now)
    assert other.idle
    desk.agent.close()
    other.step(desk.now + 29)
    assert other.idle, "it does not look all the time"
    other.step(desk.now + 31)
    assert other.campaign("c") is not None


def test_a_campaign_on_another_network_is_not_taken_over() -> None:
    desk = Desk(make_config())
    desk.agent.close()
    other = Agent(desk.journal, desk.network, ring_for(make_config()), network_name="elsewhere")
    other.step(desk.now)
    assert other.idle
    assert other.adopt(desk.now, only=["c"]) == ["c"], "unless it is asked to"


def test_a_campaign_whose_keys_an_agent_does_not_have_is_left_alone() -> None:
    desk = Desk(make_config())
    desk.agent.close()
    other = Agent(desk.journal, desk.network, KeyRing(root_keys={}, mc_keys={}))
    other.step(desk.now)
    assert other.idle
    assert second_agent(desk).adopt(desk.now) == ["c"]


def test_run_begins_with_what_no_agent_runs() -> None:
    desk = Desk(make_config(max_duration=900))
    desk.agent.close()
    other = second_agent(desk)
    clock = iter(range(1, 100_000))
    asyncio.run(other.run(poll_interval=0, clock=lambda: T0 + 10 * next(clock)))
    assert [e.status for e in desk.of(m.Finished)] == ["FAILED"]


def run_one(journal: MemoryJournal, network: Any, config: CampaignConfig, image: bytes, now: float) -> m.Event:
    agent = Agent(journal, network, ring_for(config))
    agent.launch(Campaign(config, image), now)
    run_virtual(agent, network, now, until=now + 200_000)
    return list(journal.events(config.id))[-1]


def test_a_server_that_counts_goes_on_where_the_last_campaign_of_a_group_ended() -> None:
    """Its groups are new to it in every campaign, the McKey and its counters are not."""
    first, second = make_config("c", (1,)), make_config("d", (1,), fw_version=NEW_VERSION + 1)
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


def test_a_server_that_would_use_counters_again_is_refused() -> None:
    config = make_config("c", (1,))
    journal, network = MemoryJournal(), ScriptedNetwork(owns_f_cnt=True)
    journal.create("x", b"", facts=[m.GroupFact(mc_addr="01f3a4b5", key="g", next_f_cnt=40)])
    network.counters = {"c/g": 7}
    with pytest.raises(CampaignError, match="counts from 7, this McKey was used up to 40"):
        Agent(journal, network, ring_for(config)).launch(Campaign(config, IMAGE), T0)


def test_a_campaign_that_cannot_be_taken_over_holds_up_no_other() -> None:
    first, second = make_config("a", (1,), group={"name": "x"}), make_config("b", (2,), group={"mc_addr": "01f3a4b6"})
    desk = Desk(first, second)
    desk.agent.close()
    other = Agent(desk.journal, desk.network, ring_for(second))
    assert other.adopt(desk.now) == ["b"]


def test_poisonous_words_of_the_network_reach_no_journal() -> None:
    desk = Desk(make_config())
    desk.hears(1)
    desk.step(0, m.DownlinkSent("c/1", False, "no route \udcff\0" + "x" * 1000))
    [reported] = desk.of(m.Reported)
    m.encode(reported)
    assert len(reported.cause) <= 200


def test_an_observer_that_fails_leaves_the_books_right() -> None:
    told: list[m.Event] = []

    def observer(campaign: Campaign, event: m.Event) -> None:
        told.append(event)
        if isinstance(event, m.DeviceHeard):
            raise OSError("the pipe is gone")

    desk = Desk(make_config("a", (1,)), make_config("b", (2,), group={"mc_addr": "01f3a4b6"}), observer=observer)
    with pytest.raises(OSError, match="pipe"):
        desk.hears(1, 2)
    desk.step(1)
    assert {d.id for d in desk.network.taken} == {"a/1", "b/1"}


def test_a_clock_that_goes_back_holds_up_no_hand_over() -> None:
    desk = Desk(make_config())
    desk.network.down = True
    desk.hears(1)
    desk.network.down = False
    desk.step(-86_400)
    assert [d.id for d in desk.network.taken] == ["c/1"]


def test_an_order_of_a_later_version_is_dropped() -> None:
    desk = Desk(make_config())
    desk.journal.order("c", "retry")  # type: ignore[arg-type]
    desk.step(2)
    assert list(desk.journal.orders()) == []


def test_a_launch_that_is_in_the_journal_has_happened() -> None:
    """Whatever fails after that: the campaign goes on, here or in another agent."""
    config = make_config()
    journal = MemoryJournal()
    agent = Agent(journal, ScriptedNetwork(), ring_for(config))
    lease = journal.lease

    def failing(*_args: Any) -> Any:
        raise JournalError("disk full")

    journal.lease = failing  # type: ignore[method-assign]
    agent.launch(Campaign(config, IMAGE), T0)
    assert list(journal.campaigns()) == ["c"]
    journal.lease = lease  # type: ignore[method-assign]
    agent.step(T0 + 1)
    assert agent.campaign("c") is not None


def test_an_agent_that_stands_by_takes_over() -> None:
    desk = Desk(make_config(max_duration=900))
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


def test_unicasts_that_had_to_wait_for_the_network_keep_their_distance() -> None:
    desk = Desk(make_config(devices=(1, 2, 3), ucast_msg_delay=4000))
    desk.network.down = True
    desk.hears(1, 2, 3)
    for _ in range(4):
        desk.step(5)
    assert len(desk.of(m.Requested)) == 3
    desk.network.down = False
    times = []
    while len(times) < 3:
        before = len(desk.network.taken)
        due = desk.step(0)
        times += [desk.now] * (len(desk.network.taken) - before)
        assert due is not None
        desk.now = max(due, desk.now)
    assert all(b - a >= 4 for a, b in pairwise(times))


def test_a_campaign_that_is_set_aside_takes_all_that_it_has_pending_along() -> None:
    """In the turn in which another request of it is answered, and so is not to be handed over any more."""
    first = make_config("a", (1, 2), ucast_msg_delay=0)
    second = make_config("b", (3,), group={"mc_addr": "01f3a4b6"})
    desk = Desk(first, second)
    desk.hears(1, 2)
    desk.network.down = True
    desk.step(0, m.DownlinkSent("a/1", False), m.DownlinkSent("a/2", False))
    desk.hears(3)
    pending = desk.agent._running["a"].pending
    assert list(pending) == ["a/3", "a/4"]
    pending["a/3"] = dataclasses.replace(pending["a/3"], command=b"\x01\x00")
    desk.network.down = False
    answer = multicast.McGroupSetupAns(mc_group_id=0).encode()
    desk.step(10, m.Uplink(f"{2:016x}", 200, answer, desk.now))
    assert desk.agent.campaign("a") is None
    assert [d.id for d in desk.network.taken] == ["a/1", "a/2", "b/1"]
