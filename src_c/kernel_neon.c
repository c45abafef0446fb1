/* The AArch64 kernel: NEON belongs to the base architecture.
 *
 * Rows: as in the portable kernel, sixteen lanes in four vectors, with fused multiply-subtract for the remainder and
 * no need of a correction that branches; setting the bits is the same.
 *
 * The product: the Method of the Four Russians on strips of 64 byte columns with 4-bit tables, eight at a time, four
 * registers to an entry. */
#include "kernels.h"

#ifdef FUOTA_HAVE_NEON

#include <arm_neon.h>

#define COLUMNS_LEN ((FUOTA_MAX_FRAGS + 1 + 63) / 64 * 64)
#define FEW 32u

/* ---- rows ------------------------------------------------------------------------------------------------------- */

typedef struct divisor {
    float32x4_t reciprocal, value;
    uint32x4_t integer, dummy;
} divisor;

FUOTA_INLINE uint32x4_t step(uint32x4_t x)
{
    const uint32x4_t feedback = vshrq_n_u32(vshlq_n_u32(veorq_u32(x, vshrq_n_u32(x, 5)), 31), 9);
    return vaddq_u32(vshrq_n_u32(x, 1), feedback);
}

/* The quotient, rounded to nearest, is at most one too high; then r is negative and, unsigned, more than r + D. */
FUOTA_INLINE uint32x4_t position(uint32x4_t x, const divisor *d)
{
    const float32x4_t value = vcvtq_f32_u32(x), quotient = vrndnq_f32(vmulq_f32(value, d->reciprocal));
    const uint32x4_t r = vreinterpretq_u32_s32(vcvtq_s32_f32(vfmsq_f32(value, quotient, d->value)));
    return vminq_u32(r, vaddq_u32(r, d->integer));
}

FUOTA_INLINE void set_8(uint8_t *columns, const uint32_t *positions)
{
    for (unsigned r = 0; r < 8; r++)
        columns[positions[r]] = (uint8_t)(columns[positions[r]] | (1u << r));
}

/* n draws of every row; adds to `rejected`, per lane, how many went to the dummy column. */
static void draw_all(uint8_t *first, uint8_t *second, uint32x4_t *state, const divisor *d, uint32_t n,
                     uint32x4_t *rejected)
{
    uint32_t positions[2][16];
    uint32x4_t x[4] = {state[0], state[1], state[2], state[3]};
    for (uint32_t k = 0; k <= n; k++) {
        /* The draws of a step are written before those of the step before it are read. */
        for (unsigned i = 0; i < 4 && k < n; i++) {
            x[i] = step(x[i]);
            const uint32x4_t p = position(x[i], d);
            rejected[i] = vsubq_u32(rejected[i], vceqq_u32(p, d->dummy));
            vst1q_u32(positions[k & 1] + 4 * i, p);
        }
        if (k != 0) {
            set_8(first, positions[(k - 1) & 1]);
            set_8(second, positions[(k - 1) & 1] + 8);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        state[i] = x[i];
}

/* Ones per row of a column-major panel of n_vectors · 16 columns. */
static void count_rows(const uint8_t *columns, size_t n_vectors, uint32_t *counts)
{
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

static void transpose_groups(const uint8_t *in, size_t n_groups, uint8_t *out)
{
    for (size_t g = 0; g < n_groups; g++)
        fuota_store_le64(out + 8 * g, fuota_transpose_8x8(fuota_load_le64(in + 8 * g)));
}

static void parity_panels(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n, uint8_t *panels)
{
    uint8_t columns[2][COLUMNS_LEN];
    uint32_t states[16], deficits[16];
    uint32x4_t state[4], rejected[4];
    const uint32_t divide_by = n_frags + ((n_frags & (n_frags - 1)) == 0), n_draws = n_frags / 2;
    const size_t n_groups = fuota_ceil_div(n_frags, 8), n_vectors = n_frags / 16 + 1;
    const divisor d = {vdupq_n_f32(1.0f / (float)divide_by), vdupq_n_f32((float)divide_by), vdupq_n_u32(divide_by),
                       vdupq_n_u32(n_frags)};

    memset(columns[0], 0, 16 * n_vectors);
    memset(columns[1], 0, 16 * n_vectors);
    for (unsigned r = 0; r < 16; r++)
        states[r] = 1 + 1001 * rows[r < n ? r : 0];
    for (unsigned i = 0; i < 4; i++) {
        state[i] = vld1q_u32(states + 4 * i);
        rejected[i] = vdupq_n_u32(0);
    }
    draw_all(columns[0], columns[1], state, &d, n_draws, rejected);
    for (unsigned i = 0; i < 4; i++)
        vst1q_u32(deficits + 4 * i, rejected[i]);
    while (dialect == FUOTA_TS004_2_0_0) {
        columns[0][n_frags] = columns[1][n_frags] = 0;
        count_rows(columns[0], n_vectors, deficits);
        count_rows(columns[1], n_vectors, deficits + 8);
        uint32_t least = n_draws;
        for (unsigned r = 0; r < 16; r++) {
            deficits[r] = n_draws - deficits[r];
            least = deficits[r] < least ? deficits[r] : least;
        }
        if (least <= FEW)
            break;
        draw_all(columns[0], columns[1], state, &d, least, rejected);
    }
    for (unsigned i = 0; i < 4; i++)
        vst1q_u32(states + 4 * i, state[i]);
    for (unsigned r = 0; r < n; r++)
        fuota_finish_row(columns[r / 8], n_frags, divide_by, dialect, r % 8, states[r], deficits[r]);

    columns[0][n_frags] = columns[1][n_frags] = 0;
    for (unsigned first = 0; first < n; first += 8, panels += 8 * n_groups) {
        const uint64_t wanted = 0x0101010101010101u * ((1u << (n - first < 8 ? n - first : 8)) - 1);
        for (size_t g = 0; g < n_groups; g++)
            fuota_store_le64(panels + 8 * g,
                             fuota_transpose_8x8(fuota_load_le64(columns[first / 8] + 8 * g) & wanted));
    }
}

/* ---- product ------------------------------------------------------------------------------------------------------ */

#define STRIP 64u
#define TABLES 8u

typedef uint8x16x4_t strip;

FUOTA_INLINE strip strip_load(const uint8_t *p) { return vld1q_u8_x4(p); }
FUOTA_INLINE void strip_store(uint8_t *p, strip s) { vst1q_u8_x4(p, s); }

FUOTA_INLINE strip strip_sum(strip a, strip b)
{
    for (unsigned i = 0; i < 4; i++)
        a.val[i] = veorq_u8(a.val[i], b.val[i]);
    return a;
}

/* Entry v of a table is the sum of the fragments with a bit in v, of the four from `first` on. */
static void fill(uint8_t *table, const uint8_t *block, size_t stride, size_t first, size_t n_frags, size_t width)
{
    memset(table, 0, STRIP);
    for (unsigned k = 0; k < 4; k++) {
        uint8_t padded[STRIP] = {0};
        if (first + k < n_frags)
            memcpy(padded, block + (first + k) * stride, width);
        const strip source = strip_load(padded);
        for (unsigned v = 0; v < (1u << k); v++)
            strip_store(table + ((1u << k) + v) * STRIP, strip_sum(source, strip_load(table + v * STRIP)));
    }
}

/* Adds the look-ups of n_groups groups, a constant, to the sums of a panel. */
FUOTA_INLINE void look_up(const uint8_t *tables, const uint8_t *coefficients, unsigned n_groups, uint8_t *sums)
{
    uint64_t words[TABLES / 2];
    for (unsigned g = 0; g < n_groups; g++)
        words[g] = fuota_load_le64(coefficients + 8 * g);
    for (unsigned r = 0; r < 8; r++) {
        strip sum = strip_load(sums + r * STRIP);
        for (unsigned g = 0; g < n_groups; g++) {
            const uint8_t *const low = tables + 2 * g * 16 * STRIP, *const high = low + 16 * STRIP;
            sum = strip_sum(sum, strip_load(low + ((words[g] >> (8 * r)) & 15) * STRIP));
            sum = strip_sum(sum, strip_load(high + ((words[g] >> (8 * r + 4)) & 15) * STRIP));
        }
        strip_store(sums + r * STRIP, sum);
    }
}

static size_t encode_work_len(size_t n_rows, size_t n_frags, size_t frag_size)
{
    (void)n_frags;
    (void)frag_size;
    return (TABLES * 16 + fuota_ceil_div(n_rows, 8) * 8) * STRIP + 64;
}

static void encode(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                   size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    uint8_t *const tables = fuota_align(work), *const sums = tables + TABLES * 16 * STRIP;
    const size_t n_groups = fuota_ceil_div(n_frags, 8), n_panels = fuota_ceil_div(n_rows, 8);
    for (size_t column = 0; column < frag_size; column += STRIP) {
        const size_t width = frag_size - column < STRIP ? frag_size - column : STRIP;
        memset(sums, 0, n_panels * 8 * STRIP);
        for (size_t group = 0; group < n_groups; group += TABLES / 2) {
            const size_t n_here = n_groups - group < TABLES / 2 ? n_groups - group : TABLES / 2;
            for (size_t t = 0; t < 2 * n_here; t++)
                fill(tables + t * 16 * STRIP, block + column, block_stride, 8 * group + 4 * t, n_frags, width);
            for (size_t p = 0; p < n_panels; p++) {
                const uint8_t *const coefficients = panels + (p * n_groups + group) * 8;
                if (n_here == TABLES / 2) {
                    look_up(tables, coefficients, TABLES / 2, sums + p * 8 * STRIP);
                } else {
                    for (size_t g = 0; g < n_here; g++)
                        look_up(tables + 2 * g * 16 * STRIP, coefficients + 8 * g, 1, sums + p * 8 * STRIP);
                }
            }
        }
        for (size_t i = 0; i < n_rows; i++)
            memcpy(coded + i * coded_stride + column, sums + i * STRIP, width);
    }
}

/* ---- elimination ---------------------------------------------------------------------------------------------------- */

static void add_pivots(uint8_t *matrix, size_t n_rows, size_t stride, size_t byte_idx, uint8_t bits,
                       const uint8_t *pivots, uint8_t *table)
{
    memset(table, 0, stride);
    for (unsigned i = 0; i < 8; i++) {
        const unsigned below = bits & ((1u << i) - 1);
        unsigned v = 0;
        if (!((bits >> i) & 1))
            continue;
        do { /* all choices of the pivots below */
            for (size_t at = 0; at < stride; at += 64)
                strip_store(table + ((1u << i) + v) * stride + at,
                            strip_sum(strip_load(table + v * stride + at), strip_load(pivots + i * stride + at)));
            v = (v - below) & below;
        } while (v != 0);
    }
    for (size_t r = 0; r < n_rows; r++) {
        uint8_t *const row = matrix + r * stride;
        const uint8_t *const entry = table + (row[byte_idx] & bits) * stride;
        for (size_t at = 0; at < stride; at += 64)
            strip_store(row + at, strip_sum(strip_load(row + at), strip_load(entry + at)));
    }
}

const fuota_kernel fuota_kernel_neon = {
    .name = "neon",
    .needs = FUOTA_CPU_NEON,
    .parity_panels = parity_panels,
    .encode_work_len = encode_work_len,
    .encode = encode,
    .transpose_groups = transpose_groups,
    .add_pivots = add_pivots,
    .erasure_n_lanes = 1,
    .erasure_lanes = fuota_erasure_lanes_portable,
    .losses_draw = fuota_losses_draw_portable,
    .select_n_rows = 512,
    .select_weigh = fuota_select_weigh_portable,
};

#endif
