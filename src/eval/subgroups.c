#include "eval/subgroups.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/doc.h"

static const struct { float from, to; const char *name; } bands[] = {
    { 0, 18, "0-17" }, { 18, 40, "18-39" }, { 40, 60, "40-59" }, { 60, 75, "60-74" }, { 75, INFINITY, "75+" },
};
enum { BANDS = sizeof bands / sizeof *bands, MATRICES = 10 };

static const char *band_of(float age)
{
    for (size_t b = 0; b < BANDS; b++)
        if (age >= bands[b].from && age < bands[b].to) return bands[b].name;
    return "unknown";
}

static const char *group_of(const evalset *s, const char *by, size_t i)
{
    const size_t row = s->rows[i];
    if (*by == 'a') return band_of(shn_cohort_age(s->cohort, row));
    if (strcmp(by, "source") == 0) return shn_cohort_source(s->cohort, row);
    const char sex = shn_cohort_sex(s->cohort, row);
    return sex == 'F' ? "F" : sex == 'M' ? "M" : "unknown";
}

/** The matrices of some records, copied one after another. */
typedef struct part {
    float    *matrix[MATRICES];
    uint8_t  *label, *known;
    uint32_t *patient, *renamed;
    size_t    n, n_patients;
} part;

static void part_free(part *p)
{
    for (int m = 0; m < MATRICES; m++) free(p->matrix[m]);
    free(p->label);
    free(p->known);
    free(p->patient);
    free(p->renamed);
}

static shn_status part_make(const judged *j, const uint32_t *member, size_t n, part *p, shn_error *err)
{
    const evalset   *s = &j->set;
    const decisions *d = &j->decided;
    const float *const from[MATRICES] = { d->score, d->probability, d->uncalibrated, d->at_05, d->at_f1, d->at_f1_macro, d->at_f1_sample, d->at_jaccard, d->at_label,
                                          d->at_prevalence };
    int ok = 1;
    *p = (part){ .n = n };
    for (int m = 0; m < MATRICES; m++) ok &= (p->matrix[m] = shn_alloc(n * s->K, sizeof(float))) != NULL;
    p->label = shn_alloc(n * s->K, 1);
    p->known = shn_alloc(n * s->K, 1);
    p->patient = shn_alloc(n, sizeof *p->patient);
    p->renamed = shn_alloc(s->n_patients, sizeof *p->renamed);
    if (!ok || !p->label || !p->known || !p->patient || !p->renamed) return shn_fail_nomem(err, "eval.subgroups");
    for (size_t i = 0; i < n; i++) {
        for (int m = 0; m < MATRICES; m++) memcpy(p->matrix[m] + i * s->K, from[m] + member[i] * s->K, s->K * sizeof(float));
        memcpy(p->label + i * s->K, s->label + member[i] * s->K, s->K);
        memcpy(p->known + i * s->K, s->known + member[i] * s->K, s->K);
        uint32_t *number = &p->renamed[s->patient[member[i]]];          /* 0: not met yet */
        if (!*number) *number = (uint32_t)++p->n_patients;
        p->patient[i] = *number - 1;
    }
    return SHN_OK;
}

static shn_status add_group(const judged *j, const char *by, const char *group, const uint32_t *member, size_t n, const shn_watcher *watcher, json_t *list,
                            shn_error *err)
{
    part       p;
    summary    result;
    shn_status st = part_make(j, member, n, &p, err);
    if (st == SHN_OK) {
        summary_input in = judged_input(j, &j->decided);
        const float **const to[MATRICES] = { &in.score, &in.probability, &in.uncalibrated, &in.at_05, &in.at_f1, &in.at_f1_macro, &in.at_f1_sample, &in.at_jaccard,
                                             &in.at_label, &in.at_prevalence };
        for (int m = 0; m < MATRICES; m++) *to[m] = p.matrix[m];
        in.n = n;
        in.label = p.label;
        in.known = p.known;
        in.patient = p.patient;
        in.n_patients = p.n_patients;
        if (p.n_patients < 2) in.n_bootstrap = 0;       /* the same patient again and again: an interval of no width */
        st = summary_make(&in, watcher, &result, err);
        if (st == SHN_OK) {
            json_array_append_new(list, json_pack("{s:s, s:o, s:I, s:I, s:b, s:o}", "by", by, "group", doc_text(group), "n_records", (json_int_t)n, "n_patients",
                                                  (json_int_t)p.n_patients, "small", p.n_patients < SUBGROUP_SMALL, "metrics", doc_metrics(&result)));
            summary_free(&result);
        }
    }
    part_free(&p);
    return st;
}

/** Age bands in their order, everything else as it comes first. */
static shn_status add_groups(const judged *j, const char *by, uint32_t *member, uint8_t *done, const shn_watcher *watcher, json_t *list, shn_error *err)
{
    const evalset *s = &j->set;
    shn_status     st = SHN_OK;
    memset(done, 0, s->n);
    for (size_t b = 0; st == SHN_OK && b < s->n + BANDS; b++) {
        if (b < BANDS && *by != 'a') continue;
        if (b >= BANDS && done[b - BANDS]) continue;
        const char *group = b < BANDS ? bands[b].name : group_of(s, by, b - BANDS);
        size_t      n = 0;
        for (size_t i = 0; i < s->n; i++) {
            if (done[i] || strcmp(group_of(s, by, i), group) != 0) continue;
            done[i] = 1;
            member[n++] = (uint32_t)i;
        }
        if (n) st = add_group(j, by, group, member, n, watcher, list, err);
    }
    return st;
}

shn_status subgroups_json(const judged *j, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    static const char *const kinds[] = { "age", "sex", "source" };
    uint32_t *member = shn_alloc(j->set.n, sizeof *member);
    uint8_t  *done = shn_alloc(j->set.n, 1);
    json_t   *list = json_array();
    shn_status st = member && done && list ? SHN_OK : shn_fail_nomem(err, "eval.subgroups");
    for (size_t k = 0; k < 3 && st == SHN_OK; k++) st = add_groups(j, kinds[k], member, done, watcher, list, err);
    free(member);
    free(done);
    if (st != SHN_OK) {
        json_decref(list);
        list = NULL;
    }
    *out = list;
    return st;
}
