#include "experiment/judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "eval/away.h"
#include "eval/controls.h"
#include "shinden/embed.h"
#include "shinden/findings.h"

enum { BATCH = 64 };

const char *xp_what_name(xp_what what)
{
    static const char *const names[] = { "", "label frequency", "random encoder, linear probe" };
    return names[what];
}

/** The cohort that a part is judged on: the round of the cross-validation that it was left out of, or the whole. */
static shn_cohort *judged_cohort(const xp_plan *p, const xp_evaluation *e, size_t part)
{
    const xp_cohort *c = &p->cohorts[e->cohort];
    return c->n_folds ? c->fold[part] : c->open;
}

/** A control made like a run's model from the same training records, and fitted as that was. */
static shn_status make_control(const xp_grid *g, const xp_run *run, xp_what what, const shn_watcher *watcher, shn_model **model, shn_error *err)
{
    const shn_cohort *c = xp_training_cohort(g->plan, &g->plan->systems[run->system], run->part);
    shn_engine_options engine;
    shn_engine        *eng = NULL;
    shn_model         *like = *model, *control = NULL;
    double             penalty;
    shn_engine_defaults(&engine);
    shn_status st = what == XP_FREQUENCY ? control_frequency_model(like, &control, err) : control_probe_model(like, c, "train", &engine, watcher, &control, &penalty, err);
    const int fit = st == SHN_OK && shn_cohort_has_split(c, "val");
    if (fit) st = shn_model_engine(control, BATCH, &engine, &eng, err);
    if (st == SHN_OK && fit) st = shn_model_fit(control, eng, c, "val", watcher, err);
    shn_engine_free(eng);
    shn_model_free(like);
    *model = control;
    return st;
}

shn_status xp_judge_part(const xp_grid *g, const xp_row *row, const xp_evaluation *e, const xp_run *run, xp_what what, const shn_watcher *watcher, shn_model **model,
                         judged *j, shn_error *err)
{
    char               path[SHN_PATH_MAX];
    shn_engine        *eng = NULL;
    shn_engine_options engine;
    shn_eval_options   o;
    shn_eval_defaults(&o);
    o.split = e->split;
    o.readout = what == XP_TRAINED ? row->readout : SHN_READOUT_COUNT;
    o.n_bootstrap = g->plan->n_bootstrap;
    o.watcher = *watcher;
    *model = NULL;
    memset(j, 0, sizeof *j);
    shn_engine_defaults(&engine);
    shn_status st = xp_run_path(run, "model.safetensors", path, err);
    if (st == SHN_OK) st = shn_model_read(path, model, err);
    if (st == SHN_OK && what != XP_TRAINED) st = make_control(g, run, what, watcher, model, err);
    if (st == SHN_OK) st = shn_model_engine(*model, BATCH, &engine, &eng, err);
    if (st == SHN_OK && e->home < g->plan->n_cohorts)
        st = judged_open_away(*model, eng, g->plan->cohorts[e->cohort].open, g->plan->cohorts[e->home].open, &o, j, err);
    else if (st == SHN_OK) st = judged_open(*model, eng, judged_cohort(g->plan, e, run->part), &o, j, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s%s%s", row->text, what == XP_TRAINED ? "" : ", control ", xp_what_name(what));
    shn_engine_free(eng);
    return st;
}

/** 1 if id is one of "a,b,c". */
static int in_group(const char *group, const char *id)
{
    const size_t n = strlen(id);
    for (const char *p = group; *p;) {
        const size_t length = strcspn(p, ",");
        if (length == n && strncmp(p, id, n) == 0) return 1;
        p += length + (p[length] == ',');
    }
    return 0;
}

static int in_list(const char *const *list, size_t n, const char *id)
{
    size_t i = 0;
    while (i < n && strcmp(list[i], id) != 0) i++;
    return i < n;
}

/** The findings that an evaluation judges in this part, in the order of its cohort (or of the registry, at nodes): ids [n], owned by the caller. */
static shn_status findings_of(const xp_plan *p, const xp_evaluation *e, const xp_system *s, const judged *j, size_t part, const char ***out, size_t *n, shn_error *err)
{
    const shn_cohort *c = p->cohorts[e->cohort].open;
    const size_t total = j->nodes ? j->nodes->n : shn_cohort_n_findings(c);
    *n = 0;
    *out = shn_alloc(total, sizeof **out);
    if (!*out) return shn_fail_nomem(err, "experiment.judge");
    for (size_t k = 0; k < total; k++) {
        const char *id = j->nodes ? shn_registry_at(j->nodes->registry, j->nodes->node[k])->id : shn_cohort_finding_id(c, k);
        if (e->finding && !in_list(e->finding, e->n_findings, id)) continue;
        if (s->list < p->n_lists && !in_group(p->lists[s->list].group[part], id)) continue;
        (*out)[(*n)++] = id;
    }
    return SHN_OK;
}

/** Judges a part and joins it to what is there. */
static shn_status add_part(const xp_grid *g, const xp_row *row, const xp_evaluation *e, const xp_run *run, xp_what what, const shn_watcher *watcher, xp_scored *to, shn_error *err)
{
    const xp_system *s = &g->plan->systems[row->system];
    const char     **ids = NULL;
    size_t           n = 0;
    shn_model       *model;
    judged           j;
    xp_scored        part = { 0 };
    shn_status st = xp_judge_part(g, row, e, run, what, watcher, &model, &j, err);
    if (st == SHN_OK) st = findings_of(g->plan, e, s, &j, run->part, &ids, &n, err);
    if (st == SHN_OK) st = xp_scored_take(&j, ids, n, &part, err);
    if (st == SHN_OK && s->n_parts == 1) {
        *to = part;
        part = (xp_scored){ 0 };
    } else if (st == SHN_OK) st = s->list < g->plan->n_lists ? xp_scored_add_columns(to, &part, err) : xp_scored_add_rows(to, &part, err);
    xp_scored_free(&part);
    free(ids);
    judged_close(&j);
    shn_model_free(model);
    return st;
}

/** Takes findings with too few positives among the judged records out. */
static shn_status drop_rare(xp_scored *s, size_t least, shn_error *err)
{
    uint8_t *keep = shn_alloc(s->K, 1);
    if (!keep) return shn_fail_nomem(err, "experiment.judge");
    for (size_t k = 0; k < s->K; k++) {
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++) n += s->known[i * s->K + k] && s->label[i * s->K + k];
        keep[k] = n >= least;
    }
    const shn_status st = xp_scored_keep(s, keep, err);
    free(keep);
    return st;
}

shn_status xp_seeds_open(const xp_grid *g, const xp_row *row, size_t evaluation, size_t n, xp_what what, const shn_watcher *watcher, xp_seeds *out, shn_error *err)
{
    const xp_evaluation *e = &g->plan->evaluations[evaluation];
    *out = (xp_seeds){ shn_alloc(n, sizeof *out->s), shn_alloc(n, sizeof *out->in), n };
    if (!out->s || !out->in) {
        out->n = 0;
        return shn_fail_nomem(err, "experiment.judge");
    }
    shn_status st = SHN_OK;
    for (size_t seed = 0; seed < n && st == SHN_OK; seed++) {
        const xp_system *s = &g->plan->systems[row->system];
        size_t           start[XP_PARTS_MAX];
        for (size_t part = 0; part < s->n_parts && st == SHN_OK; part++) {
            start[part] = out->s[seed].n;
            st = add_part(g, row, e, xp_grid_find(g, row->system, seed, part), what, watcher, &out->s[seed], err);
        }
        if (st == SHN_OK && g->plan->cohorts[s->cohort].n_folds) xp_scored_level(&out->s[seed], start, s->n_parts);
        if (st == SHN_OK && e->min_positives) st = drop_rare(&out->s[seed], e->min_positives, err);
    }
    if (st == SHN_OK) xp_seeds_refresh(out);
    return st;
}

void xp_seeds_refresh(xp_seeds *s)
{
    for (size_t i = 0; i < s->n; i++) s->in[i] = xp_scored_input(&s->s[i]);
}

void xp_seeds_close(xp_seeds *s)
{
    for (size_t i = 0; s->s && i < s->n; i++) xp_scored_free(&s->s[i]);
    free(s->s);
    free(s->in);
    *s = (xp_seeds){ 0 };
}
