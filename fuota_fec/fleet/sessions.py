"""What a virtual device keeps of the groups that it belongs to and of the blocks that it receives.

All of it can be pickled. Devices of a simulation share what is equal: fragments, images and keys are there once,
however many devices have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from fuota_fec.codec.decoder import Decoder, decode
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
def shared(block: bytes) -> bytes:
    """The same bytes; one object for all devices that rebuilt the same block."""
    return block


@dataclass(slots=True, kw_only=True)
class JoinedGroup:
    """A multicast group that the device was set up with, and its session, class B or C."""

    mc_addr: int
    app_s_key: Key
    min_f_cnt: int
    max_f_cnt: int
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
            and (self.app_s_key is app_s_key or self.app_s_key == app_s_key)
        )


@dataclass(slots=True)
class FragSession:
    """A fragmentation session and the fragments that came in it.

    Which fragments are enough does not depend on what is in them. So the decoder that follows the reception has
    fragments of one byte, and the whole ones are decoded once, when they determine the block.
    """

    setup: fragmentation.FragSessionSetupReq
    version: str
    """TS004 dialect."""
    n_received: int = 0
    mic_error: bool = False
    _fragments: list[fragmentation.DataFragment] = field(default_factory=list)
    _progress: Decoder | None = field(init=False, repr=False)
    """None once the block is complete."""

    def __post_init__(self) -> None:
        self._progress = Decoder(self.setup.nb_frag, 1, version=self.version)

    def push(self, fragment: fragmentation.DataFragment) -> bytes | None:
        """Takes a fragment of the session's size. With the last one that was needed, the block without its padding."""
        if self._progress is None:
            return None
        self.n_received += 1
        self._fragments.append(fragment)
        if not self._progress.push(fragment.n, b"\0"):
            return None
        numbers = [known.n for known in self._fragments]
        payloads = b"".join([known.payload for known in self._fragments])
        block = decode(self.setup.nb_frag, self.setup.frag_size, numbers, payloads, version=self.version)
        self._progress, self._fragments = None, []
        return shared(block[: len(block) - self.setup.padding])

    @property
    def complete(self) -> bool:
        return self._progress is None

    @property
    def missing(self) -> int:
        """Independent fragments still needed."""
        return 0 if self._progress is None else self._progress.missing

    def __reduce__(self) -> tuple[object, ...]:
        return _resumed, (
            self.setup,
            self.version,
            self.n_received,
            self.mic_error,
            None if self.complete else self._fragments,
        )


def _resumed(
    setup: fragmentation.FragSessionSetupReq,
    version: str,
    n_received: int,
    mic_error: bool,
    fragments: list[fragmentation.DataFragment] | None,
) -> FragSession:
    """A session from its pickle: the decoder is made again from the fragments. None: the block was complete."""
    session = FragSession(setup, version, n_received, mic_error, fragments or [])
    if fragments is None:
        session._progress = None
    elif session._progress is not None:
        numbers = np.array([fragment.n for fragment in fragments], np.uint32)
        session._progress.push_many(numbers, bytes(len(fragments)))
    return session
