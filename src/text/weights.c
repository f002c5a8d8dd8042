/**
 * Roles to tensors. One table says, for each role, what it is called in either format, how large it must be and which
 * families have it; opening a model is one walk over that table. What the table does not explain is refused, for a tensor
 * that is silently left out gives vectors that look right and are not.
 */
#include "text/weights.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "text/dequant.h"
#include "text/weights_private.h"

#define LLAMA 1u
#define QWEN3 2u
#define BIDIR 4u            /* BERT and XLMR */
#define CAUSAL (LLAMA | QWEN3)
#define ALL (CAUSAL | BIDIR)

/** Sizes in words of the configuration. */
typedef enum side { ONE, WIDTH, QUERY, KEY, FFN, HEAD, VOCAB, POSITIONS, SOME } side;

typedef struct role_row {
    shn_w_role  role;
    const char *gguf, *causal, *bidirectional;  /* names; per-layer ones without "blk.N.", "layers.N.", "encoder.layer.N." */
    side        rows, cols;
    unsigned    must, may;                      /* families that have it, families that may */
} role_row;

static const role_row roles[SHN_W_ROLES] = {
    { SHN_W_TOKEN_EMBD, "token_embd.weight", "embed_tokens.weight", "embeddings.word_embeddings.weight", VOCAB, WIDTH, ALL, 0 },
    { SHN_W_POSITION_EMBD, "position_embd.weight", NULL, "embeddings.position_embeddings.weight", POSITIONS, WIDTH, BIDIR, 0 },
    { SHN_W_TOKEN_TYPES, "token_types.weight", NULL, "embeddings.token_type_embeddings.weight", SOME, WIDTH, BIDIR, 0 },
    { SHN_W_EMBD_NORM, "token_embd_norm.weight", NULL, "embeddings.LayerNorm.weight", ONE, WIDTH, BIDIR, 0 },
    { SHN_W_EMBD_NORM_BIAS, "token_embd_norm.bias", NULL, "embeddings.LayerNorm.bias", ONE, WIDTH, BIDIR, 0 },
    { SHN_W_OUTPUT_NORM, "output_norm.weight", "norm.weight", NULL, ONE, WIDTH, CAUSAL, 0 },
    { SHN_W_ATTN_NORM, "attn_norm.weight", "input_layernorm.weight", NULL, ONE, WIDTH, CAUSAL, 0 },
    { SHN_W_ATTN_Q, "attn_q.weight", "self_attn.q_proj.weight", "attention.self.query.weight", QUERY, WIDTH, ALL, 0 },
    { SHN_W_ATTN_K, "attn_k.weight", "self_attn.k_proj.weight", "attention.self.key.weight", KEY, WIDTH, ALL, 0 },
    { SHN_W_ATTN_V, "attn_v.weight", "self_attn.v_proj.weight", "attention.self.value.weight", KEY, WIDTH, ALL, 0 },
    { SHN_W_ATTN_O, "attn_output.weight", "self_attn.o_proj.weight", "attention.output.dense.weight", WIDTH, QUERY, ALL, 0 },
    { SHN_W_ATTN_Q_BIAS, "attn_q.bias", "self_attn.q_proj.bias", "attention.self.query.bias", ONE, QUERY, BIDIR, CAUSAL },
    { SHN_W_ATTN_K_BIAS, "attn_k.bias", "self_attn.k_proj.bias", "attention.self.key.bias", ONE, KEY, BIDIR, CAUSAL },
    { SHN_W_ATTN_V_BIAS, "attn_v.bias", "self_attn.v_proj.bias", "attention.self.value.bias", ONE, KEY, BIDIR, CAUSAL },
    { SHN_W_ATTN_O_BIAS, "attn_output.bias", "self_attn.o_proj.bias", "attention.output.dense.bias", ONE, WIDTH, BIDIR, CAUSAL },
    { SHN_W_ATTN_Q_NORM, "attn_q_norm.weight", "self_attn.q_norm.weight", NULL, ONE, HEAD, QWEN3, 0 },
    { SHN_W_ATTN_K_NORM, "attn_k_norm.weight", "self_attn.k_norm.weight", NULL, ONE, HEAD, QWEN3, 0 },
    { SHN_W_ATTN_OUT_NORM, "attn_output_norm.weight", NULL, "attention.output.LayerNorm.weight", ONE, WIDTH, BIDIR, 0 },
    { SHN_W_ATTN_OUT_NORM_BIAS, "attn_output_norm.bias", NULL, "attention.output.LayerNorm.bias", ONE, WIDTH, BIDIR, 0 },
    { SHN_W_FFN_NORM, "ffn_norm.weight", "post_attention_layernorm.weight", NULL, ONE, WIDTH, CAUSAL, 0 },
    { SHN_W_FFN_GATE, "ffn_gate.weight", "mlp.gate_proj.weight", NULL, FFN, WIDTH, CAUSAL, 0 },
    { SHN_W_FFN_UP, "ffn_up.weight", "mlp.up_proj.weight", "intermediate.dense.weight", FFN, WIDTH, ALL, 0 },
    { SHN_W_FFN_DOWN, "ffn_down.weight", "mlp.down_proj.weight", "output.dense.weight", WIDTH, FFN, ALL, 0 },
    { SHN_W_FFN_GATE_BIAS, "ffn_gate.bias", "mlp.gate_proj.bias", NULL, ONE, FFN, 0, LLAMA },
    { SHN_W_FFN_UP_BIAS, "ffn_up.bias", "mlp.up_proj.bias", "intermediate.dense.bias", ONE, FFN, BIDIR, LLAMA },
    { SHN_W_FFN_DOWN_BIAS, "ffn_down.bias", "mlp.down_proj.bias", "output.dense.bias", ONE, WIDTH, BIDIR, LLAMA },
    { SHN_W_LAYER_OUT_NORM, "layer_output_norm.weight", NULL, "output.LayerNorm.weight", ONE, WIDTH, BIDIR, 0 },
    { SHN_W_LAYER_OUT_NORM_BIAS, "layer_output_norm.bias", NULL, "output.LayerNorm.bias", ONE, WIDTH, BIDIR, 0 },
};

/** Tensors that play no part in a text's vector. A trailing '*' stands for any rest. */
static const char *const ignored_gguf[] = { "output.weight", "output.bias", "rope_freqs.weight", NULL };
static const char *const ignored_folder[] = { "lm_head.*", "score.*", "classifier.*", "cls.*", "pooler.*", "embeddings.position_ids",
                                             "position_ids", NULL };

#define N_GLOBAL    ((size_t)SHN_W_PER_LAYER)
#define N_PER_LAYER ((size_t)SHN_W_ROLES - N_GLOBAL)

struct shn_weights {
    shn_lm_config    config;
    shn_source       source;
    shn_tensor_view *views;         /* [N_GLOBAL + n_layers * N_PER_LAYER]; data NULL: not there */
    size_t           n_views;
    char             describe[160];
};

static unsigned family_bit(shn_lm_family family) { return family == SHN_LM_LLAMA ? LLAMA : family == SHN_LM_QWEN3 ? QWEN3 : BIDIR; }

static const char *family_name(shn_lm_family family)
{
    static const char *const names[] = { "llama", "qwen3", "bert", "xlm-roberta" };
    return names[family];
}

shn_status shn_lm_config_check(const shn_lm_config *c, shn_error *err)
{
    const struct { const char *what; size_t value, max; } sizes[] = {
        { "layers", c->n_layers, SHN_LM_LAYERS_MAX },          { "width", c->width, SHN_LM_WIDTH_MAX },
        { "attention heads", c->n_heads, SHN_LM_HEADS_MAX },   { "key/value heads", c->n_kv_heads, SHN_LM_HEADS_MAX },
        { "head size", c->head_size, SHN_LM_HEAD_SIZE_MAX },   { "feed-forward width", c->ffn, SHN_LM_FFN_MAX },
        { "vocabulary", c->vocab, SHN_LM_VOCAB_MAX },
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value == 0 || sizes[i].value > sizes[i].max)
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "weights.config", "%s is %zu, 1 to %zu expected", sizes[i].what,
                            sizes[i].value, sizes[i].max);
    if (c->n_heads % c->n_kv_heads != 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "weights.config", "%zu attention heads cannot share %zu key/value heads",
                        c->n_heads, c->n_kv_heads);
    const int causal = c->family == SHN_LM_LLAMA || c->family == SHN_LM_QWEN3;
    if (causal && c->head_size % 2 != 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "weights.config",
                                                         "head size %zu is odd, rope needs pairs", c->head_size);
    if (!causal && c->n_kv_heads * c->head_size != c->width)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "weights.config", "%zu heads of %zu do not make the width %zu",
                        c->n_kv_heads, c->head_size, c->width);
    if (!(c->norm_eps > 0.0 && c->norm_eps < 1.0)) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "weights.config",
                                                                   "norm epsilon %g is not between 0 and 1", c->norm_eps);
    if (causal && !(c->rope_theta >= 1.0 && c->rope_theta < 1e15))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "weights.config", "rope theta %g is not between 1 and 1e15", c->rope_theta);
    if (!causal && c->max_positions == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "weights.config", "no number of positions is given");
    return SHN_OK;
}

/* ---- names ---- */

typedef struct tensor_name { char text[192]; } tensor_name;

/** A role's name in the source's own words. */
static tensor_name name_of(const shn_source *s, const shn_lm_config *c, const role_row *row, size_t layer)
{
    tensor_name n;
    const int   per_layer = row->role >= SHN_W_PER_LAYER, causal = family_bit(c->family) != BIDIR;
    const char *tail = s->gguf ? row->gguf : causal ? row->causal : row->bidirectional;
    if (!per_layer) snprintf(n.text, sizeof n.text, "%s%s", s->gguf ? "" : s->prefix, tail);
    else if (s->gguf) snprintf(n.text, sizeof n.text, "blk.%zu.%s", layer, tail);
    else snprintf(n.text, sizeof n.text, "%s%s.%zu.%s", s->prefix, causal ? "layers" : "encoder.layer", layer, tail);
    return n;
}

/** Finds by name; LayerNorm's oldest names in BERT files are gamma and beta. */
static int find_tensor(const shn_source *s, tensor_name *n, shn_raw_tensor *t, shn_error *err)
{
    int found = s->find(s->state, n->text, t, err);
    if (found != 0 || s->gguf) return found;
    char *tail = strstr(n->text, "LayerNorm.");
    if (!tail) return 0;
    const tensor_name modern = *n;
    strcpy(tail + strlen("LayerNorm."), strcmp(tail, "LayerNorm.weight") == 0 ? "gamma" : "beta");     /* both shorter */
    found = s->find(s->state, n->text, t, err);
    if (found == 0) *n = modern;        /* a message names what a reader will look for */
    return found;
}

/* ---- checks ---- */

static size_t side_of(const shn_lm_config *c, side s)
{
    switch (s) {
    case ONE:       return 1;
    case WIDTH:     return c->width;
    case QUERY:     return c->n_heads * c->head_size;
    case KEY:       return c->n_kv_heads * c->head_size;
    case FFN:       return c->ffn;
    case HEAD:      return c->head_size;
    case VOCAB:     return c->vocab;
    case POSITIONS: return c->position_offset + c->max_positions;
    case SOME:      break;
    }
    return 0;
}

/** A GGUF file may keep more positions than its context says; nothing else may differ. */
static int rows_fit(const shn_lm_config *c, side s, size_t rows)
{
    if (s == SOME) return rows >= 1;
    return s == POSITIONS ? rows >= side_of(c, s) : rows == side_of(c, s);
}

/** Vectors may come as [n], [1][n] or, in old GGUF files, with trailing ones. */
static shn_status to_view(const shn_lm_config *c, const role_row *row, const shn_raw_tensor *t, shn_tensor_view *v, shn_error *err)
{
    size_t first = 0;
    while (first + 2 < t->rank && t->shape[first] == 1) first++;
    const size_t rank = t->rank - first, cols = rank ? t->shape[t->rank - 1] : 0, rows = rank == 2 ? t->shape[t->rank - 2] : 1;
    if (rank < 1 || rank > 2 || cols != side_of(c, row->cols) || !rows_fit(c, row->rows, rows))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "weights.shape",
                        "tensor '%.80s' is [%zu][%zu]%s, the configuration asks for [%zu][%zu]", t->name, rows, cols,
                        rank > 2 ? " and more axes" : "", side_of(c, row->rows), side_of(c, row->cols));
    const shn_w_type_info *type = shn_w_type_find((uint32_t)t->type);
    if (cols % type->block_values != 0 || t->n_bytes != rows * (cols / type->block_values * type->block_bytes))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "weights.shape", "tensor '%.80s': %zu bytes do not hold [%zu][%zu] %s",
                        t->name, t->n_bytes, rows, cols, type->name);
    *v = (shn_tensor_view){ .type = t->type, .rows = rows, .cols = cols, .data = t->data, .row_bytes = t->n_bytes / rows, .name = t->name };
    return SHN_OK;
}

static shn_tensor_view *slot(const shn_weights *w, shn_w_role role, size_t layer)
{
    return role < SHN_W_PER_LAYER ? &w->views[role] : &w->views[N_GLOBAL + layer * N_PER_LAYER + (size_t)role - N_GLOBAL];
}

static shn_status take_role(shn_weights *w, const role_row *row, size_t layer, shn_error *err)
{
    const unsigned family = family_bit(w->config.family);
    shn_raw_tensor t = { 0 };
    if (!((row->must | row->may) & family)) return SHN_OK;
    tensor_name n = name_of(&w->source, &w->config, row, layer);
    const int   found = find_tensor(&w->source, &n, &t, err);
    if (found < 0) return err ? err->status : SHN_UNSUPPORTED;
    if (found) return to_view(&w->config, row, &t, slot(w, row->role, layer), err);
    if (row->must & family)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "weights.tensor",
                        "tensor '%.80s' is missing, a %s model of %zu layers needs it", n.text,
                        family_name(w->config.family), w->config.n_layers);
    return SHN_OK;
}

static int matches(const char *pattern, const char *name)
{
    const size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : strcmp(pattern, name) == 0;
}

static int is_ignored(const shn_source *s, const char *name)
{
    const size_t n_prefix = s->gguf ? 0 : strlen(s->prefix);
    if (strncmp(name, s->prefix ? s->prefix : "", n_prefix) == 0) name += n_prefix;
    else return 1;                      /* outside the model proper: heads for other tasks */
    const size_t n = strlen(name);
    if (!s->gguf && n >= 19 && strcmp(name + n - 19, "rotary_emb.inv_freq") == 0) return 1;     /* old files store what theta says */
    for (const char *const *p = s->gguf ? ignored_gguf : ignored_folder; *p; p++)
        if (matches(*p, name)) return 1;
    return 0;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/** Every tensor must be claimed by a role or be known to play no part. */
static shn_status check_unclaimed(const shn_weights *w, shn_error *err)
{
    size_t       n_claimed = 0;
    shn_status   st = SHN_OK;
    const char **claimed = shn_alloc(w->n_views, sizeof *claimed);
    if (!claimed) return shn_fail_nomem(err, "weights");
    for (size_t i = 0; i < w->n_views; i++)
        if (w->views[i].data) claimed[n_claimed++] = w->views[i].name;
    qsort(claimed, n_claimed, sizeof *claimed, by_text);
    for (size_t i = 0; i < w->source.count(w->source.state); i++) {
        const char *name = w->source.at(w->source.state, i);
        if (is_ignored(&w->source, name) || bsearch(&name, claimed, n_claimed, sizeof *claimed, by_text)) continue;
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "weights.tensor",
                      "tensor '%.80s' has no part in a %s model of %zu layers as this program knows it", name,
                      family_name(w->config.family), w->config.n_layers);
        break;
    }
    free(claimed);
    return st;
}

/** A vocabulary larger than the embedding belongs to another model. */
static shn_status check_vocab(const shn_weights *w, shn_error *err)
{
    const shn_gguf_vocab *v = w->source.vocab;
    if (v && v->n_tokens > w->config.vocab)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "weights.vocab",
                        "%zu tokens in tokenizer.ggml.tokens, but token_embd.weight has %zu rows: not of one model",
                        v->n_tokens, w->config.vocab);
    return SHN_OK;
}

/* ---- public ---- */

static shn_status take_all(shn_weights *w, shn_error *err)
{
    for (size_t r = 0; r < SHN_W_ROLES; r++) {
        const size_t n = r < N_GLOBAL ? 1 : w->config.n_layers;
        for (size_t layer = 0; layer < n; layer++) {
            const shn_status st = take_role(w, &roles[r], layer, err);
            if (st != SHN_OK) return st;
        }
    }
    const shn_status st = check_vocab(w, err);
    return st == SHN_OK ? check_unclaimed(w, err) : st;
}

shn_status shn_weights_from(const shn_lm_config *config, shn_source *source, shn_weights **out, shn_error *err)
{
    shn_error mine = { 0 };             /* take_role reads the status back, so there must be an object */
    *out = NULL;
    if (!err) err = &mine;
    shn_weights *w = shn_alloc(1, sizeof *w);
    if (!w) {
        free(source->rope_divisor);
        source->close(source->state);
        return shn_fail_nomem(err, "weights");
    }
    w->config = *config;
    w->source = *source;
    w->config.rope_divisor = source->rope_divisor;
    w->n_views = N_GLOBAL + config->n_layers * N_PER_LAYER;
    w->views = shn_alloc(w->n_views, sizeof *w->views);
    const shn_status st = w->views ? take_all(w, err) : shn_fail_nomem(err, "weights");
    if (st != SHN_OK) {
        shn_weights_close(w);
        return st;
    }
    snprintf(w->describe, sizeof w->describe, "%s, %zu layers, width %zu, %s", family_name(config->family), config->n_layers, config->width,
             shn_w_type_name(slot(w, SHN_W_ATTN_Q, 0)->type));
    *out = w;
    return SHN_OK;
}

shn_status shn_weights_open(const char *path, shn_weights **out, shn_error *err)
{
    shn_lm_config config = { 0 };
    shn_source    source = { 0 };
    *out = NULL;
    shn_status st = shn_path_is_dir(path) ? shn_source_folder(path, &config, &source, err) : shn_source_gguf(path, &config, &source, err);
    if (st != SHN_OK) return st;        /* these name the file themselves */
    st = shn_weights_from(&config, &source, out, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    return st;
}

void shn_weights_close(shn_weights *w)
{
    if (!w) return;
    w->source.close(w->source.state);
    free(w->source.rope_divisor);
    free(w->views);
    free(w);
}

const shn_lm_config *shn_weights_config(const shn_weights *w) { return &w->config; }

const shn_tensor_view *shn_weights_tensor(const shn_weights *w, shn_w_role role, size_t layer)
{
    const shn_tensor_view *v = slot(w, role, layer);
    return v->data ? v : NULL;
}

const shn_gguf_vocab *shn_weights_vocab(const shn_weights *w) { return w->source.vocab; }

size_t shn_weights_bytes(const shn_weights *w) { return w->source.n_bytes; }

const char *shn_weights_describe(const shn_weights *w) { return w->describe; }

void shn_weights_done(const shn_weights *w, size_t layer)
{
    const size_t    first = layer == SHN_W_GLOBAL ? 0 : N_GLOBAL + layer * N_PER_LAYER, n = layer == SHN_W_GLOBAL ? N_GLOBAL : N_PER_LAYER;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = first; i < first + n; i++) {
        const shn_tensor_view *v = &w->views[i];
        if (!v->data) continue;
        /* only whole pages of its own: neighbours may still be in use */
        const uintptr_t from = ((uintptr_t)v->data + page - 1) / page * page, to = ((uintptr_t)v->data + v->rows * v->row_bytes) / page * page;
        if (to > from && w->source.mapped) madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

shn_status shn_weights_identity(const shn_weights *w, char hex[65], shn_error *err)
{
    enum { SAMPLE = 4096 };
    uint8_t     digest[32];
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, "weights.identity");
    shn_sha256_add(h, "shinden weights 1", 17);
    w->source.hash(w->source.state, h);
    for (size_t i = 0; i < w->n_views; i++) {
        const shn_tensor_view *v = &w->views[i];
        if (!v->data) continue;
        const size_t n = v->rows * v->row_bytes, take = n < SAMPLE ? n : SAMPLE;
        const size_t places[3] = { 0, (n - take) / 2, n - take };
        shn_sha256_add(h, v->name, strlen(v->name) + 1);
        for (size_t p = 0; p < 3; p++) shn_sha256_add(h, v->data + places[p], take);
    }
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, hex);
    return SHN_OK;
}
