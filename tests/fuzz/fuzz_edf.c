/** EDF over arbitrary bytes: read whole and in a part, and de-identified; a part is the same samples, a rewritten file reads as before. */
#include <string.h>

#include "formats/edf/edf.h"
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static shn_record *read_part(const uint8_t *bytes, size_t n, size_t first, size_t max)
{
    shn_format_options options = { .first_sample = first, .max_samples = max };
    const shn_input    in = { .bytes = bytes, .n_bytes = n, .name = "f.edf", .source = &fuzz_alone, .options = &options };
    shn_error          err = { 0 };
    shn_record        *rec;
    const shn_status   st = shn_reader_edf.read(&in, &rec, &err);
    if ((st == SHN_OK) != (rec != NULL) || (st != SHN_OK && !err.text[0])) __builtin_trap();
    return rec;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_format_options options = { 0 };
    const shn_input    in = { .bytes = data, .n_bytes = size, .name = "f.edf", .source = &fuzz_alone, .options = &options };
    shn_error          err = { 0 };
    shn_deid          *deid = NULL;
    shn_bytes          out = { 0 };
    if (!shn_reader_edf.recognises(data, size) && size >= 256) return 0;
    shn_record *rec = read_part(data, size, 0, 4096);       /* few: a gap may be as long as the limit allows */
    if (!rec) return 0;
    const size_t n = shn_record_n_samples(rec), first = n / 3, count = n - first < 5 ? n - first : 5;
    shn_record  *part = read_part(data, size, first, count);
    if (!part || shn_record_n_samples(part) != count) __builtin_trap();
    for (size_t l = 0; l < shn_record_n_leads(rec); l++)
        if (memcmp(shn_record_lead(part, l), shn_record_lead(rec, l) + first, count * sizeof(float)) != 0) __builtin_trap();
    shn_record_free(part);
    if (shn_deid_new("0123456789abcdef", 16, &deid, &err) == SHN_OK && shn_reader_edf.deidentify(&in, deid, &out, &err) == SHN_OK) {
        shn_record *again = read_part(out.bytes, out.n, 0, 4096);
        if (!again || shn_record_n_leads(again) != shn_record_n_leads(rec) || shn_record_n_samples(again) != n) __builtin_trap();
        for (size_t l = 0; l < shn_record_n_leads(rec); l++)
            if (memcmp(shn_record_lead(again, l), shn_record_lead(rec, l), n * sizeof(float)) != 0) __builtin_trap();
        shn_record_free(again);
    }
    shn_bytes_free(&out);
    shn_deid_free(deid);
    shn_record_free(rec);
    return 0;
}
