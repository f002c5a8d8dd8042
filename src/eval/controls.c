#include "eval/controls.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/calibrate.h"
#include "eval/decide.h"
#include "eval/rank.h"
#include "eval/ridge.h"

enum { WARM_BATCH = 64, WARM_STEPS = 40 };
static const double penalties[] = { 1, 10, 100, 1000, 10000 };
enum { N_PENALTIES = sizeof penalties / sizeof *penalties };

static float frequency_score(const shn_model *m, size_t k)
{
    const double p = (m->n_pos[k] + 0.5) / (m->n_known[k] + 1.0);
    return (float)log(p / (1 - p));
}

void control_frequency(const evalset *s, float *score)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->K; k++) score[i * s->K + k] = frequency_score(s->model, k);
}

/** A copy of the model's encoder with fresh weights; only what shn_embed_cohort reads is filled. */
static shn_status random_model(const shn_model *m, shn_model **out, shn_error *err)
{
    const shn_status st = shn_model_new(&m->encoder.config, m->K, 0, out, err);
    if (st != SHN_OK) return st;
    (*out)->input = m->input;
    (*out)->input.reduce = SHN_REDUCE_MEAN;     /* what the probe was fitted on: the mean of a linear score is the score of the mean */
    shn_encoder_init(&(*out)->encoder, CONTROL_ENCODER_SEED, (*out)->params, (*out)->state);
    return SHN_OK;
}

/** Random weights with running statistics of mean 0 and variance 1 explode or vanish: training-mode passes over train set them right. */
static shn_status settle_statistics(shn_model *m, const shn_engine_options *options, const evalset *train, shn_error *err)
{
    shn_engine  *eng = NULL;
    const size_t batch = train->n < WARM_BATCH ? train->n : WARM_BATCH, x_size = (size_t)m->input.window * 12;
    float       *x = shn_alloc_aligned(batch * x_size, sizeof *x), *z = shn_alloc(batch * m->E, sizeof *z);
    shn_status   st = x && z ? shn_engine_new(&m->encoder, m->input.window, batch, 1, options, &eng, err) : shn_fail_nomem(err, "eval.control");
    if (st == SHN_OK) shn_engine_set(eng, m->params, m->state);
    for (size_t step = 0; step < WARM_STEPS && st == SHN_OK; step++) {
        for (size_t b = 0; b < batch; b++) {
            const shn_packed row = shn_cohort_packed(train->cohort, train->rows[(step * batch + b) % train->n]);
            shn_window_fill(&m->input, &row, shn_window_start(&m->input, row.n_valid, step % m->input.n_windows), x + b * x_size);
        }
        st = shn_engine_forward(eng, x, batch, 1, z, err);
    }
    if (st == SHN_OK) shn_engine_get(eng, m->params, m->state);
    if (st == SHN_OK) st = shn_engine_check(eng, err);
    shn_engine_free(eng);
    free(x);
    free(z);
    return st;
}

/** Mean over windows, [n][E] in double. */
static void mean_features(const float *z, size_t n, size_t W, size_t E, double *x)
{
    for (size_t i = 0; i < n; i++)
        for (size_t e = 0; e < E; e++) {
            double sum = 0;
            for (size_t w = 0; w < W; w++) sum += z[(i * W + w) * E + e];
            x[i * E + e] = sum / (double)W;
        }
}

/** Mean and 1 / sd of each feature; 0 for one that does not vary. */
typedef struct scaling { double *mean, *scale; } scaling;

static void standardise(double *x, size_t n, size_t E, const scaling *to)
{
    for (size_t e = 0; e < E; e++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < n; i++) {
            sum += x[i * E + e];
            square += x[i * E + e] * x[i * E + e];
        }
        const double mean = sum / (double)n, var = square / (double)n - mean * mean;
        to->mean[e] = mean;
        to->scale[e] = var > 1e-20 ? 1 / sqrt(var) : 0;
        for (size_t i = 0; i < n; i++) x[i * E + e] = (x[i * E + e] - mean) * to->scale[e];
    }
}

typedef struct probe {
    uint8_t  *fold;                     /* [train n] */
    size_t    n_folds;                  /* 1: too few patients, everything is one fold and nothing is left out */
    double   *weight;                   /* [N_PENALTIES][K][F] */
    float    *left_out;                 /* [N_PENALTIES][train n][K] */
    uint32_t *order;                    /* [train n] */
} probe;

static void probe_free(probe *p)
{
    free(p->fold);
    free(p->weight);
    free(p->left_out);
    free(p->order);
}

static shn_status probe_open(const evalset *train, size_t F, probe *p, shn_error *err)
{
    memset(p, 0, sizeof *p);
    p->fold = shn_alloc(train->n, 1);
    p->weight = shn_alloc(N_PENALTIES * train->K * F, sizeof *p->weight);
    p->left_out = shn_alloc(N_PENALTIES * train->n * train->K, sizeof *p->left_out);
    p->order = shn_alloc(train->n, sizeof *p->order);
    if (!p->fold || !p->weight || !p->left_out || !p->order) return shn_fail_nomem(err, "eval.control");
    const int folded = decide_folds(train->patient, train->n, train->n_patients, CONTROL_ENCODER_SEED, p->fold);
    p->n_folds = folded > 0 ? DECIDE_FOLDS : 1;
    return folded >= 0 ? SHN_OK : shn_fail_nomem(err, "eval.control");
}

/** Which penalty has the best macro AUROC of left-out scores; the middle one where nothing is left out or nothing can be ranked. */
static size_t best_penalty(const probe *p, const evalset *train)
{
    double top = -1;
    size_t best = N_PENALTIES / 2;
    for (size_t j = 0; j < N_PENALTIES && p->n_folds > 1; j++) {
        const shn_scored s = { p->left_out + j * train->n * train->K, train->label, train->known, train->n, train->K };
        const double auroc = shn_auroc_macro_using(&s, p->order);
        if (!(auroc > top)) continue;
        top = auroc;
        best = j;
    }
    return best;
}

/**
 * Ridge scores of different findings stand on different scales; without this the probe would rank findings within a record worse than
 * their frequencies do. Slope and intercept come from left-out training scores; the least slope only keeps the order within a finding.
 */
static shn_status to_log_odds(const float *left_out, const evalset *train, shn_calibration *c, shn_error *err)
{
    const shn_scored raw = { left_out, train->label, train->known, train->n, train->K };
    double *prevalence = shn_alloc(train->K, sizeof *prevalence);
    const shn_status st = prevalence && shn_calibration_alloc(c, train->K) ? shn_calibration_fit(&raw, NULL, prevalence, c, err) : shn_fail_nomem(err, "eval.control");
    for (size_t k = 0; k < train->K && st == SHN_OK; k++) c->slope[k] = fmaxf(c->slope[k], 1e-3f);
    free(prevalence);
    return st;
}

/** The probe's weights, scaling and calibration as one linear head on the features as they come. */
static void fold_head(const double *weight, const scaling *by, const shn_calibration *c, size_t K, size_t E, float *head_weight, float *head_bias)
{
    for (size_t k = 0; k < K; k++) {
        double bias = c->intercept[k];
        for (size_t e = 0; e < E; e++) {
            const double w = c->slope[k] * weight[k * E + e] * by->scale[e];
            head_weight[k * E + e] = (float)w;
            bias -= w * by->mean[e];
        }
        head_bias[k] = (float)bias;
    }
}

/** A head on the mean over windows of train->z; weight [K][E], bias [K]. */
static shn_status fit_head(const evalset *train, size_t E, float *weight, float *bias, double *penalty, shn_error *err)
{
    probe           p = { 0 };
    shn_calibration c = { 0 };
    double         *x = shn_alloc(train->n * E, sizeof *x);
    const scaling   by = { shn_alloc(E, sizeof(double)), shn_alloc(E, sizeof(double)) };
    shn_status st = x && by.mean && by.scale ? probe_open(train, E, &p, err) : shn_fail_nomem(err, "eval.control");
    if (st == SHN_OK) {
        mean_features(train->z, train->n, train->model->input.n_windows, E, x);
        standardise(x, train->n, E, &by);
        const ridge_data d = { x, train->label, train->known, p.fold, train->n, E, train->K, p.n_folds };
        st = ridge_fit(&d, penalties, N_PENALTIES, p.weight, p.left_out, err);
    }
    if (st == SHN_OK) {
        const size_t best = best_penalty(&p, train);
        *penalty = penalties[best];
        st = to_log_odds(p.left_out + best * train->n * train->K, train, &c, err);
        if (st == SHN_OK) fold_head(p.weight + best * train->K * E, &by, &c, train->K, E, weight, bias);
    }
    shn_calibration_release(&c);
    probe_free(&p);
    free(x);
    free(by.mean);
    free(by.scale);
    return st;
}

shn_status control_linear_probe(const evalset *train, const evalset *s, size_t E, float *score, double *penalty, shn_error *err)
{
    const size_t K = train->K;
    float  *weight = shn_alloc(K * E, sizeof *weight), *bias = shn_alloc(K, sizeof *bias);
    double *x = shn_alloc(s->n * E, sizeof *x);
    shn_status st = weight && bias && x ? fit_head(train, E, weight, bias, penalty, err) : shn_fail_nomem(err, "eval.control");
    if (st == SHN_OK) mean_features(s->z, s->n, s->model->input.n_windows, E, x);
    for (size_t i = 0; i < s->n && st == SHN_OK; i++)
        for (size_t k = 0; k < K; k++) {
            double sum = bias[k];
            for (size_t e = 0; e < E; e++) sum += weight[k * E + e] * x[i * E + e];
            score[i * K + k] = (float)sum;
        }
    free(weight);
    free(bias);
    free(x);
    return st;
}

/* ---- controls as models ---- */

/** Findings, counts and flags of m; a linear head is the only read-out. */
static shn_status take_findings(const shn_model *m, const char *name, shn_model *to, shn_error *err)
{
    int ok = 1;
    snprintf(to->loss, sizeof to->loss, "%s", name);
    to->readouts = 1u << SHN_READOUT_LOGIT;
    to->readout_default = SHN_READOUT_LOGIT;
    for (size_t k = 0; k < m->K; k++) {
        const struct { char *const *from; char **to; } texts[] = { { &m->finding_id[k], &to->finding_id[k] }, { &m->name_en[k], &to->name_en[k] },
                                                                  { &m->name_ja[k], &to->name_ja[k] }, { &m->codes[k], &to->codes[k] } };
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) ok &= (*texts[t].to = shn_strdup(*texts[t].from ? *texts[t].from : "")) != NULL;
        to->flags[k] = m->flags[k];
        to->n_pos[k] = m->n_pos[k];
        to->n_known[k] = m->n_known[k];
    }
    return ok ? SHN_OK : shn_fail_nomem(err, "eval.control");
}

shn_status control_frequency_model(const shn_model *like, shn_model **out, shn_error *err)
{
    shn_status st = random_model(like, out, err);
    if (st == SHN_OK) st = take_findings(like, "label frequency", *out, err);
    for (size_t k = 0; st == SHN_OK && k < like->K; k++) (*out)->head_bias[k] = frequency_score(like, k);       /* weights stay 0 */
    if (st == SHN_OK) return SHN_OK;
    shn_model_free(*out);
    *out = NULL;
    return st;
}

shn_status control_probe_model(const shn_model *like, const shn_cohort *c, const char *train_split, const shn_engine_options *options, const shn_watcher *watcher,
                               shn_model **out, double *penalty, shn_error *err)
{
    shn_model  *random = NULL;
    shn_engine *eng = NULL;
    evalset     train = { 0 };
    *out = NULL;
    shn_status  st = random_model(like, &random, err);
    if (st == SHN_OK) st = take_findings(like, "random encoder", random, err);
    if (st == SHN_OK) st = evalset_open_labels(random, c, train_split, &train, err);
    if (st == SHN_OK) st = settle_statistics(random, options, &train, err);
    if (st == SHN_OK) st = shn_model_engine(random, WARM_BATCH, options, &eng, err);
    if (st == SHN_OK) {
        train.z = shn_alloc(train.n * random->input.n_windows * random->E, sizeof *train.z);
        st = train.z ? shn_embed_cohort(random, eng, c, train.rows, train.n, train.z, watcher, err) : shn_fail_nomem(err, "eval.control");
    }
    if (st == SHN_OK) st = fit_head(&train, random->E, random->head_weight, random->head_bias, penalty, err);
    evalset_close(&train);
    shn_engine_free(eng);
    if (st == SHN_OK) *out = random;
    else shn_model_free(random);
    return st;
}

shn_status control_random_probe(const evalset *s, const shn_engine_options *options, const char *train_split, const shn_watcher *watcher,
                                float *score, double *penalty, shn_error *err)
{
    shn_model  *probed = NULL;
    shn_engine *eng = NULL;
    float      *z = shn_alloc(s->n * s->model->input.n_windows * s->model->E, sizeof *z);
    shn_status  st = z ? control_probe_model(s->model, s->cohort, train_split, options, watcher, &probed, penalty, err) : shn_fail_nomem(err, "eval.control");
    if (st == SHN_OK) st = shn_model_engine(probed, WARM_BATCH, options, &eng, err);
    if (st == SHN_OK) st = shn_embed_cohort(probed, eng, s->cohort, s->rows, s->n, z, watcher, err);
    if (st == SHN_OK) st = shn_readout_scores(probed, SHN_READOUT_LOGIT, z, s->n, score, err);
    shn_engine_free(eng);
    shn_model_free(probed);
    free(z);
    return st;
}
