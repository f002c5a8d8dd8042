/**
 * One system with one seed, judged on one evaluation: a matrix of its own, taken from one model's judgement or joined from several: held-out folds one below
 * the other, left-out findings side by side. Columns are named by finding, so systems that know other findings can be compared at those they share.
 */
#ifndef SHN_EXPERIMENT_SCORED_H
#define SHN_EXPERIMENT_SCORED_H

#include "eval/judged.h"

enum { SCORED_LAYERS = 10 };            /* score, probability, uncalibrated, and the seven decisions, in summary_input's order */

typedef struct xp_scored {
    size_t       n, K, n_patients;
    const char **finding;               /* [K] ids, borrowed from a cohort or the registry */
    float       *layer[SCORED_LAYERS];  /* [n][K] */
    uint8_t     *label, *known;         /* [n][K] */
    uint32_t    *patient;               /* [n] < n_patients */
    uint8_t     *specific;              /* [K] */
    uint32_t    *n_pos_train;           /* [K] in training; the least over joined folds */
    double      *top1, *top5;           /* [K] of the records with the finding, the share where it is among the first 1, 5 of all that its model scored */
    shn_readout  readout;
    int          ranked_together;       /* 1: one model scored all columns of a record, so ranking them means something */
    char         fitted_on[384];
    uint32_t     n_bootstrap;
    uint64_t     seed;
} xp_scored;

/** Copies the columns whose ids are listed; ids that the judgement lacks are passed over. Release with xp_scored_free in any case. Errors SHN_MISMATCH none is there; SHN_NOMEM */
SHN_NODISCARD shn_status xp_scored_take(const judged *j, const char *const *ids, size_t n_ids, xp_scored *out, shn_error *err);
void xp_scored_free(xp_scored *s);      /* accepts a zeroed one */
/** Puts the records of `part` below those of s (a zeroed s becomes a copy); columns must agree; patients count as others. Errors SHN_MISMATCH, SHN_NOMEM */
SHN_NODISCARD shn_status xp_scored_add_rows(xp_scored *s, const xp_scored *part, shn_error *err);
/**
 * Levels the ranking scores of joined folds, the i-th of which begins at row start[i]: each finding's mean over a fold's known records is brought to its mean over all. A model scores a finding
 * lower where fewer were in its training, and those are the folds that hold more of it: without this even a constant ranks below chance. Order within a fold does not change.
 * Source  Forman and Scholz 2010, SIGKDD Explorations 12(1), 49-57, on pooling AUROC over folds.
 */
void xp_scored_level(xp_scored *s, const size_t *start, size_t n_folds);
/** Puts the columns of `part` beside those of s, on the same records. Errors SHN_MISMATCH, SHN_NOMEM */
SHN_NODISCARD shn_status xp_scored_add_columns(xp_scored *s, const xp_scored *part, shn_error *err);
/** Keeps the columns with keep[k] != 0. Errors SHN_MISMATCH nothing is left; SHN_NOMEM */
SHN_NODISCARD shn_status xp_scored_keep(xp_scored *s, const uint8_t *keep, shn_error *err);
/** Keeps in each of the n matrices the findings that all of them have, in the order of the first, and the least n_pos_train. Errors as xp_scored_keep */
SHN_NODISCARD shn_status xp_scored_common(xp_scored *const *s, size_t n, shn_error *err);
/** What metrics are made from; borrowed. */
summary_input xp_scored_input(const xp_scored *s);

#endif
