#include "kernels.h"

#include "kernel_x86.h"

/* Best first. The portable kernel needs no feature, so a CPU always has one. */
static const fuota_kernel *const kernel_table[] = {
#ifdef FUOTA_HAVE_X86
    &fuota_kernel_avx512_gfni, &fuota_kernel_avx2_gfni, &fuota_kernel_avx2,
#endif
#ifdef FUOTA_HAVE_NEON
    &fuota_kernel_neon,
#endif
    &fuota_kernel_portable,
};

#define KERNEL_TABLE_LEN (sizeof kernel_table / sizeof kernel_table[0])

const fuota_kernel *fuota_kernel_at(uint32_t features, unsigned idx)
{
    for (size_t k = 0; k < KERNEL_TABLE_LEN; k++) {
        if ((kernel_table[k]->needs & ~features) != 0)
            continue;
        if (idx-- == 0)
            return kernel_table[k];
    }
    return NULL;
}

const fuota_kernel *fuota_kernel_by_name(uint32_t features, const char *name)
{
    const fuota_kernel *kernel;
    for (unsigned idx = 0; (kernel = fuota_kernel_at(features, idx)) != NULL; idx++)
        if (strcmp(kernel->name, name) == 0)
            return kernel;
    return NULL;
}

const char *fuota_kernel_name(const fuota_kernel *kernel) { return kernel->name; }

const char *fuota_status_name(fuota_status status)
{
    switch (status) {
    case FUOTA_OK:
        return "ok";
    case FUOTA_NO_MEMORY:
        return "no memory";
    case FUOTA_INCOMPLETE:
        return "incomplete";
    case FUOTA_BAD_ARGUMENT:
        return "bad argument";
    }
    return "unknown";
}
