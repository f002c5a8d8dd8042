/**
 * Normalisers, one after another, each from text to text while every byte remembers which bytes of the NFC text it stands
 * for. They follow the `tokenizers` package where it differs from SentencePiece or from BERT's own code, since the models'
 * published ids are that package's.
 */
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "text/tokenizer_parts.h"

void shn_norm_free(shn_norm *s)
{
    free(s->bytes);
    free(s->origin);
    *s = (shn_norm){ 0 };
}

int shn_norm_put(shn_norm *s, const char *bytes, size_t n, uint32_t from, uint32_t to)
{
    if (shn_grow(&s->bytes, &s->bytes_room, s->n + n + 1, 1) || shn_grow(&s->origin, &s->origin_room, s->n + n, sizeof *s->origin)) return -1;
    if (n) memcpy(s->bytes + s->n, bytes, n);
    for (size_t i = 0; i < n; i++) s->origin[s->n + i] = (shn_origin){ from, to };
    s->n += n;
    return 0;
}

/** Copies in[a, b) as it is. */
static int keep(shn_norm *out, const shn_norm *in, size_t a, size_t b)
{
    const size_t before = out->n;
    if (shn_norm_put(out, in->bytes + a, b - a, 0, 0)) return -1;
    if (b > a) memcpy(out->origin + before, in->origin + a, (b - a) * sizeof *out->origin);
    return 0;
}

/** Puts bytes in the place of in[a, b), a < b. */
static int replace(shn_norm *out, const shn_norm *in, size_t a, size_t b, const char *bytes, size_t n)
{
    return shn_norm_put(out, bytes, n, in->origin[a].from, in->origin[b - 1].to);
}

static int put_char(shn_norm *out, const shn_norm *in, size_t a, size_t b, int32_t c)
{
    utf8proc_uint8_t bytes[4];
    const utf8proc_ssize_t n = utf8proc_encode_char(c, bytes);
    return replace(out, in, a, b, (const char *)bytes, (size_t)n);
}

/** End of the grapheme cluster that begins at i. */
static size_t cluster_end(const shn_norm *in, size_t i)
{
    utf8proc_int32_t state = 0;
    size_t  length;
    int32_t before = shn_char_at(in->bytes, in->n, i, &length);
    for (i += length; i < in->n; i += length) {
        const int32_t c = shn_char_at(in->bytes, in->n, i, &length);
        if (utf8proc_grapheme_break_stateful(before, c, &state)) break;
        before = c;
    }
    return i;
}

/** A cluster of up to five bytes is looked up whole, then every character alone: the package's rule. */
static int by_charsmap(const shn_charsmap *map, const shn_norm *in, shn_norm *out)
{
    for (size_t a = 0, b; a < in->n; a = b) {
        b = cluster_end(in, a);
        const char *text = b - a < 6 ? shn_charsmap_find(map, in->bytes + a, b - a) : NULL;
        if (text) {
            if (replace(out, in, a, b, text, strlen(text))) return -1;
            continue;
        }
        for (size_t i = a, length; i < b; i += length) {
            shn_char_at(in->bytes, in->n, i, &length);
            text = shn_charsmap_find(map, in->bytes + i, length);
            if (text ? replace(out, in, i, i + length, text, strlen(text)) : keep(out, in, i, i + length)) return -1;
        }
    }
    return 0;
}

/** NFC or NFKC, cluster by cluster: what composes stands in one cluster (conjoining jamo of half width aside). */
static int by_composition(utf8proc_option_t options, const shn_norm *in, shn_norm *out)
{
    for (size_t a = 0, b; a < in->n; a = b) {
        utf8proc_uint8_t *text = NULL;
        b = cluster_end(in, a);
        if (b - a == 1) {                                   /* ASCII is its own NFKC */
            if (keep(out, in, a, b)) return -1;
            continue;
        }
        const utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)in->bytes + a, (utf8proc_ssize_t)(b - a), &text,
                                                UTF8PROC_STABLE | UTF8PROC_COMPOSE | options);
        const int failed = n < 0 || replace(out, in, a, b, (const char *)text, (size_t)n);
        free(text);
        if (failed) return -1;
    }
    return 0;
}

/** Lower case by Unicode's full mapping; the one character whose mapping is two characters is done by hand. */
static int put_lower(shn_norm *out, const shn_norm *in, size_t a, size_t b, int32_t c)
{
    if (c == 0x130) return put_char(out, in, a, b, 'i') || put_char(out, in, a, b, 0x307);
    return put_char(out, in, a, b, utf8proc_tolower(c));
}

static int is_cjk(int32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/** Control and format characters, private use; U+FFFD too. Blanks of all kinds become ' '. */
static int is_dropped(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return c == 0 || c == 0xFFFD || k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CS || k == UTF8PROC_CATEGORY_CO;
}

static int bert_char(const shn_norm_step *step, const shn_norm *in, size_t a, size_t b, int32_t c, shn_norm *out)
{
    utf8proc_int32_t parts[32] = { c };
    utf8proc_ssize_t n = 1;
    const int blank = c == '\t' || c == '\n' || c == '\r' || shn_char_is_space(c);
    if (step->clean) {
        if (c != '\t' && c != '\n' && c != '\r' && is_dropped(c)) return 0;
        if (blank) parts[0] = c = ' ';
    }
    const int around = step->split_cjk && is_cjk(c);
    if (around && put_char(out, in, a, b, ' ')) return -1;
    if (step->strip_accents) {
        int boundary = 0;
        n = utf8proc_decompose_char(c, parts, 32, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
        if (n < 0 || n > 32) {
            parts[0] = c;
            n = 1;
        }
    }
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        if (step->strip_accents && utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN) continue;
        if (step->lowercase ? put_lower(out, in, a, b, parts[i]) : put_char(out, in, a, b, parts[i])) return -1;
    }
    return around && put_char(out, in, a, b, ' ');
}

/** The blanks round an ideograph stand for its bytes; they never reach a token. */
static int by_bert(const shn_norm_step *step, const shn_norm *in, shn_norm *out)
{
    for (size_t i = 0, length; i < in->n; i += length) {
        const int32_t c = shn_char_at(in->bytes, in->n, i, &length);
        if (bert_char(step, in, i, i + length, c, out)) return -1;
    }
    return 0;
}

static int by_lowercase(const shn_norm *in, shn_norm *out)
{
    for (size_t i = 0, length; i < in->n; i += length) {
        const int32_t c = shn_char_at(in->bytes, in->n, i, &length);
        if (put_lower(out, in, i, i + length, c)) return -1;
    }
    return 0;
}

/** A literal pattern, or (runs) two and more of its one byte. */
static int by_replacing(const shn_norm_step *step, const shn_norm *in, shn_norm *out)
{
    const size_t n = strlen(step->pattern);
    for (size_t a = 0, b; a < in->n; a = b) {
        b = a;
        if (step->runs) {
            while (b < in->n && in->bytes[b] == step->pattern[0]) b++;
            if (b - a < 2) b = a;
        } else if (n <= in->n - a && memcmp(in->bytes + a, step->pattern, n) == 0)
            b = a + n;
        if (b > a ? replace(out, in, a, b, step->content, strlen(step->content)) : keep(out, in, a, a + 1)) return -1;
        if (b == a) b = a + 1;
    }
    return 0;
}

static int by_stripping(const shn_norm_step *step, const shn_norm *in, shn_norm *out)
{
    size_t first = 0, last = in->n, length, end_of_text = 0;
    while (step->left && first < in->n && shn_char_is_space(shn_char_at(in->bytes, in->n, first, &length))) first += length;
    for (size_t i = first; i < in->n; i += length)
        if (!shn_char_is_space(shn_char_at(in->bytes, in->n, i, &length))) end_of_text = i + length;
    if (step->right) last = end_of_text > first ? end_of_text : first;
    return keep(out, in, first, last);
}

static int apply(const shn_tokenizer *t, const shn_norm_step *step, const shn_norm *in, shn_norm *out)
{
    switch (step->kind) {
    case NORM_CHARSMAP: return by_charsmap(&t->charsmap, in, out);
    case NORM_NFC: return by_composition(0, in, out);
    case NORM_NFKC: return by_composition(UTF8PROC_COMPAT, in, out);
    case NORM_BERT: return by_bert(step, in, out);
    case NORM_REPLACE: return by_replacing(step, in, out);
    case NORM_STRIP: return by_stripping(step, in, out);
    case NORM_LOWERCASE: return by_lowercase(in, out);
    }
    return -1;
}

shn_status shn_normalise(const shn_tokenizer *t, const char *nfc, size_t n, shn_norm *out, shn_error *err)
{
    int failed = shn_norm_put(out, nfc, n, 0, 0);
    for (size_t i = 0; !failed && i < n; i++) out->origin[i] = (shn_origin){ (uint32_t)i, (uint32_t)i + 1 };
    if (!failed && t->model != MODEL_BPE)                       /* the other models cut between characters only */
        for (size_t i = 0, length; i < n; i += length) {
            shn_char_at(nfc, n, i, &length);
            for (size_t k = i; k < i + length; k++) out->origin[k] = (shn_origin){ (uint32_t)i, (uint32_t)(i + length) };
        }
    for (size_t k = 0; !failed && k < t->n_norm; k++) {
        if (t->model == MODEL_BPE && t->norm[k].kind == NORM_NFC) continue;     /* it is NFC, and its bytes keep their places */
        shn_norm next = { 0 };
        failed = shn_norm_put(&next, "", 0, 0, 0) || apply(t, &t->norm[k], out, &next);
        shn_norm_free(out);
        *out = next;
    }
    return failed ? shn_fail_nomem(err, "tokenizer.normal") : SHN_OK;
}
