/**
 * The encoder's table: a one-dimensional ResNet described as data. Engines execute the table; the model file stores its
 * parameters under PyTorch's customary names, so other programs recognise them.
 *
 *   x [B][T][L] -> stem conv k7 s2 p3, BN, ReLU -> max-pool k3 s2 p1 (optional) -> stages of basic blocks
 *   (conv k3 - BN - ReLU - conv k3 - BN, + shortcut, ReLU; the first conv of stages 2.. has stride 2 and a conv k1 s2 + BN
 *   shortcut) -> mean over time -> linear with bias -> z [B][E]
 *
 * Source  He et al. 2016 (ResNet-18) in one dimension; MERL's resnet18 is the same without max-pool.
 */
#ifndef SHINDEN_ENCODER_H
#define SHINDEN_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_STAGES     4
#define SHN_UNITS_MAX  256
#define SHN_BN_EPS     1e-5f        /**< added to the variance, as PyTorch's default */
#define SHN_BN_MOMENTUM 0.1f        /**< running = 0.9 running + 0.1 batch (batch variance unbiased), as PyTorch's default */

typedef struct shn_encoder_config {
    uint32_t n_leads;               /**< 12 */
    uint32_t width;                 /**< 64: channels of the stem and first stage; each later stage doubles them; multiple of 8 */
    uint32_t blocks[SHN_STAGES];    /**< {2,2,2,2}; a 0 ends the list of stages */
    uint32_t max_pool;              /**< 1 */
    uint32_t embed;                 /**< 256: E */
} shn_encoder_config;
void shn_encoder_defaults(shn_encoder_config *config);

/** A named tensor inside the parameter block (or, for running statistics, inside the state block). Row-major. */
typedef struct shn_tensor {
    char     name[48];              /**< "layer2.0.conv1.weight" */
    uint32_t rank, shape[3];        /**< conv [out][in][k]; linear [out][in]; BN and bias [out] */
    size_t   offset, size;          /**< in floats; offsets are multiples of 16 */
    int      decay;                 /**< 1: weight decay applies (conv and linear weights) */
} shn_tensor;

/** One conv + BN (+ residual) (+ ReLU). Tensor 0 is the input, tensor i + 1 the output of unit i (after pooling, if any). */
typedef struct shn_unit {
    uint32_t in_channels, out_channels, kernel, stride, pad;
    int      input;                 /**< tensor number that is convolved */
    int      residual;              /**< tensor number added before ReLU; -1 none */
    int      relu;                  /**< 1: ReLU at the end */
    int      max_pool;              /**< 1: max-pool k3 s2 p1 follows */
    size_t   weight, gamma, beta;   /**< offsets in the parameter block */
    size_t   mean, var;             /**< offsets in the state block (running statistics) */
} shn_unit;

typedef struct shn_encoder {
    shn_encoder_config config;
    size_t      n_units, n_tensors, n_state_tensors;
    shn_unit    units[SHN_UNITS_MAX];               /**< in an order in which every input is ready */
    shn_tensor  tensors[3 * SHN_UNITS_MAX + 2];     /**< parameters */
    shn_tensor  state_tensors[2 * SHN_UNITS_MAX];   /**< running_mean, running_var */
    size_t      n_params, n_state;                  /**< floats in each block, padding included */
    size_t      fc_weight, fc_bias;                 /**< offsets: [E][C], [E] */
    uint32_t    channels;                           /**< C after the last stage */
    int         last;                               /**< tensor number that is averaged */
} shn_encoder;

/** Errors  SHN_RANGE (bad_value) a width, lead count, depth or E outside 1..4096 / not a multiple of 8 / too many units. */
SHN_NODISCARD shn_status shn_encoder_build(const shn_encoder_config *config, shn_encoder *out, shn_error *err);
/** Kaiming-normal (fan-out) convolutions, gamma 1, beta 0, linear weight and bias uniform +-1/sqrt(C); state: mean 0, var 1. */
void shn_encoder_init(const shn_encoder *enc, uint64_t seed, float *params, float *state);
/** Length of tensor `number` (0: the input) for an input of n_samples. */
size_t shn_encoder_length(const shn_encoder *enc, int number, size_t n_samples);
/** Channels of tensor `number`. */
uint32_t shn_encoder_channels(const shn_encoder *enc, int number);
/** Multiplications and additions (2 per multiply-add) of one forward pass. */
double shn_encoder_flops(const shn_encoder *enc, size_t n_samples);

#ifdef __cplusplus
}
#endif
#endif
