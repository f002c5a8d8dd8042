#include "eval/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/controls.h"
#include "shinden/embed.h"

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/** Sorts; the middle, 0 of none. */
static float median_of(float *v, size_t n)
{
    if (n == 0) return 0;
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/** slope [n]: absolute central differences of all leads, mean over 80 ms. sum: scratch [n + 1]. */
static void slopes_of(const float *mv, size_t T, size_t n, double fs_hz, double *sum, float *slope)
{
    const size_t half = (size_t)fmax(1, round(0.04 * fs_hz));
    sum[0] = 0;
    for (size_t t = 0; t < n; t++) {
        double s = 0;
        for (size_t lead = 0; lead < 12 && t > 0 && t + 1 < n; lead++) s += fabs((double)mv[lead * T + t + 1] - mv[lead * T + t - 1]);
        sum[t + 1] = sum[t] + s;
    }
    for (size_t t = 0; t < n; t++) {
        const size_t a = t > half ? t - half : 0, b = t + half + 1 < n ? t + half + 1 : n;
        slope[t] = (float)((sum[b] - sum[a]) / (double)(b - a));
    }
}

/** A threshold that one artefact does not set: 0.4 of the median over seconds of the second's highest slope. */
static float threshold_of(const float *slope, size_t n, double fs_hz, float *highest)
{
    const size_t second = (size_t)fmax(1, round(fs_hz));
    size_t       n_seconds = 0;
    for (size_t t = 0; t + second <= n; t += second) {
        float top = 0;
        for (size_t i = t; i < t + second; i++) top = slope[i] > top ? slope[i] : top;
        highest[n_seconds++] = top;
    }
    return 0.4f * median_of(highest, n_seconds);
}

static size_t pick_beats(const float *slope, size_t n, double fs_hz, float threshold, uint32_t *beat, float *width_s)
{
    const size_t apart = (size_t)round(0.25 * fs_hz);
    size_t       n_beats = 0;
    for (size_t t = 1; t + 1 < n; t++) {
        if (!(slope[t] > threshold && slope[t] >= slope[t - 1] && slope[t] > slope[t + 1])) continue;
        if (n_beats && t - beat[n_beats - 1] < apart) {         /* of two peaks of one complex the steeper is its place */
            if (slope[t] > slope[beat[n_beats - 1]]) beat[n_beats - 1] = (uint32_t)t;
        } else if (n_beats < FEATURES_BEATS_MAX) beat[n_beats++] = (uint32_t)t;
    }
    for (size_t b = 0; b < n_beats; b++) {
        size_t from = beat[b], to = beat[b];
        while (from > 0 && slope[from - 1] > 0.2f * slope[beat[b]]) from--;
        while (to + 1 < n && slope[to + 1] > 0.2f * slope[beat[b]]) to++;
        width_s[b] = (float)((double)(to - from + 1) / fs_hz);
    }
    return n_beats;
}

int features_beats(const float *mv, size_t T, size_t n, double fs_hz, uint32_t *beat, float *width_s)
{
    double *sum = shn_alloc(n + 1, sizeof *sum);
    float  *slope = shn_alloc(n, sizeof *slope), *highest = shn_alloc(n + 1, sizeof *highest);
    int     n_beats = -1;
    if (sum && slope && highest) {
        slopes_of(mv, T, n, fs_hz, sum, slope);
        const float threshold = threshold_of(slope, n, fs_hz, highest);
        n_beats = threshold > 0 ? (int)pick_beats(slope, n, fs_hz, threshold, beat, width_s) : 0;
    }
    free(sum);
    free(slope);
    free(highest);
    return n_beats;
}

static void rhythm_features(const uint32_t *beat, const float *width_s, size_t n_beats, double fs_hz, double *x)
{
    float  sorted[FEATURES_BEATS_MAX];
    double sum = 0, square = 0, change = 0, shortest = INFINITY, longest = 0;
    const size_t n = n_beats > 1 ? n_beats - 1 : 0;
    x[FEATURE_BEATS] = (double)n_beats;
    memcpy(sorted, width_s, n_beats * sizeof *sorted);
    x[FEATURE_QRS] = median_of(sorted, n_beats);
    x[FEATURE_QRS_LARGEST] = n_beats ? sorted[n_beats - 1] : 0;
    if (n == 0) return;
    for (size_t i = 0; i < n; i++) {
        const double rr = (beat[i + 1] - beat[i]) / fs_hz;
        sum += rr;
        square += rr * rr;
        shortest = fmin(shortest, rr);
        longest = fmax(longest, rr);
        if (i > 0) change += fabs(rr - (beat[i] - beat[i - 1]) / fs_hz);
    }
    const double mean = sum / (double)n;
    x[FEATURE_RATE] = 60 / mean;
    x[FEATURE_RR_SD] = sqrt(fmax(0, square / (double)n - mean * mean)) / mean;
    x[FEATURE_RR_CHANGE] = n > 1 ? change / (double)(n - 1) / mean : 0;
    x[FEATURE_RR_SHORTEST] = shortest / mean;
    x[FEATURE_RR_LONGEST] = longest / mean;
}

/** Highest (sign 1) or lowest (sign -1) of the median beat from `from` to `to` seconds after the R, against `level`. */
static double extreme(const float *beat, size_t before, size_t length, double fs_hz, double from, double to, int sign, double level)
{
    double best = -INFINITY;
    for (double t = from; t <= to + 1e-9; t += 1 / fs_hz) {
        const long at = (long)before + lround(t * fs_hz);
        if (at < 0 || (size_t)at >= length) continue;
        best = fmax(best, sign * (beat[at] - level));
    }
    return isfinite(best) ? sign * best : 0;
}

static double mean_level(const float *beat, size_t before, size_t length, double fs_hz, double from, double to)
{
    double sum = 0;
    size_t n = 0;
    for (double t = from; t <= to + 1e-9; t += 1 / fs_hz, n++) {
        const long at = (long)before + lround(t * fs_hz);
        sum += at < 0 || (size_t)at >= length ? 0 : beat[at];
    }
    return n ? sum / (double)n : 0;
}

static void lead_features(const float *lead, size_t n, const uint32_t *beat, size_t n_beats, double fs_hz, float *median, double *x)
{
    const size_t before = (size_t)round(0.25 * fs_hz), length = before + (size_t)round(0.45 * fs_hz);
    double       sum = 0, square = 0;
    for (size_t t = 0; t < n; t++) {
        sum += lead[t];
        square += (double)lead[t] * lead[t];
    }
    x[FEATURE_SD] = n ? sqrt(fmax(0, square / (double)n - sum * sum / ((double)n * (double)n))) : 0;
    size_t n_whole = 0;
    for (size_t t = 0; t < length; t++) {
        float values[FEATURES_BEATS_MAX];
        n_whole = 0;
        for (size_t b = 0; b < n_beats; b++)
            if (beat[b] >= before && beat[b] - before + length <= n) values[n_whole++] = lead[beat[b] - before + t];
        median[t] = median_of(values, n_whole);
    }
    if (n_whole == 0) return;
    const double level = mean_level(median, before, length, fs_hz, -0.1, -0.06);
    x[FEATURE_QRS_HIGH] = extreme(median, before, length, fs_hz, -0.06, 0.08, 1, level);
    x[FEATURE_QRS_LOW] = extreme(median, before, length, fs_hz, -0.06, 0.08, -1, level);
    x[FEATURE_ST] = mean_level(median, before, length, fs_hz, 0.08, 0.12) - level;
    x[FEATURE_T_HIGH] = extreme(median, before, length, fs_hz, 0.14, 0.42, 1, level);
    x[FEATURE_T_LOW] = extreme(median, before, length, fs_hz, 0.14, 0.42, -1, level);
    x[FEATURE_P] = extreme(median, before, length, fs_hz, -0.2, -0.08, 1, level);
}

int features_of(const float *mv, size_t T, size_t n, double fs_hz, double *x)
{
    uint32_t  beat[FEATURES_BEATS_MAX];
    float     width_s[FEATURES_BEATS_MAX];
    float    *median = shn_alloc((size_t)(fs_hz + 8), sizeof *median);
    const int n_beats = median ? features_beats(mv, T, n, fs_hz, beat, width_s) : -1;
    memset(x, 0, FEATURES * sizeof *x);
    if (n_beats >= 0) {
        rhythm_features(beat, width_s, (size_t)n_beats, fs_hz, x);
        for (size_t lead = 0; lead < 12; lead++)
            lead_features(mv + lead * T, n, beat, (size_t)n_beats, fs_hz, median, x + FEATURES_RHYTHM + lead * FEATURES_PER_LEAD);
    }
    free(median);
    return n_beats >= 0;
}

/** mv: scratch [12][n_samples]. */
static shn_status features_of_row(const shn_cohort *c, uint32_t row, float *mv, double *x, shn_error *err)
{
    shn_record *rec = NULL;
    shn_status  st = shn_cohort_record(c, row, &rec, err);
    if (st != SHN_OK) return st;
    const size_t n = shn_record_n_samples(rec);
    for (size_t lead = 0; lead < 12; lead++)
        for (size_t t = 0; t < n; t++) {
            const float v = shn_record_lead(rec, lead)[t];
            mv[lead * n + t] = isnan(v) ? 0 : v;
        }
    if (!features_of(mv, n, n, shn_cohort_fs_hz(c), x)) st = shn_fail_nomem(err, "eval.features");
    shn_record_free(rec);
    return st;
}

shn_status features_of_cohort(const shn_cohort *c, const uint32_t *rows, size_t n, double *x, shn_error *err)
{
    float     *mv = shn_alloc(12 * shn_cohort_n_samples(c), sizeof *mv);
    shn_status st = mv ? SHN_OK : shn_fail_nomem(err, "eval.features");
    for (size_t i = 0; i < n && st == SHN_OK; i++) st = features_of_row(c, rows[i], mv, x + i * FEATURES, err);
    free(mv);
    return st;
}

/** The features stand in the place of an embedding, the same for every window: z [n][windows][FEATURES]. */
static shn_status features_as_embedding(evalset *s, shn_error *err)
{
    const size_t W = s->model->input.n_windows;
    double      *x = shn_alloc(s->n * FEATURES, sizeof *x);
    s->z = shn_alloc(s->n * W * FEATURES, sizeof *s->z);
    const shn_status st = x && s->z ? features_of_cohort(s->cohort, s->rows, s->n, x, err) : shn_fail_nomem(err, "eval.features");
    for (size_t i = 0; st == SHN_OK && i < s->n; i++)
        for (size_t w = 0; w < W; w++)
            for (size_t f = 0; f < FEATURES; f++) s->z[(i * W + w) * FEATURES + f] = (float)x[i * FEATURES + f];
    free(x);
    return st;
}

shn_status control_simple_features(const evalset *s, const char *train_split, float *score, double *penalty, shn_error *err)
{
    evalset    train, mine = *s;
    shn_status st = evalset_open_labels(s->model, s->cohort, train_split, &train, err);
    if (st != SHN_OK) return st;
    mine.z = NULL;
    st = features_as_embedding(&train, err);
    if (st == SHN_OK) st = features_as_embedding(&mine, err);
    if (st == SHN_OK) st = control_linear_probe(&train, &mine, FEATURES, score, penalty, err);
    free(mine.z);
    evalset_close(&train);
    return st;
}
