/** What fuzz targets of readers do with bytes: count, read whole and in parts, rewrite; everything that reader.h promises is checked. */
#ifndef SHN_TESTS_READER_FUZZ_H
#define SHN_TESTS_READER_FUZZ_H

#include <stdint.h>
#include <string.h>

#include "base/fail.h"
#include "formats/reader.h"
#include "shinden/deidentify.h"

/** What more a reader's target holds it to. */
enum {
    FUZZ_EXACT = 1,             /* rewritten bytes read as the same samples whenever the original reads; without it shn_deid_file must refuse the rest */
    FUZZ_RECOGNISED = 2,        /* what reads was recognised (detection looks at the first 64 KiB), and so is what is rewritten; else shn_deid_file refuses that, too */
    FUZZ_NO_BETTER = 4          /* what does not read does not do so rewritten: not for lists of what may stay, which empty a part that was wrong */
};

static inline int fuzz_same(const shn_record *a, size_t first, const shn_record *b)
{
    if (shn_record_n_leads(a) != shn_record_n_leads(b) || shn_record_n_samples(b) > shn_record_n_samples(a) - first) return 0;
    for (size_t i = 0; i < shn_record_n_leads(b); i++)
        if (memcmp(shn_record_lead(a, i) + first, shn_record_lead(b, i), shn_record_n_samples(b) * sizeof(float)) != 0) return 0;
    return 1;
}

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
    if (reader->read(&again, &part, &err) != SHN_OK || !fuzz_same(whole, first, part)) __builtin_trap();
    if (shn_record_meta_of(part)->first_sample != first || shn_record_meta_of(part)->total_samples != shn_record_n_samples(whole)) __builtin_trap();
    shn_record_free(part);
}

static inline void fuzz_rewrite(const shn_reader *reader, const shn_input *in, const shn_record *whole, unsigned held_to)
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
        if (held_to & FUZZ_RECOGNISED && whole && !reader->recognises(out.bytes, out.n) && reader->recognises(in->bytes, in->n_bytes)) __builtin_trap();
        const shn_status read = reader->read(&again, &after, &err);
        if (held_to & FUZZ_NO_BETTER && !whole && read == SHN_OK) __builtin_trap();
        if (held_to & FUZZ_EXACT && whole && (read != SHN_OK || shn_record_n_samples(after) != shn_record_n_samples(whole) || !fuzz_same(whole, 0, after))) __builtin_trap();
        shn_record_free(after);
    }
    shn_bytes_free(&out);
    shn_deid_free(deid);
}

/** The whole round over an input. */
static inline void fuzz_reader(const shn_reader *reader, const shn_input *in, unsigned held_to)
{
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    size_t      n = 1;
    const int   known = reader->recognises(in->bytes, in->n_bytes);
    if (reader->count && reader->count(in, &n, &err) != SHN_OK && !err.text[0]) __builtin_trap();
    const shn_status st = reader->read(in, &rec, &err);
    if ((st == SHN_OK) != (rec != NULL) || (st != SHN_OK && !err.text[0])) __builtin_trap();
    if (rec) {
        const size_t total = shn_record_n_samples(rec);
        if (held_to & FUZZ_RECOGNISED && !known && in->n_bytes < 65536) __builtin_trap();
        fuzz_part(reader, in, rec, total / 3, total / 2 + 1);
        fuzz_part(reader, in, rec, total - 1, 0);
    }
    fuzz_rewrite(reader, in, rec, held_to);
    shn_record_free(rec);
}

static inline shn_status fuzz_no_companion(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    (void)context, (void)bytes, (void)n;
    return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "fuzz", "%s", name);
}
static inline void fuzz_give_back(void *context, const uint8_t *bytes, size_t n) { (void)context, (void)bytes, (void)n; }
static const shn_source fuzz_alone = { NULL, fuzz_no_companion, fuzz_give_back };

/** The whole round over bytes without companions; a wrong checksum is a note, so that mutations get past it. */
static inline int fuzz_bytes(const shn_reader *reader, const uint8_t *data, size_t size, unsigned held_to)
{
    const shn_format_options options = { .verify_checksums = 0 };
    const shn_input          in = { .bytes = data, .n_bytes = size, .name = "fuzz", .source = &fuzz_alone, .options = &options };
    fuzz_reader(reader, &in, held_to);
    return 0;
}

#endif
