/** What the pages of a document of results share: its values, and its limits in words. */
#ifndef SHN_EXPERIMENT_PAGE_WORDS_H
#define SHN_EXPERIMENT_PAGE_WORDS_H

#include <jansson.h>
#include <stdio.h>

#include "shinden/status.h"

/** "" and NaN where the key is absent or of another kind. */
const char *xp_page_word(const json_t *o, const char *key);
double      xp_page_number(const json_t *o, const char *key);
double      xp_page_value(const json_t *v);             /* NaN for what is no number */
/** Closes a memory stream; *text is freed and NULL when something was lost. */
SHN_NODISCARD shn_status xp_page_finish(FILE *f, char **text, shn_error *err);
/** One side of a measure of drift: "0.71 [0.60, 0.87] (177)", a share as its mean, "not recorded" with none. */
void xp_page_side(const json_t *measure, const char *side, char out[96]);
/** 1 where a shared finding is known on both sides also when it is absent: only then its frequencies mean something. */
int xp_page_comparable(const json_t *prevalence);
/**
 * Sentences that say how small the data is and what it cannot decide, a JSON array of strings, owned by the caller: records, patients and rare findings of every
 * evaluation; how far a difference must reach to be told from nothing; how many claims are open. NULL: out of memory.
 */
json_t *xp_page_limits(const json_t *doc);

#endif
