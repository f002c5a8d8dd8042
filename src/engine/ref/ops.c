#include "engine/ref/ops.h"

#include <math.h>
#include <string.h>

void shn_ref_conv_forward(const shn_ref_conv *s, const double *x, const double *w, double *y)
{
    for (size_t b = 0; b < s->B; b++)
        for (size_t t = 0; t < s->out_length; t++)
            for (size_t o = 0; o < s->out; o++) {
                double sum = 0;
                for (size_t k = 0; k < s->kernel; k++) {
                    const size_t at = t * s->stride + k;                /* in the padded input */
                    if (at < s->pad || at - s->pad >= s->in_length) continue;
                    const double *row = x + (b * s->in_length + at - s->pad) * s->in;
                    for (size_t i = 0; i < s->in; i++) sum += w[(o * s->in + i) * s->kernel + k] * row[i];
                }
                y[(b * s->out_length + t) * s->out + o] = sum;
            }
}

void shn_ref_conv_backward_data(const shn_ref_conv *s, const double *d_y, const double *w, double *d_x)
{
    for (size_t b = 0; b < s->B; b++)
        for (size_t t = 0; t < s->out_length; t++)
            for (size_t k = 0; k < s->kernel; k++) {
                const size_t at = t * s->stride + k;
                if (at < s->pad || at - s->pad >= s->in_length) continue;
                double       *row = d_x + (b * s->in_length + at - s->pad) * s->in;
                const double *g = d_y + (b * s->out_length + t) * s->out;
                for (size_t o = 0; o < s->out; o++)
                    for (size_t i = 0; i < s->in; i++) row[i] += w[(o * s->in + i) * s->kernel + k] * g[o];
            }
}

void shn_ref_conv_backward_weights(const shn_ref_conv *s, const double *x, const double *d_y, double *d_w)
{
    for (size_t b = 0; b < s->B; b++)
        for (size_t t = 0; t < s->out_length; t++)
            for (size_t k = 0; k < s->kernel; k++) {
                const size_t at = t * s->stride + k;
                if (at < s->pad || at - s->pad >= s->in_length) continue;
                const double *row = x + (b * s->in_length + at - s->pad) * s->in;
                const double *g = d_y + (b * s->out_length + t) * s->out;
                for (size_t o = 0; o < s->out; o++)
                    for (size_t i = 0; i < s->in; i++) d_w[(o * s->in + i) * s->kernel + k] += row[i] * g[o];
            }
}

void shn_ref_bn_statistics(const double *x, size_t n, size_t C, double *mean, double *var)
{
    memset(mean, 0, C * sizeof *mean);
    memset(var, 0, C * sizeof *var);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < C; c++) mean[c] += x[r * C + c];
    for (size_t c = 0; c < C; c++) mean[c] /= (double)n;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < C; c++) var[c] += (x[r * C + c] - mean[c]) * (x[r * C + c] - mean[c]);
    for (size_t c = 0; c < C; c++) var[c] /= (double)n;
}

void shn_ref_bn_forward(const double *x, size_t n, size_t C, const double *mean, const double *var, const double *gamma,
                        const double *beta, double eps, double *y)
{
    for (size_t c = 0; c < C; c++) {
        const double scale = gamma[c] / sqrt(var[c] + eps);
        for (size_t r = 0; r < n; r++) y[r * C + c] = (x[r * C + c] - mean[c]) * scale + beta[c];
    }
}

void shn_ref_bn_backward(const double *x, const double *d_y, size_t n, size_t C, const double *mean, const double *var,
                         const double *gamma, double eps, double *d_x, double *d_gamma, double *d_beta)
{
    for (size_t c = 0; c < C; c++) {
        const double rstd = 1 / sqrt(var[c] + eps);
        double       sum = 0, sum_hat = 0;
        for (size_t r = 0; r < n; r++) {
            sum += d_y[r * C + c];
            sum_hat += d_y[r * C + c] * (x[r * C + c] - mean[c]) * rstd;
        }
        for (size_t r = 0; r < n; r++) {
            const double hat = (x[r * C + c] - mean[c]) * rstd;
            d_x[r * C + c] = gamma[c] * rstd * (d_y[r * C + c] - sum / (double)n - hat * sum_hat / (double)n);
        }
        d_gamma[c] += sum_hat;
        d_beta[c] += sum;
    }
}

void shn_ref_pool_forward(const double *x, size_t B, size_t in_length, size_t out_length, size_t C, double *y, uint8_t *from)
{
    for (size_t b = 0; b < B; b++)
        for (size_t t = 0; t < out_length; t++)
            for (size_t c = 0; c < C; c++) {
                const size_t out = (b * out_length + t) * C + c;
                y[out] = -INFINITY;
                for (size_t k = 0; k < 3; k++) {
                    if (2 * t + k < 1 || 2 * t + k - 1 >= in_length) continue;
                    const double value = x[(b * in_length + 2 * t + k - 1) * C + c];
                    if (!(value > y[out])) continue;
                    y[out] = value;
                    from[out] = (uint8_t)k;
                }
            }
}

void shn_ref_pool_backward(const double *d_y, const uint8_t *from, size_t B, size_t in_length, size_t out_length, size_t C, double *d_x)
{
    for (size_t b = 0; b < B; b++)
        for (size_t t = 0; t < out_length; t++)
            for (size_t c = 0; c < C; c++) {
                const size_t out = (b * out_length + t) * C + c;
                d_x[(b * in_length + 2 * t + from[out] - 1) * C + c] += d_y[out];
            }
}

void shn_ref_mean_forward(const double *x, size_t B, size_t T, size_t C, double *y)
{
    for (size_t b = 0; b < B; b++)
        for (size_t c = 0; c < C; c++) {
            double sum = 0;
            for (size_t t = 0; t < T; t++) sum += x[(b * T + t) * C + c];
            y[b * C + c] = sum / (double)T;
        }
}

void shn_ref_mean_backward(const double *d_y, size_t B, size_t T, size_t C, double *d_x)
{
    for (size_t b = 0; b < B; b++)
        for (size_t t = 0; t < T; t++)
            for (size_t c = 0; c < C; c++) d_x[(b * T + t) * C + c] += d_y[b * C + c] / (double)T;
}

void shn_ref_linear_forward(const double *x, const double *w, const double *bias, size_t B, size_t C, size_t E, double *z)
{
    for (size_t b = 0; b < B; b++)
        for (size_t e = 0; e < E; e++) {
            double sum = bias[e];
            for (size_t c = 0; c < C; c++) sum += w[e * C + c] * x[b * C + c];
            z[b * E + e] = sum;
        }
}

void shn_ref_linear_backward(const double *x, const double *w, const double *d_z, size_t B, size_t C, size_t E, double *d_x,
                             double *d_w, double *d_bias)
{
    for (size_t b = 0; b < B; b++)
        for (size_t e = 0; e < E; e++) {
            const double g = d_z[b * E + e];
            d_bias[e] += g;
            for (size_t c = 0; c < C; c++) {
                d_x[b * C + c] += w[e * C + c] * g;
                d_w[e * C + c] += x[b * C + c] * g;
            }
        }
}
