/** Inside `text encode`: an opened model with all its settings decided, texts as tokens, and the state that outlives a kill. */
#ifndef SHN_TEXT_ENCODE_H
#define SHN_TEXT_ENCODE_H

#include <stdint.h>

#include "shinden/encode.h"
#include "shinden/tokenizer.h"
#include "text/lm.h"
#include "text/provider_llama.h"

/** Everything that decides the vectors of a text. */
typedef struct shn_encode_model {
    shn_weights   *weights;
    shn_tokenizer *tokenizer;
    char           name[256];           /* file or folder, and what its config.json says it comes from */
    char           prompt_en[1024], prompt_ja[1024];
    shn_pooling    pooling;
    int            centre;
    int64_t        append;              /* id that ends every text, -1 none */
    int            llama;               /* libllama runs the layers */
    shn_dtype      dtype;               /* of our own products */
    shn_isa        isa;
    char           arithmetic[96];      /* what decides the last bits: "f32, avx512, oneDNN 2.6.3", or libllama's version */
    char           identity[65];        /* of the weights */
} shn_encode_model;
/** Opens weights and tokenizer, checks that they belong together, settles prompt, pooling, centring and precision. */
SHN_NODISCARD shn_status shn_encode_model_open(const shn_encode_config *config, shn_encode_model *out, shn_error *err);
void shn_encode_model_close(shn_encode_model *m);               /* accepts a zeroed struct */

/** All texts as tokens, one after another. */
typedef struct shn_encode_tokens {
    size_t   n, n_tokens, capacity;
    int32_t *ids;                       /* [n_tokens] */
    size_t  *start;                     /* [n + 1] */
    size_t  *label_first, *label_last;  /* [n] within the text: its own tokens, without prompt and special ones */
    char   **nfc;                       /* [n] */
} shn_encode_tokens;
SHN_NODISCARD shn_status shn_encode_tokenize(const shn_encode_model *m, const char *const *texts, size_t n, shn_encode_tokens *out, shn_error *err);
void shn_encode_tokens_free(shn_encode_tokens *t);              /* accepts a zeroed struct */
/** 1 if the text has a kana or a kanji. Borrowed UTF-8. */
int shn_text_is_japanese(const char *text);

/** Where a run stands: vectors of the first texts, and of the chunk at hand the states after some layers. */
typedef struct shn_encode_state {
    size_t first, last;                 /* the chunk at hand: texts [first, last); vectors of texts before it are done */
    size_t layers;                      /* of it that are done; 0: not begun */
} shn_encode_state;
/** Writes PATH: key, state, vectors [first][D], x [rows][D] where layers > 0. */
SHN_NODISCARD shn_status shn_encode_state_write(const char *path, const char key[65], const shn_encode_state *s, const float *vectors,
                                                const float *x, size_t rows, size_t D, shn_error *err);
/**
 * Reads where PATH stands, if it is there (else *s stays zero). SHN_MISMATCH: it belongs to another run;  SHN_FORMAT
 */
SHN_NODISCARD shn_status shn_encode_state_peek(const char *path, const char key[65], size_t n_texts, shn_encode_state *s, shn_error *err);
/** Reads vectors [first][D] and, where layers > 0, x [rows][D]. */
SHN_NODISCARD shn_status shn_encode_state_read(const char *path, const shn_encode_state *s, float *vectors, float *x, size_t rows, size_t D,
                                               shn_error *err);
/** The same two from a file's bytes; path is its name in messages. Hostile input is refused; finite floats come back. */
SHN_NODISCARD shn_status shn_encode_state_parse(const uint8_t *bytes, size_t n_bytes, const char *path, const char key[65], size_t n_texts,
                                                shn_encode_state *s, shn_error *err);
SHN_NODISCARD shn_status shn_encode_state_take(const uint8_t *bytes, size_t n_bytes, const char *path, const shn_encode_state *s, float *vectors,
                                               float *x, size_t rows, size_t D, shn_error *err);

#endif
