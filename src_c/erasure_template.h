/* Which coded fragment completes each of LANES devices: the body, included once per instruction set.
 *
 * The includer defines
 *   LANES              devices worked on at once, one per 64-bit lane
 *   VEC                a vector of LANES lanes
 *   VEC_MASK           a mask over lanes
 *   KEPT_WORDS         up to how many words four columns fit in registers
 *   TARGET             the target attribute of the functions
 *   NAME(x)            the name of function x for this instruction set
 * and, under their NAME(): vec_store(p, v) vec_zero() vec_and(a, b) vec_set1(x) vec_neg(v);
 *   vec_test(a, b), the lanes with a & b != 0, where b has at most one bit set in a lane; vec_is_zero(a);
 *   vec_xor_if(a, mask, b); vec_and_if(mask, a), a or 0; mask_and(m, n) mask_or(m, n).
 * This file undefines LANES, VEC, VEC_MASK and KEPT_WORDS.
 *
 * Method. The matrix is given by columns, 64 rows to a word. A device that lost L uncoded fragments has L columns, in
 * which the rows that it did not receive are zero. It completes with the row that brings the rank to L. Columns are
 * eliminated one after the other, and the pivot of each is its lowest row: so the pivots are the lexicographically
 * first independent rows, in whatever order the columns come, and the last of them is the answer. A column that
 * reduces to zero says that more rows are needed.
 *
 * Per lane a column is kept for each pivot row, zero where there is none: so a column is reduced by going through the
 * rows in ascending order without a branch. Four columns go through together, which quarters the traffic. Pivots fill
 * up from the low rows, so `n_tried` stays close to the number of columns. */

/* Reduces four columns by the pivots of rows first … last-1, all in word i: words below it are zero in those pivots.
 * With few words the columns stay in registers. */
FUOTA_INLINE TARGET void NAME(reduce_4_columns)(VEC *four, const VEC *basis, size_t n_words, size_t i, size_t first,
                                                size_t last)
{
    VEC kept[4 * KEPT_WORDS];
    VEC *const at = n_words <= KEPT_WORDS ? kept : four;
    if (n_words <= KEPT_WORDS)
        for (unsigned k = 0; k < 4 * n_words; k++)
            kept[k] = four[k];
    for (size_t row = first; row < last; row++) {
        const VEC bit = NAME(vec_set1)(1ull << (row % 64));
        const VEC *const pivot = basis + row * n_words;
        const VEC_MASK has_0 = NAME(vec_test)(at[i], bit);
        const VEC_MASK has_1 = NAME(vec_test)(at[n_words + i], bit);
        const VEC_MASK has_2 = NAME(vec_test)(at[2 * n_words + i], bit);
        const VEC_MASK has_3 = NAME(vec_test)(at[3 * n_words + i], bit);
        for (size_t w = i; w < n_words; w++) {
            const VEC p = pivot[w];
            at[w] = NAME(vec_xor_if)(at[w], has_0, p);
            at[n_words + w] = NAME(vec_xor_if)(at[n_words + w], has_1, p);
            at[2 * n_words + w] = NAME(vec_xor_if)(at[2 * n_words + w], has_2, p);
            at[3 * n_words + w] = NAME(vec_xor_if)(at[3 * n_words + w], has_3, p);
        }
    }
    if (n_words <= KEPT_WORDS)
        for (unsigned k = 0; k < 4 * n_words; k++)
            four[k] = kept[k];
}

/* The lowest set bit of a column, as a column; zero if the column is. */
FUOTA_INLINE TARGET void NAME(lowest_bits)(const VEC *column, size_t n_words, VEC *low)
{
    VEC_MASK empty_so_far = NAME(vec_is_zero)(NAME(vec_zero)());
    for (size_t w = 0; w < n_words; w++) {
        low[w] = NAME(vec_and_if)(empty_so_far, NAME(vec_and)(column[w], NAME(vec_neg)(column[w])));
        empty_so_far = NAME(mask_and)(empty_so_far, NAME(vec_is_zero)(column[w]));
    }
}

/* The next four columns of every lane from number `first` on; beyond a lane's last they are zero. */
FUOTA_INLINE TARGET void NAME(gather_4_columns)(const uint64_t *columns, size_t n_frags,
                                                const fuota_erasure_lane *lanes, size_t n_words, size_t first,
                                                VEC *four)
{
    uint64_t *const out = (uint64_t *)four;
    for (unsigned lane = 0; lane < LANES; lane++) {
        const fuota_erasure_lane *const l = &lanes[lane];
        for (unsigned a = 0; a < 4; a++) {
            const int is_there = first + a < l->n_lost;
            const uint64_t *const column = columns + (is_there ? l->lost[first + a] : 0);
            for (size_t w = 0; w < n_words; w++)
                out[(a * n_words + w) * LANES + lane] = is_there ? column[w * n_frags] & l->received[w] : 0;
        }
    }
}

/* Sets needed[lane] to the number (from 1) of the row that completes the device, -1 if the first 64 · n_words rows do
 * not. n_words is a constant where this is inlined, or any number. */
FUOTA_INLINE TARGET void NAME(eliminate_lanes)(const uint64_t *columns, size_t n_frags, const fuota_erasure_lane *lanes,
                                               size_t n_words, uint64_t *work, int32_t *needed)
{
    VEC *const basis = (VEC *)work;
    VEC *const four = basis + 64 * n_words * n_words;
    VEC *const low = four + 4 * n_words;
    uint64_t pivot_of[LANES];
    size_t n_columns = 0, n_tried = 0;

    for (size_t k = 0; k < 64 * n_words * n_words; k++)
        basis[k] = NAME(vec_zero)();
    for (unsigned lane = 0; lane < LANES; lane++) {
        needed[lane] = 0;
        n_columns = lanes[lane].n_lost > n_columns ? lanes[lane].n_lost : n_columns;
    }
    for (size_t first = 0; first < n_columns; first += 4) {
        NAME(gather_4_columns)(columns, n_frags, lanes, n_words, first, four);
        /* Written out for the first words, so that a word's number is a constant. */
        NAME(reduce_4_columns)(four, basis, n_words, 0, 0, n_tried < 64 ? n_tried : 64);
        if (n_words > 1 && n_tried > 64)
            NAME(reduce_4_columns)(four, basis, n_words, 1, 64, n_tried < 128 ? n_tried : 128);
        if (n_words > 2 && n_tried > 128)
            NAME(reduce_4_columns)(four, basis, n_words, 2, 128, n_tried < 192 ? n_tried : 192);
        for (unsigned a = 0; a < 4; a++) {
            VEC *const fresh = four + a * n_words;
            NAME(lowest_bits)(fresh, n_words, low);
            for (unsigned b = a + 1; b < 4; b++) {
                VEC *const other = four + b * n_words;
                VEC_MASK has = NAME(vec_test)(other[0], low[0]);
                for (size_t w = 1; w < n_words; w++)
                    has = NAME(mask_or)(has, NAME(vec_test)(other[w], low[w]));
                for (size_t w = 0; w < n_words; w++)
                    other[w] = NAME(vec_xor_if)(other[w], has, fresh[w]);
            }
            size_t found[LANES] = {0};
            for (size_t w = 0; w < n_words; w++) {
                NAME(vec_store)(pivot_of, low[w]);
                for (unsigned lane = 0; lane < LANES; lane++) {
                    if (pivot_of[lane] == 0)
                        continue;
                    const size_t row = 64 * w + fuota_lowest_bit(pivot_of[lane]);
                    uint64_t *const into = (uint64_t *)(basis + row * n_words) + lane;
                    const uint64_t *const from = (const uint64_t *)fresh + lane;
                    for (size_t v = w; v < n_words; v++)
                        into[v * LANES] = from[v * LANES];
                    found[lane] = row + 1;
                }
            }
            for (unsigned lane = 0; lane < LANES; lane++) {
                n_tried = found[lane] > n_tried ? found[lane] : n_tried;
                if (first + a < lanes[lane].n_lost && needed[lane] >= 0)
                    needed[lane] = found[lane] == 0                      ? -1
                                   : (int32_t)found[lane] > needed[lane] ? (int32_t)found[lane]
                                                                         : needed[lane];
            }
        }
    }
}

TARGET void NAME(fuota_erasure_lanes)(const uint64_t *columns, size_t n_frags, const fuota_erasure_lane *lanes,
                                      size_t n_words, uint64_t *work, int32_t *needed)
{
    assert(n_words >= 1 && n_words <= FUOTA_LANE_WORDS && fuota_is_aligned(work, 64));
    if (n_words == 1)
        NAME(eliminate_lanes)(columns, n_frags, lanes, 1, work, needed);
    else if (n_words == 2)
        NAME(eliminate_lanes)(columns, n_frags, lanes, 2, work, needed);
    else
        NAME(eliminate_lanes)(columns, n_frags, lanes, 3, work, needed);
}

/* ---- one device ----------------------------------------------------------------------------------------------- */

/* Eight columns as a vector, in whatever registers the instruction set of the function has. */
typedef uint64_t NAME(packed_columns) __attribute__((vector_size(64), aligned(8), may_alias));

#define COLUMNS NAME(packed_columns)

TARGET void NAME(fuota_erasure_pack)(const uint64_t *window, const uint16_t *lost, size_t n, const fuota_packing *how,
                                     unsigned shift, uint64_t *low, uint64_t *high)
{
    const fuota_packing p = *how; /* which no store below changes */
    for (size_t i = 0; i < n; i += 8) {
        const uint16_t *const l = lost + i;
        COLUMNS x = {0};
        if (n - i >= 8)
            x = (COLUMNS){window[l[0]], window[l[1]], window[l[2]], window[l[3]],
                          window[l[4]], window[l[5]], window[l[6]], window[l[7]]};
        else
            for (size_t k = 0; k < n - i; k++)
                x[k] = window[l[k]];
        x &= p.mask;
        for (unsigned step = 0; step < 6; step++) {
            const COLUMNS moved = x & p.moved[step];
            x = (x ^ moved) | (moved >> (1u << step));
        }
        *(COLUMNS *)(low + i) |= x << shift;
        *(COLUMNS *)(high + i) |= x >> 1 >> (63 - shift);
    }
}

#undef COLUMNS
#undef LANES
#undef VEC
#undef VEC_MASK
#undef KEPT_WORDS
