#include <stdlib.h>

#include "kernels.h"

/* How it decodes.
 *
 * Received uncoded fragments lie in the block, missing ones are zero; coded fragments are kept with their
 * payloads. Nothing else happens until as many fragments have come as the block has: before that it cannot be
 * determined. From then on `basis` holds the received rows restricted to the missing columns, one row added per
 * coded fragment, so the decoder knows at once when the rank is complete. It names the independent rows.
 *
 * Solving is then two products. With zeros in the missing places the ordinary product of the independent rows
 * with the block, plus the coded payloads, is what the missing fragments must sum to (the syndromes); the
 * inverse of the rows restricted to the missing columns takes the syndromes to the fragments. */

typedef struct coded_list {
    uint32_t *rows;    /* row numbers, in order of arrival */
    uint8_t *payloads; /* frag_size bytes each */
    size_t n, capacity;
} coded_list;

struct fuota_decoder {
    const fuota_kernel *kernel;
    fuota_dialect dialect;
    uint32_t n_frags, frag_size;
    size_t n_uncoded;
    uint8_t *block;
    uint8_t seen[(FUOTA_MAX_FRAG_NB + 1) / 8]; /* bit per frag_nb */
    coded_list coded;

    /* Valid while has_basis: the missing columns, and the rows of coded[0 … n_examined-1] on them. */
    int has_basis;
    fuota_basis basis;
    uint32_t *columns;     /* zero-based missing positions, ascending */
    uint32_t *independent; /* indices into coded, rank of them */
    size_t n_examined;

    int complete, solved;
};

FUOTA_INLINE int is_seen(const fuota_decoder *d, uint32_t frag_nb) { return (d->seen[frag_nb / 8] >> (frag_nb % 8)) & 1; }

fuota_decoder *fuota_decoder_create(const fuota_kernel *kernel, uint32_t n_frags, uint32_t frag_size,
                                    fuota_dialect dialect)
{
    fuota_decoder *const d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->kernel = kernel;
    d->dialect = dialect;
    d->n_frags = n_frags;
    d->frag_size = frag_size;
    d->block = calloc(n_frags, frag_size);
    if (d->block == NULL) {
        free(d);
        return NULL;
    }
    return d;
}

static void drop_basis(fuota_decoder *d)
{
    if (!d->has_basis)
        return;
    fuota_basis_free(&d->basis);
    free(d->columns);
    free(d->independent);
    d->has_basis = 0;
}

void fuota_decoder_destroy(fuota_decoder *d)
{
    if (d == NULL)
        return;
    drop_basis(d);
    free(d->coded.rows);
    free(d->coded.payloads);
    free(d->block);
    free(d);
}

int fuota_decoder_complete(const fuota_decoder *d) { return d->complete; }

const uint8_t *fuota_decoder_block(const fuota_decoder *d) { return d->block; }

/* ---- rank ----------------------------------------------------------------------------------------------- */

static fuota_status start_basis(fuota_decoder *d)
{
    const size_t n_missing = d->n_frags - d->n_uncoded;
    d->columns = malloc((n_missing + 1) * sizeof *d->columns);
    d->independent = malloc((n_missing + 1) * sizeof *d->independent);
    if (d->columns == NULL || d->independent == NULL || fuota_basis_init(&d->basis, n_missing) != FUOTA_OK) {
        free(d->columns);
        free(d->independent);
        return FUOTA_NO_MEMORY;
    }
    size_t n = 0;
    for (uint32_t c = 0; c < d->n_frags; c++)
        if (!is_seen(d, c + 1))
            d->columns[n++] = c;
    d->n_examined = 0;
    d->has_basis = 1;
    return FUOTA_OK;
}

/* The eight rows of a panel restricted to `columns`: out[r] gets n_words words. A group of eight columns is
 * transposed once, then each wanted column is a byte; eight of them make a group of the result. */
static void restrict_panel(const uint8_t *panel, const uint32_t *columns, size_t n_columns, uint64_t *out,
                           size_t n_words)
{
    memset(out, 0, 8 * n_words * sizeof *out);
    size_t group = SIZE_MAX;
    uint8_t by_column[8], eight[8];
    for (size_t first = 0; first < n_columns; first += 8) {
        const size_t n_here = n_columns - first < 8 ? n_columns - first : 8;
        memset(eight, 0, sizeof eight);
        for (size_t i = 0; i < n_here; i++) {
            const uint32_t c = columns[first + i];
            if (c / 8 != group) {
                group = c / 8;
                fuota_store_le64(by_column, fuota_transpose_8x8(fuota_load_le64(panel + group * 8)));
            }
            eight[i] = by_column[c % 8];
        }
        const uint64_t rows = fuota_transpose_8x8(fuota_load_le64(eight));
        for (unsigned r = 0; r < 8; r++)
            out[r * n_words + first / 64] |= ((rows >> (8 * r)) & 0xFF) << (first % 64);
    }
}

/* Brings the basis up to date with the coded fragments received. */
static fuota_status examine(fuota_decoder *d)
{
    if (!d->has_basis) {
        const fuota_status status = start_basis(d);
        if (status != FUOTA_OK)
            return status;
    }
    const size_t n_words = d->basis.n_words;
    uint8_t *const panel = malloc(fuota_panels_len(8, d->n_frags));
    uint64_t *const rows = malloc((8 * n_words + 1) * sizeof *rows);
    if (panel == NULL || rows == NULL) {
        free(panel);
        free(rows);
        return FUOTA_NO_MEMORY;
    }
    while (d->n_examined < d->coded.n && d->basis.rank < d->basis.n_cols) {
        const size_t left = d->coded.n - d->n_examined;
        const size_t n_here = left < 8 ? left : 8;
        fuota_parity_panels(d->kernel, d->n_frags, d->dialect, d->coded.rows + d->n_examined, n_here, panel);
        restrict_panel(panel, d->columns, d->basis.n_cols, rows, n_words);
        for (size_t r = 0; r < n_here && d->basis.rank < d->basis.n_cols; r++, d->n_examined++)
            if (fuota_basis_add(&d->basis, rows + r * n_words))
                d->independent[d->basis.rank - 1] = (uint32_t)d->n_examined;
    }
    free(panel);
    free(rows);
    return FUOTA_OK;
}

fuota_status fuota_decoder_rank(fuota_decoder *d, uint32_t *rank)
{
    if (d->complete) {
        *rank = d->n_frags;
        return FUOTA_OK;
    }
    if (d->coded.n != 0) {
        const fuota_status status = examine(d);
        if (status != FUOTA_OK)
            return status;
    }
    *rank = (uint32_t)(d->n_uncoded + (d->has_basis ? d->basis.rank : 0));
    return FUOTA_OK;
}

/* ---- arrival -------------------------------------------------------------------------------------------- */

static fuota_status coded_append(coded_list *list, uint32_t row, const uint8_t *payload, size_t frag_size)
{
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity + list->capacity / 2 + 16;
        uint32_t *const rows = realloc(list->rows, capacity * sizeof *rows);
        if (rows == NULL)
            return FUOTA_NO_MEMORY;
        list->rows = rows;
        uint8_t *const payloads = realloc(list->payloads, capacity * frag_size);
        if (payloads == NULL)
            return FUOTA_NO_MEMORY;
        list->payloads = payloads;
        list->capacity = capacity;
    }
    list->rows[list->n] = row;
    memcpy(list->payloads + list->n * frag_size, payload, frag_size);
    list->n++;
    return FUOTA_OK;
}

fuota_status fuota_decoder_push(fuota_decoder *d, uint32_t frag_nb, const uint8_t *payload)
{
    if (frag_nb == 0 || frag_nb > FUOTA_MAX_FRAG_NB)
        return FUOTA_BAD_ARGUMENT;
    const int is_new = !is_seen(d, frag_nb);
    if (d->complete)
        return FUOTA_OK;
    if (is_new) {
        if (frag_nb <= d->n_frags) {
            /* One column fewer: the basis is of other columns now. */
            drop_basis(d);
            memcpy(d->block + (size_t)(frag_nb - 1) * d->frag_size, payload, d->frag_size);
            d->n_uncoded++;
        } else {
            const fuota_status status = coded_append(&d->coded, frag_nb - d->n_frags, payload, d->frag_size);
            if (status != FUOTA_OK)
                return status;
        }
        d->seen[frag_nb / 8] |= (uint8_t)(1u << (frag_nb % 8));
    }
    if (d->n_uncoded + d->coded.n < d->n_frags)
        return FUOTA_OK;
    uint32_t rank;
    const fuota_status status = fuota_decoder_rank(d, &rank);
    if (status == FUOTA_OK)
        d->complete = rank == d->n_frags;
    return status;
}

fuota_status fuota_decoder_push_many(fuota_decoder *d, const uint32_t *frag_nbs, const uint8_t *payloads,
                                     size_t stride, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const fuota_status status = fuota_decoder_push(d, frag_nbs[i], payloads + i * stride);
        if (status != FUOTA_OK)
            return status;
    }
    return FUOTA_OK;
}

/* ---- bytes ---------------------------------------------------------------------------------------------- */

/* All memory of a solution, allocated together so that it can fail in one place. */
typedef struct solution {
    uint32_t *rows, *pivots;
    uint8_t *panels;     /* the independent rows; later the inverse */
    uint64_t *matrix;    /* the independent rows on the missing columns; inverted in place */
    uint8_t *sums;       /* n × frag_size */
    uint8_t *syndromes;  /* n × frag_size, in the order of the pivots */
    void *work;
} solution;

static void solution_free(solution *s)
{
    free(s->rows);
    free(s->pivots);
    free(s->panels);
    free(s->matrix);
    free(s->sums);
    free(s->syndromes);
    free(s->work);
}

static int solution_alloc(solution *s, const fuota_decoder *d, size_t n)
{
    const size_t encode_len_1 = fuota_encode_work_len(d->kernel, n, d->n_frags, d->frag_size);
    const size_t encode_len_2 = fuota_encode_work_len(d->kernel, n, n, d->frag_size);
    size_t work_len = fuota_invert_work_len(n);
    work_len = work_len < encode_len_1 ? encode_len_1 : work_len;
    work_len = work_len < encode_len_2 ? encode_len_2 : work_len;
    s->rows = malloc(n * sizeof *s->rows);
    s->pivots = malloc(n * sizeof *s->pivots);
    s->panels = malloc(fuota_panels_len(n, d->n_frags));
    s->matrix = malloc(fuota_ceil_div(n, 8) * 8 * fuota_ceil_div(n, 64) * sizeof *s->matrix);
    s->sums = malloc(n * d->frag_size);
    s->syndromes = malloc(n * d->frag_size);
    s->work = malloc(work_len);
    return s->rows && s->pivots && s->panels && s->matrix && s->sums && s->syndromes && s->work;
}

static void syndromes_by_pivot(const fuota_decoder *d, solution *s, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const uint8_t *const sum = s->sums + (size_t)s->pivots[k] * d->frag_size;
        const uint8_t *const payload = d->coded.payloads + (size_t)d->independent[s->pivots[k]] * d->frag_size;
        uint8_t *const out = s->syndromes + k * d->frag_size;
        for (size_t i = 0; i < d->frag_size; i++)
            out[i] = sum[i] ^ payload[i];
    }
}

/* Row k of the panels = row pivots[k] of the inverted matrix. */
static void inverse_panels(solution *s, size_t n)
{
    const size_t n_words = fuota_ceil_div(n, 64), n_groups = fuota_ceil_div(n, 8);
    memset(s->panels, 0, fuota_panels_len(n, n));
    for (size_t k = 0; k < n; k++) {
        const uint64_t *const row = s->matrix + s->pivots[k] * n_words;
        uint8_t *const out = s->panels + (k / 8) * n_groups * 8 + k % 8;
        for (size_t g = 0; g < n_groups; g++)
            out[g * 8] = (uint8_t)(row[g / 8] >> (8 * (g % 8)));
    }
}

fuota_status fuota_decoder_solve(fuota_decoder *d)
{
    if (!d->complete)
        return FUOTA_INCOMPLETE;
    const size_t n = d->n_frags - d->n_uncoded;
    if (d->solved || n == 0)
        return FUOTA_OK;

    solution s = {0};
    if (!solution_alloc(&s, d, n)) {
        solution_free(&s);
        return FUOTA_NO_MEMORY;
    }
    const size_t n_words = fuota_ceil_div(n, 64), panel_len = fuota_panels_len(8, d->n_frags);
    for (size_t i = 0; i < n; i++)
        s.rows[i] = d->coded.rows[d->independent[i]];
    fuota_parity_panels(d->kernel, d->n_frags, d->dialect, s.rows, n, s.panels);
    fuota_encode(d->kernel, s.panels, n, d->n_frags, d->frag_size, d->block, d->frag_size, s.sums, d->frag_size,
                 s.work);
    for (size_t p = 0; p < fuota_ceil_div(n, 8); p++)
        restrict_panel(s.panels + p * panel_len, d->columns, n, s.matrix + p * 8 * n_words, n_words);
    const int invertible = fuota_invert(s.matrix, n, s.pivots, s.work);
    if (invertible) {
        syndromes_by_pivot(d, &s, n);
        inverse_panels(&s, n);
        fuota_encode(d->kernel, s.panels, n, n, d->frag_size, s.syndromes, d->frag_size, s.sums, d->frag_size,
                     s.work);
        for (size_t k = 0; k < n; k++)
            memcpy(d->block + (size_t)d->columns[k] * d->frag_size, s.sums + k * d->frag_size, d->frag_size);
        d->solved = 1;
    }
    solution_free(&s);
    return invertible ? FUOTA_OK : FUOTA_INCOMPLETE; /* independent rows are invertible: never the second */
}
