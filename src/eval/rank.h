/**
 * The metrics with record weights, for the bootstrap: a resample of patients is a weight per record, so each resample costs one
 * pass over presorted columns. Weight NULL means 1 everywhere; the public metrics are these with NULL.
 */
#ifndef SHN_EVAL_RANK_H
#define SHN_EVAL_RANK_H

#include "shinden/metrics.h"

/** Records that know finding k, sorted by its score (lowest first, ties by record). Returns how many; order has room for s->n. */
size_t shn_rank_known(const shn_scored *s, size_t k, uint32_t *order);
/** Element i of a column is score[order[i] * stride]. NaN as in shn_auroc. */
double shn_auroc_ranked(const float *score, const uint8_t *label, size_t stride, const uint32_t *order, size_t n, const double *weight);
double shn_average_precision_ranked(const float *score, const uint8_t *label, size_t stride, const uint32_t *order, size_t n,
                                    const double *weight);
/** shn_auroc_macro without an allocation (order: scratch [n]): its NaN can only mean undefined, so a choice may rest on it. */
double shn_auroc_macro_using(const shn_scored *s, uint32_t *order);
shn_f1 shn_f1_weighted(const shn_scored *s, const float *threshold, const double *weight);
enum { ECE_BINS = 15 };
/** Which of the equal bins of [0, 1] a probability falls into; 1 belongs to the last. */
int    shn_ece_bin(float probability);
double shn_ece_weighted(const shn_scored *probability, const double *weight);

/** hit[i] = 1 if one of the first k candidates of record i is true, 0 if not, 2 if the record has none to find; share[i] its recall. */
void shn_top_k_records(const shn_scored *s, size_t k, const uint8_t *candidate, uint8_t *hit, float *share);

#endif
