/** What the tables of an eval document are written with; table.c has the main ones, table_groups.c those of groups. */
#ifndef SHN_EVAL_TABLE_H
#define SHN_EVAL_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "shinden/status.h"

/** *out is the document, owned by the caller. SHN_FORMAT: it is not an eval document. */
shn_status table_parse(const char *json, json_t **out, shn_error *err);
/** A number in its format, "-" where it is null. */
void table_put(FILE *f, json_t *v, const char *format);
/** Cuts or pads to a number of terminal columns; full-width letters take two. */
void table_put_name(FILE *f, const char *s, int columns);
/** Borrowed; "" where there is none. */
const char *table_text(json_t *o, const char *key);
/** Findings left out of training, supersets and subgroups, where the document has them. */
void table_put_groups(FILE *f, json_t *doc);

#endif
