"""Contents of files that a user hands in: regular ones of a bounded size, so that nothing hangs or fills the memory."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fuota_fec.buffers import Bytes
from fuota_fec.errors import ParameterError

LARGEST_FILE = 64 << 20
"""Largest image file in bytes: the largest image as records, or an ELF file with its debug information."""
LARGEST_TEXT = 256 << 20
"""Largest text file in bytes: a million devices with all their settings."""

KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFSOCK: "a socket"}


def read_text(path: str | Path) -> str:
    """Text of a regular file in UTF-8, with or without a byte order mark. ParameterError for anything else."""
    try:
        return read_file(Path(path), str(path), most=LARGEST_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ParameterError(f"{path}: cannot be read: not UTF-8 text") from None


def read_file(path: Path, where: str, *, most: float = LARGEST_FILE) -> bytes:
    """Contents of a regular file. ParameterError for anything else, and for a file of more than `most` bytes."""
    try:
        # A pipe without a writer would hold up an opening that blocks.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError for a name with a NUL
        raise _unreadable(error, where) from None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            kind = KINDS.get(stat.S_IFMT(facts.st_mode), "a block device")
            raise ParameterError(f"{where}: cannot be read: it is {kind}, expected a regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return read_stream(file, where, size=facts.st_size, most=most)
    except OSError as error:
        raise _unreadable(error, where) from None
    finally:
        os.close(handle)


def map_file(path: Path | str) -> Bytes:
    """Contents of a regular file, mapped and read-only. ParameterError for anything else."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ParameterError(f"{path}: cannot be read: it is no regular file")
        mapped: Bytes = np.memmap(path, np.uint8, "r") if os.path.getsize(path) else np.empty(0, np.uint8)
    except OSError as error:
        raise _unreadable(error, str(path)) from None
    return mapped


def read_stream(stream: BinaryIO, where: str, *, size: int = 0, most: float = LARGEST_FILE) -> bytes:
    """All bytes of a stream. ParameterError if there are more than `most`, or `size` says so."""
    rest = -1 if most == float("inf") else int(most) + 1
    # A buffer of the size of the file is enough for nearly all, and one for `most` takes long to make.
    data = b"" if size > most else stream.read(size + 1 if size else rest)
    if size and len(data) > size:
        data += stream.read(rest if rest < 0 else rest - len(data))
    if size > most or len(data) > most:
        raise ParameterError(f"{where}: more than {most} bytes, expected at most that")
    return data


def _unreadable(error: Exception, where: str) -> ParameterError:
    return ParameterError(f"{where}: cannot be read: {getattr(error, 'strerror', None) or error}")
