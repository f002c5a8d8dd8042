/** Label sets, permuted labels, and what is trained beside the encoder: its gradients and first values. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "data/permute.h"
#include "shinden/train.h"
#include "train/head.h"
#include "train/sets.h"

/* --- labels --- */

static void test_distinct_sets_are_counted(void **state)
{
    (void)state;
    shn_error err = { 0 };
    shn_sets  s;
    const uint8_t label[] = { 1, 0, 0,  1, 0, 1,  1, 0, 0,  0, 0, 0,  0, 0, 0 };
    const uint8_t known[] = { 1, 1, 0,  1, 1, 0,  1, 1, 1,  1, 1, 1,  1, 1, 1 };
    assert_ok(shn_sets_new(label, known, 5, 3, &s, &err));
    assert_int_equal(s.n, 3);                               /* the second differs from the first only in what is unknown */
    assert_true(s.count[0] == 2 && s.count[1] == 1 && s.count[2] == 2);
    assert_true(s.of_record[1] == 0 && s.of_record[4] == 2);
    assert_true(s.label[2] == 0 && s.known[2] == 0);
    shn_sets_free(&s);
    for (long n = 1; n <= 7; n++) {
        shn_alloc_fail_after(n);
        assert_status(shn_sets_new(label, known, 5, 3, &s, &err), SHN_NOMEM);
        shn_alloc_fail_after(0);
    }
}

static void test_permuted_labels_move_between_patients(void **state)
{
    (void)state;
    enum { n = 400, P = 200, K = 3 };
    shn_error err = { 0 };
    uint8_t  *label = malloc(n * K), *known = malloc(n * K), *again = malloc(n * K);
    uint32_t *patient = malloc(n * sizeof *patient);
    int before[2] = { 0 }, after[2] = { 0 }, same = 0;
    for (size_t i = 0; i < n; i++) {
        patient[i] = (uint32_t)(i / 2);
        for (size_t k = 0; k < K; k++) {
            label[i * K + k] = (uint8_t)(i / 2 % 250);      /* names its patient */
            known[i * K + k] = i & 1;                       /* and the record within */
        }
        before[i & 1]++;
    }
    assert_ok(shn_permute_labels(label, known, patient, n, P, K, 5, &err));
    uint8_t seen[P] = { 0 };
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(known[i * K], i & 1);
        assert_int_equal(label[i * K], label[(i ^ 1) * K]); /* records of one patient still go together */
        same += label[i * K] == i / 2;
        seen[label[i * K]]++;
        after[known[i * K]]++;
    }
    for (size_t p = 0; p < P; p++) assert_int_equal(seen[p], 2);
    assert_true(same < 20 && before[0] == after[0]);        /* expected 2 */
    memcpy(again, label, n * K);
    assert_ok(shn_permute_labels(label, known, patient, n, P, K, 6, &err));
    assert_memory_not_equal(again, label, n * K);
    free(label);
    free(known);
    free(again);
    free(patient);
}

/* --- the head --- */

enum { HB = 6, HK = 4 };
static const shn_finding head_findings[HK] = { { .id = "zz_1", .name_en = "first" }, { .id = "zz_2", .name_en = "second" }, { .id = "zz_3", .name_en = "third" },
                                               { .id = "zz_4", .name_en = "fourth" } };

typedef struct head_case { shn_head *head; shn_texts *texts; shn_batch_labels labels; shn_batch_texts batch; float z[HB * 8]; } head_case;

static double head_loss(head_case *c, float *d_z)
{
    shn_error err = { 0 };
    double    loss;
    assert_ok(shn_head_loss(c->head, c->texts, &c->labels, &c->batch, c->z, &loss, d_z, &err));
    return loss;
}

static void check_slope(head_case *c, float *at, float analytic, const char *what)
{
    float  d_z[HB * 8];
    const float before = *at, h = 2e-3f;
    *at = before + h;
    const float  high = *at;
    const double up = head_loss(c, d_z);
    *at = before - h;
    const double slope = (up - head_loss(c, d_z)) / ((double)high - (double)*at);
    *at = before;
    if (fabs((double)analytic - slope) > 2e-4 * (1 + fabs(slope))) fail_msg("%s: gradient %g, slope %g", what, (double)analytic, slope);
}

static void check_head(shn_train_config config, int joined)
{
    static const uint8_t label[HB * HK] = { 1,0,0,0, 1,1,0,0, 0,0,0,0, 0,1,1,0, 1,0,0,1, 1,1,0,0 };
    static const uint8_t known[HB * HK] = { 1,1,1,1, 1,1,1,0, 1,1,1,1, 1,1,1,1, 1,1,0,1, 1,1,1,1 };
    static const uint32_t n_pos[HK] = { 4, 3, 1, 1 }, n_known[HK] = { 6, 6, 5, 5 };
    static const uint32_t said[HB] = { 1, 0, SHN_NO_GROUP, 1, 2, 0 };      /* two pairs say the same, one record says nothing */
    static char *const words[3] = { "first words", "second words", "third words" };
    const shn_reports reports = { .n = 3, .text = (char **)words };
    shn_error    err = { 0 };
    shn_vectors *vectors = NULL;
    shn_sets     sets;
    head_case    c = { .labels = { label, known, HB, HK } };
    config.encoder.embed = 8;
    config.chunk = 4;
    assert_ok(shn_sets_new(label, known, HB, HK, &sets, &err));
    if (config.loss != SHN_LOSS_BCE || config.sentences > 0) {
        const shn_finding *finding[HK];
        for (int k = 0; k < HK; k++) finding[k] = &head_findings[k];
        assert_ok(shn_vectors_hash(5, 3, &vectors, &err));
        const shn_texts_rule rule = { .form = "name", .joined = joined, .centre = 1, .reports = config.sentences > 0 ? &reports : NULL, .sentences = vectors };
        assert_ok(shn_texts_new(vectors, finding, HK, 8, &rule, &sets, HB, &c.texts, &err));
    }
    assert_ok(shn_head_new(&config, HK, c.texts ? 5 : 0, HB, (shn_counts){ n_pos, n_known }, &c.head, &err));
    c.batch = (shn_batch_texts){ sets.of_record, said };
    shn_rng r = shn_rng_stream(4, 4, 4, 4);
    for (int i = 0; i < HB * 8; i++) c.z[i] = (float)shn_rng_normal(&r);
    for (int part = HEAD_PAIR_SCALE; part <= HEAD_CLASS_SCALE; part++)          /* away from saturation, or slopes vanish */
        if (c.head->part[part].size) *shn_head_at(c.head, part) = part == HEAD_PAIR_BIAS ? -0.3f : config.ecg_norm_raw && part == HEAD_CLASS_SCALE ? 0 : 0.8f;
    if (config.sentences > 0) *shn_head_at(c.head, HEAD_SENTENCE_SCALE) = 0.9f;
    float d_z[HB * 8], scratch[HB * 8];
    head_loss(&c, d_z);
    float *g = malloc(c.head->n * sizeof *g);
    memcpy(g, c.head->g, c.head->n * sizeof *g);
    for (int i = 0; i < HB * 8; i++) check_slope(&c, &c.z[i], d_z[i], shn_loss_name(config.loss));
    for (int part = 0; part < HEAD_PARTS; part++)
        for (size_t i = 0; c.head->part[part].trained && i < c.head->part[part].size; i++)
            check_slope(&c, shn_head_at(c.head, part) + i, g[c.head->part[part].offset + i], shn_loss_name(config.loss));
    (void)head_loss(&c, scratch);
    assert_memory_equal(scratch, d_z, sizeof d_z);
    free(g);
    shn_head_free(c.head);
    shn_texts_free(c.texts);
    shn_vectors_free(vectors);
    shn_sets_free(&sets);
}

static void test_head_gradients_are_finite_differences(void **state)
{
    (void)state;
    for (int l = 0; l < SHN_LOSS_COUNT; l++)
        for (int joined = 0; joined < (shn_loss_is_pair((shn_loss)l) ? 2 : 1); joined++)
            for (int raw = 0; raw < 2; raw++) {
                shn_train_config config;
                shn_train_defaults((shn_loss)l, 1000, 100, &config);
                config.learn_temperature = 1;
                config.ecg_norm_raw = raw;
                config.label_weight_power = 0.5;
                check_head(config, joined);
                config.sentences = 0.6;
                check_head(config, joined);
                if (!shn_loss_is_pair((shn_loss)l)) continue;
                config.class_columns = 0.7;
                check_head(config, joined);
                config.sentences = 0;
                check_head(config, joined);
            }
}

/** Everything starts where contract says: sum of sigmoids equals the prevalence when the vectors say nothing. */
static void test_initial_values(void **state)
{
    (void)state;
    static const uint32_t n_pos[HK] = { 50, 10, 0, 100 }, n_known[HK] = { 100, 100, 100, 100 };
    shn_error        err = { 0 };
    shn_train_config config;
    shn_head        *h;
    shn_train_defaults(SHN_LOSS_SIGLIP_JACCARD, 1000, 100, &config);
    config.class_columns = 1;
    config.ecg_norm_raw = 0;
    assert_ok(shn_head_new(&config, HK, 6, HB, (shn_counts){ n_pos, n_known }, &h, &err));
    assert_near((double)*shn_head_at(h, HEAD_PAIR_SCALE), log(10), 1e-6);
    assert_near((double)*shn_head_at(h, HEAD_CLASS_SCALE), log(20), 1e-6);
    assert_near((double)*shn_head_at(h, HEAD_CLASS_BIAS), log(0.4 / 0.6), 1e-6);
    for (int k = 0; k < HK; k++)
        assert_near((double)(shn_head_at(h, HEAD_FINDING_BIAS)[k] + *shn_head_at(h, HEAD_CLASS_BIAS)),
                    shn_initial_logit((n_pos[k] + 0.5) / 101), 1e-5);
    shn_head_set_pair_bias(h, 0.25);
    assert_near((double)*shn_head_at(h, HEAD_PAIR_BIAS), log(1 / 3.0), 1e-6);
    *shn_head_at(h, HEAD_PAIR_SCALE) = 50;
    shn_head_step(h, 1e-3, 1, 1);
    assert_near((double)*shn_head_at(h, HEAD_PAIR_SCALE), log(100), 1e-6);
    shn_head_free(h);
    shn_train_defaults(SHN_LOSS_CLIP, 1000, 100, &config);
    assert_ok(shn_head_new(&config, HK, 6, HB, (shn_counts){ n_pos, n_known }, &h, &err));
    assert_near((double)*shn_head_at(h, HEAD_PAIR_SCALE), log(1 / 0.07), 1e-6);
    h->g[h->part[HEAD_PAIR_SCALE].offset] = 5;
    assert_near(shn_head_gradient_square(h), 0, 0);         /* a fixed temperature has no gradient and does not move */
    shn_head_step(h, 1e-3, 1, 1);
    assert_near((double)*shn_head_at(h, HEAD_PAIR_SCALE), log(1 / 0.07), 1e-6);
    shn_head_free(h);
    for (long n = 1; n <= 12; n++) {
        shn_alloc_fail_after(n);
        assert_status(shn_head_new(&config, HK, 6, HB, (shn_counts){ n_pos, n_known }, &h, &err), SHN_NOMEM);
        shn_alloc_fail_after(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distinct_sets_are_counted),
        cmocka_unit_test(test_permuted_labels_move_between_patients),
        cmocka_unit_test(test_head_gradients_are_finite_differences),
        cmocka_unit_test(test_initial_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
