/* Weighing candidate rows for x86-64: 4096 at once in eight registers of AVX-512, 1024 in four of AVX2. */
#include "kernel_x86.h"

#ifdef FUOTA_HAVE_X86

#define VECTOR_LEN 64
#define VECTORS 8
#define TARGET FUOTA_TARGET_AVX512_WIDE
#define NAME(x) x##_avx512

#include "weighing_template.h"

#undef TARGET
#undef NAME

#define VECTOR_LEN 32
#define VECTORS 4
#define TARGET FUOTA_TARGET_AVX2
#define NAME(x) x##_avx2

#include "weighing_template.h"

#undef TARGET
#undef NAME

#endif
