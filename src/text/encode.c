/**
 * Texts to vectors: tokens, chunks that fit the memory allowed, layers, pooling, cache. All texts of a chunk go through a
 * layer before the next layer is touched, so weights are read once per chunk; a label set is one chunk. With the provider
 * llama a chunk is one call of libllama, which keeps no state between layers: a stop loses one chunk at most.
 */
#include "text/encode.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/safetensors.h"
#include "text/encode_plan.h"
#include "text/pooling.h"

static const char where[] = "text.encode";

typedef struct run {
    shn_encode_model   model;
    shn_encode_tokens  tokens;
    shn_team          *team;
    shn_lm            *lm;                      /* one of the two */
    shn_llama         *llama;
    shn_encode_plan    plan;
    size_t             D, n_layers, chunk;      /* the chunk at hand */
    float             *vectors, *x, *centre;    /* [n][D], [rows of the longest chunk][D], [D] */
    shn_encode_state   at;
    char               key[65], partial[SHN_PATH_MAX];
    time_t             saved;
    unsigned           save_every_s;
    shn_watcher        watcher;
    shn_encode_report  report;
} run;

void shn_encode_defaults(shn_encode_config *config)
{
    *config = (shn_encode_config){ .pooling = SHN_POOLING_DEFAULT, .centre = -1, .provider = "own", .precision = "auto", .memory_bytes = (size_t)384 << 20,
                                   .checkpoint_seconds = 5 };
}

/** Everything that the vectors depend on. Threads are not in it: they change no bit. */
static shn_status make_key(run *r, size_t memory, shn_error *err)
{
    const shn_encode_model *m = &r->model;
    uint8_t     digest[32];
    char        rest[256];
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, where);
    const char *words[] = { m->identity, shn_tokenizer_hash(m->tokenizer), m->prompt_en, m->prompt_ja };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) shn_sha256_add(h, words[i], strlen(words[i]) + 1);
    snprintf(rest, sizeof rest, "2 %s %lld %s %zu", shn_pooling_name(m->pooling), (long long)m->append, m->arithmetic, memory);
    shn_sha256_add(h, rest, strlen(rest) + 1);
    for (size_t i = 0; i < r->tokens.n; i++) shn_sha256_add(h, r->tokens.nfc[i], strlen(r->tokens.nfc[i]) + 1);
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, r->key);
    return SHN_OK;
}

/** The number of threads has no say: a resumed run may have another, and its chunks must be the same. */
static shn_status plan_chunks(run *r, size_t memory, shn_error *err)
{
    const size_t vectors = r->tokens.n * r->D * sizeof(float);
    const size_t left = memory > vectors + memory / 4 ? memory - vectors : memory / 4;      /* vectors of very many texts are not split */
    const size_t per_row = r->lm ? shn_lm_bytes_per_row(r->lm) : r->D * sizeof(float);
    const shn_lm_family family = shn_weights_config(r->model.weights)->family;
    const int    share = r->lm && (family == SHN_LM_LLAMA || family == SHN_LM_QWEN3);
    const shn_status st = shn_encode_plan_make(&r->tokens, share, r->lm ? left / per_row : SHN_LLAMA_TOKENS, r->lm ? r->tokens.n : SHN_LLAMA_TEXTS, &r->plan, err);
    r->report.own_bytes = vectors + (r->lm ? shn_lm_bytes_fixed(r->lm) : 0) + shn_lm_rows(r->plan.longest) * per_row;
    return st;
}

/** Whoever runs the layers; libllama has to know the longest chunk. */
static shn_status open_provider(run *r, const shn_encode_config *config, shn_error *err)
{
    shn_status st = SHN_OK;
    if (!r->model.llama) {
        st = shn_team_new(config->n_threads, &r->team, err);
        if (st == SHN_OK) st = shn_lm_new(r->model.weights, r->team, r->model.isa, r->model.dtype, &r->lm, err);
    }
    if (st == SHN_OK) st = plan_chunks(r, config->memory_bytes, err);
    if (st != SHN_OK || r->lm) return st;
    return shn_llama_new(config->model, shn_weights_config(r->model.weights), config->n_threads, r->plan.longest, &r->llama, err);
}

static shn_status prepare(run *r, const shn_encode_config *config, const char *out, shn_error *err)
{
    r->D = shn_weights_config(r->model.weights)->width;
    r->n_layers = shn_weights_config(r->model.weights)->n_layers;
    shn_status st = open_provider(r, config, err);
    if (st == SHN_OK) st = make_key(r, config->memory_bytes, err);
    /* the state file is replaced by a new one beside it; the cache is smaller than that */
    if (st == SHN_OK) st = shn_file_room(out, 2 * (r->tokens.n + shn_lm_rows(r->plan.longest)) * r->D * sizeof(float), err);
    if (st != SHN_OK) return st;
    r->vectors = shn_alloc(r->tokens.n, r->D * sizeof(float));
    r->x = shn_alloc_aligned(shn_lm_rows(r->plan.longest), r->D * sizeof(float));
    r->centre = shn_alloc(r->D, sizeof(float));
    return r->vectors && r->x && r->centre ? SHN_OK : shn_fail_nomem(err, where);
}

static size_t chunk_rows(const run *r) { return r->plan.rows_before[r->chunk + 1] - r->plan.rows_before[r->chunk]; }

static shn_status save(run *r, shn_error *err)
{
    r->saved = time(NULL);
    return shn_encode_state_write(r->partial, r->key, &r->at, r->vectors, r->x, r->at.layers ? shn_lm_rows(chunk_rows(r)) : 0, r->D, err);
}

/** Takes up what an earlier run left. */
static shn_status resume(run *r, shn_error *err)
{
    shn_status st = shn_encode_state_peek(r->partial, r->key, r->tokens.n, &r->at, err);
    if (st != SHN_OK || r->at.last == 0) return st;
    while (r->chunk < r->plan.n_chunks && r->plan.first[r->chunk] < r->at.first) r->chunk++;
    if (r->plan.first[r->chunk] != r->at.first || r->at.layers > r->n_layers ||
        (r->at.layers && (r->chunk == r->plan.n_chunks || r->at.last != r->plan.first[r->chunk + 1])))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "%s: metadata 'place'; remove it to start afresh", r->partial);
    st = shn_encode_state_read(r->partial, &r->at, r->vectors, r->x, r->at.layers ? shn_lm_rows(chunk_rows(r)) : 0, r->D, err);
    r->report.layers_resumed = r->chunk * r->n_layers + r->at.layers;
    return st;
}

/** Tells where the work is, in rows through layers; a stop is answered by saving. */
static shn_status tell(run *r, shn_error *err)
{
    char detail[64];
    if (!r->watcher.fn) return SHN_OK;
    snprintf(detail, sizeof detail, "texts %zu-%zu, layer %zu of %zu", r->at.first + 1, r->at.last, r->at.layers, r->n_layers);
    const shn_progress p = { .what = "encode", .done = r->plan.rows_before[r->chunk] * r->n_layers + chunk_rows(r) * r->at.layers,
                             .total = r->plan.n_rows * r->n_layers, .unit = "token layers", .detail = detail };
    if (r->watcher.fn(r->watcher.context, &p) == 0) return SHN_OK;
    const shn_status st = save(r, err);
    return st != SHN_OK ? st : shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, where,
                                        "stopped at text %zu of %zu, layer %zu of %zu; the same command goes on from there", r->at.first,
                                        r->tokens.n, r->at.layers, r->n_layers);
}

static void pool(run *r)
{
    for (size_t i = r->at.first; i < r->at.last; i++)
        shn_pool(r->model.pooling, r->x, r->plan.row + r->tokens.start[i], r->tokens.start[i + 1] - r->tokens.start[i], r->D, r->tokens.label_first[i], r->tokens.label_last[i], r->vectors + i * r->D);
}

/** The states of the chunk at hand, from the layer where it stands to after the final norm. */
static shn_status run_layers(run *r, const shn_lm_batch *batch, shn_error *err)
{
    shn_status st = r->at.layers == 0 ? shn_lm_embed(r->lm, batch, r->x, err) : SHN_OK;
    while (st == SHN_OK && r->at.layers < r->n_layers) {
        st = tell(r, err);
        if (st == SHN_OK) st = shn_lm_layer(r->lm, r->at.layers, batch, r->x, err);
        if (st != SHN_OK) return st;
        r->at.layers++;
        r->report.layers_done++;
        if (time(NULL) - r->saved >= (time_t)r->save_every_s) st = save(r, err);
    }
    return st == SHN_OK ? shn_lm_finish(r->lm, batch, r->x, err) : st;
}

/** The same by libllama: all layers or none. */
static shn_status run_llama(run *r, const shn_lm_batch *batch, shn_error *err)
{
    shn_status st = tell(r, err);
    if (st == SHN_OK) st = shn_llama_states(r->llama, batch, r->x, err);
    if (st == SHN_OK) r->report.layers_done += r->n_layers;
    return st;
}

static shn_status run_chunk(run *r, size_t *start, shn_error *err)
{
    const size_t n = r->at.last - r->at.first, origin = r->tokens.start[r->at.first];
    for (size_t i = 0; i <= n; i++) start[i] = r->tokens.start[r->at.first + i] - origin;
    const shn_lm_batch batch = { .n_texts = n, .n_tokens = start[n], .n_rows = chunk_rows(r), .start = start, .ids = r->tokens.ids + origin,
                                 .row = r->plan.row + origin, .shared = r->plan.shared + r->at.first };
    const shn_status   st = r->lm ? run_layers(r, &batch, err) : run_llama(r, &batch, err);
    if (st == SHN_OK) pool(r);
    return st;
}

static shn_status run_chunks(run *r, shn_error *err)
{
    size_t    *start = shn_alloc(r->tokens.n + 1, sizeof *start);
    shn_status st = start ? SHN_OK : shn_fail_nomem(err, where);
    r->saved = time(NULL);
    for (; st == SHN_OK && r->chunk < r->plan.n_chunks; r->chunk++) {
        r->at.last = r->plan.first[r->chunk + 1];
        st = run_chunk(r, start, err);
        if (st != SHN_OK) break;
        r->at = (shn_encode_state){ .first = r->at.last, .last = r->at.last };
        if (r->at.first < r->tokens.n && time(NULL) - r->saved >= (time_t)r->save_every_s) st = save(r, err);
    }
    free(start);
    return st;
}

/* ---- the cache ---- */

static char *texts_json(const run *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->tokens.n; i++) json_array_append_new(list, json_string(r->tokens.nfc[i]));
    char *text = list && json_array_size(list) == r->tokens.n ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return text;
}

/** One string, or by language where the prompts differ. */
static void prompt_text(const shn_encode_model *m, char *out, size_t size)
{
    if (strcmp(m->prompt_en, m->prompt_ja) == 0) snprintf(out, size, "%s", m->prompt_en);
    else snprintf(out, size, "en '%s', ja '%s'", m->prompt_en, m->prompt_ja);
}

static shn_status describe(const run *r, shn_st_writer *w, shn_error *err)
{
    const shn_encode_model *m = &r->model;
    char prompt[2200], model[400], append[32];
    prompt_text(m, prompt, sizeof prompt);
    snprintf(model, sizeof model, "%s (%s)", m->name, shn_weights_describe(m->weights));
    snprintf(append, sizeof append, "%lld", (long long)m->append);
    const char *const pairs[][2] = {
        { "model", model }, { "model_hash", m->identity }, { "tokenizer", shn_tokenizer_describe(m->tokenizer) },
        { "tokenizer_hash", shn_tokenizer_hash(m->tokenizer) }, { "prompt", prompt }, { "pooling", shn_pooling_name(m->pooling) },
        { "centring", m->centre ? "mean of all vectors subtracted (tensor 'centre')" : "none" }, { "appended_token", m->append < 0 ? "none" : append },
        { "unit_length", "no" }, { "provider", m->llama ? "llama" : "own" }, { "precision", m->arithmetic }, { "made_by", "shinden " SHINDEN_VERSION " text encode" }, { "schema_version", "1" },
        { "research_use_only", "true" },
    };
    shn_status st = SHN_OK;
    for (size_t i = 0; st == SHN_OK && i < sizeof pairs / sizeof *pairs; i++) st = shn_st_writer_metadata(w, pairs[i][0], pairs[i][1], err);
    return st;
}

static shn_status write_cache(const run *r, const char *out, shn_error *err)
{
    shn_st_writer *w = NULL;
    const size_t   shape[2] = { r->tokens.n, r->D };
    char          *texts = texts_json(r);
    shn_status st = texts ? shn_st_writer_new(&w, err) : shn_fail_nomem(err, where);
    if (st == SHN_OK) st = shn_st_writer_tensor(w, "vectors", "F32", 2, shape, r->vectors, err);
    if (st == SHN_OK && r->model.centre) st = shn_st_writer_tensor(w, "centre", "F32", 1, &r->D, r->centre, err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "texts", texts, err);
    if (st == SHN_OK) st = describe(r, w, err);
    if (st == SHN_OK) st = shn_st_writer_commit(w, out, err);
    shn_st_writer_free(w);
    free(texts);
    return st;
}

static void fill_report(run *r)
{
    shn_encode_report *p = &r->report;
    p->n_texts = r->tokens.n;
    p->n_tokens = r->tokens.n_tokens;
    p->n_rows = r->plan.n_rows;
    p->n_chunks = r->plan.n_chunks;
    p->width = r->D;
    p->pooling = r->model.pooling;
    p->centre = r->model.centre;
    char prompt[2200];
    prompt_text(&r->model, prompt, sizeof prompt);
    snprintf(p->prompt, sizeof p->prompt, "%.191s", prompt);
    snprintf(p->model, sizeof p->model, "%.100s (%.80s)", r->model.name, shn_weights_describe(r->model.weights));
    snprintf(p->provider, sizeof p->provider, "%s", r->model.llama ? "llama" : "own");
    snprintf(p->precision, sizeof p->precision, "%s", r->model.arithmetic);
}

shn_status shn_encode_texts(const shn_encode_config *config, const char *const *texts, size_t n, const char *out, shn_watcher watcher,
                            shn_encode_report *report, shn_error *err)
{
    run *r = shn_alloc(1, sizeof *r);
    if (!r) return shn_fail_nomem(err, where);
    r->watcher = watcher;
    r->save_every_s = config->checkpoint_seconds;
    shn_status st = SHN_OK;
    if (snprintf(r->partial, sizeof r->partial, "%s.partial", out) >= (int)sizeof r->partial)
        st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "a path of %zu bytes", strlen(out));
    if (st == SHN_OK) st = shn_encode_model_open(config, &r->model, err);
    if (st == SHN_OK) st = shn_encode_tokenize(&r->model, texts, n, &r->tokens, err);
    if (st == SHN_OK) st = prepare(r, config, out, err);
    if (st == SHN_OK) st = resume(r, err);
    if (st == SHN_OK) st = run_chunks(r, err);
    if (st == SHN_OK && r->model.centre) shn_pool_centre(r->vectors, n, r->D, r->centre);
    if (st == SHN_OK) st = write_cache(r, out, err);
    if (st == SHN_OK && unlink(r->partial) != 0 && errno != ENOENT) st = shn_fail_errno(err, errno, where, r->partial);
    if (st == SHN_OK) {
        fill_report(r);
        if (report) *report = r->report;
    }
    shn_lm_free(r->lm);
    shn_llama_free(r->llama);
    shn_team_free(r->team);
    free(r->vectors), free(r->x), free(r->centre);
    shn_encode_plan_free(&r->plan);
    shn_encode_tokens_free(&r->tokens);
    shn_encode_model_close(&r->model);
    free(r);
    return st;
}
