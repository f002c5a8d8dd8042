/**
 * How library code reports a failure: fill the caller's error object once, at the place that knows, and return
 * its status. Callers higher up may prefix the text (a path, say) but never replace it.
 */
#ifndef SHN_BASE_FAIL_H
#define SHN_BASE_FAIL_H

#include "shinden/status.h"

/** Fills err (may be NULL) and returns status, so that `return shn_fail(...)` is one line. */
shn_status shn_fail(shn_error *err, shn_status status, shn_reason reason, const char *where, const char *fmt, ...)
    SHN_PRINTF(5, 6);
/** The same for a failed system call: errno_value chooses status IO or NOMEM and the reason. */
shn_status shn_fail_errno(shn_error *err, int errno_value, const char *where, const char *path);
/** Out of memory: where only. */
shn_status shn_fail_nomem(shn_error *err, const char *where);
/** Puts "prefix: " before the text that is there. err may be NULL. */
void shn_error_prefix(shn_error *err, const char *fmt, ...) SHN_PRINTF(2, 3);

#endif
