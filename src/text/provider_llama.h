/**
 * The optional second way to the states of a text's tokens: libllama (llama.cpp), where the build found it (pkg-config `llama`). It gets the
 * same ids and gives back the states after the final norm; tokens, prompt, pooling and centring stay ours. Its parameter structs grow between
 * releases, so it is linked, never opened at run time, and llama.h appears in provider_llama.c only. Without it every call says so.
 */
#ifndef SHN_TEXT_PROVIDER_LLAMA_H
#define SHN_TEXT_PROVIDER_LLAMA_H

#include <stddef.h>

#include "text/lm.h"

/* One call's worth: where the file has an output matrix, libllama keeps its vocabulary's scores of every token, 300 MB for 512 of Qwen3's. */
#define SHN_LLAMA_TOKENS 512
#define SHN_LLAMA_TEXTS  256    /* sequences that libllama tells apart in one call */

typedef struct shn_llama shn_llama;
/**
 * @param[in] path      a .gguf file that shn_weights_open() accepted; of a split one the first part
 * @param[in] config    what that found in it; libllama must find the same sizes
 * @param[in] n_threads 0: one per usable core
 * @param[in] n_tokens  most tokens of a batch
 * @param[out] out      owned by the caller, release with shn_llama_free(); NULL on failure
 *
 * Errors  SHN_UNSUPPORTED  built without libllama, or it refuses the file (its own words are in the text)
 *         SHN_MISMATCH     it sees other sizes;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_llama_new(const char *path, const shn_lm_config *config, unsigned n_threads, size_t n_tokens, shn_llama **out,
                                       shn_error *err);
void shn_llama_free(shn_llama *llama);                          /* accepts NULL */
/** x [n_rows][D] f32 after the final norm. At most SHN_LLAMA_TEXTS texts. SHN_DEVICE: the call failed. */
SHN_NODISCARD shn_status shn_llama_states(shn_llama *llama, const shn_lm_batch *batch, float *x, shn_error *err);

#endif
