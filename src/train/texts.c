#include "train/texts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/findings.h"
#include "shinden/model.h"
#include "train/matrix.h"

static int japanese(const char *form) { return strcmp(form, "name-ja") == 0; }

/** The first code that a finding has: SCP statement, Challenge abbreviation, SNOMED; else its id. */
static const char *code_of(const shn_finding *f, char code[64])
{
    const char *from = f->scp[0] ? f->scp : f->cinc[0] ? f->cinc : f->snomed[0] ? f->snomed : f->id;
    snprintf(code, 64, "%.*s", (int)strcspn(from, ";"), from);
    return code;
}

const char *shn_texts_finding(const char *finding_id, const char *form, char code[64])
{
    const shn_registry *reg = shn_registry_builtin();
    const int at = shn_registry_find(reg, finding_id);
    if (at < 0) return finding_id;
    const shn_finding *f = shn_registry_at(reg, (size_t)at);
    if (strcmp(form, "code") == 0) return code_of(f, code);
    const char *name = japanese(form) ? f->name_ja : f->name_en;
    return name[0] ? name : finding_id;
}

static shn_status read_classes(shn_texts *t, const shn_vectors *vectors, const char *const *finding_id, const char *form, shn_error *err)
{
    for (size_t k = 0; k < t->K; k++) {
        char code[64];
        t->class_text[k] = shn_strdup(shn_texts_finding(finding_id[k], form, code));
        if (!t->class_text[k]) return shn_fail_nomem(err, "train.texts");
        const shn_status st = shn_vectors_get(vectors, t->class_text[k], t->class_vector + k * t->D, err);
        if (st != SHN_OK) return st;
    }
    t->none_text = shn_strdup(japanese(form) ? "該当所見なし" : "no listed finding");
    return t->none_text ? shn_vectors_get(vectors, t->none_text, t->none_vector, err) : shn_fail_nomem(err, "train.texts");
}

static void class_mean(shn_texts *t)
{
    for (size_t k = 0; k < t->K; k++) {
        const float *v = t->class_vector + k * t->D;
        double square = 0;
        for (size_t d = 0; d < t->D; d++) square += (double)v[d] * (double)v[d];
        const double scale = square > 0 ? 1 / (sqrt(square) * (double)t->K) : 0;
        for (size_t d = 0; d < t->D; d++) t->mean[d] += (float)((double)v[d] * scale);
    }
}

/** The joined text of a set: names in the order of the findings. Owned by the caller. */
static char *joined_text(const shn_texts *t, const uint8_t *label, const char *separator)
{
    size_t size = strlen(t->none_text) + 1;
    for (size_t k = 0; k < t->K; k++) size += label[k] ? strlen(t->class_text[k]) + strlen(separator) : 0;
    char *text = shn_alloc(size, 1), *p = text;
    for (size_t k = 0; text && k < t->K; k++)
        if (label[k]) p += sprintf(p, "%s%s", p > text ? separator : "", t->class_text[k]);
    if (text && p == text) strcpy(text, t->none_text);
    return text;
}

static shn_status read_sets(shn_texts *t, const shn_vectors *vectors, const shn_sets *sets, const char *form, shn_error *err)
{
    for (size_t s = 0; s < sets->n; s++) {
        char *text = joined_text(t, sets->label + s * t->K, japanese(form) ? "、" : ", ");
        if (!text) return shn_fail_nomem(err, "train.texts");
        const shn_status st = shn_vectors_get(vectors, text, t->set_vector + s * t->D, err);
        free(text);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status allocate(shn_texts *t, size_t n_sets, size_t B_max, shn_error *err)
{
    const size_t K = t->K, D = t->D, n_rows = K + 1 + (t->joined ? n_sets : 0), n_used = K + 1 + (t->joined ? B_max : 0);
    t->class_text = shn_alloc(K, sizeof *t->class_text);
    t->class_vector = shn_alloc(K * D, sizeof *t->class_vector);
    t->none_vector = shn_alloc(D, sizeof *t->none_vector);
    t->mean = shn_alloc(D, sizeof *t->mean);
    t->rows = shn_alloc(n_rows, D * sizeof *t->rows);
    t->used = shn_alloc(n_used, D * sizeof *t->used);
    t->used_t = shn_alloc(n_used, D * sizeof *t->used_t);
    t->wide = shn_alloc(t->E * D, sizeof *t->wide);
    t->y = shn_alloc(t->E * n_used, sizeof *t->y);
    t->d_y = shn_alloc(t->E * n_used, sizeof *t->d_y);
    if (t->joined) t->set_vector = shn_alloc(n_sets, D * sizeof *t->set_vector);
    return t->class_text && t->class_vector && t->none_vector && t->mean && t->rows && t->used && t->used_t && t->wide && t->y &&
           t->d_y && (!t->joined || t->set_vector) ? SHN_OK : shn_fail_nomem(err, "train.texts");
}

shn_status shn_texts_new(const shn_vectors *vectors, const char *const *finding_id, size_t K, size_t E, const char *form, int joined,
                         int centre, const shn_sets *sets, size_t B_max, shn_texts **out, shn_error *err)
{
    *out = NULL;
    shn_texts *t = shn_alloc(1, sizeof *t);
    if (!t) return shn_fail_nomem(err, "train.texts");
    *t = (shn_texts){ .K = K, .D = shn_vectors_width(vectors), .E = E, .joined = joined };
    shn_status st = allocate(t, sets->n, B_max, err);
    if (st == SHN_OK) st = read_classes(t, vectors, finding_id, form, err);
    if (st == SHN_OK && joined) st = read_sets(t, vectors, sets, form, err);
    if (st != SHN_OK) {
        shn_texts_free(t);
        return st;
    }
    const size_t D = t->D;
    if (centre && K > 1) class_mean(t);           /* one finding alone would be centred away */
    for (size_t k = 0; k < K; k++) shn_text_centre(t->class_vector + k * D, t->mean, D, t->rows + k * D);
    shn_text_centre(t->none_vector, t->mean, D, t->rows + K * D);
    for (size_t s = 0; joined && s < sets->n; s++) shn_text_centre(t->set_vector + s * D, t->mean, D, t->rows + (K + 1 + s) * D);
    memcpy(t->used, t->rows, (K + 1) * D * sizeof *t->used);
    t->n_used = K + 1;
    shn_matrix_transpose(t->used, t->n_used, D, t->used_t);
    *out = t;
    return SHN_OK;
}

void shn_texts_free(shn_texts *t)
{
    if (!t) return;
    for (size_t k = 0; t->class_text && k < t->K; k++) free(t->class_text[k]);
    free(t->class_text);
    free(t->none_text);
    free(t->class_vector);
    free(t->none_vector);
    free(t->mean);
    free(t->set_vector);
    free(t->rows);
    free(t->used);
    free(t->used_t);
    free(t->wide);
    free(t->y);
    free(t->d_y);
    free(t);
}

void shn_texts_project(shn_texts *t, const float *projection, const uint32_t *batch_set, size_t B)
{
    const size_t D = t->D;
    if (t->joined) {
        for (size_t i = 0; i < B; i++) memcpy(t->used + (t->K + 1 + i) * D, t->rows + (t->K + 1 + batch_set[i]) * D, D * sizeof *t->used);
        t->n_used = t->K + 1 + B;
        shn_matrix_transpose(t->used, t->n_used, D, t->used_t);
    }
    shn_matrix_widen(projection, t->E * D, t->wide);
    memset(t->y, 0, t->E * t->n_used * sizeof *t->y);
    memset(t->d_y, 0, t->E * t->n_used * sizeof *t->d_y);
    shn_matrix_add(t->y, (shn_factor){ t->wide, D, 1 }, t->used_t, t->E, D, t->n_used);
}

void shn_texts_classes(const shn_texts *t, float *out)
{
    for (size_t k = 0; k < t->K; k++)
        for (size_t e = 0; e < t->E; e++) out[k * t->E + e] = (float)t->y[e * t->n_used + k];
}

void shn_texts_classes_backward(shn_texts *t, const float *d_out)
{
    for (size_t k = 0; k < t->K; k++)
        for (size_t e = 0; e < t->E; e++) t->d_y[e * t->n_used + k] += (double)d_out[k * t->E + e];
}

/** Columns of y that make up record i: its findings', or that of "no finding"; joined: its own. Returns how many. */
static size_t columns_of(const shn_texts *t, const shn_batch_labels *labels, size_t i, uint32_t *column)
{
    size_t n = 0;
    if (t->joined) column[n++] = (uint32_t)(t->K + 1 + i);
    for (size_t k = 0; !t->joined && k < t->K; k++)
        if (labels->known[i * t->K + k] && labels->label[i * t->K + k]) column[n++] = (uint32_t)k;
    if (n == 0) column[n++] = (uint32_t)t->K;
    return n;
}

void shn_texts_records(const shn_texts *t, const shn_batch_labels *labels, float *out)
{
    uint32_t column[SHN_FINDINGS_MAX + 1];
    for (size_t i = 0; i < labels->B; i++) {
        const size_t n = columns_of(t, labels, i, column);
        for (size_t e = 0; e < t->E; e++) {
            double sum = 0;
            for (size_t c = 0; c < n; c++) sum += t->y[e * t->n_used + column[c]];
            out[i * t->E + e] = (float)sum;
        }
    }
}

void shn_texts_records_backward(shn_texts *t, const shn_batch_labels *labels, const float *d_out)
{
    uint32_t column[SHN_FINDINGS_MAX + 1];
    for (size_t i = 0; i < labels->B; i++) {
        const size_t n = columns_of(t, labels, i, column);
        for (size_t e = 0; e < t->E; e++)
            for (size_t c = 0; c < n; c++) t->d_y[e * t->n_used + column[c]] += (double)d_out[i * t->E + e];
    }
}

void shn_texts_project_backward(shn_texts *t, float *d_projection)
{
    const size_t n = t->E * t->D;
    memset(t->wide, 0, n * sizeof *t->wide);
    shn_matrix_add(t->wide, (shn_factor){ t->d_y, t->n_used, 1 }, t->used, t->E, t->n_used, t->D);
    for (size_t i = 0; i < n; i++) d_projection[i] = (float)t->wide[i];
}
