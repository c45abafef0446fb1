"""The queue of unicast downlinks: replies and requests, paced over the whole campaign."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from fuota_fec.campaign.state import CampaignState
from fuota_fec.campaign.timers import PACER
from fuota_fec.campaign.turn import Phase, Turn


@dataclass(slots=True, kw_only=True)
class Reply:
    """Answer that a device waits for."""

    dev_eui: str
    ask: str
    f_port: int
    payload: bytes
    not_after: float


class UnicastQueue:
    """Queue of the campaign's unicasts: replies first, then the devices that are READY, first in, first out. While both
    wait, they take turns."""

    def __init__(self, state: CampaignState) -> None:
        self._state = state
        self.replies: deque[Reply] = deque()
        self.ready: deque[Turn] = deque()
        """Turns that were READY when they were added. Turns that have left that phase since are skipped."""
        self.n_ready = 0
        self._after_reply = False
        """Whether the last unicast was a reply."""
        self.next_at = 0.0
        """Unix time of the earliest next unicast."""

    def add(self, turn: Turn, at: float) -> None:
        self.ready.append(turn)
        self.set_pacer(at)

    def next_turn(self) -> Turn | None:
        """Turn of the next device to be asked; None if no device is READY."""
        return next((turn for turn in self.ready if turn.phase is Phase.READY), None)

    @property
    def reply_is_next(self) -> bool:
        """Whether the next unicast is a reply."""
        requests_wait = self.n_ready and not self._state.paused
        return bool(self.replies) and not (self._after_reply and requests_wait)

    def take_reply(self, at: float) -> Reply:
        """Removes the reply that has waited longest, as it is requested."""
        self._after_reply = True
        self.set_next(at)
        return self.replies.popleft()

    def take(self, turn: Turn, at: float) -> None:
        """Removes a device whose request is decided, and the entries before it, which are no longer READY."""
        while self.ready and self.ready.popleft() is not turn:
            pass
        self._after_reply = False
        self.set_next(at)

    def set_next(self, at: float) -> None:
        """Allows the next unicast `ucast_msg_delay` (ms) after one at a Unix time."""
        self.next_at = at + self._state.config.ucast_msg_delay / 1000

    def set_pacer(self, at: float) -> None:
        """Sets the pacer's deadline while there is something to send, and clears it otherwise."""
        if self.replies or (self.n_ready and not self._state.paused):
            self._state.timers.set(PACER, max(at, self.next_at))
        else:
            self._state.timers.clear(PACER)
