# Memory of the binding: views of the callers' buffers, and areas that are kept for the next calls.

# ---- buffers of callers ----------------------------------------------------------------------------------

cdef int acquire(object owner, Py_buffer *buffer, int flags, str name) except -1:
    try:
        PyObject_GetBuffer(owner, buffer, flags)
    except (BufferError, TypeError, ValueError) as error:
        expected = "a writable C-contiguous buffer" if flags & PyBUF_WRITABLE else "a C-contiguous buffer"
        raise ParameterError(f"{name}: {type(owner).__name__} is not {expected} ({error})") from None
    return 0


@cython.final
@cython.internal
@cython.freelist(8)
cdef class View:
    """A caller's buffer for the length of one call: released when the function that made the view returns."""
    cdef Py_buffer buffer

    def __dealloc__(self):
        PyBuffer_Release(&self.buffer)


cdef View read_view(object owner, str name):
    cdef View view = View.__new__(View)
    acquire(owner, &view.buffer, PyBUF_SIMPLE, name)
    return view


cdef View write_view(object owner, str name):
    cdef View view = View.__new__(View)
    acquire(owner, &view.buffer, PyBUF_WRITABLE, name)
    return view


cdef View copy_view(object owner, str name):
    """A view of a copy: aligned for integers, and no other thread can change it between the check and the use."""
    cdef View view = read_view(owner, name)
    if not PyBytes_CheckExact(owner):
        owner = PyBytes_FromStringAndSize(<const char *> view.buffer.buf, view.buffer.len)
        PyBuffer_Release(&view.buffer)
        acquire(owner, &view.buffer, PyBUF_SIMPLE, name)
    return view


cdef const uint32_t *numbers_of(View view) noexcept nogil:
    return <const uint32_t *> view.buffer.buf


cdef size_t n_numbers(View view) noexcept nogil:
    return <size_t> view.buffer.len // sizeof(uint32_t)


cdef size_t n_items(View view, size_t item_len, str name) except? 0:
    """Integers of item_len bytes in a buffer that C uses in place."""
    if <uintptr_t> view.buffer.buf % item_len:
        raise ParameterError(f"{name}: address is not a multiple of {item_len}, expected {8 * item_len}-bit integers")
    return <size_t> view.buffer.len // item_len


# Extents are compared by division: no number that a caller gives can overflow.

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


# ---- areas kept for the next calls -----------------------------------------------------------------------

# The pages of fresh memory cost as much as a third of an encode. An area is taken and given back with the GIL held, so
# it belongs to one thread at a time; a call that finds none large enough allocates one.
cdef enum:
    SLOTS = 4  # threads at once that find an area
cdef size_t MAX_KEPT_LEN = 16 << 20  # bytes in a slot
cdef void *spare_work[SLOTS]
cdef size_t spare_work_len[SLOTS]
cdef fuota_decoder *spare_decoders[SLOTS]


cdef void *take_work(size_t *length) except NULL:
    """Work space of at least `length` bytes; sets `length` to its actual size, which give_work() needs."""
    cdef void *work
    cdef int slot
    for slot in range(SLOTS):
        work = spare_work[slot]
        if work != NULL and spare_work_len[slot] >= length[0]:
            spare_work[slot] = NULL
            length[0] = spare_work_len[slot]
            return work
    # On a cache line: an area that starts anywhere makes a small encode 1.4 times slower.
    length[0] = length[0] // 64 * 64 + 64
    work = aligned_alloc(64, length[0])
    if work == NULL:
        raise MemoryError(f"the encoder cannot allocate {length[0]} bytes")
    return work


cdef void give_work(void *work, size_t length) noexcept:
    """Keeps the area in place of the smallest one kept."""
    cdef int slot, smallest = 0
    cdef size_t have, least = <size_t> -1
    for slot in range(SLOTS):
        have = spare_work_len[slot] if spare_work[slot] != NULL else 0
        if have < least:
            least = have
            smallest = slot
    if length > MAX_KEPT_LEN or least >= length:
        free(work)
        return
    free(spare_work[smallest])
    spare_work[smallest] = work
    spare_work_len[smallest] = length


cdef fuota_decoder *take_decoder() noexcept:
    """A decoder that was given back, or NULL."""
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
    if decoder != NULL and fuota_decoder_memory_len(decoder) <= MAX_KEPT_LEN:
        for slot in range(SLOTS):
            if spare_decoders[slot] == NULL:
                spare_decoders[slot] = decoder
                return
    fuota_decoder_destroy(decoder)
