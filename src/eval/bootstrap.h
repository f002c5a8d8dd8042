/**
 * The bootstrap by patient, for anything that can be computed from a weight per record: patients are drawn with replacement and each
 * record weighs as often as its patient was drawn. Resample r is the same whatever is computed and whichever thread does it, so two systems
 * on the same records can be compared pair by pair.
 */
#ifndef SHN_EVAL_BOOTSTRAP_H
#define SHN_EVAL_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/progress.h"
#include "shinden/status.h"

typedef struct bootstrap_plan {
    const uint32_t *patient;            /* [n] < n_patients */
    size_t   n, n_patients;
    uint32_t n_resamples;               /* > 0 */
    uint64_t seed;
    unsigned n_threads;                 /* 0: one per usable core */
    size_t   width;                     /* values per resample */
    size_t   scratch;                   /* doubles that each thread's calls may write */
} bootstrap_plan;

/** Values of one resample: value [width], NaN where undefined. Called by several threads at once, each with its own scratch. */
typedef void bootstrap_fn(const void *context, uint32_t resample, const double *weight, double *scratch, double *value);

/**
 * 95 % percentile interval, linear between neighbours as numpy has it; NaN when every resample was undefined. p: twice the smaller share of
 * resamples at or beyond 0, (count + 1) / (n + 1) each side, at most 1: the two-sided bootstrap test of "the value is 0".
 */
typedef struct bootstrap_interval { double low, high, p; uint32_t n_undefined; } bootstrap_interval;

/**
 * @param[out] out  [width]
 * Errors SHN_NOMEM, SHN_CANCELLED.
 */
SHN_NODISCARD shn_status bootstrap_run(const bootstrap_plan *plan, bootstrap_fn *fn, const void *context, const shn_watcher *watcher,
                                       bootstrap_interval *out, shn_error *err);

#endif
