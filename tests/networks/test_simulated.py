"""The simulated network behaves as a real one does to class A devices."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from fuota_fec.campaign.messages import DownlinkSent, MulticastSummary, NetworkCapabilities, Uplink
from fuota_fec.errors import NetworkError
from fuota_fec.fleet.channel import IndependentLoss
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.networks.simulated import APPLICATION_PORT, RX1_DELAY, SimulatedNetwork
from fuota_fec.wire import firmware
from fuota_fec.wire.keys import Key

START = 1_800_000_000.0
ASK = firmware.DevVersionReq().encode()


class Heard(VirtualDevice):
    """Notes what reaches it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.unicast: list[tuple[float, bytes]] = []
        self.multicast: list[tuple[int, bytes]] = []

    def receive(self, f_port: int, payload: bytes, now: float) -> None:
        self.unicast.append((now, payload))
        super().receive(f_port, payload, now)

    def receive_multicast(
        self, mc_addr: int, app_s_key: Key, f_cnt: int, f_port: int, payload: bytes, now: float
    ) -> bool:
        self.multicast.append((f_cnt, payload))
        return super().receive_multicast(mc_addr, app_s_key, f_cnt, f_port, payload, now)


def network(
    n_devices: int = 1, *, seed: int = 1, uplink_loss: float = 0, downlink_loss: float = 0, **settings: Any
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
        start=START,
        **settings,
    )


def unicast(n: int = 1, device: int = 1, **settings: Any) -> Downlink:
    fields = {"f_port": 203, "payload": ASK, "not_after": START + 1e6, "dev_eui": f"{device:016x}"}
    return Downlink(id=f"c/{n}", **{**fields, **settings})


def group(*devices: int, name: str = "g") -> MulticastGroup:
    return MulticastGroup(
        name=name,
        mc_addr=1,
        mc_app_s_key=Key(bytes(16)),
        mc_nwk_s_key=Key(bytes(16)),
        dr=5,
        frequency_hz=869_525_000,
        dev_euis=tuple(f"{i:016x}" for i in devices),
    )


def frame(n: int = 1, **settings: Any) -> Downlink:
    fields = {"f_port": 201, "payload": bytes([n]), "not_after": START + 1e6, "group": "g", "f_cnt": n}
    return Downlink(id=f"c/{n}", **{**fields, **settings})


def run(net: SimulatedNetwork, until: float) -> list[tuple[float, Any]]:
    """Everything that comes in until then, with the time at which it does."""
    inputs = []
    while (due := net.deadline()) is not None and due <= until:
        inputs += [(due, item) for item in net.poll(due)]
    return inputs


def test_devices_speak_of_themselves_once_per_period() -> None:
    net = network(3)
    inputs = run(net, START + 1000)
    assert all(isinstance(item, Uplink) and item.received_at == at for at, item in inputs)
    for i in (1, 2, 3):
        times = [at for at, item in inputs if item.dev_eui == f"{i:016x}"]
        assert START <= times[0] < START + 100
        assert 9 <= len(times) <= 12
        assert all(90 <= b - a <= 110 for a, b in itertools.pairwise(times))
    assert {item.f_port for _, item in inputs} == {APPLICATION_PORT}


def test_a_unicast_leaves_after_an_uplink_and_then_comes_its_report() -> None:
    net = network()
    net.submit(unicast(), START)
    device = net.devices[f"{1:016x}"]
    inputs = run(net, START + 400)
    uplink_at = inputs[0][0]
    assert device.unicast == [(uplink_at + RX1_DELAY, ASK)]
    report = next((at, item) for at, item in inputs if isinstance(item, DownlinkSent))
    assert report == (uplink_at + RX1_DELAY, DownlinkSent("c/1"))
    assert any(isinstance(item, Uplink) and item.f_port == 203 for _, item in inputs)


def test_one_unicast_leaves_per_uplink_in_the_order_of_submission() -> None:
    net = network()
    for n in range(1, 5):
        net.submit(unicast(n, payload=bytes([0xF0 + n]), f_port=99), START)
    inputs = run(net, START + 390)
    reports = [(at, item.id) for at, item in inputs if isinstance(item, DownlinkSent)]
    uplinks = [at for at, item in inputs if isinstance(item, Uplink)]
    assert [name for _, name in reports] == ["c/1", "c/2", "c/3", "c/4"][: len(reports)]
    assert [at for at, _ in reports] == [pytest.approx(at + RX1_DELAY) for at in uplinks[: len(reports)]]
    assert len(reports) >= 3


def test_without_uplinks_nothing_leaves() -> None:
    net = network(uplink_loss=1 - 1e-12)
    net.submit(unicast(), START)
    assert run(net, START + 5000) == []
    assert net.devices[f"{1:016x}"].unicast == []


def test_a_lost_downlink_was_sent_all_the_same() -> None:
    net = network(downlink_loss=1 - 1e-12)
    net.submit(unicast(), START)
    assert DownlinkSent("c/1") in [item for _, item in run(net, START + 300)]
    assert net.devices[f"{1:016x}"].unicast == []


def test_what_expired_is_reported_and_not_sent() -> None:
    net = network()
    net.submit(unicast(1, not_after=START - 1), START)
    net.submit(unicast(2), START)
    reports = [item for _, item in run(net, START + 300) if isinstance(item, DownlinkSent)]
    assert reports == [DownlinkSent("c/1", False, "expired"), DownlinkSent("c/2")]
    assert len(net.devices[f"{1:016x}"].unicast) == 1


def test_a_resend_takes_the_request_that_it_replaces_out_of_the_queue() -> None:
    net = network()
    net.submit(unicast(1), START)
    net.submit(unicast(2, replaces="c/1"), START)
    assert [item.id for _, item in run(net, START + 400) if isinstance(item, DownlinkSent)] == ["c/2"]


def test_replacing_what_has_left_or_was_never_there_is_harmless() -> None:
    net = network()
    net.submit(unicast(1), START)
    run(net, START + 150)
    net.submit(unicast(2, replaces="c/1"), START + 150)
    net.submit(unicast(3, replaces="c/77"), START + 150)
    assert [item.id for _, item in run(net, START + 500) if isinstance(item, DownlinkSent)] == ["c/2", "c/3"]


def test_queues_are_per_device() -> None:
    net = network(2)
    net.submit(unicast(1, device=1), START)
    net.submit(unicast(2, device=2, replaces="c/1"), START)
    assert {item.id for _, item in run(net, START + 300) if isinstance(item, DownlinkSent)} == {"c/1", "c/2"}


def test_without_the_capability_there_are_no_sent_reports() -> None:
    net = network(capabilities=NetworkCapabilities(sent_reports=False))
    net.submit(unicast(), START)
    assert not any(isinstance(item, DownlinkSent) for _, item in run(net, START + 300))
    assert len(net.devices[f"{1:016x}"].unicast) == 1


def test_what_the_server_does_not_know_is_refused() -> None:
    net = network()
    with pytest.raises(NetworkError, match=r"does not know device 9{16}"):
        net.submit(unicast(dev_eui="9" * 16), START)
    with pytest.raises(NetworkError, match="does not know group g"):
        net.submit(frame(), START)


def test_a_multicast_reaches_the_groups_devices_and_is_summed_up() -> None:
    net = network(3)
    net.open_group(group(1, 3))
    hand_over = net.submit(frame(1), START)
    assert (hand_over.id, hand_over.f_cnt) == ("c/1", 1)
    inputs = run(net, START + 50)
    [(at, summary)] = [(at, item) for at, item in inputs if isinstance(item, MulticastSummary)]
    assert summary == MulticastSummary("c/1")
    assert at == pytest.approx(START + 1.2)
    assert [len(d.multicast) for d in net.devices.values()] == [1, 0, 1]


def test_an_expired_multicast_is_not_sent_and_says_so() -> None:
    net = network()
    net.open_group(group(1))
    net.submit(frame(1, not_after=START), START)
    summaries = [item for _, item in run(net, START + 10) if isinstance(item, MulticastSummary)]
    assert summaries == [MulticastSummary("c/1", False, "expired")]
    assert net.devices[f"{1:016x}"].multicast == []


def test_without_the_capability_there_are_no_summaries() -> None:
    net = network(capabilities=NetworkCapabilities(summaries=False))
    net.open_group(group(1))
    net.submit(frame(1), START)
    assert not any(isinstance(item, MulticastSummary) for _, item in run(net, START + 300))
    assert len(net.devices[f"{1:016x}"].multicast) == 1


def test_the_campaigns_counter_is_used_as_it_is() -> None:
    net = network()
    net.open_group(group(1))
    assert [net.submit(frame(n, f_cnt=n * 7), START).f_cnt for n in (1, 2, 2)] == [7, 14, 14]
    run(net, START + 10)
    assert [f_cnt for f_cnt, _ in net.devices[f"{1:016x}"].multicast] == [7, 14, 14]


def test_a_network_that_owns_the_counter_counts() -> None:
    net = network(capabilities=NetworkCapabilities(owns_f_cnt=True))
    net.open_group(group(1))
    net.open_group(group(1, name="h"))
    assert [net.submit(frame(n, f_cnt=None), START).f_cnt for n in (1, 2, 2)] == [0, 1, 2]
    net.open_group(group(1))
    assert net.submit(frame(4, f_cnt=None), START).f_cnt == 3, "opening it again is harmless"
    assert net.submit(frame(5, f_cnt=None, group="h"), START).f_cnt == 0


def test_multicast_losses_are_each_devices_own() -> None:
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


def test_the_deadline_is_when_something_happens_next() -> None:
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


def test_without_devices_nothing_ever_happens() -> None:
    assert network(0).deadline() is None


def test_polling_late_gives_everything_in_order() -> None:
    early, late = network(4), network(4)
    one_by_one = [item for _, item in run(early, START + 500)]
    assert list(late.poll(START + 500)) == one_by_one
    assert list(late.poll(START + 500)) == []


def test_what_submit_lets_happen_is_not_lost() -> None:
    net = network(3)
    net.submit(unicast(), START + 150)
    assert len(net.poll(START + 150)) >= 3
