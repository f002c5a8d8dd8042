/** What a model file and an encoder file have in common: the encoder with its weights, what it takes in, and the small steps of JSON. */
#ifndef SHN_MODEL_PARTS_H
#define SHN_MODEL_PARTS_H

#include <jansson.h>

#include "base/safetensors.h"
#include "shinden/model.h"

json_t *shn_parts_encoder_json(const shn_encoder_config *c);
json_t *shn_parts_input_json(const shn_input *in);
/** The text, "" for NULL. */
json_t *shn_parts_text(const char *s);
/** Takes the value over; *failed 1 where it is NULL: json_pack gives that for NaN, Inf and what is no UTF-8, and nothing must be written in part. */
void    shn_parts_put(json_t *object, const char *key, json_t *value, int *failed);
/** The tensors of a block as "encoder.NAME". */
SHN_NODISCARD shn_status shn_parts_write_block(shn_st_writer *w, const shn_tensor *tensors, size_t n, const float *block, shn_error *err);

/** SHN_FORMAT: the field is missing or of the wrong kind. */
shn_status shn_parts_wrong(shn_error *err, const char *field_name);
/** 1 and *out if the key holds a whole number in 0..high, or a truth value. */
int shn_parts_count(json_t *o, const char *key, uint32_t high, uint32_t *out);
/** 1 and *out if the key holds a finite number. */
int shn_parts_real(json_t *o, const char *key, double *out);
SHN_NODISCARD shn_status shn_parts_config(json_t *doc, shn_encoder_config *c, shn_error *err);
SHN_NODISCARD shn_status shn_parts_input(json_t *doc, shn_input *in, shn_error *err);
/** SHN_FORMAT, SHN_MISMATCH: a tensor is missing, of another size, or holds NaN or Inf; it is named. */
SHN_NODISCARD shn_status shn_parts_read_block(const shn_safetensors *st, const shn_tensor *tensors, size_t n, float *block, shn_error *err);

#endif
