/**
 * What a ruler measures on an ECG: rate and regularity, amplitudes and a few intervals of the median beat. A linear probe on these is a control: what it
 * reaches needs no learnt encoder.
 */
#ifndef SHN_EVAL_FEATURES_H
#define SHN_EVAL_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "eval/evalset.h"

/** Of the record: rate (1/min), sd and mean absolute change of RR over its mean, shortest and longest RR over its mean, median and largest QRS width (s), number of beats. */
enum { FEATURE_RATE, FEATURE_RR_SD, FEATURE_RR_CHANGE, FEATURE_RR_SHORTEST, FEATURE_RR_LONGEST, FEATURE_QRS, FEATURE_QRS_LARGEST, FEATURE_BEATS, FEATURES_RHYTHM };
/**
 * Of a lead's median beat, in mV against the level before the QRS: highest and lowest QRS, level 80 to 120 ms after the R (ST), highest and lowest T, P (0.20 to
 * 0.08 s before); and the standard deviation of the whole lead.
 */
enum { FEATURE_QRS_HIGH, FEATURE_QRS_LOW, FEATURE_ST, FEATURE_T_HIGH, FEATURE_T_LOW, FEATURE_P, FEATURE_SD, FEATURES_PER_LEAD };
/** Those of the record, then each lead's. */
enum { FEATURES = FEATURES_RHYTHM + 12 * FEATURES_PER_LEAD };
enum { FEATURES_BEATS_MAX = 512 };

/**
 * Beats of twelve leads: where the slopes of all leads together peak, at least 0.25 s apart. Those after the first FEATURES_BEATS_MAX, minutes into a long
 * record, are dropped.
 * @param[in]  mv    [12][T] of which n are valid, gaps 0
 * @param[out] beat  [FEATURES_BEATS_MAX] samples, ascending
 * @param[out] width_s  [FEATURES_BEATS_MAX] seconds for which the slope stays above a fifth of its peak
 * @return how many; 0 for a flat record.  Errors: -1 out of memory
 */
int features_beats(const float *mv, size_t T, size_t n, double fs_hz, uint32_t *beat, float *width_s);
/**
 * One record's features, all finite; what cannot be measured is 0.
 * @param[out] x  [FEATURES]
 * @return 0 out of memory
 */
int features_of(const float *mv, size_t T, size_t n, double fs_hz, double *x);
/** Rows of a cohort: x [n][FEATURES]. Errors SHN_NOMEM. */
SHN_NODISCARD shn_status features_of_cohort(const shn_cohort *c, const uint32_t *rows, size_t n, double *x, shn_error *err);
/**
 * The control: the ridge probe of controls.h on these features instead of an encoder's embedding, of the cohort's records as they are.
 * @param[out] score  [n][K] log-odds;  @param[out] penalty  the one chosen
 * Errors  SHN_RANGE (no_split) the cohort has no split `train_split`;  SHN_NOMEM
 */
SHN_NODISCARD shn_status control_simple_features(const evalset *s, const char *train_split, float *score, double *penalty, shn_error *err);

#endif
