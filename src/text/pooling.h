/** One vector from the states of a text's tokens, always after the model's final norm. */
#ifndef SHN_TEXT_POOLING_H
#define SHN_TEXT_POOLING_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/encode.h"

/**
 * last       the last token's state (Qwen3-Embedding: of the appended end token)
 * mean       over all tokens, special ones and the prompt's included (as sentence-transformers does)
 * mean-label over the label's own tokens [first, last): neither prompt nor special tokens
 * cls        the first token's state
 * Sums are double, in the tokens' order.
 * @param[in] states  rows of D; token p has row[p];  first < last <= P
 */
void shn_pool(shn_pooling kind, const float *states, const uint32_t *row, size_t P, size_t D, size_t first, size_t last, float *out);
/** Subtracts from each of n rows the mean of all rows, which is also given out ([D]). */
void shn_pool_centre(float *rows, size_t n, size_t D, float *mean);

#endif
