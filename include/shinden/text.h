/**
 * Text vectors: frozen language-model states, looked up by NFC text. Three providers: a safetensors file made beforehand, the compiled-in
 * `e5-small` (the built-in registry's codes, names and names with criteria, both languages), and `hash`, deterministic random unit vectors
 * that know nothing (the control for "does language help").
 */
#ifndef SHINDEN_TEXT_H
#define SHINDEN_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_vectors shn_vectors;

/** Which language model made vectors, and how it was asked: what another text needs to come into the same space. "" where a file does not say. */
typedef struct shn_text_provider {
    char   model[256], model_hash[65];  /**< name; SHA-256 of the weights ("hash seed N" for random directions) */
    char   tokenizer_hash[65];
    char   prompt[2200], pooling[32];
    size_t width;                       /**< D */
    float *centre;                      /**< [width] what was subtracted from every vector; NULL: nothing was */
} shn_text_provider;
/** NULL if both are the same space, else what differs: "width", "model" ... Borrowed. Names of models are not compared, their hashes are. */
const char *shn_text_provider_difference(const shn_text_provider *a, const shn_text_provider *b);

#define SHN_VECTORS_BUILTIN "e5-small"          /**< name of the compiled-in vectors (models/README.md) */
#define SHN_VECTORS_HASH    "hash"
#define SHN_VECTORS_HASH_WIDTH 384              /**< as wide as e5-small */
/**
 * By name: "e5-small", "hash" (width 384, from the seed), else the path of a file; a file of such a name is reached as ./e5-small.
 * Errors as those of the three below.
 */
SHN_NODISCARD shn_status shn_vectors_open(const char *name, uint64_t seed, shn_vectors **out, shn_error *err);
/** The compiled-in vectors of multilingual-e5-small. */
SHN_NODISCARD shn_status shn_vectors_builtin(shn_vectors **out, shn_error *err);
/** File: tensor "vectors" [N][D] f32 and metadata "texts" (JSON list). Errors SHN_FORMAT names the field at fault. */
SHN_NODISCARD shn_status shn_vectors_read(const char *path, shn_vectors **out, shn_error *err);
/** Random unit vectors of width D, a function of seed and the NFC text alone. D in 1..65536. */
SHN_NODISCARD shn_status shn_vectors_hash(size_t D, uint64_t seed, shn_vectors **out, shn_error *err);
void        shn_vectors_free(shn_vectors *v);                   /**< accepts NULL */
size_t      shn_vectors_width(const shn_vectors *v);            /**< D */
const char *shn_vectors_describe(const shn_vectors *v);         /**< "hash 384" or the file's model, for provenance; borrowed */
/** Borrowed, for the life of v. Of a file; of the first where several were put together. */
const shn_text_provider *shn_vectors_provider(const shn_vectors *v);
/** Copies the vector of a text (normalised to NFC for the look-up) to out [D]. SHN_MISMATCH: the text is not in the file. */
SHN_NODISCARD shn_status shn_vectors_get(const shn_vectors *v, const char *text, float *out, shn_error *err);
/** NFC form, owned by the caller (free()); NULL with err on invalid UTF-8. */
char *shn_text_nfc(const char *text, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
