"""Decoding: the block from enough of its fragments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, cast

import numpy as np

from fuota_fec import _core
from fuota_fec.buffers import Buffer, byte_length
from fuota_fec.checks import integer, shown
from fuota_fec.codec.limits import MAX_FRAG_NB, Rows, check_frag_size, check_n_frags
from fuota_fec.errors import ParameterError
from fuota_fec.wire.dialects import DIALECTS, one_dialect


class Decoder(_core.Decoder):
    """Collects fragments of a block of `n_frags` × `frag_size` bytes, in any order, duplicates welcome.

    `push(frag_nb, payload)` adds one and returns whether the block is determined: true from the first fragment that
    makes it possible. `missing` is the number of independent fragments still needed, `rank` that of those at hand;
    `block()` returns the bytes, padding included, and raises UndecodableError while any are missing.
    A bad argument is a ParameterError and changes nothing. `dialect` is "1.0.0" (the default) or "2.0.0"; `version`
    is another name of it. Threads may share a decoder: a call waits while another one computes.
    """

    __slots__ = ("dialect",)

    dialect: str

    def __new__(
        cls,
        n_frags: int,
        frag_size: int,
        *,
        dialect: str | None = None,
        version: str | None = None,
        kernel: str | None = None,
    ) -> Decoder:
        dialect = one_dialect(dialect, version)
        self = super().__new__(cls, check_n_frags(n_frags), check_frag_size(frag_size), DIALECTS[dialect], kernel)
        self.dialect = dialect
        return self

    def __init__(
        self,
        n_frags: int,
        frag_size: int,
        *,
        dialect: str | None = None,
        version: str | None = None,
        kernel: str | None = None,
    ) -> None:
        """See the class."""

    @property
    def version(self) -> str:
        """Another name of `dialect`."""
        return self.dialect

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "Decoder: it cannot be pickled or copied: its fragments lie in the core, already combined; keep the "
            "received fragments, and push them to another decoder"
        )

    def __repr__(self) -> str:
        return f"Decoder({self.n_frags}, {self.frag_size}, dialect={self.dialect!r})"


def decode(
    n_frags: int,
    frag_size: int,
    frag_nbs: Iterable[int],
    payloads: list[Buffer] | tuple[Buffer, ...] | Buffer,
    *,
    dialect: str | None = None,
    version: str | None = None,
) -> bytes:
    """The block, n_frags × frag_size bytes with its padding, from fragments in any order.

    `frag_nbs` are fragment numbers from 1 to 16383 (above n_frags: coded); `payloads` are as many payloads of
    frag_size bytes, as a sequence or one after the other in a C-contiguous buffer such as a (k, frag_size) array.
    `dialect` is "1.0.0" (the default) or "2.0.0"; `version` is another name of it.
    UndecodableError, with the number missing, if they do not determine the block.
    """
    number = DIALECTS[one_dialect(dialect, version)]
    n_frags, frag_size = check_n_frags(n_frags), check_frag_size(frag_size)
    numbers = fragment_numbers(frag_nbs)
    if isinstance(payloads, (list, tuple)):
        if len(payloads) != len(numbers):
            raise ParameterError(f"payloads: {len(payloads)} payloads for {len(numbers)} fragment numbers")
        payloads = _core.joined(payloads, frag_size) or _joined(payloads, frag_size)
    return _core.decoded(n_frags, frag_size, number, numbers, payloads)


def _joined(payloads: list[Buffer] | tuple[Buffer, ...], frag_size: int) -> bytes:
    """Payloads of any type one after the other; ParameterError for one that is not frag_size bytes."""
    for payload in payloads:
        length = byte_length("payload", payload)
        if length != frag_size:
            raise ParameterError(f"payload: {length} bytes, expected frag_size = {frag_size}")
    return b"".join(cast("list[bytes]", payloads))


def fragment_numbers(frag_nbs: Iterable[int]) -> Rows:
    """Fragment numbers as an array, each from 1 to 16383."""
    if (quick := _core.packed(frag_nbs, 1, MAX_FRAG_NB)) is not None:
        return np.frombuffer(quick, np.uint32)
    if isinstance(frag_nbs, np.ndarray) and frag_nbs.ndim == 1 and frag_nbs.dtype.kind in "iu":
        in_range = (frag_nbs >= 1) & (frag_nbs <= MAX_FRAG_NB)
        if in_range.all():
            return np.ascontiguousarray(frag_nbs, dtype=np.uint32)
    try:
        iterator = iter(frag_nbs)
    except TypeError:
        raise ParameterError(f"frag_nbs: {shown(frag_nbs)} is not a sequence of fragment numbers") from None
    return np.array([integer("frag_nb", frag_nb, 1, MAX_FRAG_NB) for frag_nb in iterator], np.uint32)
