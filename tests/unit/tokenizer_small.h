/** What the tests of the tokenizers share: the small vocabularies of tests/golden and their texts. */
#ifndef SHN_TESTS_TOKENIZER_SMALL_H
#define SHN_TESTS_TOKENIZER_SMALL_H

#include <jansson.h>

#include "base/alloc.h"
#include "harness.h"
#include "shinden/text.h"
#include "shinden/tokenizer.h"

enum { LINES_MAX = 2000 };
static const char *const kinds[] = { "llama3", "qwen3", "xlmr", "bert", "smollm" };
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- golden files */

/** The lines of a golden file without its '#' lines; the last is followed by NULL. Released with free_lines. */
static inline char **read_lines(const char *name)
{
    char   path[512], *line = NULL;
    size_t room = 0, n = 0;
    char **lines = calloc(LINES_MAX, sizeof *lines);
    snprintf(path, sizeof path, "%s/golden/%s", SHN_TESTS_DIR, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(lines);
    for (ssize_t got; (got = getline(&line, &room, f)) > 0;) {
        if (line[0] == '#') continue;
        if (line[got - 1] == '\n') line[--got] = '\0';
        assert_true(n + 1 < LINES_MAX);
        lines[n++] = strdup(line);
    }
    free(line);
    fclose(f);
    return lines;
}

static inline void free_lines(char **lines)
{
    for (size_t i = 0; lines[i]; i++) free(lines[i]);
    free(lines);
}

/** The texts, unquoted. */
static inline char **read_texts(void)
{
    char **lines = read_lines("tokens_lines.txt");
    for (size_t i = 0; lines[i]; i++) {
        json_t *s = json_loads(lines[i], JSON_DECODE_ANY, NULL);
        assert_true(json_is_string(s));
        free(lines[i]);
        lines[i] = strdup(json_string_value(s));
        json_decref(s);
    }
    return lines;
}

static inline shn_tokenizer *open_small(const char *kind)
{
    shn_error      err;
    shn_tokenizer *t;
    char           path[512];
    snprintf(path, sizeof path, "%s/golden/tokens_small_%s.json", SHN_TESTS_DIR, kind);
    assert_ok(shn_tokenizer_read(path, &t, &err));
    return t;
}

static inline char *ids_as_text(const shn_tokens *tokens)
{
    char  *text = NULL;
    size_t n;
    FILE  *f = open_memstream(&text, &n);
    for (size_t i = 0; i < tokens->n; i++) fprintf(f, "%s%u", i ? " " : "", tokens->items[i].id);
    fclose(f);
    return text;
}

/** Compares all lines; the number that were. */
static inline size_t compare_with(const shn_tokenizer *t, const char *golden)
{
    const shn_token_options as_file = { .special = SHN_SPECIAL_FILE, .append = -1 };
    char  **texts = read_texts(), **ids = read_lines(golden);
    size_t  compared = 0;
    for (size_t i = 0; texts[i]; i++) {
        shn_error  err;
        shn_tokens tokens;
        assert_non_null(ids[i]);
        assert_ok(shn_tokenizer_encode(t, texts[i], &as_file, &tokens, &err));
        if (strcmp(ids[i], "-") != 0) {
            char *got = ids_as_text(&tokens);
            if (strcmp(got, ids[i]) != 0) fail_msg("%s, text %zu '%s': %s, expected %s", golden, i, texts[i], got, ids[i]);
            free(got);
            compared++;
        }
        shn_tokens_free(&tokens);
    }
    free_lines(texts);
    free_lines(ids);
    return compared;
}
static inline json_t *small_document(const char *kind)
{
    char path[512];
    snprintf(path, sizeof path, "%s/golden/tokens_small_%s.json", SHN_TESTS_DIR, kind);
    json_t *doc = json_load_file(path, 0, NULL);
    assert_non_null(doc);
    return doc;
}

static inline shn_status open_document(const json_t *doc, shn_tokenizer **t, shn_error *err)
{
    char *text = json_dumps(doc, JSON_COMPACT);
    assert_non_null(text);
    const shn_status st = shn_tokenizer_json((const uint8_t *)text, strlen(text), t, err);
    free(text);
    return st;
}

#endif
