#include "kernels.h"

/* Why columns are the equations: a panel of the parity matrix is eight equations, and its coefficients of one unknown
 * are one byte. So eight columns are a byte of every row, and the panels are laid into the matrix byte by byte.
 *
 * Eight columns at a time: pivots are found by looking at that byte of the free rows alone, the pivot rows are
 * reduced among themselves, and then one pass takes every row to where eight single steps would have taken it:
 * its byte chooses the pivot rows to add, and their 256 sums are a table.
 *
 * In place: once column c has its pivot row P, bit c of P stands for itself in the inverse, and a row r with
 * factor f = its bit c becomes (r without that bit) + f · P. The factors of a row are its bits in the pivot columns
 * before any of the pivots is used, because pivot rows reduced among themselves do not see each other's columns. */

FUOTA_INLINE void bit_row_add(uint8_t *row, const uint8_t *other, size_t stride)
{
    for (size_t i = 0; i < stride; i += 8)
        fuota_store_le64(row + i, fuota_load_le64(row + i) ^ fuota_load_le64(other + i));
}

FUOTA_INLINE unsigned bit_parity(uint64_t x)
{
    x ^= x >> 32;
    x ^= x >> 16;
    x ^= x >> 8;
    x ^= x >> 4;
    return (0x6996u >> (x & 15)) & 1u;
}

/* Room for columns without a pivot. Only a run keeps them; it ends when the room could be used up, so that every later
 * independent equation has a place. Random matrices have a handful of them. */
#define SPARE_COLUMNS 64u

fuota_status fuota_elimination_init(fuota_elimination *e, fuota_buffer *memory, const fuota_kernel *kernel,
                                    size_t n_unknowns, size_t n_columns)
{
    /* The largest sizes, 16383 columns and unknowns, need 40 MB: no sum or product below wraps. */
    assert(n_unknowns >= 1 && n_unknowns <= FUOTA_MAX_FRAG_NB && n_columns <= FUOTA_MAX_FRAG_NB);
    const size_t wanted = (n_columns > n_unknowns ? n_columns : n_unknowns) + SPARE_COLUMNS;
    const size_t stride = fuota_ceil_div(wanted, 8 * FUOTA_BIT_ROW_ALIGN) * FUOTA_BIT_ROW_ALIGN;
    const size_t per_unknown = fuota_round_64(n_unknowns * sizeof(uint32_t));
    const size_t matrix_len = n_unknowns * stride;
    uint8_t *const p = fuota_buffer_reserve(memory, matrix_len + 8 * stride * sizeof(uint32_t) + 2 * per_unknown +
                                                        (256 + 8) * stride + n_unknowns);
    if (p == NULL)
        return FUOTA_NO_MEMORY;
    *e = (fuota_elimination){.kernel = kernel, .n_unknowns = n_unknowns, .stride = stride, .capacity = 8 * stride};
    e->matrix = p;
    e->labels = (uint32_t *)(void *)(p + matrix_len);
    e->pivot_column = e->labels + e->capacity;
    e->free_rows = e->pivot_column + per_unknown / sizeof(uint32_t);
    e->work = (uint8_t *)e->free_rows + per_unknown;
    memset(e->matrix, 0, matrix_len);
    for (size_t a = 0; a < n_unknowns; a++) {
        e->pivot_column[a] = FUOTA_NO_PIVOT;
        e->free_rows[a] = (uint32_t)a;
    }
    return FUOTA_OK;
}

/* Row free_rows[idx] becomes the pivot of `column`. */
static uint32_t take_pivot(fuota_elimination *e, size_t idx, size_t column)
{
    assert(idx < e->n_unknowns - e->rank && column < e->capacity);
    const uint32_t row = e->free_rows[idx];
    e->rank++;
    e->free_rows[idx] = e->free_rows[e->n_unknowns - e->rank];
    e->pivot_column[row] = (uint32_t)column;
    return row;
}

/* The pivots of one byte of columns: copies of their rows by bit, reduced among themselves. */
typedef struct pivots_of_byte {
    uint8_t *rows;
    uint32_t row_of[8];
    uint8_t found; /* bits that have a pivot */
} pivots_of_byte;

/* The row's byte after adding the pivots found so far. */
FUOTA_INLINE unsigned byte_after(const fuota_elimination *e, const pivots_of_byte *p, size_t byte_idx, unsigned byte)
{
    unsigned after = byte;
    for (unsigned i = 0; i < 8; i++)
        if ((p->found & byte) >> i & 1)
            after ^= p->rows[i * e->stride + byte_idx];
    return after;
}

/* Looks for the pivot of bit k. */
static void find_pivot(fuota_elimination *e, pivots_of_byte *p, size_t byte_idx, unsigned k)
{
    const size_t n_free = e->n_unknowns - e->rank, stride = e->stride;
    size_t idx = 0;
    while (idx < n_free && !((byte_after(e, p, byte_idx, e->matrix[e->free_rows[idx] * stride + byte_idx]) >> k) & 1))
        idx++;
    if (idx == n_free)
        return;
    const uint32_t row = take_pivot(e, idx, 8 * byte_idx + k);
    uint8_t *const copy = p->rows + k * stride;
    memcpy(copy, e->matrix + row * stride, stride);
    const unsigned factors = copy[byte_idx] & p->found;
    copy[byte_idx] = (uint8_t)(copy[byte_idx] & ~p->found);
    for (unsigned i = 0; i < 8; i++)
        if ((factors >> i) & 1)
            bit_row_add(copy, p->rows + i * stride, stride);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *const other = p->rows + i * stride;
        if (((p->found >> i) & 1) && ((other[byte_idx] >> k) & 1)) {
            other[byte_idx] = (uint8_t)(other[byte_idx] & ~(1u << k));
            bit_row_add(other, copy, stride);
        }
    }
    p->row_of[k] = row;
    p->found = (uint8_t)(p->found | (1u << k));
}

void fuota_elimination_run(fuota_elimination *e, size_t n)
{
    pivots_of_byte p;
    p.rows = e->work;
    assert(n <= e->capacity && e->n_columns == 0 && e->rank == 0);
    for (size_t byte_idx = 0; e->n_columns < n && e->rank < e->n_unknowns; byte_idx++) {
        if (e->n_columns - e->rank > SPARE_COLUMNS - 8) {
            for (size_t a = 0; a < e->n_unknowns; a++)
                memset(e->matrix + a * e->stride + byte_idx, 0, e->stride - byte_idx);
            return;
        }
        p.found = 0;
        for (unsigned k = 0; k < 8 && e->n_columns < n && e->rank < e->n_unknowns; k++, e->n_columns++)
            find_pivot(e, &p, byte_idx, k);
        if (p.found == 0)
            continue;
        /* A row loses the bits that chose its pivots: adding them does it. */
        for (unsigned i = 0; i < 8; i++)
            if ((p.found >> i) & 1)
                p.rows[i * e->stride + byte_idx] ^= (uint8_t)(1u << i);
        e->kernel->add_pivots(e->matrix, e->n_unknowns, e->stride, byte_idx, p.found, p.rows, e->work + 8 * e->stride);
        for (unsigned i = 0; i < 8; i++) {
            if (!((p.found >> i) & 1))
                continue;
            p.rows[i * e->stride + byte_idx] ^= (uint8_t)(1u << i);
            memcpy(e->matrix + p.row_of[i] * e->stride, p.rows + i * e->stride, e->stride);
        }
    }
}

int fuota_elimination_add(fuota_elimination *e, const uint8_t *column, uint32_t label)
{
    /* The operations on the rows so far, applied to the column: the units of pivot rows have become columns of the
     * matrix, those of free rows are still units. */
    uint8_t *const factors = e->work, *const after = e->work + e->stride;
    const size_t stride = e->stride;
    memset(factors, 0, stride);
    for (size_t a = 0; a < e->n_unknowns; a++) {
        const uint32_t c = e->pivot_column[a];
        if (c != FUOTA_NO_PIVOT && column[a])
            factors[c / 8] = (uint8_t)(factors[c / 8] | (1u << (c % 8)));
    }
    for (size_t a = 0; a < e->n_unknowns; a++) {
        const uint8_t *const row = e->matrix + a * stride;
        uint64_t sum = 0;
        for (size_t i = 0; i < stride; i += 8)
            sum ^= fuota_load_le64(row + i) & fuota_load_le64(factors + i);
        after[a] = (uint8_t)(bit_parity(sum) ^ (e->pivot_column[a] == FUOTA_NO_PIVOT ? column[a] : 0u));
    }
    const size_t n_free = e->n_unknowns - e->rank;
    size_t idx = 0;
    while (idx < n_free && !after[e->free_rows[idx]])
        idx++;
    if (idx == n_free)
        return 0;

    const uint32_t pivot = e->free_rows[idx];
    const size_t c = e->n_columns++;
    (void)take_pivot(e, idx, c);
    e->labels[c] = label;
    uint8_t *const pivot_row = e->matrix + pivot * stride;
    pivot_row[c / 8] = (uint8_t)(pivot_row[c / 8] | (1u << (c % 8)));
    for (size_t a = 0; a < e->n_unknowns; a++)
        if (a != pivot && after[a])
            bit_row_add(e->matrix + a * stride, pivot_row, stride);
    return 1;
}
