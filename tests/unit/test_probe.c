/** The linear probe among the controls: ridge regression solves its equations, its scores are log-odds. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "eval/controls.h"
#include "eval/ridge.h"

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
    assert_non_null(strstr(err.text, "a feature is not finite"));   /* an encoder's or a ruler's: it does not know which */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ridge_solves_its_equations),
        cmocka_unit_test(test_probe_is_on_the_scale_of_log_odds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
