/* The AArch64 kernel: NEON belongs to the base architecture.
 *
 * Rows: the parts of rows_template.h, sixteen lanes in four vectors. Remainders are those of the portable kernel, with
 * fused multiply-subtract and no need of a correction that branches.
 *
 * The product: the Method of the Four Russians on strips of 64 byte columns with 4-bit tables, eight at a time, four
 * registers to an entry. */
#include "kernels.h"

#ifdef FUOTA_HAVE_NEON

#include <arm_neon.h>

#define TARGET
#define NAME(x) x##_neon

/* ---- rows ---------------------------------------------------------------------------------------- */

typedef struct generators_neon {
    float32x4_t reciprocal, value;
    uint32x4_t divisor, dummy; /* the divisor as an integer, the dummy column */
    uint32x4_t state[4], rejected[4];
} generators_neon;

static void generators_start_neon(generators_neon *g, uint32_t divisor, uint32_t n_frags, const uint32_t *states)
{
    g->reciprocal = vdupq_n_f32(1.0f / (float)divisor);
    g->value = vdupq_n_f32((float)divisor);
    g->divisor = vdupq_n_u32(divisor);
    g->dummy = vdupq_n_u32(n_frags);
    for (unsigned i = 0; i < 4; i++) {
        g->state[i] = vld1q_u32(states + 4 * i);
        g->rejected[i] = vdupq_n_u32(0);
    }
}

static void generators_states_neon(const generators_neon *g, uint32_t *states)
{
    for (unsigned i = 0; i < 4; i++)
        vst1q_u32(states + 4 * i, g->state[i]);
}

static void count_rejected_neon(const generators_neon *g, const uint32_t *rows, unsigned n, uint32_t n_frags,
                                uint32_t n_draws, uint32_t *counts)
{
    (void)rows;
    (void)n;
    (void)n_frags;
    (void)n_draws;
    for (unsigned i = 0; i < 4; i++)
        vst1q_u32(counts + 4 * i, g->rejected[i]);
}

FUOTA_INLINE uint32x4_t step_neon(uint32x4_t x)
{
    const uint32x4_t feedback = vshrq_n_u32(vshlq_n_u32(veorq_u32(x, vshrq_n_u32(x, 5)), 31), 9);
    return vaddq_u32(vshrq_n_u32(x, 1), feedback);
}

/* The quotient, rounded to nearest, is at most one too high; then r is negative and, unsigned, more than r + D. */
FUOTA_INLINE uint32x4_t position_neon(uint32x4_t x, const generators_neon *g)
{
    const float32x4_t value = vcvtq_f32_u32(x), quotient = vrndnq_f32(vmulq_f32(value, g->reciprocal));
    const uint32x4_t r = vreinterpretq_u32_s32(vcvtq_s32_f32(vfmsq_f32(value, quotient, g->value)));
    return vminq_u32(r, vaddq_u32(r, g->divisor));
}

FUOTA_INLINE void set_8_neon(uint8_t *columns, const uint32_t *positions)
{
    for (unsigned r = 0; r < 8; r++)
        columns[positions[r]] = (uint8_t)(columns[positions[r]] | (1u << r));
}

/* n draws of every row; counts, per lane, those of the dummy column. */
static void draw_all_neon(uint8_t (*columns)[FUOTA_COLUMNS_LEN], generators_neon *g, uint32_t n)
{
    uint32_t positions[2][16];
    uint32x4_t x[4] = {g->state[0], g->state[1], g->state[2], g->state[3]};
    for (uint32_t k = 0; k <= n; k++) {
        /* The draws of a step are written before those of the step before it are read. */
        for (unsigned i = 0; i < 4 && k < n; i++) {
            x[i] = step_neon(x[i]);
            const uint32x4_t p = position_neon(x[i], g);
            g->rejected[i] = vsubq_u32(g->rejected[i], vceqq_u32(p, g->dummy));
            vst1q_u32(positions[k & 1] + 4 * i, p);
        }
        if (k != 0) {
            set_8_neon(columns[0], positions[(k - 1) & 1]);
            set_8_neon(columns[1], positions[(k - 1) & 1] + 8);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        g->state[i] = x[i];
}

/* Draws the smallest deficit of any row, unless it is so small that drawing one at a time is faster than counting. */
static int draw_deficits_neon(uint8_t (*columns)[FUOTA_COLUMNS_LEN], generators_neon *g, const uint32_t *deficits,
                              uint32_t least, uint32_t most)
{
    (void)deficits;
    (void)most;
    if (least <= 32)
        return 0;
    draw_all_neon(columns, g, least);
    return 1;
}

/* Eight bit positions side by side, a byte per counter, widened before they overflow. */
static void count_ones_neon(const uint8_t *columns, size_t columns_len, uint32_t *counts)
{
    const size_t n_vectors = columns_len / 16;
    const uint8x16_t one = vdupq_n_u8(1);
    memset(counts, 0, 8 * sizeof *counts);
    for (size_t at = 0; at < n_vectors; at += 255) {
        const size_t end = n_vectors - at < 255 ? n_vectors : at + 255;
        uint8x16_t sum[8];
        for (unsigned r = 0; r < 8; r++)
            sum[r] = vdupq_n_u8(0);
        for (size_t i = at; i < end; i++) {
            const uint8x16_t v = vld1q_u8(columns + 16 * i);
            sum[0] = vaddq_u8(sum[0], vandq_u8(v, one));
            sum[1] = vaddq_u8(sum[1], vandq_u8(vshrq_n_u8(v, 1), one));
            sum[2] = vaddq_u8(sum[2], vandq_u8(vshrq_n_u8(v, 2), one));
            sum[3] = vaddq_u8(sum[3], vandq_u8(vshrq_n_u8(v, 3), one));
            sum[4] = vaddq_u8(sum[4], vandq_u8(vshrq_n_u8(v, 4), one));
            sum[5] = vaddq_u8(sum[5], vandq_u8(vshrq_n_u8(v, 5), one));
            sum[6] = vaddq_u8(sum[6], vandq_u8(vshrq_n_u8(v, 6), one));
            sum[7] = vaddq_u8(sum[7], vshrq_n_u8(v, 7));
        }
        for (unsigned r = 0; r < 8; r++)
            counts[r] += vaddlvq_u8(sum[r]);
    }
}

static void finish_panel_neon(const uint8_t *columns, size_t n_groups, unsigned n, uint8_t *panel)
{
    fuota_finish_panel(columns, n_groups, n, panel);
}

#define PANELS 2
#define VECTOR_LEN 16

#include "rows_template.h"

/* ---- product ---------------------------------------------------------------------------------------- */

#define STRIP_LEN_NEON 64u
#define TABLES_NEON 8u

typedef uint8x16x4_t strip_neon;

FUOTA_INLINE strip_neon strip_load_neon(const uint8_t *p) { return vld1q_u8_x4(p); }
FUOTA_INLINE void strip_store_neon(uint8_t *p, strip_neon s) { vst1q_u8_x4(p, s); }

FUOTA_INLINE strip_neon strip_sum_neon(strip_neon a, strip_neon b)
{
    for (unsigned i = 0; i < 4; i++)
        a.val[i] = veorq_u8(a.val[i], b.val[i]);
    return a;
}

/* Entry v of a table is the sum of the fragments with a bit in v, of the four from `first` on. */
static void fill_table_neon(uint8_t *table, const uint8_t *block, size_t stride, size_t first, size_t n_frags,
                            size_t width)
{
    memset(table, 0, STRIP_LEN_NEON);
    for (unsigned k = 0; k < 4; k++) {
        uint8_t padded[STRIP_LEN_NEON] = {0};
        if (first + k < n_frags)
            memcpy(padded, block + (first + k) * stride, width);
        const strip_neon source = strip_load_neon(padded);
        for (unsigned v = 0; v < (1u << k); v++)
            strip_store_neon(table + ((1u << k) + v) * STRIP_LEN_NEON,
                             strip_sum_neon(source, strip_load_neon(table + v * STRIP_LEN_NEON)));
    }
}

/* Adds the look-ups of n_groups groups, a constant, to the sums of a panel. */
FUOTA_INLINE void look_up_neon(const uint8_t *tables, const uint8_t *coefficients, unsigned n_groups, uint8_t *sums)
{
    uint64_t words[TABLES_NEON / 2];
    for (unsigned g = 0; g < n_groups; g++)
        words[g] = fuota_load_le64(coefficients + 8 * g);
    for (unsigned r = 0; r < 8; r++) {
        strip_neon sum = strip_load_neon(sums + r * STRIP_LEN_NEON);
        for (unsigned g = 0; g < n_groups; g++) {
            const uint8_t *const low = tables + 2 * g * 16 * STRIP_LEN_NEON, *const high = low + 16 * STRIP_LEN_NEON;
            sum = strip_sum_neon(sum, strip_load_neon(low + ((words[g] >> (8 * r)) & 15) * STRIP_LEN_NEON));
            sum = strip_sum_neon(sum, strip_load_neon(high + ((words[g] >> (8 * r + 4)) & 15) * STRIP_LEN_NEON));
        }
        strip_store_neon(sums + r * STRIP_LEN_NEON, sum);
    }
}

static size_t encode_work_len_neon(size_t n_rows, size_t n_frags, size_t frag_size)
{
    (void)n_frags;
    (void)frag_size;
    return fuota_tables_work_len(TABLES_NEON * 16, n_rows, STRIP_LEN_NEON);
}

static void encode_neon(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                        size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    uint8_t *const tables = fuota_align(work), *const sums = tables + TABLES_NEON * 16 * STRIP_LEN_NEON;
    const size_t n_groups = fuota_ceil_div(n_frags, 8), n_panels = fuota_ceil_div(n_rows, 8);
    for (size_t column = 0; column < frag_size; column += STRIP_LEN_NEON) {
        const size_t width = frag_size - column < STRIP_LEN_NEON ? frag_size - column : STRIP_LEN_NEON;
        memset(sums, 0, n_panels * 8 * STRIP_LEN_NEON);
        for (size_t group = 0; group < n_groups; group += TABLES_NEON / 2) {
            const size_t n_here = n_groups - group < TABLES_NEON / 2 ? n_groups - group : TABLES_NEON / 2;
            for (size_t t = 0; t < 2 * n_here; t++)
                fill_table_neon(tables + t * 16 * STRIP_LEN_NEON, block + column, block_stride, 8 * group + 4 * t,
                                n_frags, width);
            for (size_t p = 0; p < n_panels; p++) {
                const uint8_t *const coefficients = panels + (p * n_groups + group) * 8;
                if (n_here == TABLES_NEON / 2) {
                    look_up_neon(tables, coefficients, TABLES_NEON / 2, sums + p * 8 * STRIP_LEN_NEON);
                } else {
                    for (size_t g = 0; g < n_here; g++)
                        look_up_neon(tables + 2 * g * 16 * STRIP_LEN_NEON, coefficients + 8 * g, 1,
                                     sums + p * 8 * STRIP_LEN_NEON);
                }
            }
        }
        for (size_t i = 0; i < n_rows; i++)
            memcpy(coded + i * coded_stride + column, sums + i * STRIP_LEN_NEON, width);
    }
}

/* ---- bit matrices ---------------------------------------------------------------------------------------- */

static void transpose_groups_neon(const uint8_t *in, size_t n_groups, uint8_t *out)
{
    for (size_t g = 0; g < n_groups; g++)
        fuota_store_le64(out + 8 * g, fuota_transpose_8x8(fuota_load_le64(in + 8 * g)));
}

FUOTA_INLINE void bit_row_sum_neon(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t at = 0; at < len; at += 64)
        strip_store_neon(out + at, strip_sum_neon(strip_load_neon(a + at), strip_load_neon(b + at)));
}

#define BIT_ROW_SUM bit_row_sum_neon

#include "elimination_template.h"

const fuota_kernel fuota_kernel_neon = {
    .name = "neon",
    .needs = FUOTA_CPU_NEON,
    .parity_panels = draw_panels_neon,
    .encode_work_len = encode_work_len_neon,
    .encode = encode_neon,
    .transpose_groups = transpose_groups_neon,
    .add_pivots = add_pivots_neon,
    .erasure_n_lanes = 1,
    .erasure_lane_words = 1,
    .erasure_lanes = fuota_erasure_lanes_portable,
    .erasure_pack = fuota_erasure_pack_portable,
    .erasure_add_pivots = fuota_erasure_add_pivots_portable,
    .erasure_add_products = fuota_erasure_add_products_portable,
    .losses_draw = fuota_losses_draw_portable,
    .select_n_rows = 512,
    .select_weigh = fuota_select_weigh_portable,
};

#undef TARGET
#undef NAME

#endif
