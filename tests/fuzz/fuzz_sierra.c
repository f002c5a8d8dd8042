/** Philips Sierra XML through its row: read, a part, de-identified; and XLI chunks by themselves, since base64 hides them from mutation. */
#include <stdlib.h>
#include <string.h>

#include "formats/sierra/sierra.h"

static shn_status no_companion(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    (void)context, (void)name, (void)bytes, (void)n, (void)err;
    return SHN_IO;
}
static void nothing(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }

static void try_chunk(const uint8_t *data, size_t size)
{
    shn_error      err = { .text = "" };
    int16_t       *x = NULL;
    size_t         n = 0, wrapped = 0;
    if (size < 2) return;
    const size_t   expected = 2 + (size_t)(data[0] | data[1] << 8) % 6000;
    const uint8_t *at = data + 2;
    size_t         left = size - 2;
    const shn_status st = sierra_xli_chunk(&at, &left, expected, "lead I", &x, &n, &wrapped, &err);
    if ((st == SHN_OK) != (x != NULL) || (st == SHN_OK && n > expected) || left > size - 2 || (st != SHN_OK && err.text[0] == '\0')) __builtin_trap();
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_error          err = { .text = "" };
    shn_record        *rec = NULL;
    shn_deid          *deid = NULL;
    shn_bytes          out = { 0 };
    shn_format_options options;
    const shn_source   source = { NULL, no_companion, nothing };
    shn_format_defaults(&options);
    if (size && data[0] == 'X') try_chunk(data + 1, size - 1);
    const shn_input in = { .bytes = data, .n_bytes = size, .name = "x.xml", .source = &source, .options = &options };
    shn_reader_sierra.recognises(data, size);
    for (int part = 0; part < 2; part++) {
        options.first_sample = part ? 3 : 0;
        options.max_samples = part ? 5 : 0;
        const shn_status st = shn_reader_sierra.read(&in, &rec, &err);
        if ((st == SHN_OK) != (rec != NULL) || (st != SHN_OK && err.text[0] == '\0')) __builtin_trap();
        shn_record_free(rec);
        rec = NULL;
        if (st != SHN_OK) return 0;
    }
    options.first_sample = options.max_samples = 0;
    if (shn_deid_new("0123456789abcdef", 16, &deid, &err) != SHN_OK) return 0;
    shn_deid_patient(deid, NULL);
    if (shn_reader_sierra.deidentify(&in, deid, &out, &err) != SHN_OK && err.text[0] == '\0') __builtin_trap();
    shn_bytes_free(&out);
    shn_deid_free(deid);
    return 0;
}
