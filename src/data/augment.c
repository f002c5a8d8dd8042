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
static void add_wander(const shn_input *in, double mv, shn_rng *rng, float *x)
{
    const double scale = in->norm == SHN_NORM_GLOBAL ? (double)in->scale_per_mv : 1;
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        const double turn = 2 * M_PI * (0.05 + 0.45 * shn_rng_uniform(rng)) / in->fs_hz, phase = 2 * M_PI * shn_rng_uniform(rng);
        const double amplitude = mv * scale * shn_rng_normal(rng), c = cos(turn), s = sin(turn);
        double re = amplitude * cos(phase), im = amplitude * sin(phase);
        for (size_t t = 0; t < in->window; t++) {
            x[t * SHN_LEADS + lead] += (float)im;
            const double next = re * c - im * s;
            im = re * s + im * c;
            re = next;
        }
    }
}

static void drop_leads(double probability, size_t window, shn_rng *rng, float *x)
{
    for (size_t lead = 0; lead < SHN_LEADS; lead++)
        if (shn_rng_uniform(rng) < probability)
            for (size_t t = 0; t < window; t++) x[t * SHN_LEADS + lead] = 0;
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

void shn_augment_window(const shn_augment *a, const shn_input *in, const shn_packed *row, size_t start, shn_rng *rng, float *x)
{
    const size_t n = (size_t)in->window * SHN_LEADS;
    const double sd = a->noise > 0 ? window_sd(x, n) : 0;
    if (a->gain > 0) {
        const float factor = (float)exp(a->gain * shn_rng_normal(rng));
        for (size_t i = 0; i < n; i++) x[i] *= factor;
    }
    if (a->noise > 0) add_noise(x, n, a->noise * sd, shn_rng_u64(rng));
    if (a->wander > 0) add_wander(in, a->wander, rng, x);
    if (a->noise > 0 || a->wander > 0) restore_gaps(in, row, start, x);
    if (a->lead_dropout > 0) drop_leads(a->lead_dropout, in->window, rng, x);
}
