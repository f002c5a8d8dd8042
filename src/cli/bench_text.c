/**
 * Rows of the text side: tokens per second of the byte-level BPE on the registry's texts, and of `text encode` through a small random decoder,
 * from opening the files to the vector cache. The vocabulary holds the registry's English words, so that merges are looked up as in a real one.
 */
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/random.h"
#include "base/safetensors.h"
#include "cli/bench_rows.h"
#include "cli/text_list.h"
#include "compute/product.h"
#include "shinden/encode.h"
#include "shinden/tokenizer.h"

/* a Llama shape: 4 layers of 3.4 million weights */
enum { D = 512, F = 1536, LAYERS = 4, HEADS = 8, KV_HEADS = 4, HEAD = 64, ROUNDS = 5, TOKEN_ROUNDS = 9 };

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

/* ---- a tokenizer.json of our own */

/** The letter that stands for a byte in GPT-2's alphabet: printable ones themselves, the rest from U+0100 on in their order. */
static void byte_letter(unsigned byte, char out[4])
{
    unsigned code = byte, rest = 0;
    for (unsigned b = 0; b <= byte; b++) {
        const int printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte) code = printable ? byte : 256 + rest;
        else rest += !printable;
    }
    if (code < 0x80) snprintf(out, 4, "%c", (char)code);
    else snprintf(out, 4, "%c%c", (char)(0xc0 | code >> 6), (char)(0x80 | (code & 0x3f)));
}

static void add_piece(json_t *vocab, const char *piece)
{
    if (!json_object_get(vocab, piece)) json_object_set_new(vocab, piece, json_integer((json_int_t)json_object_size(vocab)));
}

/** A word is built letter by letter from its front: as many merges as letters, most shared with words that begin alike. */
static void add_word(json_t *vocab, json_t *merges, const char *word, size_t n)
{
    char piece[64];
    if (n >= sizeof piece) return;
    for (size_t i = 2; i <= n; i++) {
        char left[64], right[2] = { word[i - 1], 0 };
        snprintf(piece, sizeof piece, "%.*s", (int)i, word);
        if (json_object_get(vocab, piece)) continue;
        snprintf(left, sizeof left, "%.*s", (int)(i - 1), word);
        add_piece(vocab, piece);
        json_array_append_new(merges, json_pack("[s, s]", left, right));
    }
}

static json_t *tokenizer_document(const text_list *texts, size_t *n_vocab)
{
    static const char qwen[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    json_t *vocab = json_object(), *merges = json_array();
    for (unsigned b = 0; b < 256; b++) {
        char letter[4];
        byte_letter(b, letter);
        add_piece(vocab, letter);
    }
    for (size_t i = 0; i < texts->n; i++)
        for (const char *p = texts->items[i]; *p;) {
            const size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
            if (n) add_word(vocab, merges, p, n);
            p += n ? n : 1;
        }
    *n_vocab = json_object_size(vocab);
    return json_pack("{s:s, s:n, s:n, s:[], s:n, s:{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, {s:s, s:b, s:b, s:b}]}, s:n, s:{s:s, s:b, s:b, s:b}, "
                     "s:{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}}",
                     "version", "1.0", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "type", "Sequence", "pretokenizers", "type",
                     "Split", "pattern", "Regex", qwen, "behavior", "Isolated", "invert", 0, "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                     "use_regex", 0, "post_processor", "decoder", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 0, "model",
                     "type", "BPE", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                     "ignore_merges", 0, "vocab", vocab, "merges", merges);
}

static shn_status write_json(const char *folder, const char *name, json_t *document, shn_error *err)
{
    char  path[SHN_PATH_MAX];
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (!text) return shn_fail_nomem(err, "bench.text");
    shn_status st = shn_path_join(path, folder, name, err);
    if (st == SHN_OK) st = shn_file_write(path, text, strlen(text), err);
    free(text);
    return st;
}

/* ---- weights */

static shn_status put(shn_st_writer *w, const char *name, size_t rows, size_t cols, float *buffer, shn_error *err)
{
    shn_rng      r = shn_rng_stream(1, strlen(name), rows, cols);
    const size_t shape[2] = { rows ? rows : cols, cols }, n = (rows ? rows : 1) * cols;
    const double sd = 1 / sqrt((double)cols);
    for (size_t i = 0; i < n; i++) buffer[i] = rows ? (float)(sd * shn_rng_normal(&r)) : 1;
    return shn_st_writer_tensor(w, name, "F32", rows ? 2 : 1, shape, buffer, err);
}

static shn_status write_weights(const char *folder, size_t n_vocab, shn_error *err)
{
    static const struct { const char *name; size_t rows, cols; } parts[] = {
        { "input_layernorm", 0, D },   { "post_attention_layernorm", 0, D }, { "self_attn.q_proj", HEADS * HEAD, D },
        { "self_attn.k_proj", KV_HEADS * HEAD, D }, { "self_attn.v_proj", KV_HEADS * HEAD, D }, { "self_attn.o_proj", D, HEADS * HEAD },
        { "mlp.gate_proj", F, D },     { "mlp.up_proj", F, D },              { "mlp.down_proj", D, F },
    };
    char           path[SHN_PATH_MAX], name[96];
    shn_st_writer *w = NULL;
    const size_t   most = (n_vocab > F ? n_vocab : F) * D;
    float         *buffer = shn_alloc(most, sizeof *buffer);
    shn_status st = buffer ? shn_st_writer_new(&w, err) : shn_fail_nomem(err, "bench.text");
    if (st == SHN_OK) st = put(w, "model.embed_tokens.weight", n_vocab, D, buffer, err);
    if (st == SHN_OK) st = put(w, "model.norm.weight", 0, D, buffer, err);
    for (int layer = 0; layer < LAYERS; layer++)
        for (size_t i = 0; st == SHN_OK && i < sizeof parts / sizeof *parts; i++) {
            snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, parts[i].name);
            st = put(w, name, parts[i].rows, parts[i].cols, buffer, err);
        }
    if (st == SHN_OK) st = shn_path_join(path, folder, "model.safetensors", err);
    if (st == SHN_OK) st = shn_st_writer_commit(w, path, err);
    shn_st_writer_free(w);
    free(buffer);
    return st;
}

static shn_status write_model(const char *folder, const text_list *texts, shn_error *err)
{
    size_t     n_vocab = 0;
    shn_status st = write_json(folder, "tokenizer.json", tokenizer_document(texts, &n_vocab), err);
    if (st == SHN_OK)
        st = write_json(folder, "config.json", json_pack("{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:i, s:s, s:b, s:b}", "architectures",
                        "LlamaModel", "model_type", "llama", "hidden_size", D, "intermediate_size", F, "num_hidden_layers", LAYERS, "num_attention_heads", HEADS,
                        "num_key_value_heads", KV_HEADS, "head_dim", HEAD, "vocab_size", (int)n_vocab, "rms_norm_eps", 1e-5, "rope_theta", 10000.0,
                        "max_position_embeddings", 2048, "hidden_act", "silu", "tie_word_embeddings", 1, "attention_bias", 0), err);
    return st == SHN_OK ? write_weights(folder, n_vocab, err) : st;
}

/* ---- rows */

static shn_status tokens_row(bench_run *run, const char *folder, const text_list *texts, shn_error *err)
{
    bench_row      row = { .name = "text_tokens_bpe", .unit = "tokens/s", .isa = "any", .threads = 1, .ratio = NAN, .peak_fraction = NAN, .bandwidth_fraction = NAN };
    shn_tokenizer *t;
    double         times[TOKEN_ROUNDS];
    size_t         n = 0;
    if (!bench_wants(run, row.name)) return SHN_OK;
    shn_status st = shn_tokenizer_read(folder, &t, err);
    for (int round = 0; round < TOKEN_ROUNDS && st == SHN_OK; round++) {
        const double start = bench_now();
        n = 0;
        for (int pass = 0; pass < (run->quick ? 1 : 10); pass++)
            for (size_t i = 0; st == SHN_OK && i < texts->n; i++) {
                shn_tokens tokens;
                st = shn_tokenizer_encode(t, texts->items[i], NULL, &tokens, err);
                n += tokens.n;
                shn_tokens_free(&tokens);
            }
        times[round] = bench_now() - start;
        if (st == SHN_OK) st = bench_tell(run, row.name, err);
    }
    shn_tokenizer_free(t);
    if (st != SHN_OK) return st;
    row.value = (double)n / bench_median(times, TOKEN_ROUNDS, &row.spread);
    return bench_add(run, &row, err);
}

static shn_status encode_row(bench_run *run, const char *folder, const text_list *texts, const char *precision, unsigned threads, shn_error *err)
{
    bench_row         row = { .threads = threads, .ratio = NAN, .bandwidth_fraction = NAN };
    shn_encode_config c;
    shn_encode_report report;
    char              out[SHN_PATH_MAX];
    double            times[ROUNDS];
    const int         bf16 = strcmp(precision, "bf16") == 0, all = threads > 1;
    const size_t      n = run->quick ? 60 : 300;         /* of some 1,100 */
    snprintf(row.name, sizeof row.name, "text_encode_512x4%s", bf16 ? "_bf16" : "");
    if (!bench_wants(run, row.name)) return SHN_OK;
    snprintf(row.unit, sizeof row.unit, "tokens/s");
    snprintf(row.precision, sizeof row.precision, "%s", precision);
    shn_isa    isa;
    shn_status st = shn_isa_choose(run->isa, &isa, err);
    if (st == SHN_OK) st = shn_path_join(out, folder, "vectors.safetensors", err);
    if (st != SHN_OK) return st;
    snprintf(row.isa, sizeof row.isa, "%s", shn_isa_name(isa));
    shn_encode_defaults(&c);
    c.model = folder;
    c.precision = precision;
    c.n_threads = threads;
    for (int round = 0; round < ROUNDS && st == SHN_OK; round++) {
        const double start = bench_now();
        st = shn_encode_texts(&c, (const char *const *)texts->items, n, out, (shn_watcher){ 0 }, &report, err);
        times[round] = bench_now() - start;
        if (st == SHN_OK) st = bench_tell(run, row.name, err);
    }
    if (st != SHN_OK) return st;
    row.value = (double)report.n_rows / bench_median(times, ROUNDS, &row.spread);     /* tokens through the layers: a shared beginning counts once */
    const double flops = 2.0 * LAYERS * D * (2.0 * HEADS * HEAD + 2.0 * KV_HEADS * HEAD + 3.0 * F);     /* products; attention itself is left out */
    row.peak_fraction = flops * row.value / 1e9 / (bf16 ? run->peak_bf16[all] : run->peak_f32[all]);
    return bench_add(run, &row, err);
}

static shn_status rows(bench_run *run, const char *folder, const text_list *texts, shn_error *err)
{
    shn_status st = write_model(folder, texts, err);
    if (st == SHN_OK) st = tokens_row(run, folder, texts, err);
    if (st == SHN_OK) st = encode_row(run, folder, texts, "f32", 1, err);
    if (st == SHN_OK && run->threads_all > 1) st = encode_row(run, folder, texts, "f32", run->threads_all, err);
    if (st == SHN_OK && !isnan(run->peak_bf16[0])) st = encode_row(run, folder, texts, "bf16", run->threads_all, err);
    return st;
}

shn_status bench_text(bench_run *run, shn_error *err)
{
    static const char *const names[] = { "text_tokens_bpe", "text_encode_512x4", "text_encode_512x4_bf16" };
    char        folder[SHN_PATH_MAX];
    text_list   texts = { 0 };
    const char *tmp = getenv("TMPDIR");
    int         wanted = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) wanted |= bench_wants(run, names[i]);
    if (!wanted) return SHN_OK;
    snprintf(folder, sizeof folder, "%s/shinden-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) return shn_fail_errno(err, errno, "bench", folder);
    shn_status st = text_list_findings(&texts, shn_registry_builtin(), (text_choice){ TEXT_FORMS_ALL, TEXT_LANGUAGES_ALL }, -1, err);
    if (st == SHN_OK) st = text_list_unique(&texts, err);
    if (st == SHN_OK) st = rows(run, folder, &texts, err);
    text_list_free(&texts);
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return st;
}
