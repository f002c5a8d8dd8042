/** NumPy arrays and their side-cars: the bytes up to the first NUL NUL are the side-car, the rest is the array. */
#include "formats/npy/npy.h"

#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct sidecar { const uint8_t *bytes; size_t n; } sidecar;

static shn_status lend(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    const sidecar *s = context;
    if (!s->n) return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "fuzz", "%s", name);
    *bytes = s->bytes;
    *n = s->n;
    return SHN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t     *split = size ? memmem(data, size, "\0\0", 2) : NULL;
    sidecar            s = { data, split ? (size_t)(split - data) : 0 };
    const shn_source   source = { &s, lend, fuzz_give_back };
    shn_format_options options;
    shn_format_defaults(&options);
    const uint8_t *array = split ? split + 2 : data;
    shn_input in = { .bytes = array, .n_bytes = size - (size_t)(array - data), .name = "fuzz.npy", .source = &source, .options = &options };
    fuzz_reader(&shn_reader_npy, &in, 0);
    in.row = 1;
    fuzz_reader(&shn_reader_npy, &in, 0);
    return 0;
}
