#include "experiment/results.h"

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

/** Records, patients and findings with positives of each split. */
static shn_status splits_json(const shn_cohort *c, json_t *splits, shn_error *err)
{
    const size_t n = shn_cohort_size(c), K = shn_cohort_n_findings(c);
    for (size_t r = 0; r < n; r++) {
        const char *split = shn_cohort_split(c, r), *name = *split ? split : "(none)";
        uint32_t   *rows = NULL, *patient = NULL;
        size_t      n_rows, n_patients, present = 0, ten = 0;
        json_t *seen = json_object_get(splits, name);
        if (seen && *split) continue;
        if (!*split) {                                      /* shn_cohort_split_rows knows splits by name only */
            json_object_set_new(splits, name, json_pack("{s:I}", "n_records", json_integer_value(json_object_get(seen, "n_records")) + 1));
            continue;
        }
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
            json_object_set_new(splits, name, json_pack("{s:I, s:I, s:I, s:I}", "n_records", (json_int_t)n_rows, "n_patients", (json_int_t)n_patients, "n_findings", (json_int_t)present,
                                                        "n_findings_10", (json_int_t)ten));
        free(rows);
        free(patient);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status cohorts_json(const xp_plan *p, json_t *list, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < p->n_cohorts && st == SHN_OK; i++) {
        const xp_cohort  *given = &p->cohorts[i];
        const shn_cohort *c = given->open;
        json_t *splits = json_object(), *sources = json_object();
        st = splits_json(c, splits, err);
        for (size_t r = 0; r < shn_cohort_size(c); r++) {
            const char *name = shn_cohort_source(c, r);
            json_object_set_new(sources, name, json_integer(json_integer_value(json_object_get(sources, name)) + 1));
        }
        json_t *one = json_pack("{s:s, s:I, s:f, s:I, s:I, s:b, s:o, s:o}", "name", given->name, "n_records", (json_int_t)shn_cohort_size(c), "fs_hz", shn_cohort_fs_hz(c), "n_samples",
                                (json_int_t)shn_cohort_n_samples(c), "n_findings", (json_int_t)shn_cohort_n_findings(c), "simulated",
                                *shn_cohort_attribute(c, "simulated") == '1', "splits", splits, "sources", sources);
        if (given->n_folds) json_object_set_new(one, "cross_validation", json_pack("{s:I, s:s}", "n_folds", (json_int_t)given->n_folds, "pool", given->pool));
        json_array_append_new(list, one);
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

static json_t *systems_json(const xp_grid *g)
{
    const xp_plan *p = g->plan;
    json_t        *list = json_array();
    for (size_t i = 0; i < p->n_systems; i++) {
        const xp_system *s = &p->systems[i];
        shn_train_config config;
        json_t *settings = json_object();
        for (size_t k = 0; k < s->n_settings; k++) json_object_set_new(settings, s->settings[k].key, json_string(s->settings[k].value));
        const int known = xp_train_config(p, s, p->seeds[0], 0, &config, NULL) == SHN_OK;
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o}", "name", s->name, "loss", known ? shn_loss_name(config.loss) : "", "cohort",
                                              p->cohorts[s->cohort].name, "text", s->text < p->n_texts ? json_string(p->texts[s->text].name) : json_null(), "n_seeds",
                                              (json_int_t)s->n_seeds, "n_parts", (json_int_t)s->n_parts, "epochs", known ? json_integer(config.epochs) : json_null(),
                                              "training_seconds", xp_short(seconds_of(g, i)), "settings", settings));
    }
    return list;
}

/** Each text's provenance; a proxy says what it stands in for. */
static json_t *texts_json(const xp_plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_texts; i++) {
        char        hash[64];
        const char *what = hash;
        snprintf(hash, sizeof hash, "random vectors of %zu numbers, by the run's seed", p->texts[i].hash);
        if (p->texts[i].open) what = shn_vectors_describe(p->texts[i].open);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", p->texts[i].name, "what", what, "proxy", p->texts[i].proxy));
    }
    return list;
}

static json_t *head_json(const xp_grid *g)
{
    const xp_plan *p = g->plan;
    json_t        *seeds = json_array();
    for (size_t i = 0; i < p->n_seeds; i++) json_array_append_new(seeds, json_integer((json_int_t)p->seeds[i]));
    return json_pack("{s:i, s:b, s:s, s:s, s:s, s:o, s:I, s:o, s:o}", "schema_version", 1, "research_use_only", 1, "title", p->title, "about", p->about, "config_sha256", p->digest,
                     "seeds", seeds, "n_bootstrap", (json_int_t)p->n_bootstrap, "systems", systems_json(g), "texts", texts_json(p));
}

shn_status xp_results(const xp_grid *g, const shn_watcher *watcher, json_t **doc, shn_error *err)
{
    static const char *const names[] = { "cohorts", "tables", "claims", "learning", "sweeps", "drifts" };
    enum { COHORTS, TABLES, CLAIMS, LEARNING, SWEEPS, DRIFTS, PARTS };
    json_t    *part[PARTS];
    shn_status st = SHN_OK;
    *doc = head_json(g);
    for (int i = 0; i < PARTS; i++) {
        part[i] = json_array();
        if (!*doc || json_object_set_new(*doc, names[i], part[i]) != 0) st = shn_fail_nomem(err, "experiment");
    }
    if (st == SHN_OK) st = cohorts_json(g->plan, part[COHORTS], err);
    if (st == SHN_OK) st = xp_tables(g, watcher, part[TABLES], err);
    if (st == SHN_OK) st = xp_claims(g, watcher, part[CLAIMS], err);
    if (st == SHN_OK) st = xp_learning(g, part[LEARNING], part[SWEEPS], err);
    if (st == SHN_OK) st = xp_drifts(g, watcher, part[DRIFTS], err);
    if (st == SHN_OK) return SHN_OK;
    json_decref(*doc);
    *doc = NULL;
    return st;
}
