#include "eval/controls.h"

#include <math.h>
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

void control_frequency(const evalset *s, float *score)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->K; k++) {
            const double p = (s->model->n_pos[k] + 0.5) / (s->model->n_known[k] + 1.0);
            score[i * s->K + k] = (float)log(p / (1 - p));
        }
}

/** A copy of the model's encoder with fresh weights; only what shn_embed_cohort reads is filled. */
static shn_status random_model(const shn_model *m, shn_model **out, shn_error *err)
{
    const shn_status st = shn_model_new(&m->encoder.config, m->K, 0, out, err);
    if (st != SHN_OK) return st;
    (*out)->input = m->input;
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

/** Centres and scales both sets by the mean and sd of the first. */
static void standardise(double *train, size_t n_train, double *test, size_t n_test, size_t E)
{
    for (size_t e = 0; e < E; e++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < n_train; i++) {
            sum += train[i * E + e];
            square += train[i * E + e] * train[i * E + e];
        }
        const double mean = sum / (double)n_train, var = square / (double)n_train - mean * mean, scale = var > 1e-20 ? 1 / sqrt(var) : 0;
        for (size_t i = 0; i < n_train; i++) train[i * E + e] = (train[i * E + e] - mean) * scale;
        for (size_t i = 0; i < n_test; i++) test[i * E + e] = (test[i * E + e] - mean) * scale;
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
static shn_status to_log_odds(const float *left_out, const evalset *train, size_t n, float *score, shn_error *err)
{
    const size_t     K = train->K;
    const shn_scored raw = { left_out, train->label, train->known, train->n, K };
    shn_calibration  c = { 0 };
    double *prevalence = shn_alloc(K, sizeof *prevalence);
    shn_status st = prevalence && shn_calibration_alloc(&c, K) ? shn_calibration_fit(&raw, NULL, prevalence, &c, err)
                                                                : shn_fail_nomem(err, "eval.control");
    for (size_t i = 0; i < n && st == SHN_OK; i++)
        for (size_t k = 0; k < K; k++) score[i * K + k] = fmaxf(c.slope[k], 1e-3f) * score[i * K + k] + c.intercept[k];
    free(prevalence);
    shn_calibration_release(&c);
    return st;
}

shn_status control_linear_probe(const evalset *train, const evalset *s, size_t E, float *score, double *penalty, shn_error *err)
{
    const size_t W = s->model->input.n_windows;
    probe   p = { 0 };
    double *x = shn_alloc(train->n * E, sizeof *x), *test = shn_alloc(s->n * E, sizeof *test);
    shn_status st = x && test ? probe_open(train, E, &p, err) : shn_fail_nomem(err, "eval.control");
    if (st == SHN_OK) {
        mean_features(train->z, train->n, W, E, x);
        mean_features(s->z, s->n, W, E, test);
        standardise(x, train->n, test, s->n, E);
        const ridge_data d = { x, train->label, train->known, p.fold, train->n, E, train->K, p.n_folds };
        st = ridge_fit(&d, penalties, N_PENALTIES, p.weight, p.left_out, err);
    }
    if (st == SHN_OK) {
        const size_t best = best_penalty(&p, train);
        *penalty = penalties[best];
        ridge_apply(test, p.weight + best * s->K * E, s->n, E, s->K, score);
        st = to_log_odds(p.left_out + best * train->n * train->K, train, s->n, score, err);
    }
    probe_free(&p);
    free(x);
    free(test);
    return st;
}

shn_status control_random_probe(const evalset *s, const shn_engine_options *options, const char *train_split, const shn_watcher *watcher,
                                float *score, double *penalty, shn_error *err)
{
    shn_model  *random = NULL;
    shn_engine *eng = NULL;
    evalset     train = { 0 };
    const size_t W = s->model->input.n_windows;
    float      *own_z = shn_alloc(s->n * W * s->model->E, sizeof *own_z);
    shn_status  st = own_z ? random_model(s->model, &random, err) : shn_fail_nomem(err, "eval.control");
    if (st == SHN_OK) st = evalset_open_labels(s->model, s->cohort, train_split, &train, err);
    if (st == SHN_OK) st = settle_statistics(random, options, &train, err);
    if (st == SHN_OK) st = shn_model_engine(random, WARM_BATCH, options, &eng, err);
    if (st == SHN_OK) {
        train.z = shn_alloc(train.n * W * random->E, sizeof *train.z);
        st = train.z ? shn_embed_cohort(random, eng, s->cohort, train.rows, train.n, train.z, watcher, err) : shn_fail_nomem(err, "eval.control");
    }
    if (st == SHN_OK) st = shn_embed_cohort(random, eng, s->cohort, s->rows, s->n, own_z, watcher, err);
    if (st == SHN_OK) {
        evalset mine = *s;              /* the same records with the random encoder's embeddings */
        mine.z = own_z;
        st = control_linear_probe(&train, &mine, random->E, score, penalty, err);
    }
    evalset_close(&train);
    shn_engine_free(eng);
    shn_model_free(random);
    free(own_z);
    return st;
}
