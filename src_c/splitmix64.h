/* splitmix64, the one generator of draws: number idx of a key is the mixed sum of the key and idx + 1 golden ratios,
 * so that any number of any key is computed without those before it. */
#ifndef FUOTA_SPLITMIX64_H
#define FUOTA_SPLITMIX64_H

#include "internal.h"

#define FUOTA_GOLDEN 0x9E3779B97F4A7C15u /* 2^64 divided by the golden ratio */

/* The finalizer, in place, of a uint64_t or of a vector of them. */
#define FUOTA_SPLITMIX64_MIX(z) \
    do { \
        (z) = ((z) ^ ((z) >> 30)) * 0xBF58476D1CE4E5B9u; \
        (z) = ((z) ^ ((z) >> 27)) * 0x94D049BB133111EBu; \
        (z) = (z) ^ ((z) >> 31); \
    } while (0)

FUOTA_INLINE uint64_t fuota_splitmix64_mix(uint64_t z)
{
    FUOTA_SPLITMIX64_MIX(z);
    return z;
}

/* Number idx of the key, 64 uniform bits. */
FUOTA_INLINE uint64_t fuota_splitmix64(uint64_t key, uint64_t idx)
{
    return fuota_splitmix64_mix(key + FUOTA_GOLDEN * (idx + 1));
}

/* Key of stream n of a seed. Odd multiples of the golden ratio keep the streams of a seed apart. */
FUOTA_INLINE uint64_t fuota_splitmix64_key(uint64_t seed, uint64_t n)
{
    return fuota_splitmix64_mix(seed + FUOTA_GOLDEN * (fuota_splitmix64_mix(n) | 1));
}

#endif
