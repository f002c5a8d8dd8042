/** Read-outs against formulas written out again here, in double and without the library's helpers. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "shinden/embed.h"

enum { K = 4, D = 6, E = 8, N = 3, W = 2, SETS = 3, S = 5 };

static const uint8_t set_labels[SETS][K] = { { 1, 0, 0, 0 }, { 1, 1, 0, 0 }, { 0, 0, 1, 0 } };     /* finding 3 is never seen */
static const uint8_t set_known[SETS][K] = { { 1, 1, 1, 1 }, { 1, 1, 0, 1 }, { 1, 1, 1, 0 } };

static double normals(shn_rng *r) { return shn_rng_normal(r); }

static shn_model *make_model(int bce)
{
    shn_error  err = { 0 };
    shn_model *m;
    shn_rng    r = shn_rng_stream(11, 0, 0, 0);
    const shn_encoder_config config = { .n_leads = 12, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = E };
    assert_ok(shn_model_new(&config, K, bce ? 0 : D, &m, &err));
    m->input.n_windows = W;
    for (size_t k = 0; k < K; k++) {
        m->n_pos[k] = (uint32_t)(k == 3 ? 0 : 10 * k + 3);
        m->n_known[k] = 100;
    }
    if (bce) {
        for (size_t i = 0; i < K * E; i++) m->head_weight[i] = (float)normals(&r);
        for (size_t k = 0; k < K; k++) m->head_bias[k] = (float)normals(&r);
        m->readouts = 1u << SHN_READOUT_LOGIT;
        return m;
    }
    for (size_t i = 0; i < K * D; i++) m->class_vector[i] = (float)normals(&r);
    for (size_t i = 0; i < D; i++) m->text_mean[i] = 0.1f * (float)normals(&r);
    for (size_t i = 0; i < E * D; i++) m->projection[i] = (float)normals(&r);
    for (size_t k = 0; k < K; k++) m->class_finding_bias[k] = (float)normals(&r);
    m->logit_scale = 9;
    m->logit_bias = -2;
    m->class_scale = 15;
    m->class_bias = -3;
    m->has_pair_loss = 1;
    m->n_sets = SETS;
    m->set_count = shn_alloc(SETS, sizeof *m->set_count);
    m->set_labels = shn_alloc(SETS * K, 1);
    m->set_known = shn_alloc(SETS * K, 1);
    for (size_t u = 0; u < SETS; u++) m->set_count[u] = 4 * (uint32_t)u + 1;
    memcpy(m->set_labels, set_labels, sizeof set_labels);
    memcpy(m->set_known, set_known, sizeof set_known);
    m->readouts = 1u << SHN_READOUT_CLASS | 1u << SHN_READOUT_CLASS_PRIOR | 1u << SHN_READOUT_MARGINAL;
    return m;
}

static void unit(double *v, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++) s += v[i] * v[i];
    for (size_t i = 0; i < n; i++) v[i] /= sqrt(s);
}

static void centred(const shn_model *m, size_t k, double *out)
{
    for (size_t d = 0; d < D; d++) out[d] = m->class_vector[k * D + d];
    unit(out, D);
    for (size_t d = 0; d < D; d++) out[d] -= m->text_mean[d];
    unit(out, D);
}

static void projected(const shn_model *m, const double *v, double *out)
{
    for (size_t e = 0; e < E; e++) {
        out[e] = 0;
        for (size_t d = 0; d < D; d++) out[e] += (double)m->projection[e * D + d] * v[d];
    }
    unit(out, E);
}

static double similarity(const float *z, const double *c, int raw)
{
    double dot = 0, norm = 0;
    for (size_t e = 0; e < E; e++) {
        dot += z[e] * c[e];
        norm += (double)z[e] * z[e];
    }
    return raw ? dot : dot / sqrt(norm);
}

static double expected_class(const shn_model *m, const float *z, size_t k)
{
    double v[D], c[E];
    centred(m, k, v);
    projected(m, v, c);
    if (!m->has_class_columns) return m->logit_scale * similarity(z, c, 0) + m->logit_bias;
    return (m->class_raw ? 1 : m->class_scale) * similarity(z, c, m->class_raw) + m->class_bias + m->class_finding_bias[k];
}

/** The bank of a model trained with report sentences. */
static void add_sentences(shn_model *m)
{
    shn_rng r = shn_rng_stream(13, 0, 0, 0);
    m->n_sentences = S;
    m->sentence_scale = 7;
    m->sentence_vector = shn_alloc(S * D, sizeof *m->sentence_vector);
    m->sentence_mean = shn_alloc(D, sizeof *m->sentence_mean);
    m->sentence_count = shn_alloc(S, sizeof *m->sentence_count);
    m->sentence_text = shn_alloc(S, sizeof *m->sentence_text);
    m->name_vector = shn_alloc(K * D, sizeof *m->name_vector);
    m->name_mean = shn_alloc(D, sizeof *m->name_mean);
    for (size_t i = 0; i < S * D; i++) m->sentence_vector[i] = (float)normals(&r);
    for (size_t i = 0; i < K * D; i++) m->name_vector[i] = (float)normals(&r);
    for (size_t d = 0; d < D; d++) {
        m->sentence_mean[d] = 0.1f * (float)normals(&r);
        m->name_mean[d] = 0.1f * (float)normals(&r);
    }
    m->readouts |= 1u << SHN_READOUT_SENTENCES | 1u << SHN_READOUT_JOINT;
}

static void centred_by(const float *v, const float *mean, double *out)
{
    for (size_t d = 0; d < D; d++) out[d] = v[d];
    unit(out, D);
    for (size_t d = 0; d < D; d++) out[d] -= mean[d];
    unit(out, D);
}

/** Of a text's raw vector: softmax(15 cosine) over the bank, mean of its projections, dotted with the unit ECG vector, times t. */
static double expected_of_bank(const shn_model *m, const float *z, const float *vector)
{
    double name[D], sum = 0, score = 0;
    centred_by(vector, m->name_mean, name);
    for (size_t s = 0; s < S; s++) {
        double v[D], u[E], cosine = 0;
        centred_by(m->sentence_vector + s * D, m->sentence_mean, v);
        projected(m, v, u);
        for (size_t d = 0; d < D; d++) cosine += name[d] * v[d];
        sum += exp(15 * cosine);
        score += exp(15 * cosine) * similarity(z, u, 0);
    }
    return m->sentence_scale * score / sum;
}

static double expected_sentences(const shn_model *m, const float *z, size_t k) { return expected_of_bank(m, z, m->name_vector + k * D); }

static double expected_joint(const shn_model *m, const float *z, size_t k) { return expected_class(m, z, k) + expected_sentences(m, z, k); }

static double expected_joint_logit(const shn_model *m, const float *z, size_t k)
{
    double sum = m->head_bias[k];
    for (size_t e = 0; e < E; e++) sum += (double)m->head_weight[k * E + e] * z[e];
    return sum + expected_sentences(m, z, k);
}

static double expected_marginal(const shn_model *m, const float *z, size_t k)
{
    double with = 0, known = 0;
    for (size_t u = 0; u < SETS; u++) {
        double v[D] = { 0 }, one[D], c[E];
        for (size_t j = 0; j < K; j++) {
            if (!set_labels[u][j]) continue;
            centred(m, j, one);
            for (size_t d = 0; d < D; d++) v[d] += one[d];
        }
        unit(v, D);
        projected(m, v, c);
        const double w = m->set_count[u] * exp(m->logit_scale * similarity(z, c, 0) + m->logit_bias);
        known += set_known[u][k] ? w : 0;
        with += set_known[u][k] && set_labels[u][k] ? w : 0;
    }
    return log(with / (known - with));
}

static void check(const shn_model *m, shn_readout readout, double (*one)(const shn_model *, const float *, size_t), const double *shift)
{
    shn_error err = { 0 };
    float     z[N * W * E], scores[N * K];
    shn_rng   r = shn_rng_stream(12, 0, 0, 0);
    for (size_t i = 0; i < N * W * E; i++) z[i] = (float)normals(&r);
    assert_ok(shn_readout_scores(m, readout, z, N, scores, &err));
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < K; k++) {
            const double a = one(m, z + (i * W) * E, k), b = one(m, z + (i * W + 1) * E, k);
            const double expected = m->input.reduce == SHN_REDUCE_MAX ? fmax(a, b) : 0.5 * (a + b);
            if (readout == SHN_READOUT_MARGINAL && k == 3) continue;            /* unseen: checked on its own */
            assert_near(scores[i * K + k], expected + (shift ? shift[k] : 0), 2e-5 * (1 + fabs(expected)));
        }
}

static void test_class_and_prior(void **state)
{
    (void)state;
    shn_model *m = make_model(0);
    double prior[K];
    for (size_t k = 0; k < K; k++) prior[k] = log((m->n_pos[k] + 0.5) / (m->n_known[k] + 1.0));
    for (int reduce = 0; reduce < 2; reduce++) {
        m->input.reduce = reduce ? SHN_REDUCE_MAX : SHN_REDUCE_MEAN;
        m->has_class_columns = 0;
        check(m, SHN_READOUT_CLASS, expected_class, NULL);
        check(m, SHN_READOUT_CLASS_PRIOR, expected_class, prior);
        m->has_class_columns = 1;
        for (m->class_raw = 0; m->class_raw < 2; m->class_raw++) {
            check(m, SHN_READOUT_CLASS, expected_class, NULL);
            check(m, SHN_READOUT_CLASS_PRIOR, expected_class, NULL);            /* the columns learned their prior */
        }
    }
    shn_model_free(m);
}

static void test_marginal(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_model *m = make_model(0);
    float      z[W * E], class_scores[K], marginal[K];
    check(m, SHN_READOUT_MARGINAL, expected_marginal, NULL);
    for (size_t i = 0; i < W * E; i++) z[i] = (float)sin((double)i);
    assert_ok(shn_readout_scores(m, SHN_READOUT_CLASS_PRIOR, z, 1, class_scores, &err));
    assert_ok(shn_readout_scores(m, SHN_READOUT_MARGINAL, z, 1, marginal, &err));
    assert_near(marginal[3], class_scores[3], 1e-5);        /* never seen: its class score, on the scale of log-odds */
    shn_model_free(m);
}

/** Class columns learned their prior: for what was never seen it is not added a second time. */
static void test_marginal_with_columns(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_model *m = make_model(0);
    float      z[W * E], class_scores[K], marginal[K];
    for (size_t i = 0; i < W * E; i++) z[i] = (float)cos((double)i);
    m->has_class_columns = 1;
    for (m->class_raw = 0; m->class_raw < 2; m->class_raw++) {
        assert_ok(shn_readout_scores(m, SHN_READOUT_CLASS, z, 1, class_scores, &err));
        assert_ok(shn_readout_scores(m, SHN_READOUT_MARGINAL, z, 1, marginal, &err));
        assert_near(marginal[3], class_scores[3], 1e-6);
    }
    shn_model_free(m);
}

static void test_sentences(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_model *m = make_model(0), *bce = make_model(1);
    float      z[W * E], scores[K];
    assert_status(shn_readout_scores(m, SHN_READOUT_SENTENCES, z, 1, scores, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "--sentences"));
    add_sentences(m);
    for (m->has_class_columns = 0; m->has_class_columns < 2; m->has_class_columns++) check(m, SHN_READOUT_SENTENCES, expected_sentences, NULL);
    check(m, SHN_READOUT_CLASS, expected_class, NULL);
    for (m->has_class_columns = 0; m->has_class_columns < 2; m->has_class_columns++)
        for (m->class_raw = 0; m->class_raw < 2; m->class_raw++) check(m, SHN_READOUT_JOINT, expected_joint, NULL);
    m->head_weight = shn_alloc(K * E, sizeof *m->head_weight);          /* bce with sentences: a head beside the text side */
    m->head_bias = shn_alloc(K, sizeof *m->head_bias);
    for (size_t i = 0; i < K * E; i++) m->head_weight[i] = bce->head_weight[i];
    check(m, SHN_READOUT_JOINT, expected_joint_logit, NULL);
    for (long n = 1; n <= 12; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_readout_scores(m, SHN_READOUT_SENTENCES, z, 0, scores, &err);
        shn_alloc_fail_after(0);
        assert_int_equal(st, SHN_NOMEM);
    }
    shn_model_free(m);
    shn_model_free(bce);
}

static shn_status phrase_scores(const shn_model *m, shn_readout readout, const float *vector, const float *z, float *score, shn_error *err)
{
    shn_readout_space *s;
    shn_status st = shn_readout_space_new(m, readout, "a phrase", vector, &s, err);
    if (st == SHN_OK) st = shn_readout_space_scores(s, z, N, score, err);
    else assert_null(s);
    shn_readout_space_free(s);
    return st;
}

/** Any phrase: by class it is projected as a finding's text is, without a finding's bias; by sentences as a finding's name is. */
static void test_phrases(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_model *m = make_model(0);
    float      z[N * W * E], phrase[D], score[N];
    double     v[D], c[E];
    shn_rng    r = shn_rng_stream(14, 0, 0, 0);
    add_sentences(m);
    for (size_t i = 0; i < N * W * E; i++) z[i] = (float)normals(&r);
    for (size_t d = 0; d < D; d++) phrase[d] = (float)normals(&r);
    centred_by(phrase, m->text_mean, v);
    projected(m, v, c);
    for (int columns = 0; columns < 2; columns++) {
        m->has_class_columns = columns;
        assert_ok(phrase_scores(m, SHN_READOUT_CLASS, phrase, z, score, &err));
        for (size_t i = 0; i < N; i++) {
            double mean = 0;
            for (size_t w = 0; w < W; w++) mean += similarity(z + (i * W + w) * E, c, 0) / W;
            assert_near(score[i], columns ? m->class_scale * mean + m->class_bias : m->logit_scale * mean + m->logit_bias, 1e-4);
        }
    }
    assert_ok(phrase_scores(m, SHN_READOUT_SENTENCES, phrase, z, score, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(score[i], (expected_of_bank(m, z + i * W * E, phrase) + expected_of_bank(m, z + (i * W + 1) * E, phrase)) / 2, 1e-4);
    assert_status(phrase_scores(m, SHN_READOUT_MARGINAL, phrase, z, score, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "class or sentences"));
    z[0] = NAN;
    assert_status(phrase_scores(m, SHN_READOUT_CLASS, phrase, z, score, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "phrase 'a phrase'"));
    shn_model_free(m);
}

static void test_scores_that_are_no_numbers(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_model *m = make_model(1);
    float      z[N * W * E] = { 0 }, scores[N * K];
    z[(2 * W + 1) * E + 3] = NAN;                           /* the last record's second window */
    for (int reduce = 0; reduce < 2; reduce++) {
        m->input.reduce = reduce ? SHN_REDUCE_MAX : SHN_REDUCE_MEAN;
        assert_ok(shn_readout_scores(m, SHN_READOUT_LOGIT, z, 2, scores, &err));
        assert_status(shn_readout_scores(m, SHN_READOUT_LOGIT, z, N, scores, &err), SHN_RANGE);
        assert_non_null(strstr(err.text, "record 3 of 3"));
    }
    shn_model_free(m);
}

static double expected_logit(const shn_model *m, const float *z, size_t k)
{
    double sum = m->head_bias[k];
    for (size_t e = 0; e < E; e++) sum += (double)m->head_weight[k * E + e] * z[e];
    return sum;
}

static void test_logit_and_what_does_not_apply(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_model *m = make_model(1);
    float      z[W * E] = { 1 }, scores[K];
    check(m, SHN_READOUT_LOGIT, expected_logit, NULL);
    assert_status(shn_readout_scores(m, SHN_READOUT_CLASS, z, 1, scores, &err), SHN_MISMATCH);
    assert_status(shn_readout_scores(m, SHN_READOUT_COUNT, z, 1, scores, &err), SHN_MISMATCH);
    for (long n = 1; n < 4; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_readout_scores(m, SHN_READOUT_LOGIT, z, 1, scores, &err);
        shn_alloc_fail_after(0);
        assert_int_equal(st, SHN_NOMEM);
    }
    shn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_and_prior),
        cmocka_unit_test(test_marginal),
        cmocka_unit_test(test_marginal_with_columns),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_phrases),
        cmocka_unit_test(test_scores_that_are_no_numbers),
        cmocka_unit_test(test_logit_and_what_does_not_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
