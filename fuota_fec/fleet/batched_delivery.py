"""The devices of a multicast group that hear its fragments together.

Most of a campaign's frames are fragments, and all that one does to most devices is to be counted. So what a device
that receives in a crowd has to do with a fragment (its session, its clock, the counter, the bit for the fragment) is
done for all of them at once, in arrays. Such a device is *seated*: the arrays hold what may have changed of it. Before
anything else happens to it, it is settled, which writes that back; with the next fragment it is seated again. A device
that decodes for itself, or is in no ordinary state, is never seated and receives each frame as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fuota_fec.fleet.batched_reception import Crowd, Seat
from fuota_fec.fleet.decoding import FragSession, JoinedGroup, group_key
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.packages import dispatch as packages
from fuota_fec.fleet.packages import fragmentation as transport
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.fragmentation import DataFragment
from fuota_fec.wire.keys import Key

Positions: TypeAlias = npt.NDArray[np.intp]

_NO_CROWD = -1


class Audience:
    """Devices, by their position, and the group's address and key."""

    def __init__(self, devices: Sequence[VirtualDevice], mc_addr: int, app_s_key: Key) -> None:
        n = len(devices)
        self.devices = tuple(devices)
        self._mc_addr = mc_addr
        self._app_s_key = group_key(bytes(app_s_key))
        self._may_sit = np.array([device.crowds is not None for device in devices], np.bool_)
        self._seated = np.zeros(n, np.bool_)
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
        self._begun = np.zeros(n, np.bool_)
        """A fragment of the session was heard while seated."""
        self._crowds: list[Crowd] = []
        self._crowd = np.full(n, _NO_CROWD)
        """Which of them; none: fragments of this index are not for the device."""
        self._places = np.zeros(n, np.intp)
        for position, device in enumerate(devices):
            if device.crowds is not None:
                device.joined(self, position)

    def close(self) -> None:
        """No frame comes this way any more."""
        self._settle_all()
        for device in self.devices:
            device.left(self)

    # ---- seats -------------------------------------------------------------------------------------------

    def settle(self, position: int) -> None:
        """What is noted of a device is written back to it."""
        if not self._seated[position]:
            return
        self._seated[position] = False
        group, session = self._groups[position], self._sessions[position]
        if group is not None:
            group.min_f_cnt = int(self._min_f_cnt[position])
            group.first_below = int(self._first_below[position])
        if session is not None and self._begun[position]:
            transport.begin(self.devices[position], session)
        self._groups[position] = self._sessions[position] = None

    def _settle_all(self) -> None:
        for position in np.flatnonzero(self._seated).tolist():
            self.settle(position)

    def _seat(self, position: int, fragment: DataFragment, f_port: int) -> None:
        """Unless the device is in no state in which its fragments can be counted for it."""
        device = self.devices[position]
        device.catch_up()
        groups = [
            (group_id, group)
            for group_id, group in device._groups.items()
            if group.mc_addr == self._mc_addr and group.app_s_key == self._app_s_key
        ]
        session = device._sessions.get(fragment.frag_index)
        reception = None if session is None else session.reception
        if len(groups) > 1 or device.ports.fragmentation != f_port:
            return
        if isinstance(reception, Seat):
            if reception.alone is not None:
                return
        elif reception is not None:
            return
        self._seated[position] = True
        self._begun[position] = False
        self._crowd[position] = _NO_CROWD
        if not groups:
            self._opens[position] = np.inf
            return
        [(group_id, group)] = groups
        self._groups[position] = group
        self._opens[position], self._closes[position] = group.opens, group.closes
        self._clock_error[position] = device.clock_error
        self._min_f_cnt[position], self._max_f_cnt[position] = group.min_f_cnt, group.max_f_cnt
        self._first_below[position] = group.first_below
        if session is not None and isinstance(reception, Seat) and session.setup.mc_group_bit_mask >> group_id & 1:
            self._sessions[position] = session
            if reception.crowd not in self._crowds:
                self._crowds.append(reception.crowd)
            self._crowd[position] = self._crowds.index(reception.crowd)
            self._places[position] = reception.place

    # ---- frames ------------------------------------------------------------------------------------------

    def receive(self, f_port: int, payload: bytes, f_cnt: int, reached: npt.NDArray[np.bool_], now: float) -> list[int]:
        """A class B or C multicast frame reaches some of the devices, those of a mask. The positions of those that it
        may have given something to do, ascending: in that order it came to them."""
        done: dict[int, bytes] = {}
        fragment = packages.fragment_in(payload) if self._may_sit.any() else None
        if fragment is not None:
            self._take_seats(fragment, f_port, reached)
            done = self._count(fragment, f_cnt, reached & self._seated, now)
            reached = reached & ~self._seated
            for position in done:
                reached[position] = True
        touched: list[int] = np.flatnonzero(reached).tolist()
        for position in touched:
            device = self.devices[position]
            session, block = self._sessions[position], done.get(position)
            if block is not None and session is not None:
                self.settle(position)
                transport.block_came(device, session, block, now)
            else:
                device.receive_multicast(self._mc_addr, self._app_s_key, f_cnt, f_port, payload, now)
        return touched

    def _take_seats(self, fragment: DataFragment, f_port: int, reached: npt.NDArray[np.bool_]) -> None:
        if (fragment.frag_index, f_port) != (self._frag_index, self._f_port):
            self._settle_all()
            self._frag_index, self._f_port = fragment.frag_index, f_port
        for position in np.flatnonzero(reached & self._has_left()).tolist():
            self.settle(position)
        for position in np.flatnonzero(reached & self._may_sit & ~self._seated).tolist():
            self._seat(position, fragment, f_port)

    def _has_left(self) -> npt.NDArray[np.bool_]:
        """Devices whose seat is not in the crowd any more."""
        left = np.zeros(len(self.devices), np.bool_)
        for number, crowd in enumerate(self._crowds):
            sitting = np.flatnonzero(self._seated & (self._crowd == number))
            left[sitting] = crowd.gone[self._places[sitting]]
        return left

    def _count(
        self, fragment: DataFragment, f_cnt: int, reached: npt.NDArray[np.bool_], now: float
    ) -> dict[int, bytes]:
        """The fragment for all that are seated; the block of those that it completes."""
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
        done: dict[int, bytes] = {}
        for number, crowd in enumerate(self._crowds):
            if len(fragment.payload) != crowd.frag_size:
                continue
            listening = np.flatnonzero(hears & (self._crowd == number))
            listening = listening[~crowd.complete[self._places[listening]]]
            if listening.size:
                self._begun[listening] = True
                for nth, block in crowd.hear(self._places[listening], fragment):
                    done[int(listening[nth])] = block
        return done
