/**
 * An experiment: a grid of trainings from one config, and one report of what they show, with intervals over patients and seeds and a verdict for each
 * claim that the config named beforehand. docs/experiment.md describes the config and the documents.
 */
#ifndef SHINDEN_EXPERIMENT_H
#define SHINDEN_EXPERIMENT_H

#include <stddef.h>

#include "shinden/progress.h"
#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_experiment_options {
    const char *data;           /**< folder that "${data}" stands for in the config; NULL: none */
    unsigned    n_workers;      /**< runs at a time, one thread each; 0: one per core */
    const char *results_path;   /**< NULL; else a file that gets a copy of report/results.md, such as docs/results.md */
    int         plan_only;      /**< 1: makes the cohorts and counts the runs, trains nothing */
    shn_watcher watcher;
} shn_experiment_options;
void shn_experiment_defaults(shn_experiment_options *options);

typedef struct shn_experiment_summary { size_t n_systems, n_runs, n_finished, n_claims; } shn_experiment_summary;

/**
 * Runs what is not finished and writes the report. FOLDER gets cohorts/, runs/ (a folder for each training, named by its settings' digest) and
 * report/: results.json, results.md, report.html, tables/NAME.csv, NAME.tex and NAME-findings.csv, claims.csv, figures/ and cases/ (SVG). Killed and started again it goes on; the same seeds give
 * the same tables.
 * Errors  SHN_FORMAT  the config, with line and column;  those of import, training and evaluation, with the run's name;  SHN_CANCELLED
 */
SHN_NODISCARD shn_status shn_experiment(const char *config_path, const char *folder, const shn_experiment_options *options,
                                        shn_experiment_summary *summary, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
