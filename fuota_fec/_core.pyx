# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""Binding of the C core: argument to pointer, release the GIL, check the status. No decisions.

Whole-block calls take buffers whose extents are checked here, so that no call can make C read or write outside
them; what the numbers mean is checked by `fuota_fec.codec`.
"""

import os

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.long cimport PyLong_CheckExact
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc

import numpy as np

from fuota_fec.checks import integer
from fuota_fec.errors import ParameterError, UndecodableError

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow)

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
    """Names of the CPU features that kernels ask for, among those that CPU and operating system offer."""
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
        raise ParameterError(f"{origin}: kernel {name!r} is not one of those that this CPU can run: {', '.join(kernels())}")
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
    # An unknown name leaves DEFAULT empty: the first call that needs a kernel says so, importing does not fail.
    try:
        DEFAULT = find_kernel(FORCED, "FUOTA_FEC_KERNEL")
    except ParameterError:
        pass


def kernel():
    """Name of the kernel in use: the best, or the one that the environment variable FUOTA_FEC_KERNEL names."""
    return fuota_kernel_name(pick(None)).decode()


# ---- memory that is used again ----------------------------------------------------------------------------

# Work space and decoders are kept for the next calls, because the pages of fresh memory cost as much as a third of the
# work. They are taken and given back with the GIL held; who finds none that is large enough allocates.
cdef enum:
    SLOTS = 4  # as many threads at once find what they left
cdef size_t KEPT = 16 << 20  # bytes, per slot at most
cdef void *spare_work[SLOTS]
cdef size_t spare_work_len[SLOTS]
cdef fuota_decoder *spare_decoders[SLOTS]


cdef void *take_work(size_t *length) except NULL:
    cdef void *work
    cdef int slot
    for slot in range(SLOTS):
        work = spare_work[slot]
        if work != NULL and spare_work_len[slot] >= length[0]:
            spare_work[slot] = NULL
            length[0] = spare_work_len[slot]
            return work
    work = malloc(length[0] + 1)
    if work == NULL:
        raise MemoryError("the encoder could not get the memory it needs")
    return work


cdef void give_work(void *work, size_t length) noexcept:
    cdef int slot, smallest = 0
    cdef size_t have, least = <size_t> -1
    for slot in range(SLOTS):
        have = spare_work_len[slot] if spare_work[slot] != NULL else 0
        if have < least:
            least = have
            smallest = slot
    if length > KEPT or least >= length:
        free(work)
        return
    free(spare_work[smallest])
    spare_work[smallest] = work
    spare_work_len[smallest] = length


cdef fuota_decoder *take_decoder() noexcept:
    cdef fuota_decoder *decoder
    cdef int slot
    for slot in range(SLOTS):
        decoder = spare_decoders[slot]
        if decoder != NULL:
            spare_decoders[slot] = NULL
            return decoder
    return NULL


cdef void give_decoder(fuota_decoder *decoder) noexcept:
    cdef int slot
    if decoder != NULL and fuota_decoder_memory_len(decoder) <= KEPT:
        for slot in range(SLOTS):
            if spare_decoders[slot] == NULL:
                spare_decoders[slot] = decoder
                return
    fuota_decoder_destroy(decoder)


# ---- buffers ---------------------------------------------------------------------------------------------

cdef int acquire(object owner, Py_buffer *view, int flags, str what) except -1:
    try:
        PyObject_GetBuffer(owner, view, flags)
    except (BufferError, TypeError, ValueError) as error:
        wanted = "a writable C-contiguous buffer" if flags & PyBUF_WRITABLE else "a C-contiguous buffer"
        raise ParameterError(f"{what} must be {wanted}, not {type(owner).__name__} ({error})") from None
    return 0


# Written so that no number that a caller gives can overflow.

cdef size_t rows_in(const Py_buffer *panels, size_t n_cols) noexcept:
    """Rows of a matrix with n_cols ≥ 1 columns that a buffer can hold."""
    return <size_t> panels.len // (n_cols // 8 + (n_cols % 8 != 0)) // 8 * 8


cdef bint has_room(const Py_buffer *out, size_t offset, size_t stride, size_t n_rows, size_t width) noexcept:
    """Whether n_rows ≥ 1 pieces of `width` bytes, `stride` apart, fit from `offset` on."""
    cdef size_t length = <size_t> out.len
    return offset <= length and width <= length - offset and n_rows - 1 <= (length - offset - width) // stride


cdef bint overlap(const Py_buffer *a, size_t a_len, const Py_buffer *b, size_t b_offset, size_t b_len) noexcept:
    cdef uintptr_t a_start = <uintptr_t> a.buf, b_start = <uintptr_t> b.buf + b_offset
    return a_start < b_start + b_len and b_start < a_start + a_len


cdef int check_dialect(int dialect) except -1:
    if dialect != FUOTA_TS004_1_0_0 and dialect != FUOTA_TS004_2_0_0:
        raise ParameterError(f"dialect: {dialect} is not 1 or 2")
    return 0


cdef object aligned_numbers(object numbers, str what):
    """`numbers` (uint32), copied if they do not lie where the CPU wants them."""
    cdef Py_buffer view
    acquire(numbers, &view, PyBUF_SIMPLE, what)
    try:
        if <uintptr_t> view.buf % sizeof(uint32_t) == 0:
            return numbers
        return PyBytes_FromStringAndSize(<const char *> view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef int check(fuota_status status) except -1:
    if status == FUOTA_OK:
        return 0
    if status == FUOTA_NO_MEMORY:
        raise MemoryError("the core could not get the memory it needs")
    raise ParameterError(f"core: {fuota_status_name(status).decode()}")


# ---- matrix and encoder ----------------------------------------------------------------------------------

def panels_len(size_t n_rows, size_t n_cols):
    """Bytes of a coefficient matrix in panel layout."""
    return fuota_panels_len(n_rows, n_cols)


def parity_panels(uint32_t n_frags, int dialect, rows, panels, kernel=None):
    """Write the rows whose numbers are in `rows` (uint32) to `panels` (panels_len(len(rows), n_frags) bytes)."""
    cdef const fuota_kernel *k = pick(kernel)
    cdef Py_buffer rows_view, panels_view
    cdef size_t n_rows
    rows = aligned_numbers(rows, "rows")
    acquire(rows, &rows_view, PyBUF_SIMPLE, "rows")
    try:
        n_rows = <size_t> rows_view.len // sizeof(uint32_t)
        acquire(panels, &panels_view, PyBUF_WRITABLE, "panels")
        try:
            check_dialect(dialect)
            if not 1 <= n_frags <= FUOTA_MAX_FRAGS:
                raise ParameterError(f"n_frags: {n_frags} is not from 1 to {FUOTA_MAX_FRAGS}")
            if rows_in(&panels_view, n_frags) < n_rows:
                raise ParameterError("panels: too short for these rows")
            with nogil:
                fuota_parity_panels(k, n_frags, <fuota_dialect> dialect, <const uint32_t *> rows_view.buf, n_rows,
                                    <uint8_t *> panels_view.buf)
        finally:
            PyBuffer_Release(&panels_view)
    finally:
        PyBuffer_Release(&rows_view)


def panels_unpack(panels, size_t n_cols, size_t start, size_t stop, bits):
    """Rows start … stop-1 of a matrix as 0/1 bytes, row after row, to `bits`."""
    cdef Py_buffer panels_view, bits_view
    cdef size_t row
    acquire(panels, &panels_view, PyBUF_SIMPLE, "panels")
    try:
        acquire(bits, &bits_view, PyBUF_WRITABLE, "bits")
        try:
            if n_cols == 0 or start > stop or rows_in(&panels_view, n_cols) < stop or \
                    <size_t> bits_view.len // n_cols < stop - start:
                raise ParameterError("bits: rows outside the matrix, or too little room for them")
            with nogil:
                for row in range(start, stop):
                    fuota_panels_unpack(<const uint8_t *> panels_view.buf, n_cols, row,
                                        <uint8_t *> bits_view.buf + (row - start) * n_cols)
        finally:
            PyBuffer_Release(&bits_view)
    finally:
        PyBuffer_Release(&panels_view)


def encode_into(block, size_t frag_size, panels, size_t n_rows, out, size_t offset, size_t stride, kernel=None):
    """Coded fragment i of the matrix `panels` goes to out[offset + i * stride …], frag_size bytes."""
    cdef const fuota_kernel *k = pick(kernel)
    cdef Py_buffer block_view, panels_view, out_view
    cdef size_t n_frags
    cdef size_t work_len
    cdef void *work
    if frag_size == 0:
        raise ParameterError("frag_size: 0 is not a length")
    acquire(block, &block_view, PyBUF_SIMPLE, "block")
    try:
        n_frags = <size_t> block_view.len // frag_size
        acquire(panels, &panels_view, PyBUF_SIMPLE, "panels")
        try:
            acquire(out, &out_view, PyBUF_WRITABLE, "out")
            try:
                if n_rows == 0:
                    return
                if n_frags == 0 or rows_in(&panels_view, n_frags) < n_rows:
                    raise ParameterError("panels: not a matrix of that many rows for this block")
                if stride < frag_size or not has_room(&out_view, offset, stride, n_rows, frag_size):
                    raise ParameterError("out: too little room for the coded fragments")
                if overlap(&block_view, n_frags * frag_size, &out_view, offset, (n_rows - 1) * stride + frag_size):
                    raise ParameterError("out: overlaps the block that is to be encoded")
                work_len = fuota_encode_work_len(k, n_rows, n_frags, frag_size)
                work = take_work(&work_len)
                with nogil:
                    fuota_encode(k, <const uint8_t *> panels_view.buf, n_rows, n_frags, frag_size,
                                 <const uint8_t *> block_view.buf, frag_size, <uint8_t *> out_view.buf + offset,
                                 stride, work)
                give_work(work, work_len)
            finally:
                PyBuffer_Release(&out_view)
        finally:
            PyBuffer_Release(&panels_view)
    finally:
        PyBuffer_Release(&block_view)


cdef long long small_int(object value) noexcept:
    """The value of an int, -1 if it is anything else or does not fit."""
    cdef int overflow = 0
    cdef long long number
    if not PyLong_CheckExact(value):
        return -1
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    return -1 if overflow else number


cdef object DIALECTS = {"1.0.0": 1, "2.0.0": 2}


cdef object np_empty = np.empty, np_uint8 = np.dtype(np.uint8), np_ndarray = np.ndarray


def encode_leading(block, frag_size, n_coded, version, out, kernel):
    """What `fuota_fec.encode` does for rows 1 … n_coded, if the arguments are as they usually are; None if not.

    The short way, for small blocks: one call, and the matrix made in memory that is used again. It refuses what it
    does not know, so that the sentences about what is wrong stay in one place.
    """
    cdef long long size = small_int(frag_size), n_rows = small_int(n_coded)
    cdef size_t length, n_frags, panels_len, rows_len, work_len
    cdef const fuota_kernel *k
    cdef fuota_dialect dialect
    cdef Py_buffer block_view, out_view
    cdef uint8_t *work
    cdef uint32_t i
    if size < 1 or size > 255 or n_rows < 1 or n_rows > 0xFFFFFF or type(version) is not str:
        return None
    if type(block) is not bytes and (type(block) is not np_ndarray or block.dtype != np_uint8):
        return None
    known = DIALECTS.get(version)
    if known is None:
        return None
    k = pick(kernel)
    try:
        PyObject_GetBuffer(block, &block_view, PyBUF_SIMPLE)
    except (BufferError, ValueError):
        return None
    try:
        length = <size_t> block_view.len
        n_frags = length // <size_t> size
        if n_frags == 0 or n_frags > FUOTA_MAX_FRAGS or length % <size_t> size:
            return None
        if out is None:
            out = np_empty((n_coded, frag_size), np_uint8)
        elif type(out) is not np_ndarray or out.dtype != np_uint8 or out.shape != (n_coded, frag_size):
            return None
        try:
            PyObject_GetBuffer(out, &out_view, PyBUF_WRITABLE)
        except (BufferError, ValueError):
            return None
        try:
            if overlap(&block_view, length, &out_view, 0, <size_t> out_view.len):
                return None
            dialect = <fuota_dialect> <int> known
            panels_len = fuota_panels_len(<size_t> n_rows, n_frags)
            rows_len = <size_t> n_rows * sizeof(uint32_t)
            work_len = panels_len + rows_len + fuota_encode_work_len(k, <size_t> n_rows, n_frags, <size_t> size)
            work = <uint8_t *> take_work(&work_len)
            with nogil:
                for i in range(<uint32_t> n_rows):
                    (<uint32_t *> work)[i] = i + 1
                fuota_parity_panels(k, <uint32_t> n_frags, dialect, <const uint32_t *> work, <size_t> n_rows,
                                    work + rows_len)
                fuota_encode(k, work + rows_len, <size_t> n_rows, n_frags, <size_t> size,
                             <const uint8_t *> block_view.buf, <size_t> size, <uint8_t *> out_view.buf,
                             <size_t> size, work + rows_len + panels_len)
            give_work(work, work_len)
        finally:
            PyBuffer_Release(&out_view)
    finally:
        PyBuffer_Release(&block_view)
    return out


# ---- fleets ----------------------------------------------------------------------------------------------

def matrix_columns(panels, size_t n_rows, size_t n_frags, columns):
    """A coefficient matrix by columns, 64 rows to a word (uint64): ceil(n_rows / 64) × n_frags words."""
    cdef Py_buffer panels_view, columns_view
    acquire(panels, &panels_view, PyBUF_SIMPLE, "panels")
    try:
        acquire(columns, &columns_view, PyBUF_WRITABLE, "columns")
        try:
            if n_frags == 0 or n_frags > FUOTA_MAX_FRAGS or rows_in(&panels_view, n_frags) < n_rows:
                raise ParameterError("panels: not a matrix of that many rows and columns")
            if words_in(&columns_view) < fuota_columns_len(n_rows, n_frags):
                raise ParameterError("columns: too little room for the matrix")
            with nogil:
                fuota_columns(<const uint8_t *> panels_view.buf, n_rows, n_frags, <uint64_t *> columns_view.buf)
        finally:
            PyBuffer_Release(&columns_view)
    finally:
        PyBuffer_Release(&panels_view)


cdef size_t devices_in(const Py_buffer *needed) except? 0:
    """32-bit integers of a buffer."""
    if <uintptr_t> needed.buf % sizeof(int32_t):
        raise ParameterError("needed: expected 32-bit integers at an address that is a multiple of 4")
    return <size_t> needed.len // sizeof(int32_t)


cdef size_t words_in(const Py_buffer *view) except? 0:
    """64-bit words of a buffer."""
    if <uintptr_t> view.buf % sizeof(uint64_t):
        raise ParameterError("expected 64-bit words at an address that is a multiple of 8")
    return <size_t> view.len // sizeof(uint64_t)


def losses_len(size_t n_bits):
    """Words of a loss bitmap."""
    return fuota_losses_len(n_bits)


def fleet_complete(columns, size_t n_frags, size_t n_rows, lost, needed, kernel=None):
    """needed[d] (int32) for devices whose loss bitmaps follow each other in `lost` (uint64)."""
    cdef const fuota_kernel *k = pick(kernel)
    cdef Py_buffer columns_view, lost_view, needed_view
    cdef size_t n_devices
    cdef fuota_status status
    acquire(columns, &columns_view, PyBUF_SIMPLE, "columns")
    try:
        acquire(lost, &lost_view, PyBUF_SIMPLE, "lost")
        try:
            acquire(needed, &needed_view, PyBUF_WRITABLE, "needed")
            try:
                n_devices = devices_in(&needed_view)
                check_fleet(&columns_view, n_frags, n_rows)
                if words_in(&lost_view) // (fuota_losses_len(n_frags) + fuota_losses_len(n_rows)) < n_devices:
                    raise ParameterError("lost: not a bitmap for every device")
                with nogil:
                    status = fuota_fleet_complete(k, <const uint64_t *> columns_view.buf, n_frags, n_rows,
                                                  <const uint64_t *> lost_view.buf, n_devices,
                                                  <int32_t *> needed_view.buf)
                check(status)
            finally:
                PyBuffer_Release(&needed_view)
        finally:
            PyBuffer_Release(&lost_view)
    finally:
        PyBuffer_Release(&columns_view)


def fleet_simulate(columns, size_t n_frags, size_t n_rows, uint64_t seed, uint64_t first_device, thresholds, needed,
                   kernel=None):
    """needed[d] (int32) for devices first_device + d, whose losses are drawn with thresholds[d] (uint32), or [0]."""
    cdef const fuota_kernel *k = pick(kernel)
    cdef Py_buffer columns_view, thresholds_view, needed_view
    cdef size_t n_devices, n_thresholds
    cdef fuota_status status
    acquire(columns, &columns_view, PyBUF_SIMPLE, "columns")
    try:
        acquire(thresholds, &thresholds_view, PyBUF_SIMPLE, "thresholds")
        try:
            acquire(needed, &needed_view, PyBUF_WRITABLE, "needed")
            try:
                n_devices = devices_in(&needed_view)
                n_thresholds = <size_t> thresholds_view.len // sizeof(uint32_t)
                check_fleet(&columns_view, n_frags, n_rows)
                if n_thresholds != 1 and n_thresholds != n_devices or \
                        <uintptr_t> thresholds_view.buf % sizeof(uint32_t):
                    raise ParameterError("thresholds: expected one uint32, or one for each device")
                with nogil:
                    status = fuota_fleet_simulate(k, <const uint64_t *> columns_view.buf, n_frags, n_rows, seed,
                                                  first_device, <const uint32_t *> thresholds_view.buf,
                                                  n_thresholds != 1, n_devices, <int32_t *> needed_view.buf)
                check(status)
            finally:
                PyBuffer_Release(&needed_view)
        finally:
            PyBuffer_Release(&thresholds_view)
    finally:
        PyBuffer_Release(&columns_view)


cdef int check_fleet(const Py_buffer *columns, size_t n_frags, size_t n_rows) except -1:
    if n_frags == 0 or n_frags > FUOTA_MAX_FRAGS or n_rows > 64 * <size_t> FUOTA_MAX_FRAGS or \
            words_in(columns) < fuota_columns_len(n_rows, n_frags):
        raise ParameterError("columns: not a matrix of that many rows and columns")
    return 0


# ---- which rows to send ----------------------------------------------------------------------------------

SELECT_DEPTH = FUOTA_SELECT_DEPTH


cdef size_t numbers_in(const Py_buffer *view, str what) except? 0:
    """uint32 of a buffer."""
    if <uintptr_t> view.buf % sizeof(uint32_t):
        raise ParameterError(f"{what}: expected 32-bit integers at an address that is a multiple of 4")
    return <size_t> view.len // sizeof(uint32_t)


cdef uint64_t largest(const Py_buffer *view) noexcept:
    cdef uint32_t most = 0
    cdef size_t i
    for i in range(<size_t> view.len // sizeof(uint32_t)):
        most = max(most, (<const uint32_t *> view.buf)[i])
    return most


def select_rows(uint32_t n_frags, int dialect, uint32_t n_candidates, uint32_t threshold, uint64_t seed, n_patterns,
                weights, gains, sent, rows, kernel=None):
    """Write to `rows` which of the rows 1 … n_candidates to send after `sent`. All arrays are uint32: see fuota_loss_pool.

    n_patterns and weights have n_frags + 1 numbers, gains SELECT_DEPTH + 1 for each stage.
    """
    cdef const fuota_kernel *k = pick(kernel)
    cdef Py_buffer views[5]
    cdef int n_views = 0
    cdef size_t sizes[5]
    cdef size_t i
    cdef uint64_t total = 0
    cdef fuota_loss_pool pool
    cdef fuota_status status
    cdef uint32_t number
    check_dialect(dialect)
    if not 1 <= n_frags <= FUOTA_MAX_FRAGS or n_candidates > FUOTA_MAX_FRAG_NB:
        raise ParameterError(f"n_frags, n_candidates: {n_frags} and {n_candidates} are not what a matrix can have")
    try:
        for what, owner in (("n_patterns", n_patterns), ("weights", weights), ("gains", gains), ("sent", sent),
                            ("rows", rows)):
            acquire(owner, &views[n_views], PyBUF_WRITABLE if n_views == 4 else PyBUF_SIMPLE, what)
            n_views += 1
            sizes[n_views - 1] = numbers_in(&views[n_views - 1], what)
        if sizes[0] != n_frags + 1 or sizes[1] != n_frags + 1:
            raise ParameterError("n_patterns, weights: expected a number for 0 … n_frags losses")
        if sizes[2] == 0 or sizes[2] % (FUOTA_SELECT_DEPTH + 1):
            raise ParameterError(f"gains: expected {FUOTA_SELECT_DEPTH + 1} numbers for each stage")
        if sizes[3] > n_candidates or sizes[4] > n_candidates - sizes[3]:
            raise ParameterError("rows: more than there are candidates")
        for i in range(sizes[3]):
            number = (<const uint32_t *> views[3].buf)[i]
            if not 1 <= number <= n_candidates:
                raise ParameterError(f"sent: {number} is not a row number from 1 to {n_candidates}")
        for i in range(1, n_frags + 1):
            total += (<const uint32_t *> views[0].buf)[i]
        if total >> 20 or largest(&views[1]) * largest(&views[2]) >> 40:
            raise ParameterError("n_patterns, weights, gains: sums of them would not fit")
        pool.seed = seed
        pool.threshold = threshold
        pool.n_patterns = <const uint32_t *> views[0].buf
        pool.weights = <const uint32_t *> views[1].buf
        pool.gains = <const uint32_t *> views[2].buf
        pool.n_stages = sizes[2] // (FUOTA_SELECT_DEPTH + 1)
        with nogil:
            status = fuota_select_rows(k, n_frags, <fuota_dialect> dialect, n_candidates, &pool,
                                       <const uint32_t *> views[3].buf, sizes[3], sizes[4],
                                       <uint32_t *> views[4].buf)
        check(status)
    finally:
        while n_views:
            n_views -= 1
            PyBuffer_Release(&views[n_views])


# ---- decoder ---------------------------------------------------------------------------------------------

cdef uint32_t checked_frag_nb(object frag_nb) except 0:
    cdef int overflow = 0
    cdef long long value = 0
    if PyLong_CheckExact(frag_nb):
        value = PyLong_AsLongLongAndOverflow(frag_nb, &overflow)
    if value < 1 or value > 16383:
        return <uint32_t> integer("frag_nb", frag_nb, 1, 16383)  # Other kinds of number, and what is wrong.
    return <uint32_t> value


cdef class Decoder:
    cdef fuota_decoder *decoder
    cdef readonly uint32_t n_frags
    cdef readonly uint32_t frag_size

    def __cinit__(self, uint32_t n_frags, uint32_t frag_size, int dialect, kernel=None):
        cdef const fuota_kernel *k = pick(kernel)
        check_dialect(dialect)
        if not 1 <= n_frags <= FUOTA_MAX_FRAGS or not 1 <= frag_size <= FUOTA_MAX_FRAG_SIZE:
            raise ParameterError(f"n_frags, frag_size: {n_frags} and {frag_size} are not what a block can have")
        self.n_frags = n_frags
        self.frag_size = frag_size
        self.decoder = take_decoder()
        if self.decoder == NULL:
            self.decoder = fuota_decoder_create(k, n_frags, frag_size, <fuota_dialect> dialect)
        elif fuota_decoder_reset(self.decoder, k, n_frags, frag_size, <fuota_dialect> dialect) != FUOTA_OK:
            fuota_decoder_destroy(self.decoder)
            self.decoder = NULL
        if self.decoder == NULL:
            raise MemoryError("the decoder could not get the memory it needs")

    def __dealloc__(self):
        give_decoder(self.decoder)

    def push(self, frag_nb, payload, /):
        """Take fragment `frag_nb` (1 … 16383; above n_frags it is coded) of frag_size bytes.

        Any order; duplicates are ignored. Returns whether the block is determined. The call that completes it, and
        calls after as many fragments have come as the block has, cost an elimination; others only a copy.
        """
        cdef Py_buffer view
        cdef uint32_t number = checked_frag_nb(frag_nb)
        if PyBytes_CheckExact(payload):
            if PyBytes_GET_SIZE(payload) != self.frag_size:
                raise self._wrong_length(PyBytes_GET_SIZE(payload))
            check(fuota_decoder_push(self.decoder, number, <const uint8_t *> PyBytes_AS_STRING(payload)))
        else:
            acquire(payload, &view, PyBUF_SIMPLE, "payload")
            try:
                if view.len != self.frag_size:
                    raise self._wrong_length(view.len)
                check(fuota_decoder_push(self.decoder, number, <const uint8_t *> view.buf))
            finally:
                PyBuffer_Release(&view)
        return fuota_decoder_complete(self.decoder) != 0

    def _wrong_length(self, length):
        return ParameterError(f"payload: {length} bytes, expected frag_size = {self.frag_size}")

    def push_many(self, frag_nbs, payloads):
        """Take len(frag_nbs) fragments: numbers as uint32, payloads one after the other. As `push`, GIL released."""
        cdef Py_buffer numbers_view, payloads_view
        cdef size_t n, i
        cdef uint32_t number
        cdef fuota_status status
        frag_nbs = aligned_numbers(frag_nbs, "frag_nbs")
        acquire(frag_nbs, &numbers_view, PyBUF_SIMPLE, "frag_nbs")
        try:
            n = <size_t> numbers_view.len // sizeof(uint32_t)
            acquire(payloads, &payloads_view, PyBUF_SIMPLE, "payloads")
            try:
                if <size_t> payloads_view.len != n * self.frag_size:
                    raise ParameterError(f"payloads: {payloads_view.len} bytes, expected {n} fragments of "
                                         f"frag_size = {self.frag_size}")
                for i in range(n):
                    number = (<const uint32_t *> numbers_view.buf)[i]
                    if number == 0 or number > 16383:
                        checked_frag_nb(number)
                with nogil:
                    status = fuota_decoder_push_many(self.decoder, <const uint32_t *> numbers_view.buf,
                                                     <const uint8_t *> payloads_view.buf, self.frag_size, n)
                check(status)
            finally:
                PyBuffer_Release(&payloads_view)
        finally:
            PyBuffer_Release(&numbers_view)
        return fuota_decoder_complete(self.decoder) != 0

    @property
    def complete(self):
        """Whether the fragments taken so far determine the block."""
        return fuota_decoder_complete(self.decoder) != 0

    @property
    def rank(self):
        """Number of independent fragments taken so far; n_frags when complete."""
        cdef uint32_t rank = 0
        cdef fuota_status status
        with nogil:
            status = fuota_decoder_rank(self.decoder, &rank)
        check(status)
        return rank

    @property
    def missing(self):
        """Number of independent fragments still needed; 0 when complete."""
        return self.n_frags - self.rank

    def block(self):
        """The n_frags × frag_size bytes of the block, padding included. UndecodableError before it is complete."""
        cdef fuota_status status
        with nogil:
            status = fuota_decoder_solve(self.decoder)
        if status == FUOTA_INCOMPLETE:
            missing = self.missing
            raise UndecodableError(f"the block is not determined yet: {missing} more independent fragments of "
                                   f"{self.n_frags} are needed", missing=missing)
        check(status)
        return PyBytes_FromStringAndSize(<const char *> fuota_decoder_block(self.decoder),
                                         <Py_ssize_t> self.n_frags * self.frag_size)
