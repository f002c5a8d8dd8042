#include "train/model_out.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/findings.h"

static char *codes_of(const shn_finding *f)
{
    char text[1024] = "";
    const char *const systems[] = { "scp", "snomed", "cinc" }, *const codes[] = { f->scp, f->snomed, f->cinc };
    for (int i = 0; i < 3; i++)
        for (const char *p = codes[i]; *p;) {
            const size_t n = strcspn(p, ";"), used = strlen(text);
            if (n) snprintf(text + used, sizeof text - used, "%s%s:%.*s", used ? ";" : "", systems[i], (int)n, p);
            p += n + (p[n] == ';');
        }
    return shn_strdup(text);
}

static int name_findings(shn_model *m, const shn_train_data *d)
{
    int ok = 1;
    for (size_t k = 0; k < m->K; k++) {
        const shn_finding *f = shn_cohort_finding(d->cohort, k);
        m->finding_id[k] = shn_strdup(f->id);
        m->name_en[k] = shn_strdup(f->name_en);
        m->name_ja[k] = shn_strdup(f->name_ja);
        m->codes[k] = codes_of(f);
        m->flags[k] = (uint8_t)f->flags;
        m->n_pos[k] = d->n_pos[k];
        m->n_known[k] = d->n_known[k];
        ok &= m->finding_id[k] && m->name_en[k] && m->name_ja[k] && m->codes[k];
    }
    return ok;
}

static void *copied(const void *from, size_t bytes)
{
    void *p = shn_alloc(bytes, 1);
    if (p) memcpy(p, from, bytes);
    return p;
}

static int copy_texts(shn_model *m, const shn_head *h, const shn_texts *t, const char *text_source)
{
    const shn_train_config *c = &h->config;
    int ok = 1;
    char form[48];
    snprintf(form, sizeof form, "%s, %s", c->text_form, c->language);
    m->text_form = shn_strdup(form);
    m->text_source = shn_strdup(text_source);
    m->record_text = shn_strdup(c->record_text);
    m->none_text = shn_strdup(t->none_text);
    for (size_t k = 0; k < m->K; k++) ok &= (m->class_text[k] = shn_strdup(t->class_text[k])) != NULL;
    memcpy(m->class_vector, t->class_vector, m->K * m->D * sizeof(float));
    memcpy(m->none_vector, t->none_vector, m->D * sizeof(float));
    memcpy(m->text_mean, t->mean, m->D * sizeof(float));
    memcpy(m->projection, shn_head_at(h, HEAD_PROJECTION), m->E * m->D * sizeof(float));
    return ok && m->text_form && m->text_source && m->record_text && m->none_text;
}

static int copy_provider(shn_model *m, const shn_text_provider *p)
{
    char **const to[] = { &m->provider.model, &m->provider.model_hash, &m->provider.tokenizer_hash, &m->provider.prompt, &m->provider.pooling };
    const char *const  from[] = { p->model, p->model_hash, p->tokenizer_hash, p->prompt, p->pooling };
    int ok = 1;
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) ok &= (*to[i] = shn_strdup(from[i])) != NULL;
    if (p->centre) ok &= (m->provider.centre = copied(p->centre, m->D * sizeof *p->centre)) != NULL;
    return ok;
}

/** The bank of the read-out `sentences`. Words are kept only where several patients' reports have them: a rare sentence may tell of one person. */
static int copy_sentences(shn_model *m, const shn_head *h, const shn_train_data *d, const shn_texts *t)
{
    const size_t n = t->n_sentences;
    m->n_sentences = n;
    m->sentence_scale = (float)exp((double)*shn_head_at(h, HEAD_SENTENCE_SCALE));
    m->sentence_vector = copied(t->sentence_vector, n * m->D * sizeof(float));
    m->sentence_mean = copied(t->sentence_mean, m->D * sizeof(float));
    m->name_vector = copied(t->name_vector, m->K * m->D * sizeof(float));
    m->name_mean = copied(t->name_mean, m->D * sizeof(float));
    m->sentence_count = copied(d->reports.count, n * sizeof *d->reports.count);
    m->sentence_text = shn_alloc(n, sizeof *m->sentence_text);
    int ok = m->sentence_vector && m->sentence_mean && m->name_vector && m->name_mean && m->sentence_count && m->sentence_text;
    for (size_t s = 0; ok && s < n; s++)
        ok = (m->sentence_text[s] = shn_strdup(d->reports.n_patients[s] >= SHN_SENTENCE_PATIENTS_MIN ? d->reports.text[s] : "")) != NULL;
    return ok;
}

static int copy_pair(shn_model *m, const shn_head *h, const shn_train_data *d, const shn_texts *t)
{
    const size_t n = d->sets.n;
    m->has_pair_loss = 1;
    m->logit_scale = (float)exp((double)*shn_head_at(h, HEAD_PAIR_SCALE));
    m->logit_bias = h->part[HEAD_PAIR_BIAS].size ? *shn_head_at(h, HEAD_PAIR_BIAS) : 0;
    m->n_sets = n;
    m->set_count = copied(d->sets.count, n * sizeof *d->sets.count);
    m->set_labels = copied(d->sets.label, n * m->K);
    m->set_known = copied(d->sets.known, n * m->K);
    if (t->joined) m->set_vector = copied(t->set_vector, n * m->D * sizeof(float));
    return m->set_count && m->set_labels && m->set_known && (!t->joined || m->set_vector);
}

static void copy_columns(shn_model *m, const shn_head *h)
{
    m->has_class_columns = 1;
    m->class_raw = h->config.ecg_norm_raw;
    m->class_scale = (float)exp((double)*shn_head_at(h, HEAD_CLASS_SCALE));
    m->class_bias = *shn_head_at(h, HEAD_CLASS_BIAS);
    memcpy(m->class_finding_bias, shn_head_at(h, HEAD_FINDING_BIAS), m->K * sizeof(float));
}

/** Which read-outs apply. Class columns have learned the prior, so adding it once more would count it twice. */
static void choose_readouts(shn_model *m)
{
    m->readouts = m->head_weight ? 1u << SHN_READOUT_LOGIT : 1u << SHN_READOUT_CLASS;
    if (m->n_sentences) m->readouts |= 1u << SHN_READOUT_SENTENCES | 1u << SHN_READOUT_JOINT;
    if (m->has_pair_loss && !m->has_class_columns) m->readouts |= 1u << SHN_READOUT_CLASS_PRIOR;
    if (m->has_pair_loss) m->readouts |= 1u << SHN_READOUT_MARGINAL;
    m->readout_default = m->head_weight ? SHN_READOUT_LOGIT : m->has_pair_loss ? SHN_READOUT_MARGINAL : SHN_READOUT_CLASS;
}

static char *manifest_of(const shn_train_data *d, const shn_run *run, const shn_head *h, const char *text_source)
{
    shn_error err;
    json_t *config = json_object(), *doc = json_object();
    for (size_t i = 0; shn_train_key_at(i); i++) {
        char value[SHN_TRAIN_VALUE_MAX];
        const char *name = shn_train_key_at(i)->name;
        if (strcmp(name, "stop_after") == 0 || strcmp(name, "checkpoint_seconds") == 0) continue;   /* how it was run, not what */
        if (shn_train_config_get(&h->config, name, value, &err) == SHN_OK) json_object_set_new(config, name, json_string(value));
    }
    json_object_set_new(doc, "config", config);
    json_object_set_new(doc, "cohort_digest", json_string(d->digest));
    json_object_set_new(doc, "cohort_command", json_string(shn_cohort_attribute(d->cohort, "command")));
    json_object_set_new(doc, "cohort_simulated", json_string(shn_cohort_attribute(d->cohort, "simulated")));
    json_object_set_new(doc, "registry_version", json_string(shn_registry_version(shn_registry_builtin())));
    json_object_set_new(doc, "n_train", json_integer((json_int_t)d->n));
    json_object_set_new(doc, "n_left_out", json_integer((json_int_t)d->n_left_out));
    json_object_set_new(doc, "n_coded", json_integer((json_int_t)d->n_coded));
    json_object_set_new(doc, "n_sentences", json_integer((json_int_t)d->reports.n));
    json_object_set_new(doc, "n_steps", json_integer((json_int_t)run->n_steps));
    json_object_set_new(doc, "text_source", json_string(text_source));
    json_object_set_new(doc, "engine", json_string(shn_engine_describe(run->engine)));
    if (h->config.init[0]) json_object_set_new(doc, "init_sha256", json_string(run->init_hash));
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    return text;
}

shn_status shn_model_from_run(const shn_train_data *d, const shn_run *run, const shn_head *h, const shn_texts *texts, const char *text_source,
                              const shn_text_provider *provider, shn_model **out, shn_error *err)
{
    shn_model *m = NULL;
    *out = NULL;
    const shn_status st = shn_model_new(&h->config.encoder, d->K, h->D, &m, err);
    if (st != SHN_OK) return st;
    memcpy(m->params, run->params, m->encoder.n_params * sizeof *m->params);
    memcpy(m->state, run->state, m->encoder.n_state * sizeof *m->state);
    m->input = run->input;
    snprintf(m->loss, sizeof m->loss, "%s", shn_loss_name(h->config.loss));
    int ok = name_findings(m, d);
    if (texts) {
        ok &= copy_texts(m, h, texts, text_source) && copy_provider(m, provider);
        if (h->part[HEAD_PAIR_SCALE].size) ok &= copy_pair(m, h, d, texts);
        if (h->part[HEAD_CLASS_SCALE].size) copy_columns(m, h);
        if (h->part[HEAD_SENTENCE_SCALE].size) ok &= copy_sentences(m, h, d, texts);
    }
    if (h->part[HEAD_WEIGHT].size) {
        free(m->head_weight);                       /* a model without texts has its head already */
        free(m->head_bias);
        m->head_weight = copied(shn_head_at(h, HEAD_WEIGHT), m->K * m->E * sizeof(float));
        m->head_bias = copied(shn_head_at(h, HEAD_FINDING_BIAS), m->K * sizeof(float));
        ok &= m->head_weight && m->head_bias;
    }
    choose_readouts(m);
    m->manifest = manifest_of(d, run, h, text_source);
    m->fitted_on = shn_strdup("");
    m->fitted_records = shn_strdup("[]");
    if (!ok || !m->manifest || !m->fitted_on || !m->fitted_records) {
        shn_model_free(m);
        return shn_fail_nomem(err, "train.model");
    }
    *out = m;
    return SHN_OK;
}
