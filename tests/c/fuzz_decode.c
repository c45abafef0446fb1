/* libFuzzer target: a decoder stays sound under any sequence of pushes, rank queries and resets.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc_c tests/c/fuzz_decode.c src_c/(all).c -o fuzz_decode
 *
 * The first byte chooses the kernel, the next four dialect and size; then an operation per byte, with its operands. The
 * block is made from the size, so that the bytes of a complete decoder are known. One operation pushes bytes of the input
 * that may contradict the block; from then on the block is only computed, not compared. */
#include <stdlib.h>

#include "kernels.h"

#define MAX_FRAGS 96u
#define MAX_CODED 160u

typedef struct input {
    const uint8_t *p, *end;
} input;

static unsigned next_byte(input *in) { return in->p < in->end ? *in->p++ : 0u; }
static unsigned next_word(input *in)
{
    const unsigned low = next_byte(in);
    return low | next_byte(in) << 8;
}

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t fragments[(MAX_FRAGS + MAX_CODED) * FUOTA_MAX_FRAG_SIZE], panels[(MAX_FRAGS + 8) * (MAX_CODED + 8)];
    input in = {data, data + len};
    const uint32_t features = fuota_cpu_features();
    const fuota_kernel *kernel = fuota_kernel_at(features, next_byte(&in) % 4);
    if (kernel == NULL)
        kernel = fuota_kernel_at(features, 0);
    fuota_decoder *const d = fuota_decoder_create(kernel, 1, 1, FUOTA_TS004_1_0_0);
    require(d != NULL);

    while (in.p < in.end) {
        const fuota_dialect dialect = next_byte(&in) & 1 ? FUOTA_TS004_1_0_0 : FUOTA_TS004_2_0_0;
        const uint32_t n_frags = 1 + next_byte(&in) % MAX_FRAGS, frag_size = 1 + next_byte(&in) % FUOTA_MAX_FRAG_SIZE;
        const uint32_t n_coded = next_byte(&in) % MAX_CODED;
        uint32_t rows[MAX_CODED], rank = 0, last_rank = 0;
        int consistent = 1;
        for (uint32_t i = 0; i < n_coded; i++)
            rows[i] = i + 1;
        for (size_t i = 0; i < (size_t)n_frags * frag_size; i++)
            fragments[i] = (uint8_t)(i * 131 + (i >> 7) + n_frags);
        fuota_parity_panels(kernel, n_frags, dialect, rows, n_coded, panels);
        void *const work = malloc(fuota_encode_work_len(kernel, n_coded, n_frags, frag_size) + 1);
        require(work != NULL);
        fuota_encode(kernel, panels, n_coded, n_frags, frag_size, fragments, frag_size,
                     fragments + (size_t)n_frags * frag_size, frag_size, work);
        free(work);
        require(fuota_decoder_reset(d, kernel, n_frags, frag_size, dialect) == FUOTA_OK);

        for (int going = 1; going && in.p < in.end;) {
            const unsigned operation = next_byte(&in);
            const uint32_t n_all = n_frags + n_coded, frag_nb = 1 + next_byte(&in) % n_all;
            const int was_complete = fuota_decoder_complete(d);
            switch (operation % 8) {
            default: /* one fragment */
                require(fuota_decoder_push(d, frag_nb, fragments + (size_t)(frag_nb - 1) * frag_size) == FUOTA_OK);
                break;
            case 3: { /* a run of fragments */
                uint32_t numbers[MAX_FRAGS + MAX_CODED];
                const uint32_t n = next_byte(&in) % (n_all - frag_nb + 2);
                for (uint32_t i = 0; i < n; i++)
                    numbers[i] = frag_nb + i;
                require(fuota_decoder_push_many(d, numbers, fragments + (size_t)(frag_nb - 1) * frag_size, frag_size, n) ==
                        FUOTA_OK);
                break;
            }
            case 4: { /* any number, any bytes */
                uint8_t payload[FUOTA_MAX_FRAG_SIZE];
                const uint32_t any = next_word(&in);
                for (uint32_t i = 0; i < frag_size; i++)
                    payload[i] = (uint8_t)next_byte(&in);
                const fuota_status status = fuota_decoder_push(d, any, payload);
                require(status == (any >= 1 && any <= FUOTA_MAX_FRAG_NB ? FUOTA_OK : FUOTA_BAD_ARGUMENT));
                consistent = consistent && (status != FUOTA_OK || was_complete);
                break;
            }
            case 5:
                require(fuota_decoder_rank(d, &rank) == FUOTA_OK);
                require(rank >= last_rank && rank <= n_frags && (rank == n_frags) == fuota_decoder_complete(d));
                last_rank = rank;
                break;
            case 6:
                require(fuota_decoder_solve(d) == (fuota_decoder_complete(d) ? FUOTA_OK : FUOTA_INCOMPLETE));
                if (fuota_decoder_complete(d) && consistent)
                    require(memcmp(fuota_decoder_block(d), fragments, (size_t)n_frags * frag_size) == 0);
                break;
            case 7:
                going = operation % 64 != 7; /* another block now and then */
                break;
            }
            require(!was_complete || fuota_decoder_complete(d));
        }
    }
    fuota_decoder_destroy(d);
    return 0;
}
