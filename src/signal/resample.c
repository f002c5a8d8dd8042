/**
 * Polyphase resampling by a rational factor with a Kaiser-windowed sinc. The filter is long enough that the pass-band (to 0.8
 * of the lower Nyquist frequency) is flat within 0.1 dB and everything that would fold below it is 60 dB down; see docs/signal.md.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/signal.h"

enum { FACTOR_MAX = 10000, HALF_CYCLES = 16 };      /* taps on each side: 16 zero crossings of the sinc */
static const double kaiser_beta = 6.2;              /* stop-band about -65 dB */
static const double pi = 3.14159265358979323846;

static unsigned gcd(unsigned a, unsigned b)
{
    while (b) {
        const unsigned t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/** Modified Bessel function of the first kind, order 0, by its series. */
static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 60; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
        if (term < 1e-17 * sum) break;
    }
    return sum;
}

size_t shn_resample_length(size_t n, unsigned up, unsigned down)
{
    const unsigned g = gcd(up, down);
    up /= g ? g : 1;
    down /= g ? g : 1;
    return (size_t)(((unsigned long long)n * up + down - 1) / down);
}

/**
 * Branches of the filter: h[phase][tap] multiplies x[centre - half + 1 + tap], for an output that lies phase/up past sample `centre`.
 * Each branch sums to 1, so that a constant stays that constant to rounding. [up][2 half], owned by the caller.
 */
static float *make_branches(unsigned up, unsigned down, int half)
{
    const double cutoff = 0.94 * (up < down ? (double)up / down : 1.0);     /* relative to the input's Nyquist frequency; -6 dB there */
    float *h = shn_alloc((size_t)up * 2 * (size_t)half, sizeof *h);
    for (unsigned phase = 0; h && phase < up; phase++) {
        double sum = 0;
        double branch[2 * HALF_CYCLES * 64];
        for (int tap = 0; tap < 2 * half; tap++) {
            const double d = (double)(tap - half + 1) - (double)phase / up, r = d / half;
            const double window = fabs(r) < 1 ? bessel_i0(kaiser_beta * sqrt(1 - r * r)) / bessel_i0(kaiser_beta) : 0;
            const double a = pi * cutoff * d;
            branch[tap] = (fabs(a) < 1e-12 ? 1 : sin(a) / a) * window;
            sum += branch[tap];
        }
        for (int tap = 0; tap < 2 * half; tap++) h[(size_t)phase * 2 * (size_t)half + (size_t)tap] = (float)(branch[tap] / sum);
    }
    return h;
}

/** Edge samples are repeated past the ends: an ECG does not fall to 0 mV where the recording stops. */
static void pad_edges(const float *x, size_t n, size_t half, float *padded)
{
    for (size_t i = 0; i < half; i++) padded[i] = x[0];
    memcpy(padded + half, x, n * sizeof *x);
    for (size_t i = 0; i < half; i++) padded[half + n + i] = x[n - 1];
}

shn_status shn_resample(const float *x, size_t n, unsigned up, unsigned down, float *y, size_t n_out, shn_error *err)
{
    const unsigned g = up && down ? gcd(up, down) : 1;
    up /= g;
    down /= g;
    if (n == 0 || up == 0 || down == 0 || up > FACTOR_MAX || down > FACTOR_MAX || n_out != shn_resample_length(n, up, down))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "signal.resample", "factor %u/%u of %zu samples to %zu", up, down, n, n_out);
    if (up == down) {
        memcpy(y, x, n * sizeof *y);
        return SHN_OK;
    }
    const double stretch = up < down ? (double)down / up : 1;
    if (stretch > 60)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "signal.resample", "reduction by %g, at most 60", stretch);
    const int half = (int)ceil(HALF_CYCLES * stretch);
    const size_t taps = 2 * (size_t)half;
    float *h = make_branches(up, down, half), *padded = shn_alloc(n + taps, sizeof *padded);
    if (!h || !padded) {
        free(h);
        free(padded);
        return shn_fail_nomem(err, "signal.resample");
    }
    pad_edges(x, n, (size_t)half, padded);
    for (size_t i = 0; i < n_out; i++) {
        const unsigned long long position = (unsigned long long)i * down;
        const size_t   centre = (size_t)(position / up);
        const unsigned phase = (unsigned)(position % up);
        const float   *branch = h + phase * taps, *from = padded + centre + 1;
        float          part[16] = { 0 };       /* sixteen running sums: vectorised, and in a fixed order */
        size_t         k = 0;
        for (; k + 16 <= taps; k += 16)
            for (size_t j = 0; j < 16; j++) part[j] += branch[k + j] * from[k + j];
        for (; k < taps; k++) part[k % 16] += branch[k] * from[k];
        float sum = 0;
        for (size_t j = 0; j < 16; j++) sum += part[j];
        y[i] = sum;
    }
    free(h);
    free(padded);
    return SHN_OK;
}
