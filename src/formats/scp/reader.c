/** SCP-ECG's row: recognised by the pointer of section 0 to itself. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "formats/scp/scp.h"

/** "SCPECG" at its place, or a section 0 whose first pointer is its own: number 0, the same length, at byte 7 (6 in Healforce's dialect). */
static int recognises(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes < 22 || read_u16le(bytes + 8) != 0) return 0;
    if (memcmp(bytes + 16, "SCPECG", 6) == 0) return 1;
    if (n_bytes < 32 || read_u16le(bytes + 22) != 0) return 0;
    const uint32_t n = read_u32le(bytes + 10), at = read_u32le(bytes + 28);
    return n >= SCP_HEADER + 10 && n <= SCP_HEADER + 10 * SCP_POINTERS_MAX && n == read_u32le(bytes + 24) && (at == 7 || at == 6);
}

static void note_file(shn_record *rec, const scp_file *f, size_t n_bytes)
{
    for (unsigned k = 0; k < SCP_SECTIONS; k++)
        if (f->bad_crc >> k & 1) shn_record_add_note(rec, SHN_REASON_CHECKSUM, "section %u: the checksum does not fit", k);
    if (f->bad_crc >> SCP_SECTIONS & 1) shn_record_add_note(rec, SHN_REASON_CHECKSUM, "the record's checksum does not fit");
    if (f->has_later) shn_record_add_note(rec, SHN_REASON_UNSUPPORTED, "sections beyond 11 (version 3.0) were not read");
    if (n_bytes > f->n_record) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "%zu bytes behind the record's end were not read", n_bytes - f->n_record);
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    scp_file    f;
    shn_record *rec = NULL;
    *out = NULL;
    shn_status st = scp_open(in->bytes, in->n_bytes, in->options->verify_checksums, &f, err);
    if (st == SHN_OK) st = scp_read_rhythm(&f, &rec, err);
    if (st == SHN_OK) {
        note_file(rec, &f, in->n_bytes);
        scp_read_demographics(&f, rec);
        shn_record_meta *meta = shn_record_meta_mut(rec);
        snprintf(meta->format, sizeof meta->format, f.protocol ? "scp %d.%d" : "scp", f.protocol / 10, f.protocol % 10);
        st = scp_read_measurements(&f, rec, err);
    }
    if (st == SHN_OK) st = scp_read_statements(&f, rec, err);
    if (st == SHN_OK) st = shn_input_cut(in, &rec, err);
    if (st != SHN_OK) {
        shn_record_free(rec);
        return st;
    }
    *out = rec;
    return SHN_OK;
}

const shn_reader shn_reader_scp = { .name = "scp", .title = "SCP-ECG", .recognises = recognises, .read = read_record, .deidentify = scp_deidentify };
