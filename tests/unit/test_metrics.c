/** Metrics against scikit-learn's golden values, and what scikit-learn does not define against plain counting. */
#include "harness.h"

#include <math.h>

#include "base/random.h"
#include "eval/rank.h"
#include "shinden/metrics.h"

enum { CELLS_MAX = 600, N_MAX = 100 };

typedef struct fixture { float score[CELLS_MAX]; uint8_t label[CELLS_MAX], known[CELLS_MAX]; size_t n, K; } fixture;

static shn_scored view(const fixture *f) { return (shn_scored){ f->score, f->label, f->known, f->n, f->K }; }

static void read_case(FILE *golden, const char *line, fixture *f)
{
    assert_int_equal(sscanf(line, "case %zu %zu", &f->n, &f->K), 2);
    assert_true(f->n <= N_MAX && f->n * f->K <= CELLS_MAX);
    for (size_t at = 0; at < f->n * f->K; at++) {
        int label, known;
        assert_int_equal(fscanf(golden, " %f:%d:%d", &f->score[at], &label, &known), 3);
        f->label[at] = (uint8_t)(known ? label : (int)(at % 2));       /* what is not known must not matter */
        f->known[at] = (uint8_t)known;
    }
}

static void same(const char *name, double got, double expected)
{
    if (isnan(expected) ? !isnan(got) : !(fabs(got - expected) <= 1e-9)) fail_msg("%s: %.12g, scikit-learn %.12g", name, got, expected);
}

static void check_line(const fixture *f, const char *line)
{
    const shn_scored s = view(f);
    float    threshold[8];
    uint32_t order[N_MAX];
    char     name[32], text[64], text2[64];
    size_t   k;
    for (size_t i = 0; i < 8; i++) threshold[i] = 0.25f;
    const shn_f1 f1 = shn_f1_at(&s, threshold);
    if (sscanf(line, "column %zu %63s %63s", &k, text, text2) == 3) {
        const size_t n = shn_rank_known(&s, k, order);
        same("auroc", shn_auroc_ranked(f->score + k, f->label + k, f->K, order, n, NULL), strtod(text, NULL));
        same("average precision", shn_average_precision_ranked(f->score + k, f->label + k, f->K, order, n, NULL), strtod(text2, NULL));
        return;
    }
    assert_int_equal(sscanf(line, "%31s %63s", name, text), 2);
    const double got = strcmp(name, "auroc_macro") == 0   ? shn_auroc_macro(&s, NULL, 0)
                       : strcmp(name, "auprc_macro") == 0 ? shn_auprc_macro(&s, NULL, 0)
                       : strcmp(name, "f1_micro") == 0    ? f1.micro
                       : strcmp(name, "f1_macro") == 0    ? f1.macro
                       : strcmp(name, "f1_sample") == 0   ? f1.sample
                       : strcmp(name, "jaccard_micro") == 0  ? f1.jaccard_micro
                       : strcmp(name, "jaccard_sample") == 0 ? f1.jaccard_sample : 99;
    same(name, got, strtod(text, NULL));
}

static void test_equal_scikit_learn(void **state)
{
    (void)state;
    static fixture f;
    char  line[256];
    int   n_cases = 0, n_values = 0;
    FILE *golden = fopen(SHN_TESTS_DIR "/golden/metrics_sklearn.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        if (line[0] == '#' || line[0] == '\n') continue;
        if (strncmp(line, "case", 4) == 0) {
            read_case(golden, line, &f);
            n_cases++;
        } else {
            check_line(&f, line);
            n_values++;
        }
    }
    fclose(golden);
    assert_int_equal(n_cases, 8);
    assert_true(n_values > 80);
}

static void test_top_k(void **state)
{
    (void)state;
    /* record 0: findings 2 > 0 > 1 > 3, truth 1; record 1: ties, truth 0 and 3; record 2: nothing; record 3: its only finding unknown */
    const float   score[16] = { 3, 2, 4, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 3, 2, 1 };
    const uint8_t label[16] = { 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0 };
    const uint8_t known[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1 };
    const uint8_t not_two[4] = { 1, 1, 0, 1 };
    const shn_scored s = { score, label, known, 4, 4 };
    double out[4];
    assert_near(shn_top_k(&s, 1, NULL), 0.5, 0);
    assert_near(shn_top_k(&s, 3, NULL), 1, 0);
    assert_near(shn_top_k(&s, 2, NULL), 0.5, 0);
    assert_near(shn_top_k(&s, 2, not_two), 1, 0);
    assert_near(shn_recall_at_k(&s, 3, NULL), (1 + 0.5) / 2, 1e-12);
    shn_top_k_per_finding(&s, 1, out);
    assert_near(out[0], 1, 0);
    assert_near(out[1], 0, 0);
    assert_true(isnan(out[2]));
    assert_near(out[3], 0, 0);
}

static void test_ece_by_hand(void **state)
{
    (void)state;
    /* one bin (1/15 .. 2/15): mean confidence 0.1, half positive; one value at exactly 1 goes to the last bin */
    const float   p[4] = { 0.09f, 0.11f, 1.0f, 0.5f };
    const uint8_t label[4] = { 1, 0, 1, 0 }, known[4] = { 1, 1, 1, 0 };
    const shn_scored s = { p, label, known, 4, 1 };
    assert_near(shn_ece(&s), (fabs(0.2 - 1) + 0) / 3, 1e-7);
}

static void test_weights_repeat_records(void **state)
{
    (void)state;
    enum { N = 30, K = 3 };
    static fixture f, doubled;
    double   weight[N];
    uint32_t order[N_MAX], order2[N_MAX];
    float    threshold[K] = { 0.3f, 0.5f, 0.7f };
    shn_rng  r = shn_rng_stream(1, 2, 3, 4);
    f.n = N;
    f.K = doubled.K = K;
    for (size_t i = 0; i < N; i++) {
        weight[i] = (double)shn_rng_below(&r, 3);
        for (size_t k = 0; k < K; k++) {
            f.score[i * K + k] = (float)shn_rng_below(&r, 10) / 10;
            f.label[i * K + k] = (uint8_t)shn_rng_below(&r, 2);
            f.known[i * K + k] = shn_rng_below(&r, 5) > 0;
        }
        for (int copy = 0; copy < (int)weight[i]; copy++, doubled.n++)
            for (size_t k = 0; k < K; k++) {
                doubled.score[doubled.n * K + k] = f.score[i * K + k];
                doubled.label[doubled.n * K + k] = f.label[i * K + k];
                doubled.known[doubled.n * K + k] = f.known[i * K + k];
            }
    }
    const shn_scored s = view(&f), d = view(&doubled);
    for (size_t k = 0; k < K; k++) {
        const size_t n = shn_rank_known(&s, k, order), n2 = shn_rank_known(&d, k, order2);
        assert_near(shn_auroc_ranked(f.score + k, f.label + k, K, order, n, weight),
                    shn_auroc_ranked(doubled.score + k, doubled.label + k, K, order2, n2, NULL), 1e-12);
        assert_near(shn_average_precision_ranked(f.score + k, f.label + k, K, order, n, weight),
                    shn_average_precision_ranked(doubled.score + k, doubled.label + k, K, order2, n2, NULL), 1e-12);
    }
    const shn_f1 a = shn_f1_weighted(&s, threshold, weight), b = shn_f1_at(&d, threshold);
    assert_near(a.micro, b.micro, 1e-12);
    assert_near(a.macro, b.macro, 1e-12);
    assert_near(a.sample, b.sample, 1e-12);
    assert_near(a.jaccard_sample, b.jaccard_sample, 1e-12);
    assert_near(shn_ece_weighted(&s, weight), shn_ece(&d), 1e-12);
}

static void test_undefined_is_nan(void **state)
{
    (void)state;
    const float   score[3] = { 1, 2, 3 };
    const uint8_t none[3] = { 0, 0, 0 }, all[3] = { 1, 1, 1 };
    uint32_t order[3];
    assert_true(isnan(shn_auroc(score, none, 3, order)) && isnan(shn_auroc(score, all, 3, order)));
    assert_true(isnan(shn_average_precision(score, none, 3, order)));
    assert_near(shn_average_precision(score, all, 3, order), 1, 0);
    const shn_scored s = { score, all, none, 3, 1 };                /* nothing is known */
    const float threshold = 2;
    assert_true(isnan(shn_auroc_macro(&s, NULL, 0)) && isnan(shn_f1_at(&s, &threshold).micro) && isnan(shn_top_k(&s, 1, NULL)));
    assert_near(shn_f1_at(&s, &threshold).sample, 1, 0);            /* empty against empty */
}

/** A score that is no number must not hang the loop over equal scores. */
static void test_nan_scores_end(void **state)
{
    (void)state;
    const float   score[4] = { 1, NAN, NAN, 0 };
    const uint8_t label[4] = { 1, 0, 1, 0 };
    uint32_t order[4];
    const double auroc = shn_auroc(score, label, 4, order), ap = shn_average_precision(score, label, 4, order);
    assert_true(auroc >= 0 && auroc <= 1 && ap > 0 && ap <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_scikit_learn), cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_ece_by_hand),        cmocka_unit_test(test_weights_repeat_records),
        cmocka_unit_test(test_undefined_is_nan),     cmocka_unit_test(test_nan_scores_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
