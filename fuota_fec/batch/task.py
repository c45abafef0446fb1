"""A task of a batch: one image for some targets. It takes names and settings, and may run in another process."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

from fuota_fec._version import __version__
from fuota_fec.batch.changes import check_boot_loader
from fuota_fec.batch.config import BatchImage, Target
from fuota_fec.batch.items import Contents, Item
from fuota_fec.batch.manifest import READY, failed_entry, ready_entry
from fuota_fec.batch.output import write_aside
from fuota_fec.batch.target_plan import PairPlan, planner_of
from fuota_fec.codec.block import FragmentedBlock, prepare
from fuota_fec.codec.frame_file import LAYOUT, frames_header, line_of, sealed
from fuota_fec.codec.parity import ParityMatrix
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import FuotaError

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One pair of a task: `aside` is the path to write to, `known` the entry of an earlier batch."""

    target: Target
    profile: DeviceProfile
    output: str
    aside: str
    known: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    image: BatchImage
    folder: str
    """Folder of the images."""
    out: str
    """Folder of the outputs."""
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Outcome of a pair. "made": the file is written aside, and not renamed. "kept": it was whole."""

    output: str
    state: Literal["made", "kept", "failed"]
    line: str
    aside: str


def run_task(task: Task) -> list[Done]:
    """Prepares the pairs of a task. An error is the outcome of its pair."""
    try:
        source = _Source(task.image, task.folder)
    except Exception as error:
        reason = reason_of(error)
        return [_failed(task.image, job, reason) for job in task.jobs]
    return [_run_job(task, job, source) for job in task.jobs]


class _Source:
    """Image of a task: read once, and only where one of its outputs is not whole."""

    def __init__(self, image: BatchImage, folder: str) -> None:
        self._contents = Contents(image, folder)
        settings = {**asdict(image), "path": None if image.path is None else image.source}
        self._digest = _digest(settings, self._contents.sha256)
        self._item: Item | Exception | None = None

    def inputs(self, job: Job) -> str:
        """Digest of all that the output depends on."""
        return _digest(self._digest, _settings_digest(job.target, job.profile))

    def item(self) -> Item:
        if self._item is None:
            try:
                self._item = self._contents.read()
            except Exception as error:
                self._item = error
        if isinstance(self._item, Exception):
            raise self._item
        return self._item


def _run_job(task: Task, job: Job, source: _Source) -> Done:
    try:
        inputs = source.inputs(job)
        if job.known is not None and _is_whole(os.path.join(task.out, job.output), job.known, inputs):
            return Done(output=job.output, state="kept", line=job.known, aside="")
        return Done(
            output=job.output, state="made", line=_make(task.image, job, source.item(), inputs), aside=job.aside
        )
    except Exception as error:
        return _failed(task.image, job, reason_of(error))


def _make(image: BatchImage, job: Job, item: Item, inputs: str) -> str:
    """Writes the frames of a pair aside. Returns the line of its entry."""
    check_boot_loader(image, job.profile)
    planner = planner_of(job.target, job.profile)
    plan = planner.plan(len(item.data))
    block = _block(item.data, image, job.target, plan)
    header, frames = frames_header(*block.frames.shape), block.frames.data
    write_aside(job.aside, [header, frames])
    digest = hashlib.sha256(header)
    digest.update(frames)
    entry = ready_entry(
        job.output,
        len(header) + frames.nbytes,
        digest.hexdigest(),
        image=item.facts,
        target=planner.facts,
        block=block,
        plan=plan,
        inputs=inputs,
    )
    return line_of(entry)


def _block(data: bytes, image: BatchImage, target: Target, plan: PairPlan) -> FragmentedBlock:
    """Leading rows come from the matrices that the core keeps, other ones from the matrix used last."""
    chosen: dict[str, Any] = {"n_coded": plan.rows.size}
    if not plan.leading:
        chosen = {"rows": plan.rows, "matrix": _matrix(plan.n_frags, target.dialect)}
    return prepare(
        data,
        plan.frag_size,
        dialect=target.dialect,
        frag_index=target.frag_index,
        descriptor=bytes.fromhex(image.descriptor),
        **chosen,
    )


@lru_cache(maxsize=8)
def _matrix(n_frags: int, dialect: str) -> ParityMatrix:
    return ParityMatrix(n_frags, dialect)


def _is_whole(path: str, line: str, inputs: str) -> bool:
    """Whether a file is what its entry says, and the entry is of the same inputs."""
    entry = json.loads(line)
    if entry.get("status") != READY or entry.get("inputs") != inputs or entry != sealed(entry):
        return False
    try:
        return bool(file_digest(path, entry["output_len"]) == entry["output_sha256"])
    except OSError:
        return False


def file_digest(path: str, size: int) -> str:
    """SHA-256 of a file of this size; "" for one of another size or kind."""
    facts = os.stat(path)
    if facts.st_size != size or not stat.S_ISREG(facts.st_mode):  # The opening of a pipe would not end.
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _failed(image: BatchImage, job: Job, reason: str) -> Done:
    line = line_of(failed_entry(job.output, image.source, job.target.name, reason))
    return Done(output=job.output, state="failed", line=line, aside="")


def reason_of(error: Exception) -> str:
    """Reason in one line, without paths of this machine."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = "; ".join(str(error).splitlines())
    return text if isinstance(error, FuotaError) else f"{type(error).__name__}: {text}"


@lru_cache(maxsize=256)
def _settings_digest(target: Target, profile: DeviceProfile) -> str:
    return _digest(__version__, LAYOUT, asdict(target), asdict(profile))


def _digest(*facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
