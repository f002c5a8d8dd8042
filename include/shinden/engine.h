/**
 * An engine executes the encoder's table: embedding with running statistics, the training pass with batch statistics, its
 * gradients, and the optimizer step. `ref` is plain C and is the oracle; `cpu` is Winograd and oneDNN; `cuda` is a GPU (builds with
 * SHINDEN_CUDA). Nothing above this header knows which one runs. An engine knows no files, no losses and no ECG.
 */
#ifndef SHINDEN_ENGINE_H
#define SHINDEN_ENGINE_H

#include "shinden/crop.h"
#include "shinden/encoder.h"
#include "shinden/group.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_engine shn_engine;

typedef enum shn_precision {
    SHN_PRECISION_AUTO,         /**< cpu: bf16 where it has AMX, else f32; cuda: bf16 */
    SHN_PRECISION_F32,
    SHN_PRECISION_BF16,         /**< bf16 activations and conv weights, f32 masters, statistics, gradients of weights */
    SHN_PRECISION_TF32          /**< f32 whose convolutions round their operands to 10 bits of mantissa; cuda only */
} shn_precision;

typedef struct shn_engine_options {
    const char   *name;         /**< "cpu" (default), "ref", "cuda" or "cuda-fast": cuda with algorithms whose bits differ from run to run */
    shn_precision precision;    /**< auto */
    unsigned      n_threads;    /**< 0: one per usable core */
    unsigned      winograd;     /**< outputs of a Winograd tile at most: 6 (default), 4, 2 (as exact as direct convolution), 0 (direct); f32 */
    const char   *isa;          /**< NULL: all the CPU has; "base", "avx2", "avx512", "amx": at most that (also env SHINDEN_ISA) */
    shn_group    *group;        /**< ranks that share each batch; NULL: alone. Borrowed. Not for "ref" and "cuda" */
    int           sync_statistics;  /**< of a group: 1 (default) batch normalisation over the records of all ranks; 0: over each rank's own,
                                     running statistics are the ranks' mean */
} shn_engine_options;
void shn_engine_defaults(shn_engine_options *options);

/**
 * @param n_samples  length of every input; see shn_engine_good_length
 * @param batch_max  largest batch of any later call
 * @param training   0: only shn_engine_embed is allowed and no activations are kept; 1: all calls
 * Errors  SHN_UNSUPPORTED  precision that this CPU or engine cannot run, unknown name, no GPU;  SHN_RANGE;  SHN_NOMEM;  SHN_DEVICE
 */
SHN_NODISCARD shn_status shn_engine_new(const shn_encoder *enc, size_t n_samples, size_t batch_max, int training,
                                        const shn_engine_options *options, shn_engine **out, shn_error *err);
void        shn_engine_free(shn_engine *eng);                   /**< accepts NULL */
/**
 * The error of an earlier call that had no way to report it: on a GPU copies of weights, moments and gradients can fail; what they gave is NaN then.
 * Ask before what was fetched is kept. SHN_OK for engines on the CPU.
 */
SHN_NODISCARD shn_status shn_engine_check(const shn_engine *eng, shn_error *err);
const char *shn_engine_describe(const shn_engine *eng);         /**< "cpu f32 avx512 2 threads oneDNN 2.6.3"; borrowed */
const char *shn_engine_kernels(const shn_engine *eng);          /**< "cpu f32 avx512 winograd 6 oneDNN 2.6.3": what is computed with, however many do it; borrowed */
unsigned    shn_engine_n_threads(const shn_engine *eng);
size_t      shn_engine_batch_max(const shn_engine *eng);
#define SHN_EXPLAIN_MAX 160
/** Which kernels run a unit of the encoder's table: "F(6,3), blocks of 13 x 32", or oneDNN's names, "forward; data gradient; weight gradient" when training. */
void shn_engine_explain(const shn_engine *eng, size_t unit, char text[SHN_EXPLAIN_MAX]);
/** 1 if this length runs at full speed on the engine, 0 if it is a known slow one (compute: the length cliff); *better
    (may be NULL) is then the nearest good length not above it. */
int shn_engine_good_length(const shn_encoder *enc, size_t n_samples, size_t *better);

/** Copies weights in (params [n_params], state [n_state], as in the encoder's table) or out. */
void shn_engine_set(shn_engine *eng, const float *params, const float *state);
void shn_engine_get(const shn_engine *eng, float *params, float *state);
/** Optimizer moments, [n_params] each, for checkpoints; training engines only. */
void shn_engine_set_moments(shn_engine *eng, const float *m, const float *v);
void shn_engine_get_moments(const shn_engine *eng, float *m, float *v);

/** z [B][E] of x [B][T][L] with running statistics; same bits for a record whatever else is in the batch. B <= batch_max. */
SHN_NODISCARD shn_status shn_engine_embed(shn_engine *eng, const float *x, size_t B, float *z, shn_error *err);
/** Training pass with the batch's own statistics, keeping what backward needs. update_state 1: running statistics move. */
SHN_NODISCARD shn_status shn_engine_forward(shn_engine *eng, const float *x, size_t B, int update_state, float *z, shn_error *err);
/**
 * Gives an engine that can hold them the rows from which training windows are cut: n_rows of [n_leads][n_samples], row(context, i) borrowed during the call.
 * Then shn_engine_forward_crops makes its own input. *taken 0: it cannot (engines on the CPU, other than 12 leads), or its memory does not suffice.
 */
SHN_NODISCARD shn_status shn_engine_rows(shn_engine *eng, size_t n_rows, size_t n_samples, int16_t gap, const int16_t *(*row)(const void *context, size_t i),
                                         const void *context, int *taken, shn_error *err);
/** shn_engine_forward of the windows that are described; the backward pass then takes x NULL. Only after rows were taken. */
SHN_NODISCARD shn_status shn_engine_forward_crops(shn_engine *eng, const shn_crop *crops, size_t B, int update_state, float *z, shn_error *err);
/**
 * Gradients of the last forward's batch for d_z [B][E], ADDED to the gradient block. x is the same pointer and content.
 * With a group, forward and backward are collective (embed is not), and after the last backward of a step the block must be summed:
 * shn_engine_backward_last does both, a unit's sum under way while the units before it are worked on. Alone it is shn_engine_backward.
 */
SHN_NODISCARD shn_status shn_engine_backward(shn_engine *eng, const float *x, const float *d_z, size_t B, shn_error *err);
SHN_NODISCARD shn_status shn_engine_backward_last(shn_engine *eng, const float *x, const float *d_z, size_t B, shn_error *err);
void shn_engine_zero_gradient(shn_engine *eng);
/** Copies the gradient block out, [n_params]. */
void shn_engine_get_gradient(const shn_engine *eng, float *gradient);
/** Sum of squares of the gradient block, in double, fixed order. */
double shn_engine_gradient_square(const shn_engine *eng);

typedef struct shn_adamw { float lr, beta1, beta2, eps, weight_decay; } shn_adamw;
/** One AdamW step over all parameters (decay only where the table says so) with gradient * grad_scale; step counts from 1. */
SHN_NODISCARD shn_status shn_engine_step(shn_engine *eng, const shn_adamw *hyper, uint64_t step, float grad_scale, shn_error *err);

/**
 * The same update on plain arrays, for heads and as reference: decoupled weight decay,
 *   m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr wd p; p -= lr (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) + eps)
 * Source  Loshchilov and Hutter 2019, arXiv:1711.05101; order as in PyTorch's AdamW.
 */
void shn_adamw_update(float *p, const float *g, float *m, float *v, size_t n, const shn_adamw *hyper, int decay,
                      uint64_t step, float grad_scale);

#ifdef __cplusplus
}
#endif
#endif
