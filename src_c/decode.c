#include <stdlib.h>

#include "kernels.h"

/* How it decodes.
 *
 * Received uncoded fragments lie in the block, missing ones are zero; coded fragments are kept with their payloads.
 * Nothing else happens until as many fragments have arrived as the block has: fewer cannot determine it. Then the
 * received rows, restricted to the missing columns, are eliminated all at once, and later fragments are added one by
 * one, so that the decoder knows at once when the rank is complete: a coded fragment as its row, a late uncoded one as
 * an equation of one unknown.
 *
 * Solving is then two products. With zeros in the missing places the ordinary product of the rows with the
 * block, plus the coded payloads, is what the missing fragments must sum to (the syndromes); the inverse of the
 * rows restricted to the missing columns takes the syndromes to the fragments. */

/* Coded fragments beyond those needed that join the first elimination if they are at hand: nearly always enough. */
#define DECODER_LOOK_AHEAD 12u

typedef struct coded_list {
    uint32_t *rows;    /* row numbers, in order of arrival */
    uint8_t *payloads; /* frag_size bytes each */
    size_t n;
    fuota_buffer rows_memory, payloads_memory;
} coded_list;

/* The missing fragments and the equations that coded ones give for them. Labels of equations are indices of coded
 * fragments, or LATE_LABEL. */
typedef struct restriction {
    fuota_elimination elimination;
    uint32_t *columns; /* zero-based positions that were missing when it was started, ascending */
    uint8_t *panels;   /* rows of coded[0 … n_panelled-1], eliminated together */
    uint8_t *scratch;
    size_t n_panelled, n_examined;
    fuota_buffer memory, elimination_memory;
} restriction;

#define LATE_LABEL UINT32_MAX

struct fuota_decoder {
    const fuota_kernel *kernel;
    fuota_dialect dialect;
    uint32_t n_frags, frag_size;
    const uint8_t *lent_panels; /* of rows 1 … n_lent */
    size_t n_lent, n_uncoded;
    uint8_t *block;
    uint8_t seen[(FUOTA_MAX_FRAG_NB + 1) / 8]; /* bit per frag_nb */
    coded_list coded;
    int has_restriction;
    size_t n_late; /* uncoded fragments that came since the restriction was started */
    restriction restriction;
    int complete, solved;
    fuota_buffer block_memory, solution_memory;
};

FUOTA_INLINE int decoder_has_seen(const fuota_decoder *d, uint32_t frag_nb)
{
    return (d->seen[frag_nb / 8] >> (frag_nb % 8)) & 1;
}

fuota_status fuota_decoder_reset(fuota_decoder *d, const fuota_kernel *kernel, uint32_t n_frags, uint32_t frag_size,
                                 fuota_dialect dialect)
{
    /* The sizes below follow from these limits and the 16383 fragment numbers; the largest sum is below 2^28. */
    assert(n_frags >= 1 && n_frags <= FUOTA_MAX_FRAGS && frag_size >= 1 && frag_size <= FUOTA_MAX_FRAG_SIZE);
    assert(dialect == FUOTA_TS004_1_0_0 || dialect == FUOTA_TS004_2_0_0);
    uint8_t *const block = fuota_buffer_reserve(&d->block_memory, (size_t)n_frags * frag_size);
    if (block == NULL)
        return FUOTA_NO_MEMORY;
    d->kernel = kernel;
    d->dialect = dialect;
    d->n_frags = n_frags;
    d->frag_size = frag_size;
    d->n_uncoded = d->coded.n = d->n_late = d->n_lent = 0;
    d->block = block;
    d->has_restriction = d->complete = d->solved = 0;
    memset(d->seen, 0, sizeof d->seen);
    return FUOTA_OK;
}

fuota_decoder *fuota_decoder_create(const fuota_kernel *kernel, uint32_t n_frags, uint32_t frag_size,
                                    fuota_dialect dialect)
{
    fuota_decoder *const d = calloc(1, sizeof *d);
    if (d != NULL && fuota_decoder_reset(d, kernel, n_frags, frag_size, dialect) == FUOTA_OK)
        return d;
    free(d);
    return NULL;
}

void fuota_decoder_destroy(fuota_decoder *d)
{
    if (d == NULL)
        return;
    fuota_buffer_free(&d->restriction.memory);
    fuota_buffer_free(&d->restriction.elimination_memory);
    fuota_buffer_free(&d->coded.rows_memory);
    fuota_buffer_free(&d->coded.payloads_memory);
    fuota_buffer_free(&d->block_memory);
    fuota_buffer_free(&d->solution_memory);
    free(d);
}

size_t fuota_decoder_memory_len(const fuota_decoder *d)
{
    return sizeof *d + d->restriction.memory.capacity + d->restriction.elimination_memory.capacity +
           d->coded.rows_memory.capacity + d->coded.payloads_memory.capacity + d->block_memory.capacity +
           d->solution_memory.capacity;
}

int fuota_decoder_complete(const fuota_decoder *d) { return d->complete; }

const uint8_t *fuota_decoder_block(const fuota_decoder *d) { return d->block; }

void fuota_decoder_lend_block(fuota_decoder *d, uint8_t *block)
{
    assert(d->n_uncoded == 0);
    d->block = block;
}

/* ---- rows ----------------------------------------------------------------------------------------------- */

void fuota_decoder_lend_rows(fuota_decoder *d, const uint8_t *panels, size_t n_rows)
{
    d->lent_panels = panels;
    d->n_lent = n_rows;
}

/* Copies rows of a matrix with n_groups groups to a byte of the groups of others, in runs that keep their distance. The
 * first run of a panel writes all of its bytes. */
static void pick_rows(const uint8_t *from, size_t n_groups, const uint32_t *rows, size_t n_rows, uint8_t *to)
{
    for (size_t i = 0, n; i < n_rows; i += n) {
        const size_t row = rows[i] - 1;
        for (n = 1; i + n < n_rows && rows[i + n] == rows[i] + n && (i + n) % 8 != 0 && (row + n) % 8 != 0;)
            n++;
        const uint8_t *const source = from + row / 8 * 8 * n_groups;
        uint8_t *const target = to + i / 8 * 8 * n_groups;
        if (n == 8) {
            memcpy(target, source, 8 * n_groups);
            continue;
        }
        const unsigned right = 8 * (unsigned)(row % 8), left = 8 * (unsigned)(i % 8);
        const uint64_t mask = (UINT64_C(1) << 8 * n) - 1;
        if (left == 0)
            for (size_t g = 0; g < n_groups; g++)
                fuota_store_le64(target + 8 * g, fuota_load_le64(source + 8 * g) >> right & mask);
        else
            for (size_t g = 0; g < n_groups; g++) {
                const uint64_t picked = fuota_load_le64(source + 8 * g) >> right & mask;
                fuota_store_le64(target + 8 * g, fuota_load_le64(target + 8 * g) | picked << left);
            }
    }
}

/* Panels of rows. Sixteen at a time, since drawing fewer costs as much, they come from those lent if all of them are
 * there. */
static void decoder_panels(const fuota_decoder *d, const uint32_t *rows, size_t n_rows, uint8_t *panels)
{
    const size_t n_groups = fuota_ceil_div(d->n_frags, 8);
    for (size_t first = 0; first < n_rows; first += 16) {
        const size_t n = n_rows - first < 16 ? n_rows - first : 16;
        uint32_t largest = 0;
        for (size_t i = 0; i < n; i++)
            largest = rows[first + i] > largest ? rows[first + i] : largest;
        if (largest <= d->n_lent)
            pick_rows(d->lent_panels, n_groups, rows + first, n, panels + first * n_groups);
        else
            fuota_parity_panels(d->kernel, d->n_frags, d->dialect, rows + first, n, panels + first * n_groups);
    }
}

/* ---- rank ----------------------------------------------------------------------------------------------- */

/* Lays the missing columns of the panels into the elimination: byte p of an unknown's row is its column of panel p.
 * Eight panels at a time, so that whole words are written. */
static void restriction_add_panels(const restriction *s, const fuota_kernel *kernel, size_t n_frags, size_t n_panels)
{
    const size_t n_groups = fuota_ceil_div(n_frags, 8), n = s->elimination.n_unknowns;
    uint8_t *const by_column = s->scratch, *const words = s->scratch + 8 * n_groups;
    for (size_t first = 0; first < n_panels; first += 8) {
        const size_t n_here = n_panels - first < 8 ? n_panels - first : 8;
        memset(words, 0, 8 * n);
        for (size_t p = 0; p < n_here; p++) {
            kernel->transpose_groups(s->panels + (first + p) * 8 * n_groups, n_groups, by_column);
            for (size_t a = 0; a < n; a++)
                words[8 * a + p] = by_column[s->columns[a]];
        }
        for (size_t a = 0; a < n; a++)
            memcpy(s->elimination.matrix + a * s->elimination.stride + first, words + 8 * a, 8);
    }
}

/* Starts a restriction to the fragments missing now, with as many coded fragments as are probably needed. */
static fuota_status restriction_start(restriction *s, const fuota_decoder *d)
{
    const size_t n_missing = d->n_frags - d->n_uncoded, likely = n_missing + DECODER_LOOK_AHEAD;
    const size_t n = d->coded.n < likely ? d->coded.n : likely;
    const size_t columns_len = fuota_round_64(n_missing * sizeof *s->columns);
    const size_t panels_len = fuota_round_64(fuota_panels_len(n, d->n_frags));
    uint8_t *const p = fuota_buffer_reserve(&s->memory, columns_len + panels_len + 3 * fuota_panels_len(8, d->n_frags) +
                                                            8 * n_missing);
    if (p == NULL ||
        fuota_elimination_init(&s->elimination, &s->elimination_memory, d->kernel, n_missing, n) != FUOTA_OK)
        return FUOTA_NO_MEMORY;
    s->columns = (uint32_t *)(void *)p;
    s->panels = p + columns_len;
    s->scratch = s->panels + panels_len;
    size_t at = 0;
    for (uint32_t c = 0; c < d->n_frags; c++)
        if (!decoder_has_seen(d, c + 1))
            s->columns[at++] = c;
    decoder_panels(d, d->coded.rows, n, s->panels);
    restriction_add_panels(s, d->kernel, d->n_frags, fuota_ceil_div(n, 8));
    for (uint32_t i = 0; i < n; i++)
        s->elimination.labels[i] = i;
    fuota_elimination_run(&s->elimination, n);
    s->n_panelled = s->n_examined = s->elimination.n_columns;
    return FUOTA_OK;
}

/* Adds coded fragment n_examined. */
static void restriction_add(restriction *s, const fuota_decoder *d)
{
    assert(s->n_examined < d->coded.n);
    const size_t panel_len = fuota_panels_len(8, d->n_frags);
    uint8_t *const panel = s->scratch, *const by_column = s->scratch + panel_len, *const column = by_column + panel_len;
    const size_t idx = s->n_examined++;
    decoder_panels(d, d->coded.rows + idx, 1, panel);
    d->kernel->transpose_groups(panel, panel_len / 8, by_column);
    for (size_t a = 0; a < s->elimination.n_unknowns; a++)
        column[a] = by_column[s->columns[a]];
    (void)fuota_elimination_add(&s->elimination, column, (uint32_t)idx);
}

/* Adds the uncoded fragment at `position`, which was missing when the restriction was started. */
static void restriction_add_late(restriction *s, uint32_t position)
{
    const size_t n = s->elimination.n_unknowns;
    uint8_t *const column = s->scratch;
    memset(column, 0, n);
    for (size_t a = 0; a < n; a++)
        column[a] = s->columns[a] == position;
    (void)fuota_elimination_add(&s->elimination, column, LATE_LABEL);
}

fuota_status fuota_decoder_rank(fuota_decoder *d, uint32_t *rank)
{
    *rank = (uint32_t)d->n_uncoded;
    if (d->complete)
        *rank = d->n_frags;
    if (d->complete || d->n_uncoded == d->n_frags || d->coded.n == 0)
        return FUOTA_OK;
    restriction *const s = &d->restriction;
    if (!d->has_restriction) {
        const fuota_status status = restriction_start(s, d);
        if (status != FUOTA_OK)
            return status;
        d->has_restriction = 1;
    }
    while (s->n_examined < d->coded.n && s->elimination.rank < s->elimination.n_unknowns)
        restriction_add(s, d);
    *rank = (uint32_t)(d->n_uncoded - d->n_late + s->elimination.rank);
    /* The block cannot be determined yet: later fragments are better eliminated together than one by one. */
    if (d->n_uncoded + d->coded.n < d->n_frags)
        d->has_restriction = 0;
    return FUOTA_OK;
}

/* ---- arrival -------------------------------------------------------------------------------------------- */

static fuota_status coded_append(coded_list *list, uint32_t row, const uint8_t *payload, size_t frag_size)
{
    const size_t n = list->n;
    if ((n + 1) * sizeof *list->rows > list->rows_memory.capacity ||
        (n + 1) * frag_size > list->payloads_memory.capacity) {
        const size_t wanted = n + n / 2 + 16;
        uint8_t *const rows =
            fuota_buffer_grow(&list->rows_memory, n * sizeof *list->rows, wanted * sizeof *list->rows);
        uint8_t *const payloads = fuota_buffer_grow(&list->payloads_memory, n * frag_size, wanted * frag_size);
        if (rows != NULL)
            list->rows = (uint32_t *)(void *)rows;
        if (payloads != NULL)
            list->payloads = payloads;
        if (rows == NULL || payloads == NULL)
            return FUOTA_NO_MEMORY;
    }
    list->rows[list->n] = row;
    memcpy(list->payloads + list->n * frag_size, payload, frag_size);
    list->n++;
    return FUOTA_OK;
}

/* Keeps a fragment not seen before. */
FUOTA_INLINE fuota_status decoder_keep(fuota_decoder *d, uint32_t frag_nb, const uint8_t *payload)
{
    assert(frag_nb >= 1 && frag_nb <= FUOTA_MAX_FRAG_NB && !decoder_has_seen(d, frag_nb));
    if (frag_nb <= d->n_frags) {
        memcpy(d->block + (size_t)(frag_nb - 1) * d->frag_size, payload, d->frag_size);
        d->n_uncoded++;
        if (d->has_restriction) {
            d->n_late++;
            restriction_add_late(&d->restriction, frag_nb - 1);
        }
    } else {
        const fuota_status status = coded_append(&d->coded, frag_nb - d->n_frags, payload, d->frag_size);
        if (status != FUOTA_OK)
            return status;
    }
    d->seen[frag_nb / 8] |= (uint8_t)(1u << (frag_nb % 8));
    return FUOTA_OK;
}

/* Undoes the last decoder_keep(), before the restriction is started. */
static void decoder_forget(fuota_decoder *d, uint32_t frag_nb)
{
    assert(!d->has_restriction && decoder_has_seen(d, frag_nb));
    d->seen[frag_nb / 8] &= (uint8_t) ~(1u << (frag_nb % 8));
    if (frag_nb <= d->n_frags)
        d->n_uncoded--;
    else
        d->coded.n--;
}

/* For a decoder that has as many fragments as the block. Fails only before the restriction is started. */
static fuota_status decoder_update_complete(fuota_decoder *d)
{
    uint32_t rank;
    const fuota_status status = fuota_decoder_rank(d, &rank);
    if (status == FUOTA_OK && rank == d->n_frags) {
        d->complete = 1;
        if (d->has_restriction) /* looked at ahead and not needed */
            d->coded.n = d->restriction.n_examined;
    }
    return status;
}

fuota_status fuota_decoder_push(fuota_decoder *d, uint32_t frag_nb, const uint8_t *payload)
{
    if (frag_nb == 0 || frag_nb > FUOTA_MAX_FRAG_NB)
        return FUOTA_BAD_ARGUMENT;
    if (d->complete || decoder_has_seen(d, frag_nb))
        return FUOTA_OK;
    fuota_status status = decoder_keep(d, frag_nb, payload);
    if (status != FUOTA_OK || d->n_uncoded + d->coded.n < d->n_frags)
        return status;
    status = decoder_update_complete(d);
    if (status != FUOTA_OK)
        decoder_forget(d, frag_nb);
    return status;
}

fuota_status fuota_decoder_push_many(fuota_decoder *d, const uint32_t *frag_nbs, const uint8_t *payloads, size_t stride,
                                     size_t n)
{
    for (size_t i = 0; i < n && !d->complete; i++) {
        /* The coded fragments behind the last one that the elimination waits for join it. */
        if (!d->has_restriction && d->n_uncoded + d->coded.n + 1 == d->n_frags && d->n_uncoded != d->n_frags) {
            size_t end = i;
            while (end < n && end - i <= DECODER_LOOK_AHEAD && frag_nbs[end] > d->n_frags &&
                   frag_nbs[end] <= FUOTA_MAX_FRAG_NB && !decoder_has_seen(d, frag_nbs[end])) {
                if (decoder_keep(d, frag_nbs[end], payloads + end * stride) != FUOTA_OK)
                    break;
                end++;
            }
            if (end != i) {
                const fuota_status status = decoder_update_complete(d);
                if (status != FUOTA_OK) {
                    while (end-- > i)
                        decoder_forget(d, frag_nbs[end]);
                    return status;
                }
                i = end - 1;
                continue;
            }
        }
        const fuota_status status = fuota_decoder_push(d, frag_nbs[i], payloads + i * stride);
        if (status != FUOTA_OK)
            return status;
    }
    return FUOTA_OK;
}

/* ---- bytes ---------------------------------------------------------------------------------------------- */

/* Columns of the eliminated matrix, eight at a time, as panels of the inverse: row c gives the unknown whose pivot
 * column is c. Columns without a pivot give rows that are not used. */
static void restriction_inverse(const restriction *s, const fuota_kernel *kernel, uint8_t *by_column, uint8_t *panels)
{
    const fuota_elimination *const e = &s->elimination;
    const size_t n_groups = fuota_ceil_div(e->n_unknowns, 8), n_panels = fuota_ceil_div(e->n_columns, 8);
    memset(by_column, 0, 64 * n_groups);
    for (size_t first = 0; first < n_panels; first += 8) {
        for (size_t a = 0; a < e->n_unknowns; a++)
            for (size_t p = 0; p < 8; p++)
                by_column[p * 8 * n_groups + a] = e->matrix[a * e->stride + first + p];
        for (size_t p = 0; p < 8 && first + p < n_panels; p++)
            kernel->transpose_groups(by_column + p * 8 * n_groups, n_groups, panels + (first + p) * 8 * n_groups);
    }
}

/* The two products. */
static fuota_status decoder_fill_in(fuota_decoder *d)
{
    const restriction *const s = &d->restriction;
    const fuota_elimination *const e = &s->elimination;
    const size_t n = e->n_unknowns, frag_size = d->frag_size;

    assert(e->rank == n && !d->solved);
    /* Nearly all rows lie in the panels already; the few that came one by one are made again behind them. */
    size_t n_more = 0;
    for (size_t a = 0; a < n; a++)
        n_more += e->labels[e->pivot_column[a]] >= s->n_panelled;
    const size_t n_first = fuota_ceil_div(s->n_panelled, 8) * 8, n_rows = n_first + n_more;
    const size_t n_inverse = fuota_ceil_div(e->n_columns, 8) * 8;

    const size_t slots_len = fuota_round_64(d->coded.n * sizeof(uint32_t));
    const size_t rows_len = fuota_round_64(n_more * sizeof(uint32_t));
    const size_t first_panels_len = n_more ? fuota_panels_len(n_rows, d->n_frags) : 0;
    const size_t panels_len = fuota_round_64(fuota_largest_of(first_panels_len, fuota_panels_len(n_inverse, n)));
    const size_t scratch_len = fuota_round_64(8 * fuota_panels_len(8, n));
    const size_t sums_len = fuota_round_64(fuota_largest_of(n_rows, n_inverse) * frag_size);
    const size_t syndromes_len = fuota_round_64(n * frag_size);
    const size_t work_len = fuota_largest_of(fuota_encode_work_len(d->kernel, n_rows, d->n_frags, frag_size),
                                             fuota_encode_work_len(d->kernel, n_inverse, n, frag_size));
    uint8_t *p = fuota_buffer_reserve(&d->solution_memory, slots_len + rows_len + panels_len + scratch_len + sums_len +
                                                               syndromes_len + work_len);
    if (p == NULL)
        return FUOTA_NO_MEMORY;
    uint32_t *const slots = (uint32_t *)(void *)p; /* output row of the first product, per coded fragment */
    uint32_t *const rows = (uint32_t *)(void *)(p += slots_len);
    uint8_t *const panels = p += rows_len;
    uint8_t *const scratch = p += panels_len;
    uint8_t *const sums = p += scratch_len;
    uint8_t *const syndromes = p += sums_len;
    void *const work = p + syndromes_len;

    for (size_t i = 0; i < s->n_panelled; i++)
        slots[i] = (uint32_t)i;
    n_more = 0;
    for (size_t a = 0; a < n; a++) {
        const uint32_t idx = e->labels[e->pivot_column[a]];
        memset(d->block + (size_t)s->columns[a] * frag_size, 0, frag_size);
        if (idx >= s->n_panelled) {
            slots[idx] = (uint32_t)(n_first + n_more);
            rows[n_more++] = d->coded.rows[idx];
        }
    }
    const uint8_t *first_panels = s->panels;
    if (n_more != 0) {
        const size_t len = fuota_panels_len(n_first, d->n_frags);
        memcpy(panels, s->panels, len);
        decoder_panels(d, rows, n_more, panels + len);
        first_panels = panels;
    }
    fuota_encode(d->kernel, first_panels, n_rows, d->n_frags, frag_size, d->block, frag_size, sums, frag_size, work);

    for (size_t a = 0; a < n; a++) {
        const size_t idx = e->labels[e->pivot_column[a]];
        const uint8_t *const sum = sums + slots[idx] * frag_size, *const payload = d->coded.payloads + idx * frag_size;
        uint8_t *const out = syndromes + a * frag_size;
        for (size_t i = 0; i < frag_size; i++)
            out[i] = sum[i] ^ payload[i];
    }
    restriction_inverse(s, d->kernel, scratch, panels);
    fuota_encode(d->kernel, panels, n_inverse, n, frag_size, syndromes, frag_size, sums, frag_size, work);
    for (size_t a = 0; a < n; a++)
        memcpy(d->block + s->columns[a] * frag_size, sums + e->pivot_column[a] * frag_size, frag_size);
    d->solved = 1;
    return FUOTA_OK;
}

fuota_status fuota_decoder_solve(fuota_decoder *d)
{
    if (!d->complete)
        return FUOTA_INCOMPLETE;
    if (d->solved || d->n_uncoded == d->n_frags)
        return FUOTA_OK;
    if (!d->has_restriction || d->n_late != 0) {
        /* Fewer fragments are missing than when the restriction was started: one more elimination, once. */
        d->has_restriction = 0;
        const fuota_status status = restriction_start(&d->restriction, d);
        if (status != FUOTA_OK)
            return status;
        while (d->restriction.n_examined < d->coded.n &&
               d->restriction.elimination.rank < d->restriction.elimination.n_unknowns)
            restriction_add(&d->restriction, d);
        d->has_restriction = 1;
        d->n_late = 0;
    }
    return decoder_fill_in(d);
}
