/**
 * Whole WFDB records through the reader's row: the first part of the input (to a NUL) is the header, the rest is what every companion file holds;
 * a second header for segments follows a byte 1 before the NUL. The record is read whole, in a part, which must equal the whole, and de-identified.
 * A header may announce up to SHN_SAMPLES_MAX samples; what the payload cannot hold must be refused before memory is taken for it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/wfdb/wfdb.h"
#include "shinden/wfdb.h"

typedef struct payload { const uint8_t *header, *bytes; size_t n_header, n; } payload;

static shn_status lend(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    const payload *p = context;
    const size_t   length = strlen(name);
    (void)err;
    if (strchr(name, '/')) __builtin_trap();
    const int header = length > 4 && strcmp(name + length - 4, ".hea") == 0;
    *bytes = header ? p->header : p->bytes;
    *n = header ? p->n_header : p->n;
    return SHN_OK;
}

static void give_back(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }

/** Samples first .. of the whole are those of the part, bit for bit; checksums may not matter to it. */
static void check_part(const shn_input *whole_in, const shn_record *whole)
{
    shn_format_options o = *whole_in->options;
    shn_input          in = *whole_in;
    shn_record        *part = NULL;
    shn_error          err = { 0 };
    const size_t       n = shn_record_n_samples(whole);
    o.first_sample = n / 3;
    o.max_samples = n / 2 + 1;
    in.options = &o;
    if (shn_reader_wfdb.read(&in, &part, &err) != SHN_OK) __builtin_trap();
    if (shn_record_meta_of(part)->first_sample != n / 3 || shn_record_meta_of(part)->total_samples != n) __builtin_trap();
    if (shn_record_n_samples(part) != (n - n / 3 < n / 2 + 1 ? n - n / 3 : n / 2 + 1)) __builtin_trap();
    for (size_t l = 0; l < shn_record_n_leads(whole); l++)
        if (memcmp(shn_record_lead(whole, l) + n / 3, shn_record_lead(part, l), shn_record_n_samples(part) * sizeof(float)) != 0) __builtin_trap();
    shn_record_free(part);
}

static void check_deidentified(const shn_input *in)
{
    static const char key[] = "sixteen bytes at least";
    shn_deid *deid;
    shn_bytes out = { 0 };
    shn_error err = { 0 };
    if (shn_deid_new(key, sizeof key, &deid, &err) != SHN_OK) return;
    shn_deid_patient(deid, NULL);
    const shn_status st = shn_reader_wfdb.deidentify(in, deid, &out, &err);
    if (st != SHN_OK && (out.bytes || !err.text[0])) __builtin_trap();
    shn_bytes_free(&out);
    shn_deid_free(deid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    if (!nul) return 0;
    const size_t   n_all = (size_t)(nul - data);
    const uint8_t *one = memchr(data, 1, n_all);
    const size_t   n_first = one ? (size_t)(one - data) : n_all;
    payload p = { one ? one + 1 : data, nul + 1, one ? n_all - n_first - 1 : n_all, size - n_all - 1 };
    const shn_source source = { &p, lend, give_back };
    shn_format_options o;
    shn_record *rec = NULL;
    shn_error   err = { 0 };
    shn_format_defaults(&o);
    o.verify_checksums = 0;
    const shn_input in = { .bytes = data, .n_bytes = n_first, .name = "a.hea", .source = &source, .options = &o };
    (void)shn_reader_wfdb.recognises(data, n_first);
    const shn_status st = shn_reader_wfdb.read(&in, &rec, &err);
    if ((st == SHN_OK) != (rec != NULL)) __builtin_trap();
    if (rec && shn_record_n_samples(rec) < 100000) check_part(&in, rec);
    shn_record_free(rec);
    check_deidentified(&in);
    return 0;
}
