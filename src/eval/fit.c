/** shn_model_fit: everything that is fitted after training, on one split, for every read-out that applies. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/calibrate.h"
#include "eval/evalset.h"
#include "eval/rank.h"
#include "shinden/eval.h"

/** JSON list of the records' hashes. */
static char *hash_list(const evalset *s)
{
    json_t *list = json_array();
    int     ok = list != NULL;
    for (size_t i = 0; ok && i < s->n; i++) {
        char hex[17];
        ok = evalset_record_hash(s->cohort, s->rows[i], hex) && json_array_append_new(list, json_string(hex)) == 0;
    }
    char *text = ok ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return text;
}

static char *describe(const char *split, const evalset *s)
{
    static const char format[] = "split '%s': %zu records, %zu patients (read-out by macro AUROC, calibration, thresholds)";
    const size_t size = sizeof format + strlen(split) + 2 * 20;
    char *text = shn_alloc(size, 1);
    if (text) snprintf(text, size, format, split, s->n, s->n_patients);
    return text;
}

static shn_status fit_readouts(shn_model *m, const evalset *s, shn_error *err)
{
    double     best = -1;
    shn_status st = SHN_OK;
    float  *score = shn_alloc(s->n * m->K, sizeof *score);
    double *prevalence = shn_alloc(m->K, sizeof *prevalence);
    uint32_t *order = shn_alloc(s->n, sizeof *order);
    if (!score || !prevalence || !order) st = shn_fail_nomem(err, "fit");
    for (size_t k = 0; prevalence && k < m->K; k++) prevalence[k] = m->n_pos[k] / (m->n_known[k] > 0 ? (double)m->n_known[k] : 1);
    for (int r = 0; r < SHN_READOUT_COUNT && st == SHN_OK; r++) {
        if (!(m->readouts >> r & 1)) continue;
        st = shn_readout_scores(m, (shn_readout)r, s->z, s->n, score, err);
        const shn_scored raw = { score, s->label, s->known, s->n, m->K };
        if (st == SHN_OK) st = shn_calibration_fit(&raw, NULL, prevalence, &m->calibration[r], err);
        const double auroc = st == SHN_OK ? shn_auroc_macro_using(&raw, order) : NAN;
        if (auroc > best) {                     /* NaN (nothing to rank) never wins; the trainer's default then stays */
            best = auroc;
            m->readout_default = (shn_readout)r;
        }
    }
    free(score);
    free(prevalence);
    free(order);
    return st;
}

shn_status shn_model_fit(shn_model *m, shn_engine *eng, const shn_cohort *c, const char *split, const shn_watcher *watcher, shn_error *err)
{
    evalset s;
    shn_status st = evalset_open(m, eng, c, split, watcher, &s, err);
    if (st != SHN_OK) return st;
    st = fit_readouts(m, &s, err);
    char *fitted_on = describe(split, &s), *records = hash_list(&s);
    if (st == SHN_OK && (!fitted_on || !records)) st = shn_fail_nomem(err, "fit");
    if (st == SHN_OK) {
        free(m->fitted_on);
        free(m->fitted_records);
        m->fitted_on = fitted_on;
        m->fitted_records = records;
        fitted_on = records = NULL;
    }
    free(fitted_on);
    free(records);
    evalset_close(&s);
    return st;
}

shn_status shn_model_fit_val(shn_model *m, const shn_cohort *c, const shn_engine_options *options, const shn_watcher *watcher, shn_error *err)
{
    enum { BATCH = 64 };
    shn_engine *eng = NULL;
    if (!shn_cohort_has_split(c, "val")) return SHN_OK;
    shn_status st = shn_model_engine(m, BATCH, options, &eng, err);
    if (st == SHN_OK) st = shn_model_fit(m, eng, c, "val", watcher, err);
    shn_engine_free(eng);
    return st;
}
