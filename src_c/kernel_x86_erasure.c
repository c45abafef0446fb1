/* Erasures of fleets for x86-64: eight devices at once with AVX-512, four with AVX2. */
#include "kernel_x86.h"
#include "splitmix64.h"

#ifdef FUOTA_HAVE_X86

/* ---- AVX-512: masks are predicate registers --------------------------------------------------------------- */

#define LANES 8
#define VEC __m512i
#define VEC_MASK __mmask8
#define KEPT_WORDS 4
#define TARGET FUOTA_TARGET_AVX512_WIDE
#define NAME(x) x##_avx512
#define OPERATION FUOTA_INLINE TARGET

OPERATION void vec_store_avx512(uint64_t *p, __m512i v) { _mm512_storeu_si512(p, v); }
OPERATION __m512i vec_zero_avx512(void) { return _mm512_setzero_si512(); }
OPERATION __m512i vec_set1_avx512(uint64_t x) { return _mm512_set1_epi64((long long)x); }
OPERATION __m512i vec_and_avx512(__m512i a, __m512i b) { return _mm512_and_si512(a, b); }
OPERATION __m512i vec_neg_avx512(__m512i v) { return _mm512_sub_epi64(_mm512_setzero_si512(), v); }
OPERATION __mmask8 vec_test_avx512(__m512i a, __m512i b) { return _mm512_test_epi64_mask(a, b); }
OPERATION __mmask8 vec_is_zero_avx512(__m512i a) { return _mm512_testn_epi64_mask(a, a); }
OPERATION __mmask8 mask_and_avx512(__mmask8 a, __mmask8 b) { return (__mmask8)(a & b); }
OPERATION __mmask8 mask_or_avx512(__mmask8 a, __mmask8 b) { return (__mmask8)(a | b); }
OPERATION __m512i vec_xor_if_avx512(__m512i a, __mmask8 mask, __m512i b)
{
    return _mm512_mask_xor_epi64(a, mask, a, b);
}
OPERATION __m512i vec_and_if_avx512(__mmask8 mask, __m512i a) { return _mm512_maskz_mov_epi64(mask, a); }

#include "erasure_template.h"
#include "losses_template.h"

#undef TARGET
#undef NAME
#undef OPERATION

/* ---- AVX2: masks are vectors of all ones or zero ---------------------------------------------------------- */

#define LANES 4
#define VEC __m256i
#define VEC_MASK __m256i
#define KEPT_WORDS 2
#define TARGET FUOTA_TARGET_AVX2
#define NAME(x) x##_avx2
#define OPERATION FUOTA_INLINE TARGET

OPERATION void vec_store_avx2(uint64_t *p, __m256i v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }
OPERATION __m256i vec_zero_avx2(void) { return _mm256_setzero_si256(); }
OPERATION __m256i vec_set1_avx2(uint64_t x) { return _mm256_set1_epi64x((long long)x); }
OPERATION __m256i vec_and_avx2(__m256i a, __m256i b) { return _mm256_and_si256(a, b); }
OPERATION __m256i vec_neg_avx2(__m256i v) { return _mm256_sub_epi64(_mm256_setzero_si256(), v); }
OPERATION __m256i vec_is_zero_avx2(__m256i a) { return _mm256_cmpeq_epi64(a, _mm256_setzero_si256()); }
OPERATION __m256i mask_and_avx2(__m256i a, __m256i b) { return _mm256_and_si256(a, b); }
OPERATION __m256i mask_or_avx2(__m256i a, __m256i b) { return _mm256_or_si256(a, b); }
OPERATION __m256i vec_and_if_avx2(__m256i mask, __m256i a) { return _mm256_and_si256(mask, a); }
OPERATION __m256i vec_xor_if_avx2(__m256i a, __m256i mask, __m256i b)
{
    return _mm256_xor_si256(a, _mm256_and_si256(mask, b));
}
/* `b` has at most one bit set in a lane. */
OPERATION __m256i vec_test_avx2(__m256i a, __m256i b)
{
    return _mm256_andnot_si256(vec_is_zero_avx2(b), _mm256_cmpeq_epi64(_mm256_and_si256(a, b), b));
}

#include "erasure_template.h"
#include "losses_template.h"

#undef TARGET
#undef NAME
#undef OPERATION

#endif
