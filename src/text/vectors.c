/** Providers of text vectors: a file made beforehand, the compiled-in one, or deterministic random directions that know nothing. */
#include "shinden/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/safetensors.h"
#include "text/vectors_e5.h"

enum { WIDTH_MAX = 65536, TEXTS_MAX = 1 << 22, PURPOSE_HASH_VECTOR = 0x7465787476656331 /* "textvec1" */ };

typedef struct entry { char *text; size_t row, file; } entry;

struct shn_vectors {
    size_t   D, n, n_files;
    uint64_t seed;              /* hash provider */
    entry   *entries;           /* files: [n], sorted by NFC text; NULL for hash */
    float   *rows;              /* files: [n][D] */
    size_t   entries_capacity, rows_capacity;
    char     describe[320];
    shn_text_provider provider;
};

char *shn_text_nfc(const char *text, shn_error *err)
{
    utf8proc_uint8_t *nfc = NULL;
    const utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, 0, &nfc,
                                            UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0) {
        shn_fail(err, n == UTF8PROC_ERROR_NOMEM ? SHN_NOMEM : SHN_FORMAT, SHN_REASON_BAD_VALUE, "text.nfc", "'%.60s': %s", text,
                 utf8proc_errmsg(n));
        return NULL;
    }
    return (char *)nfc;
}

static int by_text(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return strcmp(x->text, y->text);
}

/** Takes the list of texts of one file, whose rows begin at `first`; each goes in by its NFC form. */
static shn_status take_texts(shn_vectors *v, json_t *texts, size_t first, const char *path, shn_error *err)
{
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (!text)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "vectors", "%s: metadata 'texts' item %zu is not a string", path, i);
        v->entries[v->n] = (entry){ .text = shn_text_nfc(text, err), .row = first + i, .file = v->n_files };
        if (!v->entries[v->n].text) return SHN_FORMAT;
        v->n++;
    }
    return SHN_OK;
}

/** Sorts; the same text may stand in several files of one model with one vector, but has one vector. */
static shn_status index_texts(shn_vectors *v, const char *path, shn_error *err)
{
    size_t kept = 0;
    qsort(v->entries, v->n, sizeof *v->entries, by_text);
    for (size_t i = 1; i < v->n; i++) {
        entry *a = &v->entries[kept], *b = &v->entries[i];
        if (strcmp(a->text, b->text) != 0) {
            const entry moved = *b;
            b->text = NULL;
            v->entries[++kept] = moved;
            continue;
        }
        if (a->file == b->file || memcmp(v->rows + a->row * v->D, v->rows + b->row * v->D, v->D * sizeof *v->rows) != 0)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_DUPLICATE_ID, "vectors", "%s: text '%.60s' has two vectors", path, a->text);
        free(b->text);
        b->text = NULL;
    }
    v->n = kept + 1;
    return SHN_OK;
}

static void describe(shn_vectors *v, const shn_safetensors *st, const char *path)
{
    const char *model = shn_safetensors_metadata(st, "model"), *hash = shn_safetensors_metadata(st, "model_hash");
    const char *pooling = shn_safetensors_metadata(st, "pooling");
    snprintf(v->describe, sizeof v->describe, "file %.180s%s%.12s%s%.40s, width %zu", model ? model : shn_path_base(path), hash ? ", weights " : "",
             hash ? hash : "", pooling ? ", pooling " : "", pooling ? pooling : "", v->D);
}

static void take_text(char *out, size_t size, const shn_safetensors *st, const char *key)
{
    const char *text = shn_safetensors_metadata(st, key);
    snprintf(out, size, "%s", text ? text : "");
}

static shn_status take_provider(shn_vectors *v, const shn_safetensors *st, const char *path, shn_error *err)
{
    shn_text_provider *p = &v->provider;
    take_text(p->model, sizeof p->model, st, "model");
    take_text(p->model_hash, sizeof p->model_hash, st, "model_hash");
    take_text(p->tokenizer_hash, sizeof p->tokenizer_hash, st, "tokenizer_hash");
    take_text(p->prompt, sizeof p->prompt, st, "prompt");
    take_text(p->pooling, sizeof p->pooling, st, "pooling");
    p->width = v->D;
    if (!shn_safetensors_find(st, "centre")) return SHN_OK;
    p->centre = shn_alloc(v->D, sizeof *p->centre);
    const shn_status status = p->centre ? shn_safetensors_floats(st, "centre", v->D, p->centre, err) : shn_fail_nomem(err, "vectors");
    for (size_t i = 0; status == SHN_OK && i < v->D; i++)
        if (!isfinite(p->centre[i])) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "vectors", "%s: 'centre' holds NaN or Inf", path);
    return status;
}

const char *shn_text_provider_difference(const shn_text_provider *a, const shn_text_provider *b)
{
    if (a->width != b->width) return "width";
    if (strcmp(a->model_hash, b->model_hash) != 0) return "model";
    if (strcmp(a->tokenizer_hash, b->tokenizer_hash) != 0) return "tokenizer";
    if (strcmp(a->prompt, b->prompt) != 0) return "prompt";
    if (strcmp(a->pooling, b->pooling) != 0) return "pooling";
    if (!a->centre != !b->centre || (a->centre && memcmp(a->centre, b->centre, a->width * sizeof *a->centre) != 0)) return "centring";
    return NULL;
}

/** Appends the texts and rows of one file; path is its name in messages. */
static shn_status load(shn_vectors *v, const shn_safetensors *st, const char *path, shn_error *err)
{
    json_error_t why;
    const char          *list = shn_safetensors_metadata(st, "texts");
    const shn_st_tensor *t = shn_safetensors_find(st, "vectors");
    if (!list || !t || t->rank != 2)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "vectors", "%s: needs %s; make it with 'shinden text encode'", path,
                        !t || t->rank != 2 ? "a tensor 'vectors' [N][D]" : "metadata 'texts'");
    const size_t n = t->shape[0], D = t->shape[1], first = v->n;
    if (n == 0 || n > TEXTS_MAX || D == 0 || D > WIDTH_MAX || (v->n_files && D != v->D))
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "vectors", "%s: 'vectors' is %zu x %zu", path, n, D);
    v->D = D;
    if (shn_grow(&v->rows, &v->rows_capacity, (first + n) * D, sizeof *v->rows) != 0 ||
        shn_grow(&v->entries, &v->entries_capacity, first + n, sizeof *v->entries) != 0)
        return shn_fail_nomem(err, "vectors");
    shn_status st_ = shn_safetensors_floats(st, "vectors", n * D, v->rows + first * D, err);
    if (st_ != SHN_OK) return st_;
    for (size_t i = 0; i < n * D; i++)
        if (!isfinite(v->rows[first * D + i]))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "vectors", "%s: vector %zu holds NaN or Inf", path, i / D);

    json_t *texts = json_loads(list, 0, &why);
    if (!json_is_array(texts) || json_array_size(texts) != n) {
        const size_t got = json_array_size(texts);
        json_decref(texts);
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "vectors", "%s: metadata 'texts' lists %zu texts for %zu vectors", path, got, n);
    }
    st_ = take_texts(v, texts, first, path, err);
    json_decref(texts);
    if (v->n_files++) return st_;
    describe(v, st, path);
    return st_ == SHN_OK ? take_provider(v, st, path, err) : st_;
}

/** One file's bytes into v, not yet indexed. */
static shn_status load_bytes(shn_vectors *v, const uint8_t *bytes, size_t n_bytes, const char *path, shn_error *err)
{
    shn_safetensors *st = NULL;
    shn_status status = shn_safetensors_open(bytes, n_bytes, &st, err);
    if (status != SHN_OK) shn_error_prefix(err, "%s", path);
    else status = load(v, st, path, err);
    shn_safetensors_close(st);
    return status;
}

shn_status shn_vectors_read(const char *path, shn_vectors **out, shn_error *err)
{
    shn_mapping  map;
    shn_vectors *v = NULL;

    *out = NULL;
    shn_status status = shn_file_map(path, &map, err);
    if (status != SHN_OK) return status;
    v = shn_alloc(1, sizeof *v);
    status = v ? load_bytes(v, map.bytes, map.n_bytes, path, err) : shn_fail_nomem(err, "vectors");
    if (status == SHN_OK) status = index_texts(v, path, err);
    if (status == SHN_OK) {
        *out = v;
        v = NULL;
    }
    shn_vectors_free(v);
    shn_file_unmap(&map);
    return status;
}

shn_status shn_vectors_builtin(shn_vectors **out, shn_error *err)
{
    char model[sizeof ((shn_vectors *)0)->describe];
    *out = NULL;
    shn_vectors *v = shn_alloc(1, sizeof *v);
    if (!v) return shn_fail_nomem(err, "vectors");
    shn_status st = SHN_OK;
    for (size_t i = 0; st == SHN_OK && i < SHN_VECTORS_E5_FILES; i++) {
        size_t n;
        const uint8_t *bytes = shn_vectors_e5(i, &n);
        st = load_bytes(v, bytes, n, SHN_VECTORS_BUILTIN, err);
    }
    if (st == SHN_OK) st = index_texts(v, SHN_VECTORS_BUILTIN, err);
    if (st != SHN_OK) {
        shn_vectors_free(v);
        return st;
    }
    memcpy(model, v->describe, sizeof model);
    snprintf(v->describe, sizeof v->describe, "built-in %s: %.280s", SHN_VECTORS_BUILTIN, model + strlen("file "));
    *out = v;
    return SHN_OK;
}

shn_status shn_vectors_open(const char *name, uint64_t seed, shn_vectors **out, shn_error *err)
{
    if (strcmp(name, SHN_VECTORS_BUILTIN) == 0) return shn_vectors_builtin(out, err);
    if (strcmp(name, SHN_VECTORS_HASH) == 0) return shn_vectors_hash(SHN_VECTORS_HASH_WIDTH, seed, out, err);
    return shn_vectors_read(name, out, err);
}

shn_status shn_vectors_hash(size_t D, uint64_t seed, shn_vectors **out, shn_error *err)
{
    *out = NULL;
    if (D == 0 || D > WIDTH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "vectors", "width %zu, needs 1 to %d", D, WIDTH_MAX);
    shn_vectors *v = shn_alloc(1, sizeof *v);
    if (!v) return shn_fail_nomem(err, "vectors");
    v->D = D;
    v->seed = seed;
    v->provider.width = D;
    snprintf(v->provider.model, sizeof v->provider.model, "hash");
    snprintf(v->provider.model_hash, sizeof v->provider.model_hash, "hash seed %" PRIu64, seed);
    snprintf(v->describe, sizeof v->describe, "hash, seed %" PRIu64 ", width %zu (random directions: no knowledge of language)", seed, D);
    *out = v;
    return SHN_OK;
}

void shn_vectors_free(shn_vectors *v)
{
    if (!v) return;
    for (size_t i = 0; v->entries && i < v->n; i++) free(v->entries[i].text);
    free(v->entries);
    free(v->rows);
    free(v->provider.centre);
    free(v);
}

size_t      shn_vectors_width(const shn_vectors *v) { return v->D; }
const char *shn_vectors_describe(const shn_vectors *v) { return v->describe; }
const shn_text_provider *shn_vectors_provider(const shn_vectors *v) { return &v->provider; }

/** Normal coordinates give directions uniform on the sphere; the text enters through its SHA-256. */
static void hash_vector(const shn_vectors *v, const char *nfc, float *out)
{
    uint8_t  digest[32];
    uint64_t a, b;
    double   square = 0;
    shn_sha256_of(nfc, strlen(nfc), digest);
    memcpy(&a, digest, sizeof a);
    memcpy(&b, digest + 8, sizeof b);
    shn_rng r = shn_rng_stream(v->seed, PURPOSE_HASH_VECTOR, a, b);
    for (size_t d = 0; d < v->D; d++) {
        out[d] = (float)shn_rng_normal(&r);
        square += (double)out[d] * out[d];
    }
    for (size_t d = 0; d < v->D; d++) out[d] = (float)(out[d] / sqrt(square));
}

shn_status shn_vectors_get(const shn_vectors *v, const char *text, float *out, shn_error *err)
{
    char *nfc = shn_text_nfc(text, err);
    if (!nfc) return err ? err->status : SHN_FORMAT;
    if (!v->entries) {
        hash_vector(v, nfc, out);
        free(nfc);
        return SHN_OK;
    }
    const entry  key = { .text = nfc };
    const entry *found = bsearch(&key, v->entries, v->n, sizeof key, by_text);
    free(nfc);
    if (!found)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_NOT_FOUND, "vectors",
                        "no vector for the text '%.100s' in %.120s; make one: shinden text encode --model MODEL --labels TABLE.csv "
                        "(or --cohort COHORT.h5) -o VECTORS.safetensors, then --text VECTORS.safetensors", text, v->describe);
    memcpy(out, v->rows + found->row * v->D, v->D * sizeof *out);
    return SHN_OK;
}
