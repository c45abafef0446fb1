# The encoder, and the frames that carry fragments.

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


def encode_leading_into(block, size_t frag_size, int dialect, size_t n_rows, out, size_t offset, size_t stride):
    """As `encode_into`, for rows 1 … n_rows, which are kept for the next calls. False if they are too many for that."""
    cdef const fuota_kernel *k = pick(None)
    cdef View source = read_view(block, "block"), coded = write_view(out, "out")
    cdef size_t n_frags, work_len
    cdef kept_rows *rows
    cdef void *work
    if frag_size == 0:
        raise ParameterError("frag_size: 0 is not a length, expected 1 or more")
    check_dialect(dialect)
    n_frags = <size_t> source.buffer.len // frag_size
    check_n_frags(n_frags)
    if n_rows == 0:
        return True
    check_coded(&coded.buffer, offset, stride, n_rows, frag_size, &source.buffer, n_frags)
    work_len = fuota_encode_work_len(k, n_rows, n_frags, frag_size)
    work = take_work(&work_len)
    rows = take_rows(k, <uint32_t> n_frags, <fuota_dialect> dialect, n_rows)
    if rows != NULL:
        with nogil:
            fuota_encode(k, rows.panels, n_rows, n_frags, frag_size, <const uint8_t *> source.buffer.buf, frag_size,
                         <uint8_t *> coded.buffer.buf + offset, stride, work)
    give_work(work, work_len)
    give_rows(rows)
    return rows != NULL


def lay_frames(block, size_t frag_size, size_t n_frags, rows, uint8_t cid, uint32_t index_bits, frames):
    """Write frames: the fragments of `block`, then room for those of `rows` (uint32) of n_frags fragments, each after
    its header, `cid` and the fragment number with index_bits (little endian). `block` may be empty."""
    cdef View source = read_view(block, "block"), numbers = copy_view(rows, "rows")
    cdef View out = write_view(frames, "frames")
    cdef size_t i, n_uncoded, n_rows = n_numbers(numbers)
    cdef uint8_t *frame
    cdef uint32_t bits
    if frag_size == 0 or frag_size > FUOTA_MAX_FRAG_SIZE:
        raise ParameterError(f"frag_size: {frag_size} is not from 1 to {FUOTA_MAX_FRAG_SIZE}")
    n_uncoded = <size_t> source.buffer.len // frag_size
    if <size_t> out.buffer.len // (frag_size + 3) < n_uncoded + n_rows:
        raise ParameterError("frames: too little room for the fragments")
    frame = <uint8_t *> out.buffer.buf
    for i in range(n_uncoded + n_rows):
        bits = index_bits | <uint32_t> (i + 1 if i < n_uncoded else n_frags + numbers_of(numbers)[i - n_uncoded])
        frame[0] = cid
        frame[1] = bits & 0xFF
        frame[2] = bits >> 8 & 0xFF
        if i < n_uncoded:
            memcpy(frame + 3, <const uint8_t *> source.buffer.buf + i * frag_size, frag_size)
        frame += frag_size + 3


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
            out = np_ndarray((n_coded, frag_size), np_uint8)
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
