"""The queue of unicast downlinks: replies and requests, paced over the whole campaign."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from fuota_fec.campaign.state import CampaignState
from fuota_fec.campaign.timers import PACER
from fuota_fec.campaign.turn import Phase, Turn


@dataclass(slots=True, kw_only=True)
class Reply:
    """An answer that a device waits for."""

    dev_eui: str
    ask: str
    f_port: int
    payload: bytes
    not_after: float


class UnicastQueue:
    """Replies go first, then the devices that are READY, in the order in which they became so."""

    def __init__(self, state: CampaignState) -> None:
        self._state = state
        self.replies: deque[Reply] = deque()
        self.ready: deque[Turn] = deque()
        """Turns that were READY when they were added; those that have gone on meanwhile are passed over."""
        self.n_ready = 0
        self.next_at = 0.0
        """Unix time before which no unicast leaves."""

    def add(self, turn: Turn, at: float) -> None:
        self.ready.append(turn)
        self.set_pacer(at)

    def next_turn(self) -> Turn | None:
        """The next device to be asked."""
        return next((turn for turn in self.ready if turn.phase is Phase.READY), None)

    def take(self, turn: Turn, at: float) -> None:
        """The request to a device is decided: it leaves the queue, with those before it that are no longer READY."""
        while self.ready and self.ready.popleft() is not turn:
            pass
        self.set_next(at)

    def set_next(self, at: float) -> None:
        """A unicast leaves: the next one follows after `ucast_msg_delay` (ms)."""
        self.next_at = at + self._state.config.ucast_msg_delay / 1000

    def set_pacer(self, at: float) -> None:
        """Sets the pacer's deadline while there is something to send, and clears it otherwise."""
        if self.replies or (self.n_ready and not self._state.paused):
            self._state.timers.set(PACER, max(at, self.next_at))
        else:
            self._state.timers.clear(PACER)
