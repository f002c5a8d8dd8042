#include "eval/controls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/calibrate.h"
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

/** Adds the records in use to X'X (lower triangle of gram [F][F]) and X'Y (moment [F][K]). */
static void add_records(const double *x, const double *y, const uint8_t *use, size_t n, size_t F, size_t K, double *gram, double *moment)
{
    for (size_t i = 0; i < n; i++) {
        if (use && !use[i]) continue;
        const double *xi = x + i * F, *yi = y + i * K;
        for (size_t f = 0; f < F; f++) {
            for (size_t g = 0; g <= f; g++) gram[f * F + g] += xi[f] * xi[g];
            for (size_t k = 0; k < K; k++) moment[f * K + k] += xi[f] * yi[k];
        }
    }
}

/** Weights [F][K] from X'X and X'Y, given in gram and weight and overwritten. 0 if they are not finite. */
static int ridge_solve(double *gram, size_t F, size_t K, double penalty, double *weight)
{
    for (size_t f = 0; f < F; f++) gram[f * F + f] += penalty;
    if (!cholesky(gram, F)) return 0;
    solve(gram, F, weight, K);
    return 1;
}

static shn_status not_finite(shn_error *err)
{
    return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.ridge", "the random encoder's outputs are not finite on these records");
}

shn_status ridge_fit(const double *x, const double *y, const uint8_t *use, size_t n, size_t F, size_t K, double penalty, double *weight,
                     shn_error *err)
{
    double *gram = shn_alloc(F * F, sizeof *gram);
    if (!gram) return shn_fail_nomem(err, "eval.ridge");
    memset(weight, 0, F * K * sizeof *weight);
    add_records(x, y, use, n, F, K, gram, weight);
    const int ok = ridge_solve(gram, F, K, penalty, weight);
    free(gram);
    return ok ? SHN_OK : not_finite(err);
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

/** Scores of the records with fold[i] == f (NULL: all). */
static void apply(const double *x, const double *weight, const uint8_t *fold, int f, size_t n, size_t F, size_t K, float *score)
{
    for (size_t i = 0; i < n; i++) {
        if (fold && fold[i] != f) continue;
        for (size_t k = 0; k < K; k++) {
            double sum = 0;
            for (size_t j = 0; j < F; j++) sum += x[i * F + j] * weight[j * K + k];
            score[i * K + k] = (float)sum;
        }
    }
}

/** The training records by folds of patients, as sums, so that leaving a fold out is a subtraction. */
typedef struct folds {
    int      n_folds;                   /* 1: too few patients, everything is one fold and nothing is left out */
    uint8_t *fold, *use;                /* [n] */
    double  *gram[DECIDE_FOLDS], *moment[DECIDE_FOLDS];     /* [F][F], [F][K] of each fold */
    double  *gram_work, *weight;        /* [F][F], [F][K] */
    float   *score, *best;              /* [n][K] left-out scores of the penalty at hand, and of the best so far */
} folds;

static void folds_free(folds *s)
{
    for (int f = 0; f < DECIDE_FOLDS; f++) {
        free(s->gram[f]);
        free(s->moment[f]);
    }
    free(s->fold);
    free(s->use);
    free(s->gram_work);
    free(s->weight);
    free(s->score);
    free(s->best);
}

static shn_status folds_open(const evalset *train, const double *x, const double *y, size_t F, folds *s, shn_error *err)
{
    const size_t n = train->n, K = train->K;
    memset(s, 0, sizeof *s);
    s->fold = shn_alloc(n, 1);
    s->use = shn_alloc(n, 1);
    s->gram_work = shn_alloc(F * F, sizeof *s->gram_work);
    s->weight = shn_alloc(F * K, sizeof *s->weight);
    s->score = shn_alloc(n * K, sizeof *s->score);
    s->best = shn_alloc(n * K, sizeof *s->best);
    int ok = s->fold && s->use && s->gram_work && s->weight && s->score && s->best;
    const int folded = ok ? decide_folds(train->patient, n, train->n_patients, CONTROL_ENCODER_SEED, s->fold) : -1;
    s->n_folds = folded > 0 ? DECIDE_FOLDS : 1;
    for (int f = 0; f < s->n_folds && ok; f++) {
        s->gram[f] = shn_alloc(F * F, sizeof(double));
        s->moment[f] = shn_alloc(F * K, sizeof(double));
        ok = s->gram[f] && s->moment[f];
        for (size_t i = 0; ok && i < n; i++) s->use[i] = s->fold[i] == f;
        if (ok) add_records(x, y, s->use, n, F, K, s->gram[f], s->moment[f]);
    }
    return ok && folded >= 0 ? SHN_OK : shn_fail_nomem(err, "eval.control");
}

/** s->weight from every fold but `left_out` (-1: from all). */
static shn_status fit_without(folds *s, int left_out, size_t F, size_t K, double penalty, shn_error *err)
{
    memset(s->gram_work, 0, F * F * sizeof *s->gram_work);
    memset(s->weight, 0, F * K * sizeof *s->weight);
    for (int f = 0; f < s->n_folds; f++) {
        if (f == left_out) continue;
        for (size_t j = 0; j < F * F; j++) s->gram_work[j] += s->gram[f][j];
        for (size_t j = 0; j < F * K; j++) s->weight[j] += s->moment[f][j];
    }
    return ridge_solve(s->gram_work, F, K, penalty, s->weight) ? SHN_OK : not_finite(err);
}

/** The penalty with the best macro AUROC of left-out scores; those scores stay in s->best. */
static shn_status choose_penalty(folds *s, const evalset *train, const double *x, size_t F, double *penalty, shn_error *err)
{
    const size_t n = train->n, K = train->K, n_penalties = s->n_folds > 1 ? sizeof penalties / sizeof *penalties : 1;
    double     top = -1;
    shn_status st = SHN_OK;
    for (size_t p = 0; p < n_penalties && st == SHN_OK; p++) {
        const double one = s->n_folds > 1 ? penalties[p] : penalties[2];
        for (int f = 0; f < s->n_folds && st == SHN_OK; f++) {
            st = fit_without(s, s->n_folds > 1 ? f : -1, F, K, one, err);
            if (st == SHN_OK) apply(x, s->weight, s->fold, f, n, F, K, s->score);
        }
        const shn_scored view = { s->score, train->label, train->known, n, K };
        const double auroc = st == SHN_OK ? shn_auroc_macro(&view, NULL, 0) : NAN;
        if (p > 0 && !(auroc > top)) continue;
        if (auroc > top) top = auroc;
        float *kept = s->best;
        s->best = s->score;
        s->score = kept;
        *penalty = one;
    }
    return st;
}

/**
 * Ridge scores of different findings stand on different scales; without this the probe would rank findings within a record worse than
 * their frequencies do. Slope and intercept come from left-out training scores; the least slope only keeps the order within a finding.
 */
static shn_status to_log_odds(const folds *s, const evalset *train, size_t n, float *score, shn_error *err)
{
    const size_t     K = train->K;
    const shn_scored raw = { s->best, train->label, train->known, train->n, K };
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
    folds   f = { 0 };
    double *x = shn_alloc(train->n * E, sizeof *x), *test = shn_alloc(s->n * E, sizeof *test), *y = shn_alloc(train->n * s->K, sizeof *y);
    shn_status st = x && test && y ? SHN_OK : shn_fail_nomem(err, "eval.control");
    if (st == SHN_OK) {
        mean_features(train->z, train->n, W, E, x);
        mean_features(s->z, s->n, W, E, test);
        standardise(x, train->n, test, s->n, E);
        centred_targets(train, y);
        st = folds_open(train, x, y, E, &f, err);
    }
    if (st == SHN_OK) st = choose_penalty(&f, train, x, E, penalty, err);
    if (st == SHN_OK) st = fit_without(&f, -1, E, s->K, *penalty, err);
    if (st == SHN_OK) {
        apply(test, f.weight, NULL, 0, s->n, E, s->K, score);
        st = to_log_odds(&f, train, s->n, score, err);
    }
    folds_free(&f);
    free(x);
    free(test);
    free(y);
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
