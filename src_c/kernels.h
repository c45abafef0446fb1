/* A kernel is a row of the table in kernels.c: its name, the CPU features it needs, its functions. Kernels are passed
 * to every call and held by the objects that use them; the core has no current kernel. */
#ifndef FUOTA_KERNELS_H
#define FUOTA_KERNELS_H

#include "internal.h"
#include "packing.h"

#define FUOTA_CPU_AVX2 (1u << 0)
#define FUOTA_CPU_FMA (1u << 1)
#define FUOTA_CPU_GFNI (1u << 2)
#define FUOTA_CPU_AVX512F (1u << 3)
#define FUOTA_CPU_AVX512BW (1u << 4)
#define FUOTA_CPU_AVX512VL (1u << 5)
#define FUOTA_CPU_AVX512VBMI (1u << 6)
#define FUOTA_CPU_NEON (1u << 7)

#if defined(__x86_64__)
#define FUOTA_HAVE_X86 1
#endif
#if defined(__aarch64__) && defined(__ARM_NEON)
#define FUOTA_HAVE_NEON 1
#endif

/* Rows that a kernel may be given at once: two panels. */
#define FUOTA_ROWS_AT_ONCE 16u

/* Bytes of a column-major panel: a column for every position and the dummy, and room for whole vectors. */
#define FUOTA_COLUMNS_LEN ((FUOTA_MAX_FRAGS + 1 + 63) / 64 * 64)

/* Alignment of the rows of an eliminated bit matrix, and the unit of their length: a cache line. */
#define FUOTA_BIT_ROW_ALIGN 64u

/* A device of a simulated fleet: its lost uncoded fragments, ascending, and a bit per coded fragment received. */
typedef struct fuota_erasure_lane {
    const uint16_t *lost;
    const uint64_t *received;
    size_t n_lost;
} fuota_erasure_lane;

/* See erasure_template.h; erasure_n_lanes devices, n_words 1 … FUOTA_LANE_WORDS. `work` is aligned to 64 and has
 * fuota_erasure_work_len() bytes. */
typedef void fuota_erasure_function(const uint64_t *columns, size_t n_frags, const fuota_erasure_lane *lanes,
                                    size_t n_words, uint64_t *work, int32_t *needed);

/* Writes the n columns of a window of 64 rows that `lost` names, the rows that are not in `how` left out and the others
 * moved up by `shift` (0 … 63): adds what is in the first 64 rows to low[i], the rest to high[i]. */
typedef void fuota_erasure_pack_function(const uint64_t *window, const uint16_t *lost, size_t n,
                                         const fuota_packing *how, unsigned shift, uint64_t *low, uint64_t *high);

/* Two steps of the elimination of erasure_one.c. A word has 64 equations of one unknown. After the n words of `words`,
 * `factors` and each panel of `out` there are 7 more that are zero; they may be read, and written as they are.
 *
 * The first n_pivots words, 1 … 8, are pivots as they were found; byte i of `sums` says of which of them pivot i of eight
 * is the sum. To each other word pivot i is added for every bit i that is set in its byte byte_idx. */
typedef void fuota_erasure_pivots_function(uint64_t *words, size_t n_pivots, size_t n, size_t byte_idx, uint64_t sums);
/* Panel k begins at words + k * stride, with n_pivots pivots and n other words; those of equations 8·j … 8·j + 7 begin at
 * its word starts[j], at most eight. To the other word a of every panel pivot i of these is added for every bit i that is
 * set in byte j of factors[a]; bits of pivots that are not there are zero. */
typedef void fuota_erasure_products_function(const uint64_t *factors, size_t n, const uint8_t *starts, size_t n_pivots,
                                             size_t n_panels, size_t stride, uint64_t *words);

/* See losses_template.h. */
typedef void fuota_losses_function(uint64_t seed, uint64_t device, uint32_t threshold, size_t n_frags, size_t n_rows,
                                   uint64_t *lost);

/* Bits of the sums by which candidate rows are weighed. */
#define FUOTA_SELECT_PLANES 64u

/* The most that a kernel weighs at once. */
#define FUOTA_SELECT_MOST_ROWS 4096u

/* See weighing_template.h. All but `stream` are aligned to 64. */
typedef void fuota_select_function(const uint64_t *columns, const uint16_t *stream, size_t n_patterns, uint64_t *planes,
                                   uint64_t *waiting);

fuota_erasure_function fuota_erasure_lanes_portable;
fuota_erasure_pack_function fuota_erasure_pack_portable;
fuota_erasure_pivots_function fuota_erasure_add_pivots_portable;
fuota_erasure_products_function fuota_erasure_add_products_portable;
fuota_losses_function fuota_losses_draw_portable;
fuota_select_function fuota_select_weigh_portable;
#if defined(FUOTA_HAVE_X86)
fuota_erasure_function fuota_erasure_lanes_avx2, fuota_erasure_lanes_avx512;
fuota_erasure_pack_function fuota_erasure_pack_avx2, fuota_erasure_pack_avx512;
fuota_erasure_pivots_function fuota_erasure_add_pivots_avx2, fuota_erasure_add_pivots_gfni;
fuota_erasure_products_function fuota_erasure_add_products_avx2, fuota_erasure_add_products_gfni;
fuota_losses_function fuota_losses_draw_avx2, fuota_losses_draw_avx512;
fuota_select_function fuota_select_weigh_avx2, fuota_select_weigh_avx512;
#endif

/* Bytes of work space of a product by tables: n_entries entries and a sum per row, strip_len bytes each. */
FUOTA_INLINE size_t fuota_tables_work_len(size_t n_entries, size_t n_rows, size_t strip_len)
{
    const size_t n_sums = fuota_size_mul(fuota_ceil_div(n_rows, 8), 8);
    return fuota_size_add(fuota_size_mul(fuota_size_add(n_entries, n_sums), strip_len), 64);
}

/* The most words of rows that a kernel may eliminate in lanes. */
#define FUOTA_LANE_WORDS 3u

/* Bytes of work space of the erasure lanes for n_words words of rows. */
FUOTA_INLINE size_t fuota_erasure_work_len(size_t n_lanes, size_t n_words)
{
    return n_words * (64 * n_words + 5) * n_lanes * sizeof(uint64_t);
}

/* ---- erasure_one.c: the elimination of one device ---- */

/* Words of a panel of n_unknowns unknowns: whole vectors, and as many words after them as a vector has. */
FUOTA_INLINE size_t fuota_erasure_stride(size_t n_unknowns) { return (n_unknowns + 15) / 8 * 8; }

/* Number (from 1) of the equation with which the rank is n_unknowns (1 … FUOTA_MAX_FRAGS), -1 if the 64 · n_panels
 * equations are not enough. Bit e of words[k * stride + a] says that equation 64·k + e has unknown a; words of a panel
 * beyond the last unknown are zero. `words` is used up. */
int32_t fuota_erasure_one(const fuota_kernel *kernel, uint64_t *words, size_t n_unknowns, size_t n_panels);

struct fuota_kernel {
    const char *name;
    uint32_t needs;

    /* Panels of rows[0 … n-1], n 1 … FUOTA_ROWS_AT_ONCE, every number at most FUOTA_ROW_FAST_MAX. */
    void (*parity_panels)(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n, uint8_t *panels);

    size_t (*encode_work_len)(size_t n_rows, size_t n_frags, size_t frag_size);
    void (*encode)(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                   size_t block_stride, uint8_t *coded, size_t coded_stride, void *work);

    /* Transposes each group of 8 bytes as an 8 × 8 bit matrix: a panel to one byte per column, or back. */
    void (*transpose_groups)(const uint8_t *in, size_t n_groups, uint8_t *out);

    /* One step of an elimination: to each of the n_rows rows of `stride` bytes (a multiple of
     * FUOTA_BIT_ROW_ALIGN) pivots[i * stride …] is added for every bit i that is set in both its byte byte_idx
     * and `bits`. `table` is work space of 256 * stride bytes. All three are aligned to FUOTA_BIT_ROW_ALIGN. */
    void (*add_pivots)(uint8_t *matrix, size_t n_rows, size_t stride, size_t byte_idx, uint8_t bits,
                       const uint8_t *pivots, uint8_t *table);

    /* Fleets: devices with at most erasure_lane_words words of rows are eliminated erasure_n_lanes at once, others one
     * at a time. */
    unsigned erasure_n_lanes, erasure_lane_words;
    fuota_erasure_function *erasure_lanes;
    fuota_erasure_pack_function *erasure_pack;
    fuota_erasure_pivots_function *erasure_add_pivots;
    fuota_erasure_products_function *erasure_add_products;
    fuota_losses_function *losses_draw;

    /* Rows to send: select_n_rows, a multiple of 512, are weighed at once. */
    size_t select_n_rows;
    fuota_select_function *select_weigh;
};

/* Up to this row number every state of the generator is below 2^24: 1 + 1001 · 16760 < 2^24. */
#define FUOTA_ROW_FAST_MAX 16760u

extern const fuota_kernel fuota_kernel_portable;
#ifdef FUOTA_HAVE_NEON
extern const fuota_kernel fuota_kernel_neon;
#endif

/* Next state of the generator. The feedback bit is added: a state of 2^23 or more carries. */
FUOTA_INLINE uint32_t fuota_prbs23(uint32_t x) { return (x >> 1) + (((x ^ (x >> 5)) & 1u) << 22); }

/* Completes row r of a column-major panel: draws `deficit` more positions, one at a time, from `state`. */
FUOTA_INLINE void fuota_finish_row(uint8_t *columns, uint32_t n_frags, uint32_t divisor, fuota_dialect dialect,
                                   unsigned r, uint32_t state, uint32_t deficit)
{
    while (deficit != 0) {
        state = fuota_prbs23(state);
        const uint32_t position = state % divisor;
        if (position >= n_frags)
            continue;
        const uint32_t before = columns[position];
        columns[position] = (uint8_t)(before | (1u << r));
        deficit -= dialect == FUOTA_TS004_1_0_0 ? 1u : ~(before >> r) & 1u;
    }
}

/* Writes n rows (1 … 8) of a column-major panel as a panel of the matrix. */
FUOTA_INLINE void fuota_finish_panel(const uint8_t *columns, size_t n_groups, unsigned n, uint8_t *panel)
{
    const uint64_t wanted = 0x0101010101010101u * ((1u << n) - 1);
    for (size_t g = 0; g < n_groups; g++)
        fuota_store_le64(panel + 8 * g, fuota_transpose_8x8(fuota_load_le64(columns + 8 * g) & wanted));
}

#endif
