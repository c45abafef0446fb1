"""A simulated network server with its gateways, its radio and its devices, in virtual time.

It treats class A devices as a real server does: unicast downlinks wait in a queue per device, one leaves after each
uplink received, and only then its sent report is given. Multicast frames wait in a queue per group, in class B for
their ping slot, and go to the devices that listen. A class C device misses the frames that overlap with its own
uplinks and the wait for RX1 after them. All randomness comes from the generator that was passed, and nothing
is drawn for an event that cannot happen. The network, devices included, can be pickled at any time, and its copy
continues from there.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fuota_fec.campaign.messages import (
    DownlinkSent,
    HandOver,
    Input,
    MulticastSummary,
    NetworkCapabilities,
    Uplink,
)
from fuota_fec.errors import ParameterError, WireError
from fuota_fec.fleet.batched_delivery import GroupDelivery, Mask
from fuota_fec.fleet.channel import Devices, LossModel
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.networks.base import Downlink, MulticastGroup, RefusedError
from fuota_fec.radio.airtime import deaf_after_uplink, frame_time, next_ping_slot, uplink_time
from fuota_fec.radio.channels import DataRate
from fuota_fec.wire import clock
from fuota_fec.wire.lorawan import RX1_DELAY

MULTICAST_DELAY = 0.2
"""s from the hand-over of a multicast frame until it is ready to be sent."""
SUMMARY_DELAY = 1.0
"""s from the transmission of a multicast frame to its summary report."""
SUMMARY_CADENCE = 2.0
"""s from a multicast downlink to its summary report, where no frame is before it."""
REORDER_DELAY = 5.0
"""Longest delay of an uplink or report that is given out of order, s."""
JITTER = 0.1
"""Share of the uplink period by which an uplink is early or late at most."""
APPLICATION_PORT = 2

_NEVER, _FAR = float("-inf"), float("inf")
_SLOT_GUARD = 0.001
"""s, less than the distance of ping slots and more than the rounding of times."""


@dataclass(slots=True, eq=False)
class Station:
    """A device as the server sees it."""

    device: VirtualDevice
    number: int
    """Number of the device in the fleet, as loss models count."""
    queue: list[Downlink] = field(default_factory=list)
    """Unicast downlinks that wait for an uplink. A device has few of them, and an empty deque takes 600 bytes."""
    received_at: float = _NEVER
    """Time of the last uplink, while its receive window is free."""
    periodic: float = _FAR
    """Time of the next uplink of the application."""
    wakes: list[float] = field(default_factory=list)
    """Times at which the device is advanced, latest first. A device has few of them."""


class Frame(NamedTuple):
    """A multicast downlink in the queue of its group."""

    downlink: Downlink
    f_cnt: int
    ready: float


@dataclass(slots=True, eq=False, kw_only=True)
class ServerGroup:
    """A multicast group as the server knows it."""

    mc_addr: int
    device_class: str
    periodicity: int
    stations: tuple[Station, ...]
    """Devices of the group that the server knows."""
    numbers: Devices
    """Numbers of these devices in the fleet."""
    delivery: GroupDelivery
    """Delivery of frames to these devices."""
    next_f_cnt: int
    data_rate: DataRate | None = None
    """Modulation of a class C group whose devices miss frames while they are busy with their own uplinks."""
    frames: deque[Frame] = field(default_factory=deque)
    sent_at: float = _NEVER
    wake: float | None = None
    """Time at which the first frame of the queue is due."""

    def due(self, frame: Frame, pacing: float) -> float:
        """Time at which a frame can leave if it is the next one: when it is ready, `pacing` s after the last one, and
        in class B in an unused ping slot."""
        if self.device_class != "B":
            return max(frame.ready, self.sent_at + pacing)
        free = self.sent_at + max(pacing - _SLOT_GUARD, _SLOT_GUARD)
        after = clock.gps_from_unix(max(frame.ready, free))
        return clock.unix_from_gps(next_ping_slot(after, self.mc_addr, self.periodicity))


class SimulatedNetwork:
    """Devices, radio and server.

    `uplink_loss` and `downlink_loss` are the losses on the air; `silent` devices (by DevEUI) never send. `repeat` is
    the share of uplinks that the server gives twice, `reorder` that of uplinks and reports given late and so out of
    order, `report_loss` that of sent reports and summaries that are never given. Without `own_uplinks` class C devices
    hear multicast frames also while they send.
    """

    def __init__(
        self,
        devices: Iterable[VirtualDevice],
        *,
        uplink_loss: LossModel,
        downlink_loss: LossModel,
        rng: np.random.Generator,
        start: float,
        capabilities: NetworkCapabilities | None = None,
        repeat: float = 0.0,
        reorder: float = 0.0,
        report_loss: float = 0.0,
        silent: Collection[str] = (),
        own_uplinks: bool = True,
    ) -> None:
        for name, share in (("repeat", repeat), ("reorder", reorder), ("report_loss", report_loss)):
            if not 0 <= share <= 1:
                raise ParameterError(f"{name}: {share} is not a share, expected 0 to 1")
        self.capabilities = capabilities or NetworkCapabilities()
        self.devices = {device.dev_eui: device for device in devices}
        self._uplink_loss = uplink_loss
        self._downlink_loss = downlink_loss
        self._rng = rng
        self._repeat = repeat
        self._reorder = reorder
        self._report_loss = report_loss
        self._now = start
        self._stations = {
            dev_eui: Station(device, number) for number, (dev_eui, device) in enumerate(self.devices.items())
        }
        self._groups: dict[str, ServerGroup] = {}
        self._queued: dict[str, Station] = {}
        """Id of a queued unicast downlink → its station."""
        self._inbox: list[Input] = []
        self._polled: list[Input] = []
        """Inputs of the last poll, not yet acknowledged by another one."""
        self._own_uplinks = own_uplinks
        self._sent_at = np.full(len(self.devices), _NEVER)
        """Time of each device's last uplink: its end."""
        self._sends_at = np.full(len(self.devices), _FAR)
        """Time of each device's next uplink, as far as it is planned."""
        self._heap: list[tuple[float, int, str, Any]] = []
        """Events: due time, order of scheduling, kind, subject."""
        self._order = 0
        for dev_eui, station in self._stations.items():
            first = start + float(rng.random()) * station.device.uplink_period
            if dev_eui not in silent:
                self._schedule_periodic(station, first)

    # ---- the port ----------------------------------------------------------------------------------------

    def open_group(self, group: MulticastGroup) -> int | None:
        """Opens a group. One that is known already keeps its counter and its queue."""
        known = self._groups.get(group.name)
        stations = tuple(self._stations[name] for name in group.dev_euis if name in self._stations)
        if known is not None:
            known.delivery.close()
        opened = ServerGroup(
            mc_addr=group.mc_addr,
            delivery=GroupDelivery([station.device for station in stations], group.mc_addr, group.mc_app_s_key),
            device_class=group.device_class,
            periodicity=group.periodicity,
            stations=stations,
            numbers=np.array([station.number for station in stations], np.intp),
            next_f_cnt=known.next_f_cnt if known else group.f_cnt,
            data_rate=group.data_rate if group.device_class == "C" and self._own_uplinks else None,
        )
        if known is not None:
            opened.frames, opened.sent_at = known.frames, known.sent_at
            known.wake = None
            self._plan(opened)
        self._groups[group.name] = opened
        return opened.next_f_cnt if self.capabilities.owns_f_cnt else None

    def submit(self, downlink: Downlink, now: float) -> HandOver:
        self._advance(now)
        if downlink.group is not None:
            return self._submit_multicast(downlink)
        station = self._stations.get(downlink.dev_eui or "")
        if station is None:
            raise RefusedError(f"{downlink.id}: device {downlink.dev_eui} is unknown to the server")
        if downlink.replaces is not None and self.capabilities.withdraws:
            self._take_out(station, {downlink.replaces})
        station.queue.append(downlink)
        self._queued[downlink.id] = station
        if self._now < station.received_at + RX1_DELAY:
            self._schedule(station.received_at + RX1_DELAY, "rx1", station)
            station.received_at = _NEVER
        return HandOver(id=downlink.id, reference=downlink.id)

    def _submit_multicast(self, downlink: Downlink) -> HandOver:
        group = self._groups.get(downlink.group or "")
        if group is None:
            raise RefusedError(f"{downlink.id}: group {downlink.group} is unknown to the server")
        if self.capabilities.owns_f_cnt:
            f_cnt = group.next_f_cnt
            group.next_f_cnt += 1
        else:
            assert downlink.f_cnt is not None
            f_cnt = downlink.f_cnt
        group.frames.append(Frame(downlink, f_cnt, self._now + MULTICAST_DELAY))
        if len(group.frames) == 1:
            self._plan(group)
        return HandOver(id=downlink.id, reference=downlink.id, f_cnt=f_cnt)

    def withdraw(self, downlink_ids: Sequence[str], now: float) -> None:
        """Removes queued downlinks. They are not reported."""
        self._advance(now)
        if not self.capabilities.withdraws:
            return
        ids = set(downlink_ids)
        for station in {id(known): known for name in ids if (known := self._queued.get(name))}.values():
            self._take_out(station, ids)
        for group in self._groups.values():
            group.frames = deque(frame for frame in group.frames if frame.downlink.id not in ids)

    def poll(self, now: float) -> Sequence[Input]:
        self._advance(now)
        self._polled, self._inbox = self._inbox, []
        return list(self._polled)

    def reconnect(self) -> None:
        """Gives the inputs of the last poll again with the next one, after a crash of the caller."""
        self._inbox = self._polled + self._inbox
        self._polled = []

    def deadline(self) -> float | None:
        """Time of the next event; None if there is none."""
        return self._heap[0][0] if self._heap else None

    def advance(self, until: float, overhears: Callable[[Input, float], bool]) -> float | None:
        """Goes on to the first input at or before a time that is not overheard, and returns the input's time."""
        heap, inbox = self._heap, self._inbox
        if inbox:
            return None
        while heap and heap[0][0] <= until:
            self._polled = []
            due, _, kind, subject = heapq.heappop(heap)
            self._now = max(self._now, due)
            _HANDLERS[kind](self, subject, due)
            while inbox:
                if not overhears(inbox[0], due):
                    return due
                del inbox[0]
        return None

    # ---- the server --------------------------------------------------------------------------------------

    def _take_out(self, station: Station, ids: Collection[str]) -> None:
        station.queue = [queued for queued in station.queue if queued.id not in ids]
        for name in ids:
            if self._queued.get(name) is station:
                del self._queued[name]

    def _plan(self, group: ServerGroup) -> None:
        """Schedules the group's first frame."""
        due = max(group.due(group.frames[0], self.capabilities.pacing), self._now) if group.frames else None
        if due is not None and due != group.wake:
            self._schedule(due, "multicast", group)
        group.wake = due

    def _on_multicast(self, group: ServerGroup, now: float) -> None:
        if group.wake != now:
            return  # The frame was rescheduled.
        group.wake = None
        while group.frames and group.frames[0].downlink.not_after < now:
            self._report(MulticastSummary(group.frames.popleft().downlink.id, False, "expired"), now)
        if group.frames and group.due(group.frames[0], self.capabilities.pacing) <= now:
            self._send(group, group.frames.popleft(), now)
        self._plan(group)

    def _send(self, group: ServerGroup, frame: Frame, now: float) -> None:
        group.sent_at = now
        downlink, f_cnt, _ = frame
        reached = ~self._downlink_loss.lost_each(group.numbers, now)
        if group.data_rate is not None:
            reached &= self._listens(group.numbers, group.data_rate, len(downlink.payload), now)
        for idx in group.delivery.receive(downlink.f_port, downlink.payload, f_cnt, reached, now):
            self._wake(group.stations[idx])
        if self.capabilities.summaries:
            self._schedule(now + SUMMARY_DELAY, "summary", MulticastSummary(downlink.id))

    def _listens(self, numbers: Devices, data_rate: DataRate, payload_len: int, now: float) -> Mask:
        """Which devices are not busy with an uplink of their own, from the start of a frame to its end."""
        heard_from = now - deaf_after_uplink(data_rate)
        heard_until = now + frame_time(payload_len, data_rate) + uplink_time(data_rate)
        return (self._sent_at[numbers] <= heard_from) & (self._sends_at[numbers] >= heard_until)

    def _on_summary(self, summary: MulticastSummary, now: float) -> None:
        self._report(summary, now)

    def _on_rx1(self, station: Station, now: float) -> None:
        """Sends one downlink in the receive window of an uplink."""
        while station.queue and station.queue[0].not_after < now:
            self._report(DownlinkSent(self._next(station).id, False, "expired"), now)
        if not station.queue:
            return
        downlink = self._next(station)
        self._report(DownlinkSent(downlink.id), now)
        if not self._downlink_loss.lost(station.number, now):
            station.device.receive(downlink.f_port, downlink.payload, now)
            self._wake(station)

    def _next(self, station: Station) -> Downlink:
        downlink = station.queue.pop(0)
        if not any(queued.id == downlink.id for queued in station.queue):
            self._queued.pop(downlink.id, None)
        return downlink

    def _synchronise(self, station: Station, payload: bytes, now: float) -> None:
        """Queues the answer to an AppTimeReq before all other downlinks of the device (TS003)."""
        try:
            commands = clock.decode(payload, uplink=True)
        except WireError as error:
            commands = list(error.commands)
        for command in commands:
            if isinstance(command, clock.AppTimeReq):
                correction = clock.gps_difference(clock.gps_to_wire(clock.gps_from_unix(now)), command.device_time)
                answer = clock.AppTimeAns(time_correction=correction, token_ans=command.token_req)
                f_port = station.device.ports.clock
                own = Downlink(id="", f_port=f_port, payload=answer.encode(), not_after=float("inf"))
                station.queue.insert(0, own)

    def _report(self, report: DownlinkSent | MulticastSummary, now: float) -> None:
        given = isinstance(report, DownlinkSent)
        if not (self.capabilities.sent_reports if given else self.capabilities.summaries) or not report.id:
            return
        if not (self._report_loss and self._rng.random() < self._report_loss):
            self._deliver(report, now)

    def _deliver(self, item: Input, now: float) -> None:
        if self._reorder and self._rng.random() < self._reorder:
            self._schedule(now + REORDER_DELAY * float(self._rng.random()), "late", item)
        else:
            self._inbox.append(item)

    def _on_late(self, item: Input, _now: float) -> None:
        self._inbox.append(item)

    # ---- the devices -------------------------------------------------------------------------------------

    def _on_periodic(self, station: Station, now: float) -> None:
        """Sends an uplink of the application, unless the device hangs."""
        device = station.device
        if device.hung:
            station.periodic = _FAR
            return
        period = device.uplink_period * (1 + JITTER * (2 * self._rng.random() - 1))
        self._schedule_periodic(station, now + period)
        self._uplink(station, APPLICATION_PORT, b"\x00", now)

    def _schedule_periodic(self, station: Station, due: float) -> None:
        station.periodic = due
        if station.wakes:
            self._plan_uplink(station)
        else:
            self._sends_at[station.number] = due
        self._order += 1
        heapq.heappush(self._heap, (due, self._order, "periodic", station))

    def _plan_uplink(self, station: Station) -> None:
        wakes, due = station.wakes, station.periodic
        self._sends_at[station.number] = wakes[-1] if wakes and wakes[-1] < due else due

    def _on_device(self, station: Station, now: float) -> None:
        station.wakes.pop()
        self._plan_uplink(station)
        for f_port, payload in station.device.advance(now):
            self._uplink(station, f_port, payload, now)
        self._wake(station)

    def _uplink(self, station: Station, f_port: int, payload: bytes, now: float) -> None:
        self._sent_at[station.number] = now
        if self._uplink_loss.lost(station.number, now):
            return
        uplink = Uplink(station.device.dev_eui, f_port, payload, now)
        self._deliver(uplink, now)
        if self._repeat and self._rng.random() < self._repeat:
            self._deliver(uplink, now)
        if self.capabilities.clock_sync and f_port == station.device.ports.clock:
            self._synchronise(station, payload, now)
        if station.queue:
            self._schedule(now + RX1_DELAY, "rx1", station)
        else:
            station.received_at = now

    def _wake(self, station: Station) -> None:
        """Schedules an advance of the device for its next due time, unless an earlier one is scheduled already."""
        due = station.device.next_due()
        if due is not None and (not station.wakes or due < station.wakes[-1]):
            station.wakes.append(due)
            self._plan_uplink(station)
            self._schedule(due, "device", station)

    # ---- time --------------------------------------------------------------------------------------------

    def _schedule(self, due: float, kind: str, subject: object) -> None:
        self._order += 1
        heapq.heappush(self._heap, (due, self._order, kind, subject))

    def _advance(self, now: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, kind, subject = heapq.heappop(heap)
            self._now = max(self._now, due)
            _HANDLERS[kind](self, subject, due)
        self._now = max(self._now, now)


_HANDLERS: Mapping[str, Callable[[SimulatedNetwork, Any, float], None]] = {
    "periodic": SimulatedNetwork._on_periodic,
    "device": SimulatedNetwork._on_device,
    "rx1": SimulatedNetwork._on_rx1,
    "multicast": SimulatedNetwork._on_multicast,
    "summary": SimulatedNetwork._on_summary,
    "late": SimulatedNetwork._on_late,
}
"""Method by the kind of an event."""
