/**
 * Curves of one system on one split, mean over its seeds, with bands from resamples of patients and of seeds together: ROC and precision-recall (macro: the mean over
 * findings at each abscissa), reliability, accuracy against the number of answers looked at and against the number of candidates.
 */
#ifndef SHN_EVAL_CURVES_H
#define SHN_EVAL_CURVES_H

#include "eval/summary.h"

enum { CURVES_GRID = 51, CURVES_BINS = 15, CURVES_TOP = 20, CURVES_LISTS = 12, CURVES_RESAMPLES = 200 };

typedef struct curves_point { double x, y, low, high; } curves_point;   /* y NaN where undefined */

typedef struct curves {
    size_t n_findings;                      /* that ROC and precision-recall are a mean over: a positive and a negative here, 10 positives in training (all, where none has) */
    curves_point roc[CURVES_GRID];          /* true positive rate at a false positive rate of x, straight lines between operating points */
    curves_point pr[CURVES_GRID];           /* precision at the highest threshold whose recall is at least x, and above 0 */
    curves_point reliability[CURVES_BINS];  /* x: mean calibrated probability of the bin's known entries (0: empty); y: their share of positives */
    double       share[CURVES_BINS];        /* of the known entries that fall into the bin */
    size_t n_top;                           /* min(K, CURVES_TOP) */
    curves_point top[CURVES_TOP], top_specific[CURVES_TOP];     /* x: k; y: share of records with a true finding among the first k */
    size_t n_lists;
    curves_point list_top1[CURVES_LISTS], list_top5[CURVES_LISTS];  /* x: only the x findings commonest in training are candidates; y: top-1, top-5 */
} curves;

/**
 * @param in  [n_seeds], the same records and labels in all (see paired.h); n_bootstrap > 0, of which at most CURVES_RESAMPLES are used
 * Errors  SHN_NOMEM, SHN_CANCELLED
 */
SHN_NODISCARD shn_status curves_make(const summary_input *in, size_t n_seeds, const shn_watcher *watcher, curves *out, shn_error *err);

#endif
