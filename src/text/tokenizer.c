/** The opened tokenizer: encode, decode, special tokens. Readers of files stand in tokenizer_json.c and tokenizer_vocab.c. */
#include "shinden/tokenizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "shinden/text.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_parts.h"

void shn_tokenizer_free(shn_tokenizer *t)
{
    if (!t) return;
    shn_pieces_free(&t->pieces);
    shn_charsmap_free(&t->charsmap);
    free(t->merges);
    free(t->merge_slots);
    free(t->scores);
    free(t->sorted);
    free(t);
}

size_t      shn_tokenizer_size(const shn_tokenizer *t) { return t->pieces.n; }
const char *shn_tokenizer_describe(const shn_tokenizer *t) { return t->describe; }
const char *shn_tokenizer_hash(const shn_tokenizer *t) { return t->hash; }

const char *shn_tokenizer_piece(const shn_tokenizer *t, uint32_t id, size_t *n_bytes)
{
    *n_bytes = 0;
    if (id >= t->pieces.n || t->pieces.kind[id] == PIECE_ABSENT) return NULL;
    return shn_pieces_at(&t->pieces, id, n_bytes);
}

int64_t shn_tokenizer_special(const shn_tokenizer *t, const char *text) { return shn_pieces_find(&t->pieces, text, strlen(text), PIECE_SPECIAL); }
int     shn_tokenizer_is_special(const shn_tokenizer *t, uint32_t id) { return id < t->pieces.n && t->pieces.kind[id] == PIECE_SPECIAL; }

void shn_token_defaults(shn_token_options *options) { *options = (shn_token_options){ .special = SHN_SPECIAL_MODEL, .append = -1 }; }

/* ---- the end of every way to open */

static const char *split_name(const shn_tokenizer *t)
{
    const shn_split_kind last = t->n_split ? t->split[t->n_split - 1] : SPLIT_GPT2;
    if (t->n_split == 2 && t->split[0] == SPLIT_DIGIT && last == SPLIT_GPT2) return "smollm";
    return last == SPLIT_LLAMA3 ? "llama-3" : last == SPLIT_QWEN2 ? "qwen2" : "gpt-2";
}

static shn_status check_id(const shn_tokenizer *t, int64_t id, const char *what, shn_error *err)
{
    if (id < 0 || (id < (int64_t)t->pieces.n && t->pieces.kind[id] != PIECE_ABSENT)) return SHN_OK;
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer", "%s is %" PRId64 ", but no piece has that id", what, id);
}

static shn_status check_ids(const shn_tokenizer *t, shn_error *err)
{
    shn_status st = check_id(t, t->unk, "the unknown token", err);
    if (st == SHN_OK) st = check_id(t, t->model_bos, "the first token", err);
    for (size_t i = 0; st == SHN_OK && i < t->n_prefix; i++) st = check_id(t, t->prefix[i], "a special token before the text", err);
    for (size_t i = 0; st == SHN_OK && i < t->n_suffix; i++) st = check_id(t, t->suffix[i], "a special token after the text", err);
    return st;
}

shn_status shn_tokenizer_finish(shn_tokenizer *t, shn_error *err)
{
    if (t->pieces.n == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer", "the vocabulary is empty");
    shn_status st = shn_pieces_index(&t->pieces, err);
    if (st == SHN_OK) st = check_ids(t, err);
    if (st == SHN_OK && t->model == MODEL_BPE) st = shn_bpe_index(t, err);
    if (st == SHN_OK && t->model == MODEL_UNIGRAM) st = shn_unigram_index(t, err);
    if (st == SHN_OK && t->model == MODEL_WORDPIECE && t->unk < 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.wordpiece", "no unknown token (unk_token)");
    if (st != SHN_OK) return st;
    if (t->model == MODEL_BPE && t->n_split && t->split[t->n_split - 1] == SPLIT_LLAMA3 && t->n_prefix == 0 && t->model_bos < 0)
        t->model_bos = shn_tokenizer_special(t, "<|begin_of_text|>");
    snprintf(t->describe, sizeof t->describe, "%s%s%s, %zu ids, NFC",
             t->model == MODEL_BPE ? "byte-level BPE" : t->model == MODEL_UNIGRAM ? "Unigram" : "WordPiece", t->model == MODEL_BPE ? " " : "",
             t->model == MODEL_BPE ? split_name(t) : "", t->pieces.n);
    return SHN_OK;
}

/** By content, not by name: GGUF files begin with their magic, JSON cannot. What cannot be read is left to the reader to report. */
static int is_gguf(const char *path)
{
    char  magic[4] = "";
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    const size_t n = fread(magic, 1, sizeof magic, f);
    fclose(f);
    return n == sizeof magic && memcmp(magic, "GGUF", sizeof magic) == 0;
}

shn_status shn_tokenizer_read(const char *path, shn_tokenizer **out, shn_error *err)
{
    char     file[SHN_PATH_MAX];
    uint8_t *bytes = NULL;
    size_t   n = 0;
    *out = NULL;
    shn_status st = shn_path_is_dir(path) ? shn_path_join(file, path, "tokenizer.json", err) : shn_path_join(file, "", path, err);
    if (st == SHN_OK && is_gguf(file)) return shn_tokenizer_gguf_read(file, out, err);
    if (st == SHN_OK) st = shn_file_read(file, SHN_TOKENIZER_JSON_MAX, &bytes, &n, err);
    if (st != SHN_OK) return st;
    st = shn_tokenizer_json(bytes, n, out, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", file);
    free(bytes);
    return st;
}

/* ---- encode */

int shn_token_put(shn_token_list *list, uint32_t id, uint32_t start, uint32_t end)
{
    if (shn_grow(&list->items, &list->room, list->n + 1, sizeof *list->items)) return -1;
    list->items[list->n++] = (shn_token){ id, start, end };
    return 0;
}

static int put_before(const shn_tokenizer *t, shn_token_special special, shn_token_list *list)
{
    if (special == SHN_SPECIAL_NONE) return 0;
    if (special == SHN_SPECIAL_MODEL && t->n_prefix == 0 && t->model_bos >= 0) return shn_token_put(list, (uint32_t)t->model_bos, 0, 0);
    for (size_t i = 0; i < t->n_prefix; i++)
        if (shn_token_put(list, t->prefix[i], 0, 0)) return -1;
    return 0;
}

static int put_after(const shn_tokenizer *t, const shn_token_options *options, uint32_t end, shn_token_list *list)
{
    for (size_t i = 0; options->special != SHN_SPECIAL_NONE && i < t->n_suffix; i++)
        if (shn_token_put(list, t->suffix[i], end, end)) return -1;
    if (options->append < 0 || (list->n && list->items[list->n - 1].id == options->append)) return 0;
    return shn_token_put(list, (uint32_t)options->append, end, end);
}

static shn_status encode_text(const shn_tokenizer *t, const shn_tokens *tokens, shn_token_list *list, shn_error *err)
{
    shn_norm   s = { 0 };
    shn_status st = shn_normalise(t, tokens->text, tokens->n_text, &s, err);
    if (st == SHN_OK) switch (t->model) {
        case MODEL_BPE: st = shn_bpe_encode(t, &s, list, err); break;
        case MODEL_UNIGRAM: st = shn_unigram_encode(t, &s, list, err); break;
        case MODEL_WORDPIECE: st = shn_wordpiece_encode(t, &s, list, err); break;
        }
    shn_norm_free(&s);
    return st;
}

shn_status shn_tokenizer_encode(const shn_tokenizer *t, const char *text, const shn_token_options *options, shn_tokens *out, shn_error *err)
{
    shn_token_options usual;
    shn_token_list    list = { 0 };
    shn_status        st = SHN_OK;

    *out = (shn_tokens){ 0 };
    shn_token_defaults(&usual);
    if (!options) options = &usual;
    if (options->append >= (int64_t)t->pieces.n)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "tokenizer", "append: id %" PRId64 ", the vocabulary has %zu", options->append, t->pieces.n);
    if (strnlen(text, SHN_TOKEN_TEXT_MAX + 1) > SHN_TOKEN_TEXT_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer", "a text of more than %zu bytes; tokens are for labels and reports", SHN_TOKEN_TEXT_MAX);
    shn_error own;
    out->text = shn_text_nfc(text, err ? err : &own);
    if (!out->text) return err ? err->status : own.status;
    out->n_text = strlen(out->text);        /* NFC may triple a text; offsets stay far below 2^32 */

    if (put_before(t, options->special, &list)) st = shn_fail_nomem(err, "tokenizer");
    out->first = list.n;
    if (st == SHN_OK) st = encode_text(t, out, &list, err);
    out->last = list.n;
    if (st == SHN_OK && put_after(t, options, (uint32_t)out->n_text, &list)) st = shn_fail_nomem(err, "tokenizer");
    if (st == SHN_OK && !list.items && !(list.items = shn_alloc(1, sizeof *list.items))) st = shn_fail_nomem(err, "tokenizer");
    out->items = list.items;
    out->n = list.n;
    if (st != SHN_OK) shn_tokens_free(out);
    return st;
}

void shn_tokens_free(shn_tokens *tokens)
{
    if (!tokens) return;
    free(tokens->text);
    free(tokens->items);
    *tokens = (shn_tokens){ 0 };
}

/* ---- decode */

typedef struct text { char *bytes; size_t n, room; } text;

static int put(text *s, const char *bytes, size_t n)
{
    if (shn_grow(&s->bytes, &s->room, s->n + n + 1, 1)) return -1;
    if (n) memcpy(s->bytes + s->n, bytes, n);
    s->n += n;
    s->bytes[s->n] = '\0';
    return 0;
}

/** Unigram: U+2581 is a blank, but none begins the text. */
static int put_marked(text *s, const char *piece, size_t n)
{
    for (size_t i = 0; i < n;) {
        const int mark = n - i >= 3 && memcmp(piece + i, "\xE2\x96\x81", 3) == 0;
        if (!(mark && s->n == 0) && put(s, mark ? " " : piece + i, 1)) return -1;
        i += mark ? 3 : 1;
    }
    return 0;
}

static int put_piece(const shn_tokenizer *t, text *s, const char *piece, size_t n)
{
    const size_t mark = t->n_continuing;
    if (t->model == MODEL_BPE) return put(s, piece, n);
    if (t->model == MODEL_UNIGRAM) return put_marked(s, piece, n);
    if (mark && n >= mark && memcmp(piece, t->continuing, mark) == 0) return put(s, piece + mark, n - mark);
    return (s->n && put(s, " ", 1)) || put(s, piece, n);
}

shn_status shn_tokenizer_decode(const shn_tokenizer *t, const uint32_t *ids, size_t n, char **out, shn_error *err)
{
    text s = { 0 };
    int  failed = put(&s, "", 0);
    *out = NULL;
    for (size_t i = 0; !failed && i < n; i++) {
        size_t      n_piece;
        const char *piece = shn_tokenizer_piece(t, ids[i], &n_piece);
        if (!piece) {
            free(s.bytes);
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "tokenizer", "no piece has id %u", ids[i]);
        }
        if (!shn_tokenizer_is_special(t, ids[i])) failed = put_piece(t, &s, piece, n_piece);
    }
    if (failed) {
        free(s.bytes);
        return shn_fail_nomem(err, "tokenizer");
    }
    *out = s.bytes;
    return SHN_OK;
}
