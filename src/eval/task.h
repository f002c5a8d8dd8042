/** A task: an evaluation asks about some findings only, and the others are neither candidates nor truth. */
#ifndef SHN_EVAL_TASK_H
#define SHN_EVAL_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

/**
 * Marks the columns that a list names, items separated by commas: an id; "@rhythm", PTB-XL's twelve rhythm statements; "@mitdb", all that MIT-BIH's
 * rhythms and beats stand for; "@" and a coding, all with a code there ("@code15").
 *
 * @param[in]  id        [K] registry ids of the columns
 * @param[out] selected  [K]
 * Errors  SHN_RANGE  an id that is no column, a name that is no task, or a task of which no column is part (each named)
 */
SHN_NODISCARD shn_status task_select(const char *list, const char *const *id, size_t K, uint8_t *selected, shn_error *err);

#endif
