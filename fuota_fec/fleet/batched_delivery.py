"""Delivery of a multicast group's frames to many devices at once.

Most frames of a campaign are fragments, and most devices only count them. The effect of a fragment on a device with a
batched reception (session window, clock, frame counter, bit of the fragment) is therefore computed for all devices in
arrays. Such a device is *batched*: the arrays hold the part of its state that fragments change. Before anything else
happens to the device, `write_back` moves that part into its state; the next fragment batches it again. A device that
decodes itself, or is in an unusual state, is never batched and receives each frame by `receive_multicast`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fuota_fec.devices.stack_quirks import Deletion
from fuota_fec.fleet.batched_reception import BatchedBlock, BatchedReception
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.device_state import FragSession, JoinedGroup, group_key
from fuota_fec.fleet.packages.dispatch import fragment_in
from fuota_fec.fleet.packages.fragmentation import complete_block, use_session_cnt
from fuota_fec.fleet.packages.one_context import only_counts
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.fragmentation import DataFragment
from fuota_fec.wire.keys import Key

Mask: TypeAlias = npt.NDArray[np.bool_]
"""One flag per device, by its position in the delivery."""

_NO_BLOCK = -1


class GroupDelivery:
    """Devices, by their position, and the address and key of a group. `close` it before making another for a group."""

    def __init__(self, devices: Sequence[VirtualDevice], mc_addr: int, app_s_key: Key) -> None:
        n = len(devices)
        self.devices = tuple(devices)
        self._mc_addr = mc_addr
        self._app_s_key = group_key(bytes(app_s_key))
        self._batchable: Mask = np.array([device.batch is not None for device in devices], np.bool_)
        self._batched: Mask = np.zeros(n, np.bool_)
        self._frag_index = 0
        self._f_port = 0
        self._groups: list[JoinedGroup | None] = [None] * n
        self._sessions: list[FragSession | None] = [None] * n
        self._opens = np.zeros(n)
        self._closes = np.zeros(n)
        self._clock_error = np.zeros(n)
        self._min_f_cnt = np.zeros(n, np.int64)
        self._max_f_cnt = np.zeros(n, np.int64)
        self._first_below = np.zeros(n, np.int64)
        self._begun: Mask = np.zeros(n, np.bool_)
        """A fragment of the session was received while batched."""
        self._one_context: Mask = np.array([device.profile.one_context for device in devices], np.bool_)
        self._by_len: Mask = np.array([_looks_at_length(device) for device in devices], np.bool_)
        """What a fragment of another length does is more than nothing."""
        self._n_other = np.zeros(n, np.int64)
        """Fragments that a stack with one context counted after its block was complete, while batched."""
        self._blocks: list[BatchedBlock] = []
        self._block_idx = np.full(n, _NO_BLOCK)
        """Position of the device's block in `_blocks`; _NO_BLOCK if the device takes no fragments of this FragIndex."""
        self._reception_idx = np.zeros(n, np.intp)
        self._write_backs = {
            position: partial(self.write_back, position) for position in np.flatnonzero(self._batchable).tolist()
        }
        for position, write_back in self._write_backs.items():
            devices[position].add_write_back(write_back)

    def close(self) -> None:
        """Ends the delivery and writes all state back."""
        self._write_back_all()
        for position, write_back in self._write_backs.items():
            self.devices[position].remove_write_back(write_back)
        self._write_backs = {}

    # ---- batched devices ---------------------------------------------------------------------------------

    def write_back(self, position: int) -> None:
        """Moves the batched part of a device's state, if there is one, back into the device."""
        if not self._batched[position]:
            return
        self._batched[position] = False
        group, session = self._groups[position], self._sessions[position]
        if group is not None:
            group.min_f_cnt = int(self._min_f_cnt[position])
            group.first_below = int(self._first_below[position])
        if session is not None and self._begun[position]:
            use_session_cnt(self.devices[position], session)
        self.devices[position].context.n_other += int(self._n_other[position])
        self._n_other[position] = 0
        self._groups[position] = self._sessions[position] = None

    def _write_back_all(self) -> None:
        for position in np.flatnonzero(self._batched).tolist():
            self.write_back(position)

    def _batch_device(self, position: int, fragment: DataFragment, f_port: int) -> None:
        """Copies the device's state into the arrays, unless the device is in a state that they cannot express."""
        device = self.devices[position]
        device.write_back()
        groups = [
            (group_id, group)
            for group_id, group in device.groups.items()
            if group.mc_addr == self._mc_addr and group.app_s_key == self._app_s_key
        ]
        session = device.sessions.get(fragment.frag_index)
        reception = None if session is None else session.reception
        if len(groups) > 1 or device.ports.fragmentation != f_port:
            return
        if isinstance(reception, BatchedReception):
            if reception.detached is not None:
                return
        elif reception is not None or device.profile.one_context or _reads_without_session(device):
            return
        if session is not None and not _is_regular(device, session):
            return
        self._batched[position] = True
        self._begun[position] = False
        self._block_idx[position] = _NO_BLOCK
        if not groups or device.hung:
            self._opens[position] = np.inf
            return
        [(group_id, group)] = groups
        self._groups[position] = group
        self._opens[position], self._closes[position] = group.opens, group.closes
        self._clock_error[position] = device.clock_error
        self._min_f_cnt[position], self._max_f_cnt[position] = group.min_f_cnt, group.max_f_cnt
        self._first_below[position] = group.first_below
        if (
            session is not None
            and isinstance(reception, BatchedReception)
            and session.hears(group_id)
            and not session.stopped
            and session.done is reception.ended
        ):
            self._sessions[position] = session
            if reception.block not in self._blocks:
                self._blocks.append(reception.block)
            self._block_idx[position] = self._blocks.index(reception.block)
            self._reception_idx[position] = reception.idx

    # ---- frames ------------------------------------------------------------------------------------------

    def receive(self, f_port: int, payload: bytes, f_cnt: int, reached: Mask, now: float) -> list[int]:
        """Delivers a class B or C multicast frame to the devices that it reached.

        Returns, ascending, the positions of those that may have something due because of it. They receive the frame in
        that order.
        """
        completed: dict[int, bytes] = {}
        fragment = fragment_in(payload) if self._batchable.any() else None
        if fragment is not None:
            self._batch_devices(fragment, f_port, reached)
            self._write_back_readers(fragment, reached)
            completed = self._push(fragment, f_cnt, reached & self._batched, now)
            reached = reached & ~self._batched
            for position in completed:
                reached[position] = True
        touched: list[int] = np.flatnonzero(reached).tolist()
        for position in touched:
            device = self.devices[position]
            session, block = self._sessions[position], completed.get(position)
            if block is not None and session is not None:
                self.write_back(position)
                complete_block(device, session, block, now)
            else:
                device.receive_multicast(self._mc_addr, self._app_s_key, f_cnt, f_port, payload, now)
        return touched

    def _batch_devices(self, fragment: DataFragment, f_port: int, reached: Mask) -> None:
        """Batches all devices that a fragment reached and that can be batched."""
        if (fragment.frag_index, f_port) != (self._frag_index, self._f_port):
            self._write_back_all()
            self._frag_index, self._f_port = fragment.frag_index, f_port
        for position in np.flatnonzero(reached & self._detached()).tolist():
            self.write_back(position)
        for position in np.flatnonzero(reached & self._batchable & ~self._batched).tolist():
            self._batch_device(position, fragment, f_port)

    def _write_back_readers(self, fragment: DataFragment, reached: Mask) -> None:
        """Writes back the devices that may take the fragment's payload for commands."""
        candidates = reached & self._batched & self._by_len
        if not candidates.any():
            return
        for position in np.flatnonzero(candidates & self._one_context).tolist() if not only_counts(fragment) else ():
            session = self._sessions[position]
            if session is None or session.reception.ended:
                self.write_back(position)
        for number, block in enumerate(self._blocks):
            if len(fragment.payload) != block.frag_size:
                for position in np.flatnonzero(candidates & (self._block_idx == number)).tolist():
                    self.write_back(position)

    def _detached(self) -> Mask:
        """Batched devices whose reception was detached from its block."""
        detached = np.zeros(len(self.devices), np.bool_)
        for number, block in enumerate(self._blocks):
            members = np.flatnonzero(self._batched & (self._block_idx == number))
            detached[members] = block.detached[self._reception_idx[members]]
        return detached

    def _push(self, fragment: DataFragment, f_cnt: int, reached: Mask, now: float) -> dict[int, bytes]:
        """Gives a fragment to batched devices. Returns the block of those that it completes, by position."""
        own_gps = gps_from_unix(now) + self._clock_error
        hears = (
            reached
            & (self._opens <= own_gps)
            & (own_gps < self._closes)
            & (self._min_f_cnt <= f_cnt)
            & (f_cnt < self._max_f_cnt)
            & (f_cnt < self._first_below)
        )
        self._min_f_cnt[hears] = f_cnt + 1
        self._first_below[hears] = 2**32
        completed: dict[int, bytes] = {}
        for number, block in enumerate(self._blocks):
            if len(fragment.payload) != block.frag_size:
                continue
            members = np.flatnonzero(hears & (self._block_idx == number))
            ended = block.ended[self._reception_idx[members]]
            over = members[ended]
            self._n_other[over[self._one_context[over]]] += 1
            members = members[~ended]
            if members.size:
                self._begun[members] = True
                for nth, data in block.push(self._reception_idx[members], fragment):
                    completed[int(members[nth])] = data
                if block.hangs:
                    self._opens[members[block.hung[self._reception_idx[members]]]] = np.inf
        return completed


def _reads_without_session(device: VirtualDevice) -> bool:
    return device.profile.reads_after_frag and device.profile.deletion is not Deletion.STOPS


def _looks_at_length(device: VirtualDevice) -> bool:
    return device.profile.one_context or not device.profile.checks_frag_len


def _is_regular(device: VirtualDevice, session: FragSession) -> bool:
    """Whether the fragments of a session are as long as the stack takes them to be: the context still announces its
    block, no setup was refused in between, and no other session gave its decoder another length."""
    setup, context = session.setup, device.context
    if device.profile.one_context:
        announced = (context.frag_index, context.nb_frag, context.frag_size)
        return announced == (setup.frag_index, setup.nb_frag, setup.frag_size)
    return not device.profile.reads_after_frag or setup.frag_size == session.reception.frag_size
