#include "data/identity.h"

#include <string.h>

#include "base/alloc.h"

static uint64_t hash_of(const char *a, const char *b)
{
    uint64_t h = 0xcbf29ce484222325u;           /* FNV-1a over a, a zero byte, b */
    for (; *a; a++) h = (h ^ (unsigned char)*a) * 0x100000001b3u;
    h *= 0x100000001b3u;
    for (; *b; b++) h = (h ^ (unsigned char)*b) * 0x100000001b3u;
    return h ^ h >> 29;
}

static shn_identity *slot_of(shn_identity *slots, size_t size, const char *a, const char *b)
{
    size_t i = (size_t)hash_of(a, b) & (size - 1);
    while (slots[i].a && (strcmp(slots[i].b, b) != 0 || strcmp(slots[i].a, a) != 0)) i = (i + 1) & (size - 1);
    return &slots[i];
}

shn_identity *shn_identity_of(shn_identities *set, const char *a, const char *b)
{
    if (2 * (set->n + 1) > set->size) {
        const size_t  size = set->size ? 2 * set->size : 1024;
        shn_identity *slots = shn_alloc(size, sizeof *slots);
        if (!slots) return NULL;
        for (size_t i = 0; i < set->size; i++)
            if (set->slots[i].a) *slot_of(slots, size, set->slots[i].a, set->slots[i].b) = set->slots[i];
        free(set->slots);
        set->slots = slots;
        set->size = size;
    }
    shn_identity *s = slot_of(set->slots, set->size, a, b);
    if (!s->a) {
        *s = (shn_identity){ .a = a, .b = b };
        set->n++;
    }
    return s;
}

void shn_identities_free(shn_identities *set)
{
    free(set->slots);
    memset(set, 0, sizeof *set);
}
