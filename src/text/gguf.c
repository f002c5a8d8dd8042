/**
 * One pass over the header: keys are walked and their places noted, nothing is copied but names. Values are decoded when
 * asked for, from places whose extent the walk has proved.
 */
#include "text/gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "text/dequant.h"

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, N_VALUE_TYPES };
static const uint8_t     value_bytes[N_VALUE_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
static const char *const value_names[N_VALUE_TYPES] = { "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64",
                                                       "i64", "f64" };

typedef struct key_value {
    char          *name;
    uint32_t       type, element;       /* element: of an array */
    uint64_t       count;               /* elements of an array; bytes of a string */
    const uint8_t *data;                /* the value, a string's bytes, an array's first element */
} key_value;

struct shn_gguf {
    key_value       *keys;              /* sorted by name */
    size_t           n_keys;
    shn_gguf_tensor *tensors;           /* sorted by name */
    char           **names;             /* owned, as read; tensors borrow them */
    size_t           n_tensors, n_header;
};

/** What is left of the bytes. */
typedef struct cursor { const uint8_t *p, *end; shn_error *err; } cursor;

static shn_status bad(shn_error *err, shn_reason reason, const char *kind, const char *name, const char *what)
{
    return shn_fail(err, SHN_FORMAT, reason, "gguf.header", "%s '%.80s': %s", kind, name, what);
}

static shn_status truncated(cursor *c, const char *what)
{
    return shn_fail(c->err, SHN_FORMAT, SHN_REASON_TRUNCATED, "gguf.header", "the file ends inside %s; it is cut off: copy it again", what);
}

static size_t left(const cursor *c) { return (size_t)(c->end - c->p); }

static int take_u32(cursor *c, uint32_t *v)
{
    if (left(c) < 4) return 0;
    *v = read_u32le(c->p);
    c->p += 4;
    return 1;
}

static int take_u64(cursor *c, uint64_t *v)
{
    if (left(c) < 8) return 0;
    *v = read_u64le(c->p);
    c->p += 8;
    return 1;
}

/** A string's place, without copying. */
static shn_status take_string(cursor *c, uint64_t max, const char *what, shn_gguf_string *s)
{
    uint64_t n;
    if (!take_u64(c, &n)) return truncated(c, what);
    if (n > max) return shn_fail(c->err, SHN_RANGE, SHN_REASON_LIMIT, "gguf.header", "%s of %" PRIu64 " bytes, at most %" PRIu64, what, n, max);
    if (left(c) < n) return truncated(c, what);
    *s = (shn_gguf_string){ (const char *)c->p, (size_t)n };
    c->p += n;
    return SHN_OK;
}

/** A name, copied and terminated. */
static shn_status take_name(cursor *c, const char *what, char **name)
{
    shn_gguf_string s;
    const shn_status st = take_string(c, SHN_GGUF_NAME_MAX, what, &s);
    if (st != SHN_OK) return st;
    if (s.n == 0 || memchr(s.bytes, 0, s.n)) return shn_fail(c->err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "gguf.header",
                                                             "%s is empty or holds a NUL byte", what);
    *name = shn_strndup(s.bytes, s.n);
    return *name ? SHN_OK : shn_fail_nomem(c->err, "gguf.header");
}

/* ---- keys ---- */

static shn_status take_array(cursor *c, key_value *kv)
{
    if (!take_u32(c, &kv->element) || !take_u64(c, &kv->count)) return truncated(c, "an array");
    if (kv->element >= N_VALUE_TYPES) return bad(c->err, SHN_REASON_BAD_HEADER, "key", kv->name, "an array of an unknown value type");
    if (kv->element == ARRAY)
        return shn_fail(c->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.header", "key '%.80s': an array of arrays is not read", kv->name);
    if (kv->count > SHN_GGUF_ARRAY_MAX)
        return shn_fail(c->err, SHN_RANGE, SHN_REASON_LIMIT, "gguf.header", "key '%.80s': %" PRIu64 " elements, at most %" PRIu64, kv->name,
                        kv->count, SHN_GGUF_ARRAY_MAX);
    kv->data = c->p;
    if (kv->element != STRING) {
        const uint64_t n = kv->count * value_bytes[kv->element];       /* no overflow: the count is limited */
        if (left(c) < n) return truncated(c, kv->name);
        c->p += n;
        return SHN_OK;
    }
    for (uint64_t i = 0; i < kv->count; i++) {
        shn_gguf_string  s;
        const shn_status st = take_string(c, SHN_GGUF_STRING_MAX, kv->name, &s);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status take_key(cursor *c, key_value *kv)
{
    shn_status st = take_name(c, "a key's name", &kv->name);
    if (st != SHN_OK) return st;
    if (!take_u32(c, &kv->type)) return truncated(c, kv->name);
    if (kv->type >= N_VALUE_TYPES) return bad(c->err, SHN_REASON_BAD_HEADER, "key", kv->name, "unknown value type");
    if (kv->type == ARRAY) return take_array(c, kv);
    if (kv->type == STRING) {
        shn_gguf_string s;
        st = take_string(c, SHN_GGUF_STRING_MAX, kv->name, &s);
        if (st != SHN_OK) return st;
        kv->data = (const uint8_t *)s.bytes;
        kv->count = s.n;
        return SHN_OK;
    }
    if (left(c) < value_bytes[kv->type]) return truncated(c, kv->name);
    kv->data = c->p;
    c->p += value_bytes[kv->type];
    return SHN_OK;
}

static int key_by_name(const void *a, const void *b) { return strcmp(((const key_value *)a)->name, ((const key_value *)b)->name); }

static shn_status take_keys(cursor *c, shn_gguf *g, uint64_t n)
{
    size_t capacity = 0;
    while (g->n_keys < n) {             /* grown as they come: a false count costs no memory */
        if (shn_grow(&g->keys, &capacity, g->n_keys + 1, sizeof *g->keys) != 0) return shn_fail_nomem(c->err, "gguf.header");
        const shn_status st = take_key(c, &g->keys[g->n_keys++]);       /* counted first, so that a half-read key's name is freed */
        if (st != SHN_OK) return st;
    }
    if (n) qsort(g->keys, g->n_keys, sizeof *g->keys, key_by_name);
    for (size_t i = 1; i < g->n_keys; i++)
        if (strcmp(g->keys[i - 1].name, g->keys[i].name) == 0) return bad(c->err, SHN_REASON_BAD_HEADER, "key", g->keys[i].name, "stands twice");
    return SHN_OK;
}

/* ---- tensors ---- */

static shn_status take_shape(cursor *c, shn_gguf_tensor *t, uint64_t *n_elements)
{
    uint32_t rank;
    if (!take_u32(c, &rank)) return truncated(c, t->name);
    if (rank < 1 || rank > SHN_GGUF_RANK_MAX) return bad(c->err, SHN_REASON_BAD_HEADER, "tensor", t->name, "rank is not 1 to 4");
    t->rank = rank;
    *n_elements = 1;
    for (size_t i = 0; i < rank; i++) {
        uint64_t dim;
        if (!take_u64(c, &dim)) return truncated(c, t->name);
        if (dim == 0) return bad(c->err, SHN_REASON_BAD_HEADER, "tensor", t->name, "a dim is 0");
        if (__builtin_mul_overflow(*n_elements, dim, n_elements) || *n_elements > SIZE_MAX / 8)
            return bad(c->err, SHN_REASON_BAD_HEADER, "tensor", t->name, "shape overflows");
        t->shape[rank - 1 - i] = (size_t)dim;
    }
    return SHN_OK;
}

/** Reads one tensor's entry; its offset is kept for place_tensors, since the data's start is not known yet. */
static shn_status take_tensor(cursor *c, shn_gguf_tensor *t, uint64_t *offset)
{
    uint64_t n_elements = 0;
    const shn_status st = take_shape(c, t, &n_elements);
    if (st != SHN_OK) return st;
    if (!take_u32(c, &t->type) || !take_u64(c, offset)) return truncated(c, t->name);
    const shn_w_type_info *type = shn_w_type_find(t->type);
    if (!type)
        return shn_fail(c->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.header",
                        "tensor '%.80s': type number %" PRIu32 " is not known here", t->name, t->type);
    const size_t cols = t->shape[t->rank - 1];
    if (cols % type->block_values != 0)
        return shn_fail(c->err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "gguf.header",
                        "tensor '%.80s': rows of %zu values are no whole blocks of %" PRIu32 " (%s)",
                        t->name, cols, type->block_values, type->name);
    if (__builtin_mul_overflow((size_t)(n_elements / type->block_values), (size_t)type->block_bytes, &t->n_bytes))
        return bad(c->err, SHN_REASON_BAD_HEADER, "tensor", t->name, "size overflows");
    return SHN_OK;
}

static shn_status take_tensors(cursor *c, shn_gguf *g, uint64_t n, uint64_t **offsets)
{
    size_t capacity = 0, capacity_names = 0, capacity_offsets = 0;
    while (g->n_tensors < n) {
        const size_t i = g->n_tensors;
        if (shn_grow(&g->tensors, &capacity, i + 1, sizeof *g->tensors) != 0 || shn_grow(&g->names, &capacity_names, i + 1, sizeof *g->names) != 0 ||
            shn_grow(offsets, &capacity_offsets, i + 1, sizeof **offsets) != 0)
            return shn_fail_nomem(c->err, "gguf.header");
        g->n_tensors++;
        shn_status st = take_name(c, "a tensor's name", &g->names[i]);
        if (st != SHN_OK) return st;
        g->tensors[i].name = g->names[i];
        st = take_tensor(c, &g->tensors[i], &(*offsets)[i]);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static int by_place(const void *a, const void *b)
{
    const shn_gguf_tensor *x = a, *y = b;
    return x->data < y->data ? -1 : x->data > y->data;
}

static int by_name(const void *a, const void *b) { return strcmp(((const shn_gguf_tensor *)a)->name, ((const shn_gguf_tensor *)b)->name); }

/** Turns offsets into places in the file; nothing may overlap, holes (padding) are fine. */
static shn_status place_tensors(shn_gguf *g, const uint64_t *offsets, const uint8_t *data, size_t n_data, uint64_t alignment, shn_error *err)
{
    for (size_t i = 0; i < g->n_tensors; i++) {
        shn_gguf_tensor *t = &g->tensors[i];
        if (offsets[i] % alignment != 0) return bad(err, SHN_REASON_BAD_HEADER, "tensor", t->name, "offset is not a multiple of general.alignment");
        if (offsets[i] > n_data || t->n_bytes > n_data - offsets[i])
            return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "gguf.data",
                            "tensor '%.80s': %zu bytes at %" PRIu64 " do not lie in the file's %zu; it is cut off: copy it again", t->name, t->n_bytes, offsets[i], n_data);
        t->data = data + offsets[i];
    }
    if (g->n_tensors == 0) return SHN_OK;
    qsort(g->tensors, g->n_tensors, sizeof *g->tensors, by_place);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (g->tensors[i].data < g->tensors[i - 1].data + g->tensors[i - 1].n_bytes)
            return bad(err, SHN_REASON_BAD_HEADER, "tensor", g->tensors[i].name, "overlaps another tensor");
    qsort(g->tensors, g->n_tensors, sizeof *g->tensors, by_name);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (strcmp(g->tensors[i - 1].name, g->tensors[i].name) == 0) return bad(err, SHN_REASON_BAD_HEADER, "tensor", g->tensors[i].name,
                                                                                "stands twice");
    return SHN_OK;
}

/* ---- the file ---- */

static shn_status check_magic(cursor *c, uint64_t *n_tensors, uint64_t *n_keys)
{
    uint32_t version;
    if (left(c) < 4 || memcmp(c->p, "GGUF", 4) != 0)
        return shn_fail(c->err, SHN_FORMAT, SHN_REASON_UNKNOWN_FORMAT, "gguf.header", "does not begin with GGUF: not a model in this format");
    c->p += 4;
    if (!take_u32(c, &version)) return truncated(c, "the version");
    if (version != 3)
        return shn_fail(c->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "gguf.header",
                        "GGUF version %" PRIu32 "%s; only 3 is read: convert the model again",
                        version, version == 3u << 24 ? " (big-endian)" : "");
    if (!take_u64(c, n_tensors) || !take_u64(c, n_keys)) return truncated(c, "the counts");
    if (*n_tensors > SHN_GGUF_TENSORS_MAX || *n_keys > SHN_GGUF_KEYS_MAX)
        return shn_fail(c->err, SHN_RANGE, SHN_REASON_LIMIT, "gguf.header", "%" PRIu64 " tensors and %" PRIu64 " keys, at most %d and %d",
                        *n_tensors, *n_keys,
                        SHN_GGUF_TENSORS_MAX, SHN_GGUF_KEYS_MAX);
    return SHN_OK;
}

static shn_status parse(const uint8_t *bytes, size_t n_bytes, shn_gguf *g, uint64_t **offsets, shn_error *err)
{
    cursor   c = { bytes, bytes + n_bytes, err };
    uint64_t n_tensors, n_keys, alignment = 32;
    shn_status st = check_magic(&c, &n_tensors, &n_keys);
    if (st == SHN_OK) st = take_keys(&c, g, n_keys);
    if (st == SHN_OK) st = take_tensors(&c, g, n_tensors, offsets);
    if (st == SHN_OK) st = shn_gguf_uint(g, "general.alignment", SHN_GGUF_ALIGNMENT_MAX, &alignment, err);
    if (st != SHN_OK) return st;
    if (alignment < 8 || (alignment & (alignment - 1)) != 0) return bad(err, SHN_REASON_BAD_VALUE, "key", "general.alignment",
                                                                        "not a power of two from 8 on");
    const size_t at = (size_t)(c.p - bytes), padding = (size_t)((alignment - at % alignment) % alignment);
    if (left(&c) < padding) {           /* a file without data need not be padded */
        if (n_tensors) return truncated(&c, "the padding before the data");
        g->n_header = n_bytes;
        return SHN_OK;
    }
    g->n_header = at + padding;
    return place_tensors(g, *offsets, bytes + g->n_header, n_bytes - g->n_header, alignment, err);
}

shn_status shn_gguf_open(const uint8_t *bytes, size_t n_bytes, shn_gguf **out, shn_error *err)
{
    uint64_t *offsets = NULL;
    *out = NULL;
    shn_gguf *g = shn_alloc(1, sizeof *g);
    if (!g) return shn_fail_nomem(err, "gguf.header");
    const shn_status st = parse(bytes, n_bytes, g, &offsets, err);
    free(offsets);
    if (st == SHN_OK) *out = g;
    else shn_gguf_close(g);
    return st;
}

void shn_gguf_close(shn_gguf *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->n_keys; i++) free(g->keys[i].name);
    for (size_t i = 0; i < g->n_tensors; i++) free(g->names[i]);
    free(g->keys);
    free(g->names);
    free(g->tensors);
    free(g);
}

size_t shn_gguf_count(const shn_gguf *g) { return g->n_tensors; }

const shn_gguf_tensor *shn_gguf_at(const shn_gguf *g, size_t i) { return &g->tensors[i]; }

const shn_gguf_tensor *shn_gguf_find(const shn_gguf *g, const char *name)
{
    const shn_gguf_tensor key = { .name = name };
    return g->n_tensors ? bsearch(&key, g->tensors, g->n_tensors, sizeof key, by_name) : NULL;
}

size_t shn_gguf_header_bytes(const shn_gguf *g) { return g->n_header; }

/* ---- values ---- */

static const key_value *find_key(const shn_gguf *g, const char *name)
{
    const key_value key = { .name = (char *)(uintptr_t)name };
    return g->n_keys ? bsearch(&key, g->keys, g->n_keys, sizeof key, key_by_name) : NULL;
}

static shn_status wrong_kind(const key_value *kv, const char *expected, shn_error *err)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.key", "key '%.80s' is %s%s, %s expected", kv->name,
                    kv->type == ARRAY ? "an array of " : "",
                    value_names[kv->type == ARRAY ? kv->element : kv->type], expected);
}

int shn_gguf_has(const shn_gguf *g, const char *key) { return find_key(g, key) != NULL; }

/** Any integer type; negative ones wrap to huge and are caught by the caller's limit. */
static int integer_value(uint32_t type, const uint8_t *p, uint64_t *v)
{
    switch (type) {
    case U8:  *v = p[0]; return 1;
    case I8:  *v = (uint64_t)(int64_t)(int8_t)p[0]; return 1;
    case U16: *v = read_u16le(p); return 1;
    case I16: *v = (uint64_t)(int64_t)read_i16le(p); return 1;
    case U32: *v = read_u32le(p); return 1;
    case I32: *v = (uint64_t)(int64_t)read_i32le(p); return 1;
    case U64:
    case I64: *v = read_u64le(p); return 1;
    default:  return 0;
    }
}

shn_status shn_gguf_uint(const shn_gguf *g, const char *key, uint64_t max, uint64_t *value, shn_error *err)
{
    const key_value *kv = find_key(g, key);
    uint64_t         v;
    if (!kv) return SHN_OK;
    if (!integer_value(kv->type, kv->data, &v)) return wrong_kind(kv, "a whole number", err);
    if (v > max) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.key", "key '%.80s' is negative or over %" PRIu64, key, max);
    *value = v;
    return SHN_OK;
}

shn_status shn_gguf_float(const shn_gguf *g, const char *key, double *value, shn_error *err)
{
    const key_value *kv = find_key(g, key);
    if (!kv) return SHN_OK;
    if (kv->type == F32) *value = (double)read_f32le(kv->data);
    else if (kv->type == F64) {
        const uint64_t u = read_u64le(kv->data);
        memcpy(value, &u, sizeof *value);
    } else return wrong_kind(kv, "f32 or f64", err);
    return SHN_OK;
}

shn_status shn_gguf_bool(const shn_gguf *g, const char *key, int *value, shn_error *err)
{
    const key_value *kv = find_key(g, key);
    if (!kv) return SHN_OK;
    if (kv->type != BOOL || kv->data[0] > 1) return wrong_kind(kv, "true or false", err);
    *value = kv->data[0];
    return SHN_OK;
}

shn_status shn_gguf_text(const shn_gguf *g, const char *key, shn_gguf_string *value, shn_error *err)
{
    const key_value *kv = find_key(g, key);
    if (!kv) return SHN_OK;
    if (kv->type != STRING) return wrong_kind(kv, "a string", err);
    *value = (shn_gguf_string){ (const char *)kv->data, (size_t)kv->count };
    return SHN_OK;
}

/* ---- the vocabulary ---- */

typedef struct vocab_block {            /* what shn_gguf_vocab_free releases; the public part comes first */
    shn_gguf_vocab   v;
    char            *model, *pre;
    shn_gguf_string *tokens, *merges;
    float           *scores;
    int32_t         *types;
} vocab_block;

void shn_gguf_vocab_free(shn_gguf_vocab *vocab)
{
    vocab_block *b = (vocab_block *)vocab;
    if (!b) return;
    free(b->model);
    free(b->pre);
    free(b->tokens);
    free(b->merges);
    free(b->scores);
    free(b->types);
    free(b);
}

static shn_status copy_text(const shn_gguf *g, const char *key, char **out, shn_error *err)
{
    shn_gguf_string  s = { 0 };
    const shn_status st = shn_gguf_text(g, key, &s, err);
    if (st != SHN_OK || !s.bytes) return st;
    if (memchr(s.bytes, 0, s.n)) return bad(err, SHN_REASON_BAD_VALUE, "key", key, "holds a NUL byte");
    *out = shn_strndup(s.bytes, s.n);
    return *out ? SHN_OK : shn_fail_nomem(err, "gguf.vocab");
}

/** An array of strings; absent: *out stays NULL. The walk at opening has proved every length. */
static shn_status read_strings(const shn_gguf *g, const char *key, shn_gguf_string **out, size_t *n, shn_error *err)
{
    const key_value *kv = find_key(g, key);
    if (!kv) return SHN_OK;
    if (kv->type != ARRAY || kv->element != STRING) return wrong_kind(kv, "an array of strings", err);
    *n = (size_t)kv->count;
    *out = shn_alloc(*n, sizeof **out);
    if (!*out) return shn_fail_nomem(err, "gguf.vocab");
    const uint8_t *p = kv->data;
    for (size_t i = 0; i < *n; i++) {
        const size_t length = (size_t)read_u64le(p);
        (*out)[i] = (shn_gguf_string){ (const char *)p + 8, length };
        p += 8 + length;
    }
    return SHN_OK;
}

/** An array of 4-byte numbers, one per token, copied (the file's are not aligned). */
static shn_status read_per_token(const shn_gguf *g, const char *key, uint32_t element, size_t n_tokens, void **out, shn_error *err)
{
    const key_value *kv = find_key(g, key);
    *out = NULL;
    if (!kv) return SHN_OK;
    if (kv->type != ARRAY || (kv->element != element && !(element == I32 && kv->element == U32)))
        return wrong_kind(kv, element == F32 ? "an array of f32" : "an array of i32", err);
    if (kv->count != n_tokens)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "gguf.vocab", "key '%s' has %" PRIu64 " values for %zu tokens", key,
                        kv->count, n_tokens);
    *out = shn_alloc(n_tokens, 4);
    if (!*out) return shn_fail_nomem(err, "gguf.vocab");
    memcpy(*out, kv->data, n_tokens * 4);
    return SHN_OK;
}

static shn_status read_charsmap(const shn_gguf *g, shn_gguf_vocab *v, shn_error *err)
{
    const key_value *kv = find_key(g, "tokenizer.ggml.precompiled_charsmap");
    if (!kv) return SHN_OK;
    if (kv->type != ARRAY || (kv->element != U8 && kv->element != I8)) return wrong_kind(kv, "an array of u8", err);
    v->charsmap = kv->data;
    v->n_charsmap = (size_t)kv->count;
    return SHN_OK;
}

static shn_status read_ids(const shn_gguf *g, shn_gguf_vocab *v, shn_error *err)
{
    const struct { const char *key; int *id; } ids[] = {
        { "tokenizer.ggml.bos_token_id", &v->bos_id },         { "tokenizer.ggml.eos_token_id", &v->eos_id },
        { "tokenizer.ggml.unknown_token_id", &v->unk_id },     { "tokenizer.ggml.seperator_token_id", &v->sep_id },   /* spelt so in the format */
        { "tokenizer.ggml.padding_token_id", &v->pad_id },     { "tokenizer.ggml.cls_token_id", &v->cls_id },
        { "tokenizer.ggml.mask_token_id", &v->mask_id },
    };
    const struct { const char *key; int *flag; } flags[] = {
        { "tokenizer.ggml.add_bos_token", &v->add_bos },       { "tokenizer.ggml.add_eos_token", &v->add_eos },
        { "tokenizer.ggml.add_sep_token", &v->add_sep },       { "tokenizer.ggml.add_space_prefix", &v->add_space_prefix },
        { "tokenizer.ggml.remove_extra_whitespaces", &v->remove_extra_whitespaces },
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        uint64_t id = UINT32_MAX;       /* also what some converters write for "none" */
        *ids[i].id = -1;
        const shn_status st = shn_gguf_uint(g, ids[i].key, UINT32_MAX, &id, err);
        if (st != SHN_OK) return st;
        if (id == UINT32_MAX) continue;
        if (id >= v->n_tokens) return bad(err, SHN_REASON_BAD_VALUE, "key", ids[i].key, "is not a token of the vocabulary");
        *ids[i].id = (int)id;
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        *flags[i].flag = -1;
        const shn_status st = shn_gguf_bool(g, flags[i].key, flags[i].flag, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status fill_vocab(const shn_gguf *g, vocab_block *b, shn_error *err)
{
    shn_gguf_vocab *v = &b->v;
    shn_status      st = copy_text(g, "tokenizer.ggml.model", &b->model, err);
    if (st == SHN_OK) st = copy_text(g, "tokenizer.ggml.pre", &b->pre, err);
    if (st == SHN_OK) st = read_strings(g, "tokenizer.ggml.tokens", &b->tokens, &v->n_tokens, err);
    if (st != SHN_OK) return st;
    if (v->n_tokens == 0) return bad(err, SHN_REASON_BAD_VALUE, "key", "tokenizer.ggml.tokens", "is missing or empty");
    void *scores = NULL, *kinds = NULL;
    st = read_strings(g, "tokenizer.ggml.merges", &b->merges, &v->n_merges, err);
    if (st == SHN_OK) st = read_per_token(g, "tokenizer.ggml.scores", F32, v->n_tokens, &scores, err);
    if (st == SHN_OK) st = read_per_token(g, "tokenizer.ggml.token_type", I32, v->n_tokens, &kinds, err);
    b->scores = scores;
    b->types = kinds;
    if (st == SHN_OK) st = read_charsmap(g, v, err);
    if (st == SHN_OK) st = read_ids(g, v, err);
    v->model = b->model;
    v->pre = b->pre;
    v->tokens = b->tokens;
    v->merges = b->merges;
    v->scores = b->scores;
    v->types = b->types;
    return st;
}

shn_status shn_gguf_vocab_read(const shn_gguf *g, shn_gguf_vocab **out, shn_error *err)
{
    *out = NULL;
    if (!shn_gguf_has(g, "tokenizer.ggml.model")) return SHN_OK;
    vocab_block *b = shn_alloc(1, sizeof *b);
    if (!b) return shn_fail_nomem(err, "gguf.vocab");
    const shn_status st = fill_vocab(g, b, err);
    if (st == SHN_OK) *out = &b->v;
    else shn_gguf_vocab_free(&b->v);
    return st;
}
