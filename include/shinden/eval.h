/**
 * Evaluation: fits what is fitted on validation data (read-out, thresholds, calibration), scores a split with all
 * metrics, patient-bootstrap intervals and controls. The result is one JSON document (docs/json.md); tables, CSV and HTML
 * are made from that document, so they cannot disagree with it.
 */
#ifndef SHINDEN_EVAL_H
#define SHINDEN_EVAL_H

#include "shinden/cohort.h"
#include "shinden/engine.h"
#include "shinden/model.h"
#include "shinden/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Fits the model on a split of a cohort: for every read-out that applies, calibration and thresholds; the default read-out is
 * the best by macro AUROC. Keeps hashes of the records used. The model's findings are matched to the cohort's by id.
 */
SHN_NODISCARD shn_status shn_model_fit(shn_model *m, shn_engine *eng, const shn_cohort *c, const char *split,
                                       const shn_watcher *watcher, shn_error *err);
/** The same on the split "val" through an engine of these options, as after every training; without such a split the model stays as it is. */
SHN_NODISCARD shn_status shn_model_fit_val(shn_model *m, const shn_cohort *c, const shn_engine_options *options, const shn_watcher *watcher, shn_error *err);

typedef struct shn_eval_options {
    const char *split;              /**< "val"; "all" */
    shn_readout readout;            /**< SHN_READOUT_COUNT: the model's default */
    uint32_t    n_bootstrap;        /**< 1000; 0: no intervals */
    uint64_t    seed;               /**< 1 */
    uint64_t    permute_labels;     /**< 0; else the seed of a shuffle of the split's labels between patients: a control that must find chance */
    int         controls;           /**< 1: label frequency, and the same linear probe on a random encoder and on simple features (rate, amplitudes, intervals) */
    unsigned    n_threads;          /**< 0: one per core */
    const char *findings;           /**< NULL: all; else a list of ids and tasks, commas between ("@rhythm", docs/metrics.md): the others are neither candidates nor truth */
    int         subgroups;          /**< 0; 1: every metric by age band, sex and source */
    int         supersets;          /**< 0; 1: supersets of the findings by their own text and by the best finding below */
    const char *vectors;            /**< NULL: the compiled-in vectors; where the texts of supersets are looked up (shn_vectors_open) */
    const shn_cohort *home;         /**< NULL; else the cohort the model was trained on: `c` is another institution, compared at shared parents (docs/metrics.md) */
    shn_watcher watcher;
} shn_eval_options;
void shn_eval_defaults(shn_eval_options *options);

/** @param[out] json  the document, owned by the caller (free()) */
SHN_NODISCARD shn_status shn_eval(const shn_model *m, shn_engine *eng, const shn_cohort *c, const shn_eval_options *options,
                                  char **json, shn_error *err);
/** Text table, CSV (one row per finding) or HTML page of an eval document; owned by the caller. */
SHN_NODISCARD shn_status shn_eval_text(const char *json, char **text, shn_error *err);
SHN_NODISCARD shn_status shn_eval_csv(const char *json, char **csv, shn_error *err);
/** CSV of a document made with subgroups, one row per group and metric: by,group,n_records,n_patients,small,metric,value,low,high,n_undefined. SHN_FORMAT without any. */
SHN_NODISCARD shn_status shn_eval_subgroups_csv(const char *json, char **csv, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
