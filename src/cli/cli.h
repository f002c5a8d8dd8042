/** What the verbs of the program share: errors, progress, and the table of verbs. Only this folder prints. */
#ifndef SHN_CLI_H
#define SHN_CLI_H

#include <stdint.h>
#include <stdio.h>

#include "shinden/progress.h"
#include "shinden/status.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/** One verb: argv[0] is the verb's own name. Returns an exit code. */
typedef int cli_verb(int argc, char **argv);

/** Prints "shinden VERB: text [reason] (where)" to stderr and returns CLI_FAILED. */
int cli_fail(const char *verb, const shn_error *err);
/** Prints "shinden VERB: ..., see shinden VERB --help" to stderr and returns CLI_USAGE. */
int cli_usage(const char *verb, const char *fmt, ...) SHN_PRINTF(2, 3);

/** Numbers from the command line: the whole word must be a number in [low, high], else a usage error is printed and 0 returned. */
int cli_number(const char *verb, const char *flag, const char *word, double low, double high, double *out);
int cli_count(const char *verb, const char *flag, const char *word, uint64_t low, uint64_t high, uint64_t *out);

/** A watcher that shows rate and ETA on a terminal's stderr, is quiet in a pipe, and stops on the first Ctrl-C. */
shn_watcher cli_watcher(void);
/** Ends a progress line, if one is open. */
void cli_progress_end(void);
/** Only rank 0 of n shows progress. */
void cli_progress_of_rank(int rank, unsigned n);

#endif
