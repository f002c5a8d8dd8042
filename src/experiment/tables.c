/** Rows of tables: metrics with intervals over patients and seeds, each finding, and the curves of the rows that are drawn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/curves.h"
#include "eval/doc.h"
#include "experiment/judge.h"
#include "experiment/results.h"
#include "shinden/findings.h"

json_t *xp_short(double v)
{
    char text[32];
    if (!isfinite(v)) return json_null();
    snprintf(text, sizeof text, "%.5g", v);
    return json_real(strtod(text, NULL));
}

shn_status xp_append(json_t *list, json_t *value, shn_error *err) { return json_array_append_new(list, value) == 0 ? SHN_OK : shn_fail_nomem(err, "experiment"); }

/* ---- metrics ---- */

/** Standard deviation over seeds of every metric; NaN with one. */
static shn_status spread_over_seeds(const xp_seeds *s, const shn_watcher *watcher, double sd[METRIC_COUNT], shn_error *err)
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

/** NULL: out of memory. */
static json_t *metrics_json(const xp_table *t, const xp_seeds *s, const paired_value *value, const double *sd)
{
    json_t *metrics = json_object();
    int     ok = metrics != NULL;
    for (size_t i = 0; i < t->n_metrics && ok; i++) {
        const int           m = t->metrics[i], undefined = summary_metric_ranks(m) && !s->s[0].ranked_together;
        const summary_value shown = undefined ? (summary_value){ NAN, NAN, NAN, value[m].v.n_undefined } : value[m].v;
        json_t *one = doc_value(&shown);
        ok = json_object_set_new(one, "sd_seeds", doc_number(undefined ? NAN : sd[m])) == 0;
        ok &= json_object_set_new(metrics, summary_metric_name(m), one) == 0;
    }
    if (ok) return metrics;
    json_decref(metrics);
    return NULL;
}

/* ---- findings ---- */

/** Mean over seeds of a value per finding, over the seeds where it is defined. */
static double mean_over(const xp_seeds *s, size_t k, const double *(*of)(const xp_scored *))
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!isnan(of(&s->s[i])[k])) {
            sum += of(&s->s[i])[k];
            n++;
        }
    return n > 0 ? sum / n : NAN;
}

static const double *top1_of(const xp_scored *s) { return s->top1; }
static const double *top5_of(const xp_scored *s) { return s->top5; }

/** A finding by its id; a user's own is known to the cohort that was judged. NULL: to nobody. */
static const shn_finding *finding_of(const shn_cohort *c, const char *id)
{
    const int r = shn_registry_find(shn_registry_builtin(), id);
    if (r >= 0) return shn_registry_at(shn_registry_builtin(), (size_t)r);
    for (size_t k = 0; k < shn_cohort_n_findings(c); k++)
        if (strcmp(shn_cohort_finding_id(c, k), id) == 0) return shn_cohort_finding(c, k);
    return NULL;
}

static json_t *finding_json(const xp_seeds *s, const shn_cohort *c, size_t k, const summary *each)
{
    const xp_scored   *first = &s->s[0];
    const shn_finding *f = finding_of(c, first->finding[k]);
    size_t n_pos = 0, n_known = 0;
    double v[4] = { 0 };
    for (size_t i = 0; i < first->n; i++) {
        n_known += first->known[i * first->K + k];
        n_pos += first->known[i * first->K + k] && first->label[i * first->K + k];
    }
    for (size_t i = 0; i < s->n; i++) {
        v[0] += each[i].auroc[k].value / (double)s->n;
        v[1] += each[i].auroc[k].low / (double)s->n;
        v[2] += each[i].auroc[k].high / (double)s->n;
        v[3] += each[i].auprc[k].value / (double)s->n;
    }
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "id", doc_text(first->finding[k]), "name_en", doc_text(f ? f->name_en : first->finding[k]), "name_ja", doc_text(f ? f->name_ja : ""), "n_pos", (json_int_t)n_pos, "n_known",
                     (json_int_t)n_known, "n_pos_train", (json_int_t)first->n_pos_train[k], "auroc", xp_short(v[0]), "auroc_low", xp_short(v[1]), "auroc_high", xp_short(v[2]), "auprc",
                     xp_short(v[3]), "top1", xp_short(mean_over(s, k, top1_of)), "top5", xp_short(mean_over(s, k, top5_of)));
}

/** Each finding's AUROC: mean over seeds of the values and of the ends of their intervals by patient. */
static shn_status findings_json(const xp_seeds *s, const shn_cohort *c, const shn_watcher *watcher, json_t *list, shn_error *err)
{
    summary   *each = shn_alloc(s->n, sizeof *each);
    shn_status st = each ? SHN_OK : shn_fail_nomem(err, "experiment.tables");
    for (size_t i = 0; i < s->n && st == SHN_OK; i++) st = summary_make(&s->in[i], watcher, &each[i], err);
    for (size_t k = 0; st == SHN_OK && k < s->s[0].K; k++) st = xp_append(list, finding_json(s, c, k, each), err);
    for (size_t i = 0; each && i < s->n; i++) summary_free(&each[i]);
    free(each);
    return st;
}

/* ---- curves ---- */

/** NULL: out of memory. */
static json_t *points_json(const curves_point *p, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (xp_append(list, json_pack("[o, o, o, o]", xp_short(p[i].x), xp_short(p[i].y), xp_short(p[i].low), xp_short(p[i].high)), NULL) != SHN_OK) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/** What ranks a record's findings, where one model scored them all. */
static int add_rankings(const curves *c, json_t *to)
{
    return json_object_set_new(to, "top", points_json(c->top, c->n_top)) == 0 && json_object_set_new(to, "top_specific", points_json(c->top_specific, c->n_top)) == 0 &&
           json_object_set_new(to, "list_top1", points_json(c->list_top1, c->n_lists)) == 0 && json_object_set_new(to, "list_top5", points_json(c->list_top5, c->n_lists)) == 0;
}

static shn_status curves_json(const xp_seeds *s, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    curves    *c = shn_alloc(1, sizeof *c);
    shn_status st = c ? curves_make(s->in, s->n, watcher, c, err) : shn_fail_nomem(err, "experiment.tables");
    if (st == SHN_OK) {
        json_t *share = json_array();
        for (size_t b = 0; b < CURVES_BINS && st == SHN_OK; b++) st = xp_append(share, xp_short(c->share[b]), err);
        *out = json_pack("{s:I, s:o, s:o, s:o, s:o}", "n_findings", (json_int_t)c->n_findings, "roc", points_json(c->roc, CURVES_GRID), "pr", points_json(c->pr, CURVES_GRID),
                         "reliability", points_json(c->reliability, CURVES_BINS), "share", share);
        if (!*out || (s->s[0].ranked_together && !add_rankings(c, *out))) st = shn_fail_nomem(err, "experiment.tables");
    }
    free(c);
    return st;
}

/* ---- rows ---- */

static double training_seconds(const xp_grid *g, const xp_row *row, size_t n)
{
    double sum = 0;
    for (size_t seed = 0; seed < n; seed++)
        for (size_t part = 0; part < g->plan->systems[row->system].n_parts; part++) sum += xp_grid_find(g, row->system, seed, part)->seconds;
    return sum / (double)n;
}

static json_t *describe_row(const xp_grid *g, const xp_row *row, xp_what what, const xp_seeds *s, json_t *metrics)
{
    const int trained = what == XP_TRAINED;
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "row", trained ? row->text : xp_what_name(what), "system",
                     trained ? g->plan->systems[row->system].name : xp_what_name(what), "kind", trained ? "system" : "control", "readout", trained ? shn_readout_name(s->s[0].readout) : "-",
                     "n_seeds", (json_int_t)s->n, "n_records", (json_int_t)s->s[0].n, "n_patients", (json_int_t)s->s[0].n_patients, "n_findings", (json_int_t)s->s[0].K, "fitted_on",
                     doc_text(s->s[0].fitted_on), "training_seconds", trained ? xp_short(training_seconds(g, row, s->n)) : json_null(), "metrics", metrics);
}

static shn_status row_json(const xp_grid *g, const xp_table *t, const xp_row *row, xp_what what, int plotted, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    xp_seeds     s;
    paired_value value[METRIC_COUNT];
    double       sd[METRIC_COUNT];
    json_t      *findings = NULL, *drawn = NULL;
    shn_status   st = xp_seeds_open(g, row, t->evaluation, what == XP_TRAINED ? g->plan->systems[row->system].n_seeds : 1, what, watcher, &s, err);
    if (st == SHN_OK) st = paired_difference(s.in, NULL, s.n, watcher, value, err);
    if (st == SHN_OK) st = spread_over_seeds(&s, watcher, sd, err);
    if (st == SHN_OK && plotted) {
        findings = json_array();
        st = findings_json(&s, g->plan->cohorts[g->plan->evaluations[t->evaluation].cohort].open, watcher, findings, err);
        if (st == SHN_OK) st = curves_json(&s, watcher, &drawn, err);
    }
    if (st == SHN_OK) {
        *out = describe_row(g, row, what, &s, metrics_json(t, &s, value, sd));
        if (!*out || (plotted && (json_object_set(*out, "per_finding", findings) != 0 || json_object_set(*out, "curves", drawn) != 0))) st = shn_fail_nomem(err, "experiment.tables");
    }
    json_decref(findings);
    json_decref(drawn);
    xp_seeds_close(&s);
    return st;
}

static shn_status add_row(const xp_grid *g, const xp_table *t, const xp_row *row, xp_what what, int plotted, const shn_watcher *watcher, json_t *rows, shn_error *err)
{
    json_t *one = NULL;
    const shn_status st = row_json(g, t, row, what, plotted, watcher, &one, err);
    if (st == SHN_OK) return xp_append(rows, one, err);
    json_decref(one);
    return st;
}

/** Controls are of the first row's shape, on its training records; a probe that knows all labels is no control for findings that were left out. */
static shn_status add_controls(const xp_grid *g, const xp_table *t, const shn_watcher *watcher, json_t *rows, shn_error *err)
{
    const xp_row *first = &t->rows[0];
    shn_status st = add_row(g, t, first, XP_FREQUENCY, 0, watcher, rows, err);
    if (st != SHN_OK || g->plan->systems[first->system].list < g->plan->n_lists) return st;
    return add_row(g, t, first, XP_RANDOM_PROBE, 0, watcher, rows, err);
}

/** A table without its rows, which are filled in afterwards. NULL: out of memory. */
static json_t *table_head(const xp_plan *p, const xp_table *t, json_t *rows)
{
    const xp_evaluation *e = &p->evaluations[t->evaluation];
    json_t *metrics = json_array();
    int     ok = metrics != NULL;
    for (size_t m = 0; m < t->n_metrics && ok; m++) ok = xp_append(metrics, json_string(summary_metric_name(t->metrics[m])), NULL) == SHN_OK;
    json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", t->name, "title", t->title, "evaluation", e->name, "cohort", p->cohorts[e->cohort].name, "split", e->split,
                            "metrics", metrics, "rows", rows);
    if (one && e->home < p->n_cohorts) ok &= json_object_set_new(one, "home", json_string(p->cohorts[e->home].name)) == 0;
    if (one && ok) return one;
    json_decref(one);
    return NULL;
}

shn_status xp_tables(const xp_grid *g, const shn_watcher *watcher, json_t *tables, shn_error *err)
{
    const xp_plan *p = g->plan;
    shn_status     st = SHN_OK;
    for (size_t i = 0; i < p->n_tables && st == SHN_OK; i++) {
        const xp_table *t = &p->tables[i];
        json_t *rows = json_array();                    /* borrowed from the document once it is in */
        st = xp_append(tables, table_head(p, t, rows), err);
        for (size_t r = 0; r < t->n_rows && st == SHN_OK; r++) st = add_row(g, t, &t->rows[r], XP_TRAINED, t->plotted[r], watcher, rows, err);
        if (st == SHN_OK && t->controls) st = add_controls(g, t, watcher, rows, err);
        if (st != SHN_OK) shn_error_prefix(err, "table '%.40s'", t->name);
    }
    return st;
}
