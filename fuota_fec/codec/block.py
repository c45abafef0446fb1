"""An image made ready for the air: one array of DataFragment frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fuota_fec import _core
from fuota_fec.buffers import Buffer, Bytes, byte_length
from fuota_fec.checks import integer, shown
from fuota_fec.codec.limits import MAX_FRAG_NB, MAX_FRAGS, Rows, check_frag_size, row_numbers
from fuota_fec.codec.parity import ParityMatrix, check_matrix
from fuota_fec.errors import ParameterError
from fuota_fec.wire.dialects import DIALECTS, one_dialect
from fuota_fec.wire.fragmentation import DataFragment, FragSessionSetupReq
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN as HEADER_LEN

__all__ = ["HEADER_LEN", "FragmentedBlock", "n_coded_of", "prepare"]

Array = TypeVar("Array", bound="np.ndarray[Any, Any]")

CODE_RATE = re.compile(r"[0-9]{1,5}(/[0-9]{1,5}|\.[0-9]{1,9})?")


def n_coded_of(code_rate: str | float | Fraction, n_frags: int) -> int:
    """Coded fragments R of a code rate M / (M + R): 1/2 → M, 3/4 → ⌈M/3⌉, 5/6 → ⌈M/5⌉, 7/8 → ⌈M/7⌉, 1 → 0."""
    not_a_rate = ParameterError(
        f"code_rate: {shown(code_rate)} is not a code rate from 1/{MAX_FRAG_NB} to 1 such as '5/6'"
    )
    try:
        # Fraction accepts exponents as well, and would compute 10 ** 99999999.
        if isinstance(code_rate, str) and not CODE_RATE.fullmatch(code_rate):
            raise ValueError
        rate = Fraction(code_rate)
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        raise not_a_rate from None
    if isinstance(code_rate, float):
        rate = rate.limit_denominator(MAX_FRAG_NB)  # the float nearest to 5/6 stands for 5/6
    if not Fraction(1, MAX_FRAG_NB) <= rate <= 1 or isinstance(code_rate, bool):
        raise not_a_rate
    return -int(-n_frags * (1 - rate) // rate)


class FragmentedBlock:
    """Ready DataFragment frames of one image: uncoded fragments 1 … n_frags, then the coded ones of `rows`.

    `frames` is a read-only (n_frags + n_coded, 3 + frag_size) uint8 array; a frame is one of its rows.
    Created by `prepare`, or from a file by `open`.
    """

    def __init__(
        self,
        frames: Bytes,
        image_len: int,
        rows: Rows,
        *,
        matrix: ParityMatrix,
        frag_index: int,
        descriptor: bytes,
        block: Bytes | None = None,
    ) -> None:
        n_frags = matrix.n_frags
        self.frames = _read_only(frames)
        self.frag_size = frames.shape[1] - HEADER_LEN
        self.n_frags = n_frags
        self.image_len = image_len
        self.padding = n_frags * self.frag_size - image_len
        self.rows = _read_only(rows)
        self.frag_index = frag_index
        self.descriptor = descriptor
        self._matrix = matrix
        if block is not None:
            self._block = _read_only(block)
        self._bytes = frames.reshape(-1).data

    @cached_property
    def _block(self) -> Bytes:
        """The uncoded fragments without headers, padded: the input of the encoder."""
        return _read_only(np.ascontiguousarray(self.frames[: self.n_frags, HEADER_LEN:]).ravel())

    @cached_property
    def _index(self) -> dict[int, int]:
        """Positions in `frames` of the coded fragments, by frag_nb."""
        return {self.n_frags + row: self.n_frags + i for i, row in enumerate(self.rows.tolist())}

    @classmethod
    def open(cls, path: str | Path, manifest: str | Path | Mapping[str, Any] | None = None) -> FragmentedBlock:
        """Block of a file of frames that `fuota-fec prepare` has made; the frames are mapped, not read.

        `manifest`: its manifest, or the path of it; manifest.json in the same folder if not given. ParameterError if
        the manifest has no entry of the file, or the file does not have the frames of its entry.
        """
        from fuota_fec.codec.frame_file import block_facts, find_entry, map_frames

        facts = block_facts(find_entry(path, manifest))
        return cls(
            map_frames(path, facts),
            facts.image_len,
            facts.rows,
            matrix=ParityMatrix(facts.n_frags, facts.dialect),
            frag_index=facts.frag_index,
            descriptor=facts.descriptor,
        )

    @property
    def n_coded(self) -> int:
        return len(self.rows)

    @property
    def dialect(self) -> str:
        """The TS004 dialect of the coded fragments."""
        return self._matrix.dialect

    @property
    def version(self) -> str:
        """Another name of `dialect`."""
        return self._matrix.dialect

    def __repr__(self) -> str:
        return (
            f"<FragmentedBlock {self.image_len} bytes = {self.n_frags} × {self.frag_size} - {self.padding}, "
            f"{self.n_coded} coded, dialect {self.dialect}>"
        )

    def frame(self, frag_nb: int) -> memoryview:
        """The DataFragment frame of fragment frag_nb, 3 + frag_size bytes; a coded one must be in `rows`."""
        if type(frag_nb) is not int or not 1 <= frag_nb <= MAX_FRAG_NB:
            frag_nb = integer("frag_nb", frag_nb, 1, MAX_FRAG_NB)
        index = frag_nb - 1 if frag_nb <= self.n_frags else self._index.get(frag_nb)
        if index is None:
            raise ParameterError(f"frag_nb: row {frag_nb - self.n_frags} is not prepared; `more` makes further rows")
        width = HEADER_LEN + self.frag_size
        return self._bytes[index * width : (index + 1) * width]

    def payload(self, frag_nb: int) -> memoryview:
        """The frag_size bytes of fragment frag_nb, as `frame` without its header."""
        return self.frame(frag_nb)[HEADER_LEN:]

    def more(self, rows: Iterable[int]) -> Bytes:
        """Frames of further coded fragments: a (len(rows), 3 + frag_size) uint8 array in the order of `rows`."""
        numbers = row_numbers(rows, max_row=MAX_FRAG_NB - self.n_frags)
        frames = _laid_frames(self._block[:0], self.n_frags, self.frag_size, numbers, self.frag_index)
        panels, width = self._matrix.panels(numbers), HEADER_LEN + self.frag_size
        _core.encode_into(self._block, self.frag_size, panels, len(numbers), frames, HEADER_LEN, width)
        return frames

    def image(self) -> memoryview:
        """The image without padding."""
        return self._block[: self.image_len].data

    def setup_request(
        self,
        *,
        mc_group_bit_mask: int,
        block_ack_delay: int,
        ack_reception: bool = False,
        session_cnt: int | None = None,
        mic: bytes | None = None,
    ) -> FragSessionSetupReq:
        """The FragSessionSetupReq that announces this block (TS004). Dialect 2.0.0 needs session_cnt and mic."""
        return FragSessionSetupReq(
            version=self.dialect,
            frag_index=self.frag_index,
            mc_group_bit_mask=mc_group_bit_mask,
            nb_frag=self.n_frags,
            frag_size=self.frag_size,
            block_ack_delay=block_ack_delay,
            padding=self.padding,
            descriptor=self.descriptor,
            ack_reception=ack_reception,
            session_cnt=session_cnt,
            mic=mic,
        )

    def __copy__(self) -> FragmentedBlock:
        return self  # It never changes.

    def __deepcopy__(self, _memo: object) -> FragmentedBlock:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.frames, self.image_len, self.rows, self._matrix, self.frag_index, self.descriptor)


def _restored(
    frames: Bytes, image_len: int, rows: Rows, matrix: ParityMatrix, frag_index: int, descriptor: bytes
) -> FragmentedBlock:
    return FragmentedBlock(frames, image_len, rows, matrix=matrix, frag_index=frag_index, descriptor=descriptor)


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _laid_frames(block: Bytes, n_frags: int, frag_size: int, rows: Rows, frag_index: int) -> Bytes:
    """Frames of the fragments of `block`, then headers of the coded ones, whose payloads are to be written."""
    frames = np.empty((len(block) // frag_size + len(rows), HEADER_LEN + frag_size), np.uint8)
    _core.lay_frames(block, frag_size, n_frags, rows, DataFragment.CID, frag_index << 14, frames)
    return frames


def prepare(
    image: Buffer,
    frag_size: int,
    *,
    n_coded: int = 0,
    code_rate: str | float | Fraction | None = None,
    rows: Iterable[int] | None = None,
    dialect: str | None = None,
    version: str | None = None,
    frag_index: int = 0,
    descriptor: bytes = b"\0\0\0\0",
    matrix: ParityMatrix | None = None,
) -> FragmentedBlock:
    """Pad the image with zeros to whole fragments of frag_size bytes (1 … 255) and add coded fragments.

    `n_coded` or `code_rate` (such as "5/6") gives their number. Their rows are 1, 2, 3 … or the first n_coded of
    `rows`, all of them if n_coded is 0. `frag_index` is 0 … 3, `descriptor` 4 bytes in wire order (TS004
    FragSessionSetupReq).
    `dialect` is "1.0.0" (the default) or "2.0.0"; `version` is another name of it. `matrix` may be shared by images
    with equally many fragments.

    ParameterError for an empty image, for one of more than 16383 fragments, and for fragment numbers beyond 16383.
    """
    frag_size = check_frag_size(frag_size)
    dialect = one_dialect(dialect, version)
    frag_index = integer("frag_index", frag_index, 0, 3)
    n_coded = integer("n_coded", n_coded, 0, MAX_FRAG_NB)
    try:
        descriptor = memoryview(descriptor).tobytes()
    except (TypeError, ValueError):
        descriptor = b""
    if len(descriptor) != 4:
        raise ParameterError(f"descriptor: {shown(descriptor)} is not 4 bytes")
    length = byte_length("image", image)
    if length == 0:
        raise ParameterError("image: it is empty, expected at least one byte")
    n_frags = -(-length // frag_size)
    if n_frags > MAX_FRAGS:
        raise ParameterError(
            f"image: {length} bytes need {n_frags} fragments of {frag_size} bytes, expected at most {MAX_FRAGS}"
        )
    if code_rate is not None:
        if n_coded:
            raise ParameterError("n_coded, code_rate: both are given, expected one of them")
        n_coded = n_coded_of(code_rate, n_frags)
    max_row = MAX_FRAG_NB - n_frags
    if rows is None:
        if n_coded > max_row:
            raise ParameterError(
                f"n_coded: {n_frags} uncoded and {n_coded} coded fragments, expected at most {MAX_FRAG_NB} in all"
            )
        numbers = np.arange(1, n_coded + 1, dtype=np.uint32)
    else:
        wanted = n_coded if n_coded or code_rate is not None else None
        numbers = row_numbers(rows, wanted, max_row=max_row)
    if matrix is not None:
        check_matrix(matrix, n_frags, dialect)
    if rows is not None:
        numbers = numbers.copy()  # The caller may change its array later.
    block = np.zeros(n_frags * frag_size, np.uint8)
    block[:length] = np.frombuffer(image, np.uint8)
    frames = _laid_frames(block, n_frags, frag_size, numbers, frag_index)
    first, width = n_frags * frames.shape[1] + HEADER_LEN, frames.shape[1]
    kept = matrix is None and rows is None
    matrix = ParityMatrix(n_frags, dialect) if matrix is None else matrix
    if not (kept and _core.encode_leading_into(block, frag_size, DIALECTS[dialect], n_coded, frames, first, width)):
        _core.encode_into(block, frag_size, matrix.panels(numbers), len(numbers), frames, first, width)
    return FragmentedBlock(
        frames, length, numbers, matrix=matrix, frag_index=frag_index, descriptor=descriptor, block=block
    )
