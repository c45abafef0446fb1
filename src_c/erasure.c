#include <stdlib.h>

#include "kernels.h"

/* Many devices against one matrix: which coded fragment completes each. Bits only, no payloads.
 *
 * Devices that need few rows are eliminated several at a time, a device to a lane (erasure_template.h), the others one
 * at a time (erasure_one.c). This file draws devices, lists their losses and sorts them by number of losses, so that no
 * lane waits long for another. */

/* ---- the matrix by columns -------------------------------------------------------------------------------- */

size_t fuota_columns_len(size_t n_rows, size_t n_frags) { return fuota_size_mul(fuota_ceil_div(n_rows, 64), n_frags); }

void fuota_columns(const uint8_t *panels, size_t n_rows, size_t n_frags, uint64_t *columns)
{
    const size_t n_panels = fuota_ceil_div(n_rows, 8), panel_len = fuota_panels_len(8, n_frags);
    memset(columns, 0, fuota_columns_len(n_rows, n_frags) * sizeof *columns);
    for (size_t p = 0; p < n_panels; p++) {
        uint64_t *const window = columns + p / 8 * n_frags;
        /* The last panel may be of a longer matrix: rows beyond n_rows are not sent. */
        const uint64_t wanted = n_rows - 8 * p < 8 ? ((uint64_t)1 << (n_rows - 8 * p)) - 1 : 0xFF;
        for (size_t group = 0; group < n_frags; group += 8) {
            const size_t n_here = fuota_least_of(n_frags - group, 8);
            uint64_t by_column = fuota_transpose_8x8(fuota_load_le64(panels + p * panel_len + group));
            for (size_t c = 0; c < n_here; c++, by_column >>= 8)
                window[group + c] |= (by_column & wanted) << (8 * (p % 8));
        }
    }
}

/* ---- losses ----------------------------------------------------------------------------------------------- */

size_t fuota_losses_len(size_t n_bits) { return fuota_losses_words(n_bits); }

/* ---- a fleet ---------------------------------------------------------------------------------------------- */

#define FLEET_CHUNK 512u /* devices listed at once */
#define FLEET_MAX_LANES 8u
#define FLEET_SPARE_ROWS 4u /* received rows beyond the losses with which most devices complete */

typedef struct fleet {
    const fuota_kernel *kernel;
    const uint64_t *columns;
    size_t n_frags, n_rows;
    uint16_t *lists; /* lost columns, one device after the other */
    size_t lists_capacity;
    uint64_t *received; /* FLEET_CHUNK × words of n_rows */
    fuota_buffer work, packed;
    fuota_erasure_lane lanes[FLEET_CHUNK];
    uint16_t n_words[FLEET_CHUNK]; /* words of rows to look at */
    uint32_t order[FLEET_CHUNK];   /* devices still to be looked at */
} fleet;

/* Words of rows with which the device probably completes: FLEET_SPARE_ROWS more received than lost, or all rows; 0 if
 * none are needed, or all are too few. */
static uint16_t fleet_words_to_try(const uint64_t *received, size_t r_words, size_t n_lost)
{
    size_t n_received = 0, w = 0;
    while (w < r_words && n_received < n_lost + FLEET_SPARE_ROWS)
        n_received += fuota_count_bits(received[w++]);
    return n_lost == 0 || n_received < n_lost ? 0 : (uint16_t)w;
}

/* Bits beyond the last fragment or row are ignored, whatever the caller left there. */
FUOTA_INLINE uint64_t bits_below(size_t n) { return n < 64 ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0; }

/* Lists the lost columns of the chunk's devices and the rows that each received. */
static fuota_status fleet_list_losses(fleet *f, const uint64_t *lost, size_t n_devices)
{
    const size_t u_words = fuota_losses_len(f->n_frags), c_words = fuota_losses_len(f->n_rows);
    const size_t r_words = fuota_ceil_div(f->n_rows, 64);
    size_t used = 0;
    for (size_t d = 0; d < n_devices; d++, lost += u_words + c_words) {
        if (used + f->n_frags > f->lists_capacity) {
            /* At most FLEET_CHUNK × FUOTA_MAX_FRAGS, and half as much again. */
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
        f->n_words[d] = fleet_words_to_try(received, r_words, f->lanes[d].n_lost);
    }
    used = 0;
    for (size_t d = 0; d < n_devices; d++) {
        f->lanes[d].lost = f->lists + used;
        used += f->lanes[d].n_lost;
    }
    return FUOTA_OK;
}

/* Sorts devices by number of losses (counting sort), so that lanes of one call take about as long. Devices that lost
 * nothing or received too little are done; sets *n_devices to the number left. */
static fuota_status fleet_sort_by_losses(fleet *f, size_t *n_devices, int32_t *needed)
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
            needed[d] = f->lanes[d].n_lost == 0 ? 0 : -1;
    *n_devices = n;
    free(starts);
    return FUOTA_OK;
}

/* ---- one device ------------------------------------------------------------------------------------------- */

static size_t fleet_count_received(const uint64_t *received, size_t r_words)
{
    size_t n = 0;
    for (size_t w = 0; w < r_words; w++)
        n += fuota_count_bits(received[w]);
    return n;
}

/* Writes the lost columns of a device as n_panels panels, the rows that it did not receive left out. What is left of the
 * last window goes to one more panel, which does not count. */
static void fleet_pack_columns(const fleet *f, const fuota_erasure_lane *lane, size_t n_panels, uint64_t *panels)
{
    const size_t r_words = fuota_ceil_div(f->n_rows, 64), stride = fuota_erasure_stride(lane->n_lost);
    memset(panels, 0, (n_panels + 1) * stride * sizeof *panels);
    for (size_t w = 0, n_rows = 0; w < r_words && n_rows < 64 * n_panels; w++) {
        const fuota_packing how = fuota_packing_of(lane->received[w]);
        uint64_t *const low = panels + n_rows / 64 * stride;
        if (how.mask != 0)
            f->kernel->erasure_pack(f->columns + w * f->n_frags, lane->lost, lane->n_lost, &how, n_rows % 64, low,
                                    low + stride);
        n_rows += fuota_count_bits(how.mask);
    }
}

/* Number of the nth received row, both from 1. */
static int32_t fleet_received_row(const uint64_t *received, size_t nth)
{
    size_t w = 0;
    for (size_t n; (n = fuota_count_bits(received[w])) < nth; w++)
        nth -= n;
    uint64_t x = received[w];
    while (--nth != 0)
        x &= x - 1;
    return (int32_t)(64 * w + fuota_lowest_bit(x) + 1);
}

/* Eliminates one device: with the rows that are probably enough, and if they are not, with all that it received. */
static fuota_status fleet_eliminate_one(fleet *f, const fuota_erasure_lane *lane, int32_t *result)
{
    const size_t n_received = fleet_count_received(lane->received, fuota_ceil_div(f->n_rows, 64));
    const size_t stride = fuota_erasure_stride(lane->n_lost), most = fuota_ceil_div(n_received, 64);
    size_t n_panels = fuota_least_of(most, fuota_ceil_div(lane->n_lost + FLEET_SPARE_ROWS, 64));
    int32_t nth = -1;
    for (size_t tried = 0; nth < 0 && tried < most; tried = n_panels, n_panels = most) {
        const size_t len = fuota_size_mul((n_panels + 1) * stride, sizeof(uint64_t));
        uint64_t *const panels = (uint64_t *)(void *)fuota_buffer_reserve(&f->packed, len);
        if (panels == NULL)
            return FUOTA_NO_MEMORY;
        fleet_pack_columns(f, lane, n_panels, panels);
        nth = fuota_erasure_one(f->kernel, panels, lane->n_lost, n_panels);
    }
    *result = nth < 0 ? -1 : fleet_received_row(lane->received, (size_t)nth);
    return FUOTA_OK;
}

/* ---- elimination ------------------------------------------------------------------------------------------- */

/* Eliminates the first devices of `order`: as many as there are lanes if their rows are few, otherwise one. Sets *n_done
 * to their number. */
static fuota_status fleet_eliminate_some(fleet *f, const uint32_t *order, size_t n, size_t *n_done, int32_t *results)
{
    const size_t n_lanes = f->kernel->erasure_n_lanes;
    fuota_erasure_lane lanes[FLEET_MAX_LANES];
    size_t n_words = 1, k;
    assert(n >= 1 && n_lanes <= FLEET_MAX_LANES);
    for (k = 0; k < n && k < n_lanes && f->n_words[order[k]] <= f->kernel->erasure_lane_words; k++) {
        lanes[k] = f->lanes[order[k]];
        n_words = fuota_largest_of(n_words, f->n_words[order[k]]);
    }
    *n_done = k != 0 ? k : 1;
    if (k == 0) {
        f->n_words[order[0]] = (uint16_t)fuota_ceil_div(f->n_rows, 64);
        return fleet_eliminate_one(f, &f->lanes[order[0]], results);
    }
    for (size_t i = 0; i < k; i++)
        f->n_words[order[i]] = (uint16_t)n_words;
    for (; k < n_lanes; k++)
        lanes[k] = (fuota_erasure_lane){NULL, f->received, 0};
    uint8_t *const work = fuota_buffer_reserve(&f->work, fuota_erasure_work_len(n_lanes, n_words));
    if (work == NULL)
        return FUOTA_NO_MEMORY;
    f->kernel->erasure_lanes(f->columns, f->n_frags, lanes, n_words, (uint64_t *)(void *)work, results);
    return FUOTA_OK;
}

/* One pass over the *n_left devices of f->order, sorted by number of losses. Devices that their rows do not complete
 * stay in f->order with one more word of rows, if there is one; sets *n_left to their number. */
static fuota_status fleet_eliminate_pass(fleet *f, size_t *n_left, int32_t *needed)
{
    const size_t r_words = fuota_ceil_div(f->n_rows, 64);
    size_t n_again = 0;
    for (size_t first = 0, n_done; first < *n_left; first += n_done) {
        int32_t results[FLEET_MAX_LANES];
        const fuota_status status = fleet_eliminate_some(f, f->order + first, *n_left - first, &n_done, results);
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

static fuota_status fleet_run_chunk(fleet *f, const uint64_t *lost, size_t n_devices, int32_t *needed)
{
    fuota_status status = fleet_list_losses(f, lost, n_devices);
    if (status == FUOTA_OK)
        status = fleet_sort_by_losses(f, &n_devices, needed);
    while (status == FUOTA_OK && n_devices != 0)
        status = fleet_eliminate_pass(f, &n_devices, needed);
    return status;
}

static fleet *fleet_create(const fuota_kernel *kernel, const uint64_t *columns, size_t n_frags, size_t n_rows)
{
    /* With so few rows and columns a chunk has at most 2^24 words: products of these below do not wrap. */
    assert(n_frags >= 1 && n_frags <= FUOTA_MAX_FRAGS && n_rows <= FUOTA_MAX_FLEET_ROWS);
    fleet *const f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->kernel = kernel;
    f->columns = columns;
    f->n_frags = n_frags;
    f->n_rows = n_rows;
    f->received = calloc(FLEET_CHUNK * (fuota_ceil_div(n_rows, 64) + 1), sizeof *f->received);
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
    for (size_t first = 0; first < n_devices && status == FUOTA_OK; first += FLEET_CHUNK) {
        const size_t n = n_devices - first < FLEET_CHUNK ? n_devices - first : FLEET_CHUNK;
        status = fleet_run_chunk(f, lost + first * stride, n, needed + first);
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
    uint64_t *const lost = malloc(FLEET_CHUNK * stride * sizeof *lost);
    fleet *const f = fleet_create(kernel, columns, n_frags, n_rows);
    fuota_status status = lost == NULL || f == NULL ? FUOTA_NO_MEMORY : FUOTA_OK;
    for (size_t first = 0; first < n_devices && status == FUOTA_OK; first += FLEET_CHUNK) {
        const size_t n = n_devices - first < FLEET_CHUNK ? n_devices - first : FLEET_CHUNK;
        for (size_t d = 0; d < n; d++)
            kernel->losses_draw(seed, first_device + first + d, thresholds[(first + d) * threshold_stride], n_frags,
                                n_rows, lost + d * stride);
        status = fleet_run_chunk(f, lost, n, needed + first);
    }
    if (f != NULL)
        fleet_destroy(f);
    free(lost);
    return status;
}
