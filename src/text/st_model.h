/**
 * A language model's folder as Hugging Face lays it out:
 *
 *   config.json                     architecture and sizes
 *   model.safetensors               all tensors, or
 *   model.safetensors.index.json    {"weight_map": {tensor: file}} and the shards that it names
 *   1_Pooling/config.json           sentence-transformers' pooling, if there
 *
 * Both JSON readers take bytes and do no I/O, so that they can be fuzzed.
 */
#ifndef SHN_TEXT_ST_MODEL_H
#define SHN_TEXT_ST_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "text/weights.h"

#define SHN_ST_CONFIG_MAX ((size_t)1 << 20)     /* bytes of config.json */
#define SHN_ST_INDEX_MAX  ((size_t)32 << 20)    /* bytes of the index */

/**
 * Reads config.json. rope_divisor stays NULL here; llama3 scaling, if any, comes as its divisors.
 *
 * @param[out] config   checked by shn_lm_config_check()
 * @param[out] divisor  [head_size / 2], owned by the caller (free()), or NULL
 * Errors  SHN_FORMAT not JSON, a key missing or of another kind (named); SHN_UNSUPPORTED another model_type, activation, rope
 *         scaling, quantisation ...; SHN_RANGE; SHN_NOMEM
 * Source  transformers' configuration_{llama,qwen3,bert,xlm_roberta}.py and modeling_rope_utils.py (llama3).
 */
SHN_NODISCARD shn_status shn_st_config_parse(const uint8_t *bytes, size_t n_bytes, shn_lm_config *config, float **divisor, shn_error *err);

/** Which file holds which tensor. */
typedef struct shn_st_index {
    char  **files;                          /* [n_files], distinct, plain names without folders */
    size_t  n_files;
    char  **tensors;                        /* [n_tensors] */
    size_t *file_of;                        /* [n_tensors] into files */
    size_t  n_tensors;
} shn_st_index;

/** Reads an index; release with shn_st_index_free(). Errors SHN_FORMAT (a name with a folder in it too), SHN_RANGE, SHN_NOMEM; *out is zeroed then. */
SHN_NODISCARD shn_status shn_st_index_parse(const uint8_t *bytes, size_t n_bytes, shn_st_index *out, shn_error *err);
void shn_st_index_free(shn_st_index *index);

#endif
