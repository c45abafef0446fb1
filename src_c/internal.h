/* Private declarations of the core. Nothing here is seen outside src_c. */
#ifndef FUOTA_INTERNAL_H
#define FUOTA_INTERNAL_H

#include <string.h>

#include "fuota.h"

#if defined(__GNUC__) || defined(__clang__)
#define FUOTA_INLINE static inline __attribute__((always_inline))
#else
#define FUOTA_INLINE static inline
#endif

/* Bit 0 of byte 0 is bit 0 of the word, whatever the machine's byte order. */
FUOTA_INLINE uint64_t fuota_load_le64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

FUOTA_INLINE void fuota_store_le64(uint8_t *p, uint64_t x)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    memcpy(p, &x, 8);
}

/* Bit 8·i + j goes to 8·j + i: three swaps of ever larger squares across the diagonal. */
FUOTA_INLINE uint64_t fuota_transpose_8x8(uint64_t x)
{
    uint64_t t;
    t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAu;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCu;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0u;
    x ^= t ^ (t << 28);
    return x;
}

/* Index of the lowest set bit; x is not 0. */
FUOTA_INLINE unsigned fuota_lowest_bit(uint64_t x)
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

/* Index of the highest set bit; x is not 0. */
FUOTA_INLINE unsigned fuota_highest_bit(uint64_t x)
{
#if defined(__GNUC__) || defined(__clang__)
    return 63u - (unsigned)__builtin_clzll(x);
#else
    unsigned n = 0;
    while (x >>= 1)
        n++;
    return n;
#endif
}

FUOTA_INLINE unsigned fuota_count_bits(uint64_t x)
{
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_popcountll(x);
#else
    unsigned n = 0;
    for (; x != 0; x &= x - 1)
        n++;
    return n;
#endif
}

/* The next address that is a multiple of 64, for memory that has 63 bytes to spare. */
FUOTA_INLINE uint8_t *fuota_align(void *memory) { return (uint8_t *)(((uintptr_t)memory + 63) & ~(uintptr_t)63); }

FUOTA_INLINE size_t fuota_ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

/* ---- memory.c: buffers that are kept ----------------------------------------------------------------------- */

/* Memory that is used again: fresh pages are what a large allocation costs. */
typedef struct fuota_buffer {
    uint8_t *memory;
    size_t capacity;
} fuota_buffer;

/* At least len bytes, aligned to 64; what they held is lost. NULL when memory is short, and then the buffer is as
 * it was. */
uint8_t *fuota_buffer_reserve(fuota_buffer *buffer, size_t len);
/* The same, but the first `used` bytes are kept. */
uint8_t *fuota_buffer_grow(fuota_buffer *buffer, size_t used, size_t len);
void fuota_buffer_free(fuota_buffer *buffer);

/* Lays several arrays into one buffer, each aligned to 64. */
FUOTA_INLINE size_t fuota_round_64(size_t len) { return (len + 63) & ~(size_t)63; }

/* ---- gf2.c: elimination ----------------------------------------------------------------------------------- */

/* A system of equations over GF(2), a column per equation and a row per unknown; column c says which unknowns
 * equation c is the sum of. Columns are examined in order and each gives a pivot if it is independent of those
 * before, so the rank is exact after any number of equations, and the first independent ones are the ones used.
 *
 * The elimination is done in place: the column of a pivot holds what was done to the unit vector of its row.
 * When the rank is complete, unknown a is the sum over all rows b of bit (b, pivot_column[a]) times the right
 * side of the equation pivot_column[b]. */
typedef struct fuota_elimination {
    const fuota_kernel *kernel;
    size_t n_unknowns, n_columns, capacity, stride, rank;
    uint8_t *matrix;        /* n_unknowns rows of `stride` bytes; bit c % 8 of byte c / 8 is column c */
    uint32_t *pivot_column; /* per unknown, FUOTA_NO_PIVOT while it has none */
    uint32_t *labels;       /* per column: the caller's name of the equation */
    uint32_t *free_rows;    /* the n_unknowns - rank unknowns that have no pivot */
    uint8_t *work;
} fuota_elimination;

#define FUOTA_NO_PIVOT UINT32_MAX

/* Room for `n_columns` equations at least, all zero; the later ones of any number. All of it lies in `memory`,
 * which is the caller's. */
fuota_status fuota_elimination_init(fuota_elimination *e, fuota_buffer *memory, const fuota_kernel *kernel,
                                    size_t n_unknowns, size_t n_columns);
/* Examines the first n columns, that the caller has written to `matrix` and `labels`, until the rank is
 * complete, or so many were dependent that the others had better be added one by one. Sets n_columns to how many
 * were examined. To be called once, before any other is added. */
void fuota_elimination_run(fuota_elimination *e, size_t n);
/* Adds one equation, a byte of 0 or 1 per unknown. 1 if it was independent, else 0 and nothing has changed. */
int fuota_elimination_add(fuota_elimination *e, const uint8_t *column, uint32_t label);

#endif
