# Mirror of src_c/fuota.h.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef extern from "fuota.h" nogil:
    const unsigned FUOTA_MAX_FRAGS
    const unsigned FUOTA_MAX_FRAG_NB
    const unsigned FUOTA_MAX_FRAG_SIZE

    ctypedef enum fuota_status:
        FUOTA_OK
        FUOTA_NO_MEMORY
        FUOTA_INCOMPLETE
        FUOTA_BAD_ARGUMENT

    const char *fuota_status_name(fuota_status status)

    ctypedef enum fuota_dialect:
        FUOTA_TS004_1_0_0
        FUOTA_TS004_2_0_0

    ctypedef struct fuota_kernel:
        pass

    uint32_t fuota_cpu_features()
    const char *fuota_cpu_feature_name(unsigned idx)
    const fuota_kernel *fuota_kernel_at(uint32_t features, unsigned idx)
    const fuota_kernel *fuota_kernel_by_name(uint32_t features, const char *name)
    const char *fuota_kernel_name(const fuota_kernel *kernel)

    size_t fuota_panels_len(size_t n_rows, size_t n_cols)
    void fuota_parity_panels(const fuota_kernel *kernel, uint32_t n_frags, fuota_dialect dialect,
                             const uint32_t *rows, size_t n_rows, uint8_t *panels)
    void fuota_panels_unpack(const uint8_t *panels, size_t n_cols, size_t row_idx, uint8_t *bits)

    size_t fuota_encode_work_len(const fuota_kernel *kernel, size_t n_rows, size_t n_frags, size_t frag_size)
    void fuota_encode(const fuota_kernel *kernel, const uint8_t *panels, size_t n_rows, size_t n_frags,
                      size_t frag_size, const uint8_t *block, size_t block_stride, uint8_t *coded,
                      size_t coded_stride, void *work)

    size_t fuota_columns_len(size_t n_rows, size_t n_frags)
    void fuota_columns(const uint8_t *panels, size_t n_rows, size_t n_frags, uint64_t *columns)
    size_t fuota_losses_len(size_t n_bits)
    fuota_status fuota_fleet_complete(const fuota_kernel *kernel, const uint64_t *columns, size_t n_frags,
                                      size_t n_rows, const uint64_t *lost, size_t n_devices, int32_t *needed)
    fuota_status fuota_fleet_simulate(const fuota_kernel *kernel, const uint64_t *columns, size_t n_frags,
                                      size_t n_rows, uint64_t seed, uint64_t first_device,
                                      const uint32_t *thresholds, size_t threshold_stride, size_t n_devices,
                                      int32_t *needed)

    const unsigned FUOTA_SELECT_DEPTH

    ctypedef struct fuota_loss_pool:
        uint64_t seed
        const uint32_t *n_patterns
        const uint32_t *weights
        const uint32_t *gains
        size_t n_stages
        uint32_t threshold

    fuota_status fuota_select_rows(const fuota_kernel *kernel, uint32_t n_frags, fuota_dialect dialect,
                                   uint32_t n_candidates, const fuota_loss_pool *pool, const uint32_t *sent,
                                   size_t n_sent, size_t n_rows, uint32_t *rows)

    ctypedef struct fuota_decoder:
        pass

    fuota_decoder *fuota_decoder_create(const fuota_kernel *kernel, uint32_t n_frags, uint32_t frag_size,
                                        fuota_dialect dialect)
    void fuota_decoder_destroy(fuota_decoder *decoder)
    fuota_status fuota_decoder_reset(fuota_decoder *decoder, const fuota_kernel *kernel, uint32_t n_frags,
                                     uint32_t frag_size, fuota_dialect dialect)
    void fuota_decoder_lend_rows(fuota_decoder *decoder, const uint8_t *panels, size_t n_rows)
    void fuota_decoder_lend_block(fuota_decoder *decoder, uint8_t *block)
    size_t fuota_decoder_memory_len(const fuota_decoder *decoder)
    fuota_status fuota_decoder_push(fuota_decoder *decoder, uint32_t frag_nb, const uint8_t *payload)
    fuota_status fuota_decoder_push_many(fuota_decoder *decoder, const uint32_t *frag_nbs,
                                         const uint8_t *payloads, size_t stride, size_t n)
    int fuota_decoder_complete(const fuota_decoder *decoder)
    fuota_status fuota_decoder_rank(fuota_decoder *decoder, uint32_t *rank)
    fuota_status fuota_decoder_solve(fuota_decoder *decoder)
    const uint8_t *fuota_decoder_block(const fuota_decoder *decoder)
