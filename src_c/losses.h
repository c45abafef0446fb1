/* Drawing losses: the body, inlined once per instruction set.
 *
 * Eight xoshiro256++ generators side by side, seeded by splitmix64 from the seed and the device's number alone, so
 * that a device loses the same fragments whoever simulates it. A fragment is lost if a uniform number is below the
 * threshold; the bits of 512 numbers are drawn from the top until none of the comparisons is undecided, about ten
 * draws instead of thirty-two. Integers only: the same on every machine. */
#ifndef FUOTA_LOSSES_H
#define FUOTA_LOSSES_H

#include "internal.h"

#define LOSSES_BLOCK_WORDS 8

/* Eight 64-bit numbers, a vector as GCC and Clang have it: the compiler makes of them what the instruction set of the function has. */
typedef uint64_t losses_block __attribute__((vector_size(64), aligned(8), may_alias));

typedef struct generator {
    losses_block s0, s1, s2, s3;
} generator;

FUOTA_INLINE uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

FUOTA_INLINE void generator_word(losses_block *word, uint64_t start, unsigned k)
{
    const losses_block count = {1, 2, 3, 4, 5, 6, 7, 8};
    losses_block z = start + 0x9E3779B97F4A7C15u * (count + LOSSES_BLOCK_WORDS * (uint64_t)k);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    *word = z ^ (z >> 31);
}

FUOTA_INLINE void generator_init(generator *g, uint64_t seed, uint64_t device)
{
    const uint64_t start = mix(seed + 0x9E3779B97F4A7C15u * (mix(device + 1) | 1));
    generator_word(&g->s0, start, 0);
    generator_word(&g->s1, start, 1);
    generator_word(&g->s2, start, 2);
    generator_word(&g->s3, start, 3);
}

FUOTA_INLINE void draw_block(generator *g, uint32_t threshold, uint64_t *lost)
{
    losses_block s0 = g->s0, s1 = g->s1, s2 = g->s2, s3 = g->s3;
    losses_block below = s0 ^ s0, undecided = ~below;
    uint64_t any = 1;
    /* Once the rest of the threshold is zero nothing undecided can fall below it. */
    for (uint32_t rest = threshold; rest != 0 && any != 0; rest <<= 1) {
        const losses_block sum = s0 + s3, random = ((sum << 23) | (sum >> 41)) + s0, shifted = s1 << 17;
        s2 ^= s0;
        s3 ^= s1;
        s1 ^= s2;
        s0 ^= s3;
        s2 ^= shifted;
        s3 = (s3 << 45) | (s3 >> 19);
        if (rest >> 31) {
            below |= undecided & ~random;
            undecided &= random;
        } else {
            undecided &= ~random;
        }
        any = undecided[0] | undecided[1] | undecided[2] | undecided[3] | undecided[4] | undecided[5] |
              undecided[6] | undecided[7];
    }
    memcpy(lost, &below, sizeof below);
    g->s0 = s0;
    g->s1 = s1;
    g->s2 = s2;
    g->s3 = s3;
}

FUOTA_INLINE void draw_bits(generator *g, uint32_t threshold, size_t n_bits, uint64_t *lost)
{
    const size_t n_words = fuota_losses_len(n_bits);
    for (size_t w = 0; w < n_words; w += LOSSES_BLOCK_WORDS)
        draw_block(g, threshold, lost + w);
    for (size_t w = n_bits / 64; w < n_words; w++)
        lost[w] &= w == n_bits / 64 ? ((uint64_t)1 << (n_bits % 64)) - 1 : 0;
}

FUOTA_INLINE void draw_losses(uint64_t seed, uint64_t device, uint32_t threshold, size_t n_frags, size_t n_rows,
                              uint64_t *lost)
{
    generator g;
    generator_init(&g, seed, device);
    draw_bits(&g, threshold, n_frags, lost);
    draw_bits(&g, threshold, n_rows, lost + fuota_losses_len(n_frags));
}

#endif
