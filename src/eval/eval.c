/** shn_eval: a model on a split, as one JSON document (docs/json.md). */
#include "shinden/eval.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/away.h"
#include "eval/controls.h"
#include "eval/doc.h"
#include "eval/features.h"
#include "eval/judged.h"
#include "eval/rank.h"
#include "eval/subgroups.h"
#include "eval/summary.h"
#include "eval/supersets.h"
#include "eval/weighted.h"
#include "eval/zero_shot.h"
#include "shinden/findings.h"

enum { EVAL_SCHEMA = 1, CURVE_MAX = 20 };

void shn_eval_defaults(shn_eval_options *options)
{
    *options = (shn_eval_options){ .split = "val", .readout = SHN_READOUT_COUNT, .n_bootstrap = 1000, .seed = 1, .controls = 1 };
}

/** Everything that the document is made from. */
typedef struct run {
    const shn_eval_options *o;
    judged   j;
    summary  result;
    json_t  *controls;
    size_t   n_in_train;                        /* evaluated records of the cohort's split `train` */
} run;

static void run_close(run *r)
{
    judged_close(&r->j);
    summary_free(&r->result);
    json_decref(r->controls);
}

/* ---- JSON ---- */

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

/** What a column is called: a finding of the model, or a node of the registry where another institution is compared. */
typedef struct column_name { const char *id, *codes, *en, *ja, *pairs; unsigned flags; uint32_t n_pos_train; } column_name;

static column_name name_of(const judged *j, size_t k)
{
    const shn_model *m = j->set.model;
    if (!j->nodes) return (column_name){ m->finding_id[k], m->codes[k] ? m->codes[k] : "", m->name_en[k], m->name_ja[k], NULL, m->flags[k], m->n_pos[k] };
    const shn_finding *f = shn_registry_at(j->nodes->registry, j->nodes->node[k]);
    return (column_name){ f->id, "", f->name_en, f->name_ja, j->nodes->pairs[k], f->flags, j->node_n_pos[k] };
}

static json_t *finding_json(const run *r, size_t k, const double *top1, const double *top5)
{
    const evalset    *s = &r->j.set;
    const shn_model  *m = s->model;
    const column_name name = name_of(&r->j, k);
    const confusion   c = confusion_of(s, r->j.decided.at_label, k);
    const shn_calibration *fit = &m->calibration[r->j.decided.readout];
    json_t *f = json_pack("{s:o, s:o, s:o, s:o, s:i, s:i}", "id", doc_text(name.id), "codes", codes_json(name.codes), "name_en", doc_text(name.en), "name_ja",
                          doc_text(name.ja), "n_pos", (int)(c.tp + c.fn), "n_known", (int)(c.tp + c.fn + c.fp + c.tn));
    if (name.pairs) json_object_set_new(f, "compared", doc_text(name.pairs));
    json_object_set_new(f, "n_pos_train", json_integer(name.n_pos_train));
    json_object_set_new(f, "ubiquitous", json_boolean(name.flags & SHN_FINDING_UBIQUITOUS));
    json_object_set_new(f, "urgent", json_boolean(name.flags & SHN_FINDING_URGENT));
    json_object_set_new(f, "fallback", json_boolean(!r->j.nodes && r->j.decided.readout == SHN_READOUT_MARGINAL && !in_training_sets(m, k)));
    json_object_set_new(f, "auroc", doc_number(r->result.auroc[k].value));
    json_object_set_new(f, "auroc_low", doc_number(r->result.auroc[k].low));
    json_object_set_new(f, "auroc_high", doc_number(r->result.auroc[k].high));
    json_object_set_new(f, "auprc", doc_number(r->result.auprc[k].value));
    json_object_set_new(f, "threshold", r->j.nodes ? json_null() : doc_number(fit->fitted ? fit->threshold[k] : 0.5));
    json_object_set_new(f, "sensitivity", share(c.tp, c.fn));
    json_object_set_new(f, "specificity", share(c.tn, c.fp));
    json_object_set_new(f, "ppv", share(c.tp, c.fp));
    json_object_set_new(f, "npv", share(c.tn, c.fn));
    json_object_set_new(f, "top1", doc_number(top1[k]));
    json_object_set_new(f, "top5", doc_number(top5[k]));
    return f;
}

static shn_status per_label_json(const run *r, json_t **out, shn_error *err)
{
    const evalset *s = &r->j.set;
    double *top1 = shn_alloc(s->K, sizeof *top1), *top5 = shn_alloc(s->K, sizeof *top5);
    const shn_scored view = { r->j.decided.score, s->label, s->known, s->n, s->K };
    if (top1 && top5) {
        shn_top_k_per_finding(&view, 1, top1);
        shn_top_k_per_finding(&view, 5, top5);
        *out = json_array();
        for (size_t k = 0; k < s->K; k++)
            if (!r->j.asked || r->j.asked[k]) json_array_append_new(*out, finding_json(r, k, top1, top5));
    }
    free(top1);
    free(top5);
    return *out ? SHN_OK : shn_fail_nomem(err, "eval");
}

/** Urgent findings that are there and were not called, by record. */
static json_t *missed_json(const run *r)
{
    const evalset *s = &r->j.set;
    json_t *list = json_array();
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->K; k++) {
            const size_t      at = i * s->K + k;
            const column_name name = name_of(&r->j, k);
            if (!(name.flags & SHN_FINDING_URGENT) || !s->known[at] || !s->label[at] || r->j.decided.at_label[at] > 0.5f) continue;
            json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "record", doc_text(shn_cohort_id(s->cohort, s->rows[i])), "source",
                                                  doc_text(shn_cohort_source(s->cohort, s->rows[i])), "id", doc_text(name.id), "probability",
                                                  doc_number(r->j.decided.probability[at])));
        }
    return list;
}

/** Accuracy against the number of candidates: a hit if any true finding is among the first k. */
static shn_status curve_json(const run *r, json_t **out, shn_error *err)
{
    const evalset   *s = &r->j.set;
    const shn_scored view = { r->j.decided.score, s->label, s->known, s->n, s->K };
    const size_t     longest = s->K < CURVE_MAX ? s->K : CURVE_MAX;
    uint8_t *hit = shn_alloc(s->n, 1);
    *out = hit ? json_array() : NULL;
    for (size_t k = 1; *out && k <= longest; k++) {
        double share[2];
        for (int specific = 0; specific < 2; specific++) {
            shn_top_k_records(&view, k, specific ? r->j.specific : NULL, hit, NULL);
            share[specific] = weighted_hits(hit, s->n, NULL);
        }
        json_array_append_new(*out, json_pack("{s:I, s:o, s:o}", "k", (json_int_t)k, "top", doc_number(share[0]), "top_specific", doc_number(share[1])));
    }
    free(hit);
    return *out ? SHN_OK : shn_fail_nomem(err, "eval");
}

/* ---- controls ---- */

/** One control, judged as the model is; thresholds and calibration cross-fitted on these records where that is possible. */
static shn_status add_control(run *r, const char *name, const char *what, float *score, shn_error *err)
{
    const evalset *s = &r->j.set;
    const shn_readout none = SHN_READOUT_LOGIT;
    const shn_calibration unfitted = { 0 };
    decisions  d;
    summary    result;
    shn_status st = r->j.can_cross_fit
        ? decide_cross_fitted(&none, &score, 1, s->label, s->known, r->j.fold, s->n, s->K, r->j.prevalence, &d, err)
        : decide_with(&unfitted, score, s->n, s->K, &d, err);
    if (st != SHN_OK) return st;
    const summary_input in = judged_input(&r->j, &d);
    st = summary_make(&in, &r->o->watcher, &result, err);
    if (st == SHN_OK) {
        json_t *metrics = doc_metrics(&result);
        json_object_set_new(metrics, "what", json_string(what));
        json_object_set_new(r->controls, name, metrics);
        summary_free(&result);
    }
    decisions_free(&d);
    return st;
}

/** A control that is trained: told as skipped where the cohort has no records to train it on (another hospital's). `text` has a %g for the penalty. */
static shn_status add_trained(run *r, const char *name, const char *text, shn_status made, double penalty, float *score, shn_error *why, shn_error *err)
{
    char what[300];
    if (made == SHN_RANGE && why->reason == SHN_REASON_NO_SPLIT) {
        json_object_set_new(r->controls, name, json_pack("{s:s}", "skipped", "the cohort has no split 'train'"));
        return SHN_OK;
    }
    if (made != SHN_OK) {
        if (err) *err = *why;
        return made;
    }
    snprintf(what, sizeof what, "ridge regression on %s (penalty %g and scale by left-out patients of train)%s", text, penalty,
             r->n_in_train ? "; evaluated records among its training records: optimistic" : "");
    return add_control(r, name, what, score, err);
}

static shn_status make_controls(run *r, shn_error *err)
{
    const evalset     *s = &r->j.set;
    shn_engine_options engine;
    char               encoder[80];
    double             penalty = 0;
    shn_error          why = { 0 };
    float *score = shn_alloc(s->n * s->K, sizeof *score);
    if (!score) return shn_fail_nomem(err, "eval");
    control_frequency(s, score);
    shn_status st = add_control(r, "label_frequency", "every record gets the training prevalence of each finding", score, err);
    shn_engine_defaults(&engine);
    engine.n_threads = r->o->n_threads;
    snprintf(encoder, sizeof encoder, "a random encoder of the same shape, seed %u", CONTROL_ENCODER_SEED);
    if (st == SHN_OK) {
        const shn_status made = control_random_probe(s, &engine, "train", &r->o->watcher, score, &penalty, &why);
        st = add_trained(r, "random_encoder_probe", encoder, made, penalty, score, &why, err);
    }
    if (st == SHN_OK) {
        const shn_status made = control_simple_features(s, "train", score, &penalty, &why);
        st = add_trained(r, "simple_features_probe", "rate, regularity, amplitudes and intervals of the median beat", made, penalty, score, &why, err);
    }
    free(score);
    return st;
}

/* ---- the document ---- */

static size_t count_missing_leads(const evalset *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const uint8_t *present = shn_cohort_lead_present(s->cohort, s->rows[i]);
        int missing = 0;
        for (unsigned lead = 0; lead < 12; lead++) missing |= !present[lead] && (s->model->input.lead_present >> lead & 1);
        n += (size_t)missing;
    }
    return n;
}

/** What is only there where it was asked for, or where there is something to say. */
static shn_status add_groups(const run *r, json_t *doc, shn_error *err)
{
    json_t    *group = NULL;
    shn_status st = zero_shot_json(&r->j, &r->o->watcher, &group, err);
    if (group) json_object_set_new(doc, "zero_shot", group);
    group = NULL;
    if (st == SHN_OK && r->o->supersets) st = supersets_json(&r->j, r->o->vectors, &r->o->watcher, &group, err);
    if (group) json_object_set_new(doc, "supersets", group);
    group = NULL;
    if (st == SHN_OK && r->o->subgroups) st = subgroups_json(&r->j, &r->o->watcher, &group, err);
    if (group) json_object_set_new(doc, "subgroups", group);
    return st;
}

static shn_status write_document(const run *r, char **json, shn_error *err)
{
    const evalset *s = &r->j.set;
    json_t    *labels = NULL, *curve = NULL;
    shn_status st = per_label_json(r, &labels, err);
    if (st == SHN_OK) st = curve_json(r, &curve, err);
    if (st != SHN_OK) {
        json_decref(labels);
        return st;
    }
    json_t *doc = json_pack("{s:i, s:b, s:o, s:o, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "schema_version", EVAL_SCHEMA, "research_use_only", 1,
                            "loss", doc_text(s->model->loss), "cohort", doc_text(shn_cohort_path(s->cohort)), "split", doc_text(r->o->split),
                            "readout", shn_readout_name(r->j.decided.readout), "fitted_on", doc_text(r->j.fitted_on), "n_records", (json_int_t)s->n,
                            "n_patients", (json_int_t)s->n_patients, "n_records_in_train", (json_int_t)r->n_in_train, "n_findings_shared",
                            (json_int_t)s->n_shared, "n_findings_cohort_only", (json_int_t)s->n_cohort_only, "n_findings_model_only",
                            (json_int_t)(s->K - s->n_shared));
    if (!doc) {
        json_decref(curve);
        json_decref(labels);
        return shn_fail_nomem(err, "eval");
    }
    if (r->o->home) json_object_set_new(doc, "home", doc_text(shn_cohort_path(r->o->home)));
    json_object_set_new(doc, "findings_asked", r->o->findings ? doc_text(r->o->findings) : json_null());
    json_object_set_new(doc, "n_records_missing_leads", json_integer((json_int_t)count_missing_leads(s)));
    json_object_set_new(doc, "n_bootstrap", json_integer(r->o->n_bootstrap));
    json_object_set_new(doc, "seed", json_integer((json_int_t)r->o->seed));
    json_object_set_new(doc, "permuted_labels", json_integer((json_int_t)r->o->permute_labels));
    json_object_set_new(doc, "simulated", json_boolean(*shn_cohort_attribute(s->cohort, "simulated") == '1'));
    json_object_set_new(doc, "metrics", doc_metrics(&r->result));
    json_object_set_new(doc, "top_k_curve", curve);
    json_object_set_new(doc, "per_label", labels);
    json_object_set_new(doc, "missed_urgent", missed_json(r));
    json_object_set(doc, "controls", r->controls);
    st = add_groups(r, doc, err);
    *json = st == SHN_OK ? json_dumps(doc, JSON_INDENT(1)) : NULL;
    json_decref(doc);
    if (st != SHN_OK) return st;
    return *json ? SHN_OK : shn_fail_nomem(err, "eval");
}

shn_status shn_eval(const shn_model *m, shn_engine *eng, const shn_cohort *c, const shn_eval_options *options, char **json, shn_error *err)
{
    run r = { .o = options, .controls = json_object() };
    *json = NULL;
    shn_status st = r.controls ? (options->home ? judged_open_away(m, eng, c, options->home, options, &r.j, err) : judged_open(m, eng, c, options, &r.j, err))
                               : shn_fail_nomem(err, "eval");
    for (size_t i = 0; i < r.j.set.n; i++) r.n_in_train += strcmp(shn_cohort_split(c, r.j.set.rows[i]), "train") == 0;
    if (st == SHN_OK) {
        const summary_input in = judged_input(&r.j, &r.j.decided);
        st = summary_make(&in, &options->watcher, &r.result, err);
    }
    if (st == SHN_OK && options->controls && options->home)
        json_object_set_new(r.controls, "skipped", json_string("controls are not made where another institution is compared at shared parents"));
    else if (st == SHN_OK && options->controls) st = make_controls(&r, err);
    if (st == SHN_OK) st = write_document(&r, json, err);
    run_close(&r);
    return st;
}
