/* The kernel that defines the truth. No instruction set assumed; the loops over fixed-size
 * arrays are written so that any compiler can turn them into whatever vectors the base architecture has. */
#include "kernels.h"

/* ---- parity rows ----------------------------------------------------------------------------------------
 *
 * Sixteen rows at once, each with its own generator, in arrays that compilers put into vectors. The panels are
 * built column-major, one byte per column whose bit r is row r, and transposed at the end.
 *
 * The remainder by D = M (+ 1 if M is a power of two) without a division: states are below 2^24, where floats are
 * exact. The quotient x · (1/D) rounded to the nearest whole number is at most one too high, its product with D is
 * a whole number below 2^24 again, and so x - q·D is exact, negative just when q was too high.
 *
 * If M is a power of two the draw M is rejected: it sets the dummy column M, and the rows that drew it draw again
 * at the end. In 2.0.0 a draw counts only if its position is new. A row that still needs d positions cannot
 * overshoot by drawing d times blindly, so the rows draw their smallest deficit together and are counted, until
 * little is left, which is drawn one at a time. */

#define LANES FUOTA_ROWS_AT_ONCE
#define STEPS 4u
#define FEW 32u
#define COLUMNS_LEN ((FUOTA_MAX_FRAGS + 1 + 63) / 64 * 64)

typedef struct divisor {
    float reciprocal, value;
    int32_t integer;
} divisor;

/* The next position of every lane. */
FUOTA_INLINE void draw_next(divisor d, uint32_t *restrict state, uint32_t *restrict position)
{
    for (unsigned r = 0; r < LANES; r++) {
        const uint32_t x = fuota_prbs23(state[r]);
        const float value = (float)(int32_t)x;
        const float quotient = (float)(int32_t)(value * d.reciprocal + 0.5f);
        const int32_t remainder = (int32_t)(value - quotient * d.value);
        state[r] = x;
        position[r] = (uint32_t)(remainder + (-(int32_t)(remainder < 0) & d.integer));
    }
}

FUOTA_INLINE void set_8(uint8_t *columns, const uint32_t *position)
{
    for (unsigned r = 0; r < 8; r++)
        columns[position[r]] = (uint8_t)(columns[position[r]] | (1u << r));
}

/* n draws of every row. */
static void draw_all(uint8_t *first, uint8_t *second, const divisor *d, uint32_t *states, uint32_t n)
{
    uint32_t state[LANES], position[STEPS][LANES];
    const divisor divide = *d;
    memcpy(state, states, sizeof state);
    uint32_t k = 0;
    for (; k + STEPS <= n; k += STEPS) {
        /* Written out: a compiler that turned these loops inside out would draw one row at a time. */
        draw_next(divide, state, position[0]);
        draw_next(divide, state, position[1]);
        draw_next(divide, state, position[2]);
        draw_next(divide, state, position[3]);
        for (unsigned i = 0; i < STEPS; i++) {
            set_8(first, position[i]);
            set_8(second, position[i] + 8);
        }
    }
    for (; k < n; k++) {
        draw_next(divide, state, position[0]);
        set_8(first, position[0]);
        set_8(second, position[0] + 8);
    }
    memcpy(states, state, sizeof state);
}

/* Ones per row of a column-major panel of n_words · 8 columns: bit r of eight columns at a time is a word of eight
 * small counters, widened before they overflow. */
#define WORDS 4u
static void count_rows(const uint8_t *columns, size_t n_words, uint32_t *counts)
{
    memset(counts, 0, 8 * sizeof *counts);
    for (size_t first = 0; first < n_words; first += 255 * WORDS) {
        const size_t end = n_words - first < 255 * WORDS ? n_words : first + 255 * WORDS;
        uint64_t sum[8][WORDS] = {{0}};
        for (size_t w = first; w < end; w += WORDS) {
            uint64_t x[WORDS];
            memcpy(x, columns + 8 * w, sizeof x);
            for (unsigned r = 0; r < 8; r++)
                for (unsigned i = 0; i < WORDS; i++)
                    sum[r][i] += (x[i] >> r) & 0x0101010101010101u;
        }
        for (unsigned r = 0; r < 8; r++)
            for (unsigned i = 0; i < 8 * WORDS; i++)
                counts[r] += (uint32_t)(sum[r][i / 8] >> (8 * (i % 8))) & 0xFF;
    }
}

/* How many times a row whose draws so far are known drew the dummy, TS004 1.0.0: it is replayed. Few M need it. */
static uint32_t count_rejected(const divisor *d, uint32_t n_frags, uint32_t row, uint32_t n_draws)
{
    uint32_t x = 1 + 1001 * row, n = 0;
    for (uint32_t k = 0; k < n_draws; k++) {
        x = fuota_prbs23(x);
        n += x % (uint32_t)d->integer == n_frags;
    }
    return n;
}

static void parity_panels(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n,
                          uint8_t *panels)
{
    uint8_t columns[2][COLUMNS_LEN];
    uint32_t state[LANES], deficit[LANES] = {0};
    const uint32_t n_draws = n_frags / 2;
    const int power_of_two = (n_frags & (n_frags - 1)) == 0;
    const size_t n_groups = fuota_ceil_div(n_frags, 8), columns_len = (n_frags / 32 + 1) * 32;
    divisor d;

    d.integer = (int32_t)n_frags + power_of_two;
    d.value = (float)d.integer;
    d.reciprocal = 1.0f / d.value;
    memset(columns[0], 0, columns_len);
    memset(columns[1], 0, columns_len);
    for (unsigned r = 0; r < LANES; r++)
        state[r] = 1 + 1001 * rows[r < n ? r : 0];
    draw_all(columns[0], columns[1], &d, state, n_draws);

    if (dialect == FUOTA_TS004_1_0_0) {
        for (unsigned r = 0; power_of_two && r < n; r++)
            deficit[r] = count_rejected(&d, n_frags, rows[r], n_draws);
    } else {
        for (;;) {
            columns[0][n_frags] = columns[1][n_frags] = 0;
            count_rows(columns[0], columns_len / 8, deficit);
            count_rows(columns[1], columns_len / 8, deficit + 8);
            uint32_t least = n_draws;
            for (unsigned r = 0; r < LANES; r++) {
                deficit[r] = n_draws - deficit[r];
                least = deficit[r] < least ? deficit[r] : least;
            }
            if (least <= FEW)
                break;
            draw_all(columns[0], columns[1], &d, state, least);
        }
    }
    for (unsigned r = 0; r < n; r++)
        fuota_finish_row(columns[r / 8], n_frags, (uint32_t)d.integer, dialect, r % 8, state[r], deficit[r]);

    /* The dummy column and the rows beyond n are not part of the matrix. */
    columns[0][n_frags] = columns[1][n_frags] = 0;
    for (unsigned first = 0; first < n; first += 8, panels += 8 * n_groups) {
        const uint64_t wanted = 0x0101010101010101u * ((1u << (n - first < 8 ? n - first : 8)) - 1);
        for (size_t g = 0; g < n_groups; g++)
            fuota_store_le64(panels + 8 * g,
                             fuota_transpose_8x8(fuota_load_le64(columns[first / 8] + 8 * g) & wanted));
    }
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

/* Adds the look-ups of n_groups groups, a constant, to the sums of the eight rows of a panel. The coefficients are
 * read as words: byte loads would compete with the look-ups. */
FUOTA_INLINE void look_up(const strip (*tables)[16], const uint8_t *coefficients, unsigned n_groups, strip *sums)
{
    uint64_t words[TABLES / 2];
    for (unsigned g = 0; g < n_groups; g++)
        words[g] = fuota_load_le64(coefficients + 8 * g);
    for (unsigned r = 0; r < 8; r++) {
        strip sum = sums[r];
        for (unsigned g = 0; g < n_groups; g++) {
            sum = strip_sum(sum, &tables[2 * g][(words[g] >> (8 * r)) & 15]);
            sum = strip_sum(sum, &tables[2 * g + 1][(words[g] >> (8 * r + 4)) & 15]);
        }
        sums[r] = sum;
    }
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
    return (TABLES * 16 + fuota_ceil_div(n_rows, 8) * 8) * sizeof(strip) + 64;
}

static void encode(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                   size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    strip(*const tables)[16] = (void *)fuota_align(work);
    strip *const sums = tables[TABLES];
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
                if (n_here == TABLES / 2) {
                    look_up((const strip(*)[16])tables, coefficients, TABLES / 2, sums + p * 8);
                } else {
                    for (size_t g = 0; g < n_here; g++)
                        look_up((const strip(*)[16])tables + 2 * g, coefficients + 8 * g, 1, sums + p * 8);
                }
            }
        }
        for (size_t i = 0; i < n_rows; i++)
            memcpy(coded + i * coded_stride + column, &sums[i], width);
    }
}

/* ---- bit matrices ----------------------------------------------------------------------------------------- */

static void transpose_groups(const uint8_t *in, size_t n_groups, uint8_t *out)
{
    for (size_t g = 0; g < n_groups; g++)
        fuota_store_le64(out + 8 * g, fuota_transpose_8x8(fuota_load_le64(in + 8 * g)));
}

static void add_pivots(uint8_t *matrix, size_t n_rows, size_t stride, size_t byte_idx, uint8_t bits,
                       const uint8_t *pivots, uint8_t *table)
{
    /* The sums of all choices of pivots; v runs through the choices among the bits below bit i. */
    memset(table, 0, stride);
    for (unsigned i = 0; i < 8; i++) {
        const unsigned below = bits & ((1u << i) - 1);
        unsigned v = 0;
        if (!((bits >> i) & 1))
            continue;
        do {
            uint8_t *const entry = table + ((1u << i) + v) * stride;
            for (size_t at = 0; at < stride; at += 8)
                fuota_store_le64(entry + at,
                                 fuota_load_le64(table + v * stride + at) ^ fuota_load_le64(pivots + i * stride + at));
            v = (v - below) & below;
        } while (v != 0);
    }
    for (size_t r = 0; r < n_rows; r++) {
        uint8_t *const row = matrix + r * stride;
        const uint8_t *const entry = table + (row[byte_idx] & bits) * stride;
        for (size_t at = 0; at < stride; at += 8)
            fuota_store_le64(row + at, fuota_load_le64(row + at) ^ fuota_load_le64(entry + at));
    }
}

const fuota_kernel fuota_kernel_portable = {
    .name = "portable",
    .needs = 0,
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
