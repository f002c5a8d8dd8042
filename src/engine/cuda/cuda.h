/**
 * The cuda engine's own objects. The whole batch goes through a unit at once, the table's units one after the other, on one stream.
 * Parameters, gradient and moments lie on the device in the table's own layout, so that they go in and out as they are and one AdamW
 * launch covers them; working copies for the convolutions are packed in every pass (4 M values, 20 us of a step's milliseconds).
 *
 * Kept for the backward pass: each convolution's result and each output, except a shortcut's, whose BN is applied where it is added.
 * A pass is recorded as a graph when it first runs with a number of records, and replayed afterwards.
 */
#ifndef SHN_ENGINE_CUDA_CUDA_H
#define SHN_ENGINE_CUDA_CUDA_H

#include "engine/cuda/device.h"
#include "engine/engine_ops.h"

enum { CUDA_BUFFERS = 8, CUDA_GRAPHS = 12, CUDA_EMBED_CALL = 64 };

typedef struct cuda_unit {
    shn_unit  u;
    int       shortcut;                 /* unit whose convolution result, normalised, is the residual; -1 none */
    int       lazy;                     /* 1: is such a shortcut */
    size_t    in;                       /* channels of its input as stored: the table's, rounded up to a multiple of 8 */
    size_t    in_length, conv_length, out_length;
    size_t    n_weight;                 /* out * kernel * in */
    gpu_conv *forward, *data, *weights, *infer;
    void     *w, *w_infer;              /* packed [out][kernel][in] */
    float    *scale_infer, *bias_infer; /* [C] folded */
    void     *y, *out;                  /* [batch_max][conv_length][C], [batch_max][out_length][C]; out NULL if lazy */
    uint8_t  *from;                     /* [batch_max][out_length][C] winners, NULL without pool */
    float    *mean, *scale, *k;         /* [C], [C], [3][C] of the last pass */
    double   *rstd;                     /* [C] */
    int       g, other, d_input;        /* gradient buffers: the output's, what is added to it, its input's; -1 none */
    int       e_src, e_dst, e_pool, e_add;  /* embedding buffers: input (-1: the records), result, pooled result, residual; -1 none */
} cuda_unit;

typedef enum cuda_kind { CUDA_FORWARD, CUDA_FORWARD_STATE, CUDA_BACKWARD, CUDA_EMBED } cuda_kind;
typedef struct cuda_recorded { cuda_kind kind; size_t B; gpu_graph *graph; uint64_t used; } cuda_recorded;

typedef struct cuda_engine {
    gpu_device  *device;
    shn_encoder  enc;
    size_t       n_samples, batch_max, embed_call, L;   /* L: channels of the records as stored */
    int          training, tf32, fast;
    gpu_type     type;
    size_t       element;
    size_t       n_units;
    cuda_unit    units[SHN_UNITS_MAX];
    unsigned     n_gradients, n_embeds;                 /* buffers in use */
    char        *arena;                                 /* device; all below lie in it */
    size_t       arena_bytes;
    float       *params, *gradient, *m, *v, *state;     /* as in the encoder's table */
    uint8_t     *decay;                                 /* [n_params / 16] */
    gpu_hyper   *hyper;
    float       *x;                                     /* [batch_max][T][leads] as the caller has them */
    void        *input, *input_embed;                   /* [batch_max or embed_call][T][L] */
    int16_t     *rows;                                  /* [n_rows][leads][row_samples], a block of its own; NULL: none were given */
    size_t       n_rows, row_samples;
    int          gap;
    shn_crop    *crops;                                 /* [batch_max], training */
    float       *noise;                                 /* [batch_max] */
    uint32_t    *bad;                                   /* [embed_call] */
    float       *pooled, *d_pooled, *z, *d_z;           /* [batch_max][C], [batch_max][E] */
    float       *pooled_embed;                          /* [embed_call][C]: backward needs the other one */
    void        *gradients[CUDA_BUFFERS], *embeds[CUDA_BUFFERS], *d_y;
    void        *d_w;
    double      *partial, *sum;
    void        *workspace;
    size_t       workspace_bytes;
    char        *pinned;                                /* host, page-locked: every transfer passes it */
    size_t       pinned_bytes;
    int          fresh;                                 /* the gradient block counts as zero, whatever it holds */
    int          folded;                                /* copies for embedding are up to date */
    cuda_recorded graphs[CUDA_GRAPHS];
    uint64_t     clock;
    shn_error    broken;                                /* of a call that could not report it; status OK: none */
} cuda_engine;

/** As shn_engine_new_cuda on a device that is given; the engine owns it from here on, also on failure. */
SHN_NODISCARD shn_status cuda_engine_new(gpu_device *device, const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                                         const shn_engine_options *options, shn_engine_made *out, shn_error *err);

/** Chooses lengths and buffers; SHN_RANGE where a batch has more values than kernels can number. */
SHN_NODISCARD shn_status cuda_plan(cuda_engine *e, shn_error *err);
/** Plans of all convolutions; after it workspace_bytes is known. */
SHN_NODISCARD shn_status cuda_place_convs(cuda_engine *e, shn_error *err);
/** Takes the arena and the pinned block. SHN_NOMEM. */
SHN_NODISCARD shn_status cuda_place(cuda_engine *e, shn_error *err);
/** How sums over rows are shared among blocks. */
gpu_sums cuda_sums(size_t n_rows, size_t C);

/** Host memory to the device by way of the pinned block, copied and sent in slices that overlap; returns with copies under way: sync, or fetch, before the
    block is used again. */
SHN_NODISCARD shn_status cuda_to_device(cuda_engine *e, void *to, const void *from, size_t bytes, shn_error *err);
SHN_NODISCARD shn_status cuda_from_device(const cuda_engine *e, void *to, const void *from, size_t bytes, shn_error *err);
/** Runs `pass` for B records: recorded when it is new, replayed otherwise. */
typedef shn_status cuda_pass(cuda_engine *e, size_t B, int flag, shn_error *err);
SHN_NODISCARD shn_status cuda_run(cuda_engine *e, cuda_kind kind, size_t B, cuda_pass *pass, int flag, shn_error *err);

/** Launches a kernel with its arguments: cuda_launch(e, pack, blocks, &args, err). */
#define cuda_launch(e, name, n_blocks, args, err) ((e)->device->ops->launch((e)->device, GPU_KERNEL_##name, (uint32_t)(n_blocks), args, err))
static inline size_t cuda_blocks(size_t n_threads) { return (n_threads + GPU_THREADS - 1) / GPU_THREADS; }

/** A unit's weights to a working copy; scale NULL: as they are. */
SHN_NODISCARD shn_status cuda_pack(cuda_engine *e, const cuda_unit *w, const float *scale, void *to, shn_error *err);
/** Rows of records from e->x to an input buffer of n_total records. */
SHN_NODISCARD shn_status cuda_input(cuda_engine *e, size_t B, size_t n_total, void *to, shn_error *err);
/** e->z [B][E] of the last output of B records, by way of pooled [B][C]; bad: NULL or flags of records. */
SHN_NODISCARD shn_status cuda_head(cuda_engine *e, const void *last, size_t B, float *pooled, const uint32_t *bad, shn_error *err);

shn_status cuda_forward(void *self, const float *x, size_t B, int update_state, float *z, shn_error *err);
shn_status cuda_rows(void *self, size_t n_rows, size_t n_samples, int16_t gap, const int16_t *(*row)(const void *context, size_t i), const void *context,
                     int *taken, shn_error *err);
shn_status cuda_forward_crops(void *self, const shn_crop *crops, size_t B, int update_state, float *z, shn_error *err);
/** The rest of a training pass once the input is there. */
SHN_NODISCARD shn_status cuda_forward_input(cuda_engine *e, size_t B, int update_state, float *z, shn_error *err);
shn_status cuda_backward(void *self, const float *x, const float *d_z, size_t B, int last, shn_error *err);
shn_status cuda_embed(void *self, const float *x, size_t B, float *z, shn_error *err);

#endif
