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

/* ---- losses ------------------------------------------------------------------------------------------------- */

#include "losses_template.h"

/* ---- weighing rows to send ----------------------------------------------------------------------------------- */

#define VECTOR_LEN 16
#define VECTORS 4

#include "weighing_template.h"

#undef TARGET
#undef NAME
