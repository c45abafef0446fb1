#include "plain.h"

#include <stdlib.h>
#include <string.h>

static uint32_t prbs23(uint32_t x) { return (x >> 1) + (((x ^ (x >> 5)) & 1u) << 22); }

void plain_row(uint32_t n_frags, int dialect, uint32_t row, uint8_t *bits)
{
    const uint32_t divisor = n_frags + ((n_frags & (n_frags - 1)) == 0);
    uint32_t x = 1 + 1001 * row;
    memset(bits, 0, n_frags);
    for (uint32_t k = 0; k < n_frags / 2;) {
        uint32_t r;
        do {
            x = prbs23(x);
            r = x % divisor;
        } while (r >= n_frags);
        if (dialect == 1 || !bits[r])
            k++;
        bits[r] = 1;
    }
}

uint64_t plain_rows(uint32_t n_frags, int dialect, uint32_t n_coded)
{
    uint8_t *const bits = malloc(n_frags);
    uint64_t sum = 0;
    for (uint32_t row = 1; row <= n_coded; row++) {
        plain_row(n_frags, dialect, row, bits);
        sum += bits[row % n_frags];
    }
    free(bits);
    return sum;
}

static void add(uint8_t *restrict to, const uint8_t *restrict from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] ^= from[i];
}

void plain_encode(const uint8_t *block, uint32_t n_frags, uint32_t frag_size, int dialect, uint32_t n_coded,
                  uint8_t *coded)
{
    uint8_t *const bits = malloc(n_frags);
    memset(coded, 0, (size_t)n_coded * frag_size);
    for (uint32_t i = 0; i < n_coded; i++) {
        plain_row(n_frags, dialect, i + 1, bits);
        for (uint32_t k = 0; k < n_frags; k++)
            if (bits[k])
                add(coded + (size_t)i * frag_size, block + (size_t)k * frag_size, frag_size);
    }
    free(bits);
}

uint32_t plain_decode(uint32_t n_frags, uint32_t frag_size, int dialect, const uint32_t *frag_nbs,
                      const uint8_t *payloads, uint32_t n, uint8_t *block)
{
    uint32_t taken = 0, n_missing = 0, rank = 0;
    uint8_t *const have = calloc(n_frags, 1), *const bits = malloc(n_frags);
    uint32_t *const missing = malloc(n_frags * sizeof *missing);
    memset(block, 0, (size_t)n_frags * frag_size);

    for (; taken < n && frag_nbs[taken] <= n_frags; taken++) {
        memcpy(block + (size_t)(frag_nbs[taken] - 1) * frag_size, payloads + (size_t)taken * frag_size, frag_size);
        have[frag_nbs[taken] - 1] = 1;
    }
    for (uint32_t k = 0; k < n_frags; k++)
        if (!have[k])
            missing[n_missing++] = k;

    /* Upper triangle: row p has its first one in column p, in 64-bit words. */
    const size_t n_words = (n_missing + 63) / 64;
    uint64_t *const triangle = calloc(n_missing * n_words + 1, 8), *const row = malloc(n_words * 8 + 8);
    uint8_t *const sums = malloc((size_t)n_missing * frag_size + 1), *const sum = malloc(frag_size);
    uint8_t *const filled = calloc(n_missing + 1, 1);
    for (; taken < n && rank < n_missing; taken++) {
        plain_row(n_frags, dialect, frag_nbs[taken] - n_frags, bits);
        memcpy(sum, payloads + (size_t)taken * frag_size, frag_size);
        for (uint32_t k = 0; k < n_frags; k++)
            if (bits[k] && have[k])
                add(sum, block + (size_t)k * frag_size, frag_size);
        memset(row, 0, n_words * 8);
        for (uint32_t j = 0; j < n_missing; j++)
            row[j / 64] |= (uint64_t)bits[missing[j]] << (j % 64);
        for (uint32_t j = 0; j < n_missing; j++) {
            if (!((row[j / 64] >> (j % 64)) & 1))
                continue;
            if (!filled[j]) {
                memcpy(triangle + j * n_words, row, n_words * 8);
                memcpy(sums + (size_t)j * frag_size, sum, frag_size);
                filled[j] = 1;
                rank++;
                break;
            }
            for (size_t w = j / 64; w < n_words; w++)
                row[w] ^= triangle[j * n_words + w];
            add(sum, sums + (size_t)j * frag_size, frag_size);
        }
    }
    const int complete = rank == n_missing;
    if (complete) {
        for (uint32_t j = n_missing; j-- > 0;) {
            for (uint32_t i = j + 1; i < n_missing; i++)
                if ((triangle[j * n_words + i / 64] >> (i % 64)) & 1)
                    add(sums + (size_t)j * frag_size, sums + (size_t)i * frag_size, frag_size);
            memcpy(block + (size_t)missing[j] * frag_size, sums + (size_t)j * frag_size, frag_size);
        }
    }
    free(have);
    free(bits);
    free(missing);
    free(triangle);
    free(row);
    free(sums);
    free(sum);
    free(filled);
    return complete ? taken : 0;
}
