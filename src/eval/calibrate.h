/**
 * From raw scores to probabilities and decisions, on plain arrays: what is fitted on validation data and nothing else. A record
 * mask says which records take part, so that cross-fitting needs no copies.
 */
#ifndef SHN_EVAL_CALIBRATE_H
#define SHN_EVAL_CALIBRATE_H

#include "shinden/metrics.h"
#include "shinden/model.h"
#include "shinden/status.h"

#define SHN_OWN_FIT_MIN 10      /**< positives (and negatives) from which a finding gets a slope and a threshold of its own */

/**
 * Fits all of out (arrays [K] already allocated) on the records with use[i] != 0 (NULL: all).
 *
 *   probability = 1 / (1 + exp(-(slope_k score + intercept_k))); one shared slope >= 0 by maximum likelihood over all known entries,
 *   the intercept of each finding giving back its smoothed prevalence (n_pos + 0.5) / (n_known + 1); own slopes from SHN_OWN_FIT_MIN on
 *   thresholds on that probability: micro-F1, macro-F1, sample F1 and sample Jaccard each by one value; the quantile at the training prevalence; F1 per
 *   finding, where there are positives enough, else that quantile (tuned on a few positives a threshold only fits noise)
 *
 * @param prevalence  [K] training prevalence of each finding
 * Errors  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_calibration_fit(const shn_scored *raw, const uint8_t *use, const double *prevalence, shn_calibration *out,
                                             shn_error *err);
/** probability [n][K] of raw scores; an unfitted calibration is the plain logistic. */
void shn_calibration_apply(const shn_calibration *c, const float *raw, size_t n, size_t K, float *probability);

/** Allocates the four [K] arrays; 0 when out of memory. */
int  shn_calibration_alloc(shn_calibration *c, size_t K);
void shn_calibration_release(shn_calibration *c);

#endif
