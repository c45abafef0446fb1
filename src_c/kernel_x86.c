/* The kernels for x86-64: their shorter functions, and the rows of the table. */
#include "kernel_x86.h"

#ifdef FUOTA_HAVE_X86

/* ---- bit transposes ---------------------------------------------------------------------------------------- */

static FUOTA_TARGET_AVX2 void transpose_groups_avx2(const uint8_t *in, size_t n_groups, uint8_t *out)
{
    for (size_t g = 0; g < n_groups; g++)
        fuota_store_le64(out + 8 * g, fuota_transpose_8x8(fuota_load_le64(in + 8 * g)));
}

/* vgf2p8affineqb multiplies the bits 1, 2, 4 … 128 by each group: see kernel_x86_gfni.c for its order of bytes. */
static FUOTA_TARGET_AVX2_GFNI void transpose_groups_avx2_gfni(const uint8_t *in, size_t n_groups, uint8_t *out)
{
    const __m256i reverse =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8));
    const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201u);
    size_t g = 0;
    for (; g + 4 <= n_groups; g += 4) {
        const __m256i v = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(in + 8 * g)), reverse);
        _mm256_storeu_si256((__m256i *)(out + 8 * g), _mm256_gf2p8affine_epi64_epi8(bits, v, 0));
    }
    for (; g < n_groups; g++)
        fuota_store_le64(out + 8 * g, fuota_transpose_8x8(fuota_load_le64(in + 8 * g)));
}

/* ---- elimination ------------------------------------------------------------------------------------------- */

FUOTA_INLINE FUOTA_TARGET_AVX2 void bit_row_sum_avx2(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i += 32)
        _mm256_storeu_si256((__m256i *)(out + i), _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(a + i)),
                                                                   _mm256_loadu_si256((const __m256i *)(b + i))));
}

#define TARGET FUOTA_TARGET_AVX2
#define NAME(x) x##_avx2
#define BIT_ROW_SUM bit_row_sum_avx2

#include "elimination_template.h"

#undef TARGET
#undef NAME

FUOTA_INLINE FUOTA_TARGET_AVX512 void bit_row_sum_avx512(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i += 64)
        _mm512_store_si512(out + i, _mm512_xor_si512(_mm512_load_si512(a + i), _mm512_load_si512(b + i)));
}

#define TARGET FUOTA_TARGET_AVX512
#define NAME(x) x##_avx512
#define BIT_ROW_SUM bit_row_sum_avx512

#include "elimination_template.h"

#undef TARGET
#undef NAME

/* ---- the kernels --------------------------------------------------------------------------------------------- */

const fuota_kernel fuota_kernel_avx2 = {
    .name = "avx2",
    .needs = FUOTA_CPU_AVX2 | FUOTA_CPU_FMA,
    .parity_panels = fuota_rows_avx2,
    .encode_work_len = fuota_tables_avx2_work_len,
    .encode = fuota_tables_avx2,
    .transpose_groups = transpose_groups_avx2,
    .add_pivots = add_pivots_avx2,
    .erasure_n_lanes = 4,
    .erasure_lane_words = 3,
    .erasure_lanes = fuota_erasure_lanes_avx2,
    .erasure_pack = fuota_erasure_pack_avx2,
    .erasure_add_pivots = fuota_erasure_add_pivots_avx2,
    .erasure_add_products = fuota_erasure_add_products_avx2,
    .losses_draw = fuota_losses_draw_avx2,
    .select_n_rows = 1024,
    .select_weigh = fuota_select_weigh_avx2,
};

const fuota_kernel fuota_kernel_avx2_gfni = {
    .name = "avx2_gfni",
    .needs = FUOTA_CPU_AVX2 | FUOTA_CPU_FMA | FUOTA_CPU_GFNI,
    .parity_panels = fuota_rows_avx2,
    .encode_work_len = fuota_gfni_work_len,
    .encode = fuota_gfni_avx2,
    .transpose_groups = transpose_groups_avx2_gfni,
    .add_pivots = add_pivots_avx2,
    .erasure_n_lanes = 4,
    .erasure_lane_words = 3,
    .erasure_lanes = fuota_erasure_lanes_avx2,
    .erasure_pack = fuota_erasure_pack_avx2,
    .erasure_add_pivots = fuota_erasure_add_pivots_avx2,
    .erasure_add_products = fuota_erasure_add_products_avx2,
    .losses_draw = fuota_losses_draw_avx2,
    .select_n_rows = 1024,
    .select_weigh = fuota_select_weigh_avx2,
};

const fuota_kernel fuota_kernel_avx512_gfni = {
    .name = "avx512_gfni",
    .needs = FUOTA_CPU_AVX2 | FUOTA_CPU_FMA | FUOTA_CPU_GFNI | FUOTA_CPU_AVX512F | FUOTA_CPU_AVX512BW |
             FUOTA_CPU_AVX512VL | FUOTA_CPU_AVX512VBMI,
    .parity_panels = fuota_rows_avx512,
    .encode_work_len = fuota_gfni_work_len,
    .encode = fuota_gfni_avx512,
    .transpose_groups = transpose_groups_avx2_gfni,
    .add_pivots = add_pivots_avx512,
    .erasure_n_lanes = 8,
    .erasure_lane_words = 2,
    .erasure_lanes = fuota_erasure_lanes_avx512,
    .erasure_pack = fuota_erasure_pack_avx512,
    .erasure_add_pivots = fuota_erasure_add_pivots_gfni,
    .erasure_add_products = fuota_erasure_add_products_gfni,
    .losses_draw = fuota_losses_draw_avx512,
    .select_n_rows = 4096,
    .select_weigh = fuota_select_weigh_avx512,
};

#endif
