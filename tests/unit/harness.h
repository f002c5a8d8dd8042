/**
 * What unit tests share: real data or a reason to skip, a scratch folder, and assertions that show the error's text.
 * Real recordings are read from $SHINDEN_DATA or ../shared/data beside the project; they are never copied here.
 */
#ifndef SHN_TESTS_HARNESS_H
#define SHN_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shinden/status.h"

/** Folder of the real recordings; the test is skipped, saying why, where they are absent. */
static inline const char *test_data(void)
{
    static char path[4096];
    const char *from_user = getenv("SHINDEN_DATA");
    snprintf(path, sizeof path, "%s", from_user ? from_user : SHN_TESTS_DIR "/../../shared/data");
    if (access(path, R_OK) != 0) {
        printf("skipped: no recordings at %s (set SHINDEN_DATA)\n", path);
        skip();
    }
    return path;
}

/** A new empty folder below $TMPDIR or /tmp; static storage, one per call site at a time. */
static inline const char *test_folder(void)
{
    static char path[256];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/shinden-test-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

#define assert_status(call, expected)                                                                            \
    do {                                                                                                         \
        const shn_status st_ = (call);                                                                           \
        if (st_ != (expected)) fail_msg("%s: got %s, expected %s: [%s] %s", #call, shn_status_text(st_),         \
                                        shn_status_text(expected), err.where, err.text);                         \
    } while (0)
/** The call succeeds; needs a `shn_error err` in scope, whose text is shown otherwise. */
#define assert_ok(call) assert_status(call, SHN_OK)

#define assert_near(a, b, tolerance)                                                                             \
    do {                                                                                                         \
        const double a_ = (a), b_ = (b), d_ = a_ - b_;                                                           \
        if (!(d_ <= (tolerance) && -d_ <= (tolerance)))                                                          \
            fail_msg("%s = %.12g, expected %.12g within %g", #a, a_, b_, (double)(tolerance));                   \
    } while (0)

#endif
