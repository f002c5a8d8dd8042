#include "train/texts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "shinden/findings.h"
#include "shinden/model.h"
#include "shinden/train.h"
#include "train/matrix.h"

enum { PURPOSE_PERMUTE_TEXTS = 0x7065726d74787431 /* "permtxt1" */ };

static shn_status text_of(const shn_finding *f, shn_text_form form, int japanese, char text[SHN_FINDING_TEXT_MAX], shn_error *err)
{
    if (shn_finding_text(shn_registry_builtin(), f, form, japanese, text)) return SHN_OK;
    return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "train.texts", "the text of '%s' is too long", f->id);
}

static shn_status read_classes(shn_texts *t, const shn_vectors *vectors, const shn_finding *const *finding, const shn_texts_rule *rule, shn_error *err)
{
    const int named = shn_text_form_from_name(rule->form);          /* a random form says nothing: its vectors (hash) are looked up by name */
    for (size_t k = 0; k < t->K; k++) {
        char text[SHN_FINDING_TEXT_MAX];
        shn_status st = text_of(finding[k], named < 0 ? SHN_TEXT_NAME : (shn_text_form)named, rule->japanese, text, err);
        if (st == SHN_OK && !(t->class_text[k] = shn_strdup(text))) st = shn_fail_nomem(err, "train.texts");
        if (st == SHN_OK) st = shn_vectors_get(vectors, t->class_text[k], t->class_vector + k * t->D, err);
        if (st != SHN_OK) return st;
    }
    t->none_text = shn_strdup(shn_text_none(rule->japanese));
    return t->none_text ? shn_vectors_get(vectors, t->none_text, t->none_vector, err) : shn_fail_nomem(err, "train.texts");
}

/** A name is near to the sentence that says it; a criterion is not. */
static shn_status read_names(shn_texts *t, const shn_vectors *vectors, const shn_finding *const *finding, const shn_texts_rule *rule, shn_error *err)
{
    for (size_t k = 0; k < t->K && t->n_sentences; k++) {
        char text[SHN_FINDING_TEXT_MAX];
        shn_status st = text_of(finding[k], SHN_TEXT_NAME, rule->japanese, text, err);
        if (st == SHN_OK) st = shn_vectors_get(vectors, text, t->name_vector + k * t->D, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

/** One random circle through all findings (Sattolo): each gets the vector of another one. */
static void permute_findings(float *vectors, size_t K, size_t D, uint64_t seed)
{
    shn_rng r = shn_rng_stream(seed, PURPOSE_PERMUTE_TEXTS, K, 0);
    for (size_t k = K; k-- > 1;) {
        float *a = vectors + k * D, *b = vectors + shn_rng_below(&r, k) * D;
        for (size_t d = 0; d < D; d++) {
            const float x = a[d];
            a[d] = b[d];
            b[d] = x;
        }
    }
}

/** Mean of the unit vectors [n][D] that are not left out; left as it is (zero) for a single one, which would be centred away. */
static void unit_mean(const float *vectors, size_t n, size_t D, const uint8_t *left_out, float *mean)
{
    size_t taken = 0;
    for (size_t k = 0; k < n; k++) taken += !left_out || !left_out[k];
    for (size_t k = 0; k < n && taken >= 2; k++) {
        if (left_out && left_out[k]) continue;
        const float *v = vectors + k * D;
        double square = 0;
        for (size_t d = 0; d < D; d++) square += (double)v[d] * (double)v[d];
        const double scale = square > 0 ? 1 / (sqrt(square) * (double)taken) : 0;
        for (size_t d = 0; d < D; d++) mean[d] += (float)((double)v[d] * scale);
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

static shn_status read_sets(shn_texts *t, const shn_vectors *vectors, const shn_sets *sets, int japanese, shn_error *err)
{
    for (size_t s = 0; s < sets->n; s++) {
        char *text = joined_text(t, sets->label + s * t->K, japanese ? "、" : ", ");
        if (!text) return shn_fail_nomem(err, "train.texts");
        const shn_status st = shn_vectors_get(vectors, text, t->set_vector + s * t->D, err);
        free(text);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status read_sentences(shn_texts *t, const shn_texts_rule *rule, shn_error *err)
{
    for (size_t s = 0; s < t->n_sentences; s++) {
        shn_error why = { 0 };
        const shn_status st = shn_vectors_get(rule->sentences, rule->reports->text[s], t->sentence_vector + s * t->D, &why);
        if (st == SHN_MISMATCH)
            return shn_fail(err, st, why.reason, "train.texts", "no vector for the sentence '%.100s' of a training report; make all: shinden text encode "
                            "--model MODEL --cohort COHORT.h5 --sentences -o V.safetensors, then --sentence-text V.safetensors", rule->reports->text[s]);
        if (st != SHN_OK) return shn_fail(err, st, why.reason, "train.texts", "%s", why.text);
    }
    return SHN_OK;
}

shn_status shn_train_vectors(const shn_train_config *config, shn_vectors **out, shn_error *err)
{
    *out = NULL;
    if (config->loss == SHN_LOSS_BCE && config->sentences == 0) return SHN_OK;
    return shn_vectors_open(strcmp(config->text_form, "random") == 0 ? SHN_VECTORS_HASH : config->text, config->seed, out, err);
}

/** Findings and sentences are compared with each other by their cosine: they have to come from one language model. */
static shn_status check_sentences(const shn_vectors *vectors, const shn_vectors *sentences, shn_error *err)
{
    const shn_text_provider *a = shn_vectors_provider(vectors), *b = shn_vectors_provider(sentences);
    const char *differs = shn_text_provider_difference(a, b);
    if (!differs) return SHN_OK;
    return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "train.texts",
                    "the vectors of the findings (%.60s) and of the sentences (%.60s) differ in their %s; make both with one model and one setting of "
                    "shinden text encode", a->model, b->model, differs);
}

static float *sentence_row(const shn_texts *t, uint32_t sentence) { return t->rows + (t->n_rows - t->n_sentences + sentence) * t->D; }

static shn_status allocate(shn_texts *t, size_t n_sets, size_t B_max, shn_error *err)
{
    const size_t K = t->K, D = t->D, n_used = K + 1 + (t->joined ? B_max : 0) + (t->n_sentences ? B_max : 0);
    t->n_rows = K + 1 + (t->joined ? n_sets : 0) + t->n_sentences;
    t->class_text = shn_alloc(K, sizeof *t->class_text);
    t->class_vector = shn_alloc(K * D, sizeof *t->class_vector);
    t->none_vector = shn_alloc(D, sizeof *t->none_vector);
    t->mean = shn_alloc(D, sizeof *t->mean);
    t->rows = shn_alloc(t->n_rows, D * sizeof *t->rows);
    t->used = shn_alloc(n_used, D * sizeof *t->used);
    t->used_t = shn_alloc(n_used, D * sizeof *t->used_t);
    t->wide = shn_alloc(t->E * D, sizeof *t->wide);
    t->y = shn_alloc(t->E * n_used, sizeof *t->y);
    t->d_y = shn_alloc(t->E * n_used, sizeof *t->d_y);
    if (t->joined) t->set_vector = shn_alloc(n_sets, D * sizeof *t->set_vector);
    t->sentence_vector = shn_alloc(t->n_sentences, D * sizeof *t->sentence_vector);
    t->sentence_mean = shn_alloc(D, sizeof *t->sentence_mean);
    t->name_vector = shn_alloc(t->n_sentences ? K : 0, D * sizeof *t->name_vector);
    t->name_mean = shn_alloc(D, sizeof *t->name_mean);
    return t->class_text && t->class_vector && t->none_vector && t->mean && t->rows && t->used && t->used_t && t->wide && t->y &&
           t->d_y && t->sentence_vector && t->sentence_mean && t->name_vector && t->name_mean && (!t->joined || t->set_vector) ? SHN_OK : shn_fail_nomem(err, "train.texts");
}

shn_status shn_texts_new(const shn_vectors *vectors, const shn_finding *const *finding, size_t K, size_t E,
                         const shn_texts_rule *rule, const shn_sets *sets, size_t B_max, shn_texts **out, shn_error *err)
{
    *out = NULL;
    shn_texts *t = shn_alloc(1, sizeof *t);
    if (!t) return shn_fail_nomem(err, "train.texts");
    *t = (shn_texts){ .K = K, .D = shn_vectors_width(vectors), .E = E, .joined = rule->joined, .n_sentences = rule->reports ? rule->reports->n : 0 };
    shn_status st = rule->reports ? check_sentences(vectors, rule->sentences, err) : SHN_OK;
    if (st == SHN_OK) st = allocate(t, sets->n, B_max, err);
    if (st == SHN_OK) st = read_classes(t, vectors, finding, rule, err);
    if (st == SHN_OK && rule->joined) st = read_sets(t, vectors, sets, rule->japanese, err);
    if (st == SHN_OK) st = read_sentences(t, rule, err);
    if (st == SHN_OK) st = read_names(t, vectors, finding, rule, err);
    if (st != SHN_OK) {
        shn_texts_free(t);
        return st;
    }
    const size_t D = t->D;
    if (rule->permute) permute_findings(t->class_vector, K, D, rule->permute);
    if (rule->permute && t->n_sentences) permute_findings(t->name_vector, K, D, rule->permute);
    if (rule->centre) unit_mean(t->class_vector, K, D, rule->left_out, t->mean);
    if (rule->centre && t->n_sentences) unit_mean(t->name_vector, K, D, rule->left_out, t->name_mean);
    if (rule->centre) unit_mean(t->sentence_vector, t->n_sentences, D, NULL, t->sentence_mean);
    for (size_t k = 0; k < K; k++) shn_text_centre(t->class_vector + k * D, t->mean, D, t->rows + k * D);
    shn_text_centre(t->none_vector, t->mean, D, t->rows + K * D);
    for (size_t s = 0; rule->joined && s < sets->n; s++) shn_text_centre(t->set_vector + s * D, t->mean, D, t->rows + (K + 1 + s) * D);
    for (size_t s = 0; s < t->n_sentences; s++)
        shn_text_centre(t->sentence_vector + s * D, t->sentence_mean, D, sentence_row(t, (uint32_t)s));
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
    free(t->sentence_vector);
    free(t->sentence_mean);
    free(t->name_vector);
    free(t->name_mean);
    free(t->rows);
    free(t->used);
    free(t->used_t);
    free(t->wide);
    free(t->y);
    free(t->d_y);
    free(t);
}

/** Where the batch's sentences begin among the columns in use. */
static size_t first_sentence(const shn_texts *t, size_t B) { return t->K + 1 + (t->joined ? B : 0); }

/** Puts the batch's own columns behind those that every batch has. */
static void gather(shn_texts *t, const shn_batch_texts *batch, size_t B)
{
    const size_t D = t->D, row = D * sizeof *t->used, sentences = first_sentence(t, B);
    if (!t->joined && !t->n_sentences) return;
    for (size_t i = 0; i < B && t->joined; i++) memcpy(t->used + (t->K + 1 + i) * D, t->rows + (t->K + 1 + batch->set[i]) * D, row);
    for (size_t i = 0; i < B && t->n_sentences; i++) {
        float *to = t->used + (sentences + i) * D;
        if (batch->sentence[i] == SHN_NO_GROUP) memset(to, 0, row);
        else memcpy(to, sentence_row(t, batch->sentence[i]), row);
    }
    t->n_used = sentences + (t->n_sentences ? B : 0);
    shn_matrix_transpose(t->used, t->n_used, D, t->used_t);
}

void shn_texts_project(shn_texts *t, const float *projection, const shn_batch_texts *batch, size_t B)
{
    const size_t D = t->D;
    gather(t, batch, B);
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

void shn_texts_sentences(const shn_texts *t, size_t B, float *out)
{
    const size_t first = first_sentence(t, B);
    for (size_t i = 0; i < B; i++)
        for (size_t e = 0; e < t->E; e++) out[i * t->E + e] = (float)t->y[e * t->n_used + first + i];
}

void shn_texts_sentences_backward(shn_texts *t, size_t B, const float *d_out)
{
    const size_t first = first_sentence(t, B);
    for (size_t i = 0; i < B; i++)
        for (size_t e = 0; e < t->E; e++) t->d_y[e * t->n_used + first + i] += (double)d_out[i * t->E + e];
}

void shn_texts_project_backward(shn_texts *t, float *d_projection)
{
    const size_t n = t->E * t->D;
    memset(t->wide, 0, n * sizeof *t->wide);
    shn_matrix_add(t->wide, (shn_factor){ t->d_y, t->n_used, 1 }, t->used, t->E, t->n_used, t->D);
    for (size_t i = 0; i < n; i++) d_projection[i] = (float)t->wide[i];
}
