#include "eval/judged.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "data/permute.h"
#include "eval/away.h"
#include "eval/task.h"
#include "shinden/findings.h"

void judged_close(judged *j)
{
    for (int i = 0; i < SHN_READOUT_COUNT; i++) free(j->scores[i]);
    free(j->prevalence);
    free(j->specific);
    free(j->fold);
    free(j->node_n_pos);
    free(j->asked);
    if (j->nodes) away_nodes_free(j->nodes);
    free(j->nodes);
    decisions_free(&j->decided);
    evalset_close(&j->set);
}

/** How many of the evaluated records the model was fitted on; a list that cannot be read is an error, it would pass off fitted numbers as honest. */
static shn_status count_overlap(const evalset *s, size_t *n_fitted, shn_error *err)
{
    json_t *list = json_loads(s->model->fitted_records && *s->model->fitted_records ? s->model->fitted_records : "[]", 0, NULL);
    if (!json_is_array(list)) {
        json_decref(list);
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "eval", "the model's list of records that it was fitted on is damaged; train it again");
    }
    json_t *seen = json_object();
    size_t  i;
    json_t *value;
    int     ok = seen != NULL;
    *n_fitted = 0;
    json_array_foreach(list, i, value)
        if (ok && json_is_string(value)) ok = json_object_set(seen, json_string_value(value), json_true()) == 0;
    for (i = 0; ok && i < s->n; i++) {
        char hex[17];
        ok = evalset_record_hash(s->cohort, s->rows[i], hex);
        *n_fitted += ok && json_object_get(seen, hex) != NULL;
    }
    json_decref(list);
    json_decref(seen);
    return ok ? SHN_OK : shn_fail_nomem(err, "eval");
}

static shn_status score_readout(judged *j, shn_readout readout, shn_error *err)
{
    const evalset *s = &j->set;
    j->scores[readout] = shn_alloc(s->n * s->K, sizeof(float));
    if (!j->scores[readout]) return shn_fail_nomem(err, "eval");
    return shn_readout_scores(s->model, readout, s->z, s->n, j->scores[readout], err);
}

/** Cross-fitted decisions: over the forced read-out, or over all that apply. */
static shn_status decide_cross(judged *j, shn_readout forced, shn_error *err)
{
    const evalset *s = &j->set;
    shn_readout candidates[SHN_READOUT_COUNT];
    float      *scores[SHN_READOUT_COUNT];
    size_t      n = 0;
    shn_status  st = SHN_OK;
    for (int i = 0; i < SHN_READOUT_COUNT && st == SHN_OK; i++) {
        if (!(s->model->readouts >> i & 1) || (forced != SHN_READOUT_COUNT && forced != (shn_readout)i)) continue;
        st = score_readout(j, (shn_readout)i, err);
        candidates[n] = (shn_readout)i;
        scores[n++] = j->scores[i];
    }
    if (st == SHN_OK)
        st = decide_cross_fitted(candidates, scores, n, s->label, s->known, j->fold, s->n, s->K, j->prevalence, &j->decided, err);
    if (st == SHN_OK)
        snprintf(j->fitted_on, sizeof j->fitted_on, "cross-fitted on these records, %d folds by patient: %sthresholds, calibration%s", DECIDE_FOLDS,
                 forced == SHN_READOUT_COUNT && n > 1 ? "read-out, " : "", j->decided.mixed_readouts ? " (the folds chose different read-outs)" : "");
    return st;
}

static shn_status decide_fixed(judged *j, shn_readout readout, shn_error *err)
{
    const shn_model *m = j->set.model;
    shn_status st = score_readout(j, readout, err);
    if (st == SHN_OK) st = decide_with(&m->calibration[readout], j->scores[readout], j->set.n, m->K, &j->decided, err);
    j->decided.readout = readout;
    snprintf(j->fitted_on, sizeof j->fitted_on, "%.300s%s", m->calibration[readout].fitted ? (m->fitted_on ? m->fitted_on : "") : "nothing: the plain logistic and 0.5",
             j->overlaps ? " (these records among them, too few patients to cross-fit: optimistic)" : "");
    return st;
}

static shn_status decide(judged *j, shn_error *err)
{
    const shn_model *m = j->set.model;
    const shn_readout forced = j->o.readout;
    if (forced != SHN_READOUT_COUNT && !(m->readouts >> forced & 1))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "eval", "the read-out '%s' does not apply to a '%s' model",
                        shn_readout_name(forced), m->loss);
    size_t n_fitted = 0;
    const shn_status st = count_overlap(&j->set, &n_fitted, err);
    if (st != SHN_OK) return st;
    j->overlaps = n_fitted > 0;
    const int folded = decide_folds(j->set.patient, j->set.n, j->set.n_patients, j->o.seed, j->fold);
    if (folded < 0) return shn_fail_nomem(err, "eval");
    j->can_cross_fit = folded;
    if (j->overlaps && j->can_cross_fit) return decide_cross(j, forced, err);
    return decide_fixed(j, forced == SHN_READOUT_COUNT ? m->readout_default : forced, err);
}

static shn_status prepare(judged *j, const shn_model *m, shn_error *err)
{
    j->prevalence = shn_alloc(m->K, sizeof *j->prevalence);
    j->specific = shn_alloc(m->K, 1);
    j->fold = shn_alloc(j->set.n, 1);
    if (!j->prevalence || !j->specific || !j->fold) return shn_fail_nomem(err, "eval");
    for (size_t k = 0; k < m->K; k++) {
        j->prevalence[k] = m->n_known[k] ? (double)m->n_pos[k] / m->n_known[k] : 0;
        j->specific[k] = !(m->flags[k] & SHN_FINDING_UBIQUITOUS);
    }
    return SHN_OK;
}

shn_status judged_ask(judged *j, const char *const *ids, shn_error *err)
{
    evalset *s = &j->set;
    if (!j->o.findings) return SHN_OK;
    j->asked = shn_alloc(s->K, 1);
    if (!j->asked) return shn_fail_nomem(err, "eval");
    const shn_status st = task_select(j->o.findings, ids, s->K, j->asked, err);
    for (size_t i = 0; st == SHN_OK && i < s->n; i++)
        for (size_t k = 0; k < s->K; k++) s->known[i * s->K + k] &= j->asked[k];
    return st;
}

shn_status judged_open(const shn_model *m, shn_engine *eng, const shn_cohort *c, const shn_eval_options *options, judged *out, shn_error *err)
{
    memset(out, 0, sizeof *out);
    out->o = *options;
    shn_status st = evalset_open(m, eng, c, options->split, &options->watcher, &out->set, err);
    if (st == SHN_OK) st = judged_ask(out, (const char *const *)m->finding_id, err);
    if (st == SHN_OK && options->permute_labels)
        st = shn_permute_labels(out->set.label, out->set.known, out->set.patient, out->set.n, out->set.n_patients, out->set.K, options->permute_labels, err);
    if (st == SHN_OK) st = prepare(out, m, err);
    return st == SHN_OK ? decide(out, err) : st;
}

summary_input judged_input(const judged *j, const decisions *d)
{
    const evalset *s = &j->set;
    return (summary_input){ .n = s->n, .K = s->K, .score = d->score, .probability = d->probability, .uncalibrated = d->uncalibrated,
                            .label = s->label, .known = s->known, .at_05 = d->at_05, .at_f1 = d->at_f1, .at_f1_macro = d->at_f1_macro,
                            .at_f1_sample = d->at_f1_sample, .at_jaccard = d->at_jaccard,
                            .at_label = d->at_label, .at_prevalence = d->at_prevalence, .patient = s->patient, .n_patients = s->n_patients,
                            .n_pos_train = j->node_n_pos ? j->node_n_pos : s->model->n_pos, .specific = j->specific, .n_bootstrap = j->o.n_bootstrap, .seed = j->o.seed,
                            .n_threads = j->o.n_threads };
}
