/** The model file: what is written is read back, what does not fit is refused by name. Text vectors and their centring. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/safetensors.h"
#include "shinden/findings.h"
#include "shinden/model.h"
#include "shinden/text.h"

enum { K = 3, D = 5, E = 8 };

static void fill(float *x, size_t n, uint64_t purpose)
{
    shn_rng r = shn_rng_stream(7, purpose, 0, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)shn_rng_normal(&r);
}

/** A small model with every part that the loss can have. D 0: a bce model. */
static shn_model *make_model(size_t text_width)
{
    shn_error   err = { 0 };
    shn_model  *m;
    const shn_encoder_config config = { .n_leads = 12, .width = 8, .blocks = { 1, 1 }, .max_pool = 1, .embed = E };
    static const char *const ids[K] = { "sinus_rhythm", "atrial_fibrillation", "left_bundle_branch_block" };
    static const char *const ja[K] = { "洞調律", "心房細動", "左脚ブロック" };
    assert_ok(shn_model_new(&config, K, text_width, &m, &err));
    shn_encoder_init(&m->encoder, 3, m->params, m->state);
    strcpy(m->loss, text_width ? "siglip-jaccard" : "bce");
    m->input = (shn_input){ .fs_hz = 100, .n_samples = 1000, .window = 250, .n_windows = 7, .reduce = SHN_REDUCE_MAX,
                            .norm = SHN_NORM_GLOBAL, .scale_per_mv = 4.25f, .lead_present = 0xfff };
    for (size_t k = 0; k < K; k++) {
        m->finding_id[k] = shn_strdup(ids[k]);
        m->name_en[k] = shn_strdup("name");
        m->name_ja[k] = shn_strdup(ja[k]);
        m->codes[k] = shn_strdup("scp:X");
        m->flags[k] = (uint8_t)k;
        m->n_pos[k] = 10 * (uint32_t)k + 1;
        m->n_known[k] = 100;
    }
    if (text_width) {
        for (size_t k = 0; k < K; k++) m->class_text[k] = shn_strdup(ja[k]);
        m->text_form = shn_strdup("name-ja");
        m->text_source = shn_strdup("hash");
        m->record_text = shn_strdup("mean");
        m->none_text = shn_strdup("該当所見なし");
        fill(m->class_vector, K * D, 1);
        fill(m->none_vector, D, 2);
        fill(m->text_mean, D, 3);
        fill(m->projection, E * D, 4);
        m->logit_scale = 12.5f;
        m->logit_bias = -1.25f;
        m->has_pair_loss = 1;
        m->n_sets = 2;
        m->set_count = shn_alloc(2, sizeof *m->set_count);
        m->set_labels = shn_alloc(2 * K, 1);
        m->set_known = shn_alloc(2 * K, 1);
        m->set_count[0] = 5;
        m->set_count[1] = 9;
        m->set_labels[0] = m->set_labels[2] = 1;
        memset(m->set_known, 1, 2 * K);
        m->readouts = 1u << SHN_READOUT_CLASS | 1u << SHN_READOUT_MARGINAL;
        m->readout_default = SHN_READOUT_MARGINAL;
    } else {
        fill(m->head_weight, K * E, 5);
        fill(m->head_bias, K, 6);
        m->readouts = 1u << SHN_READOUT_LOGIT;
        m->readout_default = SHN_READOUT_LOGIT;
    }
    if (text_width) {
        m->provider.model = shn_strdup("some-model (bert)");
        m->provider.model_hash = shn_strdup("0123abcd");
        m->provider.tokenizer_hash = shn_strdup("4567");
        m->provider.prompt = shn_strdup("passage: ");
        m->provider.pooling = shn_strdup("mean");
    }
    shn_calibration *c = &m->calibration[m->readout_default];
    c->fitted = 1;
    c->threshold_f1_micro = 0.375f;
    c->threshold_jaccard = 0.25f;
    fill(c->slope, K, 8);
    fill(c->intercept, K, 9);
    fill(c->threshold, K, 10);
    fill(c->threshold_prevalence, K, 11);
    m->fitted_on = shn_strdup("val, 177 records");
    m->fitted_records = shn_strdup("[\"0123456789abcdef\"]");
    m->manifest = shn_strdup("{\"seed\":1}");
    return m;
}

/** bce with report sentences: a head beside a text side, the bank, and what the provider's vectors were centred by. */
static shn_model *make_sentence_model(void)
{
    shn_model *m = make_model(D);
    strcpy(m->loss, "bce");
    m->has_pair_loss = 0;
    m->head_weight = shn_alloc(K * E, sizeof *m->head_weight);
    m->head_bias = shn_alloc(K, sizeof *m->head_bias);
    m->provider.centre = shn_alloc(D, sizeof *m->provider.centre);
    m->n_sentences = 2;
    m->sentence_scale = 8.5f;
    m->sentence_vector = shn_alloc(2 * D, sizeof *m->sentence_vector);
    m->sentence_mean = shn_alloc(D, sizeof *m->sentence_mean);
    m->name_vector = shn_alloc(K * D, sizeof *m->name_vector);
    m->name_mean = shn_alloc(D, sizeof *m->name_mean);
    m->sentence_count = shn_alloc(2, sizeof *m->sentence_count);
    m->sentence_text = shn_alloc(2, sizeof *m->sentence_text);
    fill(m->head_weight, K * E, 21);
    fill(m->provider.centre, D, 22);
    fill(m->sentence_vector, 2 * D, 23);
    fill(m->name_vector, K * D, 24);
    m->sentence_count[1] = 7;
    m->sentence_text[0] = shn_strdup("");
    m->sentence_text[1] = shn_strdup("sinusrhythmus, unregelmäßig");
    m->readouts = 1u << SHN_READOUT_LOGIT | 1u << SHN_READOUT_SENTENCES;
    m->readout_default = SHN_READOUT_SENTENCES;
    m->calibration[SHN_READOUT_SENTENCES].fitted = 1;
    return m;
}

static const char *model_path(void)
{
    static char path[SHN_PATH_MAX];
    shn_error   err = { 0 };
    assert_ok(shn_path_join(path, test_folder(), "model.safetensors", &err));
    return path;
}

static void test_sentences_round_trip(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_model  *m = make_sentence_model(), *r;
    uint8_t    *first, *second;
    size_t      n_first, n_second;
    const char *path = model_path();
    assert_ok(shn_model_write(m, path, &err));
    assert_ok(shn_file_read(path, 1 << 24, &first, &n_first, &err));
    assert_ok(shn_model_read(path, &r, &err));
    assert_int_equal(r->n_sentences, 2);
    assert_true(r->sentence_scale == 8.5f && r->sentence_count[1] == 7);
    assert_string_equal(r->sentence_text[0], "");
    assert_string_equal(r->sentence_text[1], m->sentence_text[1]);
    assert_memory_equal(r->sentence_vector, m->sentence_vector, 2 * D * sizeof(float));
    assert_memory_equal(r->name_vector, m->name_vector, K * D * sizeof(float));
    assert_memory_equal(r->head_weight, m->head_weight, K * E * sizeof(float));
    assert_memory_equal(r->provider.centre, m->provider.centre, D * sizeof(float));
    assert_string_equal(r->provider.model_hash, "0123abcd");
    assert_int_equal(r->readout_default, SHN_READOUT_SENTENCES);
    assert_ok(shn_model_write(r, path, &err));
    assert_ok(shn_file_read(path, 1 << 24, &second, &n_second, &err));
    assert_int_equal(n_first, n_second);
    assert_memory_equal(first, second, n_first);
    free(first);
    free(second);
    shn_model_free(r);
    m->readouts |= 1u << SHN_READOUT_CLASS;                 /* bce's head and class read-outs exclude each other */
    assert_ok(shn_model_write(m, path, &err));
    assert_status(shn_model_read(path, &r, &err), SHN_FORMAT);
    m->readouts &= ~(1u << SHN_READOUT_CLASS);
    const size_t n = m->n_sentences;
    m->n_sentences = 0;                                     /* a read-out without its bank */
    assert_ok(shn_model_write(m, path, &err));
    assert_status(shn_model_read(path, &r, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "readouts"));
    m->n_sentences = n;
    assert_ok(shn_model_write(m, path, &err));
    for (long fail = 1;; fail++) {
        shn_alloc_fail_after(fail);
        const shn_status st = shn_model_read(path, &r, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_true(st == SHN_NOMEM || st == SHN_FORMAT);
    }
    shn_model_free(r);
    shn_model_free(m);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t width = 0; width <= D; width += D) {
        shn_error   err = { 0 };
        shn_model  *m = make_model(width), *r;
        uint8_t    *first, *second;
        size_t      n_first, n_second;
        const char *path = model_path();
        assert_ok(shn_model_write(m, path, &err));
        assert_ok(shn_file_read(path, 1 << 24, &first, &n_first, &err));
        assert_ok(shn_model_read(path, &r, &err));
        for (size_t i = 0; i < m->encoder.n_tensors; i++) {
            const shn_tensor *t = &m->encoder.tensors[i];
            assert_memory_equal(r->params + t->offset, m->params + t->offset, t->size * sizeof(float));
        }
        assert_string_equal(r->name_ja[1], "心房細動");
        assert_int_equal(r->n_pos[2], 21);
        assert_int_equal(r->input.reduce, SHN_REDUCE_MAX);
        assert_true(r->input.scale_per_mv == 4.25f && r->logit_bias == m->logit_bias);
        assert_true(r->calibration[r->readout_default].threshold_f1_micro == 0.375f);
        assert_int_equal(shn_model_find(r, "left_bundle_branch_block"), 2);
        assert_int_equal(shn_model_find(r, "none"), -1);
        assert_ok(shn_model_write(r, path, &err));          /* written again, it is the same file */
        assert_ok(shn_file_read(path, 1 << 24, &second, &n_second, &err));
        assert_int_equal(n_first, n_second);
        assert_memory_equal(first, second, n_first);
        free(first);
        free(second);
        shn_model_free(m);
        shn_model_free(r);
    }
}

static void test_embeddings_follow_the_rule(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_model *m = make_model(D);
    float      classes[K * E], sets[2 * E], centred[K][D], mean[D] = { 0 }, none[D];
    assert_ok(shn_model_class_embeddings(m, classes, &err));
    assert_ok(shn_model_set_embeddings(m, sets, &err));
    for (size_t k = 0; k < K; k++) {
        double norm = 0, unit = 0;
        for (size_t d = 0; d < D; d++) norm += (double)m->class_vector[k * D + d] * m->class_vector[k * D + d];
        for (size_t d = 0; d < D; d++) {
            centred[k][d] = (float)(m->class_vector[k * D + d] / sqrt(norm) - m->text_mean[d]);
            unit += (double)centred[k][d] * centred[k][d];
        }
        for (size_t d = 0; d < D; d++) centred[k][d] /= (float)sqrt(unit);
    }
    for (size_t d = 0; d < D; d++) mean[d] = centred[0][d] + centred[2][d];
    shn_text_centre(m->none_vector, m->text_mean, D, none);
    const float *const source[3] = { centred[1], mean, none }, *const got[3] = { classes + E, sets, sets + E };
    for (int v = 0; v < 3; v++) {                           /* a finding, a set of two, the empty set */
        double p[E], square = 0;
        for (size_t e = 0; e < E; e++) {
            p[e] = 0;
            for (size_t d = 0; d < D; d++) p[e] += (double)m->projection[e * D + d] * source[v][d];
            square += p[e] * p[e];
        }
        for (size_t e = 0; e < E; e++) assert_near(got[v][e], p[e] / sqrt(square), 1e-5);
    }
    shn_model_free(m);
    m = make_model(0);
    assert_status(shn_model_class_embeddings(m, classes, &err), SHN_MISMATCH);
    shn_model_free(m);
}

static void test_what_cannot_be_written_is_not(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_model  *m = make_model(D), *r;
    const char *path = model_path();
    m->logit_scale = NAN;
    assert_status(shn_model_write(m, path, &err), SHN_RANGE);
    assert_false(shn_path_exists(path));
    m->logit_scale = 1;
    m->params[m->encoder.units[0].weight] = INFINITY;
    assert_ok(shn_model_write(m, path, &err));
    assert_status(shn_model_read(path, &r, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "conv1.weight"));
    assert_status(shn_model_write(m, "/no/such/folder/m", &err), SHN_IO);
    shn_model_free(m);
}

/** Replaces the first `from` in the file by `to` of the same length and reads it. */
static shn_status read_changed(const char *path, const char *from, const char *to, shn_error *err)
{
    uint8_t   *bytes;
    size_t     n;
    shn_model *m = NULL;
    char       changed[SHN_PATH_MAX];
    assert_int_equal(strlen(from), strlen(to));
    assert_int_equal(shn_file_read(path, 1 << 24, &bytes, &n, err), SHN_OK);
    uint8_t *at = memmem(bytes, n, from, strlen(from));
    if (!at) fail_msg("'%s' is not in the file", from);
    memcpy(at, to, strlen(to));
    snprintf(changed, sizeof changed, "%s.changed", path);
    assert_int_equal(shn_file_write(changed, bytes, n, err), SHN_OK);
    free(bytes);
    const shn_status st = shn_model_read(changed, &m, err);
    assert_true((st == SHN_OK) == (m != NULL));
    shn_model_free(m);
    return st;
}

static void test_mismatches_are_named(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_model  *m = make_model(D);
    const char *path = model_path();
    static const struct { const char *from, *to; shn_status status; const char *named; } cases[] = {
        { "\\\"schema_version\\\":1", "\\\"schema_version\\\":9", SHN_UNSUPPORTED, "schema_version" },
        { "\\\"width\\\":8", "\\\"width\\\":9", SHN_RANGE, "" },
        { "\\\"embed\\\":8", "\\\"embed\\\":9", SHN_MISMATCH, "fc." },
        { "\\\"window\\\":250", "\\\"window\\\":000", SHN_FORMAT, "model" },
        { "\\\"text_width\\\":5", "\\\"text_width\\\":6", SHN_MISMATCH, "text/" },
        { "\\\"n_sets\\\":2", "\\\"n_sets\\\":9", SHN_FORMAT, "sets/labels" },
        { "\\\"readout_default\\\":\\\"marginal\\\"", "\\\"readout_default\\\":\\\"margarin\\\"", SHN_FORMAT, "readout_default" },
        { "encoder.bn1.weight", "encoder.bn1.wEight", SHN_MISMATCH, "encoder.bn1.weight" },
        { "calibration/marginal/slope", "calibration/marginal/slOpe", SHN_MISMATCH, "calibration/marginal/slope" },
    };
    assert_ok(shn_model_write(m, path, &err));
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const shn_status st = read_changed(path, cases[c].from, cases[c].to, &err);
        if (st == SHN_OK || (c != 3 && st != cases[c].status)) fail_msg("%s: %s: %s", cases[c].to, shn_status_text(st), err.text);
        if (!strstr(err.text, cases[c].named)) fail_msg("%s: the error does not name '%s': %s", cases[c].to, cases[c].named, err.text);
    }
    shn_model_free(m);
}

static void test_text_vectors(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    shn_vectors   *a, *b;
    float          x[16], y[16];
    shn_st_writer *w;
    const float    rows[2][3] = { { 1, 2, 3 }, { -1, 0, 1 } };
    assert_ok(shn_vectors_hash(16, 5, &a, &err));
    assert_ok(shn_vectors_get(a, "\u30d6\u30ed\u30c3\u30af", x, &err));                 /* ブロック */
    assert_ok(shn_vectors_get(a, "\u30d5\u3099\u30ed\u30c3\u30af", y, &err));           /* the same decomposed */
    assert_memory_equal(x, y, sizeof x);
    double norm = 0;
    for (int d = 0; d < 16; d++) norm += (double)x[d] * x[d];
    assert_near(norm, 1, 1e-6);
    assert_ok(shn_vectors_hash(16, 6, &b, &err));
    assert_ok(shn_vectors_get(b, "\u30d6\u30ed\u30c3\u30af", y, &err));
    assert_memory_not_equal(x, y, sizeof x);
    assert_status(shn_vectors_get(a, "\xff", x, &err), SHN_FORMAT);
    shn_vectors_free(a);
    shn_vectors_free(b);

    const char *path = model_path();
    assert_ok(shn_st_writer_new(&w, &err));
    assert_ok(shn_st_writer_tensor(w, "vectors", "F32", 2, (size_t[]){ 2, 3 }, rows, &err));
    assert_ok(shn_st_writer_metadata(w, "texts", "[\"sinus rhythm\", \"\u30d5\u3099\"]", &err));
    assert_ok(shn_st_writer_commit(w, path, &err));
    shn_st_writer_free(w);
    assert_ok(shn_vectors_read(path, &a, &err));
    assert_ok(shn_vectors_get(a, "\u30d6", x, &err));
    assert_true(x[0] == -1 && x[2] == 1);
    assert_status(shn_vectors_get(a, "sinus rhythm ", x, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "sinus rhythm "));
    shn_vectors_free(a);
    assert_status(shn_vectors_hash(0, 1, &a, &err), SHN_RANGE);
    shn_model *m = make_model(D);
    assert_ok(shn_model_write(m, path, &err));
    assert_status(shn_vectors_read(path, &a, &err), SHN_FORMAT);       /* a safetensors file of another kind */
    shn_model_free(m);
}

/** Codes, names, names with criteria of all findings, or of those that PTB-XL names; and what no finding is called. */
static void has_every_text(const shn_vectors *v, int scp_only)
{
    const shn_registry *reg = shn_registry_builtin();
    shn_error err = { 0 };
    char      text[SHN_FINDING_TEXT_MAX];
    float    *x = malloc(shn_vectors_width(v) * sizeof *x);
    for (size_t i = 0; i < shn_registry_size(reg); i++)
        for (int form = SHN_TEXT_CODE; form <= SHN_TEXT_NAME_CRITERION && (!scp_only || *shn_registry_codes(reg, SHN_CODE_SCP, i)); form++)
            for (int japanese = 0; japanese < 2; japanese++) {
                assert_true(shn_registry_text(reg, i, (shn_text_form)form, japanese, text));
                if (shn_vectors_get(v, text, x, &err) != SHN_OK) fail_msg("%s: %s", shn_registry_at(reg, i)->id, err.text);
            }
    for (int japanese = 0; japanese < 2; japanese++) assert_ok(shn_vectors_get(v, shn_text_none(japanese), x, &err));
    free(x);
}

/** Training from any folder rests on this: each text that train can ask for is compiled in. When it fails, make models/ again (models/README.md). */
static void test_built_in_vectors_have_every_text_of_the_registry(void **state)
{
    (void)state;
    shn_error    err = { 0 };
    shn_vectors *v, *file;
    assert_ok(shn_vectors_open("e5-small", 1, &v, &err));
    assert_non_null(strstr(shn_vectors_describe(v), "multilingual-e5-small"));
    const size_t width = shn_vectors_width(v);
    float *x = malloc(width * sizeof *x), *y = malloc(width * sizeof *y);
    has_every_text(v, 0);
    assert_ok(shn_vectors_read("models/e5-small-name.safetensors", &file, &err));
    assert_ok(shn_vectors_get(v, "\u5fc3\u623f\u7d30\u52d5", x, &err));             /* 心房細動 */
    assert_ok(shn_vectors_get(file, "\u5fc3\u623f\u7d30\u52d5", y, &err));
    assert_memory_equal(x, y, width * sizeof *x);
    assert_status(shn_vectors_get(v, "no such text", x, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "no such text"));
    assert_non_null(strstr(err.text, "shinden text encode"));
    shn_vectors_free(file);
    shn_vectors_free(v);
    free(x), free(y);
}

static void test_the_other_shipped_vectors(void **state)
{
    static const struct { const char *path, *model; } files[] = {
        { "models/minilm-l6.safetensors", "all-MiniLM-L6-v2" }, { "models/smollm2-135m.safetensors", "SmolLM2-135M" },
    };
    shn_error    err;
    shn_vectors *v;
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_ok(shn_vectors_read(files[i].path, &v, &err));
        assert_non_null(strstr(shn_vectors_describe(v), files[i].model));
        has_every_text(v, 1);
        shn_vectors_free(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sentences_round_trip),
        cmocka_unit_test(test_embeddings_follow_the_rule),
        cmocka_unit_test(test_what_cannot_be_written_is_not),
        cmocka_unit_test(test_mismatches_are_named),
        cmocka_unit_test(test_text_vectors),
        cmocka_unit_test(test_built_in_vectors_have_every_text_of_the_registry),
        cmocka_unit_test(test_the_other_shipped_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
