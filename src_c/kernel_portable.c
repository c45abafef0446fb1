/* The kernel that defines the truth: rows, products, bit matrices; kernel_portable_fleet.c has the rest. No instruction
 * set assumed; the loops over fixed-size arrays are written so that any compiler can turn them into whatever vectors
 * the base architecture has. */
#include "kernels.h"

#define TARGET
#define NAME(x) x##_portable

/* ---- parity rows ----------------------------------------------------------------------------------------
 *
 * Sixteen rows at once, in arrays that compilers put into vectors.
 *
 * The remainder by D without a division: states are below 2^24, where floats are exact. The quotient x · (1/D) rounded
 * to the nearest whole number is at most one too high, its product with D is a whole number below 2^24 again, and so
 * x - q·D is exact, negative just when q was too high. */

#define DRAW_LANES FUOTA_ROWS_AT_ONCE
#define DRAW_STEPS 4u

typedef struct generators_portable {
    float reciprocal, value;
    int32_t divisor;
    uint32_t state[DRAW_LANES];
} generators_portable;

static void generators_start_portable(generators_portable *g, uint32_t divisor, uint32_t n_frags,
                                      const uint32_t *states)
{
    (void)n_frags;
    g->divisor = (int32_t)divisor;
    g->value = (float)g->divisor;
    g->reciprocal = 1.0f / g->value;
    memcpy(g->state, states, sizeof g->state);
}

static void generators_states_portable(const generators_portable *g, uint32_t *states)
{
    memcpy(states, g->state, sizeof g->state);
}

/* The next position of every lane. */
FUOTA_INLINE void draw_next_portable(generators_portable *restrict g, uint32_t *restrict position)
{
    for (unsigned r = 0; r < DRAW_LANES; r++) {
        const uint32_t x = fuota_prbs23(g->state[r]);
        const float value = (float)(int32_t)x;
        const float quotient = (float)(int32_t)(value * g->reciprocal + 0.5f);
        const int32_t remainder = (int32_t)(value - quotient * g->value);
        g->state[r] = x;
        position[r] = (uint32_t)(remainder + (-(int32_t)(remainder < 0) & g->divisor));
    }
}

FUOTA_INLINE void set_8_portable(uint8_t *columns, const uint32_t *position)
{
    for (unsigned r = 0; r < 8; r++)
        columns[position[r]] = (uint8_t)(columns[position[r]] | (1u << r));
}

/* n draws of every row. */
static void draw_all_portable(uint8_t (*columns)[FUOTA_COLUMNS_LEN], generators_portable *generators, uint32_t n)
{
    uint32_t position[DRAW_STEPS][DRAW_LANES];
    generators_portable g = *generators;
    uint32_t k = 0;
    for (; k + DRAW_STEPS <= n; k += DRAW_STEPS) {
        /* Written out: a compiler that turned these loops inside out would draw one row at a time. */
        draw_next_portable(&g, position[0]);
        draw_next_portable(&g, position[1]);
        draw_next_portable(&g, position[2]);
        draw_next_portable(&g, position[3]);
        for (unsigned i = 0; i < DRAW_STEPS; i++) {
            set_8_portable(columns[0], position[i]);
            set_8_portable(columns[1], position[i] + 8);
        }
    }
    for (; k < n; k++) {
        draw_next_portable(&g, position[0]);
        set_8_portable(columns[0], position[0]);
        set_8_portable(columns[1], position[0] + 8);
    }
    *generators = g;
}

/* Draws the smallest deficit of any row, unless it is so small that drawing one at a time is faster than counting. */
static int draw_deficits_portable(uint8_t (*columns)[FUOTA_COLUMNS_LEN], generators_portable *g,
                                  const uint32_t *deficits, uint32_t least, uint32_t most)
{
    (void)deficits;
    (void)most;
    if (least <= 32)
        return 0;
    draw_all_portable(columns, g, least);
    return 1;
}

/* Rows of an M that is a power of two are replayed: few M need it. */
static void count_rejected_portable(const generators_portable *g, const uint32_t *rows, unsigned n, uint32_t n_frags,
                                    uint32_t n_draws, uint32_t *counts)
{
    memset(counts, 0, DRAW_LANES * sizeof *counts);
    if ((uint32_t)g->divisor == n_frags)
        return;
    for (unsigned r = 0; r < n; r++) {
        uint32_t x = 1 + 1001 * rows[r];
        for (uint32_t k = 0; k < n_draws; k++) {
            x = fuota_prbs23(x);
            counts[r] += x % (uint32_t)g->divisor == n_frags;
        }
    }
}

/* Bit r of eight columns at a time is a word of eight small counters, widened before they overflow. */
#define COUNT_WORDS 4u
static void count_ones_portable(const uint8_t *columns, size_t columns_len, uint32_t *counts)
{
    const size_t n_words = columns_len / 8;
    memset(counts, 0, 8 * sizeof *counts);
    for (size_t first = 0; first < n_words; first += 255 * COUNT_WORDS) {
        const size_t end = n_words - first < 255 * COUNT_WORDS ? n_words : first + 255 * COUNT_WORDS;
        uint64_t sum[8][COUNT_WORDS] = {{0}};
        for (size_t w = first; w < end; w += COUNT_WORDS) {
            uint64_t x[COUNT_WORDS];
            memcpy(x, columns + 8 * w, sizeof x);
            for (unsigned r = 0; r < 8; r++)
                for (unsigned i = 0; i < COUNT_WORDS; i++)
                    sum[r][i] += (x[i] >> r) & 0x0101010101010101u;
        }
        for (unsigned r = 0; r < 8; r++)
            for (unsigned i = 0; i < 8 * COUNT_WORDS; i++)
                counts[r] += (uint32_t)(sum[r][i / 8] >> (8 * (i % 8))) & 0xFF;
    }
}

static void finish_panel_portable(const uint8_t *columns, size_t n_groups, unsigned n, uint8_t *panel)
{
    fuota_finish_panel(columns, n_groups, n, panel);
}

#define PANELS 2
#define VECTOR_LEN (8 * COUNT_WORDS)

#include "rows_template.h"

/* ---- product ---------------------------------------------------------------------------------------------
 *
 * The Method of the Four Russians on strips of STRIP_LEN_PORTABLE byte columns. Four source fragments have 16 sums;
 * with those in a table a row needs one look-up for four coefficients. TABLES_PORTABLE tables are kept at once (8 KiB,
 * in the first-level cache), so that a row's partial sum is read and written once per 32 source fragments. Partial sums
 * lie side by side in `work`; the fragments of the last, narrower strip are padded with zeros. */

#define STRIP_LEN_PORTABLE 64
#define TABLES_PORTABLE 8

typedef struct strip_portable {
    uint64_t words[STRIP_LEN_PORTABLE / 8];
} strip_portable;

FUOTA_INLINE strip_portable strip_sum_portable(strip_portable a, const strip_portable *b)
{
    for (unsigned i = 0; i < STRIP_LEN_PORTABLE / 8; i++)
        a.words[i] ^= b->words[i];
    return a;
}

/* Adds the look-ups of n_groups groups, a constant, to the sums of the eight rows of a panel. The coefficients are
 * read as words: byte loads would compete with the look-ups. */
FUOTA_INLINE void look_up_portable(const strip_portable (*tables)[16], const uint8_t *coefficients, unsigned n_groups,
                                   strip_portable *sums)
{
    uint64_t words[TABLES_PORTABLE / 2];
    for (unsigned g = 0; g < n_groups; g++)
        words[g] = fuota_load_le64(coefficients + 8 * g);
    for (unsigned r = 0; r < 8; r++) {
        strip_portable sum = sums[r];
        for (unsigned g = 0; g < n_groups; g++) {
            sum = strip_sum_portable(sum, &tables[2 * g][(words[g] >> (8 * r)) & 15]);
            sum = strip_sum_portable(sum, &tables[2 * g + 1][(words[g] >> (8 * r + 4)) & 15]);
        }
        sums[r] = sum;
    }
}

/* table[v] = sum of the fragments k with bit k of v set, of the four fragments from `first` on. */
static void strip_table_portable(strip_portable *table, const uint8_t *block, size_t block_stride, size_t first,
                                 size_t n_frags, size_t width)
{
    memset(&table[0], 0, sizeof table[0]);
    for (unsigned k = 0; k < 4; k++) {
        strip_portable source;
        memset(&source, 0, sizeof source);
        if (first + k < n_frags)
            memcpy(&source, block + (first + k) * block_stride, width);
        for (unsigned v = 0; v < (1u << k); v++)
            table[(1u << k) + v] = strip_sum_portable(source, &table[v]);
    }
}

static size_t encode_work_len_portable(size_t n_rows, size_t n_frags, size_t frag_size)
{
    (void)n_frags;
    (void)frag_size;
    return fuota_tables_work_len(TABLES_PORTABLE * 16, n_rows, sizeof(strip_portable));
}

static void encode_portable(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size,
                            const uint8_t *block, size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    strip_portable(*const tables)[16] = (void *)fuota_align(work);
    strip_portable *const sums = tables[TABLES_PORTABLE];
    const size_t n_groups = fuota_ceil_div(n_frags, 8);
    const size_t n_panels = fuota_ceil_div(n_rows, 8);

    for (size_t column = 0; column < frag_size; column += STRIP_LEN_PORTABLE) {
        const size_t width = frag_size - column < STRIP_LEN_PORTABLE ? frag_size - column : STRIP_LEN_PORTABLE;
        memset(sums, 0, n_panels * 8 * sizeof *sums);
        for (size_t group = 0; group < n_groups; group += TABLES_PORTABLE / 2) {
            const size_t n_here = n_groups - group < TABLES_PORTABLE / 2 ? n_groups - group : TABLES_PORTABLE / 2;
            for (size_t t = 0; t < 2 * n_here; t++)
                strip_table_portable(tables[t], block + column, block_stride, 8 * group + 4 * t, n_frags, width);
            for (size_t p = 0; p < n_panels; p++) {
                const uint8_t *const coefficients = panels + (p * n_groups + group) * 8;
                if (n_here == TABLES_PORTABLE / 2) {
                    look_up_portable((const strip_portable(*)[16])tables, coefficients, TABLES_PORTABLE / 2,
                                     sums + p * 8);
                } else {
                    for (size_t g = 0; g < n_here; g++)
                        look_up_portable((const strip_portable(*)[16])tables + 2 * g, coefficients + 8 * g, 1,
                                         sums + p * 8);
                }
            }
        }
        for (size_t i = 0; i < n_rows; i++)
            memcpy(coded + i * coded_stride + column, &sums[i], width);
    }
}

/* ---- bit matrices ----------------------------------------------------------------------------------------- */

static void transpose_groups_portable(const uint8_t *in, size_t n_groups, uint8_t *out)
{
    for (size_t g = 0; g < n_groups; g++)
        fuota_store_le64(out + 8 * g, fuota_transpose_8x8(fuota_load_le64(in + 8 * g)));
}

FUOTA_INLINE void bit_row_sum_portable(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t at = 0; at < len; at += 8)
        fuota_store_le64(out + at, fuota_load_le64(a + at) ^ fuota_load_le64(b + at));
}

#define BIT_ROW_SUM bit_row_sum_portable

#include "elimination_template.h"

const fuota_kernel fuota_kernel_portable = {
    .name = "portable",
    .needs = 0,
    .parity_panels = draw_panels_portable,
    .encode_work_len = encode_work_len_portable,
    .encode = encode_portable,
    .transpose_groups = transpose_groups_portable,
    .add_pivots = add_pivots_portable,
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
