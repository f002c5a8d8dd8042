/**
 * A vocabulary as GGUF files carry it. They name the pipeline instead of describing it (`model`, `pre`), so the steps are written
 * here, as the models' own tokenizer.json has them. What the converter changed is changed back: WordPiece's "##".
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "text/tokenizer_parts.h"

static const char MARK[] = "\xE2\x96\x81";
enum { MARK_BYTES = 3, TYPE_NORMAL = 1 };

static int is_text(const shn_vocab *v, size_t i) { return !v->types || v->types[i] == TYPE_NORMAL; }

/* ---- byte-level BPE */

static shn_status set_split(shn_tokenizer *t, const char *pre, shn_error *err)
{
    static const struct { const char *name; shn_split_kind split[2]; size_t n; } known[] = {
        { "llama-bpe", { SPLIT_LLAMA3 }, 1 }, { "llama3", { SPLIT_LLAMA3 }, 1 }, { "llama-v3", { SPLIT_LLAMA3 }, 1 },
        { "qwen2", { SPLIT_QWEN2 }, 1 },      { "gpt-2", { SPLIT_GPT2 }, 1 },    { "smollm", { SPLIT_DIGIT, SPLIT_GPT2 }, 2 },
    };
    for (size_t k = 0; pre && k < sizeof known / sizeof *known; k++) {
        if (strcmp(known[k].name, pre) != 0) continue;
        memcpy(t->split, known[k].split, sizeof known[k].split);
        t->n_split = known[k].n;
        t->ignore_merges = known[k].split[0] == SPLIT_LLAMA3;       /* as the family's tokenizer.json says */
        return SHN_OK;
    }
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "tokenizer.vocab",
                    "tokenizer.ggml.pre: '%.60s' is not supported; known are llama-bpe, qwen2, smollm, gpt-2", pre ? pre : "none");
}

static shn_status read_bpe(shn_tokenizer *t, const shn_vocab *v, shn_error *err)
{
    char       bytes[2 * SHN_TOKEN_PIECE_MAX];
    shn_status st = set_split(t, v->pre, err);
    for (size_t i = 0; st == SHN_OK && i < v->n; i++) {
        const shn_span p = v->pieces[i];
        const int64_t  n = is_text(v, i) && p.n <= sizeof bytes ? shn_byte_decode(p.bytes, p.n, bytes) : -1;
        st = n < 0 ? shn_pieces_put(&t->pieces, i, p.bytes, p.n, PIECE_SPECIAL, err) : shn_pieces_put(&t->pieces, i, bytes, (size_t)n, PIECE_TEXT, err);
    }
    if (st == SHN_OK) st = shn_bpe_begin_merges(t, v->n_merges, err);
    for (size_t i = 0; st == SHN_OK && i < v->n_merges; i++) {
        const shn_span m = v->merges[i];
        const char    *blank = memchr(m.bytes, ' ', m.n);
        const size_t   left = blank ? (size_t)(blank - m.bytes) : m.n;
        if (!blank) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.vocab", "tokenizer.ggml.merges: item %zu is not two pieces", i);
        st = shn_bpe_add_merge(t, m.bytes, left, blank + 1, m.n - left - 1, err);
    }
    return st;
}

/* ---- Unigram: XLM-RoBERTa's pipeline */

static shn_status read_unigram(shn_tokenizer *t, const shn_vocab *v, shn_error *err)
{
    shn_status st = SHN_OK;
    if (!v->scores) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "tokenizer.vocab", "tokenizer.ggml.scores is missing");
    t->n_scores = v->n;
    t->scores = shn_alloc(v->n, sizeof *t->scores);
    if (!t->scores) return shn_fail_nomem(err, "tokenizer.vocab");
    for (size_t i = 0; st == SHN_OK && i < v->n; i++) {
        t->scores[i] = v->scores[i];
        if (!isfinite(v->scores[i]))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.vocab", "tokenizer.ggml.scores: item %zu is not finite", i);
        st = shn_pieces_put(&t->pieces, i, v->pieces[i].bytes, v->pieces[i].n, is_text(v, i) ? PIECE_TEXT : PIECE_SPECIAL, err);
    }
    if (st == SHN_OK && v->charsmap) {
        t->norm[t->n_norm++].kind = NORM_CHARSMAP;
        st = shn_charsmap_parse(v->charsmap, v->n_charsmap, &t->charsmap, err);
    } else
        t->norm[t->n_norm++].kind = NORM_NFKC;          /* what SentencePiece's map is in the main */
    t->whitespace_split = t->metaspace_split = 1;
    t->metaspace = METASPACE_ALWAYS;
    return st;
}

/* ---- WordPiece: BERT's uncased pipeline, the only one that llama.cpp runs */

static shn_status read_wordpiece(shn_tokenizer *t, const shn_vocab *v, shn_error *err)
{
    char       piece[SHN_TOKEN_PIECE_MAX + 2] = "##";
    shn_status st = SHN_OK;
    for (size_t i = 0; st == SHN_OK && i < v->n; i++) {
        const shn_span p = v->pieces[i];
        const int      first = p.n > MARK_BYTES && memcmp(p.bytes, MARK, MARK_BYTES) == 0;   /* a bare mark is "##" and a mark */
        if (p.n > SHN_TOKEN_PIECE_MAX || !is_text(v, i) || (p.n > 2 && p.bytes[0] == '[' && p.bytes[p.n - 1] == ']'))
            st = shn_pieces_put(&t->pieces, i, p.bytes, p.n, PIECE_SPECIAL, err);
        else if (first)
            st = shn_pieces_put(&t->pieces, i, p.bytes + MARK_BYTES, p.n - MARK_BYTES, PIECE_TEXT, err);
        else {
            memcpy(piece + 2, p.bytes, p.n);
            st = shn_pieces_put(&t->pieces, i, piece, p.n + 2, PIECE_TEXT, err);
        }
    }
    strcpy(t->continuing, "##");
    t->n_continuing = 2;
    t->word_chars_max = 100;
    t->norm[t->n_norm++] = (shn_norm_step){ .kind = NORM_BERT, .clean = 1, .split_cjk = 1, .strip_accents = 1, .lowercase = 1 };
    return st;
}

/* ---- special tokens */

static void set_affixes(shn_tokenizer *t, const shn_vocab *v)
{
    const int bert = t->model == MODEL_WORDPIECE;
    const int64_t before = v->cls >= 0 && bert ? v->cls : v->bos, after = v->sep >= 0 && bert ? v->sep : v->eos;
    const int add_before = v->add_bos >= 0 ? v->add_bos : bert;
    const int add_after = v->add_eos >= 0 ? v->add_eos : t->model != MODEL_BPE;
    if (before >= 0 && add_before) t->prefix[t->n_prefix++] = (uint32_t)before;
    if (after >= 0 && add_after) t->suffix[t->n_suffix++] = (uint32_t)after;
    if (t->model == MODEL_BPE && t->split[0] == SPLIT_LLAMA3 && v->add_bos < 0) t->model_bos = v->bos;
}

static void add_bytes(shn_sha256 *h, const void *bytes, size_t n)
{
    const uint64_t length = n;
    shn_sha256_add(h, &length, sizeof length);
    if (n) shn_sha256_add(h, bytes, n);
}

static shn_status hash_vocab(shn_tokenizer *t, const shn_vocab *v, shn_error *err)
{
    uint8_t digest[32];
    const int64_t numbers[] = { v->bos, v->eos, v->cls, v->sep, v->unk, v->add_bos, v->add_eos };
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, "tokenizer.vocab");
    add_bytes(h, v->model, strlen(v->model));
    add_bytes(h, v->pre, v->pre ? strlen(v->pre) : 0);
    for (size_t i = 0; i < v->n; i++) add_bytes(h, v->pieces[i].bytes, v->pieces[i].n);
    for (size_t i = 0; i < v->n_merges; i++) add_bytes(h, v->merges[i].bytes, v->merges[i].n);
    add_bytes(h, v->scores, v->scores ? v->n * sizeof *v->scores : 0);
    add_bytes(h, v->types, v->types ? v->n * sizeof *v->types : 0);
    add_bytes(h, v->charsmap, v->charsmap ? v->n_charsmap : 0);
    add_bytes(h, numbers, sizeof numbers);
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, t->hash);
    return SHN_OK;
}

static shn_status read_vocab(shn_tokenizer *t, const shn_vocab *v, shn_error *err)
{
    shn_status st;
    if (v->n == 0 || v->n > SHN_TOKEN_VOCAB_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer.vocab", "tokenizer.ggml.tokens: %zu, needs 1 to %zu", v->n, SHN_TOKEN_VOCAB_MAX);
    const int64_t ids[] = { v->bos, v->eos, v->cls, v->sep, v->unk };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] < -1 || ids[i] >= (int64_t)v->n)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.vocab", "a special token's id is %" PRId64 ", there are %zu", ids[i], v->n);
    t->unk = v->unk;
    t->model = strcmp(v->model, "t5") == 0 ? MODEL_UNIGRAM : strcmp(v->model, "bert") == 0 ? MODEL_WORDPIECE : MODEL_BPE;
    if (t->model == MODEL_BPE && strcmp(v->model, "gpt2") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "tokenizer.vocab",
                        "tokenizer.ggml.model: '%.60s' is not supported; known are gpt2, t5, bert", v->model);
    st = t->model == MODEL_BPE ? read_bpe(t, v, err) : t->model == MODEL_UNIGRAM ? read_unigram(t, v, err) : read_wordpiece(t, v, err);
    if (st != SHN_OK) return st;
    if (t->model == MODEL_BPE) t->unk = -1;         /* GGUF names one even where no text may become it */
    set_affixes(t, v);
    st = hash_vocab(t, v, err);
    return st == SHN_OK ? shn_tokenizer_finish(t, err) : st;
}

shn_status shn_tokenizer_vocab(const shn_vocab *vocab, shn_tokenizer **out, shn_error *err)
{
    *out = NULL;
    shn_tokenizer *t = shn_alloc(1, sizeof *t);
    if (!t) return shn_fail_nomem(err, "tokenizer.vocab");
    t->unk = t->model_bos = -1;
    const shn_status st = read_vocab(t, vocab, err);
    if (st != SHN_OK) {
        shn_tokenizer_free(t);
        return st;
    }
    *out = t;
    return SHN_OK;
}
