"""What the library takes wherever it takes bytes."""

from __future__ import annotations

import re
from array import array
from mmap import mmap
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from fuota_fec.errors import ParameterError

Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap | array[Any] | npt.NDArray[Any]"
"""Anything C-contiguous with the buffer protocol; it is read in place."""

Bytes: TypeAlias = npt.NDArray[np.uint8]


def byte_length(name: str, buffer: Buffer) -> int:
    """Length in bytes of a C-contiguous buffer; ParameterError, naming the argument, for anything else."""
    try:
        view = memoryview(cast("bytes", buffer))
    except (TypeError, ValueError):  # No buffer, a released one, or one of a type that has no bytes.
        found = type(buffer).__name__
        raise ParameterError(f"{name}: expected bytes or another C-contiguous buffer, not {found}") from None
    if not view.c_contiguous:
        raise ParameterError(f"{name}: the array is not C-contiguous")
    # The memory of objects holds addresses, which would go on the air. Names of fields stand between colons.
    if "O" in re.sub(":[^:]*:", "", view.format):
        raise ParameterError(f"{name}: an array of Python objects has no bytes of its own")
    return view.nbytes
