/**
 * A model's judgement of a split: labels, scores, and decisions made without looking at what they are judged by. The evaluation document and the
 * paired comparison of systems start from here.
 */
#ifndef SHN_EVAL_JUDGED_H
#define SHN_EVAL_JUDGED_H

#include "eval/decide.h"
#include "eval/summary.h"
#include "shinden/eval.h"

typedef struct judged {
    shn_eval_options o;
    evalset   set;
    float    *scores[SHN_READOUT_COUNT];        /* [n][K]; only the read-outs that were computed */
    double   *prevalence;                       /* [K] in training */
    uint8_t  *specific;                         /* [K] 1: not ubiquitous */
    uint8_t  *fold;                             /* [n] */
    int       overlaps, can_cross_fit;          /* the model was fitted on some of the records; patients enough for folds */
    decisions decided;
    char      fitted_on[384];
    struct away_nodes *nodes;                   /* NULL, or what the K columns are where another institution is compared (away.h) */
    uint8_t  *asked;                            /* [K] 1: the findings that options.findings names; NULL: all */
    uint32_t *node_n_pos;                       /* [K] of the nodes in the home training records; NULL: the model's own counts hold */
} judged;

/**
 * Embeds, scores and decides. The model is borrowed; the engine is used during the call only. judged_close in any case.
 * Errors  SHN_MISMATCH no finding in common, a read-out that does not apply;  SHN_RANGE no such split;  SHN_FORMAT, SHN_NOMEM, SHN_DEVICE, SHN_CANCELLED
 */
SHN_NODISCARD shn_status judged_open(const shn_model *m, shn_engine *eng, const shn_cohort *c, const shn_eval_options *options, judged *out,
                                     shn_error *err);
void judged_close(judged *j);
/** Leaves only what options.findings names: the other columns (ids [K]) become unknown everywhere. Errors SHN_RANGE, SHN_NOMEM. */
SHN_NODISCARD shn_status judged_ask(judged *j, const char *const *ids, shn_error *err);
/** The arrays that the metrics are made from, borrowed; with other decisions than the model's own for a control. */
summary_input judged_input(const judged *j, const decisions *d);

#endif
