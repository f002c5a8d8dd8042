#include "eval/supersets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/away.h"
#include "eval/columns.h"
#include "eval/doc.h"
#include "eval/weighted.h"
#include "shinden/embed.h"
#include "shinden/text.h"

/** Everything about the P supersets of a judged set. */
typedef struct supersets {
    const judged *j;
    away_nodes nodes;                   /* the supersets; below: the model's findings strictly under each */
    uint8_t *label, *known;             /* [n][P] closed upward */
    float   *best, *own;                /* [n][P]; own NULL where there is no text */
    uint8_t *hit;                       /* [2][P][n] own text among the first 1, 5 of all findings and supersets */
    shn_readout readout;                /* whose scores `best` are made from */
    char     why[320];                  /* why own is NULL; else what the text vectors are */
} supersets;

static void supersets_free(supersets *s)
{
    away_nodes_free(&s->nodes);
    free(s->label);
    free(s->known);
    free(s->best);
    free(s->own);
    free(s->hit);
}

/* ---- which, and their labels */

static shn_status find_supersets(supersets *s, shn_error *err)
{
    const shn_model *m = s->j->set.model;
    away_nodes      *o = &s->nodes;
    size_t           used = 0;
    *o = (away_nodes){ .registry = shn_registry_builtin() };
    const size_t R = shn_registry_size(o->registry);
    o->node = shn_alloc(R, sizeof *o->node);
    o->below = shn_alloc(R * m->K, sizeof *o->below);
    o->below_start = shn_alloc(R + 1, sizeof *o->below_start);
    if (!o->node || !o->below || !o->below_start) return shn_fail_nomem(err, "eval.supersets");
    for (size_t r = 0; r < R; r++) {
        size_t n = 0;
        if (shn_model_find(m, shn_registry_at(o->registry, r)->id) >= 0) continue;      /* trained: it has a row of its own already */
        for (size_t k = 0; k < m->K; k++) {
            const int f = shn_registry_find(o->registry, m->finding_id[k]);
            if (f >= 0 && shn_registry_is_a(o->registry, (size_t)f, r)) o->below[used + n++] = (uint32_t)k;
        }
        if (n < 2) continue;
        o->node[o->n] = (uint32_t)r;
        used += n;
        o->below_start[++o->n] = used;
    }
    return SHN_OK;
}

/** Takes away the supersets that nobody has here, or everybody. */
static void keep_judgeable(supersets *s)
{
    const size_t n = s->j->set.n, P = s->nodes.n;
    size_t       kept = 0;
    for (size_t p = 0; p < P; p++) {
        size_t positive = 0, negative = 0, begin = s->nodes.below_start[p], end = s->nodes.below_start[p + 1], to = s->nodes.below_start[kept];
        for (size_t i = 0; i < n; i++) {
            positive += s->known[i * P + p] && s->label[i * P + p];
            negative += s->known[i * P + p] && !s->label[i * P + p];
        }
        if (!positive || !negative) continue;
        memmove(s->nodes.below + to, s->nodes.below + begin, (end - begin) * sizeof *s->nodes.below);
        s->nodes.node[kept] = s->nodes.node[p];
        s->nodes.below_start[++kept] = to + end - begin;
        for (size_t i = 0; i < n; i++) {                /* column p of the wide rows becomes column kept - 1, squeezed below */
            s->label[i * P + kept - 1] = s->label[i * P + p];
            s->known[i * P + kept - 1] = s->known[i * P + p];
        }
    }
    for (size_t i = 0; i < n; i++) {
        memmove(s->label + i * kept, s->label + i * P, kept);
        memmove(s->known + i * kept, s->known + i * P, kept);
    }
    s->nodes.n = kept;
}

static shn_status close_labels(supersets *s, shn_error *err)
{
    const evalset *set = &s->j->set;
    s->label = shn_alloc(set->n * s->nodes.n, 1);
    s->known = shn_alloc(set->n * s->nodes.n, 1);
    if (!s->label || !s->known) return shn_fail_nomem(err, "eval.supersets");
    const shn_status st = away_close_rows(&s->nodes, set->cohort, set->rows, set->n, AWAY_NO_FINDING, s->label, s->known, err);
    if (st == SHN_OK) keep_judgeable(s);
    return st;
}

/* ---- own texts */

/** "name+criterion, ja" -> form and language; 0 where the model's texts say nothing (random). */
static int text_rule(const shn_model *m, shn_text_form *form, int *japanese)
{
    char         name[40];
    const char  *comma = m->text_form ? strchr(m->text_form, ',') : NULL;
    const size_t n = comma ? (size_t)(comma - m->text_form) : 0;
    if (!comma || n >= sizeof name) return 0;
    memcpy(name, m->text_form, n);
    name[n] = '\0';
    const int f = shn_text_form_from_name(name);
    if (f < 0) return 0;
    *form = (shn_text_form)f;
    *japanese = strcmp(comma, ", ja") == 0;
    return 1;
}

/** Opens the vectors that the model's texts are of; *v NULL and s->why where that cannot be. */
static shn_status open_vectors(supersets *s, const char *text, shn_vectors **v, shn_error *err)
{
    const shn_model *m = s->j->set.model;
    shn_text_form    form;
    int              japanese;
    *v = NULL;
    if (m->D == 0) snprintf(s->why, sizeof s->why, "none: the model has no text side");
    else if (!(m->readouts >> SHN_READOUT_CLASS & 1)) snprintf(s->why, sizeof s->why, "none: the model has no class read-out");
    else if (!text_rule(m, &form, &japanese)) snprintf(s->why, sizeof s->why, "none: the model's texts say nothing ('%.80s')", m->text_form ? m->text_form : "");
    if (*s->why) return SHN_OK;
    const shn_status st = shn_vectors_open(text ? text : SHN_VECTORS_BUILTIN, 0, v, err);
    if (st != SHN_OK) return st;
    if (strcmp(shn_vectors_describe(*v), m->text_source ? m->text_source : "") == 0 && shn_vectors_width(*v) == m->D) {
        snprintf(s->why, sizeof s->why, "%.200s", shn_vectors_describe(*v));
        return SHN_OK;
    }
    snprintf(s->why, sizeof s->why, "none: the model's texts are vectors of %.90s, these are of %.90s; name the file with --vectors", m->text_source ? m->text_source : "?",
             shn_vectors_describe(*v));
    shn_vectors_free(*v);
    *v = NULL;
    return SHN_OK;
}

/** s->own: scores of the supersets' texts as the read-out class has any phrase's. */
static shn_status score_texts(const supersets *s, const shn_vectors *v, shn_error *err)
{
    const evalset   *set = &s->j->set;
    const shn_model *m = set->model;
    const size_t     P = s->nodes.n;
    shn_text_form    form;
    int              japanese;
    float     *raw = shn_alloc(m->D, sizeof *raw), *column = shn_alloc(set->n, sizeof *column);
    shn_status st = raw && column ? SHN_OK : shn_fail_nomem(err, "eval.supersets");
    for (size_t p = 0; st == SHN_OK && p < P && text_rule(m, &form, &japanese); p++) {
        char text[SHN_FINDING_TEXT_MAX];
        shn_registry_text(s->nodes.registry, s->nodes.node[p], form, japanese, text);
        st = shn_vectors_get(v, text, raw, err);
        shn_readout_space *space = NULL;
        if (st == SHN_OK) st = shn_readout_space_new(m, SHN_READOUT_CLASS, text, raw, &space, err);
        if (st == SHN_OK) st = shn_readout_space_scores(space, set->z, set->n, column, err);
        shn_readout_space_free(space);
        for (size_t i = 0; st == SHN_OK && i < set->n; i++) s->own[i * P + p] = column[i];
    }
    free(raw);
    free(column);
    return st;
}

/** Is the own text of superset p among the first k of all findings (class scores [n][K]) and supersets of the record? */
static void find_hits(supersets *s, const float *class_score)
{
    static const size_t lengths[2] = { 1, 5 };
    const evalset *set = &s->j->set;
    const size_t   P = s->nodes.n, K = set->K;
    for (size_t i = 0; i < set->n; i++)
        for (size_t p = 0; p < P; p++) {
            size_t      before = 0;
            const float mine = s->own[i * P + p];
            for (size_t k = 0; k < K; k++) before += set->known[i * K + k] && class_score[i * K + k] >= mine;
            for (size_t q = 0; q < P; q++) before += s->known[i * P + q] && (s->own[i * P + q] > mine || (s->own[i * P + q] == mine && q < p));
            for (size_t l = 0; l < 2; l++)
                s->hit[(l * P + p) * set->n + i] = !s->known[i * P + p] || !s->label[i * P + p] ? 2 : before < lengths[l];
        }
}

static shn_status make_scores(supersets *s, const char *text, shn_error *err)
{
    const evalset    *set = &s->j->set;
    const shn_model  *m = set->model;
    const size_t      P = s->nodes.n;
    shn_vectors      *v = NULL;
    float *score = shn_alloc(set->n * m->K, sizeof *score);
    s->best = shn_alloc(set->n * P, sizeof *s->best);
    s->readout = m->readouts >> SHN_READOUT_CLASS & 1 ? SHN_READOUT_CLASS : SHN_READOUT_LOGIT;
    shn_status st = score && s->best ? shn_readout_scores(m, s->readout, set->z, set->n, score, err) : shn_fail_nomem(err, "eval.supersets");
    if (st == SHN_OK) {
        away_node_scores(&s->nodes, score, set->n, m->K, s->best);
        st = open_vectors(s, text, &v, err);
    }
    if (st == SHN_OK && v) {
        s->own = shn_alloc(set->n * P, sizeof *s->own);
        s->hit = shn_alloc(2 * set->n * P, 1);
        st = s->own && s->hit ? score_texts(s, v, err) : shn_fail_nomem(err, "eval.supersets");
        if (st == SHN_OK) find_hits(s, score);
    }
    shn_vectors_free(v);
    free(score);
    return st;
}

/* ---- the document */

static json_t *superset_json(const supersets *s, size_t p, const columns_result *r)
{
    const evalset     *set = &s->j->set;
    const size_t       P = s->nodes.n;
    const shn_finding *f = shn_registry_at(s->nodes.registry, s->nodes.node[p]);
    const int          own = s->own != NULL;
    json_t *below = json_array();
    size_t  n_pos = 0, n_known = 0;
    for (size_t i = 0; i < set->n; i++) {
        n_known += s->known[i * P + p];
        n_pos += s->known[i * P + p] && s->label[i * P + p];
    }
    for (size_t b = s->nodes.below_start[p]; b < s->nodes.below_start[p + 1]; b++) json_array_append_new(below, doc_text(set->model->finding_id[s->nodes.below[b]]));
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I}", "id", f->id, "name_en", f->name_en, "name_ja", f->name_ja, "below", below, "n_pos", (json_int_t)n_pos,
                          "n_known", (json_int_t)n_known);
    json_object_set_new(o, "auroc_best_child", doc_value(&r->auroc[own ? 1 : 0][p]));
    json_object_set_new(o, "auroc_own_text", own ? doc_value(&r->auroc[0][p]) : json_null());
    json_object_set_new(o, "top1", own ? doc_number(weighted_hits(s->hit + p * set->n, set->n, NULL)) : json_null());
    json_object_set_new(o, "top5", own ? doc_number(weighted_hits(s->hit + (P + p) * set->n, set->n, NULL)) : json_null());
    return o;
}

static shn_status write_json(const supersets *s, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    const judged  *j = s->j;
    const evalset *set = &j->set;
    const int      own = s->own != NULL;
    columns_result r;
    const columns_input in = { .n = set->n, .P = s->nodes.n, .score = { own ? s->own : s->best, own ? s->best : NULL }, .label = s->label, .known = s->known,
                               .patient = set->patient, .n_patients = set->n_patients, .n_bootstrap = j->o.n_bootstrap, .seed = j->o.seed,
                               .n_threads = j->o.n_threads };
    shn_status st = columns_rank(&in, watcher, &r, err);
    if (st == SHN_OK) {
        json_t *list = json_array(), *o = json_object();
        for (size_t p = 0; p < s->nodes.n; p++) json_array_append_new(list, superset_json(s, p, &r));
        json_object_set_new(o, "readout", json_string(shn_readout_name(s->readout)));
        json_object_set_new(o, "own_text", doc_text(s->why));
        json_object_set_new(o, "n_supersets", json_integer((json_int_t)s->nodes.n));
        json_object_set_new(o, "auroc_macro_own_text", own ? doc_value(&r.auroc_macro[0]) : json_null());
        json_object_set_new(o, "auroc_macro_best_child", doc_value(&r.auroc_macro[own ? 1 : 0]));
        json_object_set_new(o, "own_text_minus_best_child", own ? doc_value(&r.difference) : json_null());
        json_object_set_new(o, "per_superset", list);
        *out = o;
    }
    columns_free(&r);
    return st;
}

shn_status supersets_json(const judged *j, const char *text, const shn_watcher *watcher, json_t **out, shn_error *err)
{
    supersets s = { .j = j };
    *out = NULL;
    if (j->nodes) return SHN_OK;
    shn_status st = find_supersets(&s, err);
    if (st == SHN_OK) st = close_labels(&s, err);
    if (st == SHN_OK && s.nodes.n) st = make_scores(&s, text, err);
    if (st == SHN_OK && s.nodes.n) st = write_json(&s, watcher, out, err);
    supersets_free(&s);
    return st;
}
