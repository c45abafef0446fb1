"""The interface between a fragmentation session and the decoder that receives its block.

`decoding.Reception` decodes for one device; `batched_reception.BatchedReception` is one device's part of a decoder that
serves many. Both count alike, have the same quirks and return the block with the same fragment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fuota_fec.wire.fragmentation import DataFragment


class BlockReception(Protocol):
    """Reception of one block by one device."""

    @property
    def n_frags(self) -> int:
        """Uncoded fragments of the block."""

    @property
    def frag_size(self) -> int:
        """Bytes per fragment."""

    @property
    def n_received(self) -> int:
        """Fragments received before the block was complete, repeated ones included."""

    @property
    def last_number(self) -> int:
        """Number of the fragment received last, kept or not; 0 before the first."""

    @property
    def n_lost(self) -> int:
        """Uncoded fragments that did not arrive in their turn."""

    @property
    def complete(self) -> bool:
        """The block is rebuilt, or the stack takes it for rebuilt."""

    @property
    def ended(self) -> bool:
        """Further fragments are ignored: the block is complete, or the reception has failed."""

    @property
    def missing(self) -> int:
        """Independent fragments still needed."""

    @property
    def memory_full(self) -> bool:
        """The error bit: more uncoded fragments are lost than the memory of the stack can solve, or were lost once."""

    @property
    def hung(self) -> bool:
        """The decoder never returned from a coded fragment, and the device does nothing any more."""

    @property
    def solved_rows(self) -> int:
        """Losses that coded fragments have solved, as a stack counts them that never resets its count."""

    def push(self, fragment: DataFragment) -> bytes | None:
        """Takes a fragment of frag_size bytes. Returns the block, padding included, with the fragment that completes
        it, and None before and after. One that several sessions share may return it again."""


@dataclass(slots=True, kw_only=True)
class NoReception:
    """Reception of a block of no fragments, which stacks accept: nothing is missing, and it is never complete. Decoders
    that take every end for a block end with the first fragment (`ends`)."""

    frag_size: int
    ends: bool = False
    last_number: int = 0
    memory_full: bool = False
    n_received: int = 0
    n_frags: int = 0
    n_lost: int = 0
    missing: int = 0
    solved_rows: int = 0
    complete: bool = False
    ended: bool = False
    hung: bool = False

    def push(self, fragment: DataFragment) -> None:
        """Counts a fragment."""
        if self.ended:
            return
        self.n_received += 1
        self.last_number = fragment.n
        self.ended = self.ends
