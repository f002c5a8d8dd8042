/**
 * The paired difference of two systems on the same records: both are judged on the same resamples of patients, and where each was trained
 * with several seeds, seeds are drawn as well, so the interval says what other patients and another training would give.
 */
#ifndef SHN_EVAL_PAIRED_H
#define SHN_EVAL_PAIRED_H

#include "eval/summary.h"

#define PAIRED_SEEDS_MIN 5              /**< seeds from which two systems may be called equal */
#define PAIRED_MARGIN    0.02

/** A difference with its two-sided bootstrap p. */
typedef struct paired_value { summary_value v; double p; } paired_value;

typedef enum paired_verdict { PAIRED_EQUAL, PAIRED_HIGHER, PAIRED_LOWER, PAIRED_UNDECIDED } paired_verdict;

/**
 * Metrics of a minus metrics of b, mean over seeds; with b NULL those of a.
 *
 * @param[in]  a, b   [n_seeds] system by seed, a[s] paired with b[s]; records, labels, known entries and patients are those of a[0] in all of
 *                    them (checked); resamples, seed and threads are taken from a[0], n_bootstrap > 0
 * @param[out] out    [METRIC_COUNT]; NaN where a side is undefined; n_undefined counts resamples skipped for that reason
 * Errors  SHN_RANGE  no seed, no resample, other records or labels;  SHN_NOMEM, SHN_CANCELLED
 */
SHN_NODISCARD shn_status paired_difference(const summary_input *a, const summary_input *b, size_t n_seeds, const shn_watcher *watcher,
                                           paired_value *out, shn_error *err);
/**
 * How much more the metrics of a drop from one place to another than those of b: (a - a_away) - (b - b_away), with b and b_away NULL the drop of a alone. Patients of
 * both places are resampled as one list. All inputs have the same findings in the same order; the rest as paired_difference.
 */
SHN_NODISCARD shn_status paired_drop(const summary_input *a, const summary_input *b, const summary_input *a_away, const summary_input *b_away, size_t n_seeds,
                                     const shn_watcher *watcher, paired_value *out, shn_error *err);
/**
 * Equal: at least PAIRED_SEEDS_MIN seeds and the whole interval inside +-PAIRED_MARGIN. Else higher or lower if 0 is outside the interval. Else
 * undecided. One comparison; for several the intervals have to be corrected first.
 */
paired_verdict paired_judge(const summary_value *difference, size_t n_seeds);

#endif
