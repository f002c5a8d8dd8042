/**
 * From read-out scores to probabilities and decisions for a set of records, either with what the model holds or cross-fitted on the set
 * itself: five folds by patient, each decided by what the other four say.
 */
#ifndef SHN_EVAL_DECIDE_H
#define SHN_EVAL_DECIDE_H

#include "eval/calibrate.h"
#include "eval/evalset.h"

#define DECIDE_FOLDS 5

typedef struct decisions {
    float *score;                       /* [n][K] what ranks: raw scores of the read-out */
    float *probability, *uncalibrated;  /* [n][K] */
    float *at_05, *at_f1, *at_f1_macro, *at_f1_sample, *at_jaccard, *at_label, *at_prevalence;   /* [n][K] of 0 and 1 */
    int    mixed_readouts;              /* the folds chose different read-outs: score is the cross-fitted log-odds */
    shn_readout readout;                /* the folds' choice, or the first fold's */
} decisions;

/** With a fitted (or unfitted) calibration; score [n][K] is copied. */
SHN_NODISCARD shn_status decide_with(const shn_calibration *c, const float *score, size_t n, size_t K, decisions *out, shn_error *err);
/**
 * Cross-fitted. candidates: [n_candidates] read-outs with their scores [n][K]; with more than one, each fold takes the best by macro
 * AUROC on the others.
 * @param fold  [n] < DECIDE_FOLDS, from decide_folds
 */
SHN_NODISCARD shn_status decide_cross_fitted(const shn_readout *candidates, float *const *scores, size_t n_candidates, const uint8_t *label,
                                             const uint8_t *known, const uint8_t *fold, size_t n, size_t K, const double *prevalence,
                                             decisions *out, shn_error *err);
/** Folds by patient: 1; 0 if there are fewer than DECIDE_FOLDS patients (then nothing can be cross-fitted); -1 out of memory. */
int  decide_folds(const uint32_t *patient, size_t n, size_t n_patients, uint64_t seed, uint8_t *fold);
void decisions_free(decisions *d);

#endif
