/** SCP-ECG over arbitrary bytes: read or refused, with checksums off too so that damage gets past them; parts equal the whole; rewritten files read the same. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/scp/scp.h"
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static shn_record *read_checked(shn_input *in, shn_format_options o)
{
    shn_record *rec = NULL;
    shn_error   err = { 0 };
    in->options = &o;
    const shn_status st = shn_reader_scp.read(in, &rec, &err);
    if ((st == SHN_OK) != (rec != NULL)) __builtin_trap();
    if (st != SHN_OK && (!err.text[0] || err.status != st)) __builtin_trap();
    return rec;
}

static int same(const shn_record *a, const shn_record *b, size_t first)
{
    if (shn_record_n_leads(a) != shn_record_n_leads(b) || shn_record_n_samples(b) + first > shn_record_n_samples(a)) return 0;
    for (size_t l = 0; l < shn_record_n_leads(a); l++)
        if (memcmp(shn_record_lead(a, l) + first, shn_record_lead(b, l), shn_record_n_samples(b) * sizeof(float)) != 0) return 0;
    return 1;
}

/** Gives the file the checksums it should have, so that the strict way (and rewriting) is gone too. */
static uint8_t *sealed(const uint8_t *data, size_t size)
{
    uint8_t *b = malloc(size ? size : 1);
    if (!b) return NULL;
    if (size) memcpy(b, data, size);
    scp_file  f;
    shn_error err;
    if (scp_open(b, size, 0, &f, &err) != SHN_OK) return b;
    for (int k = 0; k < SCP_SECTIONS; k++)
        if (f.s[k].body) {
            uint8_t *s = b + (f.s[k].body - b) - SCP_HEADER;
            const uint16_t c = scp_crc(s + 2, f.s[k].n + SCP_HEADER - 2);
            s[0] = (uint8_t)c;
            s[1] = (uint8_t)(c >> 8);
        }
    const uint16_t c = scp_crc(b + 2, f.n_record - 2);
    b[0] = (uint8_t)c;
    b[1] = (uint8_t)(c >> 8);
    return b;
}

static void rewrite(shn_input *in)
{
    static const shn_format_options strict = { .verify_checksums = 1 };
    shn_deid *d;
    shn_bytes out = { 0 };
    shn_error err = { 0 };
    if (shn_deid_new("0123456789abcdef0123456789abcdef", 32, &d, &err) != SHN_OK) return;
    shn_deid_patient(d, "file");
    in->options = &strict;
    if (shn_reader_scp.deidentify(in, d, &out, &err) == SHN_OK) {
        shn_input   again = *in;
        shn_record *before = read_checked(in, strict);
        again.bytes = out.bytes;
        again.n_bytes = out.n;
        shn_record *after = read_checked(&again, strict);
        if (!before || !after || !same(before, after, 0) || shn_record_n_samples(before) != shn_record_n_samples(after)) __builtin_trap();
        shn_record_free(before);
        shn_record_free(after);
    } else if (!err.text[0] || out.bytes) __builtin_trap();
    shn_bytes_free(&out);
    shn_deid_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_input   in = { .bytes = data, .n_bytes = size, .name = "a.scp", .source = &fuzz_alone };
    shn_record *strict = read_checked(&in, (shn_format_options){ .verify_checksums = 1 });
    shn_record *whole = read_checked(&in, (shn_format_options){ 0 });
    if (strict && !whole) __builtin_trap();
    if (strict && !same(whole, strict, 0)) __builtin_trap();
    if (whole) {
        const size_t first = shn_record_n_samples(whole) / 3;
        shn_record  *part = read_checked(&in, (shn_format_options){ .first_sample = first, .max_samples = 7 });
        if (!part || !same(whole, part, first)) __builtin_trap();
        shn_record_free(part);
        uint8_t *b = sealed(data, size);
        if (b) {
            in.bytes = b;
            rewrite(&in);
            free(b);
        }
    }
    shn_record_free(strict);
    shn_record_free(whole);
    return 0;
}
