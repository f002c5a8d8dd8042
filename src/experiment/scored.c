#include "experiment/scored.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/away.h"
#include "shinden/metrics.h"

void xp_scored_free(xp_scored *s)
{
    for (int l = 0; l < SCORED_LAYERS; l++) free(s->layer[l]);
    void *all[] = { s->finding, s->label, s->known, s->patient, s->specific, s->n_pos_train, s->top1, s->top5 };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    *s = (xp_scored){ 0 };
}

static shn_status allocate(size_t n, size_t K, xp_scored *s, shn_error *err)
{
    int ok = 1;
    *s = (xp_scored){ .n = n, .K = K };
    for (int l = 0; l < SCORED_LAYERS; l++) ok &= (s->layer[l] = shn_alloc(n * K, sizeof(float))) != NULL;
    s->finding = shn_alloc(K, sizeof *s->finding);
    s->label = shn_alloc(n * K, 1);
    s->known = shn_alloc(n * K, 1);
    s->patient = shn_alloc(n, sizeof *s->patient);
    s->specific = shn_alloc(K, 1);
    s->n_pos_train = shn_alloc(K, sizeof *s->n_pos_train);
    s->top1 = shn_alloc(K, sizeof *s->top1);
    s->top5 = shn_alloc(K, sizeof *s->top5);
    ok &= s->finding && s->label && s->known && s->patient && s->specific && s->n_pos_train && s->top1 && s->top5;
    return ok ? SHN_OK : shn_fail_nomem(err, "experiment.scored");
}

/** Copies column `from` of one matrix to column `to` of another, records one for one from row `at` on. */
static void copy_column(const xp_scored *source, size_t from, xp_scored *s, size_t to, size_t at)
{
    for (size_t i = 0; i < source->n; i++) {
        const size_t a = i * source->K + from, b = (at + i) * s->K + to;
        for (int l = 0; l < SCORED_LAYERS; l++) s->layer[l][b] = source->layer[l][a];
        s->label[b] = source->label[a];
        s->known[b] = source->known[a];
    }
    s->finding[to] = source->finding[from];
    s->specific[to] = source->specific[from];
    s->n_pos_train[to] = source->n_pos_train[from];
    s->top1[to] = source->top1[from];
    s->top5[to] = source->top5[from];
}

/** What is not a column or a record. */
static void copy_rest(const xp_scored *from, xp_scored *s)
{
    s->readout = from->readout;
    s->ranked_together = from->ranked_together;
    memcpy(s->fitted_on, from->fitted_on, sizeof s->fitted_on);
    s->n_bootstrap = from->n_bootstrap;
    s->seed = from->seed;
}

/** The judgement's arrays as a matrix that borrows them; finding, top1 and top5 are its own. */
static shn_status view_of(const judged *j, xp_scored *v, shn_error *err)
{
    const evalset   *s = &j->set;
    const decisions *d = &j->decided;
    *v = (xp_scored){ .n = s->n, .K = s->K, .n_patients = s->n_patients, .label = s->label, .known = s->known, .patient = s->patient, .specific = j->specific,
                      .n_pos_train = j->node_n_pos ? j->node_n_pos : s->model->n_pos, .readout = d->readout, .ranked_together = 1, .n_bootstrap = j->o.n_bootstrap, .seed = j->o.seed,
                      .layer = { d->score, d->probability, d->uncalibrated, d->at_05, d->at_f1, d->at_f1_macro, d->at_f1_sample, d->at_jaccard, d->at_label, d->at_prevalence } };
    memcpy(v->fitted_on, j->fitted_on, sizeof v->fitted_on);
    v->finding = shn_alloc(s->K, sizeof *v->finding);
    v->top1 = shn_alloc(s->K, sizeof *v->top1);
    v->top5 = shn_alloc(s->K, sizeof *v->top5);
    if (!v->finding || !v->top1 || !v->top5) return shn_fail_nomem(err, "experiment.scored");
    const shn_scored ranked = { d->score, s->label, s->known, s->n, s->K };
    shn_top_k_per_finding(&ranked, 1, v->top1);
    shn_top_k_per_finding(&ranked, 5, v->top5);
    for (size_t k = 0; k < s->K; k++) v->finding[k] = j->nodes ? shn_registry_at(j->nodes->registry, j->nodes->node[k])->id : s->model->finding_id[k];
    return SHN_OK;
}

static size_t column_of(const xp_scored *s, const char *id)
{
    size_t k = 0;
    while (k < s->K && strcmp(s->finding[k], id) != 0) k++;
    return k;
}

shn_status xp_scored_take(const judged *j, const char *const *ids, size_t n_ids, xp_scored *out, shn_error *err)
{
    xp_scored  view;
    size_t     n = 0;
    *out = (xp_scored){ 0 };
    shn_status st = view_of(j, &view, err);
    for (size_t i = 0; st == SHN_OK && i < n_ids; i++) n += column_of(&view, ids[i]) < view.K;
    if (st == SHN_OK && n == 0) st = shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "experiment", "none of the findings to judge is known to the model and its cohort");
    if (st == SHN_OK) st = allocate(view.n, n, out, err);
    if (st == SHN_OK) {
        size_t k = 0;
        for (size_t i = 0; i < n_ids; i++) {
            const size_t from = column_of(&view, ids[i]);
            if (from == view.K) continue;
            copy_column(&view, from, out, k, 0);
            out->finding[k++] = ids[i];             /* outlives the model */
        }
        memcpy(out->patient, view.patient, view.n * sizeof *view.patient);
        out->n_patients = view.n_patients;
        copy_rest(&view, out);
    }
    free(view.finding);
    free(view.top1);
    free(view.top5);
    return st;
}

static int same_findings(const xp_scored *a, const xp_scored *b)
{
    size_t k = 0;
    while (k < a->K && a->K == b->K && strcmp(a->finding[k], b->finding[k]) == 0) k++;
    return k == a->K && a->K == b->K;
}

/** Mean of two shares over the records that have the finding in each part. */
static double pooled(double a, double n_a, double b, double n_b)
{
    if (isnan(a) || n_a == 0) return b;
    return isnan(b) || n_b == 0 ? a : (a * n_a + b * n_b) / (n_a + n_b);
}

static double count_positive(const xp_scored *s, size_t k)
{
    double n = 0;
    for (size_t i = 0; i < s->n; i++) n += s->known[i * s->K + k] && s->label[i * s->K + k];
    return n;
}

shn_status xp_scored_add_rows(xp_scored *s, const xp_scored *part, shn_error *err)
{
    xp_scored both;
    if (s->n && !same_findings(s, part))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "experiment", "the folds of a cross-validation judge other findings");
    shn_status st = allocate(s->n + part->n, part->K, &both, err);
    for (size_t k = 0; st == SHN_OK && k < part->K; k++) {
        copy_column(part, k, &both, k, s->n);
        if (s->n == 0) continue;
        const double top1 = pooled(s->top1[k], count_positive(s, k), part->top1[k], count_positive(part, k));
        const double top5 = pooled(s->top5[k], count_positive(s, k), part->top5[k], count_positive(part, k));
        copy_column(s, k, &both, k, 0);
        both.top1[k] = top1;
        both.top5[k] = top5;
        if (part->n_pos_train[k] < both.n_pos_train[k]) both.n_pos_train[k] = part->n_pos_train[k];
    }
    if (st == SHN_OK) {
        for (size_t i = 0; i < s->n; i++) both.patient[i] = s->patient[i];
        for (size_t i = 0; i < part->n; i++) both.patient[s->n + i] = (uint32_t)(s->n_patients + part->patient[i]);
        both.n_patients = s->n_patients + part->n_patients;
        copy_rest(part, &both);
        xp_scored_free(s);
        *s = both;
    } else xp_scored_free(&both);
    return st;
}

/** Mean of finding k's score over the known records of rows [first, last); NaN with none. */
static double mean_score(const xp_scored *s, size_t k, size_t first, size_t last)
{
    double sum = 0, n = 0;
    for (size_t i = first; i < last; i++)
        if (s->known[i * s->K + k]) {
            sum += s->layer[0][i * s->K + k];
            n++;
        }
    return n > 0 ? sum / n : NAN;
}

void xp_scored_level(xp_scored *s, const size_t *start, size_t n_folds)
{
    for (size_t k = 0; k < s->K; k++) {
        const double all = mean_score(s, k, 0, s->n);
        for (size_t f = 0; f < n_folds; f++) {
            const size_t last = f + 1 < n_folds ? start[f + 1] : s->n;
            const double shift = all - mean_score(s, k, start[f], last);
            for (size_t i = start[f]; i < last && !isnan(shift); i++) {         /* in double: equal scores must stay equal */
                float *score = &s->layer[0][i * s->K + k];
                *score = (float)(*score + shift);
            }
        }
    }
}

shn_status xp_scored_add_columns(xp_scored *s, const xp_scored *part, shn_error *err)
{
    xp_scored both;
    if (s->n && (s->n != part->n || memcmp(s->patient, part->patient, s->n * sizeof *s->patient) != 0))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "experiment", "the groups of a label list were judged on other records");
    for (size_t k = 0; k < part->K; k++)
        if (column_of(s, part->finding[k]) < s->K)
            return shn_fail(err, SHN_MISMATCH, SHN_REASON_BAD_VALUE, "experiment", "the finding '%.60s' is in two groups of a label list", part->finding[k]);
    shn_status st = allocate(part->n, s->K + part->K, &both, err);
    for (size_t k = 0; st == SHN_OK && k < s->K; k++) copy_column(s, k, &both, k, 0);
    for (size_t k = 0; st == SHN_OK && k < part->K; k++) copy_column(part, k, &both, s->K + k, 0);
    if (st == SHN_OK) {
        memcpy(both.patient, part->patient, part->n * sizeof *part->patient);
        both.n_patients = part->n_patients;
        copy_rest(part, &both);
        both.ranked_together = 0;                   /* each group's columns come from a model of its own */
        xp_scored_free(s);
        *s = both;
    } else xp_scored_free(&both);
    return st;
}

shn_status xp_scored_keep(xp_scored *s, const uint8_t *keep, shn_error *err)
{
    xp_scored kept;
    size_t    n = 0;
    for (size_t k = 0; k < s->K; k++) n += keep[k] != 0;
    if (n == s->K) return SHN_OK;
    if (n == 0) return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "experiment", "no finding is left to judge");
    const shn_status st = allocate(s->n, n, &kept, err);
    if (st != SHN_OK) {
        xp_scored_free(&kept);
        return st;
    }
    n = 0;
    for (size_t k = 0; k < s->K; k++)
        if (keep[k]) copy_column(s, k, &kept, n++, 0);
    memcpy(kept.patient, s->patient, s->n * sizeof *s->patient);
    kept.n_patients = s->n_patients;
    copy_rest(s, &kept);
    xp_scored_free(s);
    *s = kept;
    return SHN_OK;
}

/** Columns of s that all have; *least [K]. */
static void find_common(const xp_scored *s, xp_scored *const *all, size_t n, uint8_t *keep)
{
    for (size_t k = 0; k < s->K; k++) {
        keep[k] = 1;
        for (size_t i = 0; i < n; i++) keep[k] &= (uint8_t)(column_of(all[i], s->finding[k]) < all[i]->K);
    }
}

/** After find_common and keep all have the same findings; their order may differ. */
static shn_status reorder(xp_scored *s, const xp_scored *first, shn_error *err)
{
    xp_scored  other;
    if (same_findings(s, first)) return SHN_OK;
    const shn_status st = allocate(s->n, s->K, &other, err);
    for (size_t k = 0; st == SHN_OK && k < s->K; k++) copy_column(s, column_of(s, first->finding[k]), &other, k, 0);
    if (st == SHN_OK) {
        memcpy(other.patient, s->patient, s->n * sizeof *s->patient);
        other.n_patients = s->n_patients;
        copy_rest(s, &other);
        xp_scored_free(s);
        *s = other;
    } else xp_scored_free(&other);
    return st;
}

shn_status xp_scored_common(xp_scored *const *all, size_t n, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        uint8_t *keep = shn_alloc(all[i]->K, 1);
        if (!keep) return shn_fail_nomem(err, "experiment.scored");
        find_common(all[i], all, n, keep);
        st = xp_scored_keep(all[i], keep, err);
        free(keep);
    }
    for (size_t i = 1; i < n && st == SHN_OK; i++) st = reorder(all[i], all[0], err);
    for (size_t k = 0; st == SHN_OK && k < all[0]->K; k++) {
        uint32_t least = UINT32_MAX;
        for (size_t i = 0; i < n; i++)
            if (all[i]->n_pos_train[k] < least) least = all[i]->n_pos_train[k];
        for (size_t i = 0; i < n; i++) all[i]->n_pos_train[k] = least;
    }
    return st;
}

summary_input xp_scored_input(const xp_scored *s)
{
    return (summary_input){ .n = s->n, .K = s->K, .score = s->layer[0], .probability = s->layer[1], .uncalibrated = s->layer[2], .label = s->label, .known = s->known,
                            .at_05 = s->layer[3], .at_f1 = s->layer[4], .at_f1_macro = s->layer[5], .at_f1_sample = s->layer[6], .at_jaccard = s->layer[7], .at_label = s->layer[8],
                            .at_prevalence = s->layer[9], .patient = s->patient, .n_patients = s->n_patients, .n_pos_train = s->n_pos_train, .specific = s->specific,
                            .n_bootstrap = s->n_bootstrap, .seed = s->seed };
}
