/** WFDB headers over arbitrary text: parsed or refused, with nothing lost in between. */
#include <stdint.h>
#include <string.h>

#include "formats/wfdb/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wfdb_header h;
    shn_error   err = { 0 };
    const shn_status st = wfdb_header_parse(data, size, &h, &err);
    if (st == SHN_OK && !h.n_segments && h.n_signals && !h.signals) __builtin_trap();
    if (st != SHN_OK && !err.text[0]) __builtin_trap();
    for (size_t i = 0; st == SHN_OK && h.signals && i < h.n_signals; i++)
        if (strchr(h.signals[i].file, '/') || h.signals[i].per_frame == 0) __builtin_trap();
    wfdb_header_free(&h);
    return 0;
}
