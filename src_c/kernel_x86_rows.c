/* Parity rows, a row to a 32-bit lane, each with its own generator.
 *
 * The remainder of a state x by D: floats are exact below 2^24, where all states are. q = x · (1/D) + 2^23
 * - 2^23 rounds the quotient to a whole number, at most one too high, r = x - q·D is exact, and it is negative
 * just when q was too high; as unsigned numbers min(r, r + D) is then the remainder. (2^23 and not 1.5 · 2^23:
 * for D = 3 the quotient itself reaches 2^22.)
 *
 * Setting the bits is what takes the time: one read-modify-write per draw. The panel is built column-major,
 * a byte per column and a bit per row, so that the bit of a lane is a constant. Positions go through memory;
 * those of two steps are written before those of the two steps before them are read, otherwise each read would
 * wait for a wide store to become visible.
 *
 * Positions that do not count go to a dummy column behind the last. In 2.0.0 only new positions count: as no row
 * can overshoot by drawing its deficit blindly, all rows draw theirs and are counted, again and again. The last
 * few are drawn one at a time. */
#include "kernel_x86.h"

#ifdef FUOTA_HAVE_X86

/* A column for every position, the dummy, and room for whole vectors. */
#define COLUMNS_LEN ((FUOTA_MAX_FRAGS + 1 + 63) / 64 * 64)

#define MAGIC 8388608.0f /* 2^23 */

/* Below this many draws, one at a time is faster than a pass over all columns to count them. */
#define FEW_AVX2 60u
#define FEW_AVX512 40u

/* Two positions are read at once: the loads compete with the read-modify-writes. */
#define SET_2(columns, positions, i)                                                                              \
    do {                                                                                                          \
        const uint64_t pair = fuota_load_le64((const uint8_t *)((positions) + (i)));                              \
        (columns)[(uint32_t)pair] |= (uint8_t)(1u << (i));                                                        \
        (columns)[pair >> 32] |= (uint8_t)(2u << (i));                                                            \
    } while (0)
#define SET_8(columns, positions)                                                                                 \
    do {                                                                                                          \
        SET_2(columns, positions, 0);                                                                             \
        SET_2(columns, positions, 2);                                                                             \
        SET_2(columns, positions, 4);                                                                             \
        SET_2(columns, positions, 6);                                                                             \
    } while (0)

static void extremes(const uint32_t *values, unsigned n, uint32_t *least, uint32_t *most)
{
    *least = *most = values[0];
    for (unsigned i = 1; i < n; i++) {
        *least = values[i] < *least ? values[i] : *least;
        *most = values[i] > *most ? values[i] : *most;
    }
}

/* ---- AVX2: eight rows ------------------------------------------------------------------------------------ */

typedef struct divisor_avx2 {
    __m256 reciprocal, value;
    __m256i integer, dummy;
} divisor_avx2;

FUOTA_INLINE FUOTA_TARGET_AVX2 __m256i step_avx2(__m256i x)
{
    const __m256i feedback = _mm256_srli_epi32(_mm256_slli_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 5)), 31), 9);
    return _mm256_add_epi32(_mm256_srli_epi32(x, 1), feedback);
}

FUOTA_INLINE FUOTA_TARGET_AVX2 __m256i position_avx2(__m256i x, const divisor_avx2 *d)
{
    const __m256 magic = _mm256_set1_ps(MAGIC), value = _mm256_cvtepi32_ps(x);
    const __m256 quotient = _mm256_sub_ps(_mm256_fmadd_ps(value, d->reciprocal, magic), magic);
    const __m256i r = _mm256_cvtps_epi32(_mm256_fnmadd_ps(quotient, d->value, value));
    return _mm256_min_epu32(r, _mm256_add_epi32(r, d->integer));
}

/* n draws of every row. Returns, per lane, how many went to the dummy column. */
static FUOTA_TARGET_AVX2 __m256i draw_all_avx2(uint8_t *columns, __m256i *state, const divisor_avx2 *d, uint32_t n)
{
    _Alignas(64) uint32_t positions[2][32];
    __m256i x = *state, rejected = _mm256_setzero_si256();
    const uint32_t n_blocks = n / 4;

#define DRAW_4(to)                                                                                                \
    do {                                                                                                          \
        for (unsigned i = 0; i < 4; i++) {                                                                        \
            x = step_avx2(x);                                                                                     \
            const __m256i position = position_avx2(x, d);                                                         \
            rejected = _mm256_sub_epi32(rejected, _mm256_cmpeq_epi32(position, d->dummy));                        \
            _mm256_store_si256((__m256i *)(to) + i, position);                                                    \
        }                                                                                                         \
    } while (0)
#define SET_32(from)                                                                                              \
    do {                                                                                                          \
        SET_8(columns, (from));                                                                                   \
        SET_8(columns, (from) + 8);                                                                               \
        SET_8(columns, (from) + 16);                                                                              \
        SET_8(columns, (from) + 24);                                                                              \
    } while (0)

    if (n_blocks != 0) {
        DRAW_4(positions[0]);
        for (uint32_t k = 1; k < n_blocks; k++) {
            DRAW_4(positions[k & 1]);
            SET_32(positions[(k - 1) & 1]);
        }
        SET_32(positions[(n_blocks - 1) & 1]);
    }
    for (uint32_t k = n_blocks * 4; k < n; k++) {
        x = step_avx2(x);
        const __m256i position = position_avx2(x, d);
        rejected = _mm256_sub_epi32(rejected, _mm256_cmpeq_epi32(position, d->dummy));
        _mm256_store_si256((__m256i *)positions[0], position);
        SET_8(columns, positions[0]);
    }
#undef DRAW_4
#undef SET_32
    *state = x;
    return rejected;
}

/* Draws `from` … `to` - 1 of the rows that have as many to make. */
static FUOTA_TARGET_AVX2 void draw_some_avx2(uint8_t *columns, __m256i *state, const divisor_avx2 *d, uint32_t from,
                                             uint32_t to, const uint32_t *n_draws)
{
    _Alignas(32) uint32_t positions[2][8];
    const __m256i counts = _mm256_loadu_si256((const __m256i *)n_draws);
    __m256i x = *state;
    _mm256_store_si256((__m256i *)positions[(from - 1) & 1], d->dummy);
    for (uint32_t k = from; k < to; k++) {
        const __m256i mask = _mm256_cmpgt_epi32(counts, _mm256_set1_epi32((int)k));
        x = _mm256_blendv_epi8(x, step_avx2(x), mask);
        _mm256_store_si256((__m256i *)positions[k & 1], _mm256_blendv_epi8(d->dummy, position_avx2(x, d), mask));
        SET_8(columns, positions[(k - 1) & 1]);
    }
    SET_8(columns, positions[(to - 1) & 1]);
    *state = x;
}

/* Ones per row of a column-major panel of n_vectors · 32 columns, eight bit positions side by side. */
static FUOTA_TARGET_AVX2 void count_avx2(const uint8_t *columns, size_t n_vectors, uint32_t *counts)
{
    const __m256i one = _mm256_set1_epi8(1), zero = _mm256_setzero_si256();
    __m256i total[8];
    for (unsigned r = 0; r < 8; r++)
        total[r] = zero;
    for (size_t first = 0; first < n_vectors; first += 255) {
        const size_t n_here = n_vectors - first < 255 ? n_vectors - first : 255;
        __m256i sum[8];
        for (unsigned r = 0; r < 8; r++)
            sum[r] = zero;
        for (size_t i = 0; i < n_here; i++) {
            const __m256i v = _mm256_load_si256((const __m256i *)columns + first + i);
            sum[0] = _mm256_add_epi8(sum[0], _mm256_and_si256(v, one));
            sum[1] = _mm256_add_epi8(sum[1], _mm256_and_si256(_mm256_srli_epi16(v, 1), one));
            sum[2] = _mm256_add_epi8(sum[2], _mm256_and_si256(_mm256_srli_epi16(v, 2), one));
            sum[3] = _mm256_add_epi8(sum[3], _mm256_and_si256(_mm256_srli_epi16(v, 3), one));
            sum[4] = _mm256_add_epi8(sum[4], _mm256_and_si256(_mm256_srli_epi16(v, 4), one));
            sum[5] = _mm256_add_epi8(sum[5], _mm256_and_si256(_mm256_srli_epi16(v, 5), one));
            sum[6] = _mm256_add_epi8(sum[6], _mm256_and_si256(_mm256_srli_epi16(v, 6), one));
            sum[7] = _mm256_add_epi8(sum[7], _mm256_and_si256(_mm256_srli_epi16(v, 7), one));
        }
        for (unsigned r = 0; r < 8; r++)
            total[r] = _mm256_add_epi64(total[r], _mm256_sad_epu8(sum[r], zero));
    }
    for (unsigned r = 0; r < 8; r++) {
        uint64_t parts[4];
        _mm256_storeu_si256((__m256i *)parts, total[r]);
        counts[r] = (uint32_t)(parts[0] + parts[1] + parts[2] + parts[3]);
    }
}

static FUOTA_TARGET_AVX2 void flush_avx2(const uint8_t *columns, size_t n_groups, unsigned n, uint8_t *panel)
{
    const uint64_t wanted = 0x0101010101010101u * ((1u << n) - 1);
    for (size_t group = 0; group < n_groups; group++)
        fuota_store_le64(panel + 8 * group, fuota_transpose_8x8(fuota_load_le64(columns + 8 * group) & wanted));
}

static FUOTA_TARGET_AVX2 void panel_avx2(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n,
                                         uint8_t *panel)
{
    _Alignas(64) uint8_t columns[COLUMNS_LEN];
    _Alignas(32) uint32_t states[8], deficits[8];
    const uint32_t divisor = n_frags + ((n_frags & (n_frags - 1)) == 0), n_draws = n_frags / 2;
    const size_t n_vectors = n_frags / 32 + 1;
    divisor_avx2 d;

    d.reciprocal = _mm256_set1_ps(1.0f / (float)divisor);
    d.value = _mm256_set1_ps((float)divisor);
    d.integer = _mm256_set1_epi32((int)divisor);
    d.dummy = _mm256_set1_epi32((int)n_frags);
    memset(columns, 0, n_vectors * 32);
    for (unsigned r = 0; r < 8; r++)
        states[r] = 1 + 1001 * rows[r < n ? r : 0];
    __m256i state = _mm256_load_si256((const __m256i *)states);
    const __m256i rejected = draw_all_avx2(columns, &state, &d, n_draws);

    uint32_t least, most;
    if (dialect == FUOTA_TS004_1_0_0) {
        _mm256_store_si256((__m256i *)deficits, rejected);
        extremes(deficits, 8, &least, &most);
    } else {
        for (;;) {
            columns[n_frags] = 0;
            count_avx2(columns, n_vectors, deficits);
            for (unsigned r = 0; r < 8; r++)
                deficits[r] = n_draws - deficits[r];
            extremes(deficits, 8, &least, &most);
            if (most <= FEW_AVX2)
                break;
            (void)draw_all_avx2(columns, &state, &d, least);
            draw_some_avx2(columns, &state, &d, least, most, deficits);
        }
    }
    if (most != 0) {
        _mm256_store_si256((__m256i *)states, state);
        for (unsigned r = 0; r < 8; r++)
            fuota_finish_row(columns, n_frags, divisor, dialect, r, states[r], deficits[r]);
    }
    columns[n_frags] = 0;
    flush_avx2(columns, fuota_ceil_div(n_frags, 8), n, panel);
}

void fuota_rows_avx2(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n, uint8_t *panels)
{
    const unsigned n_first = n < 8 ? n : 8;
    panel_avx2(n_frags, dialect, rows, n_first, panels);
    if (n > 8)
        panel_avx2(n_frags, dialect, rows + 8, n - 8, panels + fuota_panels_len(8, n_frags));
}

/* ---- AVX-512: sixteen rows, two panels; fewer than nine are left to AVX2 --------------------------------------------------------------------- */

typedef struct divisor_avx512 {
    __m512 reciprocal, value;
    __m512i integer, dummy;
} divisor_avx512;

FUOTA_INLINE FUOTA_TARGET_AVX512 __m512i step_avx512(__m512i x)
{
    /* (x ^ x >> 5) & 1 in one operation */
    const __m512i bit = _mm512_ternarylogic_epi32(x, _mm512_srli_epi32(x, 5), _mm512_set1_epi32(1), 0x28);
    return _mm512_add_epi32(_mm512_srli_epi32(x, 1), _mm512_slli_epi32(bit, 22));
}

FUOTA_INLINE FUOTA_TARGET_AVX512 __m512i position_avx512(__m512i x, const divisor_avx512 *d)
{
    const __m512 magic = _mm512_set1_ps(MAGIC), value = _mm512_cvtepi32_ps(x);
    const __m512 quotient = _mm512_sub_ps(_mm512_fmadd_ps(value, d->reciprocal, magic), magic);
    const __m512i r = _mm512_cvtps_epi32(_mm512_fnmadd_ps(quotient, d->value, value));
    return _mm512_min_epu32(r, _mm512_add_epi32(r, d->integer));
}

static FUOTA_TARGET_AVX512 __m512i draw_all_avx512(uint8_t *first, uint8_t *second, __m512i *state,
                                                   const divisor_avx512 *d, uint32_t n)
{
    _Alignas(64) uint32_t positions[2][32];
    __m512i x = *state, rejected = _mm512_setzero_si512();
    const __m512i one = _mm512_set1_epi32(1);
    const uint32_t n_pairs = n / 2;

#define DRAW(to)                                                                                                  \
    do {                                                                                                          \
        x = step_avx512(x);                                                                                       \
        const __m512i position = position_avx512(x, d);                                                           \
        const __mmask16 is_dummy = _mm512_cmpeq_epi32_mask(position, d->dummy);                                   \
        rejected = _mm512_mask_add_epi32(rejected, is_dummy, rejected, one);                                      \
        _mm512_store_si512((to), position);                                                                       \
    } while (0)
#define SET_16(from)                                                                                              \
    do {                                                                                                          \
        SET_8(first, (from));                                                                                     \
        SET_8(second, (from) + 8);                                                                                \
    } while (0)

    if (n_pairs != 0) {
        DRAW(positions[0]);
        DRAW(positions[0] + 16);
        for (uint32_t k = 1; k < n_pairs; k++) {
            DRAW(positions[k & 1]);
            DRAW(positions[k & 1] + 16);
            SET_16(positions[(k - 1) & 1]);
            SET_16(positions[(k - 1) & 1] + 16);
        }
        SET_16(positions[(n_pairs - 1) & 1]);
        SET_16(positions[(n_pairs - 1) & 1] + 16);
    }
    if (n & 1) {
        DRAW(positions[0]);
        SET_16(positions[0]);
    }
    *state = x;
    return rejected;
}

static FUOTA_TARGET_AVX512 void draw_some_avx512(uint8_t *first, uint8_t *second, __m512i *state,
                                                 const divisor_avx512 *d, uint32_t from, uint32_t to,
                                                 const uint32_t *n_draws)
{
    _Alignas(64) uint32_t positions[2][16];
    const __m512i counts = _mm512_loadu_si512(n_draws);
    __m512i x = *state;
    _mm512_store_si512(positions[(from - 1) & 1], d->dummy);
    for (uint32_t k = from; k < to; k++) {
        const __mmask16 mask = _mm512_cmpgt_epu32_mask(counts, _mm512_set1_epi32((int)k));
        x = _mm512_mask_mov_epi32(x, mask, step_avx512(x));
        _mm512_store_si512(positions[k & 1], _mm512_mask_mov_epi32(d->dummy, mask, position_avx512(x, d)));
        SET_16(positions[(k - 1) & 1]);
    }
    SET_16(positions[(to - 1) & 1]);
    *state = x;
}
#undef DRAW
#undef SET_16

/* Bit transposes, see kernel_x86_gfni.c: a byte is then 8 columns of one row. */
FUOTA_INLINE FUOTA_TARGET_AVX512 __m512i transpose_avx512(__m512i columns)
{
    const __m512i reversed = _mm512_shuffle_epi8(
        columns, _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)));
    return _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64((long long)0x8040201008040201u), reversed, 0);
}

static FUOTA_TARGET_AVX512 void count_avx512(const uint8_t *columns, size_t n_vectors, uint32_t *counts)
{
    const __m512i nibble_ones = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i low = _mm512_set1_epi8(0x0F), zero = _mm512_setzero_si512();
    _Alignas(64) uint8_t by_row[64];
    for (unsigned i = 0; i < 64; i++)
        by_row[i] = (uint8_t)(8 * (i % 8) + i / 8);
    const __m512i gather = _mm512_load_si512(by_row);
    __m512i total = zero;
    for (size_t first = 0; first < n_vectors; first += 31) { /* 31 · 8 ones fit a byte */
        const size_t n_here = n_vectors - first < 31 ? n_vectors - first : 31;
        __m512i sum = zero;
        for (size_t i = 0; i < n_here; i++) {
            const __m512i v = transpose_avx512(_mm512_load_si512(columns + 64 * (first + i)));
            const __m512i below = _mm512_shuffle_epi8(nibble_ones, _mm512_and_si512(v, low));
            const __m512i above = _mm512_shuffle_epi8(nibble_ones, _mm512_and_si512(_mm512_srli_epi16(v, 4), low));
            sum = _mm512_add_epi8(sum, _mm512_add_epi8(below, above));
        }
        total = _mm512_add_epi64(total, _mm512_sad_epu8(_mm512_permutexvar_epi8(gather, sum), zero));
    }
    _mm256_storeu_si256((__m256i *)counts, _mm512_cvtepi64_epi32(total));
}

static FUOTA_TARGET_AVX512 void flush_avx512(const uint8_t *columns, size_t n_groups, unsigned n, uint8_t *panel)
{
    const __m512i wanted = _mm512_set1_epi8((char)((1u << n) - 1));
    size_t group = 0;
    for (; group + 8 <= n_groups; group += 8)
        _mm512_storeu_si512(panel + 8 * group, transpose_avx512(_mm512_and_si512(
                                                   wanted, _mm512_load_si512(columns + 8 * group))));
    if (group < n_groups)
        _mm512_mask_storeu_epi64(panel + 8 * group, (__mmask8)((1u << (n_groups - group)) - 1),
                                 transpose_avx512(_mm512_and_si512(wanted, _mm512_load_si512(columns + 8 * group))));
}

static FUOTA_TARGET_AVX512 void two_panels_avx512(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n,
                                                  uint8_t *panels)
{
    _Alignas(64) uint8_t first[COLUMNS_LEN], second[COLUMNS_LEN];
    _Alignas(64) uint32_t states[16], deficits[16];
    const uint32_t divisor = n_frags + ((n_frags & (n_frags - 1)) == 0), n_draws = n_frags / 2;
    const size_t n_vectors = n_frags / 64 + 1, n_groups = fuota_ceil_div(n_frags, 8);
    divisor_avx512 d;

    d.reciprocal = _mm512_set1_ps(1.0f / (float)divisor);
    d.value = _mm512_set1_ps((float)divisor);
    d.integer = _mm512_set1_epi32((int)divisor);
    d.dummy = _mm512_set1_epi32((int)n_frags);
    memset(first, 0, n_vectors * 64);
    memset(second, 0, n_vectors * 64);
    for (unsigned r = 0; r < 16; r++)
        states[r] = 1 + 1001 * rows[r < n ? r : 0];
    __m512i state = _mm512_load_si512(states);
    const __m512i rejected = draw_all_avx512(first, second, &state, &d, n_draws);

    uint32_t least, most;
    if (dialect == FUOTA_TS004_1_0_0) {
        _mm512_store_si512(deficits, rejected);
        extremes(deficits, 16, &least, &most);
    } else {
        for (;;) {
            first[n_frags] = second[n_frags] = 0;
            count_avx512(first, n_vectors, deficits);
            count_avx512(second, n_vectors, deficits + 8);
            for (unsigned r = 0; r < 16; r++)
                deficits[r] = n_draws - deficits[r];
            extremes(deficits, 16, &least, &most);
            if (most <= FEW_AVX512)
                break;
            (void)draw_all_avx512(first, second, &state, &d, least);
            draw_some_avx512(first, second, &state, &d, least, most, deficits);
        }
    }
    if (most != 0) {
        _mm512_store_si512(states, state);
        for (unsigned r = 0; r < 16; r++)
            fuota_finish_row(r < 8 ? first : second, n_frags, divisor, dialect, r % 8, states[r], deficits[r]);
    }
    first[n_frags] = second[n_frags] = 0;
    flush_avx512(first, n_groups, 8, panels);
    flush_avx512(second, n_groups, n - 8, panels + 8 * n_groups);
}

void fuota_rows_avx512(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n, uint8_t *panels)
{
    if (n > 8)
        two_panels_avx512(n_frags, dialect, rows, n, panels);
    else
        panel_avx2(n_frags, dialect, rows, n, panels);
}

#endif
