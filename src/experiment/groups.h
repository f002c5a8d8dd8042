/** What one table of rows does not show: every metric by age band, sex and source, and the supersets of the findings that nobody trained on. */
#ifndef SHN_EXPERIMENT_GROUPS_H
#define SHN_EXPERIMENT_GROUPS_H

#include <jansson.h>

#include "experiment/grid.h"

/**
 * The row that the config's `subgroups` names, judged by age band, sex and source (eval/subgroups.h) for each seed.
 * @param[out] list  appended to where the config asks for it: {row, evaluation, n_seeds, metrics[], groups[]}, a group as in subgroups.h: means over seeds of values and of
 *                   the ends of intervals by patient
 * Errors  those of xp_judge_part; SHN_NOMEM, SHN_CANCELLED
 */
SHN_NODISCARD shn_status xp_subgroups(const xp_grid *g, const shn_watcher *watcher, json_t *list, shn_error *err);
/**
 * Of each row that the config's `supersets` names the object of eval/supersets.h, with `row`, `evaluation` and `n_seeds` beside it, means as above.
 * Errors  those of xp_judge_part and supersets_json; SHN_MISMATCH there is no superset of two findings; SHN_NOMEM, SHN_CANCELLED
 */
SHN_NODISCARD shn_status xp_supersets(const xp_grid *g, const shn_watcher *watcher, json_t *rows, shn_error *err);
/**
 * Mean of n documents of the same form: of numbers with a fraction in the same place, null where one is null; everything else is the first's.
 * @return owned by the caller; NULL: out of memory, or the documents are of different forms
 */
json_t *xp_mean(json_t *const *docs, size_t n);

#endif
