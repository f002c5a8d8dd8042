/** CardioSoft XML over arbitrary bytes, through the reader's row: read whole and in part, both alike, and rewritten. */
#include "formats/cardiosoft/cardiosoft.h"

#include "base/fail.h"
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static shn_status no_companion(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    (void)context, (void)bytes, (void)n;
    return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "fuzz", "%s", name);
}
static void no_close(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const shn_source source = { NULL, no_companion, no_close };
    shn_format_options      options;
    shn_format_defaults(&options);
    const shn_input in = { .bytes = data, .n_bytes = size, .name = "fuzz", .source = &source, .options = &options };
    fuzz_reader(&shn_reader_cardiosoft, &in);
    return 0;
}
