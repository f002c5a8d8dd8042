/** The model in memory: life cycle and what follows from its text side. The file is model_file.c. */
#include "shinden/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

static const char *const readout_names[SHN_READOUT_COUNT] = { "logit", "class", "class-prior", "marginal", "sentences", "joint" };

const char *shn_readout_name(shn_readout r) { return (unsigned)r < SHN_READOUT_COUNT ? readout_names[r] : "default"; }

shn_readout shn_readout_from_name(const char *name)
{
    for (int r = 0; r < SHN_READOUT_COUNT; r++)
        if (strcmp(readout_names[r], name) == 0) return (shn_readout)r;
    return SHN_READOUT_COUNT;
}

static int allocate_findings(shn_model *m)
{
    const size_t K = m->K;
    m->finding_id = shn_alloc(K, sizeof *m->finding_id);
    m->name_en = shn_alloc(K, sizeof *m->name_en);
    m->name_ja = shn_alloc(K, sizeof *m->name_ja);
    m->codes = shn_alloc(K, sizeof *m->codes);
    m->flags = shn_alloc(K, sizeof *m->flags);
    m->n_pos = shn_alloc(K, sizeof *m->n_pos);
    m->n_known = shn_alloc(K, sizeof *m->n_known);
    int ok = m->finding_id && m->name_en && m->name_ja && m->codes && m->flags && m->n_pos && m->n_known;
    for (int r = 0; r < SHN_READOUT_COUNT && ok; r++) {
        shn_calibration *c = &m->calibration[r];
        c->slope = shn_alloc(K, sizeof *c->slope);
        c->intercept = shn_alloc(K, sizeof *c->intercept);
        c->threshold = shn_alloc(K, sizeof *c->threshold);
        c->threshold_prevalence = shn_alloc(K, sizeof *c->threshold_prevalence);
        ok = c->slope && c->intercept && c->threshold && c->threshold_prevalence;
    }
    return ok;
}

static int allocate_text(shn_model *m)
{
    if (m->D == 0) {
        m->head_weight = shn_alloc(m->K * m->E, sizeof *m->head_weight);
        m->head_bias = shn_alloc(m->K, sizeof *m->head_bias);
        return m->head_weight && m->head_bias;
    }
    m->class_text = shn_alloc(m->K, sizeof *m->class_text);
    m->class_vector = shn_alloc(m->K * m->D, sizeof *m->class_vector);
    m->none_vector = shn_alloc(m->D, sizeof *m->none_vector);
    m->text_mean = shn_alloc(m->D, sizeof *m->text_mean);
    m->projection = shn_alloc(m->E * m->D, sizeof *m->projection);
    m->class_finding_bias = shn_alloc(m->K, sizeof *m->class_finding_bias);
    return m->class_text && m->class_vector && m->none_vector && m->text_mean && m->projection && m->class_finding_bias;
}

shn_status shn_model_new(const shn_encoder_config *config, size_t K, size_t D, shn_model **out, shn_error *err)
{
    *out = NULL;
    if (K == 0 || K > SHN_FINDINGS_MAX || D > 65536)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "model", "%zu findings, text width %zu", K, D);
    shn_model *m = shn_alloc(1, sizeof *m);
    if (!m) return shn_fail_nomem(err, "model");
    shn_status st = shn_encoder_build(config, &m->encoder, err);
    if (st != SHN_OK) {
        shn_model_free(m);
        return st;
    }
    m->K = K;
    m->D = D;
    m->E = config->embed;
    m->params = shn_alloc_aligned(m->encoder.n_params, sizeof *m->params);
    m->state = shn_alloc_aligned(m->encoder.n_state, sizeof *m->state);
    if (!m->params || !m->state || !allocate_findings(m) || !allocate_text(m)) {
        shn_model_free(m);
        return shn_fail_nomem(err, "model");
    }
    *out = m;
    return SHN_OK;
}

static void free_strings(char **strings, size_t n)
{
    for (size_t i = 0; strings && i < n; i++) free(strings[i]);
    free(strings);
}

void shn_model_free(shn_model *m)
{
    if (!m) return;
    free_strings(m->finding_id, m->K);
    free_strings(m->name_en, m->K);
    free_strings(m->name_ja, m->K);
    free_strings(m->codes, m->K);
    free_strings(m->class_text, m->K);
    for (int r = 0; r < SHN_READOUT_COUNT; r++) {
        free(m->calibration[r].slope);
        free(m->calibration[r].intercept);
        free(m->calibration[r].threshold);
        free(m->calibration[r].threshold_prevalence);
    }
    free(m->params);
    free(m->state);
    free(m->flags);
    free(m->n_pos);
    free(m->n_known);
    free(m->text_form);
    free(m->text_source);
    free(m->record_text);
    free(m->class_vector);
    free(m->none_text);
    free(m->none_vector);
    free(m->text_mean);
    free(m->projection);
    free(m->class_finding_bias);
    free(m->provider.model);
    free(m->provider.model_hash);
    free(m->provider.tokenizer_hash);
    free(m->provider.prompt);
    free(m->provider.pooling);
    free(m->provider.centre);
    free_strings(m->sentence_text, m->n_sentences);
    free(m->sentence_vector);
    free(m->sentence_mean);
    free(m->name_vector);
    free(m->name_mean);
    free(m->sentence_count);
    free(m->head_weight);
    free(m->head_bias);
    free(m->set_count);
    free(m->set_labels);
    free(m->set_known);
    free(m->set_vector);
    free(m->fitted_on);
    free(m->fitted_records);
    free(m->manifest);
    free(m);
}

int shn_model_find(const shn_model *m, const char *finding_id)
{
    for (size_t k = 0; k < m->K; k++)
        if (strcmp(m->finding_id[k], finding_id) == 0) return (int)k;
    return -1;
}

/** To unit length in place; a zero vector stays zero. */
static void normalise(float *v, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++) square += (double)v[i] * v[i];
    const double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (size_t i = 0; i < n; i++) v[i] = (float)(v[i] * scale);
}

void shn_text_centre(const float *v, const float *mean, size_t D, float *out)
{
    if (out != v) memcpy(out, v, D * sizeof *out);
    normalise(out, D);
    for (size_t d = 0; d < D; d++) out[d] -= mean[d];
    normalise(out, D);
}

/** out [E] = unit(projection . v) for one centred text vector. */
static void project(const shn_model *m, const float *v, float *out)
{
    for (size_t e = 0; e < m->E; e++) {
        double sum = 0;
        for (size_t d = 0; d < m->D; d++) sum += (double)m->projection[e * m->D + d] * v[d];
        out[e] = (float)sum;
    }
    normalise(out, m->E);
}

/** Centred unit vectors of the findings, [K][D], owned by the caller; NULL when out of memory. */
static float *centred_class_vectors(const shn_model *m)
{
    float *centred = shn_alloc(m->K * m->D, sizeof *centred);
    for (size_t k = 0; centred && k < m->K; k++)
        shn_text_centre(m->class_vector + k * m->D, m->text_mean, m->D, centred + k * m->D);
    return centred;
}

shn_status shn_model_class_embeddings(const shn_model *m, float *out, shn_error *err)
{
    if (m->D == 0)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "model", "a '%s' model has no text side", m->loss);
    float *centred = centred_class_vectors(m);
    if (!centred) return shn_fail_nomem(err, "model");
    for (size_t k = 0; k < m->K; k++) project(m, centred + k * m->D, out + k * m->E);
    free(centred);
    return SHN_OK;
}

/** The "mean" rule: unit mean of the set's centred finding vectors; an empty set is the text for "none". */
static void mean_set_vector(const shn_model *m, const float *centred, const uint8_t *labels, float *out)
{
    int any = 0;
    memset(out, 0, m->D * sizeof *out);
    for (size_t k = 0; k < m->K; k++) {
        if (!labels[k]) continue;
        any = 1;
        for (size_t d = 0; d < m->D; d++) out[d] += centred[k * m->D + d];
    }
    if (any) normalise(out, m->D);
    else shn_text_centre(m->none_vector, m->text_mean, m->D, out);
}

shn_status shn_model_set_embeddings(const shn_model *m, float *out, shn_error *err)
{
    if (m->D == 0 || !m->has_pair_loss)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "model", "a '%s' model has no record texts", m->loss);
    float *centred = centred_class_vectors(m), *one = shn_alloc(m->D, sizeof *one);
    if (!centred || !one) {
        free(centred);
        free(one);
        return shn_fail_nomem(err, "model");
    }
    for (size_t s = 0; s < m->n_sets; s++) {
        if (m->set_vector) shn_text_centre(m->set_vector + s * m->D, m->text_mean, m->D, one);
        else mean_set_vector(m, centred, m->set_labels + s * m->K, one);
        project(m, one, out + s * m->E);
    }
    free(one);
    free(centred);
    return SHN_OK;
}

shn_status shn_model_sentence_embeddings(const shn_model *m, float *out, shn_error *err)
{
    if (m->n_sentences == 0)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "model", "the model was trained without sentences of reports; train --sentences");
    float *one = shn_alloc(m->D, sizeof *one);
    if (!one) return shn_fail_nomem(err, "model");
    for (size_t s = 0; s < m->n_sentences; s++) {
        shn_text_centre(m->sentence_vector + s * m->D, m->sentence_mean, m->D, one);
        project(m, one, out + s * m->E);
    }
    free(one);
    return SHN_OK;
}

shn_status shn_model_project(const shn_model *m, const float *v, float *out, shn_error *err)
{
    if (m->D == 0) return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "model", "a '%s' model has no text side", m->loss);
    float *one = shn_alloc(m->D, sizeof *one);
    if (!one) return shn_fail_nomem(err, "model");
    shn_text_centre(v, m->text_mean, m->D, one);
    project(m, one, out);
    free(one);
    return SHN_OK;
}
