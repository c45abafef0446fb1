"""Bytes of a file or of standard input, at most as many as an image file may have."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from fuota_fec.errors import ParameterError

LARGEST_FILE = 64 << 20
"""Largest file in bytes: the largest image as records, or an ELF file with its debug information."""

KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFSOCK: "a socket"}


def read_file(path: Path, where: str) -> bytes:
    """Contents of a regular file. ParameterError for anything else, and for a file that is too large."""
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
            return read_stream(file, where, size=facts.st_size)
    except OSError as error:
        raise _unreadable(error, where) from None
    finally:
        os.close(handle)


def read_stream(stream: BinaryIO, where: str, *, size: int = 0) -> bytes:
    """All bytes of a stream. ParameterError if there are more than LARGEST_FILE, or `size` says so."""
    data = b"" if size > LARGEST_FILE else stream.read(LARGEST_FILE + 1)
    if size > LARGEST_FILE or len(data) > LARGEST_FILE:
        raise ParameterError(f"{where}: more than {LARGEST_FILE} bytes, expected at most that for an image file")
    return data


def _unreadable(error: Exception, where: str) -> ParameterError:
    return ParameterError(f"{where}: cannot be read: {getattr(error, 'strerror', None) or error}")
