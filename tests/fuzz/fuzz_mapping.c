/** Mapping files from anywhere: parsed or refused with a message, never more. */
#include <stdint.h>
#include <string.h>

#include "data/mapping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_map  *map = NULL;
    shn_error err;
    memset(&err, 0, sizeof err);
    const shn_status st = shn_map_parse(data, size, &map, &err);
    if ((st == SHN_OK) != (map != NULL)) __builtin_trap();          /* exactly what the header promises */
    if (st != SHN_OK && (!*err.text || err.status != st)) __builtin_trap();
    if (map && (!map->source || (map->n_tables && !map->n_paths) || (!map->n_labels && !map->n_rules))) __builtin_trap();
    shn_map_free(map);
    return 0;
}
