"""Hand-overs and withdrawals: retries, order, and requests that are no longer wanted."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest

from fuota_fec.agent import Agent, run_virtual
from fuota_fec.agent.lost_time import NETWORK_RETRY
from fuota_fec.campaign import messages as m
from fuota_fec.campaign import reasons
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.errors import CampaignError, NetworkError
from fuota_fec.journal import MemoryJournal
from fuota_fec.networks.base import Downlink, RefusedError
from fuota_fec.wire import multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


def test_a_request_that_the_network_refused_is_handed_over_later_unchanged(config_of, desk_of) -> None:
    desk = desk_of(config_of())
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


def test_an_outage_of_the_network_uses_no_retry(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1,), msg_retries=0))
    desk.network.down = True
    desk.hears(1)
    for _ in range(100):
        desk.step(30)
    desk.network.down = False
    desk.step(30)
    assert len(desk.network.taken) == 1
    assert desk.of(m.GivenUp) == []


def test_a_network_that_is_down_is_not_tried_in_every_step(config_of, desk_of) -> None:
    """The agent polls five times a second; the network is tried again when NETWORK_RETRY is over."""
    desk = desk_of(config_of())
    desk.network.down = True
    desk.hears(1)
    for _ in range(20):
        desk.step(0.2)
    assert len(desk.network.tried) <= 2


def test_a_refused_device_does_not_delay_the_others(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1, 2, 3)))
    desk.network.refuses = {f"{1:016x}"}
    desk.hears(1, 2, 3)
    for _ in range(5):
        desk.step(2)
    assert {d.dev_eui for d in desk.network.taken} == {f"{2:016x}", f"{3:016x}"}


def test_a_turn_ends_its_hand_overs_with_the_first_that_fails(config_of, desk_of) -> None:
    """A network that is down is tried once in a turn, and once in NETWORK_RETRY after the second device."""
    desk = desk_of(config_of(devices=tuple(range(1, 31)), ucast_msg_delay=0))
    desk.network.down = True
    tried = []
    desk.hears(*range(1, 31))
    for _ in range(50):
        tried.append(len(desk.network.tried))
        desk.network.tried.clear()
        desk.step(1)
    assert max(tried) == 1
    assert sum(tried) in (11, 12)
    desk.network.down = False
    desk.step(5)
    assert len(desk.network.taken) == 30


def test_the_next_turn_follows_a_failure_at_once(config_of, desk_of) -> None:
    """Another device may have no part in the failure: it waits for its turn, not for the next attempt."""
    desk = desk_of(config_of(devices=(1, 2), ucast_msg_delay=0))
    desk.network.refuses = {f"{1:016x}"}
    desk.network.inbox = [m.Uplink(f"{i:016x}", 2, b"", desk.now) for i in (1, 2)]
    assert desk.step() == desk.now
    assert desk.network.taken == []
    assert desk.step() == desk.now + NETWORK_RETRY
    assert [d.dev_eui for d in desk.network.taken] == [f"{2:016x}"]


def test_the_device_that_failed_longest_ago_is_tried_first(config_of, desk_of) -> None:
    """Devices that fail again and again, in any campaign, keep no other one from a network that takes downlinks."""
    bad = range(1, 4)
    desk = desk_of(
        config_of(devices=tuple(bad), ucast_msg_delay=0),
        config_of(id="d", devices=(4, 5), group={"name": "h", "mc_addr": "01f3a4b6"}, ucast_msg_delay=0),
    )
    desk.network.refuses = {f"{i:016x}" for i in bad}
    desk.network.down = True
    desk.hears(*bad, 4, 5)
    for _ in range(20):
        desk.step(5)
    desk.network.down = False
    for _ in range(len(bad) + 1):
        desk.step(5)
    assert {d.dev_eui for d in desk.network.taken} == {f"{4:016x}", f"{5:016x}"}


def test_a_refused_downlink_ends_no_turn(config_of, desk_of) -> None:
    """The server was reached."""
    desk = desk_of(config_of(devices=(1, 2, 3), ucast_msg_delay=0))
    submit = desk.network.submit

    def refusing(downlink: Downlink, now: float) -> m.HandOver:
        if downlink.dev_eui == f"{1:016x}":
            raise RefusedError("unknown device")
        return submit(downlink, now)

    desk.network.submit = refusing
    desk.hears(1, 2, 3)
    assert {d.dev_eui for d in desk.network.taken} == {f"{2:016x}", f"{3:016x}"}


def test_a_finished_campaign_hands_nothing_over(config_of, desk_of) -> None:
    desk = desk_of(config_of(max_duration=900))
    desk.network.down = True
    desk.hears(1)
    desk.step(850)
    desk.network.down = False
    desk.step(51)
    assert desk.campaigns[0].finished
    assert desk.network.taken == []


def test_a_request_of_an_ended_stage_is_not_handed_over(config_of, desk_of) -> None:
    """The answer to the first attempt comes while the resend cannot be handed over; then the network is back."""
    desk = desk_of(config_of(devices=(1,)))
    desk.hears(1)
    desk.step(0, m.DownlinkSent("c/1"))
    desk.network.down = True
    desk.step(131)
    assert [e.id for e in desk.of(m.Requested)] == ["c/1", "c/2"]
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.step(2)
    desk.network.down = False
    desk.step(5)
    assert [d.id for d in desk.network.taken] == ["c/1", "c/3"]


def test_a_superseded_request_is_not_handed_over(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1,)))
    desk.hears(1)
    desk.network.down = True
    desk.step(0, m.DownlinkSent("c/1", False))
    desk.step(2)
    desk.step(0, m.DownlinkSent("c/2", False))
    desk.step(2)
    desk.network.down = False
    desk.step(5)
    assert [d.id for d in desk.network.taken] == ["c/1", "c/3"]


def test_a_request_that_is_never_taken_expires_and_its_device_is_given_up(config_of, ring_of, virtual_network) -> None:
    """The stage without a maximum duration too: the request runs out, the device is given up, the campaign ends."""
    config = config_of("one", (1, 2), success_threshold=50, stage_end="all", msg_retries=1)
    network = virtual_network([config])
    submit = network.submit

    def refuse(downlink, now):
        if downlink.f_port == 203 and downlink.dev_eui == f"{1:016x}":
            raise NetworkError("not this one")
        return submit(downlink, now)

    network.submit = refuse
    agent = Agent(MemoryJournal(), network, ring_of(config))
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


def test_a_clock_that_goes_back_delays_no_hand_over(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.network.down = True
    desk.hears(1)
    desk.network.down = False
    desk.step(-86_400)
    assert [d.id for d in desk.network.taken] == ["c/1"]


def test_unicasts_that_waited_for_the_network_keep_their_distance(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1, 2, 3), ucast_msg_delay=4000))
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


def test_a_failed_withdrawal_is_repeated_before_the_campaign_finishes(config_of, desk_of, second_agent) -> None:
    """By this agent or another: only then is the campaign finished."""
    desk = desk_of(config_of())
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


def test_a_stop_ends_though_the_last_hand_over_failed_and_nothing_is_withdrawn(config_of, desk_of) -> None:
    """The failed hand-over is not wanted any more: that it failed does not keep the withdrawal from being given up."""
    desk = desk_of(config_of())
    desk.network.down = True
    desk.hears(1)
    assert [d.id for d in desk.network.tried] == ["c/1"]
    desk.agent.carry_out("c", "stop", desk.now)
    end = desk.now + 3700
    while desk.agent.campaign("c") is not None and desk.now < end:
        desk.step(5)
    assert [e.status for e in desk.of(m.Finished)] == ["STOPPED"]


def test_unicasts_keep_their_distance_over_the_end_of_a_process(config_of, desk_of, second_agent) -> None:
    desk = desk_of(config_of(ucast_msg_delay=4000))
    desk.hears(1)
    desk.network.refuses = {f"{2:016x}"}
    desk.hears(2)
    desk.step(4)
    assert [d.id for d in desk.network.tried] == ["c/1", "c/2"]
    desk.network.refuses = set()
    desk.agent.close()
    [first] = desk.of(m.HandedOver)
    other = second_agent(desk)
    other.step(first.at + 3)
    assert [d.id for d in desk.network.taken] == ["c/1"]
    other.step(first.at + 4)
    assert [d.id for d in desk.network.taken] == ["c/1", "c/2"]


@pytest.mark.parametrize(("withdraws", "waits"), [(False, True), (True, False)])
def test_a_hand_over_of_unknown_fate_is_waited_for(config_of, desk_of, withdraws, waits) -> None:
    """A network that failed and withdraws nothing may have taken the request all the same: the clean-up does not lay a
    second one beside it before it has run out."""
    desk = desk_of(config_of(devices=(1,), ucast_msg_delay=0), withdraws=withdraws)
    desk.hears(1)
    desk.network.refuses = {f"{1:016x}"}
    desk.step(0, m.DownlinkSent("c/1", True))
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    [*_, unsure] = desk.of(m.Requested)
    assert [d.id for d in desk.network.tried][-1] == unsure.id == "c/2"
    desk.network.refuses = set()
    desk.agent.carry_out("c", "stop", desk.now)
    while desk.now < unsure.not_after - 1:
        desk.step(1)
    assert (len(desk.network.taken) == 1) is waits
    while desk.now < unsure.not_after + 5:
        desk.step(1)
    assert len(desk.network.taken) > 1


@pytest.mark.parametrize(("left", "n_taken"), [(4.9, 0), (5.1, 1)])
def test_nothing_is_handed_over_when_the_lease_is_about_to_expire(config_of, desk_of, lease_of, left, n_taken) -> None:
    desk = desk_of(config_of(), lease=lease_of(left))
    desk.hears(1)
    assert len(desk.network.taken) == n_taken


def altered(request: m.Requested) -> m.Requested:
    """A request whose command does not have its digest."""
    return dataclasses.replace(request, command=b"\x01\x00")


def test_a_downlink_that_cannot_be_built_suspends_its_campaign(config_of, desk_of, second_agent, caplog) -> None:
    desk = desk_of(config_of())
    desk.network.down = True
    desk.hears(1)
    desk.agent.close()
    [request] = desk.of(m.Requested)
    desk.journal.altered = {"c/1": altered(request)}
    desk.network.down, desk.network.tried = False, []
    other = second_agent(desk)
    assert other.adopt(desk.now) == ["c"]
    assert desk.network.tried == []
    assert other.campaign("c") is None
    assert (
        "campaign c suspended: downlink c/1 cannot be built: its payload does not have the digest of the request"
        in caplog.text
    )


def test_a_suspended_campaign_hands_over_none_of_its_requests(config_of, desk_of, second_agent, lease_of) -> None:
    """Also not in a turn in which the answer to another of its requests comes."""
    first = config_of("a", (1, 2), ucast_msg_delay=0)
    second = config_of("b", (3,), group={"mc_addr": "01f3a4b6"})
    desk = desk_of(first, second)
    desk.hears(1, 2)
    desk.network.refuses = {f"{i:016x}" for i in (1, 2, 3)}
    desk.step(0, m.DownlinkSent("a/1", False), m.DownlinkSent("a/2", False))
    desk.hears(3)
    requests = {request.id: request for request in desk.of(m.Requested, "a")}
    assert list(requests) == ["a/1", "a/2", "a/3", "a/4"]
    desk.agent.close()
    desk.network.refuses = set()
    desk.journal.altered = {"a/3": altered(requests["a/3"])}
    desk.journal.next_lease = short = lease_of(1)
    desk.agent = second_agent(desk)
    assert desk.agent.adopt(desk.now) == ["a", "b"]
    assert [d.id for d in desk.network.taken] == ["a/1", "a/2"], "the leases are too short for a hand-over"
    short.seconds = 60
    answer = multicast.McGroupSetupAns(mc_group_id=0).encode()
    desk.step(10, m.Uplink(f"{2:016x}", 200, answer, desk.now))
    assert desk.agent.campaign("a") is None
    assert [d.id for d in desk.network.taken] == ["a/1", "a/2", "b/1"]


# ---- frames of a group -----------------------------------------------------------------------------------


def counters_of(journal, campaign="c") -> list[int]:
    return [e.f_cnt for e in journal.events(campaign) if isinstance(e, m.HandedOver) and e.f_cnt is not None]


def test_a_frame_that_the_network_refuses_is_not_overtaken(config_of, ring_of, virtual_network) -> None:
    """Every second hand-over of a frame fails, before or after it was done."""
    config = config_of("c", (1, 2), summary_window=4)
    network = virtual_network([config])
    submit, tried = network.submit, []

    def flaky(downlink, now):
        if downlink.group is None:
            return submit(downlink, now)
        tried.append(downlink)
        if len(tried) % 4 == 1:
            raise NetworkError("failed before it was done")
        result = submit(downlink, now)
        if len(tried) % 4 == 3:
            raise NetworkError("failed after it was done")
        return result

    network.submit = flaky
    journal = MemoryJournal()
    agent, campaign = Agent(journal, network, ring_of(config)), Campaign(config, IMAGE)
    agent.launch(campaign, T0)
    run_virtual(agent, network, T0, until=T0 + 200_000)
    assert campaign.status().status == "SUCCEEDED"
    assert [d.f_cnt for d in tried] == sorted(d.f_cnt for d in tried)
    assert len({(d.f_cnt, d.payload) for d in tried}) == len({d.f_cnt for d in tried}) == 5
    assert len(tried) > 5
    assert counters_of(journal) == sorted(set(counters_of(journal)))


def test_a_server_restored_from_a_backup_ends_the_group_before_the_frame_is_sent(
    config_of, ring_of, virtual_network
) -> None:
    """It counts again from a number that was used: the frame is withdrawn in the same turn."""
    config = config_of("c", (1, 2))
    network = virtual_network([config])
    network.capabilities = m.NetworkCapabilities(owns_f_cnt=True)
    journal = MemoryJournal()
    agent, campaign = Agent(journal, network, ring_of(config)), Campaign(config, IMAGE)
    agent.launch(campaign, T0)
    handed, on_air = [], []
    submit, send = network.submit, network._send

    def restored(downlink, now):
        if downlink.group is not None:
            handed.append(downlink.id)
            if len(handed) == 4:
                network._groups[downlink.group].next_f_cnt = 1
        return submit(downlink, now)

    def recorded(group, frame, now):
        on_air.append((frame.f_cnt, frame.downlink.id))
        send(group, frame, now)

    network.submit, network._send = restored, recorded
    run_virtual(agent, network, T0, until=T0 + 200_000)
    status = campaign.status()
    assert status.status == "FAILED"
    left = [d for d in status.devices if d.status != "passed"]  # The three frames were enough for the others.
    assert {(d.reason, d.note) for d in left} == {
        ("wrong version 1.0.0.0", f"had left: {reasons.counter_seen(1, 3)}"),
    }
    assert counters_of(journal) == [0, 1, 2, 1]
    assert [f_cnt for f_cnt, _ in on_air] == [0, 1, 2], "no counter is on the air twice"
    assert journal.known(config).next_f_cnt == {"g": 3}, "the registry is not lowered"
    other = config_of("d", (1, 2))
    network._groups["d/g"] = network._groups["c/g"]
    second = Agent(journal, network, ring_of(other))
    with pytest.raises(CampaignError, match="the network server counts from 2, this McKey was used up to 3"):
        second.launch(Campaign(other, IMAGE), T0 + 300_000)
