"""Events in memory that take a tenth of the space of objects: blocks of them are pickled and compressed."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, overload

from fuota_fec.campaign.messages import Event

LENGTH = 256
"""Events of a block. The last ones, fewer than that, are kept as they are."""


class PackedEvents(Sequence[Event]):
    """A sequence of events, which are made anew when they are read: equal ones, not the same objects."""

    def __init__(self, blocks: Sequence[bytes] = (), last: Sequence[Event] = (), start: int = 0) -> None:
        self._blocks = blocks
        self._last = last
        self._start = start
        """Number of events of the first block that are left out."""

    def __len__(self) -> int:
        return max(0, LENGTH * len(self._blocks) + len(self._last) - self._start)

    def __iter__(self) -> Iterator[Event]:
        start = self._start
        for block in self._blocks:
            yield from _unpack(block)[start:]
            start = 0
        yield from self._last[start:]

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Event, ...]: ...
    def __getitem__(self, index: int | slice) -> Event | tuple[Event, ...]:
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return tuple(self)[index]
        return next(iter(self.since(numbers)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def since(self, start: int) -> PackedEvents:
        """The events from number `start` on."""
        start += self._start
        n_blocks = min(start // LENGTH, len(self._blocks))
        return PackedEvents(self._blocks[n_blocks:], self._last, start - LENGTH * n_blocks)

    def extended(self, events: Iterable[Event]) -> PackedEvents:
        """These events and more. This sequence stays as long as it is."""
        last = [*self._last, *events]
        if len(last) < LENGTH:
            return PackedEvents(self._blocks, last, self._start)
        n_whole = len(last) - len(last) % LENGTH
        new = [_pack(last[first : first + LENGTH]) for first in range(0, n_whole, LENGTH)]
        return PackedEvents([*self._blocks, *new], last[n_whole:], self._start)


@cache
def _values_of(kind: type[Event]) -> Any:
    names = [field.name for field in fields(kind)]
    # Of one name alone it would return the value itself.
    return attrgetter(*names, "__class__")


@cache
def _setters_of(kind: type[Event]) -> list[Any]:
    """Functions that set the fields, which are frozen, from outside of the class."""
    return [getattr(kind, field.name).__set__ for field in fields(kind)]


def _pack(events: Sequence[Event]) -> bytes:
    kinds: Iterable[Any] = map(type, events)
    return zlib.compress(
        pickle.dumps([_values_of(kind)(event) for kind, event in zip(kinds, events, strict=True)], 5), 1
    )


def _unpack(block: bytes) -> list[Event]:
    events: list[Event] = []
    for *values, kind in pickle.loads(zlib.decompress(block)):
        event = object.__new__(kind)
        for set_field, value in zip(_setters_of(kind), values, strict=True):
            set_field(event, value)
        events.append(event)
    return events
