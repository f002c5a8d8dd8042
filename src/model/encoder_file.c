/** An encoder on its own, written by pre-training and read as the start of training; model files serve as well. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "model/parts.h"

enum { ENCODER_SCHEMA = 1 };

static char *document(const shn_encoder *enc, const shn_input *input)
{
    int     failed = 0;
    json_t *doc = json_pack("{s:i, s:b}", "schema_version", ENCODER_SCHEMA, "research_use_only", 1);
    shn_parts_put(doc, "encoder", shn_parts_encoder_json(&enc->config), &failed);
    shn_parts_put(doc, "input", shn_parts_input_json(input), &failed);
    char *text = failed ? NULL : json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(doc);
    return text;
}

shn_status shn_encoder_write(const char *path, const shn_encoder *enc, const shn_input *input, const float *params, const float *state,
                             const char *manifest, shn_error *err)
{
    shn_st_writer *w = NULL;
    char      *text = document(enc, input);
    shn_status st = text ? shn_st_writer_new(&w, err) : shn_fail_nomem(err, "encoder.write");
    if (st == SHN_OK) st = shn_parts_write_block(w, enc->tensors, enc->n_tensors, params, err);
    if (st == SHN_OK) st = shn_parts_write_block(w, enc->state_tensors, enc->n_state_tensors, state, err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "format", "shinden-encoder", err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "encoder_file", text, err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "manifest", manifest, err);
    if (st == SHN_OK) st = shn_st_writer_commit(w, path, err);
    shn_st_writer_free(w);
    free(text);
    return st;
}

static void shape_text(const size_t *shape, size_t rank, char out[80])
{
    size_t used = 0;
    for (size_t d = 0; d < rank && used < 64; d++) used += (size_t)snprintf(out + used, 80 - used, "[%zu]", shape[d]);
}

/** Every tensor of enc must be there in its own shape; more blocks in the file than enc has would leave it half an encoder. */
static shn_status check_shapes(const shn_safetensors *view, const shn_tensor *tensors, size_t n, shn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char   name[64], theirs[80] = "", ours[80] = "";
        size_t shape[3];
        snprintf(name, sizeof name, "encoder.%s", tensors[i].name);
        for (size_t d = 0; d < tensors[i].rank; d++) shape[d] = tensors[i].shape[d];
        const shn_st_tensor *t = shn_safetensors_find(view, name);
        if (t && t->rank == tensors[i].rank && memcmp(t->shape, shape, t->rank * sizeof *shape) == 0) continue;
        shape_text(shape, tensors[i].rank, ours);
        if (t) shape_text(t->shape, t->rank, theirs);
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "encoder.read", "'%s' is %s there and %s here; train with its --width, --blocks, "
                        "--max-pool and --embed", name, t ? theirs : "not", ours);
    }
    return SHN_OK;
}

static size_t n_encoder_tensors(const shn_safetensors *view)
{
    size_t n = 0;
    for (size_t i = 0; i < shn_safetensors_count(view); i++) n += strncmp(shn_safetensors_at(view, i)->name, "encoder.", 8) == 0;
    return n;
}

static shn_status read_view(const shn_safetensors *view, const shn_encoder *enc, float *params, float *state, shn_input *input, shn_error *err)
{
    const char *text = shn_safetensors_metadata(view, "encoder_file");
    if (!text) text = shn_safetensors_metadata(view, "model");
    json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
    shn_encoder_config config;
    shn_status st = json_is_object(doc) ? shn_parts_config(doc, &config, err)
                                        : shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "encoder.read", "neither an encoder of shinden pretrain nor a model");
    if (st == SHN_OK) st = shn_parts_input(doc, input, err);
    if (st == SHN_OK) st = check_shapes(view, enc->tensors, enc->n_tensors, err);
    if (st == SHN_OK) st = check_shapes(view, enc->state_tensors, enc->n_state_tensors, err);
    if (st == SHN_OK && n_encoder_tensors(view) != enc->n_tensors + enc->n_state_tensors)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "encoder.read", "it has %zu tensors, %zu fit here; train with its --blocks",
                      n_encoder_tensors(view), enc->n_tensors + enc->n_state_tensors);
    if (st == SHN_OK && config.max_pool != enc->config.max_pool)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "encoder.read", "it was trained with --max-pool %u", config.max_pool);
    if (st == SHN_OK) st = shn_parts_read_block(view, enc->tensors, enc->n_tensors, params, err);
    if (st == SHN_OK) st = shn_parts_read_block(view, enc->state_tensors, enc->n_state_tensors, state, err);
    json_decref(doc);
    return st;
}

shn_status shn_encoder_read(const char *path, const shn_encoder *enc, float *params, float *state, shn_input *input, char hash[65], shn_error *err)
{
    shn_mapping      map;
    shn_safetensors *view = NULL;
    uint8_t          digest[32];
    shn_status st = shn_file_map(path, &map, err);
    if (st != SHN_OK) return st;
    st = shn_safetensors_open(map.bytes, map.n_bytes, &view, err);
    if (st == SHN_OK) st = read_view(view, enc, params, state, input, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    shn_sha256 *h = st == SHN_OK ? shn_sha256_new() : NULL;
    if (st == SHN_OK && !h) st = shn_fail_nomem(err, "encoder.read");
    if (h) {
        shn_sha256_add(h, params, enc->n_params * sizeof *params);
        shn_sha256_add(h, state, enc->n_state * sizeof *state);
        shn_sha256_end(h, digest);
        shn_sha256_hex(digest, hash);
    }
    shn_safetensors_close(view);
    shn_file_unmap(&map);
    return st;
}
