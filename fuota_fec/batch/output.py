"""Output folder of a batch: files that appear whole or not at all, and the progress of a batch that was interrupted.

A file is written aside, synchronised, and renamed. Before the rename its entry is in the progress file, so that a batch
that is started again knows every file that is whole.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from fuota_fec.batch.manifest import entries_by_output, lines_of
from fuota_fec.codec.frame_file import MANIFEST
from fuota_fec.errors import ParameterError

PROGRESS = ".fuota-fec.jsonl"
"""Entries of files since the last manifest, one a line."""
ASIDE = ".fuota-fec-"
"""Begin of the names of files that are not whole yet. They have no ending, as outputs have."""


def write_aside(path: str, parts: Sequence[bytes | memoryview]) -> None:
    """Writes a new file to the disk, with one call where the system takes that. Nothing stays of it after an error."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        left = [memoryview(part).cast("B") for part in parts]
        while left:
            n_written = os.writev(handle, left)
            while left and n_written >= len(left[0]):
                n_written -= len(left.pop(0))
            if left:
                left[0] = left[0][n_written:]
        os.fsync(handle)
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(handle)


class OutputFolder:
    """Folder that one batch at a time writes to."""

    def __init__(self, path: str | Path) -> None:
        self.path = os.path.abspath(path)
        self._name = str(path)
        self._token = uuid4().hex

    def __enter__(self) -> Self:
        """ParameterError if it cannot be a folder, or another batch writes to it."""
        try:
            Path(self.path).mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "no permission, or a read-only file system")
            self._handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ParameterError(f"{self._name}: cannot be written to: {error.strerror}, expected a folder") from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise ParameterError(f"{self._name}: another batch is being prepared in this folder") from None
        except OSError:
            pass  # A file system without locks.
        self._progress: int | None = None
        self._sweep()
        self.known = self._known()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            os.close(self._progress)
        self._sweep()
        os.close(self._handle)

    def aside(self, number: int) -> str:
        """Path of a file that is not whole yet."""
        return os.path.join(self.path, f"{ASIDE}{self._token}-{number}")

    def note(self, lines: Iterable[str]) -> None:
        """Keeps entries of files that are about to be renamed. Nothing stays of them after an error."""
        # The line end comes first: a line that a killed batch has left cut off does not spoil the next one.
        text = "".join(f"\n{line}" for line in lines).encode()
        if self._progress is None:
            self._progress = os.open(self._path(PROGRESS), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        end = os.fstat(self._progress).st_size
        try:
            _write_all(self._progress, text)
        except OSError:
            os.ftruncate(self._progress, end)
            raise

    def appear(self, aside: str, name: str) -> None:
        """Gives a whole file its name."""
        os.replace(aside, self._path(name))

    def finish(self, manifest: bytes) -> None:
        """Replaces the manifest, after all files are on the disk."""
        os.fsync(self._handle)
        self.put(MANIFEST, manifest)
        self.remove(PROGRESS)

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(name))

    def put(self, name: str, data: bytes) -> None:
        """Writes a small file, unless it is there with this content."""
        path = Path(self._path(name))
        if path.is_file() and path.read_bytes() == data:
            return
        aside = self.aside(-1)
        try:
            write_aside(aside, [data])
            self.appear(aside, name)
            os.fsync(self._handle)
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.path.join(self._name, name)) from None

    def _known(self) -> Mapping[str, str]:
        """Entry of each output that an earlier batch has noted."""
        known: dict[str, str] = {}
        for name, read in ((MANIFEST, lines_of), (PROGRESS, str.splitlines)):
            with suppress(OSError, UnicodeDecodeError):
                known |= entries_by_output(read(Path(self._path(name)).read_text("utf-8")))
        return known

    def _sweep(self) -> None:
        """Removes what a batch that was killed has left half-written."""
        with os.scandir(self.path) as found:
            for entry in found:
                if entry.name.startswith(ASIDE) and not os.path.splitext(entry.name)[1]:
                    with suppress(OSError):
                        os.unlink(entry.path)

    def _path(self, name: str) -> str:
        return os.path.join(self.path, name)


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
