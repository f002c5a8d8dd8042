/** Providers of text vectors: a file made beforehand, or deterministic random directions that know nothing. */
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

enum { WIDTH_MAX = 65536, TEXTS_MAX = 1 << 22, PURPOSE_HASH_VECTOR = 0x7465787476656331 /* "textvec1" */ };

typedef struct entry { char *text; size_t row; } entry;

struct shn_vectors {
    size_t   D, n;
    uint64_t seed;              /* hash provider */
    entry   *entries;           /* file provider: [n], sorted by NFC text; NULL for hash */
    float   *rows;              /* file provider: [n][D] */
    char     describe[256];
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

static int by_text(const void *a, const void *b) { return strcmp(((const entry *)a)->text, ((const entry *)b)->text); }

/** Takes the list of texts; each goes in by its NFC form. */
static shn_status index_texts(shn_vectors *v, json_t *texts, const char *path, shn_error *err)
{
    for (size_t i = 0; i < v->n; i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (!text)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "vectors", "%s: metadata 'texts' item %zu is not a string", path, i);
        v->entries[i] = (entry){ .text = shn_text_nfc(text, err), .row = i };
        if (!v->entries[i].text) return SHN_FORMAT;
    }
    qsort(v->entries, v->n, sizeof *v->entries, by_text);
    for (size_t i = 1; i < v->n; i++)
        if (strcmp(v->entries[i - 1].text, v->entries[i].text) == 0)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_DUPLICATE_ID, "vectors", "%s: text '%.60s' has two vectors", path, v->entries[i].text);
    return SHN_OK;
}

static shn_status load(shn_vectors *v, const shn_safetensors *st, const char *path, shn_error *err)
{
    json_error_t why;
    const char          *list = shn_safetensors_metadata(st, "texts");
    const shn_st_tensor *t = shn_safetensors_find(st, "vectors");
    if (!list || !t || t->rank != 2)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "vectors", "%s: needs %s; make it with 'shinden text encode'", path,
                        !t || t->rank != 2 ? "a tensor 'vectors' [N][D]" : "metadata 'texts'");
    if (t->shape[0] == 0 || t->shape[0] > TEXTS_MAX || t->shape[1] == 0 || t->shape[1] > WIDTH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "vectors", "%s: 'vectors' is %zu x %zu", path, t->shape[0], t->shape[1]);
    v->n = t->shape[0];
    v->D = t->shape[1];
    v->rows = shn_alloc(v->n * v->D, sizeof *v->rows);
    v->entries = shn_alloc(v->n, sizeof *v->entries);
    if (!v->rows || !v->entries) return shn_fail_nomem(err, "vectors");
    shn_status st_ = shn_safetensors_floats(st, "vectors", v->n * v->D, v->rows, err);
    if (st_ != SHN_OK) return st_;
    for (size_t i = 0; i < v->n * v->D; i++)
        if (!isfinite(v->rows[i]))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "vectors", "%s: vector %zu holds NaN or Inf", path, i / v->D);

    json_t *texts = json_loads(list, 0, &why);
    if (!json_is_array(texts) || json_array_size(texts) != v->n) {
        const size_t got = json_array_size(texts);
        json_decref(texts);
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "vectors", "%s: metadata 'texts' lists %zu texts for %zu vectors", path, got, v->n);
    }
    st_ = index_texts(v, texts, path, err);
    json_decref(texts);
    const char *model = shn_safetensors_metadata(st, "model");
    const char *pooling = shn_safetensors_metadata(st, "pooling");
    snprintf(v->describe, sizeof v->describe, "file %s%s%s, width %zu", model ? model : shn_path_base(path), pooling ? ", pooling " : "",
             pooling ? pooling : "", v->D);
    return st_;
}

shn_status shn_vectors_read(const char *path, shn_vectors **out, shn_error *err)
{
    shn_mapping      map;
    shn_safetensors *st = NULL;
    shn_vectors     *v = NULL;

    *out = NULL;
    shn_status status = shn_file_map(path, &map, err);
    if (status != SHN_OK) return status;
    status = shn_safetensors_open(map.bytes, map.n_bytes, &st, err);
    if (status != SHN_OK) {
        shn_error_prefix(err, "%s", path);
        goto cleanup;
    }
    v = shn_alloc(1, sizeof *v);
    status = v ? load(v, st, path, err) : shn_fail_nomem(err, "vectors");
    if (status != SHN_OK) goto cleanup;
    *out = v;
    v = NULL;
cleanup:
    shn_vectors_free(v);
    shn_safetensors_close(st);
    shn_file_unmap(&map);
    return status;
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
    free(v);
}

size_t      shn_vectors_width(const shn_vectors *v) { return v->D; }
const char *shn_vectors_describe(const shn_vectors *v) { return v->describe; }

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
                        "no vector for the text '%.80s' in %s; encode the labels again with this text", text, v->describe);
    memcpy(out, v->rows + found->row * v->D, v->D * sizeof *out);
    return SHN_OK;
}
