/**
 * The encoder's operators in plain C and double precision: the oracle that faster engines are compared with.
 * Activations are [B][T][C] (channels last), convolution weights [out][in][kernel]. Gradients named d_ are ADDED to.
 */
#ifndef SHN_ENGINE_REF_OPS_H
#define SHN_ENGINE_REF_OPS_H

#include <stddef.h>
#include <stdint.h>

typedef struct shn_ref_conv { size_t B, in, in_length, out, out_length, kernel, stride, pad; } shn_ref_conv;

/** y[b][t][o] = sum over i, k of w[o][i][k] x[b][t stride - pad + k][i], terms outside the input being 0. */
void shn_ref_conv_forward(const shn_ref_conv *s, const double *x, const double *w, double *y);
void shn_ref_conv_backward_data(const shn_ref_conv *s, const double *d_y, const double *w, double *d_x);
void shn_ref_conv_backward_weights(const shn_ref_conv *s, const double *x, const double *d_y, double *d_w);

/** Mean and biased variance of each of C columns over n rows. */
void shn_ref_bn_statistics(const double *x, size_t n, size_t C, double *mean, double *var);
/** y = gamma (x - mean) / sqrt(var + eps) + beta */
void shn_ref_bn_forward(const double *x, size_t n, size_t C, const double *mean, const double *var, const double *gamma,
                        const double *beta, double eps, double *y);
/** Gradients where mean and var are the batch's own: Ioffe and Szegedy 2015, section 3. d_x is overwritten. */
void shn_ref_bn_backward(const double *x, const double *d_y, size_t n, size_t C, const double *mean, const double *var,
                         const double *gamma, double eps, double *d_x, double *d_gamma, double *d_beta);

/** Max over windows of 3, step 2, one sample of padding; from[] is the winner's place in its window (the first of equals). */
void shn_ref_pool_forward(const double *x, size_t B, size_t in_length, size_t out_length, size_t C, double *y, uint8_t *from);
void shn_ref_pool_backward(const double *d_y, const uint8_t *from, size_t B, size_t in_length, size_t out_length, size_t C, double *d_x);

/** y[b][c] = mean over t of x[b][t][c] */
void shn_ref_mean_forward(const double *x, size_t B, size_t T, size_t C, double *y);
void shn_ref_mean_backward(const double *d_y, size_t B, size_t T, size_t C, double *d_x);

/** z[b][e] = bias[e] + sum over c of w[e][c] x[b][c] */
void shn_ref_linear_forward(const double *x, const double *w, const double *bias, size_t B, size_t C, size_t E, double *z);
void shn_ref_linear_backward(const double *x, const double *w, const double *d_z, size_t B, size_t C, size_t E, double *d_x,
                             double *d_w, double *d_bias);

#endif
