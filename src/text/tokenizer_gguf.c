/** The vocabulary inside a GGUF file as a tokenizer: gguf.h's words become those of shn_vocab. */
#include "text/tokenizer_gguf.h"

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"

static shn_span *spans(const shn_gguf_string *strings, size_t n)
{
    shn_span *list = shn_alloc(n, sizeof *list);
    for (size_t i = 0; list && i < n; i++) list[i] = (shn_span){ strings[i].bytes, strings[i].n };
    return list;
}

shn_status shn_tokenizer_gguf(const shn_gguf_vocab *v, shn_tokenizer **out, shn_error *err)
{
    shn_span *pieces = spans(v->tokens, v->n_tokens), *merges = spans(v->merges, v->n_merges);
    /* what ends a text is "sep" in BERT's files and "eos" in the others */
    const int add_end = v->add_eos >= 0 ? v->add_eos : v->add_sep;
    const shn_vocab vocab = {
        .model = v->model, .pre = v->pre, .pieces = pieces, .scores = v->scores, .types = v->types, .n = v->n_tokens, .merges = merges,
        .n_merges = v->n_merges, .charsmap = v->charsmap, .n_charsmap = v->n_charsmap, .bos = v->bos_id, .eos = v->eos_id, .cls = v->cls_id,
        .sep = v->sep_id, .unk = v->unk_id, .add_bos = v->add_bos, .add_eos = add_end,
    };
    *out = NULL;
    const shn_status st = pieces && merges ? shn_tokenizer_vocab(&vocab, out, err) : shn_fail_nomem(err, "tokenizer.gguf");
    free(pieces);
    free(merges);
    return st;
}

static shn_status read_mapped(const shn_mapping *map, shn_tokenizer **out, shn_error *err)
{
    shn_gguf       *g = NULL;
    shn_gguf_vocab *v = NULL;
    shn_status      st = shn_gguf_open(map->bytes, map->n_bytes, &g, err);
    if (st == SHN_OK) st = shn_gguf_vocab_read(g, &v, err);
    if (st == SHN_OK && !v)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_NOT_FOUND, "tokenizer.gguf",
                      "has no tokenizer.ggml.model; of a split model give the first part, which holds the vocabulary");
    if (st == SHN_OK) st = shn_tokenizer_gguf(v, out, err);
    shn_gguf_vocab_free(v);
    shn_gguf_close(g);
    return st;
}

shn_status shn_tokenizer_gguf_read(const char *path, shn_tokenizer **out, shn_error *err)
{
    shn_mapping map;
    *out = NULL;
    shn_status st = shn_file_map(path, &map, err);
    if (st != SHN_OK) return st;
    st = read_mapped(&map, out, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    shn_file_unmap(&map);
    return st;
}
