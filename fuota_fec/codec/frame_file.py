"""Files of frames: a NumPy array of a prepared block (.npy), and the entry in a manifest that describes it.

The header always has HEADER bytes, so that frame i of width w is at HEADER + i · w, and a file can be mapped.
"""

from __future__ import annotations

import hashlib
import json
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
from fuota_fec.files import map_file
from fuota_fec.wire.dialects import DIALECTS
from fuota_fec.wire.fragmentation import DataFragment
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN as HEADER_LEN

HEADER = 128
"""Bytes before the first frame: a multiple of 64, as the format asks."""
_MAGIC = b"\x93NUMPY\x01\x00"
MANIFEST = "manifest.json"
LAYOUT = 1
"""Version of the layout of manifest and files."""
FIRST = "first"
"""Rows of an entry that are 1, 2, 3 …"""
SEAL = "entry_sha256"
"""Key of an entry: SHA-256 of its line before this key, its last one."""


class BlockFacts(NamedTuple):
    """Facts of a block that its frames do not show."""

    n_frags: int
    frag_size: int
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
    n_frames, width = facts.n_frags + facts.rows.size, HEADER_LEN + facts.frag_size
    data = map_file(path)
    if data.size != HEADER + n_frames * width or data[:HEADER].tobytes() != frames_header(n_frames, width):
        raise ParameterError(f"{path}: not an array of {n_frames} frames of {width} bytes, expected that of its entry")
    frames: Bytes = data[HEADER:].reshape(n_frames, width)
    numbers = np.concatenate([np.arange(1, facts.n_frags + 1, dtype=np.uint32), facts.n_frags + facts.rows])
    index = (facts.frag_index << 14 | numbers).astype("<u2").view(np.uint8).reshape(-1, 2)
    wrong = (frames[:, 0] != DataFragment.CID) | (frames[:, 1:HEADER_LEN] != index).any(axis=1)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ParameterError(
            f"{path}: frame {at} begins with {bytes(frames[at, :HEADER_LEN]).hex()}, expected the DataFragment of "
            f"fragment {numbers[at]}"
        )
    return frames


def find_entry(path: str | Path, manifest: str | Path | Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Entry of a file in its manifest, the one beside it if not given. ParameterError if there is none."""
    name, where = Path(path).name, "manifest"
    if not isinstance(manifest, Mapping):
        where = str(Path(path).parent / MANIFEST if manifest is None else manifest)
        manifest = read_table(where)
    if (layout := manifest.get("layout", LAYOUT)) != LAYOUT:
        raise ParameterError(f"{where}: layout {shown(layout)} is not known, expected {LAYOUT}")
    items = manifest.get("items")
    for entry in items if isinstance(items, list) else ():
        if isinstance(entry, Mapping) and entry.get("output") == name and entry.get("status") == "ready":
            if SEAL in entry and entry != sealed(entry):
                raise ParameterError(f"{where}: the entry of {shown(name)} has been changed, expected as made")
            return entry
    raise ParameterError(f"{where}: there is no entry of {shown(name)}, expected one that is ready")


def line_of(entry: Mapping[str, Any]) -> str:
    """Entry as one line."""
    return json.dumps(entry, separators=(",", ":"))


def sealed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with the SHA-256 of all that it says."""
    said = {name: value for name, value in entry.items() if name != SEAL}
    return {**said, SEAL: hashlib.sha256(line_of(said)[:-1].encode()).hexdigest()}


def block_facts(entry: Mapping[str, Any]) -> BlockFacts:
    """Facts of a block from its entry. ParameterError for one that lacks them, or has others than a block can have."""
    try:
        n_frags, rows, n_coded = entry["n_frags"], entry["rows"], entry["n_coded"]
        if any(type(count) is not int or not 0 <= count <= MAX_FRAG_NB for count in (n_frags, n_coded)):
            raise ValueError  # A range of so many rows would not end.
        numbers = row_numbers(range(1, n_coded + 1) if rows == FIRST else rows, max_row=MAX_FRAG_NB - n_frags)
        facts = BlockFacts(
            n_frags=n_frags,
            frag_size=entry["frag_size"],
            image_len=entry["image"]["len"],
            rows=numbers,
            dialect=entry["dialect"],
            frag_index=entry["setup"]["frag_index"],
            descriptor=bytes.fromhex(entry["setup"]["descriptor"]),
        )
        counts = (n_frags, facts.frag_size, facts.image_len, facts.frag_index)
        if (
            all(type(count) is int for count in counts)
            and 1 <= n_frags <= MAX_FRAGS
            and 1 <= facts.frag_size <= MAX_FRAG_SIZE
            and facts.image_len > 0
            and n_frags == -(-facts.image_len // facts.frag_size)
            and numbers.size == n_coded
            and facts.dialect in DIALECTS
            and 0 <= facts.frag_index <= 3
            and len(facts.descriptor) == 4
        ):
            return facts
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise ParameterError(f"manifest: the entry of {shown(entry.get('output'))} is not that of a prepared block")
