/** A folder's tensors: one safetensors file or the shards of an index, and what else of the folder names the model. */
#include "text/st_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/safetensors.h"
#include "text/weights_private.h"

typedef struct folder {
    uint8_t          *config, *pooling;         /* config.json; 1_Pooling/config.json or NULL */
    size_t            n_config, n_pooling;
    shn_mapping      *maps;                     /* [n_files] */
    shn_safetensors **files;                    /* [n_files] */
    size_t            n_files;
    char              prefix[16];
} folder;

static void folder_close(void *state)
{
    folder *f = state;
    if (!f) return;
    for (size_t i = 0; i < f->n_files; i++) {
        if (f->files) shn_safetensors_close(f->files[i]);
        if (f->maps) shn_file_unmap(&f->maps[i]);
    }
    free(f->files);
    free(f->maps);
    free(f->config);
    free(f->pooling);
    free(f);
}

/* ---- the source's face ---- */

static const shn_st_tensor *find_in(const folder *f, const char *name)
{
    for (size_t i = 0; i < f->n_files; i++) {
        const shn_st_tensor *t = shn_safetensors_find(f->files[i], name);
        if (t) return t;
    }
    return NULL;
}

static int folder_find(void *state, const char *name, shn_raw_tensor *out, shn_error *err)
{
    static const struct { const char *dtype; shn_w_type type; } known[] = { { "F32", SHN_W_F32 }, { "F16", SHN_W_F16 }, { "BF16", SHN_W_BF16 } };
    const shn_st_tensor *t = find_in(state, name);
    if (!t) return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].dtype, t->dtype) != 0) continue;
        *out = (shn_raw_tensor){ .name = t->name, .type = known[i].type, .rank = t->rank, .data = t->data, .n_bytes = t->n_bytes };
        memcpy(out->shape, t->shape, sizeof t->shape);
        return 1;
    }
    shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "model.type", "tensor '%.80s' is of type %s; F32, F16 and BF16 are read", name, t->dtype);
    return -1;
}

static const char *folder_at(void *state, size_t i)
{
    const folder *f = state;
    size_t        file = 0;
    while (i >= shn_safetensors_count(f->files[file])) i -= shn_safetensors_count(f->files[file++]);
    return shn_safetensors_at(f->files[file], i)->name;
}

static size_t folder_count(void *state)
{
    const folder *f = state;
    size_t        n = 0;
    for (size_t i = 0; i < f->n_files; i++) n += shn_safetensors_count(f->files[i]);
    return n;
}

static void hash_block(shn_sha256 *h, const uint8_t *bytes, size_t n)
{
    uint8_t size[8];
    write_u64le(size, n);
    shn_sha256_add(h, size, sizeof size);
    if (n) shn_sha256_add(h, bytes, n);
}

static void folder_hash(void *state, shn_sha256 *h)
{
    const folder *f = state;
    hash_block(h, f->config, f->n_config);
    hash_block(h, f->pooling, f->n_pooling);
    for (size_t i = 0; i < f->n_files; i++) {
        uint8_t size[8];
        write_u64le(size, f->maps[i].n_bytes);
        shn_sha256_add(h, size, sizeof size);
        hash_block(h, f->maps[i].bytes, 8 + (size_t)read_u64le(f->maps[i].bytes));    /* proved to lie in the file when it was opened */
    }
}

/* ---- the index ---- */

static shn_status bad_index(shn_error *err, const char *tensor, const char *what)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "model.index", "index: tensor '%.80s': %s", tensor, what);
}

/** A file beside the index, never elsewhere. */
static int is_plain_name(const char *name) { return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 256; }

static shn_status add_file(shn_st_index *x, size_t *capacity, const char *name, size_t *file, shn_error *err)
{
    for (*file = 0; *file < x->n_files; ++*file)
        if (strcmp(x->files[*file], name) == 0) return SHN_OK;
    if (x->n_files == SHN_LM_SHARDS_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "model.index", "index: more than %d files",
                                                         SHN_LM_SHARDS_MAX);
    if (shn_grow(&x->files, capacity, x->n_files + 1, sizeof *x->files) != 0) return shn_fail_nomem(err, "model.index");
    x->files[x->n_files] = shn_strdup(name);
    if (!x->files[x->n_files]) return shn_fail_nomem(err, "model.index");
    x->n_files++;
    return SHN_OK;
}

static shn_status fill_index(json_t *map, shn_st_index *x, shn_error *err)
{
    const char *tensor;
    json_t     *value;
    size_t      capacity = 0;
    const size_t n = json_object_size(map);
    if (!json_is_object(map) || n == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "model.index",
                                                        "index: no weight_map, or it is empty");
    if (n > SHN_SAFETENSORS_COUNT_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "model.index", "index: %zu tensors, at most %d", n,
                                                       SHN_SAFETENSORS_COUNT_MAX);
    x->tensors = shn_alloc(n, sizeof *x->tensors);
    x->file_of = shn_alloc(n, sizeof *x->file_of);
    if (!x->tensors || !x->file_of) return shn_fail_nomem(err, "model.index");
    json_object_foreach(map, tensor, value) {
        const char *file = json_string_value(value);
        if (!file || !is_plain_name(file)) return bad_index(err, tensor, "its file is no plain name of a file beside the index");
        const shn_status st = add_file(x, &capacity, file, &x->file_of[x->n_tensors], err);
        if (st != SHN_OK) return st;
        x->tensors[x->n_tensors] = shn_strdup(tensor);
        if (!x->tensors[x->n_tensors]) return shn_fail_nomem(err, "model.index");
        x->n_tensors++;
    }
    return SHN_OK;
}

shn_status shn_st_index_parse(const uint8_t *bytes, size_t n_bytes, shn_st_index *out, shn_error *err)
{
    json_error_t why;
    shn_status   st;
    memset(out, 0, sizeof *out);
    if (n_bytes > SHN_ST_INDEX_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "model.index", "index of %zu bytes, at most %zu",
                                                    n_bytes, SHN_ST_INDEX_MAX);
    json_t *root = json_loadb((const char *)bytes, n_bytes, JSON_REJECT_DUPLICATES, &why);
    if (!root) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "model.index", "index: not JSON at line %d: %s", why.line, why.text);
    else st = fill_index(json_object_get(root, "weight_map"), out, err);
    json_decref(root);
    if (st != SHN_OK) shn_st_index_free(out);
    return st;
}

void shn_st_index_free(shn_st_index *x)
{
    for (size_t i = 0; i < x->n_files; i++) free(x->files[i]);
    for (size_t i = 0; i < x->n_tensors; i++) free(x->tensors[i]);
    free(x->files);
    free(x->tensors);
    free(x->file_of);
    memset(x, 0, sizeof *x);
}

/* ---- opening ---- */

static shn_status files_new(folder *f, size_t n, shn_error *err)
{
    f->maps = shn_alloc(n, sizeof *f->maps);
    f->files = shn_alloc(n, sizeof *f->files);
    if (!f->maps || !f->files) return shn_fail_nomem(err, "model");
    f->n_files = n;
    return SHN_OK;
}

/** Errors name the file. */
static shn_status open_file(folder *f, size_t i, const char *path, shn_error *err)
{
    shn_status st = shn_file_map(path, &f->maps[i], err);
    if (st != SHN_OK) return st;
    st = shn_safetensors_open(f->maps[i].bytes, f->maps[i].n_bytes, &f->files[i], err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    return st;
}

/** Index and shards must say the same: no tensor elsewhere, none besides. */
static shn_status check_index(const folder *f, const shn_st_index *x, shn_error *err)
{
    for (size_t i = 0; i < x->n_tensors; i++)
        if (!shn_safetensors_find(f->files[x->file_of[i]], x->tensors[i]))
            return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "model.index",
                            "tensor '%.80s' is not in '%.60s', where the index says it is", x->tensors[i], x->files[x->file_of[i]]);
    size_t n = 0;
    for (size_t i = 0; i < f->n_files; i++) n += shn_safetensors_count(f->files[i]);
    if (n != x->n_tensors)          /* names in the index are distinct, so more tensors than names means one that it does not list */
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "model.index", "the shards hold %zu tensors, the index lists %zu", n,
                        x->n_tensors);
    return SHN_OK;
}

static shn_status open_shards(folder *f, const char *path, const char *index_path, shn_error *err)
{
    uint8_t     *bytes;
    size_t       n;
    shn_st_index x;
    shn_status   st = shn_file_read(index_path, SHN_ST_INDEX_MAX, &bytes, &n, err);
    if (st != SHN_OK) return st;
    st = shn_st_index_parse(bytes, n, &x, err);
    free(bytes);
    if (st != SHN_OK) {
        shn_error_prefix(err, "%s", index_path);
        return st;
    }
    st = files_new(f, x.n_files, err);
    for (size_t i = 0; st == SHN_OK && i < x.n_files; i++) {
        char shard[SHN_PATH_MAX];
        st = shn_path_join(shard, path, x.files[i], err);
        if (st != SHN_OK) break;
        st = open_file(f, i, shard, err);
        if (st != SHN_OK && st == SHN_IO) shn_error_prefix(err, "shard %zu of %zu", i + 1, x.n_files);
    }
    if (st == SHN_OK) {
        st = check_index(f, &x, err);
        if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    }
    shn_st_index_free(&x);
    return st;
}

static shn_status open_files(folder *f, const char *path, shn_error *err)
{
    char       name[SHN_PATH_MAX];
    shn_status st = shn_path_join(name, path, "model.safetensors", err);
    if (st != SHN_OK) return st;
    if (shn_path_exists(name)) {
        st = files_new(f, 1, err);
        return st == SHN_OK ? open_file(f, 0, name, err) : st;
    }
    st = shn_path_join(name, path, "model.safetensors.index.json", err);
    if (st != SHN_OK) return st;
    if (shn_path_exists(name)) return open_shards(f, path, name, err);
    return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "model",
                    "%s: neither model.safetensors nor model.safetensors.index.json; other weights (pytorch_model.bin) are not read", path);
}

/** What sentence-transformers asks for; the folder need not have it. */
static shn_status read_pooling(folder *f, const char *path, shn_lm_pooling *pooling, shn_error *err)
{
    static const struct { const char *key; shn_lm_pooling pooling; } modes[] = {
        { "pooling_mode_cls_token", SHN_LM_POOL_CLS }, { "pooling_mode_mean_tokens",
                                                        SHN_LM_POOL_MEAN }, { "pooling_mode_lasttoken", SHN_LM_POOL_LAST },
    };
    char         name[SHN_PATH_MAX];
    json_error_t why;
    shn_status   st = shn_path_join(name, path, "1_Pooling/config.json", err);
    if (st != SHN_OK || !shn_path_exists(name)) return st;
    st = shn_file_read(name, SHN_ST_CONFIG_MAX, &f->pooling, &f->n_pooling, err);
    if (st != SHN_OK) return st;
    json_t *root = json_loadb((const char *)f->pooling, f->n_pooling, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "model.pooling", "%s: not JSON at line %d: %s", name,
                                             root ? 1 : why.line, root ? "not an object" : why.text);
    int n = 0;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (json_is_true(json_object_get(root, modes[i].key))) {
            *pooling = modes[i].pooling;
            n++;
        }
    if (n > 1) *pooling = SHN_LM_POOL_UNSAID;       /* concatenated poolings: nothing that one vector of this width can follow */
    json_decref(root);
    return st;
}

/** Base models store "embed_tokens...", models with a head "model.embed_tokens...", BERTs with one "bert." or "roberta.". */
static void find_prefix(folder *f, const shn_lm_config *c)
{
    static const char *const prefixes[] = { "model.", "bert.", "roberta.", "" };
    const int causal = c->family == SHN_LM_LLAMA || c->family == SHN_LM_QWEN3;
    char      name[96];
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        snprintf(f->prefix, sizeof f->prefix, "%s", prefixes[i]);
        snprintf(name, sizeof name, "%s%s", prefixes[i], causal ? "embed_tokens.weight" : "embeddings.word_embeddings.weight");
        if (find_in(f, name)) return;
    }
    if (causal) snprintf(f->prefix, sizeof f->prefix, "model.");    /* found nowhere: the message will name the usual place */
}

static shn_status open_all(folder *f, const char *path, shn_lm_config *config, float **divisor, shn_error *err)
{
    char       name[SHN_PATH_MAX];
    shn_status st = shn_path_join(name, path, "config.json", err);
    if (st == SHN_OK) st = shn_file_read(name, SHN_ST_CONFIG_MAX, &f->config, &f->n_config, err);
    if (st != SHN_OK) return st;
    st = shn_st_config_parse(f->config, f->n_config, config, divisor, err);
    if (st != SHN_OK) {
        shn_error_prefix(err, "%s", path);
        return st;
    }
    st = read_pooling(f, path, &config->pooling, err);
    if (st == SHN_OK) st = open_files(f, path, err);
    if (st != SHN_OK) return st;
    find_prefix(f, config);
    config->tied = find_in(f, "lm_head.weight") == NULL;
    return SHN_OK;
}

shn_status shn_source_folder(const char *path, shn_lm_config *config, shn_source *s, shn_error *err)
{
    float  *divisor = NULL;
    folder *f = shn_alloc(1, sizeof *f);
    if (!f) return shn_fail_nomem(err, "model");
    const shn_status st = open_all(f, path, config, &divisor, err);
    if (st != SHN_OK) {
        free(divisor);
        folder_close(f);
        return st;
    }
    *s = (shn_source){ .state = f, .find = folder_find, .at = folder_at, .count = folder_count, .hash = folder_hash, .close = folder_close,
                       .gguf = 0, .prefix = f->prefix, .mapped = 1, .rope_divisor = divisor };
    for (size_t i = 0; i < f->n_files; i++) s->n_bytes += f->maps[i].n_bytes;
    return SHN_OK;
}
