/* Parity rows, parity_panels of a kernel: the body, included once per instruction set.
 *
 * Rows are drawn side by side, a row to a lane, each with its own generator. A panel is built column-major, a byte per
 * column and a bit per row, so that the bit of a lane is a constant, and is transposed at the end.
 *
 * Divisor D is M, plus 1 if M is a power of two. Then the draw M is rejected: it sets the dummy column M, and rows that
 * drew it draw again at the end. In 2.0.0 a draw counts only if its position is new. A row that still needs d positions
 * cannot overshoot by drawing d times blindly, so all rows draw their deficits and are counted, again and again, until
 * little is left, which is drawn one position at a time.
 *
 * The includer defines
 *   PANELS             panels worked on at once, 8 rows each
 *   VECTOR_LEN         columns are cleared and counted in units of so many bytes
 *   TARGET             the target attribute of the functions
 *   NAME(x)            the name of function x for this instruction set
 * and, under their NAME(),
 *   generators         type: divisor and states of all lanes
 *   generators_start(g, divisor, n_frags, states)
 *   generators_states(g, states)                         the states of all lanes, as they are now
 *   draw_all(columns, g, n)                              n draws of every row
 *   draw_deficits(columns, g, deficits, least, most)     draws at least `least` and at most the deficit of each row; 0
 *                                                        without a draw if too little is left
 *   count_rejected(g, rows, n, n_frags, n_draws, counts) per lane, draws so far of the dummy column
 *   count_ones(columns, columns_len, counts)             ones per row of one panel
 *   finish_panel(columns, n_groups, n, panel)            fuota_finish_panel()
 * This file undefines PANELS and VECTOR_LEN. */

static TARGET void NAME(draw_panels)(uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows, unsigned n,
                                     uint8_t *panels)
{
    _Alignas(64) uint8_t columns[PANELS][FUOTA_COLUMNS_LEN];
    _Alignas(64) uint32_t states[8 * PANELS], deficits[8 * PANELS];
    const uint32_t divisor = n_frags + ((n_frags & (n_frags - 1)) == 0), n_draws = n_frags / 2;
    const size_t columns_len = (n_frags / VECTOR_LEN + 1) * VECTOR_LEN, n_groups = fuota_ceil_div(n_frags, 8);
    NAME(generators) g;

    assert(n_frags >= 1 && n_frags <= FUOTA_MAX_FRAGS && n >= 1 && n <= 8 * PANELS);
    for (unsigned p = 0; p < PANELS; p++)
        memset(columns[p], 0, columns_len);
    for (unsigned r = 0; r < 8 * PANELS; r++) {
        assert(rows[r < n ? r : 0] >= 1 && rows[r < n ? r : 0] <= FUOTA_ROW_FAST_MAX);
        states[r] = 1 + 1001 * rows[r < n ? r : 0];
    }
    NAME(generators_start)(&g, divisor, n_frags, states);
    NAME(draw_all)(columns, &g, n_draws);

    if (dialect == FUOTA_TS004_1_0_0) {
        NAME(count_rejected)(&g, rows, n, n_frags, n_draws, deficits);
    } else {
        uint32_t least, most;
        do {
            for (unsigned p = 0; p < PANELS; p++) {
                columns[p][n_frags] = 0;
                NAME(count_ones)(columns[p], columns_len, deficits + 8 * p);
            }
            least = n_draws;
            most = 0;
            for (unsigned r = 0; r < 8 * PANELS; r++) {
                assert(deficits[r] <= n_draws);
                deficits[r] = n_draws - deficits[r];
                least = deficits[r] < least ? deficits[r] : least;
                most = deficits[r] > most ? deficits[r] : most;
            }
        } while (NAME(draw_deficits)(columns, &g, deficits, least, most));
    }
    NAME(generators_states)(&g, states);
    for (unsigned r = 0; r < 8 * PANELS; r++) /* a constant number, so that the bit of a row is one too */
        if (r < n)
            fuota_finish_row(columns[r / 8], n_frags, divisor, dialect, r % 8, states[r], deficits[r]);

    for (unsigned p = 0; 8 * p < n; p++) {
        columns[p][n_frags] = 0; /* not part of the matrix */
        NAME(finish_panel)(columns[p], n_groups, n - 8 * p < 8 ? n - 8 * p : 8, panels + p * 8 * n_groups);
    }
}

#undef PANELS
#undef VECTOR_LEN
