"""Reception of a block by one device that decodes it itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fuota_fec.codec.decoder import Decoder, decode
from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.fleet.quirks import LATE
from fuota_fec.wire.fragmentation import DataFragment


@dataclass(slots=True)
class Reception:
    """A decoder and the fragments of a block that it received; `late` and `solvable` are quirks of the device's stack.

    Whether fragments determine a block does not depend on their contents. The decoder that follows the reception
    therefore has fragments of one byte, and the whole fragments are decoded once, when they determine the block.
    A Reception can be pickled; its copy makes the decoder again from the fragments.
    """

    n_frags: int
    frag_size: int
    dialect: str
    late: LateUncoded = LateUncoded.ACCEPTED
    """Treatment of an uncoded fragment that arrives after one with a higher number."""
    solvable: int | None = None
    """Lost uncoded fragments that the memory can solve; coded fragments are dropped while more are lost. None: any
    number."""
    n_received: int = 0
    last_number: int = 0
    """Number of the fragment received last, kept or not."""
    n_lost: int = 0
    """Uncoded fragments that did not arrive in their turn."""
    mic_error: bool = False
    _reached: int = 0
    """The highest uncoded number received; M + 1 after the first coded fragment."""
    _lost: set[int] = field(default_factory=set)
    """Numbers of lost fragments that did not arrive later either."""
    _fragments: list[DataFragment] = field(default_factory=list)
    """Fragments kept, each with the number that the stack takes it for."""
    _progress: Decoder | None = field(init=False, repr=False)
    """None once the block is complete."""

    def __post_init__(self) -> None:
        self._progress = Decoder(self.n_frags, 1, version=self.dialect)

    def push(self, fragment: DataFragment) -> bytes | None:
        """Takes a fragment of frag_size bytes. Returns the block, padding included, with the fragment that completes
        it, and None before and after."""
        if self._progress is None:
            return None
        self.n_received += 1
        self.last_number = fragment.n
        number = self._number_of(fragment.n)
        if number is None or (number > self.n_frags and self.memory_full):
            return None
        self._lost.discard(number)
        self._fragments.append(fragment if number == fragment.n else replace(fragment, n=number))
        if not self._progress.push(number, b"\0"):
            return None
        numbers = [known.n for known in self._fragments]
        payloads = b"".join([known.payload for known in self._fragments])
        self._progress, self._fragments = None, []
        return decode(self.n_frags, self.frag_size, numbers, payloads, version=self.dialect)

    def _number_of(self, n: int) -> int | None:
        """The number that the stack takes fragment n for; None: the fragment is dropped."""
        if n < self._reached and n <= self.n_frags:
            return LATE[self.late](n, self._reached > self.n_frags)
        reached = min(n, self.n_frags + 1)
        if reached > self._reached + 1:
            self.n_lost += reached - self._reached - 1
            self._lost.update(range(self._reached + 1, reached))
        self._reached = reached
        return n

    @property
    def complete(self) -> bool:
        return self._progress is None

    @property
    def missing(self) -> int:
        """Independent fragments still needed."""
        return 0 if self._progress is None else self._progress.missing

    @property
    def memory_full(self) -> bool:
        """More uncoded fragments are lost than the memory can solve."""
        return self.solvable is not None and len(self._lost) > self.solvable

    def resume(
        self,
        fragments: list[DataFragment],
        n_received: int,
        last_number: int,
        n_lost: int,
        reached: int,
        lost: set[int],
    ) -> None:
        """Continues an incomplete reception that has these fragments and counts."""
        assert self._progress is not None
        self.n_received, self.last_number, self.n_lost = n_received, last_number, n_lost
        self._reached, self._lost, self._fragments = reached, lost, fragments
        if fragments:
            numbers = np.array([fragment.n for fragment in fragments], np.uint32)
            self._progress.push_many(numbers, bytes(numbers.size))

    def __reduce__(self) -> tuple[object, ...]:
        settings = (self.n_frags, self.frag_size, self.dialect, self.late, self.solvable)
        counts = (self.n_received, self.last_number, self.n_lost, self._reached, self._lost)
        return Reception, settings, (self._fragments, counts, self.mic_error, self.complete)

    def __setstate__(self, state: tuple[list[DataFragment], tuple[int, int, int, int, set[int]], bool, bool]) -> None:
        fragments, counts, self.mic_error, complete = state
        self.resume(fragments, *counts)
        if complete:
            self._progress = None
