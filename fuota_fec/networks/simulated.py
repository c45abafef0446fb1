"""A network server that is simulated, with its gateways, its radio and its devices, in virtual time.

It behaves as a real one does to a class A device: unicast downlinks wait in a queue per device, one leaves after
each uplink that was heard, and only then comes its sent report. Multicast frames go to the devices that listen.
Everything that happens is drawn from the generator that it was given.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from fuota_fec.campaign.messages import (
    DownlinkSent,
    HandOver,
    Input,
    MulticastSummary,
    NetworkCapabilities,
    Uplink,
)
from fuota_fec.errors import NetworkError
from fuota_fec.fleet.channel import LossModel
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.networks.base import Downlink, MulticastGroup

RX1_DELAY = 1.0
"""s from an uplink to the downlink that answers it."""
MULTICAST_DELAY = 0.2
"""s from the hand-over of a multicast frame to its transmission."""
SUMMARY_DELAY = 1.0
"""s from there to its summary report."""
JITTER = 0.1
"""Share of the uplink period by which uplinks come early or late."""
APPLICATION_PORT = 2


class SimulatedNetwork:
    """Devices, radio and server. `uplink_loss` and `downlink_loss` say what gets lost; `repeat` is the share of
    uplinks that the server reports twice."""

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
    ) -> None:
        self.capabilities = capabilities or NetworkCapabilities()
        self.devices = {device.dev_eui: device for device in devices}
        self._uplink_loss = uplink_loss
        self._downlink_loss = downlink_loss
        self._rng = rng
        self._repeat = repeat
        self._now = start
        self._queues: dict[str, deque[Downlink]] = {dev_eui: deque() for dev_eui in self.devices}
        self._groups: dict[str, MulticastGroup] = {}
        self._f_cnt: dict[str, int] = {}
        self._inbox: list[Input] = []
        self._heap: list[tuple[float, int, str, object]] = []
        self._order = 0
        for device in self.devices.values():
            self._at(start + float(rng.random()) * device.uplink_period, "periodic", device)

    # ---- the port ----------------------------------------------------------------------------------------

    def open_group(self, group: MulticastGroup) -> None:
        self._groups[group.name] = group
        self._f_cnt.setdefault(group.name, group.f_cnt)

    def submit(self, downlink: Downlink, now: float) -> HandOver:
        self._advance(now)
        if downlink.group is not None:
            return self._submit_multicast(downlink, now)
        if downlink.dev_eui not in self._queues:
            raise NetworkError(f"{downlink.id}: the server does not know device {downlink.dev_eui}")
        queue = self._queues[downlink.dev_eui]
        for queued in [item for item in queue if item.id == downlink.replaces]:
            queue.remove(queued)
        queue.append(downlink)
        return HandOver(id=downlink.id, reference=downlink.id)

    def _submit_multicast(self, downlink: Downlink, now: float) -> HandOver:
        group = self._groups.get(downlink.group or "")
        if group is None:
            raise NetworkError(f"{downlink.id}: the server does not know group {downlink.group}")
        if self.capabilities.owns_f_cnt:
            f_cnt = self._f_cnt[group.name]
            self._f_cnt[group.name] += 1
        else:
            assert downlink.f_cnt is not None
            f_cnt = downlink.f_cnt
        self._at(now + MULTICAST_DELAY, "multicast", (group, downlink, f_cnt))
        return HandOver(id=downlink.id, reference=downlink.id, f_cnt=f_cnt)

    def poll(self, now: float) -> Sequence[Input]:
        self._advance(now)
        inbox, self._inbox = self._inbox, []
        return inbox

    def deadline(self) -> float | None:
        """When something happens next of itself."""
        return self._heap[0][0] if self._heap else None

    # ---- what happens ------------------------------------------------------------------------------------

    def _at(self, when: float, what: str, about: object) -> None:
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, what, about))

    def _advance(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            when, _, what, about = heapq.heappop(self._heap)
            getattr(self, f"_on_{what}")(about, when)

    def _on_periodic(self, device: VirtualDevice, now: float) -> None:
        """The device's own traffic."""
        period = device.uplink_period * (1 + JITTER * float(self._rng.uniform(-1, 1)))
        self._at(now + period, "periodic", device)
        self._uplink(device, APPLICATION_PORT, b"\x00", now)

    def _on_device(self, device: VirtualDevice, now: float) -> None:
        for f_port, payload in device.advance(now):
            self._uplink(device, f_port, payload, now)
        self._wake(device)

    def _on_rx1(self, device: VirtualDevice, now: float) -> None:
        """After an uplink that was heard, one downlink leaves."""
        queue = self._queues[device.dev_eui]
        while queue and queue[0].not_after < now:
            self._report(DownlinkSent(queue.popleft().id, False, "expired"))
        if not queue:
            return
        downlink = queue.popleft()
        self._report(DownlinkSent(downlink.id))
        if not self._downlink_loss.lost():
            device.receive(downlink.f_port, downlink.payload, now)
            self._wake(device)

    def _on_multicast(self, about: tuple[MulticastGroup, Downlink, int], now: float) -> None:
        group, downlink, f_cnt = about
        if downlink.not_after < now:
            self._at(now, "summary", MulticastSummary(downlink.id, False, "expired"))
            return
        lost = self._downlink_loss.lost_each(len(group.dev_euis))
        for dev_eui, is_lost in zip(group.dev_euis, lost.tolist(), strict=True):
            device = self.devices.get(dev_eui)
            if device is not None and not is_lost:
                device.receive_multicast(
                    group.mc_addr, group.mc_app_s_key, f_cnt, downlink.f_port, downlink.payload, now
                )
                self._wake(device)
        self._at(now + SUMMARY_DELAY, "summary", MulticastSummary(downlink.id))

    def _on_summary(self, summary: MulticastSummary, _now: float) -> None:
        if self.capabilities.summaries:
            self._inbox.append(summary)

    def _uplink(self, device: VirtualDevice, f_port: int, payload: bytes, now: float) -> None:
        if self._uplink_loss.lost():
            return
        uplink = Uplink(device.dev_eui, f_port, payload, now)
        self._inbox.append(uplink)
        if self._repeat and self._rng.random() < self._repeat:
            self._inbox.append(uplink)
        self._at(now + RX1_DELAY, "rx1", device)

    def _report(self, report: DownlinkSent) -> None:
        if self.capabilities.sent_reports:
            self._inbox.append(report)

    def _wake(self, device: VirtualDevice) -> None:
        due = device.next_due()
        if due is not None:
            self._at(due, "device", device)
