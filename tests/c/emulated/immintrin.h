/* Intrinsics of x86-64 by SIMDe (libsimde-dev), found instead of the compiler's own header: the x86-64 kernels then run on
 * any CPU. The functions at the end are those that SIMDe 0.7 lacks. */
#ifndef FUOTA_EMULATED_IMMINTRIN_H
#define FUOTA_EMULATED_IMMINTRIN_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <math.h>
#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>
#include <simde/x86/gfni.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t __mmask8;
typedef uint16_t __mmask16;
typedef uint32_t __mmask32;
typedef uint64_t __mmask64;

static inline void _mm256_mask_storeu_epi8(void *p, __mmask32 mask, __m256i v)
{
    uint8_t bytes[32];
    memcpy(bytes, &v, sizeof bytes);
    for (unsigned i = 0; i < 32; i++)
        if (mask >> i & 1)
            ((uint8_t *)p)[i] = bytes[i];
}

static inline void _mm512_mask_storeu_epi64(void *p, __mmask8 mask, __m512i v)
{
    uint64_t words[8];
    memcpy(words, &v, sizeof words);
    for (unsigned i = 0; i < 8; i++)
        if (mask >> i & 1)
            memcpy((uint8_t *)p + 8 * i, &words[i], 8);
}

static inline __m512i _mm512_maskz_loadu_epi8(__mmask64 mask, const void *p)
{
    uint8_t bytes[64] = {0};
    __m512i v;
    for (unsigned i = 0; i < 64; i++)
        if (mask >> i & 1)
            bytes[i] = ((const uint8_t *)p)[i];
    memcpy(&v, bytes, sizeof v);
    return v;
}

static inline __mmask16 _mm512_cmpgt_epu32_mask(__m512i a, __m512i b)
{
    uint32_t x[16], y[16], mask = 0;
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (unsigned i = 0; i < 16; i++)
        mask |= (uint32_t)(x[i] > y[i]) << i;
    return (__mmask16)mask;
}

static inline __m512 _mm512_cvtepi32_ps(__m512i a)
{
    int32_t x[16];
    float y[16];
    __m512 v;
    memcpy(x, &a, sizeof x);
    for (unsigned i = 0; i < 16; i++)
        y[i] = (float)x[i];
    memcpy(&v, y, sizeof v);
    return v;
}

static inline __m512i _mm512_cvtps_epi32(__m512 a)
{
    float x[16];
    int32_t y[16];
    __m512i v;
    memcpy(x, &a, sizeof x);
    for (unsigned i = 0; i < 16; i++)
        y[i] = (int32_t)nearbyintf(x[i]);
    memcpy(&v, y, sizeof v);
    return v;
}

static inline __m512i _mm512_shuffle_i64x2(__m512i a, __m512i b, int order)
{
    uint64_t from[16], to[8];
    __m512i v;
    memcpy(from, &a, sizeof a);
    memcpy(from + 8, &b, sizeof b);
    for (unsigned i = 0; i < 4; i++)
        memcpy(to + 2 * i, from + 8 * (i / 2) + 2 * ((unsigned)order >> (2 * i) & 3), 16);
    memcpy(&v, to, sizeof v);
    return v;
}

#endif
