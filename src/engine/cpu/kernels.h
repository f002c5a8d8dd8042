/**
 * The passes between convolutions: statistics, normalise + ReLU + sum, pool, their backward forms, and the optimizer.
 * Written once with vector types and compiled for each instruction set and for f32 and bf16 activations; a CPU's table
 * is chosen at run time. Sums are double; masked ones are float within 16 rows. Rows are positions, C channels, row-major [n][C]; C a multiple of 8 (of 16
 * for the AVX-512 tables). Products and sums are not contracted, so every table gives the same values in f32 up to the
 * order of sums over rows, which is the same too.
 */
#ifndef SHN_ENGINE_CPU_KERNELS_H
#define SHN_ENGINE_CPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "compute/conv.h"
#include "shinden/engine.h"

/** BN of one unit for the current batch: y -> (y - mean) scale + beta. [C] each. */
typedef struct shn_affine { const float *mean, *scale, *beta; } shn_affine;

/** Where the gradient of a unit's output comes from and what its BN needs; see mask_sums. */
typedef struct shn_mask_args {
    const void  *d, *other;         /* [n][C] gradient, and one more to be added or NULL */
    const void  *out;               /* [n][C] the unit's output after ReLU: gradient passes where it is above 0; NULL: where bn(y) is */
    shn_affine   bn;
    const void  *y, *y2;            /* [n][C] convolution results of the unit and of its shortcut (NULL: none) */
    const float *mean, *mean2;      /* [C] */
    void        *g;                 /* [n][C] out; may be d or other */
    double      *sum, *dot, *dot2;  /* [C] added to: sum of g, of g (y - mean), of g (y2 - mean2) */
} shn_mask_args;

typedef struct shn_kernels {
    /** sum += y, square += y y, per channel */
    void (*moments)(const void *y, size_t n, size_t C, double *sum, double *square);
    /** out = relu(bn(y) + residual); residual NULL: none; shortcut non-NULL: the residual is normalised by it first */
    void (*normalise)(const void *y, size_t n, size_t C, const shn_affine *bn, const void *residual, const shn_affine *shortcut, void *out);
    /** one record: out[n_out][C] = max-pool k3 s2 p1 of relu(bn(y [n][C])); from: the winner's place 0..2 in its window */
    void (*normalise_pool)(const void *y, size_t n, size_t n_out, size_t C, const shn_affine *bn, void *out, uint8_t *from);
    void (*mask_sums)(const shn_mask_args *a, size_t n, size_t C);
    /** the same for one record of a pooled unit: y [n][C] is read where `from` points; out, d, other, g are [n_out][C] */
    void (*mask_sums_pool)(const shn_mask_args *a, const uint8_t *from, size_t n, size_t n_out, size_t C);
    /** d_y = k1 g - k2 (y - mean) - k3 */
    void (*bn_backward)(const void *g, const void *y, size_t n, size_t C, const float *mean, const float *k1, const float *k2,
                        const float *k3, void *d_y);
    /** one record of a pooled unit: g [n_out][C] is spread to its winners first; d_y [n][C] */
    void (*bn_backward_pool)(const void *g, const uint8_t *from, const void *y, size_t n, size_t n_out, size_t C, const float *mean,
                             const float *k1, const float *k2, const float *k3, void *d_y);
    /** one record, plain max-pool (input is already after ReLU) */
    void (*pool)(const void *x, size_t n, size_t n_out, size_t C, void *out);
    /** mean[c] over n rows, and its transpose: every row of out = value */
    void (*row_mean)(const void *x, size_t n, size_t C, float *mean);
    void (*spread)(const float *value, size_t n, size_t C, void *out);
    /** f32 -> activation type, any n */
    void (*convert)(const float *x, size_t n, void *out);
    /** out (+)= parts[0] + parts[1] + ...; n a multiple of 16 */
    void (*reduce)(float *out, const float *const *parts, size_t n_parts, size_t n, int add);
    /** y += a x;  dot product; n a multiple of 8 */
    void  (*axpy)(float *y, const float *x, float a, size_t n);
    float (*dot)(const float *a, const float *b, size_t n);
    double (*square)(const float *x, size_t n);     /**< n a multiple of 16 */
    /** exactly shn_adamw_update, n a multiple of 16 */
    void (*adamw)(float *p, const float *g, float *m, float *v, size_t n, const shn_adamw *hyper, int decay, uint64_t step, float grad_scale);
} shn_kernels;

/** The table for this instruction set, activation type and channel count; static. */
const shn_kernels *shn_kernels_choose(shn_isa isa, shn_dtype type, size_t C);

extern const shn_kernels shn_kernels_base_f32, shn_kernels_base_bf16, shn_kernels_avx2_f32, shn_kernels_avx2_bf16,
    shn_kernels_avx512_f32, shn_kernels_avx512_bf16;

#endif
