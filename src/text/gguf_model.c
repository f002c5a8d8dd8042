/**
 * A language model from GGUF: keys become the configuration, the parts of a split file become one list of tensors. What
 * would change the arithmetic and is not implemented (experts, other rope scalings, per-layer heads) is refused by its key.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "text/dequant.h"
#include "text/weights_private.h"

typedef struct gguf_model {
    shn_mapping *maps;              /* [n_parts]; of borrowed bytes when not mapped */
    shn_gguf   **parts;             /* [n_parts] */
    size_t       n_parts;
    int          mapped;
    shn_gguf_vocab *vocab;
} gguf_model;

static void model_close(void *state)
{
    gguf_model *m = state;
    if (!m) return;
    for (size_t i = 0; i < m->n_parts; i++) {
        if (m->parts) shn_gguf_close(m->parts[i]);
        if (m->maps && m->mapped) shn_file_unmap(&m->maps[i]);
    }
    shn_gguf_vocab_free(m->vocab);
    free(m->maps);
    free(m->parts);
    free(m);
}

/* ---- the source's face ---- */

static int model_find(void *state, const char *name, shn_raw_tensor *t, shn_error *err)
{
    const gguf_model *m = state;
    for (size_t i = 0; i < m->n_parts; i++) {
        const shn_gguf_tensor *g = shn_gguf_find(m->parts[i], name);
        if (!g) continue;
        const shn_w_type_info *type = shn_w_type_find(g->type);
        if (!type->expands) {
            shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.type",
                     "tensor '%.80s' is of type %s, which is not read; take a Q4_K_M, Q8_0 or BF16 file", name, type->name);
            return -1;
        }
        *t = (shn_raw_tensor){ .name = g->name, .type = (shn_w_type)g->type, .rank = g->rank, .data = g->data, .n_bytes = g->n_bytes };
        memcpy(t->shape, g->shape, sizeof g->shape);
        return 1;
    }
    return 0;
}

static const char *model_at(void *state, size_t i)
{
    const gguf_model *m = state;
    size_t            part = 0;
    while (i >= shn_gguf_count(m->parts[part])) i -= shn_gguf_count(m->parts[part++]);
    return shn_gguf_at(m->parts[part], i)->name;
}

static size_t model_count(void *state)
{
    const gguf_model *m = state;
    size_t            n = 0;
    for (size_t i = 0; i < m->n_parts; i++) n += shn_gguf_count(m->parts[i]);
    return n;
}

static void model_hash(void *state, shn_sha256 *h)
{
    const gguf_model *m = state;
    for (size_t i = 0; i < m->n_parts; i++) {
        uint8_t size[8];
        write_u64le(size, m->maps[i].n_bytes);
        shn_sha256_add(h, size, sizeof size);
        shn_sha256_add(h, m->maps[i].bytes, shn_gguf_header_bytes(m->parts[i]));
    }
}

/* ---- configuration ---- */

/** Keys of one architecture; the first failure stays and later reads do nothing. */
typedef struct reader { const shn_gguf *g; const char *arch; shn_status st; shn_error *err; char key[96]; } reader;

static const char *arch_key(reader *r, const char *tail)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, tail);
    return r->key;
}

static void read_size(reader *r, const char *tail, size_t *out, int needed)
{
    uint64_t v = *out;
    if (r->st != SHN_OK) return;
    if (needed && !shn_gguf_has(r->g, arch_key(r, tail))) {
        r->st = shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "gguf.config", "key '%s' is missing", r->key);
        return;
    }
    r->st = shn_gguf_uint(r->g, arch_key(r, tail), UINT32_MAX, &v, r->err);
    *out = (size_t)v;
}

static void read_number(reader *r, const char *tail, double *out, int needed)
{
    if (r->st != SHN_OK) return;
    if (needed && !shn_gguf_has(r->g, arch_key(r, tail))) {
        r->st = shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "gguf.config", "key '%s' is missing", r->key);
        return;
    }
    r->st = shn_gguf_float(r->g, arch_key(r, tail), out, r->err);
}

/** Refuses a whole number other than the one that this program computes with. */
static void demand_size(reader *r, const char *tail, size_t only)
{
    size_t v = only;
    read_size(r, tail, &v, 0);
    if (r->st == SHN_OK && v != only)
        r->st = shn_fail(r->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.config", "key '%s' is %zu, only %zu is computed here",
                         arch_key(r, tail), v, only);
}

static void demand_bool(reader *r, const char *tail, int only)
{
    int v = only;
    if (r->st == SHN_OK) r->st = shn_gguf_bool(r->g, arch_key(r, tail), &v, r->err);
    if (r->st == SHN_OK && v != only)
        r->st = shn_fail(r->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.config",
                         "key '%s' is %s, which this program does not compute", arch_key(r, tail), v ? "true" : "false");
}

/** Scaling by rope_freqs.weight is done; the kinds that a key announces are not. */
static void refuse_scaling(reader *r)
{
    shn_gguf_string s = { 0 };
    if (r->st == SHN_OK) r->st = shn_gguf_text(r->g, arch_key(r, "rope.scaling.type"), &s, r->err);
    if (r->st == SHN_OK && s.bytes && !(s.n == 4 && memcmp(s.bytes, "none", 4) == 0))
        r->st = shn_fail(r->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.config",
                         "key '%s' is '%.*s'; only the llama3 kind (rope_freqs.weight) is computed", arch_key(r, "rope.scaling.type"),
                         s.n < 40 ? (int)s.n : 40, s.bytes);
    if (r->st == SHN_OK && shn_gguf_has(r->g, arch_key(r, "rope.scale_linear")))
        r->st = shn_fail(r->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.config", "key '%s': linear rope scaling is not computed", r->key);
}

static void read_heads(reader *r, shn_lm_config *c)
{
    size_t value_size;
    read_size(r, "attention.head_count", &c->n_heads, 1);
    c->n_kv_heads = c->n_heads;
    read_size(r, "attention.head_count_kv", &c->n_kv_heads, 0);
    if (r->st == SHN_OK && (c->n_heads == 0 || c->n_kv_heads == 0)) {
        r->st = shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.config", "a head count under '%s.attention' is 0", r->arch);
        return;
    }
    if (r->st == SHN_OK && !shn_gguf_has(r->g, arch_key(r, "attention.key_length")) && c->width % c->n_heads != 0) {
        r->st = shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.config",
                         "width %zu is no multiple of %zu heads and '%s' is missing", c->width, c->n_heads, r->key);
        return;
    }
    c->head_size = r->st == SHN_OK ? c->width / c->n_heads : 0;
    read_size(r, "attention.key_length", &c->head_size, 0);
    value_size = c->head_size;
    read_size(r, "attention.value_length", &value_size, 0);
    if (r->st == SHN_OK && value_size != c->head_size)
        r->st = shn_fail(r->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.config",
                         "keys of %zu and values of %zu per head: only equal sizes are computed", c->head_size, value_size);
}

static void read_causal(reader *r, shn_lm_config *c)
{
    c->activation = SHN_LM_SILU;
    c->rope_theta = 10000.0;            /* what llama.cpp takes where the key is missing */
    c->rope_interleaved = c->family == SHN_LM_LLAMA;
    read_number(r, "attention.layer_norm_rms_epsilon", &c->norm_eps, 1);
    read_number(r, "rope.freq_base", &c->rope_theta, 0);
    demand_size(r, "rope.dimension_count", c->head_size);
    demand_size(r, "expert_count", 0);
    demand_bool(r, "attention.causal", 1);
    refuse_scaling(r);
    read_size(r, "context_length", &c->max_positions, 0);
}

static void read_bidirectional(reader *r, shn_lm_config *c)
{
    c->activation = SHN_LM_GELU;
    read_number(r, "attention.layer_norm_epsilon", &c->norm_eps, 1);
    demand_bool(r, "attention.causal", 0);
    read_size(r, "context_length", &c->max_positions, 1);
}

static void read_pooling(reader *r, shn_lm_config *c)
{
    size_t pooling = SIZE_MAX;
    if (r->st != SHN_OK || !shn_gguf_has(r->g, arch_key(r, "pooling_type"))) return;
    read_size(r, "pooling_type", &pooling, 0);
    if (r->st != SHN_OK) return;
    if (pooling > SHN_LM_POOL_LAST)
        r->st = shn_fail(r->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.config",
                         "key '%s' is %zu (a reranker has 4): 0 to 3 give embeddings", r->key, pooling);
    else c->pooling = (shn_lm_pooling)pooling;
}

static shn_status read_arch(const shn_gguf *g, char arch[32], shn_lm_config *c, shn_error *err)
{
    static const struct { const char *name; shn_lm_family family; } known[] = { { "llama", SHN_LM_LLAMA }, { "qwen3", SHN_LM_QWEN3 },
                                                                               { "bert", SHN_LM_BERT } };
    shn_gguf_string s = { 0 };
    const shn_status st = shn_gguf_text(g, "general.architecture", &s, err);
    if (st != SHN_OK) return st;
    if (!s.bytes) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "gguf.config", "key 'general.architecture' is missing");
    snprintf(arch, 32, "%.*s", s.n < 31 ? (int)s.n : 31, s.bytes);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == s.n && memcmp(known[i].name, s.bytes, s.n) == 0) {
            c->family = known[i].family;
            return SHN_OK;
        }
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.config",
                    "architecture '%s' is not computed here; llama, qwen3 and bert are", arch);
}

static shn_status read_config(const gguf_model *m, shn_lm_config *c, shn_error *err)
{
    char   arch[32];
    reader r = { .g = m->parts[0], .arch = arch, .err = err };
    shn_raw_tensor t;
    *c = (shn_lm_config){ .pooling = SHN_LM_POOL_UNSAID, .bos_id = -1, .eos_id = -1, .pad_id = -1, .add_bos = -1, .add_eos = -1 };
    r.st = read_arch(m->parts[0], arch, c, err);
    read_size(&r, "block_count", &c->n_layers, 1);
    read_size(&r, "embedding_length", &c->width, 1);
    read_size(&r, "feed_forward_length", &c->ffn, 1);
    read_heads(&r, c);
    if (c->family == SHN_LM_BERT) read_bidirectional(&r, c);
    else read_causal(&r, c);
    read_pooling(&r, c);
    if (r.st != SHN_OK) return r.st;

    const int found = model_find((void *)(uintptr_t)m, "token_embd.weight", &t, err);
    if (found < 0) return SHN_UNSUPPORTED;
    if (!found || t.rank != 2) return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "gguf.config",
                                               "tensor 'token_embd.weight' is missing or no matrix");
    c->vocab = t.shape[0];
    size_t said = c->vocab;
    read_size(&r, "vocab_size", &said, 0);
    if (r.st != SHN_OK) return r.st;
    if (said != c->vocab)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "gguf.config",
                        "key '%s.vocab_size' is %zu, token_embd.weight has %zu rows", arch, said, c->vocab);
    c->tied = 1;
    for (size_t i = 0; i < m->n_parts; i++) c->tied &= shn_gguf_find(m->parts[i], "output.weight") == NULL;
    if (m->vocab) {
        c->bos_id = m->vocab->bos_id;
        c->eos_id = m->vocab->eos_id;
        c->pad_id = m->vocab->pad_id;
        c->add_bos = m->vocab->add_bos;
        c->add_eos = m->vocab->add_eos;
    }
    return shn_lm_config_check(c, err);
}

/** rope_freqs.weight: what each frequency is divided by (Llama 3.1's scaling, made by the converter). */
static shn_status read_divisors(const gguf_model *m, const shn_lm_config *c, float **out, shn_error *err)
{
    shn_raw_tensor t;
    const int found = model_find((void *)(uintptr_t)m, "rope_freqs.weight", &t, err);
    if (found < 0) return SHN_UNSUPPORTED;
    if (!found) return SHN_OK;
    if (c->family == SHN_LM_BERT || t.type != SHN_W_F32 || t.rank != 1 || t.shape[0] != c->head_size / 2)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "gguf.config", "tensor 'rope_freqs.weight' is not [%zu] F32", c->head_size / 2);
    *out = shn_alloc(c->head_size / 2, sizeof **out);
    if (!*out) return shn_fail_nomem(err, "gguf.config");
    memcpy(*out, t.data, t.n_bytes);
    for (size_t i = 0; i < c->head_size / 2; i++)
        if (!(isfinite((*out)[i]) && (*out)[i] > 0.0f)) {
            free(*out);
            *out = NULL;
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.config",
                            "tensor 'rope_freqs.weight': value %zu is not a positive number", i);
        }
    return SHN_OK;
}

/* ---- opening ---- */

static shn_status finish(gguf_model *m, shn_lm_config *config, shn_source *s, shn_error *err)
{
    float     *divisor = NULL;
    shn_status st = shn_gguf_vocab_read(m->parts[0], &m->vocab, err);
    if (st == SHN_OK) st = read_config(m, config, err);
    if (st == SHN_OK) st = read_divisors(m, config, &divisor, err);
    if (st != SHN_OK) return st;
    *s = (shn_source){ .state = m, .find = model_find, .at = model_at, .count = model_count, .hash = model_hash, .close = model_close,
                       .gguf = 1, .mapped = m->mapped, .vocab = m->vocab, .rope_divisor = divisor };
    for (size_t i = 0; i < m->n_parts; i++) s->n_bytes += m->maps[i].n_bytes;
    return SHN_OK;
}

static shn_status model_new(size_t n_parts, int mapped, gguf_model **out, shn_error *err)
{
    gguf_model *m = shn_alloc(1, sizeof *m);
    *out = NULL;
    if (m) {
        m->maps = shn_alloc(n_parts, sizeof *m->maps);
        m->parts = shn_alloc(n_parts, sizeof *m->parts);
        m->n_parts = n_parts;
        m->mapped = mapped;
    }
    if (!m || !m->maps || !m->parts) {
        model_close(m);
        return shn_fail_nomem(err, "gguf");
    }
    *out = m;
    return SHN_OK;
}

shn_status shn_source_gguf_bytes(const uint8_t *bytes, size_t n_bytes, shn_lm_config *config, shn_source *source, shn_error *err)
{
    gguf_model *m;
    shn_status  st = model_new(1, 0, &m, err);
    if (st != SHN_OK) return st;
    m->maps[0] = (shn_mapping){ bytes, n_bytes };
    st = shn_gguf_open(bytes, n_bytes, &m->parts[0], err);
    if (st == SHN_OK) st = finish(m, config, source, err);
    if (st != SHN_OK) model_close(m);
    return st;
}

/** Splits "stem-00002-of-00003.gguf"; 0 if path is not named so. */
static int split_name(const char *path, size_t *n_stem, unsigned *n_parts)
{
    static const char pattern[] = "-#####-of-#####.gguf";
    const size_t n = strlen(path), n_tail = sizeof pattern - 1;
    if (n <= n_tail) return 0;
    const char *tail = path + n - n_tail;
    for (size_t i = 0; i < n_tail; i++)
        if (pattern[i] == '#' ? tail[i] < '0' || tail[i] > '9' : tail[i] != pattern[i]) return 0;
    *n_stem = n - n_tail;
    *n_parts = (unsigned)strtoul(tail + 10, NULL, 10);
    return *n_parts >= 1;
}

static shn_status part_path(char out[SHN_PATH_MAX], const char *path, size_t n_stem, size_t part, size_t n_parts, shn_error *err)
{
    const int n = snprintf(out, SHN_PATH_MAX, "%.*s-%05zu-of-%05zu.gguf", (int)n_stem, path, part + 1, n_parts);
    return n > 0 && n < SHN_PATH_MAX ? SHN_OK : shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "gguf.split", "the path is too long");
}

/** Says which part is wrong: its own number and the whole's must be what the name says. */
static shn_status check_part(const shn_gguf *g, size_t part, size_t n_parts, shn_error *err)
{
    uint64_t   no = part, count = 1;
    shn_status st = shn_gguf_uint(g, "split.no", UINT16_MAX, &no, err);
    if (st == SHN_OK) st = shn_gguf_uint(g, "split.count", UINT16_MAX, &count, err);
    if (st != SHN_OK) return st;
    if (count == 0) count = 1;
    if (count != n_parts && n_parts == 1)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.split",
                        "is one of %" PRIu64 " parts, but not named NAME-%05" PRIu64 "-of-%05" PRIu64 ".gguf; give it its name again",
                        count, no + 1, count);
    if (count != n_parts || no != part)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.split",
                        "is part %" PRIu64 " of %" PRIu64 " inside, but its name says %zu of %zu", no + 1, count, part + 1, n_parts);
    return SHN_OK;
}

static shn_status open_part(gguf_model *m, size_t part, const char *path, shn_error *err)
{
    shn_status st = shn_file_map(path, &m->maps[part], err);
    if (st != SHN_OK) {
        if (m->n_parts > 1) shn_error_prefix(err, "part %zu of %zu", part + 1, m->n_parts);
        return st;
    }
    st = shn_gguf_open(m->maps[part].bytes, m->maps[part].n_bytes, &m->parts[part], err);
    if (st == SHN_OK) st = check_part(m->parts[part], part, m->n_parts, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    return st;
}

/** No name may stand in two parts, and the first part says how many there are in all. */
static shn_status check_whole(gguf_model *m, shn_error *err)
{
    uint64_t   total = model_count(m);
    shn_status st = shn_gguf_uint(m->parts[0], "split.tensors.count", INT32_MAX, &total, err);
    if (st != SHN_OK) return st;
    if (total != model_count(m))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.split",
                        "%zu tensors in all parts, key 'split.tensors.count' says %" PRIu64, model_count(m), total);
    for (size_t a = 1; a < m->n_parts; a++)
        for (size_t i = 0; i < shn_gguf_count(m->parts[a]); i++)
            for (size_t b = 0; b < a; b++)
                if (shn_gguf_find(m->parts[b], shn_gguf_at(m->parts[a], i)->name))
                    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "gguf.split", "tensor '%.80s' stands in parts %zu and %zu",
                                    shn_gguf_at(m->parts[a], i)->name, b + 1, a + 1);
    return SHN_OK;
}

shn_status shn_source_gguf(const char *path, shn_lm_config *config, shn_source *source, shn_error *err)
{
    gguf_model *m;
    size_t      n_stem = 0;
    unsigned    n_parts = 1;
    const int   split = split_name(path, &n_stem, &n_parts);
    if (n_parts > SHN_LM_SHARDS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "gguf.split", "%s: %u parts, at most %d", path,
                                                     n_parts, SHN_LM_SHARDS_MAX);
    shn_status st = model_new(n_parts, 1, &m, err);
    if (st != SHN_OK) return st;
    for (size_t i = 0; st == SHN_OK && i < n_parts; i++) {
        char name[SHN_PATH_MAX];
        if (split) st = part_path(name, path, n_stem, i, n_parts, err);
        if (st == SHN_OK) st = open_part(m, i, split ? name : path, err);
    }
    if (st == SHN_OK) {
        st = check_whole(m, err);
        if (st == SHN_OK) st = finish(m, config, source, err);
        if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    }
    if (st != SHN_OK) model_close(m);
    return st;
}
