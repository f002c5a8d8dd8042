#include "cli/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

json_t *cli_json_text(const char *text)
{
    json_t *plain = json_string(text ? text : "");
    if (plain || !text) return plain;
    const size_t n = strlen(text);
    char *valid = shn_alloc(n + 1, 3);
    if (!valid) return NULL;
    shn_utf8_mend(text, n, valid, 3 * n + 1);
    json_t *made = json_string(valid);
    free(valid);
    return made;
}

json_t *cli_json_float(float x)
{
    char word[32];
    if (!isfinite(x)) return json_null();
    snprintf(word, sizeof word, "%.7g", (double)x);
    return json_real(strtod(word, NULL));
}

int cli_json_print(json_t *value, size_t flags)
{
    const int failed = json_dumpf(value, stdout, flags | JSON_REAL_PRECISION(9)) != 0;
    json_decref(value);
    putchar('\n');
    return failed || fflush(stdout) != 0 || ferror(stdout) ? -1 : 0;
}
