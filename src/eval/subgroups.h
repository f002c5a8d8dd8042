/** Every metric by age band, sex and source, with intervals: who the model is good for, and who is too few to say. */
#ifndef SHN_EVAL_SUBGROUPS_H
#define SHN_EVAL_SUBGROUPS_H

#include <jansson.h>

#include "eval/judged.h"

#define SUBGROUP_SMALL 50               /**< patients; below it a group is marked small */

/**
 * @param[out] out  [{by (age, sex, source), group, n_records, n_patients, small, metrics}], groups with records only. Decisions are those of the whole set: no
 *                  threshold is fitted to a group. Intervals from two patients on
 * Errors SHN_NOMEM, SHN_CANCELLED.
 */
SHN_NODISCARD shn_status subgroups_json(const judged *j, const shn_watcher *watcher, json_t **out, shn_error *err);

#endif
