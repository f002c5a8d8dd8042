/** Claims: paired differences of two rows, one family under Holm's correction, and what each says in words. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/doc.h"
#include "experiment/judge.h"
#include "experiment/results.h"

static const double level = 0.05;

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

/** value of each side beside the paired difference d. */
typedef struct outcome { paired_value d, higher, lower; double adjusted; size_t n_seeds, n_records, n_findings; } outcome;

/** Both rows on up to two evaluations: [place][0 higher, 1 lower], all on the findings that all have. */
typedef struct sides { xp_seeds at[2][2]; size_t n_places; } sides;

static void sides_close(sides *s)
{
    for (int place = 0; place < 2; place++)
        for (int row = 0; row < 2; row++) xp_seeds_close(&s->at[place][row]);
}

static shn_status sides_open(const xp_grid *g, const xp_claim *c, size_t n_seeds, const shn_watcher *watcher, sides *s, shn_error *err)
{
    const xp_row *const rows[2] = { &c->higher, &c->lower };
    xp_scored *all[4 * XP_SEEDS_MAX];
    size_t     n = 0;
    shn_status st = SHN_OK;
    *s = (sides){ .n_places = c->away < g->plan->n_evaluations ? 2 : 1 };
    for (size_t place = 0; place < s->n_places; place++)
        for (int row = 0; row < 2 && st == SHN_OK; row++) {
            st = xp_seeds_open(g, rows[row], place ? c->away : c->evaluation, n_seeds, XP_TRAINED, watcher, &s->at[place][row], err);
            for (size_t i = 0; i < n_seeds && st == SHN_OK; i++) all[n++] = &s->at[place][row].s[i];
        }
    if (st == SHN_OK) st = xp_scored_common(all, n, err);
    for (size_t place = 0; place < s->n_places && st == SHN_OK; place++)
        for (int row = 0; row < 2; row++) xp_seeds_refresh(&s->at[place][row]);
    return st;
}

static shn_status compare(const xp_grid *g, const xp_claim *c, const shn_watcher *watcher, outcome *out, shn_error *err)
{
    sides        s;
    paired_value d[METRIC_COUNT], higher[METRIC_COUNT], lower[METRIC_COUNT];
    const size_t na = g->plan->systems[c->higher.system].n_seeds, nb = g->plan->systems[c->lower.system].n_seeds, n = na < nb ? na : nb;
    shn_status   st = sides_open(g, c, n, watcher, &s, err);
    if (st == SHN_OK && s.n_places == 1) {
        st = paired_difference(s.at[0][0].in, s.at[0][1].in, n, watcher, d, err);
        if (st == SHN_OK) st = paired_difference(s.at[0][0].in, NULL, n, watcher, higher, err);
        if (st == SHN_OK) st = paired_difference(s.at[0][1].in, NULL, n, watcher, lower, err);
    } else if (st == SHN_OK) {
        st = paired_drop(s.at[0][0].in, s.at[0][1].in, s.at[1][0].in, s.at[1][1].in, n, watcher, d, err);
        if (st == SHN_OK) st = paired_drop(s.at[0][0].in, NULL, s.at[1][0].in, NULL, n, watcher, higher, err);
        if (st == SHN_OK) st = paired_drop(s.at[0][1].in, NULL, s.at[1][1].in, NULL, n, watcher, lower, err);
    }
    if (st == SHN_OK)
        *out = (outcome){ d[c->metric], higher[c->metric], lower[c->metric], NAN, n, s.at[0][0].s[0].n + (s.n_places > 1 ? s.at[1][0].s[0].n : 0), s.at[0][0].s[0].K };
    else shn_error_prefix(err, "claim '%.40s'", c->name);
    sides_close(&s);
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

/** PAIRED_MARGIN is what counts as equal; the words are steps around it, for metrics that live between 0 and 1. */
static const char *size_word(double d)
{
    const double size = fabs(d);
    return size < PAIRED_MARGIN / 4 ? "negligible" : size < PAIRED_MARGIN ? "small" : size < 2.5 * PAIRED_MARGIN ? "moderate" : "large";
}

static json_t *size_words(const xp_plan *p, const xp_claim *c, const outcome *o)
{
    const double v = o->d.v.value;
    const char  *metric = summary_metric_name(c->metric), *drop = c->away < p->n_evaluations ? "the drop of " : "";
    if (isnan(v)) return json_sprintf("%s%s is not defined here", drop, metric);
    return json_sprintf("a %s difference: %s%s of %s is %.3f %s than that of %s (%.3f against %.3f; 95 %% interval of the difference %+.3f to %+.3f, Holm p %.3g)", size_word(v), drop, metric,
                        c->higher.text, fabs(v), v >= 0 ? "higher" : "lower", c->lower.text, o->higher.v.value, o->lower.v.value, o->d.v.low, o->d.v.high, o->adjusted);
}

static const char *proxy_of(const xp_plan *p, const xp_row *row)
{
    const size_t text = p->systems[row->system].text;
    return text < p->n_texts ? p->texts[text].proxy : "";
}

/** The config's own words, and "proxy only" where a small model stands in for a large one. */
static json_t *caveat_words(const xp_plan *p, const xp_claim *c)
{
    static const char proxy[] = "proxy only: ";
    const char *a = proxy_of(p, &c->higher), *b = proxy_of(p, &c->lower);
    if (strcmp(a, b) == 0) b = "";
    return json_sprintf("%s%s%s%s%s%s%s", c->caveat, *c->caveat && *a ? "; " : "", *a ? proxy : "", a, (*c->caveat || *a) && *b ? "; " : "", *b ? proxy : "", b);
}

/** NULL: out of memory. */
static json_t *claim_json(const xp_plan *p, const xp_claim *c, const outcome *o)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "name", c->name, "claim", c->text, "verdict", verdict(c, o), "size",
                          size_words(p, c, o), "higher", c->higher.text, "lower", c->lower.text, "metric", summary_metric_name(c->metric), "evaluation",
                          p->evaluations[c->evaluation].name, "difference", doc_value(&o->d.v), "higher_value", doc_value(&o->higher.v), "lower_value", doc_value(&o->lower.v), "p",
                          doc_number(o->d.p), "p_holm", doc_number(o->adjusted), "n_seeds", (json_int_t)o->n_seeds, "n_records", (json_int_t)o->n_records, "n_findings",
                          (json_int_t)o->n_findings, "caveat", caveat_words(p, c));
    if (j && c->away < p->n_evaluations && json_object_set_new(j, "away", json_string(p->evaluations[c->away].name)) != 0) {
        json_decref(j);
        j = NULL;
    }
    return j;
}

shn_status xp_claims(const xp_grid *g, const shn_watcher *watcher, json_t *claims, shn_error *err)
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
        for (size_t i = 0; i < p->n_claims && st == SHN_OK; i++) {
            all[i].adjusted = adjusted[i];
            st = xp_append(claims, claim_json(p, &p->claims[i], &all[i]), err);
        }
    }
    free(all);
    free(raw);
    free(adjusted);
    return st;
}
