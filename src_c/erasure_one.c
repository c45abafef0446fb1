#include "kernels.h"

/* Which equation completes one device that lost many fragments: the elimination of gf2.c without its second half.
 *
 * The matrix is given as in erasure_template.h: a word has 64 equations of one unknown, and the words of all unknowns
 * for the same equations lie side by side, a panel. Pivots are searched in one panel at a time, eight equations after
 * eight, so the first independent equations are the pivots, and the equation with which the last unknown has its pivot
 * is the answer.
 *
 * Only unknowns without a pivot are reduced, and in the panel alone. Bits of the panel that are eliminated keep factors
 * in their place: bit i of byte k of a word then says that pivot i of these eight equations, as the panel found it, has
 * been added to the unknown. In the end they bring all later panels up to date in one product of matrices. */

/* Pivots of a panel. */
typedef struct panel_pivots {
    unsigned n, n_moved;
    unsigned last;     /* the last equation that has a pivot */
    uint8_t starts[8]; /* number of pivots before each eight equations */
    uint8_t to[64];    /* to bring the pivots to the front, unknown `to[i]` changes places with `from[i]` */
    uint16_t from[64];
} panel_pivots;

/* Pivots of eight equations: lane i is that of equation i, zero without one. Its low byte are its coefficients, reduced
 * so that no other lane has bit i; its high byte says of which pivots, as they were found, it is the sum. */
typedef uint16_t byte_pivots __attribute__((vector_size(16)));

static const byte_pivots byte_bit_of_lane = {1, 2, 4, 8, 16, 32, 64, 128};

FUOTA_INLINE unsigned byte_sum_of_lanes(byte_pivots v)
{
    uint64_t half[2];
    memcpy(half, &v, sizeof half);
    half[0] ^= half[1];
    half[0] ^= half[0] >> 32;
    return (unsigned)(half[0] ^ half[0] >> 16) & 0xFFFF;
}

/* Reduces an unknown, whose coefficients are `byte`, by the pivots; it is number n_found in the high bytes. If a bit is
 * left it becomes the pivot of that equation. Returns the equation, or 8. */
FUOTA_INLINE unsigned byte_take_pivot(byte_pivots *pivots, unsigned byte, unsigned n_found)
{
    const byte_pivots chosen = (byte_pivots)((byte_bit_of_lane & (uint16_t)byte) != 0);
    const unsigned reduced = byte_sum_of_lanes(*pivots & chosen) ^ byte ^ 256u << n_found;
    if ((reduced & 0xFF) == 0)
        return 8;
    const unsigned equation = fuota_lowest_bit(reduced);
    const uint16_t bit = (uint16_t)(1u << equation);
    const byte_pivots changed = (byte_pivots)((*pivots & bit) != 0) | (byte_pivots)(byte_bit_of_lane == bit);
    *pivots ^= (uint16_t)reduced & changed;
    return equation;
}

/* The high bytes side by side. */
FUOTA_INLINE uint64_t byte_sums(byte_pivots pivots)
{
    uint64_t sums = 0;
    for (unsigned i = 0; i < 8; i++)
        sums |= (uint64_t)(pivots[i] >> 8) << (8 * i);
    return sums;
}

/* Finds the pivots of a panel, which become its first unknowns. */
static void panel_find_pivots(const fuota_kernel *kernel, uint64_t *words, size_t n, panel_pivots *p)
{
    p->n = p->n_moved = p->last = 0;
    for (unsigned first = 0; first < 64; first += 8) {
        byte_pivots pivots = {0};
        unsigned n_found = 0;
        uint64_t *const found = words + p->n;
        p->starts[first / 8] = (uint8_t)p->n;
        for (size_t a = p->n; a < n && n_found < 8; a++) {
            const uint64_t word = words[a];
            const unsigned equation = byte_take_pivot(&pivots, (unsigned)(word >> first) & 0xFF, n_found);
            if (equation == 8)
                continue;
            if (a != p->n) {
                p->to[p->n_moved] = (uint8_t)p->n;
                p->from[p->n_moved++] = (uint16_t)a;
                words[a] = words[p->n];
            }
            words[p->n++] = word ^ (uint64_t)1 << (first + n_found++);
            p->last = first + equation > p->last ? first + equation : p->last;
        }
        if (n_found != 0)
            kernel->erasure_add_pivots(found, n_found, n - (size_t)(found - words), first / 8,
                                       byte_sums(pivots));
    }
}

int32_t fuota_erasure_one(const fuota_kernel *kernel, uint64_t *words, size_t n_unknowns, size_t n_panels)
{
    const size_t stride = fuota_erasure_stride(n_unknowns);
    size_t n_done = 0;
    assert(n_unknowns >= 1 && n_unknowns <= FUOTA_MAX_FRAGS);
    for (size_t panel = 0; panel < n_panels; panel++) {
        panel_pivots p;
        uint64_t *const own = words + panel * stride + n_done, *const later = own + stride;
        panel_find_pivots(kernel, own, n_unknowns - n_done, &p);
        n_done += p.n;
        if (n_done == n_unknowns)
            return (int32_t)(64 * panel + p.last + 1);
        if (p.n == 0)
            continue;
        for (size_t k = 0; k < n_panels - panel - 1; k++) {
            uint64_t *const other = later + k * stride;
            for (unsigned i = 0; i < p.n_moved; i++) {
                const uint64_t pivot = other[p.from[i]];
                other[p.from[i]] = other[p.to[i]];
                other[p.to[i]] = pivot;
            }
        }
        kernel->erasure_add_products(own + p.n, n_unknowns - n_done, p.starts, p.n, n_panels - panel - 1, stride, later);
    }
    return -1;
}
