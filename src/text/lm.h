/**
 * The forward pass of a frozen language model over many texts at once, layer by layer, so that every weight is read and
 * expanded once per pass. Decoders (Llama-3, Qwen3) and encoders (BERT, XLM-R) share the code; text/weights.h says which one
 * the file holds. Rows of all texts stand one after another without padding between them; attention stays inside a text. Texts of a decoder
 * may share the rows of a common beginning (text/encode_plan.h).
 *
 *   state   x [rows][D] f32, rows = n_rows rounded up to whole tiles; rows past n_rows are never read back
 *   decoder x += O attention(rope(qk_norm(Q n))), n = rms(x); x += down(silu(gate n) * up n), n = rms(x); finish: x = rms(x)
 *   encoder x = LN(tokens + positions + type 0); x = LN(x + O attention(Q x)); x = LN(x + down gelu(up x)); finish: nothing
 *
 * A text's states do not depend on its neighbours, their number, or the number of threads: bit for bit (compute/product.h).
 *
 * Source  Grattafiori et al. 2024, arXiv:2407.21783; Yang et al. 2025, arXiv:2505.09388; Devlin et al. 2019, arXiv:1810.04805;
 *         Conneau et al. 2020, arXiv:1911.02116; Su et al. 2021, arXiv:2104.09864 (rope).
 */
#ifndef SHN_TEXT_LM_H
#define SHN_TEXT_LM_H

#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "compute/conv.h"
#include "text/weights.h"

typedef struct shn_lm shn_lm;

typedef struct shn_lm_batch {
    size_t          n_texts, n_tokens, n_rows;
    const size_t   *start;      /**< [n_texts + 1], rising from 0 to n_tokens; no text is empty */
    const int32_t  *ids;        /**< [n_tokens] */
    const uint32_t *row;        /**< [n_tokens] a token's row in x; rows are numbered as they first come */
    const size_t   *shared;     /**< [n_texts] leading tokens whose rows earlier texts have; 0 throughout for encoders */
} shn_lm_batch;

/**
 * @param[in] w, team     borrowed until shn_lm_free()
 * @param[in] isa, dtype  of the products' operands; everything else is float32, sums of norms are double
 * Errors  SHN_UNSUPPORTED bf16 without kernels for it, another isa in force;  SHN_DEVICE;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_lm_new(const shn_weights *w, shn_team *team, shn_isa isa, shn_dtype dtype, shn_lm **out, shn_error *err);
void   shn_lm_free(shn_lm *lm);                                 /* accepts NULL */
/** Rows of x, whole tiles, for so many. */
size_t shn_lm_rows(size_t n_rows);
/** Bytes that a pass needs for each row, x included. */
size_t shn_lm_bytes_per_row(const shn_lm *lm);
/** Bytes of this object beside those. */
size_t shn_lm_bytes_fixed(const shn_lm *lm);

/** x [shn_lm_rows()][D] from the token ids. SHN_RANGE: an id outside the vocabulary, a text longer than the model's positions. */
SHN_NODISCARD shn_status shn_lm_embed(shn_lm *lm, const shn_lm_batch *batch, float *x, shn_error *err);
/** x through one layer, in place. SHN_NOMEM, SHN_DEVICE. */
SHN_NODISCARD shn_status shn_lm_layer(shn_lm *lm, size_t layer, const shn_lm_batch *batch, float *x, shn_error *err);
/** The final norm, in place, where the family has one. */
SHN_NODISCARD shn_status shn_lm_finish(shn_lm *lm, const shn_lm_batch *batch, float *x, shn_error *err);

#endif
