#include "eval/controls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/decide.h"

enum { WARM_BATCH = 64, WARM_STEPS = 40 };
static const double penalties[] = { 1, 10, 100, 1000, 10000 };

void control_frequency(const evalset *s, float *score)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->K; k++) {
            const double p = (s->model->n_pos[k] + 0.5) / (s->model->n_known[k] + 1.0);
            score[i * s->K + k] = (float)log(p / (1 - p));
        }
}

/** In-place Cholesky of a symmetric matrix [n][n] (lower triangle). 0 if it is not positive definite. */
static int cholesky(double *a, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
            if (i == j) {
                if (!(sum > 0)) return 0;
                a[j * n + j] = sqrt(sum);
            } else {
                a[i * n + j] = sum / a[j * n + j];
            }
        }
    }
    return 1;
}

/** Solves L L' w = b for each of K columns of b [n][K], in place. */
static void solve(const double *l, size_t n, double *b, size_t K)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            for (size_t k = 0; k < K; k++) b[i * K + k] -= l[i * n + j] * b[j * K + k];
        for (size_t k = 0; k < K; k++) b[i * K + k] /= l[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t j = i + 1; j < n; j++)
            for (size_t k = 0; k < K; k++) b[i * K + k] -= l[j * n + i] * b[j * K + k];
        for (size_t k = 0; k < K; k++) b[i * K + k] /= l[i * n + i];
    }
}

shn_status ridge_fit(const double *x, const double *y, const uint8_t *use, size_t n, size_t F, size_t K, double penalty, double *weight,
                     shn_error *err)
{
    double *gram = shn_alloc(F * F, sizeof *gram);
    if (!gram) return shn_fail_nomem(err, "eval.ridge");
    memset(weight, 0, F * K * sizeof *weight);
    for (size_t i = 0; i < n; i++) {
        if (use && !use[i]) continue;
        const double *xi = x + i * F, *yi = y + i * K;
        for (size_t f = 0; f < F; f++) {
            for (size_t g = 0; g <= f; g++) gram[f * F + g] += xi[f] * xi[g];
            for (size_t k = 0; k < K; k++) weight[f * K + k] += xi[f] * yi[k];
        }
    }
    for (size_t f = 0; f < F; f++) gram[f * F + f] += penalty;
    const int ok = cholesky(gram, F);
    if (ok) solve(gram, F, weight, K);
    free(gram);
    return ok ? SHN_OK : shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.ridge", "the features are not finite");
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

/** Labels minus their mean; 0 where unknown. */
static void centred_targets(const evalset *s, double *y)
{
    for (size_t k = 0; k < s->K; k++) {
        double n = 0, pos = 0;
        for (size_t i = 0; i < s->n; i++) {
            n += s->known[i * s->K + k];
            pos += s->known[i * s->K + k] && s->label[i * s->K + k];
        }
        for (size_t i = 0; i < s->n; i++) y[i * s->K + k] = s->known[i * s->K + k] ? s->label[i * s->K + k] - pos / n : 0;
    }
}

static void apply(const double *x, const double *weight, size_t n, size_t F, size_t K, float *score)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < K; k++) {
            double sum = 0;
            for (size_t f = 0; f < F; f++) sum += x[i * F + f] * weight[f * K + k];
            score[i * K + k] = (float)sum;
        }
}

/** The penalty with the best macro AUROC on a held-back fifth of the training patients. */
static shn_status choose_penalty(const evalset *train, const double *x, const double *y, size_t F, double *weight, double *penalty, shn_error *err)
{
    const size_t n = train->n, K = train->K;
    double     best = -1;
    uint8_t   *fold = shn_alloc(n, 1), *known = shn_alloc(n * K, 1);
    float     *score = shn_alloc(n * K, sizeof *score);
    shn_status st = fold && known && score ? SHN_OK : shn_fail_nomem(err, "eval.control");
    *penalty = penalties[2];
    if (st == SHN_OK && decide_folds(train->patient, n, train->n_patients, CONTROL_ENCODER_SEED, fold)) {
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < K; k++) known[i * K + k] = fold[i] == 0 && train->known[i * K + k];
        for (size_t p = 0; p < sizeof penalties / sizeof *penalties && st == SHN_OK; p++) {
            st = ridge_fit(x, y, fold, n, F, K, penalties[p], weight, err);     /* fold 0 is held back: its `use` is 0 */
            if (st != SHN_OK) break;
            apply(x, weight, n, F, K, score);
            const shn_scored s = { score, train->label, known, n, K };
            const double auroc = shn_auroc_macro(&s, NULL, 0);
            if (auroc > best) {
                best = auroc;
                *penalty = penalties[p];
            }
        }
    }
    free(fold);
    free(known);
    free(score);
    return st;
}

static shn_status probe(const evalset *train, const evalset *s, size_t E, float *score, double *penalty, shn_error *err)
{
    const size_t W = s->model->input.n_windows;
    double *x = shn_alloc(train->n * E, sizeof *x), *test = shn_alloc(s->n * E, sizeof *test), *y = shn_alloc(train->n * s->K, sizeof *y);
    double *weight = shn_alloc(E * s->K, sizeof *weight);
    shn_status st = x && test && y && weight ? SHN_OK : shn_fail_nomem(err, "eval.control");
    if (st == SHN_OK) {
        mean_features(train->z, train->n, W, E, x);
        mean_features(s->z, s->n, W, E, test);
        standardise(x, train->n, test, s->n, E);
        centred_targets(train, y);
        st = choose_penalty(train, x, y, E, weight, penalty, err);
    }
    if (st == SHN_OK) st = ridge_fit(x, y, NULL, train->n, E, s->K, *penalty, weight, err);
    if (st == SHN_OK) apply(test, weight, s->n, E, s->K, score);
    free(x);
    free(test);
    free(y);
    free(weight);
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
        st = probe(&train, &mine, random->E, score, penalty, err);
    }
    evalset_close(&train);
    shn_engine_free(eng);
    shn_model_free(random);
    free(own_z);
    return st;
}
