/**
 * Supersets ("conduction disturbance" over all blocks) that nobody trained on, scored in the two readings of the first paper's zero-shot labels: by their own text in the
 * shared space, and by the best of the findings below them. Labels are closed upward along the registry's parents (away.h).
 */
#ifndef SHN_EVAL_SUPERSETS_H
#define SHN_EVAL_SUPERSETS_H

#include <jansson.h>

#include "eval/judged.h"

/**
 * Every registry finding over two or more of the model's findings that is positive and negative in some record here.
 *
 * Scores are those of the read-out `class` (`logit` where there are no texts), for they carry no prior that the superset's own text lacks. Its text is made as the model's
 * were (text_form, language, centring, projection); the vectors must be of the same source.
 *
 * @param text  name of the text vectors (shn_vectors_open); NULL: the compiled-in ones. Where they are not the model's, or it has none, the own text is left out and `own_text` says why
 * @param[out] out  the object of docs/json.md; NULL where another institution is compared or there is no superset
 * Errors SHN_NOMEM, SHN_CANCELLED; those of shn_vectors_open for a text that was named
 */
SHN_NODISCARD shn_status supersets_json(const judged *j, const char *text, const shn_watcher *watcher, json_t **out, shn_error *err);

#endif
