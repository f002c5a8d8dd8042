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

size_t shn_registry_search(const shn_registry *reg, const char *text, size_t *found, size_t max)
{
    size_t n = 0;
    char  *needle = folded(text);
    if (!needle) return 0;
    for (size_t i = 0; i < reg->n; i++) {
        const shn_finding *f = &reg->findings[i];
        const char *const places[] = { f->id, f->name_en, f->name_ja, f->synonyms_en, f->synonyms_ja, f->scp, f->snomed, f->cinc, f->ludb };
        int hit = 0;
        for (size_t k = 0; k < sizeof places / sizeof *places && !hit; k++) hit = contains(places[k], needle);
        if (hit && n++ < max) found[n - 1] = i;
    }
    free(needle);
    return n;
}
