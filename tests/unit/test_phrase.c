/** A phrase in a model's text space: which vectors are taken and which refused, the nearest finding, accuracy against a truth. */
#include "harness.h"

#include <jansson.h>
#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/safetensors.h"
#include "data/cohort_writer.h"
#include "shinden/embed.h"
#include "shinden/phrase.h"
#include "shinden/signal.h"

enum { K = 3, D = 4, E = 16, T = 160, N = 24 };

static const char *const ids[K] = { "atrial_fibrillation", "sinus_rhythm", "left_bundle_branch_block" };

/** What made the vectors, as the metadata of a cache says it; "" leaves a key out. */
typedef struct made_by { const char *hash, *tokenizer, *prompt, *pooling; const float *centre; } made_by;

static const char *write_cache(const char *const *texts, const float *vectors, size_t n, made_by by)
{
    static char path[300];
    shn_error   err = { 0 };
    shn_st_writer *w;
    const size_t shape[2] = { n, D }, d = D;
    json_t *list = json_array();
    snprintf(path, sizeof path, "%s/v.safetensors", test_folder());
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(texts[i]));
    char *text = json_dumps(list, 0);
    assert_ok(shn_st_writer_new(&w, &err));
    assert_ok(shn_st_writer_tensor(w, "vectors", "F32", 2, shape, vectors, &err));
    if (by.centre) assert_ok(shn_st_writer_tensor(w, "centre", "F32", 1, &d, by.centre, &err));
    assert_ok(shn_st_writer_metadata(w, "texts", text, &err));
    assert_ok(shn_st_writer_metadata(w, "model", "a language model", &err));
    const char *const pairs[][2] = { { "model_hash", by.hash }, { "tokenizer_hash", by.tokenizer }, { "prompt", by.prompt }, { "pooling", by.pooling } };
    for (int i = 0; i < 4; i++) assert_ok(shn_st_writer_metadata(w, pairs[i][0], pairs[i][1], &err));
    assert_ok(shn_st_writer_commit(w, path, &err));
    shn_st_writer_free(w);
    free(text);
    json_decref(list);
    return path;
}

static const made_by plain = { "0123", "4567", "passage: ", "mean", NULL };

static shn_model *make_model(size_t text_width)
{
    static const float vectors[K * D] = { 1, 0, 0, 0,  0, 1, 0, 0,  0, 0, 1, 0 };
    shn_error  err = { 0 };
    shn_model *m;
    const shn_encoder_config config = { .n_leads = 12, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = E };
    assert_ok(shn_model_new(&config, K, text_width, &m, &err));
    shn_encoder_init(&m->encoder, 3, m->params, m->state);
    m->input = (shn_input){ .fs_hz = 100, .n_samples = T, .window = 64, .n_windows = 3, .scale_per_mv = 1, .lead_present = 0xfff };
    shn_rng r = shn_rng_stream(5, 0, 0, 0);
    for (size_t k = 0; k < K; k++) {
        m->finding_id[k] = shn_strdup(ids[k]);
        m->name_en[k] = shn_strdup(ids[k]);
        m->name_ja[k] = shn_strdup("");
        m->codes[k] = shn_strdup("");
        m->n_pos[k] = k == 2 ? 0 : 9;                       /* the last was never seen */
        m->n_known[k] = 20;
    }
    m->fitted_on = shn_strdup("");
    m->fitted_records = shn_strdup("[]");
    if (text_width == 0) {
        for (size_t i = 0; i < K * E; i++) m->head_weight[i] = (float)shn_rng_normal(&r);
        m->readouts = 1u << SHN_READOUT_LOGIT;
        return m;
    }
    memcpy(m->class_vector, vectors, sizeof vectors);
    for (size_t i = 0; i < E * D; i++) m->projection[i] = (float)shn_rng_normal(&r);
    m->has_pair_loss = 1;
    m->logit_scale = 5;
    m->readouts = 1u << SHN_READOUT_CLASS;
    m->readout_default = SHN_READOUT_CLASS;
    m->provider = (shn_model_provider){ shn_strdup("a language model"), shn_strdup("0123"), shn_strdup("4567"), shn_strdup("passage: "), shn_strdup("mean"), NULL };
    return m;
}

static void refused(const shn_model *m, const char *text, made_by by, const char *words)
{
    static const char *const texts[] = { "some phrase" };
    static const float v[D] = { 1, 2, 3, 4 };
    shn_error   err = { 0 };
    shn_phrase *p;
    const shn_phrase_source source = { .vectors = write_cache(texts, v, 1, by) };
    assert_status(shn_phrase_open(m, &source, text, &p, &err), SHN_MISMATCH);
    if (!strstr(err.text, words)) fail_msg("no '%s' in: %s", words, err.text);
    assert_null(p);
}

static void test_only_the_models_own_language_model(void **state)
{
    (void)state;
    static const char *const texts[] = { "some phrase", "another" };
    static const float v[2 * D] = { 1, 2, 3, 4,  5, 6, 7, 8 }, centre[D] = { 1, 0, -1, 0.5f };
    shn_error   err = { 0 };
    shn_model  *m = make_model(D);
    shn_phrase *p;
    made_by     by = plain;
    shn_phrase_source source = { .vectors = write_cache(texts, v, 2, by) };
    assert_ok(shn_phrase_open(m, &source, "another", &p, &err));
    assert_memory_equal(p->vector, v + D, D * sizeof *v);
    assert_null(p->names);
    shn_phrase_free(p);
    refused(m, "nothing of the kind", plain, "no vector for the text");
    by.hash = "9999";
    refused(m, "some phrase", by, "(a language model, 9999) and that of the model's texts (a language model, 0123) differ in their model;");
    by = plain;
    by.tokenizer = "x";
    refused(m, "some phrase", by, "differ in their tokenizer;");
    by = plain;
    by.prompt = "";
    refused(m, "some phrase", by, "differ in their prompt;");
    by = plain;
    by.pooling = "cls";
    refused(m, "some phrase", by, "differ in their pooling;");

    by = plain;                                             /* centred there and not here: the centre is given back */
    by.centre = centre;
    source.vectors = write_cache(texts, v, 2, by);
    assert_ok(shn_phrase_open(m, &source, "some phrase", &p, &err));
    for (int d = 0; d < D; d++) assert_near((double)p->vector[d], (double)(v[d] + centre[d]), 1e-6);
    shn_phrase_free(p);
    m->provider.centre = shn_alloc(D, sizeof(float));       /* here and there by the same one: nothing to do */
    memcpy(m->provider.centre, centre, sizeof centre);
    assert_ok(shn_phrase_open(m, &source, "some phrase", &p, &err));
    for (int d = 0; d < D; d++) assert_near((double)p->vector[d], (double)v[d], 1e-6);
    shn_phrase_free(p);

    free(m->provider.model_hash);
    m->provider.model_hash = shn_strdup("hash seed 1");
    refused(m, "some phrase", plain, "random text vectors");
    m->provider.model_hash[0] = '\0';
    refused(m, "some phrase", plain, "does not say which language model");
    shn_phrase_source none = { NULL, NULL, 0 }, two = { "a", "b", 0 };
    assert_status(shn_phrase_open(m, &none, "x", &p, &err), SHN_RANGE);
    assert_status(shn_phrase_open(m, &two, "x", &p, &err), SHN_RANGE);
    assert_status(shn_phrase_open(m, &source, "", &p, &err), SHN_RANGE);
    shn_model_free(m);
}

static void test_nearest_is_a_finding_that_was_seen(void **state)
{
    (void)state;
    static const char *const texts[] = { "p", ids[0], ids[1], ids[2] };
    /* nearest to the third, which was never positive; of the other two to the second */
    static const float v[4 * D] = { 0, 0.6f, 0.9f, 0,  1, 0, 0, 0,  0, 1, 0, 0,  0, 0, 1, 0 };
    shn_error   err = { 0 };
    shn_phrase *p;
    double      cosine;
    size_t      finding = 9;
    const shn_phrase_source source = { .vectors = write_cache(texts, v, 4, plain) };
    for (size_t width = 0; width <= D; width += D) {
        shn_model *m = make_model(width);
        float      z[2 * 3 * E], scores[2 * K], nearest[2];
        shn_rng    r = shn_rng_stream(8, 0, 0, 0);
        for (size_t i = 0; i < 2 * 3 * E; i++) z[i] = (float)shn_rng_normal(&r);
        assert_ok(shn_phrase_open(m, &source, "p", &p, &err));
        assert_true((p->names != NULL) == (width == 0));
        assert_ok(shn_phrase_nearest(m, p, &finding, &cosine, &err));
        assert_int_equal(finding, 1);
        assert_true(cosine > 0 && cosine <= 1);
        assert_int_equal(shn_phrase_applies(m, SHN_PHRASE_CLASS), width != 0);
        assert_int_equal(shn_phrase_applies(m, SHN_PHRASE_SENTENCES), 0);
        assert_ok(shn_readout_scores(m, width ? SHN_READOUT_CLASS : SHN_READOUT_LOGIT, z, 2, scores, &err));
        assert_ok(shn_phrase_scores(m, p, SHN_PHRASE_NEAREST, z, 2, nearest, &err));
        assert_true(nearest[0] == scores[1] && nearest[1] == scores[K + 1]);
        for (long n = 1;; n++) {
            shn_alloc_fail_after(n);
            const shn_status st = shn_phrase_scores(m, p, SHN_PHRASE_NEAREST, z, 2, nearest, &err);
            shn_alloc_fail_after(0);
            if (st == SHN_OK) break;
            assert_int_equal(st, SHN_NOMEM);
        }
        memset(m->n_pos, 0, K * sizeof *m->n_pos);
        assert_status(shn_phrase_nearest(m, p, &finding, &cosine, &err), SHN_MISMATCH);
        assert_status(shn_phrase_scores(m, p, SHN_PHRASE_NEAREST, z, 2, nearest, &err), SHN_MISMATCH);
        shn_phrase_free(p);
        for (long n = 1;; n++) {
            shn_alloc_fail_after(n);
            const shn_status st = shn_phrase_open(m, &source, "p", &p, &err);
            shn_alloc_fail_after(0);
            if (st == SHN_OK) break;
            assert_null(p);
        }
        shn_phrase_free(p);
        shn_model_free(m);
    }
}

static shn_cohort *make_cohort(void)
{
    static char path[300];
    shn_error   err = { 0 };
    shn_cohort *c;
    shn_cohort_writer *w;
    snprintf(path, sizeof path, "%s/c.h5", test_folder());
    const shn_cohort_spec spec = { .path = path, .n_rows = N, .n_samples = T, .fs_hz = 100, .finding_ids = ids, .n_findings = K };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    shn_rng r = shn_rng_stream(11, 0, 0, 0);
    for (size_t i = 0; i < N; i++) {
        static float mv[SHN_LEADS][T];
        uint8_t label[K] = { i % 3 == 0, i % 2, 0 }, known[K] = { i != 5, 1, 1 };
        char    id[16];
        for (int l = 0; l < SHN_LEADS; l++)
            for (int t = 0; t < T; t++) mv[l][t] = (float)(shn_rng_normal(&r) + (label[0] ? sin(0.2 * t) : 0));
        snprintf(id, sizeof id, "r%zu", i);
        shn_cohort_row row = { .n_samples = T, .labels = label, .known = known, .id = id, .patient = id, .split = "val", .age = NAN };
        for (int l = 0; l < SHN_LEADS; l++) row.lead_mv[l] = mv[l];
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
    assert_ok(shn_cohort_open(path, &c, &err));
    return c;
}

/** AUROC by counting pairs. */
static double pairs(const shn_cohort *c, const float *score)
{
    double right = 0, n = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            if (!shn_cohort_known(c, i)[0] || !shn_cohort_known(c, j)[0] || !shn_cohort_labels(c, i)[0] || shn_cohort_labels(c, j)[0]) continue;
            n++;
            right += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
        }
    return right / n;
}

static void test_the_document(void **state)
{
    (void)state;
    static const char *const texts[] = { "some phrase" };
    static const float v[D] = { 1, 0.3f, 0, -0.5f };
    shn_error    err = { 0 };
    shn_model   *m = make_model(D);
    shn_cohort  *c = make_cohort();
    shn_engine  *eng;
    shn_phrase  *p;
    char        *json, *text, *whole;
    float        z[N * 3 * E], score[N];
    uint32_t     rows[N];
    shn_engine_options engine;
    shn_eval_options   o;
    const shn_phrase_source source = { .vectors = write_cache(texts, v, 1, plain) };
    shn_engine_defaults(&engine);
    shn_eval_defaults(&o);
    o.n_bootstrap = 40;
    assert_ok(shn_model_engine(m, 8, &engine, &eng, &err));
    assert_ok(shn_phrase_open(m, &source, "some phrase", &p, &err));
    assert_ok(shn_phrase_eval(m, eng, c, p, ids[0], &o, &json, &err));
    json_t *doc = json_loads(json, 0, NULL), *one = json_array_get(json_object_get(doc, "readouts"), 0), *best;
    assert_non_null(doc);
    assert_int_equal(json_array_size(json_object_get(doc, "readouts")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "truth"), "n_known")), N - 1);
    for (uint32_t i = 0; i < N; i++) rows[i] = i;
    assert_ok(shn_embed_cohort(m, eng, c, rows, N, z, NULL, &err));
    assert_ok(shn_phrase_scores(m, p, SHN_PHRASE_CLASS, z, N, score, &err));
    json_t *auroc = json_object_get(one, "auroc");
    assert_near(json_real_value(json_object_get(auroc, "value")), pairs(c, score), 1e-12);
    assert_true(json_real_value(json_object_get(auroc, "low")) <= json_real_value(json_object_get(auroc, "value")));
    assert_true(json_real_value(json_object_get(auroc, "high")) >= json_real_value(json_object_get(auroc, "value")));
    best = json_array_get(json_object_get(one, "ranking"), 0);
    for (int i = 0; i < N; i++) assert_true(json_real_value(json_object_get(best, "score")) >= (double)score[i] - 1e-9);
    assert_ok(shn_phrase_text(json, &text, &err));
    assert_non_null(strstr(text, "AUROC"));
    assert_non_null(strstr(text, "truth: atrial_fibrillation, 8 of 23 records"));
    free(text);
    whole = json;
    json_decref(doc);
    assert_ok(shn_phrase_eval(m, eng, c, p, NULL, &o, &json, &err));
    doc = json_loads(json, 0, NULL);
    one = json_array_get(json_object_get(doc, "readouts"), 0);
    assert_true(json_is_null(json_object_get(doc, "truth")) && !json_object_get(one, "auroc"));
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(one, "ranking"), 0), "truth")));
    free(json);
    json_decref(doc);
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_phrase_eval(m, eng, c, p, ids[0], &o, &json, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(json);
    }
    assert_string_equal(json, whole);               /* nothing was left out for want of memory */
    free(json);
    free(whole);
    assert_status(shn_phrase_eval(m, eng, c, p, "nonsense", &o, &json, &err), SHN_RANGE);
    assert_status(shn_phrase_text("{", &text, &err), SHN_FORMAT);
    shn_phrase_free(p);
    shn_engine_free(eng);
    shn_cohort_close(c);
    shn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_models_own_language_model),
        cmocka_unit_test(test_nearest_is_a_finding_that_was_seen),
        cmocka_unit_test(test_the_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
