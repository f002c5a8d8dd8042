/**
 * text/lm and text encode: tiny random Llama, Llama-3.1 (scaled rope), Qwen3, BERT and XLM-R models against vectors by
 * `transformers` (tests/oracle/lm_transformers.py, float32): relative L2 distance of every text and pooling below 1e-5. Then what
 * needs no oracle: one text at a time = all at once (decoders share rows of a common beginning), one thread = many, chunks = no chunks, stopped and resumed = in one go,
 * bit for bit; GGUF = safetensors; allocations that fail.
 */
#include "harness.h"
#include "must_fail.h"

#include <jansson.h>
#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/safetensors.h"
#include "compute/product.h"
#include "shinden/encode.h"
#include "shinden/text.h"
#include "text/encode.h"
#include "text/pooling.h"

enum { TEXTS_MAX = 32 };
static const char *const families[] = { "llama", "llama31", "qwen3", "bert", "xlmr" };
static const char *const poolings[] = { "last", "mean", "mean-label", "cls" };

/** A safetensors file held open. */
typedef struct file { shn_mapping map; shn_safetensors *st; } file;

static void file_open(file *f, const char *path)
{
    shn_error err;
    assert_ok(shn_file_map(path, &f->map, &err));
    assert_ok(shn_safetensors_open(f->map.bytes, f->map.n_bytes, &f->st, &err));
}

static void file_close(file *f)
{
    shn_safetensors_close(f->st);
    shn_file_unmap(&f->map);
}

static const char *golden_path(const char *family, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, SHN_TESTS_DIR "/golden/lm/%s%s%s", family, *name ? "/" : "", name);
    return path;
}

/** The golden texts; texts are borrowed from *list. */
static size_t golden_texts(const file *f, json_t **list, const char *texts[TEXTS_MAX])
{
    *list = json_loads(shn_safetensors_metadata(f->st, "texts"), 0, NULL);
    const size_t n = json_array_size(*list);
    assert_in_range(n, 1, TEXTS_MAX);
    for (size_t i = 0; i < n; i++) texts[i] = json_string_value(json_array_get(*list, i));
    return n;
}

static shn_encode_config config_of(const char *model, const char *pooling)
{
    shn_encode_config c;
    shn_encode_defaults(&c);
    c.model = model;
    c.pooling = (shn_pooling)shn_pooling_from_name(pooling);
    c.prompt = "finding: ";
    c.centre = 0;
    c.precision = "f32";
    c.n_threads = 2;
    return c;
}

/** Encodes and gives back [n][*D]; owned by the caller. */
static float *encode(const shn_encode_config *c, const char *const *texts, size_t n, const char *out, shn_watcher watcher, shn_encode_report *report,
                     size_t *D)
{
    shn_error err;
    file      f;
    assert_ok(shn_encode_texts(c, texts, n, out, watcher, report, &err));
    file_open(&f, out);
    const shn_st_tensor *t = shn_safetensors_find(f.st, "vectors");
    assert_true(t && t->rank == 2 && t->shape[0] == n);
    *D = t->shape[1];
    float *v = malloc(n * *D * sizeof *v);
    assert_ok(shn_safetensors_floats(f.st, "vectors", n * *D, v, &err));
    file_close(&f);
    return v;
}

static double distance(const float *a, const float *b, size_t n)
{
    double d = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        length += (double)b[i] * b[i];
    }
    return sqrt(d / length);
}

static const shn_watcher nobody;

/** One model file or folder against the golden vectors of its family. */
static void against_golden(const char *family, const char *model, const char *pooling, double tolerance)
{
    char        path[512], out[512];
    const char *texts[TEXTS_MAX];
    json_t     *list;
    file        f;
    size_t      D;
    shn_error   err;
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    file_open(&f, golden_path(family, "golden.safetensors"));
    const size_t n = golden_texts(&f, &list, texts);
    snprintf(path, sizeof path, "%s", golden_path(family, model));
    const shn_encode_config c = config_of(path, pooling);
    float *got = encode(&c, texts, n, out, nobody, NULL, &D), *want = malloc(n * D * sizeof *want);
    assert_ok(shn_safetensors_floats(f.st, pooling, n * D, want, &err));
    for (size_t i = 0; i < n; i++)
        if (!(distance(got + i * D, want + i * D, D) < tolerance))
            fail_msg("%s %s, pooling %s, text '%s': relative distance %g", family, model, pooling, texts[i], distance(got + i * D, want + i * D, D));
    free(got), free(want);
    json_decref(list);
    file_close(&f);
}

static void test_transformers(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t p = 0; p < sizeof poolings / sizeof *poolings; p++) against_golden(families[f], "", poolings[p], 1e-5);
}

static void test_gguf(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t p = 0; p < sizeof poolings / sizeof *poolings; p++) against_golden(families[f], "model.gguf", poolings[p], 1e-5);
}

/** Quantised weights against `transformers` on the values that `gguf` expands; tensors of one file take turns with the kinds. */
static void test_quantised(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof poolings / sizeof *poolings; p++) {
        against_golden("quant", "model.gguf", poolings[p], 1e-5);           /* Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 */
        against_golden("quant_k", "model.gguf", poolings[p], 1e-5);         /* Q4_K Q5_K Q6_K */
    }
}

/** A file that says it pools its last token gets its end token appended, whatever the pooling; and "last" is then its default. */
static void test_appended_token(void **state)
{
    const char *texts[] = { "sinus rhythm" };
    char        path[512], out[512];
    file        f;
    size_t      D;
    (void)state;
    for (size_t p = 0; p < sizeof poolings / sizeof *poolings; p++) against_golden("qwen3_embedding", "model.gguf", poolings[p], 1e-5);
    snprintf(path, sizeof path, "%s", golden_path("qwen3_embedding", "model.gguf"));
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    shn_encode_config c = config_of(path, "mean");
    c.pooling = SHN_POOLING_DEFAULT;
    c.centre = -1;
    c.prompt = NULL;
    float *v = encode(&c, texts, 1, out, nobody, NULL, &D);
    free(v);
    file_open(&f, out);
    assert_string_equal(shn_safetensors_metadata(f.st, "pooling"), "last");
    assert_string_equal(shn_safetensors_metadata(f.st, "appended_token"), "2");
    assert_string_equal(shn_safetensors_metadata(f.st, "prompt"), "");
    assert_string_equal(shn_safetensors_metadata(f.st, "centring"), "none");
    file_close(&f);
}

/** bfloat16 operands: near, and by the same tiles, so invariant too (test_invariance). */
static void test_bf16_near(void **state)
{
    shn_isa isa;
    (void)state;
    assert_int_equal(shn_isa_choose(NULL, &isa, NULL), SHN_OK);
    const char *texts[] = { "atrial fibrillation", "心房細動" };
    char        out[512];
    size_t      D;
    shn_error   err;
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    char path[512];
    snprintf(path, sizeof path, "%s", golden_path("qwen3", ""));
    shn_encode_config c = config_of(path, "mean");
    float *f32 = encode(&c, texts, 2, out, nobody, NULL, &D);
    c.precision = "bf16";
    const shn_status st = shn_encode_texts(&c, texts, 2, out, nobody, NULL, &err);
    if (st == SHN_UNSUPPORTED) {
        free(f32);
        printf("skipped: %s\n", err.text);
        skip();
    }
    float *bf16 = encode(&c, texts, 2, out, nobody, NULL, &D);
    for (size_t i = 0; i < 2; i++) {
        assert_true(distance(bf16 + i * D, f32 + i * D, D) < 0.05);
        assert_true(distance(bf16 + i * D, f32 + i * D, D) > 1e-5);         /* else it was not bf16 */
    }
    free(f32), free(bf16);
}

static void same_bits(const char *family, const char *precision)
{
    char        path[512], out[512];
    const char *texts[TEXTS_MAX];
    json_t     *list;
    file        f;
    size_t      D;
    shn_encode_report report;
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    file_open(&f, golden_path(family, "golden.safetensors"));
    const size_t n = golden_texts(&f, &list, texts);
    snprintf(path, sizeof path, "%s", golden_path(family, ""));
    shn_encode_config c = config_of(path, "mean-label");
    c.precision = precision;
    c.n_threads = 1;
    float *all = encode(&c, texts, n, out, nobody, &report, &D);
    assert_int_equal(report.n_chunks, 1);
    if (family[0] == 'b' || family[0] == 'x') assert_int_equal(report.n_rows, report.n_tokens);
    else assert_true(report.n_rows < report.n_tokens);                      /* the prompt's rows are shared, and no bit shows it below */
    for (unsigned t = 2; t <= 5; t++) {
        c.n_threads = t;
        float *v = encode(&c, texts, n, out, nobody, NULL, &D);
        assert_memory_equal(v, all, n * D * sizeof *v);
        free(v);
    }
    for (size_t i = 0; i < n; i++) {
        float *v = encode(&c, texts + i, 1, out, nobody, NULL, &D);
        assert_memory_equal(v, all + i * D, D * sizeof *v);
        free(v);
    }
    c.memory_bytes = 100000;            /* some 100 tokens */
    float *v = encode(&c, texts, n, out, nobody, &report, &D);
    assert_true(report.n_chunks > 1);
    assert_memory_equal(v, all, n * D * sizeof *v);
    free(v), free(all);
    json_decref(list);
    file_close(&f);
}

static int has_bf16(void)
{
    shn_product *p = NULL;
    shn_isa      isa;
    shn_compute *c = NULL;
    const int    yes = shn_isa_choose(NULL, &isa, NULL) == SHN_OK && shn_compute_new(isa, 1, &c, NULL) == SHN_OK &&
                       shn_product_new(1, SHN_BF16, 64, 64, &p, NULL) == SHN_OK;
    shn_product_free(p);
    shn_compute_free(c);
    return yes;
}

static void test_invariance(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) same_bits(families[f], "f32");
    if (has_bf16()) same_bits("qwen3", "bf16");
    else printf("bf16: no kernels on this CPU\n");
}

/* ---- stopping and going on */

typedef struct stop { int calls, after; } stop;

static int stop_after(void *context, const shn_progress *p)
{
    stop *s = context;
    assert_true(p->done <= p->total);
    return ++s->calls > s->after;
}

static void test_resume(void **state)
{
    char        path[512], out[512], partial[600];
    const char *texts[TEXTS_MAX];
    json_t     *list;
    file        f;
    size_t      D;
    shn_error   err;
    shn_encode_report report;
    (void)state;
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    snprintf(partial, sizeof partial, "%s.partial", out);
    file_open(&f, golden_path("llama", "golden.safetensors"));
    const size_t n = golden_texts(&f, &list, texts);
    snprintf(path, sizeof path, "%s", golden_path("llama", ""));
    shn_encode_config c = config_of(path, "mean");
    c.memory_bytes = 100000;
    float *whole = encode(&c, texts, n, out, nobody, &report, &D);
    const size_t passes = report.layers_done;
    assert_true(report.n_chunks > 1);
    assert_int_equal(passes, report.n_chunks * 2);
    for (size_t after = 0; after < passes; after++) {
        stop s = { .after = (int)after };
        assert_int_equal(unlink(out), 0);
        assert_status(shn_encode_texts(&c, texts, n, out, (shn_watcher){ stop_after, &s }, NULL, &err), SHN_CANCELLED);
        assert_int_equal(shn_path_exists(partial), 1);
        assert_int_equal(shn_path_exists(out), 0);
        c.n_threads = 1 + (unsigned)(after % 3);                            /* threads may change between the two */
        float *v = encode(&c, texts, n, out, nobody, &report, &D);
        assert_int_equal(report.layers_resumed, after);
        assert_int_equal(report.layers_done, passes - after);               /* nothing is done twice */
        assert_memory_equal(v, whole, n * D * sizeof *v);
        assert_int_equal(shn_path_exists(partial), 0);
        free(v);
    }
    stop s = { .after = 2 };
    assert_status(shn_encode_texts(&c, texts, n, out, (shn_watcher){ stop_after, &s }, NULL, &err), SHN_CANCELLED);
    assert_status(shn_encode_texts(&c, texts, n - 1, out, nobody, NULL, &err), SHN_MISMATCH);      /* other texts */
    assert_non_null(strstr(err.text, "remove the file"));
    c.prompt = "";
    assert_status(shn_encode_texts(&c, texts, n, out, nobody, NULL, &err), SHN_MISMATCH);          /* another prompt */
    assert_int_equal(unlink(partial), 0);
    assert_ok(shn_encode_texts(&c, texts, n, out, nobody, NULL, &err));
    free(whole);
    json_decref(list);
    file_close(&f);
}

static shn_status refuse_state(const char *name, const uint8_t *bytes, size_t n_bytes, shn_error *err)
{
    static const char key[65] = "k";
    shn_encode_state  s;
    float             vectors[8], x[12];
    (void)name;
    const shn_status st = shn_encode_state_parse(bytes, n_bytes, "p", key, 4, &s, err);
    return st == SHN_OK ? shn_encode_state_take(bytes, n_bytes, "p", &s, vectors, x, 6, 2, err) : st;
}

static void test_state_files(void **state)
{
    static const refusal table[] = {
        { "other_run.safetensors", "text.encode", "other texts, weights or settings" }, { "no_place.safetensors", "text.encode", "'place'" },
        { "place_past_the_texts.safetensors", "text.encode", "'place'" },             { "place_backwards.safetensors", "text.encode", "'place'" },
        { "place_negative.safetensors", "text.encode", "'place'" },                   { "place_with_more.safetensors", "text.encode", "'place'" },
        { "no_states.safetensors", "safetensors", "'x'" },                            { "fewer_vectors.safetensors", "safetensors", "'vectors'" },
        { "nan_state.safetensors", "text.encode", "NaN" },                            { "cut.safetensors", "safetensors.data", "remove it" },
    };
    (void)state;
    check_refusals("encode_state", table, sizeof table / sizeof *table, refuse_state);
}

/* ---- settings and the cache */

static void test_cache(void **state)
{
    const char  *texts[] = { "atrial fibrillation", "\xe3\x83\x95\xe3\x82\x99ロック", "洞調律" };          /* フ and a mark, apart */
    char         path[512], out[512];
    float        v[64], plain[3 * 64], centre[64];
    shn_vectors *vectors;
    file         f;
    shn_error    err;
    size_t       D;
    (void)state;
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    snprintf(path, sizeof path, "%s", golden_path("llama", ""));
    shn_encode_config c = config_of(path, "mean-label");
    float *raw = encode(&c, texts, 3, out, nobody, NULL, &D);
    memcpy(plain, raw, 3 * D * sizeof *raw);
    free(raw);
    c.prompt = NULL;
    c.pooling = SHN_POOLING_DEFAULT;
    c.centre = -1;
    assert_ok(shn_encode_texts(&c, texts, 3, out, nobody, NULL, &err));
    file_open(&f, out);
    assert_string_equal(shn_safetensors_metadata(f.st, "prompt"), "en 'ECG finding: ', ja '心電図所見：'");
    assert_string_equal(shn_safetensors_metadata(f.st, "pooling"), "mean-label");
    assert_non_null(strstr(shn_safetensors_metadata(f.st, "centring"), "mean"));
    assert_non_null(strstr(shn_safetensors_metadata(f.st, "texts"), "ブロック"));
    assert_int_equal(strlen(shn_safetensors_metadata(f.st, "model_hash")), 64);
    assert_int_equal(strlen(shn_safetensors_metadata(f.st, "tokenizer_hash")), 64);
    assert_ok(shn_safetensors_floats(f.st, "centre", D, centre, &err));
    file_close(&f);
    assert_ok(shn_vectors_read(out, &vectors, &err));
    double sum[64] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        assert_ok(shn_vectors_get(vectors, texts[i], v, &err));             /* found by its NFC form */
        for (size_t d = 0; d < D; d++) sum[d] += v[d];
    }
    for (size_t d = 0; d < D; d++) assert_near(sum[d], 0, 1e-5);
    shn_vectors_free(vectors);
    c.prompt = "finding: ";
    assert_ok(shn_encode_texts(&c, texts, 3, out, nobody, NULL, &err));     /* centred = plain less its mean */
    assert_ok(shn_vectors_read(out, &vectors, &err));
    for (size_t i = 0; i < 3; i++) {
        assert_ok(shn_vectors_get(vectors, texts[i], v, &err));
        for (size_t d = 0; d < D; d++) {
            const double mean = ((double)plain[d] + plain[D + d] + plain[2 * D + d]) / 3;
            assert_near(v[d], plain[i * D + d] - mean, 1e-5);
        }
    }
    shn_vectors_free(vectors);
}

static void test_pooling(void **state)
{
    const float states[5][2] = { { 4, 40 }, { 1, 10 }, { 77, 77 }, { 2, 20 }, { 9, 90 } };
    const uint32_t row[] = { 1, 3, 0, 4 };                                   /* of tokens: 1, 2, 4, 9 */
    float       out[2], rows[3][2] = { { 1, 2 }, { 2, 2 }, { 6, 5 } }, mean[2];
    (void)state;
    shn_pool(SHN_POOLING_LAST, states[0], row, 4, 2, 1, 3, out);
    assert_true(out[0] == 9 && out[1] == 90);
    shn_pool(SHN_POOLING_CLS, states[0], row, 4, 2, 1, 3, out);
    assert_true(out[0] == 1 && out[1] == 10);
    shn_pool(SHN_POOLING_MEAN, states[0], row, 4, 2, 1, 3, out);
    assert_true(out[0] == 4 && out[1] == 40);
    shn_pool(SHN_POOLING_MEAN_LABEL, states[0], row, 4, 2, 1, 3, out);
    assert_true(out[0] == 3 && out[1] == 30);
    shn_pool_centre(rows[0], 3, 2, mean);
    assert_true(mean[0] == 3 && mean[1] == 3 && rows[0][0] == -2 && rows[2][1] == 2);
}

static void test_language(void **state)
{
    (void)state;
    assert_int_equal(shn_text_is_japanese("心房細動"), 1);
    assert_int_equal(shn_text_is_japanese("QTノ"), 1);
    assert_int_equal(shn_text_is_japanese("ﾌﾞﾛｯｸ"), 1);
    assert_int_equal(shn_text_is_japanese("QT prolongation ≥ 0.5 s, Ähnlich"), 0);
    assert_int_equal(shn_text_is_japanese(""), 0);
}

/** Same number of ids, other meaning: config.json's end token is a letter in this tokenizer. */
static void test_tokenizer_of_another_model(void **state)
{
    static const char *const copied[] = { "model.safetensors", "tokenizer.json" };
    const char *texts[] = { "a" };
    char        folder[400], from[512], to[512], out[512], *text, *at;
    uint8_t    *bytes;
    size_t      n;
    shn_error   err;
    (void)state;
    snprintf(folder, sizeof folder, "%s/other", test_folder());
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    assert_ok(shn_dir_make(folder, &err));
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s", golden_path("llama", copied[i]));
        snprintf(to, sizeof to, "%s/%s", folder, copied[i]);
        assert_ok(shn_file_read(from, 1 << 20, &bytes, &n, &err));
        assert_ok(shn_file_write(to, bytes, n, &err));
        free(bytes);
    }
    assert_ok(shn_file_read(golden_path("llama", "config.json"), 1 << 20, &bytes, &n, &err));
    text = (char *)bytes;
    at = strstr(text, "\"eos_token_id\": 2");
    assert_non_null(at);
    at[strlen("\"eos_token_id\": ")] = '9';
    snprintf(to, sizeof to, "%s/config.json", folder);
    assert_ok(shn_file_write(to, text, n, &err));
    free(text);
    const shn_encode_config c = config_of(folder, "mean");
    assert_status(shn_encode_texts(&c, texts, 1, out, nobody, NULL, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "eos_token_id 9"));
}

static void test_refusals(void **state)
{
    char        out[512], path[512], longest[300];
    const char *twice[] = { "a", "a" }, *empty[] = { "" }, *one[] = { "a" }, *much[] = { longest };
    shn_error   err;
    (void)state;
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    snprintf(path, sizeof path, "%s", golden_path("bert", ""));
    shn_encode_config c = config_of(path, "mean");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_status(shn_encode_texts(&c, one, 0, out, nobody, NULL, &err), SHN_RANGE);
    assert_status(shn_encode_texts(&c, twice, 2, out, nobody, NULL, &err), SHN_RANGE);
    assert_status(shn_encode_texts(&c, empty, 1, out, nobody, NULL, &err), SHN_RANGE);
    assert_status(shn_encode_texts(&c, much, 1, out, nobody, NULL, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "the model takes 256"));
    longest[256 - 2 - strlen("finding: ")] = 0;                             /* exactly as many as there are positions */
    assert_ok(shn_encode_texts(&c, much, 1, out, nobody, NULL, &err));
    c.precision = "f64";
    assert_status(shn_encode_texts(&c, one, 1, out, nobody, NULL, &err), SHN_RANGE);
    c.precision = "f32";
    c.model = "/nonexistent";
    assert_status(shn_encode_texts(&c, one, 1, out, nobody, NULL, &err), SHN_IO);
}

/** Every allocation fails in turn: an error, nothing leaked (the sanitizers see that), no output. */
static void test_allocations(void **state)
{
    const char *texts[] = { "ab", "心" };
    char        out[512], path[512];
    shn_error   err;
    shn_status  st = SHN_NOMEM;
    (void)state;
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    snprintf(path, sizeof path, "%s", golden_path("qwen3", ""));
    const shn_encode_config c = config_of(path, "mean");
    for (long n = 1; st != SHN_OK; n += 1 + n / 16) {
        shn_alloc_fail_after(n);
        st = shn_encode_texts(&c, texts, 2, out, nobody, NULL, &err);
        shn_alloc_fail_after(0);
        if (st != SHN_OK) {
            assert_int_equal(st, SHN_NOMEM);
            assert_int_equal(shn_path_exists(out), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transformers), cmocka_unit_test(test_gguf),
        cmocka_unit_test(test_quantised),    cmocka_unit_test(test_appended_token), cmocka_unit_test(test_tokenizer_of_another_model), cmocka_unit_test(test_state_files),
        cmocka_unit_test(test_bf16_near), cmocka_unit_test(test_invariance),
        cmocka_unit_test(test_resume),       cmocka_unit_test(test_cache),   cmocka_unit_test(test_pooling),   cmocka_unit_test(test_language),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
