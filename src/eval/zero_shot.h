/** Findings that training knew nothing of (train --leave-out, or no record that knows them), as a group of their own among all candidates. */
#ifndef SHN_EVAL_ZERO_SHOT_H
#define SHN_EVAL_ZERO_SHOT_H

#include <jansson.h>

#include "eval/judged.h"

/**
 * @param[out] out  {n_findings, findings[], n_records, auroc_macro, auprc_macro, top1, top5, top10}, or NULL where training knew every finding that is
 *                  evaluated. top k: of the records that have one of these findings, the share where one of theirs is among the first k of all candidates
 * Errors SHN_NOMEM, SHN_CANCELLED.
 */
SHN_NODISCARD shn_status zero_shot_json(const judged *j, const shn_watcher *watcher, json_t **out, shn_error *err);

#endif
