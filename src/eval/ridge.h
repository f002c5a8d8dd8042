/** Ridge regression of many labels on the same features, each label on the records that know it, with scores of left-out folds. */
#ifndef SHN_EVAL_RIDGE_H
#define SHN_EVAL_RIDGE_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

typedef struct ridge_data {
    const double  *x;                   /* [n][F] */
    const uint8_t *label, *known;       /* [n][K]; a label that is not known takes no part */
    const uint8_t *fold;                /* [n] < n_folds */
    size_t n, F, K, n_folds;
} ridge_data;

/**
 * For each penalty and each finding k the minimum over w of  sum over records that know k of (y - mean y - w.(x - mean x))^2 + penalty |w|^2.
 *
 * @param[out] weight    [n_penalties][K][F] from all folds; 0 where nothing is known
 * @param[out] left_out  [n_penalties][n][K] w.x of each record by the fit on the other folds; with one fold, by the fit on all
 * Errors  SHN_RANGE (bad_value) features that are not finite;  SHN_NOMEM
 */
SHN_NODISCARD shn_status ridge_fit(const ridge_data *d, const double *penalties, size_t n_penalties, double *weight, float *left_out,
                                   shn_error *err);

#endif
