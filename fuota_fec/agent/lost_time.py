"""Time in which nothing could be heard or sent: it does not count in a campaign.

Four things stop the time of an agent's campaigns: the agent did not take its turns, the network could not be read, it
took no downlink, or the keys of several devices could not be read. A campaign that waits fires no timer; it takes
inputs and orders. When it goes on, the time that it waited is lost time: its deadlines move by as much before its
timers fire.
"""

from __future__ import annotations

from collections import deque

from fuota_fec.agent.ports import BrokenAdapterError
from fuota_fec.errors import NetworkError
from fuota_fec.networks.base import RefusedError

LONGEST_SILENCE = 30.0
"""s without a turn or a poll that still count as time. Longer than a turn in which network and database time out, so
that slow turns do not stop a campaign for good; half of the shortest wait for a device (`delivery_timeout` by default),
so that no device is given up for a silence that counts."""
LONGEST_DELAY = 3600.0
"""s by which a turn may be late if no driver promises its time: a program that steps the agent itself may keep a slower
pace than the agent asks for. A pace that it has kept for N_TURNS counts instead, up to SLACK times as late."""
N_TURNS, SLACK = 8, 4.0
FEWEST_FAILURES = 2
"""Devices and groups in a row to which nothing could be handed over, after which the network counts as away. A single
one may be refused for its own sake: its campaign must end."""


NETWORK_RETRY = 5.0
"""s between two attempts to hand over a request or to withdraw downlinks."""
LONGEST_AWAY = 86_400.0
"""s for which time stands still at most while the network can be read and takes no downlink. A server that refuses the
last devices of a campaign, by an error that does not say so, must not keep the campaign for good."""
_WITHDRAWAL = "withdrawal"


class Turns:
    """Turns of an agent, and the polls in them."""

    def __init__(self, longest_silence: float) -> None:
        self._longest = longest_silence
        self._last_at: float | None = None
        self._expected_at = float("inf")
        self._promised = False
        self._delays: deque[float] = deque(maxlen=N_TURNS)
        """Delays of the last turns, s."""
        self.heard_at: float | None = None
        """Unix time of the last good poll."""

    def begin(self, now: float) -> float | None:
        """Begins a turn. Unix time since which the agent took none, if that is much longer than expected."""
        last_at, self._last_at = self._last_at, now
        if last_at is None:
            return None
        delay, longest = now - max(self._expected_at, last_at), self._longest
        if delay <= 0:
            self._delays.append(0.0)
            return None
        if not self._promised:
            known = len(self._delays) == N_TURNS
            longest = max(longest, min(LONGEST_DELAY, SLACK * max(self._delays)) if known else LONGEST_DELAY)
        if delay > longest:
            return last_at
        self._delays.append(delay)
        return None

    def expect(self, due: float, promised: float) -> None:
        """Ends a turn: the next one is due at a time, and promised for another one by the driver, or never."""
        self._expected_at = min(due, promised)
        self._promised = promised < float("inf")

    def since_heard(self, now: float) -> float:
        """Unix time since which the network could not be read, if it cannot be read now."""
        return now if self.heard_at is None else min(self.heard_at, now)


class Reach:
    """Whether the network takes downlinks, from the hand-overs of all campaigns.

    A turn ends its hand-overs with the first one that fails. A second device or group that fails means that the network
    is down: from then on one attempt is made in NETWORK_RETRY. The failure of one alone holds the others up for no
    longer than its turn.
    """

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._wanted: set[str] = set()
        """Devices and groups among those that still wait for a hand-over."""
        self._since = 0.0
        self.reason = ""
        """Last error."""
        self.n_failures = 0
        """Number of failed hand-overs so far."""
        self._turn_is_over = False
        """Whether one has failed in this turn."""
        self._opens_at = float("-inf")
        """Unix time of the next attempt at a network that is down."""

    def begin_turn(self) -> None:
        """Begins a turn: something may be tried again."""
        self._turn_is_over = False

    def opens_at(self, now: float) -> float | None:
        """Unix time from which something may be handed over: `now` if the next turn may; None if this one may."""
        if now < self._opens_at <= now + NETWORK_RETRY:  # A later time is of a clock that went back.
            return self._opens_at
        return now if self._turn_is_over else None

    def failed(self, target: str, error: Exception, now: float) -> None:
        """Takes a failed hand-over to a device or group. An error of the adapter and the refusal of one downlink prove
        nothing about the network."""
        if not self._note(target, error, now):
            return
        self.n_failures += 1
        self._turn_is_over = True
        if len(self._failed) >= FEWEST_FAILURES:
            self._opens_at = now + NETWORK_RETRY

    def _note(self, target: str, error: Exception, now: float) -> bool:
        """Notes a failure; False if it proves nothing about the network."""
        if isinstance(error, (BrokenAdapterError, RefusedError)):
            return False
        self._since = now if not self._failed else min(self._since, now)
        self._failed.add(target)
        self._wanted.add(target)
        self.reason = str(error)
        return True

    def not_withdrawn(self, error: NetworkError, now: float) -> None:
        """Takes a failed withdrawal. It keeps no request from being tried."""
        self._note(_WITHDRAWAL, error, now)

    def succeeded(self) -> None:
        self._failed.clear()
        self._wanted.clear()
        self._turn_is_over, self._opens_at = False, float("-inf")

    @property
    def in_doubt(self) -> bool:
        """Whether a hand-over has failed since the last success."""
        return bool(self._failed)

    def dropped(self, target: str) -> None:
        """Records that nothing is to be handed over to a device or group any more: its failure proves nothing later."""
        self._wanted.discard(target)

    def failing(self, now: float) -> bool:
        """Whether a hand-over that is still wanted has failed since the last success; at most for LONGEST_AWAY."""
        return bool(self._wanted - {_WITHDRAWAL}) and now - self._since <= LONGEST_AWAY

    def away_since(self, now: float, longest: float) -> float | None:
        """Unix time since which every call failed; None while the network takes downlinks, for all that is known, for
        `longest` seconds after that, in which a request may wait, and after LONGEST_AWAY."""
        away = len(self._failed) >= FEWEST_FAILURES and longest <= now - self._since <= LONGEST_AWAY
        return self._since if away else None


def lies_within(seconds: float, since: float, now: float) -> bool:
    """Whether less than this has passed; False if the clock went back."""
    return 0 <= now - since < seconds
