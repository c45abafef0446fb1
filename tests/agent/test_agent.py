"""The agent's turn: commit before hand-over, several campaigns at once, orders, and a journal or network that fails."""

from __future__ import annotations

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.errors import CampaignError, JournalError
from fuota_fec.networks.base import Downlink
from fuota_fec.wire import fragmentation

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


def test_every_downlink_is_committed_before_it_is_submitted(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    committed_at_submit = []
    original = desk.network.submit

    def submit(downlink: Downlink, now: float) -> m.HandOver:
        committed_at_submit.append(downlink.id in [e.id for e in desk.of(m.Requested)])
        return original(downlink, now)

    desk.network.submit = submit  # type: ignore[method-assign]
    desk.hears(1, 2)
    desk.step(5)
    assert committed_at_submit == [True, True]


def test_no_request_is_handed_over_while_the_journal_fails(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.journal.fails = True
    with pytest.raises(JournalError):
        desk.hears(1)
    with pytest.raises(JournalError):
        desk.step(1)
    assert desk.network.tried == []
    assert desk.of(m.Requested) == []


def test_a_campaign_whose_commit_failed_is_replayed_without_losing_input(config_of, desk_of) -> None:
    """The object that was ahead of the journal is thrown away; what the network gave is given again."""
    desk = desk_of(config_of())
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


def test_a_fenced_campaign_does_not_stop_the_others(config_of, desk_of) -> None:
    desk = desk_of(config_of("a", (1,)), config_of("b", (2,), group={"mc_addr": "01f3a4b6"}))
    desk.journal.append("a", len(list(desk.journal.events("a"))), [m.DeviceHeard(at=T0, dev_eui=f"{1:016x}")])
    with pytest.raises(JournalError):
        desk.hears(1, 2)
    desk.step(1)
    assert [d.id for d in desk.network.taken] == ["b/1"]
    assert desk.agent.campaign("a") is None


def test_a_fenced_campaign_hands_nothing_over(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.journal.append("c", len(desk.journal.events("c")), [m.DeviceHeard(at=T0, dev_eui=f"{2:016x}")])
    with pytest.raises(JournalError, match="expected"):
        desk.hears(1)
    assert desk.network.tried == []


def test_a_hand_over_is_committed_with_the_networks_reference(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.hears(1)
    [handed_over] = desk.of(m.HandedOver)
    assert (handed_over.id, handed_over.reference) == ("c/1", "ref c/1")


def test_the_events_in_the_journal_are_the_whole_campaign(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.hears(1, 2)
    desk.step(3)
    events = desk.journal.events("c")
    assert desk.journal.image("c") == IMAGE
    assert len(events) == desk.campaigns[0].n_events
    assert Campaign.replay(events, desk.journal.image("c")).status() == desk.campaigns[0].status()


def test_the_observer_receives_every_event_once_in_order_after_its_commit(config_of, desk_of) -> None:
    observed: list[m.Event] = []
    desks = []

    def observer(_campaign: Campaign, event: m.Event) -> None:
        observed.append(event)
        if desks:
            assert event in desks[0].journal.events("c")

    desk = desk_of(config_of(), observer=observer)
    desks.append(desk)
    desk.hears(1, 2)
    desk.step(5)
    assert observed == list(desk.journal.events("c"))


def test_a_failing_observer_does_not_lose_requests(config_of, desk_of) -> None:
    observed: list[m.Event] = []

    def observer(campaign: Campaign, event: m.Event) -> None:
        observed.append(event)
        if isinstance(event, m.DeviceHeard):
            raise OSError("the pipe is gone")

    desk = desk_of(config_of("a", (1,)), config_of("b", (2,), group={"mc_addr": "01f3a4b6"}), observer=observer)
    desk.hears(1, 2)
    desk.step(1)
    assert {d.id for d in desk.network.taken} == {"a/1", "b/1"}
    reported = [event for name in "ab" for event in desk.journal.events(name)]
    assert len(observed) == len(reported), "later events are reported as well"


def test_a_network_that_cannot_be_read_does_not_stop_the_agent(config_of, desk_of, caplog) -> None:
    desk = desk_of(config_of())
    desk.network.deaf = True
    desk.step(1)
    desk.network.deaf = False
    desk.hears(1)
    assert len(desk.network.taken) == 1
    assert "cannot read from the network: no connection" in caplog.text


def test_unprintable_causes_of_the_network_are_cleaned_before_the_journal(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.hears(1)
    desk.step(0, m.DownlinkSent("c/1", False, "no route \udcff\0" + "x" * 1000))
    [reported] = desk.of(m.Reported)
    m.encode(reported)
    assert len(reported.cause) <= 200


def test_several_campaigns_run_at_once(config_of, run_together) -> None:
    configs = [
        config_of("one", (1, 2), group={"name": "a"}),
        config_of("two", (3, 4), group={"name": "b", "mc_addr": "01f3a4b6", "version": "2.0.0"}),
        config_of("three", (5,), group={"name": "c", "mc_addr": "01f3a4b7", "mc_group_id": 2}, redundancy=0),
    ]
    campaigns, network = run_together(configs)
    assert [c.status().status for c in campaigns] == ["SUCCEEDED"] * 3
    assert all(device.image == IMAGE for device in network.devices.values())


def test_groups_of_two_campaigns_may_have_the_same_name(config_of, run_together) -> None:
    """A name is the campaign's own; the address tells groups apart."""
    configs = [
        config_of("one", (1, 2)),
        config_of("two", (3, 4), group={"name": "g", "mc_addr": "01f3a4b6"}),
    ]
    campaigns, network = run_together(configs)
    assert [c.status().status for c in campaigns] == ["SUCCEEDED"] * 2
    assert all(device.image == IMAGE for device in network.devices.values())


def test_a_report_reaches_only_the_campaign_of_its_downlink(config_of, desk_of) -> None:
    first = config_of("c", (1,))
    second = config_of("d", (2,), group={"name": "h", "mc_addr": "01f3a4b6"})
    desk = desk_of(first, second)
    desk.hears(1)
    assert [d.id for d in desk.network.taken] == ["c/1"]
    desk.hears(2)
    assert [d.id for d in desk.network.taken] == ["c/1", "d/1"]
    desk.step(0, m.DownlinkSent("d/1", False))
    assert [e.ok for e in desk.of(m.Reported, "d")] == [False]
    assert desk.of(m.Reported, "c") == []


def test_reports_of_unknown_downlinks_are_ignored(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.step(1, m.DownlinkSent("x/1"), m.DownlinkSent(""), m.DownlinkSent("/"), m.MulticastSummary("c"))
    assert not desk.agent.idle


def test_counters_sessions_versions_and_groups_outlive_a_campaign(config_of, desk_of, finish) -> None:
    config = config_of("c", (1, 2), group={"version": "2.0.0"}, ack_reception=False, clean_up=False)
    desk = desk_of(config)
    finish(desk, "c", (1, 2))
    assert desk.of(m.Finished)[0].status == "SUCCEEDED"
    known = desk.journal.known(config)
    assert dict(known.next_f_cnt) == {"g": 5}
    device = known.devices[f"{1:016x}"]
    assert (device.session_cnt, device.fw_version) == (1, NEW_VERSION)
    again = config_of("d", (1, 2), group={"version": "2.0.0"}, ack_reception=False, fw_version=NEW_VERSION + 1)
    desk.agent.launch(Campaign(again, IMAGE), desk.now)
    desk.hears(1, 2)
    desk.step(5)
    requests = desk.of(m.Requested, "d")
    assert {e.ask for e in requests} == {"FragSessionSetup"}, "who belongs to the group is not asked again"
    [command] = fragmentation.decode(requests[0].command, uplink=False, version="2.0.0")
    assert command.session_cnt == 2


def test_orders_are_carried_out_by_the_agent_that_runs_the_campaign(config_of, desk_of) -> None:
    desk = desk_of(config_of())
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


def test_an_order_that_is_no_longer_allowed_is_dropped(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.journal.order("c", "stop")
    desk.journal.order("c", "pause")
    desk.step(2)
    assert list(desk.journal.orders()) == []


def test_an_order_with_an_unknown_verb_is_dropped(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.journal.order("c", "retry")  # type: ignore[arg-type]
    desk.step(2)
    assert list(desk.journal.orders()) == []


def test_carry_out_stops_a_campaign_that_the_agent_runs(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.agent.carry_out("c", "stop", desk.now)
    assert [e.status for e in desk.of(m.Finished)] == ["STOPPED"]
    with pytest.raises(CampaignError, match="not run by this agent"):
        desk.agent.carry_out("c", "stop", desk.now)


def test_step_returns_when_the_next_one_is_due(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1,)))
    assert desk.step() == T0 + 300
    desk.hears(1)
    assert desk.step() == T0 + 130
    desk.step(0, m.DownlinkSent("c/1"))
    assert desk.step() == T0 + 130


def test_a_pause_leaves_no_due_time_in_the_past(config_of, desk_of) -> None:
    """The agent must not say that something is due in the past."""
    desk = desk_of(config_of())
    desk.network.down = True
    desk.hears(1)
    desk.agent.carry_out("c", "pause", desk.now)
    for _ in range(5):
        due = desk.step(7)
        assert due is None or due > desk.now


@pytest.mark.parametrize("seeks", [True, False])
def test_reports_that_waited_are_read_before_a_hand_over_is_repeated(config_of, desk_of, second_agent, seeks) -> None:
    """The process died after the hand-over, before its commit; the downlink left before the next process began."""
    desk = desk_of(config_of())
    desk.network.down = True
    desk.hears(1)
    desk.agent.close()
    desk.network.down, desk.network.tried = False, []
    desk.network.inbox.append(m.DownlinkSent("c/1"))
    other = second_agent(desk)
    if seeks:
        other.step(desk.now + 1)
    else:
        assert other.adopt(desk.now + 1) == ["c"]
    assert desk.network.tried == []
    assert [(e.id, e.ok) for e in desk.of(m.Reported)] == [("c/1", True)]


def test_inputs_wait_until_the_campaign_is_taken_over(config_of, desk_of, second_agent) -> None:
    """The network refuses the groups for a while; an agent that runs nothing leaves the inputs where they are."""
    desk = desk_of(config_of())
    desk.hears(1)
    desk.agent.close()
    desk.network.inbox.append(m.DownlinkSent("c/1"))
    other = second_agent(desk)
    desk.network.down = True
    for seconds in (0, 10, 20):
        other.step(desk.now + seconds)
    assert (other.campaign("c"), len(desk.network.inbox)) == (None, 1)
    desk.network.down = False
    other.step(desk.now + 60)
    assert [(e.id, e.ok) for e in desk.of(m.Reported)] == [("c/1", True)]
