/**
 * Tokenizers against the `tokenizers` package: golden ids of small vocabularies always, of the real ones where
 * $SHINDEN_TOKENIZERS names a folder made by tests/oracle/tokenizers_golden.py; byte ranges,
 * options, the two ways to open. (test_tokenizer_files.c: files, refusals, memory that ends.)
 */

#include <time.h>

#include "tokenizer_small.h"

static void test_small_vocabularies(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        char golden[64];
        shn_tokenizer *t = open_small(kinds[k]);
        snprintf(golden, sizeof golden, "tokens_small_%s.ids", kinds[k]);
        const size_t n = compare_with(t, golden);
        printf("%s: %zu lines equal to tokenizers, %s\n", kinds[k], n, shn_tokenizer_describe(t));
        assert_true(n >= 400);
        shn_tokenizer_free(t);
    }
}

static void test_full_vocabularies(void **state)
{
    (void)state;
    const char *folder = getenv("SHINDEN_TOKENIZERS");
    if (!folder) {
        printf("skipped: SHINDEN_TOKENIZERS does not name a folder of real vocabularies (tests/oracle/tokenizers_golden.py full DIR)\n");
        skip();
    }
    for (size_t k = 0; k < KINDS; k++) {
        char           path[4096], golden[64];
        shn_error      err;
        shn_tokenizer *t;
        snprintf(path, sizeof path, "%s/%s", folder, kinds[k]);
        assert_ok(shn_tokenizer_read(path, &t, &err));
        snprintf(golden, sizeof golden, "tokens_full_%s.ids", kinds[k]);
        const size_t n = compare_with(t, golden);
        printf("%s: %zu lines equal to tokenizers, %s\n", kinds[k], n, shn_tokenizer_describe(t));
        assert_true(n >= 500);
        shn_tokenizer_free(t);
    }
}

/* ---- byte ranges, text, special tokens */

static void check_ranges(const shn_tokenizer *t, const shn_tokens *tokens, int whole)
{
    uint32_t before = 0, covered = 0;
    for (size_t i = tokens->first; i < tokens->last; i++) {
        const shn_token *k = &tokens->items[i];
        assert_true(k->start <= k->end && k->end <= tokens->n_text && k->start >= before);
        assert_false(shn_tokenizer_is_special(t, k->id) && whole);
        before = k->start;
        if (!whole) continue;
        size_t      n;
        const char *piece = shn_tokenizer_piece(t, k->id, &n);
        assert_non_null(piece);
        assert_int_equal(k->start, covered);            /* byte-level BPE: nothing left out, and the piece is the text there */
        assert_int_equal(k->end - k->start, n);
        assert_memory_equal(piece, tokens->text + k->start, n);
        covered = k->end;
    }
    if (whole) assert_int_equal(covered, tokens->n_text);
}

static void test_ranges_and_text(void **state)
{
    (void)state;
    char **texts = read_texts();
    for (size_t k = 0; k < KINDS; k++) {
        const int      bpe = strcmp(kinds[k], "xlmr") != 0 && strcmp(kinds[k], "bert") != 0;
        shn_tokenizer *t = open_small(kinds[k]);
        const int64_t  unk = shn_tokenizer_special(t, strcmp(kinds[k], "xlmr") == 0 ? "<unk>" : "[UNK]");
        for (size_t i = 0; texts[i]; i++) {
            shn_error  err;
            shn_tokens tokens;
            assert_ok(shn_tokenizer_encode(t, texts[i], NULL, &tokens, &err));
            check_ranges(t, &tokens, bpe);
            for (size_t j = tokens.first; j < tokens.last; j++)     /* no text yields a special id, whatever it looks like */
                assert_true(tokens.items[j].id == unk || !shn_tokenizer_is_special(t, tokens.items[j].id));
            shn_tokens_free(&tokens);
        }
        shn_tokenizer_free(t);
    }
    free_lines(texts);
}

static void test_ranges_by_hand(void **state)
{
    (void)state;
    static const struct { const char *kind, *text, *slices[8]; } cases[] = {
        { "bert", "QRS\xE6\xB3\xA2  ok", { NULL } },
        { "xlmr", "  ECG\xE3\x80\x80" "block", { NULL } },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        shn_error      err;
        shn_tokens     tokens;
        shn_tokenizer *t = open_small(cases[c].kind);
        char           joined[64] = "";
        assert_ok(shn_tokenizer_encode(t, cases[c].text, NULL, &tokens, &err));
        for (size_t i = tokens.first; i < tokens.last; i++)
            strncat(joined, tokens.text + tokens.items[i].start, tokens.items[i].end - tokens.items[i].start);
        assert_string_equal(joined, c == 0 ? "QRS\xE6\xB3\xA2ok" : "ECGblock");    /* all but the blanks, as written */
        assert_int_equal(tokens.items[tokens.first].start, c == 0 ? 0 : 2);
        assert_int_equal(tokens.items[tokens.n - 1].start, tokens.n_text);          /* [SEP], </s> */
        assert_int_equal(tokens.first, 1);
        assert_int_equal(tokens.last, tokens.n - 1);
        shn_tokens_free(&tokens);
        shn_tokenizer_free(t);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    char **texts = read_texts();
    for (size_t k = 0; k < KINDS; k++) {
        if (strcmp(kinds[k], "xlmr") == 0 || strcmp(kinds[k], "bert") == 0) continue;
        shn_tokenizer *t = open_small(kinds[k]);
        for (size_t i = 0; texts[i]; i++) {
            shn_error  err;
            shn_tokens tokens;
            uint32_t   ids[4096];
            char      *back;
            assert_ok(shn_tokenizer_encode(t, texts[i], NULL, &tokens, &err));
            assert_true(tokens.n <= 4096);
            for (size_t j = 0; j < tokens.n; j++) ids[j] = tokens.items[j].id;
            assert_ok(shn_tokenizer_decode(t, ids, tokens.n, &back, &err));
            assert_string_equal(back, tokens.text);
            free(back);
            shn_tokens_free(&tokens);
        }
        shn_tokenizer_free(t);
    }
    free_lines(texts);
}

static void test_decode(void **state)
{
    (void)state;
    static const char *const want[] = { "ECG block", "ecg block" };
    for (size_t k = 0; k < 2; k++) {
        shn_error      err;
        shn_tokens     tokens;
        uint32_t       ids[32];
        char          *back;
        shn_tokenizer *t = open_small(k ? "bert" : "xlmr");
        assert_ok(shn_tokenizer_encode(t, "ECG  block", NULL, &tokens, &err));
        for (size_t j = 0; j < tokens.n; j++) ids[j] = tokens.items[j].id;
        assert_ok(shn_tokenizer_decode(t, ids, tokens.n, &back, &err));
        assert_string_equal(back, want[k]);
        free(back);
        ids[0] = (uint32_t)shn_tokenizer_size(t);
        assert_status(shn_tokenizer_decode(t, ids, 1, &back, &err), SHN_RANGE);
        assert_null(back);
        shn_tokens_free(&tokens);
        shn_tokenizer_free(t);
    }
}

static void test_nfc(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "フ\u3099ロック", "ブロック" }, { "e\u0301", "é" }, { "\u1112\u1161\u11ab", "한" } };
    for (size_t k = 0; k < KINDS; k++) {
        shn_tokenizer *t = open_small(kinds[k]);
        for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
            shn_error  err;
            shn_tokens a, b;
            assert_ok(shn_tokenizer_encode(t, pairs[p][0], NULL, &a, &err));
            assert_ok(shn_tokenizer_encode(t, pairs[p][1], NULL, &b, &err));
            assert_string_equal(a.text, b.text);
            assert_int_equal(a.n, b.n);
            assert_memory_equal(a.items, b.items, a.n * sizeof *a.items);
            shn_tokens_free(&a);
            shn_tokens_free(&b);
        }
        shn_tokenizer_free(t);
    }
}

/* ---- options; files that are changed before they are read */

static size_t count_tokens(const shn_tokenizer *t, shn_token_special special, int64_t append, uint32_t *first, uint32_t *last)
{
    shn_error  err;
    shn_tokens tokens;
    const shn_token_options options = { special, append };
    assert_ok(shn_tokenizer_encode(t, "ECG", &options, &tokens, &err));
    const size_t n = tokens.n;
    *first = tokens.items[0].id;
    *last = tokens.items[n - 1].id;
    assert_int_equal(tokens.last - tokens.first + (tokens.first) + (n - tokens.last), n);
    shn_tokens_free(&tokens);
    return n;
}

static void test_special_tokens(void **state)
{
    (void)state;
    shn_error      err;
    shn_tokenizer *t;
    uint32_t       first, last;
    json_t        *doc = small_document("llama3");
    json_object_set_new(doc, "post_processor", json_null());        /* an older file, silent about the first token */
    assert_ok(open_document(doc, &t, &err));
    const int64_t bos = shn_tokenizer_special(t, "<|begin_of_text|>"), end = shn_tokenizer_special(t, "<|end_of_text|>");
    assert_true(bos >= 0 && end >= 0 && shn_tokenizer_special(t, "ECG") < 0);
    const size_t bare = count_tokens(t, SHN_SPECIAL_NONE, -1, &first, &last);
    assert_true(first != bos);
    assert_int_equal(count_tokens(t, SHN_SPECIAL_FILE, -1, &first, &last), bare);
    assert_int_equal(count_tokens(t, SHN_SPECIAL_MODEL, -1, &first, &last), bare + 1);
    assert_int_equal(first, bos);
    assert_int_equal(count_tokens(t, SHN_SPECIAL_NONE, end, &first, &last), bare + 1);
    assert_int_equal(last, end);
    shn_tokenizer_free(t);
    json_decref(doc);

    t = open_small("bert");                                         /* [SEP] ends the text already: it is not put twice */
    const int64_t sep = shn_tokenizer_special(t, "[SEP]");
    const size_t  n = count_tokens(t, SHN_SPECIAL_FILE, -1, &first, &last);
    assert_int_equal(last, sep);
    assert_int_equal(count_tokens(t, SHN_SPECIAL_FILE, sep, &first, &last), n);
    const shn_token_options outside = { SHN_SPECIAL_FILE, (int64_t)shn_tokenizer_size(t) };
    shn_tokens tokens;
    assert_status(shn_tokenizer_encode(t, "x", &outside, &tokens, &err), SHN_RANGE);
    shn_tokenizer_free(t);
}

static void test_texts_refused(void **state)
{
    (void)state;
    shn_error      err;
    shn_tokens     tokens;
    shn_tokenizer *t = open_small("qwen3");
    assert_status(shn_tokenizer_encode(t, "abc\xff", NULL, &tokens, &err), SHN_FORMAT);
    assert_null(tokens.text);
    char *text = malloc(SHN_TOKEN_TEXT_MAX + 2);
    memset(text, 'a', SHN_TOKEN_TEXT_MAX + 1);
    text[SHN_TOKEN_TEXT_MAX + 1] = '\0';
    assert_status(shn_tokenizer_encode(t, text, NULL, &tokens, &err), SHN_RANGE);
    free(text);
    shn_tokenizer_free(t);
}

/** One word of a million letters must take n log n, not n squared. */
static void test_longest_text(void **state)
{
    (void)state;
    char *text = malloc(SHN_TOKEN_TEXT_MAX + 1);
    for (size_t i = 0; i < SHN_TOKEN_TEXT_MAX; i++) text[i] = "sinusrhythm"[i % 11];
    text[SHN_TOKEN_TEXT_MAX] = '\0';
    for (size_t k = 0; k < KINDS; k++) {
        shn_error      err;
        shn_tokens     tokens;
        shn_tokenizer *t = open_small(kinds[k]);
        const clock_t  before = clock();
        assert_ok(shn_tokenizer_encode(t, text, NULL, &tokens, &err));
        const double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
        printf("%s: %zu bytes, %zu tokens, %.2f s\n", kinds[k], tokens.n_text, tokens.n, seconds);
        assert_true(seconds < 20);      /* some hours if it were quadratic */
        shn_tokens_free(&tokens);
        shn_tokenizer_free(t);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_vocabularies),
        cmocka_unit_test(test_full_vocabularies),
        cmocka_unit_test(test_ranges_and_text),
        cmocka_unit_test(test_ranges_by_hand),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_nfc),
        cmocka_unit_test(test_special_tokens),
        cmocka_unit_test(test_texts_refused),
        cmocka_unit_test(test_longest_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
