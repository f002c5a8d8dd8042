/**
 * Whole WFDB records: the first part of the input (to a NUL) is the header, the rest is what every companion file holds.
 * A header may announce up to SHN_SAMPLES_MAX samples; what the payload cannot hold must be refused before memory is taken for it.
 */
#include <stdint.h>
#include <string.h>

#include "shinden/wfdb.h"

typedef struct payload { const uint8_t *bytes; size_t n; } payload;

static shn_status lend(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    const payload *p = context;
    (void)err;
    if (strchr(name, '/')) __builtin_trap();
    *bytes = p->bytes;
    *n = p->n;
    return SHN_OK;
}

static void give_back(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    if (!nul) return 0;
    payload p = { nul + 1, size - (size_t)(nul - data) - 1 };
    const shn_source source = { &p, lend, give_back };
    shn_format_options o;
    shn_record *rec = NULL;
    shn_error   err = { 0 };
    shn_format_defaults(&o);
    o.verify_checksums = 0;
    const shn_status st = shn_wfdb_read(data, (size_t)(nul - data), &source, &o, &rec, &err);
    if ((st == SHN_OK) != (rec != NULL)) __builtin_trap();
    shn_record_free(rec);
    return 0;
}
