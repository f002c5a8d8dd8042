/** Any bytes as a user's registry: read or refused as the header promises, and every look-up of what was read ends. */
#include <stdint.h>
#include <stdlib.h>

#include "labels/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_registry    *reg = NULL;
    const shn_status st = shn_registry_parse(data, size, NULL, "fuzz", &reg, NULL);
    if ((st == SHN_OK) != (reg != NULL)) __builtin_trap();
    if (!reg) return 0;
    for (size_t i = 0; i < shn_registry_size(reg); i++) {
        const shn_finding *f = shn_registry_at(reg, i);
        if (shn_registry_find(reg, f->id) != (int)i || shn_registry_map(reg, SHN_CODE_ID, f->id) != (int)i) __builtin_trap();
        for (size_t k = 0; shn_registry_parent(reg, i, k) >= 0; k++) {
            const size_t parent = (size_t)shn_registry_parent(reg, i, k);
            if (!shn_registry_is_a(reg, i, parent) || shn_registry_is_a(reg, parent, i)) __builtin_trap();
        }
    }
    size_t found[4];
    if (shn_registry_search(reg, shn_registry_at(reg, 0)->id, found, 4) == 0) __builtin_trap();
    shn_registry_free(reg);
    return 0;
}
