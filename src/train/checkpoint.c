#include "train/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/safetensors.h"

enum { CHECKPOINT_SCHEMA = 1 };

typedef struct tensor_of { const char *name; float *data; size_t n; } tensor_of;
enum { N_TENSORS = 7 };

static void list_tensors(const shn_checkpoint *c, tensor_of out[N_TENSORS])
{
    const tensor_of all[N_TENSORS] = {
        { "encoder.params", c->params, c->n_params }, { "encoder.state", c->state, c->n_state }, { "encoder.m", c->m, c->n_params },
        { "encoder.v", c->v, c->n_params }, { "head.params", c->head, c->n_head }, { "head.m", c->head_m, c->n_head },
        { "head.v", c->head_v, c->n_head },
    };
    memcpy(out, all, sizeof all);
}

SHN_PRINTF(4, 5) static shn_status put(shn_st_writer *w, const char *key, shn_error *err, const char *fmt, ...)
{
    char    text[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return shn_st_writer_metadata(w, key, text, err);
}

static shn_status fill(shn_st_writer *w, const shn_checkpoint *c, shn_error *err)
{
    tensor_of t[N_TENSORS];
    shn_status st = SHN_OK;
    list_tensors(c, t);
    for (int i = 0; i < N_TENSORS && st == SHN_OK; i++)
        st = shn_st_writer_tensor(w, t[i].name, "F32", 1, &t[i].n, t[i].data, err);
    if (st == SHN_OK) st = put(w, "schema_version", err, "%d", CHECKPOINT_SCHEMA);
    if (st == SHN_OK) st = put(w, "step", err, "%" PRIu64, c->step);
    if (st == SHN_OK) st = put(w, "json_at", err, "%" PRIu64, c->json_at);
    if (st == SHN_OK) st = put(w, "events_at", err, "%" PRIu64, c->events_at);
    if (st == SHN_OK) st = put(w, "loss_sum", err, "%a", c->loss_sum);
    if (st == SHN_OK) st = put(w, "config", err, "%s", c->config);
    if (st == SHN_OK) st = put(w, "cohort", err, "%s", c->cohort);
    if (st == SHN_OK) st = put(w, "texts", err, "%s", c->texts);
    if (st == SHN_OK) st = put(w, "engine", err, "%s", c->engine);
    return st;
}

shn_status shn_checkpoint_write(const shn_checkpoint *c, const char *path, shn_error *err)
{
    shn_st_writer *w = NULL;
    shn_status st = shn_st_writer_new(&w, err);
    if (st == SHN_OK) st = fill(w, c, err);
    if (st == SHN_OK) st = shn_st_writer_commit(w, path, err);
    shn_st_writer_free(w);
    return st;
}

static shn_status number(const shn_safetensors *st, const char *key, uint64_t *out, shn_error *err)
{
    const char *text = shn_safetensors_metadata(st, key);
    char       *end = NULL;
    errno = 0;
    if (text) *out = strtoull(text, &end, 10);
    if (!text || *text < '0' || *text > '9' || *end || errno)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "checkpoint", "metadata '%s' is missing or no number", key);
    return SHN_OK;
}

/** What the run is must be what the checkpoint is of. */
static shn_status same(const shn_safetensors *st, const char *key, const char *expected, const char *what, shn_error *err)
{
    const char *text = shn_safetensors_metadata(st, key);
    if (text && strcmp(text, expected) == 0) return SHN_OK;
    return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "checkpoint", "made with %s; resume with the same, or train into another "
                    "folder", what);
}

static shn_status read_view(shn_checkpoint *c, const shn_safetensors *view, shn_error *err)
{
    tensor_of t[N_TENSORS];
    uint64_t  schema;
    shn_status st = number(view, "schema_version", &schema, err);
    if (st == SHN_OK && schema != CHECKPOINT_SCHEMA)
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "checkpoint", "schema_version %" PRIu64 ", this program has %d", schema,
                      CHECKPOINT_SCHEMA);
    if (st == SHN_OK) st = same(view, "config", c->config, "other settings", err);
    if (st == SHN_OK) st = same(view, "cohort", c->cohort, "another cohort", err);
    if (st == SHN_OK) st = same(view, "texts", c->texts, "other text vectors", err);
    if (st == SHN_OK) st = number(view, "step", &c->step, err);
    if (st == SHN_OK) st = number(view, "json_at", &c->json_at, err);
    if (st == SHN_OK) st = number(view, "events_at", &c->events_at, err);
    list_tensors(c, t);
    for (int i = 0; i < N_TENSORS && st == SHN_OK; i++) st = shn_safetensors_floats(view, t[i].name, t[i].n, t[i].data, err);
    if (st != SHN_OK) return st;
    const char *engine = shn_safetensors_metadata(view, "engine"), *loss = shn_safetensors_metadata(view, "loss_sum");
    snprintf(c->engine, sizeof c->engine, "%s", engine ? engine : "");
    c->loss_sum = loss ? strtod(loss, NULL) : 0;
    return SHN_OK;
}

shn_status shn_checkpoint_read(shn_checkpoint *c, const char *path, shn_error *err)
{
    shn_mapping      map;
    shn_safetensors *view = NULL;
    shn_status st = shn_file_map(path, &map, err);
    if (st != SHN_OK) return st;
    st = shn_safetensors_open(map.bytes, map.n_bytes, &view, err);
    if (st == SHN_OK) st = read_view(c, view, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    shn_safetensors_close(view);
    shn_file_unmap(&map);
    return st;
}
