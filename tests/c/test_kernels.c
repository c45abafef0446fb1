/* Laws of the core, for every kernel that this machine can run: rows and products are those of the specification, at any
 * length, alignment and stride; nothing outside the buffers is touched; a decoder, and each device of a fleet, completes
 * with the first fragment that makes it possible; all kernels and machines draw the same losses and select the same rows;
 * sizes that do not fit are refused. Exit status 0 if all hold. "quick" as argument leaves cases out. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels.h"

#define CHECK(condition, ...)                                                                                     \
    do {                                                                                                          \
        if (!(condition)) {                                                                                       \
            printf("%s:%d: %s: ", __FILE__, __LINE__, #condition);                                                \
            printf(__VA_ARGS__);                                                                                  \
            printf("\n");                                                                                         \
            exit(1);                                                                                              \
        }                                                                                                         \
    } while (0)

static const fuota_kernel *kernel;
static int quick;

/* ---- random numbers: multiplication mixes, so that random matrices have full rank as often as they should ----- */

static uint64_t random_state = 1;

static uint64_t random_word(void)
{
    uint64_t x = random_state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static size_t random_below(size_t n) { return (size_t)(random_word() % n); }

static void random_fill(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)random_word();
}

/* ---- memory between two forbidden pages ---------------------------------------------------------------------- */

typedef struct guarded {
    uint8_t *pages;
    size_t len, page;
} guarded;

static guarded guarded_make(size_t len)
{
    guarded g;
    g.page = (size_t)sysconf(_SC_PAGESIZE);
    g.len = (len / g.page + 1) * g.page;
    g.pages = mmap(NULL, g.len + 2 * g.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(g.pages != MAP_FAILED, "no memory");
    CHECK(mprotect(g.pages, g.page, PROT_NONE) == 0, "mprotect");
    CHECK(mprotect(g.pages + g.page + g.len, g.page, PROT_NONE) == 0, "mprotect");
    return g;
}

static void guarded_free(guarded *g) { munmap(g->pages, g->len + 2 * g->page); }

/* len bytes that begin right behind the first forbidden page, or end right before the second. */
static uint8_t *first_bytes(const guarded *g) { return g->pages + g->page; }
static uint8_t *last_bytes(const guarded *g, size_t len) { return g->pages + g->page + g->len - len; }

/* ---- the specification ------------------------------------------------------------------------------------------ */

static void reference_row(uint32_t n_frags, fuota_dialect dialect, uint32_t row, uint8_t *bits)
{
    const uint32_t divisor = n_frags + ((n_frags & (n_frags - 1)) == 0);
    uint64_t x = 1 + 1001 * (uint64_t)row;
    memset(bits, 0, n_frags);
    for (uint32_t k = 0; k < n_frags / 2;) {
        uint64_t r;
        do {
            x = (x >> 1) + (((x ^ (x >> 5)) & 1) << 22);
            r = x % divisor;
        } while (r >= n_frags);
        if (dialect == FUOTA_TS004_1_0_0 || !bits[r])
            k++;
        bits[r] = 1;
    }
}

static void reference_panels(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, size_t n_rows,
                             uint8_t *panels)
{
    uint8_t *const bits = malloc(n_frags);
    memset(panels, 0, fuota_panels_len(n_rows, n_frags));
    for (size_t i = 0; i < n_rows; i++) {
        reference_row(n_frags, dialect, rows[i], bits);
        for (uint32_t c = 0; c < n_frags; c++)
            if (bits[c])
                panels[i / 8 * fuota_panels_len(8, n_frags) + c / 8 * 8 + i % 8] |= (uint8_t)(1u << (c % 8));
    }
    free(bits);
}

static void reference_product(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size,
                              const uint8_t *block, size_t stride, uint8_t *coded)
{
    uint8_t *const bits = malloc(n_frags);
    memset(coded, 0, n_rows * frag_size);
    for (size_t i = 0; i < n_rows; i++) {
        fuota_panels_unpack(panels, n_frags, i, bits);
        for (size_t k = 0; k < n_frags; k++)
            for (size_t b = 0; bits[k] && b < frag_size; b++)
                coded[i * frag_size + b] ^= block[k * stride + b];
    }
    free(bits);
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

static void check_rows(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, size_t n_rows)
{
    const size_t len = fuota_panels_len(n_rows, n_frags);
    guarded g = guarded_make(len);
    uint8_t *const expected = malloc(len + 1);
    reference_panels(n_frags, dialect, rows, n_rows, expected);
    for (int at_end = 0; at_end < 2; at_end++) {
        uint8_t *const panels = at_end ? last_bytes(&g, len) : first_bytes(&g);
        random_fill(first_bytes(&g), g.len);
        fuota_parity_panels(kernel, n_frags, dialect, rows, n_rows, panels);
        CHECK(memcmp(panels, expected, len) == 0, "M %u, dialect %d, %zu rows from %u", n_frags, (int)dialect, n_rows,
              rows[0]);
    }
    free(expected);
    guarded_free(&g);
}

static void test_rows(void)
{
    uint32_t rows[40];
    for (int dialect = 1; dialect <= 2; dialect++) {
        for (uint32_t n_frags = 1; n_frags <= FUOTA_MAX_FRAGS;) {
            const size_t n_rows = 1 + random_below(n_frags < 600 ? 33 : 17);
            const uint32_t first = (uint32_t)(1 + random_below(16000));
            for (uint32_t i = 0; i < n_rows; i++)
                rows[i] = i % 3 == 2 ? (uint32_t)(1 + random_below(FUOTA_ROW_FAST_MAX)) : first + i;
            check_rows(n_frags, (fuota_dialect)dialect, rows, n_rows);
            /* All small ones, then powers of two and their neighbours, and some in between. */
            if (n_frags < (quick ? 66u : 530u) || (n_frags & (n_frags - 1)) == 0 || ((n_frags + 1) & n_frags) == 0) {
                n_frags++;
            } else {
                uint32_t next = 1;
                while (next <= n_frags + 1)
                    next *= 2;
                const uint32_t step = n_frags + 1 + (uint32_t)random_below(quick ? 3000 : 300);
                n_frags = step < next - 1 ? step : next - 1;
            }
        }
        /* Each number of rows; row numbers whose seeds pass 2^23, 2^24 and 2^32. */
        for (uint32_t n_rows = 1; n_rows <= 40; n_rows++) {
            for (uint32_t i = 0; i < n_rows; i++)
                rows[i] = n_rows - i;
            check_rows(100 + n_rows, (fuota_dialect)dialect, rows, n_rows);
        }
        const uint32_t far[] = {8379, 8380, 8381, 8382, 16759, 16760, 16761, 16762, 4290672, 4290673, UINT32_MAX};
        for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
            check_rows(64, (fuota_dialect)dialect, far + i, 1);
            check_rows(1000, (fuota_dialect)dialect, far + i, 1);
        }
        check_rows(1000, (fuota_dialect)dialect, far, sizeof far / sizeof far[0]);
    }
}

/* ---- product --------------------------------------------------------------------------------------------------- */

typedef struct shape {
    size_t n_rows, n_frags, frag_size, block_gap, coded_gap, block_offset, coded_offset;
} shape;

static guarded block_pages, coded_pages, panels_pages, work_pages;

static void check_product(shape s)
{
    const size_t block_stride = s.frag_size + s.block_gap, coded_stride = s.frag_size + s.coded_gap;
    const size_t block_len = (s.n_frags - 1) * block_stride + s.frag_size;
    const size_t coded_len = s.n_rows == 0 ? 0 : (s.n_rows - 1) * coded_stride + s.frag_size;
    const size_t panels_len = fuota_panels_len(s.n_rows, s.n_frags);
    const size_t work_len = fuota_encode_work_len(kernel, s.n_rows, s.n_frags, s.frag_size);
    CHECK(block_len + 64 <= block_pages.len && coded_len + 64 <= coded_pages.len && panels_len <= panels_pages.len &&
              work_len + 64 <= work_pages.len, "the test's own buffers");
    uint8_t *const panels = last_bytes(&panels_pages, panels_len);
    uint8_t *const expected = malloc(s.n_rows * s.frag_size + 1);

    /* Any coefficients, but those beyond the last row and column are zero. */
    memset(panels, 0, panels_len);
    for (size_t i = 0; i < s.n_rows; i++)
        for (size_t k = 0; k < s.n_frags; k += 8) {
            const size_t left = s.n_frags - k;
            panels[i / 8 * fuota_panels_len(8, s.n_frags) + k + i % 8] =
                (uint8_t)(random_word() & (left < 8 ? (1u << left) - 1 : 255u));
        }
    for (int at_end = 0; at_end < 2; at_end++) {
        /* Flush against a forbidden page, or at an offset from it. */
        uint8_t *const block = at_end ? last_bytes(&block_pages, block_len + s.block_offset)
                                      : first_bytes(&block_pages) + s.block_offset;
        uint8_t *const coded = at_end ? last_bytes(&coded_pages, coded_len + s.coded_offset)
                                      : first_bytes(&coded_pages) + s.coded_offset;
        uint8_t *const work = at_end ? last_bytes(&work_pages, work_len) : first_bytes(&work_pages) + s.coded_offset;
        random_fill(block, block_len);
        memset(coded, 0xA5, coded_len);
        memset(work, 0xFF, work_len);
        reference_product(panels, s.n_rows, s.n_frags, s.frag_size, block, block_stride, expected);
        fuota_encode(kernel, panels, s.n_rows, s.n_frags, s.frag_size, block, block_stride, coded, coded_stride, work);
        for (size_t i = 0; i < s.n_rows; i++) {
            CHECK(memcmp(coded + i * coded_stride, expected + i * s.frag_size, s.frag_size) == 0,
                  "R %zu, M %zu, F %zu, strides %zu and %zu, offsets %zu and %zu", s.n_rows, s.n_frags, s.frag_size,
                  block_stride, coded_stride, s.block_offset, s.coded_offset);
            for (size_t b = s.frag_size; b < coded_stride && i + 1 < s.n_rows; b++)
                CHECK(coded[i * coded_stride + b] == 0xA5, "the gap behind row %zu of %zu", i, s.n_rows);
        }

        /* Byte columns and panels may be done in pieces, into the same buffer. */
        if (s.n_rows == 0 || s.frag_size == 1)
            continue;
        const size_t cut = 1 + random_below(s.frag_size - 1), first = random_below(fuota_ceil_div(s.n_rows, 8)) * 8;
        memset(coded, 0x5A, coded_len);
        for (int piece = 0; piece < 4; piece++) {
            const size_t b = piece & 1 ? cut : 0, width = piece & 1 ? s.frag_size - cut : cut;
            const size_t row = piece & 2 ? first : 0, n_rows = piece & 2 ? s.n_rows - first : first;
            fuota_encode(kernel, panels + fuota_panels_len(row, s.n_frags), n_rows, s.n_frags, width, block + b,
                         block_stride, coded + row * coded_stride + b, coded_stride, work);
        }
        for (size_t i = 0; i < s.n_rows; i++)
            CHECK(memcmp(coded + i * coded_stride, expected + i * s.frag_size, s.frag_size) == 0,
                  "in pieces: R %zu, M %zu, F %zu, cut at %zu and %zu", s.n_rows, s.n_frags, s.frag_size, cut, first);
    }
    free(expected);
}

static void test_product(void)
{
    block_pages = guarded_make(8u << 20);
    coded_pages = guarded_make(8u << 20);
    panels_pages = guarded_make(8u << 20);
    work_pages = guarded_make(8u << 20);
    for (size_t frag_size = 1; frag_size <= 1024; frag_size += quick ? 1 + frag_size / 40 : 1) {
        const shape s = {1 + random_below(12), 1 + random_below(40), frag_size, random_below(5), random_below(5), 0, 0};
        check_product(s);
    }
    for (size_t offset = 0; offset < 64; offset++) {
        const shape a = {13, 29, 77, 3, 1, offset, 0}, b = {13, 29, 77, 0, 0, 0, offset};
        check_product(a);
        check_product(b);
        const shape c = {9, 17, 1 + random_below(300), random_below(70), random_below(70), random_below(64), offset};
        check_product(c);
    }
    for (size_t n_frags = 1; n_frags <= (quick ? 70u : 300u); n_frags++) {
        const shape s = {1 + random_below(20), n_frags, 1 + random_below(80), 0, 0, 0, 0};
        check_product(s);
    }
    for (size_t power = 256; power <= 16384; power *= 2)
        for (size_t n_frags = power - 1; n_frags <= power + 1 && n_frags <= FUOTA_MAX_FRAGS; n_frags++) {
            const shape s = {1 + random_below(9), n_frags, 1 + random_below(70), random_below(2), 0, 0, 0};
            check_product(s);
        }
    for (size_t n_rows = 0; n_rows <= (quick ? 70u : 300u); n_rows++) {
        const shape s = {n_rows, 1 + random_below(70), 1 + random_below(70), 0, random_below(2), 0, 0};
        check_product(s);
    }
    const shape many_rows = {600, 100, 40, 0, 0, 0, 0}; /* where the kernels change their number of tables */
    check_product(many_rows);
    guarded_free(&block_pages);
    guarded_free(&coded_pages);
    guarded_free(&panels_pages);
    guarded_free(&work_pages);
}

/* ---- bit matrices ------------------------------------------------------------------------------------------------- */

static void test_bit_matrices(void)
{
    for (size_t n_groups = 0; n_groups <= 130; n_groups++) {
        guarded in = guarded_make(8 * n_groups), out = guarded_make(8 * n_groups);
        for (int at_end = 0; at_end < 2; at_end++) {
            uint8_t *const a = at_end ? last_bytes(&in, 8 * n_groups) : first_bytes(&in);
            uint8_t *const b = at_end ? last_bytes(&out, 8 * n_groups) : first_bytes(&out);
            random_fill(a, 8 * n_groups);
            kernel->transpose_groups(a, n_groups, b);
            for (size_t bit = 0; bit < 64 * n_groups; bit++)
                CHECK(((a[bit / 8] >> (bit % 8)) & 1) == ((b[bit / 64 * 8 + bit % 8] >> (bit / 8 % 8)) & 1),
                      "transpose of %zu groups, bit %zu", n_groups, bit);
        }
        guarded_free(&in);
        guarded_free(&out);
    }
    for (size_t stride = FUOTA_BIT_ROW_ALIGN; stride <= 5 * FUOTA_BIT_ROW_ALIGN; stride += FUOTA_BIT_ROW_ALIGN) {
        for (unsigned bits = 0; bits < 256; bits++) {
            const size_t n_rows = 1 + random_below(40), byte_idx = random_below(stride), len = n_rows * stride;
            guarded a = guarded_make(len), p = guarded_make(8 * stride), t = guarded_make(256 * stride);
            uint8_t *const matrix = last_bytes(&a, len), *const pivots = last_bytes(&p, 8 * stride);
            uint8_t *const expected = malloc(len);
            random_fill(matrix, len);
            random_fill(pivots, 8 * stride);
            memcpy(expected, matrix, len);
            for (size_t r = 0; r < n_rows; r++)
                for (unsigned i = 0; i < 8; i++)
                    if ((matrix[r * stride + byte_idx] & bits) >> i & 1)
                        for (size_t b = 0; b < stride; b++)
                            expected[r * stride + b] ^= pivots[i * stride + b];
            kernel->add_pivots(matrix, n_rows, stride, byte_idx, (uint8_t)bits, pivots, last_bytes(&t, 256 * stride));
            CHECK(memcmp(matrix, expected, len) == 0, "add_pivots: %zu rows of %zu, bits %u", n_rows, stride, bits);
            free(expected);
            guarded_free(&a);
            guarded_free(&p);
            guarded_free(&t);
        }
    }
}

/* ---- decoder -------------------------------------------------------------------------------------------------------- */

/* Rank over GF(2) of rows that come one by one, a byte per bit. */
typedef struct echelon {
    uint32_t n, rank;
    uint8_t *rows; /* rows[p] has its first one at p, if filled */
    uint8_t *filled;
} echelon;

static void echelon_add(echelon *e, uint8_t *row)
{
    for (uint32_t p = 0; p < e->n; p++) {
        if (!row[p])
            continue;
        if (!e->filled[p]) {
            e->filled[p] = 1;
            memcpy(e->rows + (size_t)p * e->n, row, e->n);
            e->rank++;
            return;
        }
        for (uint32_t c = p; c < e->n; c++)
            row[c] ^= e->rows[(size_t)p * e->n + c];
    }
}

/* Pushes fragments in a random order, some of them twice. Completion is compared after each, the rank after some.
 * `pieces`: pushes many at a time. */
static void check_decoder(fuota_decoder **reused, uint32_t n_frags, uint32_t frag_size, fuota_dialect dialect,
                          uint32_t n_coded, unsigned uncoded_in_1000, int shuffled, unsigned ask_in_1000, int pieces)
{
    const uint32_t n_all = n_frags + n_coded;
    uint8_t *const block = malloc((size_t)n_all * frag_size), *const row = malloc(n_frags);
    uint32_t *const rows = malloc((n_coded + 1) * sizeof *rows), *const order = malloc(2 * n_all * sizeof *order);
    uint8_t *const panels = malloc(fuota_panels_len(n_coded, n_frags) + 1);
    void *const work = malloc(fuota_encode_work_len(kernel, n_coded, n_frags, frag_size) + 1);
    echelon e = {n_frags, 0, malloc((size_t)n_frags * n_frags), calloc(n_frags, 1)};
    random_fill(block, (size_t)n_frags * frag_size);
    for (uint32_t i = 0; i < n_coded; i++)
        rows[i] = i + 1;
    fuota_parity_panels(kernel, n_frags, dialect, rows, n_coded, panels);
    fuota_encode(kernel, panels, n_coded, n_frags, frag_size, block, frag_size, block + (size_t)n_frags * frag_size,
                 frag_size, work);

    uint32_t n = 0;
    for (uint32_t f = 1; f <= n_all; f++)
        if (f > n_frags || random_below(1000) < uncoded_in_1000)
            order[n++] = f;
    const uint32_t n_once = n;
    for (uint32_t i = 0; i < n_once / 8; i++)
        order[n++] = order[random_below(n_once)];
    for (uint32_t i = n; shuffled && i > 1; i--) {
        const size_t j = random_below(i);
        const uint32_t other = order[j];
        order[j] = order[i - 1];
        order[i - 1] = other;
    }

    CHECK(fuota_decoder_reset(*reused, kernel, n_frags, frag_size, dialect) == FUOTA_OK, "reset");
    fuota_decoder *const d = *reused;
    if (random_below(2))
        fuota_decoder_lend_rows(d, panels, random_below(n_coded + 1));
    uint8_t *const payloads = malloc((size_t)n_all * 2 * frag_size + 1);
    for (uint32_t i = 0; i < n; i++)
        memcpy(payloads + (size_t)i * frag_size, block + (size_t)(order[i] - 1) * frag_size, frag_size);
    for (uint32_t i = 0; i < n;) {
        const uint32_t n_here = pieces ? (uint32_t)(1 + random_below(n - i)) : 1;
        CHECK(fuota_decoder_push_many(d, order + i, payloads + (size_t)i * frag_size, frag_size, n_here) == FUOTA_OK,
              "push");
        for (uint32_t end = i + n_here; i < end; i++) {
            memset(row, 0, n_frags);
            if (order[i] <= n_frags)
                row[order[i] - 1] = 1;
            else
                reference_row(n_frags, dialect, order[i] - n_frags, row);
            echelon_add(&e, row);
        }
        CHECK(fuota_decoder_complete(d) == (e.rank == n_frags), "M %u after %u fragments: rank %u", n_frags, i, e.rank);
        if (random_below(1000) < ask_in_1000) {
            uint32_t rank = 0;
            CHECK(fuota_decoder_rank(d, &rank) == FUOTA_OK && rank == e.rank, "M %u: rank %u, not %u", n_frags, rank,
                  e.rank);
        }
    }
    const fuota_status expected = e.rank == n_frags ? FUOTA_OK : FUOTA_INCOMPLETE;
    CHECK(fuota_decoder_solve(d) == expected, "M %u", n_frags);
    CHECK(expected != FUOTA_OK || memcmp(fuota_decoder_block(d), block, (size_t)n_frags * frag_size) == 0,
          "M %u, F %u, %u coded: wrong bytes", n_frags, frag_size, n_coded);
    CHECK(fuota_decoder_solve(d) == expected, "twice");
    free(payloads);
    free(block);
    free(row);
    free(rows);
    free(order);
    free(panels);
    free(work);
    free(e.rows);
    free(e.filled);
}

/* Equations of which only some are independent: of `n` unknowns, n_run at once that span n_low dimensions at most,
 * then n_more one by one that span n_high. */
static void check_elimination(size_t n, size_t n_run, size_t n_low, size_t n_more, size_t n_high)
{
    const size_t n_all = n_run + n_more;
    fuota_buffer memory = {0};
    fuota_elimination e;
    uint8_t *const columns = calloc(n_all, n), *const row = malloc(n), *const unknowns = malloc(n);
    echelon by_hand = {(uint32_t)n, 0, malloc(n * n), calloc(n, 1)};
    CHECK(fuota_elimination_init(&e, &memory, kernel, n, n_run) == FUOTA_OK, "no memory");
    for (size_t a = 0; a < n; a++)
        unknowns[a] = (uint8_t)random_word();
    uint8_t *const base = malloc(n * n);
    for (size_t i = 0; i < n * n; i++)
        base[i] = random_word() & 1;
    for (size_t c = 0; c < n_all; c++)
        for (size_t i = 0; i < (c < n_run ? n_low : n_high); i++)
            for (size_t a = 0, use = random_word() & 1; use && a < n; a++)
                columns[c * n + a] ^= base[i * n + a];
    free(base);
    for (size_t c = 0; c < n_run; c++) {
        e.labels[c] = (uint32_t)c;
        for (size_t a = 0; a < n; a++)
            e.matrix[a * e.stride + c / 8] |= (uint8_t)(columns[c * n + a] << (c % 8));
    }
    fuota_elimination_run(&e, n_run);
    size_t examined = e.n_columns;
    for (size_t c = 0; c < n_all; c++) {
        memcpy(row, columns + c * n, n);
        echelon_add(&by_hand, row);
        if (c < examined)
            continue;
        if (e.rank < n)
            (void)fuota_elimination_add(&e, columns + c * n, (uint32_t)c);
        CHECK(e.rank == by_hand.rank, "%zu unknowns, equation %zu: rank %zu, not %u", n, c, e.rank, by_hand.rank);
    }
    CHECK(e.rank == by_hand.rank && e.n_columns <= e.capacity, "%zu unknowns: rank %zu", n, e.rank);
    for (size_t a = 0; a < n && e.rank == n; a++) {
        uint8_t sum = 0;
        for (size_t b = 0; b < n; b++) {
            const uint32_t c = e.pivot_column[a];
            uint8_t right = 0; /* the right side of b's equation */
            for (size_t i = 0; i < n; i++)
                right ^= columns[e.labels[e.pivot_column[b]] * n + i] ? unknowns[i] : 0;
            if (e.matrix[b * e.stride + c / 8] >> (c % 8) & 1)
                sum ^= right;
        }
        CHECK(sum == unknowns[a], "%zu unknowns: unknown %zu", n, a);
    }
    fuota_buffer_free(&memory);
    free(columns);
    free(row);
    free(unknowns);
    free(by_hand.rows);
    free(by_hand.filled);
}

static void test_elimination(void)
{
    for (size_t i = 0; i < (quick ? 20u : 200u); i++) {
        const size_t n = 1 + random_below(130), n_run = random_below(200);
        check_elimination(n, n_run, n, random_below(100), n);
        check_elimination(n, n_run, random_below(n), random_below(200), 1 + random_below(n));
    }
    check_elimination(500, 500, 500, 20, 500);
    check_elimination(440, 448, 100, 480, 440); /* room for all of them only without the dependent columns */
    check_elimination(100, 1, 1, 130, 100);
}

static void test_decoder(void)
{
    fuota_decoder *d = fuota_decoder_create(kernel, 1, 1, FUOTA_TS004_1_0_0);
    CHECK(d != NULL, "no memory");
    for (unsigned i = 0; i < (quick ? 200u : 2500u); i++) {
        const uint32_t n_frags = 1 + (uint32_t)random_below(i % 16 == 0 ? 300 : 40);
        const uint32_t n_coded = (uint32_t)random_below(n_frags + 12), frag_size = 1 + (uint32_t)random_below(255);
        const unsigned kept[] = {0, 300, 700, 900, 1000}, asked[] = {0, 100, 1000};
        check_decoder(&d, n_frags, frag_size, i & 1 ? FUOTA_TS004_1_0_0 : FUOTA_TS004_2_0_0, n_coded,
                      kept[random_below(5)], random_below(3) != 0, asked[random_below(3)], random_below(2) != 0);
    }
    /* All coded, with fragments that add nothing: in 2.0.0 every row of 8 has even weight. */
    check_decoder(&d, 8, 5, FUOTA_TS004_2_0_0, 300, 0, 0, 1000, 0);
    check_decoder(&d, 8, 5, FUOTA_TS004_2_0_0, 300, 100, 1, 0, 1);
    check_decoder(&d, quick ? 200 : 700, 16, FUOTA_TS004_1_0_0, quick ? 220 : 720, 0, 0, 0, 1);
    fuota_decoder_destroy(d);
}

/* ---- rows to send -------------------------------------------------------------------------------------------------- */

/* A stream of random patterns, and the sum of every candidate by hand. */
static void check_weighing(size_t n_frags, size_t n_patterns)
{
    const size_t n_rows = kernel->select_n_rows, row_words = n_rows / 64;
    const size_t columns_len = n_frags * row_words * 8, planes_len = FUOTA_SELECT_PLANES * row_words * 8;
    uint16_t stream[4096], *out = stream;
    uint64_t *const sums = calloc(n_rows, sizeof *sums);
    guarded columns_pages = guarded_make(columns_len), planes_pages = guarded_make(2 * planes_len);
    uint64_t *const columns = (uint64_t *)(void *)last_bytes(&columns_pages, columns_len);
    uint64_t *const planes = (uint64_t *)(void *)last_bytes(&planes_pages, 2 * planes_len);
    random_fill((uint8_t *)columns, columns_len);
    for (size_t p = 0; p < n_patterns; p++) {
        const size_t n_vectors = 1 + random_below(4), n_bits = random_below(4);
        uint16_t *const start = out;
        *out++ = (uint16_t)n_vectors;
        for (size_t v = 0; v < n_vectors; v++) {
            const size_t n_columns = 1 + random_below(4);
            *out++ = (uint16_t)n_columns;
            for (size_t c = 0; c < n_columns; c++)
                *out++ = (uint16_t)random_below(n_frags);
        }
        uint64_t weight = 0;
        const uint16_t *const vectors_end = out;
        *out++ = (uint16_t)n_bits;
        for (size_t b = 0; b < n_bits; b++) {
            *out = (uint16_t)random_below(45);
            weight += (uint64_t)1 << *out++;
        }
        for (size_t r = 0; r < n_rows; r++) {
            int is_new = 0;
            for (const uint16_t *at = start + 1; at < vectors_end;) {
                unsigned odd = 0;
                for (unsigned n = *at++; n != 0; n--)
                    odd ^= (unsigned)(columns[*at++ * row_words + r / 64] >> (r % 64) & 1);
                is_new |= (int)odd;
            }
            sums[r] += is_new ? weight : 0;
        }
    }
    kernel->select_weigh(columns, stream, n_patterns, planes, planes + planes_len / 8);
    for (size_t r = 0; r < n_rows; r++) {
        uint64_t sum = 0;
        for (unsigned b = 0; b < FUOTA_SELECT_PLANES; b++)
            sum |= (planes[b * row_words + r / 64] >> (r % 64) & 1) << b;
        CHECK(sum == sums[r], "%zu columns, %zu patterns: sum of candidate %zu", n_frags, n_patterns, r);
    }
    guarded_free(&columns_pages);
    guarded_free(&planes_pages);
    free(sums);
}

/* Every kernel selects the rows that the portable one selects, from any pool. */
static void check_selection(uint32_t n_frags, fuota_dialect dialect, uint32_t n_candidates, size_t n_sent, size_t n_rows)
{
    uint32_t n_patterns[201] = {0}, weights[201] = {0}, gains[3 * (FUOTA_SELECT_DEPTH + 1)], sent[8], rows[2][32];
    for (uint32_t n = 1; n <= n_frags && n <= 20; n++) {
        n_patterns[n] = (uint32_t)random_below(20);
        weights[n] = (uint32_t)random_below(1u << 20);
    }
    for (size_t i = 0; i < sizeof gains / sizeof *gains; i++)
        gains[i] = 1 + (uint32_t)random_below(65535);
    for (size_t i = 0; i < n_sent; i++)
        sent[i] = 1 + (uint32_t)(i * (n_candidates / n_sent));
    const fuota_loss_pool pool = {random_word(), n_patterns, weights, gains, 3, 1u << 29};
    const fuota_kernel *const kernels[] = {kernel, &fuota_kernel_portable};
    for (unsigned k = 0; k < 2; k++) {
        const fuota_status status =
            fuota_select_rows(kernels[k], n_frags, dialect, n_candidates, &pool, sent, n_sent, n_rows, rows[k]);
        CHECK(status == FUOTA_OK, "%u columns: status %d", n_frags, (int)status);
    }
    for (size_t i = 0; i < n_rows; i++) {
        CHECK(rows[0][i] == rows[1][i] && rows[0][i] >= 1 && rows[0][i] <= n_candidates, "%u columns, row %zu: %u", n_frags,
              i, rows[0][i]);
        for (size_t j = 0; j < n_sent + i; j++)
            CHECK(rows[0][i] != (j < n_sent ? sent[j] : rows[0][j - n_sent]), "%u columns: row %zu again", n_frags, i);
    }
}

static void test_selection(void)
{
    for (unsigned i = 0; i < (quick ? 4u : 20u); i++)
        check_weighing(1 + random_below(100), random_below(150));
    for (unsigned i = 0; i < (quick ? 10u : 60u); i++) {
        const uint32_t n_candidates = 40 + (uint32_t)random_below(i % 8 == 0 ? 9000 : 300);
        check_selection(1 + (uint32_t)random_below(200), i & 1 ? FUOTA_TS004_1_0_0 : FUOTA_TS004_2_0_0, n_candidates,
                        random_below(9), random_below(33));
    }
    check_selection(5, FUOTA_TS004_1_0_0, 20, 4, 16); /* all there are */
    check_selection(5, FUOTA_TS004_1_0_0, 0, 0, 0);
}

/* ---- fleets -------------------------------------------------------------------------------------------------------- */

/* Needs of one device, by hand: rows that it received, restricted to the columns that it lost, are added in order. */
static int32_t reference_needed(uint32_t n_frags, const uint8_t *panels, size_t n_rows, const uint64_t *lost,
                                const uint64_t *lost_rows)
{
    uint8_t *const bits = malloc(n_frags), *const row = malloc(n_frags);
    uint32_t n_lost = 0;
    for (uint32_t c = 0; c < n_frags; c++)
        n_lost += (uint32_t)(lost[c / 64] >> (c % 64) & 1);
    echelon e = {n_lost, 0, malloc((size_t)n_lost * n_lost + 1), calloc(n_lost + 1, 1)};
    int32_t needed = n_lost == 0 ? 0 : -1;
    for (size_t r = 0; r < n_rows && needed < 0; r++) {
        if (lost_rows[r / 64] >> (r % 64) & 1)
            continue;
        fuota_panels_unpack(panels, n_frags, r, bits);
        uint32_t n = 0;
        for (uint32_t c = 0; c < n_frags; c++)
            if (lost[c / 64] >> (c % 64) & 1)
                row[n++] = bits[c];
        echelon_add(&e, row);
        if (e.rank == n_lost)
            needed = (int32_t)r + 1;
    }
    free(bits);
    free(row);
    free(e.rows);
    free(e.filled);
    return needed;
}

static void check_fleet(uint32_t n_frags, size_t n_rows, fuota_dialect dialect, uint32_t threshold, size_t n_devices)
{
    const size_t u_words = fuota_losses_len(n_frags), stride = u_words + fuota_losses_len(n_rows);
    uint32_t *const rows = malloc((n_rows + 1) * sizeof *rows);
    uint8_t *const panels = malloc(fuota_panels_len(n_rows, n_frags) + 1);
    uint64_t *const columns = malloc((fuota_columns_len(n_rows, n_frags) + 1) * sizeof *columns);
    uint64_t *const lost = malloc((n_devices * stride + 1) * sizeof *lost), *const other = malloc(stride * sizeof *lost);
    int32_t *const needed = malloc((n_devices + 1) * sizeof *needed), *const drawn = malloc((n_devices + 1) * sizeof *drawn);
    const uint64_t seed = random_word(), first = random_word() >> 20;
    for (uint32_t i = 0; i < n_rows; i++)
        rows[i] = i + 1;
    fuota_parity_panels(kernel, n_frags, dialect, rows, n_rows, panels);
    fuota_columns(panels, n_rows, n_frags, columns);
    for (size_t d = 0; d < n_devices; d++) {
        kernel->losses_draw(seed, first + d, threshold, n_frags, n_rows, lost + d * stride);
        fuota_losses_draw_portable(seed, first + d, threshold, n_frags, n_rows, other);
        CHECK(memcmp(lost + d * stride, other, stride * sizeof *other) == 0, "losses of M %u, %zu rows", n_frags, n_rows);
    }
    CHECK(fuota_fleet_complete(kernel, columns, n_frags, n_rows, lost, n_devices, needed) == FUOTA_OK, "no memory");
    for (size_t d = 0; d < n_devices; d++) {
        const uint64_t *const own = lost + d * stride;
        const int32_t expected = reference_needed(n_frags, panels, n_rows, own, own + u_words);
        CHECK(needed[d] == expected, "M %u, %zu rows, device %zu: %d, not %d", n_frags, n_rows, d, (int)needed[d],
              (int)expected);
    }
    CHECK(fuota_fleet_simulate(kernel, columns, n_frags, n_rows, seed, first, &threshold, 0, n_devices, drawn) == FUOTA_OK,
          "no memory");
    CHECK(n_devices == 0 || memcmp(needed, drawn, n_devices * sizeof *needed) == 0, "M %u: simulated", n_frags);
    free(rows);
    free(panels);
    free(columns);
    free(lost);
    free(other);
    free(needed);
    free(drawn);
}

static void test_fleets(void)
{
    const uint32_t thresholds[] = {0, 1u << 28, 1u << 29, 3u << 29, UINT32_MAX};
    for (unsigned i = 0; i < (quick ? 12u : 60u); i++) {
        const uint32_t n_frags = 1 + (uint32_t)random_below(i % 4 == 0 ? 400 : 70);
        check_fleet(n_frags, random_below(2 * n_frags), i & 1 ? FUOTA_TS004_1_0_0 : FUOTA_TS004_2_0_0,
                    thresholds[random_below(5)], random_below(40));
    }
    check_fleet(1, 0, FUOTA_TS004_1_0_0, 1u << 31, 20);
    check_fleet(300, 640, FUOTA_TS004_2_0_0, 1u << 31, quick ? 10 : 60); /* columns without the rows that were not received */
    check_fleet(900, 500, FUOTA_TS004_1_0_0, 3u << 29, quick ? 3 : 30); /* one device at a time, up to eight panels */
    check_fleet(60, 80, FUOTA_TS004_1_0_0, 1u << 30, 1030); /* more devices than are listed at once */
}

/* ---- the same on every machine ----------------------------------------------------------------------------------- */

/* FNV-1a of numbers, a byte at a time from the lowest. */
static uint64_t digest(uint64_t before, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++, number >>= 8)
        before = (before ^ (number & 0xFF)) * 0x100000001B3u;
    return before;
}

/* The contract makes both results the same for every kernel and machine; these digests were recorded on x86-64. */
#define PINNED_FLEET 0x2FD0D3CA86143162u
#define PINNED_ROWS 0x65AFEEB605215C2Fu

static void test_pinned_results(void)
{
    enum { N_FRAGS = 100, N_ROWS = 130, N_DEVICES = 200, N_SELECTED = 24 };
    uint32_t rows[N_ROWS], n_patterns[N_FRAGS + 1] = {0}, weights[N_FRAGS + 1] = {0}, gains[FUOTA_SELECT_DEPTH + 1];
    uint8_t panels[(N_ROWS + 7) / 8 * 8 * ((N_FRAGS + 7) / 8)];
    uint64_t columns[(N_ROWS + 63) / 64 * N_FRAGS], sum = 0xCBF29CE484222325u;
    int32_t needed[N_DEVICES];
    const uint32_t threshold = 1u << 30;
    for (uint32_t i = 0; i < N_ROWS; i++)
        rows[i] = i + 1;
    CHECK(sizeof panels == fuota_panels_len(N_ROWS, N_FRAGS), "the test's own buffer");
    CHECK(sizeof columns / 8 == fuota_columns_len(N_ROWS, N_FRAGS), "the test's own buffer");
    fuota_parity_panels(kernel, N_FRAGS, FUOTA_TS004_2_0_0, rows, N_ROWS, panels);
    fuota_columns(panels, N_ROWS, N_FRAGS, columns);
    CHECK(fuota_fleet_simulate(kernel, columns, N_FRAGS, N_ROWS, 2026, 5, &threshold, 0, N_DEVICES, needed) == FUOTA_OK,
          "no memory");
    for (unsigned d = 0; d < N_DEVICES; d++)
        sum = digest(sum, (uint32_t)needed[d]);
    CHECK(sum == PINNED_FLEET, "fleet: %llx", (unsigned long long)sum);

    for (uint32_t n = 1; n <= 20; n++) {
        n_patterns[n] = 30 - n;
        weights[n] = 1000 * n + 7;
    }
    for (uint32_t d = 0; d <= FUOTA_SELECT_DEPTH; d++)
        gains[d] = 60000u >> d;
    const fuota_loss_pool pool = {2026, n_patterns, weights, gains, 1, 1u << 29};
    CHECK(fuota_select_rows(kernel, N_FRAGS, FUOTA_TS004_1_0_0, 5000, &pool, NULL, 0, N_SELECTED, rows) == FUOTA_OK,
          "no memory");
    sum = 0xCBF29CE484222325u;
    for (unsigned i = 0; i < N_SELECTED; i++)
        sum = digest(sum, rows[i]);
    CHECK(sum == PINNED_ROWS, "rows: %llx", (unsigned long long)sum);
}

/* ---- sizes -------------------------------------------------------------------------------------------------------- */

static void test_sizes(void)
{
    fuota_buffer buffer = {0};
    CHECK(fuota_size_add(SIZE_MAX, 0) == SIZE_MAX && fuota_size_add(SIZE_MAX, 1) == SIZE_MAX, "sum");
    CHECK(fuota_size_mul(SIZE_MAX, 1) == SIZE_MAX && fuota_size_mul(SIZE_MAX / 2, 3) == SIZE_MAX, "product");
    CHECK(fuota_round_64(SIZE_MAX) == SIZE_MAX && fuota_ceil_div(SIZE_MAX, 2) == SIZE_MAX / 2 + 1, "rounded up");
    CHECK(fuota_panels_len(SIZE_MAX, FUOTA_MAX_FRAGS) == SIZE_MAX, "panels");
    CHECK(fuota_columns_len(SIZE_MAX, FUOTA_MAX_FRAGS) == SIZE_MAX, "columns");
    CHECK(fuota_encode_work_len(&fuota_kernel_portable, SIZE_MAX, 1, 1) == SIZE_MAX, "work of a product");
    CHECK(fuota_buffer_reserve(&buffer, SIZE_MAX) == NULL && buffer.memory == NULL, "a buffer");

    /* Pools whose vectors need 2^32 bytes and more. On a 64-bit machine they fit. */
    if (SIZE_MAX <= UINT32_MAX) {
        static uint32_t n_patterns[FUOTA_MAX_FRAGS + 1], weights[FUOTA_MAX_FRAGS + 1], gains[FUOTA_SELECT_DEPTH + 1];
        const fuota_loss_pool pool = {1, n_patterns, weights, gains, 1, 1u << 29};
        const uint32_t large[][2] = {{8192, 512}, {8192, 513}, {16383, 512}, {16383, (1u << 20) - 1}};
        uint32_t row;
        for (unsigned i = 0; i < sizeof large / sizeof *large; i++) {
            n_patterns[large[i][0]] = large[i][1];
            const fuota_status status =
                fuota_select_rows(kernel, large[i][0], FUOTA_TS004_1_0_0, 100, &pool, NULL, 0, 1, &row);
            CHECK(status == FUOTA_NO_MEMORY, "%u columns, %u patterns: status %d", large[i][0], large[i][1], (int)status);
            n_patterns[large[i][0]] = 0;
        }
    }
}

int main(int argc, char **argv)
{
    const uint32_t features = fuota_cpu_features();
    quick = argc > 1 && strcmp(argv[1], "quick") == 0;
    for (unsigned i = 0; (kernel = fuota_kernel_at(features, i)) != NULL; i++) {
        random_state = 1;
        test_rows();
        test_product();
        test_bit_matrices();
        test_elimination();
        test_decoder();
        test_selection();
        test_fleets();
        test_pinned_results();
        test_sizes();
        printf("%s: ok\n", fuota_kernel_name(kernel));
    }
    return 0;
}
