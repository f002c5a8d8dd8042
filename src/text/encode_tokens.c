/** Texts as tokens behind their prompts, and which of these tokens are the text's own. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/text.h"
#include "text/encode.h"

static const char where[] = "text.encode";

int shn_text_is_japanese(const char *text)
{
    static const uint32_t ranges[][2] = { { 0x3041, 0x30ff }, { 0x3400, 0x9fff }, { 0xf900, 0xfaff }, { 0xff66, 0xff9f }, { 0x20000, 0x3ffff } };
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    for (utf8proc_int32_t c; *p;) {
        const utf8proc_ssize_t n = utf8proc_iterate(p, -1, &c);
        if (n <= 0) return 0;
        for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++)
            if ((uint32_t)c >= ranges[r][0] && (uint32_t)c <= ranges[r][1]) return 1;
        p += n;
    }
    return 0;
}

/** Takes the tokens of text i. A token is the label's own when its end lies past the prompt's. */
static shn_status take(shn_encode_tokens *t, size_t i, const shn_tokens *tokens, size_t n_prompt, shn_error *err)
{
    if (t->n_tokens + tokens->n > INT32_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "more than 2^31 tokens in all");
    if (shn_grow(&t->ids, &t->capacity, t->n_tokens + tokens->n, sizeof *t->ids) != 0) return shn_fail_nomem(err, where);
    for (size_t k = 0; k < tokens->n; k++) t->ids[t->n_tokens + k] = (int32_t)tokens->items[k].id;
    size_t first = tokens->first;
    while (first < tokens->last && tokens->items[first].end <= n_prompt) first++;
    if (first == tokens->last) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "text %zu, '%.60s', has no token of its own", i, t->nfc[i]);
    t->label_first[i] = first;
    t->label_last[i] = tokens->last;
    t->n_tokens += tokens->n;
    t->start[i + 1] = t->n_tokens;
    return SHN_OK;
}

static shn_status one_text(const shn_encode_model *m, const char *text, size_t i, shn_encode_tokens *t, shn_error *err)
{
    shn_token_options options;
    shn_tokens        tokens = { 0 };
    t->nfc[i] = shn_text_nfc(text, err);
    if (!t->nfc[i]) return err ? err->status : SHN_FORMAT;
    if (!t->nfc[i][0]) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "text %zu is empty", i);
    const char  *prompt = shn_text_is_japanese(t->nfc[i]) ? m->prompt_ja : m->prompt_en;
    const size_t n_prompt = strlen(prompt), n_text = strlen(t->nfc[i]);
    char        *whole = shn_alloc(n_prompt + n_text + 1, 1);
    if (!whole) return shn_fail_nomem(err, where);
    memcpy(whole, prompt, n_prompt);
    memcpy(whole + n_prompt, t->nfc[i], n_text);
    shn_token_defaults(&options);
    options.append = m->append;
    shn_status st = shn_tokenizer_encode(m->tokenizer, whole, &options, &tokens, err);
    if (st == SHN_OK && (tokens.n_text != n_prompt + n_text || memcmp(tokens.text, whole, tokens.n_text) != 0))
        st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "text %zu, '%.60s', begins with a mark that joins the prompt's end", i, t->nfc[i]);
    if (st == SHN_OK) st = take(t, i, &tokens, n_prompt, err);
    shn_tokens_free(&tokens);
    free(whole);
    return st;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static shn_status distinct(const shn_encode_tokens *t, shn_error *err)
{
    char **sorted = shn_alloc(t->n, sizeof *sorted);
    if (!sorted) return shn_fail_nomem(err, where);
    shn_status st = SHN_OK;
    memcpy(sorted, t->nfc, t->n * sizeof *sorted);
    qsort(sorted, t->n, sizeof *sorted, by_text);
    for (size_t i = 1; st == SHN_OK && i < t->n; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            st = shn_fail(err, SHN_RANGE, SHN_REASON_DUPLICATE_ID, where, "the text '%.60s' stands twice", sorted[i]);
    free(sorted);
    return st;
}

shn_status shn_encode_tokenize(const shn_encode_model *m, const char *const *texts, size_t n, shn_encode_tokens *out, shn_error *err)
{
    memset(out, 0, sizeof *out);
    if (n == 0 || n > SHN_ENCODE_TEXTS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "%zu texts, needs 1 to %zu", n, SHN_ENCODE_TEXTS_MAX);
    out->n = n;
    out->start = shn_alloc(n + 1, sizeof *out->start);
    out->label_first = shn_alloc(n, sizeof *out->label_first);
    out->label_last = shn_alloc(n, sizeof *out->label_last);
    out->nfc = shn_alloc(n, sizeof *out->nfc);
    shn_status st = out->start && out->label_first && out->label_last && out->nfc ? SHN_OK : shn_fail_nomem(err, where);
    for (size_t i = 0; st == SHN_OK && i < n; i++) st = one_text(m, texts[i], i, out, err);
    if (st == SHN_OK) st = distinct(out, err);
    const size_t most = shn_weights_config(m->weights)->max_positions;
    for (size_t i = 0; st == SHN_OK && most && i < n; i++)
        if (out->start[i + 1] - out->start[i] > most)
            st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "text %zu, '%.60s', has %zu tokens, the model takes %zu; shorten it", i, out->nfc[i],
                          out->start[i + 1] - out->start[i], most);
    if (st != SHN_OK) shn_encode_tokens_free(out);
    return st;
}

void shn_encode_tokens_free(shn_encode_tokens *t)
{
    for (size_t i = 0; t->nfc && i < t->n; i++) free(t->nfc[i]);
    free(t->nfc), free(t->ids), free(t->start);
    free(t->label_first), free(t->label_last);
    memset(t, 0, sizeof *t);
}
