/** Model folders: config.json, index, shards; and the same weights from a folder and from GGUF, number by number. */
#include "base/alloc.h"
#include "harness.h"
#include "must_fail.h"
#include "text/st_model.h"

#define TINY SHN_TESTS_DIR "/golden/tiny"

static const refusal refusals[] = {
    { "activation_gelu_in_llama", "model.config", "'hidden_act' is not silu, as this" },
    { "activation_relu", "model.config", "'hidden_act' is 'relu'; silu and g" },
    { "bert_decoder", "model.config", "'is_decoder' is true, which this p" },
    { "bert_positions_missing", "model.config", "'max_position_embeddings' is missing" },
    { "bert_relative_positions", "model.config", "'position_embedding_type' is not absolute" },
    { "bert_silu", "model.config", "'hidden_act' is silu; this model_t" },
    { "bos_too_large", "model.config", "'bos_token_id' is not a token id" },
    { "epsilon_0", "weights.config", "norm epsilon 0 is not between 0 an" },
    { "epsilon_missing", "model.config", "'rms_norm_eps' is missing" },
    { "head_dim_missing", "model.config", "'head_dim' is missing" },
    { "head_odd", "weights.config", "head size 15 is odd, rope needs pa" },
    { "heads_0", "model.config", "'num_attention_heads' or num_key_value_head" },
    { "heads_not_in_width", "model.config", "'hidden_size' is no multiple of num" },
    { "heads_not_shared", "weights.config", "4 attention heads cannot share 3 k" },
    { "index_file_above", "model.index", "'x': its file is no plain" },
    { "index_file_absolute", "model.index", "'x': its file is no plain" },
    { "index_file_empty", "model.index", "'x': its file is no plain" },
    { "index_file_hidden", "model.index", "'x': its file is no plain" },
    { "index_file_in_folder", "model.index", "'x': its file is no plain" },
    { "index_file_number", "model.index", "'x': its file is no plain" },
    { "index_map_empty", "model.index", "no weight_map, or it is empty" },
    { "index_map_list", "model.index", "no weight_map, or it is empty" },
    { "index_no_map", "model.index", "no weight_map, or it is empty" },
    { "index_too_many_files", "model.index", "more than 1000 files" },
    { "key_twice", "model.config", "'\"model_type\"'" },
    { "layers_0", "weights.config", "layers is 0, 1 to 512 expected" },
    { "layers_too_many", "weights.config", "layers is 513, 1 to 512 expected" },
    { "model_type_gemma", "model.config", "'model_type' is 'gemma2'; llama, q" },
    { "model_type_missing", "model.config", "'model_type' is missing or no stri" },
    { "not_an_object", "model.config", "not JSON at line 1: not an object" },
    { "not_json", "model.config", "'}' expected near end of" },
    { "partial_rotary", "model.config", "'partial_rotary_factor' is not 1, which this" },
    { "quantised", "model.config", "'quantization_config' is there: quantised s" },
    { "rope_factor_0", "model.config", "'rope_scaling' has factors out of or" },
    { "rope_factor_missing", "model.config", "'factor' is missing" },
    { "rope_factors_equal", "model.config", "'rope_scaling' has factors out of or" },
    { "rope_scaling_no_type", "model.config", "'rope_scaling' has no rope_type" },
    { "rope_scaling_string", "model.config", "'rope_scaling' is not an object" },
    { "rope_scaling_yarn", "model.config", "'rope_scaling' is of type 'yarn'; on" },
    { "sliding_layers", "model.config", "'layer_types' names layers other th" },
    { "sliding_window", "model.config", "'use_sliding_window' is true, which this p" },
    { "theta_0", "weights.config", "rope theta 0 is not between 1 and" },
    { "theta_missing", "model.config", "'rope_theta' is missing" },
    { "width_huge", "model.config", "'hidden_size' is not a whole number" },
    { "width_missing", "model.config", "'hidden_size' is missing" },
    { "width_negative", "model.config", "'hidden_size' is not a whole number" },
    { "width_string", "model.config", "'hidden_size' is not a whole number" },
    { "xlmr_pad_missing", "model.config", "'pad_token_id' is missing; positions" },
    { "xlmr_pad_past_positions", "model.config", "'max_position_embeddings' leaves no position af" },
};

static shn_status refuse(const char *name, const uint8_t *bytes, size_t n_bytes, shn_error *err)
{
    shn_lm_config config;
    float        *divisor;
    shn_st_index  index;
    shn_status    st;
    if (strncmp(name, "index_", 6) == 0) {
        st = shn_st_index_parse(bytes, n_bytes, &index, err);
        assert_true(index.n_files == 0 && !index.tensors);
    } else {
        st = shn_st_config_parse(bytes, n_bytes, &config, &divisor, err);
        assert_null(divisor);
    }
    return st;
}

static void test_must_fail_corpus(void **state)
{
    (void)state;
    check_refusals("st_config", refusals, sizeof refusals / sizeof *refusals, refuse);
}

/** Row of a GGUF llama's q or k that holds row r of the folder's: pairs (i, i + half) there, (2i, 2i + 1) here. */
static size_t permuted(size_t r, size_t head_size)
{
    const size_t head = r / head_size, in = r % head_size, half = head_size / 2;
    return head * head_size + (in < half ? 2 * in : 2 * (in - half) + 1);
}

static void same_tensor(const shn_weights *a, const shn_weights *b, shn_w_role role, size_t layer)
{
    const shn_lm_config   *c = shn_weights_config(a);
    const shn_tensor_view *x = shn_weights_tensor(a, role, layer), *y = shn_weights_tensor(b, role, layer);
    if (!x != !y) fail_msg("role %d layer %zu is only in one format", (int)role, layer);
    if (!x) return;
    size_t skip = role == SHN_W_POSITION_EMBD ? c->position_offset : 0;        /* GGUF drops the rows before the first position */
    assert_int_equal(x->rows - skip, y->rows);
    assert_int_equal(x->cols, y->cols);
    float *one = malloc(x->cols * sizeof *one), *two = malloc(x->cols * sizeof *two);
    const int swap = shn_weights_config(b)->rope_interleaved && (role == SHN_W_ATTN_Q || role == SHN_W_ATTN_K);
    for (size_t r = 0; r < y->rows; r++) {
        shn_dequant_rows(x, r + skip, 1, one);
        shn_dequant_rows(y, swap ? permuted(r, c->head_size) : r, 1, two);
        if (memcmp(one, two, x->cols * sizeof *one) != 0) fail_msg("%s and %s differ in row %zu", x->name, y->name, r);
    }
    free(one);
    free(two);
}

static size_t count_tensors(const shn_weights *w)
{
    size_t n = 0;
    for (int role = 0; role < SHN_W_ROLES; role++)
        for (size_t layer = 0; layer < (role < SHN_W_PER_LAYER ? 1 : shn_weights_config(w)->n_layers); layer++) n += shn_weights_tensor(w, (shn_w_role)role, layer) != NULL;
    return n;
}

static void same_model(const char *folder, const char *file, size_t n_tensors)
{
    shn_error    err = { 0 };
    shn_weights *a, *b;
    assert_ok(shn_weights_open(folder, &a, &err));
    assert_ok(shn_weights_open(file, &b, &err));
    const shn_lm_config *x = shn_weights_config(a), *y = shn_weights_config(b);
    assert_int_equal(x->n_layers, y->n_layers);
    assert_int_equal(x->width, y->width);
    assert_int_equal(x->n_heads, y->n_heads);
    assert_int_equal(x->n_kv_heads, y->n_kv_heads);
    assert_int_equal(x->head_size, y->head_size);
    assert_int_equal(x->ffn, y->ffn);
    assert_int_equal(x->vocab, y->vocab);
    assert_int_equal(x->max_positions, y->max_positions);
    assert_int_equal(x->activation, y->activation);
    assert_int_equal(x->tied, y->tied);
    assert_near(x->norm_eps / y->norm_eps, 1.0, 1e-6);          /* GGUF keeps it as f32 */
    assert_near(x->rope_theta, y->rope_theta, 0);
    assert_true(!x->rope_divisor == !y->rope_divisor);
    for (size_t i = 0; x->rope_divisor && i < x->head_size / 2; i++) assert_near(x->rope_divisor[i] / y->rope_divisor[i], 1.0, 1e-6);
    assert_false(x->rope_interleaved);
    assert_null(shn_weights_vocab(a));
    assert_non_null(shn_weights_vocab(b));
    for (int role = 0; role < SHN_W_ROLES; role++)
        for (size_t layer = 0; layer < (role < SHN_W_PER_LAYER ? 1 : x->n_layers); layer++) same_tensor(a, b, (shn_w_role)role, layer);
    assert_int_equal(count_tensors(a), n_tensors);
    char before[65], after[65];
    assert_ok(shn_weights_identity(b, before, &err));
    for (size_t layer = 0; layer < x->n_layers; layer++) shn_weights_done(b, layer);
    shn_weights_done(b, SHN_W_GLOBAL);
    assert_ok(shn_weights_identity(b, after, &err));            /* pages given back come again */
    assert_string_equal(before, after);
    assert_ok(shn_weights_identity(a, after, &err));
    assert_string_not_equal(before, after);
    shn_weights_close(a);
    shn_weights_close(b);
}

static void test_both_formats(void **state)
{
    (void)state;
    same_model(TINY "/llama", TINY "/llama.gguf", 20);              /* two shards */
    same_model(TINY "/llama31", TINY "/llama31.gguf", 20);          /* rope scaling */
    same_model(TINY "/qwen3", TINY "/qwen3-00002-of-00003.gguf", 24);
    same_model(TINY "/bert", TINY "/bert.gguf", 37);
    same_model(TINY "/xlmr", TINY "/xlmr.gguf", 37);
}

static void test_families(void **state)
{
    (void)state;
    static const struct { const char *path; shn_lm_family family; int interleaved; size_t offset; } cases[] = {
        { TINY "/llama", SHN_LM_LLAMA, 0, 0 },     { TINY "/llama.gguf", SHN_LM_LLAMA, 1, 0 },
        { TINY "/qwen3", SHN_LM_QWEN3, 0, 0 },     { TINY "/qwen3-00001-of-00003.gguf", SHN_LM_QWEN3, 0, 0 },
        { TINY "/bert", SHN_LM_BERT, 0, 0 },       { TINY "/xlmr", SHN_LM_XLMR, 0, 2 },      { TINY "/xlmr.gguf", SHN_LM_BERT, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error    err = { 0 };
        shn_weights *w;
        assert_ok(shn_weights_open(cases[i].path, &w, &err));
        assert_int_equal(shn_weights_config(w)->family, cases[i].family);
        assert_int_equal(shn_weights_config(w)->rope_interleaved, cases[i].interleaved);
        assert_int_equal(shn_weights_config(w)->position_offset, cases[i].offset);
        shn_weights_close(w);
    }
}

static shn_lm_config parse(const char *name, float **divisor)
{
    shn_error     err = { 0 };
    char          path[SHN_PATH_MAX];
    uint8_t      *bytes;
    size_t        n;
    shn_lm_config c;
    snprintf(path, sizeof path, "%s/fuzz/corpus/st_config/%s", SHN_TESTS_DIR, name);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
    assert_ok(shn_st_config_parse(bytes, n, &c, divisor, &err));
    free(bytes);
    return c;
}

/** Llama 3.1's own numbers: theta 500000, factor 8, 8192 positions; head size 16 here. */
static void test_config(void **state)
{
    (void)state;
    float        *d;
    shn_lm_config c = parse("llama", &d);
    assert_non_null(d);
    assert_int_equal(c.eos_id, 2);              /* the first of several */
    assert_int_equal(c.pad_id, -1);
    assert_int_equal(c.head_size, 16);
    /* wavelengths 2 pi 500000^(i/8): 6.28 32.4 167 861 | 4443 | 22913 118157 609331; short below 2048, long above 8192 */
    for (int i = 0; i < 4; i++) assert_near(d[i], 1.0, 0);
    const double smooth = (8192.0 / (2 * 3.14159265358979323846 * 707.10678118654752) - 1.0) / 3.0;     /* 500000^(1/2) = 707.1 */
    assert_near(d[4], 1.0 / ((1 - smooth) / 8 + smooth), 1e-6);
    assert_true(d[4] > 1 && d[4] < 8);
    for (int i = 5; i < 8; i++) assert_near(d[i], 8.0, 0);
    free(d);
    c = parse("qwen3", &d);
    assert_null(d);
    assert_int_equal(c.head_size, 32);          /* not width / heads */
    c = parse("xlmr", &d);
    assert_int_equal(c.position_offset, 2);
    assert_int_equal(c.max_positions, 512);
    assert_int_equal(c.activation, SHN_LM_GELU);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char      path[SHN_PATH_MAX];
    shn_error err = { 0 };
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(shn_file_write(path, text, strlen(text), &err));
}

static void copy_into(const char *from_folder, const char *name, const char *folder)
{
    char      path[SHN_PATH_MAX];
    shn_error err = { 0 };
    uint8_t  *bytes;
    size_t    n;
    snprintf(path, sizeof path, "%s/%s", from_folder, name);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(shn_file_write(path, bytes, n, &err));
    free(bytes);
}

static void test_folder_defects(void **state)
{
    (void)state;
    const char  *folder = test_folder();
    char         path[SHN_PATH_MAX + 8];
    shn_error    err = { 0 };
    shn_weights *w;
    assert_status(shn_weights_open(folder, &w, &err), SHN_IO);
    assert_non_null(strstr(err.text, "config.json: not found"));
    copy_into(TINY "/llama", "config.json", folder);
    assert_status(shn_weights_open(folder, &w, &err), SHN_IO);
    assert_non_null(strstr(err.text, "neither model.safetensors nor"));
    copy_into(TINY "/llama", "model.safetensors.index.json", folder);
    copy_into(TINY "/llama", "model-00001-of-00002.safetensors", folder);
    assert_status(shn_weights_open(folder, &w, &err), SHN_IO);
    assert_non_null(strstr(err.text, "model-00002-of-00002.safetensors: not found"));
    assert_non_null(strstr(err.text, "shard "));
    copy_into(TINY "/llama", "model-00002-of-00002.safetensors", folder);
    assert_ok(shn_weights_open(folder, &w, &err));
    assert_int_equal(shn_weights_config(w)->pooling, SHN_LM_POOL_UNSAID);
    char one[65], two[65];
    assert_ok(shn_weights_identity(w, one, &err));
    shn_weights_close(w);

    snprintf(path, sizeof path, "%s/1_Pooling", folder);
    assert_ok(shn_dir_make(path, &err));
    write_text(path, "config.json", "{\"pooling_mode_lasttoken\": true, \"pooling_mode_mean_tokens\": false}");
    assert_ok(shn_weights_open(folder, &w, &err));
    assert_int_equal(shn_weights_config(w)->pooling, SHN_LM_POOL_LAST);
    assert_ok(shn_weights_identity(w, two, &err));
    assert_string_not_equal(one, two);
    shn_weights_close(w);
    write_text(path, "config.json", "[");
    assert_status(shn_weights_open(folder, &w, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "not JSON"));
    write_text(path, "config.json", "{}");

    write_text(folder, "model.safetensors.index.json", "{\"weight_map\": {\"model.norm.weight\": \"model-00001-of-00002.safetensors\"}}");
    assert_true(shn_weights_open(folder, &w, &err) == SHN_MISMATCH);    /* either it is elsewhere or the shard holds more */
    write_text(folder, "model.safetensors.index.json", "{\"weight_map\": {\"model.none.weight\": \"model-00001-of-00002.safetensors\"}}");
    assert_status(shn_weights_open(folder, &w, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "'model.none.weight' is not in 'model-00001-of-00002.safetensors'"));
    copy_into(TINY "/bert", "model.safetensors", folder);               /* another model's weights under a Llama's config */
    assert_status(shn_weights_open(folder, &w, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "tensor 'model.embed_tokens.weight' is missing"));
    copy_into(TINY "/qwen3", "config.json", folder);
    copy_into(TINY "/llama31", "model.safetensors", folder);
    assert_status(shn_weights_open(folder, &w, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "self_attn.q_norm.weight' is missing"));
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

static void test_allocations(void **state)
{
    (void)state;
    shn_status st = SHN_NOMEM;
    long       nth = 1;
    for (; st == SHN_NOMEM; nth++) {
        shn_error    err = { 0 };
        shn_weights *w;
        shn_alloc_fail_after(nth);
        st = shn_weights_open(TINY "/llama", &w, &err);
        shn_alloc_fail_after(0);
        assert_true((st == SHN_OK) == (w != NULL));
        if (st != SHN_OK) assert_int_equal(st, SHN_NOMEM);
        shn_weights_close(w);
    }
    assert_true(nth > 30);
}

/** The real MiniLM folder or any other, where $SHINDEN_MODEL names one. */
static void test_real_model(void **state)
{
    (void)state;
    const char  *path = getenv("SHINDEN_MODEL");
    shn_error    err = { 0 };
    shn_weights *w;
    if (!path) {
        printf("skipped: no model (set SHINDEN_MODEL to a folder or a .gguf file)\n");
        skip();
    }
    assert_ok(shn_weights_open(path, &w, &err));
    printf("%s: %s, %zu tensors\n", path, shn_weights_describe(w), count_tensors(w));
    shn_weights_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_formats),   cmocka_unit_test(test_families),    cmocka_unit_test(test_config),     cmocka_unit_test(test_folder_defects),
        cmocka_unit_test(test_allocations),    cmocka_unit_test(test_real_model),  cmocka_unit_test(test_must_fail_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
