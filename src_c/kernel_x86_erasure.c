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

/* ---- GFNI: steps of the elimination of one device ----------------------------------------------------------- */

/* vgf2p8affineqb(x, A) multiplies each byte of a qword of x by the bit matrix in that qword of A: see kernel_x86_gfni.c
 * for its order of bytes. A vector of eight unknowns has one of them in each qword; so that all unknowns meet the same
 * matrices, byte j of every unknown is brought to all qwords, qword k is multiplied by the matrix for byte k of the sum,
 * and the transpose of bytes takes the sums back to their unknowns. */

#define GFNI_PANELS 4u /* panels updated at once */

typedef struct gfni_bytes {
    __m512i transpose; /* byte i of qword k from byte k of qword i */
    __m512i reverse;   /* the same with i from 7 down to 0 */
    __m512i column;    /* byte i of every qword from byte 0 of qword i; plus j: from byte j */
} gfni_bytes;

FUOTA_INLINE FUOTA_TARGET_AVX512 gfni_bytes gfni_bytes_make(void)
{
    _Alignas(64) uint8_t transpose[64], reverse[64], column[64];
    for (unsigned i = 0; i < 64; i++) {
        transpose[i] = (uint8_t)(8 * (i % 8) + i / 8);
        reverse[i] = (uint8_t)(8 * (7 - i % 8) + i / 8);
        column[i] = (uint8_t)(8 * (i % 8));
    }
    const gfni_bytes b = {_mm512_load_si512(transpose), _mm512_load_si512(reverse), _mm512_load_si512(column)};
    return b;
}

/* The matrices by which a byte of factors is multiplied: qword k for byte k of the sum of the eight pivots. */
FUOTA_INLINE FUOTA_TARGET_AVX512 __m512i gfni_matrices(const gfni_bytes *b, __m512i pivots)
{
    return _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64(0x0102040810204080),
                                         _mm512_permutexvar_epi8(b->reverse, pivots), 0);
}

FUOTA_INLINE FUOTA_TARGET_AVX512 __m512i gfni_column(const gfni_bytes *b, __m512i words, unsigned j)
{
    return _mm512_permutexvar_epi8(_mm512_add_epi8(b->column, _mm512_set1_epi8((char)j)), words);
}

FUOTA_TARGET_AVX512 void fuota_erasure_add_pivots_gfni(uint64_t *words, size_t n_pivots, size_t n, size_t byte_idx,
                                                       uint64_t sums)
{
    const gfni_bytes b = gfni_bytes_make();
    const __m512i found = gfni_matrices(&b, _mm512_loadu_si512(words));
    const __m512i pivots = _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64((long long)sums), found, 0);
    const __m512i matrices = gfni_matrices(&b, _mm512_permutexvar_epi8(b.transpose, pivots));
    const __m512i column_idx = _mm512_add_epi8(b.column, _mm512_set1_epi8((char)byte_idx));
    for (size_t a = n_pivots; a < n; a += 8) {
        const __m512i v = _mm512_loadu_si512(words + a);
        const __m512i sum = _mm512_gf2p8affine_epi64_epi8(_mm512_permutexvar_epi8(column_idx, v), matrices, 0);
        _mm512_storeu_si512(words + a, _mm512_xor_si512(v, _mm512_permutexvar_epi8(b.transpose, sum)));
    }
}

/* The same for n_panels panels, at most GFNI_PANELS, a constant where this is inlined. */
FUOTA_INLINE FUOTA_TARGET_AVX512 void gfni_add_products(const uint64_t *factors, size_t n, const uint8_t *starts,
                                                        size_t n_pivots, unsigned n_panels, size_t stride,
                                                        uint64_t *words)
{
    const gfni_bytes b = gfni_bytes_make();
    __m512i matrices[8 * GFNI_PANELS];
    for (unsigned k = 0; k < n_panels; k++)
        for (unsigned j = 0; j < 8; j++)
            matrices[8 * k + j] = gfni_matrices(&b, _mm512_loadu_si512(words + k * stride + starts[j]));
    for (size_t a = 0; a < n; a += 8) {
        const __m512i v = _mm512_loadu_si512(factors + a);
        __m512i column[8];
        for (unsigned j = 0; j < 8; j++)
            column[j] = gfni_column(&b, v, j);
        for (unsigned k = 0; k < n_panels; k++) {
            __m512i product[8];
            for (unsigned j = 0; j < 8; j++)
                product[j] = _mm512_gf2p8affine_epi64_epi8(column[j], matrices[8 * k + j], 0);
            for (unsigned j = 0; j < 6; j += 2)
                product[j + 2] = _mm512_ternarylogic_epi64(product[j], product[j + 1], product[j + 2], 0x96);
            const __m512i sum = _mm512_permutexvar_epi8(b.transpose, _mm512_xor_si512(product[6], product[7]));
            uint64_t *const to = words + k * stride + n_pivots + a;
            _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_loadu_si512(to), sum));
        }
    }
}

FUOTA_TARGET_AVX512 void fuota_erasure_add_products_gfni(const uint64_t *factors, size_t n, const uint8_t *starts,
                                                         size_t n_pivots, size_t n_panels, size_t stride,
                                                         uint64_t *words)
{
    size_t k = 0;
    for (; k + GFNI_PANELS <= n_panels; k += GFNI_PANELS)
        gfni_add_products(factors, n, starts, n_pivots, GFNI_PANELS, stride, words + k * stride);
    for (; k < n_panels; k++)
        gfni_add_products(factors, n, starts, n_pivots, 1, stride, words + k * stride);
}

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

/* ---- AVX2: steps of the elimination of one device, by tables of sums ----------------------------------------- */

FUOTA_TARGET_AVX2 void fuota_erasure_add_pivots_avx2(uint64_t *words, size_t n_pivots, size_t n, size_t byte_idx,
                                                     uint64_t sums)
{
    _Alignas(32) uint64_t table[256];
    uint64_t pivots[8] = {0};
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < 8; k++)
            pivots[i] ^= words[k] & (0 - (sums >> (8 * i + k) & 1));
    table[0] = 0;
    for (unsigned i = 0; i < 8; i++)
        for (unsigned v = 0; v < 1u << i; v++)
            table[(1u << i) + v] = table[v] ^ pivots[i];
    const uint8_t *const bytes = (const uint8_t *)words + byte_idx;
    for (size_t a = n_pivots; a < n; a++)
        words[a] ^= table[bytes[8 * a]];
}

#define SUMS_PANELS 4u /* panels updated at once: an entry of a table has a word of each */
#define SUMS_BITS 4u
#define SUMS_LEN (1u << SUMS_BITS)
#define N_SUMS (64 / SUMS_BITS)

/* Word k of vector i becomes word i of vector k. */
FUOTA_INLINE FUOTA_TARGET_AVX2 void transpose_4x4_avx2(__m256i v[4])
{
    const __m256i low_0 = _mm256_unpacklo_epi64(v[0], v[1]), high_0 = _mm256_unpackhi_epi64(v[0], v[1]);
    const __m256i low_1 = _mm256_unpacklo_epi64(v[2], v[3]), high_1 = _mm256_unpackhi_epi64(v[2], v[3]);
    v[0] = _mm256_permute2x128_si256(low_0, low_1, 0x20);
    v[1] = _mm256_permute2x128_si256(high_0, high_1, 0x20);
    v[2] = _mm256_permute2x128_si256(low_0, low_1, 0x31);
    v[3] = _mm256_permute2x128_si256(high_0, high_1, 0x31);
}

/* The same for n_panels panels, at most SUMS_PANELS. */
FUOTA_INLINE FUOTA_TARGET_AVX2 void add_products_avx2(const uint64_t *factors, size_t n, const uint8_t *starts,
                                                      size_t n_pivots, size_t n_panels, size_t stride, uint64_t *words)
{
    __m256i sums[N_SUMS][SUMS_LEN], v[SUMS_PANELS];
    for (unsigned t = 0; t < N_SUMS; t++) {
        for (size_t k = 0; k < SUMS_PANELS; k++)
            v[k] = k < n_panels ? _mm256_loadu_si256((const __m256i *)(words + k * stride + starts[SUMS_BITS * t / 8] +
                                                                       SUMS_BITS * t % 8))
                                : _mm256_setzero_si256();
        transpose_4x4_avx2(v);
        sums[t][0] = _mm256_setzero_si256();
        for (unsigned i = 0; i < SUMS_BITS; i++)
            for (unsigned choice = 0; choice < 1u << i; choice++)
                sums[t][(1u << i) + choice] = _mm256_xor_si256(sums[t][choice], v[i]);
    }
    for (size_t a = 0; a < n; a += 4) {
        for (unsigned i = 0; i < 4; i++) {
            const uint64_t f = factors[a + i];
            v[i] = sums[0][f & (SUMS_LEN - 1)];
            for (unsigned t = 1; t < N_SUMS; t++)
                v[i] = _mm256_xor_si256(v[i], sums[t][f >> (SUMS_BITS * t) & (SUMS_LEN - 1)]);
        }
        transpose_4x4_avx2(v);
        for (size_t k = 0; k < n_panels; k++) {
            __m256i *const to = (__m256i *)(words + k * stride + n_pivots + a);
            _mm256_storeu_si256(to, _mm256_xor_si256(_mm256_loadu_si256(to), v[k]));
        }
    }
}

FUOTA_TARGET_AVX2 void fuota_erasure_add_products_avx2(const uint64_t *factors, size_t n, const uint8_t *starts,
                                                       size_t n_pivots, size_t n_panels, size_t stride, uint64_t *words)
{
    size_t k = 0;
    for (; k + SUMS_PANELS <= n_panels; k += SUMS_PANELS)
        add_products_avx2(factors, n, starts, n_pivots, SUMS_PANELS, stride, words + k * stride);
    if (k != n_panels)
        add_products_avx2(factors, n, starts, n_pivots, n_panels - k, stride, words + k * stride);
}

#endif
