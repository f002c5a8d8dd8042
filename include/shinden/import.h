/**
 * Packing labelled collections into a cohort: streaming, several threads, resumable after a kill at any moment, never a
 * silent drop. A collection is a folder plus a mapping (a preset or a YAML file, docs/mapping.md).
 */
#ifndef SHINDEN_IMPORT_H
#define SHINDEN_IMPORT_H

#include "shinden/findings.h"
#include "shinden/progress.h"
#include "shinden/signal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_COLLECTIONS_MAX 64

typedef struct shn_collection {
    const char *preset;         /**< "ptbxl" ...; NULL: map_path is used */
    const char *map_path;       /**< a mapping file; NULL with a preset */
    const char *folder;         /**< where the records and tables are (a mapping file may name it itself) */
} shn_collection;

typedef struct shn_import_options {
    shn_signal_options signal;  /**< fs_hz 0: all records must agree */
    double   seconds;           /**< 10 */
    int      windows_all;       /**< 0: the central window of longer records; 1: consecutive windows */
    unsigned n_threads;         /**< 0: one per core */
    int      allow_patient_overlap; /**< 0: a patient in two splits is an error */
    const char *registry_path;  /**< NULL: the built-in registry */
    const char *command;        /**< stored as an attribute */
    const char *const *beside;  /**< [n_beside] sources that take part in the same study outside this cohort: a mapping's `leave_out` counts them as here */
    size_t   n_beside;
    int      simulated;         /**< 1: marks the cohort as simulated, loudly, for reports */
    shn_watcher watcher;
} shn_import_options;
void shn_import_defaults(shn_import_options *options);

/** How often something was met: records of a split, or a label that the registry does not know, per source. */
typedef struct shn_import_count { const char *source, *name; size_t n; } shn_import_count;

typedef struct shn_import_summary {
    size_t n_found, n_kept, n_refused;          /**< rows of the cohort */
    size_t n_labels_unknown;                    /**< occurrences of labels that the registry does not know */
    double seconds;
    size_t n_resumed;                           /**< rows that a killed run had finished */
    size_t n_findings, n_samples, n_patients;   /**< K, T; patients of kept rows */
    double fs_hz;
    size_t refused[SHN_REASON_COUNT];           /**< by reason */
    shn_import_count *splits, *unknown;         /**< sorted by source and name; strings belong to the summary */
    size_t n_splits, n_unknown;
    void  *storage;
} shn_import_summary;
/** Releases what a summary holds; accepts a zeroed one. */
void shn_import_summary_free(shn_import_summary *summary);

/**
 * Writes out_path (cohort) and out_path + ".manifest.csv" (one line per record: path, source, status, reason, detail).
 * Killed and started again with the same arguments it goes on and ends with the same bytes of every data set.
 * @param[out] summary  zeroed first; release with shn_import_summary_free; may be NULL
 * Errors  SHN_MISMATCH patient_overlap (named), fs_mismatch; SHN_FORMAT a table or mapping is wrong (file, line, column);
 *         SHN_IO; SHN_FORMAT when nothing could be kept
 */
SHN_NODISCARD shn_status shn_import(const shn_collection *collections, size_t n, const char *out_path,
                                    const shn_import_options *options, shn_import_summary *summary, shn_error *err);
/** How often a source names a label, and the finding that it stands for; finding "": the registry does not know it. */
typedef struct shn_label_count { const char *source, *label, *finding; size_t n; } shn_label_count;
typedef struct shn_label_survey {
    size_t           n_records, n_labels;   /**< records read; occurrences of labels */
    size_t           n_refused;             /**< records whose labels could not be read; they are in no other number */
    const char      *first_refused;         /**< "PATH: REASON: detail" of the first of them in the collection's order; NULL: none */
    shn_label_count *items;                 /**< [n] by source, then label, then finding; strings belong to the survey */
    size_t           n, capacity;
    void            *storage;
} shn_label_survey;
/** Counts n more of a label of a source. A survey begins as zeros. Errors  SHN_NOMEM, the survey as it was. */
SHN_NODISCARD shn_status shn_label_survey_add(shn_label_survey *survey, const char *source, const char *label, const char *finding, size_t n, shn_error *err);
/**
 * The labels of a collection, counted as an import would read them, without reading signals or writing anything.
 * @param registry  borrowed
 * @param[out] out  release with shn_label_survey_free in any case
 * Errors  as shn_import's for tables and mappings; SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_import_labels(const shn_collection *collection, const shn_registry *registry, shn_label_survey *out, shn_error *err);
void shn_label_survey_free(shn_label_survey *survey);
/** Borrowed names of the presets, NULL-terminated. */
const char *const *shn_import_presets(void);

#ifdef __cplusplus
}
#endif
#endif
