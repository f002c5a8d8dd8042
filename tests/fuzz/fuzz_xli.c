/** One XLI chunk of a Sierra file: the decompressor without XML and base64 in front of it. */
#include <stdint.h>
#include <stdlib.h>

#include "formats/sierra/sierra.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *p = data;
    size_t         left = size, n, wrapped;
    shn_error      err = { 0 };
    int16_t       *out;
    while (left) {
        const size_t     before = left;
        const shn_status st = sierra_xli_chunk(&p, &left, 4096, "fuzz", &out, &n, &wrapped, &err);
        if ((st == SHN_OK) != (out != NULL) || n > 4096 || wrapped > n || p + left != data + size) __builtin_trap();
        free(out);
        if (st != SHN_OK && !err.text[0]) __builtin_trap();
        if (left == before) break;
    }
    return 0;
}
