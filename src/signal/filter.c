#include "signal/filter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

static const double pi = 3.14159265358979323846;

typedef struct biquad { double b0, b1, b2, a1, a2; } biquad;

/** Bilinear transform of the second-order Butterworth prototype, corner pre-warped. */
static biquad butterworth(double fs_hz, double corner_hz, int highpass)
{
    const double w = tan(pi * corner_hz / fs_hz), q = sqrt(2.0), norm = 1 / (1 + q * w + w * w);
    biquad f = { .a1 = 2 * (w * w - 1) * norm, .a2 = (1 - q * w + w * w) * norm };
    f.b0 = f.b2 = (highpass ? 1 : w * w) * norm;
    f.b1 = highpass ? -2 * f.b0 : 2 * f.b0;
    return f;
}

/** Transposed form II over n values with stride +1 or -1, started in the steady state of the first value: no step at the ends. */
static void run(const biquad *f, double *x, size_t n, int backwards)
{
    const double first = backwards ? x[n - 1] : x[0];
    const double gain = (f->b0 + f->b1 + f->b2) / (1 + f->a1 + f->a2);
    double s1 = first * (gain - f->b0), s2 = first * (f->b2 - f->a2 * gain);
    for (size_t i = 0; i < n; i++) {
        double      *p = backwards ? &x[n - 1 - i] : &x[i];
        const double in = *p, out = f->b0 * in + s1;
        s1 = f->b1 * in - f->a1 * out + s2;
        s2 = f->b2 * in - f->a2 * out;
        *p = out;
    }
}

/** Linear bridges over gaps, constant at the ends; 0 everywhere if nothing was recorded. */
static void bridge_gaps(const float *x, size_t n, double *out)
{
    size_t last = n;                    /* n: nothing recorded so far */
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i])) continue;
        out[i] = x[i];
        const size_t from = last == n ? 0 : last + 1;
        for (size_t j = from; j < i; j++)
            out[j] = last == n ? x[i] : x[last] + ((double)x[i] - x[last]) * (double)(j - last) / (double)(i - last);
        last = i;
    }
    for (size_t j = last == n ? 0 : last + 1; j < n; j++) out[j] = last == n ? 0 : x[last];
}

/** Odd reflection about the end points: a transient dies out in the extension instead of in the record. */
static void extend(const double *x, size_t n, size_t pad, double *out)
{
    for (size_t i = 0; i < pad; i++) {
        const size_t j = (pad - i) < n ? pad - i : n - 1;
        out[i] = 2 * x[0] - x[j];
        out[pad + n + i] = 2 * x[n - 1] - x[n - 1 - (i + 1 < n ? i + 1 : n - 1)];
    }
    memcpy(out + pad, x, n * sizeof *out);
}

static shn_status filter(float *x, size_t n, double fs_hz, double corner_hz, int highpass, shn_error *err)
{
    if (!(corner_hz > 0 && corner_hz < fs_hz / 2))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "signal.filter", "corner %g Hz, needs more than 0 and less than %g", corner_hz, fs_hz / 2);
    const size_t pad = (size_t)fmin(3 * fs_hz / corner_hz, 4.0 * (double)n);
    const biquad f = butterworth(fs_hz, corner_hz, highpass);
    double *flat = shn_alloc(n, sizeof *flat), *work = shn_alloc(n + 2 * pad, sizeof *work);
    if (!flat || !work) {
        free(flat);
        free(work);
        return shn_fail_nomem(err, "signal.filter");
    }
    bridge_gaps(x, n, flat);
    extend(flat, n, pad, work);
    run(&f, work, n + 2 * pad, 0);
    run(&f, work, n + 2 * pad, 1);
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i])) x[i] = (float)work[pad + i];
    free(flat);
    free(work);
    return SHN_OK;
}

shn_status shn_filter_highpass(float *x, size_t n, double fs_hz, double corner_hz, shn_error *err)
{
    return filter(x, n, fs_hz, corner_hz, 1, err);
}

shn_status shn_filter_lowpass(float *x, size_t n, double fs_hz, double corner_hz, shn_error *err)
{
    return filter(x, n, fs_hz, corner_hz, 0, err);
}

/** Where value stands, or would stand, in a sorted array. */
static size_t place_of(const double *sorted, size_t n, double value)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (sorted[mid] < value) low = mid + 1;
        else high = mid;
    }
    return low;
}

/** Running median over `width` (odd) values, the window shrinking at the ends; the sorted window is kept up to date. */
static void running_median(const double *x, size_t n, size_t width, double *sorted, double *out)
{
    const size_t half = width / 2;
    size_t       count = 0;
    for (size_t i = 0; i < n + half; i++) {
        if (i < n) {
            const size_t at = place_of(sorted, count, x[i]);
            memmove(sorted + at + 1, sorted + at, (count - at) * sizeof *sorted);
            sorted[at] = x[i];
            count++;
        }
        if (i >= width) {
            const size_t at = place_of(sorted, count, x[i - width]);
            memmove(sorted + at, sorted + at + 1, (count - at - 1) * sizeof *sorted);
            count--;
        }
        if (i >= half) out[i - half] = count % 2 ? sorted[count / 2] : 0.5 * (sorted[count / 2 - 1] + sorted[count / 2]);
    }
}

shn_status shn_filter_baseline(float *x, size_t n, double fs_hz, shn_error *err)
{
    const size_t narrow = (size_t)(0.1 * fs_hz) * 2 + 1, wide = (size_t)(0.3 * fs_hz) * 2 + 1;
    double *flat = shn_alloc(n, sizeof *flat), *first = shn_alloc(n, sizeof *first), *sorted = shn_alloc(wide + 1, sizeof *sorted);
    shn_status st = SHN_OK;
    if (flat && first && sorted) {
        bridge_gaps(x, n, flat);
        running_median(flat, n, narrow, sorted, first);
        running_median(first, n, wide, sorted, flat);
        for (size_t i = 0; i < n; i++)
            if (!isnan(x[i])) x[i] = (float)(x[i] - flat[i]);
    } else {
        st = shn_fail_nomem(err, "signal.baseline");
    }
    free(flat);
    free(first);
    free(sorted);
    return st;
}
