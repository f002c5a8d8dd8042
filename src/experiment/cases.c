#include "experiment/cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/rank.h"
#include "experiment/judge.h"
#include "shinden/embed.h"
#include "shinden/findings.h"
#include "shinden/plot.h"

enum { NEAREST = 5, NAME_BYTES = 320 };

void xp_cases_free(xp_cases *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->list[i].truth);
        free(c->list[i].svg);
    }
    free(c->list);
    *c = (xp_cases){ 0 };
}

/* ---- which records ---- */

typedef struct missed { size_t record, finding; float probability; } missed;

static int by_probability(const void *a, const void *b)
{
    const missed *x = a, *y = b;
    if (x->probability != y->probability) return x->probability < y->probability ? -1 : 1;
    return x->record < y->record ? -1 : x->record > y->record;
}

/** The first `each` records, in file order, where a true specific finding is (hit 1) or is not (hit 0) among the first k. */
static shn_status choose_by_rank(const judged *j, size_t k, int wanted, const char *kind, size_t each, xp_choice *out, size_t *n, shn_error *err)
{
    const evalset   *s = &j->set;
    const shn_scored view = { j->decided.score, s->label, s->known, s->n, s->K };
    uint8_t *hit = shn_alloc(s->n, 1);
    if (!hit) return shn_fail_nomem(err, "experiment.cases");
    shn_top_k_records(&view, k, j->specific, hit, NULL);
    for (size_t i = 0, found = 0; i < s->n && found < each; i++)
        if (hit[i] == wanted) {
            out[(*n)++] = (xp_choice){ i, kind, s->K };
            found++;
        }
    free(hit);
    return SHN_OK;
}

/** Urgent findings that are there and were not called; of a record with several the least probable. */
static shn_status choose_urgent(const judged *j, size_t each, xp_choice *out, size_t *n, shn_error *err)
{
    const evalset *s = &j->set;
    missed *list = NULL;
    size_t  capacity = 0, n_missed = 0, found = 0;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->K; k++) {
            const size_t at = i * s->K + k;
            if (!(s->model->flags[k] & SHN_FINDING_URGENT) || !s->known[at] || !s->label[at] || j->decided.at_label[at] > 0.5f) continue;
            if (shn_grow(&list, &capacity, n_missed + 1, sizeof *list) != 0) {
                free(list);
                return shn_fail_nomem(err, "experiment.cases");
            }
            list[n_missed++] = (missed){ i, k, j->decided.probability[at] };
        }
    if (n_missed) qsort(list, n_missed, sizeof *list, by_probability);
    for (size_t m = 0; m < n_missed && found < each; m++) {
        int taken = 0;
        for (size_t o = 0; o < m; o++) taken |= list[o].record == list[m].record;
        if (taken) continue;
        out[(*n)++] = (xp_choice){ list[m].record, "worst urgent miss", list[m].finding };
        found++;
    }
    free(list);
    return SHN_OK;
}

shn_status xp_cases_choose(const judged *j, size_t each, xp_choice *out, size_t *n, shn_error *err)
{
    *n = 0;
    shn_status st = choose_by_rank(j, 1, 1, "first hit", each, out, n, err);
    if (st == SHN_OK) st = choose_by_rank(j, NEAREST, 0, "first miss", each, out, n, err);
    return st == SHN_OK ? choose_urgent(j, each, out, n, err) : st;
}

/* ---- what is drawn ---- */

/** Cosines of a record with the findings' texts, mean over its windows: similarity [K]; NaN for a model without texts. */
static void similarities(const shn_model *m, const float *text, const float *z, double *similarity)
{
    for (size_t k = 0; k < m->K; k++) similarity[k] = text ? 0 : NAN;
    for (size_t w = 0; text && w < m->input.n_windows; w++) {
        const float *one = z + w * m->E;
        double square = 0;
        for (size_t e = 0; e < m->E; e++) square += (double)one[e] * one[e];
        for (size_t k = 0; k < m->K && square > 0; k++) {
            double dot = 0;
            for (size_t e = 0; e < m->E; e++) dot += (double)one[e] * text[k * m->E + e];
            similarity[k] += dot / sqrt(square) / m->input.n_windows;
        }
    }
}

/** The NEAREST findings by similarity, or by score where there are no texts. */
static size_t nearest(const judged *j, size_t record, const double *similarity, size_t *out)
{
    const size_t K = j->set.K;
    size_t       n = 0;
    for (; n < NEAREST && n < K; n++) {
        size_t best = K;
        for (size_t k = 0; k < K; k++) {
            size_t o = 0;
            while (o < n && out[o] != k) o++;
            if (o < n) continue;
            const double value = isnan(similarity[k]) ? j->decided.score[record * K + k] : similarity[k];
            const double top = best == K ? -INFINITY : isnan(similarity[best]) ? j->decided.score[record * K + best] : similarity[best];
            if (value > top) best = k;
        }
        if (best == K) break;
        out[n] = best;
    }
    return n;
}

/** "English / 日本語; ..." of what the record has. */
static char *truth_of(const judged *j, size_t record)
{
    const shn_model *m = j->set.model;
    size_t size = 64;
    for (size_t k = 0; k < m->K; k++) size += strlen(m->name_en[k]) + strlen(m->name_ja[k]) + 8;
    char  *text = shn_alloc(size, 1);
    size_t used = 0;
    for (size_t k = 0; text && k < m->K; k++)
        if (j->set.known[record * m->K + k] && j->set.label[record * m->K + k])
            used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", used ? "; " : "", m->name_en[k], *m->name_ja[k] ? " / " : "", m->name_ja[k]);
    if (text && !used) snprintf(text, size, "no listed finding / 該当所見なし");
    return text;
}

static shn_status draw(const judged *j, size_t record, const double *similarity, const char *truth, xp_case *out, shn_error *err)
{
    const shn_model *m = j->set.model;
    shn_plot_options plot;
    shn_plot_finding shown[NEAREST];
    char             name[NEAREST][NAME_BYTES], title[512];
    size_t           near[NEAREST];
    shn_record      *rec = NULL;
    shn_plot_defaults(&plot);
    plot.n_findings = nearest(j, record, similarity, near);
    for (size_t i = 0; i < plot.n_findings; i++) {
        const size_t at = record * m->K + near[i];
        const char  *there = !j->set.known[at] ? ", not known" : j->set.label[at] ? ", in the data" : "";
        if (isnan(similarity[near[i]])) snprintf(name[i], sizeof name[i], "%.200s (score %.2f%s)", m->name_en[near[i]], j->decided.score[at], there);
        else snprintf(name[i], sizeof name[i], "%.200s (similarity %.2f%s)", m->name_en[near[i]], similarity[near[i]], there);
        const shn_calibration *c = &m->calibration[j->decided.readout];
        shown[i] = (shn_plot_finding){ name[i], m->name_ja[near[i]], j->decided.probability[at], c->fitted ? c->threshold[near[i]] : 0.5, j->decided.at_label[at] > 0.5f };
    }
    snprintf(title, sizeof title, "In the data: %.480s", truth);
    plot.findings = shown;
    plot.title = title;
    plot.simulated = *shn_cohort_attribute(j->set.cohort, "simulated") == '1';
    shn_status st = shn_cohort_record(j->set.cohort, j->set.rows[record], &rec, err);
    if (st == SHN_OK) st = shn_plot_svg(rec, &plot, &out->svg, &out->n_svg, err);
    shn_record_free(rec);
    return st;
}

static shn_status add_case(const xp_grid *g, const judged *j, const xp_choice *c, size_t number, const float *text, const char *row, xp_cases *cases, shn_error *err)
{
    const shn_model *m = j->set.model;
    double          *similarity = shn_alloc(m->K, sizeof *similarity);
    if (!similarity || shn_grow(&cases->list, &cases->capacity, cases->n + 1, sizeof *cases->list) != 0) {
        free(similarity);
        return shn_fail_nomem(err, "experiment.cases");
    }
    xp_case *one = &cases->list[cases->n++];
    *one = (xp_case){ .truth = truth_of(j, c->record) };
    similarities(m, text, j->set.z + c->record * m->input.n_windows * m->E, similarity);
    snprintf(one->name, sizeof one->name, "%.30s-%zu", c->kind, number);
    for (char *p = one->name; *p; p++)
        if (*p == ' ') *p = '-';
    size_t used = (size_t)snprintf(one->caption, sizeof one->caption, "%c%s %zu: record %zu of the %zu judged, read by %.100s (seed %llu)", c->kind[0] - 'a' + 'A', c->kind + 1, number,
                                   c->record + 1, j->set.n, row, (unsigned long long)g->plan->seeds[0]);
    if (c->urgent < m->K && used < sizeof one->caption)
        snprintf(one->caption + used, sizeof one->caption - used, "; not called: %.120s, at probability %.3f", m->name_en[c->urgent],
                 j->decided.probability[c->record * m->K + c->urgent]);
    const shn_status st = one->truth ? draw(j, c->record, similarity, one->truth, one, err) : shn_fail_nomem(err, "experiment.cases");
    free(similarity);
    return st;
}

static shn_status draw_all(const xp_grid *g, const judged *j, const char *row, xp_cases *out, shn_error *err)
{
    const shn_model *m = j->set.model;
    const size_t     each = g->plan->examples.each;
    xp_choice *chosen = shn_alloc(XP_CASE_KINDS * each, sizeof *chosen);
    float  *text = m->D ? shn_alloc(m->K * m->E, sizeof *text) : NULL;
    size_t  n = 0;
    shn_status st = chosen && (text || !m->D) ? SHN_OK : shn_fail_nomem(err, "experiment.cases");
    if (st == SHN_OK && m->D) st = shn_model_class_embeddings(m, text, err);
    if (st == SHN_OK) st = xp_cases_choose(j, each, chosen, &n, err);
    for (size_t i = 0, number = 0; i < n && st == SHN_OK; i++) {
        number = i && chosen[i].kind == chosen[i - 1].kind ? number + 1 : 1;
        st = add_case(g, j, &chosen[i], number, text, row, out, err);
    }
    free(chosen);
    free(text);
    return st;
}

shn_status xp_cases_draw(const xp_grid *g, const shn_watcher *watcher, xp_cases *out, shn_error *err)
{
    const xp_examples *x = &g->plan->examples;
    shn_model *m;
    judged     j;
    *out = (xp_cases){ 0 };
    if (x->each == 0) return SHN_OK;
    shn_status st = xp_judge_part(g, &x->row, &g->plan->evaluations[x->evaluation], xp_grid_find(g, x->row.system, 0, 0), XP_TRAINED, watcher, &m, &j, err);
    if (st == SHN_OK) st = draw_all(g, &j, x->row.text, out, err);
    if (st != SHN_OK) {
        shn_error_prefix(err, "examples");
        xp_cases_free(out);
    }
    judged_close(&j);
    shn_model_free(m);
    return st;
}
