/** Finding a finding by what a person types: any part of a name, in either language, half or full width, any case. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "labels/registry.h"

/** Owned by the caller; NULL when out of memory or not UTF-8. */
static char *folded(const char *text) { return (char *)utf8proc_NFKC_Casefold((const utf8proc_uint8_t *)text); }

static int contains(const char *text, const char *needle)
{
    char *plain = *text ? folded(text) : NULL;
    const int found = plain && strstr(plain, needle) != NULL;
    free(plain);
    return found;
}

enum { PART, WHOLE };
static const int search_of[] = {
#define X(tag, field, search) search,
    SHN_CODINGS(X)
#undef X
};

static int codes_match(const char *codes, const char *needle, shn_coding coding)
{
    size_t n;
    if (search_of[coding] == PART) return contains(codes, needle);
    for (const char *code; (code = shn_list_next(&codes, &n)) != NULL;) {
        char copy[64] = "";
        if (n < sizeof copy) memcpy(copy, code, n);
        char     *plain = folded(copy);
        const int same = plain && *plain && strcmp(plain, needle) == 0;
        free(plain);
        if (same) return 1;
    }
    return 0;
}

size_t shn_registry_search(const shn_registry *reg, const char *text, size_t *found, size_t max)
{
    size_t n = 0;
    char  *needle = folded(text);
    if (!needle) return 0;
    for (size_t i = 0; i < reg->n; i++) {
        const shn_finding *f = &reg->findings[i];
        const char *const names[] = { f->name_en, f->name_ja, f->synonyms_en, f->synonyms_ja };
        int hit = 0;
        for (size_t k = 0; k < sizeof names / sizeof *names && !hit; k++) hit = contains(names[k], needle);
        for (int c = 0; c < SHN_CODE_COUNT && !hit; c++) hit = codes_match(shn_registry_codes(reg, (shn_coding)c, i), needle, (shn_coding)c);
        if (hit && n++ < max) found[n - 1] = i;
    }
    free(needle);
    return n;
}
