/** The kernels' one source, C and CUDA C++ alike; see kernels.h. Included once by a file that runs them. */
#ifndef SHN_ENGINE_CUDA_KERNELS_BODY_H
#define SHN_ENGINE_CUDA_KERNELS_BODY_H

#include <math.h>

#include "engine/cuda/input_body.h"
#include "engine/cuda/lanes.h"
#include "shinden/encoder.h"

GPU_FN void gpu_apply(const gpu_affine *bn, uint32_t c, float v[GPU_LANE])
{
    float beta[GPU_LANE], mean[GPU_LANE], scale[GPU_LANE];
    gpu_load(bn->beta, c / GPU_LANE, GPU_F32, beta);
    if (bn->mean) {
        gpu_load(bn->mean, c / GPU_LANE, GPU_F32, mean);
        gpu_load(bn->scale, c / GPU_LANE, GPU_F32, scale);
        for (int i = 0; i < GPU_LANE; i++) v[i] = (v[i] - mean[i]) * scale[i];
    }
    for (int i = 0; i < GPU_LANE; i++) v[i] += beta[i];
}

GPU_FN float gpu_relu(float v) { return v <= 0 ? 0 : v; }        /* a NaN stays one */

/* ---- into and out of the engine's layout ---- */

GPU_BODY(pack)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread;
    if (at >= a->n) return;
    const uint32_t i = at % a->in_padded, k = at / a->in_padded % a->kernel, o = at / a->in_padded / a->kernel;
    float v = i < a->in ? a->w[((size_t)o * a->in + i) * a->kernel + k] : 0;
    if (a->scale) v *= a->scale[o];
    if (a->type == GPU_BF16) ((uint16_t *)a->out)[at] = (uint16_t)gpu_bf16(v);
    else ((float *)a->out)[at] = v;
}

GPU_BODY(collect)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread;
    if (at >= a->n) return;
    const uint32_t k = at % a->kernel, i = at / a->kernel % a->in, o = at / a->kernel / a->in;
    const size_t   from = ((size_t)o * a->kernel + k) * a->in_padded + i;
    a->gradient[at] += a->type == GPU_BF16 ? gpu_from_bits((uint32_t)((const uint16_t *)a->dw)[from] << 16) : ((const float *)a->dw)[from];
}

GPU_BODY(fold)
{
    (void)phase, (void)shared;
    const uint32_t c = block * GPU_THREADS + thread;
    if (c >= a->C) return;
    const double scale = a->gamma[c] / sqrt((double)a->var[c] + (double)SHN_BN_EPS);
    a->scale[c] = (float)scale;
    a->bias[c] = (float)(a->beta[c] - a->mean[c] * scale);
}

/* ---- sums by channel ---- */

/** Place of a thread in a block of sums; 0 where it has none. *row, *c: its first row and channel. */
GPU_FN int gpu_sums_place(const gpu_sums *s, uint32_t block, uint32_t thread, uint32_t *row, uint32_t *c)
{
    const uint32_t r = thread / s->lanes, lane = block % s->n_slabs * s->lanes + thread % s->lanes;
    *row = block / s->n_slabs * s->row_lanes * GPU_SUM_ROWS + r;
    *c = lane * GPU_LANE;
    return r < s->row_lanes && *c < s->C;
}

/** A thread's sums into shared memory, [n_sums][row_lanes][lanes * 8]. */
GPU_FN void gpu_sums_keep(const gpu_sums *s, uint32_t thread, uint32_t quantity, const float v[GPU_LANE], char *shared)
{
    float *to = (float *)shared + ((quantity * s->row_lanes + thread / s->lanes) * s->lanes + thread % s->lanes) * GPU_LANE;
    for (int i = 0; i < GPU_LANE; i++) to[i] = v[i];
}

/** The block's sums, rows in order, to partial [block of rows][n_sums][C]. */
GPU_FN void gpu_sums_write(const gpu_sums *s, uint32_t n_sums, uint32_t block, uint32_t thread, const char *shared, double *partial)
{
    const uint32_t width = s->lanes * GPU_LANE, first = block % s->n_slabs * width;
    for (uint32_t at = thread; at < n_sums * width; at += GPU_THREADS) {
        const uint32_t q = at / width, c = at % width;
        double         sum = 0;
        if (first + c >= s->C) continue;
        for (uint32_t r = 0; r < s->row_lanes; r++) sum += ((const float *)shared)[(q * s->row_lanes + r) * width + c];
        partial[((size_t)(block / s->n_slabs) * n_sums + q) * s->C + first + c] = sum;
    }
}

/** Two quantities of 8 channels over all blocks: phase 0 by 32 threads a channel, phase 1 by the first 8 threads, to sum[2]. */
GPU_FN void gpu_sums_total(const double *partial, uint32_t n_blocks, uint32_t n_sums, uint32_t q0, uint32_t q1, uint32_t C, uint32_t block,
                           uint32_t thread, int phase, char *shared, double sum[2])
{
    double        *kept = (double *)shared;
    const uint32_t c = block * GPU_LANE + thread % GPU_LANE, parts = GPU_THREADS / GPU_LANE;
    sum[0] = sum[1] = 0;
    if (phase == 0) {
        for (uint32_t b = thread / GPU_LANE; b < n_blocks; b += parts) {
            sum[0] += partial[((size_t)b * n_sums + q0) * C + c];
            sum[1] += partial[((size_t)b * n_sums + q1) * C + c];
        }
        kept[thread] = sum[0];
        kept[GPU_THREADS + thread] = sum[1];
    } else if (thread < GPU_LANE)
        for (uint32_t p = 0; p < parts; p++) {
            sum[0] += kept[p * GPU_LANE + thread];
            sum[1] += kept[GPU_THREADS + p * GPU_LANE + thread];
        }
}

/* ---- forward ---- */

GPU_BODY(moments)
{
    if (phase == 1) {
        gpu_sums_write(&a->s, 2, block, thread, shared, a->partial);
        return;
    }
    uint32_t row, c;
    float    v[GPU_LANE], sum[GPU_LANE], square[GPU_LANE];
    if (!gpu_sums_place(&a->s, block, thread, &row, &c)) return;
    gpu_zeros(sum);
    gpu_zeros(square);
    for (int k = 0; k < GPU_SUM_ROWS && row < a->s.n_rows; k++, row += a->s.row_lanes) {
        gpu_load(a->y, ((size_t)row * a->s.C + c) / GPU_LANE, a->type, v);
        for (int i = 0; i < GPU_LANE; i++) {
            sum[i] += v[i];
            square[i] += v[i] * v[i];
        }
    }
    gpu_sums_keep(&a->s, thread, 0, sum, shared);
    gpu_sums_keep(&a->s, thread, 1, square, shared);
}

GPU_BODY(settle)
{
    const uint32_t c = block * GPU_LANE + thread;
    double         sum[2];
    gpu_sums_total(a->partial, a->n_blocks, 2, 0, 1, a->C, block, thread, phase, shared, sum);
    if (phase == 0 || thread >= GPU_LANE) return;
    const double mean = sum[0] / a->n, raw = sum[1] / a->n - mean * mean, var = raw < 0 ? 0 : raw;     /* a NaN stays one */
    const double rstd = 1 / sqrt(var + (double)SHN_BN_EPS);
    a->rstd[c] = rstd;
    a->mean[c] = (float)mean;
    a->scale[c] = (float)(rstd * a->gamma[c]);
    if (!a->running_mean) return;
    const double k = SHN_BN_MOMENTUM, unbiased = a->n > 1 ? var * a->n / (a->n - 1) : var;
    a->running_mean[c] = (float)((1 - k) * a->running_mean[c] + k * mean);
    a->running_var[c] = (float)((1 - k) * a->running_var[c] + k * unbiased);
}

GPU_BODY(normalise)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread, row = at / a->lanes, c = at % a->lanes * GPU_LANE;
    float v[GPU_LANE], add[GPU_LANE];
    if (row >= a->n_total) return;
    gpu_zeros(v);
    if (row < a->n_rows) {
        gpu_load(a->y, at, a->type, v);
        gpu_apply(&a->bn, c, v);
        if (a->residual || a->y2) {
            gpu_load(a->residual ? a->residual : a->y2, at, a->type, add);
            if (!a->residual) gpu_apply(&a->bn2, c, add);
            for (int i = 0; i < GPU_LANE; i++) v[i] += add[i];
        }
        for (int i = 0; i < GPU_LANE && a->relu; i++) v[i] = gpu_relu(v[i]);
    }
    gpu_store(a->out, at, a->type, v);
}

GPU_BODY(normalise_pool)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread, row = at / a->lanes, lane = at % a->lanes;
    float    v[GPU_LANE], best[GPU_LANE];
    uint32_t from[GPU_LANE];
    if (row >= a->n_total) return;
    gpu_zeros(best);
    for (int i = 0; i < GPU_LANE; i++) from[i] = 1;
    if (row < a->n_rows) {
        const uint32_t record = row / a->out_length, t = row % a->out_length;
        for (uint32_t k = t == 0; k < 3 && 2 * t + k - 1 < a->in_length; k++) {
            gpu_load(a->y, ((size_t)record * a->in_length + 2 * t + k - 1) * a->lanes + lane, a->type, v);
            gpu_apply(&a->bn, lane * GPU_LANE, v);
            for (int i = 0; i < GPU_LANE; i++) {
                const float r = gpu_relu(v[i]);
                if (k > (t == 0) && !(r > best[i]) && r == r) continue;
                best[i] = r;
                from[i] = k;
            }
        }
    }
    gpu_store(a->out, at, a->type, best);
    if (a->from) gpu_store_bytes(a->from, at, from);
}

GPU_BODY(mean)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread, record = at / a->lanes, lane = at % a->lanes;
    float  v[GPU_LANE];
    double sum[GPU_LANE];
    if (record >= a->n_records) return;
    for (int i = 0; i < GPU_LANE; i++) sum[i] = 0;
    for (uint32_t t = 0; t < a->length; t++) {
        gpu_load(a->x, ((size_t)record * a->length + t) * a->lanes + lane, a->type, v);
        for (int i = 0; i < GPU_LANE; i++) sum[i] += v[i];
    }
    for (int i = 0; i < GPU_LANE; i++) v[i] = (float)(sum[i] / a->length);
    gpu_store(a->pooled, at, GPU_F32, v);
}

GPU_BODY(bias)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread;
    if (at >= a->n) return;
    if (a->bad && a->bad[at / a->E]) a->z[at] = gpu_from_bits(0x7fc00000u);
    else a->z[at] += a->bias[at % a->E];
}

/* ---- backward ---- */

/** What BN saw of a pooled row: the convolution's value at each channel's winner. */
GPU_FN void gpu_load_winners(const gpu_mask_sums_args *a, uint32_t row, uint32_t c, float v[GPU_LANE])
{
    const uint32_t record = row / a->length, t = row % a->length;
    uint32_t       from[GPU_LANE];
    gpu_load_bytes(a->from, ((size_t)row * a->s.C + c) / GPU_LANE, from);
    for (uint32_t i = 0; i < GPU_LANE; i++) {
        const size_t at = ((size_t)record * a->conv_length + 2 * t + from[i] - 1) * a->s.C + c + i;
        v[i] = a->type == GPU_BF16 ? gpu_from_bits((uint32_t)((const uint16_t *)a->y)[at] << 16) : ((const float *)a->y)[at];
    }
}

/** The masked gradient of one lane. */
GPU_FN void gpu_mask(const gpu_mask_sums_args *a, uint32_t row, uint32_t c, float g[GPU_LANE])
{
    const size_t at = ((size_t)row * a->s.C + c) / GPU_LANE;
    float        out[GPU_LANE];
    if (a->d) gpu_load(a->d, at, a->type, g);
    else {
        gpu_load(a->spread, ((size_t)(row / a->length) * a->s.C + c) / GPU_LANE, GPU_F32, g);
        for (int i = 0; i < GPU_LANE; i++) g[i] /= (float)a->length;
    }
    if (a->other) {
        gpu_load(a->other, at, a->type, out);
        for (int i = 0; i < GPU_LANE; i++) g[i] += out[i];
    }
    gpu_load(a->out, at, a->type, out);
    for (int i = 0; i < GPU_LANE; i++) g[i] = out[i] > 0 ? g[i] : 0;
    gpu_store(a->g, at, a->type, g);
}

GPU_BODY(mask_sums)
{
    const uint32_t n_sums = a->y2 ? 3 : 2;
    uint32_t row, c;
    float    g[GPU_LANE], v[GPU_LANE], mean[GPU_LANE], mean2[GPU_LANE], sum[GPU_LANE], dot[GPU_LANE], dot2[GPU_LANE];
    if (phase == 1) {
        gpu_sums_write(&a->s, n_sums, block, thread, shared, a->partial);
        return;
    }
    if (!gpu_sums_place(&a->s, block, thread, &row, &c)) return;
    gpu_zeros(sum);
    gpu_zeros(dot);
    gpu_zeros(dot2);
    gpu_load(a->mean, c / GPU_LANE, GPU_F32, mean);
    if (a->y2) gpu_load(a->mean2, c / GPU_LANE, GPU_F32, mean2);
    for (int k = 0; k < GPU_SUM_ROWS && row < a->s.n_rows; k++, row += a->s.row_lanes) {
        const size_t at = ((size_t)row * a->s.C + c) / GPU_LANE;
        gpu_mask(a, row, c, g);
        if (a->from) gpu_load_winners(a, row, c, v);
        else gpu_load(a->y, at, a->type, v);
        for (uint32_t i = 0; i < GPU_LANE; i++) {
            sum[i] += g[i];
            dot[i] += g[i] * (v[i] - mean[i]);
        }
        if (!a->y2) continue;
        gpu_load(a->y2, at, a->type, v);
        for (uint32_t i = 0; i < GPU_LANE; i++) dot2[i] += g[i] * (v[i] - mean2[i]);
    }
    gpu_sums_keep(&a->s, thread, 0, sum, shared);
    gpu_sums_keep(&a->s, thread, 1, dot, shared);
    if (a->y2) gpu_sums_keep(&a->s, thread, 2, dot2, shared);
}

GPU_BODY(settle_backward)
{
    const uint32_t c = block * GPU_LANE + thread;
    double         sum[2];
    gpu_sums_total(a->partial, a->n_blocks, a->n_sums, 0, a->dot, a->C, block, thread, phase, shared, sum);
    if (phase == 0 || thread >= GPU_LANE) return;
    const double rstd = a->rstd[c], scale = rstd * a->gamma[c];
    a->k[c] = (float)scale;
    a->k[a->C + c] = (float)(scale * rstd * rstd * sum[1] / a->n);
    a->k[2 * a->C + c] = (float)(scale * sum[0] / a->n);
    a->d_gamma[c] = (float)(a->d_gamma[c] + rstd * sum[1]);
    a->d_beta[c] = (float)(a->d_beta[c] + sum[0]);
}

/** The gradient of a pooled layer's row: from the one or two windows that hold it, where they chose it. */
GPU_FN void gpu_gather(const gpu_bn_backward_args *a, uint32_t row, uint32_t lane, float g[GPU_LANE])
{
    const uint32_t record = row / a->conv_length, t = row % a->conv_length;
    float          d[GPU_LANE];
    uint32_t       from[GPU_LANE];
    gpu_zeros(g);
    for (uint32_t w = t / 2; w <= (t + 1) / 2 && w < a->out_length; w++) {
        const size_t at = ((size_t)record * a->out_length + w) * a->lanes + lane;
        gpu_load(a->g, at, a->type, d);
        gpu_load_bytes(a->from, at, from);
        for (int i = 0; i < GPU_LANE; i++)
            if (from[i] == t + 1 - 2 * w) g[i] += d[i];
    }
}

GPU_BODY(bn_backward)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread, row = at / a->lanes, lane = at % a->lanes;
    float g[GPU_LANE], y[GPU_LANE], mean[GPU_LANE], k[3][GPU_LANE];
    if (row >= a->n_total) return;
    gpu_zeros(g);
    if (row < a->n_rows) {
        if (a->from) gpu_gather(a, row, lane, g);
        else gpu_load(a->g, at, a->type, g);
        gpu_load(a->y, at, a->type, y);
        gpu_load(a->mean, lane, GPU_F32, mean);
        for (uint32_t q = 0; q < 3; q++) gpu_load(a->k, lane + q * a->lanes, GPU_F32, k[q]);
        for (int i = 0; i < GPU_LANE; i++) g[i] = k[0][i] * g[i] - k[2][i] - (y[i] - mean[i]) * k[1][i];
    }
    gpu_store(a->d_y, at, a->type, g);
}

GPU_BODY(bias_gradient)
{
    double        *kept = (double *)shared;
    const uint32_t e = block * GPU_LANE + thread % GPU_LANE, parts = GPU_THREADS / GPU_LANE;
    double         sum = 0;
    if (e >= a->E) return;
    if (phase == 0) {
        for (uint32_t b = thread / GPU_LANE; b < a->n_records; b += parts) sum += a->d_z[(size_t)b * a->E + e];
        kept[thread] = sum;
    } else if (thread < GPU_LANE) {
        for (uint32_t p = 0; p < parts; p++) sum += kept[p * GPU_LANE + thread];
        a->d_bias[e] += (float)sum;
    }
}

/* ---- gradient block and optimizer ---- */

GPU_BODY(squares)
{
    double *kept = (double *)shared;
    if (phase == 0) {
        double sum = 0;
        for (uint32_t k = 0; k < GPU_SQUARES; k++) {
            const uint32_t at = (block * GPU_SQUARES + k) * GPU_THREADS + thread;
            if (at < a->n) sum += (double)a->x[at] * a->x[at];
        }
        kept[thread] = sum;
        return;
    }
    const double sum = gpu_block_total(kept, thread, phase);
    if (phase == 2 && thread == 0) a->partial[block] = sum;
}

GPU_BODY(total)
{
    double *kept = (double *)shared;
    (void)block;
    if (phase == 0) {
        double sum = 0;
        for (uint32_t i = thread; i < a->n; i += GPU_THREADS) sum += a->partial[i];
        kept[thread] = sum;
        return;
    }
    const double sum = gpu_block_total(kept, thread, phase);
    if (phase == 2 && thread == 0) *a->sum = sum;
}

GPU_BODY(adamw)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread;
    if (at >= a->n) return;
    const gpu_hyper *h = a->hyper;
    const float      g = a->g[at] * h->grad_scale, m = h->b1 * a->m[at] + h->n1 * g, v = h->b2 * a->v[at] + h->n2 * (g * g);
    a->m[at] = m;
    a->v[at] = v;
    a->p[at] = a->p[at] * (a->decay[at / 16] ? h->keep : 1.f) - h->rate * (m / (sqrtf(v) / h->root + h->eps));
}

#endif
