/* The product without GFNI: the Method of the Four Russians on strips of 32 byte columns.
 *
 * Eight source fragments have 256 sums. With those in a table, a row needs one look-up for eight coefficients;
 * a table is 8 KiB, and four of them fill the first-level cache, so that a row's sum is read and written once per
 * 32 fragments. With few rows the filling of the tables is what costs, and three leave room for the sums. The
 * coefficients of eight rows are read as one word: byte loads would compete with the look-ups. */
#include "kernel_x86.h"

#ifdef FUOTA_HAVE_X86

#define STRIP_LEN_TABLES 32u
#define TABLES_AVX2 4u

size_t fuota_tables_avx2_work_len(size_t n_rows, size_t n_frags, size_t frag_size)
{
    (void)n_frags;
    (void)frag_size;
    return fuota_tables_work_len(TABLES_AVX2 * 256, n_rows, STRIP_LEN_TABLES);
}

FUOTA_INLINE FUOTA_TARGET_AVX2 __m256i load_tables_avx2(const uint8_t *p, size_t width)
{
    if (width == STRIP_LEN_TABLES)
        return _mm256_loadu_si256((const __m256i *)p);
    uint64_t w[4] = {0, 0, 0, 0};
    memcpy(w, p, width);
    return _mm256_loadu_si256((const __m256i *)w);
}

/* table[v] = sum of the fragments with a bit in v, of the eight from `first` on. */
static FUOTA_TARGET_AVX2 void fill_table_avx2(__m256i *table, const uint8_t *block, size_t stride, size_t first,
                                              size_t n_frags, size_t width)
{
    table[0] = _mm256_setzero_si256();
    for (unsigned k = 0; k < 8; k++) {
        const __m256i source =
            first + k < n_frags ? load_tables_avx2(block + (first + k) * stride, width) : _mm256_setzero_si256();
        for (unsigned v = 0; v < (1u << k); v++)
            _mm256_store_si256(&table[(1u << k) + v], _mm256_xor_si256(source, _mm256_load_si256(&table[v])));
    }
}

/* Adds n_tables look-ups, a constant, to the sums of all panels from group `group` on. */
FUOTA_INLINE FUOTA_TARGET_AVX2 void look_up_avx2(const uint8_t *panels, size_t n_panels, size_t n_groups, size_t group,
                                                 unsigned n_tables, const uint8_t *tables, __m256i *sums)
{
    for (size_t p = 0; p < n_panels; p++) {
        const uint8_t *const coefficients = panels + (p * n_groups + group) * 8;
        uint64_t words[TABLES_AVX2];
        for (unsigned t = 0; t < n_tables; t++)
            words[t] = fuota_load_le64(coefficients + 8 * t);
        for (unsigned r = 0; r < 8; r++) {
            __m256i sum = _mm256_load_si256(&sums[8 * p + r]);
            for (unsigned t = 0; t < n_tables; t++) {
                /* byte r times 32, the size of an entry */
                const size_t offset = (r == 0 ? words[t] << 5 : words[t] >> (8 * r - 5)) & 0x1FE0;
                sum = _mm256_xor_si256(sum, _mm256_load_si256((const __m256i *)(tables + t * 8192 + offset)));
            }
            _mm256_store_si256(&sums[8 * p + r], sum);
        }
    }
}

FUOTA_TARGET_AVX2
void fuota_tables_avx2(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                       size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    const size_t n_groups = fuota_ceil_div(n_frags, 8), n_panels = fuota_ceil_div(n_rows, 8);
    __m256i *const tables = (__m256i *)(((uintptr_t)work + 31) & ~(uintptr_t)31);
    __m256i *const sums = tables + TABLES_AVX2 * 256;
    const unsigned at_once = n_rows < 512 ? 3 : TABLES_AVX2;

    for (size_t column = 0; column < frag_size; column += STRIP_LEN_TABLES) {
        const size_t width = frag_size - column < STRIP_LEN_TABLES ? frag_size - column : STRIP_LEN_TABLES;
        memset(sums, 0, n_panels * 8 * sizeof *sums);
        for (size_t group = 0; group < n_groups; group += at_once) {
            const size_t n_here = n_groups - group < at_once ? n_groups - group : at_once;
            for (size_t t = 0; t < n_here; t++)
                fill_table_avx2(tables + t * 256, block + column, block_stride, 8 * (group + t), n_frags, width);
            const uint8_t *const bytes = (const uint8_t *)tables;
            if (n_here == 4)
                look_up_avx2(panels, n_panels, n_groups, group, 4, bytes, sums);
            else if (n_here == 3)
                look_up_avx2(panels, n_panels, n_groups, group, 3, bytes, sums);
            else if (n_here == 2)
                look_up_avx2(panels, n_panels, n_groups, group, 2, bytes, sums);
            else
                look_up_avx2(panels, n_panels, n_groups, group, 1, bytes, sums);
        }
        for (size_t i = 0; i < n_rows; i++) {
            if (width == STRIP_LEN_TABLES)
                _mm256_storeu_si256((__m256i *)(coded + i * coded_stride + column), sums[i]);
            else
                memcpy(coded + i * coded_stride + column, &sums[i], width);
        }
    }
}

#endif
