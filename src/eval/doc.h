/** The pieces that evaluation documents are made of (docs/json.md); results are owned by the caller, as jansson's. */
#ifndef SHN_EVAL_DOC_H
#define SHN_EVAL_DOC_H

#include <jansson.h>

#include "eval/summary.h"

/** Text from outside; what is not UTF-8 (a path, a cohort made elsewhere, a text cut short) becomes U+FFFD, since JSON must be UTF-8. */
json_t *doc_text(const char *text);
/** null where it is not defined. */
json_t *doc_number(double v);
/** {value, low, high, n_undefined} */
json_t *doc_value(const summary_value *v);
/** Every metric by name. */
json_t *doc_metrics(const summary *s);

#endif
