#include "experiment/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "eval/away.h"
#include "eval/paired.h"
#include "shinden/embed.h"

enum { BATCH = 64 };
static const double level = 0.05;

/** A row of a table or claim: a system's seeds, judged on one split. */
typedef struct seeds {
    judged        *j;                   /* [n] */
    shn_model    **model;               /* [n] */
    summary_input *in;                  /* [n] */
    size_t         n;
} seeds;

static void seeds_close(seeds *s)
{
    for (size_t i = 0; i < s->n; i++) {
        judged_close(&s->j[i]);
        shn_model_free(s->model[i]);
    }
    free(s->j);
    free(s->model);
    free(s->in);
    *s = (seeds){ 0 };
}

static shn_status judge_seed(const xp_grid *g, const xp_row *row, const xp_evaluation *e, size_t seed, const shn_watcher *watcher, seeds *s, shn_error *err)
{
    char              path[SHN_PATH_MAX];
    shn_engine       *eng = NULL;
    shn_engine_options engine;
    shn_eval_options  o;
    shn_eval_defaults(&o);
    o.split = e->split;
    o.readout = row->readout;
    o.n_bootstrap = g->plan->n_bootstrap;
    o.watcher = *watcher;
    shn_engine_defaults(&engine);
    shn_status st = xp_run_path(xp_grid_find(g, row->system, seed), "model.safetensors", path, err);
    if (st == SHN_OK) st = shn_model_read(path, &s->model[seed], err);
    if (st == SHN_OK) st = shn_model_engine(s->model[seed], BATCH, &engine, &eng, err);
    s->n = seed + 1;                    /* what is open is closed in any case */
    if (st == SHN_OK && e->home < g->plan->n_cohorts)
        st = judged_open_away(s->model[seed], eng, g->plan->cohorts[e->cohort].open, g->plan->cohorts[e->home].open, &o, &s->j[seed], err);
    else if (st == SHN_OK) st = judged_open(s->model[seed], eng, g->plan->cohorts[e->cohort].open, &o, &s->j[seed], err);
    if (st == SHN_OK) s->in[seed] = judged_input(&s->j[seed], &s->j[seed].decided);
    else shn_error_prefix(err, "%s", row->text);
    shn_engine_free(eng);
    return st;
}

static shn_status seeds_open(const xp_grid *g, const xp_row *row, size_t evaluation, size_t n, const shn_watcher *watcher, seeds *s, shn_error *err)
{
    *s = (seeds){ shn_alloc(n, sizeof *s->j), shn_alloc(n, sizeof *s->model), shn_alloc(n, sizeof *s->in), 0 };
    shn_status st = s->j && s->model && s->in ? SHN_OK : shn_fail_nomem(err, "experiment");
    for (size_t i = 0; i < n && st == SHN_OK; i++) st = judge_seed(g, row, &g->plan->evaluations[evaluation], i, watcher, s, err);
    return st;
}

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *value_json(const paired_value *d)
{
    return json_pack("{s:o, s:o, s:o, s:I}", "value", number(d->v.value), "low", number(d->v.low), "high", number(d->v.high), "n_undefined",
                     (json_int_t)d->v.n_undefined);
}

/** Standard deviation over seeds of one metric; NaN with one. */
static shn_status spread_over_seeds(const seeds *s, const shn_watcher *watcher, double sd[METRIC_COUNT], shn_error *err)
{
    double sum[METRIC_COUNT] = { 0 }, square[METRIC_COUNT] = { 0 };
    for (size_t i = 0; i < s->n; i++) {
        summary       one;
        summary_input in = s->in[i];
        in.n_bootstrap = 0;
        const shn_status st = summary_make(&in, watcher, &one, err);
        if (st != SHN_OK) return st;
        for (int m = 0; m < METRIC_COUNT; m++) {
            sum[m] += one.metric[m].value;
            square[m] += one.metric[m].value * one.metric[m].value;
        }
        summary_free(&one);
    }
    const double n = (double)s->n;
    for (int m = 0; m < METRIC_COUNT; m++) sd[m] = s->n > 1 ? sqrt(fmax(0, square[m] - sum[m] * sum[m] / n) / (n - 1)) : NAN;
    return SHN_OK;
}

/* ---- tables ---- */

static shn_status row_json(const xp_grid *g, const xp_table *t, const xp_row *row, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    seeds        s;
    paired_value value[METRIC_COUNT];
    double       sd[METRIC_COUNT];
    const size_t n = g->plan->systems[row->system].n_seeds;
    shn_status   st = seeds_open(g, row, t->evaluation, n, watcher, &s, err);
    if (st == SHN_OK) st = paired_difference(s.in, NULL, n, watcher, value, err);
    if (st == SHN_OK) st = spread_over_seeds(&s, watcher, sd, err);
    if (st == SHN_OK) {
        json_t *metrics = json_object();
        double  seconds = 0;
        for (size_t i = 0; i < t->n_metrics; i++) {
            json_t *v = value_json(&value[t->metrics[i]]);
            json_object_set_new(v, "sd_seeds", number(sd[t->metrics[i]]));
            json_object_set_new(metrics, summary_metric_name(t->metrics[i]), v);
        }
        for (size_t i = 0; i < n; i++) seconds += xp_grid_find(g, row->system, i)->seconds / (double)n;
        *out = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:f, s:o}", "row", row->text, "system", g->plan->systems[row->system].name, "readout",
                         shn_readout_name(s.j[0].decided.readout), "n_seeds", (json_int_t)n, "n_records", (json_int_t)s.j[0].set.n, "fitted_on",
                         s.j[0].fitted_on, "training_seconds", seconds, "metrics", metrics);
        if (!*out) st = shn_fail_nomem(err, "experiment");
    }
    seeds_close(&s);
    return st;
}

static shn_status tables_json(const xp_grid *g, const shn_watcher *watcher, json_t *tables, shn_error *err)
{
    const xp_plan *p = g->plan;
    shn_status     st = SHN_OK;
    for (size_t t = 0; t < p->n_tables && st == SHN_OK; t++) {
        const xp_table *table = &p->tables[t];
        json_t *rows = json_array(), *metrics = json_array();
        for (size_t m = 0; m < table->n_metrics; m++) json_array_append_new(metrics, json_string(summary_metric_name(table->metrics[m])));
        for (size_t i = 0; i < table->n_rows && st == SHN_OK; i++) {
            json_t *row = NULL;
            st = row_json(g, table, &table->rows[i], watcher, &row, err);
            if (row) json_array_append_new(rows, row);
        }
        const xp_evaluation *e = &p->evaluations[table->evaluation];
        json_array_append_new(tables, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", table->name, "title", table->title, "evaluation", e->name, "cohort",
                                                p->cohorts[e->cohort].name, "split", e->split, "metrics", metrics, "rows", rows));
    }
    return st;
}

/* ---- claims ---- */

void xp_holm(const double *p, size_t m, double *adjusted)
{
    for (size_t i = 0; i < m; i++) {
        double worst = 0;
        adjusted[i] = NAN;
        if (isnan(p[i])) continue;
        for (size_t j = 0; j < m; j++) {
            size_t before = 0;
            if (isnan(p[j]) || p[j] > p[i] || (p[j] == p[i] && j > i)) continue;
            for (size_t k = 0; k < m; k++) before += !isnan(p[k]) && (p[k] < p[j] || (p[k] == p[j] && k < j));
            worst = fmax(worst, fmin(1, (double)(m - before) * p[j]));
        }
        adjusted[i] = worst;
    }
}

typedef struct outcome { paired_value d; double adjusted; size_t n_seeds, n_records; } outcome;

static shn_status compare(const xp_grid *g, const xp_claim *c, const shn_watcher *watcher, outcome *out, shn_error *err)
{
    seeds        a = { 0 }, b = { 0 };
    paired_value d[METRIC_COUNT];
    const size_t na = g->plan->systems[c->higher.system].n_seeds, nb = g->plan->systems[c->lower.system].n_seeds;
    out->n_seeds = na < nb ? na : nb;
    shn_status st = seeds_open(g, &c->higher, c->evaluation, out->n_seeds, watcher, &a, err);
    if (st == SHN_OK) st = seeds_open(g, &c->lower, c->evaluation, out->n_seeds, watcher, &b, err);
    if (st == SHN_OK) st = paired_difference(a.in, b.in, out->n_seeds, watcher, d, err);
    if (st == SHN_OK) {
        out->d = d[c->metric];
        out->n_records = a.j[0].set.n;
    } else shn_error_prefix(err, "claim '%.40s'", c->name);
    seeds_close(&a);
    seeds_close(&b);
    return st;
}

/** The contract's words: equal needs five seeds and the whole interval within +-0.02; a direction needs Holm's p at 0.05. */
static const char *verdict(const xp_claim *c, const outcome *o)
{
    const paired_verdict alone = paired_judge(&o->d.v, o->n_seeds);
    const int            decided = o->adjusted <= level;
    if (isnan(o->d.v.value)) return "undecided on this data";
    if (c->equal) return alone == PAIRED_EQUAL ? "supported" : decided && fabs(o->d.v.value) > PAIRED_MARGIN ? "not supported" : "undecided on this data";
    if (decided && o->d.v.value > 0) return "supported";
    if (alone == PAIRED_EQUAL || (decided && o->d.v.value < 0)) return "not supported";
    return "undecided on this data";
}

/** "0.021 higher (0.004 to 0.038)"; in words that need no sign. */
static void size_words(const xp_claim *c, const outcome *o, char *out, size_t size)
{
    const double v = o->d.v.value;
    if (isnan(v)) snprintf(out, size, "%s is not defined here", summary_metric_name(c->metric));
    else
        snprintf(out, size, "%s of %s is %.3f %s than that of %s (95 %% interval of the difference %+.3f to %+.3f, Holm p %.3g)", summary_metric_name(c->metric),
                 c->higher.text, fabs(v), v >= 0 ? "higher" : "lower", c->lower.text, o->d.v.low, o->d.v.high, o->adjusted);
}

static json_t *claim_json(const xp_plan *p, const xp_claim *c, const outcome *o)
{
    char words[512];
    size_words(c, o, words, sizeof words);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:s}", "name", c->name, "claim", c->text, "verdict", verdict(c, o), "size", words,
                     "higher", c->higher.text, "lower", c->lower.text, "metric", summary_metric_name(c->metric), "evaluation", p->evaluations[c->evaluation].name,
                     "difference", value_json(&o->d), "p", number(o->d.p), "p_holm", number(o->adjusted), "n_seeds", (json_int_t)o->n_seeds, "n_records",
                     (json_int_t)o->n_records, "caveat", c->caveat);
}

static shn_status claims_json(const xp_grid *g, const shn_watcher *watcher, json_t *claims, shn_error *err)
{
    const xp_plan *p = g->plan;
    outcome    *all = shn_alloc(p->n_claims, sizeof *all);
    double     *raw = shn_alloc(p->n_claims, sizeof *raw), *adjusted = shn_alloc(p->n_claims, sizeof *adjusted);
    shn_status  st = all && raw && adjusted ? SHN_OK : shn_fail_nomem(err, "experiment");
    for (size_t i = 0; i < p->n_claims && st == SHN_OK; i++) {
        st = compare(g, &p->claims[i], watcher, &all[i], err);
        raw[i] = all[i].d.p;
    }
    if (st == SHN_OK) {
        xp_holm(raw, p->n_claims, adjusted);
        for (size_t i = 0; i < p->n_claims; i++) {
            all[i].adjusted = adjusted[i];
            json_array_append_new(claims, claim_json(p, &p->claims[i], &all[i]));
        }
    }
    free(all);
    free(raw);
    free(adjusted);
    return st;
}

/* ---- the document ---- */

static json_t *cohorts_json(const xp_plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_cohorts; i++) {
        const shn_cohort *c = p->cohorts[i].open;
        json_t *splits = json_object();
        for (size_t r = 0; r < shn_cohort_size(c); r++) {
            const char *split = shn_cohort_split(c, r);
            json_object_set_new(splits, *split ? split : "(none)", json_integer(json_integer_value(json_object_get(splits, *split ? split : "(none)")) + 1));
        }
        json_array_append_new(list, json_pack("{s:s, s:I, s:f, s:I, s:o}", "name", p->cohorts[i].name, "n_records", (json_int_t)shn_cohort_size(c), "fs_hz",
                                              shn_cohort_fs_hz(c), "n_samples", (json_int_t)shn_cohort_n_samples(c), "splits", splits));
    }
    return list;
}

static json_t *systems_json(const xp_plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_systems; i++) {
        const xp_system *s = &p->systems[i];
        json_t *settings = json_object();
        for (size_t k = 0; k < s->n_settings; k++) json_object_set_new(settings, s->settings[k].key, json_string(s->settings[k].value));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:I, s:o}", "name", s->name, "cohort", p->cohorts[s->cohort].name, "text",
                                              s->text < p->n_texts ? json_string(p->texts[s->text].name) : json_null(), "n_seeds", (json_int_t)s->n_seeds,
                                              "settings", settings));
    }
    return list;
}

shn_status xp_results(const xp_grid *g, const shn_watcher *watcher, json_t **doc, shn_error *err)
{
    const xp_plan *p = g->plan;
    json_t    *tables = json_array(), *claims = json_array(), *seed_list = json_array();
    shn_status st = tables && claims && seed_list ? tables_json(g, watcher, tables, err) : shn_fail_nomem(err, "experiment");
    if (st == SHN_OK) st = claims_json(g, watcher, claims, err);
    for (size_t i = 0; i < p->n_seeds; i++) json_array_append_new(seed_list, json_integer((json_int_t)p->seeds[i]));
    *doc = st == SHN_OK ? json_pack("{s:i, s:b, s:s, s:o, s:I, s:o, s:o, s:O, s:O}", "schema_version", 1, "research_use_only", 1, "title", p->title, "seeds", seed_list,
                                    "n_bootstrap", (json_int_t)p->n_bootstrap, "cohorts", cohorts_json(p), "systems", systems_json(p), "tables", tables, "claims", claims)
                        : NULL;
    if (st == SHN_OK && !*doc) st = shn_fail_nomem(err, "experiment");
    if (!*doc) json_decref(seed_list);
    json_decref(tables);
    json_decref(claims);
    return st;
}
