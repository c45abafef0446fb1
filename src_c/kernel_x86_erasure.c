/* The lanes of erasure_lanes.h for x86-64: eight devices with AVX-512, four with AVX2. */
#include "kernels.h"
#include "losses.h"

#if defined(FUOTA_HAVE_X86)

#include <immintrin.h>

/* ---- AVX-512: masks are predicate registers --------------------------------------------------------------- */

#define LANES 8
#define VEC __m512i
#define VEC_MASK __mmask8
#define KEPT_WORDS 4
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#define NAME(x) avx512_##x
#define OP FUOTA_INLINE TARGET

OP __m512i avx512_load(const uint64_t *p) { return _mm512_loadu_si512(p); }
OP void avx512_store(uint64_t *p, __m512i v) { _mm512_storeu_si512(p, v); }
OP __m512i avx512_set1(uint64_t x) { return _mm512_set1_epi64((long long)x); }
OP __m512i avx512_neg(__m512i v) { return _mm512_sub_epi64(_mm512_setzero_si512(), v); }

#define vec_load avx512_load
#define vec_store avx512_store
#define vec_zero _mm512_setzero_si512
#define vec_set1 avx512_set1
#define vec_and _mm512_and_si512
#define vec_neg avx512_neg
#define vec_test _mm512_test_epi64_mask
#define vec_is_zero(a) _mm512_testn_epi64_mask(a, a)
#define mask_and(a, b) ((__mmask8)((a) & (b)))
#define mask_or(a, b) ((__mmask8)((a) | (b)))
#define vec_xor_if(a, mask, b) _mm512_mask_xor_epi64(a, mask, a, b)
#define vec_and_if(mask, a) _mm512_maskz_mov_epi64(mask, a)

#include "erasure_lanes.h"

void fuota_erasure_lanes_avx512(const uint64_t *columns, size_t n_frags, const fuota_erasure_lane *lanes,
                                size_t n_words, uint64_t *work, int32_t *needed)
{
    avx512_erasure_lanes(columns, n_frags, lanes, n_words, work, needed);
}

__attribute__((target("avx512f,avx512bw,avx512vl,prefer-vector-width=512"))) void
fuota_losses_draw_avx512(uint64_t seed, uint64_t device, uint32_t threshold, size_t n_frags, size_t n_rows,
                         uint64_t *lost)
{
    draw_losses(seed, device, threshold, n_frags, n_rows, lost);
}

#undef LANES
#undef VEC
#undef VEC_MASK
#undef TARGET
#undef NAME
#undef vec_load
#undef vec_store
#undef vec_zero
#undef vec_set1
#undef vec_and
#undef KEPT_WORDS
#undef vec_neg
#undef vec_test
#undef vec_is_zero
#undef mask_and
#undef mask_or
#undef vec_xor_if
#undef vec_and_if

/* ---- AVX2: masks are vectors of all ones or zero ---------------------------------------------------------- */

#define LANES 4
#define VEC __m256i
#define VEC_MASK __m256i
#define KEPT_WORDS 2
#define TARGET __attribute__((target("avx2")))
#define NAME(x) avx2_##x

OP __m256i avx2_load(const uint64_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
OP void avx2_store(uint64_t *p, __m256i v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }
OP __m256i avx2_set1(uint64_t x) { return _mm256_set1_epi64x((long long)x); }
OP __m256i avx2_neg(__m256i v) { return _mm256_sub_epi64(_mm256_setzero_si256(), v); }
OP __m256i avx2_is_zero(__m256i a) { return _mm256_cmpeq_epi64(a, _mm256_setzero_si256()); }
/* `b` has at most one bit set in a lane. */
OP __m256i avx2_test(__m256i a, __m256i b)
{
    return _mm256_andnot_si256(avx2_is_zero(b), _mm256_cmpeq_epi64(_mm256_and_si256(a, b), b));
}

#define vec_load avx2_load
#define vec_store avx2_store
#define vec_zero _mm256_setzero_si256
#define vec_set1 avx2_set1
#define vec_and _mm256_and_si256
#define vec_neg avx2_neg
#define vec_test avx2_test
#define vec_is_zero avx2_is_zero
#define mask_and _mm256_and_si256
#define mask_or _mm256_or_si256
#define vec_xor_if(a, mask, b) _mm256_xor_si256(a, _mm256_and_si256(mask, b))
#define vec_and_if(mask, a) _mm256_and_si256(mask, a)

#include "erasure_lanes.h"

void fuota_erasure_lanes_avx2(const uint64_t *columns, size_t n_frags, const fuota_erasure_lane *lanes,
                              size_t n_words, uint64_t *work, int32_t *needed)
{
    avx2_erasure_lanes(columns, n_frags, lanes, n_words, work, needed);
}

__attribute__((target("avx2"))) void fuota_losses_draw_avx2(uint64_t seed, uint64_t device, uint32_t threshold,
                                                            size_t n_frags, size_t n_rows, uint64_t *lost)
{
    draw_losses(seed, device, threshold, n_frags, n_rows, lost);
}

#endif
