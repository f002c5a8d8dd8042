/** What `shinden labels` was asked, for its subcommands, of which `check` has a file of its own. */
#ifndef SHN_CLI_LABELS_REQUEST_H
#define SHN_CLI_LABELS_REQUEST_H

#include <jansson.h>

#include "shinden/findings.h"

typedef struct labels_request {
    const char *registry_path, *table, *column, *columns, *split, *data;
    char        delimiter;
    int         coding;                 /* -1: not given */
    int         json, urgent, unchecked;
    char      **words;                  /* what follows the subcommand */
    int         n_words;
    const shn_registry *reg;
} labels_request;

/** Prints and releases a document with what every document has; returns exit_code. */
int labels_print(const labels_request *r, json_t *doc, int exit_code);
int labels_check(const labels_request *r);

#endif
