/** shn_eval: a model on a split, as one JSON document (docs/json.md). */
#include "shinden/eval.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "data/permute.h"
#include "eval/controls.h"
#include "eval/decide.h"
#include "eval/evalset.h"
#include "eval/rank.h"
#include "eval/summary.h"
#include "shinden/findings.h"

enum { EVAL_SCHEMA = 1, CURVE_MAX = 20 };

void shn_eval_defaults(shn_eval_options *options)
{
    *options = (shn_eval_options){ .split = "val", .readout = SHN_READOUT_COUNT, .n_bootstrap = 1000, .seed = 1, .controls = 1 };
}

/** Everything that the document is made from. */
typedef struct run {
    const shn_eval_options *o;
    evalset   set;
    float    *scores[SHN_READOUT_COUNT];        /* [n][K]; only the read-outs that were computed */
    double   *prevalence;                       /* [K] in training */
    uint8_t  *specific;                         /* [K] */
    uint8_t  *fold;                             /* [n] */
    int       overlaps, can_cross_fit;
    decisions decided;
    summary   result;
    json_t   *controls;
    size_t    n_in_train;                       /* evaluated records of the cohort's split `train` */
    char      fitted_on[384];
} run;

static void run_close(run *r)
{
    for (int i = 0; i < SHN_READOUT_COUNT; i++) free(r->scores[i]);
    free(r->prevalence);
    free(r->specific);
    free(r->fold);
    decisions_free(&r->decided);
    summary_free(&r->result);
    json_decref(r->controls);
    evalset_close(&r->set);
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

static shn_status score_readout(run *r, shn_readout readout, shn_error *err)
{
    const evalset *s = &r->set;
    r->scores[readout] = shn_alloc(s->n * s->K, sizeof(float));
    if (!r->scores[readout]) return shn_fail_nomem(err, "eval");
    return shn_readout_scores(s->model, readout, s->z, s->n, r->scores[readout], err);
}

/** Cross-fitted decisions: over the forced read-out, or over all that apply. */
static shn_status decide_cross(run *r, shn_readout forced, shn_error *err)
{
    const evalset *s = &r->set;
    shn_readout candidates[SHN_READOUT_COUNT];
    float      *scores[SHN_READOUT_COUNT];
    size_t      n = 0;
    shn_status  st = SHN_OK;
    for (int i = 0; i < SHN_READOUT_COUNT && st == SHN_OK; i++) {
        if (!(s->model->readouts >> i & 1) || (forced != SHN_READOUT_COUNT && forced != (shn_readout)i)) continue;
        st = score_readout(r, (shn_readout)i, err);
        candidates[n] = (shn_readout)i;
        scores[n++] = r->scores[i];
    }
    if (st == SHN_OK)
        st = decide_cross_fitted(candidates, scores, n, s->label, s->known, r->fold, s->n, s->K, r->prevalence, &r->decided, err);
    if (st == SHN_OK)
        snprintf(r->fitted_on, sizeof r->fitted_on, "cross-fitted on these records, %d folds by patient: %sthresholds, calibration%s", DECIDE_FOLDS,
                 forced == SHN_READOUT_COUNT && n > 1 ? "read-out, " : "", r->decided.mixed_readouts ? " (the folds chose different read-outs)" : "");
    return st;
}

static shn_status decide_fixed(run *r, shn_readout readout, shn_error *err)
{
    const shn_model *m = r->set.model;
    shn_status st = score_readout(r, readout, err);
    if (st == SHN_OK) st = decide_with(&m->calibration[readout], r->scores[readout], r->set.n, m->K, &r->decided, err);
    r->decided.readout = readout;
    snprintf(r->fitted_on, sizeof r->fitted_on, "%.300s%s", m->calibration[readout].fitted ? (m->fitted_on ? m->fitted_on : "") : "nothing: the plain logistic and 0.5",
             r->overlaps ? " (these records among them, too few patients to cross-fit: optimistic)" : "");
    return st;
}

static shn_status decide(run *r, shn_error *err)
{
    const shn_model *m = r->set.model;
    const shn_readout forced = r->o->readout;
    if (forced != SHN_READOUT_COUNT && !(m->readouts >> forced & 1))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "eval", "the read-out '%s' does not apply to a '%s' model",
                        shn_readout_name(forced), m->loss);
    size_t n_fitted = 0;
    const shn_status st = count_overlap(&r->set, &n_fitted, err);
    if (st != SHN_OK) return st;
    r->overlaps = n_fitted > 0;
    const int folded = decide_folds(r->set.patient, r->set.n, r->set.n_patients, r->o->seed, r->fold);
    if (folded < 0) return shn_fail_nomem(err, "eval");
    r->can_cross_fit = folded;
    if (r->overlaps && r->can_cross_fit) return decide_cross(r, forced, err);
    return decide_fixed(r, forced == SHN_READOUT_COUNT ? m->readout_default : forced, err);
}

static summary_input input_of(const run *r, const decisions *d)
{
    const evalset *s = &r->set;
    return (summary_input){ .n = s->n, .K = s->K, .score = d->score, .probability = d->probability, .uncalibrated = d->uncalibrated,
                            .label = s->label, .known = s->known, .at_05 = d->at_05, .at_f1 = d->at_f1, .at_f1_macro = d->at_f1_macro,
                            .at_f1_sample = d->at_f1_sample, .at_jaccard = d->at_jaccard,
                            .at_label = d->at_label, .at_prevalence = d->at_prevalence, .patient = s->patient, .n_patients = s->n_patients,
                            .n_pos_train = s->model->n_pos, .specific = r->specific, .n_bootstrap = r->o->n_bootstrap, .seed = r->o->seed,
                            .n_threads = r->o->n_threads };
}

/* ---- JSON ---- */

/** Text from outside; what is not UTF-8 (a path, a cohort made elsewhere, a text cut short) becomes U+FFFD, since JSON must be UTF-8. */
static json_t *text_json(const char *text)
{
    json_t *whole = json_string(text ? text : "");
    if (whole) return whole;
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    char *mended = shn_alloc(strlen(text) + 1, 3), *to = mended;
    while (mended && *at) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t n = utf8proc_iterate(at, -1, &code);
        memcpy(to, n > 0 ? (const char *)at : "\xEF\xBF\xBD", n > 0 ? (size_t)n : 3);
        to += n > 0 ? n : 3;
        at += n > 0 ? n : 1;
    }
    json_t *out = mended ? json_string(mended) : NULL;
    free(mended);
    return out;
}

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *value_json(const summary_value *v)
{
    json_t *o = json_object();
    json_object_set_new(o, "value", number(v->value));
    json_object_set_new(o, "low", number(v->low));
    json_object_set_new(o, "high", number(v->high));
    json_object_set_new(o, "n_undefined", json_integer(v->n_undefined));
    return o;
}

static json_t *metrics_json(const summary *s)
{
    json_t *o = json_object();
    for (int i = 0; i < METRIC_COUNT; i++) json_object_set_new(o, summary_metric_name(i), value_json(&s->metric[i]));
    return o;
}

/** "scp:AFIB;snomed:164889003" as ["AFIB", "164889003"]. */
static json_t *codes_json(const char *codes)
{
    json_t *list = json_array();
    while (*codes) {
        const size_t n = strcspn(codes, ";");
        const char  *colon = memchr(codes, ':', n), *start = colon ? colon + 1 : codes;
        if (codes + n > start) json_array_append_new(list, json_stringn(start, (size_t)(codes + n - start)));
        codes += n + (codes[n] == ';');
    }
    return list;
}

typedef struct confusion { double tp, fp, tn, fn; } confusion;

static confusion confusion_of(const evalset *s, const float *decision, size_t k)
{
    confusion c = { 0 };
    for (size_t i = 0; i < s->n; i++) {
        const size_t at = i * s->K + k;
        if (!s->known[at]) continue;
        if (decision[at] > 0.5f) *(s->label[at] ? &c.tp : &c.fp) += 1;
        else *(s->label[at] ? &c.fn : &c.tn) += 1;
    }
    return c;
}

static json_t *share(double part, double rest) { return part + rest > 0 ? json_real(part / (part + rest)) : json_null(); }

/** 0: the marginal read-out has nothing to say about the finding and gives its class-prior score. */
static int in_training_sets(const shn_model *m, size_t k)
{
    for (size_t u = 0; u < m->n_sets; u++)
        if (m->set_labels[u * m->K + k]) return 1;
    return 0;
}

static json_t *finding_json(const run *r, size_t k, const double *top1, const double *top5)
{
    const evalset   *s = &r->set;
    const shn_model *m = s->model;
    const confusion  c = confusion_of(s, r->decided.at_label, k);
    const shn_calibration *fit = &m->calibration[r->decided.readout];
    json_t *f = json_pack("{s:o, s:o, s:o, s:o, s:i, s:i}", "id", text_json(m->finding_id[k]), "codes", codes_json(m->codes[k] ? m->codes[k] : ""),
                          "name_en", text_json(m->name_en[k]), "name_ja", text_json(m->name_ja[k]), "n_pos", (int)(c.tp + c.fn), "n_known",
                          (int)(c.tp + c.fn + c.fp + c.tn));
    json_object_set_new(f, "n_pos_train", json_integer(m->n_pos[k]));
    json_object_set_new(f, "ubiquitous", json_boolean(m->flags[k] & SHN_FINDING_UBIQUITOUS));
    json_object_set_new(f, "urgent", json_boolean(m->flags[k] & SHN_FINDING_URGENT));
    json_object_set_new(f, "fallback", json_boolean(r->decided.readout == SHN_READOUT_MARGINAL && !in_training_sets(m, k)));
    json_object_set_new(f, "auroc", number(r->result.auroc[k].value));
    json_object_set_new(f, "auroc_low", number(r->result.auroc[k].low));
    json_object_set_new(f, "auroc_high", number(r->result.auroc[k].high));
    json_object_set_new(f, "auprc", number(r->result.auprc[k].value));
    json_object_set_new(f, "threshold", number(fit->fitted ? fit->threshold[k] : 0.5));
    json_object_set_new(f, "sensitivity", share(c.tp, c.fn));
    json_object_set_new(f, "specificity", share(c.tn, c.fp));
    json_object_set_new(f, "ppv", share(c.tp, c.fp));
    json_object_set_new(f, "npv", share(c.tn, c.fn));
    json_object_set_new(f, "top1", number(top1[k]));
    json_object_set_new(f, "top5", number(top5[k]));
    return f;
}

static shn_status per_label_json(const run *r, json_t **out, shn_error *err)
{
    const evalset *s = &r->set;
    double *top1 = shn_alloc(s->K, sizeof *top1), *top5 = shn_alloc(s->K, sizeof *top5);
    const shn_scored view = { r->decided.score, s->label, s->known, s->n, s->K };
    if (top1 && top5) {
        shn_top_k_per_finding(&view, 1, top1);
        shn_top_k_per_finding(&view, 5, top5);
        *out = json_array();
        for (size_t k = 0; k < s->K; k++) json_array_append_new(*out, finding_json(r, k, top1, top5));
    }
    free(top1);
    free(top5);
    return *out ? SHN_OK : shn_fail_nomem(err, "eval");
}

/** Urgent findings that are there and were not called, by record. */
static json_t *missed_json(const run *r)
{
    const evalset   *s = &r->set;
    const shn_model *m = s->model;
    json_t *list = json_array();
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->K; k++) {
            const size_t at = i * s->K + k;
            if (!(m->flags[k] & SHN_FINDING_URGENT) || !s->known[at] || !s->label[at] || r->decided.at_label[at] > 0.5f) continue;
            json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "record", text_json(shn_cohort_id(s->cohort, s->rows[i])), "source",
                                                  text_json(shn_cohort_source(s->cohort, s->rows[i])), "id", text_json(m->finding_id[k]), "probability",
                                                  number(r->decided.probability[at])));
        }
    return list;
}

/** Accuracy against the number of candidates: a hit if any true finding is among the first k. */
static shn_status curve_json(const run *r, json_t **out, shn_error *err)
{
    const evalset   *s = &r->set;
    const shn_scored view = { r->decided.score, s->label, s->known, s->n, s->K };
    const size_t     longest = s->K < CURVE_MAX ? s->K : CURVE_MAX;
    uint8_t *hit = shn_alloc(s->n, 1);
    *out = hit ? json_array() : NULL;
    for (size_t k = 1; *out && k <= longest; k++) {
        double share[2];
        for (int specific = 0; specific < 2; specific++) {
            size_t n = 0, hits = 0;
            shn_top_k_records(&view, k, specific ? r->specific : NULL, hit, NULL);
            for (size_t i = 0; i < s->n; i++) {
                n += hit[i] != 2;
                hits += hit[i] == 1;
            }
            share[specific] = n ? (double)hits / (double)n : NAN;
        }
        json_array_append_new(*out, json_pack("{s:I, s:o, s:o}", "k", (json_int_t)k, "top", number(share[0]), "top_specific", number(share[1])));
    }
    free(hit);
    return *out ? SHN_OK : shn_fail_nomem(err, "eval");
}

/* ---- controls ---- */

/** One control, judged as the model is; thresholds and calibration cross-fitted on these records where that is possible. */
static shn_status add_control(run *r, const char *name, const char *what, float *score, shn_error *err)
{
    const evalset *s = &r->set;
    const shn_readout none = SHN_READOUT_LOGIT;
    const shn_calibration unfitted = { 0 };
    decisions  d;
    summary    result;
    shn_status st = r->can_cross_fit
        ? decide_cross_fitted(&none, &score, 1, s->label, s->known, r->fold, s->n, s->K, r->prevalence, &d, err)
        : decide_with(&unfitted, score, s->n, s->K, &d, err);
    if (st != SHN_OK) return st;
    const summary_input in = input_of(r, &d);
    st = summary_make(&in, &r->o->watcher, &result, err);
    if (st == SHN_OK) {
        json_t *metrics = metrics_json(&result);
        json_object_set_new(metrics, "what", json_string(what));
        json_object_set_new(r->controls, name, metrics);
        summary_free(&result);
    }
    decisions_free(&d);
    return st;
}

static shn_status make_controls(run *r, shn_error *err)
{
    const evalset     *s = &r->set;
    shn_engine_options engine;
    char               what[256];
    double             penalty = 0;
    float *score = shn_alloc(s->n * s->K, sizeof *score);
    if (!score) return shn_fail_nomem(err, "eval");
    control_frequency(s, score);
    shn_status st = add_control(r, "label_frequency", "every record gets the training prevalence of each finding", score, err);
    shn_engine_defaults(&engine);
    engine.n_threads = r->o->n_threads;
    if (st != SHN_OK) {
        free(score);
        return st;
    }
    shn_error why = { 0 };
    st = control_random_probe(s, &engine, "train", &r->o->watcher, score, &penalty, &why);
    if (st == SHN_RANGE && why.reason == SHN_REASON_NO_SPLIT) {     /* another hospital's cohort: no records to train a probe on */
        json_object_set_new(r->controls, "random_encoder_probe", json_pack("{s:s}", "skipped", "the cohort has no split 'train'"));
        st = SHN_OK;
    } else if (st == SHN_OK) {
        snprintf(what, sizeof what, "ridge regression on a random encoder of the same shape (seed %u; penalty %g and scale by left-out patients of train)%s",
                 CONTROL_ENCODER_SEED, penalty, r->n_in_train ? "; evaluated records among its training records: optimistic" : "");
        st = add_control(r, "random_encoder_probe", what, score, err);
    } else if (err) {
        *err = why;
    }
    free(score);
    return st;
}

/* ---- the document ---- */

static shn_status write_document(const run *r, char **json, shn_error *err)
{
    const evalset *s = &r->set;
    json_t    *labels = NULL, *curve = NULL;
    shn_status st = per_label_json(r, &labels, err);
    if (st == SHN_OK) st = curve_json(r, &curve, err);
    if (st != SHN_OK) {
        json_decref(labels);
        return st;
    }
    json_t *doc = json_pack("{s:i, s:b, s:o, s:o, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "schema_version", EVAL_SCHEMA, "research_use_only", 1,
                            "loss", text_json(s->model->loss), "cohort", text_json(shn_cohort_path(s->cohort)), "split", text_json(r->o->split),
                            "readout", shn_readout_name(r->decided.readout), "fitted_on", text_json(r->fitted_on), "n_records", (json_int_t)s->n,
                            "n_patients", (json_int_t)s->n_patients, "n_records_in_train", (json_int_t)r->n_in_train, "n_findings_shared",
                            (json_int_t)s->n_shared, "n_findings_cohort_only", (json_int_t)s->n_cohort_only, "n_findings_model_only",
                            (json_int_t)(s->K - s->n_shared));
    if (!doc) {
        json_decref(curve);
        json_decref(labels);
        return shn_fail_nomem(err, "eval");
    }
    json_object_set_new(doc, "n_bootstrap", json_integer(r->o->n_bootstrap));
    json_object_set_new(doc, "seed", json_integer((json_int_t)r->o->seed));
    json_object_set_new(doc, "permuted_labels", json_integer((json_int_t)r->o->permute_labels));
    json_object_set_new(doc, "simulated", json_boolean(*shn_cohort_attribute(s->cohort, "simulated") == '1'));
    json_object_set_new(doc, "metrics", metrics_json(&r->result));
    json_object_set_new(doc, "top_k_curve", curve);
    json_object_set_new(doc, "per_label", labels);
    json_object_set_new(doc, "missed_urgent", missed_json(r));
    json_object_set(doc, "controls", r->controls);
    *json = json_dumps(doc, JSON_INDENT(1));
    json_decref(doc);
    return *json ? SHN_OK : shn_fail_nomem(err, "eval");
}

static shn_status prepare(run *r, const shn_model *m, shn_error *err)
{
    r->prevalence = shn_alloc(m->K, sizeof *r->prevalence);
    r->specific = shn_alloc(m->K, 1);
    r->fold = shn_alloc(r->set.n, 1);
    r->controls = json_object();
    if (!r->prevalence || !r->specific || !r->fold || !r->controls) return shn_fail_nomem(err, "eval");
    for (size_t k = 0; k < m->K; k++) {
        r->prevalence[k] = m->n_known[k] ? (double)m->n_pos[k] / m->n_known[k] : 0;
        r->specific[k] = !(m->flags[k] & SHN_FINDING_UBIQUITOUS);
    }
    for (size_t i = 0; i < r->set.n; i++) r->n_in_train += strcmp(shn_cohort_split(r->set.cohort, r->set.rows[i]), "train") == 0;
    return SHN_OK;
}

shn_status shn_eval(const shn_model *m, shn_engine *eng, const shn_cohort *c, const shn_eval_options *options, char **json, shn_error *err)
{
    run r = { .o = options };
    *json = NULL;
    shn_status st = evalset_open(m, eng, c, options->split, &options->watcher, &r.set, err);
    if (st == SHN_OK && options->permute_labels)
        st = shn_permute_labels(r.set.label, r.set.known, r.set.patient, r.set.n, r.set.n_patients, r.set.K, options->permute_labels, err);
    if (st == SHN_OK) st = prepare(&r, m, err);
    if (st == SHN_OK) st = decide(&r, err);
    if (st == SHN_OK) {
        const summary_input in = input_of(&r, &r.decided);
        st = summary_make(&in, &options->watcher, &r.result, err);
    }
    if (st == SHN_OK && options->controls) st = make_controls(&r, err);
    if (st == SHN_OK) st = write_document(&r, json, err);
    run_close(&r);
    return st;
}
