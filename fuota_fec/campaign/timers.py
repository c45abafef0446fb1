"""Deadlines by key: a heap with lazy deletion. Setting, clearing and finding the earliest take O(log n) on average.
Deadlines that are cleared long before they are due do not pile up."""

from __future__ import annotations

import heapq
import math
from enum import IntEnum
from typing import NamedTuple

LEAST = 64
"""Number of entries below which the heap is not rebuilt."""


class TimerKind(IntEnum):
    """Purpose of a deadline. Deadlines of one purpose differ by the name of a device or group, or by a request ID."""

    PACER = 0
    """The next unicast may leave."""
    DURATION = 1
    """The campaign's maximum duration is over."""
    STAGE_END = 2
    """The stage's own time is over."""
    CLOSING = 3
    """Late answers no longer count."""
    DEVICE = 4
    """A device is overdue in its phase; `name` is the DevEUI."""
    SLOT = 5
    """The next frame of a group may be requested."""
    SESSION_END = 6
    """A group's multicast session is over."""
    STATUS = 7
    """The answers of a group to a multicast status request are overdue."""
    SUMMARY = 8
    """The summary of a frame is no longer waited for."""
    OVERDUE = 9
    """The summary of a frame takes unusually long."""
    REPLY = 10
    """A reply was not handed over in time; `request_id` is the ID of its request."""


class TimerKey(NamedTuple):
    """Key of a deadline: its purpose and its subject."""

    kind: TimerKind
    name: str = ""
    """DevEUI of a device, or name of a group."""
    request_id: str = ""


PACER = TimerKey(TimerKind.PACER)
DURATION = TimerKey(TimerKind.DURATION)
STAGE_END = TimerKey(TimerKind.STAGE_END)
CLOSING = TimerKey(TimerKind.CLOSING)


class Timers:
    """Set of deadlines."""

    __slots__ = ("_due", "_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TimerKey]] = []
        self._due: dict[TimerKey, tuple[float, int]] = {}
        self._order = 0

    def set(self, key: TimerKey, due: float) -> None:
        """Sets the one deadline of a key. Deadlines at equal times fire in the order in which they were set."""
        self._order += 1
        self._due[key] = (due, self._order)
        heapq.heappush(self._heap, (due, self._order, key))
        if len(self._heap) > LEAST + 2 * len(self._due):
            self._heap = [(when, order, timer) for timer, (when, order) in self._due.items()]
            heapq.heapify(self._heap)

    def clear(self, key: TimerKey) -> None:
        self._due.pop(key, None)

    def stand_still(self, key: TimerKey, lost: float | None, at: float) -> bool:
        """Lets a deadline stand still for the `lost` s before `at`. False if it does not: it is not set, it is past all
        the same, or `lost` is None."""
        due = self.due(key) + (lost or 0.0)
        if lost is None or not at <= due < math.inf:
            return False
        self.set(key, due)
        return True

    def due(self, key: TimerKey) -> float:
        """Unix time of a deadline; infinity if it is not set."""
        return self._due.get(key, (math.inf, 0))[0]

    def earliest(self) -> float | None:
        """Unix time of the earliest deadline; None if none is set."""
        while self._heap:
            due, order, key = self._heap[0]
            if self._due.get(key) == (due, order):
                return due
            heapq.heappop(self._heap)
        return None

    def pop(self) -> tuple[float, TimerKey]:
        """Clears the earliest deadline and returns its time and key. Call only after `earliest` has returned a time."""
        due, _, key = heapq.heappop(self._heap)
        del self._due[key]
        return due, key

    def as_dict(self) -> dict[TimerKey, float]:
        return {key: due for key, (due, _) in self._due.items()}
