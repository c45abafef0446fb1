#include "kernels.h"

size_t fuota_encode_work_len(const fuota_kernel *kernel, size_t n_rows, size_t n_frags, size_t frag_size)
{
    return kernel->encode_work_len(n_rows, n_frags, frag_size);
}

void fuota_encode(const fuota_kernel *kernel, const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size,
                  const uint8_t *block, size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    assert(n_frags >= 1 && n_frags <= FUOTA_MAX_FRAGS && frag_size >= 1);
    assert(block_stride >= frag_size && coded_stride >= frag_size);
    if (n_rows != 0)
        kernel->encode(panels, n_rows, n_frags, frag_size, block, block_stride, coded, coded_stride, work);
}
