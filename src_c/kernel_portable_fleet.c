/* The rest of the kernel that defines the truth: erasures of fleets, and the weighing of rows to send. */
#include "kernels.h"
#include "splitmix64.h"

#define TARGET
#define NAME(x) x##_portable

/* ---- erasures: one device at a time ------------------------------------------------------------------------ */

#define LANES 1
#define VEC uint64_t
#define VEC_MASK uint64_t /* all ones or zero */
#define KEPT_WORDS 2

FUOTA_INLINE void vec_store_portable(uint64_t *p, uint64_t v) { *p = v; }
FUOTA_INLINE uint64_t vec_zero_portable(void) { return 0; }
FUOTA_INLINE uint64_t vec_set1_portable(uint64_t x) { return x; }
FUOTA_INLINE uint64_t vec_and_portable(uint64_t a, uint64_t b) { return a & b; }
FUOTA_INLINE uint64_t vec_neg_portable(uint64_t v) { return 0 - v; }
FUOTA_INLINE uint64_t vec_test_portable(uint64_t a, uint64_t b) { return 0 - (uint64_t)((a & b) != 0); }
FUOTA_INLINE uint64_t vec_is_zero_portable(uint64_t a) { return 0 - (uint64_t)(a == 0); }
FUOTA_INLINE uint64_t mask_and_portable(uint64_t a, uint64_t b) { return a & b; }
FUOTA_INLINE uint64_t mask_or_portable(uint64_t a, uint64_t b) { return a | b; }
FUOTA_INLINE uint64_t vec_xor_if_portable(uint64_t a, uint64_t mask, uint64_t b) { return a ^ (mask & b); }
FUOTA_INLINE uint64_t vec_and_if_portable(uint64_t mask, uint64_t a) { return mask & a; }

#include "erasure_template.h"

/* ---- erasures: steps of the elimination of one device, by tables of sums ------------------------------------- */

#define SUMS_BITS 4u
#define SUMS_LEN (1u << SUMS_BITS)

/* Entry v is the sum of the rows whose bits are set in v. */
static void fill_sums_portable(const uint64_t *rows, uint64_t *sums)
{
    sums[0] = 0;
    for (unsigned i = 0; i < SUMS_BITS; i++)
        for (unsigned v = 0; v < 1u << i; v++)
            sums[(1u << i) + v] = sums[v] ^ rows[i];
}

void fuota_erasure_add_pivots_portable(uint64_t *words, size_t n_pivots, size_t n, size_t byte_idx, uint64_t sums)
{
    uint64_t low[SUMS_LEN], high[SUMS_LEN], pivots[8];
    fill_sums_portable(words, low);
    fill_sums_portable(words + SUMS_BITS, high);
    for (unsigned i = 0; i < 8; i++, sums >>= 8)
        pivots[i] = low[sums & 15] ^ high[sums >> 4 & 15];
    fill_sums_portable(pivots, low);
    fill_sums_portable(pivots + SUMS_BITS, high);
    for (size_t a = n_pivots; a < n; a++) {
        const uint64_t byte = words[a] >> (8 * byte_idx);
        words[a] ^= low[byte & 15] ^ high[byte >> 4 & 15];
    }
}

void fuota_erasure_add_products_portable(const uint64_t *factors, size_t n, const uint8_t *starts, size_t n_pivots,
                                         size_t n_panels, size_t stride, uint64_t *words)
{
    uint64_t sums[64 / SUMS_BITS][SUMS_LEN];
    for (size_t k = 0; k < n_panels; k++, words += stride) {
        for (unsigned t = 0; t < 64 / SUMS_BITS; t++)
            fill_sums_portable(words + starts[SUMS_BITS * t / 8] + SUMS_BITS * t % 8, sums[t]);
        for (size_t a = 0; a < n; a++) {
            uint64_t sum = 0;
            for (unsigned t = 0; t < 64 / SUMS_BITS; t++)
                sum ^= sums[t][factors[a] >> (SUMS_BITS * t) & (SUMS_LEN - 1)];
            words[n_pivots + a] ^= sum;
        }
    }
}

/* ---- losses ------------------------------------------------------------------------------------------------- */

#include "losses_template.h"

/* ---- weighing rows to send ----------------------------------------------------------------------------------- */

#define VECTOR_LEN 16
#define VECTORS 4

#include "weighing_template.h"

#undef TARGET
#undef NAME
