"""The simulated network behaves as a real one does to class A devices."""

from __future__ import annotations

import hashlib
import itertools
import math
import pickle
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.campaign.messages import DownlinkSent, MulticastSummary, NetworkCapabilities, Uplink
from fuota_fec.errors import NetworkError, ParameterError
from fuota_fec.fleet.channel import IndependentLoss
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.networks.simulated import APPLICATION_PORT, MULTICAST_DELAY, RX1_DELAY, SimulatedNetwork
from fuota_fec.radio.airtime import next_ping_slot, own_uplink_loss, ping_offset, ping_period
from fuota_fec.radio.regions import region
from fuota_fec.wire import clock, firmware, fragmentation, keys, multicast
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.keys import Key

START = 1_800_000_000.0
ASK = firmware.DevVersionReq().encode()


class Heard(VirtualDevice):
    """A device that notes the downlinks that reach it and the times at which it is advanced."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.advanced_at: list[float] = []
        self.extra: list[tuple[int, bytes]] = []
        """Uplinks sent with the next advance."""
        self.unicast: list[tuple[float, bytes]] = []
        self.multicast: list[tuple[int, bytes]] = []
        self.multicast_at: list[float] = []

    def receive(self, f_port: int, payload: bytes, now: float, group: int | None = None) -> None:
        if group is None:
            self.unicast.append((now, payload))
        super().receive(f_port, payload, now, group)

    def receive_multicast(
        self, mc_addr: int, app_s_key: Key, f_cnt: int, f_port: int, payload: bytes, now: float
    ) -> bool:
        self.multicast.append((f_cnt, payload))
        self.multicast_at.append(now)
        return super().receive_multicast(mc_addr, app_s_key, f_cnt, f_port, payload, now)

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        self.advanced_at.append(now)
        extra, self.extra = self.extra, []
        return super().advance(now) + extra


def network(
    n_devices: int = 1,
    *,
    seed: int = 1,
    uplink_loss: float = 0,
    downlink_loss: float = 0,
    start: float = START,
    **settings: Any,
) -> SimulatedNetwork:
    rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)]
    devices = [
        Heard(dev_eui=f"{i + 1:016x}", root_key=Key(bytes(16)), releases={}, rng=rngs[0], uplink_period=100)
        for i in range(n_devices)
    ]
    return SimulatedNetwork(
        devices,
        uplink_loss=IndependentLoss(uplink_loss, rngs[1]),
        downlink_loss=IndependentLoss(downlink_loss, rngs[2]),
        rng=rngs[0],
        start=start,
        **settings,
    )


def unicast(n: int = 1, device: int = 1, **settings: Any) -> Downlink:
    fields = {"f_port": 203, "payload": ASK, "not_after": START + 1e6, "dev_eui": f"{device:016x}"}
    return Downlink(id=f"c/{n}", **{**fields, **settings})


def group(*devices: int, name: str = "g", **settings: Any) -> MulticastGroup:
    fields: dict[str, Any] = {"mc_addr": 1, "mc_app_s_key": Key(bytes(16)), "dr": 5, "frequency_hz": 869_525_000}
    return MulticastGroup(
        name=name,
        mc_nwk_s_key=Key(bytes(16)),
        dev_euis=tuple(f"{i:016x}" for i in devices),
        **{**fields, **settings},
    )


def frame(n: int = 1, **settings: Any) -> Downlink:
    fields = {"f_port": 201, "payload": bytes([n]), "not_after": START + 1e6, "group": "g", "f_cnt": n}
    return Downlink(id=f"c/{n}", **{**fields, **settings})


def run(net: SimulatedNetwork, until: float) -> list[tuple[float, Any]]:
    """All inputs until then, each with its time."""
    inputs = []
    while (due := net.deadline()) is not None and due <= until:
        inputs += [(due, item) for item in net.poll(due)]
    return inputs


def test_devices_send_an_uplink_once_per_period() -> None:
    net = network(3)
    inputs = run(net, START + 1000)
    assert all(isinstance(item, Uplink) and item.received_at == now for now, item in inputs)
    for i in (1, 2, 3):
        times = [now for now, item in inputs if item.dev_eui == f"{i:016x}"]
        assert START <= times[0] < START + 100
        assert 9 <= len(times) <= 12
        assert all(90 <= b - a <= 110 for a, b in itertools.pairwise(times))
    assert {item.f_port for _, item in inputs} == {APPLICATION_PORT}


def test_a_device_that_hangs_sends_no_uplink_and_no_downlink_leaves_for_it() -> None:
    net = network(2)
    hung, other = net.devices.values()
    hung.profile = replace(hung.profile, hangs_from=2)
    assert len(run(net, START + 300)) > 4
    block = ff.prepare(bytes(30), 10, n_coded=1)
    hung.receive(201, block.setup_request(mc_group_bit_mask=1, block_ack_delay=0).encode(), START + 300)
    hung.receive(201, bytes(block.frame(2)), START + 300)
    hung.receive(201, bytes(block.frame(4)), START + 300)
    net.submit(unicast(device=1), START + 300)
    assert {item.dev_eui for _, item in run(net, START + 3000)} == {other.dev_eui}
    assert [payload for _, payload in hung.unicast if payload == ASK] == []
    assert net.deadline() is not None


def test_a_unicast_leaves_after_an_uplink_and_is_then_reported() -> None:
    net = network()
    net.submit(unicast(), START)
    device = net.devices[f"{1:016x}"]
    inputs = run(net, START + 400)
    uplink_at = inputs[0][0]
    assert device.unicast == [(uplink_at + RX1_DELAY, ASK)]
    report = next((now, item) for now, item in inputs if isinstance(item, DownlinkSent))
    assert report == (uplink_at + RX1_DELAY, DownlinkSent("c/1"))
    assert any(isinstance(item, Uplink) and item.f_port == 203 for _, item in inputs)


def test_one_unicast_leaves_per_uplink_in_the_order_of_submission() -> None:
    net = network()
    for n in range(1, 5):
        net.submit(unicast(n, payload=bytes([0xF0 + n]), f_port=99), START)
    inputs = run(net, START + 390)
    reports = [(now, item.id) for now, item in inputs if isinstance(item, DownlinkSent)]
    uplinks = [now for now, item in inputs if isinstance(item, Uplink)]
    assert [name for _, name in reports] == ["c/1", "c/2", "c/3", "c/4"][: len(reports)]
    assert [now for now, _ in reports] == [pytest.approx(sent + RX1_DELAY) for sent in uplinks[: len(reports)]]
    assert len(reports) >= 3


def test_no_unicast_leaves_without_uplinks() -> None:
    net = network(uplink_loss=1 - 1e-12)
    net.submit(unicast(), START)
    assert run(net, START + 5000) == []
    assert net.devices[f"{1:016x}"].unicast == []


def test_a_lost_downlink_is_reported_as_sent() -> None:
    net = network(downlink_loss=1 - 1e-12)
    net.submit(unicast(), START)
    assert DownlinkSent("c/1") in [item for _, item in run(net, START + 300)]
    assert net.devices[f"{1:016x}"].unicast == []


def test_an_expired_unicast_is_reported_and_not_sent() -> None:
    net = network()
    net.submit(unicast(1, not_after=START - 1), START)
    net.submit(unicast(2), START)
    reports = [item for _, item in run(net, START + 300) if isinstance(item, DownlinkSent)]
    assert reports == [DownlinkSent("c/1", False, "expired"), DownlinkSent("c/2")]
    assert len(net.devices[f"{1:016x}"].unicast) == 1


def test_a_resend_removes_the_queued_request_that_it_replaces() -> None:
    net = network()
    net.submit(unicast(1), START)
    net.submit(unicast(2, replaces="c/1"), START)
    assert [item.id for _, item in run(net, START + 400) if isinstance(item, DownlinkSent)] == ["c/2"]


def test_a_resend_of_a_request_that_is_not_queued_is_harmless() -> None:
    net = network()
    net.submit(unicast(1), START)
    run(net, START + 150)
    net.submit(unicast(2, replaces="c/1"), START + 150)
    net.submit(unicast(3, replaces="c/77"), START + 150)
    assert [item.id for _, item in run(net, START + 500) if isinstance(item, DownlinkSent)] == ["c/2", "c/3"]


def test_unicast_queues_are_per_device() -> None:
    net = network(2)
    net.submit(unicast(1, device=1), START)
    net.submit(unicast(2, device=2, replaces="c/1"), START)
    assert {item.id for _, item in run(net, START + 300) if isinstance(item, DownlinkSent)} == {"c/1", "c/2"}


def test_sent_reports_need_the_capability() -> None:
    net = network(capabilities=NetworkCapabilities(sent_reports=False))
    net.submit(unicast(), START)
    assert not any(isinstance(item, DownlinkSent) for _, item in run(net, START + 300))
    assert len(net.devices[f"{1:016x}"].unicast) == 1


def test_an_unknown_device_or_group_is_refused() -> None:
    net = network()
    with pytest.raises(NetworkError, match=r"device 9{16} is unknown to the server"):
        net.submit(unicast(dev_eui="9" * 16), START)
    with pytest.raises(NetworkError, match="group g is unknown to the server"):
        net.submit(frame(), START)


def test_a_multicast_reaches_the_devices_of_its_group_and_gets_a_summary() -> None:
    net = network(3)
    net.open_group(group(1, 3))
    hand_over = net.submit(frame(1), START)
    assert (hand_over.id, hand_over.f_cnt) == ("c/1", 1)
    inputs = run(net, START + 50)
    [(reported_at, summary)] = [
        (reported_at, item) for reported_at, item in inputs if isinstance(item, MulticastSummary)
    ]
    assert summary == MulticastSummary("c/1")
    assert reported_at == pytest.approx(START + 1.2)
    assert [len(d.multicast) for d in net.devices.values()] == [1, 0, 1]


def test_an_expired_multicast_is_reported_and_not_sent() -> None:
    net = network()
    net.open_group(group(1))
    net.submit(frame(1, not_after=START), START)
    summaries = [item for _, item in run(net, START + 10) if isinstance(item, MulticastSummary)]
    assert summaries == [MulticastSummary("c/1", False, "expired")]
    assert net.devices[f"{1:016x}"].multicast == []


def test_summaries_need_the_capability() -> None:
    net = network(capabilities=NetworkCapabilities(summaries=False))
    net.open_group(group(1))
    net.submit(frame(1), START)
    assert not any(isinstance(item, MulticastSummary) for _, item in run(net, START + 300))
    assert len(net.devices[f"{1:016x}"].multicast) == 1


def test_the_multicast_counter_of_the_campaign_is_used_unchanged() -> None:
    net = network()
    net.open_group(group(1))
    assert [net.submit(frame(n, f_cnt=n * 7), START).f_cnt for n in (1, 2, 2)] == [7, 14, 14]
    run(net, START + 10)
    assert [f_cnt for f_cnt, _ in net.devices[f"{1:016x}"].multicast] == [7, 14, 14]


def test_a_network_that_owns_the_multicast_counter_counts() -> None:
    net = network(capabilities=NetworkCapabilities(owns_f_cnt=True))
    net.open_group(group(1))
    net.open_group(group(1, name="h"))
    assert [net.submit(frame(n, f_cnt=None), START).f_cnt for n in (1, 2, 2)] == [0, 1, 2]
    net.open_group(group(1))
    assert net.submit(frame(4, f_cnt=None), START).f_cnt == 3, "opening it again is harmless"
    assert net.submit(frame(5, f_cnt=None, group="h"), START).f_cnt == 0


def test_multicast_losses_are_independent_per_device() -> None:
    net = network(50, downlink_loss=0.3)
    net.open_group(group(*range(1, 51)))
    for n in range(100):
        net.submit(frame(n), START)
    run(net, START + 5)
    received = [{f_cnt for f_cnt, _ in device.multicast} for device in net.devices.values()]
    assert np.mean([len(r) for r in received]) == pytest.approx(70, abs=3)
    assert len({frozenset(r) for r in received}) == 50


@pytest.mark.parametrize("uplink_loss", [0.0, 0.5])
def test_repeated_uplinks_come_twice(uplink_loss: float) -> None:
    net = network(20, repeat=0.4, uplink_loss=uplink_loss)
    items = [item for _, item in run(net, START + 2000)]
    distinct = set(items)
    assert (len(items) - len(distinct)) / len(distinct) == pytest.approx(0.4, abs=0.1)


def test_uplink_losses_have_their_share() -> None:
    n_all = len(run(network(50), START + 2000))
    n_heard = len(run(network(50, uplink_loss=0.25), START + 2000))
    assert n_heard / n_all == pytest.approx(0.75, abs=0.05)


def test_the_same_seed_gives_the_same_run() -> None:
    def once(seed: int) -> list[tuple[float, Any]]:
        net = network(5, seed=seed, uplink_loss=0.2, downlink_loss=0.2, repeat=0.1)
        for i in range(1, 6):
            net.submit(unicast(i, device=i), START)
        return run(net, START + 1000)

    assert once(4) == once(4)
    assert once(4) != once(5)


def test_the_deadline_is_the_time_of_the_next_event() -> None:
    net = network(2)
    due = net.deadline()
    assert due is not None
    assert net.poll(due - 0.001) == []
    assert len(net.poll(due)) == 1
    net.open_group(group(1))
    now = due + 0.01
    net.poll(now)
    net.submit(frame(), now)
    assert net.deadline() == pytest.approx(now + 0.2)


def test_advance_stops_at_the_first_input_that_is_not_overheard() -> None:
    plain, net = network(3, repeat=0.5, uplink_loss=0.3), network(3, repeat=0.5, uplink_loss=0.3)
    inputs = run(plain, START + 1000)
    heard: list[tuple[float, Any]] = []

    def overhears(item: Any, now: float) -> bool:
        if len(heard) % 5 == 4:
            return False
        heard.append((now, item))
        return True

    while (due := net.advance(START + 1000, overhears)) is not None:
        assert net.advance(START + 1000, overhears) is None, "there is an input"
        heard += [(due, item) for item in net.poll(due)]
    assert heard == inputs


def reports(inputs: list[tuple[float, Any]]) -> list[Any]:
    return [item for _, item in inputs if not isinstance(item, Uplink)]


# ---- unicast: windows, withdrawing -----------------------------------------------------------------------


@pytest.mark.parametrize(("after", "leaves"), [(0.0, True), (0.5, True), (0.999, True), (1.0, False), (1.5, False)])
def test_a_downlink_leaves_in_the_window_of_an_uplink_or_after_the_next_one(after: float, leaves: bool) -> None:
    net = network()
    first = net.deadline()
    assert first is not None
    net.poll(first)
    net.poll(first + after)
    net.submit(unicast(), first + after)
    assert reports(run(net, first + 2)) == ([DownlinkSent("c/1")] if leaves else [])
    run(net, START + 250)
    [(received_at, _)] = net.devices[f"{1:016x}"].unicast
    assert (received_at == first + RX1_DELAY) is leaves


def test_a_receive_window_serves_one_downlink() -> None:
    net = network()
    first = net.deadline()
    assert first is not None
    net.poll(first)
    for n in (1, 2, 3):
        net.submit(unicast(n), first)
    assert reports(run(net, first + 2)) == [DownlinkSent("c/1")]


def test_an_uplink_without_a_queued_downlink_schedules_nothing() -> None:
    net = network(uplink_loss=0)
    due = [net.deadline()]
    for _ in range(5):
        net.poll(due[-1])
        due.append(net.deadline())
    assert all(b - a >= 90 for a, b in itertools.pairwise(due))


def test_a_withdrawn_unicast_does_not_leave_and_is_not_reported() -> None:
    net = network(2)
    for n in range(1, 7):
        net.submit(unicast(n, device=1 + n % 2, payload=bytes([n])), START)
    net.withdraw(["c/2", "c/5", "c/6", "c/99"], START)
    assert {item.id for item in reports(run(net, START + 900))} == {"c/1", "c/3", "c/4"}
    assert sorted(payload for d in net.devices.values() for _, payload in d.unicast) == [b"\1", b"\3", b"\4"]


def test_withdrawing_a_downlink_that_has_left_changes_nothing() -> None:
    net = network()
    net.submit(unicast(1), START)
    run(net, START + 150)
    net.submit(unicast(2), START + 150)
    net.withdraw(["c/1"], START + 150)
    net.withdraw([], START + 150)
    assert reports(run(net, START + 400)) == [DownlinkSent("c/2")]


def test_all_copies_of_a_downlink_are_withdrawn() -> None:
    net = network()
    for _ in range(3):
        net.submit(unicast(1, f_port=99), START)
    assert reports(run(net, START + 105)) == [DownlinkSent("c/1")]
    net.withdraw(["c/1"], START + 105)
    assert reports(run(net, START + 900)) == []


def test_a_server_that_cannot_withdraw_sends_both_copies() -> None:
    net = network(capabilities=NetworkCapabilities(withdraws=False))
    net.submit(unicast(1), START)
    net.submit(unicast(2, replaces="c/1"), START)
    net.withdraw(["c/1", "c/2"], START)
    net.open_group(group(1))
    net.submit(frame(3), START)
    net.withdraw(["c/3"], START)
    assert {item.id for item in reports(run(net, START + 400))} == {"c/1", "c/2", "c/3"}


# ---- multicast: counters, withdrawing, pacing, class B ---------------------------------------------------


def test_opening_a_group_returns_the_counter_of_a_server_that_counts() -> None:
    net = network(capabilities=NetworkCapabilities(owns_f_cnt=True))
    assert net.open_group(group(1, f_cnt=70)) == 70
    assert [net.submit(frame(n, f_cnt=None), START).f_cnt for n in (1, 2)] == [70, 71]
    assert net.open_group(group(1, f_cnt=5)) == 72
    assert net.open_group(group(1, name="h")) == 0
    run(net, START + 5)
    assert [f_cnt for f_cnt, _ in net.devices[f"{1:016x}"].multicast] == [70, 71]


def test_opening_a_group_returns_no_counter_where_the_campaign_counts() -> None:
    net = network()
    assert net.open_group(group(1, f_cnt=70)) is None
    assert net.open_group(group(1, f_cnt=70)) is None


def test_opening_a_group_again_keeps_its_queue_and_replaces_its_devices() -> None:
    net = network(2)
    net.open_group(group(1))
    net.submit(frame(1), START)
    net.open_group(group(2, 9))
    assert reports(run(net, START + 10)) == [MulticastSummary("c/1")]
    assert [len(d.multicast) for d in net.devices.values()] == [0, 1]


@pytest.mark.parametrize("withdrawn", [[1], [2], [3], [1, 2], [1, 2, 3], [2, 77]])
def test_a_withdrawn_multicast_is_not_sent_and_the_others_are(withdrawn: list[int]) -> None:
    net = network(capabilities=NetworkCapabilities(pacing=10))
    net.open_group(group(1))
    for n in (1, 2, 3):
        net.submit(frame(n), START)
    net.withdraw([f"c/{n}" for n in withdrawn], START + 0.1)
    left = [n for n in (1, 2, 3) if n not in withdrawn]
    assert reports(run(net, START + 100)) == [MulticastSummary(f"c/{n}") for n in left]
    device = net.devices[f"{1:016x}"]
    assert [f_cnt for f_cnt, _ in device.multicast] == left
    assert device.multicast_at == [pytest.approx(START + MULTICAST_DELAY + 10 * i) for i in range(len(left))]


def test_a_multicast_that_was_sent_gets_a_summary_withdrawn_or_not() -> None:
    net = network()
    net.open_group(group(1))
    net.submit(frame(1), START)
    net.withdraw(["c/1"], START + 0.5)
    assert reports(run(net, START + 10)) == [MulticastSummary("c/1")]


@given(gaps=st.lists(st.floats(0, 20), min_size=1, max_size=8), pacing=st.sampled_from([0, 0.5, 3, 7]))
@settings(max_examples=50)
def test_paced_frames_leave_as_soon_as_they_may(gaps: list[float], pacing: float) -> None:
    net = network(capabilities=NetworkCapabilities(pacing=pacing))
    net.open_group(group(1))
    now, expected = START, []
    for n, gap in enumerate(gaps):
        now += gap
        net.poll(now)
        net.submit(frame(n), now)
        expected.append(max(now + MULTICAST_DELAY, expected[-1] + pacing if expected else 0))
    run(net, now + 1000)
    assert net.devices[f"{1:016x}"].multicast_at == pytest.approx(expected)


def test_groups_are_paced_independently() -> None:
    net = network(capabilities=NetworkCapabilities(pacing=5))
    for name in "gh":
        net.open_group(group(1, name=name))
        for n in (1, 2):
            net.submit(frame(n, group=name), START)
    run(net, START + 20)
    device = net.devices[f"{1:016x}"]
    assert device.multicast_at == pytest.approx([START + 0.2, START + 0.2, START + 5.2, START + 5.2])


@given(
    gaps=st.lists(st.floats(0, 300) | st.just(0.0), min_size=1, max_size=12),
    periodicity=st.integers(0, 7),
    addr=st.integers(0, 2**32 - 1),
    pacing=st.sampled_from([0, 0, 0.96, 2, 200]),
    start=st.sampled_from([START, 1.3e9, 1.3e9 + 1 / 3]),
)
@settings(max_examples=100)
def test_class_b_frames_leave_in_ping_slots_one_each(
    gaps: list[float], periodicity: int, addr: int, pacing: float, start: float
) -> None:
    """Before 2014 GPS time is finer than Unix time, as floats are, and is rounded."""
    net = network(capabilities=NetworkCapabilities(pacing=pacing), start=start)
    net.open_group(group(1, device_class="B", periodicity=periodicity, mc_addr=addr))
    now, handed_over = start, []
    for n, gap in enumerate(gaps):
        now += gap
        net.poll(now)
        net.submit(frame(n), now)
        handed_over.append(now)
    run(net, now + 128 * 3 * len(gaps) + 300 * len(gaps))
    device = net.devices[f"{1:016x}"]
    assert [f_cnt for f_cnt, _ in device.multicast] == list(range(len(gaps)))
    slots = [gps_from_unix(now) for now in device.multicast_at]
    last = -math.inf
    for slot, ready in zip(slots, (gps_from_unix(now + MULTICAST_DELAY) for now in handed_over), strict=True):
        beacon = math.floor(slot) // 128 * 128
        n_slot = (slot - beacon - 2.12) / 0.03
        assert n_slot == pytest.approx(round(n_slot), abs=1e-3)
        assert round(n_slot) % ping_period(periodicity) == ping_offset(beacon, addr, periodicity)
        assert ready < slot
        assert slot - last > max(pacing - 1e-3, 1e-3)
        assert slot == pytest.approx(next_ping_slot(max(ready, last + max(pacing - 2e-3, 1e-3)), addr, periodicity))
        last = slot


def test_expired_class_b_frames_use_no_slot() -> None:
    net = network()
    net.open_group(group(1, device_class="B", periodicity=7))
    net.submit(frame(1), START)
    net.submit(frame(2, not_after=START + 100), START)
    net.submit(frame(3), START)
    said = reports(run(net, START + 500))
    assert Counter(said) == Counter(
        [MulticastSummary("c/1"), MulticastSummary("c/2", False, "expired"), MulticastSummary("c/3")]
    )
    first, third = net.devices[f"{1:016x}"].multicast_at
    gps = gps_from_unix(first)
    assert gps_from_unix(third) == pytest.approx(next_ping_slot(gps + 0.001, 1, 7))


# ---- what is given to the caller -------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["poll", "crash", "wait", "withdraw"]), max_size=30))
@settings(max_examples=50)
def test_a_caller_that_reconnects_after_a_crash_misses_no_input(steps: list[str]) -> None:
    """It takes note of what a poll gave when it gets to the next one."""
    net = network(5)
    net.open_group(group(1, 2))
    net.submit(unicast(), START)
    net.submit(frame(2), START)
    expected = list(network_run(START + 100 * len(steps)))
    taken, unsure, now = [], [], START
    for step in steps:
        now += 100
        if step == "crash":
            net.reconnect()
            unsure = []
        elif step == "poll":
            taken += unsure
            unsure = list(net.poll(now))
        elif step == "withdraw":
            net.withdraw([], now)
    net.reconnect()
    taken += net.poll(now)
    assert taken == expected


def network_run(until: float) -> list[Any]:
    net = network(5)
    net.open_group(group(1, 2))
    net.submit(unicast(), START)
    net.submit(frame(2), START)
    return list(net.poll(until))


def test_reconnecting_twice_gives_no_input_twice() -> None:
    net = network(3)
    first = list(net.poll(START + 100))
    assert first
    net.reconnect()
    net.reconnect()
    assert list(net.poll(START + 100)) == first
    assert list(net.poll(START + 100)) == []
    net.reconnect()
    assert list(net.poll(START + 100)) == []


def test_changing_a_polled_list_does_not_change_the_network() -> None:
    net = network(3)
    given_ = net.poll(START + 100)
    n = len(given_)
    given_.clear()  # type: ignore[attr-defined]
    net.reconnect()
    assert len(net.poll(START + 100)) == n


def test_reordered_uplinks_all_come_within_seconds() -> None:
    plain = run(network(20), START + 2000)
    late = run(network(20, reorder=1), START + 2005)
    assert len(late) >= len(plain)
    delays = [now - item.received_at for now, item in late]
    assert 0 <= min(delays) < 0.5
    assert 4.5 < max(delays) <= 5
    some = [now - item.received_at for now, item in run(network(20, reorder=0.3), START + 2000)]
    assert np.mean([delay > 0 for delay in some]) == pytest.approx(0.3, abs=0.1)


def test_reports_are_reordered_too() -> None:
    net = network(reorder=1)
    net.open_group(group(1))
    net.submit(frame(1), START)
    net.submit(unicast(2), START)
    reported_at = {item.id: now for now, item in run(net, START + 200) if not isinstance(item, Uplink)}
    assert START + 1.2 < reported_at["c/1"] <= START + 6.2
    sent_at = net.devices[f"{1:016x}"].unicast[0][0]
    assert sent_at < reported_at["c/2"] <= sent_at + 5


def test_report_loss_has_its_share_and_spares_uplinks() -> None:
    net = network(report_loss=0.4, capabilities=NetworkCapabilities(pacing=1))
    net.open_group(group(1))
    for n in range(250):
        net.submit(frame(n), START)
        net.submit(unicast(1000 + n, f_port=99), START)
    inputs = run(net, START + 30_000)
    kinds = Counter(type(item) for _, item in inputs)
    assert kinds[MulticastSummary] / 250 == pytest.approx(0.6, abs=0.1)
    assert kinds[DownlinkSent] / 250 == pytest.approx(0.6, abs=0.1)
    assert kinds[Uplink] >= 250
    assert len(net.devices[f"{1:016x}"].unicast) == len(net.devices[f"{1:016x}"].multicast) == 250


def test_silent_devices_change_nothing_for_the_others() -> None:
    silent = f"{2:016x}"
    inputs = run(network(4, silent=[silent]), START + 95)
    assert {item.dev_eui for _, item in inputs} == {f"{i:016x}" for i in (1, 3, 4)}
    assert inputs == [(now, item) for now, item in run(network(4), START + 95) if item.dev_eui != silent]


def test_a_silent_device_is_never_reached() -> None:
    net = network(silent={f"{1:016x}"})
    net.submit(unicast(), START)
    assert run(net, START + 5000) == []
    assert net.devices[f"{1:016x}"].unicast == []


@pytest.mark.parametrize("name", ["repeat", "reorder", "report_loss"])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(name: str, share: float) -> None:
    with pytest.raises(ParameterError, match=name):
        network(**{name: share})


# ---- devices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock_set", [False, True])
def test_a_server_that_synchronises_clocks_answers_before_other_downlinks(clock_set: bool) -> None:
    net = network(capabilities=NetworkCapabilities(clock_sync=True))
    device = net.devices[f"{1:016x}"]
    device.clock_set, device.clock_error = clock_set, -1e6
    net.submit(unicast(1, f_port=202, payload=clock.ForceDeviceResyncReq(nb_transmissions=1).encode()), START)
    for n in (2, 3):
        net.submit(unicast(n), START)
    inputs = run(net, START + 500)
    assert device.clock_set
    assert abs(device.clock_error) < 1
    assert [item.id for item in reports(inputs)] == ["c/1", "c/2", "c/3"]
    assert [clock.decode(payload, uplink=False)[0] for _, payload in device.unicast[1:2]] == [
        clock.AppTimeAns(time_correction=1_000_000, token_ans=0)
    ]
    asked = [item for _, item in inputs if isinstance(item, Uplink) and item.f_port == 202]
    assert len(asked) == 1, "the campaign hears it as well"


def test_a_server_without_clock_sync_leaves_clocks_alone() -> None:
    net = network()
    device = net.devices[f"{1:016x}"]
    device.clock_error = 100.0
    net.submit(unicast(1, f_port=202, payload=clock.ForceDeviceResyncReq(nb_transmissions=1).encode()), START)
    run(net, START + 500)
    assert device.clock_error == 100


def test_garbage_on_the_clock_port_is_not_answered() -> None:
    net = network(capabilities=NetworkCapabilities(clock_sync=True))
    [device] = net.devices.values()
    request = clock.AppTimeReq(device_time=0, ans_required=True, token_req=3).encode()
    device.extra = [(202, payload + b"\x01") for payload in (b"", b"\x01\x02", b"\xff", request)]
    net.submit(unicast(), START)
    inputs = run(net, START + 500)
    assert sum(isinstance(item, Uplink) and item.f_port == 202 for _, item in inputs) == 4
    [_, (_, answer)] = device.unicast
    assert [command.token_ans for command in clock.decode(answer, uplink=False)] == [3]


def test_a_frame_to_devices_without_an_answer_advances_none() -> None:
    net = network(200)
    net.open_group(group(*range(1, 201)))
    for n in range(20):
        net.submit(frame(n), START + n * MULTICAST_DELAY)
        net.poll(START + (n + 1) * MULTICAST_DELAY)
    assert sum(len(device.multicast) for device in net.devices.values()) == 200 * 20
    assert not any(device.advanced_at for device in net.devices.values())


def test_an_answer_due_before_a_planned_reboot_is_sent_in_time() -> None:
    net = network()
    [device] = net.devices.values()
    net.submit(unicast(1, payload=firmware.DevRebootCountdownReq(countdown=1000).encode()), START)
    net.submit(unicast(2), START)
    inputs = net.poll(START + 500)
    [(asked_for_reboot, _), (asked_for_version, _)] = device.unicast
    assert asked_for_reboot < asked_for_version
    _, answered = [item.received_at for item in inputs if isinstance(item, Uplink) and item.f_port == 203]
    assert asked_for_version + 1 <= answered <= asked_for_version + 3
    net.poll(asked_for_reboot + 999)
    assert device.n_reboots == 0
    net.poll(asked_for_reboot + 1000)
    assert device.n_reboots == 1


def test_no_random_number_is_drawn_for_an_event_that_cannot_happen() -> None:
    rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(1).spawn(3)]
    expected = [START + rngs[0].random() * 100]
    for _ in range(20):
        expected.append(expected[-1] + 100 * (1 + 0.1 * rngs[0].uniform(-1, 1)))
    net = network()
    net.open_group(group(1))
    net.submit(frame(1), START)
    net.submit(unicast(2, f_port=99), START)
    times = [now for now, item in run(net, START + 1500) if isinstance(item, Uplink)]
    assert len(times) > 10
    assert times == expected[: len(times)]


def test_a_device_is_advanced_once_per_due_time() -> None:
    """Each multicast frame that reaches the device makes the network look for its next due time."""
    net = network()
    net.open_group(group(1))
    [device] = net.devices.values()
    for n in range(10):
        device.receive(203, ASK, START + 2)
        net.submit(frame(2 * n), START)
        net.submit(frame(2 * n + 1), START)
    inputs = net.poll(START + 10)
    assert len(device.multicast) == 20
    assert sum(isinstance(item, Uplink) and item.f_port == 203 for item in inputs) == 10
    assert len(device.advanced_at) == len(set(device.advanced_at)) == 10


# ---- the whole -------------------------------------------------------------------------------------------

IMAGE = bytes(range(200))
ROOT, MC_KEY = Key(bytes(range(16))), Key(bytes(range(50, 66)))
MC_ADDR = 0x0102ABCD


def updated(kind: str, version: str, *, pickled: bool) -> SimulatedNetwork:
    """Four devices taken through an update by hand."""
    rng = np.random.default_rng(8)
    net = SimulatedNetwork(
        [
            VirtualDevice(
                dev_eui=f"{i:016x}",
                root_key=ROOT,
                releases={hashlib.sha256(IMAGE).digest(): 7},
                rng=rng,
                version=version,
                uplink_period=60,
                reboots_alone=i % 2 == 0,
                announces_version=True,
            )
            for i in range(4)
        ],
        uplink_loss=IndependentLoss(0, rng),
        downlink_loss=IndependentLoss(0.05, rng),
        rng=rng,
        start=START,
        reorder=0.1,
        report_loss=0.1,
        repeat=0.1,
        capabilities=NetworkCapabilities(owns_f_cnt=True),
    )
    block = ff.prepare(IMAGE, 20, n_coded=20, version=version)
    app_s_key = keys.mc_app_s_key(MC_KEY, MC_ADDR)
    members = MulticastGroup(
        name="g",
        mc_addr=MC_ADDR,
        mc_app_s_key=app_s_key,
        mc_nwk_s_key=app_s_key,
        dr=3,
        frequency_hz=869_525_000,
        dev_euis=tuple(net.devices),
        device_class=kind,
        periodicity=2,
    )
    net.open_group(members)
    mic = keys.data_block_mic(
        keys.data_block_int_key(ROOT), session_cnt=1, frag_index=0, descriptor=bytes(4), data=IMAGE
    )
    second: dict[str, Any] = {"session_cnt": 1, "mic": mic, "ack_reception": True} if version == "2.0.0" else {}
    start = (int(gps_from_unix(START)) // 128 + 8) * 128
    session: dict[str, Any] = {
        "mc_group_id": 0,
        "session_time": start,
        "time_out": 12,
        "dl_frequency_hz": 0,
        "dr": 3,
    }
    wrapped = keys.wrap_mc_key(keys.mc_ke_key(keys.mc_root_key(ROOT)), MC_KEY)
    requests = [
        multicast.McGroupSetupReq(
            mc_group_id=0, mc_addr=MC_ADDR, mc_key_encrypted=wrapped, min_mc_fcnt=0, max_mc_fcnt=99
        ),
        block.setup_request(mc_group_bit_mask=1, block_ack_delay=0, **second),
        multicast.McClassBSessionReq(periodicity=2, **session)
        if kind == "B"
        else multicast.McClassCSessionReq(**session),
    ]
    now = START
    for n, request in enumerate(requests):
        f_port = 201 if isinstance(request, fragmentation.FragSessionSetupReq) else 200
        for dev_eui in net.devices:
            for copy in range(3):  # The air loses some.
                name = f"{n}/{dev_eui}/{copy}"
                net.submit(
                    Downlink(id=name, f_port=f_port, payload=request.encode(), not_after=now + 1e6, dev_eui=dev_eui),
                    now,
                )
    now = START - gps_from_unix(START) + start + 3
    for n in range(1, 31):
        if pickled:
            net.poll(now)
            net = pickle.loads(pickle.dumps(net))
            net.reconnect()
        net.submit(
            Downlink(id=f"f/{n}", f_port=201, payload=bytes(block.frame(n)), not_after=now + 1e6, group="g"), now
        )
        now += 1
    net.poll(now + 800)
    for dev_eui in net.devices:
        for copy in range(3):
            request = firmware.DevRebootCountdownReq(countdown=600)
            net.submit(
                Downlink(
                    id=f"r/{dev_eui}/{copy}",
                    f_port=203,
                    payload=request.encode(),
                    not_after=now + 1e6,
                    dev_eui=dev_eui,
                ),
                now + 800,
            )
    if not pickled:
        return net
    return pickle.loads(pickle.dumps(net))


@pytest.mark.parametrize("kind", ["B", "C"])
@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_devices_are_updated_over_either_class(kind: str, version: str) -> None:
    net = updated(kind, version, pickled=False)
    now = START + 3000
    inputs = net.poll(now + 3000)
    assert all(device.image == IMAGE and device.fw_version == 7 for device in net.devices.values())
    announced = {
        item.dev_eui
        for item in inputs
        if isinstance(item, Uplink) and item.f_port == 203 and item.payload[:2] == b"\x01\x07"
    }
    assert announced >= {f"{i:016x}" for i in (1, 3)}


@pytest.mark.parametrize("kind", ["B", "C"])
def test_a_pickled_network_continues_from_any_time(kind: str) -> None:
    whole, pickled = (updated(kind, "2.0.0", pickled=pickled) for pickled in (False, True))
    end = START + 10_000
    assert list(whole.poll(end)) == list(pickled.poll(end))
    assert whole.deadline() == pickled.deadline()
    for dev_eui, device in whole.devices.items():
        twin = pickled.devices[dev_eui]
        assert (device.image, device.fw_version, device.n_reboots) == (twin.image, twin.fw_version, twin.n_reboots)


def test_a_network_without_devices_has_no_deadline() -> None:
    assert network(0).deadline() is None


def test_polling_late_gives_everything_in_order() -> None:
    early, late = network(4), network(4)
    one_by_one = [item for _, item in run(early, START + 500)]
    assert list(late.poll(START + 500)) == one_by_one
    assert list(late.poll(START + 500)) == []


def test_inputs_that_occur_in_submit_are_given_by_the_next_poll() -> None:
    net = network(3)
    net.submit(unicast(), START + 150)
    assert len(net.poll(START + 150)) >= 3


# ---- own uplinks in class C ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dr", "period"), [(0, 15.0), (3, 15.0), (5, 60.0)])
def test_a_class_c_device_misses_the_frames_that_overlap_with_its_own_uplinks(dr: int, period: float) -> None:
    """At SF12 and an uplink every 15 s about 35 %; class B and a network without own_uplinks lose none."""
    data_rate, payload, n_frames = region("EU868").data_rate(dr), bytes(48), 1500

    def share_heard(device_class: str, own_uplinks: bool = True) -> float:
        net = network(4, own_uplinks=own_uplinks)
        for device in net.devices.values():
            device.uplink_period = period
        settings = {"device_class": device_class, "dr": dr, "data_rate": data_rate, "periodicity": 0}
        net.open_group(group(1, 2, 3, 4, **settings))
        for n in range(n_frames):
            now = START + 60 + 4.3 * n
            net.submit(frame(n % 256, payload=payload, f_cnt=n), now)
            net.poll(now)
        net.poll(START + 1e5)
        return sum(len(device.multicast) for device in net.devices.values()) / (4 * n_frames)

    expected = own_uplink_loss(len(payload), data_rate, period)
    assert dr > 0 or 0.32 < expected < 0.37
    assert 1 - share_heard("C") == pytest.approx(expected, abs=0.03)
    assert share_heard("C", own_uplinks=False) == 1
    assert share_heard("B") == 1
