"""What a virtual device keeps of the groups that it belongs to and of the blocks that it receives.

All of it can be pickled. Devices of a simulation share what is equal: fragments, images and keys are there once,
however many devices have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from fuota_fec.codec.decoder import Decoder, decode
from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.fleet.quirks import LATE
from fuota_fec.wire import fragmentation
from fuota_fec.wire.keys import Key


class MadeUpKey(Key):
    """A key that a simulation made up. It is as silent as any other, but is written out when the simulation is
    pickled: never put the key of a real device into a virtual one whose pickle leaves the house."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[MadeUpKey], tuple[bytes]]:  # type: ignore[override]
        return MadeUpKey, (bytes(self),)


@lru_cache(maxsize=256)
def group_key(octets: bytes) -> MadeUpKey:
    """The key with these 16 bytes: one object for a whole group, which makes its devices quick to compare it."""
    return MadeUpKey(octets)


@lru_cache(maxsize=8)
def image_of(block: bytes, padding: int) -> bytes:
    """A block without its padding; one object for all devices that rebuilt the same."""
    return block[: len(block) - padding]


@dataclass(slots=True, kw_only=True)
class JoinedGroup:
    """A multicast group that the device was set up with, and its session, class B or C."""

    mc_addr: int
    app_s_key: Key
    min_f_cnt: int
    max_f_cnt: int
    first_below: int = 2**32
    """The first frame must have a counter below it."""
    opens: float = float("inf")
    """GPS seconds by the device's own clock."""
    closes: float = float("-inf")
    device_class: str = "C"
    periodicity: int = 0
    frequency_hz: int = 0
    dr: int = 0

    def hears(self, mc_addr: int, app_s_key: Key, f_cnt: int, own_gps: float) -> bool:
        """Whether a frame reaches the device in this session, and its key and counter are the group's."""
        return (
            self.mc_addr == mc_addr
            and self.opens <= own_gps < self.closes
            and self.min_f_cnt <= f_cnt < self.max_f_cnt
            and f_cnt < self.first_below
            and (self.app_s_key is app_s_key or self.app_s_key == app_s_key)
        )

    def count(self, f_cnt: int) -> None:
        """A frame was heard: its counter, and lower ones, are accepted no more."""
        self.min_f_cnt = f_cnt + 1
        self.first_below = 2**32


class BlockReception(Protocol):
    """What a session, and the answers about it, need of the decoder: a Reception, or a seat in a crowd."""

    mic_error: bool

    @property
    def n_frags(self) -> int: ...
    @property
    def frag_size(self) -> int: ...
    @property
    def n_received(self) -> int: ...
    @property
    def last_number(self) -> int: ...
    @property
    def n_lost(self) -> int: ...
    @property
    def complete(self) -> bool: ...
    @property
    def missing(self) -> int: ...
    @property
    def memory_full(self) -> bool: ...
    def push(self, fragment: fragmentation.DataFragment) -> bytes | None: ...


@dataclass(slots=True)
class Reception:
    """A decoder and the fragments of a block that came to it; `late` and `solvable` are quirks of its stack.

    Which fragments are enough does not depend on what is in them. So the decoder that follows the reception has
    fragments of one byte, and the whole ones are decoded once, when they determine the block.
    """

    n_frags: int
    frag_size: int
    version: str
    """TS004 dialect."""
    late: LateUncoded = LateUncoded.ACCEPTED
    """What becomes of an uncoded fragment that comes after one with a higher number."""
    solvable: int | None = None
    """Lost uncoded fragments that its memory can solve; coded ones are of no use while it is more. None: any number."""
    n_received: int = 0
    last_number: int = 0
    """Of the fragment heard last, whatever became of it."""
    n_lost: int = 0
    """Uncoded fragments that did not come when it was their turn."""
    mic_error: bool = False
    _reached: int = 0
    """The highest uncoded number heard; M + 1 once a coded fragment was."""
    _lost: set[int] = field(default_factory=set)
    """Those that did not come since either."""
    _fragments: list[fragmentation.DataFragment] = field(default_factory=list)
    """What was kept, with the number that it is taken for."""
    _progress: Decoder | None = field(init=False, repr=False)
    """None once the block is complete."""

    def __post_init__(self) -> None:
        self._progress = Decoder(self.n_frags, 1, version=self.version)

    def push(self, fragment: fragmentation.DataFragment) -> bytes | None:
        """Takes a fragment of frag_size bytes. With the last one that was needed, the block with its padding."""
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
        return decode(self.n_frags, self.frag_size, numbers, payloads, version=self.version)

    def _number_of(self, n: int) -> int | None:
        """The number that fragment n is taken for; None: it is dropped."""
        if n < self._reached and n <= self.n_frags:
            return LATE[self.late](n, self._reached > self.n_frags)
        come = min(n, self.n_frags + 1)
        if come > self._reached + 1:
            self.n_lost += come - self._reached - 1
            self._lost.update(range(self._reached + 1, come))
        self._reached = come
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
        """More uncoded fragments are lost than it can solve."""
        return self.solvable is not None and len(self._lost) > self.solvable

    def resume(
        self,
        fragments: list[fragmentation.DataFragment],
        n_received: int,
        last_number: int,
        n_lost: int,
        reached: int,
        lost: set[int],
    ) -> None:
        """Goes on as one that has these fragments and counts, and is not complete."""
        assert self._progress is not None
        self.n_received, self.last_number, self.n_lost = n_received, last_number, n_lost
        self._reached, self._lost, self._fragments = reached, lost, fragments
        if fragments:
            numbers = np.array([fragment.n for fragment in fragments], np.uint32)
            self._progress.push_many(numbers, bytes(numbers.size))

    def __reduce__(self) -> tuple[object, ...]:
        made = (self.n_frags, self.frag_size, self.version, self.late, self.solvable)
        counts = (self.n_received, self.last_number, self.n_lost, self._reached, self._lost)
        return _resumed, (made, self._fragments, counts, self.mic_error, self.complete)


def _resumed(
    made: tuple[int, int, str, LateUncoded, int | None],
    fragments: list[fragmentation.DataFragment],
    counts: tuple[int, int, int, int, set[int]],
    mic_error: bool,
    complete: bool,
) -> Reception:
    """A reception from its pickle: the decoder is made again from the fragments."""
    reception = Reception(*made)
    reception.resume(fragments, *counts)
    reception.mic_error = mic_error
    if complete:
        reception._progress = None
    return reception


@dataclass(slots=True)
class FragSession:
    """A fragmentation session and the decoder behind it, which other sessions of the device may share."""

    setup: fragmentation.FragSessionSetupReq
    reception: BlockReception
    begun: bool = False
    """A fragment of the session was heard."""

    def takes(self, fragment: fragmentation.DataFragment, group_id: int | None) -> bool:
        """Whether a fragment of its index is for the decoder; `group_id` is None for unicast."""
        return (
            not self.reception.complete
            and len(fragment.payload) == self.reception.frag_size
            and (group_id is None or bool(self.setup.mc_group_bit_mask >> group_id & 1))
        )
