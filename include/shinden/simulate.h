/** Simulated 12-lead ECGs with known truth: a moving heart dipole seen through a lead field (docs/simulate.md). */
#ifndef SHINDEN_SIMULATE_H
#define SHINDEN_SIMULATE_H

#include <stdint.h>

#include "shinden/progress.h"
#include "shinden/record.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_simulate_options {
    uint32_t n_records;             /**< 1000 */
    uint32_t records_per_patient;   /**< 1: consecutive records share a patient */
    uint64_t seed;                  /**< 1; patient p of a seed is always the same patient */
    double   fs_hz, seconds;        /**< 500 (any 50..2000), 10 */
    double   noise;                 /**< 1: scale of all disturbances; 0: clean */
    unsigned n_threads;
    shn_watcher watcher;
} shn_simulate_options;
void shn_simulate_defaults(shn_simulate_options *options);

/** Truth of one record: findings it has and the numbers they follow from. */
typedef struct shn_truth {
    uint64_t findings[2];           /**< bit f: simulated finding f, see shn_simulate_finding */
    double   rate_bpm, pr_ms, qrs_ms, qt_ms, axis_deg;      /**< NaN where there is none (PR without P waves) */
} shn_truth;

/** Record number `index` of a cohort, canonical leads in mV; a function of (options, index) alone. */
SHN_NODISCARD shn_status shn_simulate_record(const shn_simulate_options *options, uint32_t index, shn_record **out,
                                             shn_truth *truth, shn_error *err);
/** Registry id of simulated finding f, in order; NULL past the last (there are at least 25). Borrowed. */
const char *shn_simulate_finding(size_t f);

/**
 * Writes a folder: records as WFDB format 16, labels.csv, mapping.yaml that `import --map` takes (splits by patient 80/10/10 or the
 * one given), README. Errors SHN_IO.
 * @param split  NULL: train/val/test by patient; else every record gets this one
 */
SHN_NODISCARD shn_status shn_simulate_write(const shn_simulate_options *options, const char *split, const char *folder, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
