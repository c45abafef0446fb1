/* Parity rows for x86-64, a row to a 32-bit lane: the parts of rows_template.h.
 *
 * The remainder of a state x by D: floats are exact below 2^24, where all states are. q = x · (1/D) + 2^23
 * - 2^23 rounds the quotient to a whole number, at most one too high, r = x - q·D is exact, and it is negative
 * just when q was too high; as unsigned numbers min(r, r + D) is then the remainder. (2^23 and not 1.5 · 2^23:
 * for D = 3 the quotient itself reaches 2^22.)
 *
 * Setting the bits is what takes the time: one read-modify-write per draw. Positions go through memory; those of two
 * steps are written before those of the two steps before them are read, otherwise each read would wait for a wide store
 * to become visible. */
#include "kernel_x86.h"

#ifdef FUOTA_HAVE_X86

#define ROUNDING_MAGIC 8388608.0f /* 2^23 */

/* Up to this many draws, one at a time is faster than a pass over all columns to count them. */
#define FEW_DRAWS_AVX2 60u
#define FEW_DRAWS_AVX512 40u

/* Two positions are read at once: the loads compete with the read-modify-writes. */
#define SET_2(columns, positions, i) \
    do { \
        const uint64_t pair = fuota_load_le64((const uint8_t *)((positions) + (i))); \
        (columns)[(uint32_t)pair] |= (uint8_t)(1u << (i)); \
        (columns)[pair >> 32] |= (uint8_t)(2u << (i)); \
    } while (0)
#define SET_8(columns, positions) \
    do { \
        SET_2(columns, positions, 0); \
        SET_2(columns, positions, 2); \
        SET_2(columns, positions, 4); \
        SET_2(columns, positions, 6); \
    } while (0)

/* ---- AVX2: eight rows ------------------------------------------------------------------------------------ */

typedef struct generators_avx2 {
    __m256 reciprocal, value;
    __m256i divisor, dummy; /* the divisor as an integer, the dummy column */
    __m256i state, rejected;
} generators_avx2;

static FUOTA_TARGET_AVX2 void generators_start_avx2(generators_avx2 *g, uint32_t divisor, uint32_t n_frags,
                                                    const uint32_t *states)
{
    g->reciprocal = _mm256_set1_ps(1.0f / (float)divisor);
    g->value = _mm256_set1_ps((float)divisor);
    g->divisor = _mm256_set1_epi32((int)divisor);
    g->dummy = _mm256_set1_epi32((int)n_frags);
    g->state = _mm256_load_si256((const __m256i *)states);
    g->rejected = _mm256_setzero_si256();
}

static FUOTA_TARGET_AVX2 void generators_states_avx2(const generators_avx2 *g, uint32_t *states)
{
    _mm256_store_si256((__m256i *)states, g->state);
}

static FUOTA_TARGET_AVX2 void count_rejected_avx2(const generators_avx2 *g, const uint32_t *rows, unsigned n,
                                                  uint32_t n_frags, uint32_t n_draws, uint32_t *counts)
{
    (void)rows;
    (void)n;
    (void)n_frags;
    (void)n_draws;
    _mm256_store_si256((__m256i *)counts, g->rejected);
}

FUOTA_INLINE FUOTA_TARGET_AVX2 __m256i step_avx2(__m256i x)
{
    const __m256i feedback = _mm256_srli_epi32(_mm256_slli_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 5)), 31), 9);
    return _mm256_add_epi32(_mm256_srli_epi32(x, 1), feedback);
}

FUOTA_INLINE FUOTA_TARGET_AVX2 __m256i position_avx2(__m256i x, const generators_avx2 *g)
{
    const __m256 magic = _mm256_set1_ps(ROUNDING_MAGIC), value = _mm256_cvtepi32_ps(x);
    const __m256 quotient = _mm256_sub_ps(_mm256_fmadd_ps(value, g->reciprocal, magic), magic);
    const __m256i r = _mm256_cvtps_epi32(_mm256_fnmadd_ps(quotient, g->value, value));
    return _mm256_min_epu32(r, _mm256_add_epi32(r, g->divisor));
}

/* n draws of every row; counts, per lane, those of the dummy column. */
static FUOTA_TARGET_AVX2 void draw_all_avx2(uint8_t (*panels)[FUOTA_COLUMNS_LEN], generators_avx2 *g, uint32_t n)
{
    _Alignas(64) uint32_t positions[2][32];
    uint8_t *const columns = panels[0];
    __m256i x = g->state, rejected = g->rejected;
    const uint32_t n_blocks = n / 4;

#define DRAW_4(to) \
    do { \
        for (unsigned i = 0; i < 4; i++) { \
            x = step_avx2(x); \
            const __m256i position = position_avx2(x, g); \
            rejected = _mm256_sub_epi32(rejected, _mm256_cmpeq_epi32(position, g->dummy)); \
            _mm256_store_si256((__m256i *)(to) + i, position); \
        } \
    } while (0)
#define SET_32(from) \
    do { \
        SET_8(columns, (from)); \
        SET_8(columns, (from) + 8); \
        SET_8(columns, (from) + 16); \
        SET_8(columns, (from) + 24); \
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
        const __m256i position = position_avx2(x, g);
        rejected = _mm256_sub_epi32(rejected, _mm256_cmpeq_epi32(position, g->dummy));
        _mm256_store_si256((__m256i *)positions[0], position);
        SET_8(columns, positions[0]);
    }
#undef DRAW_4
#undef SET_32
    g->state = x;
    g->rejected = rejected;
}

/* Draws the deficit of every row, after the `least` that all of them have. */
static FUOTA_TARGET_AVX2 int draw_deficits_avx2(uint8_t (*panels)[FUOTA_COLUMNS_LEN], generators_avx2 *g,
                                                const uint32_t *deficits, uint32_t least, uint32_t most)
{
    if (most <= FEW_DRAWS_AVX2)
        return 0;
    draw_all_avx2(panels, g, least);
    _Alignas(32) uint32_t positions[2][8];
    uint8_t *const columns = panels[0];
    const __m256i counts = _mm256_loadu_si256((const __m256i *)deficits);
    __m256i x = g->state;
    _mm256_store_si256((__m256i *)positions[(least - 1) & 1], g->dummy);
    for (uint32_t k = least; k < most; k++) {
        const __m256i mask = _mm256_cmpgt_epi32(counts, _mm256_set1_epi32((int)k));
        x = _mm256_blendv_epi8(x, step_avx2(x), mask);
        _mm256_store_si256((__m256i *)positions[k & 1], _mm256_blendv_epi8(g->dummy, position_avx2(x, g), mask));
        SET_8(columns, positions[(k - 1) & 1]);
    }
    SET_8(columns, positions[(most - 1) & 1]);
    g->state = x;
    return 1;
}

/* Eight bit positions side by side, a byte per counter, widened before they overflow. */
static FUOTA_TARGET_AVX2 void count_ones_avx2(const uint8_t *columns, size_t columns_len, uint32_t *counts)
{
    const size_t n_vectors = columns_len / 32;
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

static FUOTA_TARGET_AVX2 void finish_panel_avx2(const uint8_t *columns, size_t n_groups, unsigned n, uint8_t *panel)
{
    fuota_finish_panel(columns, n_groups, n, panel);
}

#define PANELS 1
#define VECTOR_LEN 32
#define TARGET FUOTA_TARGET_AVX2
#define NAME(x) x##_avx2

#include "rows_template.h"

#undef TARGET
#undef NAME

void fuota_rows_avx2(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n, uint8_t *panels)
{
    const unsigned n_first = n < 8 ? n : 8;
    draw_panels_avx2(n_frags, dialect, rows, n_first, panels);
    if (n > 8)
        draw_panels_avx2(n_frags, dialect, rows + 8, n - 8, panels + fuota_panels_len(8, n_frags));
}

/* ---- AVX-512: sixteen rows, two panels; fewer than nine are left to AVX2 ----------------------------------- */

typedef struct generators_avx512 {
    __m512 reciprocal, value;
    __m512i divisor, dummy;
    __m512i state, rejected;
} generators_avx512;

static FUOTA_TARGET_AVX512 void generators_start_avx512(generators_avx512 *g, uint32_t divisor, uint32_t n_frags,
                                                        const uint32_t *states)
{
    g->reciprocal = _mm512_set1_ps(1.0f / (float)divisor);
    g->value = _mm512_set1_ps((float)divisor);
    g->divisor = _mm512_set1_epi32((int)divisor);
    g->dummy = _mm512_set1_epi32((int)n_frags);
    g->state = _mm512_load_si512(states);
    g->rejected = _mm512_setzero_si512();
}

static FUOTA_TARGET_AVX512 void generators_states_avx512(const generators_avx512 *g, uint32_t *states)
{
    _mm512_store_si512(states, g->state);
}

static FUOTA_TARGET_AVX512 void count_rejected_avx512(const generators_avx512 *g, const uint32_t *rows, unsigned n,
                                                      uint32_t n_frags, uint32_t n_draws, uint32_t *counts)
{
    (void)rows;
    (void)n;
    (void)n_frags;
    (void)n_draws;
    _mm512_store_si512(counts, g->rejected);
}

FUOTA_INLINE FUOTA_TARGET_AVX512 __m512i step_avx512(__m512i x)
{
    /* (x ^ x >> 5) & 1 in one operation */
    const __m512i bit = _mm512_ternarylogic_epi32(x, _mm512_srli_epi32(x, 5), _mm512_set1_epi32(1), 0x28);
    return _mm512_add_epi32(_mm512_srli_epi32(x, 1), _mm512_slli_epi32(bit, 22));
}

FUOTA_INLINE FUOTA_TARGET_AVX512 __m512i position_avx512(__m512i x, const generators_avx512 *g)
{
    const __m512 magic = _mm512_set1_ps(ROUNDING_MAGIC), value = _mm512_cvtepi32_ps(x);
    const __m512 quotient = _mm512_sub_ps(_mm512_fmadd_ps(value, g->reciprocal, magic), magic);
    const __m512i r = _mm512_cvtps_epi32(_mm512_fnmadd_ps(quotient, g->value, value));
    return _mm512_min_epu32(r, _mm512_add_epi32(r, g->divisor));
}

static FUOTA_TARGET_AVX512 void draw_all_avx512(uint8_t (*panels)[FUOTA_COLUMNS_LEN], generators_avx512 *g, uint32_t n)
{
    _Alignas(64) uint32_t positions[2][32];
    uint8_t *const first = panels[0], *const second = panels[1];
    __m512i x = g->state, rejected = g->rejected;
    const __m512i one = _mm512_set1_epi32(1);
    const uint32_t n_pairs = n / 2;

#define DRAW(to) \
    do { \
        x = step_avx512(x); \
        const __m512i position = position_avx512(x, g); \
        const __mmask16 is_dummy = _mm512_cmpeq_epi32_mask(position, g->dummy); \
        rejected = _mm512_mask_add_epi32(rejected, is_dummy, rejected, one); \
        _mm512_store_si512((to), position); \
    } while (0)
#define SET_16(from) \
    do { \
        SET_8(first, (from)); \
        SET_8(second, (from) + 8); \
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
    g->state = x;
    g->rejected = rejected;
}

static FUOTA_TARGET_AVX512 int draw_deficits_avx512(uint8_t (*panels)[FUOTA_COLUMNS_LEN], generators_avx512 *g,
                                                    const uint32_t *deficits, uint32_t least, uint32_t most)
{
    if (most <= FEW_DRAWS_AVX512)
        return 0;
    draw_all_avx512(panels, g, least);
    _Alignas(64) uint32_t positions[2][16];
    uint8_t *const first = panels[0], *const second = panels[1];
    const __m512i counts = _mm512_loadu_si512(deficits);
    __m512i x = g->state;
    _mm512_store_si512(positions[(least - 1) & 1], g->dummy);
    for (uint32_t k = least; k < most; k++) {
        const __mmask16 mask = _mm512_cmpgt_epu32_mask(counts, _mm512_set1_epi32((int)k));
        x = _mm512_mask_mov_epi32(x, mask, step_avx512(x));
        _mm512_store_si512(positions[k & 1], _mm512_mask_mov_epi32(g->dummy, mask, position_avx512(x, g)));
        SET_16(positions[(k - 1) & 1]);
    }
    SET_16(positions[(most - 1) & 1]);
    g->state = x;
    return 1;
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

static FUOTA_TARGET_AVX512 void count_ones_avx512(const uint8_t *columns, size_t columns_len, uint32_t *counts)
{
    const size_t n_vectors = columns_len / 64;
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

static FUOTA_TARGET_AVX512 void finish_panel_avx512(const uint8_t *columns, size_t n_groups, unsigned n, uint8_t *panel)
{
    const __m512i wanted = _mm512_set1_epi8((char)((1u << n) - 1));
    size_t group = 0;
    for (; group + 8 <= n_groups; group += 8)
        _mm512_storeu_si512(panel + 8 * group,
                            transpose_avx512(_mm512_and_si512(wanted, _mm512_load_si512(columns + 8 * group))));
    if (group < n_groups)
        _mm512_mask_storeu_epi64(panel + 8 * group, (__mmask8)((1u << (n_groups - group)) - 1),
                                 transpose_avx512(_mm512_and_si512(wanted, _mm512_load_si512(columns + 8 * group))));
}

#define PANELS 2
#define VECTOR_LEN 64
#define TARGET FUOTA_TARGET_AVX512
#define NAME(x) x##_avx512

#include "rows_template.h"

#undef TARGET
#undef NAME

void fuota_rows_avx512(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n, uint8_t *panels)
{
    if (n > 8)
        draw_panels_avx512(n_frags, dialect, rows, n, panels);
    else
        draw_panels_avx2(n_frags, dialect, rows, n, panels);
}

#undef SET_2
#undef SET_8

#endif
