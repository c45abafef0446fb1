# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True, freethreading_compatible=False
"""Binding of the C core: argument to pointer, release the GIL, check the status. No decisions.

Whole-block calls check the extents of their buffers here, so that no argument can make C read or write outside
them; what the numbers mean is checked by `fuota_fec.codec`. The GIL guards what calls share, so an interpreter
without one turns it on again, with a warning, when it imports this module: docs/decisions/019-threads.md.
"""

import os

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.long cimport PyLong_CheckExact
from cpython.pythread cimport (
    WAIT_LOCK, PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock, PyThread_release_lock,
    PyThread_type_lock,
)
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy as np

from fuota_fec.checks import integer
from fuota_fec.errors import ParameterError, UndecodableError

cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t alignment, size_t length)

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow)

cdef object np_uint8 = np.dtype(np.uint8), np_ndarray = np.ndarray

# ---- kernels ---------------------------------------------------------------------------------------------

cdef uint32_t FEATURES = fuota_cpu_features()
cdef const fuota_kernel *DEFAULT = NULL
cdef object FORCED = os.environ.get("FUOTA_FEC_KERNEL") or None


def kernels():
    """Names of the kernels that this CPU can run, best first."""
    names = []
    cdef const fuota_kernel *k = fuota_kernel_at(FEATURES, 0)
    while k != NULL:
        names.append(fuota_kernel_name(k).decode())
        k = fuota_kernel_at(FEATURES, <unsigned> len(names))
    return names


def cpu_features():
    """Names of the CPU features that kernels use and that the CPU and the operating system offer."""
    names = []
    cdef unsigned idx = 0
    while fuota_cpu_feature_name(idx) != NULL:
        if FEATURES >> idx & 1:
            names.append(fuota_cpu_feature_name(idx).decode())
        idx += 1
    return names


cdef const fuota_kernel *find_kernel(object name, str origin) except NULL:
    cdef const fuota_kernel *k = NULL
    if isinstance(name, str) and "\0" not in name:
        encoded = name.encode(errors="replace")
        k = fuota_kernel_by_name(FEATURES, encoded)
    if k == NULL:
        names = ", ".join(kernels())
        raise ParameterError(f"{origin}: kernel {name!r} is not one that this CPU can run, expected {names}")
    return k


cdef const fuota_kernel *pick(object name) except NULL:
    if name is not None:
        return find_kernel(name, "kernel")
    if DEFAULT != NULL:
        return DEFAULT
    return find_kernel(FORCED, "FUOTA_FEC_KERNEL")


if FORCED is None:
    DEFAULT = fuota_kernel_at(FEATURES, 0)
else:
    # An unknown name leaves DEFAULT empty: the import succeeds, and the first call that needs a kernel raises.
    try:
        DEFAULT = find_kernel(FORCED, "FUOTA_FEC_KERNEL")
    except ParameterError:
        pass


def kernel():
    """Name of the kernel in use: the best, or the one that the environment variable FUOTA_FEC_KERNEL names."""
    return fuota_kernel_name(pick(None)).decode()


# ---- memory ----------------------------------------------------------------------------------------------

include "_core_memory.pxi"
include "_core_rows.pxi"

# ---- checks ----------------------------------------------------------------------------------------------

cdef int check(fuota_status status) except -1:
    if status == FUOTA_OK:
        return 0
    if status == FUOTA_NO_MEMORY:
        raise MemoryError("the core cannot allocate its memory")
    raise ParameterError(f"core: {fuota_status_name(status).decode()}")


cdef int check_dialect(int dialect) except -1:
    if dialect != FUOTA_TS004_1_0_0 and dialect != FUOTA_TS004_2_0_0:
        raise ParameterError(f"dialect: {dialect} is not the number of a dialect, expected 1 or 2")
    return 0


cdef int check_n_frags(size_t n_frags) except -1:
    if not 1 <= n_frags <= FUOTA_MAX_FRAGS:
        raise ParameterError(f"n_frags: {n_frags} is not from 1 to {FUOTA_MAX_FRAGS}")
    return 0


cdef long long small_int(object value) noexcept:
    """The value of an int, -1 if it is anything else or does not fit."""
    cdef int overflow = 0
    cdef long long number
    if not PyLong_CheckExact(value):
        return -1
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    return -1 if overflow else number


# ---- lists ----------------------------------------------------------------------------------------------

def packed(values, long long low, long long high):
    """Whole numbers from low to high of a list or tuple as uint32 bytes, or None for values that are unusual or wrong."""
    cdef long long number
    cdef uint32_t *numbers
    cdef Py_ssize_t i = 0, n
    if type(values) is not list and type(values) is not tuple:
        return None
    n = len(values)
    result = PyBytes_FromStringAndSize(NULL, n * sizeof(uint32_t))
    numbers = <uint32_t *> PyBytes_AS_STRING(result)
    for value in values:
        number = small_int(value)
        if not low <= number <= high or i == n:
            return None
        numbers[i] = <uint32_t> number
        i += 1
    return result if i == n else None


def joined(payloads, Py_ssize_t length):
    """Bytes objects of one length, a list or tuple, one after the other; None for payloads that are unusual or wrong."""
    cdef Py_ssize_t i = 0, n
    if type(payloads) is not list and type(payloads) is not tuple:
        return None
    n = len(payloads)
    result = PyBytes_FromStringAndSize(NULL, n * length)
    for payload in payloads:
        if not PyBytes_CheckExact(payload) or PyBytes_GET_SIZE(payload) != length or i == n:
            return None
        memcpy(PyBytes_AS_STRING(result) + i * length, PyBytes_AS_STRING(payload), length)
        i += 1
    return result if i == n else None


# ---- matrix ----------------------------------------------------------------------------------------------

def panels_len(size_t n_rows, size_t n_cols):
    """Bytes of a coefficient matrix in panel layout."""
    return fuota_panels_len(n_rows, n_cols)


def parity_panels(uint32_t n_frags, int dialect, rows, panels, kernel=None):
    """Write the rows whose numbers are in `rows` (uint32) to `panels` (panels_len(len(rows), n_frags) bytes)."""
    cdef const fuota_kernel *k = pick(kernel)
    cdef View numbers = copy_view(rows, "rows"), matrix = write_view(panels, "panels")
    check_dialect(dialect)
    check_n_frags(n_frags)
    if rows_in(&matrix.buffer, n_frags) < n_numbers(numbers):
        raise ParameterError(f"panels: {matrix.buffer.len} bytes are too few for {n_numbers(numbers)} rows, "
                             f"expected panels_len(n_rows, n_frags)")
    with nogil:
        fuota_parity_panels(k, n_frags, <fuota_dialect> dialect, numbers_of(numbers), n_numbers(numbers),
                            <uint8_t *> matrix.buffer.buf)


def panels_unpack(panels, size_t n_cols, size_t start, size_t stop, bits):
    """Write rows start … stop-1 of a matrix to `bits`, a byte of 0 or 1 for each coefficient, row after row."""
    cdef View matrix = read_view(panels, "panels"), out = write_view(bits, "bits")
    cdef size_t row
    if n_cols == 0 or start > stop or rows_in(&matrix.buffer, n_cols) < stop or \
            <size_t> out.buffer.len // n_cols < stop - start:
        raise ParameterError("bits: rows outside the matrix, or too little room for them")
    with nogil:
        for row in range(start, stop):
            fuota_panels_unpack(<const uint8_t *> matrix.buffer.buf, n_cols, row,
                                <uint8_t *> out.buffer.buf + (row - start) * n_cols)


# ---- encoder ---------------------------------------------------------------------------------------------

include "_core_encoder.pxi"

# ---- fleets ----------------------------------------------------------------------------------------------

def matrix_columns(panels, size_t n_rows, size_t n_frags, columns):
    """Write a coefficient matrix by columns, 64 rows to a word (uint64): ceil(n_rows / 64) × n_frags words."""
    cdef View matrix = read_view(panels, "panels"), out = write_view(columns, "columns")
    if n_frags == 0 or n_frags > FUOTA_MAX_FRAGS or rows_in(&matrix.buffer, n_frags) < n_rows:
        raise ParameterError("panels: not a matrix of that many rows and columns")
    if n_items(out, sizeof(uint64_t), "columns") < fuota_columns_len(n_rows, n_frags):
        raise ParameterError("columns: too little room for the matrix")
    with nogil:
        fuota_columns(<const uint8_t *> matrix.buffer.buf, n_rows, n_frags, <uint64_t *> out.buffer.buf)


cdef int check_columns(View columns, size_t n_frags, size_t n_rows) except -1:
    if n_frags == 0 or n_frags > FUOTA_MAX_FRAGS or n_rows > 64 * <size_t> FUOTA_MAX_FRAGS or \
            n_items(columns, sizeof(uint64_t), "columns") < fuota_columns_len(n_rows, n_frags):
        raise ParameterError("columns: not a matrix of that many rows and columns")
    return 0


def losses_len(size_t n_bits):
    """Words of a loss bitmap."""
    return fuota_losses_len(n_bits)


def fleet_complete(columns, size_t n_frags, size_t n_rows, lost, needed, kernel=None):
    """Write to needed[d] (int32) after how many coded fragments device d, with bitmap d of `lost`, completes."""
    cdef const fuota_kernel *k = pick(kernel)
    cdef View matrix = read_view(columns, "columns"), losses = read_view(lost, "lost")
    cdef View out = write_view(needed, "needed")
    cdef size_t n_devices = n_items(out, sizeof(int32_t), "needed")
    cdef fuota_status status
    check_columns(matrix, n_frags, n_rows)
    if n_items(losses, sizeof(uint64_t), "lost") // (fuota_losses_len(n_frags) + fuota_losses_len(n_rows)) < n_devices:
        raise ParameterError(f"lost: too few words for {n_devices} devices, expected two bitmaps for each")
    with nogil:
        status = fuota_fleet_complete(k, <const uint64_t *> matrix.buffer.buf, n_frags, n_rows,
                                      <const uint64_t *> losses.buffer.buf, n_devices, <int32_t *> out.buffer.buf)
    check(status)


def fleet_simulate(columns, size_t n_frags, size_t n_rows, uint64_t seed, uint64_t first_device, thresholds, needed,
                   kernel=None):
    """As `fleet_complete`, for devices first_device + d; thresholds[d] (uint32), or [0], draws their losses."""
    cdef const fuota_kernel *k = pick(kernel)
    cdef View limits = copy_view(thresholds, "thresholds")
    cdef View matrix = read_view(columns, "columns"), out = write_view(needed, "needed")
    cdef size_t n_devices = n_items(out, sizeof(int32_t), "needed"), n_thresholds = n_numbers(limits)
    cdef fuota_status status
    check_columns(matrix, n_frags, n_rows)
    if n_thresholds != 1 and n_thresholds != n_devices:
        raise ParameterError(f"thresholds: {n_thresholds} numbers for {n_devices} devices, expected 1 or {n_devices}")
    with nogil:
        status = fuota_fleet_simulate(k, <const uint64_t *> matrix.buffer.buf, n_frags, n_rows, seed, first_device,
                                      numbers_of(limits), n_thresholds != 1, n_devices, <int32_t *> out.buffer.buf)
    check(status)


# ---- rows to send ----------------------------------------------------------------------------------------

SELECT_DEPTH = FUOTA_SELECT_DEPTH


cdef uint64_t largest(View numbers) noexcept:
    cdef uint32_t number, most = 0
    for number in numbers_of(numbers)[:n_numbers(numbers)]:
        most = max(most, number)
    return most


def select_rows(uint32_t n_frags, int dialect, uint32_t n_candidates, uint32_t threshold, uint64_t seed, n_patterns,
                weights, gains, sent, rows, kernel=None):
    """Write to `rows` the rows of 1 … n_candidates to send after `sent`. All arrays are uint32: see fuota_loss_pool.

    n_patterns and weights have n_frags + 1 numbers, gains SELECT_DEPTH + 1 for each stage.
    """
    cdef const fuota_kernel *k = pick(kernel)
    cdef View counts = copy_view(n_patterns, "n_patterns"), values = copy_view(weights, "weights")
    cdef View factors = copy_view(gains, "gains"), before = copy_view(sent, "sent")
    cdef View chosen, out = write_view(rows, "rows")
    cdef size_t n_sent = n_numbers(before), n_rows = <size_t> out.buffer.len // sizeof(uint32_t)
    cdef uint64_t total = 0
    cdef fuota_loss_pool pool
    cdef fuota_status status
    cdef uint32_t number
    check_dialect(dialect)
    check_n_frags(n_frags)
    if n_candidates > FUOTA_MAX_FRAG_NB:
        raise ParameterError(f"n_candidates: {n_candidates} is not from 0 to {FUOTA_MAX_FRAG_NB}")
    if n_numbers(counts) != n_frags + 1 or n_numbers(values) != n_frags + 1:
        raise ParameterError("n_patterns, weights: expected a number for 0 … n_frags losses")
    if n_numbers(factors) == 0 or n_numbers(factors) % (FUOTA_SELECT_DEPTH + 1):
        raise ParameterError(f"gains: expected {FUOTA_SELECT_DEPTH + 1} numbers for each stage")
    if n_sent > n_candidates or n_rows > n_candidates - n_sent:
        raise ParameterError("rows: more than there are candidates")
    for number in numbers_of(before)[:n_sent]:
        if not 1 <= number <= n_candidates:
            raise ParameterError(f"sent: {number} is not a row number from 1 to {n_candidates}")
    for number in numbers_of(counts)[1:n_frags + 1]:
        total += number
    if total >> 20 or largest(values) * largest(factors) >> 40:
        raise ParameterError("n_patterns, weights, gains: sums would not fit, expected fewer than 2^20 patterns, and "
                             "weights times gains below 2^40")
    pool.seed = seed
    pool.threshold = threshold
    pool.n_patterns = numbers_of(counts)
    pool.weights = numbers_of(values)
    pool.gains = numbers_of(factors)
    pool.n_stages = n_numbers(factors) // (FUOTA_SELECT_DEPTH + 1)
    # The core reads its own choices again, so they too must lie where no other thread can change them.
    chosen = read_view(PyBytes_FromStringAndSize(NULL, n_rows * sizeof(uint32_t)), "rows")
    with nogil:
        status = fuota_select_rows(k, n_frags, <fuota_dialect> dialect, n_candidates, &pool, numbers_of(before), n_sent,
                                   n_rows, <uint32_t *> numbers_of(chosen))
    check(status)
    memcpy(out.buffer.buf, numbers_of(chosen), n_rows * sizeof(uint32_t))


# ---- decoder ---------------------------------------------------------------------------------------------

include "_core_decoder.pxi"
