/* One step of an elimination, add_pivots of a kernel: the body, included once per instruction set.
 *
 * The includer defines
 *   TARGET                     the target attribute of the function
 *   NAME(x)                    the name of function x for this instruction set
 *   BIT_ROW_SUM(out, a, b, n)  stores a + b over n bytes, a multiple of FUOTA_BIT_ROW_ALIGN as the addresses are
 * and this file undefines BIT_ROW_SUM.
 *
 * The sums of all choices of pivots are a table; each row of the matrix then takes one of them. */

static TARGET void NAME(add_pivots)(uint8_t *matrix, size_t n_rows, size_t stride, size_t byte_idx, uint8_t bits,
                                    const uint8_t *pivots, uint8_t *table)
{
    assert(stride % FUOTA_BIT_ROW_ALIGN == 0 && byte_idx < stride);
    assert(fuota_is_aligned(matrix, FUOTA_BIT_ROW_ALIGN) && fuota_is_aligned(pivots, FUOTA_BIT_ROW_ALIGN) &&
           fuota_is_aligned(table, FUOTA_BIT_ROW_ALIGN));
    memset(table, 0, stride);
    for (unsigned i = 0; i < 8; i++) {
        const unsigned below = bits & ((1u << i) - 1);
        unsigned v = 0;
        if (!((bits >> i) & 1))
            continue;
        do { /* v runs through the choices among the bits below bit i */
            BIT_ROW_SUM(table + ((1u << i) + v) * stride, table + v * stride, pivots + i * stride, stride);
            v = (v - below) & below;
        } while (v != 0);
    }
    for (size_t r = 0; r < n_rows; r++) {
        uint8_t *const row = matrix + r * stride;
        const size_t entry = row[byte_idx] & bits;
        BIT_ROW_SUM(row, row, table + entry * stride, stride);
    }
}

#undef BIT_ROW_SUM
