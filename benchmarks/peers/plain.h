/* The specification's algorithm as anybody would write it, without any of the core's ideas: the yardstick of
 * the benchmarks. One byte per coefficient, one row at a time, eight bytes per addition at most. */
#ifndef PLAIN_H
#define PLAIN_H

#include <stddef.h>
#include <stdint.h>

/* dialect 1 is TS004 1.0.0, 2 is 2.0.0. Writes n_frags bytes of 0 or 1. */
void plain_row(uint32_t n_frags, int dialect, uint32_t row, uint8_t *bits);

/* Rows 1 … n_coded one after the other; returns a sum over them, so that no work can be left out. */
uint64_t plain_rows(uint32_t n_frags, int dialect, uint32_t n_coded);

/* Coded fragments of rows 1 … n_coded, frag_size bytes each. */
void plain_encode(const uint8_t *block, uint32_t n_frags, uint32_t frag_size, int dialect, uint32_t n_coded,
                  uint8_t *coded);

/* Reduces every coded fragment as it comes, as the devices do. Uncoded fragments first, any order after that.
 * Writes the block; returns how many fragments were taken, 0 if they do not determine it. */
uint32_t plain_decode(uint32_t n_frags, uint32_t frag_size, int dialect, const uint32_t *frag_nbs,
                      const uint8_t *payloads, uint32_t n, uint8_t *block);

#endif
