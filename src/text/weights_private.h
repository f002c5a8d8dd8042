/** What the two readers hand to weights.c: a configuration, a way to find tensors by name, and the bytes that name the model. */
#ifndef SHN_TEXT_WEIGHTS_PRIVATE_H
#define SHN_TEXT_WEIGHTS_PRIVATE_H

#include "base/file.h"
#include "base/hash.h"
#include "text/gguf.h"
#include "text/weights.h"

/** A tensor of either format, row-major. type is one that expands. */
typedef struct shn_raw_tensor {
    const char    *name;
    shn_w_type     type;
    size_t         rank, shape[8];
    const uint8_t *data;
    size_t         n_bytes;
} shn_raw_tensor;

/**
 * A reader. `find` gives 1 and fills *t, 0 if there is no such tensor, -1 with err if its type does not expand (named).
 * `at` gives the name of tensor i in 0..count-1, for finding what no role claims.
 */
typedef struct shn_source {
    void *state;
    int         (*find)(void *state, const char *name, shn_raw_tensor *t, shn_error *err);
    const char *(*at)(void *state, size_t i);
    size_t      (*count)(void *state);
    void        (*hash)(void *state, shn_sha256 *h);    /* all metadata and file sizes */
    void        (*close)(void *state);
    int         gguf;                   /* names: 1 GGUF's, 0 Hugging Face's */
    const char *prefix;                 /* before Hugging Face names: "", "model.", "bert." or "roberta." */
    size_t      n_bytes;                /* of all files */
    int         mapped;                 /* data lies in mapped files, so its pages may be given back */
    shn_gguf_vocab *vocab;              /* owned by the source; NULL for a folder */
    float       *rope_divisor;          /* [head_size / 2] or NULL; owned by the source's opener until shn_weights_from */
} shn_source;

/** Opens a GGUF file and its other parts; fills config and source. On failure nothing is kept. */
SHN_NODISCARD shn_status shn_source_gguf(const char *path, shn_lm_config *config, shn_source *source, shn_error *err);
/** The same from one file's bytes, borrowed until close; for tests and fuzzing. */
SHN_NODISCARD shn_status shn_source_gguf_bytes(const uint8_t *bytes, size_t n_bytes, shn_lm_config *config, shn_source *source, shn_error *err);
/** Opens a folder with config.json and safetensors. */
SHN_NODISCARD shn_status shn_source_folder(const char *path, shn_lm_config *config, shn_source *source, shn_error *err);

/** Checks every tensor against config and takes the source over, also on failure. */
SHN_NODISCARD shn_status shn_weights_from(const shn_lm_config *config, shn_source *source, shn_weights **out, shn_error *err);

/** Limits and relations that hold for both formats; names the key in the file's own words. */
SHN_NODISCARD shn_status shn_lm_config_check(const shn_lm_config *config, shn_error *err);

#endif
