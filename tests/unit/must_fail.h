/** A corpus with one defect per file: each must be refused for its own reason, and no file may lack an expectation. */
#ifndef SHN_TESTS_MUST_FAIL_H
#define SHN_TESTS_MUST_FAIL_H

#include <dirent.h>

#include "base/file.h"
#include "harness.h"

typedef struct refusal { const char *file, *where, *words; } refusal;
typedef shn_status refuse_fn(const char *name, const uint8_t *bytes, size_t n_bytes, shn_error *err);

static inline const refusal *refusal_of(const refusal *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].file, name) == 0) return &table[i];
    return NULL;
}

static inline void check_refusals(const char *corpus, const refusal *table, size_t n, refuse_fn *fn)
{
    char folder[SHN_PATH_MAX];
    snprintf(folder, sizeof folder, "%s/must_fail/%s", SHN_TESTS_DIR, corpus);
    DIR   *dir = opendir(folder);
    size_t n_files = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        shn_error err = { 0 };
        char      path[SHN_PATH_MAX];
        uint8_t  *bytes;
        size_t    n_bytes;
        if (e->d_name[0] == '.') continue;
        const refusal *expected = refusal_of(table, n, e->d_name);
        if (!expected) fail_msg("%s has no expectation", e->d_name);
        assert_ok(shn_path_join(path, folder, e->d_name, &err));
        assert_ok(shn_file_read(path, 1 << 20, &bytes, &n_bytes, &err));
        uint8_t *exact = malloc(n_bytes ? n_bytes : 1);         /* without the reader's terminator, so that sanitizers see an overrun */
        assert_non_null(exact);
        if (n_bytes) memcpy(exact, bytes, n_bytes);
        free(bytes);
        const shn_status st = fn(e->d_name, exact, n_bytes, &err);
        if (st == SHN_OK) fail_msg("%s was accepted", e->d_name);
        assert_int_equal(st, err.status);
        if (strcmp(err.where, expected->where) != 0 || !strstr(err.text, expected->words))
            fail_msg("%s: [%s] %s; expected [%s] ...%s...", e->d_name, err.where, err.text, expected->where, expected->words);
        free(exact);
        n_files++;
    }
    closedir(dir);
    assert_int_equal(n_files, n);
}

#endif
