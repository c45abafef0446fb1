#include "kernels.h"

/* A feature counts only if the operating system saves the registers it uses (XGETBV): a CPU that has AVX-512
 * under a kernel that does not save ZMM registers would corrupt them at the next task switch. GFNI is a bit
 * of its own; it says nothing about AVX-512, nor the reverse. */

static const char *const feature_names[] = {"avx2",     "fma",      "gfni",       "avx512f",
                                            "avx512bw", "avx512vl", "avx512vbmi", "neon"};

const char *fuota_cpu_feature_name(unsigned idx)
{
    return idx < sizeof feature_names / sizeof feature_names[0] ? feature_names[idx] : NULL;
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <cpuid.h>

static uint64_t saved_state_mask(void)
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
    const uint64_t state = saved_state_mask();
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

#elif defined(__aarch64__)

uint32_t fuota_cpu_features(void) { return FUOTA_CPU_NEON; } /* part of the base architecture */

#else

uint32_t fuota_cpu_features(void) { return 0; }

#endif
