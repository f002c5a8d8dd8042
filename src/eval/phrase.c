/** A phrase's vector, checked to be of the model's text space, and its scores. */
#include "shinden/phrase.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "shinden/embed.h"
#include "shinden/encode.h"

static const char where[] = "phrase";

/* ---- the language model */

static shn_status check_provider(const shn_model *m, const shn_text_provider *p, shn_error *err)
{
    const shn_model_provider *own = &m->provider;
    if (m->D == 0) return SHN_OK;                           /* no space to be in */
    if (strncmp(own->model_hash, "hash", 4) == 0)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, where, "the model was trained on random text vectors (%s): no phrase has a meaning there",
                        own->model_hash);
    if (!own->model_hash[0])
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, where, "the model does not say which language model made its texts (it, or its vectors, "
                        "are of an older make); train it again");
    shn_text_provider texts = { .width = m->D }, phrase = *p;       /* centres may differ: recentre sees to them */
    phrase.centre = NULL;
    snprintf(texts.model_hash, sizeof texts.model_hash, "%s", own->model_hash);
    snprintf(texts.tokenizer_hash, sizeof texts.tokenizer_hash, "%s", own->tokenizer_hash);
    snprintf(texts.prompt, sizeof texts.prompt, "%s", own->prompt);
    snprintf(texts.pooling, sizeof texts.pooling, "%s", own->pooling);
    const char *differs = shn_text_provider_difference(&texts, &phrase);
    if (!differs) return SHN_OK;
    return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, where, "the phrase's language model (%.60s, %.12s) and that of the model's texts (%.60s, %.12s) differ "
                    "in their %s; take the one, and the settings, that the model's texts were made with", p->model, p->model_hash, own->model, own->model_hash, differs);
}

/** Brings vectors [n][D] from where a provider centred them to where the model's texts are centred. */
static void recentre(const shn_model *m, const shn_text_provider *p, float *vectors, size_t n)
{
    for (size_t i = 0; i < n && m->D; i++)
        for (size_t d = 0; d < m->D; d++)
            vectors[i * m->D + d] += (p->centre ? p->centre[d] : 0) - (m->provider.centre ? m->provider.centre[d] : 0);
}

/** The prompt of the model's texts as a setting: NULL where it was the language model's own, which differs by language ("en '...', ja '...'"). */
static const char *prompt_of(const shn_model *m)
{
    return m->D == 0 || strncmp(m->provider.prompt, "en '", 4) == 0 ? NULL : m->provider.prompt;
}

/** Encodes the texts through a vector cache in a folder of its own, which is gone afterwards. */
static shn_status encode(const shn_model *m, const shn_phrase_source *source, const char *const *texts, size_t n, shn_vectors **out, shn_error *err)
{
    char folder[SHN_PATH_MAX], cache[SHN_PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    shn_encode_config config;
    if (snprintf(folder, sizeof folder, "%s/shinden-phrase-XXXXXX", tmp && *tmp ? tmp : "/tmp") >= (int)sizeof folder)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "$TMPDIR is too long");
    if (!mkdtemp(folder)) return shn_fail_errno(err, errno, where, folder);
    shn_encode_defaults(&config);
    config.model = source->text_model;
    config.n_threads = source->n_threads;
    config.checkpoint_seconds = 1000000;
    config.centre = 0;
    config.prompt = prompt_of(m);
    if (m->D && shn_pooling_from_name(m->provider.pooling) >= 0) config.pooling = (shn_pooling)shn_pooling_from_name(m->provider.pooling);
    const shn_watcher quiet = { NULL, NULL };
    shn_status st = shn_path_join(cache, folder, "phrase.safetensors", err);
    if (st == SHN_OK) st = shn_encode_texts(&config, texts, n, cache, quiet, NULL, err);
    if (st == SHN_OK) st = shn_vectors_read(cache, out, err);
    unlink(cache);
    rmdir(folder);
    return st;
}

/* ---- opening */

/** The phrase and, for a model without texts, the findings' names, each once: [n] borrowed strings of which the first is the phrase. */
static size_t list_texts(const shn_model *m, const char *phrase, const char **texts)
{
    size_t n = 0;
    texts[n++] = phrase;
    for (size_t k = 0; k < m->K && m->D == 0; k++) {
        size_t i = 0;
        while (i < n && strcmp(texts[i], m->name_en[k]) != 0) i++;
        if (i == n) texts[n++] = m->name_en[k];
    }
    return n;
}

static shn_status take_vectors(const shn_model *m, const shn_vectors *v, shn_phrase *p, shn_error *err)
{
    const shn_text_provider *provider = shn_vectors_provider(v);
    shn_status st = check_provider(m, provider, err);
    if (st != SHN_OK) return st;
    p->D = shn_vectors_width(v);
    snprintf(p->provider, sizeof p->provider, "%.255s", *provider->model ? provider->model : shn_vectors_describe(v));
    p->vector = shn_alloc(p->D, sizeof *p->vector);
    if (m->D == 0) p->names = shn_alloc(m->K * p->D, sizeof *p->names);
    if (!p->vector || (m->D == 0 && !p->names)) return shn_fail_nomem(err, where);
    st = shn_vectors_get(v, p->text, p->vector, err);
    for (size_t k = 0; st == SHN_OK && k < m->K && m->D == 0; k++) st = shn_vectors_get(v, m->name_en[k], p->names + k * p->D, err);
    if (st == SHN_OK) recentre(m, provider, p->vector, 1);
    return st;
}

shn_status shn_phrase_open(const shn_model *m, const shn_phrase_source *source, const char *text, shn_phrase **out, shn_error *err)
{
    shn_vectors *v = NULL;
    *out = NULL;
    if (!*text) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "an empty phrase");
    if (!source->vectors == !source->text_model)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "the phrase needs a vector: --vectors CACHE, or --text-model with the language model of the "
                        "model's texts (%.80s)", m->D && *m->provider.model ? m->provider.model : "any, for a model without texts");
    shn_phrase *p = shn_alloc(1, sizeof *p);
    const char **texts = shn_alloc(m->K + 1, sizeof *texts);
    shn_status st = p && texts ? SHN_OK : shn_fail_nomem(err, where);
    if (st == SHN_OK && !(p->text = shn_text_nfc(text, err))) st = err ? err->status : SHN_FORMAT;
    if (st == SHN_OK && source->vectors) st = shn_vectors_open(source->vectors, 0, &v, err);
    else if (st == SHN_OK) st = encode(m, source, texts, list_texts(m, p->text, texts), &v, err);
    if (st == SHN_OK) st = take_vectors(m, v, p, err);
    shn_vectors_free(v);
    free(texts);
    if (st == SHN_OK) *out = p;
    else shn_phrase_free(p);
    return st;
}

void shn_phrase_free(shn_phrase *p)
{
    if (!p) return;
    free(p->text);
    free(p->vector);
    free(p->names);
    free(p);
}

/* ---- scores */

static void add_unit(const float *v, size_t D, double *mean)
{
    double square = 0;
    for (size_t d = 0; d < D; d++) square += (double)v[d] * (double)v[d];
    for (size_t d = 0; d < D && square > 0; d++) mean[d] += (double)v[d] / sqrt(square);
}

shn_status shn_phrase_nearest(const shn_model *m, const shn_phrase *p, size_t *finding, double *cosine, shn_error *err)
{
    const size_t D = p->D;
    const float *names = p->names ? p->names : m->n_sentences ? m->name_vector : m->class_vector;
    size_t  n = 0;
    double *sum = shn_alloc(D, sizeof *sum);
    float  *mean = shn_alloc(3 * D, sizeof *mean), *phrase = mean + D, *name = mean + 2 * D;
    shn_status st = sum && mean ? SHN_OK : shn_fail_nomem(err, where);
    for (size_t k = 0; st == SHN_OK && k < m->K; k++) {
        if (m->n_pos[k] == 0) continue;
        add_unit(names + k * D, D, sum);
        n++;
    }
    if (st == SHN_OK && n == 0)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_NO_LABEL, where, "the model was trained without a positive label: no finding to be nearest to");
    for (size_t d = 0; st == SHN_OK && n > 1 && d < D; d++) mean[d] = (float)(sum[d] / (double)n);
    if (st == SHN_OK) shn_text_centre(p->vector, mean, D, phrase);
    *cosine = -2;
    for (size_t k = 0; st == SHN_OK && k < m->K; k++) {
        double dot = 0;
        if (m->n_pos[k] == 0) continue;
        shn_text_centre(names + k * D, mean, D, name);
        for (size_t d = 0; d < D; d++) dot += (double)phrase[d] * (double)name[d];
        if (dot > *cosine) {
            *cosine = dot;
            *finding = k;
        }
    }
    free(sum);
    free(mean);
    return st;
}

const char *shn_phrase_readout_name(shn_phrase_readout r)
{
    static const char *const names[SHN_PHRASE_READOUTS] = { "class", "sentences", "nearest" };
    return (unsigned)r < SHN_PHRASE_READOUTS ? names[r] : "";
}

int shn_phrase_applies(const shn_model *m, shn_phrase_readout r)
{
    if (r == SHN_PHRASE_CLASS) return m->readouts >> SHN_READOUT_CLASS & 1;
    return r == SHN_PHRASE_SENTENCES ? m->readouts >> SHN_READOUT_SENTENCES & 1 : r == SHN_PHRASE_NEAREST;
}

struct shn_phrase_scorer {
    shn_readout_space *space;
    size_t K, nearest;              /* K 0: of the phrase itself; else of a model's K findings, of which the nearest counts */
};

shn_status shn_phrase_scorer_new(const shn_model *m, const shn_phrase *p, shn_phrase_readout r, shn_phrase_scorer **out, shn_error *err)
{
    double cosine;
    *out = NULL;
    shn_phrase_scorer *s = shn_alloc(1, sizeof *s);
    if (!s) return shn_fail_nomem(err, where);
    shn_status st = SHN_OK;
    if (r == SHN_PHRASE_NEAREST) {
        s->K = m->K;
        st = shn_phrase_nearest(m, p, &s->nearest, &cosine, err);
        if (st == SHN_OK) st = shn_readout_space_new(m, m->head_weight ? SHN_READOUT_LOGIT : SHN_READOUT_CLASS, NULL, NULL, &s->space, err);
    } else {
        st = shn_readout_space_new(m, r == SHN_PHRASE_CLASS ? SHN_READOUT_CLASS : SHN_READOUT_SENTENCES, p->text, p->vector, &s->space, err);
    }
    if (st == SHN_OK) *out = s;
    else shn_phrase_scorer_free(s);
    return st;
}

shn_status shn_phrase_scorer_scores(shn_phrase_scorer *s, const float *z, size_t n, float *out, shn_error *err)
{
    if (s->K == 0) return shn_readout_space_scores(s->space, z, n, out, err);
    float     *all = shn_alloc(n * s->K, sizeof *all);
    shn_status st = all ? shn_readout_space_scores(s->space, z, n, all, err) : shn_fail_nomem(err, where);
    for (size_t i = 0; st == SHN_OK && i < n; i++) out[i] = all[i * s->K + s->nearest];
    free(all);
    return st;
}

void shn_phrase_scorer_free(shn_phrase_scorer *s)
{
    if (!s) return;
    shn_readout_space_free(s->space);
    free(s);
}

shn_status shn_phrase_scores(const shn_model *m, const shn_phrase *p, shn_phrase_readout r, const float *z, size_t n, float *out, shn_error *err)
{
    shn_phrase_scorer *s;
    shn_status st = shn_phrase_scorer_new(m, p, r, &s, err);
    if (st == SHN_OK) st = shn_phrase_scorer_scores(s, z, n, out, err);
    shn_phrase_scorer_free(s);
    return st;
}
