/* Private declarations of the core, used by every file of src_c and by none outside.
 *
 * The core needs a compiler with GNU vector extensions, builtins and attributes; docs/compilers.md lists those
 * supported. Kernels for x86-64 and AArch64 are compiled on these architectures only; the portable kernel is compiled
 * everywhere. */
#ifndef FUOTA_INTERNAL_H
#define FUOTA_INTERNAL_H

/* Apple numbers its releases of Clang differently. */
#if defined(__clang__)
#if !defined(__apple_build_version__) && __clang_major__ < 13
#error "fuota_fec needs Clang 13 or newer"
#endif
#elif defined(__GNUC__)
#if __GNUC__ < 11
#error "fuota_fec needs GCC 11 or newer"
#endif
#else
#error "fuota_fec needs GCC or Clang"
#endif

/* Asserts state what a function relies on and its callers guarantee. Release builds define NDEBUG. */
#include <assert.h>
#include <string.h>

#include "fuota.h"

#define FUOTA_INLINE static inline __attribute__((always_inline))

/* ---- words of 64 bits -------------------------------------------------------------------------------------- */

/* Bit 0 of byte 0 is bit 0 of the word, in any byte order of the machine. */
FUOTA_INLINE uint64_t fuota_load_le64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

FUOTA_INLINE void fuota_store_le64(uint8_t *p, uint64_t x)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
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
    assert(x != 0);
    return (unsigned)__builtin_ctzll(x);
}

/* Index of the highest set bit; x is not 0. */
FUOTA_INLINE unsigned fuota_highest_bit(uint64_t x)
{
    assert(x != 0);
    return 63u - (unsigned)__builtin_clzll(x);
}

FUOTA_INLINE unsigned fuota_count_bits(uint64_t x) { return (unsigned)__builtin_popcountll(x); }

/* ---- sizes: SIZE_MAX if the result does not fit, a length that no buffer has and fuota_buffer_reserve refuses ---- */

FUOTA_INLINE size_t fuota_size_add(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

FUOTA_INLINE size_t fuota_size_mul(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

FUOTA_INLINE size_t fuota_ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }

/* Next multiple of 64: arrays that share a buffer are aligned to 64 each. */
FUOTA_INLINE size_t fuota_round_64(size_t len) { return len > SIZE_MAX - 63 ? SIZE_MAX : (len + 63) & ~(size_t)63; }

FUOTA_INLINE size_t fuota_least_of(size_t a, size_t b) { return a < b ? a : b; }
FUOTA_INLINE size_t fuota_largest_of(size_t a, size_t b) { return a > b ? a : b; }

/* ---- addresses ----------------------------------------------------------------------------------------------- */

FUOTA_INLINE int fuota_is_aligned(const void *p, size_t alignment) { return (uintptr_t)p % alignment == 0; }

/* Next address that is a multiple of 64, for memory that has 63 bytes to spare. */
FUOTA_INLINE uint8_t *fuota_align(void *memory) { return (uint8_t *)(((uintptr_t)memory + 63) & ~(uintptr_t)63); }

/* ---- loss bitmaps --------------------------------------------------------------------------------------------- */

/* Losses are drawn in blocks of so many words, see losses_template.h. */
#define FUOTA_LOSSES_BLOCK_WORDS 8u

/* Words of a loss bitmap: the body of fuota_losses_len(). */
FUOTA_INLINE size_t fuota_losses_words(size_t n_bits)
{
    return fuota_ceil_div(n_bits, 64 * FUOTA_LOSSES_BLOCK_WORDS) * FUOTA_LOSSES_BLOCK_WORDS;
}

/* ---- memory.c: buffers that are kept ----------------------------------------------------------------------- */

/* Memory that is used again: fresh pages are what a large allocation costs. */
typedef struct fuota_buffer {
    uint8_t *memory;
    size_t capacity;
} fuota_buffer;

/* At least len bytes, aligned to 64; the former contents are lost. NULL when memory is short; the buffer is then
 * unchanged. */
uint8_t *fuota_buffer_reserve(fuota_buffer *buffer, size_t len);
/* The same, but the first `used` bytes are kept. */
uint8_t *fuota_buffer_grow(fuota_buffer *buffer, size_t used, size_t len);
void fuota_buffer_free(fuota_buffer *buffer);

/* ---- gf2.c: elimination ----------------------------------------------------------------------------------- */

/* A system of equations over GF(2): a column per equation, a row per unknown; bit a of column c is set if equation c
 * contains unknown a. Columns are examined in order, and each gives a pivot if it is independent of those before it,
 * so the rank is exact after any number of equations, and the first independent ones are the ones used.
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

/* Makes room for at least `n_columns` equations, all zero, and for any number added later. Unknowns and columns are at
 * most FUOTA_MAX_FRAG_NB each. Everything lies in `memory`, which the caller owns. */
fuota_status fuota_elimination_init(fuota_elimination *e, fuota_buffer *memory, const fuota_kernel *kernel,
                                    size_t n_unknowns, size_t n_columns);
/* Examines the first n columns, which the caller has written to `matrix` and `labels`, until the rank is complete, or
 * too many were dependent; add the rest with fuota_elimination_add(). Sets n_columns to the number examined. Called at
 * most once, before any equation is added. */
void fuota_elimination_run(fuota_elimination *e, size_t n);
/* Adds one equation, a byte of 0 or 1 per unknown. Returns 1 if it was independent, otherwise 0 without a change. */
int fuota_elimination_add(fuota_elimination *e, const uint8_t *column, uint32_t label);

#endif
