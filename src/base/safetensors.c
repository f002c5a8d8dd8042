#include "base/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"

struct shn_safetensors {
    json_t        *header;
    shn_st_tensor *tensors;         /* sorted by name */
    size_t         n;
};

static const struct { char name[8]; size_t bytes; } dtypes[] = {
    { "F64", 8 }, { "F32", 4 }, { "F16", 2 }, { "BF16", 2 }, { "I64", 8 }, { "U64", 8 }, { "I32", 4 }, { "U32", 4 },
    { "I16", 2 }, { "U16", 2 },  { "I8", 1 },  { "U8", 1 },    { "BOOL", 1 },
};

static size_t dtype_bytes(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0) return dtypes[i].bytes;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const shn_st_tensor *)a)->name, ((const shn_st_tensor *)b)->name);
}

static shn_status bad(shn_error *err, const char *tensor, const char *what)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "safetensors.header", "tensor '%.80s': %s", tensor, what);
}

static shn_status parse_shape(json_t *shape, shn_st_tensor *t, shn_error *err)
{
    if (!json_is_array(shape)) return bad(err, t->name, "no shape");
    t->rank = json_array_size(shape);
    if (t->rank > SHN_SAFETENSORS_RANK_MAX) return bad(err, t->name, "more than 8 axes");
    t->n_elements = 1;
    for (size_t i = 0; i < t->rank; i++) {
        json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) return bad(err, t->name, "an axis is not a whole number");
        t->shape[i] = (size_t)json_integer_value(dim);
        if (__builtin_mul_overflow(t->n_elements, t->shape[i], &t->n_elements)) return bad(err, t->name, "shape overflows");
    }
    return SHN_OK;
}

static shn_status parse_tensor(json_t *entry, const uint8_t *data, size_t n_data, shn_st_tensor *t, shn_error *err)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const size_t size = dtype ? dtype_bytes(dtype) : 0;
    if (size == 0) return bad(err, t->name, "dtype missing or unknown");
    snprintf(t->dtype, sizeof t->dtype, "%s", dtype);
    shn_status st = parse_shape(json_object_get(entry, "shape"), t, err);
    if (st != SHN_OK) return st;

    json_t *range = json_object_get(entry, "data_offsets");
    if (!json_is_array(range) || json_array_size(range) != 2 || !json_is_integer(json_array_get(range, 0)) ||
        !json_is_integer(json_array_get(range, 1)))
        return bad(err, t->name, "no data_offsets");
    const json_int_t first = json_integer_value(json_array_get(range, 0)), last = json_integer_value(json_array_get(range, 1));
    if (first < 0 || last < first) return bad(err, t->name, "data_offsets are not in order");
    if ((uint64_t)last > n_data)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "safetensors.data",
                        "tensor '%.80s' ends at byte %" PRIu64 " of %zu; the file is cut off: copy it again", t->name,
                        (uint64_t)last, n_data);
    if (__builtin_mul_overflow(t->n_elements, size, &t->n_bytes) || t->n_bytes != (uint64_t)(last - first))
        return bad(err, t->name, "shape and data_offsets disagree");
    t->data = t->n_bytes ? data + first : NULL;
    return SHN_OK;
}

static shn_status check_metadata(json_t *metadata, shn_error *err)
{
    const char *key;
    json_t     *value;
    if (!metadata) return SHN_OK;
    if (!json_is_object(metadata)) return bad(err, "__metadata__", "not an object");
    json_object_foreach(metadata, key, value)
        if (!json_is_string(value)) return bad(err, "__metadata__", "a value is not a string");
    return SHN_OK;
}

static int by_place(const void *a, const void *b)
{
    const shn_st_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->n_bytes < y->n_bytes ? -1 : x->n_bytes > y->n_bytes;
}

/** The tensors must tile the data without holes, overlaps or a rest, as the format's own library demands. */
static shn_status check_tiling(shn_st_tensor *tensors, size_t n, const uint8_t *data, size_t n_data, shn_error *err)
{
    const uint8_t *expected = data;
    qsort(tensors, n, sizeof *tensors, by_place);
    for (size_t i = 0; i < n; i++) {
        if (tensors[i].n_bytes == 0) continue;
        if (tensors[i].data != expected) return bad(err, tensors[i].name, "overlaps another tensor or leaves a hole before it");
        expected += tensors[i].n_bytes;
    }
    if (expected != data + n_data)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "safetensors.data", "%zu bytes follow the last tensor", (size_t)(data + n_data - expected));
    return SHN_OK;
}

shn_status shn_safetensors_open(const uint8_t *bytes, size_t n_bytes, shn_safetensors **out, shn_error *err)
{
    shn_status       st = SHN_OK;
    json_error_t     why;
    const char      *key;
    json_t          *value;
    shn_safetensors *view = NULL;

    *out = NULL;
    if (n_bytes < 8)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "safetensors.header", "%zu bytes: not a safetensors file", n_bytes);
    const uint64_t n_header = read_u64le(bytes);
    if (n_header > SHN_SAFETENSORS_HEADER_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "safetensors.header",
                        "header of %" PRIu64 " bytes, at most %zu: not a safetensors file", n_header, SHN_SAFETENSORS_HEADER_MAX);
    if (n_header > n_bytes - 8)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "safetensors.header",
                        "header of %" PRIu64 " bytes in a file of %zu: cut off", n_header, n_bytes);

    view = shn_alloc(1, sizeof *view);
    if (!view) return shn_fail_nomem(err, "safetensors");
    view->header = json_loadb((const char *)bytes + 8, (size_t)n_header, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(view->header)) {
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "safetensors.header", "not JSON at byte %d: %s",
                      view->header ? 0 : why.position, view->header ? "not an object" : why.text);
        goto cleanup;
    }
    const size_t n_entries = json_object_size(view->header);
    if (n_entries > SHN_SAFETENSORS_COUNT_MAX) {
        st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "safetensors.header", "%zu tensors, at most %d", n_entries, SHN_SAFETENSORS_COUNT_MAX);
        goto cleanup;
    }
    view->tensors = shn_alloc(n_entries, sizeof *view->tensors);
    if (!view->tensors) {
        st = shn_fail_nomem(err, "safetensors");
        goto cleanup;
    }
    st = check_metadata(json_object_get(view->header, "__metadata__"), err);
    if (st != SHN_OK) goto cleanup;
    json_object_foreach(view->header, key, value) {
        if (strcmp(key, "__metadata__") == 0) continue;
        shn_st_tensor *t = &view->tensors[view->n];
        t->name = key;
        st = parse_tensor(value, bytes + 8 + n_header, n_bytes - 8 - (size_t)n_header, t, err);
        if (st != SHN_OK) goto cleanup;
        view->n++;
    }
    st = check_tiling(view->tensors, view->n, bytes + 8 + n_header, n_bytes - 8 - (size_t)n_header, err);
    if (st != SHN_OK) goto cleanup;
    qsort(view->tensors, view->n, sizeof *view->tensors, by_name);
    *out = view;
    view = NULL;
cleanup:
    shn_safetensors_close(view);
    return st;
}

void shn_safetensors_close(shn_safetensors *st)
{
    if (!st) return;
    json_decref(st->header);
    free(st->tensors);
    free(st);
}

size_t shn_safetensors_count(const shn_safetensors *st) { return st->n; }

const shn_st_tensor *shn_safetensors_at(const shn_safetensors *st, size_t i) { return &st->tensors[i]; }

const shn_st_tensor *shn_safetensors_find(const shn_safetensors *st, const char *name)
{
    const shn_st_tensor key = { .name = name };
    return bsearch(&key, st->tensors, st->n, sizeof key, by_name);
}

const char *shn_safetensors_metadata(const shn_safetensors *st, const char *key)
{
    return json_string_value(json_object_get(json_object_get(st->header, "__metadata__"), key));
}

shn_status shn_safetensors_floats(const shn_safetensors *st, const char *name, size_t n, float *out, shn_error *err)
{
    const shn_st_tensor *t = shn_safetensors_find(st, name);
    if (!t) return shn_fail(err, SHN_MISMATCH, SHN_REASON_BAD_HEADER, "safetensors", "tensor '%s' is missing", name);
    if (strcmp(t->dtype, "F32") != 0 || t->n_elements != n)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_BAD_HEADER, "safetensors", "tensor '%s' has %zu %s values, %zu F32 expected",
                        name, t->n_elements, t->dtype, n);
    if (n) memcpy(out, t->data, n * sizeof *out);       /* little-endian hosts only, as everywhere in Shinden */
    return SHN_OK;
}

/* ---- writing ---- */

typedef struct pending { const void *data; size_t n_bytes; } pending;

struct shn_st_writer {
    json_t  *header, *metadata;
    pending *parts;
    size_t   n, capacity, offset;
};

shn_status shn_st_writer_new(shn_st_writer **out, shn_error *err)
{
    shn_st_writer *w = shn_alloc(1, sizeof *w);
    *out = NULL;
    if (w) {
        w->header = json_object();
        w->metadata = json_object();
    }
    if (!w || !w->header || !w->metadata) {
        shn_st_writer_free(w);
        return shn_fail_nomem(err, "safetensors.write");
    }
    *out = w;
    return SHN_OK;
}

void shn_st_writer_free(shn_st_writer *w)
{
    if (!w) return;
    json_decref(w->header);
    json_decref(w->metadata);
    free(w->parts);
    free(w);
}

shn_status shn_st_writer_tensor(shn_st_writer *w, const char *name, const char *dtype, size_t rank, const size_t *shape,
                                const void *data, shn_error *err)
{
    size_t n_bytes = dtype_bytes(dtype);
    if (n_bytes == 0 || rank > SHN_SAFETENSORS_RANK_MAX || json_object_get(w->header, name))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "safetensors.write", "tensor '%s': dtype %s, rank %zu, or written twice",
                        name, dtype, rank);
    json_t *dims = json_array();
    for (size_t i = 0; i < rank; i++) {
        if (__builtin_mul_overflow(n_bytes, shape[i], &n_bytes)) {
            json_decref(dims);
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "safetensors.write", "tensor '%s' is too large", name);
        }
        json_array_append_new(dims, json_integer((json_int_t)shape[i]));
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", dims, "data_offsets", (json_int_t)w->offset,
                              (json_int_t)(w->offset + n_bytes));
    if (!entry || json_object_set_new(w->header, name, entry) != 0 || shn_grow(&w->parts, &w->capacity, w->n + 1, sizeof *w->parts) != 0)
        return shn_fail_nomem(err, "safetensors.write");
    w->parts[w->n++] = (pending){ data, n_bytes };
    w->offset += n_bytes;
    return SHN_OK;
}

shn_status shn_st_writer_metadata(shn_st_writer *w, const char *key, const char *value, shn_error *err)
{
    json_t *text = json_string(value);      /* NULL as well when value is no UTF-8 */
    if (!text || json_object_set_new(w->metadata, key, text) != 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "safetensors.write", "metadata '%s' is not UTF-8", key);
    return SHN_OK;
}

shn_status shn_st_writer_commit(shn_st_writer *w, const char *path, shn_error *err)
{
    uint8_t    length[8];
    shn_writer file = { 0 };
    if (json_object_size(w->metadata) && json_object_set(w->header, "__metadata__", w->metadata) != 0)
        return shn_fail_nomem(err, "safetensors.write");
    char *text = json_dumps(w->header, JSON_COMPACT);
    if (!text) return shn_fail_nomem(err, "safetensors.write");
    const size_t n_text = strlen(text), n_pad = (8 - n_text % 8) % 8;      /* spaces, so that the data is 8-byte aligned */
    shn_status st = shn_writer_open(&file, path, err);
    if (st == SHN_OK) {
        write_u64le(length, n_text + n_pad);
        fwrite(length, 1, sizeof length, file.stream);
        fwrite(text, 1, n_text, file.stream);
        fwrite("       ", 1, n_pad, file.stream);
        for (size_t i = 0; i < w->n; i++)
            if (w->parts[i].n_bytes) fwrite(w->parts[i].data, 1, w->parts[i].n_bytes, file.stream);
        st = shn_writer_commit(&file, err);     /* finds any write that failed */
    }
    free(text);
    return st;
}
