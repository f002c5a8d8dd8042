/** The kernels that make the engine's input: from the caller's records, or from rows on the device and what is cut out of them (shinden/crop.h). */
#ifndef SHN_ENGINE_CUDA_INPUT_BODY_H
#define SHN_ENGINE_CUDA_INPUT_BODY_H

#include <math.h>

#include "engine/cuda/lanes.h"

GPU_BODY(input)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread, row = at / a->lanes, c = at % a->lanes * GPU_LANE;
    float v[GPU_LANE];
    if (row >= a->n_total) return;
    gpu_zeros(v);
    if (row < a->n_rows)
        for (uint32_t i = 0; i < GPU_LANE && c + i < a->L; i++) v[i] = a->x[(size_t)row * a->L + c + i];
    gpu_store(a->out, at, a->type, v);
}

/** A sample as the loader scales it; 0 where there is none. */
GPU_FN float gpu_sample(const gpu_source *from, const shn_crop *c, uint32_t t, uint32_t lead)
{
    if (c->start + t >= c->n_valid) return 0;
    const int16_t s = from->rows[((size_t)c->row * SHN_CROP_LEADS + lead) * from->n_samples + c->start + t];
    return s == from->gap ? 0 : (float)s * c->gain[lead] + c->shift[lead];
}

/** The same with factor, noise and wander; a sample that is not there stays 0. */
GPU_FN float gpu_disturbed(const gpu_source *from, const shn_crop *c, float scale, uint32_t t, uint32_t lead)
{
    if ((c->dropped >> lead & 1) || c->start + t >= c->n_valid ||
        from->rows[((size_t)c->row * SHN_CROP_LEADS + lead) * from->n_samples + c->start + t] == from->gap)
        return 0;
    float v = gpu_sample(from, c, t, lead) * c->factor;
    if (c->noise > 0) {
        uint64_t z = c->key + ((uint64_t)t * SHN_CROP_LEADS + lead + 1) * 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        const uint32_t sum = (uint32_t)(z & 0xffff) + (uint32_t)(z >> 16 & 0xffff) + (uint32_t)(z >> 32 & 0xffff) + (uint32_t)(z >> 48);
        v += ((float)sum - 2 * 65535) * scale;
    }
    if (c->amplitude[lead] != 0) v += (float)(c->amplitude[lead] * sin(c->phase[lead] + c->turn[lead] * t));
    return v;
}

GPU_BODY(window)
{
    (void)phase, (void)shared;
    const uint32_t at = block * GPU_THREADS + thread, row = at / a->lanes, lead = at % a->lanes * GPU_LANE;
    float v[GPU_LANE];
    if (row >= a->n_total) return;
    gpu_zeros(v);
    if (row < a->n_rows) {
        const uint32_t record = row / a->from.window;
        for (uint32_t i = 0; i < GPU_LANE && lead + i < SHN_CROP_LEADS; i++)
            v[i] = gpu_disturbed(&a->from, &a->from.crops[record], a->scale[record], row % a->from.window, lead + i);
    }
    gpu_store(a->out, at, a->type, v);
}

GPU_BODY(finite)
{
    uint32_t *worst = (uint32_t *)shared;
    const float *x = a->x + (size_t)block * a->n;
    if (phase == 0) {
        uint32_t most = 0;
        for (uint32_t i = thread; i < a->n; i += GPU_THREADS) {
            const uint32_t bits = gpu_bits(x[i]) & 0x7fffffffu;
            most = bits > most ? bits : most;
        }
        worst[thread] = most;
    } else if (thread == 0) {
        uint32_t most = 0;
        for (int i = 0; i < GPU_THREADS; i++) most = worst[i] > most ? worst[i] : most;
        a->bad[block] = most >= 0x7f800000u;
    }
}

GPU_BODY(window_sd)
{
    double         *kept = (double *)shared;
    const shn_crop *c = &a->from.crops[block];
    const uint32_t  n = a->from.window * SHN_CROP_LEADS;
    if (phase == 0) {
        double sum = 0, square = 0;
        for (uint32_t i = thread; i < n; i += GPU_THREADS) {        /* lead by lead, so that neighbours read neighbours */
            const double v = gpu_sample(&a->from, c, i % a->from.window, i / a->from.window);
            sum += v;
            square += v * v;
        }
        kept[thread] = sum;
        kept[GPU_THREADS + thread] = square;
        return;
    }
    const double sum = gpu_block_total(kept, thread, phase), square = gpu_block_total(kept + GPU_THREADS, thread, phase);
    if (phase != 2 || thread != 0) return;
    const double mean = sum / n, var = square / n - mean * mean;
    a->scale[block] = (float)(c->noise * (var > 0 ? sqrt(var) : 0) * sqrt(3.0) / 65536);
}

#endif
