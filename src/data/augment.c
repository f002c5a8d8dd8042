#include "data/augment.h"

#include <math.h>

#include "shinden/signal.h"

static double window_sd(const float *x, size_t n)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        square += (double)x[i] * (double)x[i];
    }
    const double mean = n ? sum / (double)n : 0, var = n ? square / (double)n - mean * mean : 0;
    return var > 0 ? sqrt(var) : 0;
}

/** SplitMix64's output function: noise sample i of a key, with no state to carry from sample to sample. */
static inline uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void add_noise(float *x, size_t n, double sd, uint64_t key)
{
    const float scale = (float)(sd * sqrt(3.0) / 65536), middle = 2 * 65535;      /* sd of a 16-bit uniform: 65536 / sqrt(12) */
    for (size_t i = 0; i < n; i++) {
        const uint64_t u = mixed(key + (i + 1) * 0x9e3779b97f4a7c15u);
        const uint32_t sum = (uint32_t)(u & 0xffff) + (uint32_t)(u >> 16 & 0xffff) + (uint32_t)(u >> 32 & 0xffff) + (uint32_t)(u >> 48);
        x[i] += ((float)sum - middle) * scale;
    }
}

/** A sine per lead by the rotation recurrence; its error over a window is far below one unit of the signal. */
static void add_wander(const shn_crop *crop, size_t window, float *x)
{
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        const double c = cos(crop->turn[lead]), s = sin(crop->turn[lead]);
        double re = crop->amplitude[lead] * cos(crop->phase[lead]), im = crop->amplitude[lead] * sin(crop->phase[lead]);
        for (size_t t = 0; t < window; t++) {
            x[t * SHN_LEADS + lead] += (float)im;
            const double next = re * c - im * s;
            im = re * s + im * c;
            re = next;
        }
    }
}

static void drop_leads(uint32_t dropped, size_t window, float *x)
{
    for (size_t lead = 0; lead < SHN_LEADS; lead++)
        for (size_t t = 0; (dropped >> lead & 1) && t < window; t++) x[t * SHN_LEADS + lead] = 0;
}

/** What was not recorded stays 0, as it is when the model is used. */
static void restore_gaps(const shn_input *in, const shn_packed *row, size_t start, float *x)
{
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        const int16_t *s = row->signal + lead * row->n_samples;
        for (size_t t = 0; t < in->window; t++)
            if (start + t >= row->n_valid || s[start + t] == SHN_GAP_I16) x[t * SHN_LEADS + lead] = 0;
    }
}

void shn_augment_draw(const shn_augment *a, const shn_input *in, shn_rng *rng, shn_crop *crop)
{
    const double scale = in->norm == SHN_NORM_GLOBAL ? (double)in->scale_per_mv : 1;
    crop->dropped = 0;
    crop->factor = a->gain > 0 ? (float)exp(a->gain * shn_rng_normal(rng)) : 1;
    crop->noise = a->noise;
    crop->key = a->noise > 0 ? shn_rng_u64(rng) : 0;
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        crop->turn[lead] = a->wander > 0 ? 2 * M_PI * (0.05 + 0.45 * shn_rng_uniform(rng)) / in->fs_hz : 0;
        crop->phase[lead] = a->wander > 0 ? 2 * M_PI * shn_rng_uniform(rng) : 0;
        crop->amplitude[lead] = a->wander > 0 ? a->wander * scale * shn_rng_normal(rng) : 0;
    }
    for (size_t lead = 0; lead < SHN_LEADS && a->lead_dropout > 0; lead++)
        if (shn_rng_uniform(rng) < a->lead_dropout) crop->dropped |= 1u << lead;
}

void shn_augment_window(const shn_augment *a, const shn_input *in, const shn_packed *row, size_t start, shn_rng *rng, float *x)
{
    const size_t n = (size_t)in->window * SHN_LEADS;
    const double sd = a->noise > 0 ? window_sd(x, n) : 0;
    shn_crop     crop;
    shn_augment_draw(a, in, rng, &crop);
    if (a->gain > 0)
        for (size_t i = 0; i < n; i++) x[i] *= crop.factor;
    if (a->noise > 0) add_noise(x, n, a->noise * sd, crop.key);
    if (a->wander > 0) add_wander(&crop, in->window, x);
    if (a->noise > 0 || a->wander > 0) restore_gaps(in, row, start, x);
    if (crop.dropped) drop_leads(crop.dropped, in->window, x);
}
