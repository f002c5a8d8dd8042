/** Tokenizers: the vocabulary as GGUF has it, files and documents that are refused, memory that ends. */
#include <dirent.h>

#include "tokenizer_small.h"

/* ---- the vocabulary as GGUF has it gives the same ids */

enum { VOCAB_ROOM = 4096 };
typedef struct gguf_like {
    shn_span pieces[VOCAB_ROOM], merges[VOCAB_ROOM];
    float    scores[VOCAB_ROOM];
    int32_t  types[VOCAB_ROOM];
    uint8_t *charsmap;
    size_t   n, n_merges, n_charsmap;
    char    *own[2 * VOCAB_ROOM];
    size_t   n_own;
} gguf_like;

static shn_span make_span(gguf_like *g, const char *before, const char *text, const char *between, const char *after)
{
    char *joined = NULL;
    assert_true(asprintf(&joined, "%s%s%s%s", before, text, between, after) >= 0);
    g->own[g->n_own++] = joined;
    return (shn_span){ joined, strlen(joined) };
}

static void add_piece(gguf_like *g, size_t id, const char *piece, int bert)
{
    assert_true(id < VOCAB_ROOM);
    if (!bert || (piece[0] == '[' && piece[1])) g->pieces[id] = make_span(g, "", piece, "", "");
    else if (strncmp(piece, "##", 2) == 0) g->pieces[id] = make_span(g, "", piece + 2, "", "");
    else g->pieces[id] = make_span(g, "\u2581", piece, "", "");
    g->types[id] = 1;
    if (id >= g->n) g->n = id + 1;
}

static void decode_base64(gguf_like *g, const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    g->charsmap = calloc(strlen(text) + 4, 1);
    uint32_t bits = 0;
    int      n_bits = 0;
    for (; *text && *text != '='; text++) {
        bits = bits << 6 | (uint32_t)(strchr(letters, *text) - letters);
        if ((n_bits += 6) >= 8) g->charsmap[g->n_charsmap++] = (uint8_t)(bits >> (n_bits -= 8));
    }
}

static gguf_like *convert(const json_t *doc, int bert)
{
    const json_t *model = json_object_get(doc, "model"), *vocab = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges"), *item;
    const char   *map = json_string_value(json_object_get(json_object_get(doc, "normalizer"), "precompiled_charsmap")), *piece;
    gguf_like    *g = calloc(1, sizeof *g);
    json_t       *id;
    size_t        i;
    assert_non_null(g);
    if (json_is_object(vocab)) json_object_foreach((json_t *)(uintptr_t)vocab, piece, id) add_piece(g, (size_t)json_integer_value(id), piece, bert);
    json_array_foreach(vocab, i, item) {
        add_piece(g, i, json_string_value(json_array_get(item, 0)), 0);
        g->scores[i] = (float)json_number_value(json_array_get(item, 1));
    }
    json_array_foreach(json_object_get(doc, "added_tokens"), i, item) {
        const size_t at = (size_t)json_integer_value(json_object_get(item, "id"));
        add_piece(g, at, json_string_value(json_object_get(item, "content")), bert);
        g->types[at] = 3;
    }
    json_array_foreach(merges, i, item)
        g->merges[g->n_merges++] = json_is_string(item) ? make_span(g, "", json_string_value(item), "", "")
                                                        : make_span(g, "", json_string_value(json_array_get(item, 0)), " ", json_string_value(json_array_get(item, 1)));
    if (map) decode_base64(g, map);
    return g;
}

static void free_converted(gguf_like *g)
{
    for (size_t i = 0; i < g->n_own; i++) free(g->own[i]);
    free(g->charsmap);
    free(g);
}

static void test_vocabulary_as_in_gguf(void **state)
{
    (void)state;
    static const struct { const char *kind, *model, *pre; int64_t bos, eos, unk; } cases[] = {
        { "llama3", "gpt2", "llama-bpe", 901, -1, -1 }, { "qwen3", "gpt2", "qwen2", -1, -1, -1 }, { "smollm", "gpt2", "smollm", 0, 0, 0 },
        { "xlmr", "t5", NULL, 0, 2, 3 },                { "bert", "bert", NULL, 2, 3, 1 },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_error      err;
        shn_tokenizer *t;
        char           golden[64];
        json_t        *doc = small_document(cases[c].kind);
        gguf_like     *g = convert(doc, strcmp(cases[c].kind, "bert") == 0);
        const int      round = strcmp(cases[c].model, "gpt2") != 0 || strcmp(cases[c].kind, "llama3") == 0;
        const shn_vocab v = { .model = cases[c].model, .pre = cases[c].pre, .pieces = g->pieces, .scores = g->scores, .types = g->types, .n = g->n,
                              .merges = g->merges, .n_merges = g->n_merges, .charsmap = g->charsmap, .n_charsmap = g->n_charsmap, .bos = cases[c].bos,
                              .eos = cases[c].eos, .cls = -1, .sep = -1, .unk = cases[c].unk, .add_bos = round, .add_eos = round };
        assert_ok(shn_tokenizer_vocab(&v, &t, &err));
        snprintf(golden, sizeof golden, "tokens_small_%s.ids", cases[c].kind);
        assert_true(compare_with(t, golden) >= 400);
        shn_tokenizer_free(t);
        free_converted(g);
        json_decref(doc);
    }
}

static void test_vocabulary_refused(void **state)
{
    (void)state;
    shn_error       err;
    shn_tokenizer  *t;
    const shn_span  pieces[] = { { "a", 1 }, { "b", 1 }, { "ab", 2 } }, merges[] = { { "a b", 3 } }, no_merge[] = { { "ab", 2 } };
    const float     scores[] = { 0, -1, -2 };
    const shn_vocab good = { .model = "gpt2", .pre = "qwen2", .pieces = pieces, .n = 3, .merges = merges, .n_merges = 1,
                             .bos = -1, .eos = -1, .cls = -1, .sep = -1, .unk = -1, .add_bos = -1, .add_eos = -1 };
    assert_ok(shn_tokenizer_vocab(&good, &t, &err));
    shn_tokens tokens;
    assert_ok(shn_tokenizer_encode(t, "ab", NULL, &tokens, &err));
    assert_int_equal(tokens.n, 1);
    assert_int_equal(tokens.items[0].id, 2);
    shn_tokens_free(&tokens);
    assert_status(shn_tokenizer_encode(t, "abc", NULL, &tokens, &err), SHN_FORMAT);     /* no token for byte 0x63 */
    assert_non_null(strstr(err.text, "0x63"));
    shn_tokenizer_free(t);

    shn_vocab v = good;
    v.pre = "tekken";
    assert_status(shn_tokenizer_vocab(&v, &t, &err), SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "tekken"));
    v = good;
    v.model = "rwkv";
    assert_status(shn_tokenizer_vocab(&v, &t, &err), SHN_UNSUPPORTED);
    v = good;
    v.merges = no_merge;
    assert_status(shn_tokenizer_vocab(&v, &t, &err), SHN_FORMAT);
    v = good;
    v.bos = (int64_t)1 << 40;
    assert_status(shn_tokenizer_vocab(&v, &t, &err), SHN_FORMAT);
    v = good;
    v.n = 0;
    assert_status(shn_tokenizer_vocab(&v, &t, &err), SHN_RANGE);
    v = good;
    v.model = "t5";
    assert_status(shn_tokenizer_vocab(&v, &t, &err), SHN_FORMAT);       /* no scores */
    v.scores = scores;
    assert_status(shn_tokenizer_vocab(&v, &t, &err), SHN_FORMAT);       /* no unknown token */
    v.unk = 0;
    assert_ok(shn_tokenizer_vocab(&v, &t, &err));
    shn_tokenizer_free(t);
}

/* A GGUF file with a vocabulary and no tensors, little-endian as the format is. */

static void put_number(FILE *f, uint64_t x, int bytes)
{
    for (int i = 0; i < bytes; i++) fputc((int)(x >> (8 * i) & 0xFF), f);
}

static void put_string(FILE *f, const char *s)
{
    put_number(f, strlen(s), 8);
    fputs(s, f);
}

static void put_strings(FILE *f, const char *key, const char *const *list, size_t n)
{
    put_string(f, key);
    put_number(f, 9, 4);                        /* an array of strings */
    put_number(f, 8, 4);
    put_number(f, n, 8);
    for (size_t i = 0; i < n; i++) put_string(f, list[i]);
}

static void write_gguf(const char *path, int with_vocabulary)
{
    static const char *const tokens[] = { "a", "b", "Ġ", "ab", "Ġab" }, *const merges[] = { "a b", "Ġ ab" };
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("GGUF", f);
    put_number(f, 3, 4);
    put_number(f, 0, 8);
    put_number(f, with_vocabulary ? 4 : 0, 8);
    if (with_vocabulary) {
        put_string(f, "tokenizer.ggml.model");
        put_number(f, 8, 4);
        put_string(f, "gpt2");
        put_string(f, "tokenizer.ggml.pre");
        put_number(f, 8, 4);
        put_string(f, "qwen2");
        put_strings(f, "tokenizer.ggml.tokens", tokens, 5);
        put_strings(f, "tokenizer.ggml.merges", merges, 2);
    }
    for (int i = 0; i < 64; i++) fputc(0, f);
    fclose(f);
}

static void test_gguf_file(void **state)
{
    (void)state;
    char           path[512];
    shn_error      err;
    shn_tokens     tokens;
    shn_tokenizer *t;
    const char    *folder = test_folder();
    snprintf(path, sizeof path, "%s/model.bin", folder);            /* the content tells, not the name */
    write_gguf(path, 1);
    assert_ok(shn_tokenizer_read(path, &t, &err));
    assert_ok(shn_tokenizer_encode(t, "ab ab", NULL, &tokens, &err));
    assert_int_equal(tokens.n, 2);
    assert_int_equal(tokens.items[0].id, 3);
    assert_int_equal(tokens.items[1].id, 4);
    shn_tokens_free(&tokens);
    shn_tokenizer_free(t);
    write_gguf(path, 0);
    assert_status(shn_tokenizer_read(path, &t, &err), SHN_MISMATCH);
    assert_non_null(strstr(err.text, "tokenizer.ggml.model"));
    assert_non_null(strstr(err.text, path));
    unlink(path);
    rmdir(folder);
}

/* ---- refusals name the field */

static void test_documents_refused(void **state)
{
    (void)state;
    static const struct { const char *kind, *field, *value; shn_status status; const char *named; } cases[] = {
        { "qwen3", "normalizer", "{\"type\":\"Nmt\"}", SHN_UNSUPPORTED, "Nmt" },
        { "qwen3", "normalizer", "[1]", SHN_FORMAT, "normalizer" },
        { "qwen3", "pre_tokenizer", "null", SHN_UNSUPPORTED, "pre_tokenizer" },
        { "qwen3", "pre_tokenizer", "{\"type\":\"Whitespace\"}", SHN_UNSUPPORTED, "Whitespace" },
        { "qwen3", "pre_tokenizer", "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", SHN_UNSUPPORTED, "add_prefix_space" },
        { "qwen3", "pre_tokenizer", "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}", SHN_UNSUPPORTED, "split" },
        { "qwen3", "pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\d+\"},\"behavior\":\"Isolated\",\"invert\":false},"
          "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}", SHN_UNSUPPORTED, "\\d+" },
        { "qwen3", "post_processor", "{\"type\":\"TemplateProcessing\",\"single\":[]}", SHN_FORMAT, "single" },
        { "qwen3", "post_processor", "{\"type\":\"BertProcessing\",\"cls\":[\"x\",99999],\"sep\":[\"y\",1]}", SHN_FORMAT, "99999" },
        { "qwen3", "added_tokens", "[{\"id\":0,\"content\":\"another\"}]", SHN_FORMAT, "another" },
        { "qwen3", "added_tokens", "[{\"id\":1048576,\"content\":\"far\"}]", SHN_RANGE, "1048576" },
        { "qwen3", "model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}", SHN_FORMAT, "merge 0" },
        { "qwen3", "model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[\"a a\",[\"a\",\"a\"]]}", SHN_FORMAT, "merge 1" },
        { "qwen3", "model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}", SHN_FORMAT, "id 0" },
        { "qwen3", "model", "{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}", SHN_FORMAT, "vocab" },
        { "qwen3", "model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"byte_fallback\":true}", SHN_UNSUPPORTED, "byte_fallback" },
        { "qwen3", "model", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":\"</w>\"}", SHN_UNSUPPORTED, "end_of_word_suffix" },
        { "qwen3", "model", "{\"type\":\"WordLevel\",\"vocab\":{}}", SHN_UNSUPPORTED, "WordLevel" },
        { "qwen3", "model", "3", SHN_FORMAT, "model" },
        { "xlmr", "normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA=\"}", SHN_FORMAT, "base64" },
        { "xlmr", "normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}", SHN_FORMAT, "charsmap" },
        { "xlmr", "normalizer", "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a*\"},\"content\":\"b\"}", SHN_UNSUPPORTED, "a*" },
        { "xlmr", "pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"_\"}", SHN_UNSUPPORTED, "_" },
        { "xlmr", "model", "{\"type\":\"Unigram\",\"unk_id\":7,\"vocab\":[[\"a\",-1]]}", SHN_FORMAT, "unk_id" },
        { "xlmr", "model", "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\"]]}", SHN_FORMAT, "item 0" },
        { "xlmr", "model", "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"u\",0],[\"a\",-1],[\"a\",-2]]}", SHN_FORMAT, "'a'" },
        { "bert", "model", "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":{\"a\":0}}", SHN_FORMAT, "unk" },
        { "bert", "model", "{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"vocab\":{\"a\":0},\"max_input_chars_per_word\":0}", SHN_RANGE, "max_input_chars_per_word" },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_error      err = { 0 };
        shn_tokenizer *t;
        json_t        *doc = small_document(cases[c].kind), *value = json_loads(cases[c].value, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        json_object_set_new(doc, cases[c].field, value);
        if (strcmp(cases[c].field, "model") == 0) {
            json_object_del(doc, "added_tokens");
            json_object_del(doc, "post_processor");
        }
        assert_status(open_document(doc, &t, &err), cases[c].status);
        assert_null(t);
        if (!strstr(err.text, cases[c].named)) fail_msg("'%s' does not name '%s'", err.text, cases[c].named);
        json_decref(doc);
    }
}

static void test_files_refused(void **state)
{
    (void)state;
    shn_error      err;
    shn_tokenizer *t;
    size_t         n = 0;
    DIR           *dir = opendir(SHN_TESTS_DIR "/must_fail/tokenizer_json");
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[512];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/must_fail/tokenizer_json/%s", SHN_TESTS_DIR, e->d_name);
        if (shn_tokenizer_read(path, &t, &err) == SHN_OK) fail_msg("%s was read", path);
        assert_non_null(strstr(err.text, e->d_name));
        n++;
    }
    closedir(dir);
    assert_true(n >= 30);
    assert_status(shn_tokenizer_read("/nowhere/tokenizer.json", &t, &err), SHN_IO);
    assert_status(shn_tokenizer_json((const uint8_t *)"{\"model\":", 9, &t, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "line 1"));
    assert_status(shn_tokenizer_json((const uint8_t *)"{\"a\":1,\"a\":2}", 13, &t, &err), SHN_FORMAT);
    assert_status(shn_tokenizer_json((const uint8_t *)"", 0, &t, &err), SHN_FORMAT);
}

/* ---- when memory ends */

static void test_memory_ends(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        json_t *doc = small_document(kinds[k]);
        char   *text = json_dumps(doc, JSON_COMPACT);
        int     opened = 0, encoded = 0;
        for (long n = 1; !opened || !encoded; n++) {
            shn_error      err;
            shn_tokenizer *t = NULL;
            shn_tokens     tokens;
            if (!opened) {
                shn_alloc_fail_after(n);
                const shn_status st = shn_tokenizer_json((const uint8_t *)text, strlen(text), &t, &err);
                shn_alloc_fail_after(0);
                opened = st == SHN_OK;
                if (opened) n = 0;
                else assert_true(st == SHN_NOMEM && !t);
                shn_tokenizer_free(t);
                continue;
            }
            t = open_small(kinds[k]);
            shn_alloc_fail_after(n);
            const shn_status st = shn_tokenizer_encode(t, "左脚ブロック 12 ＳＴ elevation", NULL, &tokens, &err);
            shn_alloc_fail_after(0);
            encoded = st == SHN_OK;
            if (!encoded) assert_true(st == SHN_NOMEM && !tokens.text && !tokens.items);
            shn_tokens_free(&tokens);
            shn_tokenizer_free(t);
        }
        free(text);
        json_decref(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vocabulary_as_in_gguf),
        cmocka_unit_test(test_vocabulary_refused),
        cmocka_unit_test(test_gguf_file),
        cmocka_unit_test(test_documents_refused),
        cmocka_unit_test(test_files_refused),
        cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
