/* The kernel that defines the truth. Standard C11, no instruction set assumed; the loops over fixed-size
 * arrays are written so that any compiler can turn them into whatever vectors the base architecture has. */
#include "kernels.h"

/* ---- parity rows ----------------------------------------------------------------------------------------
 *
 * Eight rows at once, each with its own generator, so that eight chains of dependent steps overlap. The panel
 * is built column-major, one byte per column whose bit r is row r, and transposed at the end.
 *
 * The remainder by D = M (+ 1 if M is a power of two) without a division: with c = ceil(2^40 / D) and states
 * x < 2^24, the fraction x·c mod 2^40 of 2^40 is x/D's fractional part to within x·D/2^40 < 2^-2 of 1/D, so
 * multiplying it by D and dropping 40 bits gives x mod D exactly.
 *
 * If M is a power of two the draw M is rejected; it sets the dummy column M and is drawn again at the end.
 * In 2.0.0 a draw counts only if its position is new. A row that still needs d positions cannot overshoot by
 * drawing d times blindly, so the rows draw their smallest deficit together until all have M/2. */

#define MASK_40 0xFFFFFFFFFFu

typedef struct draw {
    uint64_t reciprocal;
    uint32_t divisor;
} draw;

FUOTA_INLINE uint32_t draw_next(const draw *d, uint32_t *state)
{
    const uint32_t x = (*state >> 1) + (((*state ^ (*state >> 5)) & 1u) << 22);
    *state = x;
    return (uint32_t)((((uint64_t)x * d->reciprocal) & MASK_40) * d->divisor >> 40);
}

static void parity_panel(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n,
                         uint8_t *panel)
{
    uint8_t columns[FUOTA_MAX_FRAGS + 9]; /* one dummy, and whole groups of eight for the transposition */
    uint32_t state[8], deficit[8];
    draw d;
    const uint32_t n_draws = n_frags / 2;
    const int by_new_position = dialect == FUOTA_TS004_2_0_0;

    d.divisor = n_frags + ((n_frags & (n_frags - 1)) == 0);
    d.reciprocal = ((1ull << 40) + d.divisor - 1) / d.divisor;
    memset(columns, 0, fuota_ceil_div(n_frags, 8) * 8 + 1);
    for (unsigned r = 0; r < 8; r++) {
        state[r] = 1 + 1001 * rows[r < n ? r : 0];
        deficit[r] = n_draws;
    }

    if (!by_new_position) {
        for (uint32_t k = 0; k < n_draws; k++) {
            for (unsigned r = 0; r < 8; r++) {
                const uint32_t position = draw_next(&d, &state[r]);
                columns[position] |= (uint8_t)(1u << r);
                deficit[r] -= position < n_frags;
            }
        }
    } else {
        uint32_t together = n_draws;
        while (together > 4) {
            for (uint32_t k = 0; k < together; k++) {
                for (unsigned r = 0; r < 8; r++) {
                    const uint32_t position = draw_next(&d, &state[r]);
                    const uint32_t before = columns[position];
                    columns[position] = (uint8_t)(before | (1u << r));
                    deficit[r] -= (position < n_frags) & ~(before >> r) & 1u;
                }
            }
            together = n_draws;
            for (unsigned r = 0; r < 8; r++)
                together = deficit[r] < together ? deficit[r] : together;
        }
    }
    for (unsigned r = 0; r < 8; r++) {
        while (deficit[r] != 0) {
            const uint32_t position = draw_next(&d, &state[r]);
            if (position >= n_frags)
                continue;
            deficit[r] -= !by_new_position || !((columns[position] >> r) & 1u);
            columns[position] |= (uint8_t)(1u << r);
        }
    }

    /* The dummy column and the rows beyond n are not part of the matrix. */
    columns[n_frags] = 0;
    const uint64_t wanted = 0x0101010101010101u * ((1u << n) - 1);
    for (size_t group = 0; group < n_frags; group += 8)
        fuota_store_le64(panel + group, fuota_transpose_8x8(fuota_load_le64(columns + group) & wanted));
}

/* ---- product ---------------------------------------------------------------------------------------------
 *
 * The Method of the Four Russians on strips of STRIP byte columns. Four source fragments have 16 sums; with
 * those in a table a row needs one look-up for four coefficients. TABLES tables are kept at once (8 KiB, in the
 * first-level cache), so that a row's partial sum is read and written once per 32 source fragments. Partial
 * sums lie side by side in `work`; the fragments of the last, narrower strip are padded with zeros. */

#define STRIP 64
#define TABLES 8

typedef struct strip {
    uint64_t words[STRIP / 8];
} strip;

FUOTA_INLINE strip strip_sum(strip a, const strip *b)
{
    for (unsigned i = 0; i < STRIP / 8; i++)
        a.words[i] ^= b->words[i];
    return a;
}

/* table[v] = sum of the fragments k with bit k of v set, of the four fragments from `first` on. */
static void strip_table(strip *table, const uint8_t *block, size_t block_stride, size_t first, size_t n_frags,
                        size_t width)
{
    memset(&table[0], 0, sizeof table[0]);
    for (unsigned k = 0; k < 4; k++) {
        strip source;
        memset(&source, 0, sizeof source);
        if (first + k < n_frags)
            memcpy(&source, block + (first + k) * block_stride, width);
        for (unsigned v = 0; v < (1u << k); v++)
            table[(1u << k) + v] = strip_sum(source, &table[v]);
    }
}

static size_t encode_work_len(size_t n_rows, size_t n_frags, size_t frag_size)
{
    (void)n_frags;
    (void)frag_size;
    return (TABLES * 16 + fuota_ceil_div(n_rows, 8) * 8) * sizeof(strip);
}

static void encode(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                   size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    strip(*const tables)[16] = work;
    strip *const sums = (strip *)work + TABLES * 16;
    const size_t n_groups = fuota_ceil_div(n_frags, 8);
    const size_t n_panels = fuota_ceil_div(n_rows, 8);

    for (size_t column = 0; column < frag_size; column += STRIP) {
        const size_t width = frag_size - column < STRIP ? frag_size - column : STRIP;
        memset(sums, 0, n_panels * 8 * sizeof *sums);
        for (size_t group = 0; group < n_groups; group += TABLES / 2) {
            const size_t n_here = n_groups - group < TABLES / 2 ? n_groups - group : TABLES / 2;
            for (size_t t = 0; t < 2 * n_here; t++)
                strip_table(tables[t], block + column, block_stride, 8 * group + 4 * t, n_frags, width);
            for (size_t p = 0; p < n_panels; p++) {
                const uint8_t *const coefficients = panels + (p * n_groups + group) * 8;
                for (unsigned r = 0; r < 8; r++) {
                    strip sum = sums[p * 8 + r];
                    if (n_here == TABLES / 2) {
                        for (unsigned g = 0; g < TABLES / 2; g++) {
                            const unsigned byte = coefficients[g * 8 + r];
                            sum = strip_sum(sum, &tables[2 * g][byte & 15]);
                            sum = strip_sum(sum, &tables[2 * g + 1][byte >> 4]);
                        }
                    } else {
                        for (unsigned g = 0; g < n_here; g++) {
                            const unsigned byte = coefficients[g * 8 + r];
                            sum = strip_sum(sum, &tables[2 * g][byte & 15]);
                            sum = strip_sum(sum, &tables[2 * g + 1][byte >> 4]);
                        }
                    }
                    sums[p * 8 + r] = sum;
                }
            }
        }
        for (size_t i = 0; i < n_rows; i++)
            memcpy(coded + i * coded_stride + column, &sums[i], width);
    }
}

const fuota_kernel fuota_kernel_portable = {
    .name = "portable",
    .needs = 0,
    .parity_panel = parity_panel,
    .encode_work_len = encode_work_len,
    .encode = encode,
};
