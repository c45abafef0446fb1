/* fuota_fec: the TS004 parity-matrix code over GF(2).
 *
 * Words: a block is M uncoded fragments of F bytes; coded fragment n (row n of the parity matrix, fragment number M + n
 * on the air) is the sum of the uncoded fragments that the row names. M is n_frags, F is frag_size.
 *
 * Buffers: the caller owns every buffer. Bytes, `void *work` included, may have any alignment; arrays of larger
 * integers have that of their type. Inputs and outputs must not overlap. Nothing outside the stated extents is read or
 * written.
 *
 * Sizes: limits are stated with each argument. Within them no count, length or sum of a function wraps, on 32-bit
 * machines too: a *_len function returns SIZE_MAX if the length does not fit a size_t, and a function that would need
 * more memory than can be addressed returns FUOTA_NO_MEMORY. Arguments outside the limits are undefined behaviour
 * unless the function returns FUOTA_BAD_ARGUMENT; builds without NDEBUG check them by assert().
 *
 * Errors: a function that returns a status other than FUOTA_OK leaves its outputs undefined and its objects unchanged.
 *
 * Threads: every function is re-entrant. A fuota_decoder is for one thread at a time; everything else is constant or
 * belongs to the caller. */
#ifndef FUOTA_H
#define FUOTA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the package that this header belongs to. */
#define FUOTA_VERSION_MAJOR 0
#define FUOTA_VERSION_MINOR 3
#define FUOTA_VERSION_PATCH 0

#define FUOTA_MAX_FRAG_NB 16383u /* the 14 bits of N in IndexAndN, TS004 DataFragment */
#define FUOTA_MAX_FRAGS 16383u
#define FUOTA_MAX_FRAG_SIZE 255u /* FragSize is one byte, TS004 FragSessionSetupReq */

typedef enum fuota_status {
    FUOTA_OK = 0,
    FUOTA_NO_MEMORY = 1,
    FUOTA_INCOMPLETE = 2, /* the fragments taken do not determine the block */
    FUOTA_BAD_ARGUMENT = 3
} fuota_status;

/* English name of a status, never NULL. */
const char *fuota_status_name(fuota_status status);

/* The two dialects of the parity matrix. In 1.0.0 every draw of the generator counts, in 2.0.0 only a draw that names a
 * new position. */
typedef enum fuota_dialect { FUOTA_TS004_1_0_0 = 1, FUOTA_TS004_2_0_0 = 2 } fuota_dialect;

/* ---- kernels ------------------------------------------------------------------------------------------- */

/* A kernel is one implementation of the inner loops. All kernels give the same bytes. Kernels are constants of the
 * program; none is created or freed. */
typedef struct fuota_kernel fuota_kernel;

/* CPU features as the mask used by the kernel table; features that the operating system does not save are absent. Asks
 * the CPU at each call. */
uint32_t fuota_cpu_features(void);
/* Name of feature bit `idx`, or NULL beyond the last. */
const char *fuota_cpu_feature_name(unsigned idx);

/* Kernel `idx` of those that a CPU with `features` can run, best first; NULL beyond the last. */
const fuota_kernel *fuota_kernel_at(uint32_t features, unsigned idx);
/* The kernel of that name if a CPU with `features` can run it, else NULL. */
const fuota_kernel *fuota_kernel_by_name(uint32_t features, const char *name);
const char *fuota_kernel_name(const fuota_kernel *kernel);

/* ---- parity rows --------------------------------------------------------------------------------------- */

/* Layout of a coefficient matrix, the same for every kernel: panels of 8 rows; a panel is ceil(n_cols / 8)
 * groups of 8 bytes; in a group, byte r holds row r of the panel, its bit j (from the least significant)
 * column 8 * group + j. Rows and columns beyond the last are zero. Any n_rows and n_cols. */
size_t fuota_panels_len(size_t n_rows, size_t n_cols);

/* Writes the rows whose numbers are rows[0 … n_rows-1], in that order, as fuota_panels_len(n_rows, n_frags) bytes. A
 * number is 1 or more; n_frags is 1 … FUOTA_MAX_FRAGS. Takes no memory.
 *
 * Costs n_frags / 2 draws per row in dialect 1.0.0, and about 1.4 times as many in 2.0.0. Rows are drawn 16 at a time:
 * fewer cost as much as 16 on kernels with wide vectors. Numbers above 16760 are drawn one at a time, at several times
 * the cost; they cannot be sent. */
void fuota_parity_panels(const fuota_kernel *kernel, uint32_t n_frags, fuota_dialect dialect, const uint32_t *rows,
                         size_t n_rows, uint8_t *panels);

/* Writes row `row_idx` of a coefficient matrix as n_cols bytes of 0 or 1. */
void fuota_panels_unpack(const uint8_t *panels, size_t n_cols, size_t row_idx, uint8_t *bits);

/* ---- encode -------------------------------------------------------------------------------------------- */

/* Bytes of work space that fuota_encode needs; 0 is possible. */
size_t fuota_encode_work_len(const fuota_kernel *kernel, size_t n_rows, size_t n_frags, size_t frag_size);

/* Sets row i of the output to the sum of the fragments that row i of `panels` names. Fragment k lies at
 * block + k * block_stride, output row i at coded + i * coded_stride; frag_size bytes each, 1 or more, strides at least
 * that. n_frags is 1 … FUOTA_MAX_FRAGS, n_rows any number, 0 included. `work` has fuota_encode_work_len() bytes of any
 * alignment and contents, and may be used again or given away after the call. Takes no memory.
 *
 * Costs time in proportion to n_rows * n_frags * frag_size, whatever the coefficients. */
void fuota_encode(const fuota_kernel *kernel, const uint8_t *panels, size_t n_rows, size_t n_frags, size_t frag_size,
                  const uint8_t *block, size_t block_stride, uint8_t *coded, size_t coded_stride, void *work);

/* ---- decode -------------------------------------------------------------------------------------------- */

/* Collects fragments in any order until they determine the block. On arrival only bits are handled; the
 * missing bytes are computed once, by fuota_decoder_solve. */
typedef struct fuota_decoder fuota_decoder;

/* NULL when memory is short. n_frags 1 … FUOTA_MAX_FRAGS, frag_size 1 … FUOTA_MAX_FRAG_SIZE. */
fuota_decoder *fuota_decoder_create(const fuota_kernel *kernel, uint32_t n_frags, uint32_t frag_size,
                                    fuota_dialect dialect);
void fuota_decoder_destroy(fuota_decoder *decoder); /* NULL is allowed */

/* Begins another block with the decoder's memory, as if it had just been created. */
fuota_status fuota_decoder_reset(fuota_decoder *decoder, const fuota_kernel *kernel, uint32_t n_frags,
                                 uint32_t frag_size, fuota_dialect dialect);

/* Lends the decoder the panels of rows 1 … n_rows of its block's matrix, from which it copies rows instead of drawing
 * them. They are read by later calls until it is lent others or reset; n_rows 0 takes them back. */
void fuota_decoder_lend_rows(fuota_decoder *decoder, const uint8_t *panels, size_t n_rows);

/* Lends a decoder that has taken no fragment the n_frags * frag_size bytes in which its block is to lie. They are read
 * and written by later calls until it is reset. */
void fuota_decoder_lend_block(fuota_decoder *decoder, uint8_t *block);

/* Bytes that the decoder holds. */
size_t fuota_decoder_memory_len(const fuota_decoder *decoder);

/* Takes fragment frag_nb (1 … FUOTA_MAX_FRAG_NB) of frag_size bytes, which are copied. A repeated fragment is ignored,
 * and so is every fragment once the block is determined. FUOTA_OK, FUOTA_NO_MEMORY or FUOTA_BAD_ARGUMENT.
 *
 * Costs a copy until n_frags fragments have been taken; that one costs an elimination of the missing columns, and each
 * later one a step of it. */
fuota_status fuota_decoder_push(fuota_decoder *decoder, uint32_t frag_nb, const uint8_t *payload);

/* The same for n fragments, fragment i at payloads + i * stride. Stops at the first that fails; those before it stay
 * taken. */
fuota_status fuota_decoder_push_many(fuota_decoder *decoder, const uint32_t *frag_nbs, const uint8_t *payloads,
                                     size_t stride, size_t n);

/* 1 if the fragments taken determine the block, else 0. Costs nothing. */
int fuota_decoder_complete(const fuota_decoder *decoder);

/* Rank of the fragments taken, n_frags when complete. Costs an elimination if coded fragments were taken since.
 * FUOTA_OK or FUOTA_NO_MEMORY. */
fuota_status fuota_decoder_rank(fuota_decoder *decoder, uint32_t *rank);

/* Computes the missing fragments. FUOTA_OK, FUOTA_NO_MEMORY, or FUOTA_INCOMPLETE before the block is determined. A
 * second call costs nothing. */
fuota_status fuota_decoder_solve(fuota_decoder *decoder);

/* n_frags * frag_size bytes, owned by the decoder unless lent, valid until it is reset or destroyed. Before
 * fuota_decoder_solve the bytes of missing fragments are undefined. */
const uint8_t *fuota_decoder_block(const fuota_decoder *decoder);

/* ---- fleets: erasures only, no payloads ------------------------------------------------------------------ */

#define FUOTA_MAX_FLEET_ROWS (64u * FUOTA_MAX_FRAGS)

/* The matrix by columns, 64 rows to a word: bit r of columns[w * n_frags + c] is row 64·w + r, column c.
 * fuota_columns_len() words. */
size_t fuota_columns_len(size_t n_rows, size_t n_frags);
void fuota_columns(const uint8_t *panels, size_t n_rows, size_t n_frags, uint64_t *columns);

/* Words of a loss bitmap of n_bits fragments: whole blocks of 512 bits, bits beyond n_bits zero. A device's losses are
 * the bitmap of its n_frags uncoded fragments, followed by that of its n_rows coded ones; a set bit is lost. */
size_t fuota_losses_len(size_t n_bits);

/* Sets needed[d] to the number of coded fragments sent, in the order of the rows, when device d can rebuild the block;
 * 0 if it lost no uncoded fragment, -1 if the n_rows are not enough. Row numbers and order are those of `columns`.
 * n_frags is 1 … FUOTA_MAX_FRAGS, n_rows 0 … FUOTA_MAX_FLEET_ROWS. FUOTA_OK or FUOTA_NO_MEMORY. */
fuota_status fuota_fleet_complete(const fuota_kernel *kernel, const uint64_t *columns, size_t n_frags, size_t n_rows,
                                  const uint64_t *lost, size_t n_devices, int32_t *needed);

/* The same for devices first_device … first_device + n_devices - 1, whose losses are drawn: each fragment of device d
 * is lost with probability thresholds[d * threshold_stride] / 2^32 (stride 0: one for all). Losses depend on the seed
 * and the device's number alone, not on the kernel or the machine. */
fuota_status fuota_fleet_simulate(const fuota_kernel *kernel, const uint64_t *columns, size_t n_frags, size_t n_rows,
                                  uint64_t seed, uint64_t first_device, const uint32_t *thresholds,
                                  size_t threshold_stride, size_t n_devices, int32_t *needed);

/* ---- which rows to send ------------------------------------------------------------------------------------ */

/* Patterns that miss more are left out when candidates are compared: nearly every row is new to them. */
#define FUOTA_SELECT_DEPTH 12u

/* Devices by which candidate rows are judged. n_patterns[n] devices (n = 1 … n_frags; entry 0 is not used) lose n
 * uncoded fragments, drawn from the seed; each counts weights[n]. All lose a coded fragment with probability
 * threshold / 2^32. The i-th coded fragment sent (from 0) is worth
 * gains[min(i, n_stages - 1) * (FUOTA_SELECT_DEPTH + 1) + d] times as much to a device that misses d independent rows
 * and receives one of them. Limits: the patterns together fewer than 2^20, each weight times gain less than 2^40,
 * n_stages 1 or more. */
typedef struct fuota_loss_pool {
    uint64_t seed;
    const uint32_t *n_patterns, *weights;
    const uint32_t *gains;
    size_t n_stages;
    uint32_t threshold;
} fuota_loss_pool;

/* Chooses n_rows of the rows 1 … n_candidates, each the one that is worth most to the pool after those before it, the
 * lowest number of several. They follow n_sent rows sent before, distinct numbers from 1 to n_candidates, which are not
 * chosen again. n_frags is 1 … FUOTA_MAX_FRAGS, n_candidates at most FUOTA_MAX_FRAG_NB, n_sent + n_rows at most
 * n_candidates. The same rows for every kernel and machine; a continued sequence is the one that would have been chosen
 * at once. FUOTA_OK or FUOTA_NO_MEMORY.
 *
 * Needs ceil(n_frags / 64) words for each fragment that a pattern loses: 512 patterns that lose all of 8192 fragments
 * take 4 GiB, which a 32-bit machine refuses with FUOTA_NO_MEMORY. */
fuota_status fuota_select_rows(const fuota_kernel *kernel, uint32_t n_frags, fuota_dialect dialect,
                               uint32_t n_candidates, const fuota_loss_pool *pool, const uint32_t *sent, size_t n_sent,
                               size_t n_rows, uint32_t *rows);

#ifdef __cplusplus
}
#endif
#endif
