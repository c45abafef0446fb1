"""The reception of one block by many devices at once.

Which fragments a device heard is a row of bits here, and the core's erasure engine tells after which of them it can
rebuild the block. A device has a `Seat`, which is to it what a `Reception` is: the same counts, the same quirks, and
the block with the same fragment. The block itself is decoded once, from what the first device heard that completed it,
and is the same for all as long as the fragments that were sent are those of one block.

Where what was sent is of no one block, such as coded fragments of the other dialect, each device decodes what it heard,
in the order in which it was first sent.

What bits cannot tell is left to a Reception: a device whose late fragments corrupt the block, and all devices once a
number has come with two payloads, leave the crowd with what they have.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fuota_fec import _core
from fuota_fec.codec.decoder import decode
from fuota_fec.codec.encoder import encode
from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.fleet.decoding import Reception
from fuota_fec.fleet.trials import matrix_columns
from fuota_fec.wire.fragmentation import DataFragment

Places: TypeAlias = npt.NDArray[np.intp]

_FIRST_CAPACITY = 64
_NO_LIMIT = 2**31 - 1
_ONE = np.uint64(1)


class Seat:
    """A device's place in a crowd: a Reception, as far as its device can tell."""

    __slots__ = ("alone", "crowd", "mic_error", "place")

    def __init__(self, crowd: Crowd, place: int) -> None:
        self.crowd = crowd
        self.place = place
        self.mic_error = False
        self.alone: Reception | None = None
        """What it became when it left the crowd."""

    def push(self, fragment: DataFragment) -> bytes | None:
        if self.alone is not None:
            return self.alone.push(fragment)
        done = self.crowd.hear(np.array([self.place], np.intp), fragment)
        return done[0][1] if done else None

    @property
    def n_frags(self) -> int:
        return self.crowd.n_frags

    @property
    def frag_size(self) -> int:
        return self.crowd.frag_size

    @property
    def n_received(self) -> int:
        return self.alone.n_received if self.alone is not None else int(self.crowd.n_received[self.place])

    @property
    def last_number(self) -> int:
        return self.alone.last_number if self.alone is not None else int(self.crowd.last_number[self.place])

    @property
    def n_lost(self) -> int:
        return self.alone.n_lost if self.alone is not None else int(self.crowd.n_lost[self.place])

    @property
    def complete(self) -> bool:
        return self.alone.complete if self.alone is not None else bool(self.crowd.complete[self.place])

    @property
    def missing(self) -> int:
        return self.alone.missing if self.alone is not None else self.crowd.missing(self.place)

    @property
    def memory_full(self) -> bool:
        if self.alone is not None:
            return self.alone.memory_full
        return bool(self.crowd.n_gaps[self.place] > self.crowd.solvable[self.place])


class Crowd:
    """A block of n_frags × frag_size bytes in one TS004 dialect, and all that receive it.

    Per seat, arrays of what a Reception has; `lost` are the loss bitmaps as the core takes them, those of the uncoded
    fragments and behind them those of the coded rows, in the order in which the rows were first sent.
    """

    def __init__(self, n_frags: int, frag_size: int, version: str) -> None:
        self.n_frags = n_frags
        self.frag_size = frag_size
        self.version = version
        self.open = True
        """New devices may join."""
        self.seats: list[Seat] = []
        self.n_received = np.zeros(0, np.int64)
        self.last_number = np.zeros(0, np.int64)
        self.n_lost = np.zeros(0, np.int64)
        self.n_gaps = np.zeros(0, np.int64)
        """Uncoded fragments lost and not heard since."""
        self.complete = np.zeros(0, np.bool_)
        self.solvable = np.zeros(0, np.int64)
        self.gone = np.zeros(0, np.bool_)
        """Who left."""
        self._reached = np.zeros(0, np.int64)
        self._late = np.zeros(0, np.int8)
        self._n_kept = np.zeros(0, np.int64)
        """Different fragments kept."""
        self._n_uncoded_words = _core.losses_len(n_frags)
        self._lost = np.zeros((0, self._n_uncoded_words), np.uint64)
        self._fragments: dict[int, DataFragment] = {}
        """One of each number that was sent."""
        self._rows: dict[int, int] = {}
        """Of the coded ones, number to column."""
        self._columns = np.zeros((0, n_frags), np.uint64)
        self._block: bytes | None = None
        self._of_one_block = True
        """The fragments sent so far are those of `_block`, as far as it is known."""

    # ---- seats -------------------------------------------------------------------------------------------

    def join(self, late: LateUncoded, solvable: int | None) -> Seat:
        """A seat for a device with these quirks, that has heard nothing yet."""
        place = len(self.seats)
        if place == self.complete.size:
            self._grow(max(_FIRST_CAPACITY, 2 * place))
        self._late[place] = _LATE.index(late)
        self.solvable[place] = _NO_LIMIT if solvable is None else solvable
        self.seats.append(Seat(self, place))
        return self.seats[place]

    def _grow(self, capacity: int) -> None:
        for name in _PER_SEAT:
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), old.dtype)
            new[: old.shape[0]] = old
            setattr(self, name, new)
        n_coded_words = self._lost.shape[1] - self._n_uncoded_words
        lost_all = np.hstack([_bits(self.n_frags, self._n_uncoded_words), _bits(len(self._rows), n_coded_words)])
        self._lost[len(self.seats) :] = lost_all

    def missing(self, place: int) -> int:
        """Independent fragments that a seat still needs."""
        return 0 if self.complete[place] else self._reception(place).missing

    def _heard(self, place: int) -> list[DataFragment]:
        bits = np.unpackbits(self._lost[place].view(np.uint8), bitorder="little") == 0
        uncoded = np.flatnonzero(bits[: self.n_frags]) + 1
        coded = bits[64 * self._n_uncoded_words :]
        numbers = [*uncoded.tolist(), *(n for n, column in self._rows.items() if coded[column])]
        return [self._fragments[n] for n in numbers]

    def _reception(self, place: int) -> Reception:
        """What a device has that is not complete, as one of its own."""
        solvable = int(self.solvable[place])
        reception = Reception(
            self.n_frags,
            self.frag_size,
            self.version,
            _LATE[self._late[place]],
            None if solvable == _NO_LIMIT else solvable,
        )
        heard = self._heard(place)
        reached = int(self._reached[place])
        known = {fragment.n for fragment in heard}
        reception.resume(
            heard,
            int(self.n_received[place]),
            int(self.last_number[place]),
            int(self.n_lost[place]),
            reached,
            {n for n in range(1, min(reached, self.n_frags + 1)) if n not in known},
        )
        return reception

    def _leave(self, places: Places) -> None:
        for place in places.tolist():
            seat = self.seats[place]
            if not self.gone[place] and not self.complete[place]:
                seat.alone = self._reception(place)
                self.gone[place] = True

    # ---- fragments ---------------------------------------------------------------------------------------

    def hear(self, places: Places, fragment: DataFragment) -> list[tuple[int, bytes]]:
        """Seats that heard a fragment of frag_size bytes, none twice and none complete. Those for which it was the last
        that was needed, as positions in `places`, each with its block, padding included."""
        n = fragment.n
        if self._fragments.setdefault(n, fragment).payload != fragment.payload:
            self.open = False
            self._leave(np.arange(len(self.seats)))
            return self._hear_alone(places, np.arange(places.size), fragment)
        coded = n > self.n_frags
        word, bit = self._bit_of(n)
        if self._block is not None and self._of_one_block:
            self._of_one_block = self._is_of_block([fragment])
        reached = self._reached[places]
        late = n < reached if not coded else np.zeros(places.size, np.bool_)
        corrupts = late & (reached > self.n_frags) & (self._late[places] == _CORRUPTS)
        if corrupts.any():
            self._leave(places[corrupts])
            done = self._hear_alone(places, np.flatnonzero(corrupts), fragment)
            stay = np.flatnonzero(~corrupts)
            done += [(int(stay[position]), block) for position, block in self.hear(places[stay], fragment)]
            return sorted(done, key=lambda each: each[0])
        self.n_received[places] += 1
        self.last_number[places] = n
        come = min(n, self.n_frags + 1)
        gap = np.maximum(come - reached - 1, 0)
        self.n_lost[places] += gap
        self.n_gaps[places] += gap
        self._reached[places] = np.maximum(reached, come)
        kept = (self._lost[places, word] & bit) != 0
        if coded:
            kept &= self.n_gaps[places] <= self.solvable[places]
        elif late.any():
            kept &= ~(late & (self._late[places] == _DROPPED))
            self.n_gaps[places[late & kept]] -= 1
        new = places[kept]
        self._lost[new, word] &= ~bit
        self._n_kept[new] += 1
        done_at = np.flatnonzero(kept)[self._determined(new)]
        self.complete[places[done_at]] = True
        return [(position, self._block_of(int(places[position]))) for position in done_at.tolist()]

    def _hear_alone(self, places: Places, positions: Places, fragment: DataFragment) -> list[tuple[int, bytes]]:
        done = []
        for position in positions.tolist():
            block = self.seats[places[position]].push(fragment)
            if block is not None:
                done.append((position, block))
        return done

    def _bit_of(self, n: int) -> tuple[int, np.uint64]:
        """Where a fragment's bit is; a coded one that was not sent before gets a column."""
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
            self._columns = np.vstack([self._columns[:window], matrix_columns(self.n_frags, self.version, rows)])
            self._lost[:, self._n_uncoded_words + window] |= _ONE << np.uint64(column % 64)
        return self._n_uncoded_words + column // 64, _ONE << np.uint64(column % 64)

    def _determined(self, places: Places) -> npt.NDArray[np.bool_]:
        """Which of these seats have all that they need."""
        determined = self._n_kept[places] >= self.n_frags
        candidates = places[determined]
        if candidates.size:
            needed = np.empty(candidates.size, np.int32)
            _core.fleet_complete(self._columns, self.n_frags, len(self._rows), self._lost[candidates], needed)
            determined[determined] = needed >= 0
        return determined

    # ---- the block ---------------------------------------------------------------------------------------

    def _block_of(self, place: int) -> bytes:
        """The block of a device that is complete: that of the first one, unless what was sent is of no one block."""
        if self._block is not None and self._of_one_block:
            return self._block
        heard = self._heard(place)
        payloads = b"".join([fragment.payload for fragment in heard])
        block = decode(self.n_frags, self.frag_size, [f.n for f in heard], payloads, version=self.version)
        if self._block is None:
            self._block = block
            self._of_one_block = self._is_of_block(list(self._fragments.values()))
        return block

    def _is_of_block(self, fragments: list[DataFragment]) -> bool:
        """Whether these are fragments of the known block."""
        assert self._block is not None
        coded = [fragment for fragment in fragments if fragment.n > self.n_frags]
        rows = [fragment.n - self.n_frags for fragment in coded]
        made = encode(self._block, self.frag_size, len(rows), version=self.version, rows=rows)
        return made.tobytes() == b"".join([fragment.payload for fragment in coded]) and all(
            self._block[(f.n - 1) * self.frag_size : f.n * self.frag_size] == f.payload
            for f in fragments
            if f.n <= self.n_frags
        )


_LATE = tuple(LateUncoded)
_DROPPED = _LATE.index(LateUncoded.DROPPED)
_CORRUPTS = _LATE.index(LateUncoded.CORRUPTS)
_PER_SEAT = (
    *("n_received", "last_number", "n_lost", "n_gaps", "complete", "solvable", "gone"),
    *("_reached", "_late", "_n_kept", "_lost"),
)


def _bits(n: int, n_words: int) -> npt.NDArray[np.uint64]:
    """The lowest n bits set."""
    bits = np.zeros(64 * n_words, np.uint8)
    bits[:n] = 1
    return np.packbits(bits, bitorder="little").view(np.uint64)


class Crowds:
    """The crowds of a simulation, by the shape of their block."""

    def __init__(self) -> None:
        self._crowds: dict[tuple[int, int, str], Crowd] = {}

    def join(self, n_frags: int, frag_size: int, version: str, late: LateUncoded, solvable: int | None) -> Seat:
        """A seat where a block of that shape is received."""
        shape = (n_frags, frag_size, version)
        crowd = self._crowds.get(shape)
        if crowd is None or not crowd.open:
            crowd = self._crowds[shape] = Crowd(n_frags, frag_size, version)
        return crowd.join(late, solvable)
