/* Matrix product by libm4ri: coefficients and fragments are converted to bit matrices before the timed calls. */
#include <m4ri/m4ri.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

static mzd_t *from_bits(const uint8_t *bytes, size_t n_rows, size_t row_len, size_t n_cols)
{
    mzd_t *const m = mzd_init((rci_t)n_rows, (rci_t)n_cols);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++)
            if ((bytes[r * row_len + c / 8] >> (c % 8)) & 1)
                mzd_write_bit(m, (rci_t)r, (rci_t)c, 1);
    return m;
}

/* coefficients: n_rows rows of n_frags bytes 0 or 1. Returns the best processor time in seconds and writes the product. */
double m4ri_product(const uint8_t *coefficients, size_t n_rows, size_t n_frags, const uint8_t *block,
                    size_t frag_size, uint8_t *coded, int rounds)
{
    mzd_t *const a = mzd_init((rci_t)n_rows, (rci_t)n_frags);
    mzd_t *const b = from_bits(block, n_frags, frag_size, 8 * frag_size);
    mzd_t *const c = mzd_init((rci_t)n_rows, (rci_t)(8 * frag_size));
    double best = 1e9;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t k = 0; k < n_frags; k++)
            if (coefficients[r * n_frags + k])
                mzd_write_bit(a, (rci_t)r, (rci_t)k, 1);
    for (int i = 0; i < rounds; i++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t0);
        mzd_mul(c, a, b, 0);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t1);
        const double took = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
        best = took < best ? took : best;
    }
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < frag_size; i++) {
            unsigned byte = 0;
            for (unsigned j = 0; j < 8; j++)
                byte |= (unsigned)mzd_read_bit(c, (rci_t)r, (rci_t)(8 * i + j)) << j;
            coded[r * frag_size + i] = (uint8_t)byte;
        }
    mzd_free(a);
    mzd_free(b);
    mzd_free(c);
    return best;
}
