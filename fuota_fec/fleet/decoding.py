"""Reception of a block by one device that decodes it itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from fuota_fec.codec.decoder import Decoder, decode
from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.devices.stack_quirks import Overrun
from fuota_fec.fleet.complete_block import CompleteBlock
from fuota_fec.fleet.elimination import RowSpace
from fuota_fec.fleet.quirks import ENDS, LATE
from fuota_fec.wire.fragmentation import DataFragment

ERASED = b"\xff"
"""A byte of flash that was not written."""

_Counts: TypeAlias = tuple[int, int, int, set[int]]
"""Fragments received, fragments lost, the highest uncoded number, numbers lost."""


@dataclass(slots=True)
class Reception:
    """A decoder and the fragments of a block that it received; `late`, `solvable`, `overrun` and `hangs` are quirks of
    the device's stack. `last_number`, `memory_error` and `solved_before` may be given: some stacks keep them from their
    last session.

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
    """Lost uncoded fragments that the memory can solve. None: any number."""
    overrun: Overrun = Overrun.FLAGGED
    """Effect of more losses."""
    last_number: int = 0
    """Number of the fragment received last, kept or not."""
    memory_error: bool = False
    """A coded fragment was received after more losses than the memory can solve."""
    hangs: bool = False
    """The decoder never returns from a coded fragment."""
    solved_before: int = 0
    """Losses solved in earlier sessions, which the stack takes for some of this one."""
    solved_rows: int = 0
    """Losses solved by coded fragments, those of `solved_before` included."""
    shared: bool = False
    """Other sessions that have not ended have the decoder too: it takes their fragments after the end."""
    hung: bool = False
    n_received: int = 0
    n_lost: int = 0
    """Uncoded fragments that did not arrive in their turn."""
    ended: bool = False
    """Further fragments are ignored: the block is complete, or the reception has failed."""
    _reached: int = 0
    """The highest uncoded number received; M + 1 after the first coded fragment."""
    _lost: set[int] = field(default_factory=set)
    """Numbers of lost fragments that did not arrive later either."""
    _fragments: list[DataFragment] = field(default_factory=list)
    """Fragments kept."""
    _after: CompleteBlock | None = None
    """The complete block of a shared decoder."""
    _progress: Decoder | RowSpace | None = field(init=False, repr=False)
    """None once the block is complete. A RowSpace holds the payloads of all fragments itself."""

    def __post_init__(self) -> None:
        self._progress = Decoder(self.n_frags, 1, version=self.dialect)

    def count_from(self, solved_before: int) -> None:
        """Lets the count of solved losses begin with those of earlier sessions."""
        self.solved_before = self.solved_rows = solved_before

    def push(self, fragment: DataFragment) -> bytes | None:
        """Takes a fragment of frag_size bytes. Returns the block, padding included, with the fragment that completes
        it, and None before and after. A shared decoder may return it again, with other bytes."""
        if self._after is not None:
            self.last_number = fragment.n
            return self._after.push(fragment)
        if self.ended and (self._progress is None or not self.shared):
            return None
        self.n_received += 1
        self.last_number = fragment.n
        if fragment.n > self.n_frags and self._overrun and self.overrun in ENDS:
            return self._end_without_memory()
        if fragment.n > self.n_frags and self.hangs:
            self.hung = self.ended = True
            return None
        number = self._number_of(fragment.n)
        if number is None or (not 1 <= number <= self.n_frags and self._overrun):
            return None
        if number < 1:
            self._use_rows()
        if isinstance(self._progress, RowSpace):
            return self._completed() if self._progress.push(number, fragment.payload) else None
        assert self._progress is not None
        self._lost.discard(number)
        if number <= self.n_frags and self._fragments and self._fragments[-1].n == number:
            self._fragments.pop()  # It is written again.
        self._fragments.append(fragment)
        missing = self._progress.missing
        determined = self._progress.push(number, b"\0")
        solves = number > self.n_frags and self._progress.missing < missing
        self.solved_rows += solves
        if self.solved_before and self.n_lost:
            return self._end_early() if solves and self.solved_rows == self.n_lost else None
        return self._completed() if determined else None

    def _completed(self) -> bytes:
        if isinstance(self._progress, RowSpace):
            block = self._progress.block(self.frag_size)
        else:
            numbers = [known.n for known in self._fragments]
            payloads = b"".join([known.payload for known in self._fragments])
            block = decode(self.n_frags, self.frag_size, numbers, payloads, version=self.dialect)
            if self.shared:
                coded = [n for n in numbers if n > self.n_frags]
                coded_ends = self.overrun is Overrun.WRONG_BLOCK
                shape = (self.n_frags, self.frag_size, self.dialect)
                self._after = CompleteBlock(*shape, self._lost, coded, block, coded_ends=coded_ends)
        self._end()
        return block

    def _end(self) -> None:
        self._progress, self._fragments, self.ended = None, [], True

    def _end_without_memory(self) -> bytes | None:
        """Ends the reception at a coded fragment that comes after too many losses."""
        self.memory_error = self.ended = True
        if self.overrun is Overrun.FAILS:
            return None
        block = written(self.n_frags, self.frag_size, self._fragments)
        if not self.shared:
            self._end()
        return block

    def _end_early(self) -> bytes | None:
        """Ends the reception of a stack that takes the losses solved in earlier sessions for some of this one."""
        block = written(self.n_frags, self.frag_size, self._fragments)
        self._end()
        return block

    def _use_rows(self) -> None:
        """Goes on with a decoder that knows rows outside the parity matrix."""
        if not isinstance(self._progress, RowSpace):
            self._progress = RowSpace(self.n_frags, self.dialect, self._fragments)
            self._fragments = []

    def _number_of(self, n: int) -> int | None:
        """The number that the stack takes fragment n for; None: the fragment is dropped."""
        if n < self._reached and n <= self.n_frags:
            return LATE[self.late](n, self._reached > self.n_frags, self.n_frags)
        reached = min(n, self.n_frags + 1)
        if reached > self._reached + 1:
            self.n_lost += reached - self._reached - 1
            self._lost.update(range(self._reached + 1, reached))
        if n == self._reached and n == self.n_frags and self.late is LateUncoded.DROPPED:
            reached += 1  # A third one with the last number is late.
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
    def _overrun(self) -> bool:
        """More uncoded fragments are lost than the memory can solve."""
        return self.solvable is not None and len(self._lost) > self.solvable

    @property
    def memory_full(self) -> bool:
        return self.memory_error or (self.overrun is Overrun.FLAGGED and self._overrun)

    def resume(
        self,
        fragments: list[DataFragment],
        n_received: int,
        n_lost: int,
        reached: int,
        lost: set[int],
    ) -> None:
        """Continues an incomplete reception that has these fragments and counts."""
        assert isinstance(self._progress, Decoder)
        self.n_received, self.n_lost = n_received, n_lost
        self._reached, self._lost, self._fragments = reached, lost, fragments
        if fragments:
            numbers = np.array([fragment.n for fragment in fragments], np.uint32)
            self._progress.push_many(numbers, bytes(numbers.size))
        self.solved_rows = self.solved_before + max(0, len(lost) - self._progress.missing)

    def __reduce__(self) -> tuple[object, ...]:
        settings = (self.n_frags, self.frag_size, self.dialect, self.late, self.solvable, self.overrun)
        kept = (self.last_number, self.memory_error, self.hangs, self.solved_before, self.solved_rows, self.shared)
        counts = (self.n_received, self.n_lost, self._reached, self._lost)
        flags = (self.ended, self.hung, self.complete)
        rows = self._progress if isinstance(self._progress, RowSpace) else None
        state = (self._fragments, counts, flags, rows, self._after)
        return Reception, (*settings, *kept), state

    def __setstate__(
        self,
        state: tuple[list[DataFragment], _Counts, tuple[bool, bool, bool], RowSpace | None, CompleteBlock | None],
    ) -> None:
        fragments, counts, (self.ended, self.hung, complete), rows, self._after = state
        solved_rows = self.solved_rows
        self.resume(fragments, *counts)
        self.solved_rows = solved_rows
        if complete or rows is not None:
            self._progress = rows


def written(n_frags: int, frag_size: int, fragments: Iterable[DataFragment]) -> bytes:
    """A block of which only these uncoded fragments were written to flash."""
    block = bytearray(ERASED * (n_frags * frag_size))
    for fragment in fragments:
        if fragment.n <= n_frags:
            block[(fragment.n - 1) * frag_size : fragment.n * frag_size] = fragment.payload
    return bytes(block)
