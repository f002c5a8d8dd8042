/**
 * All metrics as functions of a weight per record. What does not depend on the weights (sorted columns, the few cells that are true or
 * called, hits, filled calibration bins) is prepared once, so that a resample costs a short pass over compact lists instead of the matrices.
 */
#ifndef SHN_EVAL_WEIGHTED_H
#define SHN_EVAL_WEIGHTED_H

#include "eval/summary.h"

enum { WEIGHTED_DECISIONS = 7, WEIGHTED_HITS = 4 };

/** One decision matrix: cells that are called or true, by finding, and what each record gets. */
typedef struct weighted_decision {
    size_t   *start;                    /* [K + 1] into cell */
    uint32_t *cell;                     /* record << 2 | called << 1 | true */
    double   *f1, *jaccard;             /* [n] of one record; 1 for empty against empty */
} weighted_decision;

/** Calibration bins that a record fills. */
typedef struct weighted_bins {
    size_t  *start;                     /* [n + 1] into the three below */
    uint8_t *bin;
    double  *count, *excess;            /* entries in the bin; sum of probability - label over them */
} weighted_bins;

typedef struct weighted {
    const summary_input *in;            /* borrowed */
    size_t   *start;                    /* [K + 1] into ranked */
    uint32_t *n_pos;                    /* [K] positives among these records, whatever a resample draws */
    uint32_t *ranked;                   /* known records by score downwards: record << 2 | true << 1 | last of equal scores */
    weighted_decision decision[WEIGHTED_DECISIONS];
    weighted_bins     raw, calibrated;
    uint8_t *hit[WEIGHTED_HITS];        /* [n] each, as shn_top_k_records: top1, top5, top1_specific, top5_specific */
    float   *recall5;                   /* [n] */
} weighted;

/** Errors SHN_NOMEM;  SHN_RANGE 2^30 records or more. Release with weighted_free also after a failure. */
SHN_NODISCARD shn_status weighted_prepare(const summary_input *in, weighted *out, shn_error *err);
void weighted_free(weighted *w);
/** metric [METRIC_COUNT], auroc and auprc [K]; weight [n]; NaN where undefined. */
void weighted_metrics(const weighted *w, const double *weight, double *metric, double *auroc, double *auprc);
/** Weighted share of records with a hit [n] (1; 0 a miss, 2 takes no part), weight NULL: all count as one; NaN where nothing takes part. */
double weighted_hits(const uint8_t *hit, size_t n, const double *weight);

#endif
