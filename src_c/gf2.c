#include <stdlib.h>

#include "internal.h"

FUOTA_INLINE void row_add(uint64_t *row, const uint64_t *other, size_t n_words)
{
    for (size_t w = 0; w < n_words; w++)
        row[w] ^= other[w];
}

FUOTA_INLINE unsigned lowest_bit(uint64_t x)
{
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_ctzll(x);
#else
    unsigned n = 0;
    while (!(x & 1)) {
        x >>= 1;
        n++;
    }
    return n;
#endif
}

/* ---- basis ---------------------------------------------------------------------------------------------- */

fuota_status fuota_basis_init(fuota_basis *basis, size_t n_cols)
{
    basis->n_cols = n_cols;
    basis->n_words = fuota_ceil_div(n_cols, 64);
    basis->rank = 0;
    basis->rows = malloc(n_cols * basis->n_words * sizeof *basis->rows + 1);
    basis->pivot_row = calloc(n_cols + 1, sizeof *basis->pivot_row);
    if (basis->rows == NULL || basis->pivot_row == NULL) {
        fuota_basis_free(basis);
        return FUOTA_NO_MEMORY;
    }
    return FUOTA_OK;
}

void fuota_basis_free(fuota_basis *basis)
{
    free(basis->rows);
    free(basis->pivot_row);
    basis->rows = NULL;
    basis->pivot_row = NULL;
}

int fuota_basis_add(fuota_basis *basis, uint64_t *row)
{
    for (size_t w = 0; w < basis->n_words; w++) {
        while (row[w] != 0) {
            const size_t column = 64 * w + lowest_bit(row[w]);
            const uint32_t owner = basis->pivot_row[column];
            if (owner == 0) {
                memcpy(basis->rows + basis->rank * basis->n_words, row, basis->n_words * sizeof *row);
                basis->pivot_row[column] = (uint32_t)++basis->rank;
                return 1;
            }
            /* The owner is zero below its pivot, so nothing to the left changes. */
            row_add(row + w, basis->rows + (owner - 1) * basis->n_words + w, basis->n_words - w);
        }
    }
    return 0;
}

/* ---- inverse ---------------------------------------------------------------------------------------------
 *
 * In place: once a column has its pivot row P, its bit in P stands for the inverse, and every other row r with
 * factor f = its bit in that column becomes (r without that bit) + f · P. Eight columns at a time the factors
 * form a byte, and f · P is an entry of a table of the 256 sums of the eight pivot rows. */

typedef struct elimination {
    uint64_t *matrix;
    uint8_t *used; /* the row has served as a pivot */
    size_t n, n_words;
} elimination;

/* Takes the row to where the pivots found so far have taken the others. The factors are the bits that the row
 * has in their columns before any of them is used. */
static void catch_up(const elimination *e, uint64_t *row, size_t first, size_t n_found, const uint32_t *pivots)
{
    const uint64_t mask = (((uint64_t)1 << n_found) - 1) << (first % 64);
    const uint64_t factors = (row[first / 64] & mask) >> (first % 64);
    row[first / 64] &= ~mask;
    for (size_t i = 0; i < n_found; i++)
        if ((factors >> i) & 1)
            row_add(row, e->matrix + pivots[first + i] * e->n_words, e->n_words);
}

/* The bit that catch_up would leave in column first + n_found. */
static int bit_after(const elimination *e, const uint64_t *row, size_t first, size_t n_found, const uint32_t *pivots)
{
    uint64_t bits = row[first / 64] >> (first % 64);
    const uint64_t factors = bits;
    for (size_t i = 0; i < n_found; i++)
        if ((factors >> i) & 1)
            bits ^= e->matrix[pivots[first + i] * e->n_words + first / 64] >> (first % 64);
    return (int)((bits >> n_found) & 1);
}

/* Finds pivots for the columns first … first + n_here - 1 and reduces the pivot rows among themselves. Other
 * rows are only looked at, so the cost is a few rows, not the matrix. */
static int find_pivots(elimination *e, size_t first, size_t n_here, uint32_t *pivots, uint8_t *is_local)
{
    for (size_t k = 0; k < n_here; k++) {
        const uint64_t bit = (uint64_t)1 << ((first + k) % 64);
        size_t found = 0;
        while (found < e->n && (e->used[found] || !bit_after(e, e->matrix + found * e->n_words, first, k, pivots)))
            found++;
        if (found == e->n)
            return 0;
        uint64_t *const row = e->matrix + found * e->n_words;
        catch_up(e, row, first, k, pivots);
        for (size_t i = 0; i < k; i++) {
            uint64_t *const other = e->matrix + pivots[first + i] * e->n_words;
            if (other[first / 64] & bit) {
                other[first / 64] &= ~bit;
                row_add(other, row, e->n_words);
            }
        }
        pivots[first + k] = (uint32_t)found;
        e->used[found] = 1;
        is_local[found] = 1;
    }
    return 1;
}

size_t fuota_invert_work_len(size_t n) { return 256 * fuota_ceil_div(n, 64) * sizeof(uint64_t) + 2 * n; }

int fuota_invert(uint64_t *matrix, size_t n, uint32_t *pivots, void *work)
{
    const size_t n_words = fuota_ceil_div(n, 64);
    uint64_t *const table = work;
    elimination e = {matrix, (uint8_t *)(table + 256 * n_words), n, n_words};
    uint8_t *const is_local = e.used + n;

    memset(e.used, 0, n);
    memset(is_local, 0, n);
    for (size_t first = 0; first < n; first += 8) {
        const size_t n_here = n - first < 8 ? n - first : 8;
        if (!find_pivots(&e, first, n_here, pivots, is_local))
            return 0;
        memset(table, 0, n_words * sizeof *table);
        for (size_t i = 0; i < n_here; i++) {
            const uint64_t *const p = matrix + pivots[first + i] * n_words;
            for (size_t v = 0; v < ((size_t)1 << i); v++) {
                uint64_t *const entry = table + (((size_t)1 << i) + v) * n_words;
                for (size_t w = 0; w < n_words; w++)
                    entry[w] = table[v * n_words + w] ^ p[w];
            }
        }
        const uint64_t mask = (((uint64_t)1 << n_here) - 1) << (first % 64);
        for (size_t r = 0; r < n; r++) {
            uint64_t *const row = matrix + r * n_words;
            const size_t byte = (size_t)((row[first / 64] & mask) >> (first % 64));
            if (is_local[r] || byte == 0)
                continue;
            row[first / 64] &= ~mask;
            row_add(row, table + byte * n_words, n_words);
        }
        for (size_t i = 0; i < n_here; i++)
            is_local[pivots[first + i]] = 0;
    }
    return 1;
}
