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

cdef object np_empty = np.empty, np_uint8 = np.dtype(np.uint8), np_ndarray = np.ndarray

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

cdef int check_coded(const Py_buffer *out, size_t offset, size_t stride, size_t n_rows, size_t frag_size,
                     const Py_buffer *block, size_t n_frags) except -1:
    """ParameterError unless `out` has room for n_rows ≥ 1 coded fragments, apart from the block."""
    if stride < frag_size or not has_room(out, offset, stride, n_rows, frag_size):
        raise ParameterError("out: too little room for the coded fragments")
    if overlap(block, n_frags * frag_size, out, offset, (n_rows - 1) * stride + frag_size):
        raise ParameterError("out: overlaps the block that is to be encoded")
    return 0


def encode_into(block, size_t frag_size, panels, size_t n_rows, out, size_t offset, size_t stride, kernel=None):
    """Write coded fragment i of the matrix `panels` to out[offset + i * stride …], frag_size bytes."""
    cdef const fuota_kernel *k = pick(kernel)
    cdef View source = read_view(block, "block"), matrix = read_view(panels, "panels"), coded = write_view(out, "out")
    cdef size_t n_frags, work_len
    cdef void *work
    if frag_size == 0:
        raise ParameterError("frag_size: 0 is not a length, expected 1 or more")
    if n_rows == 0:
        return
    n_frags = <size_t> source.buffer.len // frag_size
    if n_frags == 0 or rows_in(&matrix.buffer, n_frags) < n_rows:
        raise ParameterError("panels: not a matrix of that many rows for this block")
    check_coded(&coded.buffer, offset, stride, n_rows, frag_size, &source.buffer, n_frags)
    work_len = fuota_encode_work_len(k, n_rows, n_frags, frag_size)
    work = take_work(&work_len)
    with nogil:
        fuota_encode(k, <const uint8_t *> matrix.buffer.buf, n_rows, n_frags, frag_size,
                     <const uint8_t *> source.buffer.buf, frag_size, <uint8_t *> coded.buffer.buf + offset, stride,
                     work)
    give_work(work, work_len)


cdef bint is_byte_array(object value) noexcept:
    return type(value) is np_ndarray and value.dtype is np_uint8


cdef bint write_rows(object rows, size_t n_rows, uint32_t *numbers) except -1:
    """Writes the first n_rows of `rows`, or 1 … n_rows without; returns whether they are distinct rows that can be sent,
    from a list or tuple of whole numbers."""
    cdef uint8_t seen[2048]  # a bit for each number up to FUOTA_MAX_FRAG_NB
    cdef long long number
    cdef size_t i = 0
    if rows is None:
        for i in range(n_rows):
            numbers[i] = <uint32_t> (i + 1)
        return True
    memset(seen, 0, sizeof(seen))
    for row in rows:
        if not PyLong_CheckExact(row):
            return False
        if i < n_rows:
            number = small_int(row)
            if not 1 <= number <= FUOTA_MAX_FRAG_NB or seen[number >> 3] >> (number & 7) & 1:
                return False
            seen[number >> 3] |= 1 << (number & 7)
            numbers[i] = <uint32_t> number
            i += 1
    return i == n_rows


def encode_at_once(block, frag_size, n_coded, int dialect, rows, size_t matrix_n_frags, panels, out, kernel):
    """The array of coded fragments, or None for arguments that are unusual or wrong.

    The rows are those of `panels`, a matrix of matrix_n_frags columns, unless it is None; else the first n_coded of
    `rows`, a list, tuple or array; else 1 … n_coded, which are kept for the next calls unless a kernel is named.

    `fuota_fec.encode` tries it before it checks anything: one call, with the matrix in reused memory, takes less time
    for a small block than checks in Python. A refusal costs little, and the caller finds and reports the reason.
    """
    cdef long long size = small_int(frag_size), n_rows = small_int(n_coded)
    cdef const fuota_kernel *k = pick(kernel)
    cdef Py_buffer source, coded, given
    cdef size_t n_frags, rows_len = 0, matrix_len = 0, work_len
    cdef uint8_t *work
    cdef const uint8_t *matrix = NULL
    cdef kept_rows *kept = NULL
    if not (1 <= size <= FUOTA_MAX_FRAG_SIZE and 1 <= n_rows <= FUOTA_MAX_FRAG_NB):
        return None
    if not (PyBytes_CheckExact(block) or is_byte_array(block)):
        return None
    if rows is not None:
        if type(rows) is np_ndarray and rows.ndim == 1 and rows.dtype.kind in "iu":
            rows = rows.tolist()
        if panels is not None or type(rows) not in (list, tuple) or not n_rows <= len(rows) <= FUOTA_MAX_FRAG_NB:
            return None
    # Zeroed, so that each can be released whether or not it was acquired. Two views would cost 4 % of a small encode.
    memset(&source, 0, sizeof(source))
    memset(&coded, 0, sizeof(coded))
    memset(&given, 0, sizeof(given))
    try:
        PyObject_GetBuffer(block, &source, PyBUF_SIMPLE)
        n_frags = <size_t> source.len // <size_t> size
        if not 1 <= n_frags <= FUOTA_MAX_FRAGS or <size_t> source.len != n_frags * <size_t> size:
            return None
        if panels is not None:
            PyObject_GetBuffer(panels, &given, PyBUF_SIMPLE)
            if matrix_n_frags != n_frags or rows_in(&given, n_frags) < <size_t> n_rows:
                return None
            matrix = <const uint8_t *> given.buf
        if out is None:
            out = np_empty((n_coded, frag_size), np_uint8)
        elif not is_byte_array(out) or out.shape != (n_coded, frag_size):
            return None
        PyObject_GetBuffer(out, &coded, PyBUF_WRITABLE)
        check_dialect(dialect)
        check_coded(&coded, 0, size, n_rows, size, &source, n_frags)
        if matrix == NULL and rows is None and kernel is None:
            kept = take_rows(k, <uint32_t> n_frags, <fuota_dialect> dialect, n_rows)
            if kept != NULL:
                matrix = kept.panels
        if matrix == NULL:
            rows_len = n_rows * sizeof(uint32_t)
            matrix_len = fuota_panels_len(n_rows, n_frags)
        work_len = rows_len + matrix_len + fuota_encode_work_len(k, n_rows, n_frags, size)
        work = <uint8_t *> take_work(&work_len)
        if matrix == NULL and not write_rows(rows, n_rows, <uint32_t *> work):
            give_work(work, work_len)
            return None
        with nogil:
            if matrix == NULL:
                fuota_parity_panels(k, <uint32_t> n_frags, <fuota_dialect> dialect, <const uint32_t *> work, n_rows,
                                    work + rows_len)
            fuota_encode(k, matrix if matrix != NULL else work + rows_len, n_rows, n_frags, size,
                         <const uint8_t *> source.buf, size, <uint8_t *> coded.buf, size, work + rows_len + matrix_len)
        give_work(work, work_len)
        return out
    except (BufferError, ValueError):
        return None
    finally:
        give_rows(kept)
        PyBuffer_Release(&source)
        PyBuffer_Release(&coded)
        PyBuffer_Release(&given)


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
