# The decoder. Threads may share one: a call waits while another thread computes in it.

cdef uint32_t checked_frag_nb(object frag_nb) except 0:
    cdef long long number = small_int(frag_nb)
    if number < 1 or number > FUOTA_MAX_FRAG_NB:
        return <uint32_t> integer("frag_nb", frag_nb, 1, FUOTA_MAX_FRAG_NB)  # other integer types, or the error
    return <uint32_t> number


cdef class Decoder:
    # The GIL guards the decoder, except while `busy`: then a call runs in the core without the GIL, and other calls
    # wait at the gate. A call that need not wait only looks at the flag. The gate is a lock, held while it is closed;
    # acquiring it is passing and closing at once. `is_open` is true from the opening until the thread that passed has
    # the GIL, so that no opening is lost: each thread that finds the decoder free opens the gate for the next.
    cdef fuota_decoder *decoder
    cdef PyThread_type_lock gate
    cdef bint busy, is_open
    # Rows that a call borrows from those kept; a decoder with a kernel of its own draws its rows itself.
    cdef kept_rows *rows
    cdef bint borrows
    cdef int dialect_number
    cdef size_t n_waiting
    cdef readonly uint32_t n_frags
    cdef readonly uint32_t frag_size

    def __cinit__(self, uint32_t n_frags, uint32_t frag_size, int dialect, kernel=None):
        cdef const fuota_kernel *k = pick(kernel)
        check_dialect(dialect)
        if not 1 <= n_frags <= FUOTA_MAX_FRAGS or not 1 <= frag_size <= FUOTA_MAX_FRAG_SIZE:
            raise ParameterError(f"n_frags, frag_size: {n_frags}, {frag_size} is not a block, expected 1 to "
                                 f"{FUOTA_MAX_FRAGS} fragments of 1 to {FUOTA_MAX_FRAG_SIZE} bytes")
        self.n_frags = n_frags
        self.frag_size = frag_size
        self.dialect_number = dialect
        self.borrows = kernel is None
        self.decoder = take_decoder()
        if self.decoder == NULL:
            self.decoder = fuota_decoder_create(k, n_frags, frag_size, <fuota_dialect> dialect)
        elif fuota_decoder_reset(self.decoder, k, n_frags, frag_size, <fuota_dialect> dialect) != FUOTA_OK:
            fuota_decoder_destroy(self.decoder)
            self.decoder = NULL
        if self.decoder == NULL:
            raise MemoryError("the decoder cannot allocate its memory")

    def __dealloc__(self):
        give_decoder(self.decoder)
        if self.gate != NULL:
            PyThread_free_lock(self.gate)

    cdef int wait(self) except -1:
        """Returns, with the GIL held, when no other thread computes in the decoder."""
        if self.gate == NULL:
            self.gate = PyThread_allocate_lock()
            if self.gate == NULL:
                raise MemoryError("the decoder cannot allocate a lock")
            PyThread_acquire_lock(self.gate, WAIT_LOCK)
        while self.busy:
            self.n_waiting += 1
            with nogil:
                PyThread_acquire_lock(self.gate, WAIT_LOCK)
            self.n_waiting -= 1
            self.is_open = False
        self.admit_next()
        return 0

    cdef void admit_next(self) noexcept:
        """Opens the gate if a thread waits and may enter."""
        if self.n_waiting and not self.busy and not self.is_open:
            self.is_open = True
            PyThread_release_lock(self.gate)

    cdef int enter(self, size_t n_rows) except -1:
        """Reserves the decoder for a call that gives up the GIL. It borrows rows 1 … n_rows, or what is kept if 0."""
        if self.busy:
            self.wait()
        self.busy = True
        if self.borrows:
            if n_rows:
                self.rows = take_rows(DEFAULT, self.n_frags, <fuota_dialect> self.dialect_number, n_rows)
            else:
                self.rows = find_rows(self.n_frags, <fuota_dialect> self.dialect_number)
                if self.rows != NULL:
                    self.rows.n_users += 1
            if self.rows != NULL:
                fuota_decoder_lend_rows(self.decoder, self.rows.panels, self.rows.n_rows)
        return 0

    cdef void leave(self) noexcept:
        fuota_decoder_lend_rows(self.decoder, NULL, 0)
        give_rows(self.rows)
        self.rows = NULL
        self.busy = False
        self.admit_next()

    cdef bint add(self, uint32_t frag_nb, const uint8_t *payload) except -1:
        """Adds a fragment with the GIL held; returns whether the block is complete."""
        if self.busy:
            self.wait()
        check(fuota_decoder_push(self.decoder, frag_nb, payload))
        return fuota_decoder_complete(self.decoder) != 0

    def push(self, frag_nb, payload, /):
        """Take fragment `frag_nb` (1 … 16383; above n_frags it is coded) of frag_size bytes.

        Any order; duplicates are ignored. Returns whether the block is determined. The call that completes it, and
        calls after as many fragments have come as the block has, cost an elimination; others only a copy.
        """
        cdef Py_buffer buffer
        cdef uint32_t number = checked_frag_nb(frag_nb)
        if PyBytes_CheckExact(payload):
            if PyBytes_GET_SIZE(payload) != self.frag_size:
                raise self._wrong_length(PyBytes_GET_SIZE(payload))
            return self.add(number, <const uint8_t *> PyBytes_AS_STRING(payload))
        acquire(payload, &buffer, PyBUF_SIMPLE, "payload")
        try:
            if buffer.len != self.frag_size:
                raise self._wrong_length(buffer.len)
            return self.add(number, <const uint8_t *> buffer.buf)
        finally:
            PyBuffer_Release(&buffer)

    def _wrong_length(self, length):
        return ParameterError(f"payload: {length} bytes, expected frag_size = {self.frag_size}")

    def push_many(self, frag_nbs, payloads):
        """As `push`, for len(frag_nbs) numbers (uint32) and as many payloads one after the other. Releases the GIL."""
        cdef View numbers = copy_view(frag_nbs, "frag_nbs"), fragments = read_view(payloads, "payloads")
        cdef size_t n = n_numbers(numbers), n_taken = 0, n_coded = 0
        cdef uint32_t number, n_leading = 0
        cdef bint complete
        cdef fuota_status status
        if <size_t> fragments.buffer.len != n * self.frag_size:
            raise ParameterError(f"payloads: {fragments.buffer.len} bytes, expected {n} fragments of "
                                 f"frag_size = {self.frag_size}")
        for number in numbers_of(numbers)[:n]:
            if number == 0 or number > FUOTA_MAX_FRAG_NB:
                checked_frag_nb(number)
            # The fragments that the elimination waits for; a few more join it.
            if n_taken < self.n_frags + 12:
                n_taken += 1
                if number > self.n_frags:
                    n_coded += 1
                    n_leading = max(n_leading, number - self.n_frags)
        # Leading rows are drawn to be kept if most of them are needed now.
        self.enter(n_leading if n_taken >= self.n_frags and 2 * n_coded >= n_leading else 0)
        with nogil:
            status = fuota_decoder_push_many(self.decoder, numbers_of(numbers), <const uint8_t *> fragments.buffer.buf,
                                             self.frag_size, n)
        complete = fuota_decoder_complete(self.decoder) != 0
        self.leave()
        check(status)
        return complete

    @property
    def complete(self):
        """Whether the fragments taken so far determine the block."""
        if self.busy:
            self.wait()
        return fuota_decoder_complete(self.decoder) != 0

    @property
    def rank(self):
        """Number of independent fragments taken so far; n_frags when complete."""
        cdef uint32_t rank = 0
        cdef fuota_status status
        self.enter(0)
        with nogil:
            status = fuota_decoder_rank(self.decoder, &rank)
        self.leave()
        check(status)
        return rank

    @property
    def missing(self):
        """Number of independent fragments still needed; 0 when complete."""
        return self.n_frags - self.rank

    cdef int solve(self) except -1:
        """Computes the missing fragments. UndecodableError before the block is complete."""
        cdef uint32_t rank = 0
        cdef fuota_status status
        self.enter(0)
        with nogil:
            status = fuota_decoder_solve(self.decoder)
            if status == FUOTA_INCOMPLETE and fuota_decoder_rank(self.decoder, &rank) != FUOTA_OK:
                status = FUOTA_NO_MEMORY
        self.leave()
        if status == FUOTA_INCOMPLETE:
            missing = self.n_frags - rank
            raise UndecodableError(f"the block is not determined yet: {missing} more independent fragments of "
                                   f"{self.n_frags} are needed", missing=missing)
        check(status)
        return 0

    def block(self):
        """The n_frags × frag_size bytes of the block, padding included. UndecodableError before it is complete."""
        self.solve()
        # A block that was computed never changes again.
        return PyBytes_FromStringAndSize(<const char *> fuota_decoder_block(self.decoder),
                                         <Py_ssize_t> self.n_frags * self.frag_size)


def decoded(uint32_t n_frags, uint32_t frag_size, int dialect, frag_nbs, payloads):
    """The block of a decoder that takes these fragments alone, as its `push_many` does; it computes in the result."""
    cdef Decoder decoder = Decoder(n_frags, frag_size, dialect)
    cdef bytes block = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> n_frags * frag_size)
    fuota_decoder_lend_block(decoder.decoder, <uint8_t *> PyBytes_AS_STRING(block))
    decoder.push_many(frag_nbs, payloads)
    decoder.solve()
    return block
