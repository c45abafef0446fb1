/* Weighing candidate rows for x86-64: 4096 at once in eight registers of AVX-512, 1024 in four of AVX2. */
#include "kernels.h"

#if defined(FUOTA_HAVE_X86)

#define VECTOR_LEN 64
#define VECTORS 8
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,prefer-vector-width=512")))
#define NAME(x) x##_avx512

#include "selection.h"

#undef VECTOR_LEN
#undef VECTORS
#undef TARGET
#undef NAME

#define VECTOR_LEN 32
#define VECTORS 4
#define TARGET __attribute__((target("avx2")))
#define NAME(x) x##_avx2

#include "selection.h"

#endif
