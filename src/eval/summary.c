#include "eval/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/bootstrap.h"
#include "eval/weighted.h"

const char *summary_metric_name(int metric)
{
#define X(name, ranks) #name,
    static const char *const names[] = { SUMMARY_METRICS(X) };
#undef X
    return names[metric];
}

int summary_metric_ranks(int metric)
{
#define X(name, ranks) ranks,
    static const int marks[] = { SUMMARY_METRICS(X) };
#undef X
    return marks[metric];
}

/** Values of a resample in one row: metrics, then AUROC and average precision per finding. */
static void resample_values(const void *context, uint32_t resample, const double *weight, double *scratch, double *value)
{
    const weighted *w = context;
    (void)resample;
    (void)scratch;
    weighted_metrics(w, weight, value, value + METRIC_COUNT, value + METRIC_COUNT + w->in->K);
}

static summary_value value_of(double point, const bootstrap_interval *i)
{
    if (!i) return (summary_value){ point, NAN, NAN, 0 };
    if (isnan(point)) return (summary_value){ point, NAN, NAN, i->n_undefined };       /* an interval around nothing says nothing */
    return (summary_value){ point, i->low, i->high, i->n_undefined };
}

shn_status summary_make(const summary_input *in, const shn_watcher *watcher, summary *out, shn_error *err)
{
    const size_t         K = in->K, width = METRIC_COUNT + 2 * K;
    const bootstrap_plan plan = { .patient = in->patient, .n = in->n, .n_patients = in->n_patients, .n_resamples = in->n_bootstrap,
                                  .seed = in->seed, .n_threads = in->n_threads, .width = width };
    weighted w;
    memset(out, 0, sizeof *out);
    shn_status st = weighted_prepare(in, &w, err);
    double *ones = shn_alloc(in->n, sizeof *ones), *point = shn_alloc(width, sizeof *point);
    bootstrap_interval *spread = shn_alloc(width, sizeof *spread);
    out->auroc = shn_alloc(K, sizeof *out->auroc);
    out->auprc = shn_alloc(K, sizeof *out->auprc);
    if (st == SHN_OK && (!ones || !point || !spread || !out->auroc || !out->auprc)) st = shn_fail_nomem(err, "eval.summary");
    if (st == SHN_OK) {
        for (size_t i = 0; i < in->n; i++) ones[i] = 1;
        resample_values(&w, 0, ones, NULL, point);
        if (in->n_bootstrap) st = bootstrap_run(&plan, resample_values, &w, watcher, spread, err);
    }
    for (size_t j = 0; j < width && st == SHN_OK; j++) {
        summary_value *to = j < METRIC_COUNT ? &out->metric[j] : j < METRIC_COUNT + K ? &out->auroc[j - METRIC_COUNT] : &out->auprc[j - METRIC_COUNT - K];
        *to = value_of(point[j], in->n_bootstrap ? &spread[j] : NULL);
    }
    free(ones);
    free(point);
    free(spread);
    weighted_free(&w);
    if (st != SHN_OK) summary_free(out);
    return st;
}

void summary_free(summary *s)
{
    free(s->auroc);
    free(s->auprc);
    memset(s, 0, sizeof *s);
}
