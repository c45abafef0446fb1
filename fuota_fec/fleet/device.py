"""A virtual end device: a DeviceState with a radio. Payloads in, payloads out.

It models a class A device with the packages TS003 to TS006: it takes part in class B and C multicast sessions, rebuilds
the block, checks, stores and boots it, and reports the version of its firmware. It decodes real frames with the codec
and behaves as the specifications say, except for the quirks of its profile.

Three names are enough to drive one by hand: `receive` gives it a payload, `advance` lets it act and returns its
uplinks, and `stored` is the image that it received. `packages` defines the effect of each command.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from fuota_fec.errors import ParameterError
from fuota_fec.fleet.device_state import BlockReport, DeviceState
from fuota_fec.fleet.packages import dispatch
from fuota_fec.fleet.packages.firmware import version_of
from fuota_fec.wire import fragmentation, keys
from fuota_fec.wire.commands import Command

N_GROUPS = 4
"""Multicast groups of a device (TS005)."""


@dataclass(slots=True, kw_only=True)
class VirtualDevice(DeviceState):
    """One device. The arguments are the fields of DeviceState.

    `stored` is the image that the device stores: bytes without padding, or None before a block is complete, after its
    image was installed (it is `image` then) and after it was deleted.
    """

    _uplinks: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    """Heap of (due, number, f_port, payload)."""
    _n_uplinks: int = 0
    _write_backs: list[Callable[[], None]] = field(default_factory=list, repr=False)

    # ---- downlinks -------------------------------------------------------------------------------------------

    def receive(self, f_port: int, payload: bytes, now: float, group: int | None = None) -> None:
        """Handles a decrypted payload that came by unicast, or on the multicast group with this McGroupID (0 … 3).

        Whether the group is set up and in session is not checked: a payload on a group is one that the radio took, see
        receive_multicast. Commands that TS003 to TS006 allow by unicast only are dropped if they come on a group.
        Nothing in a payload raises; ParameterError for a group that no device has.
        """
        if group is not None and not 0 <= group < N_GROUPS:
            raise ParameterError(f"group: {group} is not a McGroupID, expected 0 to {N_GROUPS - 1} or None")
        if self.hung:
            return
        self.write_back()
        for answer, delay in dispatch.handle(self, f_port, payload, now, group):
            self._queue(f_port, answer, now + delay)

    def receive_multicast(
        self, mc_addr: int, app_s_key: keys.Key, f_cnt: int, f_port: int, payload: bytes, now: float
    ) -> bool:
        """Receives a class B or C multicast frame, encrypted with `app_s_key`, if one of the device's groups is in
        session and accepts address, key and counter. Returns whether one did."""
        if self.hung:
            return False
        self.write_back()
        own_gps = self.own_gps(now)
        for group_id, group in self.groups.items():
            if group.hears(mc_addr, app_s_key, f_cnt, own_gps):
                group.use_counter(f_cnt)
                self.receive(f_port, payload, now, group=group_id)
                return True
        return False

    # ---- uplinks and reboots ---------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """Time of the next uplink or reboot; None if none is planned."""
        if self.hung:
            return None
        due = self._uplinks[0][0] if self._uplinks else None
        for planned in (self.requested_reboot_due, self.own_reboot_due):
            if planned is not None and (due is None or planned < due):
                due = planned
        for report in self.block_reports.values():
            if due is None or report.due < due:
                due = report.due
        return due

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        """Makes the reboots that are due by `now` and returns the (f_port, payload) of the uplinks that are due."""
        if self.hung:
            return []
        for planned in (self.requested_reboot_due, self.own_reboot_due):
            if planned is not None and planned <= now:
                self._reboot(planned)
        for frag_index, report in list(self.block_reports.items()):
            if report.due <= now:
                self._queue_block_report(frag_index, report, now)
        uplinks = []
        while self._uplinks and self._uplinks[0][0] <= now:
            _, _, f_port, payload = heapq.heappop(self._uplinks)
            uplinks.append((f_port, payload))
        return uplinks

    def _queue(self, f_port: int, command: Command, due: float) -> None:
        self._n_uplinks += 1
        heapq.heappush(self._uplinks, (due, self._n_uplinks, f_port, command.encode()))

    def _queue_block_report(self, frag_index: int, report: BlockReport, now: float) -> None:
        mic_error = self.sessions[frag_index].mic_error
        request = fragmentation.FragDataBlockReceivedReq(frag_index=frag_index, mic_error=mic_error)
        self._queue(self.ports.fragmentation, request, report.due)
        report.due = now + self.uplink_period
        report.n_left -= 1
        if not report.n_left:
            del self.block_reports[frag_index]

    def _reboot(self, now: float) -> None:
        self.plan_reboot(None)
        self.n_reboots += 1
        self.reset_decoders = set(self.decoders)
        release = self.stored_release()
        if release is None:
            return
        self.image, self.stored = self.stored, None
        self.fw_version = release
        if self.announces_version:
            self._queue(self.ports.firmware, version_of(self), now + self.answer_delay())

    # ---- batches ---------------------------------------------------------------------------------------------

    def add_write_back(self, write_back: Callable[[], None]) -> None:
        """Registers a batch that keeps a part of this device's state. The callable is called before each downlink and
        writes that part back; it must be picklable if the device is to be."""
        self._write_backs.append(write_back)

    def remove_write_back(self, write_back: Callable[[], None]) -> None:
        """Ends a registration."""
        self._write_backs = [each for each in self._write_backs if each is not write_back]

    def write_back(self) -> None:
        """Brings the state up to date with all batches."""
        for write_back in self._write_backs:
            write_back()
