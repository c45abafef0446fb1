#include <stdlib.h>

#include "kernels.h"
#include "splitmix64.h"

/* Which coded fragments to send: one after the other, the row that brings most to a pool of loss patterns.
 *
 * A pattern is a device: the uncoded fragments it lost, and, drawn as they are sent, which coded ones it receives. The
 * sums that it cannot compute yet are a vector space, kept by a basis: at first the unit vectors of its losses. A row
 * that is odd on some of the vectors is new to the device. When it is received, the lightest of those vectors is
 * removed and added to the others, which are then even. So vectors stay light, and name few columns. A device without
 * vectors is done. */

#define WEIGHT_ONES 3u /* the highest ones of a weight that count */

typedef struct pattern {
    uint64_t *vectors; /* n_left, of `words` words each */
    uint64_t key;      /* of its random numbers */
    uint32_t weight;
    uint32_t n_left;
} pattern;

typedef struct selection {
    const fuota_kernel *kernel;
    size_t n_frags, words; /* of n_frags bits */
    size_t n_blocks, row_words;
    uint64_t *columns; /* per block n_frags columns of row_words words: row 1 is bit 0 of block 0 */
    uint64_t *usable;  /* per block row_words words: candidates that were not sent */
    uint64_t *planes;  /* the sums of a block, and as much work space */
    uint64_t *row;     /* the row being sent */
    pattern *patterns; /* not done yet */
    size_t n_patterns;
    fuota_buffer tables, vectors, stream;
} selection;

/* ---- the pool ---------------------------------------------------------------------------------------------------- */

/* Random number idx of a pattern, 32 bits. */
FUOTA_INLINE uint32_t pattern_random(uint64_t key, uint64_t idx)
{
    return (uint32_t)(fuota_splitmix64(key, idx) >> 32);
}

/* The unit vectors of n_left fragments, every choice as likely (Floyd): a number up to j is drawn, and if it is taken
 * already, j is taken. They are collected in the first vector and spread from the last. */
static void pattern_draw(pattern *p, size_t n_frags, size_t words)
{
    assert(p->n_left >= 1 && p->n_left <= n_frags);
    uint64_t *const lost = p->vectors;
    memset(lost, 0, p->n_left * words * sizeof *lost);
    for (uint64_t j = n_frags - p->n_left; j < n_frags; j++) {
        uint64_t position = (pattern_random(p->key, j) * (j + 1)) >> 32;
        if (lost[position / 64] >> (position % 64) & 1)
            position = j;
        lost[position / 64] |= (uint64_t)1 << (position % 64);
    }
    size_t n = p->n_left;
    for (size_t w = words; w-- != 0;) {
        uint64_t left = lost[w];
        lost[w] = 0;
        while (left != 0) {
            const uint64_t bit = (uint64_t)1 << fuota_highest_bit(left);
            left ^= bit;
            if (--n == 0)
                lost[w] = bit;
            else
                p->vectors[n * words + w] = bit;
        }
    }
}

static fuota_status selection_draw_pool(selection *s, const fuota_loss_pool *pool)
{
    size_t n = 0, n_vectors = 0;
    for (size_t n_lost = 1; n_lost <= s->n_frags; n_lost++) {
        n += pool->n_patterns[n_lost];
        n_vectors = fuota_size_add(n_vectors, fuota_size_mul(pool->n_patterns[n_lost], n_lost));
    }
    assert(n < (size_t)1 << 20);
    const size_t len = fuota_size_mul(fuota_size_add(fuota_size_mul(n_vectors, s->words), 1), sizeof(uint64_t));
    uint64_t *next = (uint64_t *)(void *)fuota_buffer_reserve(&s->vectors, len);
    s->patterns = malloc((n + 1) * sizeof *s->patterns);
    if (next == NULL || s->patterns == NULL)
        return FUOTA_NO_MEMORY;
    for (size_t n_lost = 1; n_lost <= s->n_frags; n_lost++)
        for (uint32_t i = 0; i < pool->n_patterns[n_lost]; i++) {
            pattern *const p = &s->patterns[s->n_patterns++];
            p->vectors = next;
            p->key = fuota_splitmix64_key(pool->seed, s->n_patterns);
            p->weight = pool->weights[n_lost];
            p->n_left = (uint32_t)n_lost;
            pattern_draw(p, s->n_frags, s->words);
            next += n_lost * s->words;
        }
    return FUOTA_OK;
}

/* ---- candidates -------------------------------------------------------------------------------------------------- */

static fuota_status selection_make_candidates(selection *s, fuota_dialect dialect, size_t n_candidates)
{
    uint32_t numbers[64];
    uint8_t *const panels = malloc(fuota_panels_len(64, s->n_frags));
    uint64_t *const by_column = malloc(fuota_columns_len(64, s->n_frags) * sizeof *by_column);
    fuota_status status = panels == NULL || by_column == NULL ? FUOTA_NO_MEMORY : FUOTA_OK;
    for (size_t first = 0; status == FUOTA_OK && first < n_candidates; first += 64) {
        const size_t n = n_candidates - first < 64 ? n_candidates - first : 64;
        const size_t block = first / 64 / s->row_words, word = first / 64 % s->row_words;
        uint64_t *const columns = s->columns + block * s->n_frags * s->row_words + word;
        for (size_t i = 0; i < n; i++)
            numbers[i] = (uint32_t)(first + i + 1);
        fuota_parity_panels(s->kernel, (uint32_t)s->n_frags, dialect, numbers, n, panels);
        fuota_columns(panels, n, s->n_frags, by_column);
        for (size_t c = 0; c < s->n_frags; c++)
            columns[c * s->row_words] = by_column[c];
        s->usable[first / 64] = n < 64 ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0;
    }
    free(panels);
    free(by_column);
    return status;
}

static fuota_status selection_init(selection *s, fuota_dialect dialect, size_t n_candidates,
                                   const fuota_loss_pool *pool)
{
    /* With so few columns and candidates the tables have less than 2^24 words: nothing here wraps. */
    assert(s->n_frags >= 1 && s->n_frags <= FUOTA_MAX_FRAGS && n_candidates <= FUOTA_MAX_FRAG_NB);
    assert(s->kernel->select_n_rows % 512 == 0 && s->kernel->select_n_rows <= FUOTA_SELECT_MOST_ROWS);
    s->words = fuota_ceil_div(s->n_frags, 64);
    s->row_words = s->kernel->select_n_rows / 64;
    s->n_blocks = fuota_ceil_div(n_candidates, s->kernel->select_n_rows);
    const size_t columns_len = s->n_blocks * s->n_frags * s->row_words, usable_len = s->n_blocks * s->row_words;
    const size_t planes_len = 2 * FUOTA_SELECT_PLANES * s->row_words;
    const size_t len = (columns_len + planes_len + usable_len + s->words) * sizeof *s->columns;
    s->columns = (uint64_t *)(void *)fuota_buffer_reserve(&s->tables, len);
    if (s->columns == NULL)
        return FUOTA_NO_MEMORY;
    s->planes = s->columns + columns_len;
    s->usable = s->planes + planes_len;
    s->row = s->usable + usable_len;
    memset(s->columns, 0, len);
    const fuota_status status = selection_make_candidates(s, dialect, n_candidates);
    return status == FUOTA_OK ? selection_draw_pool(s, pool) : status;
}

static void selection_free(selection *s)
{
    free(s->patterns);
    fuota_buffer_free(&s->tables);
    fuota_buffer_free(&s->vectors);
    fuota_buffer_free(&s->stream);
}

/* ---- the next row ------------------------------------------------------------------------------------------------ */

/* Appends a pattern to the stream of weighing_template.h; returns the new end. */
static uint16_t *pattern_write(const pattern *p, size_t words, uint64_t weight, uint16_t *out)
{
    *out++ = (uint16_t)p->n_left;
    for (size_t v = 0; v < p->n_left; v++) {
        const uint64_t *const vector = p->vectors + v * words;
        uint16_t *const count = out++;
        for (size_t w = 0; w < words; w++)
            for (uint64_t x = vector[w]; x != 0; x &= x - 1)
                *out++ = (uint16_t)(64 * w + fuota_lowest_bit(x));
        *count = (uint16_t)(out - count - 1);
    }
    uint16_t *const count = out++;
    for (unsigned n = 0; n < WEIGHT_ONES && weight != 0; n++) {
        const unsigned highest = fuota_highest_bit(weight);
        weight ^= (uint64_t)1 << highest;
        *out++ = (uint16_t)highest;
    }
    *count = (uint16_t)(out - count - 1);
    return out;
}

/* Writes the patterns that count; sets *n_counting to their number. */
static fuota_status selection_write_stream(selection *s, const uint32_t *gains, size_t *n_counting)
{
    const size_t longest = 1 + FUOTA_SELECT_DEPTH * (1 + s->n_frags) + 1 + WEIGHT_ONES;
    size_t used = 0, capacity = s->stream.capacity / sizeof(uint16_t);
    *n_counting = 0;
    for (size_t i = 0; i < s->n_patterns; i++) {
        const pattern *const p = &s->patterns[i];
        if (p->n_left > FUOTA_SELECT_DEPTH)
            continue;
        if (capacity - used < longest) {
            capacity = fuota_size_add(fuota_size_mul(2, capacity), longest);
            const size_t len = fuota_size_mul(capacity, sizeof(uint16_t));
            if (fuota_buffer_grow(&s->stream, used * sizeof(uint16_t), len) == NULL)
                return FUOTA_NO_MEMORY;
        }
        uint16_t *const stream = (uint16_t *)(void *)s->stream.memory;
        const uint64_t weight = (uint64_t)p->weight * gains[p->n_left];
        used = (size_t)(pattern_write(p, s->words, weight, stream + used) - stream);
        ++*n_counting;
    }
    return FUOTA_OK;
}

/* Reduces the candidates `left` (row_words words) to those with the largest sum; returns that sum. From the top plane
 * down: if some candidates have the bit, those without it are out. */
static uint64_t selection_keep_largest(const uint64_t *planes, size_t row_words, uint64_t *left)
{
    uint64_t sum = 0;
    for (unsigned b = FUOTA_SELECT_PLANES; b-- != 0;) {
        const uint64_t *const plane = planes + b * row_words;
        uint64_t any = 0;
        for (size_t w = 0; w < row_words; w++)
            any |= left[w] & plane[w];
        if (any == 0)
            continue;
        for (size_t w = 0; w < row_words; w++)
            left[w] &= plane[w];
        sum |= (uint64_t)1 << b;
    }
    return sum;
}

/* Number of the usable candidate with the largest sum, the lowest of several; 0 if none is usable. */
static uint32_t selection_best_candidate(selection *s, size_t n_counting)
{
    uint64_t left[FUOTA_SELECT_MOST_ROWS / 64], most = 0;
    uint32_t best = 0;
    for (size_t k = 0; k < s->n_blocks; k++) {
        uint64_t sum = 0;
        memcpy(left, s->usable + k * s->row_words, s->row_words * sizeof *left);
        if (n_counting != 0) {
            s->kernel->select_weigh(s->columns + k * s->n_frags * s->row_words,
                                    (const uint16_t *)(void *)s->stream.memory, n_counting, s->planes,
                                    s->planes + FUOTA_SELECT_PLANES * s->row_words);
            sum = selection_keep_largest(s->planes, s->row_words, left);
        }
        if (best != 0 && sum <= most)
            continue;
        for (size_t w = 0; w < s->row_words; w++)
            if (left[w] != 0) {
                best = (uint32_t)(64 * (k * s->row_words + w) + fuota_lowest_bit(left[w]) + 1);
                most = sum;
                break;
            }
    }
    return best;
}

/* ---- sending a row ----------------------------------------------------------------------------------------------- */

FUOTA_INLINE int vector_is_odd(const uint64_t *vector, const uint64_t *row, size_t words)
{
    uint64_t x = 0;
    for (size_t w = 0; w < words; w++)
        x ^= vector[w] & row[w];
    return (int)(fuota_count_bits(x) & 1);
}

static void pattern_receive(pattern *p, const uint64_t *row, size_t words)
{
    size_t lightest = p->n_left;
    unsigned fewest = 0;
    for (size_t v = 0; v < p->n_left; v++) {
        const uint64_t *const vector = p->vectors + v * words;
        unsigned n_ones = 0;
        if (!vector_is_odd(vector, row, words))
            continue;
        for (size_t w = 0; w < words; w++)
            n_ones += fuota_count_bits(vector[w]);
        if (lightest == p->n_left || n_ones < fewest) {
            lightest = v;
            fewest = n_ones;
        }
    }
    if (lightest == p->n_left)
        return;
    /* The lightest changes places with the last, which is then left out. */
    uint64_t *const last = p->vectors + --p->n_left * words;
    for (size_t w = 0; w < words; w++) {
        const uint64_t x = p->vectors[lightest * words + w];
        p->vectors[lightest * words + w] = last[w];
        last[w] = x;
    }
    for (size_t v = 0; v < p->n_left; v++) {
        uint64_t *const vector = p->vectors + v * words;
        if (vector_is_odd(vector, row, words))
            for (size_t w = 0; w < words; w++)
                vector[w] ^= last[w];
    }
}

/* Sends row `number`, after `n_before` others. */
static void selection_send(selection *s, uint32_t number, uint32_t threshold, size_t n_before)
{
    assert(number >= 1 && (number - 1) / s->kernel->select_n_rows < s->n_blocks);
    assert(s->usable[(number - 1) / 64] >> ((number - 1) % 64) & 1);
    const size_t idx = number - 1, block = idx / 64 / s->row_words, word = idx / 64 % s->row_words;
    const uint64_t *const columns = s->columns + block * s->n_frags * s->row_words + word;
    size_t n = 0;
    memset(s->row, 0, s->words * sizeof *s->row);
    for (size_t c = 0; c < s->n_frags; c++)
        s->row[c / 64] |= (columns[c * s->row_words] >> (idx % 64) & 1) << (c % 64);
    s->usable[idx / 64] &= ~((uint64_t)1 << (idx % 64));
    for (size_t i = 0; i < s->n_patterns; i++) {
        pattern *const p = &s->patterns[i];
        if (pattern_random(p->key, s->n_frags + n_before) >= threshold)
            pattern_receive(p, s->row, s->words);
        if (p->n_left != 0)
            s->patterns[n++] = *p;
    }
    s->n_patterns = n;
}

fuota_status fuota_select_rows(const fuota_kernel *kernel, uint32_t n_frags, fuota_dialect dialect,
                               uint32_t n_candidates, const fuota_loss_pool *pool, const uint32_t *sent, size_t n_sent,
                               size_t n_rows, uint32_t *rows)
{
    assert(pool->n_stages >= 1 && n_sent <= n_candidates && n_rows <= n_candidates - n_sent);
    selection s = {.kernel = kernel, .n_frags = n_frags};
    fuota_status status = selection_init(&s, dialect, n_candidates, pool);
    for (size_t i = 0; i < n_sent && status == FUOTA_OK; i++)
        selection_send(&s, sent[i], pool->threshold, i);
    for (size_t i = n_sent; i < n_sent + n_rows && status == FUOTA_OK; i++) {
        const size_t stage = i < pool->n_stages ? i : pool->n_stages - 1;
        size_t n_counting;
        status = selection_write_stream(&s, pool->gains + stage * (FUOTA_SELECT_DEPTH + 1), &n_counting);
        if (status != FUOTA_OK)
            break;
        *rows = selection_best_candidate(&s, n_counting);
        selection_send(&s, *rows++, pool->threshold, i);
    }
    selection_free(&s);
    return status;
}
