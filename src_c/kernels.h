/* A kernel is a row of the table in kernels.c: its name, the CPU features it needs, its functions. Kernels are passed
 * to every call and held by the objects that use them; the core has no current kernel. */
#ifndef FUOTA_KERNELS_H
#define FUOTA_KERNELS_H

#include "internal.h"

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

/* See erasure_template.h; erasure_n_lanes devices. `work` is aligned to 64 and has fuota_erasure_work_len() bytes. */
typedef void fuota_erasure_function(const uint64_t *columns, size_t n_frags, const fuota_erasure_lane *lanes,
                                    size_t n_words, uint64_t *work, int32_t *needed);

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
fuota_losses_function fuota_losses_draw_portable;
fuota_select_function fuota_select_weigh_portable;
#if defined(FUOTA_HAVE_X86)
fuota_erasure_function fuota_erasure_lanes_avx2, fuota_erasure_lanes_avx512;
fuota_losses_function fuota_losses_draw_avx2, fuota_losses_draw_avx512;
fuota_select_function fuota_select_weigh_avx2, fuota_select_weigh_avx512;
#endif

/* Bytes of work space of a product by tables: n_entries entries and a sum per row, strip_len bytes each. */
FUOTA_INLINE size_t fuota_tables_work_len(size_t n_entries, size_t n_rows, size_t strip_len)
{
    const size_t n_sums = fuota_size_mul(fuota_ceil_div(n_rows, 8), 8);
    return fuota_size_add(fuota_size_mul(fuota_size_add(n_entries, n_sums), strip_len), 64);
}

/* Bytes of work space of the erasure lanes for n_words words of rows. */
FUOTA_INLINE size_t fuota_erasure_work_len(size_t n_lanes, size_t n_words)
{
    const size_t n_vectors = fuota_size_mul(n_words, fuota_size_add(fuota_size_mul(64, n_words), 5));
    return fuota_size_mul(n_vectors, n_lanes * sizeof(uint64_t));
}

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

    /* Fleets. */
    unsigned erasure_n_lanes;
    fuota_erasure_function *erasure_lanes;
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
