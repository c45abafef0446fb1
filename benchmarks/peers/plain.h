/* Straightforward implementation of the algorithm in the specification, without the techniques of the core: the
 * baseline of the benchmarks. One byte per coefficient, one row at a time, at most eight bytes per addition. */
#ifndef PLAIN_H
#define PLAIN_H

#include <stddef.h>
#include <stdint.h>

/* dialect 1 is TS004 1.0.0, 2 is 2.0.0. Writes n_frags bytes of 0 or 1. */
void plain_row(uint32_t n_frags, int dialect, uint32_t row, uint8_t *bits);

/* Rows 1 … n_coded one after the other; returns a sum over all rows, so that the compiler cannot remove the work. */
uint64_t plain_rows(uint32_t n_frags, int dialect, uint32_t n_coded);

/* Coded fragments of rows 1 … n_coded, frag_size bytes each. */
void plain_encode(const uint8_t *block, uint32_t n_frags, uint32_t frag_size, int dialect, uint32_t n_coded,
                  uint8_t *coded);

/* Reduces every coded fragment on arrival, as devices do. Uncoded fragments come first, coded ones in any order.
 * Writes the block; returns the number of fragments used, or 0 if the fragments do not determine the block. */
uint32_t plain_decode(uint32_t n_frags, uint32_t frag_size, int dialect, const uint32_t *frag_nbs,
                      const uint8_t *payloads, uint32_t n, uint8_t *block);

#endif
