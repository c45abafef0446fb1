/* Drawing losses: the body, included once per instruction set.
 *
 * The includer defines
 *   TARGET             the target attribute of the functions
 *   NAME(x)            the name of function x for this instruction set
 *
 * Eight xoshiro256++ generators side by side, seeded by splitmix64 from the seed and the device's number alone, so
 * that a device loses the same fragments in every simulation. A fragment is lost if a uniform number is below the
 * threshold; the bits of 512 numbers are drawn from the top until none of the comparisons is undecided, about ten
 * draws instead of thirty-two. Integers only: the same on every machine. */

/* Eight 64-bit numbers as a vector, in whatever registers the instruction set of the function has. */
typedef uint64_t NAME(losses_block) __attribute__((vector_size(64), aligned(8), may_alias));
_Static_assert(sizeof(NAME(losses_block)) == 8 * FUOTA_LOSSES_BLOCK_WORDS, "a bitmap is drawn in whole blocks");

#define BLOCK NAME(losses_block)

typedef struct NAME(losses_generator) {
    BLOCK s0, s1, s2, s3;
} NAME(losses_generator);

/* Numbers 8·k … 8·k + 7 of the key. */
FUOTA_INLINE TARGET void NAME(losses_seed)(BLOCK *word, uint64_t key, unsigned k)
{
    const BLOCK count = {1, 2, 3, 4, 5, 6, 7, 8};
    BLOCK z = key + FUOTA_GOLDEN * (count + FUOTA_LOSSES_BLOCK_WORDS * (uint64_t)k);
    FUOTA_SPLITMIX64_MIX(z);
    *word = z;
}

FUOTA_INLINE TARGET void NAME(losses_draw_block)(NAME(losses_generator) * g, uint32_t threshold, uint64_t *lost)
{
    BLOCK s0 = g->s0, s1 = g->s1, s2 = g->s2, s3 = g->s3;
    BLOCK below = s0 ^ s0, undecided = ~below;
    uint64_t any = 1;
    /* Once the rest of the threshold is zero nothing undecided can fall below it. */
    for (uint32_t rest = threshold; rest != 0 && any != 0; rest <<= 1) {
        const BLOCK sum = s0 + s3, random = ((sum << 23) | (sum >> 41)) + s0, shifted = s1 << 17;
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
        any = undecided[0] | undecided[1] | undecided[2] | undecided[3] | undecided[4] | undecided[5] | undecided[6] |
              undecided[7];
    }
    memcpy(lost, &below, sizeof below);
    g->s0 = s0;
    g->s1 = s1;
    g->s2 = s2;
    g->s3 = s3;
}

FUOTA_INLINE TARGET void NAME(losses_draw_bits)(NAME(losses_generator) * g, uint32_t threshold, size_t n_bits,
                                                uint64_t *lost)
{
    const size_t n_words = fuota_losses_words(n_bits);
    for (size_t w = 0; w < n_words; w += FUOTA_LOSSES_BLOCK_WORDS)
        NAME(losses_draw_block)(g, threshold, lost + w);
    for (size_t w = n_bits / 64; w < n_words; w++)
        lost[w] &= w == n_bits / 64 ? ((uint64_t)1 << (n_bits % 64)) - 1 : 0;
}

TARGET void NAME(fuota_losses_draw)(uint64_t seed, uint64_t device, uint32_t threshold, size_t n_frags, size_t n_rows,
                                    uint64_t *lost)
{
    const uint64_t key = fuota_splitmix64_key(seed, device + 1);
    NAME(losses_generator) g;
    NAME(losses_seed)(&g.s0, key, 0);
    NAME(losses_seed)(&g.s1, key, 1);
    NAME(losses_seed)(&g.s2, key, 2);
    NAME(losses_seed)(&g.s3, key, 3);
    NAME(losses_draw_bits)(&g, threshold, n_frags, lost);
    NAME(losses_draw_bits)(&g, threshold, n_rows, lost + fuota_losses_words(n_frags));
}

#undef BLOCK
