#include "experiment/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/subgroups.h"
#include "eval/supersets.h"
#include "experiment/judge.h"
#include "experiment/results.h"

/* ---- means over seeds ---- */

/** The n values at a key or, with key NULL, at an index of the documents; NULL: out of memory or not there. */
static json_t *mean_at(json_t *const *docs, size_t n, const char *key, size_t index)
{
    json_t **at = shn_alloc(n, sizeof *at), *mean = NULL;
    size_t   found = 0;
    while (at && found < n && (at[found] = key ? json_object_get(docs[found], key) : json_array_get(docs[found], index))) found++;
    if (at && found == n) mean = xp_mean(at, n);
    free(at);
    return mean;
}

static json_t *mean_number(json_t *const *docs, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!json_is_number(docs[i])) return json_null();
        sum += json_number_value(docs[i]);
    }
    return json_real(sum / (double)n);
}

json_t *xp_mean(json_t *const *docs, size_t n)
{
    const char *key;
    json_t     *value, *mean = NULL;
    int         ok = 1;
    if (json_is_object(docs[0])) {
        mean = json_object();
        json_object_foreach(docs[0], key, value) ok &= json_object_set_new(mean, key, mean_at(docs, n, key, 0)) == 0;
    } else if (json_is_array(docs[0])) {
        mean = json_array();
        for (size_t i = 1; i < n; i++) ok &= json_array_size(docs[i]) == json_array_size(docs[0]);
        for (size_t i = 0; i < json_array_size(docs[0]) && ok; i++) ok = json_array_append_new(mean, mean_at(docs, n, NULL, i)) == 0;
    } else {
        int number = json_is_null(docs[0]);             /* a number of some seeds that is not there in another */
        for (size_t i = 0; i < n; i++) number |= json_is_real(docs[i]);
        return number ? mean_number(docs, n) : json_incref(docs[0]);
    }
    if (ok && mean) return mean;
    json_decref(mean);
    return NULL;
}

/* ---- a row's documents, one for each seed ---- */

typedef shn_status document_of(const xp_grid *g, const xp_row *row, const judged *j, const shn_watcher *watcher, json_t **out, shn_error *err);

static shn_status of_seed(const xp_grid *g, const xp_row *row, const xp_evaluation *e, size_t seed, document_of *make, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    shn_model *model;
    judged     j;
    shn_status st = xp_judge_part(g, row, e, xp_grid_find(g, row->system, seed, 0), XP_TRAINED, watcher, &model, &j, err);
    if (st == SHN_OK) st = make(g, row, &j, watcher, out, err);
    judged_close(&j);
    shn_model_free(model);
    return st;
}

/** *out: the mean over the row's seeds, owned by the caller. */
static shn_status of_row(const xp_grid *g, const xp_row *row, size_t evaluation, document_of *make, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    const size_t n = g->plan->systems[row->system].n_seeds;
    json_t     **docs = shn_alloc(n, sizeof *docs);
    shn_status   st = docs ? SHN_OK : shn_fail_nomem(err, "experiment.groups");
    *out = NULL;
    for (size_t seed = 0; seed < n && st == SHN_OK; seed++) st = of_seed(g, row, &g->plan->evaluations[evaluation], seed, make, watcher, &docs[seed], err);
    if (st == SHN_OK && !(*out = xp_mean(docs, n))) st = shn_fail_nomem(err, "experiment.groups");
    for (size_t seed = 0; docs && seed < n; seed++) json_decref(docs[seed]);
    free(docs);
    return st;
}

/* ---- subgroups ---- */

static shn_status subgroups_of(const xp_grid *g, const xp_row *row, const judged *j, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    const xp_subgroup_table *t = &g->plan->subgroups;
    size_t     i;
    json_t    *group;
    shn_status st = subgroups_json(j, watcher, out, err);
    (void)row;
    json_array_foreach(st == SHN_OK ? *out : NULL, i, group) {          /* the metrics that the config names */
        json_t *all = json_object_get(group, "metrics"), *asked = json_object();
        int     ok = asked != NULL;
        for (size_t m = 0; m < t->n_metrics && ok; m++) ok = json_object_set(asked, summary_metric_name(t->metrics[m]), json_object_get(all, summary_metric_name(t->metrics[m]))) == 0;
        if (json_object_set_new(group, "metrics", asked) != 0 || !ok) return shn_fail_nomem(err, "experiment.groups");
    }
    return st;
}

shn_status xp_subgroups(const xp_grid *g, const shn_watcher *watcher, json_t *list, shn_error *err)
{
    const xp_subgroup_table *t = &g->plan->subgroups;
    json_t    *groups = NULL;
    if (t->n_metrics == 0) return SHN_OK;
    shn_status st = of_row(g, &t->row, t->evaluation, subgroups_of, watcher, &groups, err);
    if (st != SHN_OK) return st;
    json_t *metrics = json_array();
    for (size_t m = 0; m < t->n_metrics && st == SHN_OK; m++) st = xp_append(metrics, json_string(summary_metric_name(t->metrics[m])), err);
    json_t *one = json_pack("{s:s, s:s, s:I, s:o, s:o}", "row", t->row.text, "evaluation", g->plan->evaluations[t->evaluation].name, "n_seeds",
                            (json_int_t)g->plan->systems[t->row.system].n_seeds, "metrics", metrics, "groups", groups);
    if (st == SHN_OK) return xp_append(list, one, err);
    json_decref(one);
    return st;
}

/* ---- supersets ---- */

static shn_status supersets_of(const xp_grid *g, const xp_row *row, const judged *j, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    const xp_plan *p = g->plan;
    const size_t   text = p->systems[row->system].text;
    const shn_status st = supersets_json(j, text < p->n_texts ? p->texts[text].file : NULL, watcher, out, err);
    if (st != SHN_OK || *out) return st;
    return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "experiment", "%s: no superset of two of its findings can be judged on these records; take it out of 'supersets'", row->text);
}

shn_status xp_supersets(const xp_grid *g, const shn_watcher *watcher, json_t *rows, shn_error *err)
{
    const xp_superset_table *t = &g->plan->supersets;
    shn_status st = SHN_OK;
    for (size_t r = 0; r < t->n_rows && st == SHN_OK; r++) {
        json_t *mean = NULL;
        st = of_row(g, &t->rows[r], t->evaluation, supersets_of, watcher, &mean, err);
        if (st != SHN_OK) break;
        json_t *of = json_pack("{s:s, s:s, s:I}", "row", t->rows[r].text, "evaluation", g->plan->evaluations[t->evaluation].name, "n_seeds",
                               (json_int_t)g->plan->systems[t->rows[r].system].n_seeds);
        if (!of || json_object_update(mean, of) != 0) st = shn_fail_nomem(err, "experiment.groups");
        json_decref(of);
        if (st == SHN_OK) st = xp_append(rows, mean, err);
        else json_decref(mean);
    }
    return st;
}
