#include "kernels.h"

size_t fuota_panels_len(size_t n_rows, size_t n_cols)
{
    return fuota_size_mul(fuota_size_mul(fuota_ceil_div(n_rows, 8), fuota_ceil_div(n_cols, 8)), 8);
}

/* Rows beyond FUOTA_ROW_FAST_MAX cannot be sent but are defined. Their seeds pass 2^24, where the kernels' remainders
 * stop being exact, so they are drawn here, one position at a time, as in the specification. */
static void parity_far_row(uint32_t n_frags, fuota_dialect dialect, uint32_t row, uint8_t *panel, unsigned r)
{
    const uint32_t divisor = n_frags + ((n_frags & (n_frags - 1)) == 0);
    uint64_t x = 1 + 1001 * (uint64_t)row;
    for (uint32_t k = 0; k < n_frags / 2;) {
        uint32_t position;
        do {
            x = (x >> 1) + (((x ^ (x >> 5)) & 1u) << 22);
            position = (uint32_t)(x % divisor);
        } while (position >= n_frags);
        uint8_t *const byte = panel + (position / 8) * 8 + r;
        const uint8_t bit = (uint8_t)(1u << (position % 8));
        k += dialect == FUOTA_TS004_1_0_0 || !(*byte & bit);
        *byte |= bit;
    }
}

void fuota_parity_panels(const fuota_kernel *kernel, uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows,
                         size_t n_rows, uint8_t *panels)
{
    const size_t panel_len = fuota_panels_len(8, n_frags);
    assert(n_frags >= 1 && n_frags <= FUOTA_MAX_FRAGS);
    assert(dialect == FUOTA_TS004_1_0_0 || dialect == FUOTA_TS004_2_0_0);
    for (size_t first = 0; first < n_rows; first += FUOTA_ROWS_AT_ONCE) {
        const size_t left = n_rows - first;
        const unsigned n = left < FUOTA_ROWS_AT_ONCE ? (unsigned)left : FUOTA_ROWS_AT_ONCE;
        uint8_t *const out = panels + first / 8 * panel_len;
        uint32_t largest = 0;
        for (unsigned r = 0; r < n; r++)
            largest = rows[first + r] > largest ? rows[first + r] : largest;
        if (largest <= FUOTA_ROW_FAST_MAX) {
            kernel->parity_panels(n_frags, dialect, rows + first, n, out);
        } else {
            memset(out, 0, fuota_panels_len(n, n_frags));
            for (unsigned r = 0; r < n; r++)
                parity_far_row(n_frags, dialect, rows[first + r], out + r / 8 * panel_len, r % 8);
        }
    }
}

void fuota_panels_unpack(const uint8_t *panels, size_t n_cols, size_t row_idx, uint8_t *bits)
{
    const uint8_t *const panel = panels + (row_idx / 8) * fuota_panels_len(8, n_cols) + row_idx % 8;
    for (size_t c = 0; c < n_cols; c++)
        bits[c] = (panel[(c / 8) * 8] >> (c % 8)) & 1;
}
