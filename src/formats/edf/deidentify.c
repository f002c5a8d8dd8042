#include "formats/edf/deidentify.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "formats/edf/identity.h"
#include "formats/edf/tal.h"

/** A field of the copy, and what is put into it; text that is too long is cut. */
static void put_field(uint8_t *bytes, size_t at, size_t width, const char *text)
{
    const size_t n = strlen(text) < width ? strlen(text) : width;
    memset(bytes + at, ' ', width);
    memcpy(bytes + at, text, n);
}

static int is_blank(const uint8_t *field, size_t width)
{
    for (size_t i = 0; i < width; i++)
        if (field[i] != ' ' && field[i] != '\0') return 0;
    return 1;
}

static shn_status note_at(shn_deid *d, size_t byte, const char *what, const char *done, shn_error *err)
{
    char place[32];
    snprintf(place, sizeof place, "byte %zu", byte);
    return shn_deid_note(d, place, what, done, err);
}

static shn_status shift(const shn_deid *d, shn_day *date, shn_error *err) { return shn_deid_date(d, &date->year, &date->month, &date->day, err); }

static shn_status rewrite_patient(const edf_header *h, shn_deid *d, uint8_t *bytes, shn_day start, shn_error *err)
{
    edf_patient p;
    char        id[SHN_DEID_PATIENT_MAX], birth[12], text[81];
    shn_status  st = SHN_OK;
    edf_patient_parse(h, &p);
    shn_deid_patient(d, p.id);
    shn_deid_id(d, id, sizeof id);
    if (is_blank(bytes + 8, 80)) return SHN_OK;
    const int old = p.birth.year && start.year && !(shn_day_age(&p.birth, &start) < 90), keeps_birth = p.birth.year && start.year && !old;
    if (keeps_birth && shift(d, &p.birth, err) != SHN_OK) return err ? err->status : SHN_RANGE;
    edf_date_text(keeps_birth ? p.birth : (shn_day){ 0, 0, 0 }, birth);
    if (!p.follows) snprintf(text, sizeof text, "%s", id);
    else if (p.age_years >= 0) snprintf(text, sizeof text, "%s %c %s X Age_%d", id, p.sex ? p.sex : 'X', birth, shn_deid_age((int)p.age_years));
    else snprintf(text, sizeof text, "%s %c %s X", id, p.sex ? p.sex : 'X', birth);
    put_field(bytes, 8, 80, text);
    if (*p.id) st = note_at(d, 8, p.follows ? "patient id" : "patient field", "hashed", err);
    if (st == SHN_OK && *p.name) st = note_at(d, 8, "patient name", "removed", err);
    if (st == SHN_OK && p.birth.year) st = note_at(d, 8, "birth date", keeps_birth ? "shifted" : "removed", err);
    if (st == SHN_OK && p.age_years >= 90) st = note_at(d, 8, "age", "cut to 90", err);
    return st;
}

/** The old field has two digits for 1985 to 2084; another year cannot stand there. */
static shn_status rewrite_recording(const edf_header *h, shn_deid *d, uint8_t *bytes, shn_day start, shn_error *err)
{
    edf_recording r;
    char          text[81], word[12];
    shn_status    st = SHN_OK;
    edf_recording_parse(h, &r);
    if (start.year && shift(d, &start, err) != SHN_OK) return err ? err->status : SHN_RANGE;
    const int fits = start.year >= 1985 && start.year <= 2084;
    if (fits) snprintf(text, sizeof text, "%02u.%02u.%02u", (unsigned)start.day % 100, (unsigned)start.month % 100, (unsigned)start.year % 100);
    else strcpy(text, "01.01.85");
    put_field(bytes, 168, 8, text);
    st = note_at(d, 168, "start date", fits ? "shifted" : "removed", err);
    edf_date_text(fits ? start : (shn_day){ 0, 0, 0 }, word);
    if (r.follows) snprintf(text, sizeof text, "Startdate %s X X X", word);
    else *text = '\0';
    const int was_blank = is_blank(bytes + 88, 80);
    put_field(bytes, 88, 80, text);
    if (st == SHN_OK && r.follows && r.start.year) st = note_at(d, 88, "start date", fits ? "shifted" : "removed", err);
    if (st == SHN_OK && *r.code) st = note_at(d, 88, "investigation code", "removed", err);
    if (st == SHN_OK && *r.technician) st = note_at(d, 88, "technician", "removed", err);
    if (st == SHN_OK && *r.equipment) st = note_at(d, 88, "equipment", "removed", err);
    if (st == SHN_OK && !r.follows && !was_blank) st = note_at(d, 88, "recording field", "removed", err);
    return st;
}

/** "HP:0.1Hz LP:75Hz N:50Hz": filters and nothing else. */
static int is_filters(const char *text)
{
    while (*text) {
        while (*text == ' ') text++;
        if (!*text) break;
        const size_t word = strspn(text, "HLPBN");
        if (word == 0 || word > 2 || text[word] != ':') return 0;
        text += word + 1;
        const size_t digits = strspn(text, "0123456789.");
        if (digits == 0) return 0;
        text += digits;
        if (*text == 'm' || *text == 'k') text++;
        if (strncmp(text, "Hz", 2) == 0) text += 2;
        if (*text && *text != ' ') return 0;
    }
    return 1;
}

static shn_status blank(shn_deid *d, uint8_t *bytes, size_t at, size_t width, const char *what, shn_error *err)
{
    if (is_blank(bytes + at, width)) return SHN_OK;
    memset(bytes + at, ' ', width);
    return note_at(d, at, what, "removed", err);
}

static shn_status rewrite_signals(const edf_header *h, shn_deid *d, uint8_t *bytes, shn_error *err)
{
    const size_t ns = h->n_signals;
    shn_status   st = blank(d, bytes, h->is_plus ? 197 : 192, h->is_plus ? 39 : 44, "reserved field", err);
    for (size_t i = 0; i < ns && st == SHN_OK; i++) {
        st = blank(d, bytes, 256 + 16 * ns + 80 * i, 80, "transducer", err);
        if (st == SHN_OK && !is_filters(h->signals[i].prefilter)) st = blank(d, bytes, 256 + 136 * ns + 80 * i, 80, "prefilter text", err);
        if (st == SHN_OK) st = blank(d, bytes, 256 + 224 * ns + 32 * i, 32, "reserved field", err);
    }
    return st;
}

static int stays(const uint8_t *text, size_t n)
{
    const size_t ends = strlen(SHN_EDF_ENDS), gap = strlen(SHN_EDF_GAP);
    if (n == 0 || (n == ends && memcmp(text, SHN_EDF_ENDS, n) == 0)) return 1;
    if (n < gap || memcmp(text, SHN_EDF_GAP, gap) != 0) return 0;
    return n == gap || (n > gap + 2 && memcmp(text + gap, "@@", 2) == 0);
}

/** One annotation signal of one data record, written again with the texts that may stay. Never longer than it was. */
static shn_status rewrite_lists(uint8_t *bytes, size_t n, size_t byte, size_t *n_removed, shn_error *err)
{
    edf_tal tal;
    size_t  at = 0, begin = 0, to = 0;
    for (int found; (found = edf_tal_next(bytes, n, &at, &tal)) != 0;) {
        const uint8_t *text;
        size_t         length, kept = 0;
        if (found < 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.annotations", "byte %zu: no time-stamped list", byte);
        while (bytes[begin] == 0) begin++;
        const size_t head = (size_t)(tal.text - (bytes + begin)), start = to;
        memmove(bytes + to, bytes + begin, head);
        to += head;
        for (size_t k = 0; edf_tal_text(&tal, &k, &text, &length);) {
            if (!stays(text, length) || (length == 0 && k > 1)) {          /* an empty text makes a list a time only where it stands first */
                *n_removed += length > 0;
                continue;
            }
            memmove(bytes + to, text, length);
            to += length;
            bytes[to++] = 0x14;
            kept++;
        }
        if (kept) bytes[to++] = 0;
        else to = start;
        begin = at;
    }
    memset(bytes + to, 0, n - to);
    return SHN_OK;
}

static shn_status rewrite_annotations(const edf_header *h, shn_deid *d, uint8_t *bytes, shn_error *err)
{
    size_t     n_removed = 0;
    shn_status st = SHN_OK;
    for (size_t record = 0; record < h->n_records; record++)
        for (size_t i = 0; i < h->n_signals && st == SHN_OK; i++) {
            const size_t at = h->header_bytes + record * h->record_bytes + h->signals[i].offset;
            if (h->signals[i].is_annotation) st = rewrite_lists(bytes + at, (size_t)h->signals[i].per_record * (size_t)h->width, at, &n_removed, err);
        }
    if (st == SHN_OK && n_removed) {
        char what[48];
        snprintf(what, sizeof what, "%zu annotation texts", n_removed);
        st = shn_deid_note(d, "annotations", what, "removed", err);
    }
    return st;
}

shn_status edf_deidentify(const shn_input *in, shn_deid *d, shn_bytes *out, shn_error *err)
{
    edf_header    h;
    edf_recording r;
    shn_day       start = { 0, 0, 0 };
    int           time[3], disagree;
    shn_status    st = edf_header_parse(in->bytes, in->n_bytes, &h, err);
    if (st == SHN_OK) st = shn_bytes_add(out, in->bytes, in->n_bytes - h.spare_bytes, err);
    if (st == SHN_OK) {
        edf_recording_parse(&h, &r);
        if (!edf_start(&h, &r, &start, time, &disagree)) start = (shn_day){ 0, 0, 0 };
        st = rewrite_patient(&h, d, out->bytes, start, err);
    }
    if (st == SHN_OK) st = rewrite_recording(&h, d, out->bytes, start, err);
    if (st == SHN_OK) st = rewrite_signals(&h, d, out->bytes, err);
    if (st == SHN_OK) st = rewrite_annotations(&h, d, out->bytes, err);
    if (st == SHN_OK && h.spare_bytes) st = note_at(d, out->n, "bytes after the last data record", "removed", err);
    if (st != SHN_OK) shn_bytes_free(out);
    edf_header_free(&h);
    return st;
}
