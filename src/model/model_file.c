/**
 * The model file: safetensors with the parameters by name and one JSON document ("model") in the metadata that says all
 * the rest. Fields are listed in docs/model.md. The reader believes nothing: every size is checked against the tensors.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/safetensors.h"
#include "model/parts.h"
#include "shinden/model.h"

enum { SETS_MAX = 10000000, SENTENCES_MAX = 1 << 22 };

/* ---- writing ---- */

static json_t *findings_json(const shn_model *m, int *failed)
{
    json_t *list = json_array();
    for (size_t k = 0; k < m->K; k++) {
        json_t *f = json_object();
        shn_parts_put(f, "id", shn_parts_text(m->finding_id[k]), failed);
        shn_parts_put(f, "name_en", shn_parts_text(m->name_en[k]), failed);
        shn_parts_put(f, "name_ja", shn_parts_text(m->name_ja[k]), failed);
        shn_parts_put(f, "codes", shn_parts_text(m->codes[k]), failed);
        shn_parts_put(f, "flags", json_integer(m->flags[k]), failed);
        shn_parts_put(f, "n_pos", json_integer(m->n_pos[k]), failed);
        shn_parts_put(f, "n_known", json_integer(m->n_known[k]), failed);
        if (m->class_text) shn_parts_put(f, "text", shn_parts_text(m->class_text[k]), failed);
        json_array_append_new(list, f);
    }
    return list;
}

static json_t *provider_json(const shn_model_provider *p, int *failed)
{
    json_t *o = json_object();
    shn_parts_put(o, "model", shn_parts_text(p->model), failed);
    shn_parts_put(o, "model_hash", shn_parts_text(p->model_hash), failed);
    shn_parts_put(o, "tokenizer_hash", shn_parts_text(p->tokenizer_hash), failed);
    shn_parts_put(o, "prompt", shn_parts_text(p->prompt), failed);
    shn_parts_put(o, "pooling", shn_parts_text(p->pooling), failed);
    return o;
}

static json_t *sentences_json(const shn_model *m, int *failed)
{
    json_t *o = json_object(), *texts = json_array();
    for (size_t s = 0; s < m->n_sentences; s++)
        if (json_array_append_new(texts, shn_parts_text(m->sentence_text[s])) != 0) *failed = 1;
    shn_parts_put(o, "n", json_integer((json_int_t)m->n_sentences), failed);
    shn_parts_put(o, "logit_scale", json_real((double)m->sentence_scale), failed);
    shn_parts_put(o, "texts", texts, failed);
    return o;
}

static json_t *document(const shn_model *m, int *failed)
{
    json_t *doc = json_pack("{s:i, s:b, s:s}", "schema_version", SHN_MODEL_SCHEMA, "research_use_only", 1, "loss", m->loss);
    shn_parts_put(doc, "encoder", shn_parts_encoder_json(&m->encoder.config), failed);
    shn_parts_put(doc, "input", shn_parts_input_json(&m->input), failed);
    shn_parts_put(doc, "findings", findings_json(m, failed), failed);
    shn_parts_put(doc, "text_width", json_integer((json_int_t)m->D), failed);
    if (m->D) {
        json_t *text = json_pack("{s:f, s:f, s:b}", "logit_scale", (double)m->logit_scale, "logit_bias", (double)m->logit_bias,
                                 "pair_loss", m->has_pair_loss);
        shn_parts_put(text, "form", shn_parts_text(m->text_form), failed);
        shn_parts_put(text, "source", shn_parts_text(m->text_source), failed);
        shn_parts_put(text, "record_text", shn_parts_text(m->record_text), failed);
        shn_parts_put(text, "none_text", shn_parts_text(m->none_text), failed);
        shn_parts_put(text, "provider", provider_json(&m->provider, failed), failed);
        shn_parts_put(doc, "text", text, failed);
    }
    if (m->n_sentences) shn_parts_put(doc, "sentences", sentences_json(m, failed), failed);
    if (m->has_class_columns)
        shn_parts_put(doc, "class_columns", json_pack("{s:b, s:f, s:f}", "raw", m->class_raw, "logit_scale", (double)m->class_scale,
                                                            "logit_bias", (double)m->class_bias), failed);
    shn_parts_put(doc, "n_sets", json_integer((json_int_t)m->n_sets), failed);
    json_t *readouts = json_array(), *fits = json_object();
    for (int r = 0; r < SHN_READOUT_COUNT; r++) {
        if (m->readouts >> r & 1) json_array_append_new(readouts, json_string(shn_readout_name((shn_readout)r)));
        if (m->calibration[r].fitted)
            shn_parts_put(fits, shn_readout_name((shn_readout)r),
                                json_pack("{s:f, s:f, s:f, s:f}", "threshold_f1_micro", (double)m->calibration[r].threshold_f1_micro,
                                          "threshold_f1_macro", (double)m->calibration[r].threshold_f1_macro,
                                          "threshold_f1_sample", (double)m->calibration[r].threshold_f1_sample,
                                          "threshold_jaccard", (double)m->calibration[r].threshold_jaccard), failed);
    }
    shn_parts_put(doc, "readouts", readouts, failed);
    shn_parts_put(doc, "readout_default", json_string(shn_readout_name(m->readout_default)), failed);
    shn_parts_put(doc, "calibration", fits, failed);
    shn_parts_put(doc, "fitted_on", shn_parts_text(m->fitted_on), failed);
    shn_parts_put(doc, "fitted_records", shn_parts_text(m->fitted_records), failed);
    return doc;
}

/** One tensor of the file beside the encoder's: where it is in the model and when it is there. Shared by writer and reader. */
typedef struct field { const char *name, *dtype; size_t rank, shape[2]; void *data; int present; } field;

enum { FIELDS_MAX = 24 + 4 * SHN_READOUT_COUNT };

static size_t list_fields(const shn_model *m, field f[FIELDS_MAX])
{
    size_t       n = 0;
    const size_t K = m->K, D = m->D, E = m->E, S = m->n_sets;
    const int    text = D != 0, sets = S != 0;
    static const char *const per_readout[SHN_READOUT_COUNT][4] = {
#define NAMES(r) { "calibration/" r "/slope", "calibration/" r "/intercept", "calibration/" r "/threshold", "calibration/" r "/threshold_prevalence" }
        NAMES("logit"), NAMES("class"), NAMES("class-prior"), NAMES("marginal"), NAMES("sentences"), NAMES("joint")
#undef NAMES
    };
    f[n++] = (field){ "text/class_vectors", "F32", 2, { K, D }, m->class_vector, text };
    f[n++] = (field){ "text/none_vector", "F32", 1, { D, 0 }, m->none_vector, text };
    f[n++] = (field){ "text/mean", "F32", 1, { D, 0 }, m->text_mean, text };
    f[n++] = (field){ "text/projection", "F32", 2, { E, D }, m->projection, text };
    f[n++] = (field){ "text/class_bias", "F32", 1, { K, 0 }, m->class_finding_bias, text && m->has_class_columns };
    f[n++] = (field){ "head/weight", "F32", 2, { K, E }, m->head_weight, m->head_weight != NULL };
    f[n++] = (field){ "head/bias", "F32", 1, { K, 0 }, m->head_bias, m->head_weight != NULL };
    f[n++] = (field){ "sets/count", "U32", 1, { S, 0 }, m->set_count, sets };
    f[n++] = (field){ "sets/labels", "U8", 2, { S, K }, m->set_labels, sets };
    f[n++] = (field){ "sets/known", "U8", 2, { S, K }, m->set_known, sets };
    f[n++] = (field){ "sets/vectors", "F32", 2, { S, D }, m->set_vector, sets && m->set_vector != NULL };
    f[n++] = (field){ "text/provider_centre", "F32", 1, { D, 0 }, m->provider.centre, m->provider.centre != NULL };
    f[n++] = (field){ "text/sentences/vectors", "F32", 2, { m->n_sentences, D }, m->sentence_vector, m->n_sentences != 0 };
    f[n++] = (field){ "text/sentences/mean", "F32", 1, { D, 0 }, m->sentence_mean, m->n_sentences != 0 };
    f[n++] = (field){ "text/sentences/names", "F32", 2, { K, D }, m->name_vector, m->n_sentences != 0 };
    f[n++] = (field){ "text/sentences/names_mean", "F32", 1, { D, 0 }, m->name_mean, m->n_sentences != 0 };
    f[n++] = (field){ "text/sentences/count", "U32", 1, { m->n_sentences, 0 }, m->sentence_count, m->n_sentences != 0 };
    for (int r = 0; r < SHN_READOUT_COUNT; r++) {
        float *const arrays[4] = { m->calibration[r].slope, m->calibration[r].intercept, m->calibration[r].threshold,
                                   m->calibration[r].threshold_prevalence };
        for (int i = 0; i < 4; i++) f[n++] = (field){ per_readout[r][i], "F32", 1, { K, 0 }, arrays[i], m->calibration[r].fitted };
    }
    return n;
}

shn_status shn_model_write(const shn_model *m, const char *path, shn_error *err)
{
    shn_st_writer *w;
    field          fields[FIELDS_MAX];
    char          *text = NULL;
    int            failed = 0;
    shn_status     st = shn_st_writer_new(&w, err);
    if (st != SHN_OK) return st;

    st = shn_parts_write_block(w, m->encoder.tensors, m->encoder.n_tensors, m->params, err);
    if (st == SHN_OK) st = shn_parts_write_block(w, m->encoder.state_tensors, m->encoder.n_state_tensors, m->state, err);
    const size_t n = list_fields(m, fields);
    for (size_t i = 0; i < n && st == SHN_OK; i++)
        if (fields[i].present)
            st = shn_st_writer_tensor(w, fields[i].name, fields[i].dtype, fields[i].rank, fields[i].shape, fields[i].data, err);
    if (st != SHN_OK) goto cleanup;

    json_t *doc = document(m, &failed);
    text = failed ? NULL : json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(doc);
    if (failed) {
        st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "model.write", "%s: a setting is NaN, Inf or not UTF-8; nothing was written", path);
        goto cleanup;
    }
    st = text ? shn_st_writer_metadata(w, "model", text, err) : shn_fail_nomem(err, "model.write");
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "format", "shinden-model", err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "manifest", m->manifest ? m->manifest : "{}", err);
    if (st == SHN_OK) st = shn_st_writer_commit(w, path, err);
cleanup:
    free(text);
    shn_st_writer_free(w);
    return st;
}

/* ---- reading ---- */

static char *copy_text(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? shn_strdup(s) : NULL;
}

static shn_status read_findings(json_t *doc, shn_model *m, shn_error *err)
{
    json_t *list = json_object_get(doc, "findings");
    for (size_t k = 0; k < m->K; k++) {
        json_t  *f = json_array_get(list, k);
        uint32_t flags;
        m->finding_id[k] = copy_text(f, "id");
        m->name_en[k] = copy_text(f, "name_en");
        m->name_ja[k] = copy_text(f, "name_ja");
        m->codes[k] = copy_text(f, "codes");
        if (!m->finding_id[k] || !m->name_en[k] || !m->name_ja[k] || !m->codes[k] || !shn_parts_count(f, "flags", 255, &flags) ||
            !shn_parts_count(f, "n_pos", UINT32_MAX, &m->n_pos[k]) || !shn_parts_count(f, "n_known", UINT32_MAX, &m->n_known[k]))
            return shn_parts_wrong(err, "findings");
        m->flags[k] = (uint8_t)flags;
        if (m->D && !(m->class_text[k] = copy_text(f, "text"))) return shn_parts_wrong(err, "findings[].text");
    }
    return SHN_OK;
}

/** A model written before providers were kept has none: all empty, so that no phrase is taken for one of its space. */
static shn_status read_provider(json_t *o, shn_model_provider *p, shn_error *err)
{
    static const char *const keys[] = { "model", "model_hash", "tokenizer_hash", "prompt", "pooling" };
    char **const to[] = { &p->model, &p->model_hash, &p->tokenizer_hash, &p->prompt, &p->pooling };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = json_string_value(json_object_get(o, keys[i]));
        if (o && !text) return shn_parts_wrong(err, "text.provider");
        if (!(*to[i] = shn_strdup(text ? text : ""))) return shn_fail_nomem(err, "model.read");
    }
    return SHN_OK;
}

static shn_status read_text(json_t *doc, shn_model *m, shn_error *err)
{
    json_t  *text = json_object_get(doc, "text"), *columns = json_object_get(doc, "class_columns");
    double   t, b;
    uint32_t flag;
    if (m->D) {
        if (!shn_parts_real(text, "logit_scale", &t) || !shn_parts_real(text, "logit_bias", &b) || !shn_parts_count(text, "pair_loss", 1, &flag))
            return shn_parts_wrong(err, "text");
        m->logit_scale = (float)t;
        m->logit_bias = (float)b;
        m->has_pair_loss = (int)flag;
        m->text_form = copy_text(text, "form");
        m->text_source = copy_text(text, "source");
        m->record_text = copy_text(text, "record_text");
        m->none_text = copy_text(text, "none_text");
        if (!m->text_form || !m->text_source || !m->record_text || !m->none_text) return shn_parts_wrong(err, "text");
        const shn_status st = read_provider(json_object_get(text, "provider"), &m->provider, err);
        if (st != SHN_OK) return st;
    }
    if (columns) {
        if (!m->D || !shn_parts_real(columns, "logit_scale", &t) || !shn_parts_real(columns, "logit_bias", &b) || !shn_parts_count(columns, "raw", 1, &flag))
            return shn_parts_wrong(err, "class_columns");
        m->has_class_columns = 1;
        m->class_scale = (float)t;
        m->class_bias = (float)b;
        m->class_raw = (int)flag;
    }
    return SHN_OK;
}

static shn_status read_readouts(json_t *doc, shn_model *m, shn_error *err)
{
    json_t *list = json_object_get(doc, "readouts"), *fits = json_object_get(doc, "calibration"), *value;
    const char *key, *chosen = json_string_value(json_object_get(doc, "readout_default"));
    size_t i;
    json_array_foreach(list, i, value) {
        const shn_readout r = json_is_string(value) ? shn_readout_from_name(json_string_value(value)) : SHN_READOUT_COUNT;
        if (r == SHN_READOUT_COUNT) return shn_parts_wrong(err, "readouts");
        const int applies = r == SHN_READOUT_LOGIT ? m->head_weight != NULL : r == SHN_READOUT_SENTENCES || r == SHN_READOUT_JOINT ? m->n_sentences != 0 : m->D && !m->head_weight;
        if (!applies) return shn_parts_wrong(err, "readouts");
        m->readouts |= 1u << r;
    }
    m->readout_default = chosen ? shn_readout_from_name(chosen) : SHN_READOUT_COUNT;
    if (m->readout_default == SHN_READOUT_COUNT || !(m->readouts >> m->readout_default & 1)) return shn_parts_wrong(err, "readout_default");
    json_object_foreach(fits, key, value) {
        double f1, jaccard, macro, sample;
        const shn_readout r = shn_readout_from_name(key);
        if (r == SHN_READOUT_COUNT || !shn_parts_real(value, "threshold_f1_micro", &f1) || !shn_parts_real(value, "threshold_f1_macro", &macro) ||
            !shn_parts_real(value, "threshold_f1_sample", &sample) || !shn_parts_real(value, "threshold_jaccard", &jaccard))
            return shn_parts_wrong(err, "calibration");
        m->calibration[r].fitted = 1;
        m->calibration[r].threshold_f1_macro = (float)macro;
        m->calibration[r].threshold_f1_sample = (float)sample;
        m->calibration[r].threshold_f1_micro = (float)f1;
        m->calibration[r].threshold_jaccard = (float)jaccard;
    }
    m->fitted_on = copy_text(doc, "fitted_on");
    m->fitted_records = copy_text(doc, "fitted_records");
    return m->fitted_on && m->fitted_records ? SHN_OK : shn_parts_wrong(err, "fitted_on");
}

static shn_status read_fields(const shn_safetensors *st, shn_model *m, shn_error *err)
{
    field f[FIELDS_MAX];
    const size_t n = list_fields(m, f);
    for (size_t i = 0; i < n; i++) {
        if (!f[i].present) continue;
        const size_t elements = f[i].shape[0] * (f[i].rank == 2 ? f[i].shape[1] : 1);   /* bounded by allocation */
        const shn_st_tensor *t = shn_safetensors_find(st, f[i].name);
        if (!t || strcmp(t->dtype, f[i].dtype) != 0 || t->n_elements != elements)
            return shn_fail(err, SHN_MISMATCH, SHN_REASON_BAD_HEADER, "model.read", "tensor '%s' is missing or not %zu %s values", f[i].name,
                            elements, f[i].dtype);
        memcpy(f[i].data, t->data, t->n_bytes);
    }
    return SHN_OK;
}

/** Parts that some models have and others not: bce's head beside texts, the sentences of reports, what the vectors were centred by. */
static shn_status allocate_optional(json_t *doc, const shn_safetensors *st, shn_model *m, shn_error *err)
{
    json_t *sentences = json_object_get(doc, "sentences"), *texts = json_object_get(sentences, "texts");
    if (!m->head_weight && shn_safetensors_find(st, "head/weight")) {
        m->head_weight = shn_alloc(m->K * m->E, sizeof *m->head_weight);
        m->head_bias = shn_alloc(m->K, sizeof *m->head_bias);
        if (!m->head_weight || !m->head_bias) return shn_fail_nomem(err, "model.read");
    }
    if (m->D && shn_safetensors_find(st, "text/provider_centre") && !(m->provider.centre = shn_alloc(m->D, sizeof *m->provider.centre)))
        return shn_fail_nomem(err, "model.read");
    if (!sentences) return SHN_OK;
    uint32_t n;
    double   scale;
    const shn_st_tensor *vectors = shn_safetensors_find(st, "text/sentences/vectors");
    if (!m->D || !shn_parts_count(sentences, "n", SENTENCES_MAX, &n) || n == 0 || !shn_parts_real(sentences, "logit_scale", &scale) || json_array_size(texts) != n ||
        !vectors || vectors->n_elements != (size_t)n * m->D)            /* before memory is asked for */
        return shn_parts_wrong(err, "sentences");
    m->sentence_text = shn_alloc(n, sizeof *m->sentence_text);
    m->sentence_vector = shn_alloc((size_t)n * m->D, sizeof *m->sentence_vector);
    m->sentence_mean = shn_alloc(m->D, sizeof *m->sentence_mean);
    m->sentence_count = shn_alloc(n, sizeof *m->sentence_count);
    m->name_vector = shn_alloc(m->K * m->D, sizeof *m->name_vector);
    m->name_mean = shn_alloc(m->D, sizeof *m->name_mean);
    if (!m->sentence_text || !m->sentence_vector || !m->sentence_mean || !m->name_vector || !m->name_mean || !m->sentence_count) return shn_fail_nomem(err, "model.read");
    m->n_sentences = n;
    m->sentence_scale = (float)scale;
    for (size_t s = 0; s < n; s++) {
        const char *text = json_string_value(json_array_get(texts, s));
        if (!text) return shn_parts_wrong(err, "sentences.texts");
        if (!(m->sentence_text[s] = shn_strdup(text))) return shn_fail_nomem(err, "model.read");
    }
    return SHN_OK;
}

static shn_status allocate_sets(json_t *doc, const shn_safetensors *st, shn_model *m, shn_error *err)
{
    uint32_t n_sets;
    if (!shn_parts_count(doc, "n_sets", SETS_MAX, &n_sets)) return shn_parts_wrong(err, "n_sets");
    if (n_sets == 0) return SHN_OK;
    const shn_st_tensor *labels = shn_safetensors_find(st, "sets/labels");
    if (!labels || labels->n_bytes != (size_t)n_sets * m->K) return shn_parts_wrong(err, "sets/labels");     /* before memory is asked for */
    m->set_count = shn_alloc(n_sets, sizeof *m->set_count);
    m->set_labels = shn_alloc((size_t)n_sets * m->K, 1);
    m->set_known = shn_alloc((size_t)n_sets * m->K, 1);
    if (shn_safetensors_find(st, "sets/vectors")) {
        m->set_vector = shn_alloc((size_t)n_sets * m->D, sizeof *m->set_vector);
        if (!m->set_vector) return shn_fail_nomem(err, "model.read");
    }
    if (!m->set_count || !m->set_labels || !m->set_known) return shn_fail_nomem(err, "model.read");
    m->n_sets = n_sets;
    return SHN_OK;
}

static shn_status from_view(const shn_safetensors *st, shn_model **out, shn_error *err)
{
    json_error_t       why;
    shn_encoder_config config;
    uint32_t           schema, D;
    shn_status         status;
    shn_model         *m = NULL;
    const char *text = shn_safetensors_metadata(st, "model"), *manifest = shn_safetensors_metadata(st, "manifest");
    const char *loss;

    json_t *doc = text ? json_loads(text, 0, &why) : NULL;
    if (!json_is_object(doc)) {
        json_decref(doc);
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "model.read",
                        "no 'model' document in the metadata: a safetensors file, but not a Shinden model");
    }
    if (!shn_parts_count(doc, "schema_version", UINT32_MAX, &schema) || schema == 0) {
        status = shn_parts_wrong(err, "schema_version");
        goto cleanup;
    }
    if (schema > SHN_MODEL_SCHEMA) {
        status = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "model.read",
                          "schema_version %u, this program knows up to %d; use a newer Shinden", schema, SHN_MODEL_SCHEMA);
        goto cleanup;
    }
    status = shn_parts_config(doc, &config, err);
    if (status != SHN_OK) goto cleanup;
    loss = json_string_value(json_object_get(doc, "loss"));
    if (!loss || !shn_parts_count(doc, "text_width", 65536, &D)) {
        status = shn_parts_wrong(err, loss ? "text_width" : "loss");
        goto cleanup;
    }
    status = shn_model_new(&config, json_array_size(json_object_get(doc, "findings")), D, &m, err);
    if (status != SHN_OK) goto cleanup;
    snprintf(m->loss, sizeof m->loss, "%s", loss);
    if ((status = shn_parts_input(doc, &m->input, err)) != SHN_OK || (status = read_findings(doc, m, err)) != SHN_OK ||
        (status = read_text(doc, m, err)) != SHN_OK || (status = allocate_optional(doc, st, m, err)) != SHN_OK ||
        (status = read_readouts(doc, m, err)) != SHN_OK ||
        (status = shn_parts_read_block(st, m->encoder.tensors, m->encoder.n_tensors, m->params, err)) != SHN_OK ||
        (status = shn_parts_read_block(st, m->encoder.state_tensors, m->encoder.n_state_tensors, m->state, err)) != SHN_OK ||
        (status = allocate_sets(doc, st, m, err)) != SHN_OK || (status = read_fields(st, m, err)) != SHN_OK)
        goto cleanup;
    m->manifest = shn_strdup(manifest ? manifest : "{}");
    if (!m->manifest) {
        status = shn_fail_nomem(err, "model.read");
        goto cleanup;
    }
    *out = m;
    m = NULL;
cleanup:
    shn_model_free(m);
    json_decref(doc);
    return status;
}

shn_status shn_model_read(const char *path, shn_model **out, shn_error *err)
{
    shn_mapping      map;
    shn_safetensors *view = NULL;
    *out = NULL;
    shn_status st = shn_file_map(path, &map, err);
    if (st != SHN_OK) return st;
    st = shn_safetensors_open(map.bytes, map.n_bytes, &view, err);
    if (st == SHN_OK) st = from_view(view, out, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    shn_safetensors_close(view);
    shn_file_unmap(&map);
    return st;
}
