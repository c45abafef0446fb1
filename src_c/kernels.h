/* A kernel is a row of the table in kernels.c: its name, the CPU features it needs, its functions. It is
 * passed to every call and held by the objects that use it; there is no current kernel in the core. */
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

struct fuota_kernel {
    const char *name;
    uint32_t needs;
    /* One panel: rows[0 … n-1], n 1 … 8, every number at most FUOTA_ROW_FAST_MAX. */
    void (*parity_panel)(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n,
                         uint8_t *panel);
    size_t (*encode_work_len)(size_t n_rows, size_t n_frags, size_t frag_size);
    void (*encode)(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size,
                   const uint8_t *block, size_t block_stride, uint8_t *coded, size_t coded_stride, void *work);
};

/* Up to this row number every state of the generator is below 2^24: 1 + 1001 · 16760 < 2^24. */
#define FUOTA_ROW_FAST_MAX 16760u

extern const fuota_kernel fuota_kernel_portable;

#endif
