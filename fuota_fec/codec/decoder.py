"""The block from whichever fragments arrived."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np

from fuota_fec import _core
from fuota_fec.buffers import Buffer, byte_length
from fuota_fec.checks import integer, shown
from fuota_fec.codec.limits import MAX_FRAG_NB, Rows, check_frag_size, check_n_frags, dialect_of
from fuota_fec.errors import ParameterError


class Decoder(_core.Decoder):
    """Collects fragments of a block of `n_frags` × `frag_size` bytes, in any order, duplicates welcome.

    `push(frag_nb, payload)` takes one and says whether the block is determined: it is with the first fragment that
    makes it possible. `missing` is the number of independent fragments still needed, `rank` that of those at hand;
    `block()` gives the bytes, padding included, and raises UndecodableError while any are missing.
    A bad argument is a ParameterError and changes nothing. For one thread at a time.
    """

    __slots__ = ("version",)

    version: str

    def __new__(cls, n_frags: int, frag_size: int, *, version: str = "1.0.0", kernel: str | None = None) -> Decoder:
        self = super().__new__(cls, check_n_frags(n_frags), check_frag_size(frag_size), dialect_of(version), kernel)
        self.version = version
        return self

    def __init__(self, n_frags: int, frag_size: int, *, version: str = "1.0.0", kernel: str | None = None) -> None:
        """See the class."""

    def __repr__(self) -> str:
        return f"Decoder({self.n_frags}, {self.frag_size}, version={self.version!r})"


def decode(
    n_frags: int,
    frag_size: int,
    frag_nbs: Iterable[int],
    payloads: list[Buffer] | tuple[Buffer, ...] | Buffer,
    *,
    version: str = "1.0.0",
) -> bytes:
    """The block, n_frags × frag_size bytes with its padding, from fragments in any order.

    `frag_nbs` are fragment numbers from 1 to 16383 (above n_frags: coded); `payloads` are as many payloads of
    frag_size bytes, as a sequence or one after the other in a C-contiguous buffer such as a (k, frag_size) array.
    UndecodableError, with the number missing, if they do not determine the block.
    """
    decoder = Decoder(n_frags, frag_size, version=version)
    numbers = fragment_numbers(frag_nbs)
    if isinstance(payloads, (list, tuple)):
        if len(payloads) != len(numbers):
            raise ParameterError(f"payloads: {len(payloads)} payloads for {len(numbers)} fragment numbers")
        if set(map(type, payloads)) != {bytes} or set(map(len, cast("list[bytes]", payloads))) != {decoder.frag_size}:
            for payload in payloads:
                length = byte_length("payload", payload)
                if length != decoder.frag_size:
                    raise ParameterError(f"payload: {length} bytes, expected frag_size = {decoder.frag_size}")
        payloads = b"".join(cast("list[bytes]", payloads))
    decoder.push_many(numbers, payloads)
    return decoder.block()


def fragment_numbers(frag_nbs: Iterable[int]) -> Rows:
    """Fragment numbers as an array, each from 1 to 16383."""
    if isinstance(frag_nbs, np.ndarray) and frag_nbs.ndim == 1 and frag_nbs.dtype.kind in "iu":
        in_range = (frag_nbs >= 1) & (frag_nbs <= MAX_FRAG_NB)
        if in_range.all():
            return np.ascontiguousarray(frag_nbs, dtype=np.uint32)
    try:
        iterator = iter(frag_nbs)
    except TypeError:
        raise ParameterError(f"frag_nbs: {shown(frag_nbs)} is not a sequence of fragment numbers") from None
    return np.array([integer("frag_nb", frag_nb, 1, MAX_FRAG_NB) for frag_nb in iterator], np.uint32)
