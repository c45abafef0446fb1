"""Waits for answers: the time by which every device has answered or has used up its tries.

Bounds hold as far as is known when they are asked for: a longer uplink period, or a question that an answer adds, moves
them. The network is taken to accept every request at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fuota_fec.campaign.messages import Wait
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.turn import Phase, Questions, Turn
from fuota_fec.checks import counted


def n_tries(questions: Questions, each: int) -> int:
    """Number of tries of these questions, `each` for one that is not optional."""
    return sum([1 if question.optional else each for question in questions])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """Longest times of tries in a unicast exchange, with `n_asked` devices that may be asked before a device."""

    state: CampaignState
    n_asked: int
    longest_wait: float
    """Longest wait for an answer to a request that was sent, s."""

    def one(self, device: DeviceState, spread: float = 0.0) -> float:
        """s from the queue to the deadline of the answer, which the device itself may delay by `spread` s."""
        queued = self.n_asked * self.state.config.ucast_msg_delay / 1000
        uplink = self.state.until_uplink(device)
        return queued + uplink + max(self.longest_wait, uplink) + spread

    def latest(self, turns: Iterable[Turn], next_at: float, spread: Callable[[DeviceState], float]) -> float:
        """Latest `end` of these turns, whose devices delay their answers by a `spread`; 0 if there is none."""
        return max((self.end(turn, next_at, spread(turn.device)) for turn in turns), default=0.0)

    def end(self, turn: Turn, next_at: float, spread: float = 0.0) -> float:
        """Unix time by which a device has answered or is given up, if the next request leaves at `next_at` or later;
        0 if nothing is asked of it by unicast."""
        timers, begins, one = self.state.timers, next_at, self.one(turn.device, spread)
        n_left = n_tries(turn.questions, 1 + self.state.config.msg_retries) - turn.resends
        if turn.phase in (Phase.UNHEARD, Phase.HELD):
            begins = timers.due(turn.timer)
        elif turn.phase is Phase.HANDED_OVER:
            begins = timers.due(turn.timer) - self.state.until_uplink(turn.device)
        elif turn.phase is Phase.SENT:
            begins, n_left = timers.due(turn.timer), n_left - 1
        elif turn.phase not in (Phase.READY, Phase.REQUESTED):
            return 0.0
        return begins + n_left * one


def limit(*ends: float | None) -> float:
    """Earliest of several Unix times, None for none; infinity without any."""
    return min((end for end in ends if end is not None), default=math.inf)


def answers(latest: float, n_devices: int, limit: float) -> Wait | None:
    """Wait for the answers of devices until the Unix time `latest`, at most until `limit`; None if that is 0."""
    return Wait(until=min(latest, limit), why=f"answers of {counted(n_devices, 'device')}") if latest else None


def late_answers(until: float) -> Wait:
    """Wait of a stage that closes."""
    return Wait(until=until, why="late answers")


def held_up(suspended: str) -> Wait:
    """Wait of a campaign that an error keeps from running, or that is paused if there is none: for its cause to end."""
    return Wait(until=None, why=f"suspended: {suspended}" if suspended else "paused")


def in_turn(first: Wait | None, then: Wait | None) -> Wait | None:
    """Wait for a time, and for the answers or reports after it."""
    if first is None or then is None:
        return first or then
    if first.until is None or then.until is None or then.until <= first.until:
        return first
    return then if first.why == then.why else Wait(until=then.until, why=f"{first.why}, then {then.why}")
