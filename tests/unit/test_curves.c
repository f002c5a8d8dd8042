/** Curves against values by hand, against the metrics that they draw, and with seeds and weights that must cancel. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "eval/curves.h"
#include "shinden/metrics.h"

enum { N = 60, K = 6 };

typedef struct made { float score[N * K], probability[N * K]; uint8_t label[N * K], known[N * K], specific[K]; uint32_t patient[N], n_pos_train[K]; } made;

static summary_input input_of(const made *m)
{
    return (summary_input){ .n = N, .K = K, .score = m->score, .probability = m->probability, .uncalibrated = m->probability, .label = m->label, .known = m->known,
                            .at_05 = m->score, .at_f1 = m->score, .at_f1_macro = m->score, .at_f1_sample = m->score, .at_jaccard = m->score, .at_label = m->score,
                            .at_prevalence = m->score, .patient = m->patient, .n_patients = N / 2, .n_pos_train = m->n_pos_train, .specific = m->specific, .n_bootstrap = 200, .seed = 1,
                            .n_threads = 1 };
}

static void make(made *m, uint64_t seed)
{
    shn_rng r = shn_rng_stream(seed, 1, 2, 3), labels = shn_rng_stream(1, 1, 2, 3);
    for (size_t i = 0; i < N; i++) {
        m->patient[i] = (uint32_t)(i / 2);
        for (size_t k = 0; k < K; k++) {
            const size_t at = i * K + k;
            m->label[at] = shn_rng_uniform(&labels) < 0.1 * (double)(k + 2);
            m->known[at] = shn_rng_uniform(&labels) < 0.9;
            m->score[at] = (float)(m->label[at] + floor(4 * shn_rng_normal(&r)) / 4);       /* ties */
            m->probability[at] = 1 / (1 + expf(-m->score[at]));
        }
    }
    for (size_t k = 0; k < K; k++) {
        m->specific[k] = k != 0;
        m->n_pos_train[k] = (uint32_t)(k == 5 ? 3 : 40 - k);        /* the last is too rare for the macro curves */
    }
}

/** Four records, one finding, scores 4 3 2 1, labels 1 0 1 0: the ROC goes (0, 0.5), (0.5, 0.5 to 1), (1, 1). */
static void test_by_hand(void **state)
{
    (void)state;
    shn_error err = { 0 };
    const float    score[4] = { 4, 3, 2, 1 }, p[4] = { 0.95f, 0.94f, 0.1f, 0.05f };
    const uint8_t  label[4] = { 1, 0, 1, 0 }, known[4] = { 1, 1, 1, 1 }, specific[1] = { 1 };
    const uint32_t patient[4] = { 0, 1, 2, 3 }, n_pos[1] = { 12 };
    curves c;
    const summary_input in = { .n = 4, .K = 1, .score = score, .probability = p, .label = label, .known = known, .patient = patient, .n_patients = 4, .n_pos_train = n_pos,
                               .specific = specific, .n_bootstrap = 100, .seed = 1, .n_threads = 1 };
    assert_ok(curves_make(&in, 1, NULL, &c, &err));
    assert_int_equal(c.n_findings, 1);
    assert_near(c.roc[0].y, 0.5, 1e-12);
    assert_near(c.roc[(CURVES_GRID - 1) / 4].y, 0.5, 1e-12);
    assert_near(c.roc[(CURVES_GRID - 1) / 2].y, 1, 1e-12);          /* the top of the vertical piece */
    assert_near(c.roc[CURVES_GRID - 1].y, 1, 1e-12);
    assert_near(c.pr[0].y, 1, 1e-12);
    assert_near(c.pr[(CURVES_GRID - 1) / 2].y, 1, 1e-12);           /* recall 0.5 is reached by the first record */
    assert_near(c.pr[(CURVES_GRID - 1) / 2 + 1].y, 2.0 / 3, 1e-12);
    assert_near(c.pr[CURVES_GRID - 1].y, 2.0 / 3, 1e-12);
    assert_near(c.reliability[14].y, 0.5, 1e-12);
    assert_near(c.reliability[14].x, 0.945, 1e-6);
    assert_near(c.share[14], 0.5, 1e-12);
    assert_near(c.share[0], 0.25, 1e-12);
    assert_near(c.reliability[0].y, 0, 0);
    assert_true(isnan(c.reliability[7].y));
    assert_int_equal(c.n_top, 1);
    assert_near(c.top[0].y, 1, 0);                                  /* the only candidate is the first */
    assert_int_equal(c.n_lists, 1);
}

static void test_what_the_metrics_say(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made      m;
    curves    c;
    double    area = 0;
    make(&m, 7);
    const summary_input in = input_of(&m);
    assert_ok(curves_make(&in, 1, NULL, &c, &err));
    assert_int_equal(c.n_findings, 5);
    for (size_t g = 1; g < CURVES_GRID; g++) area += (c.roc[g].y + c.roc[g - 1].y) / 2 / (CURVES_GRID - 1);
    const shn_scored view = { m.score, m.label, m.known, N, K };
    assert_near(area, shn_auroc_macro(&view, m.n_pos_train, 10), 0.003);        /* a grid of 51 */
    assert_near(c.top[0].y, shn_top_k(&view, 1, NULL), 1e-12);
    assert_near(c.top[2].y, shn_top_k(&view, 3, NULL), 1e-12);
    assert_near(c.top_specific[1].y, shn_top_k(&view, 2, m.specific), 1e-12);
    const uint8_t two[K] = { 1, 1 };
    assert_near(c.list_top1[0].x, 2, 0);
    assert_near(c.list_top1[0].y, shn_top_k(&view, 1, two), 1e-12);
    assert_near(c.list_top1[c.n_lists - 1].y, c.top[0].y, 1e-12);               /* all candidates */
    assert_near(c.list_top5[c.n_lists - 1].y, c.top[4].y, 1e-12);
    double ece = 0;
    for (int b = 0; b < CURVES_BINS; b++)
        if (!isnan(c.reliability[b].y)) ece += c.share[b] * fabs(c.reliability[b].y - c.reliability[b].x);
    const shn_scored calibrated = { m.probability, m.label, m.known, N, K };
    assert_near(ece, shn_ece(&calibrated), 1e-9);
    for (size_t g = 0; g + 1 < CURVES_GRID; g++) assert_true(c.roc[g].low <= c.roc[g].y + 1e-9 && c.roc[g].y <= c.roc[g].high + 1e-9 && c.roc[g].y <= c.roc[g + 1].y + 1e-12);
    assert_true(c.top[0].low < c.top[0].y && c.top[0].y < c.top[0].high);
}

/** The mean over seeds is the mean of the seeds' curves; equal seeds change nothing. */
static void test_seeds(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made      m[2];
    curves    a, b, both, twice;
    make(&m[0], 7);
    make(&m[1], 8);
    const summary_input in[2] = { input_of(&m[0]), input_of(&m[1]) }, same[2] = { in[0], in[0] };
    assert_ok(curves_make(&in[0], 1, NULL, &a, &err));
    assert_ok(curves_make(&in[1], 1, NULL, &b, &err));
    assert_ok(curves_make(in, 2, NULL, &both, &err));
    assert_ok(curves_make(same, 2, NULL, &twice, &err));
    for (size_t g = 0; g < CURVES_GRID; g++) {
        assert_near(both.roc[g].y, (a.roc[g].y + b.roc[g].y) / 2, 1e-12);
        assert_near(twice.pr[g].y, a.pr[g].y, 1e-12);
    }
    assert_near(both.top[0].y, (a.top[0].y + b.top[0].y) / 2, 1e-12);
    assert_near(twice.roc[10].low, a.roc[10].low, 1e-12);           /* patients are drawn the same way whatever the seeds */
}

/** Findings that training never saw: all that can be ranked make the macro curve. */
static void test_left_out_findings(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made      m;
    curves    c;
    make(&m, 7);
    memset(m.n_pos_train, 0, sizeof m.n_pos_train);
    const summary_input in = input_of(&m);
    assert_ok(curves_make(&in, 1, NULL, &c, &err));
    assert_int_equal(c.n_findings, K);
}

static void test_no_memory(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made      m;
    curves    c;
    make(&m, 7);
    const summary_input in = input_of(&m);
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = curves_make(&in, 1, NULL, &c, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 8);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_by_hand), cmocka_unit_test(test_what_the_metrics_say), cmocka_unit_test(test_seeds),
                                        cmocka_unit_test(test_left_out_findings), cmocka_unit_test(test_no_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
