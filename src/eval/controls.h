/** What a model has to be compared with: knowing only how common findings are, and a linear probe on a random encoder. */
#ifndef SHN_EVAL_CONTROLS_H
#define SHN_EVAL_CONTROLS_H

#include "eval/evalset.h"

#define CONTROL_ENCODER_SEED 20260101u

/** score [n][K]: the log-odds of each finding's training prevalence, the same for every record. */
void control_frequency(const evalset *s, float *score);
/**
 * Scores of a linear probe on an encoder of the model's architecture with random weights (seed CONTROL_ENCODER_SEED; its statistics of
 * normalisation come from training records): ridge regression on the known labels of the cohort's split `train`, features the mean over
 * windows, standardised; the penalty is chosen by macro AUROC of left-out scores, five folds of the training patients. The scores are log-odds, calibrated on the left-out training scores, so that findings can be ranked against each other.
 *
 * @param[out] score    [n][K]
 * @param[out] penalty  the one chosen
 * Errors  SHN_RANGE (no_split) the cohort has no split `train`;  SHN_NOMEM, SHN_DEVICE, SHN_CANCELLED
 */
SHN_NODISCARD shn_status control_random_probe(const evalset *s, const shn_engine_options *options, const char *train_split,
                                              const shn_watcher *watcher, float *score, double *penalty, shn_error *err);

/** The probe alone, on the embeddings z [n][n_windows][E] that the two sets hold; score [s->n][K]. */
SHN_NODISCARD shn_status control_linear_probe(const evalset *train, const evalset *s, size_t E, float *score, double *penalty, shn_error *err);

/**
 * The two controls as models with a linear head (read-out logit), to be fitted and judged like any other. Findings and their counts are those of `like`, as is
 * the encoder's shape. *out is owned by the caller.
 * Errors of the probe: as control_random_probe.
 */
SHN_NODISCARD shn_status control_frequency_model(const shn_model *like, shn_model **out, shn_error *err);
SHN_NODISCARD shn_status control_probe_model(const shn_model *like, const shn_cohort *c, const char *train_split, const shn_engine_options *options,
                                             const shn_watcher *watcher, shn_model **out, double *penalty, shn_error *err);

#endif
