#include <stdlib.h>

#include "kernels.h"
#include "losses.h"
#include "packing.h"

/* Many devices against one matrix: which coded fragment completes each. Bits only, no payloads.
 *
 * The kernel's `erasure_lanes` does the elimination (erasure_lanes.h). Here devices are drawn, their losses listed,
 * and devices with about as many losses brought together, so that no lane waits long for another. */

/* ---- the portable lanes: one device at a time ------------------------------------------------------------- */

#define LANES 1
#define VEC uint64_t
#define VEC_MASK uint64_t /* all ones or zero */
#define KEPT_WORDS 2
#define TARGET
#define NAME(x) portable_##x

FUOTA_INLINE uint64_t vec_load(const uint64_t *p) { return *p; }
FUOTA_INLINE void vec_store(uint64_t *p, uint64_t v) { *p = v; }
FUOTA_INLINE uint64_t vec_zero(void) { return 0; }
FUOTA_INLINE uint64_t vec_set1(uint64_t x) { return x; }
FUOTA_INLINE uint64_t vec_and(uint64_t a, uint64_t b) { return a & b; }
FUOTA_INLINE uint64_t vec_neg(uint64_t v) { return 0 - v; }
FUOTA_INLINE uint64_t vec_test(uint64_t a, uint64_t b) { return 0 - (uint64_t)((a & b) != 0); }
FUOTA_INLINE uint64_t vec_is_zero(uint64_t a) { return 0 - (uint64_t)(a == 0); }
FUOTA_INLINE uint64_t mask_and(uint64_t a, uint64_t b) { return a & b; }
FUOTA_INLINE uint64_t mask_or(uint64_t a, uint64_t b) { return a | b; }
FUOTA_INLINE uint64_t vec_xor_if(uint64_t a, uint64_t mask, uint64_t b) { return a ^ (mask & b); }
FUOTA_INLINE uint64_t vec_and_if(uint64_t mask, uint64_t a) { return mask & a; }

#include "erasure_lanes.h"

void fuota_erasure_lanes_portable(const uint64_t *columns, size_t n_frags, const fuota_erasure_lane *lanes,
                                  size_t n_words, uint64_t *work, int32_t *needed)
{
    portable_erasure_lanes(columns, n_frags, lanes, n_words, work, needed);
}

/* ---- the matrix by columns -------------------------------------------------------------------------------- */

size_t fuota_columns_len(size_t n_rows, size_t n_frags) { return fuota_ceil_div(n_rows, 64) * n_frags; }

void fuota_columns(const uint8_t *panels, size_t n_rows, size_t n_frags, uint64_t *columns)
{
    const size_t n_panels = fuota_ceil_div(n_rows, 8), panel_len = fuota_panels_len(8, n_frags);
    memset(columns, 0, fuota_columns_len(n_rows, n_frags) * sizeof *columns);
    for (size_t p = 0; p < n_panels; p++) {
        uint64_t *const window = columns + p / 8 * n_frags;
        /* The last panel may be of a longer matrix: rows beyond n_rows are not sent. */
        const uint64_t wanted = n_rows - 8 * p < 8 ? ((uint64_t)1 << (n_rows - 8 * p)) - 1 : 0xFF;
        for (size_t group = 0; group < n_frags; group += 8) {
            uint64_t by_column = fuota_transpose_8x8(fuota_load_le64(panels + p * panel_len + group));
            for (size_t c = group; c < n_frags && c < group + 8; c++, by_column >>= 8)
                window[c] |= (by_column & wanted) << (8 * (p % 8));
        }
    }
}

/* ---- losses ----------------------------------------------------------------------------------------------- */

size_t fuota_losses_len(size_t n_bits)
{
    return fuota_ceil_div(n_bits, 64 * LOSSES_BLOCK_WORDS) * LOSSES_BLOCK_WORDS;
}

void fuota_losses_draw_portable(uint64_t seed, uint64_t device, uint32_t threshold, size_t n_frags, size_t n_rows,
                                uint64_t *lost)
{
    draw_losses(seed, device, threshold, n_frags, n_rows, lost);
}

/* ---- a fleet ---------------------------------------------------------------------------------------------- */

#define CHUNK 512     /* devices listed at once */
#define MAX_LANES 8
#define WIDE_WORDS 32 /* beyond that a basis for several lanes leaves the caches: one lane at a time */
#define PLAIN_WORDS 3 /* beyond that rows that were not received are left out, if they are many */
#define SPARE_ROWS 4  /* received rows beyond the losses with which most devices complete */

typedef struct fleet {
    const fuota_kernel *kernel;
    const uint64_t *columns;
    size_t n_frags, n_rows;
    uint16_t *lists;     /* lost columns, one device after the other */
    size_t lists_capacity;
    uint64_t *received;  /* CHUNK × words of n_rows */
    fuota_buffer work, packed;
    fuota_erasure_lane lanes[CHUNK];
    uint16_t n_words[CHUNK]; /* words of rows to look at */
    uint32_t order[CHUNK];   /* devices still to be looked at */
} fleet;

/* Bytes. */
static size_t work_len(size_t n_lanes, size_t n_words)
{
    return (64 * n_words * n_words + 5 * n_words) * n_lanes * sizeof(uint64_t);
}

/* Words of rows with which the device probably completes: SPARE_ROWS more received than lost, or all there are; 0 if
 * these are fewer than it lost. */
static uint16_t words_to_try(const uint64_t *received, size_t r_words, size_t n_lost)
{
    size_t n_received = 0, w = 0;
    while (w < r_words && n_received < n_lost + SPARE_ROWS)
        n_received += fuota_count_bits(received[w++]);
    return n_received < n_lost ? 0 : (uint16_t)w;
}

/* Bits beyond the last fragment, or the last row, are nobody's, whatever the caller left there. */
FUOTA_INLINE uint64_t bits_below(size_t n) { return n < 64 ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0; }

/* Lists the lost columns of the chunk's devices and what each received. */
static fuota_status list_losses(fleet *f, const uint64_t *lost, size_t n_devices)
{
    const size_t u_words = fuota_losses_len(f->n_frags), c_words = fuota_losses_len(f->n_rows);
    const size_t r_words = fuota_ceil_div(f->n_rows, 64);
    size_t used = 0;
    for (size_t d = 0; d < n_devices; d++, lost += u_words + c_words) {
        if (used + f->n_frags > f->lists_capacity) {
            const size_t capacity = f->lists_capacity + f->lists_capacity / 2 + f->n_frags;
            uint16_t *const lists = realloc(f->lists, capacity * sizeof *lists);
            if (lists == NULL)
                return FUOTA_NO_MEMORY;
            f->lists = lists;
            f->lists_capacity = capacity;
        }
        uint16_t *next = f->lists + used;
        for (size_t w = 0; w * 64 < f->n_frags; w++)
            for (uint64_t x = lost[w] & bits_below(f->n_frags - 64 * w); x != 0; x &= x - 1)
                *next++ = (uint16_t)(64 * w + fuota_lowest_bit(x));
        f->lanes[d].n_lost = (size_t)(next - f->lists) - used;
        used += f->lanes[d].n_lost;
        uint64_t *const received = f->received + d * r_words;
        for (size_t w = 0; w < r_words; w++)
            received[w] = ~lost[u_words + w] & bits_below(f->n_rows - 64 * w);
        f->lanes[d].received = received;
        f->n_words[d] = words_to_try(received, r_words, f->lanes[d].n_lost);
    }
    used = 0;
    for (size_t d = 0; d < n_devices; d++) {
        f->lanes[d].lost = f->lists + used;
        used += f->lanes[d].n_lost;
    }
    return FUOTA_OK;
}

/* Devices by number of losses: counting sort, so that those that are done together take about as long. Those that
 * received too little are done; how many are left. */
static fuota_status sort_by_losses(fleet *f, size_t *n_devices, int32_t *needed)
{
    size_t n = 0;
    uint32_t *const starts = calloc(f->n_frags + 2, sizeof *starts);
    if (starts == NULL)
        return FUOTA_NO_MEMORY;
    for (size_t d = 0; d < *n_devices; d++)
        if (f->n_words[d] != 0)
            starts[f->lanes[d].n_lost + 1]++;
    for (size_t n_lost = 0; n_lost < f->n_frags; n_lost++)
        starts[n_lost + 1] += starts[n_lost];
    for (size_t d = 0; d < *n_devices; d++)
        if (f->n_words[d] != 0) {
            f->order[starts[f->lanes[d].n_lost]++] = (uint32_t)d;
            n++;
        } else
            needed[d] = -1;
    *n_devices = n;
    free(starts);
    return FUOTA_OK;
}

/* ---- rows that were received, side by side ---------------------------------------------------------------- */

static size_t count_received(const uint64_t *received, size_t n_words)
{
    size_t n = 0;
    for (size_t w = 0; w < n_words; w++)
        n += fuota_count_bits(received[w]);
    return n;
}

/* Writes the lost columns of a device to columns first, first + 1 … of a matrix of n_columns, the rows that it did not
 * receive left out. */
static void pack_columns(const fleet *f, const fuota_erasure_lane *lane, size_t n_words, uint64_t *packed,
                         size_t n_columns, size_t first)
{
    size_t n_rows = 0;
    for (size_t w = 0; w < n_words; w++) {
        const uint64_t *const window = f->columns + w * f->n_frags;
        const packing how = packing_of(lane->received[w]);
        const unsigned n_new = fuota_count_bits(how.mask), shift = n_rows % 64;
        if (n_new == 0)
            continue;
        uint64_t *const low = packed + n_rows / 64 * n_columns + first;
        for (size_t i = 0; i < lane->n_lost; i++) {
            const uint64_t x = packed_bits(window[lane->lost[i]], &how);
            low[i] |= x << shift;
            if (shift + n_new > 64)
                low[i + n_columns] |= x >> (64 - shift);
        }
        n_rows += n_new;
    }
}

/* Number (from 1) of the nth row that was received, nth from 1. */
static int32_t received_row(const uint64_t *received, size_t nth)
{
    size_t w = 0;
    for (size_t n; (n = fuota_count_bits(received[w])) < nth; w++)
        nth -= n;
    uint64_t x = received[w];
    while (--nth != 0)
        x &= x - 1;
    return (int32_t)(64 * w + fuota_lowest_bit(x) + 1);
}

/* Where many rows were not received: devices order[0 … n-1] with matrices of their own, of n_words words of rows. */
static fuota_status eliminate_packed(fleet *f, const uint32_t *order, size_t n, size_t n_words, size_t n_columns,
                                     fuota_erasure_function *run, size_t n_lanes, int32_t *results)
{
    const size_t packed_len = n_words * n_columns;
    const size_t len = (packed_len + n_words) * sizeof(uint64_t) + (n_columns + 1) * sizeof(uint16_t);
    uint64_t *const packed = (uint64_t *)(void *)fuota_buffer_reserve(&f->packed, len);
    uint8_t *const work = fuota_buffer_reserve(&f->work, work_len(n_lanes, n_words));
    if (packed == NULL || work == NULL)
        return FUOTA_NO_MEMORY;
    uint64_t *const all = packed + packed_len;
    uint16_t *const numbers = (uint16_t *)(void *)(all + n_words);
    fuota_erasure_lane lanes[MAX_LANES];
    size_t first = 0;
    memset(packed, 0, packed_len * sizeof *packed);
    memset(all, 0xFF, n_words * sizeof *all);
    for (size_t i = 0; i < n_columns; i++)
        numbers[i] = (uint16_t)i;
    for (size_t k = 0; k < n_lanes; k++) {
        lanes[k] = (fuota_erasure_lane){numbers, all, 0};
        if (k >= n)
            continue;
        const fuota_erasure_lane *const lane = &f->lanes[order[k]];
        pack_columns(f, lane, f->n_words[order[k]], packed, n_columns, first);
        lanes[k].lost = numbers + first;
        lanes[k].n_lost = lane->n_lost;
        first += lane->n_lost;
    }
    run(packed, n_columns, lanes, n_words, (uint64_t *)(void *)work, results);
    for (size_t k = 0; k < n; k++)
        if (results[k] > 0)
            results[k] = received_row(f->lanes[order[k]].received, (size_t)results[k]);
    return FUOTA_OK;
}

/* ---- elimination ------------------------------------------------------------------------------------------- */

static fuota_status eliminate_plain(fleet *f, const uint32_t *order, size_t n, size_t n_words,
                                    fuota_erasure_function *run, size_t n_lanes, int32_t *results)
{
    const fuota_erasure_lane nobody = {NULL, f->received, 0};
    uint8_t *const work = fuota_buffer_reserve(&f->work, work_len(n_lanes, n_words));
    if (work == NULL)
        return FUOTA_NO_MEMORY;
    fuota_erasure_lane lanes[MAX_LANES];
    for (size_t k = 0; k < n_lanes; k++)
        lanes[k] = k < n ? f->lanes[order[k]] : nobody;
    for (size_t k = 0; k < n; k++)
        f->n_words[order[k]] = (uint16_t)n_words;
    run(f->columns, f->n_frags, lanes, n_words, (uint64_t *)(void *)work, results);
    return FUOTA_OK;
}

/* The first of n devices of `order`, as many as go together; *n_done of them. */
static fuota_status eliminate_some(fleet *f, const uint32_t *order, size_t n, size_t *n_done, int32_t *results)
{
    size_t n_words = 1, packed_words = 1, n_columns = 0, n_lanes = f->kernel->erasure_n_lanes, k;
    for (k = 0; k < n && k < n_lanes; k++) {
        const size_t own_words = f->n_words[order[k]];
        const size_t own_packed = fuota_ceil_div(count_received(f->lanes[order[k]].received, own_words), 64);
        if (k != 0 && own_packed > WIDE_WORDS)
            break;
        n_words = own_words > n_words ? own_words : n_words;
        packed_words = own_packed > packed_words ? own_packed : packed_words;
        n_columns += f->lanes[order[k]].n_lost; /* No more than rows: 16 bits hold their numbers. */
        if (own_packed > WIDE_WORDS)
            n_lanes = 1;
    }
    /* Packing takes a few operations for each word of a column, elimination one for each column before it. */
    const int pack = n_words > PLAIN_WORDS && 4 * packed_words <= 3 * n_words;
    if (!pack && n_words > WIDE_WORDS)
        n_lanes = 1;
    *n_done = n = k < n_lanes ? k : n_lanes;
    fuota_erasure_function *const run = n_lanes == 1 ? fuota_erasure_lanes_portable : f->kernel->erasure_lanes;
    return pack ? eliminate_packed(f, order, n, packed_words, n_columns, run, n_lanes, results)
                : eliminate_plain(f, order, n, n_lanes == 1 ? f->n_words[order[0]] : n_words, run, n_lanes, results);
}

/* One pass over the n_left devices of f->order, which are by number of losses. Those that their rows do not complete
 * stay in f->order, with a word of rows more to look at, if there is one. */
static fuota_status eliminate_pass(fleet *f, size_t *n_left, int32_t *needed)
{
    const size_t r_words = fuota_ceil_div(f->n_rows, 64);
    size_t n_again = 0;
    for (size_t first = 0, n_done; first < *n_left; first += n_done) {
        int32_t results[MAX_LANES];
        const fuota_status status = eliminate_some(f, f->order + first, *n_left - first, &n_done, results);
        if (status != FUOTA_OK)
            return status;
        for (size_t k = 0; k < n_done; k++) {
            const uint32_t device = f->order[first + k];
            needed[device] = results[k];
            if (results[k] < 0 && f->n_words[device] < r_words) {
                f->n_words[device]++;
                f->order[n_again++] = device;
            }
        }
    }
    *n_left = n_again;
    return FUOTA_OK;
}

static fuota_status run_chunk(fleet *f, const uint64_t *lost, size_t n_devices, int32_t *needed)
{
    if (f->n_rows == 0) {
        const size_t u_words = fuota_losses_len(f->n_frags);
        for (size_t d = 0; d < n_devices; d++) {
            uint64_t any = 0;
            for (size_t w = 0; w * 64 < f->n_frags; w++)
                any |= lost[d * u_words + w] & bits_below(f->n_frags - 64 * w);
            needed[d] = any == 0 ? 0 : -1;
        }
        return FUOTA_OK;
    }
    fuota_status status = list_losses(f, lost, n_devices);
    if (status == FUOTA_OK)
        status = sort_by_losses(f, &n_devices, needed);
    while (status == FUOTA_OK && n_devices != 0)
        status = eliminate_pass(f, &n_devices, needed);
    return status;
}

static fleet *fleet_create(const fuota_kernel *kernel, const uint64_t *columns, size_t n_frags, size_t n_rows)
{
    fleet *const f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->kernel = kernel;
    f->columns = columns;
    f->n_frags = n_frags;
    f->n_rows = n_rows;
    f->received = calloc(CHUNK * (fuota_ceil_div(n_rows, 64) + 1), sizeof *f->received);
    if (f->received == NULL) {
        free(f);
        return NULL;
    }
    return f;
}

static void fleet_destroy(fleet *f)
{
    free(f->lists);
    free(f->received);
    fuota_buffer_free(&f->work);
    fuota_buffer_free(&f->packed);
    free(f);
}

fuota_status fuota_fleet_complete(const fuota_kernel *kernel, const uint64_t *columns, size_t n_frags, size_t n_rows,
                                  const uint64_t *lost, size_t n_devices, int32_t *needed)
{
    const size_t stride = fuota_losses_len(n_frags) + fuota_losses_len(n_rows);
    fleet *const f = fleet_create(kernel, columns, n_frags, n_rows);
    fuota_status status = f == NULL ? FUOTA_NO_MEMORY : FUOTA_OK;
    for (size_t first = 0; first < n_devices && status == FUOTA_OK; first += CHUNK) {
        const size_t n = n_devices - first < CHUNK ? n_devices - first : CHUNK;
        status = run_chunk(f, lost + first * stride, n, needed + first);
    }
    if (f != NULL)
        fleet_destroy(f);
    return status;
}

fuota_status fuota_fleet_simulate(const fuota_kernel *kernel, const uint64_t *columns, size_t n_frags, size_t n_rows,
                                  uint64_t seed, uint64_t first_device, const uint32_t *thresholds,
                                  size_t threshold_stride, size_t n_devices, int32_t *needed)
{
    const size_t stride = fuota_losses_len(n_frags) + fuota_losses_len(n_rows);
    uint64_t *const lost = malloc(CHUNK * stride * sizeof *lost + 1);
    fleet *const f = fleet_create(kernel, columns, n_frags, n_rows);
    fuota_status status = lost == NULL || f == NULL ? FUOTA_NO_MEMORY : FUOTA_OK;
    for (size_t first = 0; first < n_devices && status == FUOTA_OK; first += CHUNK) {
        const size_t n = n_devices - first < CHUNK ? n_devices - first : CHUNK;
        for (size_t d = 0; d < n; d++)
            kernel->losses_draw(seed, first_device + first + d, thresholds[(first + d) * threshold_stride], n_frags,
                              n_rows, lost + d * stride);
        status = run_chunk(f, lost, n, needed + first);
    }
    if (f != NULL)
        fleet_destroy(f);
    free(lost);
    return status;
}
