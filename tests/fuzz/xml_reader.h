/** What the fuzz targets of XML formats ask of a reader's row: whole and part alike; a rewritten file reads the same again. */
#ifndef SHN_TESTS_FUZZ_XML_READER_H
#define SHN_TESTS_FUZZ_XML_READER_H

#include <stdint.h>
#include <string.h>

#include "base/fail.h"
#include "formats/reader.h"
#include "shinden/deidentify.h"

static shn_status no_companion(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    (void)context, (void)bytes, (void)n;
    return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "fuzz", "%s", name);
}
static void no_close(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }

static void fuzz_part(const shn_reader *reader, const shn_input *in, const shn_record *whole, size_t first, size_t n)
{
    shn_error          err = { 0 };
    shn_record        *part = NULL;
    shn_format_options o = *in->options;
    shn_input          again = *in;
    o.first_sample = first;
    o.max_samples = n;
    again.options = &o;
    if (reader->read(&again, &part, &err) != SHN_OK || shn_record_n_leads(part) != shn_record_n_leads(whole)) __builtin_trap();
    for (size_t i = 0; i < shn_record_n_leads(part); i++)
        if (memcmp(shn_record_lead(part, i), shn_record_lead(whole, i) + first, shn_record_n_samples(part) * sizeof(float)) != 0) __builtin_trap();
    if (shn_record_meta_of(part)->first_sample != first || shn_record_meta_of(part)->total_samples != shn_record_n_samples(whole)) __builtin_trap();
    shn_record_free(part);
}

static void fuzz_rewritten(const shn_reader *reader, const shn_input *in, const shn_record *whole)
{
    static const char key[] = "sixteen bytes or more";
    shn_error   err = { 0 };
    shn_deid   *deid = NULL;
    shn_bytes   out = { 0 };
    shn_record *after = NULL;
    if (shn_deid_new(key, sizeof key, &deid, &err) != SHN_OK) return;
    const shn_status st = reader->deidentify(in, deid, &out, &err);
    if (st != SHN_OK && (!err.text[0] || out.n)) __builtin_trap();
    if (st == SHN_OK && whole) {
        shn_input again = *in;
        again.bytes = out.bytes;
        again.n_bytes = out.n;
        if (reader->read(&again, &after, &err) != SHN_OK || shn_record_n_leads(after) != shn_record_n_leads(whole) ||
            shn_record_n_samples(after) != shn_record_n_samples(whole))
            __builtin_trap();
        for (size_t i = 0; i < shn_record_n_leads(after); i++)
            if (memcmp(shn_record_lead(after, i), shn_record_lead(whole, i), shn_record_n_samples(after) * sizeof(float)) != 0) __builtin_trap();
    }
    shn_record_free(after);
    shn_bytes_free(&out);
    shn_deid_free(deid);
}

static int fuzz_reader(const shn_reader *reader, const uint8_t *data, size_t size)
{
    const shn_source         source = { NULL, no_companion, no_close };
    const shn_format_options o = { .verify_checksums = 0 };
    const shn_input          in = { .bytes = data, .n_bytes = size, .name = "fuzz.xml", .source = &source, .options = &o };
    shn_record              *rec = NULL;
    shn_error                err = { 0 };
    const int                known = reader->recognises(data, size);
    const shn_status         st = reader->read(&in, &rec, &err);
    if ((st == SHN_OK) != (rec != NULL) || (st != SHN_OK && !err.text[0])) __builtin_trap();
    if (rec) {
        const size_t n = shn_record_n_samples(rec);
        if (!known && size < 65536) __builtin_trap();
        fuzz_part(reader, &in, rec, n / 3, n / 2 + 1);
        fuzz_part(reader, &in, rec, n - 1, 0);
    }
    fuzz_rewritten(reader, &in, rec);
    shn_record_free(rec);
    return 0;
}

#endif
