#include "eval/paired.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "eval/bootstrap.h"
#include "eval/weighted.h"

enum { PURPOSE_SEEDS = 0x73656564 /* "seed" */ };

/** Both systems on one set of records, which are those from `first` on of all that are resampled. */
typedef struct site { const weighted *a, *b; size_t first; } site;
/** One site, or two: then the value is the first's less the second's. */
typedef struct pair { site at[2]; size_t n_sites, n_seeds; uint64_t seed; } pair;

/** Adds `times` differences of seed s; scratch holds two rows of metrics and both findings' columns. */
static void add_seed(const pair *p, size_t s, double times, const double *weight, double *scratch, double *value)
{
    for (size_t i = 0; i < p->n_sites; i++) {
        const site  *at = &p->at[i];
        const size_t K = at->a[s].in->K;
        double *a = scratch, *b = scratch + METRIC_COUNT, *columns = scratch + 2 * METRIC_COUNT;
        weighted_metrics(&at->a[s], weight + at->first, a, columns, columns + K);
        if (at->b) weighted_metrics(&at->b[s], weight + at->first, b, columns, columns + K);
        else memset(b, 0, METRIC_COUNT * sizeof *b);
        for (int j = 0; j < METRIC_COUNT; j++) value[j] += (i ? -1 : 1) * times / (double)p->n_seeds * (a[j] - b[j]);     /* NaN stays NaN */
    }
}

static void resample_difference(const void *context, uint32_t resample, const double *weight, double *scratch, double *value)
{
    const pair *p = context;
    double *times = scratch, *rest = scratch + p->n_seeds;
    shn_rng rng = shn_rng_stream(p->seed, PURPOSE_SEEDS, resample, 0);
    memset(times, 0, p->n_seeds * sizeof *times);
    memset(value, 0, METRIC_COUNT * sizeof *value);
    for (size_t i = 0; i < p->n_seeds; i++) times[shn_rng_below(&rng, p->n_seeds)]++;
    for (size_t s = 0; s < p->n_seeds; s++)
        if (times[s] > 0) add_seed(p, s, times[s], weight, rest, value);
}

static int same_records(const summary_input *x, const summary_input *y)
{
    if (x->n != y->n || x->K != y->K || x->n_patients != y->n_patients) return 0;
    if (memcmp(x->patient, y->patient, x->n * sizeof *x->patient) != 0) return 0;
    for (size_t at = 0; at < x->n * x->K; at++)
        if (x->known[at] != y->known[at] || (x->known[at] && x->label[at] != y->label[at])) return 0;
    return 1;
}

static shn_status prepare_all(const summary_input *in, const summary_input *first, size_t n_seeds, weighted *out, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t s = 0; s < n_seeds && st == SHN_OK; s++)
        st = same_records(first, &in[s]) ? weighted_prepare(&in[s], &out[s], err)
                                         : shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.paired",
                                                    "seed %zu was judged on other records, labels or patients; evaluate both systems on one split", s + 1);
    return st;
}

/** Patients of all sites in one list, those of the second numbered after those of the first; records [n]. */
static uint32_t *patients_of(const pair *p, size_t *n, size_t *n_patients)
{
    *n = *n_patients = 0;
    for (size_t i = 0; i < p->n_sites; i++) *n += p->at[i].a[0].in->n;
    uint32_t *patient = shn_alloc(*n, sizeof *patient);
    for (size_t i = 0; patient && i < p->n_sites; i++) {
        const summary_input *in = p->at[i].a[0].in;
        for (size_t r = 0; r < in->n; r++) patient[p->at[i].first + r] = (uint32_t)(*n_patients + in->patient[r]);
        *n_patients += in->n_patients;
    }
    return patient;
}

static shn_status difference(const pair *p, const shn_watcher *watcher, paired_value *out, shn_error *err)
{
    const summary_input *in = p->at[0].a[0].in;
    size_t    n, n_patients;
    uint32_t *patient = patients_of(p, &n, &n_patients);
    const bootstrap_plan plan = { .patient = patient, .n = n, .n_patients = n_patients, .n_resamples = in->n_bootstrap, .seed = in->seed, .n_threads = in->n_threads,
                                  .width = METRIC_COUNT, .scratch = p->n_seeds + 2 * METRIC_COUNT + 2 * in->K };
    bootstrap_interval spread[METRIC_COUNT];
    double  point[METRIC_COUNT] = { 0 };
    double *ones = shn_alloc(n, sizeof *ones), *scratch = shn_alloc(plan.scratch, sizeof *scratch);
    shn_status st = patient && ones && scratch ? SHN_OK : shn_fail_nomem(err, "eval.paired");
    if (st == SHN_OK) {
        for (size_t i = 0; i < n; i++) ones[i] = 1;
        for (size_t s = 0; s < p->n_seeds; s++) add_seed(p, s, 1, ones, scratch, point);
        st = bootstrap_run(&plan, resample_difference, p, watcher, spread, err);
    }
    for (int j = 0; j < METRIC_COUNT && st == SHN_OK; j++) {
        const int defined = !isnan(point[j]);
        out[j].v = (summary_value){ point[j], defined ? spread[j].low : NAN, defined ? spread[j].high : NAN, spread[j].n_undefined };
        out[j].p = defined ? spread[j].p : NAN;
    }
    free(patient);
    free(ones);
    free(scratch);
    return st;
}

/** given: inputs of each site's two systems, the second's NULL for none. */
static shn_status compare(const summary_input *const given[2][2], size_t n_sites, size_t n_seeds, const shn_watcher *watcher, paired_value *out, shn_error *err)
{
    if (n_seeds == 0 || given[0][0][0].n_bootstrap == 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.paired", "%zu seeds, %u resamples; both must be above 0", n_seeds,
                        n_seeds ? (unsigned)given[0][0][0].n_bootstrap : 0u);
    weighted *prepared = shn_alloc(4 * n_seeds, sizeof *prepared);
    if (!prepared) return shn_fail_nomem(err, "eval.paired");
    pair       p = { .n_sites = n_sites, .n_seeds = n_seeds, .seed = given[0][0][0].seed };
    shn_status st = SHN_OK;
    for (size_t i = 0; i < n_sites && st == SHN_OK; i++) {
        weighted *a = prepared + 2 * i * n_seeds, *b = a + n_seeds;
        p.at[i] = (site){ a, given[i][1] ? b : NULL, i ? given[0][0][0].n : 0 };
        if (given[i][0][0].K != given[0][0][0].K)
            st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.paired", "%zu and %zu findings at the two places", given[0][0][0].K, given[i][0][0].K);
        if (st == SHN_OK) st = prepare_all(given[i][0], &given[i][0][0], n_seeds, a, err);
        if (st == SHN_OK && given[i][1]) st = prepare_all(given[i][1], &given[i][0][0], n_seeds, b, err);
    }
    if (st == SHN_OK) st = difference(&p, watcher, out, err);
    for (size_t i = 0; i < 4 * n_seeds; i++) weighted_free(&prepared[i]);
    free(prepared);
    return st;
}

shn_status paired_difference(const summary_input *a, const summary_input *b, size_t n_seeds, const shn_watcher *watcher, paired_value *out, shn_error *err)
{
    const summary_input *const given[2][2] = { { a, b } };
    return compare(given, 1, n_seeds, watcher, out, err);
}

shn_status paired_drop(const summary_input *a, const summary_input *b, const summary_input *a_away, const summary_input *b_away, size_t n_seeds, const shn_watcher *watcher,
                       paired_value *out, shn_error *err)
{
    const summary_input *const given[2][2] = { { a, b }, { a_away, b_away } };
    return compare(given, 2, n_seeds, watcher, out, err);
}

paired_verdict paired_judge(const summary_value *d, size_t n_seeds)
{
    if (isnan(d->value) || isnan(d->low) || isnan(d->high)) return PAIRED_UNDECIDED;
    if (n_seeds >= PAIRED_SEEDS_MIN && d->low > -PAIRED_MARGIN && d->high < PAIRED_MARGIN) return PAIRED_EQUAL;
    return d->low > 0 ? PAIRED_HIGHER : d->high < 0 ? PAIRED_LOWER : PAIRED_UNDECIDED;
}
