/** Calibration, thresholds, cross-fitting, bootstrap, compact lists and paired differences on arrays with a known truth. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "eval/decide.h"
#include "eval/paired.h"
#include "eval/rank.h"
#include "eval/weighted.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
