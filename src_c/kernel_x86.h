/* Shared by the x86-64 kernels. Target attributes belong to functions, never to files: a helper that several kernels
 * share must not contain an instruction that the CPU may lack. */
#ifndef FUOTA_KERNEL_X86_H
#define FUOTA_KERNEL_X86_H

#include "kernels.h"

#ifdef FUOTA_HAVE_X86

#include <immintrin.h>

#define FUOTA_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define FUOTA_TARGET_AVX2_GFNI __attribute__((target("avx2,fma,gfni")))
#define FUOTA_TARGET_AVX512 __attribute__((target("avx2,fma,gfni,avx512f,avx512bw,avx512vl,avx512vbmi")))

/* For loops over GNU vectors of 64 bytes, which compilers split into halves unless they are told to prefer whole ones.
 * Each compiler has its own way to say so; Clang ignores a target attribute with a word it does not know. */
#if defined(__clang__)
#define FUOTA_TARGET_AVX512_WIDE __attribute__((target("avx512f,avx512bw,avx512vl"), min_vector_width(512)))
#else
#define FUOTA_TARGET_AVX512_WIDE __attribute__((target("avx512f,avx512bw,avx512vl,prefer-vector-width=512")))
#endif

extern const fuota_kernel fuota_kernel_avx2;
extern const fuota_kernel fuota_kernel_avx2_gfni;
extern const fuota_kernel fuota_kernel_avx512_gfni;

/* Rows: see kernel_x86_rows.c. */
void fuota_rows_avx2(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n, uint8_t *panels);
void fuota_rows_avx512(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n, uint8_t *panels);

/* Products: tables in kernel_x86_tables.c, GFNI in kernel_x86_gfni.c. */
size_t fuota_tables_avx2_work_len(size_t n_rows, size_t n_frags, size_t frag_size);
void fuota_tables_avx2(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                       size_t block_stride, uint8_t *coded, size_t coded_stride, void *work);
size_t fuota_gfni_work_len(size_t n_rows, size_t n_frags, size_t frag_size);
void fuota_gfni_avx2(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                     size_t block_stride, uint8_t *coded, size_t coded_stride, void *work);
void fuota_gfni_avx512(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                       size_t block_stride, uint8_t *coded, size_t coded_stride, void *work);

#endif
#endif
