/**
 * How well columns of scores rank, alone and in the mean, with intervals by patient: for groups of findings that the summary of all findings does not show apart
 * (left out of training, supersets). One or two scores for the same columns; of two also the difference, on the same resamples.
 */
#ifndef SHN_EVAL_COLUMNS_H
#define SHN_EVAL_COLUMNS_H

#include "eval/summary.h"

enum { COLUMNS_HITS_MAX = 4 };

typedef struct columns_input {
    size_t         n, P;                /* records, columns */
    const float   *score[2];            /* [n][P]; the second may be NULL */
    const uint8_t *label, *known;       /* [n][P] */
    const uint8_t *hit[COLUMNS_HITS_MAX];   /* [n] 1 found, 0 not, 2 takes no part (shn_top_k_records); the first NULL ends the list */
    const uint32_t *patient;            /* [n] < n_patients */
    size_t         n_patients;
    uint32_t       n_bootstrap;         /* 0: no intervals */
    uint64_t       seed;
    unsigned       n_threads;
} columns_input;

typedef struct columns_result {
    summary_value *auroc[2];            /* [P] */
    summary_value  auroc_macro[2], auprc_macro[2];  /* over columns with both classes */
    summary_value  difference;          /* auroc_macro[0] - auroc_macro[1] over columns that both rank */
    summary_value  hit[COLUMNS_HITS_MAX];
} columns_result;

/** Errors SHN_NOMEM, SHN_CANCELLED. Release with columns_free in any case. */
SHN_NODISCARD shn_status columns_rank(const columns_input *in, const shn_watcher *watcher, columns_result *out, shn_error *err);
void columns_free(columns_result *r);

#endif
