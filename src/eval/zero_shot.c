#include "eval/zero_shot.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/columns.h"
#include "eval/doc.h"
#include "eval/rank.h"

enum { LISTS = 3 };
static const size_t list_length[LISTS] = { 1, 5, 10 };
static const char *const list_name[LISTS] = { "top1", "top5", "top10" };

/** Copies columns of [n][K] to [n][P]. */
static void gather(const void *from, size_t size, size_t n, size_t K, const size_t *column, size_t P, void *to)
{
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < P; p++) memcpy((char *)to + (i * P + p) * size, (const char *)from + (i * K + column[p]) * size, size);
}

/** Columns that somebody here knows and that training did not; their number. */
static size_t find_columns(const judged *j, size_t *column)
{
    const evalset *s = &j->set;
    size_t         P = 0;
    for (size_t k = 0; k < s->K; k++) {
        size_t known = 0;
        for (size_t i = 0; i < s->n; i++) known += s->known[i * s->K + k];
        if (known && s->model->n_known[k] == 0) column[P++] = k;
    }
    return P;
}

/** hit [n] of lists over all candidates, where only the P columns count as found. */
static shn_status find_hits(const judged *j, const size_t *column, size_t P, size_t length, uint8_t *hit, shn_error *err)
{
    const evalset *s = &j->set;
    uint8_t       *truth = shn_alloc(s->n * s->K, 1);
    if (!truth) return shn_fail_nomem(err, "eval.zero_shot");
    for (size_t i = 0; i < s->n; i++)
        for (size_t p = 0; p < P; p++) truth[i * s->K + column[p]] = s->label[i * s->K + column[p]];
    const shn_scored view = { j->decided.score, truth, s->known, s->n, s->K };
    shn_top_k_records(&view, length, NULL, hit, NULL);
    free(truth);
    return SHN_OK;
}

static json_t *group_json(const judged *j, const size_t *column, size_t P, const columns_result *r, const uint8_t *hit)
{
    json_t *ids = json_array(), *o = json_object();
    size_t  n_records = 0;
    for (size_t p = 0; p < P; p++) json_array_append_new(ids, doc_text(j->set.model->finding_id[column[p]]));
    for (size_t i = 0; i < j->set.n; i++) n_records += hit[i] != 2;
    json_object_set_new(o, "n_findings", json_integer((json_int_t)P));
    json_object_set_new(o, "findings", ids);
    json_object_set_new(o, "n_records", json_integer((json_int_t)n_records));
    json_object_set_new(o, "auroc_macro", doc_value(&r->auroc_macro[0]));
    json_object_set_new(o, "auprc_macro", doc_value(&r->auprc_macro[0]));
    for (int h = 0; h < LISTS; h++) json_object_set_new(o, list_name[h], doc_value(&r->hit[h]));
    return o;
}

shn_status zero_shot_json(const judged *j, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    const evalset *s = &j->set;
    columns_result r = { 0 };
    uint8_t       *hit = NULL, *label = NULL, *known = NULL;
    float         *score = NULL;
    *out = NULL;
    if (j->nodes) return SHN_OK;                /* columns are no findings of the model there */
    size_t      *column = shn_alloc(s->K, sizeof *column);
    const size_t P = column ? find_columns(j, column) : 0;
    shn_status   st = column ? SHN_OK : shn_fail_nomem(err, "eval.zero_shot");
    if (st == SHN_OK && P) {
        hit = shn_alloc(LISTS * s->n, 1);
        label = shn_alloc(s->n * P, 1);
        known = shn_alloc(s->n * P, 1);
        score = shn_alloc(s->n * P, sizeof *score);
        if (!hit || !label || !known || !score) st = shn_fail_nomem(err, "eval.zero_shot");
    }
    if (st == SHN_OK && P) {
        gather(s->label, 1, s->n, s->K, column, P, label);
        gather(s->known, 1, s->n, s->K, column, P, known);
        gather(j->decided.score, sizeof *score, s->n, s->K, column, P, score);
        for (int h = 0; h < LISTS && st == SHN_OK; h++) st = find_hits(j, column, P, list_length[h], hit + (size_t)h * s->n, err);
        const columns_input in = { .n = s->n, .P = P, .score = { score, NULL }, .label = label, .known = known, .hit = { hit, hit + s->n, hit + 2 * s->n, NULL },
                                   .patient = s->patient, .n_patients = s->n_patients, .n_bootstrap = j->o.n_bootstrap, .seed = j->o.seed,
                                   .n_threads = j->o.n_threads };
        if (st == SHN_OK) st = columns_rank(&in, watcher, &r, err);
        if (st == SHN_OK && !(*out = group_json(j, column, P, &r, hit))) st = shn_fail_nomem(err, "eval.zero_shot");
        columns_free(&r);
    }
    free(column);
    free(hit);
    free(label);
    free(known);
    free(score);
    return st;
}
