/**
 * Another institution: a model judged on a cohort whose labels are coarser, finer or other than those it learnt. Labels of both sides are closed upward
 * along the registry's parents and compared at nodes: for every finding of either side the lowest self-or-ancestor that both sides have. A node's score
 * is the largest of the model's findings at or below it; calibration and thresholds of nodes come from the home cohort's validation split, closed the same way.
 */
#ifndef SHN_EVAL_AWAY_H
#define SHN_EVAL_AWAY_H

#include "eval/judged.h"
#include "shinden/findings.h"

/** Where two lists of findings meet. */
typedef struct away_nodes {
    const shn_registry *registry;
    size_t    n;
    uint32_t *node;                     /* [n] registry indices, ascending */
    uint32_t *below;                    /* model findings at or below each node, one list after the other */
    size_t   *below_start;              /* [n + 1] */
    char    **pairs;                    /* [n] "home: a, b; here: c", owned: which findings meet at the node */
} away_nodes;

/** Errors  SHN_MISMATCH nothing is shared even at the top;  SHN_NOMEM. Free with away_nodes_free in any case. */
SHN_NODISCARD shn_status away_nodes_find(const shn_registry *registry, const char *const *home, size_t n_home, const char *const *here, size_t n_here,
                                         away_nodes *out, shn_error *err);
void away_nodes_free(away_nodes *nodes);

/**
 * State of a registry finding in a record whose own labels are given by registry index (state [R]: 1 positive, 0 negative, -1 unknown): positive if it or
 * a finding below it is, negative if it or all its children are known and none is positive, else unknown (-1). Children with AWAY_NO_FINDING are passed over;
 * AWAY_NO_FINDING if nothing else is left.
 */
int away_close(const shn_registry *registry, const int8_t *state, size_t finding);
#define AWAY_NO_FINDING (-2)            /**< the source could never have named it */

/**
 * Closed labels of a cohort's rows at the nodes.
 * @param outside  state of what is no finding of the cohort: -1, not known, so that a parent with such a child is never negative (two institutions must mean the same by
 *                 it); AWAY_NO_FINDING, the parent is what the cohort's own findings make of it
 * @param[out] label, known  [n][nodes]
 */
SHN_NODISCARD shn_status away_close_rows(const away_nodes *o, const shn_cohort *c, const uint32_t *rows, size_t n, int outside, uint8_t *label, uint8_t *known,
                                         shn_error *err);
/** A node's score is the largest of the model's findings at or below it: score [n][K] to out [n][nodes]. */
void away_node_scores(const away_nodes *o, const float *score, size_t n, size_t K, float *out);

/**
 * As judged_open, at nodes: out->set has K = number of nodes, labels closed; out->nodes says what they are.
 * @param home  the cohort that the model was trained on, with splits `train` (prevalence, counts) and `val` (calibration, thresholds)
 */
SHN_NODISCARD shn_status judged_open_away(const shn_model *m, shn_engine *eng, const shn_cohort *away, const shn_cohort *home, const shn_eval_options *options,
                                          judged *out, shn_error *err);

#endif
