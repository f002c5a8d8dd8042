/**
 * SCP-ECG without direct identifiers: the record is put together anew, sections 2 to 6 byte for byte, the others from what is known to be in
 * them. Free text, the manufacturer's section 9 and sections of later versions are left out; so is what stands between and behind sections and
 * in reserved bytes (some writers leave scraps of memory there).
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/scp/scp.h"

enum { TAG_AGE = 4, TAG_BIRTH = 5, TAG_DRUGS = 10, TAG_DATE = 25, TAG_ZONE = 34, OLDEST = 90 };

/** What becomes of a tag of section 1; those that are not listed are removed as a manufacturer's or as unknown. */
typedef enum fate { REMOVE, KEEP, HASH, SHIFT, AGE, DEVICE, DRUG, ZONE } fate;
static const struct { uint8_t tag, fate; uint8_t size; const char *what; } tags[] = {      /* size: a kept value of another size is not vouched for; 0: any */
    { 0, REMOVE, 0, "last name" },              { 1, REMOVE, 0, "first name" },             { 2, HASH, 0, "patient id" },
    { 3, REMOVE, 0, "second last name" },       { 4, AGE, 3, "age" },                       { 5, SHIFT, 4, "birth date" },
    { 6, KEEP, 3, "height" },                   { 7, KEEP, 3, "weight" },                   { 8, KEEP, 1, "sex" },
    { 9, KEEP, 1, "race" },                     { 10, DRUG, 0, "drug text" },               { 11, KEEP, 2, "systolic pressure" },
    { 12, KEEP, 2, "diastolic pressure" },      { 13, REMOVE, 0, "free text (indication)" },
    { 14, DEVICE, 0, "institution, department and serial numbers of the device" },
    { 15, REMOVE, 0, "analysing device" },
    { 16, REMOVE, 0, "institution" },           { 17, REMOVE, 0, "analysing institution" }, { 18, REMOVE, 0, "department" },
    { 19, REMOVE, 0, "analysing department" },  { 20, REMOVE, 0, "referring physician" },   { 21, REMOVE, 0, "confirming physician" },
    { 22, REMOVE, 0, "technician" },            { 23, REMOVE, 0, "room" },                  { 24, KEEP, 1, "stat code" },
    { 25, SHIFT, 4, "acquisition date" },       { 26, KEEP, 3, "acquisition time" },        { 27, KEEP, 2, "high pass" },
    { 28, KEEP, 2, "low pass" },                { 29, KEEP, 1, "filters" },                 { 30, REMOVE, 0, "free text" },
    { 31, REMOVE, 0, "ECG sequence number" },   { 32, KEEP, 2, "medical history" },         { 33, KEEP, 2, "electrode placement" },
    { 34, ZONE, 0, "time zone's description" }, { 35, REMOVE, 0, "free text (history)" },
};

typedef struct maker { const scp_file *f; shn_deid *deid; shn_bytes *out; shn_error *err; int old; } maker;   /* old: 90 or more when recorded */

static shn_status note(const maker *m, const char *place, const char *what, const char *done) { return shn_deid_note(m->deid, place, what, done, m->err); }

static shn_status put_tag(const maker *m, int tag, const void *value, size_t n)
{
    uint8_t head[3] = { (uint8_t)tag };
    write_u16le(head + 1, (uint16_t)n);
    const shn_status st = shn_bytes_add(m->out, head, sizeof head, m->err);
    return st == SHN_OK && n ? shn_bytes_add(m->out, value, n, m->err) : st;
}

static void tag_place(int tag, char out[32]) { snprintf(out, 32, "section 1, tag %d", tag); }

static shn_status put_date(const maker *m, int tag, const char *what, const uint8_t *v)
{
    char    place[32];
    uint8_t moved[4] = { 0 };
    int     year = read_u16le(v), month = v[2], day = v[3];
    tag_place(tag, place);
    if ((tag == TAG_BIRTH && m->old) || shn_deid_date(m->deid, &year, &month, &day, NULL) != SHN_OK) {
        const shn_status st = tag == TAG_DATE ? put_tag(m, tag, moved, 4) : SHN_OK;         /* the recording's date must be there; 0 is none */
        return st == SHN_OK ? note(m, place, what, "removed") : st;
    }
    write_u16le(moved, (uint16_t)year);
    moved[2] = (uint8_t)month;
    moved[3] = (uint8_t)day;
    const shn_status st = put_tag(m, tag, moved, 4);
    return st == SHN_OK ? note(m, place, what, "shifted") : st;
}

/** Model and capabilities stay (bytes 6 to 18); numbers, reserved bytes and all strings go. */
static shn_status put_device(const maker *m, int tag, const char *what, const uint8_t *v, size_t n)
{
    char    place[32];
    uint8_t kept[36 + 5] = { 0 };
    tag_place(tag, place);
    if (n > 6) memcpy(kept + 6, v + 6, n < 19 ? n - 6 : 13);
    kept[35] = 1;                               /* length of the first string, a NUL */
    const shn_status st = put_tag(m, tag, kept, sizeof kept);
    return st == SHN_OK ? note(m, place, what, "removed") : st;
}

static shn_status put_age(const maker *m, const uint8_t *v)
{
    uint8_t age[3] = { v[0], v[1], v[2] };
    if (v[2] == 1) write_u16le(age, (uint16_t)shn_deid_age(read_u16le(v)));
    const shn_status st = put_tag(m, TAG_AGE, age, 3);
    return st == SHN_OK && memcmp(age, v, 3) != 0 ? note(m, "section 1, tag 4", "age", "cut to 90") : st;
}

static shn_status put_known(const maker *m, size_t row, const uint8_t *v, size_t n)
{
    char      id[SHN_DEID_PATIENT_MAX], place[32];
    const int tag = tags[row].tag;
    fate      what = (fate)tags[row].fate;
    tag_place(tag, place);
    if (tags[row].size && n != tags[row].size) what = REMOVE;
    shn_status st;
    switch (what) {
    case KEEP: return put_tag(m, tag, v, n);
    case AGE: return put_age(m, v);
    case SHIFT: return put_date(m, tag, tags[row].what, v);
    case DEVICE: return put_device(m, tag, tags[row].what, v, n);
    case HASH:
        shn_deid_id(m->deid, id, sizeof id);
        st = put_tag(m, tag, id, strlen(id) + 1);
        return st == SHN_OK ? note(m, place, tags[row].what, "hashed") : st;
    case DRUG:
    case ZONE:                                  /* codes first, three or four bytes of them, then text */
        if (n >= (what == DRUG ? 3u : 4u)) {
            uint8_t codes[5] = { 0 };
            const size_t n_codes = what == DRUG ? 3 : 4;
            memcpy(codes, v, n_codes);
            st = put_tag(m, tag, codes, n_codes + 1);
            return st == SHN_OK && n > n_codes ? note(m, place, tags[row].what, "removed") : st;
        }
        break;
    case REMOVE: break;
    }
    return n ? note(m, place, tags[row].what, "removed") : SHN_OK;
}

static shn_status put_demographics(const maker *m)
{
    const scp_section *s = &m->f->s[1];
    const uint8_t     *v;
    size_t             n, at = 0;
    int                tag, more = 0, has_patient = 0;
    shn_status         st = SHN_OK;
    while (st == SHN_OK && (more = scp_tag_next(s, &at, &tag, &v, &n)) > 0) {
        size_t row = 0;
        char   place[32];
        while (row < sizeof tags / sizeof *tags && tags[row].tag != tag) row++;
        tag_place(tag, place);
        if (tag == 2 && has_patient++) st = note(m, place, "patient id", "removed");
        else if (row < sizeof tags / sizeof *tags) st = put_known(m, row, v, n);
        else if (n) st = note(m, place, "manufacturer's tag", "removed");
    }
    if (st == SHN_OK && more < 0)
        return shn_fail(m->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.deidentify", "section 1: the tag at byte %zu leaves the section; what stands there cannot be vouched for", at);
    return st == SHN_OK ? shn_bytes_add(m->out, "\xff\0\0", 3, m->err) : st;
}

/** 16-bit characters: the replacement id and the codes would have to be written so too. */
static int is_wide(const scp_file *f)
{
    size_t         n;
    const uint8_t *device = scp_tag(&f->s[1], 14, &n);
    return device && n > 16 && device[16] == 7;
}

/** The confirmation's date of section 8 or 11, moved; 0 where there is none. */
static void moved_date(const maker *m, uint8_t date[4])
{
    int year = read_u16le(date), month = date[2], day = date[3];
    if (shn_deid_date(m->deid, &year, &month, &day, NULL) != SHN_OK) year = month = day = 0;
    write_u16le(date, (uint16_t)year);
    date[2] = (uint8_t)month;
    date[3] = (uint8_t)day;
}

/** Statements of codes and of logic stay, texts go. */
static shn_status put_codes(const maker *m)
{
    const scp_section *s = &m->f->s[11];
    const uint8_t     *text;
    uint8_t            head[9];
    unsigned           number, kept = 0, texts = 0;
    size_t             n, at = 9;
    if (s->n < 9) return shn_bytes_add(m->out, (uint8_t[9]){ 0 }, 9, m->err);
    memcpy(head, s->body, 9);
    moved_date(m, head + 1);
    const size_t start = m->out->n;
    shn_status   st = shn_bytes_add(m->out, head, 9, m->err);
    for (unsigned i = 0; i < head[8] && st == SHN_OK && scp_statement_next(s, &at, &number, &text, &n); i++) {
        if (n && (text[0] == 1 || text[0] == 3)) {
            st = shn_bytes_add(m->out, text - 3, n + 3, m->err);
            kept++;
        } else {
            texts++;
        }
    }
    if (st != SHN_OK) return st;
    m->out->bytes[start + 8] = (uint8_t)kept;
    st = note(m, "section 11", "date of confirmation", "shifted");
    return st == SHN_OK && texts ? note(m, "section 11", "free text", "removed") : st;
}

/** The leads' values with a known meaning. */
static shn_status put_lead_values(const maker *m)
{
    const scp_section *s = &m->f->s[10];
    uint8_t            head[4] = { 0 };
    unsigned           kept = 0;
    size_t             at = 4, cut = 0;
    const size_t       start = m->out->n, n_leads = s->n >= 4 ? read_u16le(s->body) : 0;
    shn_status         st = shn_bytes_add(m->out, head, 4, m->err);
    for (size_t i = 0; i < n_leads && st == SHN_OK && s->n - at >= 4; i++) {
        const size_t n = read_u16le(s->body + at + 2), known = n / 2 > SCP_LEAD_VALUES ? 2 * SCP_LEAD_VALUES : n / 2 * 2;
        if (n > s->n - at - 4) break;
        memcpy(head, s->body + at, 2);
        write_u16le(head + 2, (uint16_t)known);
        st = shn_bytes_add(m->out, head, 4, m->err);
        if (st == SHN_OK) st = shn_bytes_add(m->out, s->body + at + 4, known, m->err);
        cut += n - known;
        at += 4 + n;
        kept++;
    }
    if (st != SHN_OK) return st;
    write_u16le(m->out->bytes + start, (uint16_t)kept);
    return cut || at < s->n ? note(m, "section 10", "the manufacturer's values", "removed") : st;
}

static shn_status put_global(const maker *m)
{
    const scp_section *s = &m->f->s[7];
    const size_t       known = scp_global_known(m->f);
    shn_status         st = shn_bytes_add(m->out, s->body, known, m->err);
    return st == SHN_OK && known < s->n ? note(m, "section 7", "the manufacturer's fields", "removed") : st;
}

/** Bytes of sections 2 to 6 that the reader knows the meaning of. */
static size_t signal_bytes(const scp_file *f, unsigned number)
{
    const scp_section *s = &f->s[number];
    size_t             at = 2;
    if (number == 3) return 2 + 9 * (size_t)s->body[0];         /* the reader saw that these are there */
    if (number == 5 || number == 6) {
        const size_t n_leads = f->s[3].body[0];
        if (s->n < 6 + 2 * n_leads) return 0;
        at = 6 + 2 * n_leads;
        for (size_t i = 0; i < n_leads; i++) at += read_u16le(s->body + 6 + 2 * i);
    } else if (number == 2 && s->n >= 2 && read_u16le(s->body) != SCP_DEFAULT_TABLE) {
        for (unsigned i = read_u16le(s->body); i && at + 2 <= s->n; i--) at += 2 + 9 * (size_t)read_u16le(s->body + at);
    } else if (number == 4) {
        if (s->n < 6) return 0;
        const size_t n = read_u16le(s->body + 4);
        at = 6 + 22 * n <= s->n ? 6 + 22 * n : 6 + 14 * n;
    }
    return at <= s->n ? at : 0;
}

static shn_status put_body(const maker *m, unsigned number)
{
    switch (number) {
    case 1: return put_demographics(m);
    case 7: return put_global(m);
    case 10: return put_lead_values(m);
    case 11: return put_codes(m);
    default: return shn_bytes_add(m->out, m->f->s[number].body, signal_bytes(m->f, number), m->err);
    }
}

static int is_kept(const scp_file *f, unsigned number)
{
    if (!f->s[number].body || number == 8 || number == 9) return 0;
    if (number == 7) return scp_global_known(f) > 0;
    return number < 2 || number > 6 || signal_bytes(f, number) > 0;
}

/** A section with its header, of even length; its pointer is entered in section 0. */
static shn_status put_section(const maker *m, unsigned number)
{
    uint8_t            head[SCP_HEADER] = { 0 };
    const size_t       start = m->out->n;
    const scp_section *s = &m->f->s[number];
    write_u16le(head + 2, (uint16_t)number);
    const int later = m->f->s[0].protocol;                      /* some writers leave scraps of memory in the version bytes */
    head[8] = (uint8_t)(s->version <= 40 ? s->version : later);
    head[9] = (uint8_t)(s->protocol <= 40 ? s->protocol : later);
    shn_status st = shn_bytes_add(m->out, head, sizeof head, m->err);
    if (st == SHN_OK) st = put_body(m, number);
    if (st == SHN_OK && (m->out->n - start) % 2) st = shn_bytes_add(m->out, "", 1, m->err);
    if (st != SHN_OK) return st;
    uint8_t     *section = m->out->bytes + start, *pointer = m->out->bytes + 6 + SCP_HEADER + 10 * number;
    const size_t n = m->out->n - start;
    if (m->out->n > UINT32_MAX) return shn_fail(m->err, SHN_RANGE, SHN_REASON_LIMIT, "scp.deidentify", "a record of %zu bytes", m->out->n);
    write_u32le(section + 4, (uint32_t)n);
    write_u16le(section, scp_crc(section + 2, n - 2));
    write_u32le(pointer + 2, (uint32_t)n);
    write_u32le(pointer + 6, (uint32_t)start + 1);
    return SHN_OK;
}

static shn_status put_pointers(const maker *m)
{
    uint8_t head[6 + SCP_HEADER] = { 0 }, pointer[10] = { 0 };
    const uint32_t n = SCP_HEADER + 10 * SCP_SECTIONS;
    write_u32le(head + 10, n);
    head[14] = (uint8_t)m->f->s[0].version;
    head[15] = (uint8_t)m->f->s[0].protocol;
    if (m->f->has_scpecg) memcpy(head + 16, "SCPECG", 6);
    shn_status st = shn_bytes_add(m->out, head, sizeof head, m->err);
    for (unsigned i = 0; i < SCP_SECTIONS && st == SHN_OK; i++) {
        write_u16le(pointer, (uint16_t)i);
        write_u32le(pointer + 2, i ? 0 : n);
        write_u32le(pointer + 6, i ? 0 : 7);
        st = shn_bytes_add(m->out, pointer, sizeof pointer, m->err);
    }
    return st;
}

static void finish(const maker *m)
{
    uint8_t *b = m->out->bytes;
    write_u16le(b + 6, scp_crc(b + 8, SCP_HEADER + 10 * SCP_SECTIONS - 2));
    write_u32le(b + 2, (uint32_t)m->out->n);
    write_u16le(b, scp_crc(b + 2, m->out->n - 2));
}

static shn_status note_left_out(const maker *m, size_t n_bytes)
{
    static const struct { unsigned number; const char *place, *what; } out[] = { { 8, "section 8", "statements as free text" }, { 9, "section 9", "the manufacturer's data" } };
    shn_status st = SHN_OK;
    for (size_t i = 0; i < 2 && st == SHN_OK; i++)
        if (m->f->s[out[i].number].body) st = note(m, out[i].place, out[i].what, "removed");
    if (st == SHN_OK && m->f->has_later) st = note(m, "sections beyond 11", "data of unknown content", "removed");
    if (st == SHN_OK && n_bytes > m->f->n_record) st = note(m, "behind the record", "bytes of unknown content", "removed");
    return st;
}

shn_status scp_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    scp_file    f;
    shn_record *rec = NULL;
    maker       m = { &f, deid, out, err, 0 };
    shn_status  st = scp_open(in->bytes, in->n_bytes, 1, &f, err);
    if (st == SHN_OK) st = shn_reader_scp.read(in, &rec, err);       /* what cannot be read is not rewritten */
    if (st == SHN_OK && is_wide(&f))
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.deidentify", "text in 16-bit characters is not rewritten; convert the file (shinden convert)");
    if (st != SHN_OK) goto cleanup;
    const shn_record_meta *meta = shn_record_meta_of(rec);
    m.old = meta->age_years >= OLDEST;
    if (*meta->patient) shn_deid_patient(deid, meta->patient);
    st = put_pointers(&m);
    for (unsigned i = 1; i < SCP_SECTIONS && st == SHN_OK; i++)
        if (is_kept(&f, i)) st = put_section(&m, i);
    if (st == SHN_OK) st = note_left_out(&m, in->n_bytes);
    if (st == SHN_OK) finish(&m);
cleanup:
    shn_record_free(rec);
    if (st != SHN_OK) shn_bytes_free(out);
    return st;
}
