"""Types of arguments that hold bytes, and the check of their length."""

from __future__ import annotations

import re
from array import array
from mmap import mmap
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from fuota_fec.errors import ParameterError

Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap | array[Any] | npt.NDArray[Any]"
"""Any C-contiguous object with the buffer protocol; the library reads it in place."""

Bytes: TypeAlias = npt.NDArray[np.uint8]


def byte_length(name: str, buffer: Buffer) -> int:
    """Length in bytes of a C-contiguous buffer; ParameterError with the name of the argument for any other object."""
    if type(buffer) is bytes:
        return len(buffer)
    found, expected = type(buffer).__name__, "expected bytes or another C-contiguous buffer"
    try:
        view = memoryview(cast("bytes", buffer))
    except (TypeError, ValueError):  # not a buffer, a released one, or one of a type without a buffer format
        raise ParameterError(f"{name}: {found} is not a buffer, {expected}") from None
    if not view.c_contiguous:
        raise ParameterError(f"{name}: {found} is not C-contiguous, {expected}")
    # The memory of Python objects holds addresses, which must not go on the air. Colons enclose names of fields.
    if "O" in view.format and "O" in re.sub(":[^:]*:", "", view.format):
        raise ParameterError(f"{name}: {found} of Python objects is not bytes, {expected}")
    return view.nbytes
