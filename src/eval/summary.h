/**
 * All metrics of one system on one set of records, with bootstrap intervals: arrays in, numbers out. Used for the model and, the
 * same way, for each control.
 */
#ifndef SHN_EVAL_SUMMARY_H
#define SHN_EVAL_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/progress.h"
#include "shinden/status.h"

/** The metrics in the order in which they are printed; docs/metrics.md defines each. 1: it ranks a record's findings against each other, which means nothing where they were not scored by one model. */
#define SUMMARY_METRICS(X)                                                                                                        \
    X(auroc_macro, 0) X(auroc_macro_10, 0) X(auroc_macro_pos5, 0) X(auprc_macro, 0) X(auprc_macro_10, 0) X(auprc_macro_pos5, 0)    \
    X(f1_micro_05, 0) X(f1_micro_tuned, 0) X(f1_micro_per_label, 0) X(f1_micro_prevalence, 0)                                     \
    X(f1_macro_05, 0) X(f1_macro_tuned, 0) X(f1_macro_per_label, 0) X(f1_sample_05, 0) X(f1_sample_tuned, 0)                      \
    X(jaccard_sample, 0) X(jaccard_sample_05, 0) X(jaccard_micro, 0)                                                              \
    X(top1, 1) X(top5, 1) X(top1_specific, 1) X(top5_specific, 1) X(recall_at_5, 1) X(ece_raw, 0) X(ece, 0)
enum {
#define X(name, ranks) METRIC_##name,
    SUMMARY_METRICS(X)
#undef X
    METRIC_COUNT
};
const char *summary_metric_name(int metric);
/** The mark above. */
int summary_metric_ranks(int metric);

/** Decisions are matrices of 0 and 1, because under cross-fitting each record has the thresholds of its fold. */
typedef struct summary_input {
    size_t n, K;
    const float   *score;               /* [n][K] raw */
    const float   *probability;         /* [n][K] calibrated */
    const float   *uncalibrated;        /* [n][K] logistic of the raw score */
    const uint8_t *label, *known;       /* [n][K] */
    const float   *at_05, *at_f1, *at_f1_macro, *at_f1_sample, *at_jaccard, *at_label, *at_prevalence;   /* [n][K] decisions */
    const uint32_t *patient;            /* [n] < n_patients */
    size_t         n_patients;
    const uint32_t *n_pos_train;        /* [K] */
    const uint8_t  *specific;           /* [K] 1: not ubiquitous */
    uint32_t n_bootstrap;
    uint64_t seed;
    unsigned n_threads;
} summary_input;

typedef struct summary_value { double value, low, high; uint32_t n_undefined; } summary_value;

typedef struct summary {
    summary_value metric[METRIC_COUNT];
    summary_value *auroc, *auprc;       /* [K] */
} summary;

/** Errors SHN_NOMEM, SHN_CANCELLED. */
SHN_NODISCARD shn_status summary_make(const summary_input *in, const shn_watcher *watcher, summary *out, shn_error *err);
void summary_free(summary *s);

#endif
