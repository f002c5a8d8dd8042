#include "model/parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"

static const char place[] = "model.read";

json_t *shn_parts_encoder_json(const shn_encoder_config *c)
{
    json_t *blocks = json_array();
    for (int s = 0; s < SHN_STAGES; s++) json_array_append_new(blocks, json_integer(c->blocks[s]));
    return json_pack("{s:i, s:i, s:o, s:b, s:i}", "n_leads", (int)c->n_leads, "width", (int)c->width, "blocks", blocks, "max_pool",
                     (int)c->max_pool, "embed", (int)c->embed);
}

json_t *shn_parts_input_json(const shn_input *in)
{
    return json_pack("{s:f, s:i, s:i, s:i, s:s, s:s, s:f, s:i}", "fs_hz", in->fs_hz, "n_samples", (int)in->n_samples, "window",
                     (int)in->window, "n_windows", (int)in->n_windows, "reduce", in->reduce == SHN_REDUCE_MAX ? "max" : "mean",
                     "normalisation", in->norm == SHN_NORM_RECORD ? "record" : "global", "scale_per_mv", (double)in->scale_per_mv,
                     "lead_present", (int)in->lead_present);
}

json_t *shn_parts_text(const char *s) { return json_string(s ? s : ""); }

void shn_parts_put(json_t *object, const char *key, json_t *value, int *failed)
{
    if (json_object_set_new(object, key, value) != 0) *failed = 1;
}

shn_status shn_parts_write_block(shn_st_writer *w, const shn_tensor *tensors, size_t n, const float *block, shn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char   name[64];
        size_t shape[3];
        snprintf(name, sizeof name, "encoder.%s", tensors[i].name);
        for (size_t d = 0; d < tensors[i].rank; d++) shape[d] = tensors[i].shape[d];
        const shn_status st = shn_st_writer_tensor(w, name, "F32", tensors[i].rank, shape, block + tensors[i].offset, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

shn_status shn_parts_wrong(shn_error *err, const char *field_name)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, place, "field '%s' is missing or of the wrong kind", field_name);
}

int shn_parts_count(json_t *o, const char *key, uint32_t high, uint32_t *out)
{
    json_t *v = json_object_get(o, key);
    if (json_is_boolean(v)) {
        *out = json_is_true(v);
        return 1;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > high) return 0;
    *out = (uint32_t)json_integer_value(v);
    return 1;
}

int shn_parts_real(json_t *o, const char *key, double *out)
{
    json_t *v = json_object_get(o, key);
    *out = json_number_value(v);
    return json_is_number(v) && isfinite(*out);
}

shn_status shn_parts_config(json_t *doc, shn_encoder_config *c, shn_error *err)
{
    json_t *e = json_object_get(doc, "encoder"), *blocks = json_object_get(e, "blocks");
    if (!shn_parts_count(e, "n_leads", 4096, &c->n_leads) || !shn_parts_count(e, "width", 4096, &c->width) || !shn_parts_count(e, "max_pool", 1, &c->max_pool) ||
        !shn_parts_count(e, "embed", 65536, &c->embed) || json_array_size(blocks) != SHN_STAGES)
        return shn_parts_wrong(err, "encoder");
    for (int s = 0; s < SHN_STAGES; s++) {
        json_t *b = json_array_get(blocks, (size_t)s);
        if (!json_is_integer(b) || json_integer_value(b) < 0 || json_integer_value(b) > SHN_UNITS_MAX) return shn_parts_wrong(err, "encoder.blocks");
        c->blocks[s] = (uint32_t)json_integer_value(b);
    }
    return SHN_OK;
}

shn_status shn_parts_input(json_t *doc, shn_input *in, shn_error *err)
{
    double      scale;
    json_t     *i = json_object_get(doc, "input");
    const char *reduce = json_string_value(json_object_get(i, "reduce")), *norm = json_string_value(json_object_get(i, "normalisation"));
    if (!shn_parts_real(i, "fs_hz", &in->fs_hz) || in->fs_hz <= 0 || in->fs_hz > 1e6 || !shn_parts_count(i, "n_samples", 1u << 24, &in->n_samples) ||
        !shn_parts_count(i, "window", 1u << 24, &in->window) || !shn_parts_count(i, "n_windows", 10000, &in->n_windows) || in->window == 0 ||
        in->window > in->n_samples || in->n_windows == 0 || !shn_parts_real(i, "scale_per_mv", &scale) || !reduce || !norm ||
        !shn_parts_count(i, "lead_present", 0xfff, &in->lead_present))
        return shn_parts_wrong(err, "input");
    in->scale_per_mv = (float)scale;
    in->reduce = strcmp(reduce, "max") == 0 ? SHN_REDUCE_MAX : SHN_REDUCE_MEAN;
    in->norm = strcmp(norm, "record") == 0 ? SHN_NORM_RECORD : SHN_NORM_GLOBAL;
    return SHN_OK;
}

shn_status shn_parts_read_block(const shn_safetensors *st, const shn_tensor *tensors, size_t n, float *block, shn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "encoder.%s", tensors[i].name);
        const shn_status status = shn_safetensors_floats(st, name, tensors[i].size, block + tensors[i].offset, err);
        if (status != SHN_OK) return status;
        for (size_t j = 0; j < tensors[i].size; j++)
            if (!isfinite(block[tensors[i].offset + j]))
                return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, place, "tensor '%s' holds NaN or Inf", name);
    }
    return SHN_OK;
}
