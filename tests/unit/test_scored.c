/** Matrices of judgements: columns by name, folds one below the other, left-out groups side by side, what several have in common. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "experiment/cases.h"
#include "experiment/scored.h"
#include "shinden/findings.h"
#include "shinden/metrics.h"

/** A judgement of n records and the findings named; score = 10 record + column (plus base), labels where (record + column) is even. */
typedef struct made { judged j; shn_model m; char *ids[8]; uint32_t n_pos[8], patient[8]; uint8_t label[64], known[64], specific[8]; float layer[10][64]; } made;

static made *make(size_t n, const char *const *ids, size_t K, float base, uint32_t n_pos)
{
    made *t = calloc(1, sizeof *t);
    decisions *d = &t->j.decided;
    float **const layers[10] = { &d->score, &d->probability, &d->uncalibrated, &d->at_05, &d->at_f1, &d->at_f1_macro, &d->at_f1_sample, &d->at_jaccard, &d->at_label, &d->at_prevalence };
    for (size_t k = 0; k < K; k++) {
        t->ids[k] = (char *)ids[k];
        t->n_pos[k] = n_pos + (uint32_t)k;
        t->specific[k] = k > 0;
    }
    t->m = (shn_model){ .K = K, .finding_id = t->ids, .n_pos = t->n_pos };
    for (size_t i = 0; i < n; i++) {
        t->patient[i] = (uint32_t)(i / 2);
        for (size_t k = 0; k < K; k++) {
            const size_t at = i * K + k;
            t->label[at] = (i + k) % 2 == 0;
            t->known[at] = 1;
            for (int l = 0; l < 10; l++) t->layer[l][at] = base + 10 * (float)i + (float)k + 100 * (float)l;
        }
    }
    for (int l = 0; l < 10; l++) *layers[l] = t->layer[l];
    t->j.set = (evalset){ .model = &t->m, .n = n, .K = K, .label = t->label, .known = t->known, .patient = t->patient, .n_patients = (n + 1) / 2 };
    t->j.specific = t->specific;
    t->j.o = (shn_eval_options){ .n_bootstrap = 100, .seed = 1 };
    strcpy(t->j.fitted_on, "val");
    return t;
}

static const char *const abc[] = { "a", "b", "c" }, *const bca[] = { "b", "c", "a" }, *const cd[] = { "c", "d" };

static void test_take(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made     *t = make(4, abc, 3, 0, 5);
    xp_scored s;
    const char *const wanted[] = { "c", "x", "a" };
    assert_ok(xp_scored_take(&t->j, wanted, 3, &s, &err));
    assert_int_equal(s.K, 2);
    assert_string_equal(s.finding[0], "c");
    assert_near(s.layer[0][1 * 2 + 0], 12, 0);              /* record 1, column c */
    assert_near(s.layer[9][1 * 2 + 1], 910, 0);             /* record 1, column a, last layer */
    assert_int_equal(s.label[1 * 2 + 1], 0);
    assert_int_equal(s.n_pos_train[0], 7);
    assert_int_equal(s.specific[1], 0);
    assert_near(s.top1[0], 1, 0);                           /* c scores highest in every record */
    assert_near(s.top1[1], 0, 0);                           /* a is never first of the full list, though the list here is shorter */
    const summary_input in = xp_scored_input(&s);
    assert_true(in.n == 4 && in.K == 2 && in.at_prevalence == s.layer[9] && in.n_bootstrap == 100 && in.n_patients == 2);
    xp_scored_free(&s);
    assert_status(xp_scored_take(&t->j, wanted + 1, 1, &s, &err), SHN_MISMATCH);
    xp_scored_free(&s);
    free(t);
}

static void test_rows(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made     *one = make(4, abc, 3, 0, 5), *two = make(3, abc, 3, 1000, 2), *other = make(3, cd, 2, 0, 2);
    xp_scored s = { 0 }, part;
    assert_ok(xp_scored_take(&one->j, abc, 3, &part, &err));
    assert_ok(xp_scored_add_rows(&s, &part, &err));
    xp_scored_free(&part);
    assert_ok(xp_scored_take(&two->j, abc, 3, &part, &err));
    assert_ok(xp_scored_add_rows(&s, &part, &err));
    xp_scored_free(&part);
    assert_int_equal(s.n, 7);
    assert_int_equal(s.n_patients, 4);
    assert_int_equal(s.patient[4], 2);                      /* another fold, other patients */
    assert_near(s.layer[0][5 * 3 + 2], 1012, 0);
    assert_int_equal(s.n_pos_train[0], 2);                  /* the fold that had fewest */
    assert_true(s.ranked_together);
    assert_ok(xp_scored_take(&other->j, cd, 2, &part, &err));
    assert_status(xp_scored_add_rows(&s, &part, &err), SHN_MISMATCH);
    assert_int_equal(s.n, 7);                               /* as it was */
    xp_scored_free(&part);
    xp_scored_free(&s);
    free(one);
    free(two);
    free(other);
}

/** Constants that lie lower where more positives are held out would rank below chance; levelled they rank at chance, and what differs within a fold keeps its order. */
static void test_level(void **state)
{
    (void)state;
    shn_error    err = { 0 };
    made        *one = make(4, abc, 3, 0, 5), *two = make(4, abc, 3, 0, 5);
    xp_scored    s = { 0 }, part;
    const size_t start[2] = { 0, 4 };
    uint32_t     order[8];
    float        score[8];
    uint8_t      label[8];
    for (size_t i = 0; i < 4; i++) {
        one->layer[0][i * 3] = -3.1f;                       /* a: constant, lower in the fold with three positives */
        two->layer[0][i * 3] = -2.3f;
        one->label[i * 3] = i < 3;
        two->label[i * 3] = i < 1;
    }
    one->known[3 * 3 + 1] = 0;                              /* b: what is not known has no say in the mean */
    one->layer[0][3 * 3 + 1] = 1e6f;
    for (int f = 0; f < 2; f++) {
        assert_ok(xp_scored_take(&(f ? two : one)->j, abc, 3, &part, &err));
        assert_ok(xp_scored_add_rows(&s, &part, &err));
        xp_scored_free(&part);
    }
    for (size_t i = 0; i < 8; i++) {
        score[i] = s.layer[0][i * 3];
        label[i] = s.label[i * 3];
    }
    assert_near(shn_auroc(score, label, 8, order), 0.25, 1e-12);
    xp_scored_level(&s, start, 2);
    for (size_t i = 0; i < 8; i++) score[i] = s.layer[0][i * 3];
    assert_near(shn_auroc(score, label, 8, order), 0.5, 1e-12);
    assert_near(score[0], -2.7, 1e-6);                      /* the mean over all stays */
    assert_near(s.layer[0][1 * 3 + 1] - s.layer[0][0 * 3 + 1], 10, 1e-4);
    assert_near(s.layer[0][0 * 3 + 1] - s.layer[0][4 * 3 + 1], 5, 1e-4);        /* b: means 11 of three records and 16 of four are brought together */
    xp_scored_free(&s);
    free(one);
    free(two);
}

static void test_columns(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made     *one = make(4, abc, 3, 0, 5), *two = make(4, cd, 2, 50, 0), *fewer = make(3, cd, 2, 0, 0);
    xp_scored s = { 0 }, part;
    assert_ok(xp_scored_take(&one->j, abc, 2, &part, &err));
    assert_ok(xp_scored_add_columns(&s, &part, &err));
    xp_scored_free(&part);
    assert_ok(xp_scored_take(&two->j, cd, 2, &part, &err));
    assert_ok(xp_scored_add_columns(&s, &part, &err));
    assert_status(xp_scored_add_columns(&s, &part, &err), SHN_MISMATCH);        /* c stands there already */
    xp_scored_free(&part);
    assert_int_equal(s.K, 4);
    assert_string_equal(s.finding[3], "d");
    assert_near(s.layer[0][2 * 4 + 3], 71, 0);
    assert_false(s.ranked_together);                        /* two models: ranking columns against each other means nothing */
    assert_ok(xp_scored_take(&fewer->j, cd, 2, &part, &err));
    assert_status(xp_scored_add_columns(&s, &part, &err), SHN_MISMATCH);
    xp_scored_free(&part);
    const uint8_t keep[4] = { 0, 1, 0, 1 }, none[4] = { 0 };
    assert_ok(xp_scored_keep(&s, keep, &err));
    assert_int_equal(s.K, 2);
    assert_string_equal(s.finding[0], "b");
    assert_near(s.layer[0][2 * 2 + 1], 71, 0);
    assert_status(xp_scored_keep(&s, none, &err), SHN_MISMATCH);
    xp_scored_free(&s);
    free(one);
    free(two);
    free(fewer);
}

static void test_common(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made     *one = make(4, abc, 3, 0, 5), *two = make(4, bca, 3, 0, 9), *far = make(4, cd + 1, 1, 0, 0);
    xp_scored a, b, c, *const both[] = { &a, &b }, *const all[] = { &a, &b, &c };
    assert_ok(xp_scored_take(&one->j, abc + 1, 2, &a, &err));       /* b c */
    assert_ok(xp_scored_take(&two->j, bca, 3, &b, &err));           /* b c a, in that order */
    assert_ok(xp_scored_take(&far->j, cd + 1, 1, &c, &err));
    assert_ok(xp_scored_common(both, 2, &err));
    assert_int_equal(a.K, 2);
    assert_int_equal(b.K, 2);
    assert_string_equal(b.finding[1], "c");
    assert_near(b.layer[0][3 * 2 + 1], 31, 0);                      /* c was the second column there */
    assert_int_equal(b.n_pos_train[0], 6);                          /* the least of 6 and 9 */
    assert_int_equal(a.n_pos_train[0], 6);
    assert_status(xp_scored_common(all, 3, &err), SHN_MISMATCH);
    xp_scored_free(&a);
    xp_scored_free(&b);
    xp_scored_free(&c);
    free(one);
    free(two);
    free(far);
}

static void test_reorder(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made     *one = make(2, abc, 3, 0, 5), *two = make(2, bca, 3, 0, 5);
    xp_scored a, b, *const both[] = { &a, &b };
    assert_ok(xp_scored_take(&one->j, abc, 3, &a, &err));
    assert_ok(xp_scored_take(&two->j, bca, 3, &b, &err));
    assert_ok(xp_scored_common(both, 2, &err));
    for (size_t k = 0; k < 3; k++) assert_string_equal(a.finding[k], b.finding[k]);
    assert_near(b.layer[0][0], 2, 0);                               /* a is the third column of the second */
    xp_scored_free(&a);
    xp_scored_free(&b);
    free(one);
    free(two);
}

static void test_no_memory(void **state)
{
    (void)state;
    shn_error err = { 0 };
    made     *t = make(4, abc, 3, 0, 5);
    for (long n = 1;; n++) {
        xp_scored s = { 0 }, part = { 0 };
        const uint8_t keep[3] = { 1, 0, 1 };
        shn_alloc_fail_after(n);
        shn_status st = xp_scored_take(&t->j, abc, 3, &part, &err);
        if (st == SHN_OK) st = xp_scored_add_rows(&s, &part, &err);
        if (st == SHN_OK) st = xp_scored_keep(&s, keep, &err);
        shn_alloc_fail_after(0);
        xp_scored_free(&s);
        xp_scored_free(&part);
        if (st == SHN_OK) {
            assert_true(n > 50);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
    }
    free(t);
}

/** Six records, seven findings, the first ubiquitous. By hand: r0 hit, r1 its only true finding ranks sixth of the specific ones, r2 hit, r3 has nothing, r4 r5 miss urgent ones. */
static void test_cases(void **state)
{
    (void)state;
    enum { n = 6, K = 7 };
    shn_error  err = { 0 };
    static const char *const ids[K] = { "a", "b", "c", "d", "e", "f", "g" };
    uint8_t    flags[K] = { SHN_FINDING_UBIQUITOUS, 0, 0, 0, 0, SHN_FINDING_URGENT, SHN_FINDING_URGENT };
    static const int truth[n] = { 1, 6, 1, -1, 5, 6 };
    made      *t = make(n, ids, K, 0, 5);
    xp_choice  chosen[6];
    size_t     n_chosen;
    t->m.flags = flags;
    memset(t->label, 0, sizeof t->label);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < K; k++) {
            t->layer[0][i * K + k] = -(float)k;             /* the ubiquitous one first, then b, c, ... */
            t->layer[1][i * K + k] = 0.5f - 0.05f * (float)k - 0.01f * (float)i;
            t->layer[8][i * K + k] = 0;
        }
        t->label[i * K] = 1;
        if (truth[i] >= 0) t->label[i * K + (size_t)truth[i]] = 1;
    }
    t->label[5 * K + 5] = 1;                                /* r5 misses f and g; g is less probable */
    t->layer[8][1 * K + 6] = 1;                             /* r1's urgent finding was called, though it ranked low */
    assert_ok(xp_cases_choose(&t->j, 2, chosen, &n_chosen, &err));
    assert_int_equal(n_chosen, 5);
    assert_true(chosen[0].record == 0 && strcmp(chosen[0].kind, "first hit") == 0);
    assert_true(chosen[1].record == 2 && strcmp(chosen[1].kind, "first hit") == 0);
    assert_true(chosen[2].record == 1 && strcmp(chosen[2].kind, "first miss") == 0);
    assert_true(chosen[3].record == 5 && strcmp(chosen[3].kind, "worst urgent miss") == 0 && chosen[3].urgent == 6);
    assert_true(chosen[4].record == 4 && chosen[4].urgent == 5);        /* r5 only once */
    assert_ok(xp_cases_choose(&t->j, 1, chosen, &n_chosen, &err));
    assert_int_equal(n_chosen, 3);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_take), cmocka_unit_test(test_rows), cmocka_unit_test(test_level), cmocka_unit_test(test_columns), cmocka_unit_test(test_common), cmocka_unit_test(test_reorder), cmocka_unit_test(test_cases),
                                        cmocka_unit_test(test_no_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
