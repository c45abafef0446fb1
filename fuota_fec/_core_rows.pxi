# Leading rows of parity matrices, kept for the next calls with the same number of fragments and dialect.

# Drawing the rows is more than half of an encode. The rows that were used last are kept, at most MAX_ROWS_LEN bytes of
# them, the rest is freed. Lists and counts change with the GIL held; the rows themselves never change, and those that
# a call uses are freed when it gives them back.
ctypedef struct kept_rows:
    uint32_t n_frags
    fuota_dialect dialect
    size_t n_rows, length
    size_t n_users  # calls that read them, and 1 while they are in the list
    uint8_t *panels

cdef enum:
    MOST_MATRICES = 64
cdef size_t MAX_ROWS_LEN = 16 << 20
cdef kept_rows *recent_rows[MOST_MATRICES]  # used last first
cdef size_t n_recent = 0, recent_len = 0


cdef void give_rows(kept_rows *rows) noexcept:
    """Ends a use; NULL is allowed."""
    if rows != NULL:
        rows.n_users -= 1
        if rows.n_users == 0:
            free(rows.panels)
            free(rows)


cdef kept_rows *find_rows(uint32_t n_frags, fuota_dialect dialect) noexcept:
    """The rows of a matrix, which become the first of the list, or NULL. The use of a caller must be counted."""
    cdef size_t i, at
    cdef kept_rows *rows
    for at in range(n_recent):
        rows = recent_rows[at]
        if rows.n_frags == n_frags and rows.dialect == dialect:
            for i in range(at, 0, -1):
                recent_rows[i] = recent_rows[i - 1]
            recent_rows[0] = rows
            return rows
    return NULL


cdef void forget_last_rows() noexcept:
    global n_recent, recent_len
    n_recent -= 1
    recent_len -= recent_rows[n_recent].length
    give_rows(recent_rows[n_recent])


cdef void keep_rows(kept_rows *rows) noexcept:
    """Puts rows first in the list, in place of fewer ones of the same matrix and of those used longest ago."""
    global n_recent, recent_len
    cdef kept_rows *fewer = find_rows(rows.n_frags, rows.dialect)
    cdef size_t i
    if fewer != NULL:
        if fewer.n_rows >= rows.n_rows:  # another thread was faster
            return
        for i in range(1, n_recent):
            recent_rows[i - 1] = recent_rows[i]
        recent_rows[n_recent - 1] = fewer
        forget_last_rows()
    while n_recent == MOST_MATRICES or (n_recent and recent_len + rows.length > MAX_ROWS_LEN):
        forget_last_rows()
    for i in range(n_recent, 0, -1):
        recent_rows[i] = recent_rows[i - 1]
    recent_rows[0] = rows
    n_recent += 1
    recent_len += rows.length
    rows.n_users += 1


cdef kept_rows *take_rows(const fuota_kernel *k, uint32_t n_frags, fuota_dialect dialect, size_t n_rows) noexcept:
    """Rows 1 … n_rows at least of a matrix, for give_rows(). NULL if they are too long to be kept, or memory is short.

    Releases the GIL while it draws rows."""
    cdef kept_rows *found = find_rows(n_frags, dialect)
    cdef kept_rows *rows
    cdef size_t have = 0, wanted = (n_rows + 7) // 8 * 8, i
    cdef uint32_t *numbers
    if found != NULL:
        found.n_users += 1
        if found.n_rows >= n_rows:
            return found
        have = found.n_rows
        if fuota_panels_len(have + have // 2, n_frags) < MAX_ROWS_LEN // 2:
            wanted = max(wanted, (have + have // 2) // 8 * 8)  # few growths, each of which copies
    cdef size_t length = fuota_panels_len(wanted, n_frags)
    rows = <kept_rows *> malloc(sizeof(kept_rows)) if length <= MAX_ROWS_LEN - 256 else NULL
    numbers = <uint32_t *> malloc(wanted * sizeof(uint32_t)) if rows != NULL else NULL
    if numbers != NULL:
        rows.panels = <uint8_t *> aligned_alloc(64, length // 64 * 64 + 64)
    if numbers == NULL or rows.panels == NULL:
        free(numbers)
        free(rows)
        give_rows(found)
        return NULL
    rows.n_frags = n_frags
    rows.dialect = dialect
    rows.n_rows = wanted
    rows.length = length // 64 * 64 + 64 + sizeof(kept_rows)
    rows.n_users = 1
    with nogil:
        for i in range(wanted):
            numbers[i] = <uint32_t> (i + 1)
        length = fuota_panels_len(have, n_frags)
        if have:
            memcpy(rows.panels, found.panels, length)
        fuota_parity_panels(k, n_frags, dialect, numbers + have, wanted - have, rows.panels + length)
    free(numbers)
    give_rows(found)
    keep_rows(rows)
    return rows


def rows_kept():
    """(n_frags, dialect, n_rows, bytes) of each matrix whose leading rows are kept, used last first."""
    return [(recent_rows[i].n_frags, <int> recent_rows[i].dialect, recent_rows[i].n_rows, recent_rows[i].length)
            for i in range(n_recent)]


def forget_rows():
    """Frees the rows that are kept."""
    while n_recent:
        forget_last_rows()
