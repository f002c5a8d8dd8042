/** What fuzz targets of readers do with bytes: count, read whole and in parts, rewrite; everything that reader.h promises is checked. */
#ifndef SHN_TESTS_READER_FUZZ_H
#define SHN_TESTS_READER_FUZZ_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "formats/reader.h"
#include "shinden/deidentify.h"

/** The part from `first` is the same as in the whole record. */
static inline void fuzz_part(const shn_reader *reader, const shn_input *in, const shn_record *whole, size_t first, size_t n)
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

/** Rewritten bytes are of the same format; where they can be read, no lead was lost. That samples are equal is deidentify.c's to check. */
static inline void fuzz_rewrite(const shn_reader *reader, const shn_input *in, const shn_record *whole)
{
    shn_error   err = { 0 };
    shn_deid   *deid = NULL;
    shn_bytes   out = { 0 };
    shn_record *after = NULL;
    if (!reader->deidentify || shn_deid_new("sixteen bytes or more", 21, &deid, &err) != SHN_OK) return;
    const shn_status st = reader->deidentify(in, deid, &out, &err);
    if (st != SHN_OK && !err.text[0]) __builtin_trap();
    if (st == SHN_OK) {
        shn_input again = *in;
        again.bytes = out.bytes;
        again.n_bytes = out.n;
        if (whole && !reader->recognises(out.bytes, out.n) && reader->recognises(in->bytes, in->n_bytes)) __builtin_trap();
        if (reader->read(&again, &after, &err) == SHN_OK && whole && shn_record_n_leads(after) != shn_record_n_leads(whole)) __builtin_trap();
        shn_record_free(after);
    }
    shn_bytes_free(&out);
    shn_deid_free(deid);
}

/** The whole round. */
static inline void fuzz_reader(const shn_reader *reader, const shn_input *in)
{
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    size_t      n = 1;
    (void)reader->recognises(in->bytes, in->n_bytes);
    if (reader->count && reader->count(in, &n, &err) != SHN_OK && !err.text[0]) __builtin_trap();
    const shn_status st = reader->read(in, &rec, &err);
    if ((st == SHN_OK) != (rec != NULL) || (st != SHN_OK && !err.text[0])) __builtin_trap();
    if (rec) {
        const size_t total = shn_record_n_samples(rec);
        if (strncmp(shn_record_meta_of(rec)->format, reader->name, strlen(reader->name)) != 0) __builtin_trap();
        if (total > 2) {
            fuzz_part(reader, in, rec, 1, total - 2);
            fuzz_part(reader, in, rec, total / 2, 0);
        }
    }
    fuzz_rewrite(reader, in, rec);
    shn_record_free(rec);
}

#endif
