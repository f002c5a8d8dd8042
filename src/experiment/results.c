#include "experiment/results.h"

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/doc.h"
#include "experiment/groups.h"

static shn_status set_named(json_t *object, const char *name, json_t *value, shn_error *err)
{
    return json_object_set_new(object, name, value) == 0 ? SHN_OK : shn_fail_nomem(err, "experiment");
}

/** Records, patients and findings with positives of one split; name: as the document has it. */
static shn_status add_split(const shn_cohort *c, const char *split, const char *name, json_t *splits, shn_error *err)
{
    const size_t K = shn_cohort_n_findings(c);
    uint32_t    *rows = NULL, *patient = NULL;
    size_t       n_rows, n_patients, present = 0, ten = 0;
    shn_status st = shn_cohort_split_rows(c, split, &rows, &n_rows, err);
    if (st == SHN_OK && !(patient = shn_alloc(n_rows, sizeof *patient))) st = shn_fail_nomem(err, "experiment");
    if (st == SHN_OK) st = shn_cohort_patients(c, rows, n_rows, patient, &n_patients, err);
    for (size_t k = 0; st == SHN_OK && k < K; k++) {
        size_t positive = 0;
        for (size_t i = 0; i < n_rows; i++) positive += shn_cohort_known(c, rows[i])[k] && shn_cohort_labels(c, rows[i])[k];
        present += positive > 0;
        ten += positive >= 10;
    }
    if (st == SHN_OK)
        st = set_named(splits, name, json_pack("{s:I, s:I, s:I, s:I}", "n_records", (json_int_t)n_rows, "n_patients", (json_int_t)n_patients, "n_findings", (json_int_t)present,
                                               "n_findings_10", (json_int_t)ten), err);
    free(rows);
    free(patient);
    return st;
}

/** Counts a record under its source and its split, whose names come from the cohort's file (doc_text). */
static shn_status count_record(const shn_cohort *c, size_t row, json_t *splits, json_t *sources, shn_error *err)
{
    const char *split = shn_cohort_split(c, row);
    json_t     *source = doc_text(shn_cohort_source(c, row)), *name = doc_text(*split ? split : "(none)");
    shn_status  st = source && name ? SHN_OK : shn_fail_nomem(err, "experiment");
    if (st == SHN_OK) st = set_named(sources, json_string_value(source), json_integer(json_integer_value(json_object_get(sources, json_string_value(source))) + 1), err);
    const json_t *seen = st == SHN_OK ? json_object_get(splits, json_string_value(name)) : NULL;
    if (st == SHN_OK && !*split)                        /* shn_cohort_split_rows knows splits by name only */
        st = set_named(splits, json_string_value(name), json_pack("{s:I}", "n_records", json_integer_value(json_object_get(seen, "n_records")) + 1), err);
    else if (st == SHN_OK && !seen) st = add_split(c, split, json_string_value(name), splits, err);
    json_decref(source);
    json_decref(name);
    return st;
}

static shn_status cohort_json(const xp_cohort *given, json_t **out, shn_error *err)
{
    const shn_cohort *c = given->open;
    json_t *splits = json_object(), *sources = json_object();
    *out = json_pack("{s:s, s:I, s:f, s:I, s:I, s:b, s:o, s:o}", "name", given->name, "n_records", (json_int_t)shn_cohort_size(c), "fs_hz", shn_cohort_fs_hz(c), "n_samples",
                     (json_int_t)shn_cohort_n_samples(c), "n_findings", (json_int_t)shn_cohort_n_findings(c), "simulated", *shn_cohort_attribute(c, "simulated") == '1', "splits", splits,
                     "sources", sources);
    shn_status st = *out ? SHN_OK : shn_fail_nomem(err, "experiment");
    for (size_t r = 0; r < shn_cohort_size(c) && st == SHN_OK; r++) st = count_record(c, r, splits, sources, err);
    if (st == SHN_OK && given->n_folds) st = set_named(*out, "cross_validation", json_pack("{s:I, s:s}", "n_folds", (json_int_t)given->n_folds, "pool", given->pool), err);
    return st;
}

static shn_status cohorts_json(const xp_plan *p, json_t *list, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < p->n_cohorts && st == SHN_OK; i++) {
        json_t *one = NULL;
        st = cohort_json(&p->cohorts[i], &one, err);
        if (st == SHN_OK) st = xp_append(list, one, err);
        else json_decref(one);
    }
    return st;
}

/** Seconds of all trainings of a system together. */
static double seconds_of(const xp_grid *g, size_t system)
{
    double sum = 0;
    for (size_t i = 0; i < g->n_runs; i++)
        if (g->runs[i].system == system) sum += g->runs[i].seconds;
    return sum;
}

static json_t *system_json(const xp_grid *g, size_t i)
{
    const xp_plan   *p = g->plan;
    const xp_system *s = &p->systems[i];
    shn_train_config config;
    json_t *settings = json_object();
    for (size_t k = 0; k < s->n_settings; k++)
        if (set_named(settings, s->settings[k].key, json_string(s->settings[k].value), NULL) != SHN_OK) {
            json_decref(settings);
            return NULL;
        }
    const int known = xp_train_config(p, s, p->seeds[0], 0, &config, NULL) == SHN_OK;
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o}", "name", s->name, "loss", known ? shn_loss_name(config.loss) : "", "cohort", p->cohorts[s->cohort].name, "text",
                     s->text < p->n_texts ? json_string(p->texts[s->text].name) : json_null(), "n_seeds", (json_int_t)s->n_seeds, "n_parts", (json_int_t)s->n_parts, "epochs",
                     known ? json_integer(config.epochs) : json_null(), "training_seconds", xp_short(seconds_of(g, i)), "settings", settings);
}

/** A text's provenance; a proxy says what it stands in for. */
static json_t *text_json(const xp_text *t)
{
    if (t->open) return json_pack("{s:s, s:o, s:s}", "name", t->name, "what", doc_text(shn_vectors_describe(t->open)), "proxy", t->proxy);
    return json_pack("{s:s, s:o, s:s}", "name", t->name, "what", json_sprintf("random vectors of %zu numbers, by the run's seed", t->hash), "proxy", t->proxy);
}

/** What the config says, before anything is judged. */
static shn_status head_json(const xp_grid *g, json_t **out, shn_error *err)
{
    const xp_plan *p = g->plan;
    json_t        *seeds = json_array(), *systems = json_array(), *texts = json_array();
    *out = json_pack("{s:i, s:b, s:s, s:s, s:s, s:o, s:I, s:o, s:o}", "schema_version", 1, "research_use_only", 1, "title", p->title, "about", p->about, "config_sha256", p->digest, "seeds",
                     seeds, "n_bootstrap", (json_int_t)p->n_bootstrap, "systems", systems, "texts", texts);
    shn_status st = *out ? SHN_OK : shn_fail_nomem(err, "experiment");
    for (size_t i = 0; i < p->n_seeds && st == SHN_OK; i++) st = xp_append(seeds, json_integer((json_int_t)p->seeds[i]), err);
    for (size_t i = 0; i < p->n_systems && st == SHN_OK; i++) st = xp_append(systems, system_json(g, i), err);
    for (size_t i = 0; i < p->n_texts && st == SHN_OK; i++) st = xp_append(texts, text_json(&p->texts[i]), err);
    return st;
}

shn_status xp_results(const xp_grid *g, const shn_watcher *watcher, json_t **doc, shn_error *err)
{
    static const char *const names[] = { "cohorts", "tables", "claims", "learning", "sweeps", "drifts", "subgroups", "supersets" };
    enum { COHORTS, TABLES, CLAIMS, LEARNING, SWEEPS, DRIFTS, SUBGROUPS, SUPERSETS, PARTS };
    json_t    *part[PARTS];                             /* borrowed from *doc */
    shn_status st = head_json(g, doc, err);
    for (int i = 0; i < PARTS && st == SHN_OK; i++) st = set_named(*doc, names[i], part[i] = json_array(), err);
    if (st == SHN_OK) st = cohorts_json(g->plan, part[COHORTS], err);
    if (st == SHN_OK) st = xp_tables(g, watcher, part[TABLES], err);
    if (st == SHN_OK) st = xp_claims(g, watcher, part[CLAIMS], err);
    if (st == SHN_OK) st = xp_learning(g, part[LEARNING], part[SWEEPS], err);
    if (st == SHN_OK) st = xp_drifts(g, watcher, part[DRIFTS], err);
    if (st == SHN_OK) st = xp_subgroups(g, watcher, part[SUBGROUPS], err);
    if (st == SHN_OK) st = xp_supersets(g, watcher, part[SUPERSETS], err);
    if (st == SHN_OK) return SHN_OK;
    json_decref(*doc);
    *doc = NULL;
    return st;
}
