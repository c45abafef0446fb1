/* The product with GFNI: one instruction multiplies an 8 × 8 bit matrix by each byte of a vector.
 *
 * Coefficients: a group of a panel is 8 bytes, byte r = output row r, bit j = source fragment j of eight.
 * vgf2p8affineqb(x, A) gives, in every qword and for every byte b of x, the byte whose bit i is the parity of
 * A.byte[7-i] & b. With x = a group, broadcast, and A.byte[7-i] = bit i of one byte column of the eight source
 * fragments, byte r of the result is what the group adds to that byte column of output row r. So a qword is one
 * byte column of 8 output rows, and no bits need to be transposed at the end.
 *
 * Packing makes the A's: transpose 8 fragments so that a qword holds one byte column, the fragments in reverse
 * order, and multiply 0x0102040810204080 by it: byte k of that has bit 7-k alone, which picks bit 7-k of each
 * fragment. Missing fragments and columns are zeros.
 *
 * The inner loop keeps the sums of four panels in registers over all of the block, two groups at a time. */
#include "kernel_x86.h"

#ifdef FUOTA_HAVE_X86

#define GFNI_PIECE 64u /* byte columns packed at a time: M × 64 bytes of work space */
#define GFNI_AHEAD 32u /* fragments fetched ahead: their pieces are too far apart for the CPU to foresee them */

size_t fuota_gfni_work_len(size_t n_rows, size_t n_frags, size_t frag_size)
{
    (void)n_rows;
    const size_t width = frag_size < GFNI_PIECE ? frag_size : GFNI_PIECE;
    return fuota_size_add(fuota_size_mul(fuota_ceil_div(n_frags, 8), 64 * fuota_ceil_div(width, 8)), 256);
}

/* ---- AVX-512: a vector is 8 byte columns ------------------------------------------------------------------- */

typedef struct gfni_shuffles {
    __m512i pack, unpack;
} gfni_shuffles;

FUOTA_INLINE FUOTA_TARGET_AVX512 gfni_shuffles gfni_shuffles_make(void)
{
    _Alignas(64) uint8_t pack[64], unpack[64];
    for (unsigned i = 0; i < 64; i++) {
        unpack[i] = (uint8_t)(8 * (i % 8) + i / 8);
        pack[i] = (uint8_t)(8 * (7 - i % 8) + i / 8);
    }
    const gfni_shuffles s = {_mm512_load_si512(pack), _mm512_load_si512(unpack)};
    return s;
}

/* Vector k of `out` is qword k of each of the eight rows. */
FUOTA_INLINE FUOTA_TARGET_AVX512 void transpose_qwords(const __m512i *row, __m512i *out)
{
    __m512i pair[8], four[8];
    for (unsigned i = 0; i < 8; i += 2) {
        pair[i] = _mm512_unpacklo_epi64(row[i], row[i + 1]);
        pair[i + 1] = _mm512_unpackhi_epi64(row[i], row[i + 1]);
    }
    for (unsigned half = 0; half < 2; half++) {
        const __m512i *const p = pair + 4 * half;
        four[4 * half + 0] = _mm512_shuffle_i64x2(p[0], p[2], 0x88); /* qwords 0, 4 */
        four[4 * half + 1] = _mm512_shuffle_i64x2(p[1], p[3], 0x88); /* 1, 5 */
        four[4 * half + 2] = _mm512_shuffle_i64x2(p[0], p[2], 0xDD); /* 2, 6 */
        four[4 * half + 3] = _mm512_shuffle_i64x2(p[1], p[3], 0xDD); /* 3, 7 */
    }
    for (unsigned i = 0; i < 4; i++) {
        out[i] = _mm512_shuffle_i64x2(four[i], four[4 + i], 0x88);
        out[4 + i] = _mm512_shuffle_i64x2(four[i], four[4 + i], 0xDD);
    }
}

/* Packs `width` byte columns (at most GFNI_PIECE). The first n_first vectors of a group go to `first`, the others to
 * `second`, group after group. */
static FUOTA_TARGET_AVX512 void pack_avx512(const uint8_t *block, size_t stride, size_t n_frags, size_t width,
                                            unsigned n_first, __m512i *first, unsigned n_second, __m512i *second)
{
    const gfni_shuffles s = gfni_shuffles_make();
    const __m512i bits = _mm512_set1_epi64(0x0102040810204080);
    const __mmask64 mask = ~(__mmask64)0 >> (64 - width);
    for (size_t k = 0; k < n_frags; k += 8) {
        __m512i row[8], column[8];
        for (unsigned i = 0; i < 8; i++) {
            const uint8_t *const ahead = block + fuota_least_of(k + GFNI_AHEAD + i, n_frags - 1) * stride;
            _mm_prefetch((const char *)ahead, _MM_HINT_T0);
            _mm_prefetch((const char *)ahead + width - 1, _MM_HINT_T0);
        }
        for (unsigned i = 0; i < 8; i++)
            row[i] = k + i < n_frags ? _mm512_maskz_loadu_epi8(mask, block + (k + i) * stride) : _mm512_setzero_si512();
        transpose_qwords(row, column);
        for (unsigned i = 0; i < 8; i++)
            column[i] = _mm512_gf2p8affine_epi64_epi8(bits, _mm512_permutexvar_epi8(s.pack, column[i]), 0);
        for (unsigned i = 0; i < n_first; i++)
            _mm512_store_si512(first++, column[i]);
        for (unsigned i = 0; i < n_second; i++)
            _mm512_store_si512(second++, column[n_first + i]);
    }
}

#define GFNI_BROADCAST(p) _mm512_set1_epi64((long long)fuota_load_le64(p))
#define GFNI_XOR_3 0x96

/* n_panels panels (1 … 4) times a strip of n_vectors vectors (1 … 4): both constants where this is called. */
FUOTA_INLINE FUOTA_TARGET_AVX512 void multiply_avx512(const uint8_t *panels, size_t n_groups, unsigned n_panels,
                                                      const __m512i *strip, unsigned n_vectors, __m512i *sum)
{
    const size_t panel_len = 8 * n_groups;
    for (unsigned i = 0; i < n_panels * n_vectors; i++)
        sum[i] = _mm512_setzero_si512();
    size_t g = 0;
    for (; g + 2 <= n_groups; g += 2) {
        for (unsigned p = 0; p < n_panels; p++) {
            const __m512i a = GFNI_BROADCAST(panels + p * panel_len + 8 * g);
            const __m512i b = GFNI_BROADCAST(panels + p * panel_len + 8 * g + 8);
            for (unsigned v = 0; v < n_vectors; v++) {
                const __m512i x = _mm512_gf2p8affine_epi64_epi8(a, strip[g * n_vectors + v], 0);
                const __m512i y = _mm512_gf2p8affine_epi64_epi8(b, strip[(g + 1) * n_vectors + v], 0);
                sum[p * n_vectors + v] = _mm512_ternarylogic_epi64(sum[p * n_vectors + v], x, y, GFNI_XOR_3);
            }
        }
    }
    if (g < n_groups) {
        for (unsigned p = 0; p < n_panels; p++) {
            const __m512i a = GFNI_BROADCAST(panels + p * panel_len + 8 * g);
            for (unsigned v = 0; v < n_vectors; v++)
                sum[p * n_vectors + v] = _mm512_xor_si512(
                    sum[p * n_vectors + v], _mm512_gf2p8affine_epi64_epi8(a, strip[g * n_vectors + v], 0));
        }
    }
}

/* Four vectors of one panel to `n_rows` output rows of `mask` bytes. */
FUOTA_INLINE FUOTA_TARGET_AVX512 void store_panel_avx512(const __m512i *sum, unsigned n_vectors, const gfni_shuffles *s,
                                                         uint8_t *out, size_t stride, unsigned n_rows, __mmask32 mask)
{
    __m512i v[4];
    for (unsigned i = 0; i < 4; i++)
        v[i] = i < n_vectors ? _mm512_permutexvar_epi8(s->unpack, sum[i]) : _mm512_setzero_si512();
    const __m512i even_01 = _mm512_unpacklo_epi64(v[0], v[1]), odd_01 = _mm512_unpackhi_epi64(v[0], v[1]);
    const __m512i even_23 = _mm512_unpacklo_epi64(v[2], v[3]), odd_23 = _mm512_unpackhi_epi64(v[2], v[3]);
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m512i rows_02 = _mm512_permutex2var_epi64(even_01, low, even_23);
    const __m512i rows_46 = _mm512_permutex2var_epi64(even_01, high, even_23);
    const __m512i rows_13 = _mm512_permutex2var_epi64(odd_01, low, odd_23);
    const __m512i rows_57 = _mm512_permutex2var_epi64(odd_01, high, odd_23);
    const __m256i rows[8] = {
        _mm512_castsi512_si256(rows_02),       _mm512_castsi512_si256(rows_13),
        _mm512_extracti64x4_epi64(rows_02, 1), _mm512_extracti64x4_epi64(rows_13, 1),
        _mm512_castsi512_si256(rows_46),       _mm512_castsi512_si256(rows_57),
        _mm512_extracti64x4_epi64(rows_46, 1), _mm512_extracti64x4_epi64(rows_57, 1),
    };
    for (unsigned r = 0; r < 8; r++)
        if (r < n_rows)
            _mm256_mask_storeu_epi8(out + r * stride, mask, rows[r]);
}

/* All panels times one strip of n_vectors vectors, a constant; `width` bytes per output row. */
FUOTA_INLINE FUOTA_TARGET_AVX512 void strip_avx512(const uint8_t *panels, size_t n_rows, size_t n_groups,
                                                   const __m512i *strip, unsigned n_vectors, const gfni_shuffles *s,
                                                   uint8_t *out, size_t stride, size_t width)
{
    const size_t panel_len = 8 * n_groups;
    const __mmask32 mask = (__mmask32)(~(uint32_t)0 >> (32 - width));
    for (size_t first = 0; first < n_rows; first += 32) {
        __m512i sum[16];
        const size_t n_here = fuota_least_of(n_rows - first, 32);
        const unsigned n_panels = (unsigned)fuota_ceil_div(n_here, 8);
        const uint8_t *const here = panels + first / 8 * panel_len;
        if (n_panels == 4)
            multiply_avx512(here, n_groups, 4, strip, n_vectors, sum);
        else if (n_panels == 3)
            multiply_avx512(here, n_groups, 3, strip, n_vectors, sum);
        else if (n_panels == 2)
            multiply_avx512(here, n_groups, 2, strip, n_vectors, sum);
        else
            multiply_avx512(here, n_groups, 1, strip, n_vectors, sum);
        for (unsigned p = 0; p < n_panels; p++)
            store_panel_avx512(sum + p * n_vectors, n_vectors, s, out + (first + 8 * p) * stride, stride,
                               (unsigned)fuota_least_of(n_here - 8 * p, 8), mask);
    }
}

static FUOTA_TARGET_AVX512 void strip_of_avx512(const uint8_t *panels, size_t n_rows, size_t n_groups,
                                                const __m512i *strip, unsigned n_vectors, const gfni_shuffles *s,
                                                uint8_t *out, size_t stride, size_t width)
{
    switch (n_vectors) {
    case 4:
        strip_avx512(panels, n_rows, n_groups, strip, 4, s, out, stride, width);
        break;
    case 3:
        strip_avx512(panels, n_rows, n_groups, strip, 3, s, out, stride, width);
        break;
    case 2:
        strip_avx512(panels, n_rows, n_groups, strip, 2, s, out, stride, width);
        break;
    default:
        strip_avx512(panels, n_rows, n_groups, strip, 1, s, out, stride, width);
        break;
    }
}

FUOTA_TARGET_AVX512
void fuota_gfni_avx512(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                       size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    const size_t n_groups = fuota_ceil_div(n_frags, 8);
    __m512i *const packed = (__m512i *)(void *)fuota_align(work);
    const gfni_shuffles s = gfni_shuffles_make();

    for (size_t column = 0; column < frag_size; column += GFNI_PIECE) {
        /* A narrow piece is split evenly: two strips of three vectors cost less than one of four and one of two. */
        const size_t width = fuota_least_of(frag_size - column, GFNI_PIECE);
        const unsigned n_vectors = (unsigned)fuota_ceil_div(width, 8);
        const unsigned n_first = n_vectors <= 4 ? n_vectors : (n_vectors + 1) / 2, n_second = n_vectors - n_first;
        const size_t width_first = fuota_least_of(width, 8 * n_first);
        __m512i *const second = packed + n_first * n_groups;
        pack_avx512(block + column, block_stride, n_frags, width, n_first, packed, n_second, second);
        strip_of_avx512(panels, n_rows, n_groups, packed, n_first, &s, coded + column, coded_stride, width_first);
        if (n_second != 0)
            strip_of_avx512(panels, n_rows, n_groups, second, n_second, &s, coded + column + width_first, coded_stride,
                            width - width_first);
    }
}

/* ---- AVX2: a vector is 4 byte columns ----------------------------------------------------------------------- */

#define GFNI_STRIP_AVX2 32u

FUOTA_INLINE FUOTA_TARGET_AVX2_GFNI __m256i gfni_load_avx2(const uint8_t *p, size_t width)
{
    if (width == GFNI_STRIP_AVX2)
        return _mm256_loadu_si256((const __m256i *)p);
    /* Words and then bytes, so that no byte beyond the last is read. */
    uint64_t w[4] = {0, 0, 0, 0};
    size_t at = 0;
    while (width - at >= 8) {
        memcpy(&w[at / 8], p + at, 8);
        at += 8;
    }
    for (unsigned shift = 0; at < width; at++, shift += 8)
        w[at / 8] |= (uint64_t)p[at] << shift;
    return _mm256_loadu_si256((const __m256i *)w);
}

/* Packs a strip: octet c of its byte columns is two vectors per group, all groups of an octet side by side. */
static FUOTA_TARGET_AVX2_GFNI void pack_avx2(const uint8_t *block, size_t stride, size_t n_frags, size_t width,
                                             __m256i *packed)
{
    const __m256i bits = _mm256_set1_epi64x(0x0102040810204080);
    const size_t n_groups = fuota_ceil_div(n_frags, 8), n_octets = fuota_ceil_div(width, 8);
    for (size_t g = 0; g < n_groups; g++) {
        __m256i r[8], t[8];
        for (unsigned i = 0; i < 8; i++) /* in reverse order */
            r[i] = 8 * g + 7 - i < n_frags ? gfni_load_avx2(block + (8 * g + 7 - i) * stride, width)
                                           : _mm256_setzero_si256();
        for (unsigned i = 0; i < 4; i++) { /* bytes of two rows */
            t[i] = _mm256_unpacklo_epi8(r[2 * i], r[2 * i + 1]);
            t[4 + i] = _mm256_unpackhi_epi8(r[2 * i], r[2 * i + 1]);
        }
        for (unsigned h = 0; h < 8; h += 4) { /* of four: columns 0-3, 4-7 of each half lane */
            r[h] = _mm256_unpacklo_epi16(t[h], t[h + 1]);
            r[h + 1] = _mm256_unpackhi_epi16(t[h], t[h + 1]);
            r[h + 2] = _mm256_unpacklo_epi16(t[h + 2], t[h + 3]);
            r[h + 3] = _mm256_unpackhi_epi16(t[h + 2], t[h + 3]);
        }
        for (unsigned h = 0; h < 8; h += 4) { /* of eight: a qword per column, two columns per lane */
            t[h] = _mm256_unpacklo_epi32(r[h], r[h + 2]);
            t[h + 1] = _mm256_unpackhi_epi32(r[h], r[h + 2]);
            t[h + 2] = _mm256_unpacklo_epi32(r[h + 1], r[h + 3]);
            t[h + 3] = _mm256_unpackhi_epi32(r[h + 1], r[h + 3]);
        }
        for (unsigned i = 0; i < 4; i++) { /* columns 4i … 4i+3, and 16 + 4i … */
            r[i] = _mm256_permute2x128_si256(t[2 * i], t[2 * i + 1], 0x20);
            r[4 + i] = _mm256_permute2x128_si256(t[2 * i], t[2 * i + 1], 0x31);
        }
        for (size_t c = 0; c < n_octets; c++) {
            __m256i *const out = packed + (c * n_groups + g) * 2;
            _mm256_store_si256(out, _mm256_gf2p8affine_epi64_epi8(bits, r[2 * c], 0));
            _mm256_store_si256(out + 1, _mm256_gf2p8affine_epi64_epi8(bits, r[2 * c + 1], 0));
        }
    }
}

#define GFNI_BROADCAST_AVX2(p) _mm256_set1_epi64x((long long)fuota_load_le64(p))

FUOTA_INLINE FUOTA_TARGET_AVX2_GFNI void multiply_avx2(const uint8_t *panels, size_t n_groups, unsigned n_panels,
                                                       const __m256i *octet, __m256i *sum)
{
    const size_t panel_len = 8 * n_groups;
    for (unsigned i = 0; i < 2 * n_panels; i++)
        sum[i] = _mm256_setzero_si256();
    for (size_t g = 0; g < n_groups; g++) {
        const __m256i v0 = _mm256_load_si256(octet + 2 * g), v1 = _mm256_load_si256(octet + 2 * g + 1);
        for (unsigned p = 0; p < n_panels; p++) {
            const __m256i a = GFNI_BROADCAST_AVX2(panels + p * panel_len + 8 * g);
            sum[2 * p] = _mm256_xor_si256(sum[2 * p], _mm256_gf2p8affine_epi64_epi8(a, v0, 0));
            sum[2 * p + 1] = _mm256_xor_si256(sum[2 * p + 1], _mm256_gf2p8affine_epi64_epi8(a, v1, 0));
        }
    }
}

/* Two vectors, qword = byte column, byte = row, to rows of `width` bytes, at most 8. */
FUOTA_INLINE FUOTA_TARGET_AVX2_GFNI void store_panel_avx2(const __m256i *sum, uint8_t *out, size_t stride,
                                                          unsigned n_rows, size_t width)
{
    const __m256i by_row =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    const __m256i v0 = _mm256_shuffle_epi8(sum[0], by_row), v1 = _mm256_shuffle_epi8(sum[1], by_row);
    const __m128i c01 = _mm256_castsi256_si128(v0), c23 = _mm256_extracti128_si256(v0, 1);
    const __m128i c45 = _mm256_castsi256_si128(v1), c67 = _mm256_extracti128_si256(v1, 1);
    const __m128i a0 = _mm_unpacklo_epi16(c01, c23), a1 = _mm_unpackhi_epi16(c01, c23);
    const __m128i b0 = _mm_unpacklo_epi16(c45, c67), b1 = _mm_unpackhi_epi16(c45, c67);
    uint64_t rows[8];
    _mm_storeu_si128((__m128i *)rows, _mm_unpacklo_epi32(a0, b0));
    _mm_storeu_si128((__m128i *)rows + 1, _mm_unpackhi_epi32(a0, b0));
    _mm_storeu_si128((__m128i *)rows + 2, _mm_unpacklo_epi32(a1, b1));
    _mm_storeu_si128((__m128i *)rows + 3, _mm_unpackhi_epi32(a1, b1));
    for (unsigned r = 0; r < n_rows; r++) {
        if (width == 8)
            memcpy(out + r * stride, &rows[r], 8);
        else
            for (size_t i = 0; i < width; i++)
                out[r * stride + i] = (uint8_t)(rows[r] >> (8 * i));
    }
}

FUOTA_TARGET_AVX2_GFNI
void fuota_gfni_avx2(const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size, const uint8_t *block,
                     size_t block_stride, uint8_t *coded, size_t coded_stride, void *work)
{
    const size_t n_groups = fuota_ceil_div(n_frags, 8), panel_len = 8 * n_groups;
    __m256i *const packed = (__m256i *)(void *)fuota_align(work);
    for (size_t column = 0; column < frag_size; column += GFNI_STRIP_AVX2) {
        const size_t width = fuota_least_of(frag_size - column, GFNI_STRIP_AVX2);
        pack_avx2(block + column, block_stride, n_frags, width, packed);
        for (size_t first = 0; first < n_rows; first += 32) {
            const size_t n_here = fuota_least_of(n_rows - first, 32);
            const unsigned n_panels = (unsigned)fuota_ceil_div(n_here, 8);
            const uint8_t *const here = panels + first / 8 * panel_len;
            for (size_t at = 0; at < width; at += 8) { /* the coefficients stay in the second-level cache */
                __m256i sum[8];
                const __m256i *const octet = packed + at / 8 * 2 * n_groups;
                if (n_panels == 4)
                    multiply_avx2(here, n_groups, 4, octet, sum);
                else if (n_panels == 3)
                    multiply_avx2(here, n_groups, 3, octet, sum);
                else if (n_panels == 2)
                    multiply_avx2(here, n_groups, 2, octet, sum);
                else
                    multiply_avx2(here, n_groups, 1, octet, sum);
                for (unsigned p = 0; p < n_panels; p++)
                    store_panel_avx2(sum + 2 * p, coded + (first + 8 * p) * coded_stride + column + at, coded_stride,
                                     (unsigned)fuota_least_of(n_here - 8 * p, 8), fuota_least_of(width - at, 8));
            }
        }
    }
}

#endif
