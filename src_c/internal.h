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

FUOTA_INLINE size_t fuota_ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

/* ---- gf2.c: dense bit matrices, rows of 64-bit words, column c = bit c % 64 of word c / 64 --------------- */

/* An echelon basis that grows by one row at a time. rows[i] holds the i-th independent row, reduced; its
 * lowest set column is its pivot, and pivot_row[column] = i + 1 (0 = none). */
typedef struct fuota_basis {
    size_t n_cols, n_words, rank;
    uint64_t *rows;      /* n_cols × n_words */
    uint32_t *pivot_row; /* n_cols */
} fuota_basis;

fuota_status fuota_basis_init(fuota_basis *basis, size_t n_cols);
void fuota_basis_free(fuota_basis *basis);
/* Reduces `row` (n_words, overwritten) and takes it in if it is independent: 1 if so, else 0. */
int fuota_basis_add(fuota_basis *basis, uint64_t *row);

/* Inverts the n × n matrix in place, Gauss–Jordan on eight columns at a time. pivots[k] becomes the row that
 * served as pivot of column k; then x_k = sum over j of matrix[pivots[k]][j] · y_{pivots[j]} solves
 * matrix · x = y. `work` has fuota_invert_work_len(n) bytes. Returns 0 if the matrix is singular. */
size_t fuota_invert_work_len(size_t n);
int fuota_invert(uint64_t *matrix, size_t n, uint32_t *pivots, void *work);

#endif
