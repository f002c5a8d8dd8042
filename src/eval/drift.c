#include "eval/drift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/features.h"
#include "shinden/metrics.h"
#include "shinden/signal.h"

enum { LIMB_LEADS = 6 };
static const double range_low = 0.01, range_high = 0.99;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_sample(const void *a, const void *b) { return *(const int16_t *)a - *(const int16_t *)b; }

/** Linear between neighbours. */
static double quantile(const double *sorted, size_t n, double share)
{
    const double at = share * (double)(n - 1);
    const size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

/** Range of a lead between its percentiles in mV; NaN when it has no samples. sorted: scratch [n_valid]. */
static double lead_range(const shn_packed *p, size_t lead, int16_t *sorted)
{
    size_t n = 0;
    for (size_t t = 0; t < p->n_valid; t++)
        if (p->signal[lead * p->n_samples + t] != SHN_GAP_I16) sorted[n++] = p->signal[lead * p->n_samples + t];
    if (n == 0) return NAN;
    qsort(sorted, n, sizeof *sorted, by_sample);
    return (sorted[(size_t)(range_high * (double)(n - 1))] - sorted[(size_t)(range_low * (double)(n - 1))]) * (double)p->uv_per_unit * 1e-3;
}

static double mean_range(const shn_packed *p, size_t first, size_t last, int16_t *sorted)
{
    double sum = 0, n = 0;
    for (size_t lead = first; lead < last; lead++) {
        const double r = lead_range(p, lead, sorted);
        if (isnan(r)) continue;
        sum += r;
        n++;
    }
    return n > 0 ? sum / n : NAN;
}

static shn_status heart_rate(const shn_cohort *c, uint32_t row, double *out, shn_error *err)
{
    double           x[FEATURES];
    const shn_status st = features_of_cohort(c, &row, 1, x, err);
    if (st == SHN_OK) *out = x[FEATURE_BEATS] >= 2 ? x[FEATURE_RATE] : NAN;
    return st;
}

/** NaN where the record has no such value. */
static shn_status value_of(int measure, const shn_cohort *c, uint32_t row, int16_t *sorted, double *out, shn_error *err)
{
    const shn_packed p = shn_cohort_packed(c, row);
    switch (measure) {
    case DRIFT_LIMB_MV: *out = mean_range(&p, 0, LIMB_LEADS, sorted); break;
    case DRIFT_CHEST_MV: *out = mean_range(&p, LIMB_LEADS, SHN_LEADS, sorted); break;
    case DRIFT_RATE: return heart_rate(c, row, out, err);
    case DRIFT_SECONDS: *out = (double)p.n_valid / shn_cohort_fs_hz(c); break;
    case DRIFT_AGE: *out = shn_cohort_age(c, row); break;
    default: *out = shn_cohort_sex(c, row) ? shn_cohort_sex(c, row) == 'F' : NAN;
    }
    return SHN_OK;
}

/** Defined values of a measure, sorted: value [*n_values]. */
static shn_status collect(int measure, const shn_cohort *c, const uint32_t *rows, size_t n, double *value, size_t *n_values, shn_error *err)
{
    int16_t   *sorted = shn_alloc(shn_cohort_n_samples(c), sizeof *sorted);
    shn_status st = sorted ? SHN_OK : shn_fail_nomem(err, "eval.drift");
    *n_values = 0;
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        double v;
        st = value_of(measure, c, rows[i], sorted, &v, err);
        if (st == SHN_OK && !isnan(v)) value[(*n_values)++] = v;
    }
    free(sorted);
    if (*n_values) qsort(value, *n_values, sizeof *value, by_value);
    return st;
}

static double mean_of(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += v[i] / (double)n;
    return sum;
}

static drift_side side_of(const double *sorted, size_t n)
{
    if (n == 0) return (drift_side){ NAN, NAN, NAN, NAN, 0 };
    return (drift_side){ mean_of(sorted, n), quantile(sorted, n, 0.5), quantile(sorted, n, 0.25), quantile(sorted, n, 0.75), n };
}

static double squares_about(const double *v, size_t n, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (v[i] - mean) * (v[i] - mean);
    return sum;
}

static double effect_of(const double *home, size_t n_home, const double *away, size_t n_away)
{
    if (n_home < 2 || n_away < 2) return NAN;
    const double a = mean_of(home, n_home), b = mean_of(away, n_away);
    const double sd = sqrt((squares_about(home, n_home, a) + squares_about(away, n_away, b)) / (double)(n_home + n_away - 2));
    const double rounding = 1e-9 * fmax(fabs(a), fabs(b));                      /* what sums of equal values differ by is no spread */
    if (sd > rounding) return (b - a) / sd;
    return fabs(b - a) <= rounding ? 0 : NAN;
}

shn_status drift_records(const shn_cohort *home, const uint32_t *home_rows, size_t n_home, const shn_cohort *away, const uint32_t *away_rows, size_t n_away,
                         drift_measure out[DRIFT_MEASURES], shn_error *err)
{
    static const struct { const char *name, *unit; } names[DRIFT_MEASURES] = { { "limb_voltage", "mV" }, { "chest_voltage", "mV" }, { "heart_rate", "1/min" }, { "length", "s" },
                                                                                    { "age", "years" }, { "female", "" } };
    double    *a = shn_alloc(n_home, sizeof *a), *b = shn_alloc(n_away, sizeof *b);
    shn_status st = a && b ? SHN_OK : shn_fail_nomem(err, "eval.drift");
    for (int m = 0; m < DRIFT_MEASURES && st == SHN_OK; m++) {
        size_t na, nb;
        st = collect(m, home, home_rows, n_home, a, &na, err);
        if (st == SHN_OK) st = collect(m, away, away_rows, n_away, b, &nb, err);
        if (st == SHN_OK) out[m] = (drift_measure){ names[m].name, names[m].unit, side_of(a, na), side_of(b, nb), effect_of(a, na, b, nb) };
    }
    free(a);
    free(b);
    return st;
}

/* ---- embeddings ---- */

/** Mean over windows of unit vectors, unit [n][E]. */
static void unit_means(const float *z, size_t n, size_t W, size_t E, double *unit)
{
    memset(unit, 0, n * E * sizeof *unit);
    for (size_t i = 0; i < n * W; i++) {
        double square = 0;
        for (size_t e = 0; e < E; e++) square += (double)z[i * E + e] * z[i * E + e];
        for (size_t e = 0; e < E && square > 0; e++) unit[i / W * E + e] += z[i * E + e] / sqrt(square) / (double)W;
    }
}

/** Mean of the records whose number is `half` modulo 2; of all with half 2. */
static void mean_vector(const double *unit, size_t n, size_t E, size_t half, double *mean)
{
    double count = 0;
    memset(mean, 0, E * sizeof *mean);
    for (size_t i = 0; i < n; i++) count += half == 2 || i % 2 == half;
    for (size_t i = 0; i < n; i++)
        for (size_t e = 0; e < E && (half == 2 || i % 2 == half); e++) mean[e] += unit[i * E + e] / count;
}

static double squared_distance(const double *a, const double *b, size_t E)
{
    double sum = 0;
    for (size_t e = 0; e < E; e++) sum += (a[e] - b[e]) * (a[e] - b[e]);
    return sum;
}

/** Both sides as one list: home first. */
typedef struct both { const double *home, *away; size_t n_home, n_away, E; double *mean_home, *mean_away; float *score; uint8_t *label; uint32_t *order; } both;

static double distance_of(const both *b)
{
    double spread = 0;
    mean_vector(b->home, b->n_home, b->E, 2, b->mean_home);
    mean_vector(b->away, b->n_away, b->E, 2, b->mean_away);
    for (size_t i = 0; i < b->n_home; i++) spread += squared_distance(b->home + i * b->E, b->mean_home, b->E);
    for (size_t i = 0; i < b->n_away; i++) spread += squared_distance(b->away + i * b->E, b->mean_away, b->E);
    spread /= (double)(b->n_home + b->n_away);
    return spread > 0 ? sqrt(squared_distance(b->mean_home, b->mean_away, b->E) / spread) : NAN;
}

/** AUROC of the records of `half` by the direction of the others. */
static double half_auroc(const both *b, size_t half)
{
    size_t n = 0;
    mean_vector(b->home, b->n_home, b->E, 1 - half, b->mean_home);
    mean_vector(b->away, b->n_away, b->E, 1 - half, b->mean_away);
    for (size_t side = 0; side < 2; side++)
        for (size_t i = half; i < (side ? b->n_away : b->n_home); i += 2) {
            const double *x = (side ? b->away : b->home) + i * b->E;
            double along = 0;
            for (size_t e = 0; e < b->E; e++) along += x[e] * (b->mean_away[e] - b->mean_home[e]);
            b->score[n] = (float)along;
            b->label[n++] = side == 1;
        }
    return shn_auroc(b->score, b->label, n, b->order);
}

shn_status drift_embeddings(const float *home, size_t n_home, const float *away, size_t n_away, size_t W, size_t E, drift_space *out, shn_error *err)
{
    double *a = shn_alloc(n_home * E, sizeof *a), *c = shn_alloc(n_away * E, sizeof *c), *mean = shn_alloc(2 * E, sizeof *mean);
    both    b = { .home = a, .away = c, .n_home = n_home, .n_away = n_away, .E = E, .mean_home = mean, .mean_away = mean ? mean + E : NULL,
                  .score = shn_alloc(n_home + n_away, sizeof(float)), .label = shn_alloc(n_home + n_away, 1), .order = shn_alloc(n_home + n_away, sizeof(uint32_t)) };
    *out = (drift_space){ NAN, NAN };
    const shn_status st = a && c && mean && b.score && b.label && b.order ? SHN_OK : shn_fail_nomem(err, "eval.drift");
    if (st == SHN_OK && n_home >= 4 && n_away >= 4) {
        unit_means(home, n_home, W, E, a);
        unit_means(away, n_away, W, E, c);
        out->distance = distance_of(&b);
        out->auroc = (half_auroc(&b, 0) + half_auroc(&b, 1)) / 2;
    }
    free(a);
    free(c);
    free(mean);
    free(b.score);
    free(b.label);
    free(b.order);
    return st;
}
