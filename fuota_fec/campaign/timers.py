"""Deadlines by name. A heap with lazy deletion: setting, clearing and the earliest are O(log n), if not each by itself
then on average. What is cleared long before it is due does not pile up."""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable

LEAST = 64
"""Entries below which the heap is left as it is."""


class Timers:
    __slots__ = ("_due", "_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Hashable]] = []
        self._due: dict[Hashable, tuple[float, int]] = {}
        self._order = 0

    def set(self, name: Hashable, due: float) -> None:
        """One deadline per name; a new one replaces the old. Equal times fire in the order they were set."""
        self._order += 1
        self._due[name] = (due, self._order)
        heapq.heappush(self._heap, (due, self._order, name))
        if len(self._heap) > LEAST + 2 * len(self._due):
            self._heap = [(when, order, timer) for timer, (when, order) in self._due.items()]
            heapq.heapify(self._heap)

    def clear(self, name: Hashable) -> None:
        self._due.pop(name, None)

    def due(self, name: Hashable) -> float:
        """When it is due; never, if it is not set."""
        return self._due.get(name, (math.inf, 0))[0]

    def earliest(self) -> float | None:
        while self._heap:
            due, order, name = self._heap[0]
            if self._due.get(name) == (due, order):
                return due
            heapq.heappop(self._heap)
        return None

    def pop(self) -> tuple[float, Hashable]:
        """The earliest deadline and its name, no longer set. Only after earliest() gave one."""
        due, _, name = heapq.heappop(self._heap)
        del self._due[name]
        return due, name

    def as_dict(self) -> dict[Hashable, float]:
        return {name: due for name, (due, _) in self._due.items()}
