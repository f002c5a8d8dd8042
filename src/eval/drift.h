/**
 * What differs between two hospitals' records apart from how a model reads them: voltages, heart rates, lengths, ages, sex, how often findings occur, and how far
 * apart the model's own embeddings lie.
 */
#ifndef SHN_EVAL_DRIFT_H
#define SHN_EVAL_DRIFT_H

#include "shinden/cohort.h"
#include "shinden/embed.h"

/** Mean, median and quartiles of the records that have the value; NaN with none. */
typedef struct drift_side { double mean, median, low, high; size_t n; } drift_side;
/** effect: (mean away - mean home) / pooled standard deviation; NaN where a side has fewer than two or nothing varies; 0 where all are equal. */
typedef struct drift_measure { const char *name, *unit; drift_side home, away; double effect; } drift_measure;

enum { DRIFT_LIMB_MV, DRIFT_CHEST_MV, DRIFT_RATE, DRIFT_SECONDS, DRIFT_AGE, DRIFT_FEMALE, DRIFT_MEASURES };

/**
 * Limb and chest voltage (mean over the leads of the range between a record's 1st and 99th percentile, mV), heart rate (1/min, by the beats of features.h; not
 * measured where there are fewer than two), seconds recorded, age in years, female (1) or male (0).
 * @param rows, n      records of each cohort
 * @param[out] out     [DRIFT_MEASURES]
 * Errors  SHN_NOMEM
 */
SHN_NODISCARD shn_status drift_records(const shn_cohort *home, const uint32_t *home_rows, size_t n_home, const shn_cohort *away, const uint32_t *away_rows, size_t n_away,
                                       drift_measure out[DRIFT_MEASURES], shn_error *err);

/** distance: between the two means of unit embeddings, over the root mean square distance of an embedding from its own side's mean. auroc: see below. */
typedef struct drift_space { double distance, auroc; } drift_space;
/**
 * How well the embeddings tell the hospitals apart: the AUROC of the projection on the difference of the means, each half of the records scored by the direction of
 * the other half (records alternate by number; 0.5: not at all). z [n][W][E] raw encoder outputs; the mean over windows of unit vectors counts.
 * NaN with fewer than four records on a side. Errors SHN_NOMEM
 */
SHN_NODISCARD shn_status drift_embeddings(const float *home, size_t n_home, const float *away, size_t n_away, size_t W, size_t E, drift_space *out, shn_error *err);

#endif
