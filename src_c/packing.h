/* Bits of a word chosen by a mask, side by side. */
#ifndef FUOTA_PACKING_H
#define FUOTA_PACKING_H

#include "internal.h"

/* Six steps that bring the bits of a mask together at the low end of a word: step i moves some of them down by 2^i. */
typedef struct fuota_packing {
    uint64_t mask, moved[6];
} fuota_packing;

FUOTA_INLINE fuota_packing fuota_packing_of(uint64_t mask)
{
    fuota_packing p = {.mask = mask};
    uint64_t below = ~mask << 1; /* Bit i: is bit i - 1 left out? */
    for (unsigned i = 0; i < 6; i++) {
        uint64_t is_odd = below;
        for (unsigned k = 1; k < 64; k *= 2)
            is_odd ^= is_odd << k;
        p.moved[i] = is_odd & mask;
        mask = (mask ^ p.moved[i]) | (p.moved[i] >> (1u << i));
        below &= ~is_odd;
    }
    return p;
}

#endif
