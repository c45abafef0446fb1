"""Check of a batch: every output is read back, decoded from a random loss, and compared with its image."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fuota_fec.batch.changes import change_problem
from fuota_fec.batch.config import BatchConfig, BatchImage
from fuota_fec.batch.items import read_base
from fuota_fec.batch.manifest import READY
from fuota_fec.batch.pairs import pairs_of
from fuota_fec.batch.run import Progress, run_all, workers_of
from fuota_fec.batch.task import file_digest, reason_of
from fuota_fec.checks import plainly, shown
from fuota_fec.codec.block import HEADER_LEN, FragmentedBlock, prepare
from fuota_fec.codec.decoder import Decoder
from fuota_fec.codec.frame_file import LAYOUT, MANIFEST, SEAL, sealed
from fuota_fec.config_files import read_table
from fuota_fec.errors import ParameterError
from fuota_fec.image.signing_key import PublicKey

LOSS = 0.1
"""Share of the frames that are taken to be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Outcome of a check."""

    n_checked: int
    """Outputs that were read back."""
    problems: tuple[str, ...]
    """A line for each thing that does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """An entry to be checked; it may be so in another process."""

    folder: str
    seed: int
    number: int
    entry: Any
    image: BatchImage | None
    """Image of the batch, which names the base of a delta."""
    images: str
    """Folder of the images."""
    public_key: bytes | None
    """Key in PEM that images must be signed with."""


def check_batch(
    out: str | Path,
    config: BatchConfig | None = None,
    *,
    public_key: bytes | None = None,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> CheckResult:
    """Reads back every output of the folder `out`: size, SHA-256 and frames are those of the manifest, and the image is
    rebuilt from a random loss of 10 %, the same for a seed. Pairs that failed are problems too.

    Compressed images are unpacked, signatures verified with the key of the manifest, and deltas applied to their bases,
    which `config`, the batch that they were prepared with, must name. With `public_key`, in PEM, every image must be
    signed with this key.

    `executor`: as of `prepare_batch`. ParameterError if there is no manifest, or `public_key` is no public key.
    """
    if public_key is not None:
        PublicKey.from_pem(public_key, "public key")
    folder = Path(out).absolute()
    manifest = read_table(folder / MANIFEST)
    items = manifest.get("items")
    if not isinstance(items, list):
        raise ParameterError(f"{out}: {MANIFEST} has no items, expected the manifest of a batch")
    if (layout := manifest.get("layout")) != LAYOUT:
        raise ParameterError(f"{out}: {MANIFEST} has layout {shown(layout)}, expected {LAYOUT}")
    found: dict[int, list[str]] = {}

    def take(outcome: tuple[int, list[str]]) -> None:
        found[outcome[0]] = outcome[1]
        if progress is not None:
            progress(len(found), len(items))

    images = {} if config is None else {pair.output: pair.image for pair in pairs_of(config)}
    tasks = (
        _Task(
            folder=str(folder),
            seed=seed,
            number=number,
            entry=entry,
            image=images.get(_name(entry) or ""),
            images="." if config is None else str(Path(config.folder).absolute()),
            public_key=public_key,
        )
        for number, entry in enumerate(items)
    )
    with workers_of(executor) as workers:
        run_all(_check, tasks, workers, take)
    return CheckResult(n_checked=len(items), problems=tuple(line for number in sorted(found) for line in found[number]))


def _name(entry: Any) -> Any:
    return entry.get("output") if isinstance(entry, Mapping) else None


def _check(task: _Task) -> tuple[int, list[str]]:
    """Problems of an entry."""
    folder, number, name = task.folder, task.number, _name(task.entry)
    if not isinstance(name, str) or name != Path(name).name:
        return number, [f"{MANIFEST}: item {number}: {shown(name)} is not the name of an output"]
    try:
        reason = _problem(task, Path(folder), name, task.entry)
    except (KeyError, TypeError) as error:
        reason = f"its entry is not that of a prepared block: {error}"
    except Exception as error:
        reason = reason_of(error).replace(f"{folder}/", "").removeprefix(f"{name}: ")
    return number, [f"{plainly(name)}: {reason}"] if reason else []


def _problem(task: _Task, folder: Path, name: str, entry: Mapping[str, Any]) -> str:
    """First fault of an output; "" if there is none."""
    if entry["status"] != READY:
        return f"not prepared: {entry['reason']}"
    path = folder / name
    size = path.stat().st_size
    if size != entry["output_len"]:
        return f"{size} bytes, expected {entry['output_len']}"
    if file_digest(str(path), size) != entry["output_sha256"]:
        return "its SHA-256 is not that of the manifest"
    # Faults of the file and its image come first, that of the entry as a whole last.
    block = FragmentedBlock.open(path, {"items": [{name: value for name, value in entry.items() if name != SEAL}]})
    image = rebuilt(block, task.seed ^ zlib.crc32(name.encode()))
    if hashlib.sha256(image).hexdigest() != entry["image"]["sha256"]:
        return f"decoded with a loss of {LOSS:.0%}, it is another image than the manifest says"
    # A device may hear any of the frames, and those that this decoder did not need are right as well.
    again = prepare(image, block.frag_size, rows=block.rows, dialect=block.dialect, frag_index=block.frag_index)
    wrong = np.flatnonzero((again.frames != block.frames).any(axis=1))
    if wrong.size:
        return f"frame {wrong[0]} is not that of its fragment"
    base = None
    if entry["image"]["kind"] == "delta" and task.image is not None and task.image.base is not None:
        base = read_base(task.image.base, task.images)
    trusted = None if task.public_key is None else PublicKey.from_pem(task.public_key, "public key")
    if problem := change_problem(entry["image"], image, base, trusted=trusted):
        return problem
    return "" if entry == sealed(entry) else "its entry has been changed"


def rebuilt(block: FragmentedBlock, seed: int) -> bytes:
    """Image decoded from the frames of a block without a random LOSS of them.

    Where the others are not enough, lost ones are added, one by one.
    """
    n_frames = len(block.frames)
    order = np.random.default_rng(seed).permutation(n_frames)
    lost, kept = order[: round(LOSS * n_frames)], np.sort(order[round(LOSS * n_frames) :])
    frag_nbs = np.concatenate([np.arange(1, block.n_frags + 1, dtype=np.uint32), block.n_frags + block.rows])
    decoder = Decoder(block.n_frags, block.frag_size, dialect=block.dialect)
    # The coded fragments first: each of them takes part.
    for idx in (*kept[::-1].tolist(), *lost.tolist()):
        if decoder.push(int(frag_nbs[idx]), block.frames[idx, HEADER_LEN:]):
            break
    return decoder.block()[: block.image_len]
