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

/** What a read-out needs of a model, computed once per call. */
typedef struct space {
    const shn_model *m;
    float  *text;               /* [K][E] unit finding embeddings, or the bce head's weights */
    float  *sets;               /* marginal: [n_sets][E] */
    double *prior;              /* [K] added to the class score */
    uint8_t *seen;              /* [K] marginal: the finding occurs in a training set */
    double *unit, *weight;      /* scratch: [E], [n_sets] */
} space;

static void space_free(space *s)
{
    free(s->text);
    free(s->sets);
    free(s->prior);
    free(s->seen);
    free(s->unit);
    free(s->weight);
}

/** b + b_k of the class read-out, and for class-prior the log odds of the finding in training where the loss did not learn them. */
static void fill_prior(space *s, shn_readout readout)
{
    const shn_model *m = s->m;
    for (size_t k = 0; k < m->K; k++) {
        double prior = m->has_class_columns ? (double)m->class_bias + m->class_finding_bias[k] : m->logit_bias;
        if (readout == SHN_READOUT_CLASS_PRIOR && !m->has_class_columns) prior += log((m->n_pos[k] + 0.5) / (m->n_known[k] + 1.0));
        s->prior[k] = prior;
    }
}

static shn_status space_open(const shn_model *m, shn_readout readout, space *s, shn_error *err)
{
    memset(s, 0, sizeof *s);
    s->m = m;
    s->text = shn_alloc(m->K * m->E, sizeof *s->text);
    s->prior = shn_alloc(m->K, sizeof *s->prior);
    s->unit = shn_alloc(m->E, sizeof *s->unit);
    if (!s->text || !s->prior || !s->unit) return shn_fail_nomem(err, "readout");
    if (readout == SHN_READOUT_LOGIT) {
        memcpy(s->text, m->head_weight, m->K * m->E * sizeof *s->text);
        for (size_t k = 0; k < m->K; k++) s->prior[k] = m->head_bias[k];
        return SHN_OK;
    }
    shn_status st = shn_model_class_embeddings(m, s->text, err);
    fill_prior(s, readout);
    if (st != SHN_OK || readout != SHN_READOUT_MARGINAL) return st;
    s->sets = shn_alloc(m->n_sets * m->E, sizeof *s->sets);
    s->weight = shn_alloc(m->n_sets, sizeof *s->weight);
    s->seen = shn_alloc(m->K, 1);
    if (!s->sets || !s->weight || !s->seen) return shn_fail_nomem(err, "readout");
    for (size_t u = 0; u < m->n_sets; u++)
        for (size_t k = 0; k < m->K; k++) s->seen[k] |= m->set_labels[u * m->K + k];
    return shn_model_set_embeddings(m, s->sets, err);
}

static double dot(const double *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/** Scores of one window by the linear read-outs (logit, class, class-prior). */
static void linear_scores(const space *s, shn_readout readout, const float *z, double *scores)
{
    const shn_model *m = s->m;
    double square = 0, scale;
    for (size_t e = 0; e < m->E; e++) square += (double)z[e] * z[e];
    const double inverse_norm = square > 0 ? 1 / sqrt(square) : 0;
    if (readout == SHN_READOUT_LOGIT || (m->has_class_columns && m->class_raw)) scale = 1;
    else scale = inverse_norm * (m->has_class_columns ? m->class_scale : m->logit_scale);
    for (size_t e = 0; e < m->E; e++) s->unit[e] = z[e] * scale;
    for (size_t k = 0; k < m->K; k++) scores[k] = dot(s->unit, s->text + k * m->E, m->E) + s->prior[k];
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

shn_status shn_readout_scores(const shn_model *m, shn_readout readout, const float *z, size_t n, float *scores, shn_error *err)
{
    const size_t W = m->input.n_windows, K = m->K;
    space        s;
    if ((unsigned)readout >= SHN_READOUT_COUNT || !(m->readouts >> readout & 1))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "readout", "the read-out '%s' does not apply to a '%s' model",
                        shn_readout_name(readout), m->loss);
    shn_status st = space_open(m, readout, &s, err);
    double    *one = shn_alloc(K, sizeof *one), *sum = shn_alloc(K, sizeof *sum);
    if (st == SHN_OK && (!one || !sum)) st = shn_fail_nomem(err, "readout");
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        for (size_t w = 0; w < W; w++) {
            const float *zw = z + (i * W + w) * m->E;
            if (readout == SHN_READOUT_MARGINAL) marginal_scores(&s, zw, one);
            else linear_scores(&s, readout, zw, one);
            for (size_t k = 0; k < K; k++) {
                if (w == 0) sum[k] = one[k];
                else if (m->input.reduce == SHN_REDUCE_MAX) sum[k] = one[k] > sum[k] || isnan(one[k]) ? one[k] : sum[k];
                else sum[k] += one[k];
            }
        }
        const double scale = m->input.reduce == SHN_REDUCE_MAX ? 1 : 1.0 / (double)W;
        for (size_t k = 0; k < K && st == SHN_OK; k++) {
            scores[i * K + k] = (float)(sum[k] * scale);
            if (!isfinite(scores[i * K + k]))           /* would be ranked and thresholded as if it meant something */
                st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "readout", "record %zu of %zu, finding '%.60s': the score is not a number; "
                              "the model's weights are damaged or its training diverged", i + 1, n, m->finding_id[k] ? m->finding_id[k] : "?");
        }
    }
    free(one);
    free(sum);
    space_free(&s);
    return st;
}
