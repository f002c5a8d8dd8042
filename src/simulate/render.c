/**
 * From the schedule to samples: waves are added to the three axes of the dipole, flutter and fibrillation waves run
 * through, and disturbances are made per electrode, before the limb leads are derived, so the lead identities survive them.
 */
#include <math.h>

#include "simulate/heart.h"

/** One side of a Gaussian from sample `from` in steps of `step`, by g(k+1) = g(k) q(k), q(k+1) = q(k) c: no exp() per sample. */
static void half_wave(float *const d[3], long n, double fs_hz, double peak, double sd, long from, int step, const double v[3])
{
    const double h = 1 / (fs_hz * sd), u0 = ((double)from - peak) / (fs_hz * sd) * step, c = exp(-h * h);
    double       g = exp(-0.5 * u0 * u0), q = exp(-h * u0 - 0.5 * h * h);
    for (double u = u0; u < 4.5; u += h, from += step) {
        if (from >= 0 && from < n)
            for (int k = 0; k < 3; k++) d[k][from] += (float)(g * v[k]);
        g *= q;
        q *= c;
    }
}

void wave_add(float *x, float *y, float *z, size_t n, double fs_hz, double origin_s, const wave *w, double scale, double turn)
{
    float *const d[3] = { x, y, z };
    const double peak = (origin_s + w->at) * fs_hz, c = cos(turn) * scale, s = sin(turn) * scale;
    const double v[3] = { c * w->v[0] - s * w->v[1], s * w->v[0] + c * w->v[1], scale * w->v[2] };
    if (peak + 5 * w->fall * fs_hz < 0 || peak - 5 * w->rise * fs_hz > (double)n) return;
    const long middle = (long)ceil(peak);
    half_wave(d, (long)n, fs_hz, peak, w->fall, middle, 1, v);
    half_wave(d, (long)n, fs_hz, peak, w->rise, middle - 1, -1, v);
}

enum { TABLE = 512 };

static float look(const float *table, double turns)
{
    const double at = (turns - floor(turns)) * TABLE;
    const int    i = (int)at;
    return table[i] + (float)(at - i) * (table[i + 1] - table[i]);
}

/** Flutter: a saw tooth, mostly along the long axis of the body, its slow limb downwards in II, III, aVF. */
static void flutter(const schedule *s, double gain, shn_rng *r, double fs_hz, size_t n, float *const c[COMPONENTS])
{
    const double v[3] = { gain * between(r, -0.02, 0.03), -gain * between(r, 0.095, 0.165), -gain * between(r, 0.03, 0.07) };
    const double start = shn_rng_uniform(r), lag = between(r, 0.1, 0.3);
    float        saw[TABLE + 1];
    for (int i = 0; i <= TABLE; i++) {
        const double a = 2 * M_PI * i / TABLE;
        saw[i] = (float)(sin(a) + sin(2 * a) / 2.2 + sin(3 * a) / 4.5 + sin(4 * a) / 9);
    }
    for (size_t i = 0; i < n; i++) {
        const double turns = start + s->flutter_hz * (double)i / fs_hz;
        c[0][i] += (float)v[0] * look(saw, turns);
        c[1][i] += (float)v[1] * look(saw, turns);
        c[2][i] += (float)v[2] * look(saw, turns + lag);
    }
}

/** Fibrillation: per axis two oscillations of 5-9 Hz whose pitch drifts, strongest towards V1. */
static void fibrillation(const schedule *s, double gain, shn_rng *r, double fs_hz, size_t n, float *const c[COMPONENTS])
{
    static const double size[3] = { 0.45, 0.8, 1.0 };
    float               sine[TABLE + 1];
    for (int i = 0; i <= TABLE; i++) sine[i] = (float)sin(2 * M_PI * i / TABLE);
    for (int k = 0; k < 3; k++)
        for (int w = 0; w < 2; w++) {
            const double hz = between(r, 5, 8.5), drift = between(r, 0.3, 0.9), drift_start = shn_rng_uniform(r), depth = between(r, 0.5, 1.1);
            const double start = shn_rng_uniform(r), swing = depth / (2 * M_PI * drift);
            for (size_t i = 0; i < n; i++) {    /* the pitch hz + depth sin(drift) is integrated, so that any rate sees the same wave */
                const double t = (double)i / fs_hz, slowly = drift_start + drift * t;
                c[k][i] += (float)(gain * s->f_wave_mv * size[k]) * (0.75f + 0.4f * look(sine, slowly)) *
                           look(sine, start + hz * t - swing * look(sine, slowly + 0.25));
            }
        }
}

void dipole_render(const patient *pt, const plan *pl, const schedule *s, shn_rng *r, double fs_hz, size_t n, float *const c[COMPONENTS])
{
    const double weak = pt->structure == S_LOWV ? 0.55 : 1;
    for (size_t i = 0; i < s->n_p; i++) {
        const double breath = sin(2 * M_PI * pl->resp_hz * s->p[i].at + pl->resp_phase), turn = pl->resp_turn * breath;
        for (int k = 0; k < 2; k++)
            wave_add(c[0], c[1], c[2], n, fs_hz, s->p[i].at, &pt->p.w[k], s->p[i].scale, turn + (s->p[i].ectopic ? -0.5 : 0));
    }
    for (size_t i = 0; i < s->n_v; i++) {
        const beat  *b = s->v[i].beat == BEAT_MAIN ? &pl->main : &pl->other;
        const double breath = sin(2 * M_PI * pl->resp_hz * s->v[i].at + pl->resp_phase);
        for (size_t k = 0; k < b->n; k++)
            wave_add(c[0], c[1], c[2], n, fs_hz, s->v[i].at, &b->w[k], 1 + pl->resp_gain * breath, pl->resp_turn * breath);
    }
    if (s->spikes) {            /* 2 ms wide; a slow recorder sees it lower and broader */
        const double sd = fmax(0.0008, 0.4 / fs_hz), low = 0.0008 / sd;
        const wave   spike = { .at = -0.014, .rise = sd, .fall = sd,
                               .v = { between(r, 0.3, 0.8) * low, -between(r, 0.6, 1.3) * low, between(r, 0.2, 0.6) * low } };
        for (size_t i = 0; i < s->n_v; i++) wave_add(c[0], c[1], c[2], n, fs_hz, s->v[i].at, &spike, 1, 0);
    }
    if (s->flutter_hz > 0) flutter(s, weak, r, fs_hz, n, c);
    if (s->f_wave_mv > 0) fibrillation(s, weak, r, fs_hz, n, c);
}

/** Sum of four 16-bit uniforms, scaled to a standard normal: bell-shaped to 3.4 deviations, four times cheaper than exact. */
static float bell(shn_rng *r)
{
    const uint64_t u = shn_rng_u64(r);
    const int32_t  sum = (int32_t)(u & 0xffff) + (int32_t)(u >> 16 & 0xffff) + (int32_t)(u >> 32 & 0xffff) + (int32_t)(u >> 48);
    return (float)(sum - 131070) * (1.7320508f / 65536.0f);
}

/** Adds a sinusoid by rotation. */
static void add_sine(float *x, size_t n, double turns_per_sample, double start, double size)
{
    const double c = cos(2 * M_PI * turns_per_sample), s = sin(2 * M_PI * turns_per_sample);
    double       a = size * cos(2 * M_PI * start), b = size * sin(2 * M_PI * start);
    for (size_t i = 0; i < n; i++) {
        const double next = c * a - s * b;
        x[i] += (float)b;
        b = s * a + c * b;
        a = next;
    }
}

/** Muscle: bursts of noise with its low frequencies taken out. */
static void muscle(shn_rng *r, double sd, double fs_hz, size_t n, float *x)
{
    const size_t start = (size_t)shn_rng_below(r, n), length = (size_t)(between(r, 0.4, 3) * fs_hz);
    float        before = 0;
    for (size_t i = start; i < n && i < start + length; i++) {
        const float now = bell(r), swell = (float)sin(M_PI * (double)(i - start) / (double)length);
        x[i] += (float)sd * swell * (now - 0.7f * before);
        before = now;
    }
}

void noise_render(shn_rng *r, double level, double fs_hz, size_t n, float *const c[COMPONENTS], double weight[N_FIELD][COMPONENTS],
                  float *const lead[N_FIELD])
{
    /* mV; ordinary wards: 10-50 uV of white noise, 0.05-0.3 mV of wander, up to 40 uV of mains, now and then a tense muscle */
    const double white = level * 0.010 * exp(between(r, 0, 1.6)), wander = level * 0.05 * exp(between(r, 0, 1.8));
    const double mains = level * 0.0025 * exp(between(r, 0, 2.8)), mains_hz = shn_rng_uniform(r) < 0.5 ? 50 : 60;
    const double emg = shn_rng_uniform(r) < 0.35 ? level * between(r, 0.025, 0.085) : 0;
    if (level <= 0) return;
    for (int k = 3; k < 6; k++)
        for (int w = 0; w < 3; w++) add_sine(c[k], n, between(r, 0.05, 0.45) / fs_hz, shn_rng_uniform(r), between(r, 0.3, 1));
    if (mains_hz < 0.45 * fs_hz) {
        add_sine(c[6], n, mains_hz / fs_hz, 0, 1);
        add_sine(c[7], n, mains_hz / fs_hz, 0.25, 1);
    }
    for (int l = 0; l < N_FIELD; l++) {
        const float  sd = (float)(white * between(r, 0.7, 1.4));
        const double phase = between(r, 0, 2 * M_PI), size = mains * between(r, 0.3, 1.3);
        for (int k = 3; k < 6; k++) weight[l][k] = wander * shn_rng_normal(r);
        weight[l][6] = size * cos(phase);
        weight[l][7] = size * sin(phase);
        for (size_t i = 0; i < n; i++) lead[l][i] += sd * bell(r);
        if (emg > 0) muscle(r, emg * between(r, 0.3, 1), fs_hz, n, lead[l]);
    }
}
