"""Deadlines by key. A heap with lazy deletion: setting, clearing and the earliest are O(log n), if not each by itself
then on average. Deadlines that are cleared long before they are due do not pile up."""

from __future__ import annotations

import heapq
import math
from enum import IntEnum
from typing import NamedTuple

LEAST = 64
"""Entries below which the heap is left as it is."""


class TimerKind(IntEnum):
    """Purpose of a deadline. Those of one purpose differ by the name of their device or group, or by their request."""

    PACER = 0
    """The next unicast may leave."""
    DURATION = 1
    """The campaign's maximum duration is over."""
    STAGE_END = 2
    """The stage's own time is over."""
    CLOSING = 3
    """Late answers no longer count."""
    DEVICE = 4
    """A device is overdue in the phase that it is in; `name` is its DevEUI."""
    SLOT = 5
    """The next frame of a group may go out."""
    SESSION_END = 6
    """A group's multicast session is over."""
    STATUS = 7
    """The answers of a group to a multicast status request are overdue."""
    SUMMARY = 8
    """The summary of a frame is no longer waited for."""
    OVERDUE = 9
    """The summary of a frame takes unusually long."""
    REPLY = 10
    """A reply was not handed over in time; `request_id` is its request."""


class TimerKey(NamedTuple):
    """What a deadline is for."""

    kind: TimerKind
    name: str = ""
    """DevEUI of a device, or name of a group."""
    request_id: str = ""


PACER = TimerKey(TimerKind.PACER)
DURATION = TimerKey(TimerKind.DURATION)
STAGE_END = TimerKey(TimerKind.STAGE_END)
CLOSING = TimerKey(TimerKind.CLOSING)


class Timers:
    __slots__ = ("_due", "_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TimerKey]] = []
        self._due: dict[TimerKey, tuple[float, int]] = {}
        self._order = 0

    def set(self, key: TimerKey, due: float) -> None:
        """One deadline per key; a new one replaces the old. Equal times fire in the order they were set."""
        self._order += 1
        self._due[key] = (due, self._order)
        heapq.heappush(self._heap, (due, self._order, key))
        if len(self._heap) > LEAST + 2 * len(self._due):
            self._heap = [(when, order, timer) for timer, (when, order) in self._due.items()]
            heapq.heapify(self._heap)

    def clear(self, key: TimerKey) -> None:
        self._due.pop(key, None)

    def due(self, key: TimerKey) -> float:
        """Its Unix time; infinity if it is not set."""
        return self._due.get(key, (math.inf, 0))[0]

    def earliest(self) -> float | None:
        while self._heap:
            due, order, key = self._heap[0]
            if self._due.get(key) == (due, order):
                return due
            heapq.heappop(self._heap)
        return None

    def pop(self) -> tuple[float, TimerKey]:
        """The earliest deadline and its key, no longer set. Only after earliest() gave one."""
        due, _, key = heapq.heappop(self._heap)
        del self._due[key]
        return due, key

    def as_dict(self) -> dict[TimerKey, float]:
        return {key: due for key, (due, _) in self._due.items()}
