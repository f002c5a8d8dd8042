/** The state file of a run: what a killed run leaves behind, so that the next one goes on where it stood, to the same bits. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/safetensors.h"
#include "text/encode.h"

static const char where[] = "text.encode";

shn_status shn_encode_state_write(const char *path, const char key[65], const shn_encode_state *s, const float *vectors, const float *x,
                                  size_t rows, size_t D, shn_error *err)
{
    char           place[96];
    shn_st_writer *w = NULL;
    const size_t   done[2] = { s->first, D }, state[2] = { rows, D };
    snprintf(place, sizeof place, "%zu %zu %zu", s->first, s->last, s->layers);
    shn_status st = shn_st_writer_new(&w, err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "key", key, err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "place", place, err);
    if (st == SHN_OK && s->first) st = shn_st_writer_tensor(w, "vectors", "F32", 2, done, vectors, err);
    if (st == SHN_OK && s->layers) st = shn_st_writer_tensor(w, "x", "F32", 2, state, x, err);
    if (st == SHN_OK) st = shn_st_writer_commit(w, path, err);
    shn_st_writer_free(w);
    return st;
}

shn_status shn_encode_state_parse(const uint8_t *bytes, size_t n_bytes, const char *path, const char key[65], size_t n_texts, shn_encode_state *s,
                                  shn_error *err)
{
    shn_safetensors *st;
    memset(s, 0, sizeof *s);
    shn_status status = shn_safetensors_open(bytes, n_bytes, &st, err);
    if (status != SHN_OK) {
        shn_error_prefix(err, "%s: remove it to start afresh", path);
        return status;
    }
    const char *its_key = shn_safetensors_metadata(st, "key"), *place = shn_safetensors_metadata(st, "place");
    char        end;
    if (!its_key || strcmp(its_key, key) != 0)
        status = shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, where,
                          "%s is left from a run with other texts, weights or settings; finish that one, or remove the file", path);
    else if (!place || strchr(place, '-') || sscanf(place, "%zu %zu %zu%c", &s->first, &s->last, &s->layers, &end) != 3 || s->first > s->last ||
             s->last > n_texts)
        status = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "%s: metadata 'place'; remove it to start afresh", path);
    shn_safetensors_close(st);
    if (status != SHN_OK) memset(s, 0, sizeof *s);
    return status;
}

/** Floats that a run of its own never leaves behind would spread into every later vector. */
static shn_status take_floats(const shn_safetensors *st, const char *name, size_t n, float *out, shn_error *err)
{
    const shn_status status = shn_safetensors_floats(st, name, n, out, err);
    for (size_t i = 0; status == SHN_OK && i < n; i++)
        if (!isfinite(out[i])) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "tensor '%s' holds NaN or Inf", name);
    return status;
}

shn_status shn_encode_state_take(const uint8_t *bytes, size_t n_bytes, const char *path, const shn_encode_state *s, float *vectors, float *x,
                                 size_t rows, size_t D, shn_error *err)
{
    shn_safetensors *st;
    shn_status status = shn_safetensors_open(bytes, n_bytes, &st, err);
    if (status == SHN_OK && s->first) status = take_floats(st, "vectors", s->first * D, vectors, err);
    if (status == SHN_OK && s->layers) status = take_floats(st, "x", rows * D, x, err);
    if (status != SHN_OK) shn_error_prefix(err, "%s: remove it to start afresh", path);
    shn_safetensors_close(st);
    return status;
}

shn_status shn_encode_state_peek(const char *path, const char key[65], size_t n_texts, shn_encode_state *s, shn_error *err)
{
    shn_mapping map;
    memset(s, 0, sizeof *s);
    if (!shn_path_exists(path)) return SHN_OK;
    shn_status status = shn_file_map(path, &map, err);
    if (status != SHN_OK) return status;
    status = shn_encode_state_parse(map.bytes, map.n_bytes, path, key, n_texts, s, err);
    shn_file_unmap(&map);
    return status;
}

shn_status shn_encode_state_read(const char *path, const shn_encode_state *s, float *vectors, float *x, size_t rows, size_t D, shn_error *err)
{
    shn_mapping map;
    shn_status  status = shn_file_map(path, &map, err);
    if (status != SHN_OK) return status;
    status = shn_encode_state_take(map.bytes, map.n_bytes, path, s, vectors, x, rows, D, err);
    shn_file_unmap(&map);
    return status;
}
