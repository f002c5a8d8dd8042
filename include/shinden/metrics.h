/**
 * Metrics of multi-label predictions, as contract says (docs/metrics.md): scores and labels in, numbers out. Every function takes
 * column-major-free plain arrays [n][K] and a mask of what is known; undefined values are NaN and never 0.
 */
#ifndef SHINDEN_METRICS_H
#define SHINDEN_METRICS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Area under the ROC curve of n scores, ties at mid-rank; NaN without a positive and a negative. order: scratch [n]. */
double shn_auroc(const float *score, const uint8_t *label, size_t n, uint32_t *order);
/** Average precision, sum of precision times recall step over distinct thresholds (scikit-learn's definition); NaN without a positive. */
double shn_average_precision(const float *score, const uint8_t *label, size_t n, uint32_t *order);

/** Matrix view: scores [n][K], labels and known [n][K] of 0/1. Unknown entries take no part anywhere. */
typedef struct shn_scored { const float *score; const uint8_t *label, *known; size_t n, K; } shn_scored;

typedef struct shn_f1 { double micro, macro, sample, jaccard_sample, jaccard_micro; } shn_f1;
/** Decisions score >= threshold[k] (one per finding). Sample F1 and Jaccard of two empty sets are 1; macro over findings with a known positive. */
shn_f1 shn_f1_at(const shn_scored *s, const float *threshold);

/** Macro AUROC / AUPRC over findings with at least one known positive and negative, and n_pos_train[k] >= minimum if given. NaN without one,
 * and when out of memory (as shn_top_k and shn_recall_at_k). */
double shn_auroc_macro(const shn_scored *s, const uint32_t *n_pos_train, uint32_t minimum);
double shn_auprc_macro(const shn_scored *s, const uint32_t *n_pos_train, uint32_t minimum);

/** Share of records with at least one true (known, candidate) finding whose first k candidates by score hold one. candidate [K] or NULL. */
double shn_top_k(const shn_scored *s, size_t k, const uint8_t *candidate);
/** Per finding: of the records that have it, the share where it is among the first k. out [K], NaN without. */
void shn_top_k_per_finding(const shn_scored *s, size_t k, double *out);
/** Mean over records of the share of their true findings among the first k. */
double shn_recall_at_k(const shn_scored *s, size_t k, const uint8_t *candidate);
/** Expected calibration error of probabilities, 15 equal bins over all known entries. */
double shn_ece(const shn_scored *probability);

#ifdef __cplusplus
}
#endif
#endif
