/* Weighing candidate rows against loss patterns: the body, included once per instruction set.
 *
 * The includer defines
 *   VECTOR_LEN         bytes of a vector
 *   VECTORS            vectors worked on at once: twice as many, and a few, should fit in registers
 *   TARGET             the target attribute of the function
 *   NAME(x)            the name of function x for this instruction set
 * and this file undefines VECTOR_LEN and VECTORS.
 *
 * Candidates lie side by side, a bit each, as many to a block as these vectors have bits. A pattern is the set of
 * vectors that its device cannot yet tell from zero; a row is new to it if it is odd on any of them: per vector the
 * columns it names are added, and the sums are joined. A new row counts with the pattern's weight, in numbers that lie
 * across the planes: bit b of a candidate's sum is its bit of plane b. A plane that waits for a second summand keeps
 * the first, so that an addition costs one full adder for two of them, and half as much for each plane above. Integers
 * only, and sums do not depend on the order: every kernel gives the same.
 *
 * `columns` has a block for each column of the matrix; `planes` one for each of FUOTA_SELECT_PLANES, and becomes the
 * sums over the n_patterns of `stream`; `waiting` is as much work space. A pattern of the stream is the number of its
 * vectors; for each the number of its columns and the columns; the number of bits of its weight, and the bits. */

typedef uint64_t NAME(weighing_vector) __attribute__((vector_size(VECTOR_LEN), aligned(VECTOR_LEN), may_alias));

#define VEC NAME(weighing_vector)
#define EACH(v) for (unsigned v = 0; v < VECTORS; v++)

TARGET void NAME(fuota_select_weigh)(const uint64_t *columns, const uint16_t *stream, size_t n_patterns,
                                     uint64_t *planes, uint64_t *waiting)
{
    VEC *const sums = (VEC *)planes, *const firsts = (VEC *)waiting;
    uint8_t waits[FUOTA_SELECT_PLANES] = {0};

    assert(fuota_is_aligned(columns, VECTOR_LEN) && fuota_is_aligned(planes, VECTOR_LEN) &&
           fuota_is_aligned(waiting, VECTOR_LEN));
    for (size_t b = 0; b < FUOTA_SELECT_PLANES; b++)
        EACH(v) sums[b * VECTORS + v] = (VEC){0};
    for (size_t p = 0; p < n_patterns; p++) {
        VEC is_new[VECTORS];
        EACH(v) is_new[v] = (VEC){0};
        for (unsigned n_vectors = *stream++; n_vectors != 0; n_vectors--) {
            VEC odd[VECTORS];
            unsigned n_columns = *stream++;
            const VEC *column = (const VEC *)columns + (size_t)*stream++ * VECTORS;
            EACH(v) odd[v] = column[v];
            while (--n_columns != 0) {
                column = (const VEC *)columns + (size_t)*stream++ * VECTORS;
                EACH(v) odd[v] ^= column[v];
            }
            EACH(v) is_new[v] |= odd[v];
        }
        for (unsigned n_bits = *stream++; n_bits != 0; n_bits--) {
            unsigned b = *stream++;
            VEC carry[VECTORS];
            EACH(v) carry[v] = is_new[v];
            for (; waits[b]; b++) {
                VEC *const sum = sums + b * VECTORS, *const first = firsts + b * VECTORS;
                waits[b] = 0;
                EACH(v)
                {
                    const VEC s = sum[v], f = first[v], either = s ^ f;
                    sum[v] = either ^ carry[v];
                    carry[v] = (s & f) | (either & carry[v]);
                }
            }
            waits[b] = 1;
            EACH(v) firsts[b * VECTORS + v] = carry[v];
        }
    }
    VEC carry[VECTORS];
    EACH(v) carry[v] = (VEC){0};
    for (size_t b = 0; b < FUOTA_SELECT_PLANES; b++) {
        EACH(v)
        {
            const VEC s = sums[b * VECTORS + v], f = waits[b] ? firsts[b * VECTORS + v] : (VEC){0}, either = s ^ f;
            sums[b * VECTORS + v] = either ^ carry[v];
            carry[v] = (s & f) | (either & carry[v]);
        }
    }
}

#undef VEC
#undef EACH
#undef VECTOR_LEN
#undef VECTORS
