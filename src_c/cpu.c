#include "kernels.h"

/* A feature counts only if the operating system saves the registers it uses (XGETBV): on a system that does not save
 * ZMM registers, AVX-512 would lose them at the next task switch. GFNI and AVX-512 are independent features. */

static const char *const cpu_feature_names[] = {"avx2",     "fma",      "gfni",       "avx512f",
                                                "avx512bw", "avx512vl", "avx512vbmi", "neon"};

const char *fuota_cpu_feature_name(unsigned idx)
{
    return idx < sizeof cpu_feature_names / sizeof cpu_feature_names[0] ? cpu_feature_names[idx] : NULL;
}

#if defined(FUOTA_HAVE_X86)

#include <cpuid.h>

static uint64_t cpu_saved_state(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return ((uint64_t)hi << 32) | lo;
}

uint32_t fuota_cpu_features(void)
{
    unsigned a, b, c, d;
    uint32_t features = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27)) /* OSXSAVE */)
        return 0;
    const uint64_t state = cpu_saved_state();
    const int ymm = (state & 0x06) == 0x06;
    const int zmm = (state & 0xE6) == 0xE6;
    if (ymm && (c & (1u << 12)))
        features |= FUOTA_CPU_FMA;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return features;
    if (ymm && (b & (1u << 5)))
        features |= FUOTA_CPU_AVX2;
    if (ymm && (c & (1u << 8)))
        features |= FUOTA_CPU_GFNI;
    if (zmm) {
        if (b & (1u << 16))
            features |= FUOTA_CPU_AVX512F;
        if (b & (1u << 30))
            features |= FUOTA_CPU_AVX512BW;
        if (b & (1u << 31))
            features |= FUOTA_CPU_AVX512VL;
        if (c & (1u << 1))
            features |= FUOTA_CPU_AVX512VBMI;
    }
    return features;
}

#elif defined(FUOTA_HAVE_NEON)

uint32_t fuota_cpu_features(void) { return FUOTA_CPU_NEON; } /* part of the base architecture */

#else

uint32_t fuota_cpu_features(void) { return 0; }

#endif
