/** The words FILE|DIR of a command line as a list of record paths. */
#ifndef SHN_CLI_INPUTS_H
#define SHN_CLI_INPUTS_H

#include <stddef.h>

#include "shinden/status.h"

/** One record to read, or a word that gave none (a folder without records) with the reason. */
typedef struct cli_input { char *path; int failed; shn_error error; } cli_input;

/** Folders give their records in order of path; other words stand for themselves. *inputs is released with cli_inputs_free. */
SHN_NODISCARD shn_status cli_inputs_list(char *const *words, size_t n_words, cli_input **inputs, size_t *n, shn_error *err);
void cli_inputs_free(cli_input *inputs, size_t n);

#endif
