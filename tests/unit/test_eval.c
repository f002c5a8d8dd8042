/** Fitting and evaluating: calibration, thresholds, cross-fitting, bootstrap, and the whole document on a small made cohort. */
#include "harness.h"

#include <jansson.h>
#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "data/cohort_writer.h"
#include "eval/calibrate.h"
#include "eval/controls.h"
#include "eval/decide.h"
#include "eval/ridge.h"
#include "eval/paired.h"
#include "eval/summary.h"
#include "eval/rank.h"
#include "eval/weighted.h"
#include "shinden/embed.h"
#include "shinden/eval.h"

/* ---- arrays with a known truth ---- */

enum { N = 400, K = 4 };

typedef struct sample { float score[N * K]; uint8_t label[N * K], known[N * K]; double prevalence[K]; } sample;

/** Finding k is positive with probability logistic(2 score + shift); the last one is rare. */
static sample *make_sample(void)
{
    sample *s = shn_alloc(1, sizeof *s);
    shn_rng r = shn_rng_stream(3, 1, 4, 1);
    static const double shift[K] = { 0, -1, 1, -5.5 };
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < K; k++) {
            const double x = shn_rng_normal(&r);
            s->score[i * K + k] = (float)x;
            s->label[i * K + k] = shn_rng_uniform(&r) < 1 / (1 + exp(-(2 * x + shift[k])));
            s->known[i * K + k] = shn_rng_below(&r, 10) > 0;
            if (!s->known[i * K + k]) s->label[i * K + k] = 0;
        }
    for (size_t k = 0; k < K; k++) s->prevalence[k] = k == 3 ? 0.01 : 0.4;
    return s;
}

static shn_scored view(const sample *s, const float *score) { return (shn_scored){ score, s->label, s->known, N, K }; }

static void test_calibration_gives_back_prevalence_and_truth(void **state)
{
    (void)state;
    shn_error       err = { 0 };
    shn_calibration c = { 0 };
    sample *s = make_sample();
    float  *p = shn_alloc(N * K, sizeof *p);
    const shn_scored raw = view(s, s->score);
    assert_true(shn_calibration_alloc(&c, K));
    assert_ok(shn_calibration_fit(&raw, NULL, s->prevalence, &c, &err));
    shn_calibration_apply(&c, s->score, N, K, p);
    size_t n_pos[K];
    for (size_t k = 0; k < K; k++) {
        double sum = 0, n = 0;
        n_pos[k] = 0;
        for (size_t i = 0; i < N; i++) {
            if (!s->known[i * K + k]) continue;
            sum += p[i * K + k];
            n_pos[k] += s->label[i * K + k];
            n++;
        }
        assert_near(sum / n, ((double)n_pos[k] + 0.5) / (n + 1), 1e-6);
        assert_true(c.slope[k] >= 0);
        if (n_pos[k] >= SHN_OWN_FIT_MIN) assert_near(c.slope[k], 2, 0.7);      /* the truth, within some standard errors */
    }
    assert_true(n_pos[3] < SHN_OWN_FIT_MIN && n_pos[3] > 0);
    for (size_t i = 0; i < N * K; i++) s->score[i] = -s->score[i];              /* a score that ranks the wrong way is not turned round */
    assert_ok(shn_calibration_fit(&raw, NULL, s->prevalence, &c, &err));
    for (size_t k = 0; k < K; k++) assert_near(c.slope[k], 0, 1e-9);
    shn_calibration_release(&c);
    free(p);
    free(s);
}

/** The best of each measure over all thresholds, by trying each. */
static shn_f1 brute_force(const shn_scored *p)
{
    shn_f1 best = { 0 };
    for (size_t j = 0; j < p->n * p->K; j++) {
        float threshold[K];
        for (size_t k = 0; k < K; k++) threshold[k] = p->score[j];
        const shn_f1 at = shn_f1_at(p, threshold);
        best.micro = fmax(best.micro, at.micro);
        best.macro = fmax(best.macro, at.macro);
        best.sample = fmax(best.sample, at.sample);
        best.jaccard_sample = fmax(best.jaccard_sample, at.jaccard_sample);
        best.jaccard_micro = fmax(best.jaccard_micro, at.jaccard_micro);
    }
    return best;
}

static void test_thresholds_reach_the_optimum(void **state)
{
    (void)state;
    shn_error       err = { 0 };
    shn_calibration c = { 0 };
    sample *s = make_sample();
    float  *p = shn_alloc(N * K, sizeof *p), threshold[K];
    const shn_scored raw = view(s, s->score), prob = view(s, p);
    assert_true(shn_calibration_alloc(&c, K));
    assert_ok(shn_calibration_fit(&raw, NULL, s->prevalence, &c, &err));
    shn_calibration_apply(&c, s->score, N, K, p);
    const shn_f1 best = brute_force(&prob);
    for (size_t k = 0; k < K; k++) threshold[k] = c.threshold_f1_micro;
    assert_near(shn_f1_at(&prob, threshold).micro, best.micro, 1e-12);
    assert_near(shn_f1_at(&prob, threshold).jaccard_micro, best.jaccard_micro, 1e-12);
    for (size_t k = 0; k < K; k++) threshold[k] = c.threshold_f1_macro;
    assert_near(shn_f1_at(&prob, threshold).macro, best.macro, 1e-12);
    for (size_t k = 0; k < K; k++) threshold[k] = c.threshold_f1_sample;
    assert_near(shn_f1_at(&prob, threshold).sample, best.sample, 1e-12);
    for (size_t k = 0; k < K; k++) threshold[k] = c.threshold_jaccard;
    assert_near(shn_f1_at(&prob, threshold).jaccard_sample, best.jaccard_sample, 1e-12);
    for (size_t k = 0; k < K; k++) {
        size_t called = 0, n = 0;
        for (size_t i = 0; i < N; i++) {
            n += s->known[i * K + k];
            called += s->known[i * K + k] && p[i * K + k] >= c.threshold_prevalence[k];
        }
        assert_near((double)called / (double)n, s->prevalence[k], 0.5 / (double)n + 1e-12);
    }
    for (size_t k = 0; k < 3; k++) {                        /* the others reach their own optimum */
        sample *alone = shn_alloc(1, sizeof *alone);
        *alone = *s;
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < K; j++) alone->known[i * K + j] = s->known[i * K + j] && j == k;
        const shn_scored one = view(alone, p);
        for (size_t j = 0; j < K; j++) threshold[j] = c.threshold[k];
        assert_near(shn_f1_at(&one, threshold).micro, brute_force(&one).micro, 1e-12);
        free(alone);
    }
    assert_true(c.threshold[3] == c.threshold_prevalence[3]);       /* too few positives for one of its own */
    shn_calibration_release(&c);
    free(p);
    free(s);
}

/** Scores so close that probabilities are neighbouring floats, or the same: a middle that rounds down would call one more. */
static void test_thresholds_between_neighbouring_floats(void **state)
{
    (void)state;
    enum { M = 60 };
    shn_error       err = { 0 };
    shn_calibration c = { 0 };
    float   score[M], p[M], threshold[K];
    uint8_t label[M], known[M];
    const double prevalence = 0.5;
    const shn_scored raw = { score, label, known, M, 1 }, prob = { p, label, known, M, 1 };
    size_t  n_close = 0;
    assert_true(shn_calibration_alloc(&c, 1));
    for (uint64_t seed = 0; seed < 100; seed++) {
        shn_rng r = shn_rng_stream(seed, 7, 0, 0);
        for (size_t i = 0; i < M; i++) {
            const uint64_t place = shn_rng_below(&r, 40);
            score[i] = 3e-10f * (float)place;
            label[i] = shn_rng_below(&r, 40) < place;
            known[i] = 1;
        }
        assert_ok(shn_calibration_fit(&raw, NULL, &prevalence, &c, &err));
        shn_calibration_apply(&c, score, M, 1, p);
        const shn_f1 best = brute_force(&prob);
        threshold[0] = c.threshold[0];
        assert_near(shn_f1_at(&prob, threshold).micro, best.micro, 1e-12);
        threshold[0] = c.threshold_f1_micro;
        assert_near(shn_f1_at(&prob, threshold).micro, best.micro, 1e-12);
        threshold[0] = c.threshold_f1_macro;
        assert_near(shn_f1_at(&prob, threshold).macro, best.macro, 1e-12);
        threshold[0] = c.threshold_f1_sample;
        assert_near(shn_f1_at(&prob, threshold).sample, best.sample, 1e-12);
        threshold[0] = c.threshold_jaccard;
        assert_near(shn_f1_at(&prob, threshold).jaccard_sample, best.jaccard_sample, 1e-12);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < M; j++) n_close += nextafterf(p[i], 2) == p[j];
    }
    assert_true(n_close > 1000);                            /* the case was there */
    shn_calibration_release(&c);
}

/** Equal probabilities are called together: the quantile takes what comes nearest, not everything that ties with it. */
static void test_prevalence_quantile_with_ties(void **state)
{
    (void)state;
    static const struct { float score[10]; double prevalence; size_t called; } cases[] = {
        { { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 0.1, 0 },  { { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 0.9, 10 },
        { { 3, 1, 1, 1, 1, 1, 1, 1, 1, 0 }, 0.3, 1 },  { { 3, 1, 1, 1, 1, 1, 1, 1, 1, 0 }, 0.7, 9 },
        { { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 }, 0.3, 3 },  { { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 }, 0, 0 },
        { { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 }, 1, 10 },
    };
    shn_error       err = { 0 };
    shn_calibration c = { 0 };
    const uint8_t   label[10] = { 1, 1, 1, 0, 0, 1, 0, 0, 0, 0 }, known[10] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    float           p[10];
    assert_true(shn_calibration_alloc(&c, 1));
    for (size_t j = 0; j < sizeof cases / sizeof *cases; j++) {
        const shn_scored raw = { cases[j].score, label, known, 10, 1 };
        size_t called = 0;
        assert_ok(shn_calibration_fit(&raw, NULL, &cases[j].prevalence, &c, &err));
        shn_calibration_apply(&c, cases[j].score, 10, 1, p);
        for (size_t i = 0; i < 10; i++) called += p[i] >= c.threshold_prevalence[0];
        if (called != cases[j].called) fail_msg("case %zu: %zu called, %zu expected", j, called, cases[j].called);
    }
    shn_calibration_release(&c);
}

static void test_cross_fitting_never_looks_at_the_fold(void **state)
{
    (void)state;
    shn_error err = { 0 };
    sample   *s = make_sample();
    uint32_t  patient[N];
    uint8_t   fold[N];
    decisions before, after;
    float    *scores[1] = { s->score };
    const shn_readout readout = SHN_READOUT_CLASS;
    for (size_t i = 0; i < N; i++) patient[i] = (uint32_t)(i / 2);
    assert_true(decide_folds(patient, N, N / 2, 1, fold));
    size_t in_fold[DECIDE_FOLDS] = { 0 };
    for (size_t i = 0; i < N; i++) {
        in_fold[fold[i]]++;
        assert_int_equal(fold[i], fold[i & ~(size_t)1]);            /* a patient is never in two folds */
    }
    for (int f = 0; f < DECIDE_FOLDS; f++) assert_int_equal(in_fold[f], N / DECIDE_FOLDS);
    assert_false(decide_folds(patient, N, 4, 1, fold));
    assert_ok(decide_cross_fitted(&readout, scores, 1, s->label, s->known, fold, N, K, s->prevalence, &before, &err));
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < K && fold[i] == 2; k++) s->label[i * K + k] ^= 1;       /* fold 2's labels turned round ... */
    assert_ok(decide_cross_fitted(&readout, scores, 1, s->label, s->known, fold, N, K, s->prevalence, &after, &err));
    size_t n_changed = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < K; k++) {
            if (fold[i] == 2) {                                     /* ... change nothing of its own decisions */
                assert_true(before.probability[i * K + k] == after.probability[i * K + k]);
                assert_true(before.at_label[i * K + k] == after.at_label[i * K + k]);
            } else {
                n_changed += before.probability[i * K + k] != after.probability[i * K + k];
            }
        }
    assert_true(n_changed > N);
    decisions_free(&before);
    decisions_free(&after);
    free(s);
}

static void test_bootstrap_repeats_whatever_the_threads(void **state)
{
    (void)state;
    shn_error err = { 0 };
    sample   *s = make_sample();
    uint32_t  patient[N], n_pos[K] = { 20, 20, 5, 20 };
    uint8_t   specific[K] = { 1, 1, 1, 0 };
    decisions d;
    summary   one, two, other;
    const shn_calibration none = { 0 };
    for (size_t i = 0; i < N; i++) patient[i] = (uint32_t)(i / 4);
    assert_ok(decide_with(&none, s->score, N, K, &d, &err));
    summary_input in = { .n = N, .K = K, .score = d.score, .probability = d.probability, .uncalibrated = d.uncalibrated, .label = s->label,
                         .known = s->known, .at_05 = d.at_05, .at_f1 = d.at_f1, .at_f1_macro = d.at_f1_macro,
                         .at_f1_sample = d.at_f1_sample, .at_jaccard = d.at_jaccard, .at_label = d.at_label,
                         .at_prevalence = d.at_prevalence, .patient = patient, .n_patients = N / 4, .n_pos_train = n_pos,
                         .specific = specific, .n_bootstrap = 200, .seed = 5, .n_threads = 1 };
    assert_ok(summary_make(&in, NULL, &one, &err));
    in.n_threads = 3;
    assert_ok(summary_make(&in, NULL, &two, &err));
    in.seed = 6;
    assert_ok(summary_make(&in, NULL, &other, &err));
    int n_other = 0;
    for (int j = 0; j < METRIC_COUNT; j++) {
        assert_memory_equal(&one.metric[j], &two.metric[j], sizeof one.metric[j]);
        n_other += one.metric[j].low != other.metric[j].low;
        if (!isnan(one.metric[j].low)) assert_true(one.metric[j].low <= one.metric[j].high);
    }
    assert_true(n_other > METRIC_COUNT / 2);
    const shn_scored view_ = { d.score, s->label, s->known, N, K };
    assert_near(one.metric[METRIC_auroc_macro_10].value, shn_auroc_macro(&view_, n_pos, 10), 1e-12);
    assert_near(one.metric[METRIC_top1_specific].value, shn_top_k(&view_, 1, specific), 1e-12);
    assert_true(one.metric[METRIC_auroc_macro].low < one.metric[METRIC_auroc_macro].value &&
                one.metric[METRIC_auroc_macro].high > one.metric[METRIC_auroc_macro].value);
    summary_free(&one);
    summary_free(&two);
    summary_free(&other);
    decisions_free(&d);
    free(s);
}

/** Decisions, probabilities and patients of a sample, ready for a summary; two records per patient. */
typedef struct judged { sample *s; decisions d; uint32_t patient[N], n_pos[K]; uint8_t specific[K]; summary_input in; } judged;

static judged *make_judged(double noise)
{
    shn_error err = { 0 };
    judged   *j = shn_alloc(1, sizeof *j);
    shn_rng   r = shn_rng_stream(77, 0, 0, 0);
    shn_calibration c = { 0 };
    j->s = make_sample();
    for (size_t i = 0; i < N * K; i++) j->s->score[i] = roundf(4 * (j->s->score[i] + (float)(noise * shn_rng_normal(&r)))) / 4;     /* many ties */
    const shn_scored raw = view(j->s, j->s->score);
    assert_true(shn_calibration_alloc(&c, K));
    assert_ok(shn_calibration_fit(&raw, NULL, j->s->prevalence, &c, &err));
    assert_ok(decide_with(&c, j->s->score, N, K, &j->d, &err));
    shn_calibration_release(&c);
    for (size_t i = 0; i < N; i++) j->patient[i] = (uint32_t)(i / 2);
    for (size_t k = 0; k < K; k++) {
        j->n_pos[k] = k == 2 ? 9 : 10;
        j->specific[k] = k != 0;
    }
    j->in = (summary_input){ .n = N, .K = K, .score = j->d.score, .probability = j->d.probability, .uncalibrated = j->d.uncalibrated,
                             .label = j->s->label, .known = j->s->known, .at_05 = j->d.at_05, .at_f1 = j->d.at_f1, .at_f1_macro = j->d.at_f1_macro,
                             .at_f1_sample = j->d.at_f1_sample, .at_jaccard = j->d.at_jaccard,
                             .at_label = j->d.at_label, .at_prevalence = j->d.at_prevalence, .patient = j->patient, .n_patients = N / 2,
                             .n_pos_train = j->n_pos, .specific = j->specific, .n_bootstrap = 300, .seed = 5, .n_threads = 1 };
    return j;
}

static void free_judged(judged *j)
{
    decisions_free(&j->d);
    free(j->s);
    free(j);
}

/** The compact lists against the plain functions over the matrices, with weights as a resample draws them. */
static void test_compact_lists_give_the_same_metrics(void **state)
{
    (void)state;
    shn_error err = { 0 };
    judged   *j = make_judged(0.5);
    weighted  w;
    double    weight[N], metric[METRIC_COUNT], auroc[K], auprc[K];
    uint32_t  order[N];
    const float half[K] = { 0.5f, 0.5f, 0.5f, 0.5f };
    assert_ok(weighted_prepare(&j->in, &w, &err));
    for (uint64_t round = 0; round < 20; round++) {
        shn_rng r = shn_rng_stream(8, round, 0, 0);
        for (size_t i = 0; i < N; i++) weight[i] = round == 0 ? 1 : (double)shn_rng_below(&r, 3);
        weighted_metrics(&w, weight, metric, auroc, auprc);
        const shn_scored scores = view(j->s, j->d.score);
        double macro = 0, macro_10 = 0, n = 0, n_10 = 0;
        for (size_t k = 0; k < K; k++) {
            const size_t m = shn_rank_known(&scores, k, order);
            const double a = shn_auroc_ranked(j->d.score + k, j->s->label + k, K, order, m, weight);
            if (isnan(a)) {
                assert_true(isnan(auroc[k]) && isnan(auprc[k]));
                continue;
            }
            assert_near(auroc[k], a, 1e-12);
            assert_near(auprc[k], shn_average_precision_ranked(j->d.score + k, j->s->label + k, K, order, m, weight), 1e-12);
            macro += a;
            n++;
            macro_10 += j->n_pos[k] >= 10 ? a : 0;
            n_10 += j->n_pos[k] >= 10;
        }
        assert_near(metric[METRIC_auroc_macro], macro / n, 1e-12);
        assert_near(metric[METRIC_auroc_macro_10], macro_10 / n_10, 1e-12);
        const float *const at[7] = { j->d.at_05, j->d.at_f1, j->d.at_jaccard, j->d.at_label, j->d.at_prevalence, j->d.at_f1_macro, j->d.at_f1_sample };
        shn_f1 f[7];
        for (int d = 0; d < 7; d++) {
            const shn_scored called = view(j->s, at[d]);
            f[d] = shn_f1_weighted(&called, half, weight);
        }
        assert_near(metric[METRIC_f1_micro_05], f[0].micro, 1e-12);
        assert_near(metric[METRIC_f1_macro_05], f[0].macro, 1e-12);
        assert_near(metric[METRIC_f1_sample_05], f[0].sample, 1e-12);
        assert_near(metric[METRIC_jaccard_sample_05], f[0].jaccard_sample, 1e-12);
        assert_near(metric[METRIC_f1_micro_tuned], f[1].micro, 1e-12);
        assert_near(metric[METRIC_f1_macro_tuned], f[5].macro, 1e-12);
        assert_near(metric[METRIC_f1_sample_tuned], f[6].sample, 1e-12);
        assert_near(metric[METRIC_jaccard_micro], f[1].jaccard_micro, 1e-12);
        assert_near(metric[METRIC_jaccard_sample], f[2].jaccard_sample, 1e-12);
        assert_near(metric[METRIC_f1_macro_per_label], f[3].macro, 1e-12);
        assert_near(metric[METRIC_f1_micro_prevalence], f[4].micro, 1e-12);
        const shn_scored plain = view(j->s, j->d.uncalibrated), calibrated = view(j->s, j->d.probability);
        assert_near(metric[METRIC_ece_raw], shn_ece_weighted(&plain, weight), 1e-12);
        assert_near(metric[METRIC_ece], shn_ece_weighted(&calibrated, weight), 1e-12);
    }
    for (size_t i = 0; i < N; i++) weight[i] = 0;           /* nobody drawn: nothing defined */
    weighted_metrics(&w, weight, metric, auroc, auprc);
    for (int m = 0; m < METRIC_COUNT; m++) assert_true(isnan(metric[m]));
    weighted_free(&w);
    for (long n = 1; n < 40; n += 3) {
        shn_alloc_fail_after(n);
        const shn_status st = weighted_prepare(&j->in, &w, &err);
        shn_alloc_fail_after(0);
        assert_true(st == SHN_NOMEM || (st == SHN_OK && n > 30));
        weighted_free(&w);
    }
    free_judged(j);
}

static void test_paired_difference(void **state)
{
    (void)state;
    enum { SEEDS = 5 };
    shn_error     err = { 0 };
    judged       *good = make_judged(0), *bad = make_judged(2);
    summary_input a[SEEDS], b[SEEDS];
    paired_value  d[METRIC_COUNT], reverse[METRIC_COUNT];
    for (int s = 0; s < SEEDS; s++) a[s] = b[s] = good->in;
    assert_ok(paired_difference(a, b, SEEDS, NULL, d, &err));       /* a system against itself */
    for (int m = 0; m < METRIC_COUNT; m++) assert_true(d[m].v.value == 0 && d[m].v.low == 0 && d[m].v.high == 0);
    assert_int_equal(paired_judge(&d[0].v, SEEDS), PAIRED_EQUAL);
    assert_int_equal(paired_judge(&d[0].v, SEEDS - 1), PAIRED_UNDECIDED);     /* too few seeds to say equal */

    b[0] = bad->in;
    assert_ok(paired_difference(a, b, 1, NULL, d, &err));
    assert_ok(paired_difference(b, a, 1, NULL, reverse, &err));
    const shn_scored x = view(good->s, good->d.score), y = view(bad->s, bad->d.score);
    const int m = METRIC_auroc_macro;
    assert_near(d[m].v.value, shn_auroc_macro(&x, NULL, 0) - shn_auroc_macro(&y, NULL, 0), 1e-12);
    assert_near(d[m].v.low, -reverse[m].v.high, 1e-12);
    assert_true(d[m].v.low > 0 && d[m].v.low < d[m].v.value && d[m].v.value < d[m].v.high);
    assert_int_equal(paired_judge(&d[m].v, 1), PAIRED_HIGHER);
    assert_int_equal(paired_judge(&reverse[m].v, 1), PAIRED_LOWER);
    assert_true(d[m].p > 0 && d[m].p < 0.05 && d[m].p == reverse[m].p);
    paired_value alone[METRIC_COUNT];
    assert_ok(paired_difference(a, NULL, 1, NULL, alone, &err));    /* a system by itself */
    assert_near(alone[m].v.value, shn_auroc_macro(&x, NULL, 0), 1e-12);
    assert_true(alone[m].v.low < alone[m].v.value && alone[m].v.value < alone[m].v.high + 1e-12);
    paired_value drop[METRIC_COUNT], other[METRIC_COUNT];           /* good at home and bad away against bad at both: the whole difference is a drop */
    assert_ok(paired_drop(a, b, b, b, 1, NULL, drop, &err));
    assert_near(drop[m].v.value, d[m].v.value, 1e-12);
    assert_true(drop[m].v.low > 0 && drop[m].v.low < drop[m].v.value && drop[m].v.value < drop[m].v.high);
    assert_ok(paired_drop(a, NULL, b, NULL, 1, NULL, other, &err));
    assert_near(other[m].v.value, d[m].v.value, 1e-12);             /* the drop of one by itself */
    assert_true(other[m].v.high - other[m].v.low > d[m].v.high - d[m].v.low);       /* other patients at the two places: nothing is paired */
    assert_ok(paired_drop(a, b, a, b, 1, NULL, drop, &err));
    assert_near(drop[m].v.value, 0, 1e-12);
    const double width_one = d[m].v.high - d[m].v.low;

    assert_ok(paired_difference(a, b, SEEDS, NULL, d, &err));       /* one seed of five is bad: the seeds' spread is in the interval */
    assert_near(5 * d[m].v.value, shn_auroc_macro(&x, NULL, 0) - shn_auroc_macro(&y, NULL, 0), 1e-12);
    assert_true(d[m].v.low <= 0 && d[m].v.high > d[m].v.value && d[m].v.high - d[m].v.low > width_one / 5);
    assert_int_equal(paired_judge(&d[m].v, SEEDS), PAIRED_UNDECIDED);

    bad->s->known[1] = 1;                                           /* other truth: no pair */
    bad->s->label[1] = !good->s->label[1];
    assert_status(paired_difference(a, b, SEEDS, NULL, d, &err), SHN_RANGE);
    a[0].n_bootstrap = 0;
    assert_status(paired_difference(a, b, SEEDS, NULL, d, &err), SHN_RANGE);
    free_judged(good);
    free_judged(bad);
}

enum { RN = 40, RF = 3, RK = 3 };

/** X'(X w - y) + penalty w, with x and y centred by the records that know k and are not in fold `without`: 0 at the minimum. */
static void assert_ridge_minimum(const double *x, const uint8_t *label, const uint8_t *known, const uint8_t *fold, int without, size_t k,
                                 double penalty, const double *w)
{
    double n = 0, mean_x[RF] = { 0 }, mean_y = 0;
    for (int i = 0; i < RN; i++) {
        if (!known[i * RK + k] || fold[i] == without) continue;
        n++;
        mean_y += label[i * RK + k];
        for (int f = 0; f < RF; f++) mean_x[f] += x[i * RF + f];
    }
    for (int f = 0; f < RF; f++) {
        double sum = penalty * w[f];
        for (int i = 0; i < RN; i++) {
            if (!known[i * RK + k] || fold[i] == without) continue;
            double residual = mean_y / n - label[i * RK + k];
            for (int g = 0; g < RF; g++) residual += (x[i * RF + g] - mean_x[g] / n) * w[g];
            sum += (x[i * RF + f] - mean_x[f] / n) * residual;
        }
        assert_near(sum, 0, 1e-9);
    }
}

/** Every finding by the records that know it, every left-out score by a fit that did not see the record. */
static void test_ridge_solves_its_equations(void **state)
{
    (void)state;
    shn_error err = { 0 };
    double    x[RN * RF], w[2 * RK * RF], again[2 * RK * RF];
    float     left_out[2 * RN * RK], left_again[2 * RN * RK];
    uint8_t   label[RN * RK], known[RN * RK], fold[RN], one[RN] = { 0 };
    const double penalties[2] = { 0.7, 5 };
    shn_rng   r = shn_rng_stream(9, 0, 0, 0);
    for (int i = 0; i < RN * RF; i++) x[i] = 1 + shn_rng_normal(&r);
    for (int i = 0; i < RN * RK; i++) {
        label[i] = (uint8_t)shn_rng_below(&r, 2);
        known[i] = i % RK == 2 || i / RK < 30;              /* findings 0 and 1 share their records, 2 is known to all */
    }
    for (int i = 0; i < RN; i++) fold[i] = (uint8_t)(i % 4);
    const ridge_data d = { x, label, known, fold, RN, RF, RK, 4 }, whole = { x, label, known, one, RN, RF, RK, 1 };
    assert_ok(ridge_fit(&d, penalties, 2, w, left_out, &err));
    for (size_t p = 0; p < 2; p++)
        for (size_t k = 0; k < RK; k++) assert_ridge_minimum(x, label, known, fold, -1, k, penalties[p], w + (p * RK + k) * RF);

    for (int f = 0; f < 4; f++) {                           /* a fold made unknown: what is fitted then is what was left out */
        uint8_t rest[RN * RK];
        for (int i = 0; i < RN * RK; i++) rest[i] = known[i] && fold[i / RK] != f;
        const ridge_data without = { x, label, rest, one, RN, RF, RK, 1 };
        assert_ok(ridge_fit(&without, penalties, 2, again, left_again, &err));
        for (size_t k = 0; k < RK; k++) assert_ridge_minimum(x, label, known, fold, f, k, 0.7, again + k * RF);
        for (int i = 0; i < 2 * RN * RK; i++)
            if (fold[i / RK % RN] == f) assert_near(left_out[i], left_again[i], 1e-5);
    }

    for (int i = 0; i < RN * RK; i++) label[i] ^= !known[i];        /* labels that are not known change no bit */
    assert_ok(ridge_fit(&d, penalties, 2, again, left_again, &err));
    assert_memory_equal(w, again, sizeof w);
    assert_memory_equal(left_out, left_again, sizeof left_out);
    assert_ok(ridge_fit(&whole, penalties, 2, again, left_again, &err));
    for (int i = 0; i < RN * RK; i++) {                             /* one fold: what is "left out" is the fit itself */
        double applied = 0;
        for (int f = 0; f < RF; f++) applied += x[i / RK * RF + f] * again[i % RK * RF + f];
        assert_near(left_again[i], applied, 1e-5);
    }
    for (int i = 0; i < RN * RK; i++) known[i] = i % RK != 1;       /* a finding that nobody knows */
    assert_ok(ridge_fit(&d, penalties, 2, again, left_again, &err));
    for (int f = 0; f < RF; f++) assert_true(again[RF + f] == 0);
    x[4] = NAN;
    assert_status(ridge_fit(&d, penalties, 2, again, left_again, &err), SHN_RANGE);
    x[4] = 0;
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = ridge_fit(&d, penalties, 2, again, left_again, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
    }
}

/** Features of which each tells something of one finding; findings of very different frequency. */
static evalset make_features(const shn_model *m, uint64_t seed, size_t n, size_t E)
{
    evalset s = { .model = m, .n = n, .K = 3, .n_patients = n };
    static const double shift[3] = { 1.5, -1, -3 };
    shn_rng r = shn_rng_stream(seed, 0, 0, 0);
    s.z = shn_alloc(n * E, sizeof *s.z);
    s.label = shn_alloc(n * 3, 1);
    s.known = shn_alloc(n * 3, 1);
    s.patient = shn_alloc(n, sizeof *s.patient);
    for (size_t i = 0; i < n; i++) {
        s.patient[i] = (uint32_t)i;
        for (size_t e = 0; e < E; e++) s.z[i * E + e] = (float)(50 + 7 * shn_rng_normal(&r));
        for (size_t k = 0; k < 3; k++) {
            s.known[i * 3 + k] = shn_rng_below(&r, 10) > 0;
            s.label[i * 3 + k] = s.known[i * 3 + k] && shn_rng_uniform(&r) < 1 / (1 + exp(-(shift[k] + 2 * (s.z[i * E + k] - 50) / 7)));
        }
    }
    return s;
}

/** The control must not be made weak: its scores rank findings within a record, not only records within a finding. */
static void test_probe_is_on_the_scale_of_log_odds(void **state)
{
    (void)state;
    enum { TRAIN = 600, TEST = 400, PE = 6 };
    shn_error err = { 0 };
    shn_model m = { .input.n_windows = 1 };
    evalset   train = make_features(&m, 1, TRAIN, PE), test = make_features(&m, 2, TEST, PE);
    float    *score = shn_alloc(TEST * 3, sizeof *score), *frequency = shn_alloc(TEST * 3, sizeof *frequency), p[3];
    double    penalty, mean[3] = { 0 }, prevalence[3] = { 0 }, known[3] = { 0 };
    assert_ok(control_linear_probe(&train, &test, PE, score, &penalty, &err));
    for (size_t i = 0; i < TEST; i++)
        for (size_t k = 0; k < 3; k++) {
            p[k] = 1 / (1 + expf(-score[i * 3 + k]));
            mean[k] += test.known[i * 3 + k] ? p[k] : 0;
            prevalence[k] += test.label[i * 3 + k];
            known[k] += test.known[i * 3 + k];
            frequency[i * 3 + k] = (float)(2 - k);
        }
    for (size_t k = 0; k < 3; k++) assert_near(mean[k] / known[k], prevalence[k] / known[k], 0.05);
    const shn_scored probe = { score, test.label, test.known, TEST, 3 }, fixed = { frequency, test.label, test.known, TEST, 3 };
    assert_true(shn_auroc_macro(&probe, NULL, 0) > 0.85);
    assert_true(shn_top_k(&probe, 1, NULL) > shn_top_k(&fixed, 1, NULL) + 0.02);
    train.n = test.n = 3;                                   /* three patients: nothing can be left out, and it says what it can */
    train.n_patients = test.n_patients = 3;
    assert_ok(control_linear_probe(&train, &test, PE, score, &penalty, &err));
    for (size_t i = 0; i < 9; i++) assert_true(isfinite(score[i]));
    train.z[4] = NAN;
    assert_status(control_linear_probe(&train, &test, PE, score, &penalty, &err), SHN_RANGE);
    train.z[4] = 0;
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = control_linear_probe(&train, &test, PE, score, &penalty, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_true(n < 100);
    }
    evalset_close(&train);
    evalset_close(&test);
    free(score);
    free(frequency);
}

/* ---- the whole document ---- */

enum { RECORDS = 60, T = 600, CK = 3 };
static const char *const finding_ids[CK] = { "sinus_rhythm", "complete_left_bundle_branch_block", "zz_only_in_the_cohort" };

static void write_cohort(const char *path, int flip_unknown)
{
    shn_error err = { 0 };
    shn_cohort_writer *w;
    shn_cohort_spec spec = { .path = path, .n_rows = RECORDS, .n_samples = T, .fs_hz = 100, .finding_ids = finding_ids, .n_findings = CK };
    shn_rng r = shn_rng_stream(21, 0, 0, 0);
    static float mv[12][T];
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = 0; i < RECORDS; i++) {
        char id[16], patient[16];
        const int positive = (int)shn_rng_below(&r, 3) == 0;
        const uint8_t known[CK] = { 1, i % 7 != 0, 1 };
        const uint8_t label[CK] = { !positive, known[1] ? (uint8_t)positive : (uint8_t)flip_unknown, 1 };
        for (int l = 0; l < 12; l++)
            for (int t = 0; t < T; t++) mv[l][t] = (positive ? 0.5f : 0.1f) * (float)sin(0.3 * t + l) + 0.05f * (float)shn_rng_normal(&r);
        snprintf(id, sizeof id, "r%zu", i);
        snprintf(patient, sizeof patient, "p%zu", i / 2);
        shn_cohort_row row = { .n_samples = T, .labels = label, .known = known, .id = id, .patient = patient, .age = NAN,
                               .split = i < 20 ? "train" : i < 40 ? "val" : "test" };
        for (int l = 0; l < 12; l++) row.lead_mv[l] = mv[l];
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
}

static shn_model *make_model(void)
{
    shn_error  err = { 0 };
    shn_model *m;
    static const char *const ids[3] = { "complete_left_bundle_branch_block", "sinus_rhythm", "atrial_fibrillation" };
    const shn_encoder_config config = { .n_leads = 12, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = 8 };
    assert_ok(shn_model_new(&config, 3, 0, &m, &err));
    shn_encoder_init(&m->encoder, 5, m->params, m->state);
    strcpy(m->loss, "bce");
    m->input = (shn_input){ .fs_hz = 100, .n_samples = T, .window = 200, .n_windows = 3, .scale_per_mv = 4, .lead_present = 0xfff };
    for (size_t k = 0; k < 3; k++) {
        m->finding_id[k] = shn_strdup(ids[k]);
        m->name_en[k] = shn_strdup(ids[k]);
        m->name_ja[k] = shn_strdup("所見");
        m->codes[k] = shn_strdup("scp:CLBBB;snomed:733534002");
        m->n_pos[k] = 7;
        m->n_known[k] = 20;
        m->flags[k] = k == 0 ? 2 : 1;           /* the first is urgent, the others ubiquitous */
    }
    for (size_t i = 0; i < 24; i++) m->head_weight[i] = (float)sin(1.7 * (double)i);
    m->readouts = 1u << SHN_READOUT_LOGIT;
    m->readout_default = SHN_READOUT_LOGIT;
    return m;
}

static json_t *evaluate(const shn_model *m, const char *cohort, const char *split)
{
    shn_error        err = { 0 };
    shn_cohort      *c;
    shn_engine      *eng;
    shn_engine_options engine;
    shn_eval_options o;
    char            *json;
    shn_engine_defaults(&engine);
    engine.n_threads = 1;
    shn_eval_defaults(&o);
    o.split = split;
    o.n_bootstrap = 50;
    assert_ok(shn_cohort_open(cohort, &c, &err));
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    assert_ok(shn_eval(m, eng, c, &o, &json, &err));
    json_t *doc = json_loads(json, 0, NULL);
    assert_non_null(doc);
    char *text, *csv;
    assert_ok(shn_eval_text(json, &text, &err));
    assert_ok(shn_eval_csv(json, &csv, &err));
    assert_non_null(strstr(text, "Not a medical device"));
    assert_non_null(strstr(csv, "complete_left_bundle_branch_block,"));
    free(text);
    free(csv);
    free(json);
    shn_engine_free(eng);
    shn_cohort_close(c);
    return doc;
}

static void fit(shn_model *m, const char *cohort)
{
    shn_error   err = { 0 };
    shn_cohort *c;
    shn_engine *eng;
    shn_engine_options engine;
    shn_engine_defaults(&engine);
    engine.n_threads = 1;
    assert_ok(shn_cohort_open(cohort, &c, &err));
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    assert_ok(shn_model_fit(m, eng, c, "val", NULL, &err));
    shn_engine_free(eng);
    shn_cohort_close(c);
}

static const char *text_of(json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

static void test_document(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    char       path[SHN_PATH_MAX], flipped[SHN_PATH_MAX];
    const char *folder = test_folder();
    assert_ok(shn_path_join(path, folder, "c.h5", &err));
    write_cohort(path, 0);
    shn_model *m = make_model();
    json_t    *doc = evaluate(m, path, "test");
    assert_non_null(strstr(text_of(doc, "fitted_on"), "nothing"));
    json_decref(doc);
    fit(m, path);
    assert_true(m->calibration[SHN_READOUT_LOGIT].fitted && strlen(m->fitted_records) > 20 * 16);
    doc = evaluate(m, path, "test");
    assert_int_equal(json_integer_value(json_object_get(doc, "schema_version")), 1);
    assert_true(json_is_true(json_object_get(doc, "research_use_only")));
    assert_null(strstr(text_of(doc, "fitted_on"), "cross-fitted"));
    assert_int_equal(json_integer_value(json_object_get(doc, "n_records")), 20);
    assert_int_equal(json_integer_value(json_object_get(doc, "n_patients")), 10);
    assert_int_equal(json_integer_value(json_object_get(doc, "n_findings_shared")), 2);
    assert_int_equal(json_integer_value(json_object_get(doc, "n_findings_cohort_only")), 1);
    assert_int_equal(json_integer_value(json_object_get(doc, "n_findings_model_only")), 1);
    json_t *curve = json_object_get(doc, "top_k_curve");
    assert_int_equal(json_array_size(curve), 3);
    assert_true(json_equal(json_object_get(json_array_get(curve, 0), "top"), json_object_get(json_object_get(json_object_get(doc, "metrics"), "top1"), "value")));
    for (size_t k = 1; k < 3; k++)
        assert_true(json_number_value(json_object_get(json_array_get(curve, k), "top")) >=
                    json_number_value(json_object_get(json_array_get(curve, k - 1), "top")));
    assert_near(json_number_value(json_object_get(json_array_get(curve, 2), "top")), 1, 0);        /* all candidates hold every truth */
    json_t *metrics = json_object_get(doc, "metrics"), *label = json_array_get(json_object_get(doc, "per_label"), 0);
    for (int j = 0; j < METRIC_COUNT; j++) assert_true(json_is_object(json_object_get(metrics, summary_metric_name(j))));
    assert_string_equal(json_string_value(json_array_get(json_object_get(label, "codes"), 1)), "733534002");
    assert_true(json_is_number(json_object_get(label, "auroc")));
    assert_int_equal(json_integer_value(json_object_get(doc, "n_records_in_train")), 0);
    assert_true(json_is_false(json_object_get(label, "fallback")));
    /* a finding that nobody knows here: undefined is null, never 0 */
    json_t *unknown = json_array_get(json_object_get(doc, "per_label"), 2);
    assert_int_equal(json_integer_value(json_object_get(unknown, "n_known")), 0);
    assert_true(json_is_null(json_object_get(unknown, "auroc")) && json_is_null(json_object_get(unknown, "sensitivity")));
    json_t *controls = json_object_get(doc, "controls");
    assert_near(json_number_value(json_object_get(json_object_get(json_object_get(controls, "label_frequency"), "auroc_macro"), "value")), 0.5, 0);
    assert_true(json_is_number(json_object_get(json_object_get(json_object_get(controls, "random_encoder_probe"), "auroc_macro"), "value")));
    /* the cohort's two kinds differ in amplitude, which a ruler sees */
    assert_true(json_number_value(json_object_get(json_object_get(json_object_get(controls, "simple_features_probe"), "auroc_macro"), "value")) > 0.9);

    json_t *own = evaluate(m, path, "val");                 /* the records that it was fitted on */
    assert_non_null(strstr(text_of(own, "fitted_on"), "cross-fitted"));
    json_decref(own);
    json_t *all = evaluate(m, path, "all");
    assert_int_equal(json_integer_value(json_object_get(all, "n_records_in_train")), 20);
    assert_non_null(strstr(text_of(json_object_get(json_object_get(all, "controls"), "random_encoder_probe"), "what"), "optimistic"));
    json_decref(all);

    assert_ok(shn_path_join(flipped, folder, "d.h5", &err));        /* labels that are not known, the other way round */
    write_cohort(flipped, 1);
    shn_model *m2 = make_model();
    fit(m2, flipped);
    json_t *doc2 = evaluate(m2, flipped, "test");
    json_object_del(doc, "cohort");
    json_object_del(doc2, "cohort");
    assert_true(json_equal(doc, doc2));
    json_decref(doc);
    json_decref(doc2);
    shn_model_free(m);
    shn_model_free(m2);
}

static void test_what_does_not_fit_is_refused(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX], *json;
    shn_cohort *c;
    shn_engine *eng;
    shn_engine_options engine;
    shn_eval_options   o;
    assert_ok(shn_path_join(path, test_folder(), "c.h5", &err));
    write_cohort(path, 0);
    shn_model *m = make_model();
    shn_engine_defaults(&engine);
    shn_eval_defaults(&o);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    o.split = "nowhere";
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_RANGE);
    assert_int_equal(err.reason, SHN_REASON_NO_SPLIT);
    o.split = "test";
    o.readout = SHN_READOUT_MARGINAL;
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_MISMATCH);
    o.readout = SHN_READOUT_COUNT;
    m->fitted_records = shn_strdup("[\"0123");             /* cut: what it was fitted on is not known, so nothing can be called honest */
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_FORMAT);
    free(m->fitted_records);
    m->fitted_records = NULL;
    m->input.fs_hz = 500;
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_MISMATCH);
    assert_int_equal(err.reason, SHN_REASON_FS_MISMATCH);
    m->input.fs_hz = 100;
    for (size_t k = 0; k < 3; k++) m->finding_id[k][0] = 'X';
    assert_status(shn_eval(m, eng, c, &o, &json, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "no finding in common"));
    assert_status(shn_eval_text("{}", &json, &err), SHN_FORMAT);
    shn_engine_free(eng);
    shn_cohort_close(c);
    shn_model_free(m);
}

/** Every allocation of an evaluation with controls fails in turn: an error, no document, nothing lost (the sanitizers look on). */
static void test_no_memory(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX], *json;
    shn_cohort *c;
    shn_engine *eng;
    shn_engine_options engine;
    shn_eval_options   o;
    size_t n_failed = 0;
    assert_ok(shn_path_join(path, test_folder(), "c.h5", &err));
    write_cohort(path, 0);
    shn_model *m = make_model();
    shn_engine_defaults(&engine);
    engine.n_threads = 1;
    shn_eval_defaults(&o);
    o.split = "test";
    o.n_bootstrap = 3;
    o.n_threads = 1;
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    for (long n = 1;; n++) {                                /* fitting: all or nothing, no hashes without their thresholds */
        shn_alloc_fail_after(n);
        const shn_status st = shn_model_fit(m, eng, c, "val", NULL, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_true(!m->fitted_records || !*m->fitted_records);
        n_failed++;
    }
    assert_true(n_failed > 10);
    n_failed = 0;
    o.split = "val";                                        /* cross-fitted */
    for (long n = 1;; n++) {
        memset(&err, 'x', sizeof err);                      /* what an earlier failure left there is no news */
        shn_alloc_fail_after(n);
        const shn_status st = shn_eval(m, eng, c, &o, &json, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_int_equal(err.status, SHN_NOMEM);
        assert_null(json);
        n_failed++;
    }
    assert_true(n_failed > 50);
    assert_int_equal(json[0], '{');
    free(json);
    shn_engine_free(eng);
    shn_cohort_close(c);
    shn_model_free(m);
}

/** A folder's name need not be UTF-8, JSON must be. */
static void test_path_that_is_not_utf8(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    char       path[SHN_PATH_MAX];
    shn_model *m = make_model();
    assert_ok(shn_path_join(path, test_folder(), "c\xE9.h5", &err));
    write_cohort(path, 0);
    json_t *doc = evaluate(m, path, "test");
    assert_non_null(strstr(text_of(doc, "cohort"), "c\xEF\xBF\xBD.h5"));
    json_decref(doc);
    shn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calibration_gives_back_prevalence_and_truth),
        cmocka_unit_test(test_thresholds_reach_the_optimum),
        cmocka_unit_test(test_thresholds_between_neighbouring_floats),
        cmocka_unit_test(test_prevalence_quantile_with_ties),
        cmocka_unit_test(test_cross_fitting_never_looks_at_the_fold),
        cmocka_unit_test(test_bootstrap_repeats_whatever_the_threads),
        cmocka_unit_test(test_compact_lists_give_the_same_metrics),
        cmocka_unit_test(test_paired_difference),
        cmocka_unit_test(test_ridge_solves_its_equations),
        cmocka_unit_test(test_probe_is_on_the_scale_of_log_odds),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_what_does_not_fit_is_refused),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_path_that_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
