/** The safetensors reader over arbitrary bytes: what it accepts, it must be able to hand out in full. */
#include <stdint.h>

#include "base/safetensors.h"

static volatile uint8_t sink;           /* so that every byte is truly read */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_safetensors *st = NULL;
    uint8_t sum = 0;
    if ((shn_safetensors_open(data, size, &st, NULL) == SHN_OK) != (st != NULL)) __builtin_trap();
    for (size_t i = 0; st && i < shn_safetensors_count(st); i++) {
        const shn_st_tensor *t = shn_safetensors_at(st, i);
        if (shn_safetensors_find(st, t->name) != t) __builtin_trap();
        for (size_t b = 0; b < t->n_bytes; b++) sum ^= t->data[b];
    }
    sink = sum;
    shn_safetensors_close(st);
    return 0;
}
