/** Drift summaries: one for each evaluation at another institution, seen by the first row that is judged there. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/away.h"
#include "eval/drift.h"
#include "experiment/judge.h"
#include "experiment/results.h"

enum { BATCH = 64 };
static const char home_split[] = "val";         /* not trained on: embeddings of training records lie elsewhere for that reason alone */

/** Records of one side with their embeddings. */
typedef struct side { const shn_cohort *c; uint32_t *rows; size_t n; float *z; } side;

static void side_free(side *s)
{
    free(s->rows);
    free(s->z);
}

static shn_status side_open(const shn_model *m, shn_engine *eng, const shn_cohort *c, const char *split, const shn_watcher *watcher, side *s, shn_error *err)
{
    *s = (side){ .c = c };
    shn_status st = shn_cohort_split_rows(c, split, &s->rows, &s->n, err);
    if (st != SHN_OK) return st;
    s->z = shn_alloc(s->n * m->input.n_windows * m->E, sizeof *s->z);
    return s->z ? shn_embed_cohort(m, eng, c, s->rows, s->n, s->z, watcher, err) : shn_fail_nomem(err, "experiment.drift");
}

static json_t *side_json(const drift_side *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "mean", xp_short(s->mean), "median", xp_short(s->median), "low", xp_short(s->low), "high", xp_short(s->high), "n", (json_int_t)s->n);
}

static shn_status add_measures(const drift_measure *m, json_t *list, shn_error *err)
{
    shn_status st = SHN_OK;
    for (int i = 0; i < DRIFT_MEASURES && st == SHN_OK; i++)
        st = xp_append(list, json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", m[i].name, "unit", m[i].unit, "home", side_json(&m[i].home), "away", side_json(&m[i].away), "effect",
                                       xp_short(m[i].effect)), err);
    return st;
}

/** How often each shared finding occurs on either side. */
static shn_status add_prevalence(const judged *j, json_t *list, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t k = 0; k < j->set.K && st == SHN_OK; k++) {
        size_t known = 0, positive = 0;
        for (size_t i = 0; i < j->set.n; i++) {
            known += j->set.known[i * j->set.K + k];
            positive += j->set.known[i * j->set.K + k] && j->set.label[i * j->set.K + k];
        }
        const shn_finding *f = shn_registry_at(j->nodes->registry, j->nodes->node[k]);
        st = xp_append(list, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I}", "id", f->id, "name_en", f->name_en, "name_ja", f->name_ja, "compared", j->nodes->pairs[k], "home",
                                       xp_short(j->prevalence[k]), "away", known ? xp_short((double)positive / (double)known) : json_null(), "n_pos", (json_int_t)positive, "n_known",
                                       (json_int_t)known), err);
    }
    return st;
}

static shn_status drift_json(const xp_grid *g, const xp_row *row, const xp_evaluation *e, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    const xp_plan     *p = g->plan;
    shn_model         *m = NULL;
    shn_engine        *eng = NULL;
    shn_engine_options engine;
    judged             j;
    side               home = { 0 }, away = { 0 };
    drift_measure      measure[DRIFT_MEASURES];
    drift_space        space;
    shn_engine_defaults(&engine);
    shn_status st = xp_judge_part(g, row, e, xp_grid_find(g, row->system, 0, 0), XP_TRAINED, watcher, &m, &j, err);
    if (st == SHN_OK) st = shn_model_engine(m, BATCH, &engine, &eng, err);
    if (st == SHN_OK) st = side_open(m, eng, p->cohorts[e->home].open, home_split, watcher, &home, err);
    if (st == SHN_OK) st = side_open(m, eng, p->cohorts[e->cohort].open, e->split, watcher, &away, err);
    if (st == SHN_OK) st = drift_records(home.c, home.rows, home.n, away.c, away.rows, away.n, measure, err);
    if (st == SHN_OK) st = drift_embeddings(home.z, home.n, away.z, away.n, m->input.n_windows, m->E, &space, err);
    if (st == SHN_OK) {
        json_t *measures = json_array(), *prevalence = json_array();
        *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:o, s:o, s:o, s:o}", "evaluation", e->name, "home", p->cohorts[e->home].name, "home_split", home_split, "away",
                         p->cohorts[e->cohort].name, "away_split", e->split, "row", row->text, "home_fs_hz", shn_cohort_fs_hz(home.c), "away_fs_hz", shn_cohort_fs_hz(away.c), "n_home",
                         (json_int_t)home.n, "n_away", (json_int_t)away.n, "measures", measures, "embedding_distance", xp_short(space.distance), "embedding_auroc", xp_short(space.auroc),
                         "prevalence", prevalence);
        st = *out ? add_measures(measure, measures, err) : shn_fail_nomem(err, "experiment.drift");
        if (st == SHN_OK) st = add_prevalence(&j, prevalence, err);
    }
    side_free(&home);
    side_free(&away);
    shn_engine_free(eng);
    judged_close(&j);
    shn_model_free(m);
    return st;
}

/** The first row of the tables that is judged there; NULL. */
static const xp_row *first_row(const xp_plan *p, size_t evaluation)
{
    for (size_t t = 0; t < p->n_tables; t++)
        if (p->tables[t].evaluation == evaluation) return &p->tables[t].rows[0];
    return NULL;
}

shn_status xp_drifts(const xp_grid *g, const shn_watcher *watcher, json_t *drifts, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < g->plan->n_evaluations && st == SHN_OK; i++) {
        const xp_evaluation *e = &g->plan->evaluations[i];
        const xp_row        *row = first_row(g->plan, i);
        json_t              *one = NULL;
        if (e->home == g->plan->n_cohorts || !row) continue;
        st = drift_json(g, row, e, watcher, &one, err);
        if (st == SHN_OK) st = xp_append(drifts, one, err);
        else json_decref(one);
        if (st != SHN_OK) shn_error_prefix(err, "drift at '%.40s'", e->name);
    }
    return st;
}
