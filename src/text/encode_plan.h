/**
 * Which rows a pass computes. Texts go in chunks of consecutive ones that fit the memory allowed. In a causal model a token's state depends on
 * the tokens up to it only, so texts of a chunk that begin alike share the rows of their common beginning: the prompt, a name before its
 * criterion. A shared row holds the bits that every one of its texts would have computed for itself.
 */
#ifndef SHN_TEXT_ENCODE_PLAN_H
#define SHN_TEXT_ENCODE_PLAN_H

#include "text/encode.h"

typedef struct shn_encode_plan {
    size_t    n_chunks, n_rows, longest;/* rows of all chunks; of the longest */
    size_t   *first;                    /* [n_chunks + 1] texts [first[c], first[c + 1]) are chunk c */
    size_t   *rows_before;              /* [n_chunks + 1] of the chunks before c */
    uint32_t *row;                      /* [n_tokens] a token's row in its chunk; new rows are numbered as they come */
    size_t   *shared;                   /* [n] leading tokens of a text whose rows belong to earlier texts */
} shn_encode_plan;
/**
 * @param[in] share                1: rows of common beginnings are one (causal models); 0: every token has its own
 * @param[in] rows_max, texts_max  of a chunk; a single text may have more rows
 */
SHN_NODISCARD shn_status shn_encode_plan_make(const shn_encode_tokens *tokens, int share, size_t rows_max, size_t texts_max, shn_encode_plan *out,
                                              shn_error *err);
void shn_encode_plan_free(shn_encode_plan *p);                  /* accepts a zeroed struct */

#endif
