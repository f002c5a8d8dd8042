/** The file again without names, with another id and other days. The texts that may hold anything are emptied, the variable block is left out. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/ishne/ishne.h"
#include "shinden/record.h"

/** Empties a text; what was empty is not listed. */
static shn_status blank(uint8_t *header, size_t at, size_t n, const char *place, const char *what, shn_deid *deid, shn_error *err)
{
    int had = 0;
    for (size_t i = 0; i < n; i++) had |= header[at + i] > ' ';
    memset(header + at, 0, n);
    return had ? shn_deid_note(deid, place, what, "removed", err) : SHN_OK;
}

static const shn_day unknown_day = { ISHNE_UNKNOWN, ISHNE_UNKNOWN, ISHNE_UNKNOWN };

static void put_date(uint8_t *header, size_t at, shn_day date)
{
    write_u16le(header + at, (uint16_t)date.day);
    write_u16le(header + at + 2, (uint16_t)date.month);
    write_u16le(header + at + 4, (uint16_t)date.year);
}

/** Moves a date; what is no date becomes unknown (-9). */
static shn_status shift(uint8_t *header, size_t at, const char *place, const char *what, shn_deid *deid, shn_error *err)
{
    shn_day day;
    if (!ishne_date(header, at, &day)) {
        put_date(header, at, unknown_day);
        return SHN_OK;
    }
    shn_status st = shn_deid_date(deid, &day.year, &day.month, &day.day, err);
    if (st != SHN_OK) return st;
    put_date(header, at, day);
    return shn_deid_note(deid, place, what, "shifted", err);
}

/** The age is known by the two dates only. Who is over 89, or whose age cannot be told, loses the birth date. */
static shn_status birth(uint8_t *header, shn_deid *deid, shn_error *err)
{
    shn_day birth_day, day;
    if (!ishne_date(header, ISHNE_BIRTH, &birth_day)) {
        put_date(header, ISHNE_BIRTH, unknown_day);
        return SHN_OK;
    }
    if (ishne_date(header, ISHNE_RECORDED, &day)) {
        const double years = shn_day_age(&birth_day, &day);
        if (!isnan(years) && (int)years == shn_deid_age((int)years)) return shift(header, ISHNE_BIRTH, "byte 132", "date of birth", deid, err);
    }
    put_date(header, ISHNE_BIRTH, unknown_day);
    return shn_deid_note(deid, "byte 132", "date of birth", "removed", err);
}

/** The recorder's text says "digital" or "analog", or it is in words of its own, which may name one machine. */
static shn_status recorder(uint8_t *header, shn_deid *deid, shn_error *err)
{
    char text[96];
    ishne_text(header + ISHNE_RECORDER, 40, text, sizeof text);
    for (char *p = text; *p; p++) *p = (char)tolower((unsigned char)*p);
    if (strcmp(text, "digital") == 0 || strcmp(text, "analog") == 0 || strcmp(text, "analogue") == 0) return SHN_OK;
    return blank(header, ISHNE_RECORDER, 40, "byte 232", "recorder in words of its own", deid, err);
}

static shn_status patient(uint8_t *header, shn_deid *deid, shn_error *err)
{
    char id[sizeof ((shn_record_meta *)0)->patient], hashed[20];
    ishne_text(header + ISHNE_ID, 20, id, sizeof id);
    shn_deid_patient(deid, *id ? id : NULL);
    memset(header + ISHNE_ID, 0, 20);
    if (!*id) return SHN_OK;
    shn_deid_id(deid, hashed, sizeof hashed);
    memcpy(header + ISHNE_ID, hashed, strlen(hashed));
    return shn_deid_note(deid, "byte 108", "patient id", "hashed", err);
}

static shn_status rewrite(uint8_t *header, shn_deid *deid, shn_error *err)
{
    shn_status st = patient(header, deid, err);
    if (st == SHN_OK) st = blank(header, ISHNE_FIRST_NAME, 40, "byte 28", "first name", deid, err);
    if (st == SHN_OK) st = blank(header, ISHNE_LAST_NAME, 40, "byte 68", "last name", deid, err);
    if (st == SHN_OK) st = birth(header, deid, err);
    if (st == SHN_OK) st = shift(header, ISHNE_RECORDED, "byte 138", "date of recording", deid, err);
    if (st == SHN_OK) st = shift(header, ISHNE_FILED, "byte 144", "date of the file", deid, err);
    if (st == SHN_OK) st = recorder(header, deid, err);
    if (st == SHN_OK) st = blank(header, ISHNE_PROPRIETARY, 80, "byte 274", "proprietary text", deid, err);
    if (st == SHN_OK) st = blank(header, ISHNE_COPYRIGHT, 80, "byte 354", "copyright text", deid, err);
    if (st == SHN_OK) st = blank(header, ISHNE_RESERVED, 88, "byte 434", "reserved bytes", deid, err);
    return st;
}

shn_status ishne_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    ishne_header h;
    uint8_t      header[ISHNE_HEADER];
    *out = (shn_bytes){ 0 };
    shn_status st = ishne_header_parse(in->bytes, in->n_bytes, &h, err);
    if (st != SHN_OK) return st;
    if (h.crc_stored && h.crc_stored != h.crc_computed && in->options->verify_checksums)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_CHECKSUM, "ishne.header", "the header sums to %04X, it says %04X; the file is damaged: copy it again", (unsigned)h.crc_computed,
                        (unsigned)h.crc_stored);
    memcpy(header, in->bytes, sizeof header);
    st = rewrite(header, deid, err);
    if (st == SHN_OK && h.ecg_at > ISHNE_HEADER) st = shn_deid_note(deid, "byte 522", "variable block", "removed", err);
    if (st == SHN_OK && h.surplus) st = shn_deid_note(deid, "after the samples", "bytes that the header does not count", "removed", err);
    if (st != SHN_OK) return st;
    write_u32le(header + ISHNE_VARIABLE_BYTES, 0);
    write_u32le(header + ISHNE_VARIABLE_AT, ISHNE_HEADER);
    write_u32le(header + ISHNE_ECG_AT, ISHNE_HEADER);
    write_u32le(header + ISHNE_SAMPLES, (uint32_t)(h.counted_together ? h.n_samples * h.n_leads : h.n_samples));
    for (size_t i = h.n_leads; i < ISHNE_LEADS_MAX; i++) {              /* fields of leads that are not there */
        write_u16le(header + ISHNE_CODES + 2 * i, (uint16_t)ISHNE_UNKNOWN);
        write_u16le(header + ISHNE_QUALITY + 2 * i, (uint16_t)ISHNE_UNKNOWN);
        write_u16le(header + ISHNE_STEP_NV + 2 * i, (uint16_t)ISHNE_UNKNOWN);
    }
    write_u16le(header + ISHNE_CRC, ishne_crc(header + ISHNE_VARIABLE_BYTES, ISHNE_HEADER - ISHNE_VARIABLE_BYTES));
    st = shn_bytes_add(out, header, sizeof header, err);
    if (st == SHN_OK) st = shn_bytes_add(out, in->bytes + h.ecg_at, h.n_samples * h.n_leads * 2, err);
    if (st != SHN_OK) shn_bytes_free(out);
    return st;
}
