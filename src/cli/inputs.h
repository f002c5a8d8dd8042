/** The words FILE|DIR of a command line as a list of record paths. */
#ifndef SHN_CLI_INPUTS_H
#define SHN_CLI_INPUTS_H

#include <stddef.h>

#include "shinden/status.h"

/** One record to read, or a word that gave none (a folder without records) with the reason. */
typedef struct cli_input { char *path; int failed; shn_error error; } cli_input;

/** Files below folders that are no records. first_other is released with free(). */
typedef struct cli_left_out { size_t n_companions, n_others; char *first_other; } cli_left_out;

/** Folders give their records in order of path; files of many records give each of them, "FILE#ROW". *inputs is released with cli_inputs_free. @param left_out may be NULL */
SHN_NODISCARD shn_status cli_inputs_list(char *const *words, size_t n_words, cli_input **inputs, size_t *n, cli_left_out *left_out, shn_error *err);
void cli_inputs_free(cli_input *inputs, size_t n);

#endif
