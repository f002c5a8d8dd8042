/**
 * Read-outs: how a trained space becomes one score per finding. Identity-target losses learn log p(text|x)/p(text), so
 * their similarities carry no prior; the prior and the marginal read-outs put it back (docs/metrics.md).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/embed.h"

static const double bank_sharpness = 15;        /* of the softmax over a text's cosines with the sentences of the bank */

struct shn_readout_space {
    const shn_model *m;
    shn_readout readout;
    const char *phrase;         /* NULL: the model's findings */
    size_t  K;                  /* texts that are scored: the model's findings, or one phrase */
    float  *text;               /* [K][E] unit finding embeddings, what the bank makes of them, or the bce head's weights */
    float  *said;               /* joint: [K][E] what the bank makes of the findings' names */
    float  *sets;               /* marginal: [n_sets][E] */
    double *prior;              /* [K] added to the score of the text */
    uint8_t *seen;              /* [K] marginal: the finding occurs in a training set */
    double *unit, *weight, *one, *sum;      /* scratch: [E], [n_sets], [K], [K] */
};
typedef struct shn_readout_space space;

void shn_readout_space_free(space *s)
{
    if (!s) return;
    free(s->text);
    free(s->said);
    free(s->sets);
    free(s->prior);
    free(s->seen);
    free(s->unit);
    free(s->weight);
    free(s->one);
    free(s->sum);
    free(s);
}

/** b + b_k of the class read-out (a phrase has no b_k), and for class-prior the log odds of the finding in training where the loss did not learn them. */
static void fill_prior(space *s, shn_readout readout, int phrase)
{
    const shn_model *m = s->m;
    for (size_t k = 0; k < s->K; k++) {
        double prior = m->has_class_columns ? (double)m->class_bias + (phrase ? 0 : (double)m->class_finding_bias[k]) : m->logit_bias;
        if (readout == SHN_READOUT_CLASS_PRIOR && !m->has_class_columns) prior += log((m->n_pos[k] + 0.5) / (m->n_known[k] + 1.0));
        s->prior[k] = prior;
    }
}

/** Softmax over the bank of a centred unit text's cosines, weight [n_sentences]; bank [n_sentences][D] centred unit vectors. */
static void bank_weights(const shn_model *m, const float *text, const float *bank, double *weight)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < m->n_sentences; i++) {
        double cosine = 0;
        for (size_t d = 0; d < m->D; d++) cosine += (double)text[d] * (double)bank[i * m->D + d];
        weight[i] = bank_sharpness * cosine;
        if (weight[i] > top) top = weight[i];
    }
    for (size_t i = 0; i < m->n_sentences; i++) sum += weight[i] = exp(weight[i] - top);
    for (size_t i = 0; i < m->n_sentences; i++) weight[i] /= sum;
}

/** The read-out `sentences`: each text is what the sentences like it were projected to, so a text of no sentence's meaning stays near 0. */
static shn_status fill_sentences(const space *s, const float *vectors, float *out, shn_error *err)
{
    const shn_model *m = s->m;
    const size_t     D = m->D, E = m->E, n = m->n_sentences;
    float  *bank = shn_alloc(n * D, sizeof *bank), *projected = shn_alloc(n * E, sizeof *projected), *text = shn_alloc(D, sizeof *text);
    double *weight = shn_alloc(n, sizeof *weight), *sum = shn_alloc(E, sizeof *sum);
    shn_status st = bank && projected && text && weight && sum ? shn_model_sentence_embeddings(m, projected, err) : shn_fail_nomem(err, "readout");
    for (size_t i = 0; st == SHN_OK && i < n; i++) shn_text_centre(m->sentence_vector + i * D, m->sentence_mean, D, bank + i * D);
    for (size_t k = 0; st == SHN_OK && k < s->K; k++) {
        shn_text_centre(vectors + k * D, m->name_mean, D, text);
        bank_weights(m, text, bank, weight);
        memset(sum, 0, E * sizeof *sum);
        for (size_t i = 0; i < n; i++)
            for (size_t e = 0; e < E; e++) sum[e] += weight[i] * (double)projected[i * E + e];
        for (size_t e = 0; e < E; e++) out[k * E + e] = (float)sum[e];
    }
    free(bank);
    free(projected);
    free(text);
    free(weight);
    free(sum);
    return st;
}

static shn_status fill_sets(space *s, shn_error *err)
{
    const shn_model *m = s->m;
    s->sets = shn_alloc(m->n_sets * m->E, sizeof *s->sets);
    s->weight = shn_alloc(m->n_sets, sizeof *s->weight);
    s->seen = shn_alloc(m->K, 1);
    if (!s->sets || !s->weight || !s->seen) return shn_fail_nomem(err, "readout");
    for (size_t u = 0; u < m->n_sets; u++)
        for (size_t k = 0; k < m->K; k++) s->seen[k] |= m->set_labels[u * m->K + k];
    return shn_model_set_embeddings(m, s->sets, err);
}

/** The read-out that joint adds the sentences to. */
static shn_readout base_of(const shn_model *m, shn_readout readout)
{
    return readout != SHN_READOUT_JOINT ? readout : m->head_weight ? SHN_READOUT_LOGIT : SHN_READOUT_CLASS;
}

/** phrase [D]: its vector as read, the only text; NULL: the model's findings. */
static shn_status fill(space *s, const float *phrase, shn_error *err)
{
    const shn_model *m = s->m;
    s->text = shn_alloc(s->K * m->E, sizeof *s->text);
    s->prior = shn_alloc(s->K, sizeof *s->prior);
    s->unit = shn_alloc(m->E, sizeof *s->unit);
    s->one = shn_alloc(s->K, sizeof *s->one);
    s->sum = shn_alloc(s->K, sizeof *s->sum);
    if (!s->text || !s->prior || !s->unit || !s->one || !s->sum) return shn_fail_nomem(err, "readout");
    if (s->readout == SHN_READOUT_SENTENCES) return fill_sentences(s, phrase ? phrase : m->name_vector, s->text, err);
    if (s->readout == SHN_READOUT_JOINT) {
        s->said = shn_alloc(s->K * m->E, sizeof *s->said);
        const shn_status st = s->said ? fill_sentences(s, m->name_vector, s->said, err) : shn_fail_nomem(err, "readout");
        if (st != SHN_OK) return st;
    }
    if (base_of(m, s->readout) == SHN_READOUT_LOGIT) {
        memcpy(s->text, m->head_weight, m->K * m->E * sizeof *s->text);
        for (size_t k = 0; k < m->K; k++) s->prior[k] = m->head_bias[k];
        return SHN_OK;
    }
    const shn_status st = phrase ? shn_model_project(m, phrase, s->text, err) : shn_model_class_embeddings(m, s->text, err);
    fill_prior(s, s->readout, phrase != NULL);
    return st == SHN_OK && s->readout == SHN_READOUT_MARGINAL ? fill_sets(s, err) : st;
}

static double dot(const double *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/** Scores of one window by the linear read-outs (all but marginal). */
static void linear_scores(const space *s, shn_readout readout, const float *z, double *scores)
{
    const shn_model *m = s->m;
    double square = 0, scale;
    for (size_t e = 0; e < m->E; e++) square += (double)z[e] * z[e];
    const double inverse_norm = square > 0 ? 1 / sqrt(square) : 0;
    if (readout == SHN_READOUT_SENTENCES) scale = inverse_norm * m->sentence_scale;
    else if (base_of(m, readout) == SHN_READOUT_LOGIT || (m->has_class_columns && m->class_raw)) scale = 1;
    else scale = inverse_norm * (m->has_class_columns ? m->class_scale : m->logit_scale);
    for (size_t e = 0; e < m->E; e++) s->unit[e] = z[e] * scale;
    for (size_t k = 0; k < s->K; k++) scores[k] = dot(s->unit, s->text + k * m->E, m->E) + s->prior[k];
    if (readout != SHN_READOUT_JOINT) return;
    for (size_t e = 0; e < m->E; e++) s->unit[e] = z[e] * inverse_norm * m->sentence_scale;
    for (size_t k = 0; k < s->K; k++) scores[k] += dot(s->unit, s->said + k * m->E, m->E);
}

/**
 * p(k) = sum of w over training sets with k / sum over sets that know k, w_u = n_u exp(t e.u + b) normalised; as log-odds. A finding in
 * no training set falls back to its class-prior score, which stands on the scale of log-odds: with the bare class score what was never seen
 * outranked every rare finding.
 */
static void marginal_scores(const space *s, const float *z, double *scores)
{
    const shn_model *m = s->m;
    double square = 0, top = -INFINITY;
    linear_scores(s, SHN_READOUT_CLASS, z, scores);         /* for the unseen; s->unit is overwritten below */
    for (size_t e = 0; e < m->E; e++) square += (double)z[e] * z[e];
    for (size_t e = 0; e < m->E; e++) s->unit[e] = square > 0 ? z[e] / sqrt(square) : 0;
    for (size_t u = 0; u < m->n_sets; u++) {
        s->weight[u] = m->logit_scale * dot(s->unit, s->sets + u * m->E, m->E) + log(m->set_count[u]);
        if (s->weight[u] > top) top = s->weight[u];
    }
    for (size_t u = 0; u < m->n_sets; u++) s->weight[u] = exp(s->weight[u] - top);
    for (size_t k = 0; k < m->K; k++) {
        double with = 0, without = 0;
        if (!s->seen[k]) {
            if (!m->has_class_columns) scores[k] += log((m->n_pos[k] + 0.5) / (m->n_known[k] + 1.0));     /* columns learned theirs */
            continue;
        }
        for (size_t u = 0; u < m->n_sets; u++) {
            if (!m->set_known[u * m->K + k]) continue;
            if (m->set_labels[u * m->K + k]) with += s->weight[u];
            else without += s->weight[u];
        }
        scores[k] = log(with + 1e-300) - log(without + 1e-300);
    }
}

static shn_status applies(const shn_model *m, shn_readout readout, shn_error *err)
{
    if ((unsigned)readout < SHN_READOUT_COUNT && m->readouts >> readout & 1) return SHN_OK;
    return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "readout", "the read-out '%s' does not apply to a '%s' model%s",
                    shn_readout_name(readout), m->loss, readout == SHN_READOUT_SENTENCES ? " trained without --sentences" : "");
}

/** Scores of one record: its windows' z [n_windows][E], reduced as the model says. */
static void record_scores(const space *s, const float *z, float *scores)
{
    const shn_model *m = s->m;
    const size_t     W = m->input.n_windows;
    double *const    one = s->one, *const sum = s->sum;
    for (size_t w = 0; w < W; w++) {
        const float *zw = z + w * m->E;
        if (s->readout == SHN_READOUT_MARGINAL) marginal_scores(s, zw, one);
        else linear_scores(s, s->readout, zw, one);
        for (size_t k = 0; k < s->K; k++) {
            if (w == 0) sum[k] = one[k];
            else if (m->input.reduce == SHN_REDUCE_MAX) sum[k] = one[k] > sum[k] || isnan(one[k]) ? one[k] : sum[k];
            else sum[k] += one[k];
        }
    }
    const double scale = m->input.reduce == SHN_REDUCE_MAX ? 1 : 1.0 / (double)W;
    for (size_t k = 0; k < s->K; k++) scores[k] = (float)(sum[k] * scale);
}

shn_status shn_readout_space_new(const shn_model *m, shn_readout readout, const char *phrase, const float *vector, space **out, shn_error *err)
{
    *out = NULL;
    shn_status st = applies(m, readout, err);
    if (st == SHN_OK && vector && readout != SHN_READOUT_CLASS && readout != SHN_READOUT_SENTENCES)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "readout", "a phrase is scored by class or sentences; '%s' needs a finding's "
                      "counts in training", shn_readout_name(readout));
    if (st != SHN_OK) return st;
    space *s = shn_alloc(1, sizeof *s);
    if (!s) return shn_fail_nomem(err, "readout");
    s->m = m;
    s->readout = readout;
    s->phrase = vector ? phrase : NULL;
    s->K = vector ? 1 : m->K;
    st = fill(s, vector, err);
    if (st == SHN_OK) *out = s;
    else shn_readout_space_free(s);
    return st;
}

shn_status shn_readout_space_scores(space *s, const float *z, size_t n, float *scores, shn_error *err)
{
    const shn_model *m = s->m;
    for (size_t i = 0; i < n; i++) {
        float *own = scores + i * s->K;
        record_scores(s, z + i * m->input.n_windows * m->E, own);
        for (size_t k = 0; k < s->K; k++)
            if (!isfinite(own[k]))                      /* would be ranked and thresholded as if it meant something */
                return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "readout", "record %zu of %zu, %s '%.60s': the score is not a number; "
                                "the model's weights are damaged or its training diverged", i + 1, n, s->phrase ? "phrase" : "finding",
                                s->phrase ? s->phrase : m->finding_id[k] ? m->finding_id[k] : "?");
    }
    return SHN_OK;
}

shn_status shn_readout_scores(const shn_model *m, shn_readout readout, const float *z, size_t n, float *scores, shn_error *err)
{
    space     *s;
    shn_status st = shn_readout_space_new(m, readout, NULL, NULL, &s, err);
    if (st == SHN_OK) st = shn_readout_space_scores(s, z, n, scores, err);
    shn_readout_space_free(s);
    return st;
}

shn_status shn_readout_phrase_weights(const shn_model *m, const float *vector, double *weight, shn_error *err)
{
    if (m->n_sentences == 0) return applies(m, SHN_READOUT_SENTENCES, err);
    float *bank = shn_alloc(m->n_sentences * m->D, sizeof *bank), *text = shn_alloc(m->D, sizeof *text);
    if (bank && text) {
        for (size_t i = 0; i < m->n_sentences; i++) shn_text_centre(m->sentence_vector + i * m->D, m->sentence_mean, m->D, bank + i * m->D);
        shn_text_centre(vector, m->name_mean, m->D, text);
        bank_weights(m, text, bank, weight);
    }
    const int ok = bank && text;
    free(bank);
    free(text);
    return ok ? SHN_OK : shn_fail_nomem(err, "readout");
}
