/** Look-ups in a registry. Tables are a few hundred rows long, so a scan is as fast as anything cleverer needs to be. */
#include <string.h>
#include <strings.h>

#include "labels/registry.h"

const char        *shn_registry_version(const shn_registry *reg) { return reg->version; }
size_t             shn_registry_size(const shn_registry *reg) { return reg->n; }
const shn_finding *shn_registry_at(const shn_registry *reg, size_t i) { return &reg->findings[i]; }

int shn_registry_find(const shn_registry *reg, const char *id)
{
    for (size_t i = 0; i < reg->n; i++)
        if (strcmp(reg->findings[i].id, id) == 0) return (int)i;
    return -1;
}

int shn_registry_parent(const shn_registry *reg, size_t i, size_t k)
{
    return k < SHN_FINDING_PARENTS_MAX ? reg->parents[i][k] : -1;
}

int shn_registry_is_a(const shn_registry *reg, size_t i, size_t ancestor)
{
    unsigned char seen[SHN_FINDINGS_MAX] = { 0 };       /* a user's table may join branches often: visit each once */
    int16_t       stack[SHN_FINDINGS_MAX];
    size_t        n = 1;
    stack[0] = (int16_t)i;
    seen[i] = 1;
    while (n > 0) {
        const size_t at = (size_t)stack[--n];
        if (at == ancestor) return 1;
        for (size_t k = 0; k < SHN_FINDING_PARENTS_MAX && reg->parents[at][k] >= 0; k++) {
            const int16_t parent = reg->parents[at][k];
            if (seen[parent]) continue;
            seen[parent] = 1;
            stack[n++] = parent;
        }
    }
    return 0;
}

const char *shn_registry_codes(const shn_registry *reg, shn_coding coding, size_t i)
{
    const shn_finding *f = &reg->findings[i];
    switch (coding) {
#define X(tag, field, search) case SHN_CODE_##tag: return f->field;
    SHN_CODINGS(X)
#undef X
    case SHN_CODE_COUNT: break;
    }
    return "";
}

int shn_registry_map(const shn_registry *reg, shn_coding coding, const char *label)
{
    static const char blanks[] = " \t\r\n";
    size_t n, n_item;
    label += strspn(label, blanks);
    n = strlen(label);
    while (n > 0 && strchr(blanks, label[n - 1])) n--;
    for (size_t i = 0; i < reg->n && n; i++) {
        const char *rest = shn_registry_codes(reg, coding, i);
        for (const char *item; (item = shn_list_next(&rest, &n_item)) != NULL;)
            if (shn_code_same(coding, item, n_item, label, n)) return (int)i;
    }
    return -1;
}
