/** Finished runs on evaluations: every part of a system's seed judged and joined to one matrix, and the controls the same way. */
#ifndef SHN_EXPERIMENT_JUDGE_H
#define SHN_EXPERIMENT_JUDGE_H

#include "eval/paired.h"
#include "experiment/grid.h"
#include "experiment/scored.h"

/** Which model of a run is judged: what was trained, or a control of the same shape, on the same training records. */
typedef enum xp_what { XP_TRAINED, XP_FREQUENCY, XP_RANDOM_PROBE } xp_what;
/** "label frequency", "random encoder, linear probe"; "" for what was trained. */
const char *xp_what_name(xp_what what);

/** A row of a table or claim: a system's seeds, judged on one evaluation. */
typedef struct xp_seeds { xp_scored *s; summary_input *in; size_t n; } xp_seeds;

/**
 * Judges the first n seeds of a row. Release with xp_seeds_close in any case; the inputs borrow from the matrices: after these were changed call xp_seeds_refresh.
 * Errors  SHN_MISMATCH a read-out that a system does not have, nothing in common with the cohort;  SHN_IO, SHN_FORMAT, SHN_NOMEM, SHN_CANCELLED
 */
SHN_NODISCARD shn_status xp_seeds_open(const xp_grid *g, const xp_row *row, size_t evaluation, size_t n, xp_what what, const shn_watcher *watcher, xp_seeds *out,
                                       shn_error *err);
void xp_seeds_close(xp_seeds *s);
void xp_seeds_refresh(xp_seeds *s);

/** One part of a run with its model, for what needs more than the matrix (examples, drift). Release both in any case. */
SHN_NODISCARD shn_status xp_judge_part(const xp_grid *g, const xp_row *row, const xp_evaluation *e, const xp_run *run, xp_what what, const shn_watcher *watcher,
                                       shn_model **model, judged *j, shn_error *err);

#endif
