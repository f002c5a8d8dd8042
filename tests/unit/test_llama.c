/**
 * text encode --provider llama beside our own pass on the tiny models of golden/lm: same tokens, prompt, pooling and centring, so only the layers
 * differ. Where the build has no libllama, that it says so.
 */
#include "harness.h"

#include <math.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "shinden/encode.h"
#include "shinden/text.h"

enum { N = 6, WIDTH_MAX = 256 };
static const char *const texts[N] = { "atrial fibrillation", "atrial flutter", "心房細動", "左脚ブロック", "QT prolongation", "a" };

static shn_encode_config config_of(const char *model, const char *provider)
{
    shn_encode_config c;
    shn_encode_defaults(&c);
    c.model = model;
    c.provider = provider;
    c.n_threads = 2;
    return c;
}

static const char *golden_path(const char *model)
{
    static char path[512];
    snprintf(path, sizeof path, SHN_TESTS_DIR "/golden/lm/%s", model);
    return path;
}

static void need_llama(void)
{
    if (shn_encode_llama()) return;
    printf("skipped: built without libllama (tests/oracle/build_libllama.sh makes one)\n");
    skip();
}

static void vectors_of(const shn_encode_config *c, float v[N][WIDTH_MAX], size_t *D)
{
    char         out[512];
    shn_error    err;
    shn_vectors *read;
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    assert_ok(shn_encode_texts(c, texts, N, out, (shn_watcher){ 0 }, NULL, &err));
    assert_ok(shn_vectors_read(out, &read, &err));
    *D = shn_vectors_width(read);
    assert_in_range(*D, 1, WIDTH_MAX);
    for (size_t i = 0; i < N; i++) assert_ok(shn_vectors_get(read, texts[i], v[i], &err));
    shn_vectors_free(read);
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

static void compare(const char *model, shn_pooling pooling, double tolerance)
{
    static float own[N][WIDTH_MAX], llama[N][WIDTH_MAX];
    char   path[512];
    size_t D, E;
    snprintf(path, sizeof path, "%s", golden_path(model));
    shn_encode_config c = config_of(path, "own");
    c.pooling = pooling;
    c.centre = pooling == SHN_POOLING_DEFAULT && tolerance <= 1e-5 ? -1 : 0;        /* centred vectors are short: rounding weighs more */
    vectors_of(&c, own, &D);
    c.provider = "llama";
    vectors_of(&c, llama, &E);
    assert_int_equal(D, E);
    for (size_t i = 0; i < N; i++)
        if (!(distance(llama[i], own[i], D) < tolerance))
            fail_msg("%s, pooling %s, '%s': relative distance %g", model, shn_pooling_name(pooling), texts[i], distance(llama[i], own[i], D));
}

/**
 * float32 weights: as near as two float32 programs are. libllama's GELU is a table of 16-bit values, and it rounds the activations to 8 bits
 * where the weights are quantised: what those cost is in docs/text.md.
 */
static void test_beside_own(void **state)
{
    static const struct { const char *model; double tolerance; } cases[] = {
        { "llama/model.gguf", 1e-5 }, { "llama31/model.gguf", 1e-5 }, { "qwen3/model.gguf", 1e-5 },  { "qwen3_embedding/model.gguf", 1e-5 },
        { "bert/model.gguf", 1e-3 },  { "xlmr/model.gguf", 1e-3 },    { "quant/model.gguf", 0.1 }, { "quant_k/model.gguf", 5e-3 },
    };
    (void)state;
    need_llama();
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int p = SHN_POOLING_DEFAULT; p <= SHN_POOLING_CLS; p++) compare(cases[k].model, (shn_pooling)p, cases[k].tolerance);
}

/** More texts than one call takes: chunks, and no text knows its neighbours. */
static void test_chunks(void **state)
{
    enum { MANY = 300 };
    static char  words[MANY][16];
    const char  *many[MANY], *one[] = { "text 7" };
    float        v[WIDTH_MAX], alone[WIDTH_MAX];
    char         out[512], path[512];
    shn_error    err;
    shn_vectors *read;
    shn_encode_report report;
    (void)state;
    need_llama();
    for (size_t i = 0; i < MANY; i++) {
        snprintf(words[i], sizeof words[i], "text %zu", i);
        many[i] = words[i];
    }
    snprintf(path, sizeof path, "%s", golden_path("qwen3/model.gguf"));
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    shn_encode_config c = config_of(path, "llama");
    c.centre = 0;
    assert_ok(shn_encode_texts(&c, many, MANY, out, (shn_watcher){ 0 }, &report, &err));
    assert_true(report.n_chunks > 1);
    assert_int_equal(report.layers_done, report.n_chunks * 2);
    assert_string_equal(report.provider, "llama");
    assert_non_null(strstr(report.precision, "libllama"));
    assert_ok(shn_vectors_read(out, &read, &err));
    assert_ok(shn_vectors_get(read, one[0], v, &err));
    const size_t D = shn_vectors_width(read);
    shn_vectors_free(read);
    assert_ok(shn_encode_texts(&c, one, 1, out, (shn_watcher){ 0 }, NULL, &err));
    assert_ok(shn_vectors_read(out, &read, &err));
    assert_ok(shn_vectors_get(read, one[0], alone, &err));
    shn_vectors_free(read);
    assert_true(distance(v, alone, D) < 1e-5);
}

static void test_provider_is_recorded(void **state)
{
    char             path[512], out[512];
    shn_mapping      map;
    shn_safetensors *st;
    shn_error        err;
    (void)state;
    snprintf(path, sizeof path, "%s", golden_path("llama/model.gguf"));
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    for (int llama = 0; llama <= (shn_encode_llama() != NULL); llama++) {
        const shn_encode_config c = config_of(path, llama ? "llama" : "own");
        assert_ok(shn_encode_texts(&c, texts, N, out, (shn_watcher){ 0 }, NULL, &err));
        assert_ok(shn_file_map(out, &map, &err));
        assert_ok(shn_safetensors_open(map.bytes, map.n_bytes, &st, &err));
        assert_string_equal(shn_safetensors_metadata(st, "provider"), llama ? "llama" : "own");
        assert_non_null(strstr(shn_safetensors_metadata(st, "precision"), llama ? "libllama" : "oneDNN"));
        shn_safetensors_close(st);
        shn_file_unmap(&map);
    }
}

static void test_refusals(void **state)
{
    char      path[512], out[512];
    shn_error err;
    (void)state;
    snprintf(path, sizeof path, "%s", golden_path("llama/model.gguf"));
    snprintf(out, sizeof out, "%s/v.safetensors", test_folder());
    shn_encode_config c = config_of(path, "ollama");
    assert_status(shn_encode_texts(&c, texts, N, out, (shn_watcher){ 0 }, NULL, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "'ollama', must be own or llama"));
    c.provider = "llama";
    if (!shn_encode_llama()) {
        assert_status(shn_encode_texts(&c, texts, N, out, (shn_watcher){ 0 }, NULL, &err), SHN_UNSUPPORTED);
        assert_non_null(strstr(err.text, "built without libllama"));
        return;
    }
    c.precision = "bf16";
    assert_status(shn_encode_texts(&c, texts, N, out, (shn_watcher){ 0 }, NULL, &err), SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "leave it at auto"));
    c.precision = "auto";
    snprintf(path, sizeof path, "%s", golden_path("llama"));
    assert_status(shn_encode_texts(&c, texts, N, out, (shn_watcher){ 0 }, NULL, &err), SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "is a folder"));
    assert_int_equal(shn_path_exists(out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_own), cmocka_unit_test(test_chunks), cmocka_unit_test(test_provider_is_recorded), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
