/**
 * The object again without direct identifiers. A list names what may stay and what becomes of the rest of the known attributes; whatever is not on
 * it is left out: private tags, attributes nobody has heard of, free texts. Sequences are entered by the same rules and written with defined
 * lengths, samples are copied. Rules after the basic profile of PS3.15 E.1, with ages, dates (shifted) and device kept as its options have them.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/dicom/dicom.h"

typedef enum action { REMOVE, KEEP, CLEAR, ENTER, ID, UID, DATE, BIRTH, AGE } action;

/** KEEP as it is; CLEAR: the attribute must be there, its value need not; ENTER a sequence. */
static const struct rule { uint32_t tag; action what; const char *name; } rules[] = {
    { 0x00080005, KEEP, "" },  { 0x00080008, KEEP, "" },  { 0x00080012, DATE, "instance creation date" }, { 0x00080013, KEEP, "" },
    { 0x00080016, KEEP, "" },  { 0x00080018, UID, "SOP instance UID" },   { 0x00080020, DATE, "study date" },   { 0x00080021, DATE, "series date" },
    { 0x00080022, DATE, "acquisition date" }, { 0x00080023, DATE, "content date" }, { 0x0008002a, DATE, "acquisition date and time" },
    { 0x00080030, KEEP, "" },  { 0x00080031, KEEP, "" },  { 0x00080032, KEEP, "" },  { 0x00080033, KEEP, "" },
    { 0x00080050, CLEAR, "accession number" }, { 0x00080060, KEEP, "" }, { 0x00080070, KEEP, "" }, { 0x00080080, REMOVE, "institution" },
    { 0x00080081, REMOVE, "institution address" }, { 0x00080090, CLEAR, "referring physician" }, { 0x00080100, KEEP, "" }, { 0x00080102, KEEP, "" },
    { 0x00080103, KEEP, "" },  { 0x00080104, KEEP, "" },  { 0x0008010b, KEEP, "" },  { 0x0008010c, KEEP, "" },  { 0x0008010d, KEEP, "" }, { 0x0008010f, KEEP, "" },
    { 0x00080105, KEEP, "" },  { 0x00080106, KEEP, "" },  { 0x00080107, KEEP, "" },  { 0x00080117, KEEP, "" },  { 0x00080119, KEEP, "" }, { 0x00080201, KEEP, "" },
    { 0x00081010, REMOVE, "station name" }, { 0x00081030, REMOVE, "study description" }, { 0x0008103e, REMOVE, "series description" },
    { 0x00081040, REMOVE, "department" },   { 0x00081048, REMOVE, "physician of record" }, { 0x00081050, REMOVE, "performing physician" },
    { 0x00081060, REMOVE, "reading physician" }, { 0x00081070, REMOVE, "operator" }, { 0x00081090, KEEP, "" },
    { 0x00100010, CLEAR, "patient name" },  { 0x00100020, ID, "patient id" },      { 0x00100021, REMOVE, "issuer of patient id" },
    { 0x00100030, BIRTH, "birth date" },    { 0x00100032, REMOVE, "birth time" },  { 0x00100040, KEEP, "" },
    { 0x00101000, REMOVE, "other patient ids" }, { 0x00101001, REMOVE, "other patient names" }, { 0x00101010, AGE, "age" }, { 0x00101020, KEEP, "" },
    { 0x00101030, KEEP, "" },  { 0x00101040, REMOVE, "address" }, { 0x00102154, REMOVE, "telephone" }, { 0x00102160, REMOVE, "ethnic group" },
    { 0x00104000, REMOVE, "patient comments" },
    { 0x00181000, REMOVE, "device serial number" }, { 0x00181020, KEEP, "" }, { 0x00181061, KEEP, "" }, { 0x00181068, KEEP, "" }, { 0x00181069, KEEP, "" },
    { 0x0018106a, KEEP, "" },  { 0x0018106c, KEEP, "" },  { 0x0018106e, KEEP, "" },  { 0x00181088, KEEP, "" }, { 0x00181800, KEEP, "" },
    { 0x0020000d, UID, "study instance UID" }, { 0x0020000e, UID, "series instance UID" }, { 0x00200010, CLEAR, "study id" }, { 0x00200011, KEEP, "" },
    { 0x00200012, KEEP, "" },  { 0x00200013, KEEP, "" },  { 0x00200060, KEEP, "" },  { 0x00200200, UID, "synchronization UID" },
    { 0x00321030, REMOVE, "reason for study" }, { 0x00321032, REMOVE, "requesting physician" }, { 0x00380010, REMOVE, "admission id" },
    { 0x00380300, REMOVE, "patient location" }, { 0x00380400, REMOVE, "patient residence" }, { 0x00384000, REMOVE, "visit comments" },
    { 0x003a0004, KEEP, "" },  { 0x003a0005, KEEP, "" },  { 0x003a0010, KEEP, "" },  { 0x003a001a, KEEP, "" },  { 0x003a0020, KEEP, "" }, { 0x003a0200, ENTER, "" },
    { 0x003a0202, KEEP, "" },  { 0x003a0203, KEEP, "" },  { 0x003a0205, KEEP, "" },  { 0x003a0208, ENTER, "" }, { 0x003a0209, ENTER, "" }, { 0x003a0210, KEEP, "" },
    { 0x003a0211, ENTER, "" }, { 0x003a0212, KEEP, "" },  { 0x003a0213, KEEP, "" },  { 0x003a0214, KEEP, "" },  { 0x003a0215, KEEP, "" }, { 0x003a0218, KEEP, "" },
    { 0x003a021a, KEEP, "" },  { 0x003a0220, KEEP, "" },  { 0x003a0221, KEEP, "" },  { 0x003a0222, KEEP, "" },  { 0x003a0223, KEEP, "" },
    { 0x004008ea, ENTER, "" }, { 0x00400555, ENTER, "" }, { 0x00401002, REMOVE, "reason for the request" }, { 0x0040a040, KEEP, "" }, { 0x0040a043, ENTER, "" },
    { 0x0040a0b0, KEEP, "" },  { 0x0040a130, KEEP, "" },  { 0x0040a132, KEEP, "" },  { 0x0040a138, KEEP, "" },  { 0x0040a160, REMOVE, "text" },
    { 0x0040a168, ENTER, "" }, { 0x0040a180, KEEP, "" },  { 0x0040a195, ENTER, "" }, { 0x0040a300, ENTER, "" }, { 0x0040a30a, KEEP, "" }, { 0x0040b020, ENTER, "" },
    { 0x00700006, REMOVE, "free text" }, { 0x54000100, ENTER, "" }, { 0x54000110, KEEP, "" }, { 0x54000112, KEEP, "" }, { 0x54001004, KEEP, "" },
    { 0x54001006, KEEP, "" },  { 0x5400100a, KEEP, "" },  { 0x54001010, KEEP, "" },
};

typedef struct rewriting {
    shn_deid   *deid;
    shn_bytes  *out;
    char        patient[128];
    int         over_89, age_unknown, told;     /* told: PatientIdentityRemoved is written */
} rewriting;

static const struct rule *rule_for(uint32_t tag)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].tag == tag) return &rules[i];
    return NULL;
}

static void put16(const dcm_set *s, uint8_t *p, uint16_t v)
{
    write_u16le(p, s->big ? (uint16_t)(v << 8 | v >> 8) : v);
}

static void put32(const dcm_set *s, uint8_t *p, uint32_t v)
{
    put16(s, p + (s->big ? 2 : 0), (uint16_t)v);
    put16(s, p + (s->big ? 0 : 2), (uint16_t)(v >> 16));
}

static int has_long_length(const char *vr)
{
    static const char known[] = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";
    const char *at = strstr(known, vr);
    return at && (at - known) % 3 == 0;
}

/** Tag, VR and length. */
static shn_status put_head(const dcm_set *s, uint32_t tag, const char *vr, uint32_t n, shn_bytes *out, shn_error *err)
{
    uint8_t head[12] = { 0 };
    size_t  size = 8;
    put16(s, head, (uint16_t)(tag >> 16));
    put16(s, head + 2, (uint16_t)tag);
    if (s->implicit || tag >> 16 == 0xfffe) put32(s, head + 4, n);
    else {
        memcpy(head + 4, vr, 2);
        if (has_long_length(vr)) {
            put32(s, head + 8, n);
            size = 12;
        } else put16(s, head + 6, (uint16_t)n);
    }
    return shn_bytes_add(out, head, size, err);
}

static shn_status put_value(const dcm_set *s, uint32_t tag, const char *vr, const void *value, size_t n, shn_bytes *out, shn_error *err)
{
    const uint8_t pad = strcmp(vr, "UI") == 0 || *vr == 'O' ? 0 : ' ';
    shn_status    st = put_head(s, tag, vr, (uint32_t)(n + n % 2), out, err);
    if (st == SHN_OK) st = shn_bytes_add(out, value, n, err);
    if (st == SHN_OK && n % 2) st = shn_bytes_add(out, &pad, 1, err);
    return st;
}

static shn_status note(rewriting *r, uint32_t tag, const char *what, const char *done, shn_error *err)
{
    char place[32];
    snprintf(place, sizeof place, "tag (%04X,%04X)", (unsigned)(tag >> 16), (unsigned)(tag & 0xffff));
    return shn_deid_note(r->deid, place, what, done, err);
}

/**
 * A UID that depends on key and old UID only: 2.25 and 128 bits (PS3.5 B.2) of two keyed ids. The rules know patients only, so the UID takes a
 * patient's place for a moment.
 */
static void keyed_uid(rewriting *r, const char *uid, char out[64])
{
    uint32_t words[4];
    char     digits[48];
    size_t   n = 0;
    for (int half = 0; half < 2; half++) {
        char name[128], id[SHN_DEID_PATIENT_MAX];
        snprintf(name, sizeof name, "dicom uid %d %.80s", half, uid);
        shn_deid_patient(r->deid, name);
        shn_deid_id(r->deid, id, sizeof id);
        const unsigned long long bits = strtoull(id + 1, NULL, 16);
        words[2 * half] = (uint32_t)(bits >> 32);
        words[2 * half + 1] = (uint32_t)bits;
    }
    shn_deid_patient(r->deid, *r->patient ? r->patient : NULL);
    words[1] = (words[1] & 0xffff0fffu) | 0x8000u;      /* a UUID of version 8 */
    words[2] = (words[2] & 0x3fffffffu) | 0x80000000u;
    do {
        uint64_t rest = 0;
        for (int i = 0; i < 4; i++) {
            rest = rest << 32 | words[i];
            words[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        digits[n++] = (char)('0' + rest);
    } while (words[0] | words[1] | words[2] | words[3]);
    memcpy(out, "2.25.", 5);
    for (size_t i = 0; i < n; i++) out[5 + i] = digits[n - 1 - i];
    out[5 + n] = '\0';
}

static shn_status put_uid(rewriting *r, const dcm_set *s, const dcm_element *e, const char *what, shn_error *err)
{
    char old[80], new[64];
    if (dcm_ascii(e, old, sizeof old) == 0) return put_value(s, e->tag, "UI", "", 0, r->out, err);
    keyed_uid(r, old, new);
    const shn_status st = put_value(s, e->tag, "UI", new, strlen(new), r->out, err);
    return st == SHN_OK ? note(r, e->tag, what, "hashed", err) : st;
}

/** Date, or date and time: shifted; what is no date is emptied. */
static shn_status put_date(rewriting *r, const dcm_set *s, const dcm_element *e, const char *what, shn_error *err)
{
    char        text[40];
    shn_error   why;
    const char *vr = e->tag == 0x0008002a ? "DT" : "DA";
    if (dcm_ascii(e, text, sizeof text) == 0) return put_value(s, e->tag, vr, "", 0, r->out, err);
    const int shifted = strspn(text, "0123456789+-.") == strlen(text) && strlen(text) <= 26 && shn_deid_date_text(r->deid, text, 0, &why) == SHN_OK;
    const shn_status st = put_value(s, e->tag, vr, text, shifted ? strlen(text) : 0, r->out, err);
    return st == SHN_OK ? note(r, e->tag, what, shifted ? "shifted" : "removed", err) : st;
}

static shn_status put_age(rewriting *r, const dcm_set *s, const dcm_element *e, shn_error *err)
{
    char text[16];
    const size_t n = dcm_ascii(e, text, sizeof text), digits = strspn(text, "0123456789");
    if (n == 4 && digits == 3 && strchr("DWMY", text[3]) && !r->over_89) return put_value(s, e->tag, "AS", text, 4, r->out, err);
    if (n == 0) return put_value(s, e->tag, "AS", "", 0, r->out, err);
    const shn_status st = put_value(s, e->tag, "AS", "090Y", r->over_89 ? 4 : 0, r->out, err);
    return st == SHN_OK ? note(r, e->tag, "age", r->over_89 ? "cut to 90" : "removed", err) : st;
}

static shn_status put_id(rewriting *r, const dcm_set *s, const dcm_element *e, shn_error *err)
{
    char id[SHN_DEID_PATIENT_MAX];
    if (!*r->patient) return put_value(s, e->tag, "LO", "", 0, r->out, err);
    shn_deid_id(r->deid, id, sizeof id);
    const shn_status st = put_value(s, e->tag, "LO", id, strlen(id), r->out, err);
    return st == SHN_OK ? note(r, e->tag, "patient id", "hashed", err) : st;
}

static shn_status put_empty(rewriting *r, const dcm_set *s, const dcm_element *e, const char *what, shn_error *err)
{
    char text[8];
    static const struct { uint32_t tag; const char *vr; } types[] = { { 0x00080050, "SH" }, { 0x00080090, "PN" }, { 0x00100010, "PN" }, { 0x00100030, "DA" }, { 0x00200010, "SH" } };
    const char *vr = "LO";
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].tag == e->tag) vr = types[i].vr;
    const shn_status st = put_value(s, e->tag, vr, "", 0, r->out, err);
    return st == SHN_OK && dcm_ascii(e, text, sizeof text) ? note(r, e->tag, what, "removed", err) : st;
}

static shn_status put_set(rewriting *r, const dcm_set *s, int top, shn_error *err);

/** A sequence's items; annotations that hold free text are left out whole. Lengths are filled in behind. */
static shn_status put_sequence(rewriting *r, const dcm_set *s, const dcm_element *e, shn_error *err)
{
    dcm_set      item;
    size_t       at = 0;
    shn_status   st = put_head(s, e->tag, "SQ", 0, r->out, err);
    const size_t inside = r->out->n;
    while (st == SHN_OK) {
        dcm_element text = { 0 };
        st = dcm_item(s, e, &at, &item, err);
        if (st != SHN_OK || !item.bytes) break;
        if (e->tag == (uint32_t)DCM_ANNOTATIONS) st = dcm_find(&item, DCM_TEXT, &text, err);
        if (st == SHN_OK && text.value) {
            st = note(r, DCM_TEXT, "annotation in free text", "removed", err);
            continue;
        }
        if (st == SHN_OK && (item.implicit != s->implicit || item.big != s->big))
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "dicom.deidentify", "tag (%04X,%04X) is stored as of unknown kind (UN); this is not rewritten", (unsigned)(e->tag >> 16),
                            (unsigned)(e->tag & 0xffff));
        const size_t head = r->out->n;
        if (st == SHN_OK) st = put_head(s, DCM_ITEM, "", 0, r->out, err);
        if (st == SHN_OK) st = put_set(r, &item, 0, err);
        if (st == SHN_OK) put32(s, r->out->bytes + head + 4, (uint32_t)(r->out->n - head - 8));
    }
    if (st == SHN_OK && r->out->n - inside >= DCM_UNDEFINED) st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "dicom.deidentify", "a sequence of more than 4 GiB");
    if (st == SHN_OK) put32(s, r->out->bytes + inside - 4, (uint32_t)(r->out->n - inside));
    return st;
}

/** PatientIdentityRemoved and by what, at their place in the order of tags. */
static shn_status tell(rewriting *r, const dcm_set *s, shn_error *err)
{
    static const char method[] = "shinden deidentify: listed attributes kept, dates shifted";
    r->told = 1;
    shn_status st = put_value(s, DCM_DEIDENTIFIED, "CS", "YES", 3, r->out, err);
    if (st == SHN_OK) st = put_value(s, DCM_DEID_METHOD, "LO", method, strlen(method), r->out, err);
    return st;
}

/** An element that stays, byte for byte; its VR as stored (UN too). Where the standard has a value, a sequence could hold anything: refused. */
static shn_status put_as_is(rewriting *r, const dcm_set *s, const dcm_element *e, shn_error *err)
{
    if (e->undefined || strcmp(e->vr, "SQ") == 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "dicom.deidentify", "tag (%04X,%04X) is a sequence where the standard has a value; nobody can vouch for it",
                        (unsigned)(e->tag >> 16), (unsigned)(e->tag & 0xffff));
    shn_status st = put_head(s, e->tag, e->vr, (uint32_t)e->n, r->out, err);
    if (st == SHN_OK) st = shn_bytes_add(r->out, e->value, e->n, err);
    return st;
}

static shn_status put_element(rewriting *r, const dcm_set *s, const dcm_element *e, shn_error *err)
{
    const struct rule *rule = rule_for(e->tag);
    const int          private = (e->tag >> 16) % 2;
    switch (rule ? rule->what : REMOVE) {
    case KEEP: return put_as_is(r, s, e, err);
    case CLEAR: return put_empty(r, s, e, rule->name, err);
    case ENTER: return put_sequence(r, s, e, err);
    case ID: return put_id(r, s, e, err);
    case UID: return put_uid(r, s, e, rule->name, err);
    case DATE: return put_date(r, s, e, rule->name, err);
    case BIRTH: return r->over_89 || r->age_unknown ? put_empty(r, s, e, rule->name, err) : put_date(r, s, e, rule->name, err);
    case AGE: return put_age(r, s, e, err);
    case REMOVE: break;
    }
    if (e->n == 0) return SHN_OK;
    return note(r, e->tag, rule ? rule->name : private ? "private" : "not on the list", "removed", err);
}

static shn_status put_set(rewriting *r, const dcm_set *s, int top, shn_error *err)
{
    size_t     at = 0;
    shn_status st = SHN_OK;
    while (at < s->n && st == SHN_OK) {
        dcm_element e;
        st = dcm_next(s, &at, &e, err);
        if (st == SHN_OK && top && !r->told && e.tag > (uint32_t)DCM_DEID_METHOD) st = tell(r, s, err);
        if (st == SHN_OK && (!top || (e.tag != (uint32_t)DCM_DEIDENTIFIED && e.tag != (uint32_t)DCM_DEID_METHOD))) st = put_element(r, s, &e, err);
    }
    if (st == SHN_OK && top && !r->told) st = tell(r, s, err);
    return st;
}

/** Preamble (zeros: it may hold anything), "DICM" and meta elements: syntax and classes stay, the instance's UID is hashed, the rest goes. */
static shn_status put_meta(rewriting *r, const dcm_file *f, shn_error *err)
{
    static const uint8_t preamble[128] = { 0 };
    size_t     at = 0, length_at = 0;
    shn_status st = SHN_OK;
    if (f->preamble) {
        st = shn_bytes_add(r->out, preamble, sizeof preamble, err);
        if (st == SHN_OK) st = shn_bytes_add(r->out, "DICM", 4, err);
    }
    while (at < f->meta.n && st == SHN_OK) {
        dcm_element e;
        st = dcm_next(&f->meta, &at, &e, err);
        if (st != SHN_OK) break;
        switch (e.tag) {
        case 0x00020000:
            if (e.n != 4 || length_at) continue;
            st = put_as_is(r, &f->meta, &e, err);
            length_at = r->out->n;
            break;
        case 0x00020001: case 0x00020002: case 0x00020010: case 0x00020012: case 0x00020013: st = put_as_is(r, &f->meta, &e, err); break;
        case 0x00020003: st = put_uid(r, &f->meta, &e, "SOP instance UID", err); break;
        default: st = note(r, e.tag, "meta element not on the list", "removed", err);
        }
    }
    if (st == SHN_OK && length_at) write_u32le(r->out->bytes + length_at - 4, (uint32_t)(r->out->n - length_at));
    return st;
}

/** Who the patient is, and whether the birth date may stay: not over 89 years, and not where the age cannot be told. */
static shn_status take_age(rewriting *r, const shn_input *in, shn_error *err)
{
    shn_record        *rec = NULL;
    shn_format_options o = *in->options;
    shn_input          one = *in;
    o.first_sample = 0;
    o.max_samples = 1;
    one.options = &o;
    const shn_status st = shn_reader_dicom.read(&one, &rec, err);
    if (st != SHN_OK) return st;
    const shn_record_meta *meta = shn_record_meta_of(rec);
    snprintf(r->patient, sizeof r->patient, "%s", meta->patient);
    r->age_unknown = isnan(meta->age_years);
    r->over_89 = !r->age_unknown && shn_deid_age((int)meta->age_years) != (int)meta->age_years;
    shn_record_free(rec);
    return SHN_OK;
}

shn_status dcm_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    dcm_file  f;
    rewriting r = { .deid = deid, .out = out };
    *out = (shn_bytes){ 0 };
    shn_status st = dcm_open(in->bytes, in->n_bytes, &f, err);
    if (st == SHN_OK) st = take_age(&r, in, err);
    if (st != SHN_OK) return st;
    shn_deid_patient(deid, *r.patient ? r.patient : NULL);
    st = put_meta(&r, &f, err);
    if (st == SHN_OK) st = put_set(&r, &f.data, 1, err);
    if (st != SHN_OK) shn_bytes_free(out);
    return st;
}
