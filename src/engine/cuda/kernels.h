/**
 * The cuda engine's own kernels: what each is given. Their bodies are in kernels_body.h, written once as functions of
 * (arguments, block, thread, phase): nvcc makes __global__ functions of them, a C compiler loops over blocks and threads, and both
 * run the same lines. A phase ends where a block's threads wait for each other; only `shared` outlives it.
 *
 * Activations are [record][time][C], C a multiple of 8, f32 or bf16; a thread handles 8 neighbouring channels of a row (a "lane").
 * Rows [n_rows, n_total) belong to records that only fill a batch up: they are written as zeros and never counted.
 * Sums have a fixed order and no atomics, so the same input gives the same bits. Sums over rows are float over at most 32 rows,
 * then double.
 */
#ifndef SHN_ENGINE_CUDA_KERNELS_H
#define SHN_ENGINE_CUDA_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/crop.h"

enum {
    GPU_THREADS = 256,                  /* per block, always */
    GPU_LANE = 8,                       /* channels of a thread */
    GPU_SUM_ROWS = 32,                  /* rows that a thread adds up as float */
    GPU_SLAB = 64,                      /* lanes of a block of sums at most */
    GPU_SQUARES = 16,                   /* floats that a thread of `squares` adds up */
    GPU_SUMS_MAX = 3,                   /* quantities that one pass adds up */
    GPU_ARGS_MAX = 192                  /* bytes of any kernel's arguments */
};

typedef enum gpu_type { GPU_F32, GPU_BF16 } gpu_type;

/** name, phases, shared bytes of a block */
#define GPU_KERNELS(X)                                                                                                              \
    X(input, 1, 0)                                                                                                                  \
    X(window_sd, 3, GPU_THREADS * 8 * 2)                                                                                            \
    X(window, 1, 0)                                                                                                                 \
    X(finite, 2, GPU_THREADS * 4)                                                                                                   \
    X(pack, 1, 0)                                                                                                                   \
    X(fold, 1, 0)                                                                                                                   \
    X(moments, 2, GPU_THREADS * GPU_LANE * 4 * 2)                                                                                   \
    X(settle, 2, GPU_THREADS * 8 * 2)                                                                                               \
    X(normalise, 1, 0)                                                                                                              \
    X(normalise_pool, 1, 0)                                                                                                         \
    X(mean, 1, 0)                                                                                                                   \
    X(bias, 1, 0)                                                                                                                   \
    X(mask_sums, 2, GPU_THREADS * GPU_LANE * 4 * GPU_SUMS_MAX)                                                                      \
    X(settle_backward, 2, GPU_THREADS * 8 * 2)                                                                                      \
    X(bn_backward, 1, 0)                                                                                                            \
    X(collect, 1, 0)                                                                                                                \
    X(bias_gradient, 2, GPU_THREADS * 8)                                                                                            \
    X(squares, 3, GPU_THREADS * 8)                                                                                                  \
    X(total, 3, GPU_THREADS * 8)                                                                                                    \
    X(adamw, 1, 0)

#define X(name, phases, shared) GPU_KERNEL_##name,
typedef enum gpu_kernel { GPU_KERNELS(X) GPU_KERNEL_COUNT } gpu_kernel;
#undef X

/** How a block of sums covers [n_rows][C]: `lanes` of the channels by `row_lanes` rows at once, GPU_SUM_ROWS times. */
typedef struct gpu_sums {
    uint32_t n_rows, C, lanes, row_lanes, n_slabs, n_blocks;    /* n_blocks: of rows; the grid has n_blocks * n_slabs */
} gpu_sums;

/** y -> (y - mean) scale + beta; mean NULL: y + beta. [C] each. */
typedef struct gpu_affine { const float *mean, *scale, *beta; } gpu_affine;

/** Caller's records, [rows][L] f32, to [rows][8 lanes], channels above L zero. One thread a lane. */
typedef struct gpu_input_args { const float *x; void *out; uint32_t n_rows, n_total, L, lanes; int type; } gpu_input_args;
/** Rows of packed samples [leads][n_samples] and what is cut from them. */
typedef struct gpu_source { const int16_t *rows; const shn_crop *crops; uint32_t n_samples, window; int gap; } gpu_source;
/** scale[record]: what noise is multiplied with, from the sd of the record's window. One block a record. */
typedef struct gpu_window_sd_args { gpu_source from; float *scale; } gpu_window_sd_args;
/** Windows to [rows][8 lanes], channels above the leads zero. One thread a lane. */
typedef struct gpu_window_args { gpu_source from; const float *scale; void *out; uint32_t n_rows, n_total, lanes; int type; } gpu_window_args;
/** bad[record] = 1 where a value is NaN or infinite. One block a record of n floats. */
typedef struct gpu_finite_args { const float *x; uint32_t *bad; uint32_t n; } gpu_finite_args;
/** Weights [out][in][kernel] f32, times scale[out] where given, to [out][kernel][in_padded]. One thread an element of the result, n of them. */
typedef struct gpu_pack_args { const float *w, *scale; void *out; uint32_t n, in, in_padded, kernel; int type; } gpu_pack_args;
/** Running statistics to scale[C] of the weights and bias[C]. */
typedef struct gpu_fold_args { const float *gamma, *beta, *mean, *var; float *scale, *bias; uint32_t C; } gpu_fold_args;
/** Sums of y and y^2 by channel and block: partial [n_blocks][2][C]. */
typedef struct gpu_moments_args { const void *y; double *partial; gpu_sums s; int type; } gpu_moments_args;
/** Partial moments to mean, scale = gamma / sd and 1 / sd; running statistics move where running_mean is given. One block 8 channels. */
typedef struct gpu_settle_args {
    const double *partial;
    const float  *gamma;
    float        *mean, *scale, *running_mean, *running_var;
    double       *rstd;
    double        n;                    /* rows */
    uint32_t      n_blocks, C;
} gpu_settle_args;
/** out = [relu](bn(y) + residual), the residual being a tensor, or bn2(y2), or nothing. out may be y. */
typedef struct gpu_normalise_args {
    const void *y, *residual, *y2;
    gpu_affine  bn, bn2;
    void       *out;
    uint32_t    n_rows, n_total, lanes;
    int         relu, type;
} gpu_normalise_args;
/** out = max-pool (k3 s2 p1) of relu(bn(y)); from: the winner's place in its window, first of equals; NULL: not wanted. A NaN wins. */
typedef struct gpu_normalise_pool_args {
    const void *y;
    gpu_affine  bn;
    void       *out;
    uint8_t    *from;
    uint32_t    n_rows, n_total, in_length, out_length, lanes;  /* rows of the result */
    int         type;
} gpu_normalise_pool_args;
/** pooled[record][C] f32 = mean over time. One thread a lane of a record. */
typedef struct gpu_mean_args { const void *x; float *pooled; uint32_t n_records, length, lanes; int type; } gpu_mean_args;
/** z[record][E] += bias; NaN where bad (may be NULL). One thread an element. */
typedef struct gpu_bias_args { float *z; const float *bias; const uint32_t *bad; uint32_t n, E; } gpu_bias_args;
/**
 * g = where(out > 0, d + other, 0); d NULL: spread [record][C] / length. Sums of g, g (y - mean) and, where y2 is given, g (y2 - mean2):
 * partial [n_blocks][2 or 3][C]. from: y is the pooled convolution's, read at each winner. g may be d.
 */
typedef struct gpu_mask_sums_args {
    const void    *d, *other, *out, *y, *y2;
    const float   *spread, *mean, *mean2;
    const uint8_t *from;
    void          *g;
    double        *partial;
    gpu_sums       s;
    uint32_t       length, conv_length;
    int            type;
} gpu_mask_sums_args;
/** Partial sums to k [3][C] of bn_backward; gamma's and beta's gradients are added to. Quantity 0 is the sum of g, `dot` its product's. One block 8 channels. */
typedef struct gpu_settle_backward_args {
    const double *partial, *rstd;
    const float  *gamma;
    float        *k, *d_gamma, *d_beta;
    double        n;
    uint32_t      n_blocks, n_sums, dot, C;
} gpu_settle_backward_args;
/** d_y = k0 g - k2 - (y - mean) k1; from: g is the pool's result's gradient, gathered from the windows that chose the row. */
typedef struct gpu_bn_backward_args {
    const void    *g, *y;
    const float   *mean, *k;
    const uint8_t *from;
    void          *d_y;
    uint32_t       n_rows, n_total, conv_length, out_length, lanes;     /* rows of the convolution's result */
    int            type;
} gpu_bn_backward_args;
/** gradient [out][in][kernel] += dw [out][kernel][in_padded]. One thread an element, n of them. */
typedef struct gpu_collect_args { const void *dw; float *gradient; uint32_t n, in, in_padded, kernel; int type; } gpu_collect_args;
/** d_bias[E] += sum over records of d_z. One block 8 columns. */
typedef struct gpu_bias_gradient_args { const float *d_z; float *d_bias; uint32_t n_records, E; } gpu_bias_gradient_args;
/** partial[block] = sum of squares of GPU_THREADS * GPU_SQUARES floats. */
typedef struct gpu_squares_args { const float *x; double *partial; uint32_t n; } gpu_squares_args;
/** *sum = sum of n partial sums. One block. */
typedef struct gpu_total_args { const double *partial; double *sum; uint32_t n; } gpu_total_args;

/** What changes with every step; it lies in device memory, so that a launch can be recorded once. */
typedef struct gpu_hyper { float b1, n1, b2, n2, keep, rate, root, eps, grad_scale; } gpu_hyper;
/** The operations of shn_adamw_update in its order. decay: one flag per 16 floats. One thread a parameter. */
typedef struct gpu_adamw_args { float *p, *m, *v; const float *g; const uint8_t *decay; const gpu_hyper *hyper; uint32_t n; } gpu_adamw_args;

#endif
