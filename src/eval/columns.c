#include "eval/columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/bootstrap.h"
#include "eval/rank.h"
#include "eval/weighted.h"

/** Where the values of a resample stand in its row. */
enum { MACRO_ROC, MACRO_PR = 2, DIFFERENCE = 4, HITS, SINGLE = HITS + COLUMNS_HITS_MAX };

typedef struct prepared {
    const columns_input *in;
    uint32_t *order[2];                 /* [P][n]: records that know the column, by score upwards */
    size_t   *n_known;                  /* [P] */
} prepared;

static shn_status prepare(const columns_input *in, prepared *p, shn_error *err)
{
    *p = (prepared){ .in = in, .n_known = shn_alloc(in->P, sizeof *p->n_known) };
    if (!p->n_known) return shn_fail_nomem(err, "eval.columns");
    for (int s = 0; s < 2 && in->score[s]; s++) {
        const shn_scored view = { in->score[s], in->label, in->known, in->n, in->P };
        p->order[s] = shn_alloc(in->n * in->P, sizeof *p->order[s]);
        if (!p->order[s]) return shn_fail_nomem(err, "eval.columns");
        for (size_t k = 0; k < in->P; k++) p->n_known[k] = shn_rank_known(&view, k, p->order[s] + k * in->n);
    }
    return SHN_OK;
}

static void release(prepared *p)
{
    free(p->order[0]);
    free(p->order[1]);
    free(p->n_known);
}

static void rank_values(const void *context, uint32_t resample, const double *weight, double *scratch, double *value)
{
    const prepared      *p = context;
    const columns_input *in = p->in;
    double sum[4] = { 0 };
    size_t n = 0;
    (void)resample;
    (void)scratch;
    for (size_t k = 0; k < in->P; k++) {
        double roc[2] = { NAN, NAN }, pr[2] = { NAN, NAN };
        for (int s = 0; s < 2 && in->score[s]; s++) {
            const uint32_t *order = p->order[s] + k * in->n;
            roc[s] = shn_auroc_ranked(in->score[s] + k, in->label + k, in->P, order, p->n_known[k], weight);
            pr[s] = shn_average_precision_ranked(in->score[s] + k, in->label + k, in->P, order, p->n_known[k], weight);
            value[SINGLE + (size_t)s * in->P + k] = roc[s];
        }
        if (!in->score[1]) value[SINGLE + in->P + k] = NAN;
        if (isnan(roc[0])) continue;                    /* labels are the same: both are defined or neither */
        n++;
        for (int s = 0; s < 2; s++) {
            sum[s] += roc[s];
            sum[2 + s] += pr[s];
        }
    }
    for (int i = 0; i < 4; i++) value[i] = n ? sum[i] / (double)n : NAN;
    value[DIFFERENCE] = value[MACRO_ROC] - value[MACRO_ROC + 1];
    for (int h = 0; h < COLUMNS_HITS_MAX; h++) value[HITS + h] = NAN;
    for (int h = 0; h < COLUMNS_HITS_MAX && in->hit[h]; h++) value[HITS + h] = weighted_hits(in->hit[h], in->n, weight);
}

static summary_value value_at(const double *point, const bootstrap_interval *spread, size_t at)
{
    if (!spread || isnan(point[at])) return (summary_value){ point[at], NAN, NAN, 0 };
    return (summary_value){ point[at], spread[at].low, spread[at].high, spread[at].n_undefined };
}

static void fill(const columns_input *in, const double *point, const bootstrap_interval *spread, columns_result *out)
{
    for (int s = 0; s < 2; s++) {
        for (size_t k = 0; k < in->P; k++) out->auroc[s][k] = value_at(point, spread, SINGLE + (size_t)s * in->P + k);
        out->auroc_macro[s] = value_at(point, spread, (size_t)(MACRO_ROC + s));
        out->auprc_macro[s] = value_at(point, spread, (size_t)(MACRO_PR + s));
    }
    out->difference = value_at(point, spread, DIFFERENCE);
    for (int h = 0; h < COLUMNS_HITS_MAX; h++) out->hit[h] = value_at(point, spread, (size_t)(HITS + h));
}

shn_status columns_rank(const columns_input *in, const shn_watcher *watcher, columns_result *out, shn_error *err)
{
    const size_t         width = SINGLE + 2 * in->P;
    const bootstrap_plan plan = { .patient = in->patient, .n = in->n, .n_patients = in->n_patients, .n_resamples = in->n_bootstrap, .seed = in->seed,
                                  .n_threads = in->n_threads, .width = width };
    prepared p;
    memset(out, 0, sizeof *out);
    shn_status st = prepare(in, &p, err);
    double    *ones = shn_alloc(in->n, sizeof *ones), *point = shn_alloc(width, sizeof *point);
    bootstrap_interval *spread = shn_alloc(width, sizeof *spread);
    for (int s = 0; s < 2; s++) out->auroc[s] = shn_alloc(in->P, sizeof *out->auroc[s]);
    if (st == SHN_OK && (!ones || !point || !spread || !out->auroc[0] || !out->auroc[1])) st = shn_fail_nomem(err, "eval.columns");
    if (st == SHN_OK) {
        for (size_t i = 0; i < in->n; i++) ones[i] = 1;
        rank_values(&p, 0, ones, NULL, point);
        if (in->n_bootstrap) st = bootstrap_run(&plan, rank_values, &p, watcher, spread, err);
    }
    if (st == SHN_OK) fill(in, point, in->n_bootstrap ? spread : NULL, out);
    free(ones);
    free(point);
    free(spread);
    release(&p);
    return st;
}

void columns_free(columns_result *r)
{
    free(r->auroc[0]);
    free(r->auroc[1]);
    memset(r, 0, sizeof *r);
}
