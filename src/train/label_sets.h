/** Label sets of a batch as bit rows, so that comparing two records costs a few words; and the pair targets made from them. */
#ifndef SHN_TRAIN_LABEL_SETS_H
#define SHN_TRAIN_LABEL_SETS_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/loss.h"

/** Borrowed rows of n_words each: pos is a subset of known, what is unknown is 0 in both. */
typedef struct shn_label_sets { uint64_t *pos, *known; size_t B, n_words; } shn_label_sets;

static inline size_t shn_label_words(size_t K) { return (K + 63) / 64; }
/** Fills sets (pos, known with room for B * shn_label_words(K)) from a batch. */
void shn_label_sets_pack(const shn_batch_labels *labels, shn_label_sets *sets);
/** J of rows i and j over the findings known to both; *weight 0: the pair takes no part. */
double shn_label_sets_jaccard(const shn_label_sets *sets, size_t i, size_t j, const float *label_weight, int *weight);
/** 1 if something is known to both. */
int shn_label_sets_meet(const shn_label_sets *sets, size_t i, size_t j);
/** 1 if both know the same findings and have the same ones. */
int shn_label_sets_equal(const shn_label_sets *sets, size_t i, size_t j);

#define SHN_NO_PAIR (-1.0)      /**< in place of a target: the pair has weight 0 */
/**
 * Targets of row i, target [B]: J, identity, or 1 for equal sets (clip-multi), as the loss says, not yet divided by the row's sum;
 * SHN_NO_PAIR where the pair takes no part.
 */
void shn_label_sets_targets(const shn_label_sets *sets, const shn_pair_options *options, size_t i, double *target);

#endif
