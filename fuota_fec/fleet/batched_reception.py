"""Reception of one block by many devices at once.

The fragments that a device received are a row of bits here, and the core's erasure engine computes after which fragment
each device can rebuild the block. A device holds a `BatchedReception`, which has the counts and the quirks of a
`decoding.Reception` and completes with the same fragment. The block is decoded once, from the fragments of the first
device that completes it, and shared as long as all fragments sent belong to that block.

Where the fragments sent belong to no single block, such as coded fragments of the other dialect, each device decodes
the fragments that it received, in the order in which they were first sent.

Bits cannot express two cases. A device whose late fragments corrupt the block, and all devices once two payloads came
with one number, are detached: each continues with a `decoding.Reception` of its own, from its present state.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fuota_fec import _core
from fuota_fec.codec.decoder import decode
from fuota_fec.codec.encoder import encode
from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.devices.stack_quirks import Overrun
from fuota_fec.fleet.decoding import Reception, written
from fuota_fec.fleet.quirks import ENDS
from fuota_fec.planning.erasures import matrix_columns
from fuota_fec.wire.fragmentation import DataFragment

Indices: TypeAlias = npt.NDArray[np.intp]
"""Zero-based positions of receptions in the arrays of a block."""

_FIRST_CAPACITY = 64
_NO_LIMIT = 2**31 - 1
_ONE = np.uint64(1)


class BatchedReception:
    """One device's part of a BatchedBlock: a BlockReception."""

    __slots__ = ("block", "detached", "idx")

    def __init__(self, block: BatchedBlock, idx: int) -> None:
        self.block = block
        self.idx = idx
        self.detached: Reception | None = None
        """The device's own reception, which replaces this part of the batch once it is set."""

    def push(self, fragment: DataFragment) -> bytes | None:
        if self.detached is not None:
            return self.detached.push(fragment)
        if self.ended:
            return None
        completed = self.block.push(np.array([self.idx], np.intp), fragment)
        return completed[0][1] if completed else None

    @property
    def n_frags(self) -> int:
        return self.block.n_frags

    @property
    def frag_size(self) -> int:
        return self.block.frag_size

    @property
    def n_received(self) -> int:
        return self.detached.n_received if self.detached is not None else int(self.block.n_received[self.idx])

    @property
    def last_number(self) -> int:
        return self.detached.last_number if self.detached is not None else int(self.block.last_number[self.idx])

    @property
    def n_lost(self) -> int:
        return self.detached.n_lost if self.detached is not None else int(self.block.n_lost[self.idx])

    @property
    def complete(self) -> bool:
        return self.detached.complete if self.detached is not None else bool(self.block.complete[self.idx])

    @property
    def ended(self) -> bool:
        return self.detached.ended if self.detached is not None else bool(self.block.ended[self.idx])

    @property
    def missing(self) -> int:
        return self.detached.missing if self.detached is not None else self.block.missing(self.idx)

    @property
    def memory_full(self) -> bool:
        if self.detached is not None:
            return self.detached.memory_full
        return self.block.memory_full(self.idx)

    @property
    def hung(self) -> bool:
        return self.detached.hung if self.detached is not None else bool(self.block.hung[self.idx])

    @property
    def solved_rows(self) -> int:
        return self.detached.solved_rows if self.detached is not None else self.block.solved_rows(self.idx)


class BatchedBlock:
    """A block of n_frags × frag_size bytes in one TS004 dialect, and all its receptions.

    Arrays with an element per reception hold the counts of a Reception. `_lost` holds the loss bitmaps as the core
    takes them: the uncoded fragments, then the coded rows in the order in which they were first sent.
    """

    def __init__(self, n_frags: int, frag_size: int, dialect: str) -> None:
        self.n_frags = n_frags
        self.frag_size = frag_size
        self.dialect = dialect
        self.open = True
        """New receptions may join."""
        self.hangs = False
        """A device hangs at the first coded fragment."""
        self.receptions: list[BatchedReception] = []
        self.n_received = np.zeros(0, np.int64)
        self.last_number = np.zeros(0, np.int64)
        self.n_lost = np.zeros(0, np.int64)
        self.n_gaps = np.zeros(0, np.int64)
        """Uncoded fragments lost and not received later."""
        self.complete = np.zeros(0, np.bool_)
        self.ended = np.zeros(0, np.bool_)
        self.memory_error = np.zeros(0, np.bool_)
        self.hung = np.zeros(0, np.bool_)
        self.solvable = np.zeros(0, np.int64)
        self.detached = np.zeros(0, np.bool_)
        """The reception is replaced by the device's own."""
        self._reached = np.zeros(0, np.int64)
        self._late = np.zeros(0, np.int8)
        self._overrun = np.zeros(0, np.int8)
        self._hangs = np.zeros(0, np.bool_)
        """The reception hangs at its first coded fragment."""
        self._n_kept = np.zeros(0, np.int64)
        """Different fragments kept."""
        self._n_uncoded_words = _core.losses_len(n_frags)
        self._lost = np.zeros((0, self._n_uncoded_words), np.uint64)
        self._fragments: dict[int, DataFragment] = {}
        """Number → the fragment sent with it."""
        self._rows: dict[int, int] = {}
        """Number of a coded fragment → its column."""
        self._columns = np.zeros((0, n_frags), np.uint64)
        self._block: bytes | None = None
        self._of_one_block = True
        """All fragments sent so far belong to `_block`, as far as it is known."""

    # ---- receptions --------------------------------------------------------------------------------------

    def join(
        self,
        late: LateUncoded,
        solvable: int | None,
        overrun: Overrun = Overrun.FLAGGED,
        *,
        last_number: int = 0,
        memory_error: bool = False,
        hangs: bool = False,
    ) -> BatchedReception:
        """A new reception, without fragments, for a device with these quirks."""
        idx = len(self.receptions)
        if idx == self.complete.size:
            self._grow(max(_FIRST_CAPACITY, 2 * idx))
        self._late[idx] = _LATE.index(late)
        self.solvable[idx] = _NO_LIMIT if solvable is None else solvable
        self._overrun[idx] = _OVERRUN.index(overrun)
        self.last_number[idx] = last_number
        self.memory_error[idx] = memory_error
        self._hangs[idx] = hangs
        self.hangs = self.hangs or hangs
        self.receptions.append(BatchedReception(self, idx))
        return self.receptions[idx]

    def _grow(self, capacity: int) -> None:
        for name in _PER_RECEPTION:
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), old.dtype)
            new[: old.shape[0]] = old
            setattr(self, name, new)
        n_coded_words = self._lost.shape[1] - self._n_uncoded_words
        lost_all = np.hstack([_bits(self.n_frags, self._n_uncoded_words), _bits(len(self._rows), n_coded_words)])
        self._lost[len(self.receptions) :] = lost_all

    def missing(self, idx: int) -> int:
        """Independent fragments that a reception still needs."""
        return 0 if self.complete[idx] else self._as_reception(idx).missing

    def solved_rows(self, idx: int) -> int:
        """Losses of a reception that coded fragments have solved."""
        return int(self.n_gaps[idx]) if self.complete[idx] else self._as_reception(idx).solved_rows

    def memory_full(self, idx: int) -> bool:
        """The error bit of a reception."""
        over = self._overrun[idx] == _FLAGGED and self.n_gaps[idx] > self.solvable[idx]
        return bool(self.memory_error[idx] or over)

    def _fragments_of(self, idx: int) -> list[DataFragment]:
        """Fragments kept by a reception: the uncoded ones, then the coded ones in the order first sent."""
        bits = np.unpackbits(self._lost[idx].view(np.uint8), bitorder="little") == 0
        uncoded = np.flatnonzero(bits[: self.n_frags]) + 1
        coded = bits[64 * self._n_uncoded_words :]
        numbers = [*uncoded.tolist(), *(n for n, column in self._rows.items() if coded[column])]
        return [self._fragments[n] for n in numbers]

    def _as_reception(self, idx: int) -> Reception:
        """A Reception with the state of an incomplete one of the batch."""
        solvable = int(self.solvable[idx])
        reception = Reception(
            self.n_frags,
            self.frag_size,
            self.dialect,
            _LATE[self._late[idx]],
            None if solvable == _NO_LIMIT else solvable,
            _OVERRUN[self._overrun[idx]],
            int(self.last_number[idx]),
            bool(self.memory_error[idx]),
            bool(self._hangs[idx]),
        )
        fragments = self._fragments_of(idx)
        reached = int(self._reached[idx])
        kept = {fragment.n for fragment in fragments}
        reception.resume(
            fragments,
            int(self.n_received[idx]),
            int(self.n_lost[idx]),
            reached,
            {n for n in range(1, min(reached, self.n_frags + 1)) if n not in kept},
        )
        return reception

    def _detach(self, indices: Indices) -> None:
        for idx in indices.tolist():
            if not self.detached[idx] and not self.ended[idx]:
                self.receptions[idx].detached = self._as_reception(idx)
                self.detached[idx] = True

    # ---- fragments ---------------------------------------------------------------------------------------

    def push(self, indices: Indices, fragment: DataFragment) -> list[tuple[int, bytes]]:
        """Gives a fragment of frag_size bytes to different receptions, none of which has ended.

        Returns those that it completes, ascending: position in `indices` and block, padding included.
        """
        n = fragment.n
        if self._fragments.setdefault(n, fragment).payload != fragment.payload:
            self.open = False
            self._detach(np.arange(len(self.receptions)))
            return self._push_each(indices, np.arange(indices.size), fragment)
        coded = n > self.n_frags
        word, bit = self._bit_of(n)
        if self._block is not None and self._of_one_block:
            self._of_one_block = self._is_of_block([fragment])
        reached = self._reached[indices]
        late = n < reached if not coded else np.zeros(indices.size, np.bool_)
        corrupts = late & (reached > self.n_frags) & (self._late[indices] == _CORRUPTS)
        if corrupts.any():
            self._detach(indices[corrupts])
            completed = self._push_each(indices, np.flatnonzero(corrupts), fragment)
            others = np.flatnonzero(~corrupts)
            completed += [(int(others[position]), block) for position, block in self.push(indices[others], fragment)]
            return sorted(completed, key=lambda each: each[0])
        if coded:
            over = (self.n_gaps[indices] > self.solvable[indices]) & _ENDS[self._overrun[indices]]
            if over.any():
                completed = self._end_without_memory(indices, np.flatnonzero(over), n)
                others = np.flatnonzero(~over)
                completed += [(int(others[position]), data) for position, data in self.push(indices[others], fragment)]
                return sorted(completed, key=lambda each: each[0])
            hangs = self._hangs[indices]
            if self.hangs and hangs.any():
                self._hang(indices[hangs], n)
                others = np.flatnonzero(~hangs)
                return [(int(others[position]), data) for position, data in self.push(indices[others], fragment)]
        self.n_received[indices] += 1
        self.last_number[indices] = n
        arrived = min(n, self.n_frags + 1)
        gap = np.maximum(arrived - reached - 1, 0)
        self.n_lost[indices] += gap
        self.n_gaps[indices] += gap
        self._reached[indices] = np.maximum(reached, arrived)
        kept = (self._lost[indices, word] & bit) != 0
        if coded:
            kept &= self.n_gaps[indices] <= self.solvable[indices]
        elif late.any():
            kept &= ~(late & (self._late[indices] == _DROPPED))
            self.n_gaps[indices[late & kept]] -= 1
        new = indices[kept]
        self._lost[new, word] &= ~bit
        self._n_kept[new] += 1
        completed_at = np.flatnonzero(kept)[self._determined(new)]
        self.complete[indices[completed_at]] = self.ended[indices[completed_at]] = True
        return [(position, self._block_of(int(indices[position]))) for position in completed_at.tolist()]

    def _end_without_memory(self, indices: Indices, positions: Indices, n: int) -> list[tuple[int, bytes]]:
        """Ends receptions that have lost too many fragments at a coded one. Returns the wrong blocks that follow."""
        ended = indices[positions]
        self.n_received[ended] += 1
        self.last_number[ended] = n
        self.memory_error[ended] = self.ended[ended] = True
        wrong = positions[self._overrun[ended] == _WRONG_BLOCK]
        self.complete[indices[wrong]] = True
        return [
            (position, written(self.n_frags, self.frag_size, self._fragments_of(int(indices[position]))))
            for position in wrong.tolist()
        ]

    def _hang(self, indices: Indices, n: int) -> None:
        """Ends receptions whose devices never return from a coded fragment."""
        self.n_received[indices] += 1
        self.last_number[indices] = n
        self.hung[indices] = self.ended[indices] = True

    def _push_each(self, indices: Indices, positions: Indices, fragment: DataFragment) -> list[tuple[int, bytes]]:
        """Pushes a fragment to detached receptions one by one."""
        completed = []
        for position in positions.tolist():
            block = self.receptions[indices[position]].push(fragment)
            if block is not None:
                completed.append((position, block))
        return completed

    def _bit_of(self, n: int) -> tuple[int, np.uint64]:
        """Word and bit of a fragment in the loss bitmaps. A coded fragment sent for the first time gets a column."""
        if n <= self.n_frags:
            return (n - 1) // 64, _ONE << np.uint64((n - 1) % 64)
        n_rows = len(self._rows)
        column = self._rows.setdefault(n, len(self._rows))
        if len(self._rows) > n_rows:
            more = self._n_uncoded_words + _core.losses_len(column + 1) - self._lost.shape[1]
            if more:
                self._lost = np.hstack([self._lost, np.zeros((self._lost.shape[0], more), np.uint64)])
            window = column // 64
            rows = np.array(list(self._rows)[64 * window :], np.uint32) - np.uint32(self.n_frags)
            self._columns = np.vstack([self._columns[:window], matrix_columns(self.n_frags, self.dialect, rows)])
            self._lost[:, self._n_uncoded_words + window] |= _ONE << np.uint64(column % 64)
        return self._n_uncoded_words + column // 64, _ONE << np.uint64(column % 64)

    def _determined(self, indices: Indices) -> npt.NDArray[np.bool_]:
        """Whether each of these receptions has fragments that determine the block."""
        determined = self._n_kept[indices] >= self.n_frags
        candidates = indices[determined]
        if candidates.size:
            needed = np.empty(candidates.size, np.int32)
            _core.fleet_complete(self._columns, self.n_frags, len(self._rows), self._lost[candidates], needed)
            determined[determined] = needed >= 0
        return determined

    # ---- the block ---------------------------------------------------------------------------------------

    def _block_of(self, idx: int) -> bytes:
        """The block of a complete reception: the shared one, unless the fragments sent belong to no single block."""
        if self._block is not None and self._of_one_block:
            return self._block
        fragments = self._fragments_of(idx)
        payloads = b"".join([fragment.payload for fragment in fragments])
        block = decode(self.n_frags, self.frag_size, [f.n for f in fragments], payloads, version=self.dialect)
        if self._block is None:
            self._block = block
            self._of_one_block = self._is_of_block(list(self._fragments.values()))
        return block

    def _is_of_block(self, fragments: list[DataFragment]) -> bool:
        """Whether all these fragments belong to the known block."""
        assert self._block is not None
        coded = [fragment for fragment in fragments if fragment.n > self.n_frags]
        rows = [fragment.n - self.n_frags for fragment in coded]
        made = encode(self._block, self.frag_size, len(rows), version=self.dialect, rows=rows)
        return made.tobytes() == b"".join([fragment.payload for fragment in coded]) and all(
            self._block[(f.n - 1) * self.frag_size : f.n * self.frag_size] == f.payload
            for f in fragments
            if f.n <= self.n_frags
        )


_LATE = tuple(LateUncoded)
_DROPPED = _LATE.index(LateUncoded.DROPPED)
_CORRUPTS = _LATE.index(LateUncoded.CORRUPTS)
_OVERRUN = tuple(Overrun)
_FLAGGED = _OVERRUN.index(Overrun.FLAGGED)
_WRONG_BLOCK = _OVERRUN.index(Overrun.WRONG_BLOCK)
_ENDS = np.array([overrun in ENDS for overrun in _OVERRUN])
"""Whether a coded fragment ends a reception that has lost too many, by the position of its overrun."""
_PER_RECEPTION = (
    *("n_received", "last_number", "n_lost", "n_gaps", "complete", "ended", "memory_error", "solvable", "detached"),
    *("hung", "_reached", "_late", "_overrun", "_hangs", "_n_kept", "_lost"),
)
"""Names of the arrays with an element per reception."""


def _bits(n: int, n_words: int) -> npt.NDArray[np.uint64]:
    """Words whose lowest n bits are set."""
    bits = np.zeros(64 * n_words, np.uint8)
    bits[:n] = 1
    return np.packbits(bits, bitorder="little").view(np.uint64)


class BatchedBlocks:
    """The batched blocks of a simulation, by their shape."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int, str], BatchedBlock] = {}

    def join(
        self,
        n_frags: int,
        frag_size: int,
        dialect: str,
        late: LateUncoded,
        solvable: int | None,
        overrun: Overrun = Overrun.FLAGGED,
        *,
        last_number: int = 0,
        memory_error: bool = False,
        hangs: bool = False,
    ) -> BatchedReception:
        """A new reception of a block of this shape."""
        shape = (n_frags, frag_size, dialect)
        block = self._blocks.get(shape)
        if block is None or not block.open:
            block = self._blocks[shape] = BatchedBlock(n_frags, frag_size, dialect)
        return block.join(late, solvable, overrun, last_number=last_number, memory_error=memory_error, hangs=hangs)
