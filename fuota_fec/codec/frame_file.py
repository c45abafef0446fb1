"""Files of frames: a NumPy array of a prepared block (.npy), and the entry in a manifest that describes it.

The header always has HEADER bytes, so that frame i of width w is at HEADER + i · w, and a file can be mapped.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fuota_fec.buffers import Bytes
from fuota_fec.checks import shown
from fuota_fec.codec.limits import MAX_FRAG_NB, MAX_FRAG_SIZE, MAX_FRAGS, Rows, row_numbers
from fuota_fec.config_files import read_table
from fuota_fec.errors import ParameterError
from fuota_fec.wire.dialects import DIALECTS
from fuota_fec.wire.fragmentation import DataFragment
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN as HEADER_LEN

HEADER = 128
"""Bytes before the first frame: a multiple of 64, as the format asks."""
_MAGIC = b"\x93NUMPY\x01\x00"
MANIFEST = "manifest.json"
FIRST = "first"
"""Rows of an entry that are 1, 2, 3 …"""


class BlockFacts(NamedTuple):
    """Facts of a block that its frames do not show."""

    n_frags: int
    image_len: int
    rows: Rows
    dialect: str
    frag_index: int
    descriptor: bytes


def frames_header(n_frames: int, width: int) -> bytes:
    """Header of an array of frames: NPY format 1.0, uint8, C order. NumPy's own writer has other lengths by version."""
    described = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({n_frames}, {width}), }}".encode()
    text = described.ljust(HEADER - len(_MAGIC) - 3) + b"\n"
    return _MAGIC + struct.pack("<H", len(text)) + text


def map_frames(path: str | Path, facts: BlockFacts) -> Bytes:
    """Frames of a file, mapped and read-only. ParameterError if they are not those of a block with these facts."""
    try:
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"{path}: cannot be read: {reason}, expected an array of frames (.npy)") from None
    n_frames = facts.n_frags + facts.rows.size
    if frames.dtype != np.uint8 or frames.ndim != 2 or not frames.flags.c_contiguous or len(frames) != n_frames:
        raise ParameterError(
            f"{path}: {frames.dtype} of shape {frames.shape}, expected uint8 of {n_frames} frames in C order"
        )
    width = frames.shape[1]
    if (
        not HEADER_LEN < width <= HEADER_LEN + MAX_FRAG_SIZE
        or not -1 < facts_padding(facts, width) < width - HEADER_LEN
    ):
        raise ParameterError(
            f"{path}: {facts.n_frags} uncoded fragments of {width - HEADER_LEN} bytes, expected an image of "
            f"{facts.image_len} bytes"
        )
    numbers = np.concatenate([np.arange(1, facts.n_frags + 1, dtype=np.uint32), facts.n_frags + facts.rows])
    index = (facts.frag_index << 14 | numbers).astype("<u2").view(np.uint8).reshape(-1, 2)
    wrong = (frames[:, 0] != DataFragment.CID) | (frames[:, 1:HEADER_LEN] != index).any(axis=1)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ParameterError(
            f"{path}: frame {at} begins with {bytes(frames[at, :HEADER_LEN]).hex()}, expected the DataFragment of "
            f"fragment {numbers[at]}"
        )
    mapped: Bytes = frames
    return mapped


def facts_padding(facts: BlockFacts, width: int) -> int:
    """Bytes of padding of a block whose frames have so many bytes."""
    return facts.n_frags * (width - HEADER_LEN) - facts.image_len


def find_entry(path: str | Path, manifest: str | Path | Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Entry of a file in its manifest, the one beside it if not given. ParameterError if there is none."""
    name, where = Path(path).name, "manifest"
    if not isinstance(manifest, Mapping):
        where = str(Path(path).parent / MANIFEST if manifest is None else manifest)
        manifest = read_table(where)
    items = manifest.get("items")
    for entry in items if isinstance(items, list) else ():
        if isinstance(entry, Mapping) and entry.get("output") == name and entry.get("status") == "ready":
            return entry
    raise ParameterError(f"{where}: there is no entry of {shown(name)}, expected one that is ready")


def block_facts(entry: Mapping[str, Any]) -> BlockFacts:
    """Facts of a block from its entry. ParameterError for one that lacks them, or has others than a block can have."""
    try:
        n_frags, rows, n_coded = entry["n_frags"], entry["rows"], entry["n_coded"]
        numbers = row_numbers(range(1, n_coded + 1) if rows == FIRST else rows, max_row=MAX_FRAG_NB - n_frags)
        facts = BlockFacts(
            n_frags=n_frags,
            image_len=entry["image"]["len"],
            rows=numbers,
            dialect=entry["dialect"],
            frag_index=entry["setup"]["frag_index"],
            descriptor=bytes.fromhex(entry["setup"]["descriptor"]),
        )
        counts = (facts.n_frags, facts.image_len, facts.frag_index)
        if (
            all(type(count) is int for count in counts)
            and 1 <= n_frags <= MAX_FRAGS
            and facts.image_len > 0
            and numbers.size == n_coded
            and facts.dialect in DIALECTS
            and 0 <= facts.frag_index <= 3
            and len(facts.descriptor) == 4
        ):
            return facts
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise ParameterError(f"manifest: the entry of {shown(entry.get('output'))} is not that of a prepared block")
